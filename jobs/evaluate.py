"""ray job submit --working-dir . -- python jobs/evaluate.py jobs/census.toml [--fail-under c2st=0.7]"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # the checkout, where raygen is not installed

from raygen import cli

if __name__ == "__main__":
    sys.exit(cli.main(["evaluate", *sys.argv[1:]]))

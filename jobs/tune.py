"""ray job submit --working-dir . -- python jobs/tune.py jobs/census.toml [--set section.key=value ...]"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # the checkout, where raygen is not installed

from raygen import cli

if __name__ == "__main__":
    sys.exit(cli.main(["tune", *sys.argv[1:]]))

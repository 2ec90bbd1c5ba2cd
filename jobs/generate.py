"""Generate rows on a cluster.

ray job submit --working-dir . -- python jobs/generate.py jobs/census.toml [--rows N] [--seed S] [--out DIR]
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # the checkout, where raygen is not installed

from raygen import cli

if __name__ == "__main__":
    sys.exit(cli.main(["generate", *sys.argv[1:]]))

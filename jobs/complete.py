"""Complete rows that are given in part on a cluster.

ray job submit --working-dir . -- python jobs/complete.py RUN/model PARTIAL [--draws N] [--out DIR]
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # the checkout, where raygen is not installed

from raygen import cli

if __name__ == "__main__":
    sys.exit(cli.main(["complete", *sys.argv[1:]]))

"""Score the rows of a table on a cluster.

ray job submit --working-dir . -- python jobs/score.py RUN/model ROWS [--out FILE] [--top N]
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # the checkout, where raygen is not installed

from raygen import cli

if __name__ == "__main__":
    sys.exit(cli.main(["score", *sys.argv[1:]]))

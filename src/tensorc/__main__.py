"""`python -m tensorc` is the command `tensorc`."""

import sys

from tensorc.cli import main

if __name__ == "__main__":
    sys.exit(main())

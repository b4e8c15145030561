"""`python -m ycore` is the command `ycore`."""

import sys

from ycore.cli import main

if __name__ == "__main__":
    sys.exit(main())

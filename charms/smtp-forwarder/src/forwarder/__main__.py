"""`python3 -m forwarder`."""

import sys

from forwarder import program

if __name__ == "__main__":
    sys.exit(program.main())

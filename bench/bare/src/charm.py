#!/usr/bin/env python3
"""A charm that does nothing: what ops alone costs."""

import ops

if __name__ == "__main__":
    ops.main(ops.CharmBase)

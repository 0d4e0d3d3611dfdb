from __future__ import annotations

import pathlib
import sys

# What these tests share with the short ones of the forwarder.
sys.path.append(str(pathlib.Path(__file__).parents[1] / "unit/forwarder"))

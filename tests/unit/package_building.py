"""What the tests of both packages share: building one."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pathlib


def build(project: pathlib.Path, folder: pathlib.Path, target: str) -> None:
    """Build a project's `sdist` or `wheel` into a folder."""
    hatchling = [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(folder)]
    subprocess.run(hatchling, cwd=project, check=True, capture_output=True)

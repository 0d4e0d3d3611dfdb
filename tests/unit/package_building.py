"""What the tests of both packages share: building one."""

from __future__ import annotations

import subprocess
import sys
import tarfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pathlib


def build(project: pathlib.Path, folder: pathlib.Path, target: str) -> None:
    """Build a project's `sdist` or `wheel` into a folder."""
    hatchling = [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(folder)]
    subprocess.run(hatchling, cwd=project, check=True, capture_output=True)


def unpack(sdist: pathlib.Path, folder: pathlib.Path) -> pathlib.Path:
    """Unpack an sdist into a folder, and return the project in it."""
    with tarfile.open(sdist) as archive:
        # Python 3.11.2, which is Debian 12's, knows no filters yet.
        archive.extraction_filter = getattr(tarfile, "data_filter", None)
        archive.extractall(folder)  # noqa: S202 - it is our own
    [project] = folder.iterdir()
    return project

"""A controller for a test session: its `juju` on the PATH, its folder gone afterwards."""

from __future__ import annotations

import contextlib
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING

from localjuju import releases

if TYPE_CHECKING:
    from collections.abc import Generator

BIN = pathlib.Path(__file__).parent / "bin"


@contextlib.contextmanager
def controller(*, release: str = releases.DEFAULT) -> Generator[pathlib.Path]:
    """Put localjuju's `juju` on the PATH, with a controller directory of its own.

    The controller starts with the first ``juju add-model``. At the end it is killed, with all that
    ran in it, and the environment is as it was.

    Args:
        release: the release of Juju that it plays, one of `releases.RELEASES`.

    Yields:
        the controller directory.
    """
    folder = tempfile.mkdtemp(prefix="localjuju-")
    changes = {
        "LOCALJUJU_DATA": folder,
        # The python3 of the PATH may lack what localjuju and the packed charms need.
        "LOCALJUJU_PYTHON": os.environ.get("LOCALJUJU_PYTHON", sys.executable),
        "LOCALJUJU_RELEASE": release,
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
    }
    before = {name: os.environ.get(name) for name in changes}
    os.environ.update(changes)
    try:
        yield pathlib.Path(folder)
    finally:
        # There is none if no model was added.
        kill = [BIN / "juju", "kill-controller", "--no-prompt", "localjuju"]
        subprocess.run(kill, check=False, capture_output=True)
        shutil.rmtree(folder, ignore_errors=True)
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})

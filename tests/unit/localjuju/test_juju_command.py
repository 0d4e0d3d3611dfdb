"""The `juju` command finds its own package, by whatever path it is called."""

from __future__ import annotations

import pathlib
import subprocess
import sys

import pytest

PACKAGE = pathlib.Path(__file__).parents[3] / "localjuju"


@pytest.fixture(params=["absolute", "relative", "through a parent", "linked"])
def command(request: pytest.FixtureRequest, tmp_path: pathlib.Path) -> str:
    script = PACKAGE / "bin" / "juju"
    if request.param == "linked":
        (tmp_path / "juju").symlink_to(script)
        return str(tmp_path / "juju")
    return {
        "absolute": str(script),
        "relative": "./bin/juju",
        "through a parent": str(PACKAGE / "bin" / ".." / "bin" / "juju"),
    }[request.param]


def test_it_runs_from_anywhere(command: str, tmp_path: pathlib.Path) -> None:
    env = {
        "LOCALJUJU_DATA": str(tmp_path / "data"),
        "LOCALJUJU_PYTHON": sys.executable,
        "PATH": "/usr/bin:/bin",
    }

    ran = subprocess.run(
        [command, "version"], cwd=PACKAGE, env=env, capture_output=True, text=True, check=True
    )

    assert ran.stdout.startswith("4.0")
    assert ran.stderr == ""

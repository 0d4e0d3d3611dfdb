"""The `juju` command finds its own package, by whatever path it is called."""

from __future__ import annotations

import pathlib
import subprocess
import sys

import pytest

PACKAGE = pathlib.Path(__file__).parents[3] / "localjuju"


@pytest.mark.parametrize(
    "command",
    [
        f"{PACKAGE}/bin/juju",
        f"{PACKAGE}/bin//juju",
        f"{PACKAGE}/bin/../bin/juju",
        f"{PACKAGE}//bin/juju",
        "./bin/juju",
        "{links}/juju",
        "{links}/bin/juju",
        "{links}/package/bin/juju",
        "{links}/localjuju/bin/juju",
    ],
)
def test_it_runs_from_anywhere(command: str, tmp_path: pathlib.Path) -> None:
    links = tmp_path / "links"
    (links / "localjuju").mkdir(parents=True)
    (links / "juju").symlink_to(PACKAGE / "bin" / "juju")
    for link in ("bin", "localjuju/bin"):
        (links / link).symlink_to(PACKAGE / "bin")
    (links / "package").symlink_to(PACKAGE)
    env = {
        "LOCALJUJU_DATA": str(tmp_path / "data"),
        "LOCALJUJU_PYTHON": sys.executable,
        "PATH": "/usr/bin:/bin",
    }

    ran = subprocess.run(
        [command.format(links=links), "version"],
        cwd=PACKAGE,
        env=env,
        capture_output=True,
        text=True,
        check=True,
    )

    assert ran.stdout.startswith("4.0")
    assert ran.stderr == ""

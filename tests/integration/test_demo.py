"""`make demo` shows a message that arrives, whatever the python3 of the PATH can do."""

from __future__ import annotations

import os
import pathlib
import runpy
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[2]
DEMO = ROOT / "docs" / "demo.py"


def test_the_demo_needs_nothing_of_the_machines_python(
    pytestconfig: pytest.Config, tmp_path: pathlib.Path
) -> None:
    if pytestconfig.getoption("--juju"):
        pytest.skip("the demo is localjuju's")
    bare = tmp_path / "python3"
    bare.write_text(f'#!/bin/sh\nexec "{sys.executable}" -I -S "$@"\n')
    bare.chmod(0o755)
    environment = {k: v for k, v in os.environ.items() if not k.startswith("LOCALJUJU_")}
    environment["PATH"] = f"{tmp_path}{os.pathsep}/usr/bin{os.pathsep}/bin"

    process = subprocess.run(
        [sys.executable, DEMO],
        env=environment,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )

    assert process.returncode == 0, process.stdout + process.stderr
    assert "AUTH refused: 535" in process.stdout
    assert "The relay works." in process.stdout
    assert "Subject: Hello from Juju" in process.stdout
    assert runpy.run_path(str(DEMO))["PASSWORD"] not in process.stdout

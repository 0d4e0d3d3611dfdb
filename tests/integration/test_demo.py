"""`make demo` runs on any machine, whatever the python3 of the PATH can do."""

from __future__ import annotations

import os
import pathlib
import runpy
import subprocess
import sys

import pytest

DEMO = pathlib.Path(__file__).parents[2] / "docs" / "demo.py"


def test_the_demo_needs_nothing_of_the_machines_python(
    pytestconfig: pytest.Config, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if pytestconfig.getoption("--juju"):
        pytest.skip("the demo is localjuju's")
    bare = tmp_path / "python3"
    bare.write_text(f'#!/bin/sh\nexec "{sys.executable}" -I -S "$@"\n')
    bare.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}/usr/bin{os.pathsep}/bin")
    monkeypatch.delenv("LOCALJUJU_PYTHON")
    monkeypatch.setenv("LOCALJUJU_DATA", "")

    with runpy.run_path(str(DEMO))["localjuju"](tmp_path):
        subprocess.run(["juju", "add-model", "demo"], check=True)

        models = subprocess.check_output(["juju", "models"], text=True)
    assert "demo" in models
    assert not (tmp_path / "localjuju").exists()

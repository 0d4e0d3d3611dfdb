"""The package localjuju, installed by itself, does what its README says."""

from __future__ import annotations

import os
import pathlib
import re
import shutil
import subprocess
import sys
import sysconfig
from typing import TYPE_CHECKING

import pytest
from package_building import build, unpack

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = pathlib.Path(__file__).parents[2]
PACKAGE = ROOT / "packages" / "localjuju"
SUITE = """
import jubilant

def test_it_greets(juju):
    juju.deploy("./greeter")
    juju.wait(jubilant.all_active)
    status = juju.status()
    assert status.apps["greeter"].units["greeter/0"].workload_status.message == "hello world"
    assert status.model.version.startswith("3.6")
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Build an sdist, and the wheel from it, as an index does."""
    folder = tmp_path_factory.mktemp("localjuju")
    build(PACKAGE, folder, "sdist")
    [sdist] = folder.glob("*.tar.gz")
    build(unpack(sdist, folder / "unpacked"), folder, "wheel")
    [built] = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def environment(
    wheel: pathlib.Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, str]]:
    """Install the wheel into an environment of its own; dependencies are lent from this one."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    uv = pathlib.Path(sys.executable).parent / "uv"
    python = folder / "bin" / "python"
    install = [uv, "pip", "install", "--offline", "--no-deps", "--quiet", "--python", python]
    subprocess.run([*install, wheel], check=True)
    [site] = folder.glob("lib/python*/site-packages")
    (site / "lent.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    kept = {name: value for name, value in os.environ.items() if name.startswith(("LANG", "LC_"))}
    data = folder / "data"
    path = f"{folder / 'bin'}{os.pathsep}/usr/bin{os.pathsep}/bin"
    yield kept | {"HOME": str(folder), "LOCALJUJU_DATA": str(data), "PATH": path}
    shutil.rmtree(data, ignore_errors=True)


def blocks() -> list[str]:
    return re.findall(
        r"^```bash\n(.*?)^```$", (PACKAGE / "README.md").read_text(), re.MULTILINE | re.DOTALL
    )


def test_the_tour_of_the_readme_greets(
    environment: dict[str, str], tmp_path: pathlib.Path
) -> None:
    charm, tour = blocks()
    wait = "until localjuju status | grep 'idle .*hello Juju'; do sleep 0.2; done\n"
    script = charm + tour.replace("localjuju status\n", wait)
    shown = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=tmp_path,
        env=environment,
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    ).stdout
    assert re.search(r"greeter/0\*\s+active\s+idle .* hello Juju", shown)


def test_a_charms_own_suite_runs_on_it(
    environment: dict[str, str], tmp_path: pathlib.Path
) -> None:
    subprocess.run(["bash", "-eu", "-c", blocks()[0]], cwd=tmp_path, env=environment, check=True)
    (tmp_path / "test_greeter.py").write_text(SUITE)
    pytest_ = ["python", "-m", "pytest", "-p", "no:cacheprovider", "--localjuju", "-q"]
    run = subprocess.run(
        [*pytest_, "--localjuju-release=3.6"],
        cwd=tmp_path,
        env=environment,
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert "1 passed" in run.stdout, run.stdout + run.stderr

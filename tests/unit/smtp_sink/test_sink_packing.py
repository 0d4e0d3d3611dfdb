import pathlib
import subprocess

import sink_running
import uv
import yaml

ROOT = sink_running.SOURCE.parent
EXPORT = "export --frozen --no-dev --no-emit-project --no-hashes --no-annotate --no-header"


def test_the_requirements_are_those_of_the_lock(tmp_path: pathlib.Path) -> None:
    exported = tmp_path / "requirements.txt"
    command = [uv.find_uv_bin(), *EXPORT.split(), "--quiet", "--output-file", str(exported)]
    subprocess.run(command, check=True, cwd=ROOT)
    assert (ROOT / "requirements.txt").read_text() == exported.read_text()


def test_the_lock_is_that_of_the_project() -> None:
    subprocess.run(
        [uv.find_uv_bin(), "lock", "--check", "--offline", "--quiet"], check=True, cwd=ROOT
    )


def test_every_platform_is_built_on_itself() -> None:
    platforms = yaml.safe_load((ROOT / "charmcraft.yaml").read_text())["platforms"]
    assert list(platforms) == [
        f"ubuntu@{base}:{machine}" for base in ("22.04", "24.04") for machine in ("amd64", "arm64")
    ]
    for name, platform in platforms.items():
        machine = name.rpartition(":")[2]
        assert platform == {"build-on": [machine], "build-for": [machine]}

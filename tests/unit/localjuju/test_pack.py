from __future__ import annotations

import os
import pathlib
import stat
import subprocess
import sys
import zipfile

import pytest
import yaml

from localjuju import pack

CHARMCRAFT = """\
name: small
title: A small charm
summary: Small.
type: charm
platforms: {"ubuntu@22.04:amd64": null, "ubuntu@24.04:amd64": null}
parts:
  charm: {plugin: uv, source: .}
  files: {plugin: dump, source: ., stage: [templates, "docs/*.txt", -templates/draft]}
provides: {db: {interface: db}}
config: {options: {n: {type: int, default: 1}}}
actions: {look: {description: Look.}}
"""


@pytest.fixture
def project(tmp_path: pathlib.Path) -> pathlib.Path:
    folder = tmp_path / "project"
    for path, text in {
        "charmcraft.yaml": CHARMCRAFT,
        "requirements.txt": "",
        "src/charm.py": "import helper; print('ran', helper.__file__, __import__('sys').prefix)\n",
        "src/__pycache__/charm.pyc": "stale",
        "lib/helper.py": "",
        "templates/main.conf": "conf",
        "templates/draft": "no",
        "docs/read.txt": "text",
        "docs/more.md": "no",
        "LICENSE": "license",
        "notes.txt": "no",
    }.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    (folder / "templates" / "main.conf").chmod(0o755)
    return folder


def packed(project: pathlib.Path, name: str = "small.charm") -> pathlib.Path:
    output = project.parent / "out" / name
    pack.pack(project, output, cache=project.parent / "cache")
    return output


def test_the_layout_is_that_of_charmcraft(project: pathlib.Path) -> None:
    with zipfile.ZipFile(packed(project)) as archive:
        assert sorted(archive.namelist()) == [
            "LICENSE",
            "actions.yaml",
            "config.yaml",
            "dispatch",
            "docs/read.txt",
            "lib/helper.py",
            "manifest.yaml",
            "metadata.yaml",
            "src/charm.py",
            "templates/main.conf",
        ]
        metadata = yaml.safe_load(archive.read("metadata.yaml"))
        assert metadata == {
            "name": "small",
            "display-name": "A small charm",
            "summary": "Small.",
            "provides": {"db": {"interface": "db"}},
        }
        assert yaml.safe_load(archive.read("config.yaml"))["options"]["n"]["default"] == 1
        bases = yaml.safe_load(archive.read("manifest.yaml"))["bases"]
        assert [base["channel"] for base in bases] == ["22.04", "24.04"]
        modes = {
            name: stat.S_IMODE(archive.getinfo(name).external_attr >> 16)
            for name in ("dispatch", "templates/main.conf", "src/charm.py")
        }
    assert modes == {"dispatch": 0o755, "templates/main.conf": 0o755, "src/charm.py": 0o644}


def test_the_same_project_gives_the_same_bytes(project: pathlib.Path) -> None:
    first = packed(project).read_bytes()
    os.utime(project / "src" / "charm.py", (0, 0))
    (project.parent / "cache").rename(project.parent / "forgotten")
    assert packed(project, "again.charm").read_bytes() == first


def test_dispatch_runs_the_charm_in_its_environment(
    project: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    (project / "requirements.txt").write_text("")
    unit = tmp_path / "unit"
    with zipfile.ZipFile(packed(project)) as archive:
        archive.extractall(unit)
    (unit / "dispatch").chmod(0o755)
    site = unit / "venv/lib" / f"python{sys.version_info.major}.{sys.version_info.minor}"
    (site / "site-packages").mkdir(parents=True)
    for command in ([unit / "dispatch"], ["./dispatch"], ["sh", "dispatch"]):
        done = subprocess.run(
            command,
            check=True,
            capture_output=True,
            text=True,
            cwd=unit,
            env={"PATH": f"{pathlib.Path(sys.executable).resolve().parent}:/usr/bin:/bin"},
        )
        assert done.stdout.split() == ["ran", f"{unit}/lib/helper.py", f"{unit}/venv"]


def test_an_environment_is_built_once(
    project: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed(project)
    monkeypatch.setattr(pack, "_install", None)
    (project / "src" / "charm.py").write_text("changed")
    with zipfile.ZipFile(packed(project)) as archive:
        assert archive.read("src/charm.py") == b"changed"


def test_what_is_missing_is_named(
    project: pathlib.Path, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert pack.main([str(tmp_path), "--output", str(tmp_path / "x.charm")]) == 1
    assert "has no charmcraft.yaml" in capsys.readouterr().err
    (project / "requirements.txt").unlink()
    with pytest.raises(pack.PackError, match="name the file with --requirements"):
        packed(project)
    (project / "src" / "charm.py").unlink()
    with pytest.raises(pack.PackError, match=r"has no src/charm\.py"):
        packed(project)


def test_without_uv_and_pip_the_remedy_is_named(
    project: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", dict[str, None]().get)
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(pack.PackError, match="put uv on PATH, or pip into"):
        packed(project)


def test_a_failed_install_tells_why(project: pathlib.Path) -> None:
    (project / "requirements.txt").write_text("./no-such-package\n")
    with pytest.raises(pack.PackError, match="no-such-package"):
        packed(project)
    assert list((project.parent / "cache").iterdir()) == []

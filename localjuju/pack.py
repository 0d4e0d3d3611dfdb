"""Pack a charm project without charmcraft: ``python -m localjuju.pack PROJECT --output FILE``.

``charmcraft pack`` needs a host that is the base's Ubuntu. This builds the same layout on any
host, for the Python that runs it: good for localjuju on the same machine, not for Charmhub. The
environment is built once per requirements and Python and kept, so that packing again after a
change of the source needs neither network nor patience. The same input gives the same bytes.

The layout: https://documentation.ubuntu.com/charmcraft/stable/reference/files/
"""

from __future__ import annotations

import argparse
import compileall
import hashlib
import importlib.util
import os
import pathlib
import platform
import py_compile
import shutil
import stat
import subprocess
import sys
import tempfile
import zipfile
from typing import TYPE_CHECKING, Any

import yaml

from localjuju import charm

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_DATE = (1980, 1, 1, 0, 0, 0)
_DISPATCH = """\
#!/bin/sh
# Run the charm in its own environment. The interpreter is the machine's and is linked at the first
# run, because a charm travels without one; no refresh brings another.
case $0 in
    /*) charm=${0%/*} ;;
    *) charm=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd) ;;
esac
python=$charm/venv/bin/python
if [ ! -x "$python" ]; then
    found=$(command -v python3)
    mkdir -p "$charm/venv/bin"
    ln -sf "$found" "$python"
    printf 'home = %s\\ninclude-system-site-packages = false\\n' \\
        "$(dirname -- "$(readlink -f -- "$found")")" > "$charm/venv/pyvenv.cfg"
fi
PYTHONPATH=$charm/lib:$charm/src exec "$python" "$charm/src/charm.py"
"""
_ENVIRONMENT = "3"
"""Counts the changes of how an environment is packed; the cache does not mix them."""
_FILES = ("LICENSE", "README.md", "actions.yaml", "config.yaml", "metadata.yaml")
_FOLDERS = ("lib", "src")


class PackError(Exception):
    """A project that cannot be packed, with the reason and the remedy."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Pack the project that the command line names; give the exit code."""
    parser = argparse.ArgumentParser(prog="python -m localjuju.pack", description=__doc__)
    parser.add_argument("project", type=pathlib.Path)
    parser.add_argument("--output", type=pathlib.Path, required=True)
    parser.add_argument("--requirements", type=pathlib.Path)
    parser.add_argument("--cache", type=pathlib.Path, default=pathlib.Path("build/venvs"))
    given = parser.parse_args(arguments)
    try:
        pack(given.project, given.output, requirements=given.requirements, cache=given.cache)
    except PackError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def pack(
    project: pathlib.Path,
    output: pathlib.Path,
    *,
    requirements: pathlib.Path | None = None,
    cache: pathlib.Path = pathlib.Path("build/venvs"),
) -> None:
    """Pack a charm project.

    Args:
        project: the folder with ``charmcraft.yaml``.
        output: the ``.charm`` file to write.
        requirements: the pinned packages; the project's ``requirements.txt`` by default.
        cache: where built environments are kept.

    Raises:
        PackError: if the project has no charm, or its environment cannot be built.
    """
    charmcraft = project / "charmcraft.yaml"
    if not charmcraft.is_file():
        raise PackError(f"{project} has no charmcraft.yaml")
    settings: dict[str, Any] = yaml.safe_load(charmcraft.read_text()) or {}
    if not (project / "src" / "charm.py").is_file():
        raise PackError(f"{project} has no src/charm.py")
    environment = _environment(requirements or project / "requirements.txt", cache)
    output.parent.mkdir(parents=True, exist_ok=True)
    draft = output.with_name(f".{output.name}.new")
    shutil.copyfile(environment, draft)
    with zipfile.ZipFile(draft, "a") as archive:
        for name, path in sorted(_project_files(project, settings).items()):
            _add(archive, name, path.read_bytes(), executable=os.access(path, os.X_OK))
        for name, text in sorted(_written(project, settings).items()):
            _add(archive, name, text.encode(), executable=name == "dispatch")
    draft.replace(output)


def _add(archive: zipfile.ZipFile, name: str, content: bytes, *, executable: bool) -> None:
    entry = zipfile.ZipInfo(name, _DATE)
    entry.external_attr = (stat.S_IFREG | (0o755 if executable else 0o644)) << 16
    entry.compress_type = zipfile.ZIP_DEFLATED
    archive.writestr(entry, content)


def _project_files(project: pathlib.Path, settings: dict[str, Any]) -> dict[str, pathlib.Path]:
    """The project's own files by their names in the charm."""
    patterns = [*_FILES, *_FOLDERS]
    parts: dict[str, dict[str, Any]] = settings.get("parts") or {}
    for part in parts.values():
        if part.get("plugin") == "dump":
            patterns += [*(part.get("stage") or []), *(part.get("prime") or [])]
    found: dict[str, pathlib.Path] = {}
    for pattern in patterns:
        for path in [] if pattern.startswith("-") else sorted(project.glob(pattern)):
            found |= {one.relative_to(project).as_posix(): one for one in _walk(path)}
    for pattern in patterns:
        if pattern.startswith("-"):
            for path in project.glob(pattern[1:]):
                for one in _walk(path):
                    found.pop(one.relative_to(project).as_posix(), None)
    return found


def _walk(path: pathlib.Path) -> Iterator[pathlib.Path]:
    inner = sorted(path.rglob("*")) if path.is_dir() else [path]
    return (one for one in inner if one.is_file() and "__pycache__" not in one.parts)


def _written(project: pathlib.Path, settings: dict[str, Any]) -> dict[str, str]:
    """The files that charmcraft writes: dispatch, and what it makes of the project's settings."""
    return charm.split_project(project, settings) | {"dispatch": _DISPATCH}


def _environment(requirements: pathlib.Path, cache: pathlib.Path) -> pathlib.Path:
    """The packed environment of some requirements, from the cache or built now."""
    if not requirements.is_file():
        raise PackError(f"{requirements} does not exist: name the file with --requirements")
    facts = (requirements.read_text(), sys.version, platform.machine(), _ENVIRONMENT)
    digest = hashlib.sha256("\0".join(facts).encode()).hexdigest()
    packed = cache / f"{digest[:32]}.zip"
    if packed.exists():
        return packed
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as folder:
        site = pathlib.Path(folder) / "site-packages"
        _install(requirements, site)
        # Nobody edits an environment in place, so no import has to read the source first.
        compileall.compile_dir(
            site,
            quiet=2,
            stripdir=str(site),
            invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
        )
        draft = pathlib.Path(folder) / "packed.zip"
        _pack_environment(site, draft)
        draft.replace(packed)
    return packed


def _install(requirements: pathlib.Path, site: pathlib.Path) -> None:
    """Install the requirements with uv, or with pip where there is none."""
    where = ["--target", str(site), "--requirement", str(requirements)]
    if uv := _find_uv():
        command = [uv, "pip", "install", "--quiet", "--python", sys.executable, *where]
    elif importlib.util.find_spec("pip"):
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-compile", *where]
    else:
        raise PackError(
            f"neither uv nor pip is there to install {requirements}: "
            f"put uv on PATH, or pip into {sys.executable}"
        )
    site.mkdir()
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise PackError(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    shutil.rmtree(site / "bin", ignore_errors=True)


def _find_uv() -> str | None:
    if importlib.util.find_spec("uv"):
        import uv  # noqa: PLC0415 - there is one only where it is installed

        return str(uv.find_uv_bin())
    return shutil.which("uv")


def _pack_environment(site: pathlib.Path, packed: pathlib.Path) -> None:
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    with zipfile.ZipFile(packed, "w") as archive:
        for path in sorted(one for one in site.rglob("*") if one.is_file()):
            if path.name not in (".lock", "direct_url.json", "INSTALLER", "REQUESTED"):
                name = f"venv/lib/{version}/site-packages/{path.relative_to(site).as_posix()}"
                executable = os.access(path, os.X_OK)
                _add(archive, name, path.read_bytes(), executable=executable)


if __name__ == "__main__":
    sys.exit(main())

"""The files of a charm: out of its archive, and into a unit's charm folder."""

from __future__ import annotations

import contextlib
import hashlib
import os
import pathlib
import shutil
import stat
import tempfile
import zipfile

from localjuju import errors, processes

_ENVIRONMENT = "venv"
_NOT_CHARM = {".bzr", ".git", ".hg", ".ropeproject", ".svn", ".tox", "__pycache__"}


def take(source: pathlib.Path, folder: pathlib.Path, unpacked: pathlib.Path) -> None:
    """Put the files of a packed charm or of a charm folder into another folder.

    Args:
        source: a ``.charm`` file, or a folder.
        folder: where the files are put, and never written; it must not exist.
        unpacked: a folder on the same disk that keeps what ``.charm`` files hold, because most are
            deployed many times.

    Raises:
        errors.JujuError: if there is no charm.
    """
    if source.is_dir():
        shutil.copytree(source, folder, symlinks=True, ignore=_ignored, copy_function=_copy)
    elif source.is_file():
        kept = _unzipped(source, unpacked)
        shutil.copytree(kept, folder, symlinks=True, copy_function=_link)
    else:
        raise errors.JujuError(f'no charm was found at "{source}"')


def install(
    files: pathlib.Path, target: pathlib.Path, old_files: pathlib.Path | None = None
) -> None:
    """Put a charm's files into a unit's charm folder, all with the present as their time.

    Files that the old charm brought and the new one lacks go; what the unit made itself stays.
    A file is replaced, never rewritten, because a workload may still run from it. The environment,
    which is most of a charm, is linked: installers replace its files too.
    """
    new = set(_files(files))
    for name in sorted(set(_files(old_files)) - new) if old_files else []:
        (target / name).unlink(missing_ok=True)
    for name in sorted(new):
        destination = target / name
        destination.parent.mkdir(parents=True, exist_ok=True)
        destination.unlink(missing_ok=True)
        put = _link if name.parts[0] == _ENVIRONMENT else _copy
        put(files / name, destination, follow_symlinks=False)


def _files(folder: pathlib.Path) -> list[pathlib.Path]:
    """Every file of a charm, relative to its folder; a link to a folder counts as a file."""
    found: list[pathlib.Path] = []
    for parent, folders, names in os.walk(folder):
        here = pathlib.Path(parent)
        links = [name for name in folders if (here / name).is_symlink()]
        found += [(here / name).relative_to(folder) for name in [*names, *links]]
    return found


def _ignored(folder: str, names: list[str]) -> set[str]:
    at_root = "metadata.yaml" in names or "charmcraft.yaml" in names
    build = {"build"} if at_root and not (pathlib.Path(folder) / "build").is_file() else set[str]()
    return (_NOT_CHARM | build) & set(names)


def _unzipped(source: pathlib.Path, store: pathlib.Path) -> pathlib.Path:
    """The folder of the store with what an archive holds."""
    with source.open("rb") as archive:
        kept = store / hashlib.sha256(archive.read()).hexdigest()
    if not kept.exists():
        store.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=store) as folder:
            _unzip(source, pathlib.Path(folder) / "files")
            # Another model may have been faster.
            with contextlib.suppress(OSError):
                (pathlib.Path(folder) / "files").rename(kept)
    return kept


def _link(
    source: str | pathlib.Path, destination: str | pathlib.Path, *, follow_symlinks: bool = False
) -> None:
    try:
        os.link(source, destination, follow_symlinks=follow_symlinks)
    except OSError:
        # Some disks know no links.
        _copy(source, destination, follow_symlinks=follow_symlinks)


def _copy(
    source: str | pathlib.Path, destination: str | pathlib.Path, *, follow_symlinks: bool = True
) -> None:
    with processes.TURN:
        shutil.copy(source, destination, follow_symlinks=follow_symlinks)


def _unzip(source: pathlib.Path, folder: pathlib.Path) -> None:
    try:
        with zipfile.ZipFile(source) as archive:
            for entry in archive.infolist():
                _extract(archive, entry, folder)
    except zipfile.BadZipFile:
        raise errors.JujuError(f'invalid charm archive "{source}": not a zip file') from None


def _extract(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, folder: pathlib.Path) -> None:
    mode = entry.external_attr >> 16
    if stat.S_ISLNK(mode):
        target = folder / entry.filename
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(archive.read(entry).decode())
        return
    with processes.TURN:
        path = archive.extract(entry, folder)
    if mode and not entry.is_dir():
        pathlib.Path(path).chmod(stat.S_IMODE(mode))

from __future__ import annotations

import os
import pathlib

import pytest

from unit_service import files


def test_a_file_is_on_disk_before_it_takes_the_place_of_the_old_one(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, synced, fsync = tmp_path / "config.json", list[tuple[str, str]](), os.fsync

    def watch(descriptor: int) -> None:
        fsync(descriptor)
        written = pathlib.Path(f"/proc/self/fd/{descriptor}").read_text()
        synced.append((written, path.read_text()))

    files.write(path, "old")
    monkeypatch.setattr(os, "fsync", watch)
    files.write(path, "new")

    assert synced == [("new", "old")]
    assert path.read_text() == "new"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [one.name for one in tmp_path.iterdir()] == ["config.json"]


def test_a_file_that_fails_leaves_the_old_one(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "config.json"
    files.write(path, "old")
    with pytest.raises(UnicodeEncodeError):
        files.write(path, "half a pair: \ud800")
    assert path.read_text() == "old"
    assert [one.name for one in tmp_path.iterdir()] == ["config.json"]


def test_a_text_is_read_as_it_was_written(tmp_path: pathlib.Path) -> None:
    path, text = tmp_path / "rules", "of Windows\r\nof old\rof Unix\n"
    files.write(path, text)
    assert files.read(path) == text
    assert files.read(tmp_path / "none") is None

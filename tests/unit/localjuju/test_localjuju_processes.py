"""Programs start while the files of others are being written."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

from localjuju import charm_files, processes

if TYPE_CHECKING:
    import pathlib

UNITS = 8
ROUNDS = 40


def test_a_charm_starts_though_other_threads_write_theirs_and_start_them(
    tmp_path: pathlib.Path,
) -> None:
    charm = tmp_path / "charm"
    charm.mkdir()
    (charm / "dispatch").write_text("#!/bin/sh\n")
    (charm / "dispatch").chmod(0o755)
    problems: list[OSError] = []

    def live(unit: int) -> None:
        for turn in range(ROUNDS):
            folder = tmp_path / f"unit-{unit}-{turn}"
            charm_files.install(charm, folder)
            try:
                with processes.start([str(folder / "dispatch")], folder, dict(os.environ)) as done:
                    done.wait()
            except OSError as problem:
                problems.append(problem)

    agents = [threading.Thread(target=live, args=(unit,)) for unit in range(UNITS)]
    for agent in agents:
        agent.start()
    for agent in agents:
        agent.join()

    assert problems == []

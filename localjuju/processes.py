"""The processes of a unit's machine, which end when the machine does."""

from __future__ import annotations

import contextlib
import os
import pathlib
import signal


def kill_group(leader: int) -> None:
    """Kill a process that leads a group, with its group."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


def kill_within(folder: pathlib.Path) -> None:
    """Kill what charms under the folder have started and left running.

    A machine that is removed takes its daemons along. Here they are known by the environment that
    their hook gave them, or by their working folder, a unit's own, where they have no terminal: a
    person who looks around there stays. Without ``/proc`` all of them stay.
    """
    for entry in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if int(entry.name) != os.getpid() and _belongs(entry, str(folder)):
                os.kill(int(entry.name), signal.SIGKILL)


def _belongs(entry: pathlib.Path, folder: str) -> bool:
    if entry.stat().st_uid != os.getuid():
        return False
    if f"\0JUJU_CHARM_DIR={folder}/".encode() in b"\0" + (entry / "environ").read_bytes():
        return True
    place = f"{(entry / 'cwd').readlink()}/"
    return place.startswith(f"{folder}/") and "/agents/unit-" in place and not _terminal(entry)


def _terminal(entry: pathlib.Path) -> bool:
    """Whether a process has a controlling terminal, the seventh field of its ``stat``."""
    return (entry / "stat").read_text().rpartition(")")[2].split()[4] != "0"

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
    their hook gave them, or by the folder in which they run. Without ``/proc`` they stay.
    """
    for entry in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if int(entry.name) != os.getpid() and _belongs(entry, str(folder)):
                os.kill(int(entry.name), signal.SIGKILL)


def _belongs(entry: pathlib.Path, folder: str) -> bool:
    if entry.stat().st_uid != os.getuid():
        return False
    if f"{(entry / 'cwd').readlink()}/".startswith(f"{folder}/"):
        return True
    marker = f"\0JUJU_CHARM_DIR={folder}/".encode()
    return marker in b"\0" + (entry / "environ").read_bytes()

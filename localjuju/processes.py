"""The processes of a unit's machine, which end when the machine does.

While one thread writes a program, another must start none: the new process holds a copy of the
open file until it runs its own program, and Linux runs no file that is open for writing (execve(2)
says ETXTBSY). So those who write programs and those who start them take turns, by `TURN`.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import signal
import subprocess
import threading

TURN = threading.Lock()
"""Held to write a file that may be a program, and to start a process."""


def start(
    command: list[str], folder: pathlib.Path, env: dict[str, str]
) -> subprocess.Popen[bytes]:
    """Start a program in a session of its own, with pipes for what it writes.

    Raises:
        OSError: if it cannot be run.
    """
    with TURN:
        return subprocess.Popen(
            command,
            cwd=folder,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )


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

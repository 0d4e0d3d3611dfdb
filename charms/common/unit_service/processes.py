"""Tell one process from another, even after its number has been given to a new one."""

import dataclasses
import json
import os
import pathlib
import signal
import time

from unit_service import files

_PROC = pathlib.Path("/proc")
_POLL_SECONDS = 0.02


@dataclasses.dataclass(frozen=True)
class Process:
    """A process that is, or was, on this machine.

    A number alone does not name a process, because Linux uses it again: `started` holds the boot
    and the clock tick of the process's start (`proc_pid_stat(5)`, field 22).
    """

    pid: int
    started: str


def find(pid: int) -> Process | None:
    """Return the process that has this number now; None if there is none, or only a zombie.

    A process whose first thread has ended is a zombie too, and keeps its files and sockets until
    the last one has: it is one that still runs.
    """
    try:
        stat = (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The second field is the program's name in parentheses, and may hold blanks and parentheses.
    fields = stat.rpartition(")")[2].split()
    state, threads = fields[0], int(fields[17])
    if state in {"Z", "X"} and threads <= 1:
        return None
    boot = (_PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return Process(pid, f"{boot}/{fields[19]}")


def current() -> Process:
    """Return the process that runs this code."""
    process = find(os.getpid())
    if process is None:
        raise RuntimeError(f"{_PROC} does not show this process")
    return process


def is_alive(process: Process) -> bool:
    """Return whether exactly this process runs."""
    return find(process.pid) == process


def wait(process: Process, *, timeout: float) -> bool:
    """Wait until the process has ended, for at most `timeout` seconds; return whether it has."""
    deadline = time.monotonic() + timeout
    while is_alive(process):
        if time.monotonic() >= deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True


def end(process: Process, *, timeout: float = 30) -> None:
    """End the process: SIGTERM, and SIGKILL if it still runs after `timeout` seconds."""
    for signal_number in (signal.SIGTERM, signal.SIGKILL):
        if not is_alive(process):
            return
        try:
            os.kill(process.pid, signal_number)
        except ProcessLookupError:
            return
        if wait(process, timeout=timeout):
            return


def read(path: pathlib.Path) -> Process | None:
    """Return the process that `write` wrote; None if there is no such file."""
    text = files.read(path)
    return None if text is None else Process(**json.loads(text))


def write(path: pathlib.Path, process: Process) -> None:
    """Write down which process to look for."""
    files.write(path, json.dumps(dataclasses.asdict(process)))

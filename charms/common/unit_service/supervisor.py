"""The process that keeps the server running where systemd does not.

`python3 -m unit_service.supervisor STATE-DIRECTORY COMMAND` returns at once and leaves a process
behind that runs the command, and runs it again whenever it ends, until it gets SIGTERM, or until
the server's configuration or code is gone, which means that the unit is.
"""

import contextlib
import ctypes
import os
import pathlib
import signal
import subprocess
import sys
import time
import types
from collections.abc import Sequence
from typing import NoReturn

from unit_service import files, processes

SHORTEST_DELAY = 0.1
LONGEST_DELAY = 15.0
# A server that ran this long is started again without delay.
STEADY_SECONDS = 10.0
_STOP_SECONDS = 20.0
_WATCH_SECONDS = 1.0
# See prctl(2).
_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Leave a supervisor behind for the state directory that the command line names."""
    directory = files.StateDir(pathlib.Path(sys.argv[1]))
    child = os.fork()
    if child:
        # The file is there when this returns, so that whoever started it can stop it at once.
        supervisor = processes.find(child)
        if supervisor is not None:
            processes.write(directory.supervisor, supervisor)
        return
    os.setsid()
    signal.signal(signal.SIGTERM, _exit)
    keep_running(sys.argv[2:], (directory.config, pathlib.Path(__file__)))


def keep_running(command: Sequence[str], needed: Sequence[pathlib.Path]) -> None:
    """Run a command again and again, as long as all the files it needs are there.

    The command ends with this process, however that ends.
    """
    delay = SHORTEST_DELAY
    while all(path.exists() for path in needed):
        started = time.monotonic()
        _run(command, needed)
        steady = time.monotonic() - started >= STEADY_SECONDS
        delay = SHORTEST_DELAY if steady else min(2 * delay, LONGEST_DELAY)
        time.sleep(delay)


def _exit(_signal: int, _frame: types.FrameType | None) -> NoReturn:
    sys.exit()


def _run(command: Sequence[str], needed: Sequence[pathlib.Path]) -> None:
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        preexec_fn=_end_with_parent,  # noqa: PLW1509 - there is one thread
    ) as process:
        try:
            while process.poll() is None and all(path.exists() for path in needed):
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(_WATCH_SECONDS)
        finally:
            process.terminate()
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()


def _end_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


if __name__ == "__main__":
    main()

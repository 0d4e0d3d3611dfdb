"""The process that keeps the server running where systemd does not.

`python3 -m unit_service.supervisor STATE-DIRECTORY COMMAND` returns at once and leaves a process
behind that runs the command, and runs it again whenever it ends, until it gets SIGTERM, or until
the server's configuration or code is gone, which means that the unit is.
"""

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
_STOP_SECONDS = 5.0


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

    The command's standard input is a pipe, so that it can tell when this process has ended.
    """
    delay = SHORTEST_DELAY
    while all(path.exists() for path in needed):
        started = time.monotonic()
        _run(command)
        steady = time.monotonic() - started >= STEADY_SECONDS
        delay = SHORTEST_DELAY if steady else min(2 * delay, LONGEST_DELAY)
        time.sleep(delay)


def _exit(_signal: int, _frame: types.FrameType | None) -> NoReturn:
    sys.exit()


def _run(command: Sequence[str]) -> None:
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        try:
            process.wait()
        finally:
            process.terminate()
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()


if __name__ == "__main__":
    main()

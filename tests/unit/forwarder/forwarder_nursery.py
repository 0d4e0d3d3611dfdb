"""Forwarders that start at once: forks of one process that has imported all that they need."""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from scripted_upstream import SECONDS, wait_until

from forwarder import program

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Mapping


class Nursery:
    """A process that forks forwarders, and says how they ended."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def fork(
        self, config: pathlib.Path, log: pathlib.Path, constants: Mapping[str, float]
    ) -> Fork:
        """Start a forwarder.

        Args:
            config: Its configuration.
            log: What it writes to its standard error is appended here.
            constants: The values of constants of its modules, such as `schedule.TICK_SECONDS`.
        """
        return Fork(self, self.ask(config=str(config), log=str(log), constants=constants))

    def ask(self, **asked: Any) -> Any:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(json.dumps(asked) + "\n")
        stdin.flush()
        return json.loads(stdout.readline())

    def close(self) -> None:
        """End; its forwarders have ended."""
        self._process.communicate()


class Fork:
    """A forwarder's process, with the methods of `subprocess.Popen`."""

    def __init__(self, nursery: Nursery, pid: int) -> None:
        self.pid = pid
        self._nursery = nursery
        self._code: int | None = None

    def poll(self) -> int | None:
        if self._code is None:
            self._code = self._nursery.ask(poll=self.pid)
        return self._code

    def wait(self, timeout: float = SECONDS) -> int:
        wait_until(lambda: self.poll() is not None, timeout)
        assert self._code is not None
        return self._code

    def send_signal(self, number: signal.Signals) -> None:
        # Until its end is polled, the PID is nobody else's.
        if self._code is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def _answer() -> dict[str, Any]:
    """Do what comes on the standard input; return in each fork, with what it is to be."""
    for line in sys.stdin:
        asked = json.loads(line)
        if "poll" in asked:
            pid, status = os.waitpid(asked["poll"], os.WNOHANG)
            answer = os.waitstatus_to_exitcode(status) if pid else None
        elif not (answer := os.fork()):
            return asked
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
    sys.exit()


def _forward(config: str, log: str, constants: Mapping[str, float]) -> int:
    nothing = os.open(os.devnull, os.O_RDWR)
    errors = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    for number, opened in enumerate((nothing, nothing, errors)):
        os.dup2(opened, number)
    for name, value in constants.items():
        module, _, constant = name.partition(".")
        setattr(importlib.import_module(f"forwarder.{module}"), constant, value)
    return program.main(["--config", config])


if __name__ == "__main__":
    sys.exit(_forward(**_answer()))

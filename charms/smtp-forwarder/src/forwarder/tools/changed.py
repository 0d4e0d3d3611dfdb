"""Tell the machine's own programs that the relay has changed.

Each executable in a folder is run, in the order of their names, with the settings on its standard
input. One run at a time: a second waits for the first, and does nothing if that has told the
newest settings already. What was told last is kept, so that a change that came while the machine
was off is told afterwards.
"""

import dataclasses
import fcntl
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
from collections.abc import Sequence

from forwarder.tools import failures, told

SECONDS = 60.0
# As run-parts(8) of Debian, with a dot for endings; what editors and dpkg leave behind has others.
_NAME = re.compile(r"[\w-]+(\.[\w-]+)*(?<!\.dpkg-dist)(?<!\.dpkg-old)(?<!\.dpkg-new)")
_ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}


@dataclasses.dataclass(frozen=True)
class Runner:
    """What to run, and what was told last.

    Attributes:
        told_file: what the charm tells the tools.
        folder: the executables.
        last: the settings that were told last.
        seconds: how long each of them may take.
    """

    told_file: str
    folder: pathlib.Path
    last: pathlib.Path
    seconds: float = SECONDS

    @property
    def is_due(self) -> bool:
        """Whether the settings are others than those that were told last."""
        try:
            return self.last.read_text(encoding="utf-8") != self._settings()
        except FileNotFoundError:
            return True

    def run(self) -> None:
        """Run the executables until the newest settings are told."""
        lock = self.last.with_suffix(".lock")
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor) as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            while self.is_due:
                settings = self._settings()
                for program in self._programs():
                    self._tell(program, settings)
                draft = self.last.with_suffix(".new")
                draft.write_text(settings, encoding="utf-8")
                draft.replace(self.last)

    def _settings(self) -> str:
        return json.dumps(told.read(self.told_file).relay) + "\n"

    def _programs(self) -> list[pathlib.Path]:
        found = sorted(self.folder.iterdir()) if self.folder.is_dir() else []
        return [
            path
            for path in found
            if _NAME.fullmatch(path.name) and path.is_file() and os.access(path, os.X_OK)
        ]

    def _tell(self, program: pathlib.Path, settings: str) -> None:
        try:
            with subprocess.Popen(
                [str(program)],
                cwd="/",
                env=_ENVIRONMENT,
                stdin=subprocess.PIPE,
                start_new_session=True,
                text=True,
            ) as process:
                self._wait(process, program, settings)
                code = process.wait()
        except OSError as error:
            _log(f"{program}: {error.strerror}")
        else:
            _log(f"{program}: " + ("done" if code == 0 else f"failed, exit code {code}"))

    def _wait(self, process: subprocess.Popen[str], program: pathlib.Path, settings: str) -> None:
        try:
            process.communicate(settings, timeout=self.seconds)
        except subprocess.TimeoutExpired:
            _log(f"{program}: stopped, because it took more than {self.seconds:g} s")
            os.killpg(process.pid, signal.SIGKILL)


def main(told_file: str, arguments: Sequence[str]) -> int:
    """Run the executables of a folder: `changed FILE FOLDER LAST`; return the exit code."""
    with failures.reported("changed") as failed:
        folder, last = map(pathlib.Path, arguments)
        Runner(told_file, folder, last).run()
    return failed.code


def _log(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()

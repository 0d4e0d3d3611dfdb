"""Start and stop a unit's server so that it outlives the hook: systemd's service, or detached.

systemd runs it on a machine that Juju manages. Elsewhere, as in a test on a laptop, the server
must leave the system alone, and a detached process of its own keeps it running.
"""

import dataclasses
import os
import pathlib
import subprocess
import sys
from typing import Protocol

from unit_service import files, processes, reports

_JUJU_DATA = pathlib.Path("/var/lib/juju")
_SYSTEMD = pathlib.Path("/run/systemd/system")
_SYSTEMD_UNITS = pathlib.Path("/etc/systemd/system")

_SYSTEMD_UNIT = """\
[Unit]
Description={description}
After=network.target
ConditionPathExists={config}
StartLimitIntervalSec=0

[Service]
ExecStart={command}
Environment="PYTHONPATH={path}"
Restart=always
RestartSec=2
CapabilityBoundingSet=CAP_NET_BIND_SERVICE
NoNewPrivileges=yes
PrivateTmp=yes
ProtectHome=yes
ProtectSystem=strict
ReadWritePaths={writes}

[Install]
WantedBy=multi-user.target
"""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Program:
    """A server to run: the Python module `module` in the folder `code`, with its arguments.

    `description` is for people; `writes` names what it may write to beside its state directory.
    """

    description: str
    code: pathlib.Path
    module: str
    arguments: tuple[str, ...] = ()
    writes: tuple[pathlib.Path, ...] = ()

    @property
    def command(self) -> tuple[str, ...]:
        """What runs it."""
        return (sys.executable, "-m", self.module, *self.arguments)

    @property
    def python_path(self) -> str:
        """Where its Python finds its code, this package, and whatever the charm's Python finds."""
        inherited = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
        found = (self.code, pathlib.Path(__file__).parents[1], *map(pathlib.Path, inherited))
        return os.pathsep.join(dict.fromkeys(str(path.absolute()) for path in found))


class Service(Protocol):
    """The server of one unit, as a service of its machine."""

    @property
    def log(self) -> str:
        """Where a person finds the server's log: a file, or the command that shows it."""
        ...

    def start(self) -> None:
        """Start the server; one that runs is stopped first. Its report is not awaited."""
        ...

    def stop(self) -> None:
        """Stop the server, and what keeps it running."""
        ...


def is_juju_machine(charm: pathlib.Path) -> bool:
    """Tell whether the charm's directory is on a machine that Juju manages, and we are root."""
    return os.geteuid() == 0 and _SYSTEMD.is_dir() and _JUJU_DATA in charm.parents


@dataclasses.dataclass(frozen=True)
class Detached:
    """A server that a detached process keeps running."""

    program: Program
    state: files.StateDir

    @property
    def log(self) -> str:
        """The file that the server logs to."""
        return str(self.state.log)

    def start(self) -> None:
        """Start the server; one that runs is stopped first. Its report is not awaited.

        Raises:
            subprocess.CalledProcessError: if the supervisor does not start.
        """
        self.stop()
        self.state.report.unlink(missing_ok=True)
        # Juju waits until nobody holds the hook's output open, so none of it is passed on.
        with self.state.log.open("ab") as log:
            subprocess.run(
                [sys.executable, "-m", "unit_service.supervisor", *self._told],
                check=True,
                cwd="/",
                env={"PYTHONPATH": self.program.python_path},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def stop(self) -> None:
        """Stop the server, and what keeps it running."""
        report = reports.read(self.state)
        supervisor = processes.read(self.state.supervisor)
        for process in (supervisor, report.process if report else None):
            if process is not None:
                processes.end(process)
        self.state.supervisor.unlink(missing_ok=True)

    @property
    def _told(self) -> tuple[str, ...]:
        return (str(self.state.path), *self.program.command)


@dataclasses.dataclass(frozen=True)
class Systemd:
    """A server that systemd runs, also after the machine starts again."""

    name: str
    program: Program
    state: files.StateDir
    units: pathlib.Path = _SYSTEMD_UNITS

    @property
    def log(self) -> str:
        """The command that shows what the server logged."""
        return f"'journalctl -u {self._unit}'"

    def start(self) -> None:
        """Start the server; one that runs is stopped first. Its report is not awaited.

        Raises:
            subprocess.CalledProcessError: if systemd refuses.
        """
        self.state.report.unlink(missing_ok=True)
        (self.units / self._unit).write_text(self.unit_text(), encoding="utf-8")
        _systemctl("daemon-reload")
        _systemctl("enable", "--quiet", self._unit)
        _systemctl("restart", self._unit)

    def stop(self) -> None:
        """Stop the server, and take it out of systemd.

        Raises:
            subprocess.CalledProcessError: if systemd refuses.
        """
        path = self.units / self._unit
        if path.exists():
            _systemctl("disable", "--quiet", "--now", self._unit)
            path.unlink()
            _systemctl("daemon-reload")

    def unit_text(self) -> str:
        """Return systemd's unit file, see `systemd.unit(5)`."""
        writes = (self.state.path, *self.program.writes)
        return _SYSTEMD_UNIT.format(
            description=self.program.description,
            config=self.state.config,
            command=" ".join(f'"{word}"' for word in self.program.command),
            path=self.program.python_path,
            writes=" ".join(f'"{path}"' for path in writes),
        )

    @property
    def _unit(self) -> str:
        return f"{self.name}-smtpd.service"


def choose(name: str, program: Program, charm: pathlib.Path, directory: files.StateDir) -> Service:
    """Return how the server of a unit is run on this machine.

    Args:
        name: the unit's tag, such as `unit-smtp-sink-0`.
        program: the server.
        charm: the charm's directory.
        directory: the server's state.
    """
    if is_juju_machine(charm):
        return Systemd(name, program, directory)
    return Detached(program, directory)


def _systemctl(*arguments: str) -> None:
    subprocess.run(["systemctl", *arguments], check=True)

"""Start and stop the mail server so that it outlives the hook: systemd's service, or detached.

systemd runs it on a machine that Juju manages. Elsewhere, as in a test on a laptop, the server
must leave the system alone, and a detached process of its own keeps it running.
"""

import dataclasses
import os
import pathlib
import subprocess
import sys
from typing import Protocol

from smtp_sink import processes, state

_JUJU_DATA = pathlib.Path("/var/lib/juju")
_SYSTEMD = pathlib.Path("/run/systemd/system")
_SYSTEMD_UNITS = pathlib.Path("/etc/systemd/system")

_SYSTEMD_UNIT = """\
[Unit]
Description=Mail catcher of {name}
After=network.target
ConditionPathExists={config}
StartLimitIntervalSec=0

[Service]
ExecStart="{python}" -m smtp_sink.server "{state}"
Environment="PYTHONPATH={path}"
Restart=always
RestartSec=2
CapabilityBoundingSet=CAP_NET_BIND_SERVICE
NoNewPrivileges=yes
PrivateTmp=yes
ProtectHome=yes
ProtectSystem=strict
ReadWritePaths="{state}"

[Install]
WantedBy=multi-user.target
"""


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


@dataclasses.dataclass(frozen=True)
class Detached:
    """A server that a detached process keeps running."""

    state: state.StateDir

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
                [sys.executable, "-m", "smtp_sink.supervisor", str(self.state.path)],
                check=True,
                cwd="/",
                env={"PYTHONPATH": _python_path()},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def stop(self) -> None:
        """Stop the server, and what keeps it running."""
        report = state.read_report(self.state)
        supervisor = state.read_process(self.state.supervisor)
        for process in (supervisor, report.process if report else None):
            if process is not None:
                processes.end(process)
        self.state.supervisor.unlink(missing_ok=True)


@dataclasses.dataclass(frozen=True)
class Systemd:
    """A server that systemd runs, also after the machine starts again."""

    name: str
    state: state.StateDir
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
        return _SYSTEMD_UNIT.format(
            name=self.name,
            config=self.state.config,
            python=sys.executable,
            state=self.state.path,
            path=_python_path(),
        )

    @property
    def _unit(self) -> str:
        return f"{self.name}-smtpd.service"


def choose(name: str, charm: pathlib.Path, directory: state.StateDir) -> Service:
    """Return how the server of a unit is run on this machine.

    Args:
        name: the unit's tag, such as `unit-smtp-sink-0`.
        charm: the charm's directory.
        directory: the server's state.
    """
    juju_machine = os.geteuid() == 0 and _SYSTEMD.is_dir() and _JUJU_DATA in charm.parents
    return Systemd(name, directory) if juju_machine else Detached(directory)


def _systemctl(*arguments: str) -> None:
    subprocess.run(["systemctl", *arguments], check=True)


def _python_path() -> str:
    """Return where the server's Python finds this code, and whatever the charm's Python finds."""
    code = pathlib.Path(__file__).parent.parent
    inherited = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    return os.pathsep.join(str(pathlib.Path(path).absolute()) for path in (code, *inherited))

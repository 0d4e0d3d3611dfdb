"""The files of one unit: what its server is told, what the server reports, and what both keep.

Everything lies in one directory that only its owner may enter. It stands beside the charm's own
directory, so that a refresh of the charm keeps it.
"""

import dataclasses
import hashlib
import json
import os
import pathlib
import tempfile
import time
from typing import Any

from smtp_sink import processes

LISTENERS = ("plain", "starttls", "tls")
_POLL_SECONDS = 0.02


@dataclasses.dataclass(frozen=True)
class StateDir:
    """The paths in a unit's state directory."""

    path: pathlib.Path

    @property
    def certificates(self) -> pathlib.Path:
        """The directory of the certificate authority."""
        return self.path / "certificates"

    @property
    def config(self) -> pathlib.Path:
        """What the server is told; holds the password."""
        return self.path / "config.json"

    @property
    def log(self) -> pathlib.Path:
        """Where the server logs if systemd does not run it."""
        return self.path / "server.log"

    @property
    def messages(self) -> pathlib.Path:
        """The directory of the messages."""
        return self.path / "messages"

    @property
    def ports(self) -> pathlib.Path:
        """The ports that the server took by itself, to take them again."""
        return self.path / "ports.json"

    @property
    def report(self) -> pathlib.Path:
        """What the server last said of itself."""
        return self.path / "report.json"

    @property
    def supervisor(self) -> pathlib.Path:
        """The process that keeps the server running where systemd does not."""
        return self.path / "supervisor.json"


@dataclasses.dataclass(frozen=True, kw_only=True)
class ServerConfig:
    """What the server is told.

    `ports` has a port for each of `LISTENERS`, 0 to take a free one. `certificate` is a PEM file
    with key and certificate; `certificate_serial` makes a renewed one a different configuration.
    Without a `user` there is no AUTH.
    """

    bind_address: str
    ports: dict[str, int]
    certificate: str
    certificate_serial: str
    user: str = ""
    password: str = dataclasses.field(default="", repr=False)

    def to_json(self) -> str:
        """Return the text that `from_json` reads."""
        return json.dumps(dataclasses.asdict(self), indent=1)

    @classmethod
    def from_json(cls, text: str) -> "ServerConfig":
        """Return what `to_json` wrote."""
        return cls(**json.loads(text))

    @property
    def digest(self) -> str:
        """What tells this configuration from another."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Report:
    """What a server says of itself: the `ports` it serves, or the `problems` that keep it from it.

    `config` is the digest of the configuration that it read.
    """

    config: str
    process: processes.Process
    ports: dict[str, int] = dataclasses.field(default_factory=dict[str, int])
    problems: tuple[str, ...] = ()

    def to_json(self) -> str:
        """Return the text that `from_json` reads."""
        return json.dumps(dataclasses.asdict(self), indent=1)

    @classmethod
    def from_json(cls, text: str) -> "Report":
        """Return what `to_json` wrote."""
        data: dict[str, Any] = json.loads(text)
        return cls(
            config=data["config"],
            process=processes.Process(**data["process"]),
            ports=data["ports"],
            problems=tuple(data["problems"]),
        )


def read_report(state: StateDir) -> Report | None:
    """Return the last report; None if no server has reported since it was told to start."""
    text = read(state.report)
    return None if text is None else Report.from_json(text)


def read_serving(state: StateDir) -> Report | None:
    """Return the last report if that server serves its ports now, else None."""
    report = read_report(state)
    if report is None or not report.ports or not processes.is_alive(report.process):
        return None
    return report


def wait_for_report(state: StateDir, *, timeout: float) -> Report | None:
    """Return the report of the server that was started last; None if none came in time.

    Args:
        state: the server's state directory.
        timeout: how long to wait, in seconds.
    """
    deadline = time.monotonic() + timeout
    while (report := read_report(state)) is None and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
    return report


def read_process(path: pathlib.Path) -> processes.Process | None:
    """Return the process that `write_process` wrote; None if there is no such file."""
    text = read(path)
    return None if text is None else processes.Process(**json.loads(text))


def write_process(path: pathlib.Path, process: processes.Process) -> None:
    """Write down which process to look for."""
    write(path, json.dumps(dataclasses.asdict(process)))


def read(path: pathlib.Path) -> str | None:
    """Return a file's text, or None if there is no such file."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None


def write(path: pathlib.Path, text: str) -> None:
    """Write a file that its owner alone may read (0600); a reader sees all of it or none."""
    # `mkstemp` makes the file with mode 0600.
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        pathlib.Path(temporary).replace(path)
    except BaseException:
        pathlib.Path(temporary).unlink(missing_ok=True)
        raise


def endpoint(address: str, port: int) -> str:
    """Return an address and a port as one text, such as `127.0.0.1:25` or `[::1]:25`."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"

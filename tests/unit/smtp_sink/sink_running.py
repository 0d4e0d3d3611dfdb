"""Mail servers that run for a test, and clients that verify them."""

import contextlib
import dataclasses
import datetime as dt
import os
import pathlib
import smtplib
import subprocess
import time
from collections.abc import Callable
from typing import Any

import strict_tls

from smtp_sink import messages, state
from unit_service import certificates, files, processes, reports, service

SOURCE = pathlib.Path(__file__).parents[3] / "charms/smtp-sink/src"
SECONDS = 10.0


def now() -> dt.datetime:
    return dt.datetime.now(dt.timezone.utc)


def program(directory: state.StateDir, source: pathlib.Path = SOURCE) -> service.Program:
    return service.Program(
        description="Mail catcher of a test",
        code=source,
        module="smtp_sink.server",
        arguments=(str(directory.path),),
    )


def configure(
    directory: state.StateDir,
    *,
    bind_address: str = "127.0.0.1",
    ports: dict[str, int] | None = None,
    **login: Any,
) -> state.ServerConfig:
    certificate = certificates.ensure_server(
        directory.certificates, "Test CA", {"localhost", "127.0.0.1"}, now()
    )
    config = state.ServerConfig(
        bind_address=bind_address,
        ports=dict.fromkeys(state.LISTENERS, 0) | (ports or {}),
        certificate=str(certificate.path),
        certificate_serial=certificate.serial,
        **login,
    )
    files.write(directory.config, config.to_json())
    return config


def connect(directory: state.StateDir, listener: str, *, host: str = "localhost") -> smtplib.SMTP:
    """Connect as a careful client does: with TLS wherever there is TLS, verified strictly."""
    report = reports.read_serving(directory)
    assert report is not None
    authority = certificates.ensure_authority(directory.certificates, "Test CA", now())
    context = strict_tls.strict_context(authority)
    if listener == "tls":
        return smtplib.SMTP_SSL(host, report.ports["tls"], context=context, timeout=SECONDS)
    client = smtplib.SMTP(host, report.ports[listener], timeout=SECONDS)
    if listener == "starttls":
        client.starttls(context=context)
    return client


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it did not become true in time"
        time.sleep(0.02)


def children(pid: int) -> list[processes.Process]:
    """Return the processes that this one started and that run."""
    found: list[processes.Process] = []
    for path in pathlib.Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = path.read_text(errors="replace").rpartition(")")[2].split()
            process = processes.find(int(path.parent.name))
            if process is not None and int(fields[1]) == pid:
                found.append(process)
    return found


@dataclasses.dataclass(frozen=True)
class Server:
    directory: state.StateDir
    process: subprocess.Popen[bytes]

    @property
    def report(self) -> reports.Report:
        report = reports.read(self.directory)
        assert report is not None
        return report

    def connect(self, listener: str) -> smtplib.SMTP:
        return connect(self.directory, listener)

    def newest(self) -> messages.Message:
        return messages.MessageStore(self.directory.messages).newest()

    def log(self) -> str:
        return self.directory.log.read_text()


class Servers:
    """Server processes that end with the test."""

    def __init__(self) -> None:
        self._running: list[subprocess.Popen[bytes]] = []

    def end(self) -> None:
        for process in self._running:
            process.kill()
            process.communicate()

    def start(self, directory: state.StateDir) -> Server:
        """Start a server without a supervisor and wait for its report."""
        directory.report.unlink(missing_ok=True)
        with directory.log.open("ab") as log:
            process = subprocess.Popen(
                program(directory).command,
                env={"PYTHONPATH": program(directory).python_path, "PATH": os.defpath},
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
            )
        self._running.append(process)
        assert reports.wait(directory, timeout=SECONDS) is not None, directory.log
        return Server(directory, process)

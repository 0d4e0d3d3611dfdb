"""What the tests of the check share: a relay's certificates, a resolver, and the outcome."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import io
import socket
from typing import TYPE_CHECKING, Any

import certificate_authority as ca

import relay_check
from relay_check import __main__ as command

if TYPE_CHECKING:
    import pathlib
    import ssl
    from collections.abc import Generator, Sequence

    import scripted_relay as scripted

HOST = "relay.test"
PASSWORD = "S3cret-Zebra-41"
ACCOUNT: dict[str, Any] = {"auth_type": "plain", "user": "notifier", "password": PASSWORD}
AUTH = ("PIPELINING", "SIZE 10240000", "AUTH PLAIN LOGIN")

PORTS = "587 with transport_security=starttls, 465 with transport_security=tls, 25 between relays"


@dataclasses.dataclass(frozen=True)
class Pki:
    """A private CA and the contexts of its relays."""

    folder: pathlib.Path
    root: ca.Certificate

    @property
    def good(self) -> ssl.SSLContext:
        return self.context(HOST, "127.0.0.1")

    def context(self, *names: str, **changes: Any) -> ssl.SSLContext:
        maximum = changes.pop("maximum", None)
        changes.setdefault("issuer", self.root)
        return ca.make(*names, **changes).context(self.folder, maximum=maximum)


class Resolver:
    """Answers with the addresses, or raises the error, that a test wants."""

    def __init__(self, *addresses: str, error: BaseException | None = None) -> None:
        self._addresses = addresses
        self._error = error

    def __call__(
        self, _: str, port: int, **__: Any
    ) -> Sequence[tuple[int, int, int, str, tuple[Any, ...]]]:
        if self._error:
            raise self._error
        return [
            (socket.AF_INET6, socket.SOCK_STREAM, 6, "", (address, port, 0, 0))
            if ":" in address
            else (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))
            for address in self._addresses
        ]


def check(
    relay: scripted.ScriptedRelay, *, stage_timeout: float = 5.0, **changes: Any
) -> relay_check.Report:
    """Check the relay under the name `HOST`; `changes` are of the target or of the check."""
    fields = {field.name for field in dataclasses.fields(relay_check.Target)}
    target: dict[str, Any] = {"host": HOST, "port": relay.port}
    target |= {name: value for name, value in changes.items() if name in fields}
    options = {name: value for name, value in changes.items() if name not in fields}
    options.setdefault("resolver", Resolver(relay.host))
    return relay_check.check(
        relay_check.Target(**target),
        timeout=10,
        stage_timeout=stage_timeout,
        **options,
    )


def diagnosis(report: relay_check.Report) -> tuple[str, str, str, str]:
    """Return the stage that failed, the summary, the sentence and the remedy."""
    failure = report.failure
    assert failure is not None, "\n".join(report.lines())
    assert failure.diagnosis is not None
    found = failure.diagnosis
    return failure.name, found.summary, found.sentence, found.remedy


@contextlib.contextmanager
def filtered_port() -> Generator[int]:
    """Give a port whose queue is full, so that Linux drops whatever else would connect."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        address = listener.getsockname()
        waiting = [socket.socket() for _ in range(4)]
        for sock in waiting:
            sock.settimeout(0)
            sock.connect_ex(address)
        try:
            yield address[1]
        finally:
            for sock in waiting:
                sock.close()


def base64_of(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


@dataclasses.dataclass(frozen=True)
class Result:
    code: int
    stdout: str
    stderr: str


def run(*arguments: str) -> Result:
    """Run the command in this process, which is faster than in one of its own."""
    stdout, stderr = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(stderr):
        try:
            code = command.main(arguments)
        except SystemExit as e:
            code = e.code
    assert isinstance(code, int)
    return Result(code, stdout.getvalue(), stderr.getvalue())


def at(relay: scripted.ScriptedRelay) -> list[str]:
    return ["--host", "127.0.0.1", "--port", str(relay.port)]

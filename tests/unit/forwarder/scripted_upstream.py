"""A relay for tests: it speaks SMTP over a real socket, and does what the test says."""

from __future__ import annotations

import base64
import collections
import dataclasses
import re
import socket
import socketserver
import threading
import time
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

SECONDS = 60.0
EXTENSIONS = ("8BITMIME", "SMTPUTF8", "PIPELINING", "ENHANCEDSTATUSCODES", "SIZE 0")


@dataclasses.dataclass(frozen=True)
class Message:
    """A message as it arrived: what stood behind MAIL FROM:, and the bytes behind DATA."""

    mail: str
    recipients: tuple[str, ...]
    content: bytes
    connection: int

    @property
    def sender(self) -> str:
        return self.mail.partition(">")[0].strip("<")

    @property
    def body(self) -> bytes:
        """The content without our Received line."""
        first, _, rest = self.content.partition(b"+0000\r\n")
        assert first.startswith(b"Received: "), self.content[:200]
        return rest


class Upstream:
    """A relay on a free port of this machine.

    `answers` has what to say to a command, by the command's beginning, or to the end of a message
    (`.`), in the place of 250; a function is called at each. `close_at` has the commands at which
    the connection is cut. `hold` is waited for before the end of a message is answered. `is_valid`
    says which tokens of OAuth are taken; `tokens` has all that were presented, and
    `dummy_responses` what came back to an error challenge (RFC 7628, section 3.2.3).
    """

    def __init__(self, *extensions: str, tls: ssl.SSLContext | None = None) -> None:
        self.extensions = extensions or EXTENSIONS
        self.tls = tls
        self.answers: dict[str, str | Callable[[], str]] = {}
        self.close_at: set[str] = set()
        self.hold = threading.Event()
        self.hold.set()
        self.messages: list[Message] = []
        self.commands: list[str] = []
        self.logins: list[bytes] = []
        self.is_valid: Callable[[str], bool] | None = None
        self.tokens: list[str] = []
        self.dummy_responses: list[bytes] = []
        self.connections = 0
        self._open: set[socket.socket] = set()
        self._server: _Server | None = None
        self.port = 0
        self.start()

    def start(self) -> None:
        """Listen, on the same port as before if there was one."""
        self._server = _Server(("127.0.0.1", self.port), _Session)
        self._server.upstream = self
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        """Stop listening, and cut all connections."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None
        self.cut()

    def cut(self) -> None:
        """Cut all connections."""
        for connection in list(self._open):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue

    def wait_for(self, count: int) -> list[Message]:
        """Wait until there are as many messages."""
        wait_until(lambda: len(self.messages) >= count)
        return self.messages

    def came(self) -> collections.Counter[tuple[str, str]]:
        """Return how often each recipient got a message with each subject."""
        return collections.Counter(
            (recipient, one.content.partition(b"Subject: ")[2].partition(b"\r\n")[0].decode())
            for one in self.messages
            for recipient in one.recipients
        )


def wait_until(condition: Callable[[], bool], seconds: float = SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not become true in time"
        time.sleep(0.02)


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128
    upstream: Upstream


class _Session(socketserver.StreamRequestHandler):
    def setup(self) -> None:
        self.upstream = cast("_Server", self.server).upstream
        self.upstream.connections += 1
        self.number = self.upstream.connections
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.upstream._open.add(self.request)  # pyright: ignore[reportPrivateUsage]
        self.mail = ""
        self.recipients: list[str] = []
        super().setup()

    def finish(self) -> None:
        self.upstream._open.discard(self.request)  # pyright: ignore[reportPrivateUsage]
        try:
            super().finish()
            self.connection.close()
        except OSError:
            return

    def handle(self) -> None:
        try:
            self._say(self._answer("", "220 scripted ESMTP"))
            while (line := self.rfile.readline()) and self._do(line.decode().rstrip("\r\n")):
                pass
        except (OSError, ValueError):
            return

    def _do(self, line: str) -> bool:
        upstream = self.upstream
        upstream.commands.append(line)
        verb = line[:4].upper()
        if any(line.startswith(one) for one in upstream.close_at if one != "."):
            return False
        if verb == "EHLO":
            self._say("".join(f"250-{one}\r\n" for one in ("scripted", *upstream.extensions[:-1])))
            self._say(f"250 {upstream.extensions[-1]}")
            return True
        if verb == "STAR" and upstream.tls:
            self._encrypt(upstream.tls)
            return True
        if verb == "AUTH" and upstream.is_valid:
            self._take_token(line, upstream.is_valid)
            return True
        if verb == "AUTH":
            # CRAM-MD5 waits for a challenge first.
            upstream.logins += map(base64.b64decode, line.split()[2:])
            self._say(self._answer(line, "235 2.7.0 Welcome"))
            return True
        answer = self._answer(line, "354 go on" if verb == "DATA" else "250 2.0.0 Ok")
        if verb in {"MAIL", "RSET"}:
            self.mail, self.recipients = line[10:], []
        if verb == "RCPT" and answer.startswith("2"):
            self.recipients.append(line[9:].partition(">")[0])
        self._say(answer)
        return self._take() if answer.startswith("354") else verb != "QUIT"

    def _take_token(self, line: str, is_valid: Callable[[str], bool]) -> None:
        assert len(line) <= 510, "longer than a command may be (RFC 5321, section 4.5.3.1.4)"
        response = line.split()[2:] or [self._ask("")]
        found = re.search(rb"auth=Bearer (.*)\x01\x01$", base64.b64decode(response[0]))
        assert found
        token = found[1].decode()
        self.upstream.tokens.append(token)
        answer = self._answer(line, "" if is_valid(token) else "535 5.7.3 Not this token")
        if answer.startswith("5"):
            challenge = base64.b64encode(b'{"status":"invalid_token","scope":"mail"}')
            dummy = self._ask(challenge.decode())
            self.upstream.dummy_responses.append(base64.b64decode(dummy))
        self._say(answer or "235 2.7.0 Welcome")

    def _ask(self, challenge: str) -> str:
        self._say(f"334 {challenge}")
        return self.rfile.readline().decode().rstrip("\r\n")

    def _take(self) -> bool:
        lines: list[bytes] = []
        while (line := self._line()) != b".\r\n":
            lines.append(line[1:] if line.startswith(b".") else line)
        self.upstream.hold.wait(SECONDS)
        answer = self._answer(".", f"250 2.0.0 Ok kept as {len(self.upstream.messages) + 1}")
        if answer.startswith("2"):
            self.upstream.messages.append(
                Message(self.mail, tuple(self.recipients), b"".join(lines), self.number)
            )
        if "." in self.upstream.close_at:
            return False
        self._say(answer)
        return True

    def _line(self) -> bytes:
        """Read a line that ends in CRLF, and in nothing else."""
        line = b""
        while not line.endswith(b"\r\n"):
            more = self.rfile.readline()
            if not more:
                raise ValueError("cut in the middle of a message")
            line += more
        return line

    def _answer(self, line: str, usual: str) -> str:
        for start, answer in self.upstream.answers.items():
            if line.startswith(start) and (start or not line):
                return answer() if callable(answer) else answer
        return usual

    def _say(self, text: str) -> None:
        self.wfile.write(text.encode() + (b"" if text.endswith("\r\n") else b"\r\n"))

    def _encrypt(self, context: ssl.SSLContext) -> None:
        self._say("220 go")
        opened = self.upstream._open  # pyright: ignore[reportPrivateUsage]
        opened.discard(self.request)
        wrapped: Any = context.wrap_socket(self.request, server_side=True)
        opened.add(wrapped)
        self.request = self.connection = wrapped
        self.rfile = wrapped.makefile("rb")
        self.wfile = wrapped.makefile("wb", 0)

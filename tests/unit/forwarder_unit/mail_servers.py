"""An SMTP server that answers as a test wants, and tools that are told of it."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import pathlib
import socket
import subprocess
import sys
import threading
import traceback
from typing import TYPE_CHECKING

from forwarder import queue
from forwarder.tools import told

if TYPE_CHECKING:
    import io
    from collections.abc import Callable, Generator, Mapping

SOURCE = pathlib.Path(__file__).parents[3] / "charms/smtp-forwarder/src"
SECONDS = 30.0
DOMAIN = "host.example.com"
RELAY = {
    "host": "mail.example.com",
    "port": 587,
    "username": "notifier",
    "enabled": True,
    "encrypt_smtp": "starttls",
    "tls_verify": True,
}
HANG_UP = "hang up"
NOBODY = 65534


class HungUpError(Exception):
    """The server ends the connection."""


@dataclasses.dataclass
class Server:
    """Takes every command, except for those that `answers` has another answer to."""

    answers: Mapping[str, str]
    port: int
    commands: list[str] = dataclasses.field(default_factory=list[str])
    content: bytes = b""

    def serve(self, listening: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listening.accept()
                hung_up = contextlib.suppress(HungUpError)
                with connection, connection.makefile("rwb") as stream, hung_up:
                    self._talk(stream)

    def _talk(self, stream: io.BufferedRWPair) -> None:
        self._say(stream, self.answers.get("greeting", "220 test"))
        for line in stream:
            verb, blank, rest = line.decode().strip().partition(" ")
            verb = verb.upper()
            command = f"{verb}{blank}{rest}"
            self.commands.append(command)
            answer = self.answers.get(command, self.answers.get(verb))
            if verb == "EHLO" and answer is None:
                self._say(stream, "250-test\r\n250-8BITMIME\r\n250 SMTPUTF8")
            elif verb == "DATA" and answer is None:
                self._take(stream)
            else:
                self._say(stream, answer or ("221 bye" if verb == "QUIT" else "250 2.1.0 ok"))
                if verb == "QUIT":
                    return

    def _take(self, stream: io.BufferedRWPair) -> None:
        self._say(stream, "354 go on")
        self.content = b""
        for line in stream:
            if line == b".\r\n":
                break
            self.content += line.removeprefix(b".")
        self._say(stream, self.answers.get(".", "250 2.0.0 taken"))

    def _say(self, stream: io.BufferedRWPair, answer: str) -> None:
        if answer == HANG_UP:
            raise HungUpError
        stream.write(answer.encode() + b"\r\n")
        stream.flush()


@contextlib.contextmanager
def serving(answers: Mapping[str, str] | None = None) -> Generator[Server]:
    """Serve on a free port of loopback."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = Server(answers or {}, listening.getsockname()[1])
        thread = threading.Thread(target=server.serve, args=(listening,), daemon=True)
        thread.start()
        yield server
        listening.shutdown(socket.SHUT_RDWR)
    thread.join(SECONDS)


@dataclasses.dataclass(frozen=True)
class Machine:
    """A machine with the tools, whose forwarder is the server on `port`, if there is one."""

    path: pathlib.Path

    @property
    def file(self) -> pathlib.Path:
        return self.path / "forwarder.json"

    @property
    def queue(self) -> pathlib.Path:
        return self.path / "queue"

    @property
    def config(self) -> pathlib.Path:
        return self.path / "config.json"

    def tell(self, port: int) -> told.Told:
        """Tell the tools of a forwarder."""
        facts = told.Told("127.0.0.1", port, str(self.queue), str(self.config), DOMAIN, RELAY)
        self.file.write_text(json.dumps(dataclasses.asdict(facts)))
        return facts

    def without_a_forwarder(self) -> told.Told:
        """Tell the tools of a forwarder that does not run."""
        queue.prepare(self.queue)
        with socket.create_server(("127.0.0.1", 0)) as listening:
            port = int(listening.getsockname()[1])
        return self.tell(port)

    def left(self) -> list[queue.Left]:
        """Return what was left in the queue."""
        found = sorted(queue.Spool(self.queue).incoming.iterdir())
        return [queue.pick_up(path, 2**30) for path in found]

    def run(
        self, tool: str, *arguments: str, stdin: bytes = b"", redirected: str = ""
    ) -> subprocess.CompletedProcess[bytes]:
        """Run a tool as its launcher does, with its streams redirected as a shell writes it."""
        command = str(SOURCE / "mail_command.py")
        shell = ["sh", "-c", f'exec "$@" {redirected}', "sh"]
        return subprocess.run(
            [*shell, sys.executable, "-E", command, tool, self.file, *arguments],
            capture_output=True,
            check=False,
            input=stdin,
            timeout=SECONDS,
        )


def as_nobody(tool: Callable[[], int]) -> tuple[int, str]:
    """Run a tool in a process of the user nobody; return its exit code and what it says."""
    # A socket imports this when it first connects, which nobody may not.
    "localhost".encode("idna")
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        code = os.EX_SOFTWARE
        try:
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            sys.stderr = open(writing, "w", encoding="utf-8")  # noqa: PTH123, SIM115
            code = tool()
        except BaseException:
            traceback.print_exc()
            raise
        finally:
            sys.stderr.flush()
            os._exit(code)
    os.close(writing)
    with open(reading, encoding="utf-8") as said:  # noqa: PTH123
        text = said.read()
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), text

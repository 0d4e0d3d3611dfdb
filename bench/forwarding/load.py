"""Clients that send mail: ``python -m bench.forwarding.load PORT MESSAGES CLIENTS SIZE MODE``.

MODE is `one` (a connection for each message) or `many` (one connection for all). It prints
`ready`, waits for a line, sends, and prints the seconds from the line to the last answer.

It does as little as it can: on a small machine the servers have less by what it takes.
"""

from __future__ import annotations

import itertools
import select
import socket
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_HELLO, _GOODBYE = b"EHLO bench.example.com\r\n", b"QUIT\r\n"
_ENVELOPE = (b"MAIL FROM:<a@example.com>\r\n", b"RCPT TO:<b@example.com>\r\n", b"DATA\r\n")
_HEADER = b"From: a@example.com\r\nTo: b@example.com\r\nSubject: bench\r\nDate: now\r\n\r\n"
_LINE = b"x" * 70 + b"\r\n"


class Connection:
    """One connection of a client, which waits for each answer, as most programs do."""

    def __init__(self, port: int, words: Iterator[bytes]) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self._words = words
        self._heard = b""

    def go_on(self) -> bool:
        """Read, and say what comes next once an answer is whole; return whether it is open."""
        heard = self.socket.recv(2**16)
        if not heard:
            raise RuntimeError("the server hung up")
        self._heard += heard
        last = self._heard[:-2].rpartition(b"\n")[2]
        if not self._heard.endswith(b"\r\n") or last[3:4] == b"-":
            return True
        if last[:1] not in {b"2", b"3"}:
            raise RuntimeError(f"the server answered {last!r}")
        self._heard = b""
        word = next(self._words, None)
        if word is not None:
            self.socket.sendall(word)
            return True
        self.socket.close()
        return False


class Clients:
    """Clients that have a number of messages to send among them."""

    def __init__(self, port: int, messages: int, size: int, mode: str) -> None:
        content = _HEADER + _LINE * max(1, size // len(_LINE)) + b".\r\n"
        self._message = (*_ENVELOPE, content)
        self._port = port
        self._left = iter(range(messages))
        self._mode = mode
        self._open: dict[int, Connection] = {}
        self._poll = select.epoll()

    def send(self, clients: int) -> None:
        """Send all messages."""
        for _ in range(clients):
            self._connect()
        while self._open:
            for number, _ in self._poll.poll():
                if not self._open[number].go_on():
                    del self._open[number]
                    self._connect()

    def _connect(self) -> None:
        """Begin a client's connection, if there is something left to send."""
        first = next(self._left, None)
        if first is None:
            return
        numbers = itertools.chain([first], self._left if self._mode == "many" else ())
        words = (word for _ in numbers for word in self._message)
        connection = Connection(self._port, itertools.chain([_HELLO], words, [_GOODBYE]))
        self._open[connection.socket.fileno()] = connection
        self._poll.register(connection.socket, select.EPOLLIN)


def main() -> None:
    """Send what the command line says."""
    port, messages, clients, size = map(int, sys.argv[1:5])
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    begin = time.perf_counter()
    Clients(port, messages, size, sys.argv[5]).send(clients)
    sys.stdout.write(f"{time.perf_counter() - begin}\n")


if __name__ == "__main__":
    main()

"""A client that sends bytes as a test gives them."""

from __future__ import annotations

import contextlib
import socket
from typing import TYPE_CHECKING

from forwarder_running import SECONDS, Forwarder

if TYPE_CHECKING:
    from collections.abc import Generator


class Raw:
    """One connection."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), SECONDS)
        self.file = self.socket.makefile("rb")
        self.answer()

    def answer(self) -> str:
        lines: list[str] = []
        while True:
            lines.append(self.file.readline().decode().rstrip())
            if lines[-1][3:4] != "-":
                return "\n".join(lines)

    def say(self, data: bytes, answers: int = 1) -> list[str]:
        self.socket.sendall(data)
        return [self.answer() for _ in range(answers)]

    def close(self) -> None:
        self.file.close()
        self.socket.close()


@contextlib.contextmanager
def raw(running: Forwarder, *, hello: bool = True) -> Generator[Raw, None, None]:
    client = Raw(running.port)
    try:
        if hello:
            client.say(b"EHLO client\r\n")
        yield client
    finally:
        client.close()

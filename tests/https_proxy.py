"""A proxy for tests, which passes one connection on (RFC 9110 section 9.3.6)."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator


@contextlib.contextmanager
def serving(answer: bytes = b"HTTP/1.0 200 OK\r\n\r\n") -> Generator[tuple[int, list[str]]]:
    """Give the port of a proxy for one connection, and the requests that it got."""
    said: list[str] = []

    def copy(source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    def serve() -> None:
        try:
            client, _ = listener.accept()
        except OSError:
            return
        with client:
            said.append(client.recv(65536).decode())
            client.sendall(answer)
            if b" 200 " not in answer:
                return
            host, port = said[0].split(" ")[1].rsplit(":", 1)
            with socket.create_connection((host, int(port))) as server:
                back = threading.Thread(target=copy, args=(server, client))
                back.start()
                copy(client, server)
                back.join()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1], said
        finally:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            thread.join()

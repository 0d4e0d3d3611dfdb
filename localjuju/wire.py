"""Messages between the controller and its clients: a list of byte strings.

Each is its length in eight bytes followed by the bytes; the list begins with its length likewise.
A client asks once and gets an exit code, an output and an error output. A hook command that is to
read its standard input gets an empty message first, and answers with what it read.

The other client that speaks this is ``client.pl``.
"""

from __future__ import annotations

TYPE_CHECKING = False  # as in __init__
if TYPE_CHECKING:
    import socket


def send(connection: socket.socket, fields: list[bytes]) -> None:
    """Send a message."""
    parts = [len(fields).to_bytes(8, "big")]
    for field in fields:
        parts += [len(field).to_bytes(8, "big"), field]
    connection.sendall(b"".join(parts))


def receive(connection: socket.socket) -> list[bytes]:
    """Receive a message.

    Raises:
        EOFError: if the other side ends before its message does.
    """
    count = int.from_bytes(_read(connection, 8), "big")
    return [_read(connection, int.from_bytes(_read(connection, 8), "big")) for _ in range(count)]


def _read(connection: socket.socket, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        chunk = connection.recv(size - len(data))
        if not chunk:
            raise EOFError
        data += chunk
    return bytes(data)

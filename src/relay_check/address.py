"""An address of a relay, and a connection to it."""

from __future__ import annotations

import dataclasses
import socket
from typing import Any


@dataclasses.dataclass(frozen=True)
class Address:
    """An address of the relay, as the system's resolver gives it.

    Attributes:
        family: the family of its sockets.
        sockaddr: what a socket of that family connects to.
    """

    family: int
    sockaddr: tuple[Any, ...]

    def __str__(self) -> str:
        return str(self.sockaddr[0])

    def connect(self, seconds: float) -> socket.socket:
        """Return a connected socket; raises OSError."""
        sock = socket.socket(self.family, socket.SOCK_STREAM)
        try:
            sock.settimeout(seconds)
            sock.connect(self.sockaddr)
        except BaseException:
            sock.close()
            raise
        return sock

"""How bytes come in from clients and from the relay: through one buffer for all connections."""

import asyncio

# The event loop fills it and hands it on before it reads from the next connection.
_BUFFER = memoryview(bytearray(2**18))


class Inlet(asyncio.BufferedProtocol):
    """What makes a protocol with `data_received` read through the shared buffer.

    For other protocols asyncio makes 256 kB anew at each read, and gives most of it back to the
    system; for the short lines of SMTP that costs many times what reading does.
    """

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - as asyncio calls it
        """Return what is read into."""
        return _BUFFER

    def buffer_updated(self, nbytes: int) -> None:
        """Hand on what was read."""
        self.data_received(bytes(_BUFFER[:nbytes]))

    def data_received(self, data: bytes) -> None:
        """Take what was read."""
        raise NotImplementedError

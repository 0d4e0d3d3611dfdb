"""What a client sends, as lines that end in CRLF and as a message that ends in CRLF.CRLF.

A bare CR or LF ends neither: a server that thinks otherwise lets others put a second message into
one that it takes for the end of the first ("SMTP smuggling").
"""

import asyncio

COMMAND_LIMIT = 2**16
_LINE_END = b"\r\n"
_LONE_DOT = b".\r\n"
_END = _LINE_END + _LONE_DOT


class TooLargeError(Exception):
    """A message is larger than is allowed; all of it was read, and thrown away."""


class Reader(asyncio.StreamReader):
    """A stream reader that knows one line end only."""

    # Of asyncio's own; they have no other name.
    _buffer: bytearray
    _limit: int

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(limit=COMMAND_LIMIT, loop=loop)

    async def readuntil(self, separator: bytes = _LINE_END) -> bytes:  # type: ignore[override]
        """Read up to the separator, and with it.

        Raises:
            asyncio.CancelledError: if the client has closed its side; nothing more can come.
        """
        try:
            return await super().readuntil(separator)
        except asyncio.IncompleteReadError:
            raise asyncio.CancelledError from None

    async def readline(self) -> bytes:
        """Read a line that ends in CRLF."""
        return await self.readuntil()

    @property
    def has_more(self) -> bool:
        """Whether the client sent more than was read."""
        return bool(self._buffer)

    async def read_message(self, limit: int) -> bytes:
        """Read what follows DATA; return it without its end, with its dots as they were sent.

        Raises:
            TooLargeError: if it has more than `limit` bytes.
        """
        # With DATA's own line end in front, a message without a line ends as all others do.
        self._buffer[:0] = _LINE_END
        self._limit = limit
        try:
            data = await self.readuntil(_END)
        except asyncio.LimitOverrunError:
            await self._skip()
            raise TooLargeError from None
        finally:
            self._limit = COMMAND_LIMIT
        return data[len(_LINE_END) : -len(_LONE_DOT)]

    async def _skip(self) -> None:
        self._limit = COMMAND_LIMIT
        while True:
            try:
                await self.readuntil(_END)
            except asyncio.LimitOverrunError as error:
                await self.readexactly(error.consumed)
            else:
                return

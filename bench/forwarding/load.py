"""Clients that send mail: ``python -m bench.forwarding.load PORT MESSAGES CLIENTS SIZE MODE``.

MODE is `one` (a connection for each message) or `many` (one connection for all). It prints
`ready`, waits for a line, sends, and prints the seconds from the line to the last answer.
"""

from __future__ import annotations

import asyncio
import sys
import time

_LINE = b"x" * 70 + b"\r\n"
_HEADER = b"From: a@example.com\r\nTo: b@example.com\r\nSubject: bench\r\nDate: now\r\n\r\n"


class Client:
    """One client, which waits for each answer, as most programs do."""

    def __init__(self, port: int, content: bytes) -> None:
        self._port = port
        self._content = content
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def send(self) -> None:
        """Send a message, over the connection that is open or a new one."""
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
            await self._answer()
            await self._say(b"EHLO bench.example.com\r\n")
        await self._say(b"MAIL FROM:<a@example.com>\r\n")
        await self._say(b"RCPT TO:<b@example.com>\r\n")
        await self._say(b"DATA\r\n")
        await self._say(self._content)

    async def close(self) -> None:
        """Say goodbye."""
        if self._streams is not None:
            await self._say(b"QUIT\r\n")
            self._streams[1].close()
            self._streams = None

    async def _say(self, data: bytes) -> None:
        if self._streams is not None:
            self._streams[1].write(data)
        await self._answer()

    async def _answer(self) -> None:
        if self._streams is None:
            return
        while (line := await self._streams[0].readline())[3:4] == b"-":
            pass
        if line[:1] not in {b"2", b"3"}:
            raise RuntimeError(f"the server answered {line!r}")


async def _send(port: int, messages: int, clients: int, size: int, mode: str) -> None:
    content = _HEADER + _LINE * max(1, size // len(_LINE)) + b".\r\n"
    left = iter(range(messages))

    async def run(client: Client) -> None:
        for _ in left:
            await client.send()
            if mode == "one":
                await client.close()
        await client.close()

    await asyncio.gather(*(run(Client(port, content)) for _ in range(clients)))


def main() -> None:
    """Send what the command line says."""
    port, messages, clients, size = map(int, sys.argv[1:5])
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    begin = time.perf_counter()
    asyncio.run(_send(port, messages, clients, size, sys.argv[5]))
    sys.stdout.write(f"{time.perf_counter() - begin}\n")


if __name__ == "__main__":
    main()

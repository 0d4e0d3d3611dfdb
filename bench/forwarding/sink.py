"""A bare aiosmtpd server: ``python -m bench.forwarding.sink PORT [RELAY-PORT]``.

It keeps nothing; with a relay's port it is aiosmtpd's own Proxy. It prints its port, and for each
line on standard input how many messages it has taken.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from typing import Any

from aiosmtpd import handlers, smtp


class Sink:
    """Counts messages."""

    def __init__(self) -> None:
        self.count = 0

    async def handle_DATA(self, *_given: Any) -> str:  # noqa: ANN401, N802 - as aiosmtpd calls it
        """Take a message."""
        self.count += 1
        return "250 2.0.0 Ok"


async def _serve(port: int, relay: int) -> None:
    loop = asyncio.get_running_loop()
    sink = Sink()
    handler = handlers.Proxy("127.0.0.1", relay) if relay else sink
    server = await loop.create_server(
        lambda: smtp.SMTP(handler, hostname="sink", enable_SMTPUTF8=True, loop=loop),
        "127.0.0.1",
        port,
        backlog=256,
    )

    def answer() -> None:
        if not sys.stdin.readline():
            loop.stop()
        sys.stdout.write(f"{sink.count}\n")
        sys.stdout.flush()

    loop.add_reader(sys.stdin.fileno(), answer)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


def main() -> None:
    """Serve until standard input is closed."""
    logging.getLogger("mail.log").setLevel(logging.ERROR)
    port, relay = [*map(int, sys.argv[1:]), 0][:2]
    try:
        asyncio.run(_serve(port, relay))
    except RuntimeError:
        return


if __name__ == "__main__":
    main()

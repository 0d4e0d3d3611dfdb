"""One connection to the relay, when an exchange ends before its answers came."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, TypeVar

import pytest
from forwarder_running import RECIPIENT, SENDER
from scripted_upstream import SECONDS

from forwarder.channel import Channel, GoneError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Coroutine

T = TypeVar("T")


@contextlib.asynccontextmanager
async def connected(answer: bytes, *, repeats: bool = False) -> AsyncGenerator[Channel, None]:
    """A connection to a relay that has one answer for all that comes, or repeats it for ever."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer), contextlib.suppress(ConnectionError):
            while await reader.read(1000):
                writer.write(answer)
                while repeats:
                    await asyncio.sleep(0.001)
                    writer.write(answer)
                    await writer.drain()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        address = server.sockets[0].getsockname()
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_connection(asyncio.Protocol, *address)
        channel = Channel(SECONDS, {"pipelining": ""})
        channel.attach(transport)
        yield channel
        channel.abort()


def ran(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(asyncio.wait_for(work, SECONDS))


async def _cancel_and_begin() -> None:
    async with connected(b"") as channel:
        first = asyncio.create_task(channel.begin(f"<{SENDER}>", [RECIPIENT]))
        await asyncio.sleep(0)
        first.cancel()
        await channel.begin(f"<{SENDER}>", [RECIPIENT])


async def _begin(answer: bytes, *, repeats: bool = False, recipients: int = 1) -> int:
    async with connected(answer, repeats=repeats) as channel:
        _, answers = await channel.begin(f"<{SENDER}>", [RECIPIENT] * recipients)
        return len(answers)


def test_who_begins_as_another_is_cancelled_hears_that_the_connection_is_gone() -> None:
    with pytest.raises(GoneError):
        ran(_cancel_and_begin())


@pytest.mark.parametrize(
    "answer",
    [b"hello\r\n250 taken\r\n250 taken\r\n", b"250 taken\r\n421 closing\r\n250 taken\r\n"],
)
def test_no_answer_counts_behind_the_end_of_a_conversation(answer: bytes) -> None:
    with pytest.raises(GoneError):
        ran(_begin(answer))


async def _begin_and_look(answer: bytes) -> bool:
    async with connected(answer) as channel:
        await channel.begin(f"<{SENDER}>", [RECIPIENT])
        return channel.is_open


def test_an_answer_that_nobody_asked_for_ends_the_connection() -> None:
    """It would be taken for the answer to the next command."""
    taken = b"250 taken\r\n"
    assert ran(_begin_and_look(taken * 2))
    assert not ran(_begin_and_look(taken * 3))


def test_many_answers_at_once_are_not_one_without_end() -> None:
    answers = b"250 2.1.5 " + b"x" * 80 + b"\r\n"
    began = _begin(answers * 1001, recipients=1000)
    assert ran(began) == 1000


@pytest.mark.parametrize("part", [b"250-and more\r\n" * 100, b"and more" * 100])
def test_an_answer_without_end_is_not_read_to_its_end(part: bytes) -> None:
    with pytest.raises(GoneError, match="the relay's answer has no end"):
        ran(_begin(part, repeats=True))

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import TYPE_CHECKING

from scripted_upstream import SECONDS, wait_until

from forwarder import configuration
from forwarder.upstream import Pool

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Generator

    import pytest
    from scripted_upstream import Upstream

    from forwarder.channel import Channel


def pool_of(upstream: Upstream, tmp_path: pathlib.Path, connections: int) -> Pool:
    settings = configuration.Upstream(
        host="127.0.0.1", port=upstream.port, connections=connections
    )
    return Pool(settings, "mx.example.net", tmp_path / "refresh-token")


@contextlib.contextmanager
def held(upstream: Upstream, command: str, answer: str) -> Generator[threading.Event]:
    """Have the relay hold its answer to a command back until the event is set, or to the end."""
    released = threading.Event()

    def wait() -> str:
        released.wait(SECONDS)
        return answer

    upstream.answers[command] = wait
    try:
        yield released
    finally:
        released.set()


def test_who_waits_longest_has_a_connection_first(
    upstream: Upstream, tmp_path: pathlib.Path
) -> None:
    async def scenario() -> list[int]:
        pool, order = pool_of(upstream, tmp_path, 1), list[int]()

        async def use(number: int) -> None:
            used = await pool.lease()
            order.append(number)
            await asyncio.sleep(0)
            pool.give_back(used)

        first = await pool.lease()
        waiting = [asyncio.create_task(use(number)) for number in range(5)]
        await asyncio.sleep(0)
        pool.give_back(first)
        await use(5)
        await asyncio.gather(*waiting)
        pool.close()
        return order

    assert asyncio.run(scenario()) == [0, 1, 2, 3, 4, 5]


def test_who_goes_away_leaves_its_connection_to_the_next(
    upstream: Upstream, tmp_path: pathlib.Path
) -> None:
    async def scenario() -> bool:
        pool = pool_of(upstream, tmp_path, 1)
        first = await pool.lease()
        waiting = [asyncio.create_task(pool.lease()) for _ in range(3)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        pool.give_back(first)
        waiting[1].cancel()
        handed = await waiting[2]
        pool.give_back(handed)
        pool.close()
        return handed is first and waiting[0].cancelled() and waiting[1].cancelled()

    assert asyncio.run(scenario())


def test_connection_that_does_not_open_keeps_nobody_from_another(
    upstream: Upstream, tmp_path: pathlib.Path
) -> None:
    async def scenario() -> bool:
        pool = pool_of(upstream, tmp_path, 3)
        first = await pool.lease()
        with held(upstream, "", "220 scripted"):
            waiting = [asyncio.create_task(pool.lease()) for _ in range(2)]
            await asyncio.to_thread(wait_until, lambda: upstream.connections == 3)
            pool.give_back(first)
            handed = await waiting[0]
            pool.give_back(handed)
            again = await waiting[1]
            pool.give_back(again)
            pool.close()
        return handed is again is first

    assert asyncio.run(asyncio.wait_for(scenario(), SECONDS / 2))


def test_who_waits_keeps_its_place_while_connections_end(
    upstream: Upstream, tmp_path: pathlib.Path
) -> None:
    async def scenario() -> list[int]:
        pool, order = pool_of(upstream, tmp_path, 2), list[int]()

        async def use(number: int) -> None:
            used = await pool.lease()
            order.append(number)
            used.abort()
            pool.give_back(used)

        await asyncio.gather(*(use(number) for number in range(12)))
        pool.close()
        return order

    assert asyncio.run(scenario()) == [*range(12)]


def test_who_goes_away_leaves_what_is_opened_to_the_next(
    upstream: Upstream, tmp_path: pathlib.Path
) -> None:
    async def scenario(greeted: threading.Event) -> None:
        pool = pool_of(upstream, tmp_path, 1)
        leaving = asyncio.create_task(pool.lease(SECONDS))
        await asyncio.to_thread(wait_until, lambda: upstream.connections == 1)
        leaving.cancel()
        await asyncio.wait([leaving])
        greeted.set()
        pool.give_back(await pool.lease())
        pool.close()

    with held(upstream, "", "220 scripted") as greeted:
        asyncio.run(scenario(greeted))
    assert upstream.connections == 1


def test_who_goes_away_in_the_middle_leaves_no_answer_to_the_next(
    upstream: Upstream, tmp_path: pathlib.Path
) -> None:
    async def scenario() -> bool:
        pool = pool_of(upstream, tmp_path, 1)
        first = await pool.lease()
        speaking = asyncio.create_task(first.begin("<ada@example.com>", ["bob@example.org"]))
        await asyncio.to_thread(wait_until, lambda: bool(upstream.commands[1:]))
        next_one = asyncio.create_task(pool.lease())
        await asyncio.sleep(0)
        pool.give_back(first)
        speaking.cancel()
        handed = await next_one
        pool.give_back(handed)
        pool.close()
        return handed is not first

    with held(upstream, "MAIL FROM:<ada", "550 5.1.8 Not this sender"):
        assert asyncio.run(scenario())


def test_what_the_relay_takes_for_its_answers_is_not_held_against_a_client(
    upstream: Upstream, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("forwarder.upstream.PATIENCE", 0.05)

    async def scenario() -> list[bool]:
        pool, revoked = pool_of(upstream, tmp_path, 1), asyncio.Event()
        leased = await pool.lease()
        other = asyncio.create_task(pool.lease())
        await asyncio.sleep(0.1)

        def revoke() -> None:
            revoked.set()
            pool.give_back(leased)

        pool.make_revocable(leased, revoke)
        found = [revoked.is_set()]
        pool.give_back(await other)
        pool.close()
        return [*found, revoked.is_set()]

    assert asyncio.run(scenario()) == [False, True]


def test_slow_clients_lose_their_connections_in_turn(
    upstream: Upstream, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("forwarder.upstream.PATIENCE", 0.05)

    async def scenario() -> list[int]:
        pool, revoked = pool_of(upstream, tmp_path, 3), list[int]()

        def lend(number: int, leased: Channel) -> None:
            def revoke() -> None:
                revoked.append(number)
                pool.give_back(leased)

            pool.make_revocable(leased, revoke)

        lent = [await pool.lease() for _ in range(3)]
        for number, leased in enumerate(lent):
            lend(number, leased)
        others = await asyncio.gather(pool.lease(), pool.lease())
        for one in (*others, lent[2]):
            pool.give_back(one)
        pool.close()
        return revoked

    assert asyncio.run(scenario()) == [0, 1]

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from forwarder import configuration
from forwarder.upstream import Pool

if TYPE_CHECKING:
    import pathlib

    import pytest
    from scripted_upstream import Upstream

    from forwarder.channel import Channel


def pool_of(upstream: Upstream, tmp_path: pathlib.Path, connections: int) -> Pool:
    settings = configuration.Upstream(
        host="127.0.0.1", port=upstream.port, connections=connections
    )
    return Pool(settings, "mx.example.net", tmp_path / "refresh-token")


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
        for number, leased in reversed([*enumerate(lent)]):
            lend(number, leased)
        others = await asyncio.gather(pool.lease(), pool.lease())
        for one in (*others, lent[2]):
            pool.give_back(one)
        pool.close()
        return revoked

    assert asyncio.run(scenario()) == [0, 1]

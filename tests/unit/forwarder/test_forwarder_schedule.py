from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from forwarder import configuration, delivery, queue, queue_file, rules, schedule, storage

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Callable

    from forwarder_running import Forwarder
    from scripted_upstream import Upstream

CONTENT = b"Subject: once\r\n\r\n"


def test_looking_twice_sends_once(upstream: Upstream, tmp_path: pathlib.Path) -> None:
    async def look_twice() -> None:
        store = storage.Storage(queue.prepare(tmp_path / "queue"))
        relay = configuration.Upstream(host="127.0.0.1", port=upstream.port)
        settings = configuration.Configuration(
            queue=tmp_path / "queue", listen=(), hostname="mx.example.net", upstream=relay
        )
        recipients = (rules.Recipient("b@example.org", "b@example.org"),)
        await store.store(
            queue_file.Record("1", "a@example.org", recipients, len(CONTENT), time.time()), CONTENT
        )
        work = delivery.Delivery(settings, store)
        clock = schedule.Schedule(work)
        clock._send_ready()  # pyright: ignore[reportPrivateUsage]
        clock._send_ready()  # pyright: ignore[reportPrivateUsage]
        await clock.finish(60)
        await work.finish(60)
        # The connections are closed when the loop turns once more.
        await asyncio.sleep(0.1)
        store.close()

    asyncio.run(look_twice())
    assert [one.content for one in upstream.messages] == [CONTENT]


def test_a_message_that_cannot_be_read_waits_before_it_is_read_again(
    forward: Callable[..., Forwarder], upstream: Upstream
) -> None:
    forwarder = forward(upstream)
    upstream.stop()
    forwarder.send()
    (entry,) = forwarder.spool.entries()
    path = forwarder.spool.file(entry.id)
    aside = path.rename(forwarder.folder / "aside")
    path.mkdir()
    upstream.start()
    assert forwarder.spool.ask("flush")
    forwarder.wait_for_log("queue-failed")
    for _ in range(20):
        forwarder.send()
    assert forwarder.log().count("queue-failed") <= 2
    path.rmdir()
    aside.rename(path)
    assert forwarder.spool.ask("retry", [entry.id])
    upstream.wait_for(21)

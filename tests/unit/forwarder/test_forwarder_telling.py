from __future__ import annotations

import asyncio
import functools
import json
import time
from typing import TYPE_CHECKING

import pytest
from forwarder_running import RECIPIENT, SENDER, Forwarder
from scripted_upstream import Upstream, wait_until

from forwarder import configuration, digest, queue, settlement, storage

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Callable

    Forward = Callable[..., Forwarder]


def test_a_digest_is_due_a_day_after_its_first_failure(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "digest"
    one = digest.Digest(path)
    one.add("first")
    one.add("second")
    assert not one.due
    path.write_text(path.read_text().replace(f"[{int(time.time())}", "[1", 1) + '[5, "cut')
    again = digest.Digest(path)
    assert again.due
    assert again.text() == "2 failures since the last digest:\n\nfirst\nsecond\n"
    again.clear()
    assert not again.due
    assert not digest.Digest(path).due


def test_a_long_digest_counts_the_rest(tmp_path: pathlib.Path) -> None:
    one = digest.Digest(tmp_path / "digest")
    for number in range(203):
        one.add(f"failure {number}")
    assert one.text().startswith("203 failures")
    assert one.text().endswith("failure 199\n... and 3 more\n")


def test_the_administrator_gets_one_mail_for_all_failures(
    forward: Forward, upstream: Upstream
) -> None:
    forwarder = forward(upstream, administrator="root@example.com")
    forwarder.stop()
    lines = [json.dumps([1.0, f"failure {n}"]) + "\n" for n in range(3)]
    (forwarder.spool.path / "digest").write_text("".join(lines))
    forwarder.start()
    (mail,) = upstream.wait_for(1)
    assert (mail.sender, mail.recipients) == ("", ("root@example.com",))
    assert all(b"failure %d" % n in mail.content for n in range(3))
    wait_until(lambda: not (forwarder.spool.path / "digest").exists())


def test_each_error_of_the_rules_is_told_once_whatever_message_it_names(
    tmp_path: pathlib.Path,
) -> None:
    def one(name: str) -> None:
        raise KeyError(name)

    def two() -> None:
        raise ValueError("two")

    def raised(rule: Callable[[], None]) -> Exception:
        try:
            rule()
        except (KeyError, ValueError) as error:
            return error
        raise AssertionError

    async def tell() -> list[str]:
        store = storage.Storage(queue.prepare(tmp_path / "queue"))
        settings = configuration.Configuration(
            queue=tmp_path / "queue", listen=(), hostname="mx.example.net", administrator="a@x.org"
        )
        telling = settlement.Settlement(settings, store)
        for rule in (functools.partial(one, "a@x.org"), functools.partial(one, "b@x.org"), two):
            await telling.tell_rule_failed(raised(rule))
        told = [(await store.content(one)).decode() for one in store.records.values()]
        store.close()
        return told

    first, second = asyncio.run(tell())
    assert "KeyError" in first
    assert "in one" in first
    assert "x.org" not in first.partition("\r\n\r\n")[2]
    assert "ValueError" in second


@pytest.mark.parametrize("sender", [SENDER, "<>"])
def test_a_relay_that_never_greets_holds_nobody_up(
    forward: Forward, upstream: Upstream, sender: str
) -> None:
    def never() -> str:
        upstream.hold.wait(60)
        return "220 at last"

    upstream.hold.clear()
    upstream.answers[""] = never
    forwarder = forward(upstream, impatient=True, wait_seconds=0.3)
    for _ in range(5):
        code, words = forwarder.send(RECIPIENT, sender=sender)
        assert (code, "queued" in words) == (250, True)
    upstream.answers.clear()
    upstream.hold.set()
    upstream.wait_for(5)

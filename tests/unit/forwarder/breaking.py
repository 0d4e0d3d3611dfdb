"""Mail under fire: senders that go on whatever breaks, and the count of what arrived."""

from __future__ import annotations

import collections
import dataclasses
import hashlib
import random
import signal
import smtplib
import threading
import time
from typing import TYPE_CHECKING

from forwarder_running import SENDER, Forwarder
from scripted_upstream import Upstream, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_SECONDS = 20.0
_CLIENTS = 4
# A relay can be asked again after a pause that has grown meanwhile.
_LAST_SECONDS = 600.0


@dataclasses.dataclass
class Tally:
    """What clients were told, by the number of the message, and what arrived."""

    accepted: set[int] = dataclasses.field(default_factory=set[int])
    refused: set[int] = dataclasses.field(default_factory=set[int])
    unknown: set[int] = dataclasses.field(default_factory=set[int])
    """Messages whose final answer was lost: they may arrive, once, or not."""
    cut: set[int] = dataclasses.field(default_factory=set[int])
    """Messages that their clients broke off in the middle: they must not arrive."""
    events: int = 0

    def check(self, upstream: Upstream) -> str:
        """Check that all arrived that must, unchanged, and once; return the counts."""
        arrived: collections.Counter[tuple[int, str]] = collections.Counter()
        changed = 0
        for one in upstream.messages:
            number = _number(one.body)
            changed += one.body != content_of(number)
            arrived.update((number, recipient) for recipient in one.recipients)
        wanted = {(number, to) for number in self.accepted for to in recipients_of(number)}
        missing = wanted - set(arrived)
        allowed = self.unknown | _last(upstream)
        twice = {key for key, count in arrived.items() if count > 1}
        wrongly_twice = {key for key in twice if key[0] not in allowed}
        wrongly = {key for key in arrived if key[0] in (self.refused - allowed) | self.cut}
        counts = (
            f"{self.events} events, {len(self.accepted)} accepted, {len(self.refused)} refused,"
            f" {len(self.unknown)} with a lost answer, {len(arrived)} arrived, {len(missing)}"
            f" missing, {changed} changed, {len(twice)} twice ({len(wrongly_twice)} without a lost"
            f" answer)"
        )
        assert not any((missing, changed, wrongly_twice, wrongly)), counts
        return counts


def content_of(number: int) -> bytes:
    """Return a message that can be told from all others, of 100 bytes to 30 kB."""
    seeded = random.Random(number)  # noqa: S311 - the same for all who run this
    body = seeded.randbytes(seeded.choice((30, 1000, 15_000))).hex().encode()
    lines = b"\r\n".join(body[at : at + 76] for at in range(0, len(body), 76))
    digest = hashlib.sha256(lines).hexdigest().encode()
    return b"Subject: %d\r\nX-Digest: %s\r\n\r\n%s\r\n.dot\r\n" % (number, digest, lines)


def recipients_of(number: int) -> tuple[str, ...]:
    return tuple(f"r{n}@example.org" for n in range(1 + number % 3))


class Load:
    """Clients that send numbered messages until they are told to stop."""

    def __init__(self, forwarder: Forwarder, tally: Tally, *, cut: float) -> None:
        self._forwarder, self._tally, self._cut = forwarder, tally, cut
        self._next = iter(range(10**9))
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(_CLIENTS)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                with smtplib.SMTP("127.0.0.1", self._forwarder.port, timeout=_SECONDS) as client:
                    client.ehlo()
                    for _ in range(5):
                        self._send(client)
            except (OSError, smtplib.SMTPException):
                time.sleep(0.01)

    def _send(self, client: smtplib.SMTP) -> None:
        with self._lock:
            number = next(self._next)
        client.mail(SENDER)
        for recipient in recipients_of(number):
            if client.rcpt(recipient)[0] != 250:
                client.rset()
                return
        if client.docmd("DATA")[0] != 354:
            client.rset()
            return
        lines = content_of(number).replace(b"\r\n.", b"\r\n..")
        if random.Random(-number).random() < self._cut:  # noqa: S311
            self._tally.cut.add(number)
            client.send(lines[: len(lines) // 2])
            client.close()
            return
        try:
            client.send(lines + b".\r\n")
            code = client.getreply()[0]
        except (OSError, smtplib.SMTPException):
            self._tally.unknown.add(number)
            raise
        (self._tally.accepted if code == 250 else self._tally.refused).add(number)


def drained(forwarder: Forwarder) -> None:
    """Wait until nothing is left in the queue."""
    forwarder.spool.ask("flush")
    wait_until(lambda: not list(forwarder.spool.messages.iterdir()), _LAST_SECONDS)


def break_often(
    forwarder: Forwarder,
    upstream: Upstream,
    breaks: Sequence[Callable[[Forwarder, Upstream], None]],
    *,
    times: int,
    cut: float = 0,
) -> str:
    """Break things at random moments under load, check what arrived, and return the counts.

    Args:
        forwarder: it runs.
        upstream: its relay.
        breaks: what may happen; each leaves everything running.
        times: how often one of these happens.
        cut: how many of the messages are broken off by their client, as a fraction.
    """
    forwarder.configure(listen=[f"127.0.0.1:{forwarder.port}"], retry_seconds=[0.1])
    forwarder.reload()
    # The same for all who run this, as far as a busy machine allows.
    seeded = random.Random(times)  # noqa: S311 - the moments need no secrecy
    tally = Tally()
    load = Load(forwarder, tally, cut=cut)
    try:
        for _ in range(times):
            time.sleep(seeded.uniform(0, 0.4))
            seeded.choice(breaks)(forwarder, upstream)
            tally.events += 1
        wait_until(lambda: len(tally.accepted) > times, _LAST_SECONDS)
    finally:
        load.stop()
    drained(forwarder)
    return tally.check(upstream)


def kill(forwarder: Forwarder, _upstream: Upstream) -> None:
    forwarder.stop(signal.SIGKILL)
    forwarder.start()


def stop_relay(_forwarder: Forwarder, upstream: Upstream) -> None:
    upstream.stop()
    time.sleep(0.2)
    upstream.start()


def cut_relay(_forwarder: Forwarder, upstream: Upstream) -> None:
    upstream.cut()


def kill_without_relay(forwarder: Forwarder, upstream: Upstream) -> None:
    upstream.stop()
    time.sleep(0.2)
    kill(forwarder, upstream)
    time.sleep(0.2)
    upstream.start()


def _last(upstream: Upstream) -> set[int]:
    """Return the messages that came last on their connection.

    Their answers may have been lost: on the way, or with a process that was killed before it
    noted them. It notes one while the next is sent, so that two of a connection may be lost.
    """
    by_connection: dict[int, list[int]] = collections.defaultdict(list)
    for one in upstream.messages:
        by_connection[one.connection].append(_number(one.body))
    return {number for numbers in by_connection.values() for number in numbers[-2:]}


def _number(body: bytes) -> int:
    return int(body.split(b"\r\n", 1)[0].removeprefix(b"Subject: "))

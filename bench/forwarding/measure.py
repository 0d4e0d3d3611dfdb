"""Measures: messages in a second through each server, in turn; the queue; and memory."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
from typing import TYPE_CHECKING

from bench.forwarding.servers import (
    ROOT,
    Forwarder,
    Postfix,
    Sink,
    free_port,
    running,
    wait_until,
)

if TYPE_CHECKING:
    from collections.abc import Generator

SINK, FORWARDER, PROXY, POSTFIX = "bare sink", "forwarder", "aiosmtpd Proxy", "Postfix"
CLIENTS, SIZES, MODES = (1, 8), (2_000, 200_000), ("many", "one")
# A case of large messages has fewer of them.
_LARGE_FRACTION = 8
_LONG_SECONDS = 7200


@dataclasses.dataclass(frozen=True)
class Case:
    """How mail is sent: by how many clients, how large, and over how many connections."""

    clients: int
    size: int
    mode: str


_USUAL = Case(8, min(SIZES), "many")


@dataclasses.dataclass
class Figures:
    """What was measured; rates are messages in a second."""

    delivered: dict[Case, dict[str, float]]
    queued: dict[str, float]
    drained: dict[int, float]
    """Seconds for all, by their number."""
    memory: dict[int, int]
    """Bytes, by the messages that had passed."""
    load: float
    """How many processes wanted a processor before it began, on average of a minute."""


def cases() -> list[Case]:
    """Return all cases."""
    return [Case(clients, size, mode) for mode in MODES for size in SIZES for clients in CLIENTS]


def measure(*, messages: int, runs: int, long_run: int, queue: tuple[int, ...]) -> Figures:
    """Measure everything.

    Args:
        messages: how many small messages a case has.
        runs: how often each case is measured.
        long_run: how many messages memory is watched over.
        queue: how many messages are queued and drained.
    """
    load = os.getloadavg()[0]
    with contextlib.ExitStack() as stack:
        folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        sink = stack.enter_context(running(Sink()))
        ports = {SINK: sink.port}
        (folder / "forwarder").mkdir()
        forwarder = stack.enter_context(running(Forwarder(folder / "forwarder", sink.port)))
        ports[FORWARDER] = forwarder.port
        ports[PROXY] = stack.enter_context(running(Sink(relay=sink.port))).port
        if Postfix.is_here():
            (folder / "postfix").mkdir()
            postfix = stack.enter_context(running(Postfix(folder / "postfix", sink.port)))
            ports[POSTFIX] = postfix.port
        delivered = {case: _rates(case, ports, sink, messages, runs) for case in cases()}
        memory = _memory(forwarder, sink, long_run)
    return Figures(delivered, _queued(messages, runs), _drained(queue, runs), memory, load)


def _rates(
    case: Case, ports: dict[str, int], sink: Sink, messages: int, runs: int
) -> dict[str, float]:
    """Measure one case through each server, in turn."""
    count = messages if case.size < max(SIZES) else max(messages // _LARGE_FRACTION, 8)
    times: dict[str, list[float]] = {name: [] for name in ports}
    for _ in range(runs):
        for name, port in ports.items():
            times[name].append(delivery_seconds(case, port, sink, count))
    return {name: count / statistics.median(found) for name, found in times.items()}


def delivery_seconds(case: Case, port: int, sink: Sink, count: int) -> float:
    """The seconds until the sink has all messages, whoever was told so before."""
    before = sink.count
    with _load(case, port, count) as load:
        begin = time.perf_counter()
        _go(load)
        wait_until(lambda: bool(load.poll()) or sink.count >= before + count, _LONG_SECONDS)
        return time.perf_counter() - begin


def _memory(forwarder: Forwarder, sink: Sink, long_run: int) -> dict[int, int]:
    found: dict[int, int] = {}
    passed = 0
    for _ in range(10):
        delivery_seconds(_USUAL, forwarder.port, sink, max(long_run // 10, 1))
        passed += max(long_run // 10, 1)
        found[passed] = forwarder.resident
    return found


def _queued(messages: int, runs: int) -> dict[str, float]:
    """How many messages in a second are accepted while the relay is down."""
    found: dict[str, list[float]] = {FORWARDER: [], POSTFIX: []}
    for _ in range(runs):
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            forwarder = Forwarder(pathlib.Path(folder), free_port())
            found[FORWARDER].append(_queued_rate(forwarder, messages))
        if Postfix.is_here():
            with tempfile.TemporaryDirectory(prefix="bench-") as folder:
                postfix = Postfix(pathlib.Path(folder), free_port())
                found[POSTFIX].append(_queued_rate(postfix, messages))
    return {name: statistics.median(rates) for name, rates in found.items() if rates}


def _queued_rate(server: Forwarder | Postfix, messages: int) -> float:
    try:
        return messages / _answer_seconds(_USUAL, server.port, messages)
    finally:
        server.stop()


def _answer_seconds(case: Case, port: int, count: int) -> float:
    with _load(case, port, count) as load:
        _go(load)
        return float(load.stdout.readline() if load.stdout else "nan")


def _drained(queue: tuple[int, ...], runs: int) -> dict[int, float]:
    """The seconds in which each number of messages leaves the queue, measured in turn."""
    found: dict[int, list[float]] = {count: [] for count in queue}
    for _ in range(runs):
        for count, seconds in found.items():
            seconds.append(_drain_seconds(count))
    return {count: statistics.median(seconds) for count, seconds in found.items()}


def _drain_seconds(count: int) -> float:
    """Queue messages while there is no relay, then start one; return how long that takes them."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        port = free_port()
        with running(Forwarder(pathlib.Path(folder), port)) as forwarder:
            _answer_seconds(_USUAL, forwarder.port, count)
            with running(Sink(port)) as sink:
                wait_until(lambda: sink.count > 0, _LONG_SECONDS)
                begin, first = time.perf_counter(), sink.count
                wait_until(lambda: sink.count >= count, _LONG_SECONDS)
                seconds = time.perf_counter() - begin
    return seconds * count / max(count - first, 1)


@contextlib.contextmanager
def _load(case: Case, port: int, count: int) -> Generator[subprocess.Popen[str], None, None]:
    """Make clients that are ready to send."""
    arguments = map(str, (port, count, case.clients, case.size, case.mode))
    with subprocess.Popen(
        [sys.executable, "-m", "bench.forwarding.load", *arguments],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as load:
        if load.stdout:
            load.stdout.readline()
        yield load
        if load.wait(_LONG_SECONDS):
            raise RuntimeError("a client was refused, as it says above")


def _go(load: subprocess.Popen[str]) -> None:
    if load.stdin:
        load.stdin.write("\n")
        load.stdin.flush()

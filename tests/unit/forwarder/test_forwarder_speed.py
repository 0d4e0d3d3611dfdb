from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bench.forwarding import measure, report
from bench.forwarding.measure import FORWARDER, POSTFIX, PROXY, SINK, Case, Figures
from bench.forwarding.servers import Sink, running

if TYPE_CHECKING:
    from scripted_upstream import Upstream


def figures(*, sink: float = 100, forwarder: float = 70, load: float = 0.1) -> Figures:
    rates = {SINK: sink, FORWARDER: forwarder, PROXY: 30.0, POSTFIX: 20.0}
    return Figures(
        delivered=dict.fromkeys(measure.cases(), rates),
        queued={FORWARDER: 50.0, POSTFIX: 40.0},
        drained={100: 1.0, 1000: 10.0},
        memory={10: 30_000_000, 100: 30_000_000},
        load=load,
    )


def test_met_aims_are_met() -> None:
    page = report.render(figures(), messages=10, runs=1)
    assert "Every aim is met." in page
    assert "| 8 clients, 2 kB, a connection for each | 100 (1.00) | 70 (0.70) |" in page
    assert "did nothing else" in page


@pytest.mark.parametrize(
    ("changed", "missed"),
    [
        (figures(forwarder=59), "beside the bare sink"),
        (figures(sink=50, forwarder=39), "beside Postfix"),
    ],
)
def test_a_missed_aim_is_named(changed: Figures, missed: str) -> None:
    page = report.render(changed, messages=10, runs=1)
    assert missed in page.partition("Missed: ")[2]


def test_twice_as_much_as_there_is_is_no_aim() -> None:
    page = report.render(figures(sink=40, forwarder=39), messages=10, runs=1)
    assert "Every aim is met." in page
    assert "2 kB, a connection for each, beside Postfix" not in page


def test_a_busy_machine_is_told() -> None:
    assert "measure again when it is idle" in report.render(figures(load=9), messages=1, runs=1)


@pytest.mark.parametrize("mode", ["one", "many"])
def test_all_messages_of_a_case_reach_the_sink(mode: str) -> None:
    with running(Sink()) as sink, running(Sink(relay=sink.port)) as proxy:
        case = Case(2, 2000, mode)
        for number, port in enumerate((sink.port, proxy.port), 1):
            assert measure.delivery_seconds(case, port, sink, 5) > 0
            assert sink.count == 5 * number


def test_a_refused_client_ends_the_measure(upstream: Upstream) -> None:
    upstream.answers[""] = "421 4.7.0 Too many connections"
    with running(Sink()) as sink, pytest.raises(RuntimeError, match="a client was refused"):
        measure.delivery_seconds(Case(1, 2000, "one"), upstream.port, sink, 1)

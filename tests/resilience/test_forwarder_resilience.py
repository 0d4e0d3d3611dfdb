"""The forwarder under fire for minutes: `make resilience`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import breaking
import pytest
from forwarder_running import Forwarder
from scripted_upstream import Upstream

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Callable, Iterator

    Record = Callable[[str, object], None]


pytestmark = pytest.mark.skipif(
    "config.getoption('--resilience') == 'sample'", reason="minutes long: run make resilience"
)


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    upstream = Upstream()
    yield upstream
    upstream.stop()


@pytest.fixture
def forwarder(tmp_path: pathlib.Path, upstream: Upstream) -> Iterator[Forwarder]:
    forwarder = Forwarder(tmp_path, upstream).start()
    yield forwarder
    forwarder.stop()


def test_a_hundred_kills(
    forwarder: Forwarder, upstream: Upstream, record_property: Record
) -> None:
    breaks = [breaking.kill, breaking.kill_without_relay]
    counts = breaking.break_often(forwarder, upstream, breaks, times=100)
    record_property("a hundred kills", counts)


def test_a_hundred_cuts_of_both_sides(
    forwarder: Forwarder, upstream: Upstream, record_property: Record
) -> None:
    breaks = [breaking.cut_relay, breaking.stop_relay]
    counts = breaking.break_often(forwarder, upstream, breaks, times=100, cut=0.2)
    record_property("a hundred cuts", counts)


def test_everything_at_once(
    forwarder: Forwarder, upstream: Upstream, record_property: Record
) -> None:
    breaks = [
        breaking.kill,
        breaking.kill_without_relay,
        breaking.cut_relay,
        breaking.stop_relay,
    ]
    counts = breaking.break_often(forwarder, upstream, breaks, times=100, cut=0.1)
    record_property("kills and cuts", counts)

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from forwarder_running import Forwarder
from scripted_upstream import Upstream

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Callable, Iterator


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    upstream = Upstream()
    yield upstream
    upstream.hold.set()
    upstream.stop()


@pytest.fixture
def forward(tmp_path: pathlib.Path) -> Iterator[Callable[..., Forwarder]]:
    """Start forwarders, which end with the test."""
    started: list[Forwarder] = []

    def forward(upstream: Upstream | None, /, **settings: Any) -> Forwarder:
        folder = tmp_path / f"forwarder-{len(started)}"
        folder.mkdir()
        started.append(Forwarder(folder, upstream, **settings))
        return started[-1].start()

    yield forward
    for one in started:
        if one.process is not None:
            one.process.kill()
            one.process.wait()

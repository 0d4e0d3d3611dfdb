from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from forwarder_nursery import Fork, Nursery
from forwarder_running import ENVIRONMENT, Forwarder
from scripted_upstream import Upstream

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Callable, Iterator, Mapping

# Many tests wait until the queue is looked at, and none is about how often that is.
TICK = {"schedule.TICK_SECONDS": 0.05}
SHORT_PAUSES = dict.fromkeys(
    ("upstream.FIRST_PAUSE", "oauth.FIRST_PAUSE", "oauth._SHORTEST_WAIT"), 0.1
)
PATIENCE = {"upstream.PATIENCE": 60.0}


class ForkedForwarder(Forwarder):
    """A forwarder that starts at once, with constants of its own."""

    def __init__(
        self,
        nursery: Nursery,
        constants: Mapping[str, float],
        folder: pathlib.Path,
        upstream: Upstream | None,
        /,
        **settings: Any,
    ) -> None:
        self._nursery = nursery
        self._constants = constants
        super().__init__(folder, upstream, **settings)

    def _spawn(self) -> Fork:
        return self._nursery.fork(self.config, self.log_path, self._constants)


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    upstream = Upstream()
    yield upstream
    upstream.hold.set()
    upstream.stop()


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    nursery = Nursery(ENVIRONMENT)
    yield nursery
    nursery.close()


@pytest.fixture
def forward(nursery: Nursery, tmp_path: pathlib.Path) -> Iterator[Callable[..., Forwarder]]:
    """Start forwarders, which end with the test.

    An impatient one soon asks again where a relay or a token endpoint failed, and fetches tokens
    that live for less than a second. A patient one leaves its connections to slow clients.
    """
    started: list[Forwarder] = []

    def forward(
        upstream: Upstream | None,
        /,
        *,
        impatient: bool = False,
        patient: bool = False,
        **settings: Any,
    ) -> Forwarder:
        folder = tmp_path / f"forwarder-{len(started)}"
        folder.mkdir()
        constants = TICK | (SHORT_PAUSES if impatient else {}) | (PATIENCE if patient else {})
        started.append(ForkedForwarder(nursery, constants, folder, upstream, **settings))
        return started[-1].start()

    yield forward
    for one in started:
        if one.process is not None:
            one.process.kill()
            one.process.wait()

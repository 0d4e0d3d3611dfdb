"""What reading costs the system, for the lines of clients and of the relay."""

from __future__ import annotations

import pathlib
from typing import TYPE_CHECKING

from forwarder_running import CONTENT, RECIPIENT, SENDER

if TYPE_CHECKING:
    from collections.abc import Callable

    from forwarder_running import Forwarder
    from scripted_upstream import Upstream

_MESSAGES = 200


def page_faults(forwarder: Forwarder) -> int:
    """How often the forwarder was given a page of memory that it had not (proc(5), minflt)."""
    assert forwarder.process is not None
    stat = pathlib.Path(f"/proc/{forwarder.process.pid}/stat").read_text()
    return int(stat.rpartition(")")[2].split()[7])


def test_reading_a_line_takes_no_memory_from_the_system(
    forward: Callable[..., Forwarder], upstream: Upstream
) -> None:
    forwarder = forward(upstream)
    with forwarder.client() as client:
        client.sendmail(SENDER, [RECIPIENT], CONTENT)
        before = page_faults(forwarder)
        for _ in range(_MESSAGES):
            client.sendmail(SENDER, [RECIPIENT], CONTENT)
    # A message is four lines of the client and at least two of the relay, read one by one.
    assert page_faults(forwarder) - before < _MESSAGES

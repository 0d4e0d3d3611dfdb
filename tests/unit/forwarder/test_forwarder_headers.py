"""Headers and addresses on which Python's own parsers fail."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from forwarder_running import CONTENT, RECIPIENT, SENDER, Forwarder
from scripted_upstream import wait_until

from forwarder import bounce, message, queue

if TYPE_CHECKING:
    from scripted_upstream import Upstream

Forward = Callable[..., Forwarder]
LISTS = 'lists: {news@example.com: {to: [a@example.net], subject_prefix: "[news]"}}\n'
ODD = [
    "=?utf-8?b?a?=",
    "=?utf-8?b?abcde?=",
    "=?\N{LATIN SMALL LETTER E WITH ACUTE}?b??=",
    "=?utf-7?q?+2AA-?=",
    "=?raw_unicode_escape?q?=5Cud800?=",
]


@pytest.mark.parametrize("odd", ODD)
def test_a_subject_that_cannot_be_decoded_is_read_as_it_came(odd: str) -> None:
    assert message.subject(f"Subject: {odd}\r\n\r\n".encode()) == odd
    assert message.encoded(message.decoded(odd.encode()))


@pytest.mark.parametrize("recipient", [RECIPIENT, "news@example.com"])
def test_a_subject_that_cannot_be_decoded_stops_nothing(
    forward: Forward, upstream: Upstream, recipient: str
) -> None:
    forwarder = forward(upstream, rules=LISTS)
    sent = [f"Subject: {odd}\r\n\r\nbody\r\n".encode() for odd in ODD]
    for content in sent:
        assert forwarder.send(recipient, content=content)[0] == 250
        queue.drop_off(forwarder.spool.path, SENDER, [recipient], content)
    came = sorted(one.body for one in upstream.wait_for(2 * len(ODD)))
    prefix = b"Subject: " if recipient == RECIPIENT else b"Subject: [news] "
    assert came == sorted(2 * [one.replace(b"Subject: ", prefix) for one in sent])
    queue.drop_off(forwarder.spool.path, SENDER, [RECIPIENT], CONTENT)
    wait_until(lambda: upstream.messages[-1].body == CONTENT)


def test_a_sender_that_python_cannot_parse_gets_its_bounce(
    forward: Forward, upstream: Upstream
) -> None:
    sender = "=?utf-8?q??="
    forwarder = forward(upstream, rules="domains: [example.com]\n")
    queue.drop_off(forwarder.spool.path, sender, ["unknown@example.com"], CONTENT)
    (one,) = upstream.wait_for(1)
    assert (one.sender, one.recipients) == ("", (sender,))
    assert one.content.startswith(b"To: =?utf-8?q??=\r\n")
    assert b"unknown@example.com: 550 5.1.1" in one.content


def test_an_error_in_any_characters_can_be_told() -> None:
    told = bounce.tell("root@example.com", "A rule failed", "ValueError: \ud800", "h.example")
    assert told.startswith(b"To: root@example.com\r\n")
    assert b"ValueError: ?" in told.replace(b"=3F", b"?")

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from forwarder_running import RECIPIENT, SECONDS, SENDER, Forwarder
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scripted_upstream import Upstream, wait_until

from forwarder import message

if TYPE_CHECKING:
    import smtplib
    from collections.abc import Callable, Iterator

PIECES = [
    *(
        b"\r\n",
        b"\r\n.",
        b"..",
        b"\r",
        b"\n",
        b"\x00",
        b"\xff\xfe",
        b"Subject: x\r\n",
        b"a" * 3000,
    ),
    *(
        b" folded",
        b"\t",
        b"--boundary",
        b"Content-Type: multipart/mixed; boundary=never\r\n",
        b":",
    ),
    *(
        b"Received: from x\r\n",
        b"DKIM-Signature: h=subject\r\n",
        b"=?utf-8?q?broken",
        b"\x1a",
        b"a",
    ),
]
CONTENTS = st.one_of(st.binary(), st.lists(st.sampled_from(PIECES), max_size=20).map(b"".join))


@pytest.fixture(scope="module")
def passing(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Upstream, smtplib.SMTP]]:
    upstream = Upstream()
    forwarder = Forwarder(tmp_path_factory.mktemp("passing"), upstream).start()
    with forwarder.client() as client:
        yield upstream, client
    forwarder.stop()
    upstream.stop()


def send(client: smtplib.SMTP, content: bytes) -> int:
    """Send bytes as they are; smtplib would mend their line ends."""
    client.mail(SENDER)
    client.rcpt(RECIPIENT)
    assert client.docmd("DATA")[0] == 354
    client.send(message.stuffed(content))
    return client.getreply()[0]


@settings(max_examples=150)
@given(CONTENTS)
@example(b"")
@example(b".")
@example(b".\r\n")
@example(b"\r\n")
@example(b"\x00" * 200_000)
@example(b"a\r\n" * 70_000)
@example(bytes(range(256)) * 40)
def test_any_bytes_in_the_same_bytes_out(
    passing: tuple[Upstream, smtplib.SMTP], content: bytes
) -> None:
    upstream, client = passing
    before = len(upstream.messages)
    code = send(client, content)
    if message.has_smuggled_end(content):
        assert code == 550
        assert len(upstream.messages) == before
        return
    assert code == 250
    # SMTP ends each message in CRLF, so that this alone may be new.
    whole = content if content.endswith(b"\r\n") or not content else content + b"\r\n"
    assert upstream.messages[-1].body == whole
    assert len(upstream.messages) == before + 1


@settings(max_examples=25)
@given(st.lists(CONTENTS, min_size=1, max_size=4))
def test_any_bytes_survive_the_queue(
    tmp_path_factory: pytest.TempPathFactory, contents: list[bytes]
) -> None:
    from forwarder import queue_file, rules  # noqa: PLC0415 - the file alone, without a service

    folder = tmp_path_factory.mktemp("queue")
    for number, content in enumerate(contents):
        record = queue_file.Record(
            id=str(number),
            sender=SENDER,
            recipients=(rules.Recipient(RECIPIENT, RECIPIENT),),
            size=len(content),
            accepted=1.0,
        )
        queue_file.write(folder / str(number), record, content)
        assert queue_file.read_content(folder / str(number)) == content


def test_what_waited_on_disk_is_the_same(
    forward: Callable[..., Forwarder], upstream: Upstream
) -> None:
    upstream.stop()
    forwarder = forward(upstream, impatient=True)
    contents = [b"".join(PIECES), b".\r\n..\r\n", b"\xff" * 70_000 + b"\r\n", b"\r\n", b"x: y\r\n"]
    with forwarder.client() as client:
        assert [send(client, content) for content in contents] == [250] * len(contents)
    upstream.start()
    upstream.wait_for(len(contents))
    whole = {content if content.endswith(b"\r\n") else content + b"\r\n" for content in contents}
    assert {one.body for one in upstream.messages} == whole
    wait_until(lambda: not forwarder.spool.entries(), SECONDS)

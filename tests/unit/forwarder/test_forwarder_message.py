from __future__ import annotations

import email
import email.policy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forwarder import message

FOLDED = b"""\
Received: from a
\tby b\r
DKIM-Signature: v=1; a=rsa-sha256; d=example.com; h=From:\r
 Subject : list-id;\r
 bh=AAAA; b=BBBB\r
subject :  =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r
 =?utf-8?q?_folded?=\r
X-8bit: \xe4\xf6\xfc\r
\r
Subject: not a header\r
"""


def test_fields_come_as_they_are_spelt_with_their_folding() -> None:
    found = [(name, FOLDED[start:end]) for name, start, end in message.fields(FOLDED)]
    assert [name for name, _ in found] == [b"Received", b"DKIM-Signature", b"subject", b"X-8bit"]
    assert found[0][1] == b"Received: from a\n\tby b\r\n"
    assert b"".join(text for _, text in found) == FOLDED.partition(b"\r\n\r\n")[0] + b"\r\n"


@pytest.mark.parametrize(
    "content", [b"", b"\r\n", b"no header\r\n", b" folded nothing\r\n", b": no name\r\n", b"\x00"]
)
def test_no_header_has_no_fields(content: bytes) -> None:
    assert not list(message.fields(content))
    assert message.subject(content) == ""


def test_a_folded_signature_protects_its_headers() -> None:
    assert message.protected(FOLDED) == {"from", "subject", "list-id"}
    assert message.with_subject(FOLDED, "other") == FOLDED
    assert message.with_fields(FOLDED, [("List-Id", b"<x>")]) == FOLDED


def test_the_first_signature_counts() -> None:
    content = b"DKIM-Signature: h=from\r\nDKIM-Signature: h=subject\r\nSubject: a\r\n\r\n"
    assert message.protected(content) == {"from"}
    assert b"Subject: b\r\n" in message.with_subject(content, "b")


def test_a_field_is_replaced_where_it_stands_and_its_twins_go() -> None:
    content = b"A: 1\r\nLIST-ID: <old>\r\n folded\r\nB: 2\r\nList-Id: <older>\r\n\r\nbody"
    changed = message.with_fields(content, [("List-Id", b"<new>")])
    assert changed == b"A: 1\r\nList-Id: <new>\r\nB: 2\r\n\r\nbody"


def test_a_field_that_is_not_there_comes_first() -> None:
    changed = message.with_fields(
        b"A: 1\r\n\r\nbody", [("List-Id", b"<x>"), ("List-Help", b"<y>")]
    )
    assert changed == b"List-Id: <x>\r\nList-Help: <y>\r\nA: 1\r\n\r\nbody"


def test_an_encoded_subject_keeps_its_bytes_behind_a_prefix() -> None:
    content = b"Subject: =?iso-8859-1?q?Gr=FC=DFe?=\r\n =?utf-8?b?w7w=?=\r\n\r\n"
    text = message.subject(content)
    assert text == "Grüßeü"
    changed = message.with_subject(content, f"[news] {text}")
    assert changed == b"Subject: [news] =?iso-8859-1?q?Gr=FC=DFe?=\r\n =?utf-8?b?w7w=?=\r\n\r\n"


def test_a_prefix_that_is_not_ascii_is_encoded_with_its_blank() -> None:
    content = b"Subject: =?iso-8859-1?q?Gr=FC=DFe?=\r\n\r\n"
    changed = message.with_subject(content, f"[Grüße] {message.subject(content)}")
    parsed = email.message_from_bytes(changed, policy=email.policy.default)
    assert parsed["Subject"] == "[Grüße] Grüße"


@pytest.mark.parametrize(
    "raw", [b"=?utf-8?b?!!!?=", b"=?no-such-charset?q?abc?=", b"\xff\xfe raw", b"=?utf-8?q?=ff?="]
)
def test_a_subject_that_cannot_be_decoded_still_gets_its_prefix(raw: bytes) -> None:
    content = b"Subject: " + raw + b"\r\n\r\n"
    changed = message.with_subject(content, f"[news] {message.subject(content)}")
    assert changed == b"Subject: [news] " + raw + b"\r\n\r\n"


def test_a_header_cannot_carry_another() -> None:
    assert message.encoded("a\r\nBcc: eve@example.com") == b"a  Bcc: eve@example.com"


@given(st.binary())
def test_stuffing_is_undone(content: bytes) -> None:
    sent = message.stuffed(content)
    assert sent.endswith(b".\r\n")
    received = message.unstuffed(sent[:-3])
    assert received in {content, content + b"\r\n"}
    # Whoever reads CRLF alone as a line end finds one end, at the end.
    assert (b"\r\n" + sent).index(b"\r\n.\r\n") == len(sent) - 3


PIECES = st.lists(
    st.sampled_from([b"\r", b"\n", b".", b"a", b"\r\n", b"\x00", b": "]), max_size=12
)


@given(PIECES)
def test_what_a_lenient_relay_takes_for_the_end_is_found(pieces: list[bytes]) -> None:
    content = b"".join(pieces)
    lenient = (
        (b"\r\n" + message.stuffed(content)[:-3]).replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    )
    assert message.has_smuggled_end(content) or b"\n.\n" not in lenient


@given(PIECES)
def test_what_ends_in_crlf_alone_is_never_suspected(pieces: list[bytes]) -> None:
    content = b"".join(pieces).replace(b"\r", b"").replace(b"\n", b"\r\n")
    assert not message.has_smuggled_end(content)


@given(st.binary(), st.text())
def test_no_bytes_break_the_headers(content: bytes, text: str) -> None:
    changed = message.with_fields(content, [("X-Test", message.encoded(text))])
    assert content == changed or len(changed) > 0
    if not message.values(content, "X-Test"):
        assert changed.endswith(content)

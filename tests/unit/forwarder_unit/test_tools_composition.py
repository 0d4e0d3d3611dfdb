import email
import email.policy
import re

import pytest

from forwarder.tools import composition, failures

DOMAIN = "host.example.com"
AUTHOR = "Root <root@host.example.com>"
DATE = b"Date: Thu, 26 Nov 2026 11:00:00 +0000\r\n"
COMPLETE = b"From: a@example.com\r\n" + DATE + b"Message-ID: <1@example.com>\r\n"


def compose(raw: bytes, *to: str) -> bytes:
    return composition.compose(composition.read(raw), author=AUTHOR, to=to, domain=DOMAIN)


def test_a_complete_message_is_left_as_it_is() -> None:
    mime = b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=latin1\r\n"
    message = COMPLETE + mime + b"X-Odd :\r\n\tfolded\r\n\r\n.\r\nb\xf6dy\0\r\n\r\n"
    assert compose(message) == message


def test_line_ends_become_those_of_mail() -> None:
    message = COMPLETE + b"\r\none\r\ntwo\r\n"
    assert compose(message.replace(b"\r\n", b"\n")) == message
    assert compose(message.removesuffix(b"\r\n")) == message


def test_what_is_missing_is_added() -> None:
    made = email.message_from_bytes(compose(b"Subject: hi\n\nbody\n"), policy=email.policy.SMTP)
    assert made["From"] == AUTHOR
    assert made["Date"].datetime is not None
    assert re.fullmatch(rf"<\S+@{re.escape(DOMAIN)}>", made["Message-ID"])
    assert made.get_content() == "body\r\n"
    assert made["To"] is None


def test_every_message_has_an_id_of_its_own() -> None:
    first, second = (email.message_from_bytes(compose(b"text")) for _ in range(2))
    assert first["Message-ID"] != second["Message-ID"]


@pytest.mark.parametrize(
    ("text", "charset", "encoding"),
    [
        ("plain\n", "utf-8", "7bit"),
        ("größer\n", "utf-8", "8bit"),
        ("x" * 998 + "\n", "utf-8", "7bit"),
        ("x" * 999 + "\n", "utf-8", "base64"),
        ("50%\r100%\n", "utf-8", "base64"),
        ("nothing\0here\n", "utf-8", "base64"),
        ("Error: disk full\n", "utf-8", "7bit"),
        ("\nafter a blank line\n", "utf-8", "7bit"),
        ("", "utf-8", "7bit"),
    ],
)
def test_plain_text_is_wrapped(text: str, charset: str, encoding: str) -> None:
    raw = compose(text.encode(), "a@example.com", "b@example.com")
    made = email.message_from_bytes(raw, policy=email.policy.SMTP)
    assert made["To"] == "a@example.com, b@example.com"
    assert made["MIME-Version"] == "1.0"
    assert made.get_content_charset() == charset
    assert made["Content-Transfer-Encoding"] == encoding
    payload = made.get_payload(decode=True)
    assert isinstance(payload, bytes)
    assert payload == text.replace("\n", "\r\n").encode()
    assert max(map(len, raw.split(b"\r\n"))) <= 998
    assert not re.search(rb"\r(?!\n)|(?<!\r)\n|\0", raw)


def test_text_of_another_encoding_keeps_its_bytes() -> None:
    raw = compose("größer\n".encode("latin1"))
    assert b"charset=unknown-8bit\r\n" in raw
    assert raw.endswith("\r\n\r\ngrößer\r\n".encode("latin1"))


def test_headers_without_mime_get_it_if_the_body_needs_it() -> None:
    assert b"charset=utf-8\r\nContent-Transfer-Encoding: 8bit" in compose(
        "Subject: x\n\ngrößer\n".encode()
    )
    assert b"MIME-Version" not in compose(b"Subject: x\n\nplain\n")


def test_hidden_recipients_are_hidden() -> None:
    raw = (
        b"To: a@example.com\nBcc: b@example.com,\n c@example.com\nResent-Bcc: d@x.com\n\nbcc: x\n"
    )
    assert b"example.com, b" not in compose(raw)
    assert [*map(compose(raw).count, (b"b@", b"c@", b"d@", b"bcc: x"))] == [0, 0, 0, 1]
    found = composition.recipients(composition.read(raw.replace(b"Resent-", b"X-")))
    assert found == ("a@example.com", "b@example.com", "c@example.com")


def test_a_resent_message_goes_to_whom_it_is_resent() -> None:
    raw = b"To: a@example.com\nResent-To: b@example.com\nResent-Cc: c@example.com\n\n"
    assert composition.recipients(composition.read(raw)) == ("b@example.com", "c@example.com")


def test_folded_and_repeated_recipients_are_found_once() -> None:
    raw = b"To: Ann\n\t<a@example.com>,\n b@example.com\nCc: a@example.com\nTO: c@example.com\n\n"
    assert composition.recipients(composition.read(raw)) == (
        "a@example.com",
        "b@example.com",
        "c@example.com",
    )


@pytest.mark.parametrize("raw", [b"Subject: x\n\n", b"just text\n", b"To: undisclosed:;\n\n"])
def test_no_recipient_is_an_error(raw: bytes) -> None:
    with pytest.raises(failures.DataError, match=r"^no recipient in To, Cc or Bcc$"):
        composition.recipients(composition.read(raw))


def test_the_line_of_an_mbox_is_left_out() -> None:
    raw = b"From root Thu Nov 26 11:00:00 2026\n" + COMPLETE + b"\r\nbody\n"
    assert compose(raw) == COMPLETE + b"\r\nbody\r\n"


def test_a_text_may_begin_as_an_mbox_does() -> None:
    assert compose(b"From now on it fails\nsecond\n").endswith(
        b"\r\n\r\nFrom now on it fails\r\nsecond\r\n"
    )


def test_a_body_without_a_blank_line_before_it_gets_one() -> None:
    assert compose(COMPLETE + b"not a header\n").endswith(b"\r\n\r\nnot a header\r\n")

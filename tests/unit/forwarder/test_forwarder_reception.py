from __future__ import annotations

import contextlib
import datetime as dt
import smtplib
import socket
from collections.abc import Callable, Iterator

import pytest
from forwarder_running import CONTENT, RECIPIENT, SECONDS, SENDER, Forwarder
from raw_client import raw
from scripted_upstream import Upstream, wait_until

Forward = Callable[..., Forwarder]


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    upstream = Upstream()
    yield upstream
    upstream.stop()


@pytest.fixture(scope="module")
def running(upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forwarder]:
    limits = {"message_size": 100_000, "recipients": 3}
    forwarder = Forwarder(tmp_path_factory.mktemp("running"), upstream, limits=limits).start()
    yield forwarder
    forwarder.stop()


@pytest.fixture(autouse=True)
def forget(upstream: Upstream) -> None:
    upstream.messages.clear()


ENVELOPE = b"MAIL FROM:<ada@example.com>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\n"


def test_what_is_offered(running: Forwarder) -> None:
    with running.client() as client:
        offers = client.esmtp_features
    assert offers == {
        "size": "100000",
        "8bitmime": "",
        "smtputf8": "",
        "pipelining": "",
        "enhancedstatuscodes": "",
        "help": "",
    }


def test_commands_may_come_all_at_once(running: Forwarder, upstream: Upstream) -> None:
    with raw(running) as client:
        answers = client.say(ENVELOPE + b"", 3)
        assert [answer[:3] for answer in answers] == ["250", "250", "354"]
        more = client.say(b"one\r\n.\r\n" + ENVELOPE, 4)
        assert [answer[:9] for answer in more[:3]] == ["250 2.0.0", "250 2.1.0", "250 2.1.5"]
        assert client.say(b".\r\nQUIT\r\n", 2)[1] == "221 2.0.0 Bye"
    assert [one.body for one in upstream.messages] == [b"one\r\n", b""]


def test_all_answers_have_their_enhanced_code(running: Forwarder) -> None:
    lines = [
        *(
            b"NOOP",
            b"RSET",
            b"VRFY a@b.c",
            b"EXPN a",
            b"RCPT TO:<a@b.c>",
            b"DATA",
            b"AUTH PLAIN x",
        ),
        *(b"MAIL FROM:<a b>", b"MAIL FROM:a@b.c X=1", b"MAIL FROM:<a@b.c>", b"MAIL FROM:<a@b.c>"),
        *(
            b"RCPT TO:<>",
            b"RCPT TO:<a@b.c> NOTIFY=NEVER",
            b"BDAT 3",
            b"STARTTLS",
            b"DATA",
            b"\xff",
        ),
    ]
    with raw(running) as client:
        for line in lines:
            (answer,) = client.say(line + b"\r\n")
            assert answer[4:9].startswith(f"{answer[0]}."), (line, answer)


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"MAIL FROM:<a@b.c> SIZE=100001", "552 5.3.4"),
        (b"MAIL FROM:<a@b.c> SIZE=x", "501 5.5.4"),
        (b"MAIL FROM:<a@b.c> BODY=BINARYMIME", "501 5.5.4"),
        (b"MAIL FROM:<a@b.c> FUTURE=1", "555 5.5.4"),
        ("MAIL FROM:<ä@b.c>".encode(), "553 5.6.7"),
        ("MAIL FROM:<ä@b.c> SMTPUTF8".encode(), "250 2.1.0"),
        (b"MAIL FROM:<a@b.c> AUTH=<> BODY=8BITMIME SIZE=3", "250 2.1.0"),
        (b"MAIL FROM:<a@b.c>\nRCPT TO:<x@y.z>", "501 5.5.4"),
        (b"MAIL FROM:<a@b.c>\rRCPT TO:<x@y.z>", "501 5.5.4"),
        (b"NOOP\nMAIL FROM:<a@b.c>", "500 5.5.2"),
        (b"RCPT TO:<a@b.c>", "503 5.5.1"),
        (b"MAIL FROM:" + b"a" * 1000, "501 5.5.4"),
        (b"a" * 100_000, "500 5.5.2"),
    ],
)
def test_a_command_is_answered(running: Forwarder, line: bytes, code: str) -> None:
    with raw(running) as client:
        assert client.say(line + b"\r\n")[0].startswith(code)
        assert client.say(b"NOOP\r\n") == ["250 2.0.0 OK"]


def test_the_first_command_is_hello(running: Forwarder) -> None:
    with raw(running, hello=False) as client:
        assert client.say(b"MAIL FROM:<a@b.c>\r\n")[0].startswith("503 5.5.1")
        assert client.say(b"HELO old\r\n")[0].startswith("250 ")
        client.say(ENVELOPE, 3)
        assert client.say(b"x\r\n.\r\n")[0].startswith("250 2.0.0 ")


def test_recipients_are_limited(running: Forwarder) -> None:
    with running.client() as client:
        client.mail(SENDER)
        answers = [client.rcpt(f"r{n}@example.org") for n in range(4)]
    assert [code for code, _ in answers] == [250, 250, 250, 452]


def test_a_message_that_is_too_large_is_read_and_refused(
    running: Forwarder, upstream: Upstream
) -> None:
    with raw(running) as client:
        client.say(ENVELOPE, 3)
        (answer,) = client.say(b"x" * 70_000 + b"\r\n.\n" + b"y" * 200_000 + b"\r\n.\r\n")
        assert answer.startswith("552 5.3.4")
        client.say(ENVELOPE, 3)
        assert client.say(b"small\r\n.\r\n")[0].startswith("250")
    assert [one.body for one in upstream.messages] == [b"small\r\n"]


def test_the_largest_message_arrives(running: Forwarder, upstream: Upstream) -> None:
    body = b"x" * 99_998 + b"\r\n"
    with raw(running) as client:
        client.say(ENVELOPE, 3)
        assert client.say(body + b".\r\n")[0].startswith("250")
    assert upstream.messages[0].body == body


def test_a_message_of_one_byte_more_than_the_largest_is_refused(running: Forwarder) -> None:
    with raw(running) as client:
        client.say(ENVELOPE, 3)
        assert client.say(b"x" * 99_999 + b"\r\n.\r\n")[0].startswith("552 5.3.4")


SECOND = b"MAIL FROM:<eve@example.com>\r\nRCPT TO:<victim@example.org>\r\nDATA\r\nspoof\r\n.\r\n"
# From the public lists of what servers took for the end of a message.
ENDS = [
    *(b"\n.\n", b"\n.\r\n", b"\r.\r", b"\r.\r\n", b"\r.\n", b"\n.\r", b"\r\n.\n", b"\r\n.\r"),
    *(
        b"\r\n\x00.\r\n",
        b"\r\n.\x00\r\n",
        b"\x00\r\n.\n",
        b"\r\r\n.\n",
        b"\n\n.\r\n",
        b"\r\n.\r\r\n",
    ),
]


@pytest.mark.parametrize("end", ENDS, ids=repr)
def test_no_message_is_smuggled(running: Forwarder, upstream: Upstream, end: bytes) -> None:
    sent = b"Subject: first\r\n\r\nfirst" + end + SECOND[:-3]
    with raw(running) as client:
        client.say(ENVELOPE, 3)
        (answer,) = client.say(sent + b".\r\n")
        assert client.say(b"NOOP\r\n") == ["250 2.0.0 OK"]
    assert len(upstream.messages) <= 1
    if answer.startswith("250"):
        assert upstream.messages[0].recipients == (RECIPIENT,)
        # A dot at the beginning of a line is taken off once (RFC 5321, section 4.5.2).
        assert upstream.messages[0].body == sent.replace(b"\r\n.", b"\r\n")
    else:
        assert answer.startswith("550 5.6.0")
        assert not upstream.messages


def test_a_client_may_close_its_side_behind_the_message(
    running: Forwarder, upstream: Upstream
) -> None:
    with raw(running) as client:
        client.socket.sendall(ENVELOPE)
        client.socket.sendall(b"printed\r\n.\r\nQUIT\r\n")
        client.socket.shutdown(socket.SHUT_WR)
        answers = [client.answer() for _ in range(5)]
        assert [answer[:3] for answer in answers] == ["250", "250", "354", "250", "221"]
        assert client.file.read() == b""
    assert len(upstream.messages) == 1


def test_a_message_that_was_cut_is_not_delivered(running: Forwarder, upstream: Upstream) -> None:
    for cut in (b"half a line", b"a line\r\n", b"a line\r\n.", b"a line\r\n.\r"):
        with raw(running) as client:
            client.say(ENVELOPE, 3)
            client.socket.sendall(cut)
            client.socket.shutdown(socket.SHUT_WR)
            assert client.file.read() == b""
    running.send()
    assert [one.body for one in upstream.messages] == [CONTENT]


def test_the_null_sender_passes_as_null(running: Forwarder, upstream: Upstream) -> None:
    running.send(sender="<>")
    assert upstream.messages[0].mail.startswith("<>")


def test_the_received_line_names_no_recipient(running: Forwarder, upstream: Upstream) -> None:
    running.send(RECIPIENT, "hidden@example.org")
    (one,) = upstream.messages
    assert one.recipients == (RECIPIENT, "hidden@example.org")
    assert b"hidden" not in one.content
    received = one.content[: -len(CONTENT)].decode()
    assert received.startswith("Received: from ")
    assert "([127.0.0.1])\r\n\tby mx.example.net (smtp-forwarder) with ESMTP\r\n\tid " in received
    stamp = received.rpartition("; ")[2].strip()
    when = dt.datetime.strptime(stamp, "%a, %d %b %Y %H:%M:%S %z")
    assert abs((dt.datetime.now(dt.timezone.utc) - when).total_seconds()) < 3600


def test_a_loop_ends(running: Forwarder, upstream: Upstream) -> None:
    content = CONTENT
    for _ in range(4):
        assert running.send(content=content)[0] == 250
        content = upstream.messages[-1].content
    assert content.count(b"(smtp-forwarder)") == 4
    code, words = running.send(content=content)
    assert (code, words[:5]) == (554, "5.4.6")
    hops = b"".join(b"Received: from %d\r\n" % n for n in range(101))
    assert running.send(content=hops + CONTENT)[0] == 554


def test_what_a_session_leaves_open_does_not_reach_the_next_message(
    running: Forwarder, upstream: Upstream
) -> None:
    with running.client() as client:
        client.mail(SENDER)
        client.rcpt("first@example.org")
        client.rset()
        client.mail(SENDER)
        client.rcpt("second@example.org")
        client.ehlo()
        assert client.docmd("DATA")[0] == 503
        client.sendmail(SENDER, ["third@example.org"], CONTENT)
    assert [one.recipients for one in upstream.messages] == [("third@example.org",)]


def test_connections_are_limited(forward: Forward, upstream: Upstream) -> None:
    forwarder = forward(upstream, limits={"connections_per_client": 2})
    with forwarder.client() as one, forwarder.client() as two:
        with pytest.raises(smtplib.SMTPConnectError) as raised:
            smtplib.SMTP("127.0.0.1", forwarder.port, timeout=SECONDS)
        assert raised.value.smtp_code == 421
        one.quit()

        def is_free() -> bool:
            with contextlib.suppress(smtplib.SMTPConnectError), forwarder.client():
                return True
            return False

        wait_until(is_free)
        assert two.noop()[0] == 250


def test_a_client_that_says_nothing_is_left(forward: Forward, upstream: Upstream) -> None:
    forwarder = forward(upstream, limits={"command_seconds": 0.3})
    with raw(forwarder) as client:
        assert client.answer().startswith("421 4.4.2")
        assert client.file.read() == b""


def test_a_slow_message_is_not_idle(forward: Forward, upstream: Upstream) -> None:
    forwarder = forward(upstream, limits={"command_seconds": 1})
    with raw(forwarder) as client:
        client.say(ENVELOPE, 3)
        for _ in range(15):
            client.socket.sendall(b"a")
            client.socket.settimeout(0.15)
            with contextlib.suppress(TimeoutError):
                assert client.socket.recv(1, socket.MSG_PEEK) == b"never"
        client.socket.settimeout(SECONDS)
        assert client.say(b"\r\n.\r\n")[0].startswith("250")

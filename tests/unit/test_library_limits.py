"""`connect` where a relay stalls, refuses or hangs up, and how it names this machine."""

from __future__ import annotations

import base64
import contextlib
import json
import pathlib
import smtplib
import socket
import ssl
import struct
import threading
import time
from typing import TYPE_CHECKING, Any

import library_relay
import pytest

from charms.smtp_integrator.v0 import smtp

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

# No limit of a test comes near this, on however slow a machine.
LONG = 300.0
SHORT = 0.2
LATE = "not done within|timed out"
# What a machine may be called, and whether others know it by that.
OWN_NAMES: dict[str, list[str]] = json.loads(
    (pathlib.Path(__file__).parents[1] / "data/own_names.json").read_text(encoding="utf-8")
)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> library_relay.Certificate:
    return library_relay.certificate(tmp_path_factory.mktemp("certificate"))


def data(port: int, transport_security: str = "none", **fields: Any) -> Any:
    values: dict[str, Any] = {
        "host": "127.0.0.1",
        "port": port,
        "auth_type": "none",
        "transport_security": transport_security,
        **fields,
    }
    return smtp.SmtpRelationData(**values)


AUTH = {"auth_type": "plain", "user": "notifier", "password": "hunter2"}


@contextlib.contextmanager
def serving(
    session: Callable[[socket.socket], None], *, host: str = "127.0.0.1"
) -> Generator[int, None, None]:
    """Serve one session in a thread, and give the port; the session ends with its client."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET

    def serve() -> None:
        accepted, _ = listener.accept()
        with accepted, contextlib.suppress(OSError):
            session(accepted)

    with socket.create_server((host, 0), family=family) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        thread.join()


def says(*answers: bytes, hears: list[bytes] | None = None) -> Callable[[socket.socket], None]:
    """Return a session of a banner and an answer for each line that comes; then it hangs up."""

    def session(connection: socket.socket) -> None:
        with connection.makefile("rb") as lines:
            for number, answer in enumerate(answers):
                if number:
                    line = lines.readline()
                    if hears is not None:
                        hears.append(line.rstrip(b"\r\n"))
                connection.sendall(answer)

    return session


def then_waits(*answers: bytes) -> Callable[[socket.socket], None]:
    """Return a session that goes on without a word, until its client goes."""

    def session(connection: socket.socket) -> None:
        says(*answers)(connection)
        while connection.recv(1024):
            pass

    return session


def then_trickles(*answers: bytes) -> Callable[[socket.socket], None]:
    """Return a session whose last answer has no end, and comes byte by byte."""

    def session(connection: socket.socket) -> None:
        says(*answers)(connection)
        while True:
            connection.sendall(b"2")
            time.sleep(SHORT / 10)

    return session


def then_repeats(*answers: bytes) -> Callable[[socket.socket], None]:
    """Return a session that says its last answer again and again, until its client goes."""

    def session(connection: socket.socket) -> None:
        says(*answers)(connection)
        while True:
            connection.sendall(answers[-1])

    return session


# What stalls.

EHLO = b"250-relay.test\r\n250-STARTTLS\r\n250 AUTH PLAIN LOGIN\r\n"
BANNER = b"220 relay.test ESMTP\r\n"
STALLS: list[tuple[bytes, ...]] = [
    (),
    (b"220-relay",),
    (BANNER,),
    (BANNER, b"250-relay.test\r\n"),
    (BANNER, EHLO),
    (BANNER, EHLO, b"334 \r\n"),
]


@pytest.mark.parametrize("answers", STALLS)
@pytest.mark.parametrize("stall", [then_waits, then_trickles])
def test_a_relay_that_stalls_is_left_in_time(stall: Any, answers: tuple[bytes, ...]) -> None:
    with (
        serving(stall(*answers)) as port,
        pytest.raises((OSError, smtplib.SMTPException), match=LATE),
    ):
        data(port, **AUTH).connect(timeout=SHORT).__enter__()


@pytest.mark.parametrize(
    "answers", [(b"220-relay.test\r\n",), (BANNER, b"250-\r\n"), (BANNER, EHLO, b"535-no\r\n")]
)
def test_an_answer_without_end_is_not_read_to_its_end(answers: tuple[bytes, ...]) -> None:
    with (
        serving(then_repeats(*answers)) as port,
        pytest.raises(smtplib.SMTPException, match="Answer too long"),
    ):
        data(port, **AUTH).connect(timeout=60).__enter__()


@pytest.mark.parametrize("answers", [(BANNER, EHLO), (BANNER, EHLO, b"220 go\r\n")])
def test_a_stall_before_tls_is_left_in_time(answers: tuple[bytes, ...]) -> None:
    with serving(then_waits(*answers)) as port, pytest.raises((OSError, smtplib.SMTPException)):
        data(port, "starttls").connect(timeout=SHORT).__enter__()


def test_a_stall_in_implicit_tls_is_left_in_time() -> None:
    with serving(then_waits()) as port, pytest.raises(OSError, match="timed out"):
        data(port, "tls").connect(timeout=SHORT).__enter__()


def test_the_time_is_that_of_all_steps_together() -> None:
    def slow(connection: socket.socket) -> None:
        with connection.makefile("rb") as lines:
            for answer in (BANNER, b"500 what\r\n", b"250 relay.test\r\n"):
                time.sleep(SHORT * 0.6)
                connection.sendall(answer)
                lines.readline()

    with serving(slow) as port, pytest.raises((OSError, smtplib.SMTPException), match=LATE):
        data(port).connect(timeout=SHORT).__enter__()


def test_each_answer_has_the_time_once_the_client_is_ready() -> None:
    with (
        serving(then_waits(BANNER, EHLO)) as port,
        data(port).connect(timeout=LONG) as client,
    ):
        client._deadline._seconds = SHORT
        with pytest.raises(smtplib.SMTPServerDisconnected, match=LATE):
            client.noop()


@pytest.mark.parametrize("stall", [then_waits, then_trickles])
def test_a_stalled_quit_is_left_in_time(stall: Any) -> None:
    with serving(stall(BANNER, EHLO)) as port, data(port).connect(timeout=LONG) as client:
        client._deadline._seconds = SHORT


def test_a_message_that_nobody_takes_is_left_in_time() -> None:
    def deaf(connection: socket.socket) -> None:
        says(BANNER, EHLO)(connection)
        released.wait(LONG)

    released = threading.Event()
    with serving(deaf) as port, data(port).connect(timeout=LONG) as client:
        client._deadline._seconds = SHORT
        with pytest.raises(smtplib.SMTPServerDisconnected, match="takes nothing"):
            client.send(b"x" * 50_000_000)
        released.set()


def test_a_name_server_that_stalls_is_left_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    def stalls(*_: object, **__: object) -> None:
        released.wait(LONG)

    released = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", stalls)
    monkeypatch.setattr(socket, "getfqdn", asks)
    with pytest.raises(OSError, match="was not resolved in time"):
        data(25, host="relay.example.com").connect(timeout=SHORT).__enter__()
    released.set()


def test_each_address_has_its_share_of_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    # Nobody accepts here, and the queue is full, so that a connection is never made.
    with contextlib.ExitStack() as stack:
        full = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(2):
            client = stack.enter_context(socket.socket())
            client.setblocking(False)  # noqa: FBT003 - its only argument
            client.connect_ex(full.getsockname())
        port = stack.enter_context(serving(then_waits(BANNER, EHLO)))
        kind = (socket.AF_INET, socket.SOCK_STREAM, 0, "")
        found = [(*kind, full.getsockname()), (*kind, ("127.0.0.1", port))]

        def look_up(*_: object, **__: object) -> list[Any]:
            return found

        monkeypatch.setattr(socket, "getaddrinfo", look_up)
        with data(port).connect(timeout=2.0) as client:
            client._deadline._seconds = SHORT


# What a relay says when it refuses.

GMAIL = b"421-4.7.0 Try again later, closing connection. (EHLO)\r\n421 4.7.0 see the manual\r\n"


@pytest.mark.parametrize(
    ("answers", "error", "code", "words"),
    [
        ((b"554 5.7.1 go away\r\n",), smtplib.SMTPConnectError, 554, b"5.7.1 go away"),
        ((b"421 busy\r\n",), smtplib.SMTPConnectError, 421, b"busy"),
        (
            (b"554-blocked by\r\n554-a list\r\n",),
            smtplib.SMTPConnectError,
            554,
            b"blocked by\na list",
        ),
        ((b"SSH-2.0-OpenSSH_9.6\r\n",), smtplib.SMTPConnectError, -1, b"2.0-OpenSSH_9.6"),
        (
            (BANNER, GMAIL),
            smtplib.SMTPHeloError,
            421,
            b"4.7.0 Try again later, closing connection. (EHLO)\n4.7.0 see the manual",
        ),
        (
            (BANNER, GMAIL.partition(b"\n")[0] + b"\n"),
            smtplib.SMTPHeloError,
            421,
            b"4.7.0 Try again later, closing connection. (EHLO)",
        ),
        ((BANNER, b"421 cut off"), smtplib.SMTPHeloError, 421, b"cut off"),
        ((BANNER, b"550 who are you\r\n"), smtplib.SMTPHeloError, 550, b"who are you"),
        ((BANNER, b"554 no\r\n"), smtplib.SMTPHeloError, 554, b"no"),
        ((BANNER, b"502 no\r\n", b"550 nor HELO\r\n"), smtplib.SMTPHeloError, 550, b"nor HELO"),
    ],
)
def test_the_words_of_a_refusal_are_the_errors(
    answers: tuple[bytes, ...], error: type[smtplib.SMTPResponseException], code: int, words: bytes
) -> None:
    with serving(says(*answers)) as port, pytest.raises(error) as caught:
        data(port).connect(timeout=LONG).__enter__()
    assert (caught.value.smtp_code, caught.value.smtp_error) == (code, words)


def test_the_words_before_a_relay_hung_up_are_the_errors() -> None:
    def session(connection: socket.socket) -> None:
        says(BANNER, b"250 relay.test\r\n421 4.3.2 shutting down\r\n")(connection)
        connection.shutdown(socket.SHUT_RDWR)
        gone.set()

    gone = threading.Event()
    with serving(session) as port, data(port).connect(timeout=LONG) as client:
        assert gone.wait(LONG)
        # The first of them may still go out; the second cannot.
        codes = [client.docmd("NOOP")[0]]
        with pytest.raises(smtplib.SMTPServerDisconnected, match="unexpectedly closed"):
            client.docmd("NOOP")
    assert codes == [421]


def test_consent_to_a_message_that_was_cut_off_is_none() -> None:
    def hasty(connection: socket.socket) -> None:
        fine = b"250 fine\r\n"
        says(BANNER, EHLO, fine, fine, b"354 go on\r\n250 taken\r\n")(connection)
        # To close with what was not read, and without lingering, resets the connection.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    with (
        serving(hasty) as port,
        data(port).connect(timeout=LONG) as client,
        pytest.raises(smtplib.SMTPServerDisconnected),
    ):
        client.sendmail("a@example.com", ["b@example.com"], "x" * 50_000_000)


def test_a_relay_that_hangs_up_on_auth_says_why() -> None:
    refusal = b"421 4.7.0 Too many login attempts\r\n"
    with (
        serving(says(BANNER, EHLO, refusal)) as port,
        pytest.raises(smtplib.SMTPAuthenticationError, match="Too many login attempts"),
    ):
        data(port, **AUTH).connect(timeout=LONG).__enter__()


BATTERY = {"auth_type": "plain", "user": "alice", "password": "correct horse battery staple"}
SENT = base64.b64encode(b"\0alice\0correct horse battery staple")


@pytest.mark.parametrize(
    ("refusal", "shown"),
    [
        (
            b"535-Wrong password: correct horse\r\n535 battery staple\r\n",
            b"Wrong password: ******** ********\n******** ********",
        ),
        (
            b"535-5.7.8 Wrong password: correct hor\r\n535 5.7.8 se battery staple\r\n",
            b"5.7.8 Wrong password: ******** ********\n5.7.8 ******** ******** ********",
        ),
        (
            b"535-5.7.8 Wrong password: correct horse battery sta\r\n535 5.7.8 ple\r\n",
            b"5.7.8 Wrong password: ******** ******** ******** ********\n5.7.8 ********",
        ),
        (
            b"535-5.7.8 bad " + SENT[:30] + b"\r\n535 5.7.8 " + SENT[30:] + b"\r\n",
            b"5.7.8 bad ********\n5.7.8 ********",
        ),
        (
            b'535 unknown command "AUTH PLAIN ' + SENT[:-9] + b'..."\r\n',
            b'unknown command "AUTH PLAIN ********"',
        ),
        (
            b"535 5.7.8 CORRECT HORSE  BATTERY STA\xff\r\n",
            b"5.7.8 ******** ********  ******** ********",
        ),
        (
            b"535-5.7.8 bad\xff credentials\r\n535 see x.test\r\n",
            b"5.7.8 bad\xff credentials\nsee x.test",
        ),
    ],
)
def test_a_password_is_hidden_however_a_refusal_repeats_it(refusal: bytes, shown: bytes) -> None:
    with (
        serving(says(BANNER, EHLO, refusal)) as port,
        pytest.raises(smtplib.SMTPAuthenticationError) as caught,
    ):
        data(port, **BATTERY).connect(timeout=LONG).__enter__()
    assert (caught.value.smtp_code, caught.value.smtp_error) == (535, shown)


@pytest.mark.parametrize(
    ("password", "said", "shown"),
    [
        ("a1b", "5.7.8 bad: A1B, 'a1b' a 1b", "5.7.8 bad: ******** '********' ******** ********"),
        ("a", "5.7.8 bad password 'a'", "5.7.8 bad password '********'"),
        ("5", "5.7.8 bad password 5", "5.7.8 bad password ********"),
        ("or", "5.7.8 wrong user/password", "5.7.8 wrong user/password"),
    ],
)
def test_a_short_password_hides_no_other_word(password: str, said: str, shown: str) -> None:
    fields = {**AUTH, "password": password}
    with (
        serving(says(BANNER, EHLO, f"535 {said}\r\n".encode())) as port,
        pytest.raises(smtplib.SMTPAuthenticationError) as caught,
    ):
        data(port, **fields).connect(timeout=LONG).__enter__()
    assert caught.value.smtp_error == shown.encode()


def test_a_relay_that_hangs_up_without_a_word_is_an_error() -> None:
    with serving(says(b"")) as port, pytest.raises(smtplib.SMTPServerDisconnected):
        data(port).connect(timeout=LONG).__enter__()


def test_a_line_without_end_is_an_error() -> None:
    with (
        serving(says(BANNER, b"250" + b"x" * 100_000)) as port,
        pytest.raises(smtplib.SMTPResponseException, match="Line too long"),
    ):
        data(port).connect(timeout=LONG).__enter__()


def test_a_relay_that_knows_no_ehlo_is_greeted_by_helo() -> None:
    hears: list[bytes] = []
    old = says(BANNER, b"500 what\r\n", b"250 relay.test\r\n", b"221 bye\r\n", hears=hears)
    with serving(old) as port, data(port).connect(timeout=LONG, local_hostname="me.example"):
        pass
    assert [line.lower() for line in hears] == [b"ehlo me.example", b"helo me.example", b"quit"]


# How this machine is named.


def asks(*_: object) -> None:
    pytest.fail("asks the name servers")


def greeting(host: str = "127.0.0.1", **arguments: Any) -> str:
    hears: list[bytes] = []
    session = says(BANNER, b"250 relay.test\r\n", b"221 bye\r\n", hears=hears)
    with serving(session, host=host) as port, data(port, host=host).connect(LONG, **arguments):
        pass
    return hears[0].decode().partition(" ")[2]


@pytest.mark.parametrize("name", OWN_NAMES["full"])
def test_a_full_name_is_said(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: name)
    assert greeting() == name


@pytest.mark.parametrize("name", OWN_NAMES["other"])
def test_no_other_name_is_said(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: name)
    assert greeting() == "[127.0.0.1]"


def test_the_name_servers_are_not_asked_for_the_own_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "unit-0")
    monkeypatch.setattr(socket, "getfqdn", asks)
    assert greeting() == "[127.0.0.1]"


@pytest.mark.skipif(not socket.has_ipv6, reason="Python has no IPv6")
def test_an_address_of_ipv6_is_said_with_its_tag(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "unit-0")
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6")
    assert greeting("::1") == "[IPv6:::1]"


@pytest.mark.parametrize("name", ["me.example.com", "localhost", "[192.0.2.1]"])
def test_a_name_that_is_given_is_said(name: str) -> None:
    assert greeting(local_hostname=name) == name


@pytest.mark.parametrize("name", ["", "me example", "me\r\nQUIT", "bücher.example", "me\0"])
def test_a_name_that_cannot_be_said_is_a_value_error(name: str) -> None:
    with pytest.raises(ValueError, match="blanks or characters beyond ASCII"):
        data(25).connect(local_hostname=name).__enter__()


def test_the_name_is_said_again_after_starttls(certificate: library_relay.Certificate) -> None:
    with (
        library_relay.Relay("STARTTLS", offers_in_tls=("SIZE",), tls=certificate.server) as relay,
        data(relay.port, "starttls", tls_ca_chain=certificate.authority).connect(
            LONG, local_hostname="me.example"
        ) as client,
    ):
        assert isinstance(client.sock, ssl.SSLSocket)
    assert [line for line in relay.received if "ehlo" in line] == [
        "clear ehlo me.example",
        "tls ehlo me.example",
    ]

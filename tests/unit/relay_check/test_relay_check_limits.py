"""The check ends, whatever the relay does, and the order of errors decides what it says."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from typing import Any

import checking
import pytest
from checking import ACCOUNT, AUTH, Resolver, check, diagnosis
from scripted_relay import DROP, SILENCE, TRICKLE, Behaviour, ScriptedRelay

import relay_check
from relay_check import Kind, network

ADDRESSES: dict[str, Any] = {"sender": "app@example.com", "recipients": ["ops@example.com"]}


# A relay that falls silent, or sends a byte now and then. Were a limit missing, these would hang.


@pytest.mark.parametrize("how", [SILENCE, TRICKLE], ids=["silence", "trickle"])
@pytest.mark.parametrize(
    ("security", "verb", "stage"),
    [
        ("none", "EHLO", "ehlo"),
        ("starttls", "STARTTLS", "tls"),
        ("starttls", "EHLO-AFTER-TLS", "ehlo-after-tls"),
        ("none", "AUTH", "auth"),
        ("tls", "AUTH", "auth"),
        ("tls", "MAIL", "envelope"),
        ("none", "RSET", "envelope"),
    ],
)
def test_limit_of_a_stage(
    pki: checking.Pki, how: str, security: str, verb: str, stage: str
) -> None:
    behaviour = Behaviour(
        {verb: how}, ("STARTTLS", *AUTH), context=pki.good, tls=security == "tls"
    )
    with ScriptedRelay(behaviour) as relay:
        report = check(
            relay,
            stage_timeout=0.2,
            transport_security=security,
            tls_ca_chain=pki.root.pem,
            **ACCOUNT,
            **ADDRESSES,
        )

    assert report.kind is Kind.TIMEOUT
    assert diagnosis(report) == (
        stage,
        f"no answer in time: at {stage}",
        f"The relay did not finish the stage {stage} within 0.2 s.",
        "Try again with a longer timeout; if it stays, ask the relay's operator.",
    )


def test_banner_that_trickles() -> None:
    with ScriptedRelay(Behaviour({"BANNER": TRICKLE})) as relay:
        report = check(relay, stage_timeout=0.2)

    assert report.kind is Kind.TIMEOUT
    assert report.failure is not None
    assert report.failure.name == "banner"


def test_handshake_without_an_answer() -> None:
    with ScriptedRelay(Behaviour({"HANDSHAKE": SILENCE}, tls=True)) as relay:
        report = check(relay, stage_timeout=0.2, transport_security="tls")

    assert report.kind is Kind.TIMEOUT
    assert report.failure is not None
    assert report.failure.name == "tls"


def test_quit_without_an_answer_breaks_nothing() -> None:
    with ScriptedRelay(Behaviour({"QUIT": SILENCE})) as relay:
        report = check(relay, stage_timeout=0.2)

    assert report.works
    assert [warning.summary for warning in report.warnings] == ["no answer in time: at quit"]


def test_limit_of_the_whole_ends_a_stage_before_its_own() -> None:
    with ScriptedRelay(Behaviour({"EHLO": TRICKLE})) as relay:
        report = relay_check.check(
            relay_check.Target("127.0.0.1", relay.port), timeout=0.3, stage_timeout=60
        )

    assert report.kind is Kind.TIMEOUT


def test_resolver_that_hangs() -> None:
    let_go = threading.Event()

    def hang(*_: Any, **__: Any) -> list[Any]:
        let_go.wait()
        return []

    report = relay_check.check(relay_check.Target("relay.test", 25), timeout=0.2, resolver=hang)
    let_go.set()

    assert report.kind is Kind.DNS_TEMPORARY
    assert report.summary == "name servers do not answer: no answer in 0.1 s"


def test_address_that_hangs_leaves_time_for_the_next() -> None:
    with checking.filtered_port() as port, socket.socket() as listener:
        # The same port on another address of this machine.
        listener.bind(("127.0.0.2", port))
        listener.listen()
        report = relay_check.check(
            relay_check.Target("relay.test", port),
            resolver=Resolver("127.0.0.1", "127.0.0.2"),
            timeout=0.6,
            stage_timeout=0.3,
        )

    connect = report.stage("connect")
    assert connect is not None
    assert connect.facts == {
        "address-1": "127.0.0.1: no answer",
        "address-2": "127.0.0.2: works",
    }


def test_many_addresses_leave_each_a_share_that_a_slow_one_needs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given: list[float] = []

    def refuse(_: object, seconds: float) -> None:
        given.append(seconds)
        raise ConnectionRefusedError

    monkeypatch.setattr(network.Address, "connect", refuse)
    resolver = Resolver(*(f"127.0.0.{number}" for number in range(1, 17)))
    report = relay_check.check(relay_check.Target("relay.test", 25), timeout=5, resolver=resolver)

    assert report.kind is Kind.CONNECTION_REFUSED
    assert len(given) == 16
    assert all(0.9 < seconds <= 1 for seconds in given[:-2])


def test_address_for_which_no_time_is_left_is_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    def wait(_: object, seconds: float) -> None:
        time.sleep(seconds + 0.2)
        raise TimeoutError

    monkeypatch.setattr(network.Address, "connect", wait)
    resolver = Resolver("127.0.0.1", "127.0.0.2")
    report = relay_check.check(
        relay_check.Target("relay.test", 25), timeout=0.4, resolver=resolver
    )

    assert report.kind is Kind.CONNECTION_FILTERED
    assert report.stages[-1].facts["address-2"] == "127.0.0.2: not tried"


# Every error of ssl and of sockets is an OSError: the first that fits decides.


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (TimeoutError("timed out"), Kind.DNS_TEMPORARY),
        (ssl.SSLEOFError(8, "EOF"), Kind.DISCONNECTED),
        (ssl.SSLZeroReturnError(6, "closed"), Kind.DISCONNECTED),
        (ssl.SSLError(1, "[SSL] internal error"), Kind.TLS_FAILED),
        (ConnectionResetError(104, "reset"), Kind.DISCONNECTED),
        (BrokenPipeError(32, "pipe"), Kind.DISCONNECTED),
        (OSError(107, "not connected"), Kind.DISCONNECTED),
        (socket.gaierror(socket.EAI_AGAIN, "again"), Kind.DNS_TEMPORARY),
        (socket.gaierror(socket.EAI_NONAME, "unknown"), Kind.HOST_UNKNOWN),
    ],
)
def test_order_of_errors(error: OSError, kind: Kind) -> None:
    assert isinstance(error, OSError)

    report = relay_check.check(
        relay_check.Target("relay.test", 25), resolver=Resolver(error=error)
    )

    assert report.kind is kind


def test_verification_comes_before_all_other_errors_of_tls(pki: checking.Pki) -> None:
    """The refusal of a certificate is an SSLError, an OSError and a ValueError at once."""
    assert issubclass(ssl.SSLCertVerificationError, ssl.SSLError)
    assert issubclass(ssl.SSLCertVerificationError, OSError)
    assert issubclass(ssl.SSLCertVerificationError, ValueError)

    with ScriptedRelay(Behaviour(tls=True, context=pki.good)) as relay:
        report = check(relay, transport_security="tls")

    assert report.kind is Kind.CERTIFICATE_UNKNOWN_CA


def test_unexpected_error_rises_and_leaves_nothing_open() -> None:
    """A bug shows as itself; an open socket would be a ResourceWarning, which is an error."""
    target = relay_check.Target("relay.test", 25)

    with pytest.raises(ZeroDivisionError):
        relay_check.check(target, resolver=Resolver(error=ZeroDivisionError()))


# A relay that goes away.


@pytest.mark.parametrize(
    ("security", "verb", "stage"),
    [
        ("none", "BANNER", "banner"),
        ("none", "EHLO", "ehlo"),
        ("starttls", "STARTTLS", "tls"),
        ("starttls", "HANDSHAKE", "tls"),
        ("tls", "HANDSHAKE", "tls"),
        ("tls", "BANNER", "banner"),
        ("starttls", "EHLO-AFTER-TLS", "ehlo-after-tls"),
        ("none", "AUTH", "auth"),
        ("tls", "AUTH", "auth"),
        ("none", "MAIL", "envelope"),
        ("none", "RCPT", "envelope"),
        ("tls", "RSET", "envelope"),
    ],
)
def test_connection_dropped(pki: checking.Pki, security: str, verb: str, stage: str) -> None:
    behaviour = Behaviour(
        {verb: DROP},
        capabilities=("STARTTLS", *AUTH),
        context=pki.good,
        tls=security == "tls",
    )
    with ScriptedRelay(behaviour) as relay:
        report = check(
            relay,
            transport_security=security,
            tls_ca_chain=pki.root.pem,
            **ACCOUNT,
            **ADDRESSES,
        )

    assert report.kind is Kind.DISCONNECTED
    assert diagnosis(report) == (
        stage,
        f"connection dropped: at {stage}",
        f"The relay closed the connection at the stage {stage}.",
        "Look for a firewall between; the relay's log says why it closed the connection.",
    )


@pytest.mark.parametrize("kind", [ssl.SSLEOFError, ssl.SSLZeroReturnError])
@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_end_in_the_handshake_as_each_python_says_it(
    monkeypatch: pytest.MonkeyPatch, security: str, kind: type[ssl.SSLError]
) -> None:
    def end(*_: object, **__: object) -> None:
        raise kind(8, "EOF occurred in violation of protocol")

    monkeypatch.setattr(ssl.SSLSocket, "do_handshake", end)
    behaviour = Behaviour({"HANDSHAKE": DROP}, capabilities=("STARTTLS",), tls=security == "tls")
    with ScriptedRelay(behaviour) as relay:
        report = check(relay, transport_security=security)

    assert report.kind is Kind.DISCONNECTED


@pytest.mark.parametrize("kind", [ssl.SSLEOFError, ssl.SSLZeroReturnError])
def test_what_a_relay_said_before_it_hung_up_is_read(
    monkeypatch: pytest.MonkeyPatch, pki: checking.Pki, kind: type[ssl.SSLError]
) -> None:
    farewell = "421 4.3.2 going down for maintenance"
    behaviour = Behaviour({"AUTH": farewell}, capabilities=AUTH, context=pki.good, tls=True)
    sendall = ssl.SSLSocket.sendall

    def hung_up(sock: ssl.SSLSocket, data: bytes, flags: int = 0) -> None:
        sendall(sock, data, flags)
        if data.startswith(b"AUTH"):
            raise kind(8, "EOF occurred in violation of protocol")

    monkeypatch.setattr(ssl.SSLSocket, "sendall", hung_up)
    with ScriptedRelay(behaviour) as relay:
        report = check(
            relay, transport_security="tls", tls_ca_chain=pki.root.pem, **ACCOUNT, **ADDRESSES
        )

    assert farewell in report.summary


def test_connection_dropped_at_quit_breaks_nothing() -> None:
    with ScriptedRelay(Behaviour({"QUIT": DROP})) as relay:
        report = check(relay)

    assert report.works
    assert [warning.summary for warning in report.warnings] == ["connection dropped: at quit"]


@pytest.mark.parametrize(
    ("verb", "kind"),
    [
        ("BANNER", Kind.BLOCKED),
        ("EHLO", Kind.BLOCKED),
        ("MAIL", Kind.SENDER_REFUSED),
        ("RCPT", Kind.RELAY_DENIED),
    ],
)
def test_refusal_that_is_cut_is_one(verb: str, kind: Kind) -> None:
    answer = "554-no\r\n554-mail from here\r\n"
    with ScriptedRelay(Behaviour({verb: f"{answer}{DROP}"})) as relay:
        report = check(relay, **ADDRESSES)

    assert report.kind is kind
    assert report.summary.endswith(": 554 no mail from here")


def test_consent_that_is_cut_is_none() -> None:
    with ScriptedRelay(Behaviour({"MAIL": f"250-ok\r\n{DROP}"})) as relay:
        report = check(relay)

    assert report.summary == "connection dropped: at envelope"


@pytest.mark.parametrize("answer", ["what?", "25", "1234 hello", "\x00\x01"])
def test_answer_that_is_no_reply(answer: str) -> None:
    with ScriptedRelay(Behaviour({"EHLO": answer})) as relay:
        report = check(relay)

    assert report.kind is Kind.PROTOCOL
    assert diagnosis(report)[0] == "ehlo"


def test_answer_without_end_is_not_read_to_its_end() -> None:
    with ScriptedRelay(Behaviour({"BANNER": "220 " + "x" * 1_000_000})) as relay:
        report = check(relay)

    assert report.summary == f"not a mail relay: line too long: 220 {'x' * 296}…"


def test_longest_line_and_longest_answer_that_requirers_read() -> None:
    answer = "250-X\r\n" * 998 + f"250-{'x' * 8186}\r\n250 X"
    with ScriptedRelay(Behaviour({"EHLO": answer})) as relay:
        report = check(relay)

    assert report.works


@pytest.mark.parametrize(
    ("answer", "summary"),
    [
        (f"250 {'x' * 8187}", f"line too long: 250 {'x' * 296}…"),
        ("250-X\r\n" * 1000 + "250 Y", "answer too long: 250 Y"),
    ],
    ids=["line", "answer"],
)
def test_answer_too_long_for_requirers(answer: str, summary: str) -> None:
    with ScriptedRelay(Behaviour({"EHLO": answer})) as relay:
        report = check(relay)

    assert report.kind is Kind.PROTOCOL
    assert diagnosis(report) == (
        "ehlo",
        f"answer is not SMTP's: {summary}",
        "The relay's answer at the stage ehlo is not what SMTP knows.",
        "Look for a proxy or firewall that changes SMTP; then ask the relay's operator.",
    )


def test_answer_of_endless_lines_is_not_read_to_its_end() -> None:
    with ScriptedRelay(Behaviour({"EHLO": "250-X\r\n" * 100_000 + "250 X"})) as relay:
        report = check(relay)

    assert report.kind is Kind.PROTOCOL
    assert report.summary == "answer is not SMTP's: answer too long: 250-X"

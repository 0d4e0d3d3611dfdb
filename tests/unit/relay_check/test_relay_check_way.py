"""Every failure on the way to a relay, on a real socket, with the words that are read."""

from __future__ import annotations

import contextlib
import socket
import sys
from typing import Any

import checking
import pytest
from checking import HOST, PORTS, Resolver, check, diagnosis
from scripted_relay import SILENCE, Behaviour, ScriptedRelay

import relay_check
from relay_check import Kind

ADDRESSES: dict[str, Any] = {"sender": "app@example.com", "recipients": ["ops@example.com"]}
LATER = "Try again in some minutes; if it stays, ask the relay's operator."


def check_name(resolver: Resolver, port: int = 25) -> relay_check.Report:
    return relay_check.check(relay_check.Target(HOST, port), resolver=resolver, timeout=1)


def test_name_does_not_resolve() -> None:
    error = socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    report = check_name(Resolver(error=error))

    assert report.kind is Kind.HOST_UNKNOWN
    assert diagnosis(report) == (
        "resolve",
        "host does not resolve: Name or service not known",
        "The name servers know no address of relay.test.",
        "Look for a typing error in host; a private name needs name servers that know it.",
    )


def test_name_servers_fail_for_now() -> None:
    error = socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    report = check_name(Resolver(error=error))

    assert report.kind is Kind.DNS_TEMPORARY
    assert diagnosis(report) == (
        "resolve",
        "name servers do not answer: Temporary failure in name resolution",
        "The name servers of this machine gave no answer for relay.test; the name may be right.",
        "Try again in some minutes; if it stays, mend the name servers of this machine.",
    )


@pytest.mark.parametrize(
    ("resolver", "evidence"),
    [(Resolver(), "no address"), (Resolver(error=UnicodeError("label")), "not a host name")],
)
def test_name_without_an_address(resolver: Resolver, evidence: str) -> None:
    report = check_name(resolver)

    assert report.kind is Kind.HOST_UNKNOWN
    assert report.summary == f"host does not resolve: {evidence}"


@pytest.mark.parametrize(
    ("host", "asked"),
    [
        ("straße.example", "xn--strae-oqa.example"),
        ("BÜCHER.example.", "xn--bcher-kva.example"),
        ("relay.example.", "relay.example"),
    ],
)
def test_name_in_letters_beyond_ascii_is_asked_for_by_idna_2008(host: str, asked: str) -> None:
    names: list[str] = []

    def resolve(name: str, *_: Any, **__: Any) -> list[Any]:
        names.append(name)
        return []

    relay_check.check(relay_check.Target(host, 25), resolver=resolve, timeout=5)

    assert names == [asked]


def test_name_in_letters_beyond_ascii_is_the_certificates(pki: checking.Pki) -> None:
    behaviour = Behaviour(tls=True, context=pki.context("xn--strae-oqa.example"))
    with ScriptedRelay(behaviour) as relay:
        report = check(
            relay,
            host="straße.example",
            transport_security="tls",
            tls_ca_chain=pki.root.pem,
        )

    assert report.works


def test_name_that_leads_to_different_hosts_needs_the_package_that_decides(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "idna", None)

    report = relay_check.check(relay_check.Target("straße.example", 25), timeout=5)

    assert report.kind is Kind.HOST_UNKNOWN
    assert "enter the name's xn-- form" in report.summary


def test_nothing_listens() -> None:
    port = checking.free_port()

    report = check_name(Resolver("127.0.0.1"), port)

    assert report.kind is Kind.CONNECTION_REFUSED
    assert diagnosis(report) == (
        "connect",
        "connection refused: 127.0.0.1: refused",
        f"Nothing listens on port {port} of relay.test.",
        f"Set the right host and port: {PORTS}.",
    )


def test_filtered() -> None:
    with checking.filtered_port() as port:
        report = check_name(Resolver("127.0.0.1"), port)

    assert report.kind is Kind.CONNECTION_FILTERED
    assert diagnosis(report) == (
        "connect",
        "no answer to the connection: 127.0.0.1: no answer",
        f"relay.test does not answer on port {port}: a firewall drops the packets, or it is down.",
        "Many clouds block port 25: use port 587 or 465, or let the firewalls between pass it.",
    )


def test_unreachable() -> None:
    report = check_name(Resolver("255.255.255.255"))

    assert report.kind is Kind.UNREACHABLE
    assert diagnosis(report)[2:] == (
        "This machine finds no way to relay.test.",
        "Mend the routes and firewalls of this machine, or the address that host resolves to.",
    )


def test_one_address_family_fails() -> None:
    with ScriptedRelay() as relay:
        report = check(relay, resolver=Resolver("::1", "127.0.0.1"))

    assert report.works
    [warning] = report.warnings
    assert warning.kind is Kind.ADDRESS_FAILS
    assert warning.sentence == (
        "127.0.0.1 works, ::1 does not; clients that try the latter first are slow or fail."
    )
    assert warning.remedy == (
        "Mend it, or take it out of the DNS; it is harmless if this machine lacks IPv6 or IPv4."
    )
    connect = report.stage("connect")
    assert connect is not None
    assert connect.facts["address-1"].startswith("::1: ")
    assert connect.facts["address-2"] == "127.0.0.1: works"


def test_first_address_refuses_and_every_one_has_its_result() -> None:
    with ScriptedRelay() as relay:
        report = check(relay, resolver=Resolver("127.0.0.2", "127.0.0.1", "127.0.0.3"))

    assert report.works
    connect = report.stage("connect")
    assert connect is not None
    assert connect.facts == {
        "address-1": "127.0.0.2: refused",
        "address-2": "127.0.0.1: works",
        "address-3": "127.0.0.3: refused",
    }


def test_second_address_that_works_is_let_go() -> None:
    with ScriptedRelay() as relay, socket.create_server(("127.0.0.2", relay.port)) as second:
        report = check(relay, resolver=Resolver("127.0.0.1", "127.0.0.2"))
        connection, _ = second.accept()
        with connection:
            connection.settimeout(5)
            assert connection.recv(1) == b""

    assert report.works
    assert report.warnings == []


@pytest.mark.parametrize("capabilities", [("STARTTLS",), ()])
def test_tls_on_a_clear_port(capabilities: tuple[str, ...]) -> None:
    with ScriptedRelay(Behaviour(capabilities=capabilities)) as relay:
        report = check(relay, transport_security="tls")

    assert report.kind is Kind.TLS_ON_CLEAR_PORT
    assert diagnosis(report) == (
        "tls",
        "port does not speak TLS: 220 relay.test ESMTP",
        f"Port {relay.port} greets in the clear, but transport_security=tls.",
        "Set transport_security=starttls, or use the relay's TLS port, mostly 465.",
    )


@pytest.mark.parametrize("security", ["none", "starttls"])
def test_clear_on_a_tls_port(pki: checking.Pki, security: str) -> None:
    with ScriptedRelay(Behaviour(tls=True, context=pki.good)) as relay:
        report = check(relay, transport_security=security, stage_timeout=0.3)

    assert report.kind is Kind.CLEAR_ON_TLS_PORT
    assert diagnosis(report) == (
        "banner",
        "port wants TLS",
        f"Port {relay.port} speaks TLS from the first byte, but transport_security={security}.",
        "Set transport_security=tls.",
    )


@pytest.mark.parametrize(
    ("banner", "quoted"),
    [
        ("SSH-2.0-OpenSSH_9.6", "SSH-2.0-OpenSSH_9.6"),
        ("* OK IMAP4rev1 ready", "* OK IMAP4rev1 ready"),
        ("+OK \x1b[31mPOP3\x07\xa0ready", "+OK \\x1b[31mPOP3\\x07\\xa0ready"),
        ("200 news server ready", "200 news server ready"),
    ],
)
@pytest.mark.parametrize("security", ["none", "tls"])
def test_not_smtp(banner: str, quoted: str, security: str) -> None:
    with ScriptedRelay(Behaviour({"BANNER": banner})) as relay:
        report = check(relay, transport_security=security)

    assert report.kind is Kind.NOT_SMTP
    assert diagnosis(report)[1:] == (
        f"not a mail relay: {quoted}",
        f"What answers on port {relay.port} of relay.test does not speak SMTP.",
        f"Set the right host and port: {PORTS}.",
    )


def test_not_smtp_and_silent_until_spoken_to() -> None:
    """HTTP waits for a request."""
    http = Behaviour({"BANNER": "HTTP/1.1 400 Bad Request"}, listens_first=True)
    with ScriptedRelay(http) as relay:
        report = check(relay, stage_timeout=0.3)

    assert report.kind is Kind.NOT_SMTP
    assert report.summary == "not a mail relay: HTTP/1.1 400 Bad Request"


def test_silent() -> None:
    with ScriptedRelay(Behaviour({"BANNER": SILENCE})) as relay:
        report = check(relay, stage_timeout=0.3)

    assert report.kind is Kind.SILENT
    assert diagnosis(report) == (
        "banner",
        "no banner",
        (
            f"relay.test takes connections on port {relay.port} but says nothing, in the clear or "
            "over TLS."
        ),
        "Check host and port, and what stands between; a slow relay needs a longer timeout.",
    )


@pytest.mark.parametrize("greeting", ["220 relay.test ESMTP", "554 5.7.1 you are on a list"])
def test_slow_banner_is_waited_for_and_nothing_said_before_it(greeting: str) -> None:
    """Relays hold their banner back to find out who speaks too early."""
    slow = Behaviour({"BANNER": greeting}, delays={"BANNER": 0.9})
    with ScriptedRelay(slow) as relay:
        report = relay_check.check(
            relay_check.Target(HOST, relay.port), timeout=1.6, resolver=Resolver(relay.host)
        )

    assert report.works is greeting.startswith("220")
    assert report.kind in {None, Kind.BLOCKED}
    assert relay.conversations[0].verbs == (
        ["EHLO", "MAIL", "RSET", "QUIT"] if report.works else ["QUIT"]
    )


def test_banner_554() -> None:
    with ScriptedRelay(Behaviour({"BANNER": "554 5.7.1 you are on a list"})) as relay:
        report = check(relay)

    assert report.kind is Kind.BLOCKED
    assert diagnosis(report) == (
        "banner",
        "relay blocks this machine: 554 5.7.1 you are on a list",
        "The relay refuses connections from this machine's address.",
        "Ask the relay's operator to allow the address, and look it up in the block lists.",
    )


def test_banner_421() -> None:
    with ScriptedRelay(Behaviour({"BANNER": "421 4.3.2 going down"})) as relay:
        report = check(relay)

    assert report.kind is Kind.BUSY
    assert diagnosis(report) == (
        "banner",
        "relay is busy: 421 4.3.2 going down",
        "The relay takes no more connections now: there are too many, or it is going down.",
        LATER,
    )


def test_ehlo_refused() -> None:
    answers = {"EHLO": "550 who are you", "HELO": "550 still unknown"}
    with ScriptedRelay(Behaviour(answers)) as relay:
        report = check(relay, ehlo_name="unit.local")

    assert report.kind is Kind.EHLO_REFUSED
    assert diagnosis(report) == (
        "ehlo",
        "EHLO refused: 550 still unknown",
        "The relay refuses the name that this machine gives itself, unit.local.",
        "Give this machine a name that the DNS knows, or ask the relay's operator.",
    )


@pytest.mark.parametrize(
    ("answer", "kind"),
    [("554 5.7.1 blocked using a list", Kind.BLOCKED), ("451 4.7.1 try later", Kind.BUSY)],
)
def test_ehlo_that_is_not_refused_for_its_name(answer: str, kind: Kind) -> None:
    with ScriptedRelay(Behaviour({"EHLO": answer})) as relay:
        report = check(relay)

    assert report.kind is kind
    assert diagnosis(report)[0] == "ehlo"


def test_relay_that_knows_helo_alone_works() -> None:
    with ScriptedRelay(Behaviour({"EHLO": "502 unknown command"})) as relay:
        report = check(relay)

    assert report.works
    assert relay.verbs == ["EHLO", "HELO", "MAIL", "RSET", "QUIT"]


# IPv4 and IPv6, where this machine has it.


def local_addresses() -> list[tuple[str, str]]:
    addresses = [("127.0.0.1", "[127.0.0.1]")]
    with contextlib.suppress(OSError), socket.create_server(("::1", 0), family=socket.AF_INET6):
        addresses.append(("::1", "[IPv6:::1]"))
    return addresses


@pytest.mark.parametrize(("address", "literal"), local_addresses())
def test_machine_without_a_full_name_greets_with_its_address(
    address: str, literal: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "unit-0")
    with ScriptedRelay(host=address) as relay:
        report = check(relay, host=address, resolver=socket.getaddrinfo)

    assert report.works
    assert relay.conversations[0].commands[0] == f"EHLO {literal}"


def test_machine_with_a_full_name_greets_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "unit-0.example.com")
    with ScriptedRelay() as relay:
        report = check(relay)

    assert report.works
    assert relay.conversations[0].commands[0] == "EHLO unit-0.example.com"

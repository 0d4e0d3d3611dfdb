"""Every way in which a relay can fail, on a real socket, with the words the operator reads."""

from __future__ import annotations

import contextlib
import socket
import ssl
import sys
from typing import Any

import certificate_authority as ca
import checking
import pytest
from checking import ACCOUNT, AUTH, HOST, PORTS, Resolver, check, diagnosis
from scripted_relay import DROP, SILENCE, Behaviour, ScriptedRelay

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

    if banner.startswith("200") and security == "tls":
        # A reply's form is enough there: the port speaks in the clear.
        assert report.kind is Kind.TLS_ON_CLEAR_PORT
        return
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
    assert relay.conversations[0].verbs == (["EHLO", "QUIT"] if report.works else ["QUIT"])


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
    with ScriptedRelay(Behaviour({"BANNER": "421 4.7.0 too many connections"})) as relay:
        report = check(relay)

    assert report.kind is Kind.BUSY
    assert diagnosis(report) == (
        "banner",
        "relay is busy: 421 4.7.0 too many connections",
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
    assert relay.verbs == ["EHLO", "HELO", "QUIT"]


# STARTTLS.


def test_starttls_not_offered() -> None:
    with ScriptedRelay(Behaviour(capabilities=AUTH)) as relay:
        report = check(relay, transport_security="starttls", **ACCOUNT)

    assert report.kind is Kind.STARTTLS_NOT_OFFERED
    assert diagnosis(report) == (
        "tls",
        "STARTTLS not offered",
        f"The relay does not offer STARTTLS on port {relay.port}; nothing was sent in the clear.",
        "Use port 587, or 465 with transport_security=tls; none only on a network of your own.",
    )
    assert relay.verbs == ["EHLO", "QUIT"]


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (
            "454 4.7.0 TLS not available",
            Kind.STARTTLS_TEMPORARY,
            (
                "tls",
                "STARTTLS not available: 454 4.7.0 TLS not available",
                "The relay offers STARTTLS but cannot do it now; nothing was sent in the clear.",
                LATER,
            ),
        ),
        (
            "502 5.5.1 not implemented",
            Kind.STARTTLS_REFUSED,
            (
                "tls",
                "STARTTLS refused: 502 5.5.1 not implemented",
                "The relay offers STARTTLS but refuses it; nothing was sent in the clear.",
                "Ask the relay's operator, or use port 465 with transport_security=tls.",
            ),
        ),
    ],
)
def test_starttls_refused(answer: str, kind: Kind, words: tuple[str, ...]) -> None:
    with ScriptedRelay(Behaviour({"STARTTLS": answer}, ("STARTTLS", *AUTH))) as relay:
        report = check(relay, transport_security="starttls", **ACCOUNT)

    assert report.kind is kind
    assert diagnosis(report) == words
    assert relay.verbs == ["EHLO", "STARTTLS", "QUIT"]


def test_words_slipped_in_before_tls_do_not_count(pki: checking.Pki) -> None:
    answers = {"STARTTLS": "220 ready\r\n250 AUTH PLAIN"}
    with ScriptedRelay(Behaviour(answers, ("STARTTLS",), context=pki.good)) as relay:
        report = check(relay, transport_security="starttls")

    assert report.kind is Kind.PROTOCOL
    assert diagnosis(report) == (
        "tls",
        "answer is not SMTP's: 250 AUTH PLAIN",
        "The relay's answer at the stage tls is not what SMTP knows.",
        "Look for a proxy or firewall that changes SMTP; then ask the relay's operator.",
    )


# Certificates.


@pytest.mark.parametrize("security", ["starttls", "tls"])
@pytest.mark.parametrize(
    ("host", "code"), [("other.test", "62"), ("127.0.0.1", "64")], ids=["name", "address"]
)
def test_certificate_has_another_name(
    pki: checking.Pki, security: str, host: str, code: str
) -> None:
    context = pki.context("mail.test", "10.9.8.7")
    behaviour = Behaviour(capabilities=("STARTTLS",), context=context, tls=security == "tls")
    with ScriptedRelay(behaviour) as relay:
        report = check(relay, host=host, transport_security=security, tls_ca_chain=pki.root.pem)

    assert report.kind is Kind.CERTIFICATE_NAME
    stage, summary, *words = diagnosis(report)
    assert stage == "tls"
    assert summary.startswith("certificate has another name: ")
    assert summary.endswith(f"(code {code})")
    assert words == [
        f"The relay's certificate is not for {host} but for mail.test, 10.9.8.7.",
        f"Set host to a name of the certificate, or have a certificate made for {host}.",
    ]


def check_certificate(
    context: ssl.SSLContext, authority: str | None, **changes: Any
) -> relay_check.Report:
    with ScriptedRelay(Behaviour(tls=True, context=context)) as relay:
        return check(relay, transport_security="tls", tls_ca_chain=authority, **changes)


def test_certificate_is_self_signed(pki: checking.Pki) -> None:
    report = check_certificate(pki.context(HOST, issuer=None), None)

    assert report.kind is Kind.CERTIFICATE_SELF_SIGNED
    stage, summary, *words = diagnosis(report)
    assert stage == "tls"
    assert summary.endswith("(code 18)")
    assert words == [
        "The relay's certificate is signed by itself, and not trusted here.",
        "If the relay is yours, set tls_ca_chain to that certificate.",
    ]


def test_self_signed_certificate_that_is_trusted_works(pki: checking.Pki) -> None:
    certificate = ca.make(HOST)

    report = check_certificate(certificate.context(pki.folder), certificate.pem)

    assert report.works


def test_unknown_ca(pki: checking.Pki) -> None:
    report = check_certificate(pki.good, None)

    assert report.kind is Kind.CERTIFICATE_UNKNOWN_CA
    assert diagnosis(report) == (
        "tls",
        "certificate's CA unknown: unable to get local issuer certificate (code 20)",
        "This machine does not trust CN=Test CA, O=Test, or the relay leaves out a CA in between.",
        "Set tls_ca_chain for a private CA; with a public one, the relay must send its chain.",
    )
    assert report.stages[-1].facts["verification"] == "on, with the system's CAs"


def test_ca_other_than_tls_ca_chain(pki: checking.Pki) -> None:
    other = ca.make(subject="Other CA", authority=True)

    report = check_certificate(pki.good, other.pem)

    assert report.kind is Kind.CERTIFICATE_UNKNOWN_CA
    assert diagnosis(report)[2] == (
        "tls_ca_chain does not trust CN=Test CA, O=Test, or the relay leaves out a CA in between."
    )
    assert report.stages[-1].facts["verification"] == "on, with tls_ca_chain alone"


def test_ca_chain_without_its_root(pki: checking.Pki) -> None:
    """Python 3.13 takes an intermediate CA for an anchor; older ones do not."""
    middle = ca.make(subject="Middle CA", authority=True, issuer=pki.root)

    report = check_certificate(pki.context(HOST, issuer=middle), middle.pem)

    assert report.kind is Kind.CA_CHAIN_INCOMPLETE
    assert diagnosis(report) == (
        "tls",
        "tls_ca_chain incomplete: unable to get issuer certificate (code 2)",
        "tls_ca_chain holds a CA of the relay's certificate, but not the one above that CA.",
        "Add the CA's own issuers to tls_ca_chain, up to the one that signed itself.",
    )


def test_certificate_name_of_a_relay_that_takes_one_connection(pki: checking.Pki) -> None:
    once = Behaviour(context=pki.context("other.test"), tls=True)
    gone = Behaviour({"HANDSHAKE": DROP}, context=pki.good, tls=True)
    with ScriptedRelay(once, gone) as relay:
        report = check(relay, transport_security="tls", tls_ca_chain=pki.root.pem)

    assert report.kind is Kind.CERTIFICATE_NAME
    assert diagnosis(report)[2] == (
        "The relay's certificate is not for relay.test but for names that could not be read."
    )


def test_certificate_expired(pki: checking.Pki) -> None:
    begin, end = ca.utc(2020, 1, 2), ca.utc(2021, 1, 2)

    report = check_certificate(pki.context(HOST, begin=begin, end=end), pki.root.pem)

    assert report.kind is Kind.CERTIFICATE_EXPIRED
    assert diagnosis(report) == (
        "tls",
        "certificate expired: certificate has expired (code 10)",
        (
            "A certificate has expired: the relay's own is from 2020-01-02 03:04 UTC to "
            "2021-01-02 03:04 UTC."
        ),
        "Have the relay's certificate, or else its CA's, renewed; check this machine's clock.",
    )


def test_certificate_not_yet_valid(pki: checking.Pki) -> None:
    begin, end = ca.utc(2048, 1, 2), ca.utc(2055, 1, 2)

    report = check_certificate(pki.context(HOST, begin=begin, end=end), pki.root.pem)

    assert report.kind is Kind.CERTIFICATE_NOT_YET_VALID
    assert diagnosis(report) == (
        "tls",
        "certificate not yet valid: certificate is not yet valid (code 9)",
        (
            "A certificate is not valid yet: the relay's own is from 2048-01-02 03:04 UTC to "
            "2055-01-02 03:04 UTC."
        ),
        "Check this machine's clock and the relay's, or wait until the certificate is valid.",
    )


def test_certificate_of_an_authority_that_may_sign_none(pki: checking.Pki) -> None:
    imposter = ca.make("imposter.test", issuer=pki.root)

    report = check_certificate(pki.context(HOST, issuer=imposter), pki.root.pem + imposter.pem)

    assert report.kind is Kind.CERTIFICATE_REFUSED
    assert diagnosis(report)[2:] == (
        "The relay's certificate does not stand up to verification.",
        "Have a certificate made that does; for a private CA, check tls_ca_chain.",
    )


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_chain_that_only_strict_verification_refuses(pki: checking.Pki, security: str) -> None:
    context = pki.context(HOST, key_identifiers=False)
    behaviour = Behaviour(capabilities=("STARTTLS", *AUTH), context=context, tls=security == "tls")
    with ScriptedRelay(behaviour) as relay:
        report = check(relay, transport_security=security, tls_ca_chain=pki.root.pem, **ACCOUNT)

    assert report.works
    [warning] = report.warnings
    assert warning.kind is Kind.CERTIFICATE_NOT_STRICT
    assert warning.evidence.endswith("(code 85)")
    assert warning.sentence == (
        "Newer clients, such as Python 3.13, verify strictly and will refuse this certificate."
    )
    assert warning.remedy == (
        "Have the certificate and its CA made anew by RFC 5280, with both key identifiers."
    )
    assert relay.verbs.count("AUTH") == 1


def test_ca_that_only_strict_verification_refuses(pki: checking.Pki) -> None:
    root = ca.make(subject="Old CA", authority=True, key_identifiers=False)

    report = check_certificate(pki.context(HOST, issuer=root), root.pem)

    assert report.works
    assert [warning.kind for warning in report.warnings] == [Kind.CERTIFICATE_NOT_STRICT]
    assert report.warnings[0].evidence.endswith("(code 86)")


def test_strict_verification_that_cannot_be_tried_fails_nothing(pki: checking.Pki) -> None:
    good = Behaviour(tls=True, context=pki.good)
    with ScriptedRelay(good, Behaviour({"HANDSHAKE": DROP}, tls=True)) as relay:
        report = check(relay, transport_security="tls", tls_ca_chain=pki.root.pem)

    assert report.works
    assert report.warnings == []
    tls = report.stage("tls")
    assert tls is not None
    assert tls.facts["strict-verification"] == "not checked: no second connection"


def test_no_common_tls_version(pki: checking.Pki) -> None:
    old = pki.context(HOST, maximum=ssl.TLSVersion.TLSv1_1)

    report = check_certificate(old, pki.root.pem)

    assert report.kind is Kind.TLS_VERSION
    assert diagnosis(report) == (
        "tls",
        "no common TLS version: TLSv1.1 offered",
        "The relay offers no version of TLS that clients accept: TLS 1.2 or newer.",
        "Ask the relay's operator for TLS 1.2 or newer, or use another relay.",
    )


def test_no_common_tls_version_and_the_relay_hangs_up(pki: checking.Pki) -> None:
    old = pki.context(HOST, maximum=ssl.TLSVersion.TLSv1_1)
    hangs_up = Behaviour({"HANDSHAKE": DROP}, tls=True)
    with ScriptedRelay(hangs_up, Behaviour(tls=True, context=old)) as relay:
        report = check(relay, transport_security="tls")

    assert report.kind is Kind.TLS_VERSION
    assert report.summary == "no common TLS version: TLSv1.1 offered"


def test_tls_that_fails_otherwise(pki: checking.Pki) -> None:
    context = pki.context(HOST, maximum=ssl.TLSVersion.TLSv1_2)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("PSK")

    report = check_certificate(context, pki.root.pem)

    assert report.kind is Kind.TLS_FAILED
    assert diagnosis(report)[2:] == (
        "The relay and this machine could not agree on TLS.",
        f"Check port and transport_security: {PORTS}; then ask the relay's operator.",
    )


@pytest.mark.parametrize("chain", ["no PEM at all", "-----BEGIN CERTIFICATE-----\nx\n", "\xe9"])
def test_ca_chain_unusable(pki: checking.Pki, chain: str) -> None:
    report = check_certificate(pki.good, chain)

    assert report.kind is Kind.CA_CHAIN_UNUSABLE
    assert diagnosis(report)[2:] == (
        "tls_ca_chain is not PEM of certificates.",
        "Set tls_ca_chain from a file with the CA's certificate in PEM.",
    )


def test_verification_off(pki: checking.Pki) -> None:
    expired = pki.context("mail.test", end=ca.utc(2021, 1, 2), begin=ca.utc(2020, 1, 1))

    report = check_certificate(expired, None, skip_ssl_verify=True)

    assert report.works
    [warning] = report.warnings
    assert warning.kind is Kind.CERTIFICATE_UNVERIFIED
    assert warning.sentence == (
        "skip_ssl_verify is on: anyone between can pose as the relay and read the password."
    )
    tls = report.stage("tls")
    assert tls is not None
    assert tls.facts["verification"] == "off, by skip_ssl_verify"
    assert tls.facts["names"] == "mail.test"
    assert tls.facts["not-after"] == "2021-01-02 03:04 UTC"
    assert int(tls.facts["days-left"]) < 0


# AUTH.


@pytest.mark.parametrize(
    ("capabilities", "kind", "words"),
    [
        (
            ("STARTTLS",),
            Kind.AUTH_AFTER_TLS,
            (
                "auth",
                "AUTH offered after TLS only",
                "The relay offers no AUTH in the clear, but it offers STARTTLS.",
                "Set transport_security=starttls.",
            ),
        ),
        (
            (),
            Kind.AUTH_NOT_OFFERED,
            (
                "auth",
                "AUTH not offered",
                "The relay offers no AUTH on port PORT.",
                (
                    "Use port 587 or 465; if the relay knows its clients by address, set "
                    "auth_type=none."
                ),
            ),
        ),
        (
            ("AUTH GSSAPI XOAUTH2",),
            Kind.AUTH_NO_MECHANISM,
            (
                "auth",
                "no common AUTH mechanism: GSSAPI XOAUTH2",
                (
                    "The relay offers GSSAPI XOAUTH2, and clients of auth_type=plain use "
                    "PLAIN, LOGIN or CRAM-MD5."
                ),
                (
                    "Have the relay offer PLAIN or LOGIN, or use an account that it lets in by a "
                    "password."
                ),
            ),
        ),
    ],
    ids=["after TLS", "not offered", "no common mechanism"],
)
def test_auth_not_possible(
    capabilities: tuple[str, ...], kind: Kind, words: tuple[str, ...]
) -> None:
    with ScriptedRelay(Behaviour(capabilities=capabilities)) as relay:
        report = check(relay, **ACCOUNT)

    assert report.kind is kind
    found = tuple(word.replace(str(relay.port), "PORT") for word in diagnosis(report))
    assert found == words
    assert "AUTH" not in relay.verbs


@pytest.mark.parametrize(
    ("answer", "kind", "title", "sentence", "remedy"),
    [
        (
            "535 5.7.8 authentication failed",
            Kind.AUTH_REFUSED,
            "AUTH refused",
            "The relay refuses the user or the password.",
            "Set user and password_secret right; some relays want the whole address as the user.",
        ),
        (
            "534 5.7.9 application-specific password required",
            Kind.AUTH_APP_PASSWORD,
            "app password needed",
            "The relay refuses this account's own password for a program.",
            "Make an app password in the account at the provider, and set password_secret to it.",
        ),
        (
            "454 4.7.0 temporary authentication failure",
            Kind.AUTH_TEMPORARY,
            "AUTH fails for now",
            "The relay cannot check the password now; it may be right.",
            LATER,
        ),
        (
            "538 5.7.11 encryption required",
            Kind.TLS_REQUIRED,
            "relay requires TLS",
            "The relay goes no further without TLS.",
            "Set transport_security=starttls, or transport_security=tls with port 465.",
        ),
        (
            "500 5.5.6 no",
            Kind.AUTH_FAILED,
            "AUTH failed",
            "The relay does not let this account in, for a reason of its own.",
            "Read the relay's answer, and ask its operator.",
        ),
    ],
    ids=["535", "534", "454", "538", "500"],
)
@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5"])
def test_auth_refused_once(  # noqa: PLR0913, PLR0917 - a row of the table
    mechanism: str, answer: str, kind: Kind, title: str, sentence: str, remedy: str
) -> None:
    behaviour = Behaviour({"AUTH": answer}, (f"AUTH {mechanism}",))
    with ScriptedRelay(behaviour) as relay:
        report = check(relay, **ACCOUNT, **ADDRESSES)

    assert report.kind is kind
    assert diagnosis(report) == ("auth", f"{title}: {answer}", sentence, remedy)
    assert relay.verbs.count("AUTH") == 1
    assert "MAIL" not in relay.verbs
    assert relay.verbs[-1] == "QUIT"


@pytest.mark.parametrize("code", ["530", "538"])
def test_tls_that_is_there_is_not_asked_for(pki: checking.Pki, code: str) -> None:
    behaviour = Behaviour(
        {"AUTH": f"{code} 5.7.0 no", "MAIL": f"{code} STARTTLS first"},
        AUTH,
        None,
        pki.good,
        tls=True,
    )
    target = {"transport_security": "tls", "tls_ca_chain": pki.root.pem}
    with ScriptedRelay(behaviour) as relay:
        at_auth = check(relay, **target, **ACCOUNT)
        at_mail = check(relay, **target, **ADDRESSES)

    assert (at_auth.kind, at_mail.kind) == (Kind.AUTH_FAILED, Kind.ENVELOPE_REFUSED)


@pytest.mark.parametrize(
    ("answer", "kind"), [("235 2.7.0 welcome", None), ("535 5.7.8 no", Kind.AUTH_REFUSED)]
)
def test_relay_that_wants_the_response_by_itself(answer: str, kind: Kind | None) -> None:
    behaviour = Behaviour({"PLAIN-0": "334 ", "AUTH": answer}, ("AUTH PLAIN",))
    with ScriptedRelay(behaviour) as relay:
        report = check(relay, **ACCOUNT)

    assert report.kind is kind
    assert relay.verbs.count("AUTH") == 1


def test_refusal_of_auth_that_is_held_back_is_waited_for() -> None:
    """Half of the time is each stage's; who gave up then would try again."""
    behaviour = Behaviour({"AUTH": "535 5.7.8 no"}, AUTH, delays={"AUTH": 0.8})
    with ScriptedRelay(behaviour) as relay:
        report = relay_check.check(
            relay_check.Target(HOST, relay.port, **ACCOUNT),
            timeout=1.4,
            resolver=Resolver(relay.host),
        )

    assert report.kind is Kind.AUTH_REFUSED


# The envelope.


@pytest.mark.parametrize(
    ("verb", "answer"),
    [
        ("MAIL", "530 5.7.0 Authentication required"),
        ("RCPT", "530 5.7.0 Authentication required"),
        ("MAIL", "503 5.5.4 Error: send AUTH command first"),
        ("MAIL", "553 authentication is required"),
        ("MAIL", "550 5.7.1 Client was not authenticated"),
        ("RCPT", "554 5.7.1 Authentication required"),
    ],
)
def test_auth_required(verb: str, answer: str) -> None:
    with ScriptedRelay(Behaviour({verb: answer})) as relay:
        report = check(relay, **ADDRESSES)

    assert report.kind is Kind.AUTH_REQUIRED
    assert diagnosis(report) == (
        "envelope",
        f"AUTH required: {answer}",
        "The relay takes mail only after AUTH, but auth_type=none.",
        "Set auth_type=plain, with user and password_secret.",
    )


@pytest.mark.parametrize(
    "answer", ["530 5.7.0 Must issue a STARTTLS command first", "538 5.7.11 Encryption required"]
)
def test_starttls_required(answer: str) -> None:
    with ScriptedRelay(Behaviour({"MAIL": answer})) as relay:
        report = check(relay, **ADDRESSES)

    assert report.kind is Kind.TLS_REQUIRED


SENDER = (
    "The relay does not take mail from app@example.com.",
    "Set smtp_sender to an address that this account may send from.",
)
RELAYING = (
    "The relay does not pass mail on to ops@example.com for this machine or account.",
    "Set auth_type=plain with the relay's account, or have its operator allow this machine.",
)
UNKNOWN = (
    "The relay knows no mailbox ops@example.com.",
    "Look for a typing error in recipients.",
)
TOO_BIG = (
    "The message is bigger than the relay takes, or the mailbox is full.",
    "Send less at once, or ask the relay's operator for more room.",
)
REFUSED = (
    "The relay refuses the sender or the recipient, for a reason of its own.",
    "Read the relay's answer; check smtp_sender and recipients.",
)
FOR_NOW = ("The relay cannot take this mail now.", LATER)


@pytest.mark.parametrize(
    ("verb", "answer", "kind", "title", "words"),
    [
        ("MAIL", "550 5.7.1 not yours", Kind.SENDER_REFUSED, "sender refused", SENDER),
        ("MAIL", "553 5.1.8 no such domain", Kind.SENDER_REFUSED, "sender refused", SENDER),
        (
            "RCPT",
            "553 5.7.1 <app@example.com>: Sender address rejected: not owned by user",
            Kind.SENDER_REFUSED,
            "sender refused",
            SENDER,
        ),
        ("RCPT", "554 5.7.1 access denied", Kind.RELAY_DENIED, "relaying denied", RELAYING),
        ("RCPT", "550 5.7.1 unable to relay", Kind.RELAY_DENIED, "relaying denied", RELAYING),
        (
            "RCPT",
            "454 4.7.1 <ops@example.com>: Relay access denied",
            Kind.RELAY_DENIED,
            "relaying denied",
            RELAYING,
        ),
        ("RCPT", "550 relay not permitted", Kind.RELAY_DENIED, "relaying denied", RELAYING),
        (
            "RCPT",
            "553 sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)",
            Kind.RELAY_DENIED,
            "relaying denied",
            RELAYING,
        ),
        ("RCPT", "550 Sender verify failed", Kind.SENDER_REFUSED, "sender refused", SENDER),
        ("RCPT", "550 5.1.1 no such user", Kind.RECIPIENT_UNKNOWN, "recipient unknown", UNKNOWN),
        ("RCPT", "550 unknown", Kind.RECIPIENT_UNKNOWN, "recipient unknown", UNKNOWN),
        ("MAIL", "552 5.3.4 too big", Kind.TOO_BIG, "message too big", TOO_BIG),
        ("RCPT", "552 5.2.2 mailbox full", Kind.TOO_BIG, "message too big", TOO_BIG),
        ("RCPT", "501 5.1.3 bad", Kind.ENVELOPE_REFUSED, "envelope refused", REFUSED),
        ("MAIL", "452 4.3.1 no room", Kind.REFUSED_FOR_NOW, "mail refused for now", FOR_NOW),
    ],
)
def test_envelope_refused(
    verb: str, answer: str, kind: Kind, title: str, words: tuple[str, str]
) -> None:
    with ScriptedRelay(Behaviour({verb: answer})) as relay:
        report = check(relay, **ADDRESSES)

    assert report.kind is kind
    assert diagnosis(report) == ("envelope", f"{title}: {answer}", *words)
    assert "DATA" not in relay.verbs


def test_530_after_auth_asks_for_no_auth() -> None:
    with ScriptedRelay(Behaviour({"MAIL": "530 5.7.1 not you"}, AUTH)) as relay:
        report = check(relay, **ACCOUNT, **ADDRESSES)

    assert report.kind is Kind.ENVELOPE_REFUSED


@pytest.mark.parametrize("verb", ["MAIL", "RCPT"])
@pytest.mark.parametrize("answer", ["450 4.2.0 greylisted", "451 4.7.1 try again later"])
def test_greylisting_is_no_error(verb: str, answer: str) -> None:
    with ScriptedRelay(Behaviour({verb: answer})) as relay:
        report = check(relay, **ADDRESSES)

    assert report.works
    assert report.exit_code == 0
    [warning] = report.warnings
    assert warning.kind is Kind.GREYLISTED
    assert warning.summary == f"asked to try later: {answer}"
    assert warning.sentence == (
        "The relay defers mail the first time, most likely by greylisting; that is no error."
    )
    assert warning.remedy == (
        "None: applications that try again get through. If it stays, ask the relay's operator."
    )
    assert relay.verbs[-2:] == ["RSET", "QUIT"]


def test_one_recipient_of_three_refused() -> None:
    answers = {"RCPT b@example.com": "450 later", "RCPT c@example.com": "550 5.1.1 no such user"}
    with ScriptedRelay(Behaviour(answers)) as relay:
        report = check(relay, recipients=["a@example.com", "b@example.com", "c@example.com"])

    assert report.kind is Kind.RECIPIENT_UNKNOWN
    assert diagnosis(report)[2] == "The relay knows no mailbox c@example.com."
    envelope = report.stage("envelope")
    assert envelope is not None
    assert envelope.facts == {
        "sender": "<>: 250 2.1.0 sender ok",
        "recipient-1": "<a@example.com>: 250 2.1.5 recipient ok",
        "recipient-2": "<b@example.com>: 450 later",
        "recipient-3": "<c@example.com>: 550 5.1.1 no such user",
    }


def test_letters_beyond_ascii_need_smtputf8() -> None:
    with ScriptedRelay() as relay:
        report = check(relay, sender="bücher@example.com")

    assert report.kind is Kind.ADDRESS_NOT_ASCII
    assert diagnosis(report) == (
        "envelope",
        "address needs SMTPUTF8",
        "An address has letters beyond ASCII, and the relay does not offer SMTPUTF8.",
        "Use addresses in ASCII, or a relay that offers SMTPUTF8.",
    )


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


def test_connection_dropped_at_quit_breaks_nothing() -> None:
    with ScriptedRelay(Behaviour({"QUIT": DROP})) as relay:
        report = check(relay)

    assert report.works
    assert [warning.summary for warning in report.warnings] == ["connection dropped: at quit"]


@pytest.mark.parametrize("answer", ["what?", "25", "1234 hello", "\x00\x01"])
def test_answer_that_is_no_reply(answer: str) -> None:
    with ScriptedRelay(Behaviour({"EHLO": answer})) as relay:
        report = check(relay)

    assert report.kind is Kind.PROTOCOL
    assert diagnosis(report)[0] == "ehlo"


def test_answer_without_end_is_not_read_to_its_end() -> None:
    with ScriptedRelay(Behaviour({"BANNER": "220 " + "x" * 1_000_000})) as relay:
        report = check(relay)

    assert report.summary == f"not a mail relay: 220 {'x' * 296}…"


def test_answer_of_endless_lines_is_not_read_to_its_end() -> None:
    with ScriptedRelay(Behaviour({"EHLO": "250-X\r\n" * 100_000 + "250 X"})) as relay:
        report = check(relay)

    assert report.kind is Kind.PROTOCOL
    assert report.summary == "answer is not SMTP's: 250-X"


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

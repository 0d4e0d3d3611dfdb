"""STARTTLS, handshakes and certificates that fail, with the words that are read."""

from __future__ import annotations

import ssl
from typing import Any

import certificate_authority as ca
import checking
import pytest
from checking import ACCOUNT, AUTH, HOST, check, diagnosis
from scripted_relay import DROP, Behaviour, ScriptedRelay

import relay_check
from relay_check import Kind

LATER = "Try again in some minutes; if it stays, ask the relay's operator."


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


@pytest.mark.parametrize("security", ["starttls", "tls"])
@pytest.mark.parametrize("skip_ssl_verify", [False, True])
def test_older_tls_is_not_offered(
    monkeypatch: pytest.MonkeyPatch, pki: checking.Pki, security: str, *, skip_ssl_verify: bool
) -> None:
    """Debian's Python leaves the minimum to OpenSSL, so it is this check that sets it."""
    as_in_debian = ssl.create_default_context

    def create(*arguments: Any, **options: Any) -> ssl.SSLContext:
        context = as_in_debian(*arguments, **options)
        context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        context.set_ciphers("ALL:@SECLEVEL=0")
        return context

    monkeypatch.setattr(ssl, "create_default_context", create)
    old = pki.context(HOST, maximum=ssl.TLSVersion.TLSv1_1)
    behaviour = Behaviour(capabilities=("STARTTLS",), context=old, tls=security == "tls")
    with ScriptedRelay(behaviour) as relay:
        report = check(
            relay,
            transport_security=security,
            tls_ca_chain=pki.root.pem,
            skip_ssl_verify=skip_ssl_verify,
        )

    assert report.summary == "no common TLS version: TLSv1.1 offered"


def test_reason_that_python_has_no_name_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise ssl.SSLError(1, "[SSL] legacy sigalg disallowed or unsupported (_ssl.c:992)")

    monkeypatch.setattr(ssl.SSLSocket, "do_handshake", refuse)
    behaviour = Behaviour({"HANDSHAKE": DROP}, capabilities=("STARTTLS",))
    with ScriptedRelay(behaviour) as relay:
        report = check(relay, transport_security="starttls")

    assert report.summary == "TLS handshake failed: legacy sigalg disallowed or unsupported"


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

    assert report.kind is Kind.TLS_ALERT
    assert diagnosis(report)[2:] == (
        (
            "Port and transport_security are right; the relay ends TLS, and says: "
            "handshake failure, for want of a common cipher or of a certificate."
        ),
        "Ask the relay's operator to mend its certificate or its settings of TLS.",
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

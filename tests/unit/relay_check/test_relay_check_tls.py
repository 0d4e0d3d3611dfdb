"""What handshakes and certificates tell beyond a failure: alerts, and all faults at once."""

from __future__ import annotations

import datetime as dt
import ssl
from typing import Any

import certificate_authority as ca
import checking
import pytest
from checking import HOST, check, diagnosis
from scripted_relay import Behaviour, ScriptedRelay

import relay_check
from relay_check import Kind


def over_tls(pki: checking.Pki, context: ssl.SSLContext, **changes: Any) -> relay_check.Report:
    with ScriptedRelay(Behaviour(tls=True, context=context)) as relay:
        changes.setdefault("tls_ca_chain", pki.root.pem)
        return check(relay, transport_security="tls", **changes)


# TLS.


def client_certificate_wanted(pki: checking.Pki, maximum: ssl.TLSVersion) -> ssl.SSLContext:
    context = pki.context(HOST)
    context.maximum_version = maximum
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata=pki.root.pem)
    return context


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_client_certificate_wanted(pki: checking.Pki, security: str) -> None:
    context = client_certificate_wanted(pki, ssl.TLSVersion.TLSv1_3)
    behaviour = Behaviour(capabilities=("STARTTLS",), context=context, tls=security == "tls")
    with ScriptedRelay(behaviour) as relay:
        report = check(relay, transport_security=security, tls_ca_chain=pki.root.pem)

    assert report.kind is Kind.CLIENT_CERTIFICATE


def test_relay_without_a_certificate_says_so_in_words(pki: checking.Pki) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    report = over_tls(pki, context)

    assert report.kind is Kind.TLS_ALERT
    assert "port does not speak TLS" not in report.summary
    assert diagnosis(report)[2].startswith(
        "Port and transport_security are right; the relay ends TLS, and says: handshake failure"
    )


def test_relay_that_knows_no_host_of_this_name_says_so_in_words(pki: checking.Pki) -> None:
    context = pki.context(HOST)

    def refuse(*_: object) -> int:
        return ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME

    context.sni_callback = refuse
    report = over_tls(pki, context)

    assert report.kind is Kind.TLS_ALERT
    assert "unrecognized name" in diagnosis(report)[2]


# Certificates.


def test_all_faults_of_a_certificate_at_once(pki: checking.Pki) -> None:
    begin, end = ca.utc(2020, 1, 2), ca.utc(2021, 1, 2)
    context = pki.context("mail.test", issuer=None, begin=begin, end=end)

    report = over_tls(pki, context, tls_ca_chain=None)

    assert report.kind is Kind.CERTIFICATE_SELF_SIGNED
    _, summary, sentence, remedy = diagnosis(report)
    assert summary == (
        "certificate is self-signed: self-signed certificate (code 18); "
        "certificate has another name; certificate expired"
    )
    assert sentence == (
        "The relay's certificate is signed by itself, and not trusted here. "
        "The relay's certificate is not for relay.test but for mail.test. "
        "A certificate has expired: the relay's own is from 2020-01-02 03:04 UTC to "
        "2021-01-02 03:04 UTC."
    )
    assert remedy == " ".join(
        kind.remedy.format(host=HOST)
        for kind in (
            Kind.CERTIFICATE_SELF_SIGNED,
            Kind.CERTIFICATE_NAME,
            Kind.CERTIFICATE_EXPIRED,
        )
    )


@pytest.mark.parametrize(
    ("names", "host", "covers"),
    [
        (("relay.test",), "relay.test", True),
        (("RELAY.test",), "relay.TEST", True),
        (("*.relay.test",), "a.relay.test", True),
        (("*.relay.test",), "a.b.relay.test", False),
        (("*.relay.test",), "relay.test", False),
        (("10.9.8.7", "2001:db8::1"), "2001:db8::1", True),
        (("10.9.8.7",), "10.9.8.8", False),
    ],
)
def test_names_that_a_certificate_covers(
    names: tuple[str, ...], host: str, *, covers: bool
) -> None:
    assert relay_check.Certificate("CN=x", names=names).covers(host) is covers


def test_certificate_with_a_common_name_alone(pki: checking.Pki) -> None:
    report = over_tls(pki, pki.context(subject=HOST))

    assert report.works
    [warning] = report.warnings
    assert warning.kind is Kind.CERTIFICATE_NO_NAMES
    assert warning.remedy == (
        "Have a certificate made with a subject alternative name for relay.test."
    )


@pytest.mark.parametrize(("days", "warned"), [(20, True), (22, False)])
def test_certificate_that_ends_soon(pki: checking.Pki, days: int, *, warned: bool) -> None:
    end = ca.now() + days * ca.DAY + dt.timedelta(hours=1)

    report = over_tls(pki, pki.context(HOST, end=end))

    assert report.works
    assert [each.kind for each in report.warnings] == [Kind.CERTIFICATE_EXPIRES_SOON] * warned
    assert all("ends in 20 days, on " in each.sentence for each in report.warnings)


@pytest.mark.parametrize(
    ("prefix", "reason"),
    [
        ("\N{BYTE ORDER MARK}", "it begins with a byte order mark"),
        ("# Für die Prüfung\n", "letters beyond ASCII, in a comment for example"),
    ],
)
def test_what_is_wrong_with_the_pem_is_told(pki: checking.Pki, prefix: str, reason: str) -> None:
    report = over_tls(pki, pki.good, tls_ca_chain=prefix + pki.root.pem)

    assert report.summary == f"tls_ca_chain unusable: {reason}"


def test_key_in_the_place_of_a_certificate_is_told_and_not_shown(pki: checking.Pki) -> None:
    key = "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n"

    report = over_tls(pki, pki.good, tls_ca_chain=key)

    assert report.summary == "tls_ca_chain unusable: a private key, no certificate"
    assert "c2VjcmV0" not in "\n".join(report.lines())

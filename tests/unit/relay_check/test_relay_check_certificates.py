"""What the report says of certificates, as Python reads them and as they are."""

from __future__ import annotations

import datetime as dt
import ssl

import certificate_authority as ca
import checking
import hypothesis
import hypothesis.strategies as st
import pytest
from checking import HOST, check
from cryptography import x509
from cryptography.x509.name import _ASN1Type as NAME  # pyright: ignore[reportPrivateUsage]
from cryptography.x509.oid import NameOID
from scripted_relay import Behaviour, ScriptedRelay

import relay_check

DATE = "%Y-%m-%d %H:%M UTC"


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_facts(pki: checking.Pki, security: str) -> None:
    end = ca.now() + 30 * ca.DAY + dt.timedelta(hours=1)
    context = pki.context(HOST, "*.relay.test", "127.0.0.1", "2001:db8::1", end=end)
    behaviour = Behaviour(capabilities=("STARTTLS",), context=context, tls=security == "tls")
    with ScriptedRelay(behaviour) as relay:
        report = check(relay, transport_security=security, tls_ca_chain=pki.root.pem)

    tls = report.stage("tls")
    assert tls is not None
    facts = dict(tls.facts)
    del facts["not-before"]
    assert facts.pop("cipher").startswith("TLS_")
    assert facts == {
        "verification": "on, with tls_ca_chain alone",
        "version": "TLSv1.3",
        "subject": f"CN={HOST}, O=Test",
        "names": f"{HOST}, *.relay.test, 127.0.0.1, 2001:db8::1",
        "issuer": "CN=Test CA, O=Test",
        "not-after": end.strftime(DATE),
        "days-left": "30",
        "strict-verification": "passed",
    }


def test_stages_are_in_the_order_of_the_dialogue(pki: checking.Pki) -> None:
    def names(security: str) -> list[str]:
        behaviour = Behaviour(capabilities=("STARTTLS",), context=pki.good, tls=security == "tls")
        with ScriptedRelay(behaviour) as relay:
            report = check(relay, transport_security=security, tls_ca_chain=pki.root.pem)
        assert report.works
        return [stage.name for stage in report.stages]

    rest = ["auth", "envelope", "quit"]
    assert names("none") == ["resolve", "connect", "banner", "ehlo", "tls", *rest]
    assert names("tls") == ["resolve", "connect", "tls", "banner", "ehlo", *rest]
    assert names("starttls") == [
        *["resolve", "connect", "banner", "ehlo", "tls", "ehlo-after-tls"],
        *rest,
    ]


@pytest.mark.parametrize(
    ("begin", "end"), [((1951, 1, 1), (2049, 12, 31)), ((2050, 1, 1), (9999, 12, 31))]
)
def test_dates_of_two_and_of_four_digits(
    begin: tuple[int, int, int], end: tuple[int, int, int]
) -> None:
    made = ca.make(HOST, begin=ca.utc(*begin), end=ca.utc(*end))

    read = relay_check.read_certificate(made.der)

    assert read.not_before == ca.utc(*begin)
    assert read.not_after == ca.utc(*end)


def test_certificate_without_names() -> None:
    read = relay_check.read_certificate(ca.make(subject="Test CA", authority=True).der)

    assert read.subject == "CN=Test CA, O=Test"
    assert read.names == ()


@hypothesis.given(
    text=st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=60),
    many=st.integers(1, 60),
)
@hypothesis.settings(max_examples=30)
def test_reads_what_cryptography_wrote(text: str, many: int) -> None:
    names = [f"host-{number}.example.com" for number in range(many)]

    read = relay_check.read_certificate(ca.make(*names, subject=text).der)

    assert read.subject == f"CN={text}, O=Test"
    assert read.names == tuple(names)


def test_string_of_two_bytes_a_letter() -> None:
    attribute = x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Bücher", NAME.BMPString)

    read = relay_check.read_certificate(ca.make(HOST, organization=attribute).der)

    assert read.subject == f"CN={HOST}, O=Bücher"


@hypothesis.given(cut=st.integers(0, 400))
def test_certificate_that_is_cut_short_is_empty(cut: int) -> None:
    hypothesis.assume(cut < len(CERTIFICATE))

    assert relay_check.read_certificate(CERTIFICATE[:cut]) == relay_check.Certificate()


@hypothesis.given(data=st.data())
def test_certificate_of_wrong_bytes_raises_nothing(data: st.DataObject) -> None:
    der = bytearray(CERTIFICATE)
    for _ in range(3):
        der[data.draw(st.integers(0, len(der) - 1))] = data.draw(st.integers(0, 255))

    relay_check.read_certificate(bytes(der))


CERTIFICATE = ca.make(HOST, "127.0.0.1").der


def test_control_characters_of_a_certificate_are_made_visible(pki: checking.Pki) -> None:
    context = pki.context(HOST, subject="evil\x1b[31m")
    with ScriptedRelay(Behaviour(tls=True, context=context)) as relay:
        report = check(relay, transport_security="tls", skip_ssl_verify=True)

    tls = report.stage("tls")
    assert tls is not None
    assert tls.facts["subject"] == "CN=evil\\x1b[31m, O=Test"


def test_chain_of_the_relay_counts(pki: checking.Pki) -> None:
    middle = ca.make(subject="Middle CA", authority=True, issuer=pki.root)
    leaf = ca.make(HOST, issuer=middle)
    context = leaf.context(pki.folder, above=[middle])
    assert isinstance(context, ssl.SSLContext)
    with ScriptedRelay(Behaviour(tls=True, context=context)) as relay:
        report = check(relay, transport_security="tls", tls_ca_chain=pki.root.pem)

    assert report.works
    assert report.warnings == []

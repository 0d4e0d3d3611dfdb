"""`connect` and `ssl_context`, against relays on real sockets."""

from __future__ import annotations

import email.message
import smtplib
import ssl
from typing import Any

import library_relay
import pytest

from charms.smtp_integrator.v0 import smtp

PASSWORD = "pässwörd@/%"
USER = "notifier"
AUTH = {"auth_type": "plain", "user": USER, "password": PASSWORD}
CLEAR_LOGIN = "auth_type=plain with transport_security=none: the password travels in the clear"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> library_relay.Certificate:
    return library_relay.certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> library_relay.Certificate:
    return library_relay.certificate(tmp_path_factory.mktemp("other"))


def data(relay: library_relay.Relay, transport_security: str, **fields: Any) -> Any:
    where: dict[str, Any] = {
        "host": "127.0.0.1",
        "port": relay.port,
        "auth_type": "none",
        "transport_security": transport_security,
    }
    where.update(fields)
    return smtp.SmtpRelationData(**where)


def message() -> email.message.EmailMessage:
    made = email.message.EmailMessage()
    made["From"], made["To"] = "a@example.com", "b@example.com"
    made.set_content("Hello")
    return made


# What goes over the wire.


def test_a_clear_session_says_ehlo_and_sends() -> None:
    with library_relay.Relay("SIZE") as relay, data(relay, "none").connect() as client:
        assert isinstance(client, smtplib.SMTP)
        client.send_message(message())
    assert relay.verbs == ["EHLO", "MAIL", "RCPT", "DATA", "QUIT"]
    assert relay.ended == ["quit"]


def test_starttls_comes_before_anything_else(certificate: library_relay.Certificate) -> None:
    offers = ("AUTH PLAIN LOGIN",)
    relay = library_relay.Relay("STARTTLS", offers_in_tls=offers, tls=certificate.server)
    with relay, data(relay, "starttls", tls_ca_chain=certificate.authority, **AUTH).connect():
        pass
    assert [line.split(" ")[0] + " " + line.split(" ")[1].upper() for line in relay.received] == [
        "clear EHLO",
        "clear STARTTLS",
        "tls EHLO",
        "tls AUTH",
        "tls QUIT",
    ]


def test_implicit_tls_comes_with_the_first_byte(certificate: library_relay.Certificate) -> None:
    relay = library_relay.Relay(
        offers_in_tls=("AUTH PLAIN",), tls=certificate.server, implicit=True
    )
    with relay, data(relay, "tls", tls_ca_chain=certificate.authority, **AUTH).connect() as client:
        client.send_message(message())
    assert all(line.startswith("tls ") for line in relay.received)
    assert relay.verbs == ["EHLO", "AUTH", "MAIL", "RCPT", "DATA", "QUIT"]


@pytest.mark.parametrize("auth_type", ["none", "not_provided"])
def test_there_is_no_auth_unless_the_provider_says_so(auth_type: str) -> None:
    relay = library_relay.Relay("AUTH PLAIN")
    with relay, data(relay, "none", **{**AUTH, "auth_type": auth_type}).connect():
        pass
    assert relay.verbs == ["EHLO", "QUIT"]


# STARTTLS never falls back.


def test_starttls_that_is_not_offered_is_an_error(certificate: library_relay.Certificate) -> None:
    relay = library_relay.Relay("AUTH PLAIN", tls=certificate.server)
    with relay, pytest.raises(smtplib.SMTPNotSupportedError, match="STARTTLS"):
        data(relay, "starttls", **AUTH).connect().__enter__()
    assert relay.verbs == ["EHLO", "QUIT"]


def test_starttls_that_is_refused_is_an_error() -> None:
    refusal = {"STARTTLS": "454 TLS not available due to temporary reason"}
    relay = library_relay.Relay("STARTTLS", "AUTH PLAIN", answers=refusal)
    with relay, pytest.raises(smtplib.SMTPResponseException, match="454"):
        data(relay, "starttls", **AUTH).connect().__enter__()
    assert relay.verbs == ["EHLO", "STARTTLS", "QUIT"]


# Certificates.


@pytest.mark.parametrize("implicit", [True, False])
@pytest.mark.parametrize("published", [True, False])
def test_an_unknown_authority_is_refused(
    certificate: library_relay.Certificate,
    other: library_relay.Certificate,
    *,
    implicit: bool,
    published: bool,
) -> None:
    relay = library_relay.Relay("STARTTLS", tls=certificate.server, implicit=implicit)
    chain = other.authority if published else None
    read = data(relay, "tls" if implicit else "starttls", tls_ca_chain=chain, **AUTH)
    with relay, pytest.raises(ssl.SSLCertVerificationError, match="certificate verify failed"):
        read.connect().__enter__()
    assert relay.ended == ["failed handshake"]


@pytest.mark.parametrize("implicit", [True, False])
def test_a_certificate_for_another_host_is_refused(
    certificate: library_relay.Certificate, *, implicit: bool
) -> None:
    relay = library_relay.Relay("STARTTLS", tls=certificate.server, implicit=implicit)
    read = data(
        relay, "tls" if implicit else "starttls", tls_ca_chain=certificate.authority, **AUTH
    )
    read.host = "localhost"
    with relay, pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        read.connect().__enter__()
    assert "AUTH" not in relay.verbs


@pytest.mark.parametrize("implicit", [True, False])
def test_no_certificate_is_verified_where_the_provider_says_so(
    certificate: library_relay.Certificate, other: library_relay.Certificate, *, implicit: bool
) -> None:
    relay = library_relay.Relay("STARTTLS", tls=certificate.server, implicit=implicit)
    read = data(
        relay,
        "tls" if implicit else "starttls",
        skip_ssl_verify=True,
        tls_ca_chain=other.authority,
    )
    with relay, read.connect() as client:
        client.noop()
    assert relay.ended == ["quit"]


def test_the_context_verifies_by_the_published_authority_alone(
    certificate: library_relay.Certificate,
) -> None:
    with library_relay.Relay() as relay:
        context = data(relay, "tls", tls_ca_chain=certificate.authority).ssl_context()
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert len(context.get_ca_certs()) == 1


@pytest.mark.parametrize("chain", ["no PEM", "keine Prüfung", "\ufeff", "Ő"])
def test_a_chain_that_is_no_pem_is_an_ssl_error(chain: str) -> None:
    with library_relay.Relay() as relay, pytest.raises(ssl.SSLError):
        data(relay, "tls", tls_ca_chain=chain).ssl_context()


def test_a_chain_may_have_comments_in_any_language(certificate: library_relay.Certificate) -> None:
    relay = library_relay.Relay(tls=certificate.server, implicit=True)
    chain = f"\ufeff# Főtanúsítvány\n{certificate.authority}"
    with relay, data(relay, "tls", tls_ca_chain=chain).connect() as client:
        client.noop()


def test_a_published_authority_is_trusted_as_leniently_on_every_python(
    certificate: library_relay.Certificate,
) -> None:
    with library_relay.Relay() as relay:
        by_authority = data(relay, "tls", tls_ca_chain=certificate.authority).ssl_context()
        by_system = data(relay, "tls").ssl_context()
    assert not by_authority.verify_flags & ssl.VERIFY_X509_STRICT
    assert by_system.verify_flags == ssl.create_default_context().verify_flags


def test_the_dot_at_the_end_of_a_name_is_not_the_certificates(
    certificate: library_relay.Certificate,
) -> None:
    relay = library_relay.Relay(tls=certificate.server, implicit=True)
    read = data(relay, "tls", tls_ca_chain=certificate.authority)
    read.host = "127.0.0.1."
    with relay, read.connect() as client:
        client.noop()


# A password in the clear.


def test_a_password_in_the_clear_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    relay = library_relay.Relay("AUTH PLAIN")
    with relay, data(relay, "none", **AUTH).connect():
        pass
    assert caplog.messages == [CLEAR_LOGIN]


def test_an_encrypted_password_and_none_are_no_warning(
    certificate: library_relay.Certificate, caplog: pytest.LogCaptureFixture
) -> None:
    relay = library_relay.Relay("STARTTLS", offers_in_tls=("AUTH PLAIN",), tls=certificate.server)
    with relay:
        with data(relay, "starttls", tls_ca_chain=certificate.authority, **AUTH).connect():
            pass
        with data(relay, "none").connect():
            pass
    assert caplog.messages == []


# The end.


def test_an_error_of_the_caller_ends_the_session() -> None:
    relay = library_relay.Relay()
    with relay, pytest.raises(LookupError), data(relay, "none").connect():
        raise LookupError
    assert relay.ended == ["quit"]


def test_a_relay_that_drops_the_connection_is_the_clients_error() -> None:
    relay = library_relay.Relay(answers={"MAIL": "421 4.3.2 shutting down"})
    refused = pytest.raises(smtplib.SMTPSenderRefused)
    with relay, refused, data(relay, "none").connect() as client:
        client.send_message(message())


def test_a_relay_that_turns_us_away_is_an_error() -> None:
    relay = library_relay.Relay(greeting="554 go away")
    with relay, pytest.raises(smtplib.SMTPConnectError, match="554"):
        data(relay, "none").connect().__enter__()


def test_a_silent_relay_is_a_timeout() -> None:
    relay = library_relay.Relay(answers={"EHLO": "250-never ending"})
    with relay, pytest.raises((OSError, smtplib.SMTPException)):
        data(relay, "none").connect(timeout=0.1).__enter__()


@pytest.mark.parametrize(
    "host", ["smtp..example.com", ".example.com", f"{'a' * 64}.example.com", "."]
)
@pytest.mark.parametrize("transport_security", ["none", "tls"])
def test_what_can_be_no_host_is_an_os_error(host: str, transport_security: str) -> None:
    with library_relay.Relay() as relay:
        read = data(relay, transport_security, host=host)
    with pytest.raises(OSError, match="can be no host's name"):
        read.connect().__enter__()


def test_no_relay_is_an_os_error() -> None:
    with library_relay.Relay() as relay:
        read = data(relay, "none")
    with pytest.raises(ConnectionRefusedError):
        read.connect().__enter__()

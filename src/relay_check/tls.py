"""TLS: contexts, the handshake, and what a failed one means."""

from __future__ import annotations

import contextlib
import datetime as dt
import ssl
from typing import TYPE_CHECKING

from relay_check import alerts, wire
from relay_check.certificate import Certificate, read_certificate
from relay_check.kinds import Kind
from relay_check.session import FailedError

if TYPE_CHECKING:
    from relay_check.session import Record, Session
    from relay_check.target import Target

# A certificate is renewed a month before its end, or a third of its life: this is late.
_SOON = 21

# x509_vfy.h of OpenSSL.
_NO_ISSUER = 2
_CERTIFICATE_KINDS = {
    _NO_ISSUER: Kind.CERTIFICATE_UNKNOWN_CA,
    9: Kind.CERTIFICATE_NOT_YET_VALID,
    10: Kind.CERTIFICATE_EXPIRED,
    18: Kind.CERTIFICATE_SELF_SIGNED,
    19: Kind.CERTIFICATE_UNKNOWN_CA,
    20: Kind.CERTIFICATE_UNKNOWN_CA,
    21: Kind.CERTIFICATE_UNKNOWN_CA,
    62: Kind.CERTIFICATE_NAME,
    64: Kind.CERTIFICATE_NAME,
}


def start_tls(session: Session) -> None:
    """Go through the stage `tls`."""
    with session.stage("tls") as record:
        target = session.target
        record.facts["verification"] = _verification(target)
        if target.transport_security == "starttls":
            _ask_for_tls(session)
        try:
            context = _context(target)
        except (ssl.SSLError, TypeError, ValueError) as e:
            fault = _chain_fault(target.tls_ca_chain or "")
            reason = fault or getattr(e, "reason", None) or "no certificate in PEM"
            raise session.failed(Kind.CA_CHAIN_UNUSABLE, reason) from None
        _shake_hands(session, record, context)
        _describe_tls(session, record)
        if target.skip_ssl_verify:
            record.warnings.append(session.diagnose(Kind.CERTIFICATE_UNVERIFIED))


def _chain_fault(pem: str) -> str | None:
    """Say what is wrong with PEM that cannot be used, without a word of its content."""
    if pem.startswith("\N{BYTE ORDER MARK}"):
        return "it begins with a byte order mark"
    if "-----BEGIN CERTIFICATE-----" not in pem:
        return "a private key, no certificate" if "PRIVATE KEY-----" in pem else None
    return None if pem.isascii() else "letters beyond ASCII, in a comment for example"


def verify_strictly(session: Session) -> None:
    """Add a warning to the stage `tls` if only strict verification refuses the certificate.

    That takes a connection of its own, after all is done, so that it can neither fail nor delay
    anything.
    """
    record = session.record("tls")
    if not record or record.diagnosis or record.skipped or session.target.skip_ssl_verify:
        return
    session.clock.begin_stage()
    context = _context(session.target, strict=True)
    try:
        with contextlib.closing(session.reopen(context)) as connection:
            wire.part(connection)
        record.facts["strict-verification"] = "passed"
    except ssl.SSLCertVerificationError as e:
        warning = session.diagnose(Kind.CERTIFICATE_NOT_STRICT, _verify_error(e))
        record.warnings.append(warning)
        record.facts["strict-verification"] = "failed"
    except (OSError, wire.NotSmtpError):
        record.facts["strict-verification"] = "not checked: no second connection"


def client_hello(host: str) -> bytes:
    """Return the first bytes of a client of TLS."""
    outgoing = ssl.MemoryBIO()
    client = _unverified_context().wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=host)
    with contextlib.suppress(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()


# Contexts.


def _context(target: Target, *, strict: bool = False) -> ssl.SSLContext:
    """Return what a requirer uses, as lenient on every Python as 3.12 is, or strict."""
    if target.skip_ssl_verify:
        return _unverified_context()
    context = ssl.create_default_context(cadata=target.tls_ca_chain or None)
    _demand_version(context)
    context.verify_flags &= ~(ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN)
    if strict:
        context.verify_flags |= ssl.VERIFY_X509_STRICT
    return context


def _unverified_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    _demand_version(context)
    return context


def _demand_version(context: ssl.SSLContext) -> None:
    # Debian's Python leaves the versions to OpenSSL, which then fails in words of its own.
    context.minimum_version = max(context.minimum_version, ssl.TLSVersion.TLSv1_2)


def _verification(target: Target) -> str:
    if target.skip_ssl_verify:
        return "off, by skip_ssl_verify"
    return "on, with tls_ca_chain alone" if target.tls_ca_chain else "on, with the system's CAs"


# The handshake.


def _ask_for_tls(session: Session) -> None:
    if "STARTTLS" not in session.capabilities:
        raise session.failed(Kind.STARTTLS_NOT_OFFERED)
    reply = session.connection.command("STARTTLS")
    if reply.code != 220:  # noqa: PLR2004 - RFC 3207 section 4
        raise session.refused("starttls", reply)


def _shake_hands(session: Session, record: Record, context: ssl.SSLContext) -> None:
    # The order counts: each of these is an OSError, and the first is an SSLError too.
    try:
        session.connection.wrap(context, session.host)
    except ssl.SSLCertVerificationError as e:
        raise _certificate_failure(session, record, e) from None
    except TimeoutError:
        raise
    except (ssl.SSLError, ConnectionError) as e:
        raise _handshake_failure(session, e) from None


def _describe_tls(session: Session, record: Record) -> None:
    wrapped = session.connection.socket
    if isinstance(wrapped, ssl.SSLSocket):
        cipher = wrapped.cipher()
        record.facts["version"] = wrapped.version() or ""
        record.facts["cipher"] = cipher[0] if cipher else ""
        certificate = read_certificate(wrapped.getpeercert(binary_form=True) or b"")
        _describe_certificate(session, record, certificate)
        _warn_of_certificate(session, record, certificate)


def _describe_certificate(session: Session, record: Record, certificate: Certificate) -> None:
    facts = certificate.facts()
    record.facts.update({key: session.quote(value) for key, value in facts.items()})


def _warn_of_certificate(session: Session, record: Record, certificate: Certificate) -> None:
    if certificate.subject and not certificate.names:
        record.warnings.append(session.diagnose(Kind.CERTIFICATE_NO_NAMES, certificate.subject))
    days = certificate.days_left
    if days is not None and 0 <= days < _SOON:
        not_after = record.facts["not-after"]
        warning = session.diagnose(
            Kind.CERTIFICATE_EXPIRES_SOON, not_after, days=str(days), not_after=not_after
        )
        record.warnings.append(warning)


# What a failed handshake means.


def _certificate_failure(
    session: Session, record: Record, error: ssl.SSLCertVerificationError
) -> FailedError:
    der = _refused_certificate(session)
    certificate = read_certificate(der or b"")
    _describe_certificate(session, record, certificate)
    facts = record.facts
    kind = _CERTIFICATE_KINDS.get(error.verify_code, Kind.CERTIFICATE_REFUSED)
    if error.verify_code == _NO_ISSUER and session.target.tls_ca_chain:
        kind = Kind.CA_CHAIN_INCOMPLETE
    fields = {
        "names": facts.get("names") or ("no name" if der else "names that could not be read"),
        "issuer": facts.get("issuer") or "an unknown issuer",
        "not_before": facts.get("not-before") or "an unknown date",
        "not_after": facts.get("not-after") or "an unknown date",
        "trust": "tls_ca_chain" if session.target.tls_ca_chain else "This machine",
    }
    others = [other for other in _faults(certificate, session.host) if other is not kind]
    diagnosis = session.diagnose(kind, _verify_error(error), **fields)
    return FailedError(
        diagnosis.joined([session.diagnose(other, **fields) for other in others])
        if others
        else diagnosis
    )


def _faults(certificate: Certificate, host: str) -> list[Kind]:
    """Return what OpenSSL, which ends at the first fault, may not have come to."""
    faults: list[Kind] = []
    if certificate.subject and not certificate.covers(host):
        faults.append(Kind.CERTIFICATE_NAME)
    now = dt.datetime.now(dt.timezone.utc)
    if certificate.not_after and certificate.not_after < now:
        faults.append(Kind.CERTIFICATE_EXPIRED)
    if certificate.not_before and certificate.not_before > now:
        faults.append(Kind.CERTIFICATE_NOT_YET_VALID)
    return faults


def _refused_certificate(session: Session) -> bytes | None:
    """Look at what was refused: the handshake ended there, so it takes another, unverified."""
    try:
        with contextlib.closing(session.reopen(_unverified_context())) as connection:
            wire.part(connection)
            wrapped = connection.socket
            return (
                wrapped.getpeercert(binary_form=True)
                if isinstance(wrapped, ssl.SSLSocket)
                else None
            )
    except (OSError, wire.NotSmtpError):
        return None


def _verify_error(error: ssl.SSLCertVerificationError) -> str:
    return f"{error.verify_message.rstrip('.')} (code {error.verify_code})"


def _handshake_failure(session: Session, error: OSError) -> FailedError:
    """Say why a handshake ended, by looking at the relay in other ways."""
    reason = wire.tls_reason(error) or "end of the connection"
    ended = isinstance(error, (*wire.TLS_ENDED, ConnectionError))
    speaks_tls = alerts.words(reason) is not None or reason == "UNSUPPORTED_PROTOCOL"
    if session.target.transport_security == "tls" and not ended and not speaks_tls:
        failure = _look_in_clear(session)
        if failure:
            return failure
    version = _old_version(session)
    if version or "PROTOCOL" in reason:
        evidence = f"{version} offered" if version else reason
        return session.failed(Kind.TLS_VERSION, evidence)
    if ended:
        return session.failed(Kind.DISCONNECTED, "at tls")
    return FailedError(session.explain_tls(reason))


def _look_in_clear(session: Session) -> FailedError | None:
    try:
        with contextlib.closing(session.open()) as connection:
            banner = connection.reply()
    except OSError:
        return None
    except wire.NotSmtpError as e:
        return session.failed(Kind.NOT_SMTP, str(e))
    if banner.code != 220:  # noqa: PLR2004 - RFC 5321 section 4.3.2
        # Some relays write before TLS that they are busy or that they take no one.
        return session.refused("banner", banner)
    return session.failed(Kind.TLS_ON_CLEAR_PORT, banner.quoted)


def _old_version(session: Session) -> str | None:
    """Return the version of TLS that the relay speaks with a client that takes the oldest."""
    context = _unverified_context()
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    try:
        context.set_ciphers("ALL:@SECLEVEL=0")
        with contextlib.closing(session.reopen(context)) as connection:
            wrapped = connection.socket
            version = wrapped.version() if isinstance(wrapped, ssl.SSLSocket) else None
            wire.part(connection)
    except (OSError, wire.NotSmtpError):
        return None
    return version if version in {"TLSv1", "TLSv1.1", "SSLv3"} else None

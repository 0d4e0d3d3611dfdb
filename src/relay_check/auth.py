"""AUTH (RFC 4954): one mechanism, one attempt."""

from __future__ import annotations

import base64
import hmac
from typing import TYPE_CHECKING

from relay_check import wire
from relay_check.kinds import Kind

if TYPE_CHECKING:
    from relay_check.session import Record, Session
    from relay_check.target import Target

# RFC 4954 section 6.
_SUCCESS = 235


def authenticate(session: Session, *, attempt: bool, redeem: bool = False) -> None:
    """Go through the stages `token` and `auth`: one attempt at the most, with one mechanism.

    Args:
        session: The way so far.
        attempt: Whether to try AUTH, where the target wants it.
        redeem: Whether to redeem a refresh token; if not, AUTH is left out with one.
    """
    target = session.target
    offered = session.quote(session.capabilities.get("AUTH", ""))
    if not target.authenticates:
        session.skip("auth", f"auth_type={target.auth_type}", offered=offered)
        return
    if not attempt:
        session.skip("auth", "no attempt was wanted", offered=offered)
        return
    if target.auth_type == "oauth2" and not _has_token(session, redeem=redeem):
        session.skip("auth", "the refresh token was not redeemed", offered=offered)
        return
    with session.stage("auth") as record:
        record.facts["offered"] = offered
        _try(session, record)


def _has_token(session: Session, *, redeem: bool) -> bool:
    from relay_check import oauth  # noqa: PLC0415 - http.client and more, which few relays need

    assert session.target.oauth is not None  # noqa: S101 - a target is validated
    oauth.obtain_token(session, session.target.oauth, redeem=redeem)
    return bool(session.token)


def _try(session: Session, record: Record) -> None:
    mechanism = _choose_mechanism(session)
    record.facts["chosen"] = mechanism
    # CRAM-MD5 hides the password, but who listens can guess it, and read the mail.
    hides = mechanism == "CRAM-MD5" and "STARTTLS" not in session.capabilities
    if not session.connection.is_encrypted and not hides:
        kind = Kind.TOKEN_IN_CLEAR if session.token else Kind.AUTH_IN_CLEAR
        record.warnings.append(session.diagnose(kind))
    # Relays hold a refusal back for seconds, and whoever does not wait for it tries again.
    session.clock.extend_stage()
    reply = _attempt(session, mechanism)
    record.facts["answer"] = reply.quoted
    if not reply.is_positive:
        raise session.refused("auth", reply)
    if reply.code != _SUCCESS:
        raise session.failed(Kind.PROTOCOL, reply.quoted)
    session.authenticated = True


def _choose_mechanism(session: Session) -> str:
    """Choose as the library's `connect()` does, so that the two never disagree."""
    encrypted = session.connection.is_encrypted
    offered = session.capabilities.get("AUTH", "").upper().split()
    if not offered and not encrypted and "STARTTLS" in session.capabilities:
        raise session.failed(Kind.AUTH_AFTER_TLS)
    if not offered:
        raise session.failed(Kind.AUTH_NOT_OFFERED)
    if session.token:
        from relay_check import oauth  # noqa: PLC0415 - as above

        return oauth.choose_mechanism(session)
    chosen = next((each for each in ("PLAIN", "LOGIN", "CRAM-MD5") if each in offered), None)
    if chosen == "CRAM-MD5" and not _has_md5():
        # Some relays take PLAIN unlisted; in the clear it would show the password.
        chosen = "PLAIN" if encrypted else None
    if not chosen:
        listed = session.quote(session.capabilities["AUTH"])
        if {"XOAUTH2", "OAUTHBEARER"} & set(offered):
            raise session.failed(Kind.PASSWORDS_OFF, listed)
        raise session.failed(
            Kind.AUTH_NO_MECHANISM, listed, offered=listed, usable="PLAIN, LOGIN or CRAM-MD5"
        )
    return chosen


def _attempt(session: Session, mechanism: str) -> wire.Reply:
    if session.token:
        from relay_check import oauth  # noqa: PLC0415 - as above

        return oauth.attempt(session, mechanism)
    return _attempt_password(session.connection, mechanism, session.target)


def _attempt_password(connection: wire.Connection, mechanism: str, target: Target) -> wire.Reply:
    user = (target.user or "").encode(errors="surrogatepass")
    password = (target.password or "").encode(errors="surrogatepass")
    plain = wire.plain_response(target)
    command = f"AUTH {mechanism}"
    if mechanism == "PLAIN":
        command = wire.auth_command(mechanism, wire.base64_of(plain))
    reply = connection.command(command)
    if mechanism == "PLAIN":
        # Some relays want it by itself; it is one attempt still.
        steps = [plain]
    elif mechanism == "LOGIN":
        steps = [user, password]
    else:
        steps = [user + b" " + _cram_digest(password, reply).encode()]
    for step in steps:
        if reply.code != wire.CHALLENGE:
            break
        reply = connection.command(wire.base64_of(step))
    return reply


def _cram_digest(password: bytes, reply: wire.Reply) -> str:
    """RFC 2195 section 2; a challenge that is not base64 gets an answer that cannot be right."""
    try:
        challenge = base64.b64decode(reply.text)
    except ValueError:
        challenge = b""
    return hmac.new(password, challenge, "md5").hexdigest()


def _has_md5() -> bool:
    """Whether this machine's policy allows MD5; FIPS 140 does not."""
    try:
        hmac.new(b"", b"", "md5")
    except ValueError:
        return False
    return True

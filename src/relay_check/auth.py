"""AUTH (RFC 4954): one mechanism, one attempt."""

from __future__ import annotations

import base64
import hmac
from typing import TYPE_CHECKING

from relay_check import wire
from relay_check.kinds import Kind

if TYPE_CHECKING:
    from relay_check.session import Session
    from relay_check.target import Target

# RFC 4954 section 4: what makes the command longer is for the answer to a challenge.
_MAX_COMMAND = 512


def authenticate(session: Session, *, attempt: bool) -> None:
    """Go through the stage `auth`: one attempt at the most, with one mechanism."""
    target = session.target
    offered = session.quote(session.capabilities.get("AUTH", ""))
    if target.auth_type != "plain":
        session.skip("auth", f"auth_type={target.auth_type}", offered=offered)
        return
    if not attempt:
        session.skip("auth", "no attempt was wanted", offered=offered)
        return
    with session.stage("auth") as record:
        record.facts["offered"] = offered
        mechanism = _choose_mechanism(session)
        record.facts["chosen"] = mechanism
        # CRAM-MD5 hides the password, but who listens can guess it, and read the mail.
        hides = mechanism == "CRAM-MD5" and "STARTTLS" not in session.capabilities
        if not session.connection.is_encrypted and not hides:
            record.warnings.append(session.diagnose(Kind.AUTH_IN_CLEAR))
        # Relays hold a refusal back for seconds, and whoever does not wait for it tries again.
        session.clock.extend_stage()
        reply = _attempt(session.connection, mechanism, target)
        record.facts["answer"] = reply.quoted
        if not reply.is_positive:
            raise session.refused("auth", reply)
        session.authenticated = True


def _choose_mechanism(session: Session) -> str:
    """Choose as the library's `connect()` does, so that the two never disagree."""
    encrypted = session.connection.is_encrypted
    offered = session.capabilities.get("AUTH", "").upper().split()
    if not offered and not encrypted and "STARTTLS" in session.capabilities:
        raise session.failed(Kind.AUTH_AFTER_TLS)
    if not offered:
        raise session.failed(Kind.AUTH_NOT_OFFERED)
    chosen = next((each for each in ("PLAIN", "LOGIN", "CRAM-MD5") if each in offered), None)
    if chosen == "CRAM-MD5" and not _has_md5():
        # Some relays take PLAIN unlisted; in the clear it would show the password.
        chosen = "PLAIN" if encrypted else None
    if not chosen:
        listed = session.quote(session.capabilities["AUTH"])
        raise session.failed(
            Kind.AUTH_NO_MECHANISM, listed, offered=listed, usable="PLAIN, LOGIN or CRAM-MD5"
        )
    return chosen


def _attempt(connection: wire.Connection, mechanism: str, target: Target) -> wire.Reply:
    user = (target.user or "").encode(errors="surrogatepass")
    password = (target.password or "").encode(errors="surrogatepass")
    plain = wire.plain_response(target)
    command = f"AUTH {mechanism}"
    with_response = f"{command} {wire.base64_of(plain)}"
    if mechanism == "PLAIN" and len(with_response) + len(wire.CRLF) <= _MAX_COMMAND:
        command = with_response
    reply = connection.command(command)
    if mechanism == "PLAIN":
        # Some relays want it by itself; it is one attempt still.
        steps = [plain]
    elif mechanism == "LOGIN":
        steps = [user, password]
    else:
        steps = [user + b" " + _cram_digest(password, reply).encode()]
    for step in steps:
        if reply.code != 334:  # noqa: PLR2004 - RFC 4954 section 4
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

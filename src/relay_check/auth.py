"""AUTH (RFC 4954): one mechanism, one attempt."""

from __future__ import annotations

import base64
import hmac
from typing import TYPE_CHECKING

from relay_check import answers, wire
from relay_check.kinds import Kind

if TYPE_CHECKING:
    from relay_check.session import Session
    from relay_check.target import Target


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
        if not session.connection.is_encrypted and mechanism != "CRAM-MD5":
            record.warnings.append(session.diagnose(Kind.AUTH_IN_CLEAR))
        # Relays hold a refusal back for seconds, and whoever does not wait for it tries again.
        session.clock.extend_stage()
        reply = _attempt(session.connection, mechanism, target)
        record.facts["answer"] = reply.quoted
        if not reply.is_positive:
            kind = answers.auth_kind(reply, encrypted=session.connection.is_encrypted)
            raise session.failed(kind, reply.quoted)


def _choose_mechanism(session: Session) -> str:
    encrypted = session.connection.is_encrypted
    offered = session.capabilities.get("AUTH", "").upper().split()
    if not offered and not encrypted and "STARTTLS" in session.capabilities:
        raise session.failed(Kind.AUTH_AFTER_TLS)
    if not offered:
        raise session.failed(Kind.AUTH_NOT_OFFERED)
    # In the clear, the one that does not show the password comes first.
    preferred = ["PLAIN", "LOGIN", "CRAM-MD5"] if encrypted else ["CRAM-MD5", "PLAIN", "LOGIN"]
    if not _has_md5():
        preferred.remove("CRAM-MD5")
    usable = [mechanism for mechanism in preferred if mechanism in offered]
    if not usable:
        listed = session.quote(session.capabilities["AUTH"])
        raise session.failed(
            Kind.AUTH_NO_MECHANISM, listed, offered=listed, usable="PLAIN, LOGIN or CRAM-MD5"
        )
    return usable[0]


def _attempt(connection: wire.Connection, mechanism: str, target: Target) -> wire.Reply:
    user = (target.user or "").encode(errors="surrogatepass")
    password = (target.password or "").encode(errors="surrogatepass")
    plain = wire.plain_response(target)
    initial = f" {wire.base64_of(plain)}" if mechanism == "PLAIN" else ""
    reply = connection.command(f"AUTH {mechanism}{initial}")
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

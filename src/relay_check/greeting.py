"""The greeting: the relay's banner, and EHLO."""

from __future__ import annotations

import contextlib
import ipaddress
import re
import socket
from typing import TYPE_CHECKING

from relay_check import answers, tls, wire
from relay_check.kinds import Kind

if TYPE_CHECKING:
    from relay_check.session import Record, Session

# Seconds in which a port that speaks TLS takes a connection and answers to the beginning of TLS.
_LOOK = 2.0


def read_banner(session: Session) -> None:
    """Go through the stage `banner`."""
    with session.stage("banner") as record:
        try:
            reply = _first_reply(session)
        except wire.NotSmtpError as e:
            raise session.failed(Kind.NOT_SMTP, str(e)) from None
        record.facts["banner"] = reply.quoted
        if reply.code != 220:  # noqa: PLR2004 - RFC 5321 section 4.3.2
            raise session.failed(answers.banner_kind(reply), reply.quoted)


def _first_reply(session: Session) -> wire.Reply:
    """Return the banner, for which a relay that is slow on purpose gets all of the time."""
    connection = session.connection
    try:
        return connection.reply()
    except TimeoutError:
        if connection.has_begun:
            raise
    session.clock.extend_stage()
    if not connection.is_encrypted:
        _look_for_tls(session)
    try:
        return connection.reply()
    except TimeoutError:
        if connection.has_begun:
            raise
        raise session.failed(Kind.SILENT) from None


def _look_for_tls(session: Session) -> None:
    """Offer TLS on another connection: a relay hangs up on who speaks before its banner."""
    seconds = min(_LOOK, session.clock.remaining() / 2)
    try:
        with contextlib.closing(session.open(wire.Clock(seconds, seconds))) as other:
            other.send(tls.client_hello(session.host))
            answer = other.receive()
    except OSError:
        return
    # A record of TLS begins with its type, 21 or 22, and 3 (RFC 8446 section 5.1).
    if answer[:2] in {b"\x15\x03", b"\x16\x03"}:
        raise session.failed(Kind.CLEAR_ON_TLS_PORT)
    text = wire.text_of(answer).partition("\n")[0]
    if not re.match(r"[245]\d\d[ -]", text):
        raise session.failed(Kind.NOT_SMTP, session.quote(text))


def say_ehlo(session: Session, stage: str = "ehlo") -> None:
    """Go through the stage `ehlo`, or `ehlo-after-tls`."""
    with session.stage(stage) as record:
        connection = session.connection
        name = session.ehlo_name = session.target.ehlo_name or own_name(connection.socket)
        reply = connection.command(f"EHLO {name}")
        if reply.code in {500, 502, 504, 550}:
            record.facts["ehlo"] = reply.quoted
            reply = connection.command(f"HELO {name}")
        if not reply.is_positive:
            raise session.failed(answers.ehlo_kind(reply), reply.quoted, ehlo_name=name)
        session.capabilities = _capabilities(reply)
        _describe(session, record)


def _describe(session: Session, record: Record) -> None:
    listed = ", ".join(f"{k} {v}".strip() for k, v in session.capabilities.items())
    record.facts["capabilities"] = session.quote(listed)
    record.facts["size"] = session.quote(session.capabilities.get("SIZE", ""))


def own_name(sock: socket.socket) -> str:
    """Return this machine's full name, or else its address (RFC 5321 section 4.1.3)."""
    # socket.getfqdn() would ask the name servers, without a limit.
    name = socket.gethostname()
    if "." in name:
        return name
    address = sock.getsockname()[0]
    ip = ipaddress.ip_address(address.partition("%")[0])
    return f"[{ip}]" if ip.version == 4 else f"[IPv6:{ip}]"  # noqa: PLR2004


def _capabilities(reply: wire.Reply) -> dict[str, str]:
    """Return what EHLO listed; AUTH with an equals sign is from before RFC 2554."""
    found: dict[str, str] = {}
    for line in reply.lines[1:]:
        keyword, _, value = re.sub(r"(?i)^AUTH=", "AUTH ", line).strip().partition(" ")
        found[keyword.upper()] = f"{found.get(keyword.upper(), '')} {value}".strip()
    return found

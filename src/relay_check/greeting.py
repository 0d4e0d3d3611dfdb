"""The greeting: the relay's banner, and EHLO."""

from __future__ import annotations

import contextlib
import ipaddress
import re
import select
import socket
from typing import TYPE_CHECKING

from relay_check import tls, wire
from relay_check.kinds import Kind

if TYPE_CHECKING:
    from collections.abc import Callable

    from relay_check.session import Record, Session

# Seconds in which a port that speaks TLS takes a connection and answers to the beginning of TLS.
_LOOK = 2.0
# RFC 1123 section 2.1, with a dot at least, and no address.
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_FULL_NAME = re.compile(rf"(?=.{{1,253}}$)(?!.*\.\d+$){_LABEL}(?:\.{_LABEL})+")
# Every machine has these: relays refuse them (RFC 6761 section 6.3).
_LOCAL_NAME = re.compile(r"(?i)^localhost\.|\.(localhost|localdomain)$")

GREETING_DELAY = 6.0
"""Seconds for which postscreen of Postfix holds its banner back (`postscreen_greet_wait`)."""


def read_banner(session: Session) -> None:
    """Go through the stage `banner`."""
    with session.stage("banner") as record:
        try:
            reply = _first_reply(session)
        except wire.NotSmtpError as e:
            raise session.failed(Kind.NOT_SMTP, str(e)) from None
        record.facts["banner"] = reply.quoted
        if reply.code != 220:  # noqa: PLR2004 - RFC 5321 section 4.3.2
            raise session.refused("banner", reply)


def _first_reply(session: Session) -> wire.Reply:
    """Return the banner, for which a relay that is slow on purpose gets all of the time."""
    connection = session.connection
    try:
        return _first_words(session)
    except TimeoutError:
        if connection.has_begun:
            raise
    session.clock.extend_stage()
    if not connection.is_encrypted:
        _look_around(session)
    try:
        return connection.reply()
    except TimeoutError:
        if connection.has_begun:
            raise
        raise session.failed(Kind.SILENT) from None


def _first_words(session: Session) -> wire.Reply:
    """Return the banner, unless it is the end of a wait for the PROXY protocol."""
    try:
        reply = session.connection.reply()
    except ConnectionError:
        _look_for_proxy(session)
        raise
    if reply.is_temporary:
        _look_for_proxy(session)
    return reply


def _look_for_proxy(session: Session) -> None:
    """Try the PROXY protocol where a relay gave up only after seconds of silence."""
    if session.clock.elapsed_ms < _LOOK * 1000 or session.connection.is_encrypted:
        return
    with contextlib.suppress(OSError), contextlib.closing(session.open()) as other:
        _send_proxy_header(session, other)
        _judge_proxy(session, other.receive())


def _look_around(session: Session) -> None:
    """Speak first, on other connections: a relay hangs up on who speaks before its banner."""
    seconds = min(_LOOK, session.clock.remaining() / 2)
    clock = wire.Clock(seconds, seconds)
    main = session.connection.socket
    with contextlib.ExitStack() as stack, contextlib.suppress(OSError):
        looks: dict[socket.socket, tuple[wire.Connection, Callable[..., None]]] = {}
        for say, judge in ((_begin_tls, _judge_tls), (_send_proxy_header, _judge_proxy)):
            other = stack.enter_context(contextlib.closing(session.open(clock)))
            say(session, other)
            looks[other.socket] = (other, judge)
        while looks:
            ready, _, _ = select.select([main, *looks], [], [], clock.remaining())
            if main in ready:
                return
            for sock in ready:
                other, judge = looks.pop(sock)
                with contextlib.suppress(OSError):
                    judge(session, other.receive())


def _begin_tls(session: Session, other: wire.Connection) -> None:
    other.send(tls.client_hello(session.host))


def _judge_tls(session: Session, answer: bytes) -> None:
    # A record of TLS begins with its type, 21 or 22, and 3 (RFC 8446 section 5.1).
    if answer[:2] in {b"\x15\x03", b"\x16\x03"}:
        raise session.failed(Kind.CLEAR_ON_TLS_PORT)
    text = wire.text_of(answer).partition("\n")[0]
    if not re.match(r"[245]\d\d[ -]", text):
        raise session.failed(Kind.NOT_SMTP, session.quote(text))


def _send_proxy_header(_: Session, other: wire.Connection) -> None:
    """Send version 1 (https://www.haproxy.org/download/1.8/doc/proxy-protocol.txt)."""
    own, relay = other.socket.getsockname(), other.socket.getpeername()
    family = "TCP6" if ":" in own[0] else "TCP4"
    other.send(f"PROXY {family} {own[0]} {relay[0]} {own[1]} {relay[1]}\r\n".encode())


def _judge_proxy(session: Session, answer: bytes) -> None:
    # At once, after seconds of silence: a banner that is slow takes as long again.
    if answer.startswith(b"220"):
        raise session.failed(Kind.PROXY_PROTOCOL)


def say_ehlo(session: Session, stage: str = "ehlo") -> None:
    """Go through the stage `ehlo`, or `ehlo-after-tls`."""
    with session.stage(stage) as record:
        connection = session.connection
        name = session.ehlo_name = session.target.ehlo_name or own_name(connection.socket)
        reply = connection.command(f"EHLO {name}")
        # No other answer lists anything (RFC 5321 section 4.3.2); smtplib has it so too.
        session.capabilities = _capabilities(reply) if reply.code == 250 else {}  # noqa: PLR2004
        if reply.code in {500, 502, 504, 550}:
            record.facts["ehlo"] = reply.quoted
            reply = connection.command(f"HELO {name}")
        if not reply.is_positive:
            raise session.refused("ehlo", reply)
        _describe(session, record)


def _describe(session: Session, record: Record) -> None:
    listed = ", ".join(f"{k} {v}".strip() for k, v in session.capabilities.items())
    record.facts["capabilities"] = session.quote(listed)
    record.facts["size"] = session.quote(session.capabilities.get("SIZE", ""))


def own_name(sock: socket.socket) -> str:
    """Return this machine's full name, or else its address (RFC 5321 section 4.1.3)."""
    # socket.getfqdn() would ask the name servers, without a limit.
    name = socket.gethostname()
    if _FULL_NAME.fullmatch(name) and not _LOCAL_NAME.search(name):
        return name
    address = sock.getsockname()[0]
    ip = ipaddress.ip_address(address.partition("%")[0])
    return f"[{ip}]" if ip.version == 4 else f"[IPv6:{ip}]"  # noqa: PLR2004


def _capabilities(reply: wire.Reply) -> dict[str, str]:
    """Return what EHLO listed; AUTH with an equals sign is from before RFC 2554."""
    found: dict[str, str] = {}
    for line in reply.lines[1:]:
        keyword, *values = re.sub(r"(?i)^AUTH=", "AUTH ", line).split(maxsplit=1) or [""]
        listed = " ".join([found.get(keyword.upper(), ""), *values])
        found[keyword.upper()] = listed.strip()
    return found

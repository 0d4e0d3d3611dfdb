"""The way through: the stages in their order, until one fails."""

from __future__ import annotations

import contextlib
import socket
from typing import TYPE_CHECKING

from relay_check import auth, delivery, envelope, greeting, network, tls, wire
from relay_check.report import Report, SendReport
from relay_check.session import Session, StopError

if TYPE_CHECKING:
    import email.message
    from collections.abc import Sequence

    from relay_check.target import Target


def check(  # noqa: PLR0913 - each has a default and a name
    target: Target,
    *,
    sender: str | None = None,
    recipients: Sequence[str] = (),
    timeout: float = 10.0,
    stage_timeout: float | None = None,
    attempt_auth: bool = True,
    redeem_refresh_token: bool = False,
    resolver: network.Resolver = socket.getaddrinfo,
) -> Report:
    """Find out whether the relay would take mail. No mail is sent.

    Args:
        target: What to check.
        sender: Address to try as the envelope's sender; the empty one by default.
        recipients: Addresses to try as the envelope's recipients.
        timeout: Limit for the whole, in seconds.
        stage_timeout: Limit for each stage, in seconds; half of `timeout` by default, but for a
            banner that is slow to come and for AUTH, which get all that is left.
        attempt_auth: Whether to try AUTH, where `target` wants it. If not, the envelope is left
            out too, because its refusal would mean nothing.
        redeem_refresh_token: Whether to use up a refresh token, where `target` has one: what
            takes its place is lost, and whoever holds the same one may be locked out. If not,
            its endpoint is reached, and AUTH is left out.
        resolver: Looks up addresses, as `socket.getaddrinfo` does.

    Returns:
        The stages until the first that failed.

    Raises:
        ValueError: If an address cannot stand in an envelope.
    """
    addresses = envelope.Envelope(sender, tuple(recipients))
    session = Session(target, wire.Clock(timeout, stage_timeout))
    with contextlib.closing(session):
        with contextlib.suppress(StopError):
            _reach(session, resolver)
            auth.authenticate(session, attempt=attempt_auth, redeem=redeem_refresh_token)
            envelope.try_envelope(session, addresses)
        _finish(session)
    tls.verify_strictly(session)
    return session.report()


def send(  # noqa: PLR0913 - each has a default and a name
    target: Target,
    message: email.message.EmailMessage,
    recipients: Sequence[str],
    *,
    sender: str | None = None,
    timeout: float = 30.0,
    stage_timeout: float | None = None,
    resolver: network.Resolver = socket.getaddrinfo,
) -> SendReport:
    """Send one message through the relay. A refresh token is not redeemed for it.

    Args:
        target: The relay.
        message: What to send, with all its headers.
        recipients: Addresses of the envelope, one at least.
        sender: Address of the envelope; the empty one by default.
        timeout: Limit for the whole, in seconds.
        stage_timeout: Limit for each stage, in seconds, as for `check`.
        resolver: Looks up addresses, as `socket.getaddrinfo` does.

    Returns:
        The stages, the relay's answer, and who was refused.

    Raises:
        ValueError: If there is no recipient, or an address cannot stand in an envelope.
    """
    if not recipients:
        raise ValueError("recipients: one at least is needed")
    addresses = envelope.Envelope(sender, tuple(recipients))
    session = Session(target, wire.Clock(timeout, stage_timeout))
    with contextlib.closing(session):
        with contextlib.suppress(StopError):
            _reach(session, resolver)
            auth.authenticate(session, attempt=True, is_needed=True)
            content = delivery.wire_format(message, utf8=not addresses.is_ascii)
            delivery.send_message(session, addresses, content)
        _finish(session)
    report = session.report()
    queue_id = delivery.queue_id(session.answer) if report.works else None
    return SendReport(report, session.answer, queue_id, session.left_out)


def _reach(session: Session, resolver: network.Resolver) -> None:
    """Do all stages until AUTH."""
    network.reach(session, resolver)
    security = session.target.transport_security
    if security == "tls":
        tls.start_tls(session)
    greeting.read_banner(session)
    greeting.say_ehlo(session)
    if security == "starttls":
        tls.start_tls(session)
        greeting.say_ehlo(session, "ehlo-after-tls")
    if security == "none":
        session.skip("tls", "transport_security=none")


def _finish(session: Session) -> None:
    """Say QUIT; after a failure, without a word on how it went."""
    if session.records[-1].diagnosis is None:
        with session.stage("quit") as record:
            try:
                record.facts["answer"] = session.connection.command("QUIT").quoted
            except (OSError, wire.NotSmtpError) as e:
                # The work is done: how the relay takes its leave breaks nothing.
                record.warnings.append(session.explain(e, "quit"))
    elif session.is_connected:
        wire.part(session.connection)

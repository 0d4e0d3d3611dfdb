"""The envelope: the sender and the recipients, as far as the relay takes them."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING

from relay_check import answers
from relay_check.kinds import Kind

if TYPE_CHECKING:
    from relay_check import wire
    from relay_check.session import Record, Session

_SPECIAL = re.compile(r"[\s<>\x00-\x1f\x7f]")


@dataclasses.dataclass(frozen=True)
class Envelope:
    """Whom a message comes from, and whom it goes to.

    Raises:
        ValueError: If an address cannot stand in a command.
    """

    sender: str | None
    recipients: tuple[str, ...]

    def __post_init__(self) -> None:
        for address in (self.sender or "", *self.recipients):
            if _SPECIAL.search(address):
                raise ValueError("an address has blanks, angle brackets or controls in it")

    @property
    def is_ascii(self) -> bool:
        """Whether no address needs SMTPUTF8."""
        return "".join((self.sender or "", *self.recipients)).isascii()

    @property
    def parameters(self) -> str:
        """What MAIL FROM needs for these addresses (RFC 6531)."""
        return "" if self.is_ascii else " SMTPUTF8"


def try_envelope(session: Session, envelope: Envelope, *, attempted: bool) -> None:
    """Go through the stage `envelope`: name the sender and the recipients, and take them back."""
    if not envelope.sender and not envelope.recipients:
        session.skip("envelope", "no address was given")
    elif session.target.auth_type == "plain" and not attempted:
        session.skip("envelope", "no AUTH was attempted")
    else:
        with session.stage("envelope") as record:
            offer(session, record, envelope)
            session.connection.command("RSET")


def offer(
    session: Session,
    record: Record,
    envelope: Envelope,
    *,
    parameters: str = "",
    partly: bool = False,
) -> dict[str, str]:
    """Say MAIL FROM and RCPT TO; with `partly`, one recipient taken is enough.

    Returns:
        The relay's answer for each recipient that it refused.
    """
    if envelope.parameters and "SMTPUTF8" not in session.capabilities:
        raise session.failed(Kind.ADDRESS_NOT_ASCII)
    sender = f"<{envelope.sender or ''}>"
    reply = session.connection.command(f"MAIL FROM:{sender}{parameters}{envelope.parameters}")
    record.facts["sender"] = f"{sender}: {reply.quoted}"
    fields = {"sender": envelope.sender or "the empty address"}
    if not reply.is_positive:
        _judge(session, record, answers.sender_kind(reply), reply, final=partly, **fields)
        return {}
    replies = [_offer_recipient(session, record, address) for address in envelope.recipients]
    refused = [(address, reply) for address, reply in replies if not reply.is_positive]
    answered = {address: reply.quoted for address, reply in refused}
    if partly and refused and len(refused) < len(replies):
        evidence = "; ".join(f"{address}: {answer}" for address, answer in answered.items())
        record.warnings.append(session.diagnose(Kind.RECIPIENTS_LEFT_OUT, evidence))
        return answered
    for address, reply in refused:
        fields["recipient"] = address
        _judge(session, record, answers.recipient_kind(reply), reply, final=partly, **fields)
    return answered


def _offer_recipient(session: Session, record: Record, address: str) -> tuple[str, wire.Reply]:
    reply = session.connection.command(f"RCPT TO:<{address}>")
    number = sum(key.startswith("recipient-") for key in record.facts) + 1
    record.facts[f"recipient-{number}"] = f"<{address}>: {reply.quoted}"
    return address, reply


def _judge(
    session: Session, record: Record, kind: Kind, reply: wire.Reply, *, final: bool, **fields: str
) -> None:
    """Fail, or warn where the relay asks to try later and nothing was to be sent."""
    kind = _fit(session, kind)
    if kind is Kind.GREYLISTED and not final:
        record.warnings.append(session.diagnose(kind, reply.quoted, **fields))
        return
    raise session.failed(kind, reply.quoted, **fields)


def _fit(session: Session, kind: Kind) -> Kind:
    """Leave out what is demanded and was done already: its remedy would mislead."""
    if kind is Kind.AUTH_REQUIRED and session.target.auth_type == "plain":
        return Kind.ENVELOPE_REFUSED
    if kind is Kind.TLS_REQUIRED and session.connection.is_encrypted:
        return Kind.ENVELOPE_REFUSED
    return kind

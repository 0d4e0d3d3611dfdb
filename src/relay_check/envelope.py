"""The envelope: the sender and the recipients, as far as the relay takes them."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING

from relay_check.kinds import Kind

if TYPE_CHECKING:
    from relay_check import wire
    from relay_check.session import Record, Session

# What may be said of the empty sender, and of no other.
_OF_THE_SENDER = (
    Kind.ADDRESS_SYNTAX,
    Kind.ENVELOPE_REFUSED,
    Kind.SENDER_DOMAIN_UNKNOWN,
    Kind.SENDER_REFUSED,
    Kind.SENDER_UNAUTHENTICATED,
    Kind.SENDER_UNVERIFIED,
)
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


def try_envelope(session: Session, envelope: Envelope) -> None:
    """Go through the stage `envelope`: name the sender and the recipients, and take them back."""
    if session.target.authenticates and not session.authenticated:
        session.skip("envelope", "no AUTH was attempted")
        return
    with session.stage("envelope") as record:
        if envelope.sender or envelope.recipients:
            offer(session, record, envelope)
        else:
            _probe(session, record)
        session.connection.command("RSET")


def _probe(session: Session, record: Record) -> None:
    """Try the empty sender: that shows whether the relay wants AUTH, or refuses this machine."""
    reply = session.connection.command("MAIL FROM:<>")
    record.facts["sender"] = f"<>: {reply.quoted}"
    if reply.is_completion:
        return
    # Some relays take no mail without a sender, and yet all other mail.
    if session.meaning("mail", reply) in _OF_THE_SENDER:
        record.facts["note"] = "the refusal may be of the empty sender alone; try a real one"
        return
    raise session.refused("mail", reply, sender="the empty address")


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
    fields = {"sender": envelope.sender or "the empty address"}
    reply = session.connection.command(f"MAIL FROM:{sender}{parameters}{envelope.parameters}")
    record.facts["sender"] = f"{sender}: {reply.quoted}"
    if not reply.is_completion:
        _judge(session, record, "mail", reply, final=partly, **fields)
        return {}
    replies = [_offer_recipient(session, record, address) for address in envelope.recipients]
    refused = {address: reply for address, reply in replies if not reply.takes_recipient}
    answered = {address: reply.quoted for address, reply in refused.items()}
    if partly and refused and len(refused) < len(replies):
        evidence = "; ".join(f"{address}: {answer}" for address, answer in answered.items())
        record.warnings.append(session.diagnose(Kind.RECIPIENTS_LEFT_OUT, evidence))
        return answered
    # What stays comes before what may pass.
    for address, reply in sorted(refused.items(), key=lambda item: item[1].is_temporary):
        fields["recipient"] = address
        _judge(session, record, "rcpt", reply, final=partly, **fields)
    return answered


def _offer_recipient(session: Session, record: Record, address: str) -> tuple[str, wire.Reply]:
    reply = session.connection.command(f"RCPT TO:<{address}>")
    number = sum(key.startswith("recipient-") for key in record.facts) + 1
    record.facts[f"recipient-{number}"] = f"<{address}>: {reply.quoted}"
    return address, reply


def _judge(
    session: Session, record: Record, stage: str, reply: wire.Reply, *, final: bool, **fields: str
) -> None:
    """Fail, or warn where the relay greylists and nothing was to be sent."""
    kind = session.meaning(stage, reply)
    if kind is Kind.GREYLISTED and not final:
        record.warnings.append(session.diagnose(kind, reply.quoted, **fields))
        return
    raise session.refused(stage, reply, **fields)

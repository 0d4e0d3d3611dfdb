"""One message: how it travels, and what the relay says of it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from relay_check import envelope, wire
from relay_check.kinds import Kind

if TYPE_CHECKING:
    import email.message

    from relay_check.session import Session


def send_message(session: Session, addresses: envelope.Envelope, content: bytes) -> None:
    """Go through the stage `message`: send it to all recipients that the relay takes."""
    with session.stage("message") as record:
        if session.target.authenticates and not session.authenticated:
            # Only a refresh token that is kept leaves AUTH out. The relay is not to blame for it.
            raise session.failed(Kind.REFRESH_TOKEN_KEPT)
        size = f" SIZE={len(content)}" if "SIZE" in session.capabilities else ""
        session.left_out = envelope.offer(session, record, addresses, parameters=size, partly=True)
        connection = session.connection
        reply = connection.command("DATA")
        if reply.is_positive:
            raise session.failed(Kind.PROTOCOL, reply.quoted)
        if reply.code == 354:  # noqa: PLR2004 - RFC 5321 section 4.1.1.4
            connection.send(content + b"." + wire.CRLF)
            reply = connection.reply()
        session.answer = record.facts["answer"] = reply.quoted
        if not reply.is_completion:
            sender = addresses.sender or "<>"
            raise session.refused("message", reply, sender=sender)


def wire_format(message: email.message.EmailMessage, *, utf8: bool) -> bytes:
    """Return the message as DATA carries it: dots doubled (RFC 5321 section 4.5.2).

    It is in seven bits, but for its headers where `utf8` says that addresses need SMTPUTF8
    (RFC 6532 section 3).
    """
    policy: Any = message.policy
    policy = policy.clone(linesep="\r\n", cte_type="7bit", utf8=utf8)
    content = message.as_bytes(policy=policy)
    if not content.endswith(wire.CRLF):
        content += wire.CRLF
    return re.sub(rb"(?m)^\.", b"..", content)


# What Postfix and smtp-sink, Exim, Exchange, sendmail, and Amazon SES write.
_QUEUE_IDS = (
    r"\b(?:queued|kept) as <?([\w.-]+)",
    r"\bid=<?([\w.-]+)",
    r"\bInternalId=(\d+)",
    r"(\w+) Message accepted for delivery",
    r"^250 (?:\d\.\d\.\d )?Ok ([\w-]{16,})$",
)


def queue_id(answer: str | None) -> str | None:
    """Return the relay's ID of a message, where its answer names it in a way that is known."""
    matches = (re.search(pattern, answer or "", re.IGNORECASE) for pattern in _QUEUE_IDS)
    return next((match[1].rstrip(".") for match in matches if match), None)

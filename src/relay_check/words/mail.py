"""The words of what goes wrong with sender, recipients and message."""

from __future__ import annotations

from relay_check.words import DATA, LATER, TEMPORARY, Words

SENDER_REFUSED = Words(
    DATA,
    "sender refused",
    "The relay does not take mail from {sender}.",
    "Set smtp_sender to an address that this account may send from.",
)
RELAY_DENIED = Words(
    DATA,
    "relaying denied",
    "The relay does not pass mail on to {recipient} for this machine or account.",
    "Set auth_type=plain with the relay's account, or have its operator allow this machine.",
)
RECIPIENT_UNKNOWN = Words(
    DATA,
    "recipient unknown",
    "The relay knows no mailbox {recipient}.",
    "Look for a typing error in recipients.",
)
GREYLISTED = Words(
    TEMPORARY,
    "asked to try later",
    "The relay defers mail the first time, most likely by greylisting; that is no error.",
    "None: applications that try again get through. If it stays, ask the relay's operator.",
)
TOO_BIG = Words(
    DATA,
    "message too big",
    "The message is bigger than the relay takes, or the mailbox is full.",
    "Send less at once, or ask the relay's operator for more room.",
)
ENVELOPE_REFUSED = Words(
    DATA,
    "envelope refused",
    "The relay refuses the sender or the recipient, for a reason of its own.",
    "Read the relay's answer; check smtp_sender and recipients.",
)
REFUSED_FOR_NOW = Words(
    TEMPORARY,
    "mail refused for now",
    "The relay cannot take this mail now.",
    LATER,
)
ADDRESS_NOT_ASCII = Words(
    DATA,
    "address needs SMTPUTF8",
    "An address has letters beyond ASCII, and the relay does not offer SMTPUTF8.",
    "Use addresses in ASCII, or a relay that offers SMTPUTF8.",
)
MESSAGE_REFUSED = Words(
    DATA,
    "message refused",
    "The relay took the envelope and refuses the message.",
    "Read the relay's answer: mostly a rule on content, or on who may send as {sender}.",
)
RECIPIENTS_LEFT_OUT = Words(
    DATA,
    "some recipients refused",
    "The relay took the message, but not for every recipient.",
    "Read the relay's answer for each recipient that it refused.",
    is_warning=True,
)

"""The words of what goes wrong with sender, recipients and message."""

from __future__ import annotations

from relay_check.words import DATA, LATER, TEMPORARY, Words

SENDER_REFUSED = Words(
    DATA,
    "sender refused",
    "The relay does not take mail from {sender}.",
    "Set smtp_sender to an address that this account may send from.",
)
SENDER_UNVERIFIED = Words(
    DATA,
    "sender not verified",
    "The provider takes mail only from senders that are verified, and {sender} is not.",
    "Verify the sender's address or domain at the provider, for this account and region.",
)
SENDER_UNAUTHENTICATED = Words(
    DATA,
    "SPF, DKIM or DMARC fails",
    "The domain of {sender} does not vouch for mail that comes this way.",
    "Let the domain's SPF record include the relay, and have the relay sign with DKIM.",
)
SENDER_DOMAIN_UNKNOWN = Words(
    DATA,
    "sender's domain does not resolve",
    "The relay finds no mail server in the DNS for the domain of {sender}.",
    "Set smtp_sender to an address of a domain that exists, or mend the domain's DNS.",
)
RELAY_DENIED = Words(
    DATA,
    "relaying denied",
    "The relay does not pass mail on to {recipient} for this machine or account.",
    "Set auth_type=plain with the relay's account, or have its operator allow this machine.",
)
RELAY_DENIED_TO_ACCOUNT = Words(
    DATA,
    "account may not relay",
    "AUTH succeeded, but the relay does not pass mail on to {recipient} for this account.",
    "Ask the relay's operator to let the account send there; check that it is the right relay.",
)
ACCOUNT_IN_TEST = Words(
    DATA,
    "account is for tests only",
    "The provider lets this account send to recipients that are entered there, and to no others.",
    "Have the account taken out of the sandbox or trial, or enter the recipient there.",
)
QUOTA_EXHAUSTED = Words(
    TEMPORARY,
    "quota exhausted",
    "The account has sent as much as its quota or plan allows.",
    "Wait until the quota begins anew, or have it raised at the provider.",
)
RECIPIENT_UNKNOWN = Words(
    DATA,
    "recipient unknown",
    "The relay knows no mailbox {recipient}.",
    "Look for a typing error in recipients.",
)
RECIPIENT_DOMAIN_UNKNOWN = Words(
    DATA,
    "recipient's domain does not resolve",
    "The relay finds no mail server in the DNS for the domain of {recipient}.",
    "Look for a typing error in recipients; else mend the DNS of the domain, or the relay's.",
)
RECIPIENT_INACTIVE = Words(
    DATA,
    "recipient takes no mail",
    "The mailbox {recipient} is disabled, or the provider has put it on a list of its own.",
    "Use another recipient, or have the mailbox enabled or taken off the provider's list.",
)
RECIPIENT_RESTRICTED = Words(
    DATA,
    "recipient restricts senders",
    "{recipient} takes mail from certain senders only, and not from {sender}.",
    "Have the owner of {recipient} let {sender} send to it, or senders from outside.",
)
MAILBOX_FULL = Words(
    DATA,
    "mailbox is full",
    "The mailbox {recipient} has no more room.",
    "Have the mailbox emptied or enlarged, or use another recipient.",
)
NEXT_HOP_FAILS = Words(
    TEMPORARY,
    "relay cannot verify the address",
    "The relay asks another server whether the address exists, and gets no answer.",
    "Look for a typing error in the address; else ask the relay's operator what is behind it.",
)
TOO_MANY_RECIPIENTS = Words(
    DATA,
    "too many recipients",
    "The relay takes fewer recipients in one message.",
    "Send to fewer recipients at once.",
)
ADDRESS_SYNTAX = Words(
    DATA,
    "address not well-formed",
    "The relay does not take an address for a whole one.",
    "Use addresses such as ops@example.com in smtp_sender and recipients.",
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
    "The message is bigger than the relay takes.",
    "Send less at once, or ask the relay's operator for a higher limit.",
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

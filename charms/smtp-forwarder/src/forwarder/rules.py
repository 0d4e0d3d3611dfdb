"""The rules: from what a client said to what goes to the relay. Functions on data, no socket.

A program that needs more than the document offers subclasses `Rules`.
"""

import dataclasses
from collections.abc import Iterable, Mapping

from forwarder import addresses, message
from forwarder.aliases import Aliases


class InvalidRecipient(Exception):  # noqa: N818
    """A recipient is refused with 550; the text goes to the client."""

    def __init__(self, reason: str = "no such recipient here") -> None:
        super().__init__(reason)
        self.reason = reason


@dataclasses.dataclass(frozen=True, kw_only=True)
class MailingList:
    """One list: who gets its mail, and what its mail says of it (RFC 2369, RFC 2919)."""

    to: tuple[str, ...]
    subject_prefix: str = ""
    sender: str = ""
    id: str = ""
    unsubscribe: str = ""
    help: str = ""

    def headers(self) -> list[tuple[str, str]]:
        """Return the fields that a message to the list gets."""
        every = (
            ("List-Id", self.id),
            ("List-Unsubscribe", self.unsubscribe),
            ("List-Help", self.help),
        )
        return [(name, f"<{value}>") for name, value in every if value]


@dataclasses.dataclass(frozen=True, kw_only=True)
class RuleDocument:
    """A document of rules; `sender` is empty where each envelope keeps its own."""

    domains: frozenset[str] = frozenset()
    others_pass: bool = True
    aliases: Mapping[str, tuple[str, ...]] = dataclasses.field(
        default_factory=dict[str, tuple[str, ...]]
    )
    lists: Mapping[str, MailingList] = dataclasses.field(default_factory=dict[str, MailingList])
    sender: str = ""


@dataclasses.dataclass(frozen=True)
class Recipient:
    """An address that gets the message, and the one that the client said for it."""

    address: str
    said: str


@dataclasses.dataclass(frozen=True)
class Delivery:
    """One envelope with its content, to be sent to the relay as it is."""

    sender: str
    recipients: tuple[Recipient, ...]
    content: bytes


class Rules:
    """What the document says. Subclass it to say more; `recipient` is what the client said.

    An error that is not `InvalidRecipient` is 451 for the message that it concerns.
    """

    def __init__(self, document: RuleDocument | None = None) -> None:
        self.document = document or RuleDocument()
        self._aliases = Aliases(self.document.aliases)
        self._lists = {addresses.folded(key): one for key, one in self.document.lists.items()}
        self._domains = {domain.casefold() for domain in self.document.domains}

    def translate_recipient(self, recipient: str) -> Iterable[str]:
        """Return the addresses that get a recipient's mail; none if it is to be dropped.

        Raises:
            InvalidRecipient: if mail to this recipient is refused.
        """
        mailing_list = self._list(recipient)
        if mailing_list is not None:
            return self._aliases.expanded(mailing_list.to)
        if recipient in self._aliases:
            return self._aliases.expanded([recipient])
        if addresses.domain(recipient) in self._domains:
            raise InvalidRecipient
        if not self.document.others_pass:
            raise InvalidRecipient("mail to this domain is not taken here")
        return [recipient]

    def translate_subject(self, subject: str, recipient: str) -> str:
        """Return the subject for a recipient, from the decoded one."""
        mailing_list = self._list(recipient)
        prefix = mailing_list.subject_prefix if mailing_list else ""
        return f"{prefix} {subject}" if prefix and prefix not in subject else subject

    def envelope_sender(self, sender: str, recipient: str) -> str:
        """Return the envelope's sender for a recipient. The null sender is never asked about."""
        mailing_list = self._list(recipient)
        if mailing_list and mailing_list.sender:
            return mailing_list.sender
        return self.document.sender or sender

    def extra_headers(self, recipient: str) -> Iterable[tuple[str, str]]:
        """Return the header fields to set for a recipient, as names and texts."""
        mailing_list = self._list(recipient)
        return mailing_list.headers() if mailing_list else ()

    @property
    def reads_subjects(self) -> bool:
        """Whether subjects must be decoded for these rules."""
        return bool(self._lists) or type(self).translate_subject is not Rules.translate_subject

    def _list(self, recipient: str) -> MailingList | None:
        return self._lists.get(addresses.folded(recipient)) if self._lists else None


def targets(rules: Rules, recipient: str) -> tuple[str, ...]:
    """Return the addresses that a recipient's mail goes to.

    Raises:
        InvalidRecipient: if mail to this recipient is refused.
        ValueError: if the rules give what is no address.
    """
    found = tuple(rules.translate_recipient(recipient))
    for address in found:
        if not addresses.is_address(address):
            raise ValueError(f"the rules give {address!r} for {recipient!r}: not an address")
    return found


def sender_for(rules: Rules, sender: str, recipient: str) -> str:
    """Return the envelope's sender for a recipient; the null sender stays null.

    Raises:
        ValueError: if the rules give what is no address.
    """
    found = sender and rules.envelope_sender(sender, recipient)
    if found and not addresses.is_address(found):
        raise ValueError(f"the rules give the sender {found!r}: not an address")
    return found


def deliveries(
    rules: Rules, sender: str, recipients: Iterable[str], content: bytes
) -> list[Delivery]:
    """Apply the rules to one message.

    Recipients whose message is the same share a delivery, and nobody gets the message twice.

    Raises:
        InvalidRecipient: if a recipient is refused.
        ValueError: if the rules give what is no address.
    """
    subject = message.subject(content) if rules.reads_subjects else ""
    groups: dict[tuple[str, str, tuple[tuple[str, str], ...]], list[Recipient]] = {}
    seen: set[str] = set()
    for said in recipients:
        for address in targets(rules, said):
            if addresses.folded(address) in seen:
                continue
            seen.add(addresses.folded(address))
            group = (
                sender_for(rules, sender, said),
                rules.translate_subject(subject, said),
                tuple(rules.extra_headers(said)),
            )
            groups.setdefault(group, []).append(Recipient(address, said))
    return [
        Delivery(from_, tuple(to), _rewritten(content, subject, text, headers))
        for (from_, text, headers), to in groups.items()
    ]


def _rewritten(
    content: bytes, subject: str, text: str, headers: tuple[tuple[str, str], ...]
) -> bytes:
    if text != subject:
        content = message.with_subject(content, text)
    return message.with_fields(
        content, [(name, message.encoded(value)) for name, value in headers]
    )

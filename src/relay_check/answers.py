"""What a relay's answer means."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from relay_check.kinds import Kind

if TYPE_CHECKING:
    from relay_check.wire import Reply


def banner_kind(reply: Reply) -> Kind:
    """Return what a banner other than 220 means."""
    if reply.is_temporary:
        return Kind.BUSY
    return Kind.BLOCKED if reply.code // 100 == 5 else Kind.NOT_SMTP  # noqa: PLR2004


def ehlo_kind(reply: Reply) -> Kind:
    """Return what a refused EHLO means."""
    if reply.is_temporary:
        return Kind.BUSY
    # RFC 5321 section 3.1
    return Kind.BLOCKED if reply.code == 554 else Kind.EHLO_REFUSED  # noqa: PLR2004


def message_kind(reply: Reply) -> Kind:
    """Return what a refused message means."""
    kind = Kind.REFUSED_FOR_NOW if reply.is_temporary else Kind.MESSAGE_REFUSED
    return Kind.TOO_BIG if reply.code == 552 else kind  # noqa: PLR2004


def auth_kind(reply: Reply, *, encrypted: bool) -> Kind:
    """RFC 4954 section 6."""
    kinds = {
        530: Kind.AUTH_FAILED if encrypted else Kind.TLS_REQUIRED,
        534: Kind.AUTH_APP_PASSWORD,
        535: Kind.AUTH_REFUSED,
        538: Kind.AUTH_FAILED if encrypted else Kind.TLS_REQUIRED,
    }
    return kinds.get(reply.code, Kind.AUTH_TEMPORARY if reply.is_temporary else Kind.AUTH_FAILED)


# What relays write where their code tells less: Postfix, Exim, qmail, Exchange and sendmail.
_NO_RELAYING = re.compile(
    r"relay(ing)?( access| is)? (denied|not (permitted|allowed)|prohibited)"
    r"|(unable|not permitted|not allowed) to relay|(cannot|can't|don't|no) relay|rcpthosts"
)
_NO_AUTH = re.compile(r"\b(not authenticated|auth\w* (is )?(required|first|command first))")
_NO_SENDER = re.compile(r"sender (address rejected|verify failed)")


def sender_kind(reply: Reply) -> Kind:
    """Return what a refused MAIL FROM means."""
    general = _envelope_kind(reply)
    return Kind.SENDER_REFUSED if general is Kind.ENVELOPE_REFUSED else general


def recipient_kind(reply: Reply) -> Kind:
    """Return what a refused RCPT TO means."""
    # Many relays refuse the sender only here (RFC 3463 section 3.2: 5.1.7, 5.1.8).
    if reply.enhanced in {"5.1.7", "5.1.8"} or _NO_SENDER.search(reply.text.lower()):
        return Kind.SENDER_REFUSED
    general = _envelope_kind(reply)
    if general is Kind.AUTH_REQUIRED:
        return general
    if _NO_RELAYING.search(reply.text.lower()):
        return Kind.RELAY_DENIED
    if reply.code in {551, 554} or (reply.code == 550 and reply.enhanced.startswith("5.7.")):  # noqa: PLR2004
        return Kind.RELAY_DENIED
    return Kind.RECIPIENT_UNKNOWN if reply.code in {550, 553} else general


def _envelope_kind(reply: Reply) -> Kind:
    text = reply.text.lower()
    # RFC 3207 section 4, RFC 4954 section 6.
    if reply.code == 538 or (reply.code == 530 and "starttls" in text):  # noqa: PLR2004
        return Kind.TLS_REQUIRED
    if reply.code == 530 or (reply.code // 100 == 5 and _NO_AUTH.search(text)):  # noqa: PLR2004
        return Kind.AUTH_REQUIRED
    kinds = {
        421: Kind.BUSY,
        450: Kind.GREYLISTED,
        451: Kind.GREYLISTED,
        552: Kind.TOO_BIG,
    }
    rest = Kind.REFUSED_FOR_NOW if reply.is_temporary else Kind.ENVELOPE_REFUSED
    return kinds.get(reply.code, rest)

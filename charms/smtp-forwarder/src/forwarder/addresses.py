"""Addresses of the envelope: how they are written, and when two are the same."""

import re

# No control character, blank or half of a surrogate pair; the specials of RFC 5321, section 4.1.2.
_ATOM = r'[^\s"<>@,;:\\()\[\]\x00-\x1f\x7f-\x9f\ud800-\udfff]+'
_QUOTED = r'"(?:[^"\\\x00-\x1f\x7f-\x9f\ud800-\udfff]|\\[\x20-\x7e])*"'
_LITERAL = r"\[[0-9A-Za-z:.\-]+\]"
_MAILBOX = rf"(?:{_ATOM}|{_QUOTED})(?:@(?:{_ATOM}|{_LITERAL}))?"
_ADDRESS = re.compile(_MAILBOX)
# A source route is accepted and ignored (RFC 5321, appendix C); brackets are often forgotten.
_PATH = re.compile(rf"(?:<(?:(?:@{_ATOM},?)+:)?({_MAILBOX}|)>|({_MAILBOX}))(?:[ \t]+(.*))?")
_LONGEST = 320


def is_address(text: str) -> bool:
    """Return whether a text can be an address of an envelope; one without a domain can."""
    return len(text) <= _LONGEST and _ADDRESS.fullmatch(text) is not None


def parse_path(text: str) -> tuple[str, str] | None:
    """Read what stands behind `MAIL FROM:` or `RCPT TO:` (RFC 5321, section 4.1.2).

    Returns:
        The address, empty for the null path, and the parameters; None if it is no path.
    """
    match = _PATH.fullmatch(text)
    if match is None:
        return None
    address = match[1] if match[1] is not None else match[2]
    return (address, match[3] or "") if len(address) <= _LONGEST else None


def folded(address: str) -> str:
    """Return what is equal for two addresses that name one mailbox: their case does not count."""
    return address.casefold()


def domain(address: str) -> str:
    """Return the folded domain of an address, empty if it has none."""
    return folded(address.rpartition("@")[2]) if "@" in address else ""

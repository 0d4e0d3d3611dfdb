"""A user or a password of SMTP AUTH as an operator entered it, often out of a file."""

from __future__ import annotations

import dataclasses

from problem import Problem

_BYTE_ORDER_MARK = "\ufeff"
# What Juju puts in the place of bytes that are not UTF-8.
_REPLACED = "\ufffd"


@dataclasses.dataclass(frozen=True)
class Credential:
    """A user or a password.

    Attributes:
        value: As it is meant; empty if nothing is left.
        dropped: What was left out, because nobody means it; empty if nothing was.
        is_doubtful: Whether it has something that may be meant or not, and was kept.
    """

    value: str = dataclasses.field(repr=False)
    dropped: str = ""
    is_doubtful: bool = False


def user(text: str) -> Credential:
    """Read a user: nobody means a blank around it, or a second line.

    Raises:
        Problem: If no relay can know such a user.
    """
    value = text.strip().strip(_BYTE_ORDER_MARK).strip()
    if set(value) & set("\r\n\0"):
        raise Problem("has a newline or a NUL in it; enter the user alone, as UTF-8")
    if _REPLACED in value:
        raise Problem("had bytes in it that are not UTF-8; enter it as UTF-8")
    dropped = "blanks, newlines or a byte order mark around it"
    return Credential(value, dropped if value != text else "")


def password(text: str) -> Credential:
    """Read a password: files end in a newline and may begin with a byte order mark.

    Raises:
        Problem: If AUTH cannot send it (RFC 4616 section 2), or Juju could not hold it.
    """
    value = text.removeprefix(_BYTE_ORDER_MARK).rstrip("\r\n")
    if "\0" in value:
        raise Problem("the password has a NUL in it, as in a file of UTF-16; save it as UTF-8")
    if _REPLACED in value:
        raise Problem(
            "the password had bytes in it that are not UTF-8, as in a file of Latin-1; "
            "save it as UTF-8"
        )
    is_doubtful = value != value.strip() or len(value.splitlines()) > 1
    dropped = "newlines at its end or a byte order mark"
    return Credential(value, dropped if value != text else "", is_doubtful=is_doubtful)

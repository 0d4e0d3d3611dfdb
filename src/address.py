"""An address as every requirer in the field accepts it: as pydantic's `EmailStr` does."""

from __future__ import annotations

import re

from problem import Problem

# What pydantic's EmailStr allows around an address in angle brackets: a name, in quotes or bare.
_WORD, _BLANK = r"[\w.!#$%&'*+\-/=?^`{|}~]+", r"[^\S\r\n]"
_NAMED_ADDRESS = re.compile(rf'(?:"[^\r\n]+"|{_WORD}(?:{_BLANK}+{_WORD})*)?{_BLANK}*<([^\r\n]+)>')


def normalise(text: object, *, remedy_of_several: str) -> str:
    """Return an address without the name before it, in ASCII where its local part is.

    Relays without SMTPUTF8 (RFC 6531) refuse any other spelling, and every relay takes this one.

    Args:
        text: What the operator entered; JSON has more than strings.
        remedy_of_several: What to do where it is more than one address.

    Raises:
        Problem: If requirers refuse it.
    """
    import email_validator  # noqa: PLC0415 - 40 ms at every event, paid where there is an address

    entered = text.strip() if isinstance(text, str) else ""
    named = _NAMED_ADDRESS.fullmatch(entered)
    try:
        address = email_validator.validate_email(
            named[1].strip() if named else entered, check_deliverability=False
        )
    except email_validator.EmailNotValidError as e:
        # The validator's own message quotes the text.
        raise Problem(_reason(entered, e, remedy_of_several)) from None
    return address.ascii_email or address.normalized


def _reason(entered: str, error: Exception, remedy_of_several: str) -> str:
    if _are_several(entered):
        return f"has more than one address in it; {remedy_of_several}"
    what = "has a special-use domain" if "special-use" in str(error) else "is malformed"
    return f"{what}, which requirers refuse; enter an address such as ops@example.com"


def _are_several(entered: str) -> bool:
    """Tell whether addresses are separated by what separates them elsewhere, or listed so."""
    addresses = [part for part in re.split(r"[;,\s]+", entered) if "@" in part]
    return len(addresses) > 1 or (len(addresses) == 1 and entered.endswith(";"))

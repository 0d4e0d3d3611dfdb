"""A host name as the DNS and TLS take it: in ASCII, without the dot at its end.

The standard library's codec follows IDNA 2003, which leads `straße.example` to
`strasse.example`, another owner's host. The package `idna` follows IDNA 2008 (RFC 5891) with the
mapping of UTS 46, non-transitional (https://www.unicode.org/reports/tr46/), as browsers do.
"""

from __future__ import annotations

import re
import unicodedata

# The deviation characters of UTS 46 section 2.3, the capital of the first, and Hangul's fillers:
# IDNA 2003 maps them to other letters, to none, or lets them pass.
_DEVIATING = frozenset("ßẞς\u200c\u200d\u115f\u1160")
# What stands for a dot between labels (RFC 3490 section 3.1).
_DOTS = re.compile("[\u3002\uff0e\uff61]")


def to_ascii(name: str) -> str:
    """Return a host name in ASCII; an IP address and a name that is ASCII stay as they are.

    Args:
        name: The name as somebody wrote it.

    Returns:
        The name with each international label as its A-label (`xn--…`, RFC 5890 section
        2.3.2.1), and without a dot at its end.

    Raises:
        ValueError: If it can be no host's name, or its standards disagree and the package `idna`
            is not installed. The message does not quote the name.
    """
    if name.isascii():
        return name.removesuffix(".")
    try:
        import idna  # noqa: PLC0415 - 10 ms, paid where a name is international
    except ImportError:
        return _by_idna_2003(name).removesuffix(".")
    try:
        mapped = idna.uts46_remap(name, std3_rules=False).removesuffix(".")
        # A label of ASCII is left to whoever judges names: some in the field have an underscore.
        labels = mapped.split(".")
        return ".".join(
            label if label and label.isascii() else idna.alabel(label).decode() for label in labels
        )
    except UnicodeError:
        # The package's message quotes the name, and a password may stand in a wrong option.
        raise ValueError("has characters that no host name has") from None


def _by_idna_2003(name: str) -> str:
    try:
        ascii_name = name.encode("idna").decode("ascii")
    except UnicodeError:
        raise ValueError("has characters that no host name has") from None
    if _is_disputed(name, ascii_name):
        raise ValueError(
            "has letters that lead to different hosts by different standards; "
            "install the package idna, or enter the name's xn-- form"
        )
    return ascii_name


def _is_disputed(name: str, ascii_name: str) -> bool:
    """Tell whether newer standards may map a name otherwise.

    They map letters that IDNA 2003 does not know (it is of Unicode 3.2), and some that it maps
    itself; what it knows and leaves alone, all leave alone.
    """
    unicode_3_2 = unicodedata.ucd_3_2_0
    if any(
        letter in _DEVIATING or unicode_3_2.category(letter) == "Cn"
        for letter in name + name.lower()
    ):
        return True
    try:
        return ascii_name.encode("ascii").decode("idna") != _DOTS.sub(".", name).lower()
    except UnicodeError:
        return True

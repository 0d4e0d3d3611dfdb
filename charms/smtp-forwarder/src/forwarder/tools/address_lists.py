"""Take apart what stands in a To, or in an argument: `Ann <a@example.com>, list: b@c, d;`.

The standard library's parsers repair what they do not understand, which sends mail to an address
that nobody wrote. This one refuses it (RFC 5322, section 3.4).
"""

import re
import unicodedata

from forwarder.tools import failures

_PIECE = re.compile(r'"(?:[^"\\]|\\.)*"|\[[^\]]*\]|\([^()]*\)|[<>,;:]|[^"\[(<>,;:\s]+|\s+')
_ADDRESS = re.compile(r'(?:[^\s@<>"]+|"(?:[^"\\]|\\.)+")(?:@[^\s@<>"]+)?')


def split(text: str) -> list[str]:
    """Return the addresses in a list; an address may lack its domain.

    Raises:
        failures.DataError: if there is anything else in it.
    """
    if not all(map(_is_visible, text)) or "".join(_PIECE.findall(text)) != text:
        raise failures.DataError(f"not an address: {text!a}")
    found: list[str] = []
    for item in _items(text):
        address = _bare(item)
        if not _ADDRESS.fullmatch(address):
            raise failures.DataError(f"not an address: {item}")
        found.append(address)
    return found


def _is_visible(character: str) -> bool:
    """Tell whether a character can stand in a list; names have other blanks than ASCII's too."""
    return character.isprintable() or unicodedata.category(character) == "Zs"


def _items(text: str) -> list[str]:
    """Return what stands between commas, without comments and the names of groups."""
    items = [""]
    in_brackets = False
    for piece in _PIECE.findall(text):
        in_brackets = piece == "<" or (in_brackets and piece != ">")
        if piece in {",", ";"} and not in_brackets:
            items.append("")
        elif piece == ":" and not in_brackets:
            items[-1] = ""
        elif not piece.startswith("("):
            items[-1] += piece
    return [item.strip() for item in items if item.strip()]


def _bare(item: str) -> str:
    """Return what stands in angle brackets at the end, if anything does."""
    pieces = _PIECE.findall(item)
    if "<" in pieces and pieces[-1] == ">":
        return "".join(pieces[pieces.index("<") + 1 : -1])
    return item

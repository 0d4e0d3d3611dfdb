"""Whether a relay repeats the secret that it was sent, in any of the ways in which relays do."""

import base64
import re
import urllib.parse

# Relays cut short what they repeat: a part is known by a piece of this length.
_PIECE = 6
_CODES = re.compile(r"\d{3}(?: [245]\.\d{1,3}\.\d{1,3}(?=\s|$))?")
# How many characters of base64 also tell of the bytes before a text, by how many these are.
_SHARED = {0: 0, 1: 2, 2: 3}
_STANDARD = str.maketrans("-_", "+/")


def concealed(reason: str, refusal: str, secret: str, response: bytes) -> str:
    """Return why AUTH failed, as far as it can be shown.

    Args:
        reason: what the relay said; its code and enhanced code (RFC 3463) come first.
        refusal: what is shown in the place of words that have something of the secret in them:
            itself, its base64, its percent-encoding, or six characters of one of these, in any
            case and with any blanks in between.
        secret: the password or the token.
        response: what AUTH sends with it, before base64.
    """
    pieces = _pieces(secret, response)
    codes = _CODES.match(reason)
    known = codes[0] if codes else ""
    words = reason[len(known) :]
    if any(_has_any(_squeezed(one), pieces) for one in (words, urllib.parse.unquote(words))):
        return f"{known} {refusal}".lstrip()
    return reason


def _has_any(text: str, pieces: set[str]) -> bool:
    # A token has thousands of pieces, nearly all of one length: look each part of the text up.
    return any(
        text[start : start + length] in pieces
        for length in {len(piece) for piece in pieces}
        for start in range(len(text) - length + 1)
    )


def _pieces(secret: str, response: bytes) -> set[str]:
    data = secret.encode(errors="surrogatepass")
    spelt = {
        secret,
        urllib.parse.quote(data, safe=""),
        urllib.parse.quote_plus(data),
        _base64(data),
        _base64(response),
    }
    # Within something else base64 spells a text in three ways, and shares its ends.
    inner = {_base64(bytes(before) + data)[shared:-1] for before, shared in _SHARED.items()}
    spelt |= {one for one in inner if len(one) >= _PIECE}
    return {piece for one in spelt for piece in _cut(_squeezed(one))}


def _cut(text: str) -> set[str]:
    """Return all pieces of a text; a short one is a piece itself."""
    ends = range(_PIECE, max(_PIECE, len(text)) + 1)
    return {text[end - _PIECE : end] for end in ends} - {""}


def _squeezed(text: str) -> str:
    return "".join(text.split()).casefold().translate(_STANDARD)


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode().rstrip("=")

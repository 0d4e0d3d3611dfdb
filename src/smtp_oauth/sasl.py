"""The SASL mechanisms that carry a token: OAUTHBEARER (RFC 7628) and XOAUTH2 before it.

XOAUTH2 is Google's and Microsoft's:
https://developers.google.com/workspace/gmail/imap/xoauth2-protocol
"""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any, cast

MECHANISMS = ("OAUTHBEARER", "XOAUTH2")
"""In the order in which one is chosen of those that a relay offers: the standard comes first."""


def choose(offered: str) -> str | None:
    """Return the mechanism to use.

    Args:
        offered: What the relay lists after AUTH; in any case (RFC 4954 section 3).
    """
    names = offered.upper().split()
    return next((mechanism for mechanism in MECHANISMS if mechanism in names), None)


def initial_response(
    mechanism: str, user: str, token: str, *, host: str = "", port: int = 0
) -> bytes:
    """Return what the client says first, before base64.

    Args:
        mechanism: One of `MECHANISMS`.
        user: The mailbox to send for.
        token: The access token.
        host: The relay's name, for OAUTHBEARER.
        port: The relay's port, for OAUTHBEARER.
    """
    if mechanism == "XOAUTH2":
        return f"user={user}\1auth=Bearer {token}\1\1".encode(errors="surrogatepass")
    # RFC 5801 section 4: commas and equal signs of a user are escaped.
    name = user.replace("=", "=3D").replace(",", "=2C")
    place = f"host={host}\1" if host else ""
    place += f"port={port}\1" if port else ""
    response = f"n,a={name},\1{place}auth=Bearer {token}\1\1"
    return response.encode(errors="surrogatepass")


def answer_to_error(mechanism: str) -> bytes:
    """Return what the client says to an error challenge, before base64, so that a reply follows.

    RFC 7628 section 3.2.3 wants one octet of 1; XOAUTH2 wants nothing, an empty line.
    """
    return b"\1" if mechanism == "OAUTHBEARER" else b""


def words_of_error(challenge: str) -> str:
    """Return an error challenge in words, such as `status=invalid_token, scope=mail`.

    Args:
        challenge: The base64 that the relay sent. What is not the JSON of RFC 7628 section 3.2.2
            gives no words.
    """
    try:
        error: Any = json.loads(base64.b64decode(challenge, validate=True))
    except (binascii.Error, ValueError, RecursionError):
        return ""
    if not isinstance(error, dict):
        return ""
    fields = cast("dict[str, Any]", error)
    known = ("status", "scope", "schemes")
    shown = {name: fields[name] for name in known if isinstance(fields.get(name), (str, int))}
    return ", ".join(f"{name}={value}" for name, value in shown.items())

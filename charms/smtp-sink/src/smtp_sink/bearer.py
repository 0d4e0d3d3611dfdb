"""Tokens of OAuth 2.0 in the place of passwords: how clients send them, and who checks them.

XOAUTH2 is Google's (https://developers.google.com/workspace/gmail/imap/xoauth2-protocol) and
Microsoft's, OAUTHBEARER is RFC 7628. Who issued a token is asked whether it is valid (RFC 7662).
"""

import dataclasses
import http.client
import json
import ssl
import urllib.parse
from typing import Any

MECHANISMS = ("OAUTHBEARER", "XOAUTH2")
_SECONDS = 10.0
_LONGEST_ANSWER = 2**16
_SEPARATOR = "\x01"
_SCHEME = "bearer"
# What stands in the challenge that refuses a token; XOAUTH2 puts a status of HTTP there.
_REFUSALS = {
    "OAUTHBEARER": {"status": "invalid_token"},
    "XOAUTH2": {"status": "401", "schemes": _SCHEME},
}


class IntrospectionError(Exception):
    """Nobody can say now whether a token is valid; the text says why."""


@dataclasses.dataclass(frozen=True)
class Login:
    """Whose mailbox a client wants to use, and its token."""

    user: str
    token: str = dataclasses.field(repr=False)


def parse(mechanism: str, response: bytes) -> Login | None:
    """Read a client's response; None if it is none of this mechanism.

    Args:
        mechanism: one of `MECHANISMS`.
        response: what the client sent, decoded from base64.
    """
    parts = response.decode("utf-8", "replace").split(_SEPARATOR)
    if len(parts) < 3 or parts[-2:] != ["", ""]:  # noqa: PLR2004
        return None
    if mechanism == "OAUTHBEARER":
        user = _authorization_identity(parts.pop(0))
        pairs = _pairs(parts)
    else:
        pairs = _pairs(parts)
        user = pairs.get("user", "")
    scheme, _, token = pairs.get("auth", "").partition(" ")
    if scheme.lower() != _SCHEME or not user or not token:
        return None
    return Login(user, token.strip())


def refusal(mechanism: str) -> str:
    """Return the challenge that refuses a token (RFC 7628 section 3.2.2)."""
    return json.dumps(_REFUSALS[mechanism])


def is_valid(login: Login, url: str, ca: str) -> bool:
    """Return whether a token is active, and not another user's.

    Args:
        login: the user and the token.
        url: the introspection endpoint.
        ca: PEM of CA certificates to trust beside the system's.

    Raises:
        IntrospectionError: if the endpoint cannot be asked.
    """
    told = _introspect(login.token, url, ca)
    # An endpoint need not say who holds a token.
    return told.get("active") is True and told.get("username", login.user) == login.user


def _authorization_identity(header: str) -> str:
    """Return the user in a GS2 header such as `n,a=user@example.com,` (RFC 5801 section 4)."""
    fields = header.split(",")
    if len(fields) != 3 or fields[0] not in {"n", "y"} or not fields[1].startswith("a="):  # noqa: PLR2004
        return ""
    return fields[1][2:].replace("=2C", ",").replace("=3D", "=")


def _pairs(parts: list[str]) -> dict[str, str]:
    split = (part.partition("=") for part in parts if part)
    return {name.lower(): value for name, _, value in split}


def _introspect(token: str, url: str, ca: str) -> dict[str, Any]:
    try:
        status, content = _post(url, {"token": token}, _context(ca))
        told = json.loads(content) if status == http.client.OK else None
    except ssl.SSLCertVerificationError as error:
        raise IntrospectionError(f"its certificate: {error.verify_message}") from None
    except OSError as error:
        raise IntrospectionError(error.strerror or str(error)) from None
    except (http.client.HTTPException, RecursionError, ValueError):
        raise IntrospectionError("it does not answer in JSON over HTTP") from None
    if not isinstance(told, dict):
        raise IntrospectionError(f"it answers {status}, and does not say whether a token is valid")
    return told  # pyright: ignore[reportUnknownVariableType]


def _context(ca: str) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if ca:
        context.load_verify_locations(cadata=ca)
        # Python 3.13 began to refuse a private CA that leaves out what RFC 5280 demands.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


def _post(url: str, form: dict[str, str], context: ssl.SSLContext) -> tuple[int, bytes]:
    where = urllib.parse.urlsplit(url)
    connection = http.client.HTTPSConnection(
        where.hostname or "", where.port, timeout=_SECONDS, context=context
    )
    path = f"{where.path or '/'}?{where.query}" if where.query else where.path or "/"
    headers = {
        "Accept": "application/json",
        "Content-Type": "application/x-www-form-urlencoded",
    }
    try:
        connection.request("POST", path, urllib.parse.urlencode(form), headers)
        answer = connection.getresponse()
        return answer.status, answer.read(_LONGEST_ANSWER)
    finally:
        connection.close()

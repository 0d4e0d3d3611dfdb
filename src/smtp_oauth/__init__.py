"""OAuth 2.0 for SMTP: from what an operator entered to a token, and to AUTH with it.

    grant = smtp_oauth.Grant.of(content)
    token = smtp_oauth.fetch(grant, timeout=10)
    response = sasl.initial_response("XOAUTH2", user, token.value)

It knows no Juju and needs nothing but the standard library; `cryptography` is imported only where
a private key is checked or signs.
"""

from __future__ import annotations

from smtp_oauth.endpoint import Token, fetch, reach
from smtp_oauth.grant import KEYS, Grant, GrantError
from smtp_oauth.refusal import Kind, TokenError

__all__ = ["KEYS", "Grant", "GrantError", "Kind", "Token", "TokenError", "fetch", "reach"]

"""What the tests ask an endpoint with, and what becomes of its refusals."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING

import pytest

import smtp_oauth
from smtp_oauth import Grant, TokenError

if TYPE_CHECKING:
    from tests import token_endpoint

# As long as a busy machine may need; tests that wait for a limit have their own.
TIMEOUT = 60.0


def grant_of(endpoint: token_endpoint.Endpoint, kind: str = "client-secret") -> Grant:
    return Grant.of(endpoint.content(kind))


def fetch(endpoint: token_endpoint.Endpoint, kind: str = "client-secret") -> smtp_oauth.Token:
    return smtp_oauth.fetch(grant_of(endpoint, kind), ca=endpoint.ca, timeout=TIMEOUT)


def error_of(
    grant: Grant, ca: str = "", *, timeout: float = TIMEOUT, secrets: tuple[str, ...] = ()
) -> TokenError:
    """Return why there is no token; neither it nor what is behind it shows a secret."""
    with pytest.raises(TokenError) as raised:
        smtp_oauth.fetch(grant, ca=ca, timeout=timeout)
    error = raised.value
    shown = "".join(traceback.format_exception(error)) + repr(error) + error.words
    behind = [each for each in (error.__cause__, error.__context__) if each is not None]
    shown += "".join(f"{each!r} {vars(each)}" for each in behind)
    assert [secret for secret in (*grant.secrets, *secrets) if secret in shown] == []
    return error

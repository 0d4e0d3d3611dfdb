"""Relays that take tokens, with what a token endpoint of the tests gives for them."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING, Any

import pytest

from charms.smtp_integrator.v0 import smtp

if TYPE_CHECKING:
    from tests import token_endpoint

# No limit of a test comes near this, on however slow a machine.
LONG = 300.0
GRANT = {
    "token_url": "https://localhost:9/token",
    "client_id": "mailer",
    "client_secret": "hunter2-secret",
}


def grant(content: dict[str, str]) -> smtp.OAuthGrant:
    return smtp.OAuthGrant(**{key.replace("-", "_"): value for key, value in content.items()})


def relay(oauth: smtp.OAuthGrant | None, **fields: Any) -> smtp.SmtpRelationData:
    values: dict[str, Any] = {
        "host": "127.0.0.1",
        "port": 25,
        "auth_type": "none",
        "transport_security": "none",
        "oauth": oauth,
        **fields,
    }
    return smtp.SmtpRelationData(**values)


def of(endpoint: token_endpoint.Endpoint, kind: str = "client-secret") -> smtp.SmtpRelationData:
    return relay(grant(endpoint.content(kind)), tls_ca_chain=endpoint.ca)


def failure(data: smtp.SmtpRelationData, *, timeout: float = LONG) -> str:
    """Return why there is no token, once no secret was found in the error."""
    with pytest.raises(smtp.TokenError) as caught:
        data.access_token(timeout)
    error = caught.value
    assert isinstance(error, OSError)
    assert error.__cause__ is error.__context__ is None
    assert data.oauth
    shown = "".join(traceback.format_exception(error)) + repr(error) + repr(data)
    secrets = [data.oauth.client_secret, data.oauth.refresh_token, data.oauth.private_key[30:90]]
    assert not [secret for secret in secrets if secret and secret in shown]
    return str(error)

"""A check with a grant of the token endpoint."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import checking

import smtp_oauth

if TYPE_CHECKING:
    import scripted_relay as scripted

    import relay_check
    from tests import token_endpoint

XOAUTH2 = ("PIPELINING", "AUTH LOGIN XOAUTH2")
ADDRESSES: dict[str, Any] = {"sender": "app@example.com", "recipients": ["ops@example.com"]}


def account(endpoint: token_endpoint.Endpoint, kind: str = "client-secret") -> dict[str, Any]:
    grant = smtp_oauth.Grant.of(endpoint.content(kind))
    return {"auth_type": "oauth2", "user": endpoint.client.user, "oauth": grant}


def check(
    relay: scripted.ScriptedRelay,
    endpoint: token_endpoint.Endpoint,
    kind: str = "client-secret",
    **changes: Any,
) -> relay_check.Report:
    """Check with a grant of the endpoint; the report shows none of the endpoint's secrets."""
    given = account(endpoint, kind) | {"tls_ca_chain": endpoint.ca} | changes
    report = checking.check(relay, stage_timeout=60, **given)
    text = "\n".join([*report.lines(), json.dumps(report.to_dict()), repr(report)])
    assert [secret for secret in endpoint.secrets if secret in text] == []
    return report

"""The library and the package smtp_oauth ask for the same, and say the same, each by its own code.

A charm vendors the library as one file, so it cannot import the package.
"""

from __future__ import annotations

import base64
import dataclasses
import json
from typing import Any

import library_relay
import pytest

import smtp_oauth
from charms.smtp_integrator.v0 import smtp
from smtp_oauth import sasl
from tests import client_key, token_endpoint

NOW = 1_700_000_000.9
BASE = {"token-url": "https://login.example.com/token", "client-id": "mailer"}
SCOPED = {**BASE, "scope": "https://outlook.office365.com/.default"}
RSA, EC = client_key.shared(), client_key.shared(elliptic=True)
# As `openssl pkcs12` writes it.
ATTRIBUTES = "Bag Attributes\n    friendlyName: mailer\n"
GRANTS: dict[str, dict[str, str]] = {
    "secret": {**SCOPED, "client-secret": "s=&+%"},
    "secret, no scope": {**BASE, "client-secret": "s"},
    "refresh token": {**SCOPED, "refresh-token": "r"},
    "refresh token of a client with a secret": {
        **BASE,
        "refresh-token": "r",
        "client-secret": "s",
    },
    "key": {**SCOPED, "private-key": RSA.private},
    "key with its certificate": {
        **SCOPED,
        "private-key": RSA.private,
        "certificate": RSA.certificate,
    },
    "key with text before its certificate": {
        **SCOPED,
        "private-key": ATTRIBUTES + RSA.private,
        "certificate": ATTRIBUTES + RSA.certificate,
    },
    "key on a curve": {**BASE, "private-key": EC.private, "certificate": EC.certificate},
    "service account": {**SCOPED, "private-key": RSA.private, "subject": "a@example.com"},
    "service account, no scope": {**BASE, "private-key": EC.private, "subject": "a@example.com"},
}


def decoded(form: dict[str, str]) -> dict[str, Any]:
    """Return a form with its assertion taken apart, and without what differs each time."""
    opened: dict[str, Any] = dict(form)
    for name in form.keys() & {"assertion", "client_assertion"}:
        parts = [base64.urlsafe_b64decode(part + "==") for part in form[name].split(".")]
        header, claims = (json.loads(part) for part in parts[:2])
        opened[name] = header, {**claims, "jti": len(claims["jti"])}, len(parts[2])
    return opened


@pytest.mark.parametrize("name", GRANTS)
def test_both_ask_for_a_token_with_the_same_form(name: str) -> None:
    content = GRANTS[name]
    theirs = smtp_oauth.Grant.of(content)
    ours = smtp.OAuthGrant(**{key.replace("-", "_"): value for key, value in content.items()})
    form = smtp._token_form(ours, NOW)  # pyright: ignore[reportPrivateUsage]
    assert decoded(form) == decoded(theirs.form(NOW))


def test_both_know_the_same_keys() -> None:
    theirs, ours = (dataclasses.fields(each) for each in (smtp_oauth.Grant, smtp.OAuthGrant))
    assert [field.name for field in ours] == [field.name for field in theirs]


@pytest.mark.parametrize("mechanism", sasl.MECHANISMS)
@pytest.mark.parametrize("user", ["a@example.com", "a=b,c@example.com", "bücher@example.com"])
def test_both_authenticate_with_the_same_octets(mechanism: str, user: str) -> None:
    values: dict[str, Any] = {"auth_type": "none", "transport_security": "none", "user": user}
    with token_endpoint.serving() as endpoint:
        relay = library_relay.TokenRelay(lambda _: False, f"AUTH {mechanism}")
        content = endpoint.content("client-secret")
        data = smtp.SmtpRelationData(
            host="127.0.0.1",
            port=relay.port,
            tls_ca_chain=endpoint.ca,
            oauth=smtp.OAuthGrant(**{k.replace("-", "_"): v for k, v in content.items()}),
            **values,
        )
        with relay, pytest.raises(OSError, match="the token is bad"):
            data.connect(300.0).__enter__()
        token = endpoint.issued[0]
    # After EHLO and AUTH, and before QUIT.
    response, answer = (line.removeprefix("clear ") for line in relay.received[2:-1])
    expected = sasl.initial_response(mechanism, user, token, host="127.0.0.1", port=relay.port)
    assert base64.b64decode(response) == expected
    assert base64.b64decode(answer) == sasl.answer_to_error(mechanism)


def test_both_choose_the_same_mechanism_first() -> None:
    assert smtp._TOKEN_MECHANISMS == sasl.MECHANISMS  # pyright: ignore[reportPrivateUsage]


@pytest.mark.parametrize(
    "error",
    [
        {"status": "invalid_token", "scope": "mail", "openid-configuration": "https://x"},
        {"status": "400", "schemes": "Bearer", "scope": "https://mail.google.com/"},
        {"status": 401},
        {"status": None, "scope": ["mail"]},
        {},
        [],
        "text",
    ],
)
def test_both_put_an_error_challenge_into_the_same_words(error: object) -> None:
    challenge = base64.b64encode(json.dumps(error).encode())
    words = smtp._words_of_challenge(challenge)  # pyright: ignore[reportPrivateUsage]
    assert words == sasl.words_of_error(challenge.decode())

"""The rules of oauth_secret, and of what stands beside it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

import smtp_oauth
from tests.unit.test_relay import NOT_FOUND, NOT_GRANTED, SECRET_ID, problems, read

if TYPE_CHECKING:
    import user_secret
    from tests.unit.conftest import Authority

CLIENT_SECRET = "hunter2-client"
GRANT = {
    "token-url": "https://login.example.com/tenant/token",
    "client-id": "mailer",
    "scope": "mail",
    "client-secret": CLIENT_SECRET,
}
OPTIONS = {"auth_type": "oauth2", "user": "mailer@example.com", "oauth_secret": SECRET_ID}
UPDATE = "run 'juju update-secret cvq3d1k0v5a8o1f2r4g0 KEY=VALUE …' with all keys"


def without(key: str) -> dict[str, str]:
    return {name: value for name, value in GRANT.items() if name != key}


def test_a_grant_is_read() -> None:
    configured = read({**GRANT, "client-secret": f"{CLIENT_SECRET}\n"}, **OPTIONS)
    assert configured.oauth == smtp_oauth.Grant.of(GRANT)
    assert (configured.user, configured.auth_type) == ("mailer@example.com", "oauth2")
    assert not configured.serves_one
    assert configured.warnings == [
        "auth_type=oauth2 with transport_security=none: the token travels in the clear"
    ]


def test_a_refresh_token_serves_one() -> None:
    content = {**without("client-secret"), "refresh-token": "hunter2-refresh"}
    assert read(content, **OPTIONS).serves_one


@pytest.mark.parametrize(
    "password", [{"password": "hunter2"}, {"password": "a\0b"}, {"password_secret": SECRET_ID}]
)
def test_no_password_is_taken_or_looked_at(password: dict[str, str]) -> None:
    configured = read(GRANT, **OPTIONS, **password)
    assert configured.password is None
    assert configured.notes == ()


@pytest.mark.parametrize("secret", [NOT_FOUND, *NOT_GRANTED, {"key": "value"}])
@pytest.mark.parametrize("auth_type", ["none", "not_provided"])
def test_a_secret_that_is_not_used_may_be_anything(
    secret: dict[str, str] | user_secret.Unreadable, auth_type: str
) -> None:
    configured = read(secret, auth_type=auth_type, oauth_secret=SECRET_ID)
    assert configured.oauth is None
    assert configured.notes == ("oauth_secret: has no effect without auth_type=oauth2",)


def test_what_oauth_needs_is_missed_in_the_order_of_config_yaml() -> None:
    assert problems(auth_type="oauth2") == [
        "user: not set, and auth_type=oauth2 needs it; run 'juju config mail user=NAME'",
        (
            "oauth_secret: not set, and auth_type=oauth2 needs it; set it to a secret with the "
            "keys token-url, client-id, scope and client-secret, private-key or refresh-token "
            "that is granted to mail"
        ),
    ]


@pytest.mark.parametrize("unreadable", NOT_GRANTED)
def test_a_secret_that_is_not_granted_is_answered_with_the_command(
    unreadable: user_secret.Unreadable,
) -> None:
    assert problems(unreadable, **OPTIONS) == [
        (
            "oauth_secret: not granted; run 'juju grant-secret cvq3d1k0v5a8o1f2r4g0 mail' "
            "(noticed at the next update-status)"
        )
    ]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (without("token-url"), "token-url is missing"),
        (without("client-id"), "client-id is missing"),
        (without("client-secret"), "client-secret, private-key and refresh-token is missing"),
        ({**GRANT, "token-url": "http://login.example.com/token"}, "token-url is no https URL"),
        ({**without("scope"), "scop": "mail"}, "no key scop: did you mean scope"),
        ({**GRANT, "client-secret": f" {CLIENT_SECRET}"}, "client-secret has blanks"),
        ({**GRANT, "private-key": "hunter2"}, "client-secret and private-key are both set"),
        ({**without("client-secret"), "private-key": "hunter2"}, "private-key is no private key"),
        ({**GRANT, "subject": "a@example.com"}, "subject is for private-key alone"),
        ({"password": "hunter2"}, "token-url is missing"),
    ],
)
def test_a_wrong_key_is_answered_with_what_is_wrong_and_the_command(
    content: dict[str, str], words: str
) -> None:
    [problem] = problems(content, **OPTIONS)
    assert problem.startswith("oauth_secret: ")
    assert words in problem
    assert problem.endswith(f"; {UPDATE}")
    assert "hunter2" not in problem


def test_a_key_and_a_certificate_of_two_pairs_are_told(
    authority: Authority, other_authority: Authority
) -> None:
    content = {
        **without("client-secret"),
        "private-key": authority.private_key,
        "certificate": other_authority.certificate,
    }
    [problem] = problems(content, **OPTIONS)
    assert "certificate does not belong to private-key" in problem
    content["certificate"] = authority.certificate
    assert read(content, **OPTIONS).oauth


@pytest.mark.parametrize("key", ["client-secret", "private-key", "refresh-token"])
def test_no_secret_is_in_the_repr(key: str, authority: Authority) -> None:
    content = {**without("client-secret"), key: CLIENT_SECRET}
    if key == "private-key":
        content[key] = authority.private_key
    shown = repr(read(content, **OPTIONS))
    assert not re.search("hunter2|PRIVATE KEY", shown)

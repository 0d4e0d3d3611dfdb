"""The bytes of XOAUTH2 and OAUTHBEARER, and the words of their errors."""

from __future__ import annotations

import base64
import json

import pytest

from smtp_oauth import sasl


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        ("PLAIN LOGIN XOAUTH2", "XOAUTH2"),
        ("xoauth2", "XOAUTH2"),
        ("LOGIN PLAIN XOAUTH2 PLAIN-CLIENTTOKEN OAUTHBEARER XOAUTH", "OAUTHBEARER"),
        ("OAuthBearer", "OAUTHBEARER"),
        ("PLAIN XOAUTH", None),
        ("", None),
    ],
)
def test_mechanism(offered: str, chosen: str | None) -> None:
    assert sasl.choose(offered) == chosen


def test_xoauth2() -> None:
    assert sasl.initial_response("XOAUTH2", "someuser@example.com", "ya29.vF9dft4qmTc2") == (
        b"user=someuser@example.com\x01auth=Bearer ya29.vF9dft4qmTc2\x01\x01"
    )


@pytest.mark.parametrize(
    ("user", "name"),
    [("user@example.com", "user@example.com"), ("a,b=c", "a=2Cb=3Dc"), ("jürgen", "jürgen")],
)
def test_oauthbearer(user: str, name: str) -> None:
    """As in the example of RFC 7628 section 4.1."""
    response = sasl.initial_response(
        "OAUTHBEARER",
        user,
        "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==",
        host="server.example.com",
        port=143,
    )

    assert response.decode() == (
        f"n,a={name},\x01host=server.example.com\x01port=143\x01"
        "auth=Bearer vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==\x01\x01"
    )


def test_answer_to_an_error() -> None:
    assert sasl.answer_to_error("OAUTHBEARER") == b"\x01"
    assert sasl.answer_to_error("XOAUTH2") == b""


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            {"status": "invalid_token", "scope": "mail", "openid-configuration": "https://x"},
            "status=invalid_token, scope=mail",
        ),
        (
            {"status": "400", "schemes": "Bearer", "scope": "https://mail.google.com/"},
            "status=400, scope=https://mail.google.com/, schemes=Bearer",
        ),
        ({"status": 401, "scope": ["x"]}, "status=401"),
        (["status"], ""),
        ("status", ""),
    ],
)
def test_words_of_an_error(error: object, words: str) -> None:
    challenge = base64.b64encode(json.dumps(error).encode()).decode()

    assert sasl.words_of_error(challenge) == words


@pytest.mark.parametrize("challenge", ["", "=", "\xe9", "e30", "/w==", "eyJ4", "W1tbW1s="])
def test_challenge_that_is_no_json_has_no_words(challenge: str) -> None:
    assert sasl.words_of_error(challenge) == ""

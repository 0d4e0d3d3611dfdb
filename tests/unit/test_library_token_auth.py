"""How `connect` authenticates with a token, against relays and token endpoints on real sockets."""

from __future__ import annotations

import smtplib
import traceback
from typing import TYPE_CHECKING, Any

import library_relay
import library_tokens
import pytest

from charms.smtp_integrator.v0 import smtp
from tests import token_endpoint

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Iterator

USER = "notifications@example.com"
LONG = 300.0
WORDS = b"(status=invalid_token, scope=mail.send, schemes=bearer)"
CLEAR = "oauth_id with transport_security=none: the access token travels in the clear"


@pytest.fixture
def endpoint() -> Iterator[token_endpoint.Endpoint]:
    with token_endpoint.serving() as serving:
        yield serving


def data(
    relay: library_relay.Relay, endpoint: token_endpoint.Endpoint, **fields: Any
) -> smtp.SmtpRelationData:
    values: dict[str, Any] = {
        "host": "127.0.0.1",
        "port": relay.port,
        "user": USER,
        "auth_type": "none",
        "transport_security": "none",
        "tls_ca_chain": endpoint.ca,
        "oauth": library_tokens.grant(endpoint.content("client-secret")),
        **fields,
    }
    return smtp.SmtpRelationData(**values)


def is_active(endpoint: token_endpoint.Endpoint, token: str) -> bool:
    _, said = endpoint.answer_to("/introspect", {"token": token})
    return isinstance(said, dict) and bool(said["active"])


def relay_for(
    endpoint: token_endpoint.Endpoint, *offers: str, **arguments: Any
) -> library_relay.TokenRelay:
    """Return a relay that asks the endpoint what a token is worth."""
    return library_relay.TokenRelay(
        lambda token: is_active(endpoint, token), *offers or ("AUTH XOAUTH2",), **arguments
    )


def refusal(relay: library_relay.TokenRelay, read: smtp.SmtpRelationData) -> Any:
    """Return the error of a connection that is refused, once no token was found in it."""
    with relay, pytest.raises(smtplib.SMTPAuthenticationError) as caught:
        read.connect(LONG).__enter__()
    shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value)
    assert not [token for _, token in relay.attempts if token in shown]
    return caught.value


# What is offered.


@pytest.mark.parametrize(
    ("offered", "mechanism"),
    [
        ("AUTH XOAUTH2", "XOAUTH2"),
        ("AUTH PLAIN LOGIN xoauth2", "XOAUTH2"),
        ("AUTH LOGIN PLAIN XOAUTH2 PLAIN-CLIENTTOKEN OAUTHBEARER XOAUTH", "OAUTHBEARER"),
        ("AUTH oauthbearer", "OAUTHBEARER"),
    ],
)
def test_a_token_goes_by_what_is_offered(
    endpoint: token_endpoint.Endpoint, offered: str, mechanism: str
) -> None:
    relay = relay_for(endpoint, offered)
    with relay, data(relay, endpoint).connect(LONG) as client:
        assert isinstance(client, smtplib.SMTP)
    # It is too long for the command.
    assert relay.commands == [f"AUTH {mechanism}"]
    assert relay.attempts == [(USER, endpoint.issued[0])]
    assert relay.ended == ["quit"]


@pytest.mark.parametrize("mechanism", ["XOAUTH2", "OAUTHBEARER"])
@pytest.mark.parametrize("asks", [False, True])
def test_a_short_token_goes_with_the_command(
    endpoint: token_endpoint.Endpoint, mechanism: str, *, asks: bool
) -> None:
    endpoint.answer = 200, {"access_token": "short"}
    relay = library_relay.TokenRelay(lambda _: True, f"AUTH {mechanism}", asks=asks)
    user = "a=b,c@example.com"
    with relay, data(relay, endpoint, user=user).connect(LONG):
        pass
    assert relay.attempts == [(user, "short")]
    [command, *rest] = relay.received[1:-1]
    assert command.startswith(f"clear AUTH {mechanism} ")
    assert len(rest) == asks


@pytest.mark.parametrize("offered", ["SIZE", "AUTH PLAIN LOGIN"])
def test_no_mechanism_for_tokens_is_an_error_before_one_is_fetched(
    endpoint: token_endpoint.Endpoint, offered: str
) -> None:
    with (
        library_relay.Relay(offered) as relay,
        pytest.raises(smtplib.SMTPNotSupportedError, match="offers no AUTH with a token of OAuth"),
    ):
        data(relay, endpoint).connect(LONG).__enter__()
    assert relay.verbs == ["EHLO", "QUIT"]
    assert endpoint.requests == []


def test_without_a_user_no_auth_is_attempted(endpoint: token_endpoint.Endpoint) -> None:
    relay = relay_for(endpoint)
    with relay, data(relay, endpoint, user=None).connect(LONG):
        pass
    assert relay.verbs == ["EHLO", "QUIT"]


def test_a_token_goes_before_a_password(endpoint: token_endpoint.Endpoint) -> None:
    relay = relay_for(endpoint, "AUTH PLAIN XOAUTH2")
    read = data(relay, endpoint, auth_type="plain", password="hunter2-secret")
    with relay, read.connect(LONG):
        pass
    assert relay.commands == ["AUTH XOAUTH2"]


def test_a_token_in_the_clear_is_warned_of(
    endpoint: token_endpoint.Endpoint, caplog: pytest.LogCaptureFixture
) -> None:
    relay = relay_for(endpoint)
    with relay, data(relay, endpoint).connect(LONG):
        pass
    assert caplog.messages == [CLEAR]


def test_a_token_in_tls_is_not(
    endpoint: token_endpoint.Endpoint, tmp_path: pathlib.Path, caplog: pytest.LogCaptureFixture
) -> None:
    certificate = library_relay.certificate(tmp_path)
    relay = relay_for(endpoint, "AUTH XOAUTH2", tls=certificate.server)
    chain = endpoint.ca + certificate.authority
    with relay, data(relay, endpoint, transport_security="tls", tls_ca_chain=chain).connect(LONG):
        pass
    assert relay.attempts == [(USER, endpoint.issued[0])]
    assert caplog.messages == []


# What is refused.


@pytest.mark.parametrize(("mechanism", "answer"), [("XOAUTH2", ""), ("OAUTHBEARER", "AQ==")])
@pytest.mark.parametrize("token", ["short", "long" * 400])
def test_an_error_challenge_is_answered_once_and_put_into_words(
    endpoint: token_endpoint.Endpoint, mechanism: str, answer: str, token: str
) -> None:
    endpoint.answer = 200, {"access_token": token}
    relay = relay_for(endpoint, f"AUTH {mechanism}")
    error = refusal(relay, data(relay, endpoint))
    assert (error.smtp_code, error.smtp_error) == (535, b"5.7.8 the token is bad " + WORDS)
    assert relay.answers == [answer]
    assert relay.attempts == [(USER, token)]


@pytest.mark.parametrize(
    "challenge", ["bm9uc2Vuc2U=", "W10=", "%%%", "e30=", "eyJzdGF0dXMiOm51bGx9"]
)
def test_a_challenge_that_is_no_error_of_json_has_no_words(challenge: str) -> None:
    assert smtp._words_of_challenge(challenge.encode()) == ""  # pyright: ignore[reportPrivateUsage]


def test_a_refusal_in_the_place_of_a_challenge_is_the_error(
    endpoint: token_endpoint.Endpoint,
) -> None:
    said = "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled"
    relay = library_relay.Relay("AUTH XOAUTH2", answers={"AUTH": said})
    with relay, pytest.raises(smtplib.SMTPAuthenticationError, match="is disabled"):
        data(relay, endpoint).connect(LONG).__enter__()
    assert relay.verbs == ["EHLO", "AUTH", "QUIT"]


@pytest.mark.parametrize(
    ("repeated", "shown"),
    [
        ("535 bad: hunter2-token aHVudGVyMi10b2tlbg==", b"bad: ******** ******** "),
        ("535-5.7.8 bad: HUNTER2-\r\n535 5.7.8 token", b"5.7.8 bad: ********\n5.7.8 ******** "),
        ("535 5.7.8 bad: 'hunter2-...'", b"5.7.8 bad: '********' "),
    ],
)
def test_what_a_refusal_repeats_of_the_token_is_hidden(
    endpoint: token_endpoint.Endpoint, repeated: str, shown: bytes
) -> None:
    endpoint.answer = 200, {"access_token": "hunter2-token"}
    relay = relay_for(endpoint, refusal=repeated)
    assert refusal(relay, data(relay, endpoint)).smtp_error == shown + WORDS


@pytest.mark.parametrize("mechanism", ["XOAUTH2", "OAUTHBEARER"])
def test_a_kept_token_that_is_refused_is_fetched_anew(
    endpoint: token_endpoint.Endpoint, mechanism: str
) -> None:
    relay = relay_for(endpoint, f"AUTH {mechanism}")
    with relay:
        for revoked in (False, True, False):
            if revoked:
                endpoint.revoke()
            with data(relay, endpoint).connect(LONG):
                pass
    first, second = endpoint.issued
    assert [token for _, token in relay.attempts] == [first, first, second, second]


def test_a_kept_token_is_fetched_anew_once(endpoint: token_endpoint.Endpoint) -> None:
    relay = library_relay.TokenRelay(lambda _: False, "AUTH XOAUTH2")
    read = data(relay, endpoint)
    read.access_token(LONG)
    error = refusal(relay, read)
    assert error.smtp_error.endswith(WORDS)
    assert [token for _, token in relay.attempts] == endpoint.issued
    assert len(endpoint.issued) == 2


def test_a_new_token_that_is_refused_is_not_tried_again_and_not_kept(
    endpoint: token_endpoint.Endpoint,
) -> None:
    for number in (1, 2):
        relay = library_relay.TokenRelay(lambda _: False, "AUTH XOAUTH2")
        refusal(relay, data(relay, endpoint))
        assert len(relay.attempts) == 1
        assert len(endpoint.issued) == number


def test_a_relay_that_cannot_tell_now_does_not_cost_a_token(
    endpoint: token_endpoint.Endpoint,
) -> None:
    relay = relay_for(endpoint, refusal="454 4.7.0 Temporary authentication failure")
    read = data(relay, endpoint)
    token = read.access_token(LONG)
    endpoint.revoke()
    assert refusal(relay, read).smtp_code == 454
    assert len(relay.attempts) == 1
    assert read.access_token(LONG) == token


def test_a_relay_that_hangs_up_after_a_refusal_has_said_why(
    endpoint: token_endpoint.Endpoint,
) -> None:
    relay = relay_for(endpoint, hangs_up=True)
    read = data(relay, endpoint)
    read.access_token(LONG)
    endpoint.revoke()
    error = refusal(relay, read)
    assert (error.smtp_code, error.smtp_error) == (535, b"5.7.8 the token is bad " + WORDS)
    # The next one has a new token.
    relay = relay_for(endpoint)
    with relay, data(relay, endpoint).connect(LONG):
        pass
    assert relay.attempts == [(USER, endpoint.issued[1])]


def test_an_endpoint_that_refuses_is_the_error_of_the_connection(
    endpoint: token_endpoint.Endpoint,
) -> None:
    endpoint.answer = 400, {"error": "invalid_scope"}
    relay = relay_for(endpoint)
    with relay, pytest.raises(smtp.TokenError, match="invalid_scope"):
        data(relay, endpoint).connect(LONG).__enter__()
    assert relay.verbs == ["EHLO", "QUIT"]

"""Refresh tokens that are not redeemed, and secrets that show nowhere."""

from __future__ import annotations

import email.message
import json
import traceback
from typing import TYPE_CHECKING, Any

import pytest
from checking import HOST, Resolver, base64_of, diagnosis
from scripted_relay import Behaviour, ScriptedRelay
from with_token import ADDRESSES, XOAUTH2, account, check

import relay_check
from relay_check import Kind, Outcome, oauth

if TYPE_CHECKING:
    from tests import token_endpoint

# A refresh token serves one holder.


def test_refresh_token_is_not_redeemed(endpoint: token_endpoint.Endpoint) -> None:
    endpoint.rotates = True
    with ScriptedRelay(Behaviour(capabilities=XOAUTH2)) as relay:
        report = check(relay, endpoint, "refresh-token", **ADDRESSES)

    assert report.works
    assert endpoint.requests == []
    token = report.stage("token")
    assert token is not None
    assert token.outcome is Outcome.PASSED
    assert token.facts["note"] == oauth.KEPT
    outcomes = {stage.name: stage.outcome for stage in report.stages}
    assert outcomes["auth"] is outcomes["envelope"] is Outcome.SKIPPED
    assert relay.verbs == ["EHLO", "QUIT"]


def test_refresh_token_that_was_rotated_is_told(endpoint: token_endpoint.Endpoint) -> None:
    endpoint.rotates = True
    with ScriptedRelay(
        Behaviour({"QUIT": f"221 {min(endpoint.refresh_tokens)}"}, XOAUTH2)
    ) as relay:
        report = check(relay, endpoint, "refresh-token", redeem_refresh_token=True)

    assert report.works
    assert Kind.REFRESH_TOKEN_ROTATED in [warning.kind for warning in report.warnings]


@pytest.mark.parametrize("kind", ["client-secret", "refresh-token"])
def test_refresh_token_that_replaces_none_is_not_told(
    endpoint: token_endpoint.Endpoint, kind: str
) -> None:
    answer = {"access_token": "s3cret-token", "refresh_token": min(endpoint.refresh_tokens)}
    endpoint.answer = 200, answer
    with ScriptedRelay(Behaviour(capabilities=XOAUTH2)) as relay:
        report = check(relay, endpoint, kind, redeem_refresh_token=True)

    assert report.works
    assert Kind.REFRESH_TOKEN_ROTATED not in [warning.kind for warning in report.warnings]


def test_nothing_is_sent_with_a_refresh_token(endpoint: token_endpoint.Endpoint) -> None:
    mail = email.message.EmailMessage()
    mail.set_content("A test.\n")
    with ScriptedRelay(Behaviour(capabilities=XOAUTH2)) as relay:
        target = relay_check.Target(
            HOST, relay.port, tls_ca_chain=endpoint.ca, **account(endpoint, "refresh-token")
        )
        sent = relay_check.send(
            target, mail, ["ops@example.com"], timeout=60, resolver=Resolver(relay.host)
        )

    assert not sent.sent
    assert diagnosis(sent.report)[:2] == ("message", "refresh token is not for this")
    assert endpoint.requests == []
    assert relay.verbs == ["EHLO", "QUIT"]


def test_a_message_is_sent_with_a_token(endpoint: token_endpoint.Endpoint) -> None:
    mail = email.message.EmailMessage()
    mail.set_content("A test.\n")
    with ScriptedRelay(Behaviour(capabilities=XOAUTH2)) as relay:
        target = relay_check.Target(
            HOST, relay.port, tls_ca_chain=endpoint.ca, **account(endpoint)
        )
        sent = relay_check.send(
            target, mail, ["ops@example.com"], timeout=60, resolver=Resolver(relay.host)
        )

    assert sent.queue_id == "4F2A91C0B7"


def test_no_token_where_no_attempt_is_wanted(endpoint: token_endpoint.Endpoint) -> None:
    with ScriptedRelay(Behaviour(capabilities=XOAUTH2)) as relay:
        report = check(relay, endpoint, attempt_auth=False)

    assert report.works
    assert report.stage("token") is None
    assert endpoint.requests == []


# Secrets show nowhere.


@pytest.mark.parametrize("verb", ["BANNER", "EHLO", "AUTH", "MAIL", "QUIT", "XOAUTH2-ERROR"])
@pytest.mark.parametrize("kind", ["client-secret", "private-key", "refresh-token"])
def test_secret_that_a_relay_repeats_is_hidden(
    endpoint: token_endpoint.Endpoint, verb: str, kind: str
) -> None:
    token = "t0ken-of-some-length-" * 3
    endpoint.answer = (200, {"access_token": token})
    endpoint.issued.append(token)
    secret = {
        "client-secret": endpoint.client.secret,
        "private-key": endpoint.client.key.private.splitlines()[3],
        "refresh-token": min(endpoint.refresh_tokens),
    }[kind]
    encoded = base64_of(f"user={endpoint.client.user}\1auth=Bearer {token}\1\1")
    repeated = [secret, base64_of(secret)]
    if verb not in {"BANNER", "EHLO"}:
        # A relay that has seen the token.
        repeated += [token, token[7:30], encoded, encoded[40:80]]
    words = " ".join(repeated)
    answer = f"535 {words}"
    if verb == "XOAUTH2-ERROR":
        answer = f"334 {base64_of(json.dumps({'status': words}))}"
    with ScriptedRelay(Behaviour({verb: answer}, XOAUTH2)) as relay:
        report = check(relay, endpoint, kind, redeem_refresh_token=True)

    text = "\n".join([*report.lines(), json.dumps(report.to_dict())])
    assert "[hidden]" in text
    assert [each for each in repeated if each in text] == []


def test_secret_shows_in_no_traceback(endpoint: token_endpoint.Endpoint) -> None:
    given = account(endpoint)
    without_user: dict[str, Any] = given | {"user": None}
    target = relay_check.Target(HOST, 25, **given)
    with pytest.raises(ZeroDivisionError) as raised:
        relay_check.check(target, resolver=Resolver(error=ZeroDivisionError()))
    with pytest.raises(ValueError, match="auth_type=oauth2 needs a user") as refused:
        relay_check.Target(HOST, 25, **without_user)
    with pytest.raises(ValueError, match="auth_type=oauth2 needs a user"):
        relay_check.Target(HOST, 25, auth_type="oauth2", user="notifier")

    shown = "".join(
        "".join(traceback.format_exception(error)) for error in (raised.value, refused.value)
    )
    assert endpoint.client.secret not in shown + repr(target)

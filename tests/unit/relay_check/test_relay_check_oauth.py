"""The stage `token`, and AUTH with what it brought."""

from __future__ import annotations

import dataclasses
import pathlib
import subprocess
import sys
from typing import TYPE_CHECKING

import checking
import pytest
from checking import ACCOUNT, HOST, Resolver, base64_of, diagnosis
from scripted_relay import DROP, Behaviour, ScriptedRelay
from with_token import ADDRESSES, XOAUTH2, account, check

import relay_check
import smtp_oauth
from relay_check import Kind, oauth

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests import token_endpoint

# One refusal of each kind; all that providers say is in the table of smtp_oauth's tests.
REFUSALS = {
    Kind.TENANT_UNKNOWN: (400, "invalid_request", "AADSTS90002: Tenant 'contoso' not found."),
    Kind.CLIENT_UNKNOWN: (400, "unauthorized_client", "AADSTS700016: Application not found."),
    Kind.CLIENT_SECRET_WRONG: (401, "invalid_client", "AADSTS7000215: Invalid client secret."),
    Kind.CLIENT_SECRET_EXPIRED: (401, "invalid_client", "AADSTS7000222: The keys are expired."),
    Kind.CLIENT_KEY_REFUSED: (400, "invalid_grant", "Invalid JWT Signature."),
    Kind.SCOPE_REFUSED: (400, "invalid_scope", "AADSTS70011: The scope is not valid."),
    Kind.CONSENT_MISSING: (401, "unauthorized_client", "Client is unauthorized to retrieve it."),
    Kind.CLOCK_SKEW: (401, "invalid_client", "AADSTS700024: not within its valid time range."),
    Kind.REFRESH_TOKEN_VOID: (400, "invalid_grant", "Token has been expired or revoked."),
    Kind.SUBJECT_UNKNOWN: (400, "invalid_grant", "Invalid grant: account not found"),
    Kind.TOKEN_POLICY: (400, "invalid_grant", "AADSTS53003: Access has been blocked."),
    Kind.TOKEN_ENDPOINT_BUSY: (503, "temporarily_unavailable", "AADSTS90033: Try again."),
    Kind.TOKEN_REFUSED: (400, "unsupported_grant_type", "no such grant"),
}


def said(relay: ScriptedRelay) -> list[str]:
    """Return what the client said from AUTH on, to QUIT or the envelope."""
    commands = relay.conversations[0].commands
    return commands[1 : commands.index(next(c for c in commands if c[:4] in {"QUIT", "MAIL"}))]


def response(endpoint: token_endpoint.Endpoint, relay: ScriptedRelay, mechanism: str) -> str:
    token, user = endpoint.issued[-1], endpoint.client.user
    if mechanism == "XOAUTH2":
        return base64_of(f"user={user}\1auth=Bearer {token}\1\1")
    place = f"host={HOST}\1port={relay.port}\1"
    return base64_of(f"n,a={user},\1{place}auth=Bearer {token}\1\1")


# It works.


@pytest.mark.parametrize(
    "kind", ["client-secret", "private-key", "service-account", "refresh-token"]
)
@pytest.mark.parametrize(
    ("offered", "mechanism"),
    [("AUTH LOGIN XOAUTH2", "XOAUTH2"), ("AUTH xoauth2 OAuthBearer PLAIN", "OAUTHBEARER")],
)
def test_every_grant_and_mechanism(
    endpoint: token_endpoint.Endpoint, kind: str, offered: str, mechanism: str
) -> None:
    with ScriptedRelay(Behaviour(capabilities=(offered,))) as relay:
        report = check(relay, endpoint, kind, redeem_refresh_token=True, **ADDRESSES)

    assert report.works, report.lines()
    names = [stage.name for stage in report.stages]
    assert names[-4:] == ["token", "auth", "envelope", "quit"]
    token, auth = report.stage("token"), report.stage("auth")
    assert token is not None
    assert token.facts == {"endpoint": endpoint.url, "grant": kind, "expires-in": "3600 s"}
    assert auth is not None
    assert auth.facts["chosen"] == mechanism
    assert report.checked.user == endpoint.client.user
    # A token of a usual length does not fit into the command.
    assert said(relay) == [f"AUTH {mechanism}", response(endpoint, relay, mechanism)]


@pytest.mark.parametrize("alone", [False, True])
def test_short_token_goes_with_the_command(
    endpoint: token_endpoint.Endpoint, *, alone: bool
) -> None:
    endpoint.answer = (200, {"access_token": "sh0rt-t0ken"})
    endpoint.issued.append("sh0rt-t0ken")
    # Some relays want it by itself all the same.
    answers = {"XOAUTH2-0": "334 "} if alone else {}
    behaviour = Behaviour(answers, XOAUTH2)
    with ScriptedRelay(behaviour) as relay:
        report = check(relay, endpoint)

    assert report.works
    sent = response(endpoint, relay, "XOAUTH2")
    assert said(relay) == [f"AUTH XOAUTH2 {sent}", *([sent] if alone else [])]


def test_token_in_the_clear_is_a_warning(
    pki: checking.Pki, endpoint: token_endpoint.Endpoint
) -> None:
    secure = Behaviour(capabilities=XOAUTH2, context=pki.good, tls=True)
    with ScriptedRelay(Behaviour(capabilities=XOAUTH2)) as relay, ScriptedRelay(secure) as other:
        clear = check(relay, endpoint)
        chain = pki.root.pem + endpoint.ca
        tls = check(other, endpoint, transport_security="tls", tls_ca_chain=chain)

    assert [warning.kind for warning in clear.warnings] == [Kind.TOKEN_IN_CLEAR]
    assert tls.works
    assert tls.warnings == []


# The endpoint refuses.


@pytest.mark.parametrize("kind", REFUSALS, ids=[kind.code for kind in REFUSALS])
def test_refusal_of_the_endpoint(endpoint: token_endpoint.Endpoint, kind: Kind) -> None:
    status, error, words = REFUSALS[kind]
    endpoint.answer = (status, {"error": error, "error_description": words})
    with ScriptedRelay(Behaviour(capabilities=XOAUTH2)) as relay:
        report = check(relay, endpoint)

    assert report.kind is kind
    assert diagnosis(report)[:2] == ("token", f"{kind.title}: {error}: {words}")
    assert report.stage("auth") is None
    assert relay.verbs == ["EHLO", "QUIT"]


def test_every_reason_has_its_diagnosis() -> None:
    on_the_way = {
        *(Kind.TOKEN_HOST_UNKNOWN, Kind.TOKEN_UNREACHABLE, Kind.TOKEN_TLS, Kind.TOKEN_TIMEOUT),
        *(Kind.NO_TOKEN, Kind.PRIVATE_KEY_UNUSABLE),
    }

    assert set(oauth.KINDS) == set(smtp_oauth.Kind)
    assert set(oauth.KINDS.values()) == set(REFUSALS) | on_the_way


def test_endpoint_that_is_no_endpoint(endpoint: token_endpoint.Endpoint) -> None:
    endpoint.answer = (200, "<html>Sign in</html>")
    with ScriptedRelay(Behaviour(capabilities=XOAUTH2)) as relay:
        report = check(relay, endpoint)

    assert report.summary == "no token in the answer: HTTP 200, and no JSON with a token"
    assert report.exit_code == 76


@pytest.mark.parametrize("kind", ["client-secret", "refresh-token"])
def test_way_to_the_endpoint(endpoint: token_endpoint.Endpoint, kind: str) -> None:
    given = account(endpoint, kind)
    nowhere = dataclasses.replace(given["oauth"], token_url="https://idp.invalid/token")
    with ScriptedRelay(Behaviour(capabilities=XOAUTH2)) as relay:
        name = check(relay, endpoint, kind, oauth=nowhere)
        tls = check(relay, endpoint, kind, tls_ca_chain=None)
        endpoint.stop()
        connection = check(relay, endpoint, kind, oauth=given["oauth"])
        endpoint.start()

    assert [report.kind for report in (name, tls, connection)] == [
        Kind.TOKEN_HOST_UNKNOWN,
        Kind.TOKEN_TLS,
        Kind.TOKEN_UNREACHABLE,
    ]
    assert connection.summary == "token endpoint cannot be reached: Connection refused"
    assert "unable to get local issuer certificate" in tls.summary


def test_endpoint_that_is_silent(endpoint: token_endpoint.Endpoint) -> None:
    with checking.filtered_port() as port, ScriptedRelay(Behaviour(capabilities=XOAUTH2)) as relay:
        grant = dataclasses.replace(
            account(endpoint)["oauth"], token_url=f"https://127.0.0.1:{port}/token"
        )
        target = relay_check.Target(
            HOST, relay.port, auth_type="oauth2", user="notifier", oauth=grant
        )
        report = relay_check.check(
            target, timeout=60, stage_timeout=0.5, resolver=Resolver(relay.host)
        )

    assert report.kind is Kind.TOKEN_TIMEOUT


# The relay refuses.


@pytest.mark.parametrize(
    ("mechanism", "answered"), [("XOAUTH2", ""), ("OAUTHBEARER", base64_of("\1"))]
)
def test_error_challenge_is_answered_once(
    endpoint: token_endpoint.Endpoint, mechanism: str, answered: str
) -> None:
    error = base64_of('{"status":"401","schemes":"Bearer","scope":"https://mail.example.com/"}')
    answers = {f"{mechanism}-ERROR": f"334 {error}", "AUTH": "535 5.7.8 not accepted"}
    with ScriptedRelay(Behaviour(answers, (f"AUTH {mechanism}",))) as relay:
        report = check(relay, endpoint)

    assert report.kind is Kind.TOKEN_NOT_TAKEN
    assert report.summary == (
        "relay refuses the token: 535 5.7.8 not accepted "
        "(status=401, scope=https://mail.example.com/, schemes=Bearer)"
    )
    assert said(relay)[2:] == [answered]
    assert len(endpoint.requests) == 1


def test_scope_that_an_error_challenge_names(endpoint: token_endpoint.Endpoint) -> None:
    error = base64_of('{"status":"insufficient_scope","scope":"mail.send"}')
    answers = {"XOAUTH2-ERROR": f"334 {error}", "AUTH": "535 5.7.8 no"}
    with ScriptedRelay(Behaviour(answers, XOAUTH2)) as relay:
        report = check(relay, endpoint)

    assert report.kind is Kind.TOKEN_SCOPE
    assert "scope=mail.send" in report.summary


def test_relay_without_a_mechanism_for_tokens(endpoint: token_endpoint.Endpoint) -> None:
    with ScriptedRelay(Behaviour(capabilities=("AUTH PLAIN LOGIN XOAUTH",))) as relay:
        report = check(relay, endpoint)

    assert report.summary == "no AUTH mechanism for tokens: PLAIN LOGIN XOAUTH"
    assert "AUTH" not in relay.verbs


def test_relay_that_drops_the_connection(endpoint: token_endpoint.Endpoint) -> None:
    with ScriptedRelay(Behaviour({"AUTH": DROP}, XOAUTH2)) as relay:
        report = check(relay, endpoint)

    assert report.kind is Kind.DISCONNECTED


@pytest.mark.parametrize(
    ("answers", "offered"),
    [
        ({"AUTH": "550 5.7.30 Basic authentication is not supported."}, "AUTH PLAIN XOAUTH2"),
        ({}, "AUTH XOAUTH2"),
        ({}, "AUTH GSSAPI OAUTHBEARER"),
    ],
)
def test_where_passwords_are_off_the_remedy_is_oauth(
    answers: dict[str, str], offered: str
) -> None:
    with ScriptedRelay(Behaviour(answers, (offered,))) as relay:
        report = checking.check(relay, **ACCOUNT)

    assert report.kind is Kind.PASSWORDS_OFF
    assert diagnosis(report)[3].startswith("Set auth_type=oauth2 and oauth_secret;")


# What it costs others.


@pytest.mark.parametrize("auth_type", ["none", "plain"])
def test_without_oauth_nothing_of_it_is_imported(auth_type: str) -> None:
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); import relay_check\n"
        "host, port, auth_type = sys.argv[2:]\n"
        "account = {'auth_type': auth_type, 'user': 'u', 'password': 'p'}\n"
        "target = relay_check.Target(host, int(port), **account)\n"
        "assert relay_check.check(target, timeout=60).works\n"
        "print([m for m in sys.modules if m.startswith(('smtp_oauth', 'urllib.request'))])"
    )
    source = str(pathlib.Path(relay_check.__path__[0]).parent)
    with ScriptedRelay(Behaviour(capabilities=("AUTH PLAIN",))) as relay:
        arguments: Sequence[str] = (source, relay.host, str(relay.port), auth_type)
        finished = subprocess.run(
            [sys.executable, "-I", "-c", program, *arguments],
            capture_output=True,
            text=True,
            check=True,
        )

    assert finished.stdout == "[]\n"

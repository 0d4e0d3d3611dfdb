"""AUTH with tokens of OAuth 2.0: over TLS, with an endpoint that says who holds them."""

import base64
import json
import pathlib
import smtplib
import ssl
import urllib.parse
import urllib.request
from collections.abc import Iterator

import pytest
import sink_running
import strict_tls

from smtp_sink import bearer, state
from tests import token_endpoint

USER = token_endpoint.USER
PASSWORD = "s3cret-passw0rd"
REFUSED = (535, b"5.7.139 Authentication unsuccessful, basic authentication is disabled.")
INVALID = (535, b"5.7.8 Authentication credentials invalid")
CHALLENGES = {
    "OAUTHBEARER": {"status": "invalid_token"},
    "XOAUTH2": {"status": "401", "schemes": "bearer"},
}
DUMMIES = {"OAUTHBEARER": base64.b64encode(b"\x01").decode(), "XOAUTH2": ""}
mechanisms = pytest.mark.parametrize("mechanism", CHALLENGES)


@pytest.fixture(scope="module")
def endpoint() -> Iterator[token_endpoint.Endpoint]:
    with token_endpoint.serving(lifetime=3600.0) as endpoint:
        yield endpoint


@pytest.fixture(scope="module")
def server(
    endpoint: token_endpoint.Endpoint, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[sink_running.Server]:
    directory = state.StateDir(tmp_path_factory.mktemp("tokens"))
    sink_running.configure(
        directory,
        user=USER,
        refuse_passwords=True,
        introspection_url=endpoint.introspection_url,
        introspection_ca=endpoint.ca,
    )
    servers = sink_running.Servers()
    yield servers.start(directory)
    servers.end()


def fetch(endpoint: token_endpoint.Endpoint) -> str:
    content = endpoint.content("client-secret")
    form = {"grant_type": "client_credentials"} | {
        name.replace("-", "_"): content[name] for name in ("client-id", "client-secret", "scope")
    }
    request = urllib.request.Request(endpoint.url, urllib.parse.urlencode(form).encode())  # noqa: S310
    context = ssl.create_default_context(cadata=endpoint.ca)
    with urllib.request.urlopen(request, context=context, timeout=sink_running.SECONDS) as answer:  # noqa: S310
        return json.load(answer)["access_token"]


def response(mechanism: str, token: str, user: str = USER) -> str:
    credentials = {
        "OAUTHBEARER": f"n,a={user},\x01host=localhost\x01port=587\x01auth=Bearer {token}\x01\x01",
        "XOAUTH2": f"user={user}\x01auth=Bearer {token}\x01\x01",
    }
    return base64.b64encode(credentials[mechanism].encode()).decode()


def authenticate(client: smtplib.SMTP, mechanism: str, told: str) -> tuple[int, bytes]:
    """Do AUTH without an initial response, for which RFC 4954 leaves a token no room."""
    client.ehlo_or_helo_if_needed()
    assert client.docmd("AUTH", mechanism)[0] == 334
    return client.docmd(told)


@mechanisms
@pytest.mark.parametrize("listener", state.LISTENERS)
def test_a_valid_token_is_taken(
    server: sink_running.Server, endpoint: token_endpoint.Endpoint, mechanism: str, listener: str
) -> None:
    with server.connect(listener) as client:
        client.ehlo()
        assert client.esmtp_features["auth"].split() == [
            "LOGIN",
            "OAUTHBEARER",
            "PLAIN",
            "XOAUTH2",
        ]
        token = fetch(endpoint)
        assert authenticate(client, mechanism, response(mechanism, token))[0] == 235
        client.sendmail("from@example.com", ["to@example.com"], b"Subject: hello\r\n\r\nbody\r\n")
    assert server.newest().envelope.auth_user == USER
    assert token not in server.log()


@mechanisms
def test_an_initial_response_is_taken_in_any_case(
    server: sink_running.Server, endpoint: token_endpoint.Endpoint, mechanism: str
) -> None:
    with server.connect("tls") as client:
        client.ehlo()
        told = response(mechanism, fetch(endpoint))
        assert client.docmd("AUTH", f"{mechanism.lower()} {told}")[0] == 235


@mechanisms
@pytest.mark.parametrize("wrong", ["token", "user", "revoked"])
def test_a_refused_token_gets_a_challenge_and_then_535(
    server: sink_running.Server, endpoint: token_endpoint.Endpoint, mechanism: str, wrong: str
) -> None:
    token = "s3cret-token" if wrong == "token" else fetch(endpoint)
    if wrong == "revoked":
        endpoint.revoke()
    user = "other@example.com" if wrong == "user" else USER
    with server.connect("tls") as client:
        code, challenge = authenticate(client, mechanism, response(mechanism, token, user))
        assert (code, json.loads(base64.b64decode(challenge))) == (334, CHALLENGES[mechanism])
        assert client.docmd(DUMMIES[mechanism]) == INVALID
        assert client.mail("from@example.com")[0] == 530
        assert authenticate(client, mechanism, response(mechanism, fetch(endpoint)))[0] == 235
    assert token not in server.log()


@mechanisms
def test_a_challenge_may_be_aborted(server: sink_running.Server, mechanism: str) -> None:
    with server.connect("tls") as client:
        assert authenticate(client, mechanism, response(mechanism, "t"))[0] == 334
        assert client.docmd("*")[0] == 501
        assert client.noop()[0] == 250


@mechanisms
@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"user=u",
        b"user=u\x01auth=Bearer t\x01",
        b"user=u\x01auth=Basic t\x01\x01",
        b"user=u\x01auth=Bearer \x01\x01",
        b"auth=Bearer t\x01\x01",
        b"n,,\x01auth=Bearer t\x01\x01",
        b"p=tls-unique,a=u,\x01auth=Bearer t\x01\x01",
        b"n,a=u\x01auth=Bearer t\x01\x01",
        b"n,a=u,\x01\x01",
        b"\xff\xfe\x01\x01\x01",
    ],
)
def test_what_is_no_response_of_the_mechanism(mechanism: str, sent: bytes) -> None:
    assert bearer.parse(mechanism, sent) is None


def test_names_and_schemes_are_matched_in_any_case() -> None:
    login = bearer.Login("a=b,c", "t")
    assert bearer.parse("XOAUTH2", b"User=a=b,c\x01AUTH=bearer t\x01\x01") == login
    assert bearer.parse("OAUTHBEARER", b"y,a=a=3Db=2Cc,\x01Auth=BEARER t\x01\x01") == login
    assert "'t'" not in repr(login)


@mechanisms
def test_a_response_that_is_none_is_answered_501(
    server: sink_running.Server, mechanism: str
) -> None:
    with server.connect("tls") as client:
        client.ehlo()
        for told in ("=", "!", base64.b64encode(b"user=u").decode()):
            assert client.docmd("AUTH", f"{mechanism} {told}") == (
                501,
                b"5.5.2 This is no response of the mechanism",
            )


@pytest.mark.parametrize("mechanism", ["login", "plain"])
def test_passwords_are_offered_and_refused_as_microsoft_does(
    server: sink_running.Server, mechanism: str
) -> None:
    with server.connect("starttls") as client:
        client.ehlo()
        client.user, client.password = USER, PASSWORD
        with pytest.raises(smtplib.SMTPAuthenticationError) as error:
            client.auth(mechanism.upper(), getattr(client, f"auth_{mechanism}"))
    assert error.value.args == REFUSED


def test_passwords_and_tokens_are_both_taken(
    endpoint: token_endpoint.Endpoint,
    directory: state.StateDir,
    servers: sink_running.Servers,
) -> None:
    sink_running.configure(
        directory,
        user=USER,
        password=PASSWORD,
        introspection_url=endpoint.introspection_url,
        introspection_ca=endpoint.ca,
    )
    server = servers.start(directory)
    with server.connect("tls") as client:
        assert client.login(USER, PASSWORD)[0] == 235
    with server.connect("tls") as client:
        assert authenticate(client, "XOAUTH2", response("XOAUTH2", fetch(endpoint)))[0] == 235


def test_without_a_password_tokens_alone_are_offered(
    endpoint: token_endpoint.Endpoint, directory: state.StateDir, servers: sink_running.Servers
) -> None:
    sink_running.configure(directory, user=USER, introspection_url=endpoint.introspection_url)
    with servers.start(directory).connect("tls") as client:
        client.ehlo()
        assert client.esmtp_features["auth"].split() == ["OAUTHBEARER", "XOAUTH2"]
        assert client.docmd("AUTH", "PLAIN")[0] == 504


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("down", "Connection refused"),
        ("certificate", "its certificate: "),
        ("path", "it answers 404"),
        ("words", "it does not answer in JSON over HTTP"),
        ("depth", "it does not answer in JSON over HTTP"),
    ],
)
def test_a_token_that_cannot_be_checked_is_refused_for_now(
    directory: state.StateDir, servers: sink_running.Servers, fault: str, words: str
) -> None:
    with token_endpoint.serving() as endpoint:
        url = endpoint.introspection_url
        if fault == "path":
            url = url.replace("/introspect", "/elsewhere")
        if fault == "words":
            url, endpoint.answer = endpoint.url, (200, "s3cret words")
        if fault == "depth":
            url, endpoint.answer = endpoint.url, (200, "[" * 60_000)
        ca = "" if fault == "certificate" else endpoint.ca
        sink_running.configure(directory, user=USER, introspection_url=url, introspection_ca=ca)
        server = servers.start(directory)
        if fault == "down":
            endpoint.stop()
        with server.connect("tls") as client:
            code, answer = authenticate(client, "XOAUTH2", response("XOAUTH2", "s3cret-token"))
    assert (code, answer) == (
        454,
        b"4.7.0 Tokens cannot be checked now; the server's log says why",
    )
    assert f"the introspection endpoint cannot be asked: {words}" in server.log()
    assert "s3cret" not in server.log()


def test_the_endpoints_ca_is_trusted_as_leniently_on_every_python(
    monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    with strict_tls.lenient_endpoint(monkeypatch, tmp_path) as (endpoint, authority):
        login = bearer.Login(USER, "unknown")
        assert not bearer.is_valid(login, endpoint.introspection_url, authority)


def test_the_configuration_is_read_as_it_was_written(tmp_path: pathlib.Path) -> None:
    directory = state.StateDir(tmp_path)
    config = sink_running.configure(directory, user=USER, refuse_passwords=True)
    assert state.ServerConfig.from_json(directory.config.read_text()) == config

"""How the library fetches access tokens, from an endpoint over TLS."""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import socketserver
import subprocess
import sys
import threading
import time
import traceback
from typing import TYPE_CHECKING, Any

import pytest

from charms.smtp_integrator.v0 import smtp
from tests import client_key, token_endpoint

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Generator, Iterator

KINDS = ["client-secret", "private-key", "service-account", "refresh-token"]
# No limit of a test comes near this, on however slow a machine.
LONG = 300.0
SHORT = 0.3
GRANT: dict[str, str] = {
    "token_url": "https://localhost:9/token",
    "client_id": "mailer",
    "client_secret": "hunter2-secret",
}


@pytest.fixture
def endpoint() -> Iterator[token_endpoint.Endpoint]:
    with token_endpoint.serving(lifetime=3600.0) as serving:
        yield serving


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("https_proxy", "HTTPS_PROXY", "no_proxy", "NO_PROXY", "JUJU_CHARM_HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)


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


# Fetching.


@pytest.mark.parametrize("kind", KINDS)
def test_each_grant_brings_a_token(endpoint: token_endpoint.Endpoint, kind: str) -> None:
    assert of(endpoint, kind).access_token(LONG) == endpoint.issued[-1]


@pytest.mark.parametrize("kind", ["private-key", "service-account"])
def test_a_key_on_a_curve_signs_too(kind: str) -> None:
    with token_endpoint.serving(elliptic=True) as endpoint:
        assert of(endpoint, kind).access_token(LONG) == endpoint.issued[-1]


def test_a_token_is_kept_for_all_who_have_its_grant(endpoint: token_endpoint.Endpoint) -> None:
    tokens = {of(endpoint).access_token(LONG) for _ in range(3)}
    assert tokens == {*endpoint.issued}
    assert len(endpoint.requests) == 1


def test_a_token_is_fetched_anew_before_it_expires(endpoint: token_endpoint.Endpoint) -> None:
    endpoint.lifetime = 1.0
    data = of(endpoint)
    first = data.access_token(LONG)
    late = time.monotonic() + LONG
    while data.access_token(LONG) == first and time.monotonic() < late:
        time.sleep(0.05)
    assert data.access_token(LONG) != first


@pytest.mark.parametrize("lifetime", ["3600", None, "soon", [1], 10**400])
def test_a_lifetime_may_be_a_string_or_absent(
    endpoint: token_endpoint.Endpoint, lifetime: object
) -> None:
    endpoint.answer = 200, {"access_token": "t", "expires_in": lifetime}
    data = of(endpoint)
    assert [data.access_token(LONG), data.access_token(LONG)] == ["t", "t"]
    assert len(endpoint.requests) == 1


def test_another_grant_has_a_token_of_its_own(endpoint: token_endpoint.Endpoint) -> None:
    data = of(endpoint)
    first = data.access_token(LONG)
    data.oauth = grant(endpoint.content("private-key"))
    assert data.access_token(LONG) != first


def test_a_refresh_token_that_is_replaced_is_used_from_then_on(
    endpoint: token_endpoint.Endpoint,
) -> None:
    endpoint.rotates, endpoint.lifetime = True, 0.0
    data = of(endpoint, "refresh-token")
    tokens = [data.access_token(LONG) for _ in range(3)]
    assert tokens == endpoint.issued
    assert len({form["refresh_token"] for form in endpoint.requests}) == 3


def test_threads_fetch_one_token(endpoint: token_endpoint.Endpoint) -> None:
    endpoint.rotates = True
    data = of(endpoint, "refresh-token")
    tokens: list[str] = []
    threads = [
        threading.Thread(target=lambda: tokens.append(data.access_token(LONG))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert tokens == endpoint.issued * 4


# Why there is none.


def test_a_relay_without_a_grant_has_no_token() -> None:
    with pytest.raises(smtp.TokenError, match="published nothing to fetch a token with"):
        relay(None).access_token()


def test_nothing_is_sent_in_the_clear() -> None:
    oauth = smtp.OAuthGrant(**{**GRANT, "token_url": "http://localhost:9/token"})
    assert failure(relay(oauth)) == "token_url is no https URL"


def test_the_endpoints_words_are_the_errors_without_what_was_sent(
    endpoint: token_endpoint.Endpoint,
) -> None:
    words = f"AADSTS7000215: Invalid client secret '{endpoint.client.secret}'.\r\nTrace ID: 1"
    endpoint.answer = 401, {"error": "invalid_client", "error_description": words}
    assert failure(of(endpoint)) == (
        "the token endpoint gave no token (HTTP status 401): invalid_client: "
        "AADSTS7000215: Invalid client secret '********'. Trace ID: 1"
    )


@pytest.mark.parametrize("kind", ["private-key", "service-account", "refresh-token"])
def test_what_an_endpoint_repeats_is_hidden(endpoint: token_endpoint.Endpoint, kind: str) -> None:
    data = of(endpoint, kind)
    endpoint.answer = 400, {"error": "invalid_grant"}
    failure(data)
    [form] = endpoint.requests
    sent = [form[name] for name in form if "assertion" in name or "refresh" in name]
    secret = max(sent, key=len)
    # An assertion is signed anew each time.
    if kind == "refresh-token":
        endpoint.answer = 400, {"error": "invalid_grant", "error_description": f"no {secret}"}
        assert failure(data).endswith("invalid_grant: no ********")
    assert smtp._without_secrets(f"no {secret}", form) == "no ********"  # pyright: ignore[reportPrivateUsage]


def test_a_failure_is_not_kept(endpoint: token_endpoint.Endpoint) -> None:
    endpoint.answer = 503, "busy"
    data = of(endpoint)
    assert failure(data) == (
        "the token endpoint gave no token (HTTP status 503): without a reason"
    )
    endpoint.answer = None
    assert data.access_token(LONG) == endpoint.issued[-1]


@pytest.mark.parametrize(
    "body",
    [
        "",
        "<html>Sign in</html>",
        "[1]",
        "null",
        "[" * 9999,
        '{"access_token": ""}',
        '{"access_token": 1}',
        '{"access_token": "a\\r\\nb"}',
        '{"access_token": "ü"}',
        '{"token": "t"}',
    ],
)
def test_an_answer_without_a_token_is_an_error(
    endpoint: token_endpoint.Endpoint, body: str
) -> None:
    endpoint.answer = 200, body
    assert failure(of(endpoint)) == (
        "the token endpoint gave no token (HTTP status 200): without a reason"
    )


def test_an_endless_answer_is_cut(endpoint: token_endpoint.Endpoint) -> None:
    endpoint.answer = 200, json.dumps({"access_token": "t", "padding": "x" * 10_000_000})
    assert "HTTP status 200" in failure(of(endpoint))


def test_no_redirect_is_followed(endpoint: token_endpoint.Endpoint) -> None:
    endpoint.answer = 307, ""
    with token_endpoint.serving() as other:
        endpoint.headers["Location"] = other.url
        assert "HTTP status 307" in failure(of(endpoint))
        assert other.requests == []


def test_an_endpoint_that_is_down_is_an_error(endpoint: token_endpoint.Endpoint) -> None:
    data = of(endpoint)
    endpoint.stop()
    assert failure(data).startswith("the token endpoint cannot be reached: [Errno 111]")
    endpoint.start()
    assert data.access_token(LONG) == endpoint.issued[-1]


@pytest.mark.parametrize("skip_ssl_verify", [True, False])
def test_an_endpoint_that_nobody_vouches_for_is_an_error(
    endpoint: token_endpoint.Endpoint, *, skip_ssl_verify: bool
) -> None:
    data = relay(grant(endpoint.content("client-secret")), skip_ssl_verify=skip_ssl_verify)
    assert "certificate verify failed" in failure(data)
    with token_endpoint.serving() as other:
        data.tls_ca_chain = other.ca
        assert "certificate verify failed" in failure(data)
    assert endpoint.requests == []


@pytest.mark.parametrize("url", ["https://", "https://[", "https://a b/", "https://localhost:x/"])
def test_what_is_no_url_is_an_error(url: str) -> None:
    oauth = smtp.OAuthGrant(**{**GRANT, "token_url": url})
    assert failure(relay(oauth)).startswith("the token endpoint cannot be reached: ")


def test_a_chain_that_is_no_pem_is_an_error(endpoint: token_endpoint.Endpoint) -> None:
    data = of(endpoint)
    data.tls_ca_chain = "-----BEGIN CERTIFICATE-----\n"
    assert failure(data).startswith("the token endpoint cannot be reached: ")


ENCRYPTED = """\
-----BEGIN ENCRYPTED PRIVATE KEY-----
MIGjMF8GCSqGSIb3DQEFDTBSMDEGCSqGSIb3DQEFDDAkBBD5Q5h2mFJtdSm4E0Yd
-----END ENCRYPTED PRIVATE KEY-----
"""


@pytest.mark.parametrize("wrong", ["hunter2-secret", ENCRYPTED, "-----BEGIN PRIVATE KEY-----"])
@pytest.mark.parametrize("field", ["private_key", "certificate"])
def test_a_key_that_is_none_is_an_error(wrong: str, field: str) -> None:
    key = client_key.shared()
    fields = {"private_key": key.private, "certificate": key.certificate, field: wrong}
    oauth = smtp.OAuthGrant("https://localhost:9/token", "mailer", **fields)
    assert failure(relay(oauth)) == (
        "private-key or certificate cannot be used: enter the PEM of an RSA or P-256 key"
    )


def test_without_cryptography_a_private_key_is_a_clear_error(
    monkeypatch: pytest.MonkeyPatch, endpoint: token_endpoint.Endpoint
) -> None:
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives", None)
    assert failure(of(endpoint, "private-key")) == (
        "private-key needs the Python package cryptography: install it"
    )
    assert of(endpoint).access_token(LONG) == endpoint.issued[-1]


# What forbids digests that are not allowed for security, as with FIPS.
FIPS = """\
openssl_conf = init
[init]
alg_section = properties
[properties]
default_properties = fips=yes
"""
THUMBPRINTS = """
import sys
from charms.smtp_integrator.v0 import smtp
print(sorted(smtp._thumbprints(sys.stdin.read()).items()))
"""


def test_a_certificate_is_named_where_digests_are_forbidden(tmp_path: pathlib.Path) -> None:
    key = client_key.shared()
    configuration = tmp_path / "openssl.cnf"
    configuration.write_text(FIPS)
    path = os.pathsep.join(sys.path)
    printed = subprocess.run(
        [sys.executable, "-c", THUMBPRINTS],
        env={**os.environ, "PYTHONPATH": path, "OPENSSL_CONF": str(configuration)},
        input=key.certificate,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert printed == f"{sorted(key.thumbprints.items())}\n"


# What stalls.


@contextlib.contextmanager
def stalling(*, trickles: bool, context: Any = None) -> Generator[str, None, None]:
    """Serve one connection that has no end, until the test has one, and give the URL."""

    def serve() -> None:
        accepted, _ = listener.accept()
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            connection = stack.enter_context(accepted)
            if context:
                connection = stack.enter_context(context.wrap_socket(accepted, server_side=True))
            if trickles:
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n")
            while not ended.wait(SHORT / 10):
                if trickles:
                    connection.sendall(b" ")

    ended = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        yield f"https://localhost:{listener.getsockname()[1]}/token"
        ended.set()
        thread.join()


@pytest.mark.parametrize("trickles", [True, False])
@pytest.mark.parametrize("in_tls", [True, False])
def test_an_endpoint_that_stalls_is_left_in_time(
    endpoint: token_endpoint.Endpoint, *, trickles: bool, in_tls: bool
) -> None:
    context = endpoint.context if in_tls else None
    with stalling(trickles=trickles and in_tls, context=context) as url:
        oauth = smtp.OAuthGrant(**{**GRANT, "token_url": url})
        problem = failure(relay(oauth, tls_ca_chain=endpoint.ca), timeout=SHORT)
    assert re.search("did not answer in time|timed out|not done within", problem)


def test_who_waits_for_anothers_token_is_let_go_in_time(
    endpoint: token_endpoint.Endpoint,
) -> None:
    with stalling(trickles=False) as url:
        oauth = smtp.OAuthGrant(**{**GRANT, "token_url": url})
        data = relay(oauth, tls_ca_chain=endpoint.ca)
        with smtp._kept(oauth)._lock:  # pyright: ignore[reportPrivateUsage]
            problem = failure(data, timeout=SHORT)
        socket.create_connection(("localhost", int(url.split(":")[2][:-6]))).close()
    assert problem == f"no access token within {SHORT:g} s: another is being fetched"


# Proxies.


class _Tunnel(socketserver.StreamRequestHandler):
    """Joins a client to where it asks for, by CONNECT (RFC 9110 section 9.3.6)."""

    def handle(self) -> None:
        target = self.rfile.readline().decode().split(" ")[1]
        server: Any = self.server
        server.targets.append(target)
        while self.rfile.readline() not in {b"\r\n", b""}:
            pass
        host, _, port = target.rpartition(":")
        with socket.create_connection((host, int(port))) as beyond:
            self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = threading.Thread(target=_pass_on, args=(beyond, self.connection))
            back.start()
            _pass_on(self.connection, beyond)
            back.join()


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)


@pytest.fixture
def proxy() -> Iterator[Any]:
    """A proxy; its `targets` are what clients asked for."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Tunnel) as server:
        made: Any = server
        made.targets = []
        made.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield made
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("variable", ["https_proxy", "JUJU_CHARM_HTTPS_PROXY"])
def test_the_proxy_of_the_environment_or_of_the_model_is_used(
    endpoint: token_endpoint.Endpoint,
    proxy: Any,
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
) -> None:
    monkeypatch.setenv(variable, proxy.url)
    assert of(endpoint).access_token(LONG) == endpoint.issued[-1]
    assert proxy.targets == [f"localhost:{endpoint.port}"]


def test_the_proxy_of_the_model_goes_before_that_of_the_environment(
    endpoint: token_endpoint.Endpoint, proxy: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("JUJU_CHARM_HTTPS_PROXY", proxy.url)
    assert of(endpoint).access_token(LONG) == endpoint.issued[-1]
    assert proxy.targets == [f"localhost:{endpoint.port}"]


@pytest.mark.parametrize(
    ("variable", "without"),
    [("https_proxy", "no_proxy"), ("JUJU_CHARM_HTTPS_PROXY", "JUJU_CHARM_NO_PROXY")],
)
def test_no_proxy_is_used_where_it_is_not_to_be(
    endpoint: token_endpoint.Endpoint,
    proxy: Any,
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
    without: str,
) -> None:
    monkeypatch.setenv(variable, proxy.url)
    monkeypatch.setenv(without, "example.com,localhost")
    assert of(endpoint).access_token(LONG) == endpoint.issued[-1]
    assert proxy.targets == []

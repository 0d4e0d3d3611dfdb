"""Tokens from a real endpoint over TLS, and what is said where there is none."""

from __future__ import annotations

import contextlib
import dataclasses
import re
import socket
import ssl
import threading
import time
from typing import TYPE_CHECKING

import pytest
import strict_tls
from asking import TIMEOUT, error_of, fetch, grant_of

import smtp_oauth
from smtp_oauth import Grant, Kind, TokenError
from tests import token_endpoint

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Generator

ALL_KINDS = ["client-secret", "private-key", "service-account", "refresh-token"]


# Tokens.


@pytest.mark.parametrize("kind", ALL_KINDS)
@pytest.mark.parametrize("elliptic", [False, True])
def test_every_grant(kind: str, *, elliptic: bool) -> None:
    with token_endpoint.serving(elliptic=elliptic) as endpoint:
        grant = grant_of(endpoint, kind)
        token = smtp_oauth.fetch(grant, ca=endpoint.ca, timeout=TIMEOUT)

    assert grant.kind == kind
    assert token.value == endpoint.issued[-1]
    assert token.expires_in == 3600
    assert token.refresh_token == ""
    assert token.value not in repr(token)


def test_rotated_refresh_token(endpoint: token_endpoint.Endpoint) -> None:
    endpoint.rotates = True
    grant = grant_of(endpoint, "refresh-token")

    token = smtp_oauth.fetch(grant, ca=endpoint.ca, timeout=TIMEOUT)
    again = dataclasses.replace(grant, refresh_token=token.refresh_token)
    second = smtp_oauth.fetch(again, ca=endpoint.ca, timeout=TIMEOUT)
    reused = error_of(grant, endpoint.ca)

    assert second.refresh_token not in {"", token.refresh_token}
    assert token.refresh_token not in repr(token)
    assert reused.kind is Kind.REFRESH_TOKEN
    assert endpoint.refresh_tokens == set()


@pytest.mark.parametrize(
    ("given", "seconds"),
    [(3599, 3599), ("3599", 3599), (0.5, 0.5), (None, 300), ("x", 300), (-1, 300), (1e999, 300)],
)
def test_lifetime(endpoint: token_endpoint.Endpoint, given: object, seconds: float) -> None:
    endpoint.answer = (200, {"access_token": "t0ken", "expires_in": given})

    assert fetch(endpoint).expires_in == seconds


# What is wrong at this side.


def test_key_that_is_not_the_one_the_endpoint_knows(endpoint: token_endpoint.Endpoint) -> None:
    other = token_endpoint.client_key.make(elliptic=True)
    content = endpoint.content("private-key")
    content |= {"private-key": other.private, "certificate": other.certificate}

    assert error_of(Grant.of(content), endpoint.ca).kind is Kind.KEY


def test_secret_that_is_no_text_is_sent_all_the_same(endpoint: token_endpoint.Endpoint) -> None:
    grant = dataclasses.replace(grant_of(endpoint), client_secret="\ud800")

    assert error_of(grant, endpoint.ca).kind is Kind.SECRET_WRONG


def test_wrong_secret_scope_and_client(endpoint: token_endpoint.Endpoint) -> None:
    grant = grant_of(endpoint)
    changes = {"client_secret": "wr0ng-secret", "scope": "openid", "client_id": "unknown"}
    kinds = [
        error_of(dataclasses.replace(grant, **{name: value}), endpoint.ca).kind
        for name, value in changes.items()
    ]

    assert kinds == [Kind.SECRET_WRONG, Kind.SCOPE, Kind.CLIENT]


@pytest.mark.parametrize("kind", ["private-key", "service-account"])
@pytest.mark.parametrize(("ahead", "said"), [(-7200, "ahead of"), (7200, "behind")])
def test_clock_that_is_wrong_is_told(
    endpoint: token_endpoint.Endpoint, kind: str, ahead: int, said: str
) -> None:
    endpoint.ahead = ahead

    error = error_of(grant_of(endpoint, kind), endpoint.ca)

    assert error.kind is Kind.CLOCK
    skew = re.search(r"; this machine's clock is (\d+) s (.+) the endpoint's$", error.words)
    assert skew is not None
    assert 7000 < int(skew[1]) < 7400
    assert skew[2] == said


# What is wrong on the way.


def test_name() -> None:
    error = error_of(Grant("https://idp.invalid/token", "mailer", client_secret="s3cret-zebra"))

    assert error.kind is Kind.NAME


def test_connection_refused(endpoint: token_endpoint.Endpoint) -> None:
    grant = grant_of(endpoint)
    endpoint.stop()
    error = error_of(grant, endpoint.ca)
    endpoint.start()

    assert (error.kind, error.words, error.temporary) == (
        Kind.CONNECTION,
        "Connection refused",
        True,
    )
    assert fetch(endpoint).value


def test_certificate_of_an_unknown_ca(endpoint: token_endpoint.Endpoint) -> None:
    error = error_of(grant_of(endpoint))

    assert error.kind is Kind.TLS
    assert error.words == "certificate: unable to get local issuer certificate"
    assert endpoint.requests == []


def test_certificate_of_another_name() -> None:
    with token_endpoint.serving(address="127.0.0.2") as other:
        url = other.url.replace("127.0.0.2", "127.0.0.1", 1)
        assert fetch(other).value
        other.stop()
        other.address = "127.0.0.1"
        other.start()
        error = error_of(dataclasses.replace(grant_of(other), token_url=url), other.ca)

    assert error.kind is Kind.TLS
    assert "is not valid for '127.0.0.1'" in error.words


def test_ca_that_is_none(endpoint: token_endpoint.Endpoint) -> None:
    assert error_of(grant_of(endpoint), "no PEM").kind is Kind.TLS


@pytest.mark.parametrize("around", ["# Főtanúsítvány\n", "\ufeff"])
def test_ca_with_a_comment_in_any_language(endpoint: token_endpoint.Endpoint, around: str) -> None:
    ca = f"{around}{endpoint.ca}"

    assert smtp_oauth.fetch(grant_of(endpoint), ca=ca, timeout=TIMEOUT).value


def test_ca_is_trusted_as_leniently_on_every_python(
    monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    with strict_tls.lenient_endpoint(monkeypatch, tmp_path) as (endpoint, authority):
        assert smtp_oauth.fetch(grant_of(endpoint), ca=authority, timeout=TIMEOUT).value


@contextlib.contextmanager
def answering(answer: bytes, *, trickles: bool = False) -> Generator[int]:
    """Give the port of a server without TLS that answers one connection."""
    ending = threading.Event()

    def serve() -> None:
        sock, _ = listener.accept()
        with sock, contextlib.suppress(OSError):
            sock.recv(4096)
            sock.sendall(answer)
            while trickles and not ending.wait(0.02):
                sock.sendall(b"\0")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            ending.set()
            thread.join()


def error_at(port: int, *, timeout: float = TIMEOUT) -> TokenError:
    grant = Grant(f"https://127.0.0.1:{port}/token", "mailer", client_secret="s3cret-zebra")
    return error_of(grant, timeout=timeout)


def test_port_without_tls() -> None:
    with answering(b"HTTP/1.0 400 Bad Request\r\n\r\n") as port:
        error = error_at(port)

    assert (error.kind, error.words) == (Kind.TLS, "wrong version number")


def test_server_that_closes_in_the_handshake() -> None:
    with answering(b"") as port:
        error = error_at(port)

    assert (error.kind, error.words, error.temporary) == (
        Kind.CONNECTION,
        "closed the TLS connection",
        True,
    )


@pytest.mark.parametrize("kind", [ssl.SSLEOFError, ssl.SSLZeroReturnError])
def test_end_in_the_handshake_as_each_python_says_it(
    monkeypatch: pytest.MonkeyPatch, kind: type[ssl.SSLError]
) -> None:
    def end(*_: object, **__: object) -> None:
        raise kind(8, "EOF occurred in violation of protocol")

    monkeypatch.setattr(ssl.SSLSocket, "do_handshake", end)
    with answering(b"") as port:
        error = error_at(port)

    assert error.kind is Kind.CONNECTION


def test_reason_that_python_has_no_name_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        error = ssl.SSLError(1, "[SSL] legacy sigalg disallowed or unsupported (_ssl.c:992)")
        error.reason = None  # pyright: ignore[reportAttributeAccessIssue] - as OpenSSL's are
        raise error

    monkeypatch.setattr(ssl.SSLSocket, "do_handshake", refuse)
    with answering(b"") as port:
        error = error_at(port)

    assert (error.kind, error.words) == (Kind.TLS, "legacy sigalg disallowed or unsupported")


def test_server_that_trickles_is_left_in_time() -> None:
    # A record of TLS that announces much and never ends.
    with answering(b"\x16\x03\x03\x40\x00\x02", trickles=True) as port:
        error = error_at(port, timeout=0.5)

    assert (error.kind, error.words, error.temporary) == (
        Kind.TIMEOUT,
        "no answer in time",
        True,
    )


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (b"", (Kind.CONNECTION, "Remote end closed connection without response", True)),
        (b"220 relay.test ESMTP\r\n", (Kind.NO_TOKEN, "the answer is not HTTP", False)),
    ],
)
def test_answer_that_is_none(
    endpoint: token_endpoint.Endpoint, answer: bytes, expected: tuple[Kind, str, bool]
) -> None:
    def serve() -> None:
        sock, _ = listener.accept()
        with endpoint.context.wrap_socket(sock, server_side=True) as wrapped:
            asked = b""
            # What is left unread would have the kernel reset the connection.
            while b"grant_type=client_credentials" not in asked:
                asked += wrapped.recv(65536)
            wrapped.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        url = f"https://localhost:{listener.getsockname()[1]}/token"
        error = error_of(dataclasses.replace(grant_of(endpoint), token_url=url), endpoint.ca)
        thread.join()

    assert (error.kind, error.words, error.temporary) == expected


def test_connection_to_a_server_that_trickles_is_ended(
    endpoint: token_endpoint.Endpoint,
) -> None:
    """A forwarder that asks again and again would have a thread more each time."""

    def serve() -> None:
        sock, _ = listener.accept()
        with endpoint.context.wrap_socket(sock, server_side=True) as wrapped:
            wrapped.sendall(b"HTTP/1.0 200 OK\r\nX-Words: ")
            with contextlib.suppress(OSError):
                while True:
                    wrapped.sendall(b"x")
                    time.sleep(0.02)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        url = f"https://localhost:{listener.getsockname()[1]}/token"
        grant = dataclasses.replace(grant_of(endpoint), token_url=url)
        error = error_of(grant, endpoint.ca, timeout=2)
        thread.join(TIMEOUT)

    assert error.kind is Kind.TIMEOUT
    assert not thread.is_alive()


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (200, "<html>sign in</html>", "HTTP 200, and no JSON with a token"),
        (200, {}, "HTTP 200, and no JSON with a token"),
        (200, {"access_token": ""}, "HTTP 200, and no JSON with a token"),
        (200, {"access_token": "a\1b"}, "HTTP 200, and no JSON with a token"),
        (200, {"access_token": ["x"]}, "HTTP 200, and no JSON with a token"),
        (200, {"access_token": "x", "token_type": "mac"}, "HTTP 200, and no JSON with a token"),
        (200, "[" * 100_000, "HTTP 200, and no JSON with a token"),
        (200, "[1]", "HTTP 200, and no JSON with a token"),
        (404, "not found", "HTTP 404, and no JSON with a token"),
        (302, "", "HTTP 302: a redirection, which is not followed"),
    ],
)
def test_answer_without_a_token(
    endpoint: token_endpoint.Endpoint, status: int, body: dict[str, str] | str, words: str
) -> None:
    endpoint.headers["Location"] = endpoint.introspection_url
    endpoint.answer = (status, body)

    error = error_of(grant_of(endpoint), endpoint.ca)

    assert (error.kind, error.words, error.temporary) == (Kind.NO_TOKEN, words, False)
    assert len(endpoint.requests) == 1


def test_answer_that_is_cut_off_shows_no_token(endpoint: token_endpoint.Endpoint) -> None:
    token = "t0ken-" * 20
    endpoint.answer = (200, f'{{"access_token": "{token}", "expires_in')

    assert error_of(grant_of(endpoint), endpoint.ca, secrets=(token,)).kind is Kind.NO_TOKEN


def test_answer_without_end_is_read_to_a_limit(endpoint: token_endpoint.Endpoint) -> None:
    endpoint.answer = (200, '{"access_token": "x", "more": "' + "y" * 2_000_000 + '"}')

    assert error_of(grant_of(endpoint), endpoint.ca).kind is Kind.NO_TOKEN


def test_gateway_that_fails_is_temporary(endpoint: token_endpoint.Endpoint) -> None:
    endpoint.answer = (502, "<html>Bad Gateway</html>")

    error = error_of(grant_of(endpoint), endpoint.ca)

    assert (error.kind, error.words, error.temporary) == (Kind.BUSY, "HTTP 502", True)


# Whether the endpoint is there, without a token.


@pytest.mark.parametrize("status", [200, 302, 400, 405])
def test_endpoint_is_reached_whatever_it_answers(
    endpoint: token_endpoint.Endpoint, status: int
) -> None:
    endpoint.answer = (status, "")

    smtp_oauth.reach(endpoint.url, ca=endpoint.ca, timeout=TIMEOUT)

    assert endpoint.requests == []


def test_endpoint_that_cannot_be_reached(endpoint: token_endpoint.Endpoint) -> None:
    with pytest.raises(TokenError) as raised:
        smtp_oauth.reach(endpoint.url, timeout=TIMEOUT)

    assert raised.value.kind is Kind.TLS


def test_tls_is_verified_against_the_systems_authorities_too(
    endpoint: token_endpoint.Endpoint, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authorities = tmp_path / "ca.pem"
    authorities.write_text(endpoint.ca)
    monkeypatch.setenv("SSL_CERT_FILE", str(authorities))
    other = token_endpoint.ca.make(subject="Another CA", authority=True).pem

    token = smtp_oauth.fetch(grant_of(endpoint), ca=other, timeout=TIMEOUT)

    assert token.value == endpoint.issued[-1]

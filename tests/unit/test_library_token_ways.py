"""The ways to a token endpoint: one that stalls, and proxies."""

from __future__ import annotations

import contextlib
import re
import socket
import socketserver
import threading
from typing import TYPE_CHECKING, Any

import library_tokens
import pytest

from charms.smtp_integrator.v0 import smtp
from tests import token_endpoint

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

SHORT = 0.3


@pytest.fixture
def endpoint() -> Iterator[token_endpoint.Endpoint]:
    with token_endpoint.serving() as serving:
        yield serving


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("https_proxy", "HTTPS_PROXY", "no_proxy", "NO_PROXY", "JUJU_CHARM_HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)


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
        # A client whose time was over before it connected left the server waiting.
        socket.create_connection(listener.getsockname()).close()
        thread.join()


@pytest.mark.parametrize("trickles", [True, False])
@pytest.mark.parametrize("in_tls", [True, False])
def test_an_endpoint_that_stalls_is_left_in_time(
    endpoint: token_endpoint.Endpoint, *, trickles: bool, in_tls: bool
) -> None:
    context = endpoint.context if in_tls else None
    with stalling(trickles=trickles and in_tls, context=context) as url:
        oauth = smtp.OAuthGrant(**{**library_tokens.GRANT, "token_url": url})
        problem = library_tokens.failure(
            library_tokens.relay(oauth, tls_ca_chain=endpoint.ca), timeout=SHORT
        )
    assert re.search("did not answer in time|timed out|not done within", problem)


def test_who_waits_for_anothers_token_is_let_go_in_time(
    endpoint: token_endpoint.Endpoint,
) -> None:
    with stalling(trickles=False) as url:
        oauth = smtp.OAuthGrant(**{**library_tokens.GRANT, "token_url": url})
        data = library_tokens.relay(oauth, tls_ca_chain=endpoint.ca)
        with smtp._kept(oauth)._lock:  # pyright: ignore[reportPrivateUsage]
            problem = library_tokens.failure(data, timeout=SHORT)
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
    assert library_tokens.of(endpoint).access_token(library_tokens.LONG) == endpoint.issued[-1]
    assert proxy.targets == [f"localhost:{endpoint.port}"]


def test_the_proxy_of_the_model_goes_before_that_of_the_environment(
    endpoint: token_endpoint.Endpoint, proxy: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("JUJU_CHARM_HTTPS_PROXY", proxy.url)
    assert library_tokens.of(endpoint).access_token(library_tokens.LONG) == endpoint.issued[-1]
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
    assert library_tokens.of(endpoint).access_token(library_tokens.LONG) == endpoint.issued[-1]
    assert proxy.targets == []

"""The way to an endpoint through a proxy that the environment names."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING

import pytest
from asking import error_of, fetch, grant_of

from smtp_oauth import Kind

if TYPE_CHECKING:
    from collections.abc import Generator

    from tests import token_endpoint


@contextlib.contextmanager
def proxy(answer: bytes = b"HTTP/1.0 200 OK\r\n\r\n") -> Generator[tuple[int, list[str]]]:
    """Give the port of a proxy for one connection, and the requests that it got."""
    said: list[str] = []

    def copy(source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    def serve() -> None:
        try:
            client, _ = listener.accept()
        except OSError:
            return
        with client:
            said.append(client.recv(65536).decode())
            client.sendall(answer)
            if b" 200 " not in answer:
                return
            host, port = said[0].split(" ")[1].rsplit(":", 1)
            with socket.create_connection((host, int(port))) as server:
                back = threading.Thread(target=copy, args=(server, client))
                back.start()
                copy(client, server)
                back.join()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1], said
        finally:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            thread.join()


@pytest.mark.parametrize(
    ("variable", "bypass"),
    [("https_proxy", "no_proxy"), ("JUJU_CHARM_HTTPS_PROXY", "JUJU_CHARM_NO_PROXY")],
)
def test_proxy_of_the_environment(
    endpoint: token_endpoint.Endpoint,
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
    bypass: str,
) -> None:
    with proxy() as (port, said):
        monkeypatch.setenv(variable, f"http://127.0.0.1:{port}")
        monkeypatch.setenv(bypass, "localhost")
        direct = fetch(endpoint)
        seen_without = list(said)
        monkeypatch.setenv(bypass, "example.com")
        proxied = fetch(endpoint)

    assert direct.value != proxied.value
    assert seen_without == []
    assert said[0].startswith(f"CONNECT localhost:{endpoint.port} ")
    assert endpoint.client.secret not in said[0]


def test_proxy_that_refuses(
    endpoint: token_endpoint.Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    with proxy(b"HTTP/1.0 407 Proxy Authentication Required\r\n\r\n") as (port, _):
        monkeypatch.setenv("https_proxy", f"http://user:pr0xy-secret@127.0.0.1:{port}")
        error = error_of(grant_of(endpoint), endpoint.ca, secrets=("pr0xy-secret",))

    assert error.kind is Kind.CONNECTION
    assert "407" in error.words

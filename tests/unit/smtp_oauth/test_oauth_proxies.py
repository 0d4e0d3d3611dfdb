"""The way to an endpoint through a proxy that the environment names."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from asking import TIMEOUT, error_of, fetch, grant_of

import smtp_oauth
from smtp_oauth import Kind
from tests import https_proxy

if TYPE_CHECKING:
    from tests import token_endpoint


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
    with https_proxy.serving() as (port, said):
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


def test_proxy_that_is_given_goes_before_the_environments(
    endpoint: token_endpoint.Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUJU_CHARM_HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    with https_proxy.serving() as (port, said):
        for without, seen in (("localhost", 0), ("example.com", 1)):
            proxies = {"https": f"http://127.0.0.1:{port}", "no": without}
            grant = grant_of(endpoint)
            smtp_oauth.fetch(grant, ca=endpoint.ca, timeout=TIMEOUT, proxies=proxies)
            assert len(said) == seen

    assert said[0].startswith(f"CONNECT localhost:{endpoint.port} ")


def test_proxy_whose_url_is_none(
    endpoint: token_endpoint.Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", "http://localhost:pr0xy")

    error = error_of(grant_of(endpoint), endpoint.ca, secrets=("pr0xy",))

    assert (error.kind, error.words) == (Kind.CONNECTION, "the URL of it, or of a proxy, is none")


def test_proxy_that_refuses(
    endpoint: token_endpoint.Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    with https_proxy.serving(b"HTTP/1.0 407 Proxy Authentication Required\r\n\r\n") as (port, _):
        monkeypatch.setenv("https_proxy", f"http://user:pr0xy-secret@127.0.0.1:{port}")
        error = error_of(grant_of(endpoint), endpoint.ca, secrets=("pr0xy-secret",))

    assert error.kind is Kind.CONNECTION
    assert "407" in error.words

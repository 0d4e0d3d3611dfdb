"""How the library fetches access tokens, from an endpoint over TLS."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
import urllib.parse
from typing import TYPE_CHECKING

import library_tokens
import pytest

from charms.smtp_integrator.v0 import smtp
from tests import client_key, token_endpoint

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Iterator

KINDS = ["client-secret", "private-key", "service-account", "refresh-token"]


@pytest.fixture
def endpoint() -> Iterator[token_endpoint.Endpoint]:
    with token_endpoint.serving(lifetime=3600.0) as serving:
        yield serving


# Fetching.


@pytest.mark.parametrize("kind", KINDS)
def test_each_grant_brings_a_token(endpoint: token_endpoint.Endpoint, kind: str) -> None:
    assert (
        library_tokens.of(endpoint, kind).access_token(library_tokens.LONG) == endpoint.issued[-1]
    )


@pytest.mark.parametrize("kind", ["private-key", "service-account"])
def test_a_key_on_a_curve_signs_too(kind: str) -> None:
    with token_endpoint.serving(elliptic=True) as endpoint:
        assert (
            library_tokens.of(endpoint, kind).access_token(library_tokens.LONG)
            == endpoint.issued[-1]
        )


def test_a_token_is_kept_for_all_who_have_its_grant(endpoint: token_endpoint.Endpoint) -> None:
    tokens = {library_tokens.of(endpoint).access_token(library_tokens.LONG) for _ in range(3)}
    assert tokens == {*endpoint.issued}
    assert len(endpoint.requests) == 1


def test_a_token_is_fetched_anew_before_it_expires(endpoint: token_endpoint.Endpoint) -> None:
    endpoint.lifetime = 1.0
    data = library_tokens.of(endpoint)
    first = data.access_token(library_tokens.LONG)
    late = time.monotonic() + library_tokens.LONG
    while data.access_token(library_tokens.LONG) == first and time.monotonic() < late:
        time.sleep(0.05)
    assert data.access_token(library_tokens.LONG) != first


@pytest.mark.parametrize("lifetime", ["3600", None, "soon", [1], 10**400])
def test_a_lifetime_may_be_a_string_or_absent(
    endpoint: token_endpoint.Endpoint, lifetime: object
) -> None:
    endpoint.answer = 200, {"access_token": "t", "expires_in": lifetime}
    data = library_tokens.of(endpoint)
    assert [data.access_token(library_tokens.LONG), data.access_token(library_tokens.LONG)] == [
        "t",
        "t",
    ]
    assert len(endpoint.requests) == 1


def test_an_answer_may_begin_with_a_byte_order_mark(endpoint: token_endpoint.Endpoint) -> None:
    endpoint.answer = (200, "\ufeff" + json.dumps({"access_token": "s3cret"}))
    assert library_tokens.of(endpoint).access_token(library_tokens.LONG) == "s3cret"


def test_another_grant_has_a_token_of_its_own(endpoint: token_endpoint.Endpoint) -> None:
    data = library_tokens.of(endpoint)
    first = data.access_token(library_tokens.LONG)
    data.oauth = library_tokens.grant(endpoint.content("private-key"))
    assert data.access_token(library_tokens.LONG) != first


def test_a_refresh_token_that_is_replaced_is_used_from_then_on(
    endpoint: token_endpoint.Endpoint,
) -> None:
    endpoint.rotates, endpoint.lifetime = True, 0.0
    data = library_tokens.of(endpoint, "refresh-token")
    tokens = [data.access_token(library_tokens.LONG) for _ in range(3)]
    assert tokens == endpoint.issued
    assert len({form["refresh_token"] for form in endpoint.requests}) == 3


def test_threads_fetch_one_token(endpoint: token_endpoint.Endpoint) -> None:
    endpoint.rotates = True
    data = library_tokens.of(endpoint, "refresh-token")
    tokens: list[str] = []
    threads = [
        threading.Thread(target=lambda: tokens.append(data.access_token(library_tokens.LONG)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert tokens == endpoint.issued * 4


# Why there is none.


def test_a_relay_without_a_grant_has_no_token() -> None:
    with pytest.raises(smtp.TokenError, match="published nothing to fetch a token with"):
        library_tokens.relay(None).access_token()


def test_nothing_is_sent_in_the_clear() -> None:
    oauth = smtp.OAuthGrant(**{**library_tokens.GRANT, "token_url": "http://localhost:9/token"})
    assert library_tokens.failure(library_tokens.relay(oauth)) == "token_url is no https URL"


def test_the_endpoints_words_are_the_errors_without_what_was_sent(
    endpoint: token_endpoint.Endpoint,
) -> None:
    words = f"AADSTS7000215: Invalid client secret '{endpoint.client.secret}'.\r\nTrace ID: 1"
    endpoint.answer = 401, {"error": "invalid_client", "error_description": words}
    assert library_tokens.failure(library_tokens.of(endpoint)) == (
        "the token endpoint gave no token (HTTP status 401): invalid_client: "
        "AADSTS7000215: Invalid client secret '********'. Trace ID: 1"
    )


def test_the_endpoints_words_may_have_oktas_own_names(endpoint: token_endpoint.Endpoint) -> None:
    said = "Invalid value for 'client_id' parameter."
    endpoint.answer = 401, {"errorCode": "invalid_client", "errorSummary": said}
    assert library_tokens.failure(library_tokens.of(endpoint)) == (
        f"the token endpoint gave no token (HTTP status 401): invalid_client: {said}"
    )


def test_a_secret_is_hidden_as_the_form_had_it_too(endpoint: token_endpoint.Endpoint) -> None:
    secret = "1//refresh+token~ä"
    content = {**endpoint.content("refresh-token"), "refresh-token": secret}
    data = library_tokens.relay(library_tokens.grant(content), tls_ca_chain=endpoint.ca)
    form = urllib.parse.quote_plus(secret)
    words = f"{secret} {form} {form.lower()}"
    endpoint.answer = 400, {"error": "invalid_grant", "error_description": words}
    said = library_tokens.failure(data)
    assert said.endswith("invalid_grant: ******** ******** ********")


@pytest.mark.parametrize(
    "repeated",
    [
        "ab%20c%2Fd~EFGH12345",
        "ab%20c/d~EFGH12345",
        "ab+c%2fd~efgh12345",
        "ab\r\nc/d~EFGH12345",
        "ab   c/d~EFGH12345",
        "ab c/d~EFGH12...",
        "c/d~EF",
    ],
)
def test_a_secret_is_hidden_however_an_endpoint_spells_it(
    endpoint: token_endpoint.Endpoint, repeated: str
) -> None:
    content = {**endpoint.content("client-secret"), "client-secret": "ab c/d~EFGH12345"}
    data = library_tokens.relay(library_tokens.grant(content), tls_ca_chain=endpoint.ca)
    said = {"error": "invalid_client", "error_description": f"bad client '{repeated}' of x.test"}
    endpoint.answer = 401, said
    shown = library_tokens.failure(data).replace("******** ********", "********")
    assert shown.endswith("invalid_client: bad client '********' of x.test")


@pytest.mark.parametrize("kind", ["private-key", "service-account", "refresh-token"])
def test_what_an_endpoint_repeats_is_hidden(endpoint: token_endpoint.Endpoint, kind: str) -> None:
    data = library_tokens.of(endpoint, kind)
    endpoint.answer = 400, {"error": "invalid_grant"}
    library_tokens.failure(data)
    [form] = endpoint.requests
    sent = [form[name] for name in form if "assertion" in name or "refresh" in name]
    secret = max(sent, key=len)
    # An assertion is signed anew each time.
    if kind == "refresh-token":
        endpoint.answer = 400, {"error": "invalid_grant", "error_description": f"no {secret}"}
        assert library_tokens.failure(data).endswith("invalid_grant: no ********")
    assert smtp._without_secrets(f"no {secret}", form) == "no ********"  # pyright: ignore[reportPrivateUsage]


def test_a_failure_is_not_kept(endpoint: token_endpoint.Endpoint) -> None:
    endpoint.answer = 503, "busy"
    data = library_tokens.of(endpoint)
    assert library_tokens.failure(data) == (
        "the token endpoint gave no token (HTTP status 503): without a reason"
    )
    endpoint.answer = None
    assert data.access_token(library_tokens.LONG) == endpoint.issued[-1]


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
    assert library_tokens.failure(library_tokens.of(endpoint)) == (
        "the token endpoint gave no token (HTTP status 200): without a reason"
    )


def test_an_endless_answer_is_cut(endpoint: token_endpoint.Endpoint) -> None:
    endpoint.answer = 200, json.dumps({"access_token": "t", "padding": "x" * 10_000_000})
    assert "HTTP status 200" in library_tokens.failure(library_tokens.of(endpoint))


def test_no_redirect_is_followed(endpoint: token_endpoint.Endpoint) -> None:
    endpoint.answer = 307, ""
    with token_endpoint.serving() as other:
        endpoint.headers["Location"] = other.url
        assert "HTTP status 307" in library_tokens.failure(library_tokens.of(endpoint))
        assert other.requests == []


def test_an_endpoint_that_is_down_is_an_error(endpoint: token_endpoint.Endpoint) -> None:
    data = library_tokens.of(endpoint)
    endpoint.stop()
    assert library_tokens.failure(data).startswith(
        "the token endpoint cannot be reached: [Errno 111]"
    )
    endpoint.start()
    assert data.access_token(library_tokens.LONG) == endpoint.issued[-1]


@pytest.mark.parametrize("skip_ssl_verify", [True, False])
def test_an_endpoint_that_nobody_vouches_for_is_an_error(
    endpoint: token_endpoint.Endpoint, *, skip_ssl_verify: bool
) -> None:
    data = library_tokens.relay(
        library_tokens.grant(endpoint.content("client-secret")), skip_ssl_verify=skip_ssl_verify
    )
    assert "certificate verify failed" in library_tokens.failure(data)
    with token_endpoint.serving() as other:
        data.tls_ca_chain = other.ca
        assert "certificate verify failed" in library_tokens.failure(data)
    assert endpoint.requests == []


@pytest.mark.parametrize("url", ["https://", "https://[", "https://a b/", "https://localhost:x/"])
def test_what_is_no_url_is_an_error(url: str) -> None:
    oauth = smtp.OAuthGrant(**{**library_tokens.GRANT, "token_url": url})
    assert library_tokens.failure(library_tokens.relay(oauth)).startswith(
        "the token endpoint cannot be reached: "
    )


def test_a_password_in_the_url_is_not_shown() -> None:
    url = "https://mailer:hunter2@localhost/token"
    oauth = smtp.OAuthGrant(**{**library_tokens.GRANT, "token_url": url})
    said = library_tokens.failure(library_tokens.relay(oauth))
    assert said == "the token endpoint cannot be reached: the URL of it, or of a proxy, is none"


def test_a_chain_that_is_no_pem_is_an_error(endpoint: token_endpoint.Endpoint) -> None:
    data = library_tokens.of(endpoint)
    data.tls_ca_chain = "-----BEGIN CERTIFICATE-----\n"
    assert library_tokens.failure(data).startswith("the token endpoint cannot be reached: ")


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
    assert library_tokens.failure(library_tokens.relay(oauth)) == (
        "private-key or certificate cannot be used: enter the PEM of an RSA or P-256 key"
    )


def test_without_cryptography_a_private_key_is_a_clear_error(
    monkeypatch: pytest.MonkeyPatch, endpoint: token_endpoint.Endpoint
) -> None:
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives", None)
    assert library_tokens.failure(library_tokens.of(endpoint, "private-key")) == (
        "private-key needs the Python package cryptography: install it"
    )
    assert library_tokens.of(endpoint).access_token(library_tokens.LONG) == endpoint.issued[-1]


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

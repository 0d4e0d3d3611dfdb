"""What the keys of a secret mean, what is wrong with them, and the form that they make."""

from __future__ import annotations

import base64
import dataclasses
import json
import os
import shutil
import subprocess
import sys
import traceback
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

import smtp_oauth
from smtp_oauth import Grant, GrantError
from tests import client_key

if TYPE_CHECKING:
    import pathlib

OPENSSL = shutil.which("openssl")
URL = "https://login.microsoftonline.com/contoso/oauth2/v2.0/token"
SECRET = "S3cret~Zebra-41"
BASE = {"token-url": URL, "client-id": "mailer", "scope": "https://outlook.office365.com/.default"}
WITH_SECRET = BASE | {"client-secret": SECRET}
NONE_DECIDES = (
    "one of the keys client-secret, private-key and refresh-token is missing: "
    "set the one that the identity provider gave"
)
NO_HTTPS = (
    "key token-url is no https URL of a token endpoint: enter one such as "
    "https://login.microsoftonline.com/TENANT/oauth2/v2.0/token"
)
REAL_BREAKS = "enter the PEM with its BEGIN and END lines and with real line breaks"


def problems(content: dict[str, str]) -> list[str]:
    with pytest.raises(GrantError) as raised:
        Grant.of(content)
    shown = "".join(traceback.format_exception(raised.value)) + repr(raised.value.problems)
    lines = content.get("private-key", "").splitlines()[1:-1]
    secrets = [SECRET, *filter(None, lines)]
    assert [secret for secret in secrets if secret in shown] == []
    return raised.value.problems


def claims(form: dict[str, str], field: str) -> tuple[dict[str, Any], dict[str, Any]]:
    header, payload, _ = form[field].split(".")
    return decoded(header), decoded(payload)


def decoded(part: str) -> dict[str, Any]:
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def pem_of(
    key: Any,
    passphrase: bytes = b"",
    form: serialization.PrivateFormat = serialization.PrivateFormat.PKCS8,
) -> str:
    encryption = (
        serialization.BestAvailableEncryption(passphrase)
        if passphrase
        else serialization.NoEncryption()
    )
    return key.private_bytes(serialization.Encoding.PEM, form, encryption).decode()


# The forms.


def test_keys_are_the_fields_of_a_grant() -> None:
    fields = [field.name.replace("_", "-") for field in dataclasses.fields(Grant)]

    assert sorted(fields) == sorted(smtp_oauth.KEYS)


def test_client_secret() -> None:
    grant = Grant.of(WITH_SECRET)

    assert grant.kind == "client-secret"
    assert grant.form(0) == {
        "grant_type": "client_credentials",
        "client_id": "mailer",
        "client_secret": SECRET,
        "scope": BASE["scope"],
    }


def test_refresh_token_with_and_without_a_client_secret() -> None:
    alone = Grant.of({"token-url": URL, "client-id": "mailer", "refresh-token": "r3fresh"})
    both = Grant.of(WITH_SECRET | {"refresh-token": "r3fresh"})

    assert alone.kind == both.kind == "refresh-token"
    fields = {"grant_type": "refresh_token", "refresh_token": "r3fresh", "client_id": "mailer"}
    assert alone.form(0) == fields
    assert both.form(0) == fields | {"client_secret": SECRET, "scope": BASE["scope"]}


def test_private_key_signs_for_the_client() -> None:
    key = client_key.shared()
    grant = Grant.of(BASE | {"private-key": key.private, "certificate": key.certificate})

    form = grant.form(1_700_000_000.9)
    header, payload = claims(form, "client_assertion")

    assert grant.kind == "private-key"
    assert {name: form[name] for name in form if name != "client_assertion"} == {
        "grant_type": "client_credentials",
        "client_id": "mailer",
        "scope": BASE["scope"],
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
    }
    assert header == {"alg": "RS256", "typ": "JWT", **key.thumbprints}
    assert payload.pop("jti")
    assert payload == {
        "iss": "mailer",
        "sub": "mailer",
        "aud": URL,
        "iat": 1_700_000_000,
        "exp": 1_700_000_300,
    }


def test_service_account_acts_for_the_mailbox() -> None:
    key = client_key.shared()
    grant = Grant.of(BASE | {"private-key": key.private, "subject": "notify@example.com"})

    form = grant.form(1_700_000_000)
    header, payload = claims(form, "assertion")

    assert grant.kind == "service-account"
    assert set(form) == {"grant_type", "assertion"}
    assert form["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
    assert header == {"alg": "RS256", "typ": "JWT"}
    assert (payload["iss"], payload["sub"]) == ("mailer", "notify@example.com")
    assert payload["scope"] == BASE["scope"]


def test_two_assertions_are_never_the_same() -> None:
    key = client_key.shared(elliptic=True)
    grant = Grant.of(BASE | {"private-key": key.private})
    first, second = (claims(grant.form(0), "client_assertion") for _ in range(2))

    assert first[0]["alg"] == "ES256"
    assert first[1]["jti"] != second[1]["jti"]


@pytest.mark.parametrize("value", [f"{SECRET}\n", f"{SECRET}\r\n", f"\ufeff{SECRET}"])
def test_what_files_add_is_dropped(value: str) -> None:
    assert Grant.of(BASE | {"client-secret": value}).client_secret == SECRET


def test_empty_and_foreign_keys_are_as_if_not_set() -> None:
    grant = Grant.of(WITH_SECRET | {"refresh-token": "", "subject": "\n", "comment": "x"})

    assert grant == Grant.of(WITH_SECRET)


def test_no_secret_is_in_the_repr() -> None:
    key = client_key.shared()
    grants = [
        Grant.of(WITH_SECRET | {"refresh-token": "r3fresh"}),
        Grant.of(BASE | {"private-key": key.private, "certificate": key.certificate}),
    ]

    for grant in grants:
        assert grant.secrets
        assert [secret for secret in grant.secrets if secret in repr(grant)] == []


# What is wrong.


def test_all_that_is_missing_is_said_at_once() -> None:
    assert problems({}) == [
        "key token-url is missing: set it to the token endpoint of the identity provider",
        "key client-id is missing: set it to the ID of the application at the identity provider",
        NONE_DECIDES,
    ]


@pytest.mark.parametrize(
    ("misspelt", "meant"),
    [
        ("client-secert", "client-secret"),
        ("clientsecret", "client-secret"),
        ("secret", "client-secret"),
        ("client_secret", "client-secret"),
    ],
)
def test_misspelt_key_is_named_once(misspelt: str, meant: str) -> None:
    assert problems(BASE | {misspelt: SECRET}) == [
        f"there is no key {misspelt}: did you mean {meant}?"
    ]


def test_misspelt_key_that_may_be_a_secret_is_not_shown() -> None:
    content = {f"token-url {SECRET}": URL, "client-id": "mailer", "client-secret": SECRET}

    assert problems(content)[0].startswith("key token-url is missing")


@pytest.mark.parametrize(
    "url",
    [
        "http://login.example.com/token",
        "login.example.com/token",
        "https://",
        "https:///token",
        f"https://user:{SECRET}@login.example.com/token",
        "https://login.example.com:port/token",
        "https://login.example.com:0/token",
        "https://login.example.com/token#x",
        "https://login.example.com/to ken",
        "https://[::1/token",
        "https://bücher.example/token",
        SECRET,
    ],
)
def test_token_url_is_https(url: str) -> None:
    assert problems(WITH_SECRET | {"token-url": url}) == [NO_HTTPS]


@pytest.mark.parametrize("key", ["client-id", "scope", "client-secret"])
@pytest.mark.parametrize("change", [" {}", "{}\t", "{}\nnext", "{}\0"])
def test_blanks_and_controls(key: str, change: str) -> None:
    content = WITH_SECRET | {key: change.format(WITH_SECRET[key])}

    assert problems(content) == [
        f"key {key} has blanks around it or control characters in it: enter the value alone"
    ]


def test_several_scopes_have_blanks_between() -> None:
    assert Grant.of(WITH_SECRET | {"scope": "mail openid"}).scope == "mail openid"


@pytest.mark.parametrize("other", ["client-secret", "refresh-token"])
def test_private_key_beside_another_secret(other: str) -> None:
    content = BASE | {"private-key": client_key.shared().private, other: SECRET}
    both = " and ".join(key for key in smtp_oauth.KEYS if key in {"private-key", other})

    assert problems(content) == [f"keys {both} are both set: keep the one that is to be used"]


@pytest.mark.parametrize("lonely", ["certificate", "subject"])
def test_what_goes_with_a_private_key_alone(lonely: str) -> None:
    assert problems(WITH_SECRET | {lonely: "x"}) == [
        f"key {lonely} is for private-key alone: remove it, or set both"
    ]


@pytest.mark.parametrize("escaped", [False, True])
def test_private_key_that_is_none(*, escaped: bool) -> None:
    text = client_key.shared().private.replace("\n", "\\n") if escaped else SECRET
    [problem] = problems(BASE | {"private-key": text})

    assert problem.startswith(f"key private-key is no private key: {REAL_BREAKS}")
    assert "private-key#file=FILE" in problem


@pytest.mark.parametrize(
    "form", [serialization.PrivateFormat.PKCS8, serialization.PrivateFormat.TraditionalOpenSSL]
)
def test_private_key_that_is_encrypted(form: serialization.PrivateFormat) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    pem = pem_of(key, b"passphrase", form)

    [problem] = problems(BASE | {"private-key": pem})

    assert problem.startswith("key private-key is encrypted: enter it without a passphrase")


def test_private_key_beside_a_text_that_says_encrypted() -> None:
    pem = f"NOT ENCRYPTED\n{client_key.shared().private}"

    assert Grant.of(BASE | {"private-key": pem}).form(0)["client_assertion"]


@pytest.mark.parametrize("curve", [ec.SECP384R1(), None])
def test_private_key_of_a_kind_that_signs_no_tokens(curve: ec.EllipticCurve | None) -> None:
    key = ec.generate_private_key(curve) if curve else ed25519.Ed25519PrivateKey.generate()

    [problem] = problems(BASE | {"private-key": pem_of(key)})

    assert problem.startswith("key private-key is of a kind that signs no tokens")


def test_certificate_that_is_none_or_anothers() -> None:
    mine, other = client_key.shared(), client_key.shared(elliptic=True)
    content = BASE | {"private-key": mine.private}

    [none] = problems(content | {"certificate": "x"})
    [foreign] = problems(content | {"certificate": other.certificate})

    assert none.startswith(f"key certificate is no certificate: {REAL_BREAKS}")
    assert foreign.startswith("key certificate does not belong to private-key")


def test_without_openssl_a_private_key_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")

    assert problems(BASE | {"private-key": client_key.shared().private}) == [
        "key private-key needs the command openssl: run apt install openssl"
    ]
    assert smtp_oauth.Grant.of(BASE | {"client-secret": SECRET}).form(0)


def test_a_private_key_is_in_no_command_line(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = tmp_path / "seen"
    spy = tmp_path / "openssl"
    spy.write_text(f'#!/bin/sh\nenv >> {seen}; echo "$@" >> {seen}\nexec {OPENSSL} "$@"\n')
    spy.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    key = client_key.shared()
    content = BASE | {"private-key": key.private, "certificate": key.certificate}

    assert smtp_oauth.Grant.of(content).form(0)["client_assertion"]

    assert "-inkey /dev/stdin" in seen.read_text()
    assert not [line for line in key.private.splitlines() if line in seen.read_text()]


def test_a_private_key_signs_on_systems_that_are_not_linux(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr(os, "memfd_create")
    key = client_key.shared()
    # Entra and others give a key and its certificate in one file.
    content = BASE | {"private-key": f"{key.certificate}{key.private}"}

    assert smtp_oauth.Grant.of(content).form(0)["client_assertion"]


# A user without rights who has more than 1024 pipes gets small ones from then on (pipe(7)).
MANY_PIPES = """
import os, resource, sys
from smtp_oauth import keys
resource.setrlimit(resource.RLIMIT_NOFILE, (4096, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
if os.getuid() == 0:
    os.setuid(65534)
held = [os.pipe() for _ in range(1200)]
print(keys.signed({}, sys.stdin.read()))
"""


def test_a_long_private_key_signs_where_pipes_are_short() -> None:
    key = client_key.shared()
    pem = f"{key.private}{key.certificate * 15}"

    done = subprocess.run(
        [sys.executable, "-c", MANY_PIPES],
        input=pem,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )

    header, payload, signature = done.stdout.strip().split(".")
    assert decoded(header)["alg"] == "RS256"
    signed = base64.urlsafe_b64decode(signature + "==")
    key.verify("RS256", f"{header}.{payload}".encode(), signed)

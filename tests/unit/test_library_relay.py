"""What the library makes of a relay: booleans, credentials, addresses, URIs, environments."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.parse
from typing import Any

import pydantic
import pytest

from charms.smtp_integrator.v0 import smtp

PASSWORD = "p@ss/w"
LEAST: dict[str, Any] = {
    "host": "smtp.example.com",
    "port": 25,
    "auth_type": "none",
    "transport_security": "none",
}
AUTH = {"auth_type": "plain", "user": "alice", "password": PASSWORD}


def data(**fields: Any) -> smtp.SmtpRelationData:
    return smtp.SmtpRelationData(**{**LEAST, **fields})


# Booleans.


@pytest.mark.parametrize(
    ("transport_security", "implicit_tls", "starttls"),
    [("none", False, False), ("starttls", False, True), ("tls", True, False)],
)
def test_the_modes_of_tls_exclude_each_other(
    transport_security: str, *, implicit_tls: bool, starttls: bool
) -> None:
    relay = data(transport_security=transport_security)
    assert (relay.implicit_tls, relay.starttls) == (implicit_tls, starttls)
    assigned = data()
    assigned.transport_security = transport_security  # pyright: ignore[reportAttributeAccessIssue]
    assert (assigned.implicit_tls, assigned.starttls) == (implicit_tls, starttls)


@pytest.mark.parametrize(("skip", "verify"), [(True, False), (False, True), (None, True)])
def test_tls_is_verified_unless_that_is_skipped(skip: bool | None, *, verify: bool) -> None:  # noqa: FBT001 - one of the parameters
    assert data(skip_ssl_verify=skip).verify_tls is verify


# Credentials.


@pytest.mark.parametrize(
    ("fields", "credentials"),
    [
        (AUTH, ("alice", PASSWORD)),
        ({**AUTH, "auth_type": "none"}, None),
        ({**AUTH, "auth_type": "not_provided"}, None),
        ({**AUTH, "user": None}, None),
        ({**AUTH, "user": ""}, None),
        ({**AUTH, "password": None}, None),
        ({**AUTH, "password": ""}, None),
        ({}, None),
    ],
)
def test_credentials_honour_the_auth_type(
    fields: dict[str, Any], credentials: tuple[str, str] | None
) -> None:
    assert data(**fields).credentials == credentials


# The sender.


@pytest.mark.parametrize(
    ("fields", "arguments", "address"),
    [
        (
            {"smtp_sender": "s@example.com", "user": "u@example.com", "domain": "d.example.com"},
            {"override": "o@example.com"},
            "o@example.com",
        ),
        ({"smtp_sender": "s@example.com", "user": "u@example.com"}, {}, "s@example.com"),
        ({"smtp_sender": "s@example.com"}, {"override": ""}, "s@example.com"),
        ({"user": "u@example.com", "domain": "d.example.com"}, {}, "u@example.com"),
        ({"user": " u@Example.com "}, {}, "u@example.com"),
        ({"user": "alice", "domain": "d.example.com"}, {}, "no-reply@d.example.com"),
        ({"user": "alice@corp", "domain": "d.example.com"}, {}, "no-reply@d.example.com"),
        ({"user": "A <a@x.com>", "domain": "d.example.com"}, {}, "no-reply@d.example.com"),
        ({"domain": "d.example.com"}, {"local_part": "ops"}, "ops@d.example.com"),
        ({"domain": ""}, {}, None),
        ({"user": "alice"}, {}, None),
        ({}, {}, None),
    ],
)
def test_mail_comes_from_the_first_address_there_is(
    fields: dict[str, Any], arguments: dict[str, str], address: str | None
) -> None:
    assert data(**fields).from_address(**arguments) == address


# URIs.


@pytest.mark.parametrize(
    ("fields", "query", "uri"),
    [
        ({}, {}, "smtp://smtp.example.com:25"),
        (
            {**AUTH, "transport_security": "starttls", "port": 587},
            {},
            "smtp://alice:p%40ss%2Fw@smtp.example.com:587",
        ),
        (
            {**AUTH, "transport_security": "tls", "port": 465},
            {},
            "smtps://alice:p%40ss%2Fw@smtp.example.com:465",
        ),
        ({**AUTH, "auth_type": "none"}, {}, "smtp://smtp.example.com:25"),
        ({**AUTH, "auth_type": "not_provided"}, {}, "smtp://smtp.example.com:25"),
        (
            {**AUTH, "user": "a:b@c", "password": "ü %?#&+"},
            {},
            "smtp://a%3Ab%40c:%C3%BC%20%25%3F%23%26%2B@smtp.example.com:25",
        ),
        ({"host": "2001:db8::25"}, {}, "smtp://[2001:db8::25]:25"),
        ({"host": "fe80::1%eth0"}, {}, "smtp://[fe80::1%25eth0]:25"),
        ({"host": "192.0.2.25"}, {}, "smtp://192.0.2.25:25"),
        ({"host": "bücher.example"}, {}, "smtp://xn--bcher-kva.example:25"),
        ({"host": "evil@example.com/x"}, {}, "smtp://evil%40example.com%2Fx:25"),
        (
            {},
            {
                "skip_ssl_verify": True,
                "disable_starttls": False,
                "name": "a b&c",
                "n": 5,
                "o": None,
            },
            (
                "smtp://smtp.example.com:25/"
                "?skip_ssl_verify=true&disable_starttls=false&name=a%20b%26c&n=5"
            ),
        ),
    ],
)
def test_a_uri_is_percent_encoded(fields: dict[str, Any], query: dict[str, Any], uri: str) -> None:
    assert data(**fields).to_uri(**query) == uri


def test_a_password_with_an_at_sign_does_not_become_the_host() -> None:
    parsed = urllib.parse.urlsplit(data(**AUTH).to_uri())
    assert parsed.hostname == "smtp.example.com"


# Environments.


def test_an_environment_has_what_is_there() -> None:
    assert data().to_env() == {
        "SMTP_HOST": "smtp.example.com",
        "SMTP_PORT": "25",
        "SMTP_AUTH_TYPE": "none",
        "SMTP_TRANSPORT_SECURITY": "none",
        "SMTP_IMPLICIT_TLS": "false",
        "SMTP_STARTTLS": "false",
        "SMTP_VERIFY_TLS": "true",
    }


def test_an_environment_has_everything() -> None:
    relay = data(
        **AUTH,
        transport_security="starttls",
        domain="example.com",
        skip_ssl_verify=True,
        smtp_sender="s@example.com",
        recipients=["a@example.com", "b@example.com"],
        tls_ca_chain="PEM",
        password_id="secret:x",
    )
    assert relay.to_env() == {
        "SMTP_HOST": "smtp.example.com",
        "SMTP_PORT": "25",
        "SMTP_USER": "alice",
        "SMTP_PASSWORD": PASSWORD,
        "SMTP_AUTH_TYPE": "plain",
        "SMTP_TRANSPORT_SECURITY": "starttls",
        "SMTP_IMPLICIT_TLS": "false",
        "SMTP_STARTTLS": "true",
        "SMTP_VERIFY_TLS": "false",
        "SMTP_DOMAIN": "example.com",
        "SMTP_SENDER": "s@example.com",
        "SMTP_RECIPIENTS": "a@example.com,b@example.com",
        "SMTP_TLS_CA_CHAIN": "PEM",
    }


@pytest.mark.parametrize("auth_type", ["none", "not_provided"])
def test_an_environment_has_no_credentials_without_auth(auth_type: str) -> None:
    environment = data(**{**AUTH, "auth_type": auth_type}).to_env()
    assert not {"SMTP_USER", "SMTP_PASSWORD"} & environment.keys()


def test_an_environment_speaks_the_applications_language() -> None:
    environment = data(**AUTH, transport_security="tls").to_env(
        prefix="EMAIL_", names={"USER": "HOST_USER", "IMPLICIT_TLS": "USE_SSL"}, true="1", false=""
    )
    assert environment["EMAIL_HOST_USER"] == "alice"
    assert (environment["EMAIL_USE_SSL"], environment["EMAIL_STARTTLS"]) == ("1", "")
    assert "EMAIL_USER" not in environment


def test_an_environment_refuses_a_name_for_nothing() -> None:
    with pytest.raises(ValueError, match=r"^no such variables: \['USERNAME'\]$"):
        data().to_env(names={"USERNAME": "LOGIN"})


LONGEST = 128 * 1024
PEM = "SMTP_TLS_CA_CHAIN"
LONGEST_PEM = LONGEST - len(f"{PEM}=") - 1


def passed(environment: dict[str, str]) -> dict[str, str]:
    """Return what a process sees that is started with an environment."""
    code = "import json, os; print(json.dumps(dict(os.environ)))"
    command = [sys.executable, "-I", "-X", "utf8", "-c", code]
    process = subprocess.run(command, env=environment, capture_output=True, check=True)
    found = json.loads(process.stdout)
    return {name: value for name, value in found.items() if name.startswith("SMTP_")}


@pytest.mark.parametrize(
    ("chain", "is_passed"),
    [
        ("x" * LONGEST_PEM, True),
        ("x" * (LONGEST_PEM + 1), False),
        ("ő" * (LONGEST_PEM // 2), True),
        ("ő" * (LONGEST_PEM // 2 + 1), False),
        ("x" * 220_000, False),
        ("a\0b", False),
        ("half \ud83d", False),
    ],
    ids=["longest", "longer", "longest in octets", "longer in octets", "bundle", "NUL", "half"],
)
def test_an_environment_can_be_passed_to_a_process(
    caplog: pytest.LogCaptureFixture, chain: str, *, is_passed: bool
) -> None:
    environment = data(**AUTH, tls_ca_chain=chain).to_env()
    assert passed(environment) == environment
    assert (PEM in environment) == is_passed
    assert environment["SMTP_PASSWORD"] == PASSWORD
    warnings = [line.partition(":")[0] for line in caplog.messages]
    assert warnings == ([] if is_passed else [f"{PEM} is left out, for Linux cannot pass it"])


def test_no_value_of_an_environment_is_too_long_with_its_name(
    caplog: pytest.LogCaptureFixture,
) -> None:
    password = "p" * (LONGEST - len("SMTP_PASSWORD=") - 1)
    relay = data(**{**AUTH, "password": password})
    assert passed(relay.to_env())["SMTP_PASSWORD"] == password
    assert "SMTP_LONGER_PASSWORD" not in relay.to_env(names={"PASSWORD": "LONGER_PASSWORD"})
    assert password not in caplog.text


# Secrets.


@pytest.mark.parametrize("missing", [*LEAST])
def test_no_validation_error_has_the_password_in_any_form(missing: str) -> None:
    fields = {k: v for k, v in {**LEAST, "password": PASSWORD}.items() if k != missing}
    with pytest.raises(pydantic.ValidationError) as caught:
        smtp.SmtpRelationData(**fields)  # pyright: ignore[reportArgumentType]
    error = caught.value
    shown = [repr(error), str(error), repr(error.errors()), error.json()]
    assert PASSWORD not in "".join(shown)
    assert [(e["loc"], e["type"], e["msg"]) for e in error.errors()] == [
        ((missing,), "missing", "Field required")
    ]


@pytest.mark.parametrize("wrong", ["", "]", "}}"])
def test_no_error_of_malformed_json_has_the_password(wrong: str) -> None:
    with pytest.raises(pydantic.ValidationError, match="Invalid JSON") as caught:
        smtp.SmtpRelationData.model_validate_json(f'{{"password": "{PASSWORD}"{wrong}')
    error = caught.value
    assert PASSWORD not in "".join([repr(error), str(error), repr(error.errors()), error.json()])


def test_json_is_validated_as_ever() -> None:
    relay = data(**AUTH)
    assert smtp.SmtpRelationData.model_validate_json(relay.model_dump_json()) == relay


def test_a_validation_error_has_no_hidden_cause() -> None:
    with pytest.raises(pydantic.ValidationError) as caught:
        data(port="x", password=PASSWORD)
    assert caught.value.__cause__ is caught.value.__context__ is None


def test_a_reading_does_not_show_the_password() -> None:
    reading = smtp.SmtpReading(smtp.SmtpState.READY, data=data(**AUTH))
    assert PASSWORD not in repr(reading) + str(reading)

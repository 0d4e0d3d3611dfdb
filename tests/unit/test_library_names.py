"""International names: hosts as the charm spells them, and addresses in ASCII."""

from __future__ import annotations

import json
import sys
import types
from typing import Any

import pydantic
import pytest
import test_hostname

from charms.smtp_integrator.v0 import smtp

EMAIL = pydantic.TypeAdapter[str](pydantic.EmailStr)
LEAST: dict[str, Any] = {
    "host": "smtp.example.com",
    "port": 25,
    "auth_type": "none",
    "transport_security": "none",
}


def data(**fields: Any) -> smtp.SmtpRelationData:
    return smtp.SmtpRelationData(**{**LEAST, **fields})


@pytest.fixture
def without_idna(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "idna", None)


def host_errors(host: str) -> str:
    """Return what connect says of a host before it connects anywhere."""
    with pytest.raises(OSError, match=r"^the host") as caught:
        data(host=host, port=9).connect(timeout=60).__enter__()
    assert caught.value.__cause__ is caught.value.__context__ is None
    return str(caught.value)


# Hosts: the table is the charm's.


@pytest.mark.parametrize(
    ("name", "ascii_name"), test_hostname.SAME_IN_BOTH + test_hostname.DEVIATING
)
def test_a_host_is_spelled_as_the_charm_spells_it(name: str, ascii_name: str) -> None:
    relay = data(host=name)
    assert relay.host == name
    assert relay.to_relation_data()["host"] == ascii_name
    assert relay.to_env()["SMTP_HOST"] == ascii_name
    assert smtp._to_ascii(name) == ascii_name  # pyright: ignore[reportPrivateUsage]


@pytest.mark.usefixtures("without_idna")
@pytest.mark.parametrize(("name", "ascii_name"), test_hostname.SAME_IN_BOTH)
def test_without_idna_a_host_is_spelled_where_the_standards_agree(
    name: str, ascii_name: str
) -> None:
    assert data(host=name).to_relation_data()["host"] == ascii_name


@pytest.mark.usefixtures("without_idna")
@pytest.mark.parametrize("name", [name for name, _ in test_hostname.DEVIATING])
def test_without_idna_no_host_leads_to_anothers_machine(name: str) -> None:
    assert data(host=name).to_relation_data()["host"] == name
    assert host_errors(name) == "the host's letters need the package idna; install it"


@pytest.mark.parametrize("name", [*test_hostname.IMPOSSIBLE, "☃.example", "a..b"])
def test_what_can_be_no_host_is_an_error_that_does_not_quote_it(name: str) -> None:
    assert host_errors(name) == "the host can be no host's name"


@pytest.mark.usefixtures("without_idna")
@pytest.mark.parametrize("name", test_hostname.IMPOSSIBLE)
def test_without_idna_what_can_be_no_host_is_the_same_error(name: str) -> None:
    assert host_errors(name) == "the host can be no host's name"


# Addresses.

IN_ASCII = [
    ("ops@example.com", "ops@example.com"),
    ("Ops@Example.COM", "Ops@example.com"),
    ("ops@xn--bcher-kva.example", "ops@xn--bcher-kva.example"),
    ("ops@XN--BCHER-KVA.example", "ops@xn--bcher-kva.example"),
    ("ops@bücher.example", "ops@xn--bcher-kva.example"),
    ("ops@straße.example", "ops@xn--strae-oqa.example"),
    (" Ops <ops@bücher.example>", "ops@xn--bcher-kva.example"),
]
BEYOND = [
    ("bücher@example.com", "bücher@example.com"),
    ("ops-ü@bücher.example", "ops-ü@bücher.example"),
    ("ops-ü@xn--bcher-kva.example", "ops-ü@xn--bcher-kva.example"),
    ("Ü <ops-ü@xn--bcher-kva.example>", "ops-ü@xn--bcher-kva.example"),
]


@pytest.mark.parametrize(("entered", "address"), IN_ASCII + BEYOND)
def test_an_address_is_in_ascii_where_it_can_be(entered: str, address: str) -> None:
    relay = data(smtp_sender=entered, recipients=[entered, "a@example.com"])
    assert EMAIL.validate_python(entered)
    assert relay.smtp_sender == relay.from_address() == address
    assert relay.recipients == [address, "a@example.com"]
    databag = relay.to_relation_data()
    assert databag["smtp_sender"] == address
    assert json.loads(databag["recipients"]) == [address, "a@example.com"]
    environment = relay.to_env()
    assert environment["SMTP_SENDER"] == address
    assert environment["SMTP_RECIPIENTS"] == f"{address},a@example.com"
    if "<" not in entered:
        assert data(user=entered).from_address() == address


@pytest.mark.parametrize(("entered", "address"), IN_ASCII[3:6])
def test_what_is_assigned_or_encoded_is_in_ascii_too(entered: str, address: str) -> None:
    relay = data()
    relay.smtp_sender = entered
    relay.recipients.append(entered)
    assert relay.from_address() == relay.to_env()["SMTP_SENDER"]
    assert relay.to_env()["SMTP_SENDER"].lower() == address
    assert relay.from_address(override=entered) == relay.from_address()
    databag = smtp.encode_relation_data(**LEAST, smtp_sender=entered, recipients=entered)
    assert databag["smtp_sender"].isascii()
    assert databag["recipients"].isascii()
    assert "\\u" not in databag["recipients"]


def test_a_domain_makes_an_address_in_ascii() -> None:
    relay = data(domain="bücher.example")
    assert relay.from_address() == "no-reply@xn--bcher-kva.example"
    assert relay.to_env()["SMTP_DOMAIN"] == "xn--bcher-kva.example"


@pytest.mark.parametrize("domain", ["☃.example", "no domain ü"])
def test_what_has_no_form_in_ascii_stays_as_it_is(domain: str) -> None:
    relay = data(domain=domain, host=domain)
    assert relay.from_address() == f"no-reply@{domain}"
    assert (relay.to_env()["SMTP_DOMAIN"], relay.to_env()["SMTP_HOST"]) == (domain, domain)
    assert relay.to_relation_data()["host"] == domain


def test_an_event_reads_the_addresses_of_older_providers_in_ascii() -> None:
    databag = {
        **{key: str(value) for key, value in LEAST.items()},
        "smtp_sender": "ops@bücher.example",
        "recipients": '["ops@bücher.example", "ü@bücher.example"]',
    }
    made: Any = types.SimpleNamespace(app="mail", data={"mail": databag})
    event = smtp.SmtpDataAvailableEvent(made, made)
    assert event.smtp_sender == "ops@xn--bcher-kva.example"
    assert event.recipients == ["ops@xn--bcher-kva.example", "ü@bücher.example"]

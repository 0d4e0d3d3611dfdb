"""The interface's specification: its schema, and what it asks of both sides."""

from __future__ import annotations

import json
import pathlib
import runpy
from typing import TYPE_CHECKING, Any

import jsonschema
import pydantic
import pytest

from charms.smtp_integrator.v0 import smtp

if TYPE_CHECKING:
    from interface_tester import InterfaceTester

# The tester leaves the pipes of its git open.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")
INTERFACE = pathlib.Path(__file__).parents[2] / "docs" / "reference" / "interface"
SECRET = "d4u6k2hfp0q8s1c7v5tg"
UUID = "6aa1d3c4-9d77-4f0e-8a9b-3a2f51d1a1c2"
SMALLEST: dict[str, Any] = {
    "host": "smtp.example.com",
    "port": 25,
    "auth_type": "none",
    "transport_security": "none",
}
VALID: list[dict[str, Any]] = [
    SMALLEST,
    SMALLEST | {"host": "2001:db8::25", "port": 65535, "skip_ssl_verify": True},
    SMALLEST | {"auth_type": "plain", "user": "a", "password": "b"},
    SMALLEST | {"auth_type": "plain", "user": "a", "password_id": f"secret://{UUID}/{SECRET}"},
    SMALLEST | {"auth_type": "not_provided", "password_id": f"secret:{SECRET}"},
    SMALLEST | {"user": "a", "oauth_id": f"secret://{UUID}/{SECRET}"},
    SMALLEST | {"transport_security": "starttls", "domain": "example.com"},
    SMALLEST | {"transport_security": "tls", "smtp_sender": "ops@example.com"},
    SMALLEST | {"recipients": ["a@example.com", "b@example.com"]},
    SMALLEST | {"tls_ca_chain": "-----BEGIN CERTIFICATE-----\n…\n-----END CERTIFICATE-----\n"},
]
INVALID: list[dict[str, str]] = [
    {"host": ""},
    {"port": "0"},
    {"port": "65536"},
    {"port": "25 "},
    {"auth_type": "oauth2"},
    {"transport_security": "ssl"},
    {"skip_ssl_verify": "true"},
    {"password_id": "d4u6k2hfp0q8s1c7v5tg"},
    {"password_id": f"secret:{SECRET}", "password": "b"},
    {"oauth_id": "d4u6k2hfp0q8s1c7v5tg"},
    {"oauth_id": f"secret:{SECRET}", "password": "b"},
    {"oauth_id": f"secret:{SECRET}", "password_id": f"secret:{SECRET}"},
    {"recipients": "a@example.com"},
    {"recipients": "[]"},
    {"tls_ca_chain": "none"},
]
ABSENT = ["host", "port", "auth_type", "transport_security", "skip_ssl_verify"]


@pytest.fixture(scope="module")
def model() -> type[pydantic.BaseModel]:
    return runpy.run_path(str(INTERFACE / "v0" / "schema.py"))["SmtpProviderData"]


@pytest.fixture(scope="module")
def json_schema() -> dict[str, Any]:
    return json.loads((INTERFACE / "v0" / "schema.json").read_text())


def test_the_integrator_does_what_a_provider_must(interface_tester: InterfaceTester) -> None:
    interface_tester.run()


def test_a_charm_with_the_library_does_what_a_requirer_must(
    requirer_tester: InterfaceTester,
) -> None:
    requirer_tester.run()


@pytest.mark.parametrize("relay", VALID)
def test_the_schema_accepts_what_the_library_writes(
    relay: dict[str, Any], model: type[pydantic.BaseModel], json_schema: dict[str, Any]
) -> None:
    databag = smtp.encode_relation_data(**relay)
    assert model.model_validate(databag)
    jsonschema.validate(databag, json_schema)


@pytest.mark.parametrize("wrong", INVALID)
def test_the_schema_refuses_what_is_none_of_the_interface(
    wrong: dict[str, str], model: type[pydantic.BaseModel]
) -> None:
    databag = smtp.encode_relation_data(**SMALLEST) | wrong
    with pytest.raises(pydantic.ValidationError):
        model.model_validate(databag)


@pytest.mark.parametrize("key", ABSENT)
def test_what_is_always_there_is_required(
    key: str, model: type[pydantic.BaseModel], json_schema: dict[str, Any]
) -> None:
    databag = smtp.encode_relation_data(**SMALLEST)
    del databag[key]
    with pytest.raises(pydantic.ValidationError):
        model.model_validate(databag)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(databag, json_schema)


def test_the_json_schema_is_generated() -> None:
    generate = runpy.run_path(str(INTERFACE / "json_schema.py"))["json_schema"]
    assert (INTERFACE / "v0" / "schema.json").read_text() == generate()

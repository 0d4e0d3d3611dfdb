from __future__ import annotations

import inspect
import json
import os
import subprocess
import sys
import traceback
import typing
from typing import TYPE_CHECKING, Any

import hypothesis
import pydantic
import pytest
from hypothesis import strategies as st

import relay
import user_secret
from charms.smtp_integrator.v0 import smtp

if TYPE_CHECKING:
    from tests.unit.conftest import Authority

PASSWORD = "hunter2-secret"
EMAIL = pydantic.TypeAdapter[str](pydantic.EmailStr)

LEAST: dict[str, Any] = {
    "host": "smtp.example.com",
    "port": 25,
    "auth_type": "none",
    "transport_security": "none",
}
WHOLE: dict[str, Any] = {
    "host": "smtp.example.com",
    "port": 587,
    "user": "mailer",
    "password": PASSWORD,
    "auth_type": "plain",
    "transport_security": "starttls",
    "domain": "example.com",
    "skip_ssl_verify": True,
    "smtp_sender": "noreply@example.com",
    "recipients": ["a@example.com", "b@example.com"],
    "tls_ca_chain": "-----BEGIN CERTIFICATE-----\n",
}
WHOLE_DATABAG = {
    "host": "smtp.example.com",
    "port": "587",
    "user": "mailer",
    "password": PASSWORD,
    "auth_type": "plain",
    "transport_security": "starttls",
    "domain": "example.com",
    "skip_ssl_verify": "True",
    "smtp_sender": "noreply@example.com",
    "recipients": '["a@example.com", "b@example.com"]',
    "tls_ca_chain": "-----BEGIN CERTIFICATE-----\n",
}
LEAST_DATABAG = {
    "host": "smtp.example.com",
    "port": "25",
    "auth_type": "none",
    "transport_security": "none",
    "skip_ssl_verify": "False",
}


def data(**fields: Any) -> smtp.SmtpRelationData:
    return smtp.SmtpRelationData(**{**LEAST, **fields})


def encode(**fields: Any) -> dict[str, str]:
    return smtp.encode_relation_data(**{**LEAST, **fields})


def refused(**fields: Any) -> list[str]:
    """Name the fields that the model refuses."""
    with pytest.raises(pydantic.ValidationError) as caught:
        data(**fields)
    return [str(error["loc"][0]) for error in caught.value.errors()]


def python(code: str) -> str:
    """Return what the code prints in a Python of its own that knows the library."""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True
    ).stdout


# The module.


def test_charmhub_knows_the_library() -> None:
    assert smtp.LIBID == "09583c2f9c1d4c0f9a40244cfc20b0c2"
    assert smtp.LIBAPI == 0
    assert smtp.LIBPATCH >= 22
    assert smtp.PYDEPS == ["pydantic>=1.10,<3", "email-validator>=2"]


def test_the_endpoints_have_names() -> None:
    assert (smtp.DEFAULT_RELATION_NAME, smtp.LEGACY_RELATION_NAME) == ("smtp", "smtp-legacy")


@pytest.mark.parametrize(
    "name",
    [
        "DEFAULT_RELATION_NAME",
        "LEGACY_RELATION_NAME",
        "AuthType",
        "SecretError",
        "SmtpDataAvailableEvent",
        "SmtpError",
        "SmtpProvides",
        "SmtpRelationData",
        "SmtpRequires",
        "SmtpRequiresEvents",
        "TransportSecurity",
        "encode_relation_data",
        "parse_recipients",
        "recipients_validator",
    ],
)
def test_every_public_name_can_be_imported(name: str) -> None:
    namespace: dict[str, Any] = {}
    exec("from charms.smtp_integrator.v0.smtp import *", namespace)  # noqa: S102 - a star needs a module
    assert namespace[name] is getattr(smtp, name)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match=r"^module 'charms\.\S+\.smtp' has no attribute 'x'$"):
        getattr(smtp, "x")  # noqa: B009 - the type checker knows that there is no x


def test_importing_it_and_the_charm_pays_for_no_validation() -> None:
    code = (
        "import sys, charm; from charms.smtp_integrator.v0 import smtp; "
        "print([m for m in ('pydantic', 'email_validator') if m in sys.modules])"
    )
    assert python(code) == "[]\n"


def test_importing_it_pays_for_no_module_that_ops_does_not_import() -> None:
    code = (
        "import sys, ops; before = set(sys.modules); from charms.smtp_integrator.v0 import smtp; "
        "print(sorted(sys.modules.keys() - before))"
    )
    package = ["charms", "charms.smtp_integrator", "charms.smtp_integrator.v0"]
    assert python(code) == f"{[*package, 'charms.smtp_integrator.v0.smtp']}\n"


def test_the_model_is_a_name_of_the_module() -> None:
    assert "SmtpRelationData" in dir(smtp)
    assert smtp.SmtpRelationData is smtp.SmtpRelationData
    assert typing.get_type_hints(smtp.SmtpReading)["data"] == (smtp.SmtpRelationData | None)


def test_it_can_be_reloaded() -> None:
    code = f"""
import importlib
from charms.smtp_integrator.v0 import smtp
before = smtp.SmtpRelationData
smtp = importlib.reload(smtp)
assert smtp.SmtpRelationData is not before
print(smtp.SmtpRelationData(**{LEAST}).to_relation_data())
"""
    assert python(code) == f"{LEAST_DATABAG}\n"


def test_errors_have_one_base() -> None:
    assert issubclass(smtp.SmtpError, Exception)
    assert issubclass(smtp.SecretError, smtp.SmtpError)


def test_enumerations_are_strings() -> None:
    assert [*smtp.AuthType] == ["none", "not_provided", "plain"]
    assert [member.name for member in smtp.AuthType] == ["NONE", "NOT_PROVIDED", "PLAIN"]
    assert [*smtp.TransportSecurity] == ["none", "starttls", "tls"]
    assert [member.name for member in smtp.TransportSecurity] == ["NONE", "STARTTLS", "TLS"]


# Recipients.


@pytest.mark.parametrize(
    ("raw", "recipients"),
    [
        (None, []),
        ("", []),
        (" ", []),
        (",", []),
        ([], []),
        ("[]", []),
        (["a@x.com", " b@x.com ", "", " "], ["a@x.com", "b@x.com"]),
        ('["a@x.com", " b@x.com ", ""]', ["a@x.com", "b@x.com"]),
        (' ["a@x.com"]\n', ["a@x.com"]),
        ('"a@x.com", "b@x.com"', ["a@x.com", "b@x.com"]),
        (' "a@x.com","b@x.com" ', ["a@x.com", "b@x.com"]),
        ('"a@x.com", "", "b@x.com"', ["a@x.com", "b@x.com"]),
        ("a@x.com,b@x.com", ["a@x.com", "b@x.com"]),
        (" a@x.com , ,b@x.com,", ["a@x.com", "b@x.com"]),
        ("a@x.com", ["a@x.com"]),
        (" a@x.com\n", ["a@x.com"]),
        ('"a@x.com"', ['"a@x.com"']),
        ('a@x.com,"b@x.com"', ["a@x.com", '"b@x.com"']),
        ('"a@x.com",b@x.com', ['"a@x.com"', "b@x.com"]),
    ],
)
def test_recipients_are_read_in_every_shape(raw: object, recipients: list[str]) -> None:
    assert smtp.parse_recipients(raw) == recipients


@pytest.mark.parametrize("raw", [5, 5.0, True, ("a@x.com",), {"a@x.com"}, {"a": "b"}, b"a@x.com"])
def test_recipients_of_another_type_are_a_type_error(raw: object) -> None:
    with pytest.raises(TypeError, match=f"string or a list, not {type(raw).__name__}$"):
        smtp.parse_recipients(raw)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ("[", "recipients are malformed JSON"),
        ('["a@x.com"', "recipients are malformed JSON"),
        ("[a@x.com]", "recipients are malformed JSON"),
        ('"a@x.com", b@x.com, "c@x.com"', "recipients are malformed JSON"),
        ("[" * 100_000, "recipients are malformed JSON"),
        ("[" + "1" * 5000 + "]", "recipients are malformed JSON"),
        ('{"a": "b"}', "recipients are JSON but not a list"),
        ("{}", "recipients are JSON but not a list"),
    ],
)
def test_malformed_json_is_a_value_error(raw: str, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        smtp.parse_recipients(raw)


def test_what_is_malformed_is_not_quoted() -> None:
    with pytest.raises(ValueError, match="malformed") as caught:
        smtp.parse_recipients(f"[{PASSWORD}]")
    assert PASSWORD not in "".join(traceback.format_exception(caught.value))


JSON_TEXTS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=4,
).map(json.dumps)


@hypothesis.given(st.text() | JSON_TEXTS | st.text('[]{}",: a@.com\n'))
def test_no_text_is_more_than_a_value_error(text: str) -> None:
    try:
        recipients = smtp.parse_recipients(text)
    except ValueError:
        return
    assert "" not in recipients


@hypothesis.given(st.lists(st.text()))
def test_a_list_reads_the_same_as_its_json(items: list[str]) -> None:
    stripped = [item.strip() for item in items if item.strip()]
    assert smtp.parse_recipients(items) == stripped
    assert smtp.parse_recipients(json.dumps(items)) == stripped


def test_the_decorator_runs_before_pydantic_validates() -> None:
    validator = smtp.recipients_validator()

    class Notification(pydantic.BaseModel):
        recipients: list[str] = []

        @validator
        @classmethod
        def _parse(cls, raw: object) -> list[str]:
            return smtp.parse_recipients(raw)

    assert Notification(recipients="a@x.com, b@x.com").recipients == [  # pyright: ignore[reportArgumentType]
        "a@x.com",
        "b@x.com",
    ]


# Writing.


def test_encoding_writes_the_keys_that_are_always_present() -> None:
    assert encode() == LEAST_DATABAG


def test_encoding_writes_every_key() -> None:
    assert encode(**WHOLE) == WHOLE_DATABAG
    assert encode(password_id="secret:x") == {
        **LEAST_DATABAG,
        "password_id": "secret:x",
    }


@pytest.mark.parametrize("empty", [None, ""])
def test_encoding_leaves_out_what_is_empty(empty: str | None) -> None:
    optional = ["domain", "user", "password", "password_id", "smtp_sender", "tls_ca_chain"]
    optional.append("oauth_id")
    assert encode(**dict.fromkeys(optional, empty), recipients=[]) == LEAST_DATABAG


def test_encoding_reads_recipients_in_one_string() -> None:
    databag = smtp.encode_relation_data(
        host="h",
        port=25,
        auth_type="none",
        transport_security="none",
        recipients="a@example.com, b@example.com",
    )
    assert databag["recipients"] == '["a@example.com", "b@example.com"]'


def test_encoding_takes_members_of_the_enumerations() -> None:
    databag = encode(auth_type=smtp.AuthType.PLAIN, transport_security=smtp.TransportSecurity.TLS)
    assert type(databag["auth_type"]) is type(databag["transport_security"]) is str
    assert (databag["auth_type"], databag["transport_security"]) == ("plain", "tls")


@pytest.mark.parametrize("option", ["auth_type", "transport_security"])
@pytest.mark.parametrize("value", ["", "PLAIN", None, PASSWORD])
def test_encoding_refuses_what_old_requirers_fail_on(option: str, value: str | None) -> None:
    with pytest.raises(ValueError, match="is not a valid") as caught:
        encode(**{option: value})
    assert PASSWORD not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(("value", "written"), [(True, "True"), (False, "False"), (None, "False")])
def test_skip_ssl_verify_is_always_a_python_literal(value: bool | None, written: str) -> None:  # noqa: FBT001 - one of the parameters
    assert encode(skip_ssl_verify=value)["skip_ssl_verify"] == written
    assert data(skip_ssl_verify=value).to_relation_data()["skip_ssl_verify"] == written


def test_encoding_publishes_one_password_of_two(caplog: pytest.LogCaptureFixture) -> None:
    databag = encode(password=PASSWORD, password_id="secret:x")
    assert databag == {**LEAST_DATABAG, "password_id": "secret:x"}
    assert caplog.messages == [
        "password and password_id are both given: only password_id is published"
    ]


@pytest.mark.parametrize("key", ["password", "password_id"])
def test_encoding_publishes_a_grant_in_the_place_of_a_password(
    caplog: pytest.LogCaptureFixture, key: str
) -> None:
    databag = encode(**{key: "secret:x", "oauth_id": "secret:y"})
    assert databag == {**LEAST_DATABAG, "oauth_id": "secret:y"}
    assert caplog.messages == [
        "a password and oauth_id are both given: only oauth_id is published"
    ]


def test_encoding_one_password_warns_of_nothing(caplog: pytest.LogCaptureFixture) -> None:
    encode(password=PASSWORD)
    encode(password_id="secret:x")
    encode(oauth_id="secret:x")
    assert caplog.messages == []


# The model.


def test_the_model_is_pydantics() -> None:
    assert issubclass(smtp.SmtpRelationData, pydantic.BaseModel)
    assert smtp.SmtpRelationData is smtp.SmtpRelationData
    assert smtp.SmtpRelationData.__name__ == "SmtpRelationData"


def test_the_model_has_its_defaults() -> None:
    assert dict(data()) == {
        **LEAST,
        "user": None,
        "password": None,
        "password_id": None,
        "domain": None,
        "skip_ssl_verify": False,
        "smtp_sender": None,
        "recipients": [],
        "tls_ca_chain": None,
        "oauth_id": None,
        "oauth": None,
    }


def test_the_model_has_its_types() -> None:
    relay = smtp.SmtpRelationData(**{**WHOLE_DATABAG, "unknown": "key"})  # pyright: ignore[reportArgumentType]
    assert dict(relay) == {**WHOLE, "password_id": None, "oauth_id": None, "oauth": None}
    assert type(relay.port) is int
    assert relay.skip_ssl_verify is True
    assert relay.auth_type is smtp.AuthType.PLAIN
    assert relay.transport_security is smtp.TransportSecurity.STARTTLS


def test_the_model_writes_the_databag() -> None:
    assert data().to_relation_data() == LEAST_DATABAG
    assert data(**WHOLE).to_relation_data() == WHOLE_DATABAG
    assert data(password_id="secret:x").to_relation_data() == {
        **LEAST_DATABAG,
        "password_id": "secret:x",
    }


@pytest.mark.parametrize("field", ["host", "port", "auth_type", "transport_security"])
def test_a_missing_field_is_invalid(field: str) -> None:
    fields: dict[str, Any] = {name: value for name, value in LEAST.items() if name != field}
    with pytest.raises(pydantic.ValidationError) as caught:
        smtp.SmtpRelationData(**fields)
    assert [error["loc"] for error in caught.value.errors()] == [(field,)]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("host", ""),
        ("host", None),
        ("port", 0),
        ("port", 65536),
        ("port", "smtp"),
        ("port", None),
        ("auth_type", "login"),
        ("auth_type", None),
        ("transport_security", "ssl"),
        ("transport_security", None),
        ("skip_ssl_verify", "maybe"),
        ("smtp_sender", "ops"),
        ("smtp_sender", ""),
        ("smtp_sender", "a@b"),
        ("smtp_sender", "root@localhost"),
        ("smtp_sender", "ops@corp.local"),
        ("recipients", ["a@example.com", "ops@corp.local"]),
        ("recipients", ["root@localhost"]),
        ("recipients", "a@example.com,b"),
        ("recipients", '"a@example.com"'),
        ("recipients", "[a@example.com]"),
        ("recipients", '{"a": "b"}'),
        ("recipients", "[1]"),
        ("recipients", [None]),
    ],
)
def test_an_invalid_field_is_refused(field: str, value: object) -> None:
    assert refused(**{field: value}) == [field]


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("host", "", "host is empty"),
        ("port", 0, "port is not between 1 and 65535"),
        ("recipients", "[", "recipients are malformed JSON"),
        ("recipients", "{}", "recipients are JSON but not a list"),
    ],
)
def test_an_invalid_field_is_refused_with_the_rule(field: str, value: object, reason: str) -> None:
    with pytest.raises(pydantic.ValidationError, match=reason):
        data(**{field: value})


def test_what_is_optional_may_be_none() -> None:
    optional = ["user", "password", "password_id", "domain", "skip_ssl_verify", "smtp_sender"]
    relay = data(**dict.fromkeys([*optional, "tls_ca_chain", "oauth_id", "oauth"]))
    assert relay.to_relation_data() == LEAST_DATABAG


def test_a_missing_email_validator_is_named() -> None:
    code = f"""
import sys
sys.modules["email_validator"] = None
from charms.smtp_integrator.v0 import smtp
print(smtp.SmtpRelationData(**{LEAST}).host)
try:
    smtp.SmtpRelationData(**{LEAST}, smtp_sender="ops@example.com")
except ImportError as e:
    print(e)
"""
    assert python(code).splitlines() == [
        "smtp.example.com",
        "addresses need the package email-validator; install it",
    ]


@pytest.mark.parametrize("port", [1, 25, 65535])
def test_a_port_is_between_1_and_65535(port: int) -> None:
    assert data(port=port).port == port
    assert data(port=str(port)).port == port


@pytest.mark.parametrize(
    "recipients",
    [
        ["a@example.com", "b@example.com"],
        [" a@example.com", "b@example.com", ""],
        '["a@example.com", "b@example.com"]',
        '"a@example.com", "b@example.com"',
        "a@example.com, b@example.com",
        "a@EXAMPLE.com, b@example.COM",
        "A <a@example.com>, b@example.com",
    ],
)
def test_the_model_reads_recipients_in_every_shape(recipients: object) -> None:
    assert data(recipients=recipients).recipients == ["a@example.com", "b@example.com"]


def test_the_model_has_no_recipients_where_none_are_given() -> None:
    assert data(recipients=None).recipients == data(recipients="").recipients == []


def test_each_model_has_recipients_of_its_own() -> None:
    first, second = data(), data()
    first.recipients.append("a@example.com")
    assert second.recipients == data().recipients == []


NAMES = st.text(st.sampled_from('aJ1-_.+@"<>,;:()\\ \t\r\nßé\u0301①\u200b'), max_size=4)
ADDRESSES = st.one_of(
    st.emails(),
    st.builds("{}@{}".format, NAMES, st.sampled_from(["example.com", "corp.local", "a.b"])),
    st.builds("{} <{}>{}".format, NAMES, st.emails() | NAMES, NAMES),
    st.text(),
)


@hypothesis.given(ADDRESSES)
def test_addresses_are_validated_exactly_as_pydantic_does(text: str) -> None:
    try:
        address = EMAIL.validate_python(text)
    except pydantic.ValidationError:
        assert refused(smtp_sender=text) == ["smtp_sender"]
    else:
        assert data(smtp_sender=text).smtp_sender == address
        assert data(recipients=[text]).recipients == [address]


def test_odd_combinations_are_left_to_the_charm() -> None:
    assert data(auth_type="plain", password="p", password_id="secret:x").user is None
    assert data(skip_ssl_verify=True, user="u").skip_ssl_verify is True


def test_both_passwords_in_a_model_publish_the_id_alone(caplog: pytest.LogCaptureFixture) -> None:
    databag = data(password=PASSWORD, password_id="secret:x").to_relation_data()
    assert databag == {**LEAST_DATABAG, "password_id": "secret:x"}
    assert caplog.messages == [
        "password and password_id are both given: only password_id is published"
    ]


def test_fields_can_be_assigned() -> None:
    relay = data()
    relay.password = PASSWORD
    relay.host = "other.example.com"
    assert relay.to_relation_data() == {
        **LEAST_DATABAG,
        "host": "other.example.com",
        "password": PASSWORD,
    }


def test_a_subclass_may_have_more_fields() -> None:
    class RequirersData(smtp.SmtpRelationData):
        timeout: int = 5

    data = RequirersData(
        host="h",
        port=25,
        auth_type=smtp.AuthType.NONE,
        transport_security=smtp.TransportSecurity.NONE,
    )
    assert data.timeout == 5
    assert data.to_relation_data() == {
        "host": "h",
        "port": "25",
        "auth_type": "none",
        "transport_security": "none",
        "skip_ssl_verify": "False",
    }


def test_the_password_is_hidden_where_a_model_is_shown() -> None:
    relay = data(password=PASSWORD, user="mailer")
    for shown in (repr(relay), str(relay), f"{relay}", f"{[relay]}"):
        assert PASSWORD not in shown
        assert "password='********'" in shown
        assert "user='mailer'" in shown


def test_a_password_that_is_not_set_is_shown_as_none() -> None:
    assert "password=None" in repr(data())


@pytest.mark.parametrize(
    "field", ["port", "auth_type", "transport_security", "skip_ssl_verify", "smtp_sender"]
)
def test_a_rejected_value_is_not_shown(field: str) -> None:
    with pytest.raises(pydantic.ValidationError) as caught:
        data(**{field: PASSWORD, "password": PASSWORD})
    shown = [str(caught.value), repr(caught.value), *traceback.format_exception(caught.value)]
    assert PASSWORD not in "".join(shown)


# What was ever published, and what is read from it.


@pytest.mark.parametrize(
    ("published", "read"),
    [
        (
            {"host": "h", "port": "25", "auth_type": "none", "transport_security": "none"},
            {**LEAST, "host": "h"},
        ),
        (LEAST_DATABAG, {**LEAST, "skip_ssl_verify": False}),
        (WHOLE_DATABAG, WHOLE),
        (
            {**LEAST_DATABAG, "auth_type": "not_provided", "transport_security": "tls"},
            {**LEAST, "auth_type": "not_provided", "transport_security": "tls"},
        ),
        ({**LEAST_DATABAG, "password_id": "secret:x"}, {**LEAST, "password_id": "secret:x"}),
        ({**LEAST_DATABAG, "oauth_id": "secret:x"}, {**LEAST, "oauth_id": "secret:x"}),
        (
            {**LEAST_DATABAG, "password_id": "secret://0-1/x"},
            {**LEAST, "password_id": "secret://0-1/x"},
        ),
        ({**LEAST_DATABAG, "recipients": "a@x.com"}, {**LEAST, "recipients": ["a@x.com"]}),
        (
            {**LEAST_DATABAG, "recipients": "a@x.com,b@x.com"},
            {**LEAST, "recipients": ["a@x.com", "b@x.com"]},
        ),
        (
            {**LEAST_DATABAG, "recipients": '"a@x.com", "b@x.com"'},
            {**LEAST, "recipients": ["a@x.com", "b@x.com"]},
        ),
        ({**LEAST_DATABAG, "recipients": "[]"}, LEAST),
        ({**LEAST_DATABAG, "skip_ssl_verify": "true"}, {**LEAST, "skip_ssl_verify": True}),
        ({**LEAST_DATABAG, "skip_ssl_verify": "false"}, LEAST),
        (
            {**LEAST_DATABAG, "user": "u", "password": PASSWORD},
            {**LEAST, "user": "u", "password": PASSWORD},
        ),
        ({**LEAST_DATABAG, "some_day": "a new key"}, LEAST),
    ],
)
def test_a_published_databag_is_read(published: dict[str, Any], read: dict[str, Any]) -> None:
    assert dict(smtp.SmtpRelationData(**published)) == {**dict(data()), **read}


def is_address(text: str) -> bool:
    try:
        return bool(EMAIL.validate_python(text)) and "," not in text
    except pydantic.ValidationError:
        return False


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
# What the charm publishes as it was entered.
LINES = TEXTS.filter(lambda text: text == text.strip().strip("\ufeff") and text.isprintable())
VALID_ADDRESSES = ADDRESSES.filter(is_address)
ASCII_ADDRESSES = VALID_ADDRESSES.filter(lambda text: "xn--" not in text.lower())
RELAYS = st.fixed_dictionaries(
    {
        "host": st.sampled_from(["smtp", "smtp.example.com.", "bücher.example", "2001:db8::25"]),
        "port": st.integers(1, 65535),
        "user": LINES,
        "password": LINES,
        "auth_type": st.sampled_from([member.value for member in smtp.AuthType]),
        "transport_security": st.sampled_from(relay.TRANSPORT_SECURITIES),
        "skip_ssl_verify": st.booleans(),
    },
    optional={
        "domain": st.sampled_from(["example.com", "bücher.example", "localhost"]),
        "smtp_sender": ASCII_ADDRESSES,
        "recipients": st.lists(ASCII_ADDRESSES, max_size=3).map(json.dumps),
    },
)


@hypothesis.given(config=RELAYS, private_ca=st.booleans(), as_secret=st.booleans())
def test_every_valid_relay_survives_the_wire(
    authority: Authority, config: dict[str, Any], *, private_ca: bool, as_secret: bool
) -> None:
    if private_ca:
        config["tls_ca_chain"] = authority.certificate
    published = inspect.signature(smtp.encode_relation_data).parameters
    configured = vars(
        relay.read(
            config,
            application="mail",
            parse_recipients=smtp.parse_recipients,
            read_secret=lambda _: user_secret.Unreadable(),
        )
    )
    fields = {name: value for name, value in configured.items() if name in published}
    if as_secret:
        fields["password_id"] = fields.pop("password")
    databag = smtp.encode_relation_data(**fields)
    read = smtp.SmtpRelationData(**databag)  # pyright: ignore[reportArgumentType]
    assert read.to_relation_data() == databag
    fields["recipients"] = [*fields["recipients"]]
    assert dict(read) == {**dict(data(**fields)), "host": databag["host"]}

from __future__ import annotations

import base64
import dataclasses
import ipaddress
import json
import pathlib
import subprocess
import traceback
from typing import TYPE_CHECKING, Any

import hypothesis
import pydantic
import pytest
from hypothesis import strategies as st

import relay
import user_secret
from charms.smtp_integrator.v0 import smtp

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.unit.conftest import Authority

PASSWORD = "hunter2-secret"
SECRET_ID = "secret:cvq3d1k0v5a8o1f2r4g0"
EMAIL = pydantic.TypeAdapter[str](pydantic.EmailStr)

HOST_SCHEME = "host: has a scheme; enter the name alone, such as smtp.example.com"
HOST_PORT = "host: has a port; enter the name alone, and the port as the option port"
HOST_BLANKS = "host: has blanks in it; enter the name alone, such as smtp.example.com"
HOST_AT = "host: has an @ in it; enter the name alone, such as smtp.example.com"
HOST_OTHER = "host: must be a host name or an IP address, such as smtp.example.com"
HOST_UNSET = "host: not set; run 'juju config mail host=NAME'"
MALFORMED = "is malformed, which requirers refuse; enter an address such as ops@example.com"
SPECIAL_USE = (
    "has a special-use domain, which requirers refuse; enter an address such as ops@example.com"
)
NO_KEY = (
    "password_secret: the secret has no value under the key 'password'; "
    "run 'juju update-secret cvq3d1k0v5a8o1f2r4g0 password#file=FILE'"
)
CA_REMEDY = "run 'juju config mail tls_ca_chain=@FILE' with PEM in the file"
CA_BROKEN = f"tls_ca_chain: has no certificate or a broken one in it; {CA_REMEDY}"
CA_KEY = "tls_ca_chain: has a private key in it; enter the CA certificates alone"

CLEAR_LOGIN = "auth_type=plain with transport_security=none: the password travels in the clear"
OPEN_RELAY = "the relay has neither TLS nor AUTH: anyone on the network can read and send mail"
NO_VERIFICATION = "skip_ssl_verify has no effect with transport_security=none"
NOT_FOUND = user_secret.Unreadable()
# In the words of Juju 3.6 and 4.0.
NOT_GRANTED = [
    user_secret.Unreadable("ERROR permission denied\n"),
    user_secret.Unreadable('ERROR "mail/0" is not allowed to read this secret\n'),
]


CREDENTIALS: dict[str, list[dict[str, Any]]] = json.loads(
    (pathlib.Path(__file__).parents[1] / "data/credentials.json").read_text()
)


def read_config(
    config: dict[str, Any],
    secret: dict[str, str] | user_secret.Unreadable = NOT_FOUND,
    authorities: Sequence[str] = (),
) -> relay.Relay:
    return relay.read(
        config,
        application="mail",
        parse_recipients=smtp.parse_recipients,
        read_secret=lambda _: secret,
        authorities=authorities,
    )


def read(
    secret: dict[str, str] | user_secret.Unreadable = NOT_FOUND, /, **options: Any
) -> relay.Relay:
    config = {"host": "smtp.example.com", "port": 25, **options}
    return read_config(config, secret)


def problems(
    secret: dict[str, str] | user_secret.Unreadable = NOT_FOUND, /, **options: Any
) -> list[str]:
    with pytest.raises(relay.InvalidConfigError) as caught:
        read(secret, **options)
    assert str(caught.value) == "; ".join(caught.value.problems)
    return caught.value.problems


def accepted(option: str, text: str) -> Any:
    """Return what `read` makes of an option, None where it is refused."""
    try:
        return getattr(read(**{option: text}), option)
    except relay.InvalidConfigError:
        return None


def notes(option: str, case: dict[str, Any]) -> tuple[str, ...]:
    what = (
        "blanks, newlines or a byte order mark around it"
        if option == "user"
        else "newlines at its end or a byte order mark"
    )
    remedy = "update the secret" if option == "password_secret" else "enter it"
    dropped = f"{option}: {what} were dropped; {remedy} without them"
    kept = (
        f"{option}: has blanks around it or several lines, and they are kept; "
        f"if they are not meant, {remedy} without them"
    )
    return (dropped,) * case["dropped"] + (kept,) * case["doubtful"]


def unused_credentials(auth_type: str) -> str:
    return (
        f"auth_type={auth_type}: user and password are published, but requirers attempt no AUTH; "
        "set auth_type=plain if the relay wants it"
    )


def test_only_the_host_is_required() -> None:
    assert read_config({"host": "smtp", "port": 25}) == relay.Relay(
        host="smtp",
        shown_host="smtp",
        port=25,
        user=None,
        password=None,
        oauth=None,
        auth_type="none",
        transport_security="none",
        domain=None,
        skip_ssl_verify=False,
        smtp_sender=None,
        recipients=(),
        tls_ca_chain=None,
        notes=(),
    )


def test_each_option_is_read(authority: Authority) -> None:
    assert read(
        {"password": PASSWORD},
        port=465,
        user="mailer",
        password_secret=SECRET_ID,
        auth_type="plain",
        transport_security="tls",
        domain="example.com",
        skip_ssl_verify=True,
        smtp_sender="noreply@example.com",
        recipients="a@example.com,b@example.com",
        tls_ca_chain=authority.certificate,
    ) == relay.Relay(
        host="smtp.example.com",
        shown_host="smtp.example.com",
        port=465,
        user="mailer",
        password=PASSWORD,
        oauth=None,
        auth_type="plain",
        transport_security="tls",
        domain="example.com",
        skip_ssl_verify=True,
        smtp_sender="noreply@example.com",
        recipients=("a@example.com", "b@example.com"),
        tls_ca_chain=authority.certificate,
    )


def test_each_option_of_config_yaml_makes_a_difference(
    options: dict[str, dict[str, Any]], authority: Authority
) -> None:
    values: dict[str, Any] = {
        "host": "other.example.com",
        "port": 26,
        "user": "mailer",
        "password": PASSWORD,
        "password_secret": SECRET_ID,
        "oauth_secret": SECRET_ID,
        "auth_type": "not_provided",
        "transport_security": "tls",
        "domain": "example.com",
        "skip_ssl_verify": True,
        "smtp_sender": "a@example.com",
        "recipients": "a@example.com",
        "tls_ca_chain": authority.certificate,
        "check_relay": True,
    }
    assert list(values) == list(options)
    for option, value in values.items():
        assert read({"password": "other"}, **{option: value}) != read(), option


@pytest.mark.parametrize(
    "wrong",
    [
        {"auth_type": "plain", "password_secret": SECRET_ID},
        {"auth_type": "plain"},
        {"auth_type": "login", "password_secret": SECRET_ID},
    ],
)
def test_problems_come_in_the_order_of_config_yaml(
    options: dict[str, dict[str, Any]], wrong: dict[str, str]
) -> None:
    found = problems(
        NOT_FOUND,
        host=PASSWORD + " ",
        port=0,
        transport_security="ssl",
        smtp_sender="nobody",
        recipients="nobody",
        tls_ca_chain="nothing",
        **wrong,
    )
    named = [problem.partition(":")[0] for problem in found]
    assert named == sorted(named, key=list(options).index)
    assert {"host", "port", "transport_security", "smtp_sender", "recipients"} < set(named)
    assert len(named) == len(set(named)) >= 7


@pytest.mark.parametrize(
    "option",
    [
        "user",
        "password",
        "password_secret",
        "auth_type",
        "transport_security",
        "domain",
        "smtp_sender",
        "recipients",
        "tls_ca_chain",
    ],
)
def test_an_empty_string_is_unset(option: str) -> None:
    assert read(**{option: ""}) == read()


@pytest.mark.parametrize("config", [{"port": 25}, {"port": 25, "host": ""}])
def test_a_host_that_is_not_set_is_missed(config: dict[str, Any]) -> None:
    with pytest.raises(relay.InvalidConfigError) as caught:
        read_config(config)
    assert caught.value.problems == [HOST_UNSET]


@pytest.mark.parametrize(
    ("host", "published"),
    [
        ("smtp", ""),
        ("smtp.example.com", ""),
        ("SMTP.Example.COM", ""),
        ("smtp.example.com.", "smtp.example.com"),
        ("mail_relay.example.com", ""),
        ("_smtp._tcp.example.com", ""),
        ("3com.example", ""),
        ("25.example.com", ""),
        ("xn--bcher-kva.example", ""),
        ("bücher.example", "xn--bcher-kva.example"),
        ("Bücher.Example.", "xn--bcher-kva.example"),
        ("straße.example", "xn--strae-oqa.example"),
        ("mail_relay.bücher.example", "mail_relay.xn--bcher-kva.example"),
        ("例え.jp", "xn--r8jz45g.jp"),
        ("smtp。example。com", "smtp.example.com"),
        ("192.0.2.1", ""),
        ("2001:db8::25", ""),
        ("::ffff:192.0.2.1", ""),
        ("a" * 63 + ".example", ""),
        (".".join(["a" * 49] * 5) + ".abc", ""),
        (".".join(["a" * 49] * 5) + ".abc.", ".".join(["a" * 49] * 5) + ".abc"),
    ],
)
def test_a_host_is_published_in_ascii_and_shown_as_it_was_entered(
    host: str, published: str
) -> None:
    configured = read(host=host)
    assert (configured.host, configured.shown_host) == (published or host, host)


@pytest.mark.parametrize(
    ("host", "problem"),
    [
        ("smtp://smtp.example.com", HOST_SCHEME),
        ("smtp://smtp.example.com:25", HOST_SCHEME),
        ("smtp ://smtp.example.com", HOST_SCHEME),
        ("smtp.example.com:25", HOST_PORT),
        ("[2001:db8::25]:25", HOST_PORT),
        ("smtp example.com:25", HOST_BLANKS),
        (" smtp.example.com", HOST_BLANKS),
        ("smtp.example.com\n", HOST_BLANKS),
        ("smtp\u3000example.com", HOST_BLANKS),
        (" ", HOST_BLANKS),
        ("smtp.example.com:", HOST_OTHER),
        ("smtp:25.example.com", HOST_OTHER),
        ("[2001:db8::25]", HOST_OTHER),
        ("fe80::1%eth0", HOST_OTHER),
        ("smtp.example.com/", HOST_OTHER),
        ("user@smtp.example.com", HOST_AT),
        ("192.0.2.0/24", HOST_OTHER),
        ("192.0.2.256", HOST_OTHER),
        ("192.0.2", HOST_OTHER),
        ("192.0.2.1.", HOST_OTHER),
        ("-smtp.example.com", HOST_OTHER),
        ("smtp-.example.com", HOST_OTHER),
        ("smtp..example.com", HOST_OTHER),
        (".example.com", HOST_OTHER),
        ("smtp.example.com..", HOST_OTHER),
        (".", HOST_OTHER),
        ("*.example.com", HOST_OTHER),
        ("smtp\uff0fexample.com", HOST_OTHER),
        ("\ud800.example.com", HOST_OTHER),
        ("a" * 64 + ".example", HOST_OTHER),
        (".".join(["a" * 49] * 5) + ".abcd", HOST_OTHER),
    ],
)
def test_anything_else_is_no_host(host: str, problem: str) -> None:
    assert problems(host=host) == [problem]


HOST_CHARACTERS = st.sampled_from(
    "abz019-_.:/@[]% \n\t\u00a0\u3000é例\uff0e。\uff0f\uff1a\u2024\u00ad"
) | (st.characters())


@hypothesis.given(st.text(HOST_CHARACTERS, max_size=12))
@hypothesis.example("a\u2024b")
def test_an_accepted_host_is_one_that_sockets_take(text: str) -> None:
    host = accepted("host", text)
    if host is None:
        return
    assert host.isascii()
    assert host.encode("idna")
    assert "/" not in host
    assert not any(character.isspace() for character in host)
    if ":" in host:
        assert ipaddress.ip_address(host).version == 6


@hypothesis.given(st.ip_addresses())
def test_every_ip_address_is_a_host(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    assert read(host=str(address)).host == str(address)


@hypothesis.given(st.integers())
@hypothesis.example(0)
@hypothesis.example(1)
@hypothesis.example(65535)
@hypothesis.example(65536)
def test_a_port_is_between_1_and_65535(port: int) -> None:
    if 1 <= port <= 65535:
        assert read(port=port).port == port
    else:
        assert problems(port=port) == [f"port: {port} is not between 1 and 65535"]


@pytest.mark.parametrize("auth_type", ["none", "not_provided"])
def test_auth_types_without_login_need_no_credentials(auth_type: str) -> None:
    assert read(auth_type=auth_type).auth_type == auth_type


@pytest.mark.parametrize("transport_security", ["none", "starttls", "tls"])
def test_each_transport_security_is_taken(transport_security: str) -> None:
    assert read(transport_security=transport_security).transport_security == transport_security


@pytest.mark.parametrize(
    ("option", "values"),
    [
        ("auth_type", "none, not_provided, plain, oauth2"),
        ("transport_security", "none, starttls, tls"),
    ],
)
@pytest.mark.parametrize("value", [PASSWORD, "None", "PLAIN", " tls", "no"])
def test_an_unknown_value_is_answered_with_the_known_ones(
    option: str, values: str, value: str
) -> None:
    assert problems(**{option: value}) == [f"{option}: must be one of {values}"]


def test_plain_needs_a_user_and_a_password() -> None:
    user, password = problems(auth_type="plain")
    assert user == "user: not set, and auth_type=plain needs it; run 'juju config mail user=NAME'"
    assert password == (
        "password: not set, and auth_type=plain needs it; set password_secret to a secret with "
        "the key 'password' that is granted to mail"
    )


@pytest.mark.parametrize(
    ("secret", "credentials"),
    [
        (NOT_FOUND, {"password": PASSWORD}),
        ({"password": PASSWORD}, {"password_secret": SECRET_ID}),
    ],
)
def test_plain_works_with_a_password_from_either_option(
    secret: dict[str, str] | user_secret.Unreadable, credentials: dict[str, str]
) -> None:
    configured = read(secret, auth_type="plain", user="mailer", **credentials)
    assert (configured.user, configured.password) == ("mailer", PASSWORD)


def test_credentials_without_plain_are_kept() -> None:
    configured = read(user="mailer", password=PASSWORD)
    assert (configured.user, configured.password) == ("mailer", PASSWORD)


def test_the_secret_wins_over_the_password() -> None:
    assert read({"password": "new"}, password="old", password_secret=SECRET_ID).password == "new"


def test_a_secret_that_no_option_names_is_not_used() -> None:
    assert read({"password": "other"}, password=PASSWORD) == read(password=PASSWORD)


@pytest.mark.parametrize("unreadable", NOT_GRANTED)
@pytest.mark.parametrize("secret_id", [SECRET_ID, f"secret://0000-11/{SECRET_ID[7:]}"])
def test_a_secret_that_is_not_granted_is_answered_with_the_command(
    secret_id: str, unreadable: user_secret.Unreadable
) -> None:
    [problem] = problems(unreadable, password_secret=secret_id)
    assert problem == (
        "password_secret: not granted; run 'juju grant-secret cvq3d1k0v5a8o1f2r4g0 mail' "
        "(noticed at the next update-status)"
    )


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("ERROR the vault is sealed\n", "the vault is sealed"),
        ("ERROR two\n  lines\n", "two lines"),
        ("x" * 200_000, "x" * 300),
    ],
)
def test_an_unknown_refusal_is_told_in_jujus_words(words: str, shown: str) -> None:
    assert problems(user_secret.Unreadable(words), password_secret=SECRET_ID) == [
        (
            f"password_secret: Juju refuses to read the secret: {shown}; if it is not granted, "
            "run 'juju grant-secret cvq3d1k0v5a8o1f2r4g0 mail' "
            "(tried again at the next update-status)"
        )
    ]


def test_a_refusal_that_quotes_the_option_is_not_told() -> None:
    """What is no secret's ID may be a password."""
    refusal = user_secret.Unreadable(f'ERROR secret URI "{PASSWORD}" not valid\n')
    [problem] = problems(refusal, password_secret=PASSWORD)
    assert PASSWORD not in problem


def test_a_secret_that_does_not_exist_is_said_so() -> None:
    assert problems(NOT_FOUND, password_secret=PASSWORD) == [
        "password_secret: does not exist; run 'juju secrets' and enter the ID of one that does"
    ]


def test_a_wrong_secret_is_not_also_a_missing_password() -> None:
    found = problems(NOT_FOUND, auth_type="plain", user="mailer", password_secret=SECRET_ID)
    assert [problem.partition(":")[0] for problem in found] == ["password_secret"]


@pytest.mark.parametrize(
    "content", [{"passwort": PASSWORD}, {"password": ""}, {"password": "\n"}, {"password": "\r\n"}]
)
def test_a_secret_without_a_password_is_answered_with_the_command(content: dict[str, str]) -> None:
    assert problems(content, password_secret=SECRET_ID) == [NO_KEY]


def test_a_password_is_cleaned_by_one_rule_wherever_it_comes_from() -> None:
    for case in CREDENTIALS["password"]:
        from_secret = read({"password": case["entered"]}, password_secret=SECRET_ID)
        from_option = read(password=case["entered"])
        assert from_secret.password == from_option.password == case["meant"], case
        assert from_secret.notes == notes("password_secret", case), case
        assert from_option.notes == notes("password", case), case


def test_a_user_is_cleaned() -> None:
    for case in CREDENTIALS["user"]:
        configured = read(user=case["entered"])
        assert configured.user == case["meant"], case
        assert configured.notes == notes("user", case), case


def test_what_was_dropped_is_warned_of_and_what_is_used_is_what_counts() -> None:
    configured = read({"password": "new"}, password="old\n", password_secret=SECRET_ID)
    assert configured.notes == ()
    configured = read(password="hunter2\n", transport_security="tls")
    assert configured.warnings == [unused_credentials("none"), *configured.notes]


@pytest.mark.parametrize("nothing", ["\n", "\r\n\r\n", "\ufeff", "\ufeff\n"])
def test_nothing_but_what_is_dropped_is_unset(nothing: str) -> None:
    assert (read(password=nothing).password, read(user=nothing).user) == (None, None)
    found = problems(auth_type="plain", user=f" {nothing}", password=nothing)
    assert [problem.partition(",")[0] for problem in found] == [
        "user: not set",
        "password: not set",
    ]


@pytest.mark.parametrize("user", ["a\nb", "a\rb", "a\0b"])
def test_a_user_that_no_relay_knows_is_wrong(user: str) -> None:
    assert problems(user=user) == [
        "user: has a newline or a NUL in it; enter the user alone, as UTF-8"
    ]


def test_a_password_that_auth_cannot_send_is_wrong() -> None:
    """Such is a password in a file of UTF-16, as editors on Windows write it."""
    wrong = "the password has a NUL in it, as in a file of UTF-16; save it as UTF-8"
    assert problems(password="a\0b\0") == [f"password: {wrong}"]
    assert problems({"password": "a\0"}, password_secret=SECRET_ID) == [
        f"password_secret: {wrong}"
    ]


def test_what_was_not_utf_8_is_wrong() -> None:
    """Juju hands U+FFFD to the charm in the place of each such byte."""
    password = b"p\xe4ss".decode(errors="replace")
    wrong = (
        "the password had bytes in it that are not UTF-8, as in a file of Latin-1; "
        "save it as UTF-8"
    )
    assert problems(user=password) == [
        "user: had bytes in it that are not UTF-8; enter it as UTF-8"
    ]
    assert problems(password=password) == [f"password: {wrong}"]
    assert problems({"password": password}, password_secret=SECRET_ID) == [
        f"password_secret: {wrong}"
    ]


@pytest.mark.parametrize("option", ["smtp_sender", "recipients"])
@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("ops", MALFORMED),
        ("ops@", MALFORMED),
        ("@example.com", MALFORMED),
        ("a@b", MALFORMED),
        ("a b@example.com", MALFORMED),
        ('"ops"@example.com', MALFORMED),
        ('"ops@example.com"', MALFORMED),
        ("ops@[192.0.2.1]", MALFORMED),
        ("Ops <ops@example.com", MALFORMED),
        ("Ops\r\nBcc: <ops@example.com>", MALFORMED),
        ("Ops; <ops@example.com", MALFORMED),
        ("a" * 250 + "@example.com", MALFORMED),
        ("root@localhost", MALFORMED),
        ("ops@corp.local", SPECIAL_USE),
        ("ops@example.test", SPECIAL_USE),
        ("ops@example.invalid", SPECIAL_USE),
    ],
)
def test_an_address_that_requirers_refuse_is_wrong(option: str, text: str, reason: str) -> None:
    which = "address 1 " if option == "recipients" else ""
    assert problems(**{option: text}) == [f"{option}: {which}{reason}"]


@pytest.mark.parametrize(
    "text",
    [
        "a@example.com;b@example.com",
        "a@example.com; b@example.com",
        "a@example.com b@example.com",
        "a@example.com\nb@example.com\n",
        "a@example.com;",
        "A <a@example.com>; B <b@example.com>",
        "ops@example.com\nBcc: a@example.com",
    ],
)
def test_addresses_that_no_comma_separates_are_answered_with_the_comma(text: str) -> None:
    several = "has more than one address in it"
    assert problems(recipients=text) == [
        f"recipients: address 1 {several}; separate them with commas"
    ]
    assert problems(recipients=f"{text},c@example.com") == problems(recipients=text)
    assert problems(smtp_sender=text) == [f"smtp_sender: {several}; enter one"]


def test_a_list_is_no_sender() -> None:
    assert problems(smtp_sender="a@example.com, b@example.com") == [
        "smtp_sender: has more than one address in it; enter one"
    ]


@pytest.mark.parametrize(
    "text",
    [
        '["a@example.com", "B <b@example.com>"]',
        '"a@example.com", "b@example.com"',
        ' [ "a@example.com" , "b@example.com" ]\n',
    ],
)
def test_recipients_are_read_as_json_where_the_library_does(text: str) -> None:
    assert read(recipients=text).recipients == ("a@example.com", "b@example.com")


@pytest.mark.parametrize("text", ['["a@example.com"', '{"a": 1}', "[a@example.com]"])
def test_json_that_is_no_list_is_wrong(text: str) -> None:
    assert problems(recipients=text) == [
        "recipients: must be addresses separated by commas, or a JSON list of them"
    ]


def test_json_of_something_else_has_no_address() -> None:
    assert problems(recipients='[1, null, "a@example.com"]') == [
        f"recipients: address 1 {MALFORMED}; address 2 {MALFORMED}"
    ]


@pytest.mark.parametrize("option", ["smtp_sender", "recipients"])
@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("ops@example.com", "ops@example.com"),
        (" ops@example.com\n", "ops@example.com"),
        ("Ops@EXAMPLE.com", "Ops@example.com"),
        ("ops+mail@example.com", "ops+mail@example.com"),
        ("ops@bücher.example.com", "ops@xn--bcher-kva.example.com"),
        ("ops@xn--bcher-kva.example.com", "ops@xn--bcher-kva.example.com"),
        ("ops@straße.example.com", "ops@xn--strae-oqa.example.com"),
        ("Ops <ops@bücher.example.com>", "ops@xn--bcher-kva.example.com"),
        ("jürgen@bücher.example.com", "jürgen@bücher.example.com"),
        (" Ops <ops@example.com> ", "ops@example.com"),
        ("Jürgen Öhm <ops@example.com>", "ops@example.com"),
        ('"Ops; Team" <ops@example.com>', "ops@example.com"),
        ("<ops@example.com>", "ops@example.com"),
    ],
)
def test_an_address_is_normalised(option: str, text: str, address: str) -> None:
    assert accepted(option, text) in {address, (address,)}


NAMES = st.text(st.sampled_from('aJ1-_.+@"<>,;:()[]\\ \t\r\nßé\u0301①\u3000\u200b'), max_size=4)
DOMAINS = st.sampled_from(["example.com", "corp.local", "a.b", "xn--a.com", "bücher.org"]) | NAMES
BARE_ADDRESSES = st.builds("{}@{}".format, NAMES, DOMAINS) | st.emails()
NAMED_ADDRESSES = st.builds(
    "{}<{}>{}".format, NAMES | NAMES.map('"{}"'.format), BARE_ADDRESSES | NAMES, NAMES
)


@hypothesis.given(BARE_ADDRESSES | NAMED_ADDRESSES)
@hypothesis.example("Jo\r\nBcc: a@example.com, <ops@example.com>")
@hypothesis.example('""<ops@example.com>')
@hypothesis.example("Jürgen\u3000 Öhm\t<\tops@example.com >")
@hypothesis.example("Jo\nDoe <ops@example.com>")
@hypothesis.example("Jo Doe\r<ops@example.com>")
@hypothesis.example('"a" <b> "c" <ops@example.com>')
def test_an_address_is_accepted_exactly_as_pydantic_does(text: str) -> None:
    hypothesis.assume(text.strip())
    try:
        address = EMAIL.validate_python(text.strip())
    except pydantic.ValidationError:
        address = None
    published = accepted("smtp_sender", text)
    assert (published and EMAIL.validate_python(published)) == address
    if published and published.partition("@")[0].isascii():
        assert published.isascii()


@pytest.mark.parametrize(
    ("domain", "published"),
    [
        ("example.com", "example.com"),
        ("example.com.", "example.com"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("straße.example", "xn--strae-oqa.example"),
        ("localhost", "localhost"),
    ],
)
def test_a_domain_is_published_in_ascii(domain: str, published: str) -> None:
    assert read(domain=domain).domain == published


@pytest.mark.parametrize(
    ("domain", "reason"),
    [
        ("https://example.com", "has a scheme"),
        ("ops@example.com", "has an @ in it"),
        ("@example.com", "has an @ in it"),
        ("example.com\n", "has blanks in it"),
        (" example.com", "has blanks in it"),
        ("a.example b.example", "has blanks in it"),
        ("example.com:25", "has a port"),
    ],
)
def test_a_domain_with_something_around_it_is_answered_with_the_remedy(
    domain: str, reason: str
) -> None:
    assert problems(domain=domain) == [
        f"domain: {reason}; enter the domain alone, such as example.com"
    ]


@pytest.mark.parametrize(
    "domain", ["*.example.com", "a.example,b.example", "192.0.2.1", "2001:db8::a", "-", "a..b"]
)
def test_anything_else_is_no_domain(domain: str) -> None:
    assert problems(domain=domain) == ["domain: must be a domain, such as example.com"]


def test_recipients_are_separated_by_commas_and_kept_in_order() -> None:
    text = " b@example.com , a@example.com,,c@example.com,"
    assert read(recipients=text).recipients == ("b@example.com", "a@example.com", "c@example.com")


def test_of_many_wrong_recipients_the_first_are_named() -> None:
    """A status is an argument of a command, which Linux limits to 128 KiB."""
    [problem] = problems(recipients=",".join(["x"] * 5000))
    assert problem == "recipients: " + "; ".join(
        [*(f"address {number} {MALFORMED}" for number in range(1, 6)), "4995 more are wrong too"]
    )


@pytest.mark.parametrize("text", [" ", ",", " , ,"])
def test_recipients_without_an_address_are_none(text: str) -> None:
    assert read(recipients=text).recipients == ()


def test_a_recipient_is_kept_once_however_it_is_spelled() -> None:
    text = "ops@example.com,b@example.com,ops@EXAMPLE.com,ops@example.com"
    assert read(recipients=text).recipients == ("ops@example.com", "b@example.com")
    text = "ops@xn--bcher-kva.example.com,ops@bücher.example.com"
    assert read(recipients=text).recipients == ("ops@xn--bcher-kva.example.com",)


def test_a_wrong_recipient_is_named_by_its_number() -> None:
    text = f"a@example.com,,{PASSWORD},b@example.com"
    assert problems(recipients=text) == [f"recipients: address 2 {MALFORMED}"]


def test_ca_certificates_are_taken_as_pem(
    authority: Authority, other_authority: Authority
) -> None:
    chain = authority.certificate + other_authority.certificate
    assert read(tls_ca_chain=chain).tls_ca_chain == chain


@pytest.fixture(scope="module")
def most(authority: Authority) -> str:
    """As many CA certificates as can be published."""
    most, chain = "", authority.certificate
    while len(chain) <= 100_000:
        most, chain = chain, chain + type(authority)(f"Root {len(chain)}").certificate
    return most


def test_more_ca_certificates_than_a_process_can_be_given_are_refused(
    authority: Authority, most: str
) -> None:
    assert read(tls_ca_chain=most).tls_ca_chain == most
    more = most + type(authority)("One more root").certificate
    for text in (more, base64.b64encode(more.encode()).decode()):
        assert problems(tls_ca_chain=text) == [
            (
                f"tls_ca_chain: has {len(more)} characters of certificates, and requirers can "
                "take 100000; enter the relay's own CA alone"
            )
        ]


def test_more_ca_certificates_than_that_may_be_the_models(authority: Authority, most: str) -> None:
    config = {"host": "smtp.example.com", "port": 25, "tls_ca_chain": authority.certificate}
    assert read_config(config, authorities=[most]).tls_ca_chain
    more = most + type(authority)("One more root").certificate
    with pytest.raises(relay.InvalidConfigError) as raised:
        read_config(config, authorities=[more])
    [problem] = raised.value.problems
    assert problem.endswith("; on receive-ca-cert, integrate what offers the relay's own CA alone")


def test_published_ca_certificates_fit_into_an_environment_variable(most: str) -> None:
    variable = {"A_LONG_PREFIX_SMTP_TLS_CA_CHAIN": read(tls_ca_chain=most).tls_ca_chain or ""}
    shown = subprocess.run(["/usr/bin/env"], env=variable, check=True, capture_output=True)
    assert most.encode() in shown.stdout


def test_what_the_model_offers_follows_what_was_entered_each_once(
    authority: Authority, other_authority: Authority
) -> None:
    first, second = authority.certificate, other_authority.certificate
    unfolded = second.replace("\n", "\r\n").strip()

    def chain(*authorities: str, **options: str) -> str | None:
        config = {"host": "smtp.example.com", "port": 25, **options}
        return read_config(config, authorities=authorities).tls_ca_chain

    assert chain(first, second) == first + second
    assert chain(first, unfolded, second + first) == first + second
    assert chain(first, second, tls_ca_chain=second) == second + first
    assert read(tls_ca_chain=first * 2).tls_ca_chain == first


def test_a_malformed_certificate_of_the_model_is_left_out_with_a_warning(
    authority: Authority,
) -> None:
    malformed = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    found = read_config(
        {"host": "smtp.example.com", "port": 25},
        authorities=[malformed, authority.certificate, "none"],
    )
    assert found.tls_ca_chain == authority.certificate
    assert "receive-ca-cert: 2 malformed certificates are left out" in found.warnings


def test_text_around_ca_certificates_is_dropped(
    authority: Authority, other_authority: Authority
) -> None:
    text = f"# root\n{authority.certificate}\n\n# other\n{other_authority.certificate.strip()}"
    assert read(tls_ca_chain=text).tls_ca_chain == (
        authority.certificate + other_authority.certificate
    )


@pytest.mark.parametrize("encode", [base64.b64encode, base64.encodebytes])
def test_ca_certificates_are_taken_as_base64_of_pem(encode: Any, authority: Authority) -> None:
    text = encode(authority.certificate.encode()).decode()
    assert read(tls_ca_chain=text).tls_ca_chain == authority.certificate


@pytest.mark.parametrize(
    "text",
    [
        PASSWORD,
        "aGVsbG8=",
        "/////w==",
        "-----BEGIN CERTIFICATE-----",
        "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----",
        "-----BEGIN PRIVATE KEY-----\nhalf",
    ],
)
def test_text_that_is_no_certificate_is_wrong(text: str) -> None:
    assert problems(tls_ca_chain=text) == [CA_BROKEN]


def test_base64_with_garbage_in_it_is_wrong(authority: Authority) -> None:
    text = base64.b64encode(authority.certificate.encode()).decode()
    assert problems(tls_ca_chain=text + "!") == [CA_BROKEN]


def test_a_certificate_that_ends_early_is_wrong(authority: Authority) -> None:
    cut = authority.certificate.rpartition("-----END")[0]
    assert problems(tls_ca_chain=cut) == [CA_BROKEN]
    assert problems(tls_ca_chain=authority.certificate + cut) == [CA_BROKEN]


@pytest.mark.parametrize("mangle", ["\n", "\nAAAA", "\n!\n", "\né\n", "\n\ud800\n", "\n\x00\n"])
def test_a_malformed_certificate_is_named_by_its_number(
    mangle: str, authority: Authority, other_authority: Authority
) -> None:
    head, line, rest = other_authority.certificate.partition("\n")
    mangled = head + mangle + line + rest
    if mangle == "\n":
        mangled = f"{head}\n-----END CERTIFICATE-----"
    assert problems(tls_ca_chain=mangled) == [
        f"tls_ca_chain: certificate 1 is malformed; {CA_REMEDY}"
    ]
    assert problems(tls_ca_chain=authority.certificate + mangled) == [
        f"tls_ca_chain: certificate 2 is malformed; {CA_REMEDY}"
    ]


@pytest.mark.parametrize("kind", ["PRIVATE KEY", "EC PRIVATE KEY", "ENCRYPTED PRIVATE KEY"])
def test_a_private_key_is_refused(kind: str, authority: Authority) -> None:
    key = authority.private_key.replace("PRIVATE KEY", kind)
    encoded = base64.b64encode((authority.certificate + key).encode()).decode()
    for text in (key, authority.certificate + key, key + authority.certificate, encoded):
        assert problems(tls_ca_chain=text) == [CA_KEY]


def test_a_private_key_inside_a_certificate_is_refused(authority: Authority) -> None:
    head, line, rest = authority.certificate.partition("\n")
    nested = head + line + authority.private_key + rest
    assert problems(tls_ca_chain=nested) == [CA_KEY]


def test_a_chain_that_begins_and_never_ends_takes_no_time_to_refuse() -> None:
    """Were each beginning looked for its end through all the rest, this would take minutes."""
    assert problems(tls_ca_chain="-----BEGIN CERTIFICATE-----\n" * 50_000) == [CA_BROKEN]


@hypothesis.given(st.text() | st.binary().map(lambda data: base64.b64encode(data).decode()))
def test_no_text_breaks_the_check_of_ca_certificates(text: str) -> None:
    hypothesis.assume(text)
    assert accepted("tls_ca_chain", text) is None


@pytest.mark.parametrize(
    ("options", "warnings"),
    [
        ({}, [OPEN_RELAY]),
        ({"transport_security": "starttls"}, []),
        ({"transport_security": "tls"}, []),
        ({"transport_security": "tls", "skip_ssl_verify": True}, []),
        ({"skip_ssl_verify": True}, [NO_VERIFICATION, OPEN_RELAY]),
        ({"auth_type": "plain", "user": "u", "password": "p"}, [CLEAR_LOGIN]),
        (
            {"auth_type": "plain", "user": "u", "password": "p", "transport_security": "tls"},
            [],
        ),
        ({"user": "u", "transport_security": "tls"}, [unused_credentials("none")]),
        ({"password": "p", "transport_security": "tls"}, [unused_credentials("none")]),
        (
            {"auth_type": "not_provided", "user": "u", "transport_security": "starttls"},
            [unused_credentials("not_provided")],
        ),
        ({"auth_type": "not_provided"}, [OPEN_RELAY]),
    ],
)
def test_what_is_unwise_is_warned_of(options: dict[str, Any], warnings: list[str]) -> None:
    assert read(**options).warnings == warnings


@pytest.mark.parametrize(
    "option",
    [
        "host",
        "auth_type",
        "transport_security",
        "domain",
        "smtp_sender",
        "recipients",
        "tls_ca_chain",
    ],
)
def test_a_rejected_value_stands_in_no_message_and_no_traceback(option: str) -> None:
    value = f"{PASSWORD} in the wrong place"
    with pytest.raises(relay.InvalidConfigError) as caught:
        read(**{option: value})
    shown = [str(caught.value), repr(caught.value), *traceback.format_exception(caught.value)]
    assert PASSWORD not in "".join(shown)


def test_the_password_in_every_option_at_once_stands_in_no_message(
    options: dict[str, dict[str, Any]],
) -> None:
    wrong = dict.fromkeys(
        [option for option, meaning in options.items() if meaning["type"] in {"string", "secret"}],
        f"{PASSWORD}:",
    )
    quoting = user_secret.Unreadable(f"ERROR secret URI {PASSWORD} not valid")
    for secret in (NOT_FOUND, quoting, *NOT_GRANTED, {"key": PASSWORD}):
        with pytest.raises(relay.InvalidConfigError) as caught:
            read_config({**wrong, "port": 0}, secret)
        assert PASSWORD not in "".join(traceback.format_exception(caught.value))


def test_the_password_is_not_in_the_repr() -> None:
    assert PASSWORD not in repr(read(user="mailer", password=PASSWORD))
    assert PASSWORD not in repr(read({"password": PASSWORD}, password_secret=SECRET_ID))


def test_a_relay_cannot_be_changed() -> None:
    field = "host"
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(read(), field, "other")

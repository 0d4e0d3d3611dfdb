import dataclasses
import json
import pathlib

import pytest

import smtp_oauth
from forwarder import configuration as engine
from forwarder_unit import configuration, logins, options

RELAY = configuration.Relay(
    host="mail.example.com",
    port=587,
    transport_security="starttls",
    user="notifier",
    password="s3cret",
    ca="PEM",
    domain="example.com",
)
GRANT = {
    "token-url": "https://id.example.com/token",
    "client-id": "mailer",
    "client-secret": "s3cret-of-the-client",
}
LOGIN = logins.Login("relay-1", "passw0rd", "secret://m/s", ("192.0.2.0/24",))


def unit(
    tmp_path: pathlib.Path, settings: options.Settings | None = None, **facts: object
) -> configuration.Unit:
    known = {"port": 2525, "relay": RELAY, **facts}
    return configuration.Unit(
        settings=settings or options.Settings(),
        queue=tmp_path / "queue",
        report=tmp_path / "report.json",
        rules=tmp_path / "rules.yaml",
        **known,  # type: ignore[arg-type]
    )


def loaded(tmp_path: pathlib.Path, wanted: configuration.Unit) -> engine.Configuration:
    """Return how the forwarder understands what it is told."""
    path = tmp_path / "config.json"
    path.write_text(configuration.for_forwarder(wanted))
    path.chmod(0o600)
    wanted.rules.write_text(wanted.settings.rules)
    return engine.load(path)


def test_the_forwarder_understands_every_setting(tmp_path: pathlib.Path) -> None:
    settings = options.Settings(
        administrator="root@example.com",
        allowed_networks=("192.0.2.0/24",),
        command_seconds=1,
        expire_days=2,
        listen=("192.0.2.1", "2001:db8::1"),
        max_connections=3,
        max_connections_per_client=4,
        max_message_size=5,
        max_recipients=6,
        metrics_port=9125,
        rules="others: refuse",
        wait_seconds=7,
        when_unconfigured="refuse",
    )
    told = loaded(tmp_path, unit(tmp_path, settings, clients=(LOGIN,), addresses=("10.0.0.1",)))
    assert told.listen == (
        ("127.0.0.1", 2525),
        ("192.0.2.1", 2525),
        ("2001:db8::1", 2525),
        ("10.0.0.1", 2525),
    )
    assert told.limits == engine.Limits(
        command_seconds=1,
        connections=3,
        connections_per_client=4,
        message_size=5,
        recipients=6,
    )
    assert (told.administrator, told.expire_seconds, told.wait_seconds) == (
        "root@example.com",
        2 * 86400,
        7,
    )
    assert (told.metrics, told.when_unconfigured) == (("127.0.0.1", 9125), "refuse")
    assert [*map(str, told.allowed_networks)] == ["192.0.2.0/24"]
    assert told.clients["relay-1"].password == "passw0rd"
    assert [*map(str, told.clients["relay-1"].networks)] == ["192.0.2.0/24"]
    assert told.upstream == engine.Upstream(
        host="mail.example.com",
        port=587,
        transport_security="starttls",
        user="notifier",
        password="s3cret",
        ca="PEM",
    )


def test_a_token_takes_the_place_of_the_password(tmp_path: pathlib.Path) -> None:
    relay = dataclasses.replace(RELAY, password="", oauth=GRANT)
    wanted = unit(tmp_path, relay=relay)
    told = loaded(tmp_path, wanted).upstream
    assert told is not None
    assert (told.user, told.password, told.oauth) == ("notifier", "", smtp_oauth.Grant.of(GRANT))
    text = configuration.for_tools(wanted, tmp_path / "config.json", "host.example.org")
    assert json.loads(text)["relay"]["username"] == "notifier"
    assert GRANT["client-secret"] not in text + repr(relay) + repr(told)


def test_without_a_relay_there_is_no_upstream(tmp_path: pathlib.Path) -> None:
    assert loaded(tmp_path, unit(tmp_path, relay=None)).upstream is None


@pytest.mark.parametrize(
    ("listen", "expected"),
    [
        ((), ["127.0.0.1:2525"]),
        (("127.0.0.1",), ["127.0.0.1:2525"]),
        (("::", "::1"), ["[::]:2525", "127.0.0.1:2525"]),
        (
            ("0.0.0.0", "192.0.2.1", "::1"),  # noqa: S104
            [
                "0.0.0.0:2525",
                "[::1]:2525",
            ],
        ),
    ],
)
def test_no_address_is_listened_on_twice(
    tmp_path: pathlib.Path, listen: tuple[str, ...], expected: list[str]
) -> None:
    assert configuration.listeners(unit(tmp_path, options.Settings(listen=listen))) == expected


@pytest.mark.parametrize(
    ("before", "after", "restarts"),
    [
        ((), ("0.0.0.0",), True),  # noqa: S104
        (("0.0.0.0",), ("192.0.2.1",), True),  # noqa: S104
        (("::",), (), True),
        (("0.0.0.0",), ("0.0.0.0", "::1"), False),  # noqa: S104
        ((), ("192.0.2.1",), False),
    ],
)
def test_all_addresses_take_the_place_of_one_in_a_restart(
    tmp_path: pathlib.Path, before: tuple[str, ...], after: tuple[str, ...], *, restarts: bool
) -> None:
    old, new = (
        configuration.for_forwarder(unit(tmp_path, options.Settings(listen=listen)))
        for listen in (before, after)
    )
    assert configuration.needs_restart(old, new) is restarts


def test_the_tools_are_told_no_password(tmp_path: pathlib.Path) -> None:
    text = configuration.for_tools(
        unit(tmp_path, clients=(LOGIN,)), tmp_path / "config.json", "host.example.org"
    )
    assert "s3cret" not in text
    assert "passw0rd" not in text
    assert json.loads(text)["domain"] == "example.com"
    assert json.loads(text)["relay"] == {
        "host": "mail.example.com",
        "port": 587,
        "username": "notifier",
        "enabled": True,
        "encrypt_smtp": "starttls",
        "tls_verify": True,
    }


def test_every_value_keeps_its_form_without_a_relay(tmp_path: pathlib.Path) -> None:
    text = configuration.for_tools(
        unit(tmp_path, relay=None), tmp_path / "config.json", "host.example.org"
    )
    assert json.loads(text)["domain"] == "host.example.org"
    assert json.loads(text)["relay"] == {
        "host": "",
        "port": 25,
        "username": "",
        "enabled": False,
        "encrypt_smtp": "none",
        "tls_verify": True,
    }
    assert "s3cret" not in repr(RELAY)

"""What the check finds beyond a single answer: names, lists, accounts and ports."""

from __future__ import annotations

import datetime as dt
import json
import socket
import threading
from typing import Any

import checking
import pytest
from checking import ACCOUNT, HOST, Resolver, check, diagnosis
from scripted_relay import Behaviour, ScriptedRelay

import relay_check
import relay_health
from relay_check import Kind

ADDRESSES: dict[str, Any] = {"sender": "app@example.com", "recipients": ["ops@example.com"]}


# What was checked.


def test_report_begins_with_what_was_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "unit-0.example.com")
    with ScriptedRelay(Behaviour(capabilities=("AUTH PLAIN",))) as relay:
        report = check(relay, **ACCOUNT)

    checked = report.checked
    age = dt.datetime.now(dt.timezone.utc) - checked.time
    assert dt.timedelta() <= age < dt.timedelta(minutes=10)
    assert report.lines()[:8] == [
        "host: relay.test",
        f"port: {relay.port}",
        "transport_security: none",
        "user: notifier",
        "greeting name: unit-0.example.com",
        "own address: 127.0.0.1",
        f"time: {checked.time:%Y-%m-%d %H:%M:%S} UTC",
        "",
    ]
    assert json.loads(json.dumps(report.to_dict()))["checked"] == {
        "host": "relay.test",
        "port": relay.port,
        "transport-security": "none",
        "user": "notifier",
        "greeting-name": "unit-0.example.com",
        "own-address": "127.0.0.1",
        "time": checked.time.isoformat(timespec="seconds"),
    }


def test_what_was_not_reached_is_left_empty() -> None:
    report = relay_check.check(
        relay_check.Target(HOST, 25, user="unused"), resolver=Resolver(), timeout=5
    )

    assert (report.checked.user, report.checked.own_address) == ("", "")
    assert "greeting name: none" in report.lines()


def test_password_in_the_place_of_the_user_is_hidden() -> None:
    with ScriptedRelay() as relay:
        report = check(
            relay, auth_type="plain", user=checking.PASSWORD, password=checking.PASSWORD
        )

    assert "user: [hidden]" in report.lines()


# The greeting's name.


@pytest.mark.parametrize(
    "name",
    [
        "unit-0",
        "localhost.localdomain",
        "localhost.example.com",
        "unit.localhost",
        "unit-0.localdomain",
        "bücher.example",
        "unit_0.example.com",
        "-unit.example.com",
        "unit..example.com",
        "10.0.0.1",
        f"{'a' * 64}.example.com",
    ],
)
def test_name_that_is_no_full_one_is_not_said(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: name)
    with ScriptedRelay() as relay:
        check(relay)

    assert relay.conversations[0].commands[0] == "EHLO [127.0.0.1]"


@pytest.mark.parametrize("code", ["450", "550"])
@pytest.mark.parametrize("verb", ["EHLO", "MAIL", "RCPT"])
def test_refused_name_is_named_wherever_it_is_refused(verb: str, code: str) -> None:
    answer = f"{code} 5.7.1 <unit>: Helo command rejected: Host not found"
    with ScriptedRelay(Behaviour(dict.fromkeys([verb, "HELO"], answer))) as relay:
        report = check(relay, ehlo_name="unit.lxd", **ADDRESSES)

    assert report.kind is Kind.EHLO_REFUSED
    assert "unit.lxd" in diagnosis(report)[2]


# Block lists.


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        ("554 5.7.1 Client host [203.0.113.5] blocked using zen.spamhaus.org", "zen.spamhaus.org"),
        ("550 203.0.113.5 is listed at bl.example.net.", "bl.example.net"),
        ("554 5.7.1 rejected by SpamCop", "SpamCop"),
        ("550 5.7.1 part of their network is on our block list (S3150).", "S3150"),
    ],
)
def test_list_is_named(answer: str, name: str) -> None:
    with ScriptedRelay(Behaviour({"RCPT": answer})) as relay:
        report = check(relay, **ADDRESSES)

    assert report.kind is Kind.BLOCKED
    assert diagnosis(report)[2] == (
        f"The relay refuses connections from this machine's address, which is on the list {name}."
    )


# What AUTH and its lack mean.


def test_client_that_is_denied_where_auth_is_offered_needs_it() -> None:
    answer = "554 5.7.1 <unknown[203.0.113.5]>: Client host rejected: Access denied"
    with ScriptedRelay(Behaviour({"RCPT": answer}, ("AUTH PLAIN",))) as relay:
        without = check(relay, **ADDRESSES)
        after = check(relay, **ADDRESSES, **ACCOUNT)

    assert (without.kind, after.kind) == (Kind.AUTH_REQUIRED, Kind.DENIED_AFTER_AUTH)


@pytest.mark.parametrize(
    ("host", "kind"),
    [
        ("email-smtp.eu-west-1.amazonaws.com", Kind.SES_CREDENTIALS),
        ("smtp.sendgrid.net", Kind.SENDGRID_CREDENTIALS),
        ("smtp.gmail.com", Kind.AUTH_APP_PASSWORD),
        ("smtp.mail.yahoo.com", Kind.AUTH_APP_PASSWORD),
        ("smtp.mail.me.com", Kind.AUTH_APP_PASSWORD),
        ("relay.test", Kind.AUTH_REFUSED),
    ],
)
def test_credentials_that_are_the_providers_own(host: str, kind: Kind) -> None:
    with ScriptedRelay(Behaviour({"AUTH": "535 5.7.8 no"}, ("AUTH PLAIN",))) as relay:
        report = check(relay, host=host, **ACCOUNT)

    assert report.kind is kind


# Without addresses.


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ("530 5.7.0 Authentication required", Kind.AUTH_REQUIRED),
        ("550 5.7.1 blocked using bl.spamcop.net", Kind.BLOCKED),
        ("452 4.3.1 Insufficient system storage", Kind.RELAY_FULL),
    ],
)
def test_without_addresses_a_refusal_of_this_machine_is_found(answer: str, kind: Kind) -> None:
    with ScriptedRelay(Behaviour({"MAIL": answer})) as relay:
        report = check(relay)

    assert report.kind is kind
    assert "MAIL FROM:<>" in relay.conversations[0].commands
    assert "RCPT" not in relay.verbs


@pytest.mark.parametrize("answer", ["501 Invalid MAIL FROM address provided", "550 5.7.1 no"])
def test_without_addresses_a_refusal_of_the_empty_sender_says_nothing(answer: str) -> None:
    with ScriptedRelay(Behaviour({"MAIL": answer})) as relay:
        report = check(relay)

    envelope = report.stage("envelope")
    assert report.works
    assert envelope is not None
    assert envelope.facts["sender"] == f"<>: {answer}"
    assert "try a real one" in envelope.facts["note"]


# Ports.


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ("421 4.7.0 too many connections", Kind.TOO_MANY_CONNECTIONS),
        ("421 4.3.2 closing", Kind.BUSY),
        ("454 4.3.0 Temporary lookup failure", Kind.RELAY_BROKEN),
        ("554 5.7.1 blocked using zen.spamhaus.org", Kind.BLOCKED),
    ],
)
def test_answer_in_the_clear_on_a_tls_port_is_the_relays_state(answer: str, kind: Kind) -> None:
    with ScriptedRelay(Behaviour({"BANNER": answer})) as relay:
        report = check(relay, transport_security="tls")

    assert report.kind is kind
    assert report.summary.endswith(answer)


def test_port_of_lmtp() -> None:
    answers = dict.fromkeys(["EHLO", "HELO"], "502 5.5.2 Error: command not recognized")
    with ScriptedRelay(Behaviour({"BANNER": "220 relay.test LMTP"} | answers)) as relay:
        report = check(relay)

    assert report.kind is Kind.LMTP_PORT


def test_port_that_waits_for_the_proxy_protocol() -> None:
    with ScriptedRelay(Behaviour(listens_first=True)) as relay:
        report = check(relay, stage_timeout=0.3)

    assert report.kind is Kind.PROXY_PROTOCOL


def test_banner_of_another_protocol_is_quoted_beyond_a_newline_that_is_none() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        resolver = Resolver("127.0.0.1")
        mysql = b"J\0\0\0\n8.0.36-0ubuntu0.22.04.1\0\x0b\0\0\0"

        def greet(*_: object, **__: object) -> Any:
            return resolver("", port)

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.sendall(mysql)
                connection.recv(100)

        thread = threading.Thread(target=serve)
        thread.start()
        report = relay_check.check(relay_check.Target(HOST, port), resolver=greet, timeout=10)
        thread.join()

    assert report.kind is Kind.NOT_SMTP
    assert "8.0.36-0ubuntu0.22.04.1" in report.summary


def test_a_hook_waits_for_a_banner_that_is_held_back() -> None:
    """Postfix's postscreen holds its banner back for six seconds."""
    slow = Behaviour(delays={"BANNER": relay_check.GREETING_DELAY + 0.2})
    with ScriptedRelay(slow) as relay:
        report = relay_check.check(
            relay_check.Target("127.0.0.1", relay.port), timeout=relay_health.TIMEOUT
        )

    assert report.works, report.summary

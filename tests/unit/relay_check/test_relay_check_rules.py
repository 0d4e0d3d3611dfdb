"""What the check finds beyond a single answer: names, limits, ports, and all faults at once."""

from __future__ import annotations

import datetime as dt
import json
import socket
import ssl
import threading
from typing import Any

import certificate_authority as ca
import checking
import pytest
from checking import ACCOUNT, HOST, Resolver, check, diagnosis
from scripted_relay import Behaviour, ScriptedRelay

import relay_check
import relay_health
from relay_check import Kind

ADDRESSES: dict[str, Any] = {"sender": "app@example.com", "recipients": ["ops@example.com"]}


def over_tls(pki: checking.Pki, context: ssl.SSLContext, **changes: Any) -> relay_check.Report:
    with ScriptedRelay(Behaviour(tls=True, context=context)) as relay:
        changes.setdefault("tls_ca_chain", pki.root.pem)
        return check(relay, transport_security="tls", **changes)


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


# TLS.


def client_certificate_wanted(pki: checking.Pki, maximum: ssl.TLSVersion) -> ssl.SSLContext:
    context = pki.context(HOST)
    context.maximum_version = maximum
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata=pki.root.pem)
    return context


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_client_certificate_wanted(pki: checking.Pki, security: str) -> None:
    context = client_certificate_wanted(pki, ssl.TLSVersion.TLSv1_3)
    behaviour = Behaviour(capabilities=("STARTTLS",), context=context, tls=security == "tls")
    with ScriptedRelay(behaviour) as relay:
        report = check(relay, transport_security=security, tls_ca_chain=pki.root.pem)

    assert report.kind is Kind.CLIENT_CERTIFICATE


def test_relay_without_a_certificate_says_so_in_words(pki: checking.Pki) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    report = over_tls(pki, context)

    assert report.kind is Kind.TLS_ALERT
    assert "port does not speak TLS" not in report.summary
    assert diagnosis(report)[2].startswith(
        "Port and transport_security are right; the relay ends TLS, and says: handshake failure"
    )


def test_relay_that_knows_no_host_of_this_name_says_so_in_words(pki: checking.Pki) -> None:
    context = pki.context(HOST)

    def refuse(*_: object) -> int:
        return ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME

    context.sni_callback = refuse
    report = over_tls(pki, context)

    assert report.kind is Kind.TLS_ALERT
    assert "unrecognized name" in diagnosis(report)[2]


# Certificates.


def test_all_faults_of_a_certificate_at_once(pki: checking.Pki) -> None:
    begin, end = ca.utc(2020, 1, 2), ca.utc(2021, 1, 2)
    context = pki.context("mail.test", issuer=None, begin=begin, end=end)

    report = over_tls(pki, context, tls_ca_chain=None)

    assert report.kind is Kind.CERTIFICATE_SELF_SIGNED
    _, summary, sentence, remedy = diagnosis(report)
    assert summary == (
        "certificate is self-signed: self-signed certificate (code 18); "
        "certificate has another name; certificate expired"
    )
    assert sentence == (
        "The relay's certificate is signed by itself, and not trusted here. "
        "The relay's certificate is not for relay.test but for mail.test. "
        "A certificate has expired: the relay's own is from 2020-01-02 03:04 UTC to "
        "2021-01-02 03:04 UTC."
    )
    assert remedy == " ".join(
        kind.remedy.format(host=HOST)
        for kind in (
            Kind.CERTIFICATE_SELF_SIGNED,
            Kind.CERTIFICATE_NAME,
            Kind.CERTIFICATE_EXPIRED,
        )
    )


@pytest.mark.parametrize(
    ("names", "host", "covers"),
    [
        (("relay.test",), "relay.test", True),
        (("RELAY.test",), "relay.TEST", True),
        (("*.relay.test",), "a.relay.test", True),
        (("*.relay.test",), "a.b.relay.test", False),
        (("*.relay.test",), "relay.test", False),
        (("10.9.8.7", "2001:db8::1"), "2001:db8::1", True),
        (("10.9.8.7",), "10.9.8.8", False),
    ],
)
def test_names_that_a_certificate_covers(
    names: tuple[str, ...], host: str, *, covers: bool
) -> None:
    assert relay_check.Certificate("CN=x", names=names).covers(host) is covers


def test_certificate_with_a_common_name_alone(pki: checking.Pki) -> None:
    report = over_tls(pki, pki.context(subject=HOST))

    assert report.works
    [warning] = report.warnings
    assert warning.kind is Kind.CERTIFICATE_NO_NAMES
    assert warning.remedy == (
        "Have a certificate made with a subject alternative name for relay.test."
    )


@pytest.mark.parametrize(("days", "warned"), [(20, True), (22, False)])
def test_certificate_that_ends_soon(pki: checking.Pki, days: int, *, warned: bool) -> None:
    end = ca.now() + days * ca.DAY + dt.timedelta(hours=1)

    report = over_tls(pki, pki.context(HOST, end=end))

    assert report.works
    assert [each.kind for each in report.warnings] == [Kind.CERTIFICATE_EXPIRES_SOON] * warned
    assert all("ends in 20 days, on " in each.sentence for each in report.warnings)


@pytest.mark.parametrize(
    ("prefix", "reason"),
    [
        ("\N{BYTE ORDER MARK}", "it begins with a byte order mark"),
        ("# Für die Prüfung\n", "letters beyond ASCII, in a comment for example"),
    ],
)
def test_what_is_wrong_with_the_pem_is_told(pki: checking.Pki, prefix: str, reason: str) -> None:
    report = over_tls(pki, pki.good, tls_ca_chain=prefix + pki.root.pem)

    assert report.summary == f"tls_ca_chain unusable: {reason}"


def test_key_in_the_place_of_a_certificate_is_told_and_not_shown(pki: checking.Pki) -> None:
    key = "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n"

    report = over_tls(pki, pki.good, tls_ca_chain=key)

    assert report.summary == "tls_ca_chain unusable: a private key, no certificate"
    assert "c2VjcmV0" not in "\n".join(report.lines())

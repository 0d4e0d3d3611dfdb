"""One real message, as `send` sends it."""

from __future__ import annotations

import email
import email.message
import email.policy
from typing import Any

import checking
import pytest
from checking import ACCOUNT, AUTH, HOST, Resolver
from scripted_relay import DROP, Behaviour, ScriptedRelay

import relay_check
from relay_check import Kind

A, B, C = "a@example.com", "b@example.com", "c@example.com"


def message(text: str = "Hello.\n") -> email.message.EmailMessage:
    made = email.message.EmailMessage()
    made["From"], made["To"], made["Subject"] = "app@example.com", A, "Test"
    made.set_content(text)
    return made


def send(
    relay: ScriptedRelay, *recipients: str, text: str = "Hello.\n", **target: Any
) -> relay_check.SendReport:
    return relay_check.send(
        relay_check.Target(HOST, relay.port, **target),
        message(text),
        recipients or (A,),
        sender="app@example.com",
        timeout=10,
        resolver=Resolver(relay.host),
    )


def test_sent_over_tls_with_auth(pki: checking.Pki) -> None:
    behaviour = Behaviour(
        capabilities=("STARTTLS",), capabilities_after_tls=AUTH, context=pki.good
    )
    with ScriptedRelay(behaviour) as relay:
        report = send(
            relay, A, B, transport_security="starttls", tls_ca_chain=pki.root.pem, **ACCOUNT
        )

    assert report.sent
    assert report.answer == "250 2.0.0 Ok: queued as 4F2A91C0B7"
    assert report.queue_id == "4F2A91C0B7"
    assert report.refused == {}
    [conversation] = relay.conversations
    assert conversation.verbs == [
        *["EHLO", "STARTTLS", "EHLO", "AUTH", "MAIL", "RCPT", "RCPT", "DATA", "QUIT"]
    ]
    size = len(conversation.message) - len(b".\r\n")
    assert f"MAIL FROM:<app@example.com> SIZE={size}" in conversation.commands
    assert [stage.name for stage in report.report.stages][-2:] == ["message", "quit"]


@pytest.mark.parametrize("text", [".\n..two dots\n.\nend\n", "bücher\n.\n", "\n.\n", "x" * 2000])
def test_message_arrives_as_it_was(text: str) -> None:
    with ScriptedRelay() as relay:
        send(relay, text=text)

    raw = relay.conversations[0].message.removesuffix(b".\r\n")
    lines = [line.removeprefix(b".") for line in raw.split(b"\r\n")]
    arrived = email.message_from_bytes(b"\r\n".join(lines), policy=email.policy.default)
    assert raw.isascii()
    assert isinstance(arrived, email.message.EmailMessage)
    assert arrived.get_content().replace("\r\n", "\n") == text.rstrip("\n") + "\n"
    assert arrived["Subject"] == "Test"


@pytest.mark.parametrize(
    ("answer", "queue_id"),
    [
        ("250 2.0.0 Ok: queued as 4F2A91C0B7", "4F2A91C0B7"),
        ("250 OK id=1rXyZ0-0001Ab-2C", "1rXyZ0-0001Ab-2C"),
        ("250 2.6.0 <x@y> [InternalId=4711, Hostname=h] Queued mail for delivery", "4711"),
        ("250 2.0.0 41GBxZ01 Message accepted for delivery", "41GBxZ01"),
        ("250 Ok 0100018d2c3f-4a5b-6c7d-000000", "0100018d2c3f-4a5b-6c7d-000000"),
        ("250 2.0.0 Kept as 1795233803.M451958P5896Q1.vm", "1795233803.M451958P5896Q1.vm"),
        ("250 OK", None),
        ("250 2.0.0 thank you", None),
    ],
)
def test_queue_id(answer: str, queue_id: str | None) -> None:
    with ScriptedRelay(Behaviour({"MESSAGE": answer})) as relay:
        report = send(relay)

    assert report.answer == answer
    assert report.queue_id == queue_id


def test_one_recipient_refused() -> None:
    answers = {f"RCPT {B}": "550 5.1.1 no such user", f"RCPT {C}": "451 4.7.1 later"}
    with ScriptedRelay(Behaviour(answers)) as relay:
        report = send(relay, A, B, C)

    assert report.sent
    assert report.refused == {B: "550 5.1.1 no such user", C: "451 4.7.1 later"}
    [warning] = report.report.warnings
    assert warning.kind is Kind.RECIPIENTS_LEFT_OUT
    assert warning.evidence == f"{B}: 550 5.1.1 no such user; {C}: 451 4.7.1 later"
    assert warning.sentence == "The relay took the message, but not for every recipient."
    assert warning.remedy == "Read the relay's answer for each recipient that it refused."


@pytest.mark.parametrize(
    ("answers", "kind", "summary"),
    [
        ({"RCPT": "550 5.1.1 no"}, Kind.RECIPIENT_UNKNOWN, "recipient unknown: 550 5.1.1 no"),
        (
            {"RCPT": "451 greylisted"},
            Kind.GREYLISTED,
            "asked to try later: 451 greylisted",
        ),
        ({"MAIL": "450 later"}, Kind.REFUSED_FOR_NOW, "mail refused for now: 450 later"),
        ({"MAIL": "553 not yours"}, Kind.SENDER_REFUSED, "sender refused: 553 not yours"),
        (
            {"DATA": "250 2.0.0 Ok: queued as 123456"},
            Kind.PROTOCOL,
            "answer is not SMTP's: 250 2.0.0 Ok: queued as 123456",
        ),
        ({"MAIL": "220 hello"}, Kind.PROTOCOL, "answer is not SMTP's: 220 hello"),
        ({"RCPT": "252 maybe"}, Kind.PROTOCOL, "answer is not SMTP's: 252 maybe"),
        ({"MESSAGE": "251 ok id=4"}, Kind.PROTOCOL, "answer is not SMTP's: 251 ok id=4"),
        ({"MESSAGE": "354 go on"}, Kind.PROTOCOL, "answer is not SMTP's: 354 go on"),
        ({"DATA": "554 no"}, Kind.MESSAGE_REFUSED, "message refused: 554 no"),
        ({"MESSAGE": "550 spam id=4"}, Kind.MESSAGE_REFUSED, "message refused: 550 spam id=4"),
        ({"MESSAGE": "452 full"}, Kind.REFUSED_FOR_NOW, "mail refused for now: 452 full"),
        ({"MESSAGE": "552 5.3.4 big"}, Kind.TOO_BIG, "message too big: 552 5.3.4 big"),
        ({"MESSAGE": DROP}, Kind.DISCONNECTED, "connection dropped: at message"),
    ],
)
def test_not_sent(answers: dict[str, str], kind: Kind, summary: str) -> None:
    with ScriptedRelay(Behaviour(answers)) as relay:
        report = send(relay)

    assert not report.sent
    assert report.report.kind is kind
    assert report.report.summary == summary
    assert report.queue_id is None


def test_recipient_that_is_forwarded_is_taken_and_one_with_another_answer_is_not() -> None:
    answers = {f"RCPT {A}": "251 will forward", f"RCPT {B}": "252 maybe"}
    with ScriptedRelay(Behaviour(answers)) as relay:
        report = send(relay, A, B)

    assert report.sent
    assert report.refused == {B: "252 maybe"}


def test_refused_message_has_its_words() -> None:
    with ScriptedRelay(Behaviour({"MESSAGE": "550 5.7.1 spam"})) as relay:
        report = send(relay)

    assert checking.diagnosis(report.report) == (
        "message",
        "message refused: 550 5.7.1 spam",
        "The relay took the envelope and refuses the message.",
        (
            "Read the relay's answer: mostly a rule on content, or on who may send as "
            "app@example.com."
        ),
    )


def test_nothing_is_sent_where_auth_fails() -> None:
    with ScriptedRelay(Behaviour({"AUTH": "535 no"}, AUTH)) as relay:
        report = send(relay, **ACCOUNT)

    assert report.report.kind is Kind.AUTH_REFUSED
    assert relay.verbs == ["EHLO", "AUTH", "QUIT"]


def test_report_for_programs() -> None:
    with ScriptedRelay(Behaviour({f"RCPT {B}": "550 no"})) as relay:
        described = send(relay, A, B).to_dict()

    assert described["sent"] is True
    assert described["answer"] == "250 2.0.0 Ok: queued as 4F2A91C0B7"
    assert described["queue-id"] == "4F2A91C0B7"
    assert described["refused"] == {B: "550 no"}


def test_no_recipient() -> None:
    with pytest.raises(ValueError, match="recipients: one at least"):
        relay_check.send(relay_check.Target(HOST, 25), message(), [])


@pytest.mark.parametrize("address", ["a@b>\r\nDATA", "a b@c", "<a@b>", "a@b\x00"])
def test_address_that_would_be_a_command(address: str) -> None:
    with pytest.raises(ValueError, match="an address has blanks"):
        relay_check.check(relay_check.Target(HOST, 25), recipients=[address])


def test_letters_beyond_ascii_where_the_relay_takes_them() -> None:
    with ScriptedRelay(Behaviour(capabilities=("SMTPUTF8",))) as relay:
        report = send(relay, "bücher@example.com")

    assert report.sent
    [conversation] = relay.conversations
    assert "MAIL FROM:<app@example.com> SMTPUTF8" in conversation.commands


def test_header_with_an_address_beyond_ascii_is_utf_8() -> None:
    """RFC 2047 section 5 has no encoded word within an address; RFC 6532 has UTF-8."""
    made = message()
    made.replace_header("To", "é@bücher.example")
    with ScriptedRelay(Behaviour(capabilities=("SMTPUTF8",))) as relay:
        report = relay_check.send(
            relay_check.Target(HOST, relay.port),
            made,
            ["é@bücher.example"],
            resolver=Resolver(relay.host),
        )

    assert report.sent
    assert "To: é@bücher.example\r\n".encode() in relay.conversations[0].message

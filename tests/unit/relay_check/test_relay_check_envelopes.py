"""AUTH and envelopes that are refused, on a real socket, with the words that are read."""

from __future__ import annotations

from typing import Any

import checking
import pytest
from checking import ACCOUNT, AUTH, HOST, Resolver, check, diagnosis
from scripted_relay import Behaviour, ScriptedRelay

import relay_check
from relay_check import Kind

ADDRESSES: dict[str, Any] = {"sender": "app@example.com", "recipients": ["ops@example.com"]}
LATER = "Try again in some minutes; if it stays, ask the relay's operator."


# AUTH.


@pytest.mark.parametrize(
    ("capabilities", "kind", "words"),
    [
        (
            ("STARTTLS",),
            Kind.AUTH_AFTER_TLS,
            (
                "auth",
                "AUTH offered after TLS only",
                "The relay offers no AUTH in the clear, but it offers STARTTLS.",
                "Set transport_security=starttls.",
            ),
        ),
        (
            (),
            Kind.AUTH_NOT_OFFERED,
            (
                "auth",
                "AUTH not offered",
                "The relay offers no AUTH on port PORT.",
                (
                    "Use port 587 or 465; if the relay knows its clients by address, set "
                    "auth_type=none."
                ),
            ),
        ),
        (
            ("AUTH GSSAPI NTLM",),
            Kind.AUTH_NO_MECHANISM,
            (
                "auth",
                "no common AUTH mechanism: GSSAPI NTLM",
                (
                    "The relay offers GSSAPI NTLM, and clients of auth_type=plain use "
                    "PLAIN, LOGIN or CRAM-MD5."
                ),
                (
                    "Have the relay offer PLAIN or LOGIN, or use an account that it lets in by a "
                    "password."
                ),
            ),
        ),
    ],
    ids=["after TLS", "not offered", "no common mechanism"],
)
def test_auth_not_possible(
    capabilities: tuple[str, ...], kind: Kind, words: tuple[str, ...]
) -> None:
    with ScriptedRelay(Behaviour(capabilities=capabilities)) as relay:
        report = check(relay, **ACCOUNT)

    assert report.kind is kind
    found = tuple(word.replace(str(relay.port), "PORT") for word in diagnosis(report))
    assert found == words
    assert "AUTH" not in relay.verbs


@pytest.mark.parametrize(
    ("answer", "kind", "title", "sentence", "remedy"),
    [
        (
            "535 5.7.8 authentication failed",
            Kind.AUTH_REFUSED,
            "AUTH refused",
            "The relay refuses the user or the password.",
            "Set user and password_secret right; some relays want the whole address as the user.",
        ),
        (
            "534 5.7.9 application-specific password required",
            Kind.AUTH_APP_PASSWORD,
            "app password needed",
            "The relay refuses this account's own password for a program.",
            "Make an app password in the account at the provider, and set password_secret to it.",
        ),
        (
            "454 4.7.0 temporary authentication failure",
            Kind.AUTH_TEMPORARY,
            "AUTH fails for now",
            "The relay cannot check the password or token now; it may be right.",
            LATER,
        ),
        (
            "538 5.7.11 encryption required",
            Kind.TLS_REQUIRED,
            "relay requires TLS",
            "The relay goes no further without TLS.",
            "Set transport_security=starttls, or transport_security=tls with port 465.",
        ),
        (
            "500 5.5.6 no",
            Kind.AUTH_FAILED,
            "AUTH failed",
            "The relay does not let this account in, for a reason of its own.",
            "Read the relay's answer, and ask its operator.",
        ),
    ],
    ids=["535", "534", "454", "538", "500"],
)
@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5"])
def test_auth_refused_once(  # noqa: PLR0913, PLR0917 - a row of the table
    mechanism: str, answer: str, kind: Kind, title: str, sentence: str, remedy: str
) -> None:
    behaviour = Behaviour({"AUTH": answer}, (f"AUTH {mechanism}",))
    with ScriptedRelay(behaviour) as relay:
        report = check(relay, **ACCOUNT, **ADDRESSES)

    assert report.kind is kind
    assert diagnosis(report) == ("auth", f"{title}: {answer}", sentence, remedy)
    assert relay.verbs.count("AUTH") == 1
    assert "MAIL" not in relay.verbs
    assert relay.verbs[-1] == "QUIT"


@pytest.mark.parametrize("code", ["530", "538"])
def test_tls_that_is_there_is_not_asked_for(pki: checking.Pki, code: str) -> None:
    behaviour = Behaviour(
        {"AUTH": f"{code} 5.7.0 no", "MAIL": f"{code} STARTTLS first"},
        AUTH,
        None,
        pki.good,
        tls=True,
    )
    target = {"transport_security": "tls", "tls_ca_chain": pki.root.pem}
    with ScriptedRelay(behaviour) as relay:
        at_auth = check(relay, **target, **ACCOUNT)
        at_mail = check(relay, **target, **ADDRESSES)

    assert (at_auth.kind, at_mail.kind) == (Kind.AUTH_FAILED, Kind.ENVELOPE_REFUSED)


@pytest.mark.parametrize(
    ("answer", "kind"), [("235 2.7.0 welcome", None), ("535 5.7.8 no", Kind.AUTH_REFUSED)]
)
def test_relay_that_wants_the_response_by_itself(answer: str, kind: Kind | None) -> None:
    behaviour = Behaviour({"PLAIN-0": "334 ", "AUTH": answer}, ("AUTH PLAIN",))
    with ScriptedRelay(behaviour) as relay:
        report = check(relay, **ACCOUNT)

    assert report.kind is kind
    assert relay.verbs.count("AUTH") == 1


def test_refusal_of_auth_that_is_held_back_is_waited_for() -> None:
    """Half of the time is each stage's; who gave up then would try again."""
    behaviour = Behaviour({"AUTH": "535 5.7.8 no"}, AUTH, delays={"AUTH": 0.8})
    with ScriptedRelay(behaviour) as relay:
        report = relay_check.check(
            relay_check.Target(HOST, relay.port, **ACCOUNT),
            timeout=1.4,
            resolver=Resolver(relay.host),
        )

    assert report.kind is Kind.AUTH_REFUSED


# The envelope.


@pytest.mark.parametrize(
    ("verb", "answer"),
    [
        ("MAIL", "530 5.7.0 Authentication required"),
        ("RCPT", "530 5.7.0 Authentication required"),
        ("MAIL", "503 5.5.4 Error: send AUTH command first"),
        ("MAIL", "553 authentication is required"),
        ("MAIL", "550 5.7.1 Client was not authenticated"),
        ("RCPT", "554 5.7.1 Authentication required"),
    ],
)
def test_auth_required(verb: str, answer: str) -> None:
    with ScriptedRelay(Behaviour({verb: answer})) as relay:
        report = check(relay, **ADDRESSES)

    assert report.kind is Kind.AUTH_REQUIRED
    assert diagnosis(report) == (
        "envelope",
        f"AUTH required: {answer}",
        "The relay takes mail only after AUTH, but auth_type=none.",
        "Set auth_type=plain, with user and password_secret.",
    )


@pytest.mark.parametrize(
    "answer", ["530 5.7.0 Must issue a STARTTLS command first", "538 5.7.11 Encryption required"]
)
def test_starttls_required(answer: str) -> None:
    with ScriptedRelay(Behaviour({"MAIL": answer})) as relay:
        report = check(relay, **ADDRESSES)

    assert report.kind is Kind.TLS_REQUIRED


SENDER = (
    "The relay does not take mail from app@example.com.",
    "Set smtp_sender to an address that this account may send from.",
)
RELAYING = (
    "The relay does not pass mail on to ops@example.com for this machine or account.",
    "Set auth_type=plain with the relay's account, or have its operator allow this machine.",
)
UNKNOWN = (
    "The relay knows no mailbox ops@example.com.",
    "Look for a typing error in recipients.",
)
TOO_BIG = (
    "The message is bigger than the relay takes.",
    "Send less at once, or ask the relay's operator for a higher limit.",
)
FULL = (
    "The mailbox ops@example.com has no more room.",
    "Have the mailbox emptied or enlarged, or use another recipient.",
)
REFUSED = (
    "The relay refuses the sender or the recipient, for a reason of its own.",
    "Read the relay's answer; check smtp_sender and recipients.",
)
FOR_NOW = ("The relay cannot take this mail now.", LATER)


@pytest.mark.parametrize(
    ("verb", "answer", "kind", "title", "words"),
    [
        ("MAIL", "550 5.7.1 not yours", Kind.SENDER_REFUSED, "sender refused", SENDER),
        (
            "RCPT",
            "553 5.7.1 <app@example.com>: Sender address rejected: not owned by user",
            Kind.SENDER_REFUSED,
            "sender refused",
            SENDER,
        ),
        ("RCPT", "554 5.7.1 access denied", Kind.RELAY_DENIED, "relaying denied", RELAYING),
        ("RCPT", "550 5.7.1 unable to relay", Kind.RELAY_DENIED, "relaying denied", RELAYING),
        (
            "RCPT",
            "454 4.7.1 <ops@example.com>: Relay access denied",
            Kind.RELAY_DENIED,
            "relaying denied",
            RELAYING,
        ),
        ("RCPT", "550 relay not permitted", Kind.RELAY_DENIED, "relaying denied", RELAYING),
        (
            "RCPT",
            "553 sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)",
            Kind.RELAY_DENIED,
            "relaying denied",
            RELAYING,
        ),
        ("RCPT", "550 Sender verify failed", Kind.SENDER_REFUSED, "sender refused", SENDER),
        ("RCPT", "550 5.1.1 no such user", Kind.RECIPIENT_UNKNOWN, "recipient unknown", UNKNOWN),
        ("RCPT", "550 unknown", Kind.RECIPIENT_UNKNOWN, "recipient unknown", UNKNOWN),
        ("MAIL", "552 5.3.4 too big", Kind.TOO_BIG, "message too big", TOO_BIG),
        ("RCPT", "552 5.2.2 mailbox full", Kind.MAILBOX_FULL, "mailbox is full", FULL),
        ("RCPT", "501 5.1.3 bad", Kind.ENVELOPE_REFUSED, "envelope refused", REFUSED),
        ("MAIL", "452 no", Kind.REFUSED_FOR_NOW, "mail refused for now", FOR_NOW),
        ("RCPT", "451 4.7.1 later", Kind.REFUSED_FOR_NOW, "mail refused for now", FOR_NOW),
    ],
)
def test_envelope_refused(
    verb: str, answer: str, kind: Kind, title: str, words: tuple[str, str]
) -> None:
    with ScriptedRelay(Behaviour({verb: answer})) as relay:
        report = check(relay, **ADDRESSES)

    assert report.kind is kind
    assert diagnosis(report) == ("envelope", f"{title}: {answer}", *words)
    assert "DATA" not in relay.verbs


def test_530_after_auth_asks_for_no_auth() -> None:
    with ScriptedRelay(Behaviour({"MAIL": "530 5.7.1 not you"}, AUTH)) as relay:
        report = check(relay, **ACCOUNT, **ADDRESSES)

    assert diagnosis(report) == (
        "envelope",
        "denied after AUTH: 530 5.7.1 not you",
        "AUTH succeeded, and the relay refuses this account all the same.",
        "Ask the relay's operator: its rules must let this account send once it has logged in.",
    )


@pytest.mark.parametrize("verb", ["MAIL", "RCPT"])
@pytest.mark.parametrize(
    "answer", ["450 4.2.0 later", "451 4.7.1 greylisted", "450 4.3.2 service unavailable"]
)
def test_greylisting_is_no_error(verb: str, answer: str) -> None:
    with ScriptedRelay(Behaviour({verb: answer})) as relay:
        report = check(relay, **ADDRESSES)

    assert report.works
    assert report.exit_code == 0
    [warning] = report.warnings
    assert warning.kind is Kind.GREYLISTED
    assert warning.summary == f"asked to try later: {answer}"
    assert warning.sentence == (
        "The relay defers mail the first time, most likely by greylisting; that is no error."
    )
    assert warning.remedy == (
        "None: applications that try again get through. If it stays, ask the relay's operator."
    )
    assert relay.verbs[-2:] == ["RSET", "QUIT"]


def test_one_recipient_of_three_refused() -> None:
    answers = {"RCPT b@example.com": "450 later", "RCPT c@example.com": "550 5.1.1 no such user"}
    with ScriptedRelay(Behaviour(answers)) as relay:
        report = check(relay, recipients=["a@example.com", "b@example.com", "c@example.com"])

    assert report.kind is Kind.RECIPIENT_UNKNOWN
    assert diagnosis(report)[2] == "The relay knows no mailbox c@example.com."
    envelope = report.stage("envelope")
    assert envelope is not None
    assert envelope.facts == {
        "sender": "<>: 250 2.1.0 sender ok",
        "recipient-1": "<a@example.com>: 250 2.1.5 recipient ok",
        "recipient-2": "<b@example.com>: 450 later",
        "recipient-3": "<c@example.com>: 550 5.1.1 no such user",
    }


def test_letters_beyond_ascii_need_smtputf8() -> None:
    with ScriptedRelay() as relay:
        report = check(relay, sender="bücher@example.com")

    assert report.kind is Kind.ADDRESS_NOT_ASCII
    assert diagnosis(report) == (
        "envelope",
        "address needs SMTPUTF8",
        "An address has letters beyond ASCII, and the relay does not offer SMTPUTF8.",
        "Use addresses in ASCII, or a relay that offers SMTPUTF8.",
    )


# Answers that smtplib, and with it most requirers, does not take for consent.


@pytest.mark.parametrize("answer", ["220 hello", "251 ok", "299 ok", "354 go ahead"])
@pytest.mark.parametrize("addresses", [{}, ADDRESSES], ids=["empty sender", "addresses"])
def test_no_other_answer_takes_a_sender(addresses: dict[str, Any], answer: str) -> None:
    with ScriptedRelay(Behaviour({"MAIL": answer})) as relay:
        report = check(relay, **addresses)

    assert diagnosis(report) == (
        "envelope",
        f"answer is not SMTP's: {answer}",
        "The relay's answer at the stage envelope is not what SMTP knows.",
        "Look for a proxy or firewall that changes SMTP; then ask the relay's operator.",
    )


@pytest.mark.parametrize("answer", ["220 hello", "252 maybe", "299 ok", "354 go ahead"])
def test_no_other_answer_takes_a_recipient(answer: str) -> None:
    with ScriptedRelay(Behaviour({"RCPT": answer})) as relay:
        report = check(relay, **ADDRESSES)

    assert report.kind is Kind.PROTOCOL
    assert report.summary == f"answer is not SMTP's: {answer}"


def test_recipient_that_the_relay_forwards_is_taken() -> None:
    with ScriptedRelay(Behaviour({"RCPT": "251 will forward"})) as relay:
        report = check(relay, **ADDRESSES)

    assert report.works

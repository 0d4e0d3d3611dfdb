"""One attempt of AUTH with one mechanism, and a password that shows nowhere."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import logging
import traceback

import checking
import pytest
from checking import ACCOUNT, AUTH, HOST, PASSWORD, Resolver, base64_of, check
from scripted_relay import Behaviour, ScriptedRelay

import relay_check
from relay_check import Kind, Outcome

PLAIN = base64_of(f"\0notifier\0{PASSWORD}")


@pytest.mark.parametrize(
    ("offered", "tls", "chosen", "said"),
    [
        ("AUTH CRAM-MD5 LOGIN PLAIN", True, "PLAIN", [f"AUTH PLAIN {PLAIN}"]),
        (
            "AUTH XOAUTH2 login",
            True,
            "LOGIN",
            ["AUTH LOGIN", base64_of("notifier"), base64_of(PASSWORD)],
        ),
        ("AUTH=PLAIN", True, "PLAIN", [f"AUTH PLAIN {PLAIN}"]),
        ("AUTH LOGIN PLAIN", False, "PLAIN", [f"AUTH PLAIN {PLAIN}"]),
    ],
)
def test_mechanism(
    pki: checking.Pki, offered: str, chosen: str, said: list[str], *, tls: bool
) -> None:
    behaviour = Behaviour(capabilities=(offered,), context=pki.good, tls=tls)
    with ScriptedRelay(behaviour) as relay:
        report = check(
            relay,
            transport_security="tls" if tls else "none",
            tls_ca_chain=pki.root.pem,
            **ACCOUNT,
        )

    assert report.works
    auth = report.stage("auth")
    assert auth is not None
    assert auth.facts["chosen"] == chosen
    assert auth.facts["answer"] == "235 2.7.0 welcome"
    assert relay.conversations[0].commands[1 : 1 + len(said)] == said


def test_in_the_clear_cram_md5_hides_the_password() -> None:
    with ScriptedRelay(Behaviour(capabilities=("AUTH CRAM-MD5",))) as relay:
        report = check(relay, **ACCOUNT)

    challenge = b"<1896.697170952@relay.test>"
    digest = hmac.new(PASSWORD.encode(), challenge, hashlib.md5).hexdigest()
    assert report.works
    assert report.warnings == []
    assert relay.conversations[0].commands[1:3] == [
        "AUTH CRAM-MD5",
        base64_of(f"notifier {digest}"),
    ]


@pytest.mark.parametrize(
    "capabilities", [("AUTH PLAIN",), ("AUTH PLAIN CRAM-MD5",), ("STARTTLS", "AUTH CRAM-MD5")]
)
def test_password_in_the_clear_is_a_warning(capabilities: tuple[str, ...]) -> None:
    with ScriptedRelay(Behaviour(capabilities=capabilities)) as relay:
        report = check(relay, **ACCOUNT)

    [warning] = report.warnings
    assert warning.kind is Kind.AUTH_IN_CLEAR
    assert warning.sentence == (
        "transport_security=none: everyone on the way can read the password."
    )
    assert warning.remedy == "Set transport_security=starttls or tls, where the relay has it."


def test_refusal_of_the_user_ends_the_attempt() -> None:
    behaviour = Behaviour({"LOGIN-1": "535 5.7.8 no such user"}, ("AUTH LOGIN",))
    with ScriptedRelay(behaviour) as relay:
        report = check(relay, **ACCOUNT)

    assert report.summary == "AUTH refused: 535 5.7.8 no such user"


@pytest.mark.parametrize("answer", ["250 ok", "220 2.7.0 welcome", "299 ok"])
@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5"])
def test_no_other_answer_is_success(mechanism: str, answer: str) -> None:
    behaviour = Behaviour({"AUTH": answer}, (f"AUTH {mechanism}",))
    with ScriptedRelay(behaviour) as relay:
        report = check(relay, **ACCOUNT)

    assert report.kind is Kind.PROTOCOL
    assert report.summary == f"answer is not SMTP's: {answer}"
    assert relay.verbs.count("AUTH") == 1


def test_challenge_that_is_no_base64_is_one_refused_attempt() -> None:
    answers = {"CRAM-MD5-0": "334 \xe9", "AUTH": "535 no"}
    with ScriptedRelay(Behaviour(answers, ("AUTH CRAM-MD5",))) as relay:
        report = check(relay, **ACCOUNT)

    assert report.kind is Kind.AUTH_REFUSED
    assert relay.verbs.count("AUTH") == 1


@pytest.fixture
def fips(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this machine's policy forbid MD5, as FIPS 140 does."""

    def forbid(*_: object) -> None:
        raise ValueError("unsupported hash type md5")

    monkeypatch.setattr(hmac, "new", forbid)


@pytest.mark.usefixtures("fips")
def test_machine_whose_policy_forbids_md5_uses_plain_over_tls(pki: checking.Pki) -> None:
    behaviour = Behaviour(capabilities=("AUTH CRAM-MD5",), tls=True, context=pki.good)
    with ScriptedRelay(behaviour) as relay:
        report = check(relay, transport_security="tls", tls_ca_chain=pki.root.pem, **ACCOUNT)

    assert report.works
    assert relay.conversations[0].commands[1] == f"AUTH PLAIN {PLAIN}"


@pytest.mark.usefixtures("fips")
def test_machine_whose_policy_forbids_md5_shows_no_password_for_it() -> None:
    with ScriptedRelay(Behaviour(capabilities=("AUTH CRAM-MD5",))) as relay:
        report = check(relay, **ACCOUNT)

    assert report.kind is Kind.AUTH_NO_MECHANISM
    assert "AUTH" not in relay.verbs


@pytest.mark.parametrize(("length", "parts"), [(362, 3), (363, 2)])
def test_response_that_makes_the_command_too_long_is_an_answer(length: int, parts: int) -> None:
    """The line is 512 octets with its CRLF at the most (RFC 4954 section 4)."""
    password = "p" * length
    with ScriptedRelay(Behaviour(capabilities=("AUTH PLAIN",))) as relay:
        report = check(relay, auth_type="plain", user="notifier", password=password)

    commands = relay.conversations[0].commands
    assert report.works
    assert len(commands[1].split(" ")) == parts
    assert all(len(command) <= 510 for command in commands if command.startswith("AUTH"))
    assert base64_of(f"\0notifier\0{password}") in " ".join(commands[1:3])


@pytest.mark.parametrize("auth_type", ["none", "not_provided"])
def test_no_auth_without_auth_type_plain(auth_type: str) -> None:
    with ScriptedRelay(Behaviour(capabilities=("AUTH PLAIN",))) as relay:
        report = check(relay, auth_type=auth_type, user="notifier", password=PASSWORD)

    auth = report.stage("auth")
    assert auth is not None
    assert auth.outcome is Outcome.SKIPPED
    assert auth.facts == {"reason": f"auth_type={auth_type}", "offered": "PLAIN"}
    assert "AUTH" not in relay.verbs


def test_no_attempt_where_none_is_wanted() -> None:
    with ScriptedRelay(Behaviour(capabilities=("AUTH PLAIN",))) as relay:
        report = check(relay, attempt_auth=False, sender="app@example.com", **ACCOUNT)

    assert report.works
    outcomes = {stage.name: stage.outcome for stage in report.stages}
    assert outcomes["auth"] is Outcome.SKIPPED
    assert outcomes["envelope"] is Outcome.SKIPPED
    assert relay.verbs == ["EHLO", "QUIT"]


# The password shows nowhere, even if the relay says it.

SECRETS = (
    PASSWORD,
    base64_of(PASSWORD),
    PLAIN,
    PLAIN.rstrip("="),
    base64_of(PASSWORD).rstrip("="),
)


def shown(report: relay_check.Report, target: relay_check.Target) -> str:
    return "\n".join(
        [*report.lines(), json.dumps(report.to_dict()), repr(report), str(report), repr(target)]
    )


@pytest.mark.parametrize("verb", ["BANNER", "EHLO", "AUTH", "MAIL", "QUIT", "LOGIN-0", "LOGIN-1"])
@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5"])
@pytest.mark.parametrize("code", ["235", "250", "535", "no reply:"])
def test_password_shows_nowhere(
    verb: str, mechanism: str, code: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    words = " ".join(SECRETS)
    behaviour = Behaviour({verb: f"{code} {words}"}, (f"AUTH {mechanism} {words}",))
    with ScriptedRelay(behaviour) as relay:
        target = relay_check.Target("127.0.0.1", relay.port, **ACCOUNT)
        report = relay_check.check(target, sender="app@example.com", timeout=5)

    text = shown(report, target) + caplog.text
    assert "[hidden]" in text or verb == "EHLO"
    assert [secret for secret in SECRETS if secret in text] == []


@pytest.mark.parametrize(
    "echo",
    [
        f"AUTH PLAIN {PLAIN[:30]}...",
        f"AUTH PLAIN {PLAIN[:18]} {PLAIN[18:]}",
        f"AUTH PLAIN {PLAIN[:18]}\t{PLAIN[18:]}",
        f"AUTH PLAIN {PLAIN}".upper(),
        f"{PASSWORD.upper()} is wrong",
        base64_of(PASSWORD)[2:],
    ],
)
def test_password_that_a_relay_repeats_in_part_or_changed_is_hidden(echo: str) -> None:
    behaviour = Behaviour({"AUTH": f"500 5.5.1 unknown: {echo}"}, AUTH)
    with ScriptedRelay(behaviour) as relay:
        report = check(relay, **ACCOUNT)

    said = report.summary.partition("unknown: ")[2]
    assert "[hidden]" in said
    rest = "".join(said.replace("AUTH PLAIN ", "").replace("[hidden]", "\n").lower().split(" "))
    secrets = (PLAIN.lower(), base64_of(PASSWORD).lower(), PASSWORD.lower())
    pieces = [rest[i : i + 6] for i in range(len(rest) - 5)]
    assert [piece for piece in pieces if any(piece in secret for secret in secrets)] == []


PHRASE = "correct horse battery staple"


@pytest.mark.parametrize(
    ("secret", "heads"),
    [
        (PHRASE, ("535-5.7.8 ", "535 5.7.8 ")),
        (PHRASE, ("535-5.7.8 ", "535 5.7.9 ")),
        (PHRASE, ("535-", "535 (#5.7.8) ")),
        (PHRASE, ("535-5.7.8 ", "535-5.7.8 ", "535 5.7.8 ")),
        (PHRASE, ("\x01", "535-5.7.8 ", "535 5.7.8 ")),
        (PHRASE, ("\x01", "535-", "535 ")),
        (PLAIN[:12], ("535-5.7.8 ", "535-5.7.8 ", "535-5.7.8 ", "535 5.7.8 ")),
        ("a 5.7.8 bc 5.7.8 d", ("535 ",)),
    ],
)
def test_password_that_goes_on_in_the_next_line_is_hidden(
    secret: str, heads: tuple[str, ...]
) -> None:
    size = -(-len(secret) // len(heads))
    parts = [secret[start : start + size] for start in range(0, len(secret), size)]
    said = "\r\n".join(f"{head}{part}" for head, part in zip(heads, parts, strict=True))
    password = PASSWORD if secret in PLAIN else secret
    with ScriptedRelay(Behaviour({"AUTH": said}, AUTH)) as relay:
        report = check(relay, auth_type="plain", user="notifier", password=password)

    text = "\n".join(report.lines())
    assert "[hidden]" in report.summary
    assert [part for part in parts if part.strip() in text] == []


def test_what_is_not_the_passwords_is_shown() -> None:
    with ScriptedRelay(Behaviour({"AUTH": "535 5.7.8 no \x01\x00"}, AUTH)) as relay:
        report = check(relay, **ACCOUNT)

    assert report.summary == "AUTH refused: 535 5.7.8 no \\x01\\x00"


def test_password_shows_in_no_traceback() -> None:
    target = relay_check.Target(HOST, 25, **ACCOUNT)
    with pytest.raises(ZeroDivisionError) as raised:
        relay_check.check(target, resolver=Resolver(error=ZeroDivisionError()))
    with pytest.raises(ValueError, match="auth_type=plain needs a user") as refused:
        relay_check.Target(HOST, 25, auth_type="plain", password=PASSWORD)

    for error in (raised.value, refused.value):
        assert PASSWORD not in "".join(traceback.format_exception(error))


@pytest.mark.parametrize("password", ["pass\udcffword", "密码", "x" * 600, "a b\tc"])
def test_password_of_any_letters_is_tried(password: str) -> None:
    with ScriptedRelay(Behaviour({"AUTH": "535 no"}, ("AUTH PLAIN",))) as relay:
        report = check(relay, auth_type="plain", user="ü", password=password)

    assert report.kind is Kind.AUTH_REFUSED
    said = base64.b64decode(" ".join(relay.conversations[0].commands[1:3]).split(" ")[2])
    assert said == f"\0ü\0{password}".encode(errors="surrogatepass")

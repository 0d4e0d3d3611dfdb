"""The check and the library's `connect()` greet and log in alike, so that both fail or none."""

from __future__ import annotations

import contextlib
import hmac
import itertools
import json
import pathlib
import smtplib
import socket
from typing import Any

import checking
import pytest
from checking import PASSWORD
from scripted_relay import Behaviour, ScriptedRelay

import relay_check
from charms.smtp_integrator.v0 import smtp

USER = "notifier"
OWN_NAMES: dict[str, list[str]] = json.loads(
    (pathlib.Path(__file__).parents[2] / "data/own_names.json").read_text(encoding="utf-8")
)


def said_by_the_check(relay: ScriptedRelay, **options: Any) -> list[str]:
    target = relay_check.Target(relay.host, relay.port, auth_type="plain", user=USER, **options)
    relay_check.check(target, timeout=60)
    return until_auth_ends(relay.conversations[0].commands)


def said_by_the_library(relay: ScriptedRelay, **options: Any) -> list[str]:
    data = smtp.SmtpRelationData(
        host=relay.host, port=relay.port, auth_type=smtp.AuthType("plain"), user=USER, **options
    )
    try:
        with data.connect(timeout=60):
            pass
    except smtplib.SMTPException:
        pass
    return until_auth_ends(relay.conversations[0].commands)


def until_auth_ends(commands: list[str]) -> list[str]:
    """Return what was said until AUTH ended; smtplib writes verbs in small letters."""
    verbs = ("ehlo", "quit", "starttls")
    said = [each.upper() if each in verbs else each for each in commands]
    said = [f"EHLO{each[4:]}" if each.startswith("ehlo ") else each for each in said]
    return list(itertools.takewhile(lambda each: each.split()[0] not in {"MAIL", "QUIT"}, said))


def both(behaviour: Behaviour, **options: Any) -> tuple[list[str], list[str]]:
    with ScriptedRelay(behaviour) as relay:
        check = said_by_the_check(relay, **options)
    with ScriptedRelay(behaviour) as relay:
        library = said_by_the_library(relay, **options)
    return check, library


@pytest.mark.parametrize("security", ["none", "starttls", "tls"])
@pytest.mark.parametrize(
    "offered", ["LOGIN PLAIN CRAM-MD5", "CRAM-MD5 login", "CRAM-MD5", "XOAUTH2", "GSSAPI PLAIN"]
)
def test_the_same_mechanism(pki: checking.Pki, offered: str, security: str) -> None:
    behaviour = Behaviour(
        capabilities=("STARTTLS", f"AUTH {offered}"), context=pki.good, tls=security == "tls"
    )
    options = {"transport_security": security, "password": PASSWORD}
    options |= {"tls_ca_chain": pki.root.pem} if security != "none" else {}

    check, library = both(behaviour, **options)

    assert check == library
    assert check[0].startswith("EHLO ")
    assert any(each.startswith("AUTH") for each in check) is (offered != "XOAUTH2")


@pytest.mark.parametrize("answer", ["235 welcome", "535 no", "334 "])
@pytest.mark.parametrize("length", [20, 362, 363, 600])
def test_the_same_answer_to_a_challenge(length: int, answer: str) -> None:
    behaviour = Behaviour(
        {"AUTH": answer} if answer[0] != "3" else {"PLAIN-0": answer}, ("AUTH PLAIN",)
    )

    check, library = both(behaviour, transport_security="none", password="p" * length)

    assert check == library


OLD = {"EHLO": "502 unknown"}
LISTED = "-relay.test\r\n{} AUTH PLAIN"


@pytest.mark.parametrize(
    ("answers", "capability", "works"),
    [
        ({"AUTH": "235 welcome"}, "AUTH PLAIN", True),
        ({"AUTH": "250 ok"}, "AUTH PLAIN", False),
        ({"AUTH": "299 ok"}, "AUTH LOGIN", False),
        ({"AUTH": "334 "}, "AUTH LOGIN", False),
        ({}, "AUTH\tPLAIN", True),
        ({}, " AUTH \t PLAIN\tGSSAPI", True),
        ({}, "auth=PLAIN", True),
        ({}, "", False),
        ({"EHLO": "250" + LISTED.format(250)}, "", True),
        ({"EHLO": "220" + LISTED.format(220)}, "", False),
        ({"EHLO": "251" + LISTED.format(251)}, "", False),
        ({**OLD, "HELO": "250" + LISTED.format(250)}, "", False),
    ],
)
def test_the_same_outcome(answers: dict[str, str], capability: str, *, works: bool) -> None:
    with ScriptedRelay(Behaviour(answers, (capability,))) as relay:
        target = relay_check.Target(
            relay.host, relay.port, auth_type="plain", user=USER, password=PASSWORD
        )
        report = relay_check.check(target, timeout=60)
        data = smtp.SmtpRelationData(
            host=relay.host,
            port=relay.port,
            auth_type=smtp.AuthType("plain"),
            transport_security=smtp.TransportSecurity("none"),
            user=USER,
            password=PASSWORD,
        )
        outcome = contextlib.nullcontext() if works else pytest.raises(smtplib.SMTPException)
        with outcome, data.connect(timeout=60):
            pass

    assert report.works is works


@pytest.mark.parametrize("security", ["none", "tls"])
def test_the_same_where_md5_is_forbidden(
    pki: checking.Pki, monkeypatch: pytest.MonkeyPatch, security: str
) -> None:
    def forbid(*_: object) -> None:
        raise ValueError("unsupported hash type md5")

    monkeypatch.setattr(hmac, "new", forbid)
    behaviour = Behaviour(capabilities=("AUTH CRAM-MD5",), context=pki.good, tls=security == "tls")
    options = {"transport_security": security, "password": PASSWORD}
    options |= {"tls_ca_chain": pki.root.pem} if security != "none" else {}

    check, library = both(behaviour, **options)

    assert check == library
    assert any(each.startswith("AUTH PLAIN") for each in check) is (security == "tls")


@pytest.mark.parametrize("name", [*OWN_NAMES["full"], *OWN_NAMES["other"]])
def test_the_same_greeting(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: name)

    check, library = both(
        Behaviour(capabilities=("AUTH PLAIN",)), transport_security="none", password=PASSWORD
    )

    assert check == library
    assert check[0] == f"EHLO {name if name in OWN_NAMES['full'] else '[127.0.0.1]'}"

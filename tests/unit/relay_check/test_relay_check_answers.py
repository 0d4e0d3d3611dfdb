"""What every relay's answer means: the whole table, each row on a real socket."""

from __future__ import annotations

import csv
import email.message
import pathlib
from typing import TYPE_CHECKING, Any, NamedTuple

import checking
import pytest
from checking import ACCOUNT, HOST, Resolver
from scripted_relay import Behaviour, ScriptedRelay

import relay_check
import smtp_oauth
from relay_check import Kind

if TYPE_CHECKING:
    from tests import token_endpoint

TABLE = pathlib.Path(__file__).with_name("relay_answers.tsv")
SENDER, RECIPIENT = "app@lab.test", "ops@far.test"
PLACES = {"mail": "MAIL", "rcpt": "RCPT", "message": "MESSAGE", "auth": "AUTH", "banner": "BANNER"}


class Row(NamedTuple):
    """An answer, where it comes, and what it means."""

    stage: str
    auth_type: str
    transport_security: str
    answer: str
    kind: str
    source: str

    @property
    def reply(self) -> str:
        return "\r\n".join(self.answer.split("|"))


def rows() -> list[Row]:
    with TABLE.open(newline="") as file:
        return [Row(*row) for row in list(csv.reader(file, delimiter="\t", quoting=3))[1:]]


ROWS = rows()


def check(
    relay: ScriptedRelay, row: Row, pki: checking.Pki, endpoint: token_endpoint.Endpoint
) -> relay_check.Report:
    account: dict[str, Any] = {
        "plain": ACCOUNT,
        "oauth2": {
            "auth_type": "oauth2",
            "user": endpoint.client.user,
            "oauth": smtp_oauth.Grant.of(endpoint.content("client-secret")),
        },
    }.get(row.auth_type, {})
    target = relay_check.Target(
        HOST,
        relay.port,
        transport_security=row.transport_security,
        tls_ca_chain=pki.root.pem + endpoint.ca,
        **account,
    )
    resolver = Resolver(relay.host)
    if row.stage == "message":
        mail = email.message.EmailMessage()
        mail.set_content("A test.\n")
        return relay_check.send(
            target, mail, [RECIPIENT], sender=SENDER, timeout=60, resolver=resolver
        ).report
    return relay_check.check(
        target, sender=SENDER, recipients=[RECIPIENT], timeout=60, resolver=resolver
    )


@pytest.mark.parametrize("row", ROWS, ids=[f"{row.stage}-{row.answer[:40]}" for row in ROWS])
def test_answer(pki: checking.Pki, endpoint: token_endpoint.Endpoint, row: Row) -> None:
    verbs = ["EHLO", "HELO"] if row.stage == "ehlo" else [PLACES[row.stage]]
    mechanism = {"plain": "AUTH PLAIN", "oauth2": "AUTH XOAUTH2"}.get(row.auth_type, "DSN")
    offered = ("STARTTLS", mechanism)
    behaviour = Behaviour(dict.fromkeys(verbs, row.reply), offered, context=pki.good)
    with ScriptedRelay(behaviour) as relay:
        report = check(relay, row, pki, endpoint)

    [diagnosis] = (
        [report.failure.diagnosis]
        if report.failure
        else [each for each in report.warnings if each.kind is Kind.GREYLISTED]
    )
    assert diagnosis is not None
    assert diagnosis.kind.name == row.kind, diagnosis.summary
    # Whatever was done already is never the remedy.
    if row.auth_type != "none":
        assert "auth_type=plain" not in diagnosis.remedy
    if row.transport_security != "none" and row.stage not in {"banner", "ehlo"}:
        assert "transport_security=starttls" not in diagnosis.remedy


def test_the_table_has_every_provider() -> None:
    sources = " ".join(row.source for row in ROWS)
    servers = ["Postfix", "Exim", "Sendmail", "OpenSMTPD", "Exchange", "Microsoft 365", "Gmail"]
    providers = ["Amazon SES", "SendGrid", "Mailgun", "Postmark", "Brevo", "Zoho", "Yahoo"]

    assert len(ROWS) >= 150
    assert len({row[:4] for row in ROWS}) == len(ROWS)
    for name in [*servers, *providers, "IONOS", "OVH"]:
        assert name in sources

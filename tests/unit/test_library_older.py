"""What requirers with an older library make of a relay that takes tokens."""

from __future__ import annotations

import ast
import dataclasses
import json
import smtplib
from typing import TYPE_CHECKING

import library_relay
import pytest

from charms.smtp_integrator.v0 import smtp

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclasses.dataclass
class OlderRelay:
    """What requirers with patch 10 to 21 of the library take from a databag.

    They fail where `auth_type` or `transport_security` is absent or none of their values, read
    `skip_ssl_verify` as a Python literal, look up the secret behind `password_id`, and ignore what
    they do not know. This is written from what the interface owes them, which is the same for each
    of those patches.
    """

    host: str
    port: int
    auth_type: str
    transport_security: str
    skip_ssl_verify: object
    user: str | None
    password: str | None
    password_id: str | None
    recipients: list[str]


def as_older_requirers_read(databag: Mapping[str, str]) -> OlderRelay:
    return OlderRelay(
        host=databag["host"],
        port=int(databag["port"]),
        auth_type=_one_of(databag["auth_type"], "none", "not_provided", "plain"),
        transport_security=_one_of(databag["transport_security"], "none", "starttls", "tls"),
        skip_ssl_verify=ast.literal_eval(databag["skip_ssl_verify"]),
        user=databag.get("user"),
        password=databag.get("password"),
        password_id=databag.get("password_id"),
        recipients=json.loads(databag.get("recipients", "[]")),
    )


def _one_of(value: str, *values: str) -> str:
    assert value in values
    return value


def send_as_older_requirers_do(relay: OlderRelay) -> None:
    with smtplib.SMTP(relay.host, relay.port, timeout=300) as client:
        if relay.auth_type == "plain":
            client.login(relay.user or "", relay.password or "")
        client.sendmail("a@example.com", ["b@example.com"], "Hello")


@pytest.mark.parametrize("auth_type", ["none", "not_provided"])
def test_older_requirers_read_the_databag_and_attempt_no_auth(auth_type: str) -> None:
    refused = {"MAIL": "530 5.7.57 Client not authenticated to send mail"}
    with library_relay.Relay("AUTH LOGIN XOAUTH2", answers=refused) as relay:
        databag = smtp.encode_relation_data(
            host="127.0.0.1",
            port=relay.port,
            auth_type=auth_type,
            transport_security="none",
            user="notifications@example.com",
            password="hunter2-secret",
            oauth_id="secret:cvq3d1k0v5a8o1f2r4g0",
            recipients=["a@example.com"],
        )
        older = as_older_requirers_read(databag)
        with pytest.raises(smtplib.SMTPSenderRefused, match="not authenticated"):
            send_as_older_requirers_do(older)
    assert older.skip_ssl_verify is False
    assert (older.password, older.password_id) == (None, None), "they look up no secret"
    assert [verb for verb in relay.verbs if verb not in {"RSET", "QUIT"}] == ["EHLO", "MAIL"]


def test_they_log_in_where_there_is_a_password() -> None:
    """The test before this one can fail."""
    with library_relay.Relay("AUTH PLAIN") as relay:
        databag = smtp.encode_relation_data(
            host="127.0.0.1",
            port=relay.port,
            auth_type="plain",
            transport_security="none",
            user="mailer",
            password="hunter2-secret",
        )
        send_as_older_requirers_do(as_older_requirers_read(databag))
    assert "AUTH" in relay.verbs

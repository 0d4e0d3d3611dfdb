"""How `connect` authenticates, against relays on real sockets."""

from __future__ import annotations

import base64
import hmac
import os
import smtplib
import subprocess
import sys
import traceback
from typing import TYPE_CHECKING, Any

import library_relay
import pytest

from charms.smtp_integrator.v0 import smtp

if TYPE_CHECKING:
    import pathlib

PASSWORD = "pässwörd@/%"
USER = "notifier"
AUTH = {"auth_type": "plain", "user": USER, "password": PASSWORD}


def data(relay: library_relay.Relay, transport_security: str, **fields: Any) -> Any:
    values: dict[str, Any] = {"host": "127.0.0.1", "port": relay.port, **fields}
    return smtp.SmtpRelationData(transport_security=transport_security, **values)  # pyright: ignore[reportArgumentType]


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


PLAIN = encoded(f"\0{USER}\0{PASSWORD}")
DIGEST = hmac.new(PASSWORD.encode(), library_relay.CHALLENGE.encode(), "md5").hexdigest()


@pytest.mark.parametrize(
    ("offered", "lines"),
    [
        ("AUTH PLAIN LOGIN CRAM-MD5", [f"AUTH PLAIN {PLAIN}"]),
        ("AUTH cram-md5 plain", [f"AUTH PLAIN {PLAIN}"]),
        (
            "AUTH CRAM-MD5 LOGIN",
            ["AUTH LOGIN", encoded(USER), encoded(PASSWORD)],
        ),
        ("AUTH GSSAPI CRAM-MD5", ["AUTH CRAM-MD5", encoded(f"{USER} {DIGEST}")]),
    ],
)
def test_one_mechanism_is_used_and_any_password_fits(offered: str, lines: list[str]) -> None:
    relay = library_relay.Relay(offered)
    with relay, data(relay, "none", **AUTH).connect():
        pass
    assert [line.removeprefix("clear ") for line in relay.received[1:-1]] == lines


def test_a_relay_may_ask_for_the_credentials_by_themselves() -> None:
    relay = library_relay.Relay("AUTH PLAIN", answers={"AUTH": "334 "})
    with relay, data(relay, "none", **AUTH).connect():
        pass
    assert relay.received[1:-1] == [f"clear AUTH PLAIN {PLAIN}", f"clear {PLAIN}"]


@pytest.mark.parametrize("challenge", ["abc", "ü"])
def test_a_challenge_that_is_not_base64_is_an_smtp_error(challenge: str) -> None:
    relay = library_relay.Relay("AUTH CRAM-MD5", answers={"AUTH": f"334 {challenge}"})
    with relay, pytest.raises(smtplib.SMTPException, match="is not base64") as caught:
        data(relay, "none", **AUTH).connect().__enter__()
    assert PASSWORD not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5"])
def test_a_refusal_is_not_tried_again(mechanism: str) -> None:
    relay = library_relay.Relay(
        f"AUTH {mechanism} PLAIN", answers={"AUTH": "535 5.7.8 credentials invalid"}
    )
    with relay, pytest.raises(smtplib.SMTPAuthenticationError) as caught:
        data(relay, "none", **AUTH).connect().__enter__()
    assert caught.value.smtp_code == 535
    assert relay.verbs.count("AUTH") == 1
    shown = "".join(traceback.format_exception(caught.value))
    assert not any(secret in shown for secret in (PASSWORD, PLAIN))


def test_what_a_refusal_repeats_of_the_password_is_hidden() -> None:
    refusal = f"501 malformed: {PLAIN} {encoded(PASSWORD)} {PASSWORD}"
    relay = library_relay.Relay("AUTH PLAIN", answers={"AUTH": refusal})
    with relay, pytest.raises(smtplib.SMTPAuthenticationError) as caught:
        data(relay, "none", **AUTH).connect().__enter__()
    assert caught.value.smtp_error == b"malformed: ******** ******** ********"


@pytest.mark.parametrize(("length", "lines"), [(362, 1), (363, 2)])
def test_a_long_password_comes_after_the_challenge(length: int, lines: int) -> None:
    password = "p" * length
    plain = encoded(f"\0{USER}\0{password}")
    answers = {} if lines == 1 else {"AUTH": "334 "}
    relay = library_relay.Relay("AUTH PLAIN", answers=answers)
    with relay, data(relay, "none", **{**AUTH, "password": password}).connect():
        pass
    sent = [line.removeprefix("clear ") for line in relay.received[1:-1]]
    assert sent == ([f"AUTH PLAIN {plain}"] if lines == 1 else ["AUTH PLAIN", plain])
    assert len(f"{sent[0]}\r\n") <= 512


def test_a_password_may_be_any_text_of_json() -> None:
    password = "half \ud83d"
    relay = library_relay.Relay("AUTH PLAIN")
    with relay, data(relay, "none", **{**AUTH, "password": password}).connect():
        pass
    assert relay.verbs == ["EHLO", "AUTH", "QUIT"]


# What forbids MD5 with FIPS, and a Python that has none of its own, as on a machine with FIPS.
FIPS = """\
openssl_conf = init
[init]
alg_section = properties
[properties]
default_properties = fips=yes
"""
WITHOUT_MD5 = """
import sys
sys.modules["_md5"] = None
from charms.smtp_integrator.v0 import smtp
for port in sys.argv[1:]:
    relay = smtp.SmtpRelationData(host="127.0.0.1", port=int(port), auth_type="plain",
        transport_security="none", user="notifier", password="p")
    try:
        with relay.connect():
            print("sent")
    except Exception as e:
        print(type(e).__name__, e)
"""


def test_where_md5_is_forbidden_its_mechanism_is_not_used(tmp_path: pathlib.Path) -> None:
    configuration = tmp_path / "openssl.cnf"
    configuration.write_text(FIPS)
    path = os.pathsep.join(sys.path)
    env = {**os.environ, "PYTHONPATH": path, "OPENSSL_CONF": str(configuration)}
    with (
        library_relay.Relay("AUTH CRAM-MD5") as alone,
        library_relay.Relay("AUTH CRAM-MD5 PLAIN") as beside_plain,
    ):
        command = [sys.executable, "-c", WITHOUT_MD5, str(alone.port), str(beside_plain.port)]
        process = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    assert process.stdout.splitlines() == [
        (
            "SMTPNotSupportedError the relay offers CRAM-MD5 alone, which this machine's "
            "OpenSSL forbids, in the clear; have it offer TLS"
        ),
        "sent",
    ]


def test_where_md5_is_forbidden_plain_takes_its_place_over_tls(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbid(*_: object) -> None:
        raise ValueError("unsupported")

    certificate = library_relay.certificate(tmp_path)
    relay = library_relay.Relay(
        offers_in_tls=("AUTH CRAM-MD5",), tls=certificate.server, implicit=True
    )
    monkeypatch.setattr(hmac, "new", forbid)
    with relay, data(relay, "tls", tls_ca_chain=certificate.authority, **AUTH).connect():
        pass
    assert relay.received[1:-1] == [f"tls AUTH PLAIN {PLAIN}"]


@pytest.mark.parametrize("offered", ["SIZE", "AUTH GSSAPI"])
def test_no_mechanism_is_an_error(offered: str) -> None:
    relay = library_relay.Relay(offered)
    with relay, pytest.raises(smtplib.SMTPNotSupportedError, match="offers no AUTH"):
        data(relay, "none", **AUTH).connect().__enter__()
    assert relay.verbs == ["EHLO", "QUIT"]

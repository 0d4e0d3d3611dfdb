from __future__ import annotations

import base64
import contextlib
import datetime as dt
import smtplib
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
import strict_tls
from forwarder_running import CONTENT, RECIPIENT, SECONDS, SENDER, Forwarder
from scripted_upstream import wait_until

from unit_service import certificates

if TYPE_CHECKING:
    import pathlib
    import ssl

    from scripted_upstream import Upstream

Forward = Callable[..., Forwarder]


def certificate(folder: pathlib.Path) -> tuple[dict[str, str], ssl.SSLContext]:
    now = dt.datetime.now(dt.timezone.utc)
    made = certificates.ensure_server(folder / "ca", "Test CA", {"localhost", "127.0.0.1"}, now)
    authority = certificates.ensure_authority(folder / "ca", "Test CA", now)
    path = str(made.path)
    return {"certificate": path, "key": path}, strict_tls.strict_context(authority)


@pytest.fixture
def other_host() -> str:
    """An address of this machine that is not loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
            return probe.getsockname()[0]
        except OSError:
            pytest.skip("this machine has no address but loopback")


def connect(forwarder: Forwarder, host: str) -> smtplib.SMTP:
    client = smtplib.SMTP(host, forwarder.port, timeout=SECONDS)
    client.ehlo()
    return client


@pytest.fixture
def guarded(
    forward: Forward, upstream: Upstream, other_host: str, tmp_path: pathlib.Path
) -> tuple[Forwarder, ssl.SSLContext]:
    tls, context = certificate(tmp_path)
    context.check_hostname = False
    clients = {
        "app": {"password": "right"},
        "elsewhere": {"password": "right", "networks": ["198.51.100.0/24"]},
    }
    return forward(upstream, listen=[f"{other_host}:0"], tls=tls, clients=clients), context


def test_a_stranger_is_refused_at_each_recipient(
    guarded: tuple[Forwarder, ssl.SSLContext], other_host: str, upstream: Upstream
) -> None:
    forwarder, _ = guarded
    with connect(forwarder, other_host) as client:
        assert "auth" not in client.esmtp_features
        client.mail(SENDER)
        code, words = client.rcpt(RECIPIENT)
        assert (code, words[:5]) == (550, b"5.7.1")
    assert not upstream.messages
    forwarder.wait_for_log(f"refused from=<{SENDER}> rcpt=<{RECIPIENT}> client={other_host}")


def test_a_client_with_its_password_may_send_under_tls(
    guarded: tuple[Forwarder, ssl.SSLContext], other_host: str, upstream: Upstream
) -> None:
    forwarder, context = guarded
    for mechanism in ("auth_plain", "auth_login"):
        with connect(forwarder, other_host) as client:
            client.starttls(context=context)
            client.ehlo()
            client.user, client.password = "app", "right"
            code, _ = client.auth(mechanism[5:], getattr(client, mechanism))
            assert code == 235
            client.sendmail(SENDER, [RECIPIENT], CONTENT)
    assert b"with ESMTPSA\r\n" in upstream.messages[-1].content
    assert "right" not in forwarder.log()


@pytest.mark.parametrize(
    ("user", "password"), [("app", "wrong"), ("nobody", "right"), ("elsewhere", "right"), ("", "")]
)
def test_a_wrong_password_is_refused_and_not_logged(
    guarded: tuple[Forwarder, ssl.SSLContext], other_host: str, user: str, password: str
) -> None:
    forwarder, context = guarded
    with connect(forwarder, other_host) as client:
        client.starttls(context=context)
        client.ehlo()
        login = base64.b64encode(f"\0{user}\0{password}".encode()).decode()
        codes = [client.docmd("auth", f"plain {login}")[0] for _ in range(3)]
        assert codes == [535, 535, 535]
        with contextlib.suppress(smtplib.SMTPServerDisconnected):
            assert client.getreply()[0] == 421
        with pytest.raises(smtplib.SMTPServerDisconnected):
            client.noop()
    forwarder.wait_for_log(f"refused client={other_host} reason=")
    assert login not in forwarder.log()


def test_a_password_in_the_clear_is_not_asked_for(
    guarded: tuple[Forwarder, ssl.SSLContext], other_host: str
) -> None:
    with connect(guarded[0], other_host) as client:
        assert client.docmd("AUTH", "PLAIN AGFwcAByaWdodA==")[0] == 538


def test_what_follows_starttls_is_not_taken_for_encrypted(
    guarded: tuple[Forwarder, ssl.SSLContext], other_host: str
) -> None:
    with socket.create_connection((other_host, guarded[0].port), SECONDS) as client:
        client.sendall(b"EHLO x\r\nSTARTTLS\r\nMAIL FROM:<eve@example.com>\r\n")
        answers = client.makefile("rb").read().decode()
    assert answers.splitlines()[-1].startswith("554 5.5.1")
    assert "220 Ready" not in answers


def test_networks_may_be_allowed(forward: Forward, upstream: Upstream, other_host: str) -> None:
    forwarder = forward(
        upstream, listen=[f"{other_host}:0"], allowed_networks=[f"{other_host}/32"]
    )
    with connect(forwarder, other_host) as client:
        client.sendmail(SENDER, [RECIPIENT], CONTENT)
    assert upstream.messages


def test_a_handshake_that_fails_leaves_the_count_right(
    guarded: tuple[Forwarder, ssl.SSLContext], other_host: str
) -> None:
    forwarder, context = guarded
    forwarder.configure(limits={"connections_per_client": 1})
    forwarder.reload()

    def answers() -> bytes:
        with socket.create_connection((other_host, forwarder.port), SECONDS) as client:
            client.sendall(b"EHLO x\r\n")
            return client.recv(1000)

    for _ in range(3):
        with socket.create_connection((other_host, forwarder.port), SECONDS) as client:
            client.sendall(b"STARTTLS\r\n")
            while b"Ready" not in client.recv(1000):
                pass
            client.sendall(b"no handshake at all\r\n")
            with contextlib.suppress(OSError):
                while client.recv(1000):
                    pass
        wait_until(lambda: answers().startswith(b"220"))
    with connect(forwarder, other_host) as client:
        client.starttls(context=context)
        assert answers().startswith(b"421")

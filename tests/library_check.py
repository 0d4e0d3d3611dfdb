"""One combination of the matrix: run by a Python with the pydantic and the ops in question.

It speaks the Python of the oldest combination. `library_matrix.py` runs it, with two files as
arguments: the certificate of an authority, and the chain, with its key, of a relay at 127.0.0.1.
"""

from __future__ import annotations

import importlib
import json
import pathlib
import socket
import ssl
import sys
import tempfile
import threading
import warnings
from typing import Any
from unittest import mock

import ops
import ops.testing

META = """
name: charm
{role}:
  smtp:
    interface: smtp
"""
PASSWORD = "hunter2-secret"

with warnings.catch_warnings():
    warnings.simplefilter("error")
    from charms.smtp_integrator.v0 import smtp

    assert "pydantic" not in sys.modules, "importing the library imports pydantic"
    assert importlib.reload(smtp) is smtp
    assert smtp.SmtpRelationData is smtp.SmtpRelationData


class Requirer(ops.CharmBase):
    """Records the events of the library."""

    def __init__(self, framework: ops.Framework) -> None:
        super().__init__(framework)
        self.events: list[object] = []
        self.defers = False
        self.smtp = smtp.SmtpRequires(self)
        self.framework.observe(self.smtp.on.smtp_data_available, self._on_smtp_data_available)
        self.framework.observe(self.smtp.on.smtp_data_removed, self._on_smtp_data_removed)

    def _on_smtp_data_available(self, event: smtp.SmtpDataAvailableEvent) -> None:
        if self.defers:
            event.defer()
            return
        relay = self.smtp.get_relation_data()
        assert relay
        self.events.append((event.host, event.port, relay.password))

    def _on_smtp_data_removed(self, _: smtp.SmtpDataRemovedEvent) -> None:
        self.events.append("removed")


class Provider(ops.CharmBase):
    """Has the library's other side."""

    def __init__(self, framework: ops.Framework) -> None:
        super().__init__(framework)
        self.smtp = smtp.SmtpProvides(self)


def harness(charm: type[ops.CharmBase], role: str) -> Any:
    with warnings.catch_warnings():
        # Newer versions of ops have another way to test, and older ones have this alone.
        warnings.simplefilter("ignore", PendingDeprecationWarning)
        made: Any = ops.testing.Harness(charm, meta=META.format(role=role))
    made.begin()
    return made


def taken_events(requirer: Any) -> list[object]:
    events, requirer.charm.events = requirer.charm.events, []
    return events


def published(relay: smtp.SmtpRelationData) -> dict[str, str]:
    """Return the databag that a provider writes, in one write."""
    provider = harness(Provider, "provides")
    provider.set_leader(True)
    relation_id = provider.add_relation("smtp", "requirer")
    relation = provider.model.get_relation("smtp", relation_id)
    provider.charm.smtp.update_relation_data(relation, relay)
    assert not provider.charm.smtp.publish(relay.to_relation_data())
    databag = dict(provider.get_relation_data(relation_id, "charm"))
    provider.cleanup()
    return databag


def check_round_trip() -> None:
    requirer = harness(Requirer, "requires")
    assert requirer.charm.smtp.read().state is smtp.SmtpState.NO_RELATION
    relation_id = requirer.add_relation("smtp", "mail")
    assert requirer.charm.smtp.read().state is smtp.SmtpState.WAITING_FOR_PROVIDER
    secret_id = requirer.add_model_secret("mail", {"password": PASSWORD})
    fields: dict[str, Any] = {"recipients": "a@example.com, b@example.com"}
    relay = smtp.SmtpRelationData(
        host="smtp.example.com",
        port=587,
        user="alice",
        password_id=secret_id,
        auth_type=smtp.AuthType.PLAIN,
        transport_security=smtp.TransportSecurity.STARTTLS,
        smtp_sender="noreply@example.com",
        **fields,
    )
    databag = published(relay)
    assert databag == {
        "host": "smtp.example.com",
        "port": "587",
        "user": "alice",
        "password_id": secret_id,
        "auth_type": "plain",
        "transport_security": "starttls",
        "skip_ssl_verify": "False",
        "smtp_sender": "noreply@example.com",
        "recipients": '["a@example.com", "b@example.com"]',
    }

    requirer.update_relation_data(relation_id, "mail", databag)
    assert taken_events(requirer) == [], "refused: the secret is not granted"
    assert requirer.charm.smtp.read().state is smtp.SmtpState.WAITING_FOR_SECRET
    requirer.grant_secret(secret_id, "charm")
    requirer.charm.on.update_status.emit()
    requirer.charm.on.update_status.emit()
    assert taken_events(requirer) == [("smtp.example.com", 587, PASSWORD)]

    requirer.set_secret_content(secret_id, {"password": "rotated"})
    assert taken_events(requirer) == [("smtp.example.com", 587, "rotated")]
    read = requirer.charm.smtp.read()
    assert dict(read.data) == {**dict(relay), "password": "rotated"}
    assert "rotated" not in repr(read)
    assert read.data.to_uri() == "smtp://alice:rotated@smtp.example.com:587"
    assert read.data.to_env()["SMTP_STARTTLS"] == "true"
    assert read.data.from_address() == "noreply@example.com"
    assert read.data.ssl_context().check_hostname

    requirer.update_relation_data(relation_id, "mail", {"auth_type": "wrong"})
    assert requirer.charm.smtp.read().invalid_fields == ("auth_type",)
    assert taken_events(requirer) == []
    requirer.charm.defers = True
    requirer.update_relation_data(relation_id, "mail", {"auth_type": "plain"})
    requirer.charm.defers = False
    requirer.framework.reemit()
    assert taken_events(requirer) == [("smtp.example.com", 587, "rotated")]
    requirer.remove_relation(relation_id)
    assert taken_events(requirer) == ["removed"]
    requirer.cleanup()


def check_model() -> None:
    import pydantic  # noqa: PLC0415 - the library's import must not be its

    data = smtp.SmtpRelationData(
        host="h",
        port=25,
        auth_type=smtp.AuthType.NONE,
        transport_security=smtp.TransportSecurity.NONE,
        password=PASSWORD,
    )
    data.user = "assigned"
    assert data.to_relation_data()["user"] == "assigned"
    assert PASSWORD not in repr(data) + str(data)
    wrong: dict[str, Any] = {"port": "x", "password": PASSWORD, "smtp_sender": "a@b"}
    shown = ""
    try:
        smtp.SmtpRelationData(**wrong)
    except pydantic.ValidationError as e:
        shown = repr(e) + str(e) + repr(e.errors()) + e.json()
    assert "port" in shown
    assert PASSWORD not in shown


def check_texts() -> None:
    """Malformed texts are hidden in the errors, and in what these came from."""
    model: Any = smtp.SmtpRelationData
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        file = pathlib.Path(folder) / "relay.json"
        for text in (f'{{"password": "{PASSWORD}"', f'{{"password": "{PASSWORD}"}}', PASSWORD):
            file.write_text(text, encoding="ascii")
            for parse, source in ((model.parse_raw, text), (model.parse_file, file)):
                shown = ""
                try:
                    parse(source)
                except ValueError as e:
                    known: Any = e
                    details: Any = getattr(known, "errors", known.__repr__)()
                    shown = f"{e} {e!r} {details} {e.__cause__!r} {e.__context__!r}"
                assert shown
                assert PASSWORD not in shown


def check_addresses() -> None:
    fields: dict[str, Any] = {"smtp_sender": "ops@xn--bcher-kva.example"}
    fields["recipients"] = ["a@bücher.example", "ü@bücher.example"]
    relay = smtp.SmtpRelationData(
        host="straße.example",
        port=25,
        auth_type=smtp.AuthType.NONE,
        transport_security=smtp.TransportSecurity.NONE,
        **fields,
    )
    databag = relay.to_relation_data()
    assert databag["host"] == "xn--strae-oqa.example"
    assert databag["smtp_sender"] == fields["smtp_sender"]
    assert json.loads(databag["recipients"]) == ["a@xn--bcher-kva.example", "ü@bücher.example"]


def serve(listener: socket.socket, chain: str) -> None:
    """Serve one session over TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain)
    accepted, _ = listener.accept()
    with context.wrap_socket(accepted, server_side=True) as connection:
        connection.sendall(b"220 relay.test ESMTP\r\n")
        for answer in (b"250 relay.test\r\n", b"221 bye\r\n"):
            connection.recv(1024)
            connection.sendall(answer)


def check_tls(authority: str, chain: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        relay = smtp.SmtpRelationData(
            host="127.0.0.1",
            port=listener.getsockname()[1],
            auth_type=smtp.AuthType.NONE,
            transport_security=smtp.TransportSecurity.TLS,
            tls_ca_chain=pathlib.Path(authority).read_text(encoding="ascii"),
        )
        server = threading.Thread(target=serve, args=(listener, chain), daemon=True)
        server.start()
        with relay.connect() as client:
            assert client.ehlo_resp == b"relay.test"
        server.join()


def serve_tokens(listener: socket.socket, chain: str, forms: list[bytes]) -> None:
    """Answer one form over TLS with a token."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain)
    accepted, _ = listener.accept()
    with context.wrap_socket(accepted, server_side=True) as connection:
        lines = connection.makefile("rb")
        length = 0
        for line in iter(lines.readline, b"\r\n"):
            name, _, value = line.decode().partition(":")
            length = int(value) if name.lower() == "content-length" else length
        forms.append(lines.read(length))
        answer = b'{"access_token": "token-1", "expires_in": 3600}'
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(answer) + answer)


def check_oauth(authority: str, chain: str) -> None:
    requirer = harness(Requirer, "requires")
    relation_id = requirer.add_relation("smtp", "mail")
    forms: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        content = {
            "token-url": f"https://127.0.0.1:{listener.getsockname()[1]}/token",
            "client-id": "mailer",
            "client-secret": PASSWORD,
        }
        secret_id = requirer.add_model_secret("mail", content)
        requirer.grant_secret(secret_id, "charm")
        databag = smtp.encode_relation_data(
            host="smtp.example.com",
            port=587,
            auth_type="none",
            transport_security="starttls",
            user="alice",
            oauth_id=secret_id,
            tls_ca_chain=pathlib.Path(authority).read_text(encoding="ascii"),
        )
        requirer.update_relation_data(relation_id, "mail", databag)
        assert taken_events(requirer) == [("smtp.example.com", 587, None)]
        read = requirer.charm.smtp.read()
        assert PASSWORD not in repr(read)
        arguments = (listener, chain, forms)
        server = threading.Thread(target=serve_tokens, args=arguments, daemon=True)
        server.start()
        assert [read.data.access_token(60.0) for _ in range(2)] == ["token-1", "token-1"]
        server.join()
    assert len(forms) == 1
    assert f"client_secret={PASSWORD}".encode() in forms[0]
    assert read.data.credentials is None
    assert read.data.to_env()["SMTP_OAUTH_CLIENT_SECRET"] == PASSWORD
    assert read.data.to_relation_data() == databag
    assert read.data == type(read.data)(**dict(read.data))
    requirer.set_secret_content(secret_id, {**content, "client-secret": "renewed"})
    assert len(taken_events(requirer)) == 1
    assert requirer.charm.smtp.read().data.oauth.client_secret == "renewed"
    requirer.cleanup()


def check_mocks() -> None:
    mock.create_autospec(smtp.SmtpRequires).get_relation_data()
    smtp.SmtpRequires(mock.MagicMock())


if __name__ == "__main__":
    check_model()
    check_round_trip()
    check_mocks()
    check_texts()
    check_addresses()
    check_tls(*sys.argv[1:])
    check_oauth(*sys.argv[1:])

"""A relay on a real socket, that offers what a test wants, and certificates for it."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import datetime as dt
import ipaddress
import json
import re
import secrets
import socket
import ssl
import threading
from typing import TYPE_CHECKING, ClassVar

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Callable

    from typing_extensions import Self

CHALLENGE = "<1896.697170952@relay.test>"


@dataclasses.dataclass(frozen=True)
class Certificate:
    """A certificate for 127.0.0.1, and the authority that signed it.

    Attributes:
        authority: The authority's certificate, as PEM. It leaves out the extension key usage, as
            many a private one does.
        chain: The file of the relay's key and certificate.
        server: The context of a relay that has the certificate.
    """

    authority: str
    chain: pathlib.Path
    server: ssl.SSLContext


def certificate(folder: pathlib.Path) -> Certificate:
    """Make an authority and a certificate; the key stands in a file of the folder."""
    root_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    root_name, name = (
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{who} {secrets.token_hex(4)}")])
        for who in ("Authority", "Relay")
    )
    now = dt.datetime.now(dt.timezone.utc)
    identifier = x509.SubjectKeyIdentifier.from_public_key(root_key.public_key())

    def build(
        subject: x509.Name, public_key: ec.EllipticCurvePublicKey
    ) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder(root_name, subject, public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(days=1))
            .not_valid_after(now + dt.timedelta(days=30))
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier),
                critical=False,
            )
        )

    root = (
        build(root_name, root_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(identifier, critical=False)
        .sign(root_key, hashes.SHA256())
    )
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    leaf = (
        build(name, key.public_key())
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .sign(root_key, hashes.SHA256())
    )
    private_key = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    chain = folder / f"{leaf.serial_number}.pem"
    chain.write_bytes(private_key + leaf.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain)
    return Certificate(root.public_bytes(serialization.Encoding.PEM).decode(), chain, context)


class Relay:
    """Serves one session after the other, in a thread.

    Args:
        offers: The extensions that EHLO lists in the clear.
        offers_in_tls: The extensions that EHLO lists once the connection is encrypted.
        tls: The context for TLS.
        implicit: Whether TLS starts with the first byte.
        answers: What to answer to a verb, in the place of consent.

    Attributes:
        port: Where it listens on 127.0.0.1.
        received: Each line that came in, after `tls ` or `clear `.
        ended: How each session ended: `quit`, `dropped` or `failed handshake`.
    """

    def __init__(
        self,
        *offers: str,
        offers_in_tls: tuple[str, ...] = (),
        tls: ssl.SSLContext | None = None,
        implicit: bool = False,
        greeting: str = "220 relay.test ESMTP",
        answers: dict[str, str] | None = None,
    ) -> None:
        self._offers = {False: offers, True: offers_in_tls}
        self._tls = tls
        self._implicit = implicit
        self._greeting = greeting
        self._answers = answers or {}
        self._listener = socket.create_server(("127.0.0.1", 0))
        # Else each answer after TLS 1.3's tickets waits 40 ms for their acknowledgement.
        self._listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._thread = threading.Thread(target=self._serve)
        self._ending = False
        self.port: int = self._listener.getsockname()[1]
        self.received: list[str] = []
        self.ended: list[str] = []

    @property
    def verbs(self) -> list[str]:
        return [line.split(" ")[1].upper() for line in self.received]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending = True
        # accept() goes on at a last connection.
        socket.create_connection(("127.0.0.1", self.port)).close()
        self._thread.join()
        self._listener.close()

    def _serve(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            if self._ending:
                connection.close()
                return
            self.ended.append(self._session(connection))

    def _session(self, connection: socket.socket) -> str:
        try:
            if self._implicit:
                connection = self._encrypted(connection)
            self._say(connection, self._greeting)
            while True:
                stream = connection.makefile("rb")
                received = stream.readline()
                stream.close()
                if not received:
                    return "dropped"
                line = received.decode().rstrip("\r\n")
                connection = self._obey(connection, line)
                if line.upper() == "QUIT":
                    return "quit"
        except ssl.SSLError:
            return "failed handshake"
        except OSError:
            return "dropped"
        finally:
            connection.close()

    def _obey(self, connection: socket.socket, line: str) -> socket.socket:
        encrypted = isinstance(connection, ssl.SSLSocket)
        self.received.append(f"{'tls' if encrypted else 'clear'} {line}")
        return self._answer(connection, line, encrypted=encrypted)

    def _answer(self, connection: socket.socket, line: str, *, encrypted: bool) -> socket.socket:
        verb, _, argument = line.upper().partition(" ")
        if verb in self._answers:
            self._say(connection, self._answers[verb])
        elif verb == "EHLO":
            lines = ["relay.test", *self._offers[encrypted]]
            said = [f"250-{text}" for text in lines[:-1]] + [f"250 {lines[-1]}"]
            self._say(connection, "\r\n".join(said))
        elif verb == "STARTTLS":
            self._say(connection, "220 go ahead")
            return self._encrypted(connection)
        elif verb == "AUTH":
            self._say(connection, self._challenge(argument))
        elif verb == "DATA":
            self._say(connection, "354 go on")
            self._message(connection)
            self._say(connection, "250 taken")
        elif verb in {"MAIL", "RCPT", "RSET", "NOOP"}:
            self._say(connection, "250 fine")
        elif verb == "QUIT":
            self._say(connection, "221 bye")
        else:
            # What answers a challenge is no verb.
            logins = [text for text in self.received if text.split(" ")[1:2] != ["EHLO"]]
            first_of_two = logins[-2].upper().endswith("AUTH LOGIN")
            self._say(connection, "334 UGFzc3dvcmQ6" if first_of_two else "235 welcome")
        return connection

    def _challenge(self, argument: str) -> str:
        if argument == "LOGIN":
            return "334 VXNlcm5hbWU6"
        if argument == "CRAM-MD5":
            return f"334 {base64.b64encode(CHALLENGE.encode()).decode()}"
        return "235 welcome"

    def _message(self, connection: socket.socket) -> None:
        with connection.makefile("rb") as stream:
            while stream.readline() not in {b".\r\n", b""}:
                pass

    def _encrypted(self, connection: socket.socket) -> socket.socket:
        assert self._tls
        return self._tls.wrap_socket(connection, server_side=True)

    def _say(self, connection: socket.socket, text: str) -> None:
        with contextlib.suppress(BrokenPipeError):
            connection.sendall(f"{text}\r\n".encode())


class TokenRelay(Relay):
    """Takes tokens by OAUTHBEARER and XOAUTH2, and says in JSON why it does not (RFC 7628).

    Args:
        is_good: Tells whether it takes a token.
        offers: The extensions that EHLO lists.
        asks: Whether it asks for the response though it came with the command.
        refusal: What it says at the end, in the place of consent.
        hangs_up: Whether it goes after that.
        tls: The context for TLS from the first byte; in the clear without it.

    Attributes:
        attempts: The user and the token of each attempt.
        commands: How each attempt began: the command, without its response.
        answers: What the client said to each error challenge.
    """

    ERROR: ClassVar = {"status": "invalid_token", "schemes": "bearer", "scope": "mail.send"}

    def __init__(
        self,
        is_good: Callable[[str], bool],
        *offers: str,
        asks: bool = False,
        refusal: str = "535 5.7.8 the token is bad",
        hangs_up: bool = False,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        super().__init__(*offers, offers_in_tls=offers, tls=tls, implicit=tls is not None)
        self._is_good = is_good
        self._asks = asks
        self._refusal = refusal
        self._hangs_up = hangs_up
        self._expected = ""
        self.attempts: list[tuple[str, str]] = []
        self.commands: list[str] = []
        self.answers: list[str] = []

    def _answer(self, connection: socket.socket, line: str, *, encrypted: bool) -> socket.socket:
        verb, *arguments = line.split(" ")
        if self._expected == "answer":
            self._expected = ""
            self.answers.append(line)
            self._say(connection, self._refusal)
            if self._hangs_up:
                connection.shutdown(socket.SHUT_RDWR)
        elif self._expected == "response":
            self._say(connection, self._judged(line))
        elif verb == "AUTH":
            self.commands.append(" ".join([verb, *arguments[:1]]))
            is_whole = len(arguments) > 1 and not self._asks
            self._expected = "response"
            self._say(connection, self._judged(arguments[1]) if is_whole else "334 ")
        else:
            return super()._answer(connection, line, encrypted=encrypted)
        return connection

    def _judged(self, response: str) -> str:
        user, token = parsed(self.commands[-1].rpartition(" ")[2], response, self.port)
        self.attempts.append((user, token))
        self._expected = "" if self._is_good(token) else "answer"
        error = base64.b64encode(json.dumps(self.ERROR).encode()).decode()
        return f"334 {error}" if self._expected else "235 welcome"


def parsed(mechanism: str, response: str, port: int) -> tuple[str, str]:
    """Return the user and the token of an initial response, every octet of which is checked."""
    fields = base64.b64decode(response, validate=True).decode().split("\1")
    if mechanism == "OAUTHBEARER":
        name, host, to_port, bearer, *end = fields
        assert (host, to_port) == ("host=127.0.0.1", f"port={port}")
        user = re.fullmatch("n,a=([^,]*),", name)
    else:
        name, bearer, *end = fields
        user = re.fullmatch("user=(.*)", name)
    assert user
    assert end == ["", ""]
    assert bearer.startswith("auth=Bearer ")
    return user[1].replace("=2C", ",").replace("=3D", "="), bearer.removeprefix("auth=Bearer ")

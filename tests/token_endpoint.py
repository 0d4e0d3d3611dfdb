"""A token endpoint of OAuth 2.0 over TLS, for tests: it issues tokens, and checks all it is sent.

    with token_endpoint.serving(lifetime=3.0) as endpoint:
        content = endpoint.content("client-secret")  # what the operator's secret would hold

It knows one client by a secret, by a key with its certificate, as a service account, and by
refresh tokens, and tells who holds a token (RFC 7662).
"""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import hmac
import http.server
import json
import pathlib
import secrets
import socketserver
import tempfile
import threading
import time
import urllib.parse
from typing import TYPE_CHECKING, Any

from cryptography.exceptions import InvalidSignature

from tests import client_key
from tests.unit.relay_check import certificate_authority as ca

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

USER = "notifications@example.com"
CLIENT = "8d0f3c1e-mailer"
SCOPE = "https://outlook.office365.com/.default"
BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
JWT_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
# Entra's have about as many letters: too many for one command of SMTP.
TOKEN_LENGTH = 1400

Answer = tuple[int, "Mapping[str, Any] | str"]


class _RefusedError(Exception):
    """RFC 6749 section 5.2."""

    def __init__(self, error: str, description: str, status: int = 400) -> None:
        super().__init__(error)
        self.status = status
        self.body = {"error": error, "error_description": description}


@dataclasses.dataclass
class Client:
    """Who may have tokens, and for which mailbox."""

    id: str
    secret: str
    key: client_key.Key
    scope: str = SCOPE
    user: str = USER


@dataclasses.dataclass
class _Issued:
    user: str
    scope: str
    expires: float


class Endpoint:
    """The endpoint, which its attributes change while it serves.

    Attributes:
        address: What it listens on from the next `start()` on.
        ca: PEM of the CA of its certificate.
        lifetime: How long a token lives, in seconds.
        client: Whom it knows.
        rotates: Whether a refresh token serves once; a used one that comes again ends them all.
        refresh_tokens: Those that are valid.
        requests: The forms that came to `url`, in their order.
        answer: The status and the body that it answers in place of a token.
        headers: More headers of its answers.
        ahead: How far its clock is ahead of this machine's, in seconds.
        issued: The tokens that it issued, in their order.
    """

    def __init__(self, lifetime: float, address: str, *, elliptic: bool) -> None:
        self.address = address
        self._host = "localhost" if address == "127.0.0.1" else address
        root = ca.make(subject="Identity Provider's CA", authority=True)
        self.ca = root.pem
        with tempfile.TemporaryDirectory() as folder:
            names = dict.fromkeys((self._host, address))
            certificate = ca.make(*names, issuer=root)
            self.context = certificate.context(pathlib.Path(folder))
        self.lifetime = lifetime
        self.client = Client(
            CLIENT, secrets.token_urlsafe(30), client_key.shared(elliptic=elliptic)
        )
        self.rotates = False
        self.refresh_tokens: set[str] = set()
        self.requests: list[dict[str, str]] = []
        self.answer: Answer | None = None
        self.headers: dict[str, str] = {}
        self.ahead = 0.0
        self.issued: list[str] = []
        self._held: dict[str, _Issued] = {}
        self._used_refresh_tokens: set[str] = set()
        self._lock = threading.Lock()
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None
        self.port = 0
        self.issue_refresh_token()

    @property
    def url(self) -> str:
        return f"https://{self._host}:{self.port}/token"

    @property
    def introspection_url(self) -> str:
        return f"https://{self._host}:{self.port}/introspect"

    @property
    def secrets(self) -> set[str]:
        """What must stand in no log: secrets, tokens, assertions, and lines of the key."""
        lines = self.client.key.private.strip().splitlines()[1:-1]
        assertions = {
            form[name]
            for form in self.requests
            for name in ("assertion", "client_assertion")
            if name in form
        }
        refresh_tokens = self.refresh_tokens | self._used_refresh_tokens
        return {self.client.secret, *lines, *self.issued, *refresh_tokens, *assertions}

    def content(self, kind: str) -> dict[str, str]:
        """Return the content of an operator's secret.

        Args:
            kind: `client-secret`, `private-key`, `service-account` (a private key that acts for
                the mailbox) or `refresh-token`.
        """
        client = self.client
        content = {"token-url": self.url, "client-id": client.id, "scope": client.scope}
        return (
            content
            | {
                "client-secret": {"client-secret": client.secret},
                "private-key": {
                    "private-key": client.key.private,
                    "certificate": client.key.certificate,
                },
                "service-account": {"private-key": client.key.private, "subject": client.user},
                "refresh-token": {
                    "refresh-token": min(self.refresh_tokens),
                    "client-secret": client.secret,
                },
            }[kind]
        )

    def issue_refresh_token(self) -> str:
        """Return a new refresh token, as a person's consent in a browser would bring."""
        token = secrets.token_urlsafe(60)
        self.refresh_tokens.add(token)
        return token

    def forget(self) -> None:
        """Be as at first for the next test, whatever this one scripted."""
        self.answer = None
        self.headers.clear()
        self.ahead = 0.0
        self.rotates = False
        self.requests.clear()
        self.issued.clear()
        if not self.refresh_tokens:
            self.issue_refresh_token()

    def revoke(self) -> None:
        """End all tokens that were issued so far."""
        with self._lock:
            self._held.clear()

    def start(self) -> None:
        """Serve, after `stop()` on the same port."""
        self._server = _Server(self, (self.address, self.port))
        self.port = self._server.server_address[1]
        # Tests wait for stop(), which waits for the next look at whether to go on.
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def stop(self) -> None:
        """Be down: connections are refused."""
        if not self._server or not self._thread:
            return
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self._server = self._thread = None

    def answer_to(self, path: str, form: dict[str, str]) -> Answer:
        """Return the answer to a form."""
        with self._lock:
            if path == "/introspect":
                return 200, self._introspect(form.get("token", ""))
            if path != "/token":
                return 404, "not found"
            self.requests.append(form)
            if self.answer:
                return self.answer
            try:
                return 200, self._grant(form)
            except _RefusedError as e:
                return e.status, e.body

    def _introspect(self, token: str) -> dict[str, Any]:
        held = self._held.get(token)
        if not held or held.expires <= time.time():
            return {"active": False}
        return {
            "active": True,
            "username": held.user,
            "scope": held.scope,
            "exp": int(held.expires),
        }

    def _grant(self, form: dict[str, str]) -> dict[str, Any]:
        kind = form.get("grant_type", "")
        if kind == JWT_GRANT:
            claims = self._claims(form.get("assertion", ""), subject=self.client.user)
            return self._issue(str(claims.get("scope", "")), str(claims["sub"]))
        if kind == "client_credentials":
            self._authenticate(form)
            return self._issue(form.get("scope", ""), self.client.user)
        if kind == "refresh_token":
            if form.get("client_secret"):
                self._authenticate(form)
            elif form.get("client_id") != self.client.id:
                raise _RefusedError("invalid_client", "the client is unknown", 401)
            refreshed = self._refresh(form.get("refresh_token", ""))
            scope = form.get("scope", self.client.scope)
            return self._issue(scope, self.client.user) | refreshed
        raise _RefusedError("unsupported_grant_type", "no such grant")

    def _authenticate(self, form: dict[str, str]) -> None:
        if form.get("client_id") != self.client.id:
            raise _RefusedError("invalid_client", "the client is unknown", 401)
        if "client_assertion" in form:
            if form.get("client_assertion_type") != BEARER:
                raise _RefusedError("invalid_client", "the type of the assertion is unknown", 401)
            self._claims(form["client_assertion"], subject=self.client.id, thumbprints=True)
        elif not hmac.compare_digest(form.get("client_secret", ""), self.client.secret):
            raise _RefusedError("invalid_client", "the client secret is wrong", 401)

    def _refresh(self, token: str) -> dict[str, str]:
        if token in self._used_refresh_tokens:
            self._used_refresh_tokens |= self.refresh_tokens
            self.refresh_tokens.clear()
            self._held.clear()
        if token not in self.refresh_tokens:
            raise _RefusedError("invalid_grant", "the refresh token is used up or unknown")
        if not self.rotates:
            return {}
        self.refresh_tokens.discard(token)
        self._used_refresh_tokens.add(token)
        return {"refresh_token": self.issue_refresh_token()}

    def _issue(self, scope: str, user: str) -> dict[str, Any]:
        if scope != self.client.scope:
            raise _RefusedError("invalid_scope", "the scope is not allowed")
        token = secrets.token_urlsafe(TOKEN_LENGTH)[:TOKEN_LENGTH]
        self.issued.append(token)
        self._held[token] = _Issued(user, scope, time.time() + self.lifetime)
        return {"access_token": token, "token_type": "Bearer", "expires_in": self.lifetime}

    def _claims(
        self, assertion: str, *, subject: str, thumbprints: bool = False
    ) -> dict[str, Any]:
        """Check an assertion as RFC 7523 section 3 says, and return its claims."""
        try:
            signed, _, signature = assertion.rpartition(".")
            header, claims = (json.loads(_unbase64url(part)) for part in signed.split("."))
            self.client.key.verify(header["alg"], signed.encode(), _unbase64url(signature))
        except (ValueError, KeyError, InvalidSignature):
            raise _RefusedError(
                "invalid_client", "the assertion's signature is bad", 401
            ) from None
        if thumbprints:
            wrong = [n for n, v in self.client.key.thumbprints.items() if header.get(n) != v]
            if wrong:
                words = f"{', '.join(wrong)} names no known certificate"
                raise _RefusedError("invalid_client", words, 401)
        expected = {"iss": self.client.id, "sub": subject, "aud": self.url}
        wrong = [name for name, value in expected.items() if claims.get(name) != value]
        if wrong:
            words = f"{', '.join(wrong)} of the assertion is wrong"
            raise _RefusedError("invalid_grant", words)
        now = time.time() + self.ahead
        if not now < claims["exp"] <= now + 3660 or claims.get("nbf", now) > now + 60:
            raise _RefusedError("invalid_grant", "the assertion is not within its time range")
        return claims


def _unbase64url(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


class _Handler(http.server.BaseHTTPRequestHandler):
    timeout = 30

    def do_POST(self) -> None:
        size = int(self.headers.get("Content-Length", "0"))
        form = dict(urllib.parse.parse_qsl(self.rfile.read(size).decode()))
        server = self.server
        assert isinstance(server, _Server)
        status, body = server.endpoint.answer_to(self.path, form)
        content = (body if isinstance(body, str) else json.dumps(body)).encode()
        headers = {
            "Content-Type": "text/html" if isinstance(body, str) else "application/json",
            "Content-Length": str(len(content)),
            "Date": self.date_time_string(time.time() + server.endpoint.ahead),
        }
        self.send_response_only(status)
        for name, value in (headers | server.endpoint.headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Say nothing: a test looks at `requests`."""


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    request_queue_size = 50

    def __init__(self, endpoint: Endpoint, address: tuple[str, int]) -> None:
        self.endpoint = endpoint
        super().__init__(address, _Handler)

    def finish_request(self, request: Any, client_address: Any) -> None:
        # In the thread of the request: one client that is slow keeps no other waiting.
        request.settimeout(_Handler.timeout)
        with self.endpoint.context.wrap_socket(request, server_side=True) as wrapped:
            super().finish_request(wrapped, client_address)

    def shutdown_request(self, request: Any) -> None:
        with contextlib.suppress(OSError):
            super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a client that trusts another CA, or leaves, is the point of a test."""


@contextlib.contextmanager
def serving(
    lifetime: float = 3600.0, *, address: str = "127.0.0.1", elliptic: bool = False
) -> Generator[Endpoint]:
    """Serve as long as the context lasts.

    Args:
        lifetime: How long a token lives, in seconds.
        address: What it listens on, and what its certificate names beside `localhost`.
        elliptic: Whether the client's key is an EC key in place of an RSA one.
    """
    endpoint = Endpoint(lifetime, address, elliptic=elliptic)
    endpoint.start()
    try:
        yield endpoint
    finally:
        endpoint.stop()

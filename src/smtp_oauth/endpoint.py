"""Ask a token endpoint (RFC 6749 section 3.2), over TLS that is verified, within a time limit."""

from __future__ import annotations

import contextlib
import dataclasses
import email.utils
import http.client
import math
import os
import re
import socket
import ssl
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from typing import TYPE_CHECKING

from smtp_oauth.grant import Grant, GrantError
from smtp_oauth.refusal import Kind, Refusal, TokenError, json_object

if TYPE_CHECKING:
    from collections.abc import Mapping

_MAX_ANSWER = 256 * 1024
# RFC 6749 section 5.1 lets an endpoint leave it out.
_DEFAULT_LIFETIME = 300.0
# RFC 6749 appendix A.12.
_TOKEN = re.compile(r"[\x20-\x7e]+")
_SUCCESS = 200
# Seconds; less is the way and the answer's own time.
_NOTABLE_SKEW = 30


@dataclasses.dataclass(frozen=True)
class Token:
    """An access token.

    Attributes:
        value: What AUTH sends.
        expires_in: How long it lives, in seconds from when it was fetched.
        refresh_token: What takes the place of the refresh token that was used; empty if that
            goes on.
    """

    value: str = dataclasses.field(repr=False)
    expires_in: float
    refresh_token: str = dataclasses.field(default="", repr=False)


@dataclasses.dataclass(frozen=True)
class _Answer:
    status: int
    body: bytes = dataclasses.field(repr=False)
    date: str


def fetch(
    grant: Grant,
    *,
    ca: str = "",
    timeout: float = 10.0,
    proxies: Mapping[str, str] | None = None,
) -> Token:
    """Fetch a token; this blocks.

    Without `proxies`, a proxy is used as the environment says: `https_proxy` and `no_proxy`, or in
    a hook `JUJU_CHARM_HTTPS_PROXY` and `JUJU_CHARM_NO_PROXY`. Redirections are not followed.

    Args:
        grant: What to ask with.
        ca: PEM of CA certificates to trust beside the system's.
        timeout: Limit for the whole, in seconds.
        proxies: The proxy, as `https`, and what is reached without it, as `no`.

    Raises:
        TokenError: If there is no token.
    """
    try:
        form = grant.form(time.time())
    except GrantError as e:
        raise TokenError(Kind.UNUSABLE_KEY, str(e)) from None
    request = urllib.request.Request(  # noqa: S310 - a grant's URL is of https
        grant.token_url,
        urllib.parse.urlencode(form, errors="replace").encode(),
        {"Accept": "application/json", "User-Agent": "smtp-oauth"},
    )
    answer = _ask(request, ca, timeout, proxies)
    token = _read(answer)
    if token:
        return token
    hidden = (*grant.secrets, form.get("assertion", ""), form.get("client_assertion", ""))
    error = Refusal.read(answer.status, answer.body).to_error(filter(None, hidden))
    if error.kind is Kind.CLOCK:
        error = TokenError(Kind.CLOCK, f"{error.words}{_skew(answer.date)}")
    raise error


def reach(url: str, *, ca: str = "", timeout: float = 10.0) -> None:
    """Find out whether there is an HTTPS server at a token endpoint, without asking for a token.

    Args:
        url: The token endpoint.
        ca: PEM of CA certificates to trust beside the system's.
        timeout: Limit for the whole, in seconds.

    Raises:
        TokenError: If there is none.
    """
    request = urllib.request.Request(url, headers={"User-Agent": "smtp-oauth"})  # noqa: S310
    _ask(request, ca, timeout)


def _ask(
    request: urllib.request.Request,
    ca: str,
    seconds: float,
    proxies: Mapping[str, str] | None = None,
) -> _Answer:
    """Ask in a thread: neither the resolver nor a server that trickles knows a limit."""
    asking = _Asking(request, ca, seconds, _proxy(request, proxies))
    thread = threading.Thread(target=asking.run, daemon=True)
    thread.start()
    thread.join(seconds)
    result = asking.result
    if result is None:
        asking.leave()
        raise TokenError(Kind.TIMEOUT, "no answer in time", temporary=True)
    if isinstance(result, TokenError):
        raise result
    return result


class _Asking:
    """One request in a thread of its own.

    Attributes:
        result: The answer, or why there is none: an error that rises out of the thread would have
            others behind it, and the body in them. None as long as it runs.
    """

    def __init__(
        self,
        request: urllib.request.Request,
        ca: str,
        seconds: float,
        proxy: urllib.request.ProxyHandler,
    ) -> None:
        self.result: _Answer | TokenError | None = None
        self._request = request
        self._ca = ca
        self._seconds = seconds
        self._proxy = proxy
        self._sockets: list[socket.socket] = []

    def run(self) -> None:
        """Set the result."""
        try:
            opener = urllib.request.OpenerDirector()
            for handler in (self._proxy, self._https(), urllib.request.UnknownHandler()):
                opener.add_handler(handler)
            with opener.open(self._request, timeout=self._seconds) as response:
                body = response.read(_MAX_ANSWER)
                date = response.headers.get("Date", "")
                self.result = _Answer(response.status, body, date)
        except urllib.error.URLError as e:
            self.result = _explain(
                e.reason if isinstance(e.reason, OSError) else OSError(str(e.reason))
            )
        except http.client.InvalidURL:
            # Its words quote the URL, in which a proxy's password may stand.
            self.result = TokenError(Kind.CONNECTION, "the URL of it, or of a proxy, is none")
        except (OSError, http.client.HTTPException) as e:
            self.result = _explain(e)
        except ValueError:
            self.result = TokenError(Kind.NAME, "no name of a server")

    def leave(self) -> None:
        """End the connection, so that the thread ends too."""
        for sock in self._sockets:
            with contextlib.suppress(OSError):
                # Not the one of TLS, which the thread has in its hands.
                socket.socket.shutdown(sock, socket.SHUT_RDWR)

    def _https(self) -> urllib.request.HTTPSHandler:
        context = ssl.create_default_context()
        if self._ca:
            # OpenSSL takes ASCII alone; bundles have comments in any language.
            ca = self._ca.replace("\ufeff", "\n").encode("ascii", "replace").decode()
            context.load_verify_locations(cadata=ca)
            # Python 3.13 began to refuse a private CA that leaves out what RFC 5280 demands.
            context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        sockets = self._sockets

        class Connection(http.client.HTTPSConnection):
            def connect(self) -> None:
                super().connect()
                sockets.append(self.sock)

        class Handler(urllib.request.HTTPSHandler):
            def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
                return self.do_open(Connection, req, context=context)

        return Handler()


def _proxy(
    request: urllib.request.Request, proxies: Mapping[str, str] | None
) -> urllib.request.ProxyHandler:
    """Return the proxy for a request; Juju gives its own to hooks under names of its own."""
    juju = os.environ.get("JUJU_CHARM_HTTPS_PROXY")
    if juju and not proxies:
        proxies = {"https": juju, "no": os.environ.get("JUJU_CHARM_NO_PROXY", "")}
    if not proxies:
        return urllib.request.ProxyHandler(urllib.request.getproxies())
    direct = {"no": proxies.get("no", "")}
    is_direct = urllib.request.proxy_bypass(request.host or "", direct)
    return urllib.request.ProxyHandler({} if is_direct else {"https": proxies["https"]})


def _explain(error: OSError | http.client.HTTPException) -> TokenError:
    if isinstance(error, ssl.SSLError):
        return _explain_tls(error)
    if isinstance(error, TimeoutError):
        return TokenError(Kind.TIMEOUT, "no answer in time", temporary=True)
    if isinstance(error, socket.gaierror):
        is_temporary = error.errno == socket.EAI_AGAIN
        return TokenError(Kind.NAME, error.strerror or "", temporary=is_temporary)
    # A connection that is dropped is an HTTPException too.
    if isinstance(error, http.client.HTTPException) and not isinstance(error, OSError):
        return TokenError(Kind.NO_TOKEN, "the answer is not HTTP")
    # What has no strerror is urllib's own, such as a refusal of the proxy.
    words = error.strerror or " ".join(str(error).split())
    return TokenError(Kind.CONNECTION, words, temporary=True)


def _explain_tls(error: ssl.SSLError) -> TokenError:
    if isinstance(error, ssl.SSLCertVerificationError):
        return TokenError(Kind.TLS, f"certificate: {error.verify_message}")
    # How Python was built decides which of the two an end in the handshake is.
    if isinstance(error, (ssl.SSLEOFError, ssl.SSLZeroReturnError)):
        return TokenError(Kind.CONNECTION, "closed the TLS connection", temporary=True)
    # Python has names only for the reasons that OpenSSL had then.
    words = re.sub(r"\[\w+\] | \(_ssl\.c:\d+\)", "", error.strerror or "handshake failed")
    return TokenError(Kind.TLS, (error.reason or words).replace("_", " ").lower())


def _read(answer: _Answer) -> Token | None:
    """Read a successful response (RFC 6749 section 5.1); None if it is none."""
    fields = json_object(answer.body)
    value, kind = fields.get("access_token"), fields.get("token_type", "Bearer")
    if answer.status != _SUCCESS or str(kind).lower() != "bearer":
        return None
    if not isinstance(value, str) or not _TOKEN.fullmatch(value):
        return None
    refresh_token = fields.get("refresh_token")
    return Token(
        value,
        _lifetime(fields.get("expires_in")),
        refresh_token if isinstance(refresh_token, str) else "",
    )


def _lifetime(given: object) -> float:
    """Return how long a token lives; some endpoints write the number as a string."""
    try:
        seconds = float(given) if isinstance(given, (int, float, str)) else math.nan
    except (ValueError, OverflowError):
        return _DEFAULT_LIFETIME
    return seconds if math.isfinite(seconds) and seconds > 0 else _DEFAULT_LIFETIME


def _skew(date: str) -> str:
    """Return how far this machine's clock is from an endpoint's, which its header tells."""
    try:
        seconds = time.time() - email.utils.parsedate_to_datetime(date).timestamp()
    except (ValueError, TypeError):
        return ""
    if abs(seconds) < _NOTABLE_SKEW:
        return ""
    direction = "ahead of" if seconds > 0 else "behind"
    return f"; this machine's clock is {abs(seconds):.0f} s {direction} the endpoint's"

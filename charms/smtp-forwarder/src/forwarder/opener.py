"""How a connection to the relay is made: greeted, encrypted and authenticated."""

import asyncio
import contextlib
import pathlib
import socket
import ssl
from collections.abc import Callable
from typing import TYPE_CHECKING

import aiosmtplib

from forwarder import channel, configuration
from forwarder.answers import one_line, printable
from forwarder.channel import TokenRefusedError, UnavailableError
from forwarder.concealment import concealed

if TYPE_CHECKING:
    from forwarder.oauth import Tokens

_MECHANISMS = ("plain", "login", "cram-md5")
_REFUSAL = "the relay refused user and password"


class Opener:
    """Opens connections to one relay."""

    def __init__(
        self,
        settings: configuration.Upstream,
        hostname: str,
        refresh_token: pathlib.Path,
        renewed: Callable[[], None],
    ) -> None:
        """Make an opener, and begin to fetch a token where the relay takes one.

        Args:
            settings: the relay.
            hostname: what EHLO says.
            refresh_token: the file of what takes the place of a refresh token that was used.
            renewed: called when there is a token again after there was none to be had.
        """
        self._settings = settings
        self._hostname = hostname
        self._tls: ssl.SSLContext | None = None
        self._tokens: Tokens | None = None
        if settings.oauth is not None:
            # Who speaks no OAuth does without what it needs.
            from forwarder import oauth  # noqa: PLC0415

            source = oauth.Source(settings.oauth, settings.ca, refresh_token, settings.proxies)
            self._tokens = oauth.Tokens(source, renewed)

    @property
    def awaited(self) -> str:
        """What a connection waits for."""
        is_without = self._tokens is not None and not self._tokens.held
        return "token endpoint" if is_without else "relay"

    async def open(self) -> channel.Channel:
        """Open a connection.

        An access token that is refused is thrown away. One that had been held for a while may have
        been revoked meanwhile: then the connection is made once more, with a new one.

        Raises:
            UnavailableError: if there is none to be had.
        """
        held = self._tokens.held if self._tokens else ""
        try:
            return await self._connect(held or await self._get_token())
        except TokenRefusedError:
            if not held:
                raise
        return await self._connect(await self._get_token())

    def try_now(self) -> None:
        """Fetch a token without waiting any longer, if there is none to be had."""
        if self._tokens is not None:
            self._tokens.try_now()

    def close(self) -> None:
        """Open no more connections."""
        if self._tokens is not None:
            self._tokens.close()

    async def _get_token(self) -> str:
        return await self._tokens.get() if self._tokens else ""

    async def _connect(self, token: str) -> channel.Channel:
        settings = self._settings
        security = settings.transport_security
        if security != "none" and self._tls is None:
            try:
                self._tls = await asyncio.to_thread(_client_tls, settings)
            except ssl.SSLError:
                raise UnavailableError("ca has no certificate in PEM") from None
        client = aiosmtplib.SMTP(
            hostname=settings.host,
            port=settings.port,
            use_tls=security == "tls",
            start_tls=security == "starttls",
            tls_context=self._tls,
            local_hostname=self._hostname,
            timeout=settings.timeout_seconds,
        )
        try:
            await client.connect()
            await self._introduce(client, token)
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            client.close()
            raise UnavailableError(_reason(error)) from None
        except BaseException:
            client.close()
            raise
        transport = client.transport
        if transport is None:
            raise UnavailableError("the relay closed the connection")
        opened = channel.Channel(settings.timeout_seconds, dict(client.esmtp_extensions))
        opened.attach(transport)
        return opened

    async def _introduce(self, client: aiosmtplib.SMTP, token: str) -> None:
        """Say EHLO, and authenticate once: a second try with a wrong password locks accounts."""
        if client.is_ehlo_or_helo_needed:
            with contextlib.suppress(aiosmtplib.SMTPHeloError):
                await client.ehlo()
        if client.is_ehlo_or_helo_needed:
            await client.helo()
        if self._tokens is not None:
            await self._tokens.present(client, self._settings.user, token)
        elif self._settings.user:
            await _log_in(client, self._settings.user, self._settings.password)


async def _log_in(client: aiosmtplib.SMTP, user: str, password: str) -> None:
    offered = [name for name in _MECHANISMS if name in client.server_auth_methods]
    if not offered:
        raise UnavailableError("the relay offers no AUTH that is known here")
    logins = {
        "plain": client.auth_plain,
        "login": client.auth_login,
        "cram-md5": client.auth_crammd5,
    }
    try:
        await logins[offered[0]](user, password)
    except UnicodeEncodeError:
        raise UnavailableError("user or password is no text that can be sent") from None
    except aiosmtplib.SMTPException as error:
        response = f"\0{user}\0{password}".encode()
        raise UnavailableError(concealed(_reason(error), _REFUSAL, password, response)) from None


def _client_tls(settings: configuration.Upstream) -> ssl.SSLContext:
    if settings.verify:
        # OpenSSL takes ASCII alone; bundles have comments in any language, and byte order marks.
        ca = settings.ca.replace("\ufeff", "\n").encode("ascii", "replace").decode()
        context = ssl.create_default_context(cadata=ca or None)
        if ca:
            # Python 3.13 began to refuse a private CA that leaves out what RFC 5280 demands.
            context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        return context
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _reason(error: Exception) -> str:
    """Say why a relay cannot be used, without what was sent to it."""
    if isinstance(error, aiosmtplib.SMTPResponseException):
        return one_line(error.code, error.message)
    cause = error.__cause__ or error
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"the relay's certificate is not accepted: {cause.verify_message}"
    if isinstance(cause, socket.gaierror):
        return "the relay's host name is not known"
    return printable(str(error)) or type(error).__name__

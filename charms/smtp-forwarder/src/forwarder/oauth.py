"""OAuth 2.0: the one access token that all connections to the relay use, and AUTH with it.

One task fetches the token ahead of its end. What the endpoint gives in the place of a refresh
token stands on disk before the access token is used.
"""

import asyncio
import base64
import contextlib
import dataclasses
import hashlib
import json
import os
import pathlib
import threading
import urllib.parse
from collections.abc import Callable, Mapping
from typing import Any, cast

import aiosmtplib

from forwarder import journal, queue_file
from forwarder.answers import Answer, one_line, printable
from forwarder.channel import TokenRefusedError, UnavailableError
from forwarder.concealment import concealed
from smtp_oauth import Grant, Token, TokenError, fetch, sasl

FIRST_PAUSE, LONGEST_PAUSE = 2.0, 300.0
# A token is fetched anew so long before its end, or where it is short-lived, at this part of it.
_AHEAD_SECONDS, _AHEAD_PART = 300.0, 1 / 3
_SHORTEST_WAIT = 1.0
# Who gives up on an endpoint that answers late loses the refresh token in its answer.
_FETCH_SECONDS = 15.0
# A relay that is tried for a while must not cost the refresh token of the one before it.
_MOST_KEPT = 8
# RFC 4954, section 4: with its response on the same line, AUTH is one command of 512 octets.
_LONGEST_COMMAND = 510
_CONTINUE, _WELCOME = 334, 235
_REFUSAL = "the relay refused user and token"

# Whoever is next sees what the endpoint gave last, also where another relay is configured.
_one_at_a_time = threading.Lock()


class Source:
    """Where tokens come from: a grant, and the refresh token that took the place of its own."""

    def __init__(
        self,
        grant: Grant,
        ca: str,
        path: pathlib.Path,
        proxies: Mapping[str, str] | None = None,
    ) -> None:
        """Make a source.

        Args:
            grant: what to ask the token endpoint with.
            ca: PEM of the CA certificates that it is verified with, beside the system's.
            path: the file of the newest refresh tokens, of this grant and of others.
            proxies: the way to the token endpoint, as `smtp_oauth.fetch` takes it.
        """
        self.kind = grant.kind
        self.name = urllib.parse.urlsplit(grant.token_url).hostname
        self._grant = grant
        self._ca = ca
        self._path = path
        self._proxies = proxies
        # A refresh token in another secret has another origin, so that it wins.
        origin = f"{grant.token_url}\0{grant.client_id}\0{grant.refresh_token}"
        self._origin = hashlib.sha256(origin.encode()).hexdigest()
        self._unwritten = ""

    def fetch(self) -> Token:
        """Fetch a token; this blocks.

        Raises:
            smtp_oauth.TokenError: if there is none.
        """
        if not self._grant.refresh_token:
            return self._ask(self._grant)
        with _one_at_a_time:
            # The file first: another source may have been given the next one meanwhile.
            grant = self._grant
            newest = self._unwritten or self._read().get(self._origin) or grant.refresh_token
            token = self._ask(dataclasses.replace(grant, refresh_token=newest))
            if token.refresh_token not in {"", newest}:
                self._write(token.refresh_token)
        return token

    def _ask(self, grant: Grant) -> Token:
        return fetch(grant, ca=self._ca, timeout=_FETCH_SECONDS, proxies=self._proxies)

    def _read(self) -> dict[str, str]:
        """Return what is kept, by its origin, the newest last."""
        try:
            kept: Any = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return cast("dict[str, str]", kept) if isinstance(kept, dict) else {}

    def _write(self, newest: str) -> None:
        draft = self._path.with_name(f".{self._path.name}.new")
        others = [one for one in self._read().items() if one[0] != self._origin]
        kept = dict([*others[1 - _MOST_KEPT :], (self._origin, newest)])
        self._unwritten = newest
        try:
            draft.unlink(missing_ok=True)
            draft.touch(mode=0o600)
            draft.write_text(json.dumps(kept), encoding="utf-8")
            queue_file.sync(draft)
            draft.replace(self._path)
            queue_file.sync(self._path.parent)
            self._unwritten = ""
        except OSError as error:
            # It serves until this process ends, and the next one is written again.
            reason = os.strerror(error.errno or 0)
            journal.logger.error("refresh-token-not-kept reason=%s", reason)


@dataclasses.dataclass(frozen=True)
class _Held:
    value: str = dataclasses.field(repr=False)
    ends: float


class Tokens:
    """Holds one token, and has it renewed from when it is made until it is closed."""

    def __init__(self, source: Source, renewed: Callable[[], None]) -> None:
        """Begin to fetch.

        Args:
            source: where tokens come from.
            renewed: called when there is a token again after there was none to be had.
        """
        self._source = source
        self._renewed = renewed
        self._loop = asyncio.get_running_loop()
        self._token: _Held | None = None
        self._trouble = ""
        self._is_pausing = False
        self._is_closed = False
        self._wanted = asyncio.Event()
        self._tried = asyncio.Event()
        self._task = asyncio.create_task(self._renew())

    @property
    def held(self) -> str:
        """The token; empty while there is none that is valid as far as is known."""
        token = self._token
        return token.value if token and self._loop.time() < token.ends else ""

    async def get(self) -> str:
        """Return the token, and wait for it if it is on its way.

        Raises:
            UnavailableError: if it cannot be had now.
        """
        if not self.held and not self._is_pausing:
            self._ask()
            await self._tried.wait()
        if not self.held:
            reason = self._trouble or f"the token from {self._source.name} has ended"
            raise UnavailableError(reason)
        return self.held

    async def present(self, client: aiosmtplib.SMTP, user: str, value: str) -> None:
        """Authenticate by a token; one that is refused is held no longer.

        Args:
            client: the connection, after EHLO.
            user: the mailbox.
            value: the token.

        Raises:
            TokenRefusedError: if the relay refuses it for good.
            aiosmtplib.SMTPException: if the relay cannot say now, or the connection broke.
        """
        try:
            await _authenticate(client, user, value)
        except TokenRefusedError:
            # The next is fetched when it is asked for.
            if self._token and self._token.value == value:
                self._token = None
            raise

    def try_now(self) -> None:
        """End a pause after a failure."""
        if self._is_pausing:
            self._is_pausing = False
            self._ask()

    def close(self) -> None:
        """End. A fetch that is on its way ends by itself, and what it was given is kept."""
        # Until Python 3.12, `wait_for` swallows what cancels it as it ends.
        self._is_closed = True
        self._task.cancel()
        self._token, self._trouble, self._is_pausing = None, "the relay's settings changed", True
        self._tried.set()

    def _ask(self) -> None:
        """Have a token fetched now, if none is on its way; `_tried` tells when that is over."""
        self._tried.clear()
        self._wanted.set()

    async def _renew(self) -> None:
        pause = FIRST_PAUSE
        while not self._is_closed:
            self._tried.clear()
            self._is_pausing = False
            token = await self._fetch()
            if token is None:
                self._is_pausing = True
                wait, pause = pause, min(2 * pause, LONGEST_PAUSE)
            else:
                ahead = min(_AHEAD_SECONDS, token.expires_in * _AHEAD_PART)
                wait, pause = max(token.expires_in - ahead, _SHORTEST_WAIT), FIRST_PAUSE
            # Who asked for it while it was on its way has it now.
            self._wanted.clear()
            self._tried.set()
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._wanted.wait(), wait)

    async def _fetch(self) -> Token | None:
        begun = self._loop.time()
        try:
            token = await asyncio.to_thread(self._source.fetch)
        except TokenError as error:
            self._trouble = f"no token from {self._source.name}: {printable(str(error))}"
            journal.note("no-token", endpoint=self._source.name, answer=printable(str(error)))
            return None
        except Exception as error:  # noqa: BLE001 - without a token mail waits, whatever failed
            # The error's own words may have a secret in them.
            self._trouble = f"no token from {self._source.name}: {type(error).__name__}"
            journal.logger.error("no-token reason=%s", type(error).__name__)
            return None
        journal.note("token", kind=self._source.kind, seconds=token.expires_in)
        self._token = _Held(token.value, begun + token.expires_in)
        if self._trouble:
            self._trouble = ""
            self._renewed()
        return token


async def _authenticate(client: aiosmtplib.SMTP, user: str, token: str) -> None:
    mechanism = sasl.choose(" ".join(client.server_auth_methods))
    if mechanism is None:
        raise UnavailableError("the relay offers neither OAUTHBEARER nor XOAUTH2")
    response = sasl.initial_response(
        mechanism, user, token, host=client.hostname or "", port=client.port or 0
    )
    try:
        answer, challenge = await _present(client, mechanism, response)
    except aiosmtplib.SMTPResponseException as error:
        # What is no answer at all may repeat the token too.
        raise aiosmtplib.SMTPException(
            concealed(one_line(error.code, error.message), _REFUSAL, token, response)
        ) from None
    if answer.code == _WELCOME:
        return
    said = one_line(answer.code, answer.message)
    reason = f"{said} ({printable(' '.join(challenge.split()))})" if challenge else said
    reason = concealed(reason, _REFUSAL, token, response)
    if Answer(answer.code, "").transient:
        raise aiosmtplib.SMTPException(reason)
    raise TokenRefusedError(reason)


async def _present(
    client: aiosmtplib.SMTP, mechanism: str, response: bytes
) -> tuple[aiosmtplib.SMTPResponse, str]:
    """Send a token; return the final answer, and what the relay said before it."""
    encoded = base64.b64encode(response)
    words = b" ".join((b"AUTH", mechanism.encode(), encoded))
    if len(words) <= _LONGEST_COMMAND:
        answer = await client.execute_command(words)
    else:
        answer = await client.execute_command(b"AUTH", mechanism.encode())
        if answer.code == _CONTINUE:
            answer = await client.execute_command(encoded)
    if answer.code != _CONTINUE:
        return answer, ""
    challenge = sasl.words_of_error(answer.message)
    dummy = base64.b64encode(sasl.answer_to_error(mechanism))
    return await client.execute_command(dummy), challenge

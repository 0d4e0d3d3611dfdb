"""The SMTP server, on aiosmtpd with stricter line ends: what is refused when."""

import asyncio
import collections
import re
from typing import AnyStr

from aiosmtpd import smtp

from forwarder import delivery, journal, message, reader, rules, transit
from forwarder.answers import Answer, printable
from forwarder.envelopes import Mail, parameters, path
from forwarder.gate import Gate
from forwarder.gate import host as peer_host
from forwarder.inlet import Inlet
from forwarder.passage import Passage

# A message that we have handled this often goes round in a circle.
OWN_HOPS, ALL_HOPS = 4, 100
_FAILED_LOGINS = 3
_HOST = re.compile(r"[A-Za-z0-9.:\[\]_-]{1,255}")
# RFC 2034: every answer has an enhanced code but the greeting and those to HELO and EHLO.
_ENHANCED = re.compile(r"[245]\d\d[ -][245]\.\d{1,3}\.\d{1,3} ")
_CODES = {
    "221": "2.0.0",
    "252": "2.5.0",
    "500": "5.5.2",
    "501": "5.5.4",
    "502": "5.5.1",
    "503": "5.5.1",
    "504": "5.5.4",
    "454": "4.7.0",
    "554": "5.5.1",
}

_NOT_ALLOWED = Answer(550, "5.7.1 This host relays for its own clients alone")
_UTF8_NEEDED = Answer(553, "5.6.7 An international address needs SMTPUTF8")


class _NoHooks:
    """What aiosmtpd looks through for hooks, at each connection."""

    def __dir__(self) -> list[str]:
        return []


class Connection(smtp.SMTP, Inlet):
    """One client's connection."""

    command_size_limit = reader.COMMAND_LIMIT
    line_length_limit = reader.COMMAND_LIMIT

    def __init__(self, gate: Gate) -> None:
        """Make a connection; the loop gives it to a client."""
        settings = gate.settings
        loop = asyncio.get_running_loop()
        self.host = ""
        self._gate = gate
        self._mail: Mail | None = None
        self._passage: Passage | None = None
        self._in_data = False
        self._busy = False
        self._admitted = True
        self._failed_logins = 0
        self._deadline = 0.0
        super().__init__(
            _NoHooks(),
            data_size_limit=settings.limits.message_size,
            enable_SMTPUTF8=True,
            hostname=settings.hostname,
            ident="ESMTP",
            tls_context=settings.tls,
            timeout=settings.limits.command_seconds,
            authenticator=gate.authenticate,
            loop=loop,
        )
        # aiosmtpd shares its limits among all connections, and each new one resets them.
        self.command_size_limits = collections.defaultdict(lambda: reader.COMMAND_LIMIT)
        self._lines = reader.Reader(loop)
        asyncio.StreamReaderProtocol.__init__(
            self, self._lines, client_connected_cb=self._cb_client_connected, loop=loop
        )

    def __dir__(self) -> list[str]:
        # aiosmtpd looks through all names at each connection; these are what it looks for.
        return _COMMANDS

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin a session; again when it is encrypted."""
        if not self.host:
            self.host = peer_host(transport)
            self._admitted = self._gate.admit(self)
        super().connection_made(transport)

    def connection_lost(  # pyright: ignore[reportIncompatibleMethodOverride] - its bases differ
        self, error: Exception | None
    ) -> None:
        """End a session."""
        self._gate.dismiss(self)
        self._forget()
        super().connection_lost(error)

    def eof_received(self) -> bool | None:
        """Let a client that has closed its side hear the answers to what it sent before."""
        if self.session is not None and self.session.ssl is not None:
            return super().eof_received()
        self._lines.feed_eof()
        return True

    def data_received(self, data: bytes) -> None:
        """Take what came; while a message comes in, its client is not idle."""
        if self._in_data:
            self._reset_timeout()
        self._lines.feed_data(data)

    def end(self) -> None:
        """End the session, as soon as a message that was sent whole has its answer."""
        self._admitted = False
        if not self._busy and self.transport is not None:
            self._writer.write(b"421 4.3.2 The service is closing\r\n")
            self.transport.close()

    async def push(self, status: AnyStr) -> None:
        """Send an answer; those of aiosmtpd get their enhanced code."""
        answer = _with_code(status).encode() if isinstance(status, str) else status
        self._writer.write(answer + b"\r\n")
        await self._writer.drain()

    async def handle_exception(self, error: Exception) -> str:
        """Log an error; the client, who may be a stranger, learns nothing of it."""
        journal.logger.error("session-failed client=%s", self.host, exc_info=error)
        return "451 4.3.0 The server failed; its log says why"

    async def smtp_EHLO(self, hostname: str) -> None:  # noqa: N802
        """Greet, and offer what is known here (RFC 5321, section 4.1.1.1)."""
        if not hostname or self.session is None:
            await self.push("501 Syntax: EHLO hostname")
            return
        self._set_rset_state()
        self.session.extended_smtp = True
        self.session.host_name = hostname
        encrypted = self._tls_protocol is not None
        offers = (
            self.hostname,
            f"SIZE {self._gate.settings.limits.message_size}",
            "8BITMIME",
            "SMTPUTF8",
            "PIPELINING",
            "ENHANCEDSTATUSCODES",
            *(["STARTTLS"] if self.tls_context and not encrypted else []),
            *(["AUTH LOGIN PLAIN"] if encrypted and self._gate.settings.clients else []),
            "HELP",
        )
        await self.push(Answer(250, "\n".join(offers)).lines().encode())

    async def smtp_STARTTLS(self, arg: str) -> None:  # noqa: N802
        """Encrypt; what was sent behind the command would be taken for encrypted (RFC 3207)."""
        if self._lines.has_more:
            await self._turn_away("554 5.5.1 Nothing may follow STARTTLS before its answer")
            return
        await super().smtp_STARTTLS(arg)

    async def smtp_AUTH(self, arg: str) -> None:  # noqa: N802
        """Authenticate; who guesses has three guesses."""
        mechanism, _, rest = (arg or "").partition(" ")
        await super().smtp_AUTH(f"{mechanism.upper()} {rest}".strip())
        self._failed_logins += self.session is not None and not self.session.authenticated
        if self._failed_logins >= _FAILED_LOGINS:
            await self._turn_away("421 4.7.0 Too many wrong passwords")

    async def smtp_MAIL(self, arg: str | None) -> None:  # noqa: N802
        """Open an envelope."""
        if not await self.check_helo_needed():
            await self.push(await self._open(arg or ""))

    async def smtp_RCPT(self, arg: str | None) -> None:  # noqa: N802
        """Add a recipient to the envelope."""
        if not await self.check_helo_needed():
            await self.push(await self._add(arg or ""))

    async def smtp_DATA(self, arg: str) -> None:  # noqa: N802
        """Take a message."""
        if await self.check_helo_needed():
            return
        if self._mail is None or not self._mail.recipients:
            await self.push("503 5.5.1 Name a recipient first")
        elif arg:
            await self.push("501 Syntax: DATA")
        else:
            await self.push(await self._take(self._mail))
            self._set_post_data_state()
            if not self._admitted:
                self.end()

    def _reset_timeout(self, duration: float | None = None) -> None:
        # One timer serves many commands, since most of them come soon.
        self._deadline = self.loop.time() + (duration or self._timeout_duration)
        if self._timeout_handle is None:
            self._timeout_handle = self.loop.call_at(self._deadline, self._timeout_cb)

    def _timeout_cb(self) -> None:
        self._timeout_handle = None
        if self.transport is None:
            return
        if self._busy or self.loop.time() < self._deadline:
            self._reset_timeout(max(self._deadline - self.loop.time(), 1))
        else:
            self._writer.write(b"421 4.4.2 The next command took too long\r\n")
            self.transport.close()

    async def _handle_client(self) -> None:
        if self._admitted:
            await super()._handle_client()
        else:
            journal.note("refused", client=self.host, reason="too many connections")
            await self._turn_away("421 4.7.0 Too many connections; try again later")

    async def _turn_away(self, answer: str) -> None:
        await self.push(answer)
        if self.transport is not None:
            self.transport.close()

    def _set_post_data_state(self) -> None:
        super()._set_post_data_state()
        self._forget()

    def _forget(self) -> None:
        self._mail = None
        if self._passage is not None:
            self._passage.release()
            self._passage = None

    async def _open(self, arg: str) -> str:
        found = path("FROM:", arg)
        if found is None:
            return "501 5.5.4 Syntax: MAIL FROM:<address>"
        if self._mail is not None:
            return "503 5.5.1 An envelope is open already"
        mail = parameters(*found)
        if isinstance(mail, str):
            return mail
        refused = await self._unwanted(mail)
        if refused is not None:
            return refused.lines()
        self._mail = mail
        return "250 2.1.0 OK"

    async def _unwanted(self, mail: Mail) -> Answer | None:
        """Return why a message with this envelope cannot be taken, whoever it is for."""
        settings, pool = self._gate.settings, self._gate.work.pool
        if not mail.sender.isascii() and not mail.utf8:
            return _UTF8_NEEDED
        if mail.size > settings.limits.message_size:
            return delivery.TOO_LARGE
        if pool is None and settings.when_unconfigured == "refuse":
            return delivery.UNCONFIGURED
        if not self._gate.work.storage.has_room(2 * mail.size):
            return delivery.FULL
        if pool is None:
            return None
        if pool.extensions is None and (mail.eight_bit or mail.utf8):
            await pool.learn(settings.wait_seconds)
        return transit.lacking(
            pool.extensions, eight_bit=mail.eight_bit, utf8=mail.utf8, size=mail.size
        )

    async def _add(self, arg: str) -> str:
        found = path("TO:", arg)
        if self._mail is None:
            return "503 5.5.1 Say MAIL FROM first"
        if found is None or not found[0]:
            return "501 5.1.3 Syntax: RCPT TO:<address>"
        refused = self._wrong(self._mail, *found) or await self._refusal(self._mail, found[0])
        if refused is not None:
            self._log_refused(found[0], refused)
            return refused.lines()
        self._mail.recipients.append(found[0])
        return "250 2.1.5 OK"

    def _wrong(self, mail: Mail, recipient: str, extensions: str) -> Answer | None:
        """Return why no recipient at all is taken now, or not one like this."""
        if not self._may_send():
            return _NOT_ALLOWED
        if extensions:
            return Answer(555, "5.5.4 No parameters of RCPT are known here")
        if not recipient.isascii() and not mail.utf8:
            return _UTF8_NEEDED
        if len(mail.recipients) >= self._gate.settings.limits.recipients:
            return Answer(452, "4.5.3 Too many recipients; send the rest in another message")
        return None

    async def _refusal(self, mail: Mail, recipient: str) -> Answer | None:
        """Return what a recipient is refused with, by the rules or by the relay itself."""
        work = self._gate.work
        own = self._gate.settings.rules
        try:
            targets = rules.targets(own, recipient)
            sender = rules.sender_for(own, mail.sender, recipient)
        except rules.InvalidRecipient as error:
            return delivery.refusal(error)
        except Exception as error:  # noqa: BLE001 - a program's rules may raise anything
            return work.rule_failed(error)
        if not targets or work.pool is None:
            return None
        if self._passage is None:
            self._passage = Passage(
                work.pool,
                self._gate.settings.wait_seconds,
                eight_bit=mail.eight_bit,
                utf8=mail.utf8,
            )
        return await self._passage.ask(sender, targets)

    async def _take(self, mail: Mail) -> str:
        await self.push("354 End data with <CR><LF>.<CR><LF>")
        self._in_data = True
        try:
            data = await self._lines.read_message(self._gate.settings.limits.message_size)
        except reader.TooLargeError:
            return delivery.TOO_LARGE.lines()
        finally:
            self._in_data = False
        content = message.unstuffed(data)
        if message.has_smuggled_end(content):
            journal.note("refused", client=self.host, reason="bare line ends around a lone dot")
            return delivery.SMUGGLED.lines()
        if self._goes_round(content):
            journal.note("refused", client=self.host, reason="mail loop")
            return "554 5.4.6 This message goes round in a circle"
        return (await self._hand_over(mail, content)).lines()

    async def _hand_over(self, mail: Mail, content: bytes) -> Answer:
        submission = delivery.Submission(
            sender=mail.sender,
            recipients=tuple(mail.recipients),
            content=content,
            utf8=mail.utf8,
            client=self.host,
            trace=self._trace(mail),
            passage=self._passage,
        )
        # The connection of the passage is the delivery's now.
        self._passage = None
        self._busy = True
        try:
            return await self._gate.work.take(submission)
        finally:
            self._busy = False
            self._reset_timeout()

    def _may_send(self) -> bool:
        authenticated = self.session is not None and self.session.authenticated
        return bool(authenticated) or self._gate.is_allowed(self.host)

    def _goes_round(self, content: bytes) -> bool:
        own = f"by {self._gate.settings.hostname} (smtp-forwarder)".encode()
        if own not in content and content.count(b":") <= ALL_HOPS:
            return False
        received = message.values(content, "Received")
        return len(received) > ALL_HOPS or sum(own in one for one in received) >= OWN_HOPS

    def _trace(self, mail: Mail) -> str:
        """Return the clauses of the Received line (RFC 5321, section 4.4; RFC 3848; RFC 6531)."""
        session = self.session
        said = str(session.host_name) if session else ""
        name = said if _HOST.fullmatch(said) else "unknown"
        literal = f"IPv6:{self.host}" if ":" in self.host else self.host
        protocol = "UTF8SMTP" if mail.utf8 else "ESMTP"
        if session is None or not session.extended_smtp:
            protocol = "SMTP"
        elif self._tls_protocol is not None:
            protocol += "SA" if session.authenticated else "S"
        by = f"by {self._gate.settings.hostname} (smtp-forwarder)"
        return f"from {name} ([{literal}])\r\n\t{by} with {protocol}"

    def _log_refused(self, recipient: str, answer: object) -> None:
        sender = self._mail.sender if self._mail else ""
        journal.note(
            "refused",
            **{"from": f"<{sender}>"},
            rcpt=f"<{recipient}>",
            client=self.host,
            answer=answer,
        )


def _with_code(status: str) -> str:
    if not status.isprintable():
        # aiosmtpd repeats what it does not know, whatever stands in it.
        status = "\r\n".join(map(printable, status.split("\r\n")))
    if status == "250 OK":
        return "250 2.0.0 OK"
    code = _CODES.get(status[:3])
    return f"{status[:3]} {code} {status[4:]}" if code and not _ENHANCED.match(status) else status


_COMMANDS = [name for name in vars(smtp.SMTP) if name.startswith(("auth_", "smtp_"))]

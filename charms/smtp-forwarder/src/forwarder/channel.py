"""A connection to the relay once it is ready for mail: commands out, answers in."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import cast

from forwarder import message
from forwarder.answers import Answer, printable
from forwarder.inlet import Inlet

# RFC 5321, section 4.5.3.2.6: who gives up earlier on the final answer sends the message twice.
FINAL_SECONDS = 600
_LONGEST_ANSWER = 2**16
_ENDLESS = "the relay's answer has no end"
_CLOSING = 421
# RFC 4954, section 6: the session is not authenticated.
_UNAUTHENTICATED = 530


class UnavailableError(Exception):
    """The relay takes no mail now; the text says why. Nothing was sent."""


class TokenRefusedError(UnavailableError):
    """The relay refused an access token for good."""


class GoneError(Exception):
    """The connection is of no more use, or never was; nothing of a message was taken over it."""


class UnknownOutcomeError(Exception):
    """The relay had the whole message, and did not answer: it may have taken it, or not."""


class Channel(Inlet):
    """One connection. It takes one message after another, and is never used by two at once."""

    def __init__(self, timeout: float, extensions: Mapping[str, str]) -> None:
        """Make it the protocol of a transport that is greeted, encrypted and authenticated.

        Args:
            timeout: how long to wait for an answer, in seconds.
            extensions: what the relay's EHLO offered, in lower case.
        """
        self.extensions = extensions
        self.used = False
        self.patience = 0.0
        self.idle_since = 0.0
        self.lost_at = 0.0
        self._timeout = timeout
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self._lines: list[str] = []
        self._length = 0
        self._answers: list[Answer] = []
        self._expected = 0
        self._answered: asyncio.Future[None] | None = None
        self._reset_needed = False
        self._lost = "the connection was closed"
        self._deadline = 0.0
        self._watch: asyncio.TimerHandle | None = None

    def attach(self, transport: asyncio.BaseTransport) -> None:
        """Take over a transport."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_protocol(self)

    @property
    def is_open(self) -> bool:
        """Whether it can be used, as far as is known."""
        return self._transport is not None and not self._transport.is_closing()

    @property
    def pipelining(self) -> bool:
        """Whether commands may be sent without waiting for each answer (RFC 2920)."""
        return "pipelining" in self.extensions

    async def begin(
        self, mail: str, recipients: Sequence[str], *, timeout: float | None = None
    ) -> tuple[Answer, list[Answer]]:
        """Open a message's envelope.

        Args:
            mail: what stands behind `MAIL FROM:`.
            recipients: the addresses.
            timeout: how long to wait for an answer, in seconds, if not as long as ever.

        Returns:
            The answer to MAIL, and one for each recipient; none where MAIL was refused.

        Raises:
            GoneError: if the connection broke.
        """
        commands = [f"MAIL FROM:{mail}", *(f"RCPT TO:<{one}>" for one in recipients)]
        reset, self._reset_needed = self._reset_needed, True
        answers = await self._ask([*(["RSET"] if reset else []), *commands], timeout)
        sender, *others = answers[1:] if reset else answers
        if sender.code == _UNAUTHENTICATED and self.used:
            # It was, when it was opened: what ended is the token, and not the message's fault.
            self._break(str(sender))
            raise GoneError(self._lost)
        return sender, others if sender.done else []

    async def add(self, recipient: str, *, timeout: float | None = None) -> Answer:
        """Add a recipient to the envelope.

        Args:
            recipient: the address.
            timeout: how long to wait for an answer, in seconds, if not as long as ever.

        Raises:
            GoneError: if the connection broke.
        """
        return (await self._ask([f"RCPT TO:<{recipient}>"], timeout))[0]

    async def send(self, content: bytes) -> Answer:
        """Send the message of the envelope that is open.

        Raises:
            GoneError: if the connection broke before the relay had all of it.
            UnknownOutcomeError: if it broke after that.
        """
        (ready,) = await self._ask(["DATA"])
        if ready.code >= 400:  # noqa: PLR2004
            return ready
        if ready.code != 354:  # noqa: PLR2004
            # Taken for the answer to the message, it would lose the message.
            self._break(f"the relay answers DATA with {ready.code}")
            raise GoneError(self._lost)
        self._reset_needed = False
        try:
            return (await self._exchange(message.stuffed(content), 1, FINAL_SECONDS))[0]
        except GoneError as error:
            raise UnknownOutcomeError(str(error)) from None

    def close(self) -> None:
        """Say goodbye, and do not wait for what the relay says."""
        if self._transport is not None and self.is_open:
            self._transport.write(b"QUIT\r\n")
            self._transport.close()

    def abort(self) -> None:
        """Break the connection off, so that the relay takes no part of a message for the whole."""
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Sort lines into answers, for who waits for them."""
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        if len(self._buffer) > _LONGEST_ANSWER:
            self._break(_ENDLESS)
        for line in lines:
            if not self.is_open:
                # What ended the connection is the reason, and not what came behind it.
                return
            self._line(line.decode("utf-8", "replace").rstrip("\r"))

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell who waits that no answer will come."""
        if exc is not None:
            self._lost = str(exc) or type(exc).__name__
        self._transport = None
        self.lost_at = self._loop.time()
        if self._watch is not None:
            self._watch.cancel()
        self._wake()

    def _line(self, line: str) -> None:
        if not (line[:3].isascii() and line[:3].isdigit()):
            self._break("the relay does not speak SMTP")
            return
        self._lines.append(printable(line[4:].strip()))
        self._length += len(line)
        if line[3:4] == "-":
            if self._length > _LONGEST_ANSWER:
                self._break(_ENDLESS)
            return
        answer = Answer(int(line[:3]), "\n".join(self._lines))
        self._lines.clear()
        self._length = 0
        if answer.code == _CLOSING:
            # RFC 5321, section 3.8: it comes at any time, and then the connection ends.
            self._break(str(answer))
            return
        if not self.is_busy:
            # It would be taken for the answer to what comes next.
            self._break("the relay answers what it was not asked")
            return
        self._answers.append(answer)
        if len(self._answers) == self._expected:
            self._wake()

    def _break(self, reason: str) -> None:
        self._lost = reason
        self._wake()
        self.abort()

    @property
    def is_busy(self) -> bool:
        """Whether an answer is awaited."""
        return self._answered is not None and not self._answered.done()

    def _wake(self) -> None:
        if self._answered is not None and not self._answered.done():
            self._answered.set_result(None)

    async def _ask(self, commands: Sequence[str], timeout: float | None = None) -> list[Answer]:
        timeout = min(timeout or self._timeout, self._timeout)
        if self.pipelining or len(commands) == 1:
            lines = "\r\n".join([*commands, ""])
            return await self._exchange(lines.encode(), len(commands), timeout)
        answers: list[Answer] = []
        for command in commands:
            answers += await self._exchange(f"{command}\r\n".encode(), 1, timeout)
        return answers

    async def _exchange(self, data: bytes, count: int, timeout: float) -> list[Answer]:
        """Send something that the relay answers `count` times."""
        if self._transport is None or self._transport.is_closing():
            raise GoneError(self._lost)
        answers = self._answers = list[Answer]()
        self._expected = count
        self._answered = self._loop.create_future()
        self._transport.write(data)
        self._wait_until(self._loop.time() + timeout)
        try:
            await self._answered
        except asyncio.CancelledError:
            # Answers that nobody reads must not be taken for those to later commands.
            self.abort()
            raise
        if len(answers) < count:
            raise GoneError(self._lost)
        return answers

    def _wait_until(self, deadline: float) -> None:
        """Watch the time. One timer serves many answers, since most of them come soon."""
        self._deadline = deadline
        if self._watch is None:
            self._watch = self._loop.call_at(deadline, self._look_at_time)
        elif deadline < self._watch.when():
            self._watch.cancel()
            self._watch = self._loop.call_at(deadline, self._look_at_time)

    def _look_at_time(self) -> None:
        self._watch = None
        if not self.is_busy:
            return
        if self._loop.time() < self._deadline:
            self._wait_until(self._deadline)
        else:
            self._break("the relay does not answer")

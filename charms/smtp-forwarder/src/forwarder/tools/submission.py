"""Hand a message to the forwarder, by SMTP if it answers, else into its queue.

What the forwarder refuses for good is an error. What it, or the relay, refuses for now waits in
the queue, because the programs that call these tools do not come back. Where the time ran out, or
the connection was lost before the last answer, the message is queued too: it may arrive twice, but
it is not lost (RFC 5321, section 4.5.3.2.6, knows that window).
"""

import contextlib
import dataclasses
import os
import pathlib
import signal
import smtplib
import types
from collections.abc import Generator, Sequence

from forwarder import queue
from forwarder.tools import failures, told

SECONDS = 60.0
_OK = range(200, 300)
_LATER = range(400, 500)
# How the forwarder's answer begins while it has no relay and refuses mail until it has.
NOT_CONFIGURED = "4.3.5 No relay"

_Answers = dict[str, tuple[int, str]]


@dataclasses.dataclass(frozen=True)
class Mail:
    """A message to hand over: lines end in CRLF; an empty sender is the null sender."""

    sender: str
    recipients: tuple[str, ...]
    content: bytes

    @property
    def utf8(self) -> bool:
        """Whether the envelope needs SMTPUTF8 (RFC 6531), or the headers do (RFC 6532)."""
        head = self.content.partition(b"\r\n\r\n")[0]
        return not (head.isascii() and "".join((self.sender, *self.recipients)).isascii())


def submit(forwarder: told.Told, mail: Mail, *, seconds: float = SECONDS) -> str:
    """Hand over a message for all its recipients; return what became of it.

    Args:
        forwarder: where to.
        mail: the message.
        seconds: the limit for the dialogue as a whole.

    Raises:
        failures.RefusedError: if any recipient was refused for good.
        failures.NotConfiguredError: if the forwarder has no relay and does not queue.
        failures.TemporaryError: if the message can neither be sent nor queued.
    """
    try:
        with _limited(seconds), contextlib.closing(smtplib.SMTP(timeout=seconds)) as client:
            _greet(client, forwarder)
            answer, refused = _talk(client, mail)
            # All is said; how the connection ends changes nothing.
            with contextlib.suppress(OSError):
                client.quit()
    except (OSError, smtplib.SMTPException) as error:
        return _leave(forwarder, mail, mail.recipients, f"the forwarder does not answer: {error}")
    return _settle(forwarder, mail, answer, refused)


def _settle(forwarder: told.Told, mail: Mail, answer: str, refused: _Answers) -> str:
    unconfigured = [words for _, words in refused.values() if words.startswith(NOT_CONFIGURED)]
    if unconfigured:
        raise failures.NotConfiguredError(
            f"not configured: {unconfigured[0]}; "
            "integrate smtp-forwarder:smtp with an smtp-integrator"
        )
    later = [address for address, (code, _) in refused.items() if code in _LATER]
    if later:
        answer = _leave(forwarder, mail, later, _shown(refused[later[0]]))
    for_good = {a: _shown(said) for a, said in refused.items() if a not in later}
    if for_good:
        raise failures.RefusedError(for_good)
    return answer


def _greet(client: smtplib.SMTP, forwarder: told.Told) -> None:
    code, words = client.connect(forwarder.host, forwarder.port)
    if code not in _OK:
        raise smtplib.SMTPConnectError(code, words)


def _talk(client: smtplib.SMTP, mail: Mail) -> tuple[str, _Answers]:
    """Return the last answer, and the answers to the recipients that were refused."""
    client.ehlo_or_helo_if_needed()
    options = ["BODY=8BITMIME"] if not mail.content.isascii() else []
    options += ["SMTPUTF8"] if mail.utf8 else []
    said = _answer(client.mail(mail.sender, options))
    if said[0] not in _OK:
        return "", dict.fromkeys(mail.recipients, said)
    answers = {address: _answer(client.rcpt(address)) for address in mail.recipients}
    refused = {address: said for address, said in answers.items() if said[0] not in _OK}
    taken = [address for address in answers if address not in refused]
    if not taken:
        return "", refused
    try:
        said = _answer(client.data(mail.content))
    except smtplib.SMTPDataError as error:
        said = _answer((error.smtp_code, error.smtp_error))
    if said[0] not in _OK:
        refused |= dict.fromkeys(taken, said)
    return _shown(said), refused


def _answer(reply: tuple[int, bytes | str]) -> tuple[int, str]:
    code, words = reply
    text = words.decode("utf-8", "replace") if isinstance(words, bytes) else words
    return code, " ".join(text.split())


def _shown(said: tuple[int, str]) -> str:
    return f"{said[0]} {said[1]}"


def _leave(forwarder: told.Told, mail: Mail, recipients: Sequence[str], why: str) -> str:
    try:
        name = queue.drop_off(
            pathlib.Path(forwarder.queue),
            mail.sender,
            recipients,
            mail.content,
            smtputf8=mail.utf8,
        )
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        lines = (f"not sent to {one}: {why}; not queued: {reason}" for one in recipients)
        raise failures.TemporaryError("\n".join(lines)) from None
    return f"queued as {name}: {why}"


@contextlib.contextmanager
def _limited(seconds: float) -> Generator[None]:
    """Raise `TimeoutError` when the time is up, however slowly the other side answers."""

    def stop(_signal: int, _frame: types.FrameType | None) -> None:
        raise TimeoutError(f"no answer within {seconds:g} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)

"""The wire: a clock, a connection, its replies, and how they are quoted without secrets."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import itertools
import re
import ssl
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from relay_check.target import Target

_MAX_REPLY = 64 * 1024
# Where the library's `connect()` gives a relay up; smtplib's longest line is the same.
_MOST_LINES = 1000
_LONGEST_LINE = 8192
_MAX_QUOTE = 300
# As many characters of base64 as tell four octets of what they encode.
_PIECE = 6
CRLF = b"\r\n"
# How Python was built decides which of these an end without close_notify is.
TLS_ENDED = (ssl.SSLEOFError, ssl.SSLZeroReturnError)
# RFC 4954 section 4: what makes the command longer is for the answer to a challenge.
_MAX_COMMAND = 512
CHALLENGE = 334
"""The code of a challenge (RFC 4954 section 4)."""
# RFC 2034 puts it at the beginning; qmail and others put it in brackets at the end.
_ENHANCED = re.compile(r"(?:^|[\s(#])([245]\.\d{1,3}\.\d{1,3})(?=$|[\s):;,])")
# The codes that each line begins with, and which cut a text that goes on in the next one.
_CODE = r"[(#\[]*[245]\.\d{1,3}\.\d{1,3}[)\]:;,]*(?!\S)"
_CODES = re.compile(rf"(?m:^)[2-5]\d\d[ -](?:{_CODE})?|(?<!\S){_CODE}")


class Clock:
    """Two limits: one for the whole, one for the stage that runs."""

    def __init__(self, whole: float, stage: float | None) -> None:
        self._end = time.monotonic() + whole
        self._stage = whole / 2 if stage is None else stage
        self._is_demanded = stage is not None
        self.begin_stage()

    def begin_stage(self) -> None:
        """Give the next stage its limit."""
        self.began = time.monotonic()
        self._stage_end = min(self._end, self.began + self._stage)

    def extend_stage(self) -> None:
        """Grant the stage all that is left, or its limit once more where that was demanded."""
        once_more = min(self._end, time.monotonic() + self._stage)
        self._stage_end = once_more if self._is_demanded else self._end

    @property
    def limit(self) -> float:
        """How many seconds this stage was given."""
        return max(0.0, self._stage_end - self.began)

    @property
    def elapsed_ms(self) -> int:
        """How many milliseconds this stage has taken."""
        return round((time.monotonic() - self.began) * 1000)

    def remaining(self) -> float:
        """Return the seconds left; raises TimeoutError if there are none."""
        seconds = self._stage_end - time.monotonic()
        if seconds <= 0:
            raise TimeoutError
        return seconds


class Quoter:
    """Makes what the relay sends fit to be read: visible, short, and without the password."""

    def __init__(self, target: Target) -> None:
        self._pieces: set[str] = set()
        if target.password:
            password = target.password.encode(errors="surrogatepass")
            self.hide(target.password, password, plain_response(target))
        if target.oauth:
            for secret in target.oauth.secrets:
                self.hide_random(secret)

    def hide_random(self, secret: str, *sent: bytes) -> None:
        """Hide as `hide` does, and the secret itself in part: no part of it is a word."""
        self.hide(secret, secret.encode(errors="surrogatepass"), *sent)
        self._pieces.update(_squeezed(piece) for piece in _pieces(secret))

    def hide(self, secret: str, *sent: bytes) -> None:
        """Hide from now on a secret, and what AUTH sends with it, in base64 and in part too."""
        encoded = (base64_of(data).rstrip("=") for data in sent)
        pieces = {piece for text in encoded for piece in _pieces(text)}
        # A secret of blanks alone is no piece: there is nothing to see of it.
        self._pieces |= {_squeezed(piece) for piece in (*pieces, secret)} - {""}

    def __call__(self, text: str) -> str:
        """Return what may be shown of a text."""
        text = _hide(text, self._pieces).strip()
        visible = "".join(c if c.isprintable() else _escape(c) for c in text)
        return visible if len(visible) <= _MAX_QUOTE else f"{visible[:_MAX_QUOTE]}…"


def _pieces(text: str) -> list[str]:
    """Return the pieces by which a text is known: relays cut short what they repeat."""
    ends = range(_PIECE, max(_PIECE, len(text)) + 1)
    return [text[end - _PIECE : end] for end in ends]


def _squeezed(text: str) -> str:
    """Drop what relays change where they repeat a text: blanks where they fold it, and case."""
    return "".join(character.lower()[0] for character in text if not character.isspace())


def _hide(text: str, pieces: set[str]) -> str:
    codes = {place for match in _CODES.finditer(text) for place in range(*match.span())}
    hidden = _known(text, pieces, leave_out=set()) | _known(text, pieces, leave_out=codes)
    runs = itertools.groupby(range(len(text)), hidden.__contains__)
    return "".join("[hidden]" if known else "".join(text[i] for i in run) for known, run in runs)


def _known(text: str, pieces: set[str], *, leave_out: set[int]) -> set[int]:
    """Return the places where pieces stand in a text, without its blanks and what to leave out."""
    places = [i for i, sign in enumerate(text) if i not in leave_out and not sign.isspace()]
    squeezed = _squeezed("".join(text[place] for place in places))
    known: set[int] = set()
    # A token has thousands of pieces, and most are of one length: look in the set for each part.
    for length in {len(piece) for piece in pieces}:
        for start in range(len(squeezed) - length + 1):
            if squeezed[start : start + length] in pieces:
                known.update(range(places[start], places[start + length - 1] + 1))
    return known


def text_of(data: bytes) -> str:
    """Return what a relay sent as text; what is not UTF-8 is escaped."""
    return data.decode(errors="backslashreplace")


def _escape(character: str) -> str:
    return character.encode("unicode_escape", "surrogatepass").decode()


def plain_response(target: Target) -> bytes:
    """RFC 4616 section 2, without an authorization identity."""
    return f"\0{target.user}\0{target.password}".encode(errors="surrogatepass")


def auth_command(mechanism: str, response: str) -> str:
    """Return AUTH with the base64 of an initial response, as far as that fits into a command."""
    command = f"AUTH {mechanism} {response}"
    is_short = len(command) + len(CRLF) <= _MAX_COMMAND
    return command if is_short else f"AUTH {mechanism}"


def base64_of(data: bytes) -> str:
    """Return the base64 of data, as AUTH sends it."""
    return base64.b64encode(data).decode()


@dataclasses.dataclass(frozen=True)
class Reply:
    """What a relay answers to a command (RFC 5321 section 4.2).

    Attributes:
        code: Its three digits.
        lines: The text of each line.
        quoted: All of it, fit to be read.
    """

    code: int
    lines: tuple[str, ...]
    quoted: str

    @property
    def text(self) -> str:
        """The text of all lines."""
        return " ".join(self.lines)

    @property
    def enhanced(self) -> str:
        """The status code of RFC 3463, such as 5.7.1, or nothing."""
        match = _ENHANCED.search(self.text)
        return match[1] if match else ""

    @property
    def words(self) -> str:
        """The text without the status codes, which relays repeat in each line."""
        return " ".join(_ENHANCED.sub(" ", line).strip() for line in self.lines)

    @property
    def is_positive(self) -> bool:
        """Whether the command was obeyed."""
        return self.code // 100 == 2  # noqa: PLR2004 - RFC 5321 section 4.2.1

    @property
    def is_completion(self) -> bool:
        """Whether mail was taken: smtplib, as clients use it, has every other code refused."""
        return self.code == 250  # noqa: PLR2004 - RFC 5321 section 4.3.2

    @property
    def takes_recipient(self) -> bool:
        """Whether a recipient was taken, for this relay or to be forwarded."""
        return self.code in {250, 251}

    @property
    def is_temporary(self) -> bool:
        """Whether the same may work later."""
        return self.code // 100 == 4  # noqa: PLR2004 - RFC 5321 section 4.2.1


def tls_reason(error: OSError) -> str:
    """Return the reason of an SSLError; Python has names only for those that OpenSSL had then."""
    name = getattr(error, "reason", None)
    return name or re.sub(r"\[\w+\] | \(_ssl\.c:\d+\)", "", error.strerror or "")


class NotSmtpError(Exception):
    """A line that is no reply; its argument is the line, quoted."""


class Connection:
    """Sends commands and reads replies, and is never slower than the clock allows."""

    def __init__(self, sock: socket.socket, clock: Clock, quote: Callable[[str], str]) -> None:
        self.socket = sock
        self._clock = clock
        self._quote = quote
        self._buffer = b""

    def close(self) -> None:
        """Close the socket."""
        self.socket.close()

    @property
    def has_begun(self) -> bool:
        """Whether a part of the next line is there."""
        return bool(self._buffer)

    @property
    def is_encrypted(self) -> bool:
        """Whether TLS has begun."""
        return isinstance(self.socket, ssl.SSLSocket)

    def receive(self) -> bytes:
        """Return what comes next, or raise ConnectionError at the end."""
        # A limit of the socket is one for each read: the clock's is renewed before every one.
        self.socket.settimeout(self._clock.remaining())
        data = self.socket.recv(4096)
        if not data:
            raise ConnectionResetError("the relay closed the connection")
        return data

    def send(self, data: bytes) -> None:
        """Send all of it; raises OSError."""
        view = memoryview(data)
        while view:
            self.socket.settimeout(self._clock.remaining())
            view = view[self.socket.send(view[:65536]) :]

    def _line(self) -> bytes:
        while b"\n" not in self._buffer and len(self._buffer) < _LONGEST_LINE:
            try:
                self._buffer += self.receive()
            except ConnectionError:
                if not self._buffer:
                    raise
                self._buffer += b"\n"
        line, _, self._buffer = self._buffer.partition(b"\n")
        if len(line) >= _LONGEST_LINE:
            raise NotSmtpError(f"line too long: {self._quote(text_of(line))}")
        return line.rstrip(b"\r")

    def reply(self) -> Reply:
        """Return the next reply; raises NotSmtpError for anything else."""
        code, goes_on, size = "", True, 0
        lines: list[str] = []
        while goes_on:
            try:
                line = text_of(self._line())
            except OSError:
                if code < "4":
                    raise
                # A refusal that is cut is one, as the library has it too.
                break
            size += len(line)
            match = re.fullmatch(r"([2-5]\d\d)(?:([ -])(.*))?", line)
            if match and (len(lines) == _MOST_LINES or size > _MAX_REPLY):
                raise NotSmtpError(f"answer too long: {self._quote(line)}")
            if not match:
                # What is binary may have its first newline anywhere.
                rest = "" if line.isprintable() else f"\n{text_of(self._buffer)}"
                raise NotSmtpError(self._quote(line + rest))
            code, goes_on = match[1], match[2] == "-"
            lines.append(match[3] or "")
        quoted = self._quote(f"{code} {' '.join(lines)}")
        return Reply(int(code), tuple(lines), quoted)

    def command(self, line: str) -> Reply:
        """Send a command and return the reply to it; raises OSError or NotSmtpError."""
        # A relay that closed the connection may have said why: a 421, or an alert of TLS 1.3.
        with contextlib.suppress(ConnectionError, *TLS_ENDED):
            self.send(line.encode(errors="surrogatepass") + CRLF)
        return self.reply()

    def wrap(self, context: ssl.SSLContext, host: str) -> None:
        """Do the handshake of TLS."""
        if self._buffer:
            # What came in the clear must not count as said over TLS (RFC 3207 section 6).
            raise NotSmtpError(self._quote(text_of(self._buffer)))
        self.socket.settimeout(self._clock.remaining())
        wrapped = context.wrap_socket(
            self.socket, server_hostname=host, do_handshake_on_connect=False
        )
        self.socket = wrapped
        wrapped.settimeout(self._clock.remaining())
        wrapped.do_handshake()


def part(connection: Connection) -> None:
    """Say QUIT and wait for nothing."""
    with contextlib.suppress(OSError):
        connection.send(b"QUIT" + CRLF)

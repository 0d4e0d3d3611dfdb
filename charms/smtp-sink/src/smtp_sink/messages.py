"""The messages that arrived: a Maildir, and a JSON file beside it for each message's envelope.

A message stays as it came, octet by octet, so what is known about it lies in a file of its own.
One process adds messages; others may read and delete them at the same time.
"""

import contextlib
import dataclasses
import datetime as dt
import email.errors
import email.header
import email.parser
import json
import mailbox
import pathlib

from unit_service import files

NONE = "none"
# A header is sought in the first octets of a message only: a body may be very long.
_HEADER_LIMIT = 65536


class NoSuchMessageError(LookupError):
    """There is no such message, or no longer."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Envelope:
    """How a message came. `tls_version` and `auth_user` are `NONE` where there was none."""

    sender: str
    recipients: tuple[str, ...]
    listener: str
    peer: str
    tls_version: str = NONE
    auth_user: str = NONE


@dataclasses.dataclass(frozen=True)
class Message:
    """A message that arrived, at `received` (ISO 8601, UTC, microseconds)."""

    id: str
    received: str
    envelope: Envelope
    path: pathlib.Path

    def content(self, limit: int = -1) -> bytes:
        """Return the message as it came, or its first `limit` octets.

        Raises:
            NoSuchMessageError: if it has been deleted meanwhile.
        """
        try:
            with self.path.open("rb") as file:
                return file.read(limit)
        except FileNotFoundError:
            raise NoSuchMessageError(self.id) from None

    def size(self) -> int:
        """Return the number of octets.

        Raises:
            NoSuchMessageError: if it has been deleted meanwhile.
        """
        try:
            return self.path.stat().st_size
        except FileNotFoundError:
            raise NoSuchMessageError(self.id) from None

    def subject(self) -> str:
        """Return the subject as a person reads it; empty if there is none.

        Raises:
            NoSuchMessageError: if it has been deleted meanwhile.
        """
        text = self.content(_HEADER_LIMIT).decode("utf-8", "replace")
        return _decode(email.parser.HeaderParser().parsestr(text).get("subject", ""))


class MessageStore:
    """The messages in one directory, which is made if it does not exist."""

    def __init__(self, directory: pathlib.Path) -> None:
        directory.mkdir(mode=0o700, exist_ok=True)
        self._envelopes = directory / "envelopes"
        self._envelopes.mkdir(exist_ok=True)
        self._incoming = directory / "incoming"
        self._maildir = directory / "maildir"
        mailbox.Maildir(self._maildir, create=True)
        self._delivery = mailbox.Maildir(self._incoming, create=True)
        self._latest = dt.datetime.fromtimestamp(0, dt.timezone.utc)

    def add(self, content: bytes, envelope: Envelope) -> str:
        """Keep a message and return its ID.

        Raises:
            OSError: if it cannot be written; then nobody finds it, and nothing of it stays.
        """
        try:
            # It joins the others last, so that nobody finds a message before its envelope.
            message_id = self._delivery.add(content)
            description = {"received": self._now(), "envelope": dataclasses.asdict(envelope)}
            files.write(self._envelope_path(message_id), json.dumps(description))
            (self._incoming / "new" / message_id).rename(self._maildir / "new" / message_id)
        except OSError:
            self.sweep()
            raise
        return message_id

    def sweep(self) -> None:
        """Delete what was begun and is no message; for the process that adds alone."""
        for directory in (self._incoming / "tmp", self._incoming / "new"):
            for path in directory.iterdir():
                path.unlink(missing_ok=True)
        kept = {self._envelope_path(message_id) for message_id in self._paths()}
        for path in set(self._envelopes.iterdir()) - kept:
            path.unlink(missing_ok=True)

    def clear(self) -> int:
        """Delete every message and return how many there were."""
        paths = self._paths()
        for message_id, path in paths.items():
            path.unlink(missing_ok=True)
            self._envelope_path(message_id).unlink(missing_ok=True)
        return len(paths)

    def get(self, message_id: str) -> Message:
        """Return one message.

        Raises:
            NoSuchMessageError: if there is none with this ID.
        """
        path = self._paths().get(message_id)
        if path is None:
            raise NoSuchMessageError(message_id)
        return self._read(message_id, path)

    def list(self) -> list[Message]:
        """Return the messages, the newest last."""
        messages: list[Message] = []
        for message_id, path in self._paths().items():
            with contextlib.suppress(NoSuchMessageError):
                messages.append(self._read(message_id, path))
        return sorted(messages, key=lambda message: message.received)

    def newest(self) -> Message:
        """Return the message that arrived last.

        Raises:
            NoSuchMessageError: if there is none.
        """
        messages = self.list()
        if not messages:
            raise NoSuchMessageError
        return messages[-1]

    def _envelope_path(self, message_id: str) -> pathlib.Path:
        return self._envelopes / f"{message_id}.json"

    def _now(self) -> str:
        # Times increase strictly, for they are what the messages are sorted by.
        now = dt.datetime.now(dt.timezone.utc)
        self._latest = max(now, self._latest + dt.timedelta(microseconds=1))
        return self._latest.isoformat(timespec="microseconds")

    def _paths(self) -> dict[str, pathlib.Path]:
        # A mail reader moves what it has shown to "cur" and appends flags behind a colon.
        directories = (self._maildir / "new", self._maildir / "cur")
        paths = [path for directory in directories for path in directory.iterdir()]
        return {path.name.partition(":")[0]: path for path in paths}

    def _read(self, message_id: str, path: pathlib.Path) -> Message:
        text = files.read(self._envelope_path(message_id))
        if text is None:
            raise NoSuchMessageError(message_id)
        description = json.loads(text)
        envelope = description["envelope"] | {
            "recipients": (*description["envelope"]["recipients"],)
        }
        return Message(message_id, description["received"], Envelope(**envelope), path)


def _decode(value: str) -> str:
    """Return a header's value without its encoding (RFC 2047), or as it is if that is broken."""
    with contextlib.suppress(email.errors.HeaderParseError, LookupError, ValueError):
        value = str(email.header.make_header(email.header.decode_header(value)))
    return " ".join(value.split())

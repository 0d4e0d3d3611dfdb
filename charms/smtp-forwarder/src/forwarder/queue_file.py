r"""One message of the queue in one file, which is all that is known of it.

The file is `forwarder-1 STATE MARKS\n`, a line of JSON with the envelope, the content, and a line
of JSON for each thing that happened since. STATE and MARKS are single letters, overwritten where
they stand, so that a full disk cannot keep a delivery from being noted, and so that a process
killed at any instruction leaves the old letter or the new one. A line that was cut is not read.
"""

import contextlib
import dataclasses
import enum
import json
import os
import pathlib
import time
import zlib
from collections.abc import Iterable, Mapping
from typing import Any

from forwarder import rules

_MAGIC = b"forwarder-1 "
_MARKS_AT = len(_MAGIC) + 2


class State(bytes, enum.Enum):
    """Whether a message is to be delivered."""

    ACCEPTED = b"+"
    HELD = b"h"


class Mark(bytes, enum.Enum):
    """Where a recipient stands."""

    WAITING = b"."
    DELIVERED = b"d"
    FAILED = b"f"
    """Will not be delivered, and the sender has not been told yet."""
    ENDED = b"e"
    """Bounced, or dropped by hand."""


class DamagedError(Exception):
    """A file is no message that was accepted: it is cut, or its content is not what it was."""


class UnknownFileError(DamagedError):
    """A file is whole, but its head is of another making, so it may have been accepted."""


@dataclasses.dataclass
class Standing:
    """What became of one recipient so far."""

    mark: Mark = Mark.WAITING
    attempts: int = 0
    due: float = 0
    """When it is tried next, in seconds since the epoch."""
    answer: str = ""


@dataclasses.dataclass
class Record:
    """A message in the queue, without its content."""

    id: str
    sender: str
    recipients: tuple[rules.Recipient, ...]
    size: int
    accepted: float
    utf8: bool = False
    client: str = ""
    state: State = State.ACCEPTED
    standings: list[Standing] = dataclasses.field(default_factory=list[Standing])

    def __post_init__(self) -> None:
        if not self.standings:
            self.standings = [Standing() for _ in self.recipients]

    @property
    def held(self) -> bool:
        """Whether it waits until it is released by hand."""
        return self.state is State.HELD

    def having(self, mark: Mark) -> list[int]:
        """Return the numbers of the recipients that stand there."""
        return [n for n, standing in enumerate(self.standings) if standing.mark is mark]

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do for it."""
        return not (self.having(Mark.WAITING) or self.having(Mark.FAILED))

    @property
    def due(self) -> float:
        """When the first of its recipients is to be tried."""
        return min((self.standings[n].due for n in self.having(Mark.WAITING)), default=0)


def write(path: pathlib.Path, record: Record, content: bytes) -> None:
    """Make a message's file. It is not durable until `sync`; a file that fails is taken back.

    Raises:
        OSError: if there is no room, for instance.
        FileExistsError: if the file is there already.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    history = _history(record, range(len(record.recipients)))
    try:
        try:
            _write_all(descriptor, _head(record, content) + content + history)
        finally:
            os.close(descriptor)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def sync(path: pathlib.Path) -> None:
    """Bring a file, or the names in a folder, to the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_letters(path: pathlib.Path, record: Record) -> None:
    """Note the state of a message and of its recipients in its file, durably, in no new space."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.pwrite(descriptor, _letters(record), len(_MAGIC))
        os.fdatasync(descriptor)
    finally:
        os.close(descriptor)


def append_history(path: pathlib.Path, record: Record, numbers: Iterable[int]) -> None:
    """Note when and why recipients are tried again.

    It is not brought to the disk: what a crash takes of it only makes an attempt come earlier. A
    line that a full disk cut ends here, so that it takes no other along.

    Raises:
        OSError: if there is no room.
    """
    with path.open("ab", buffering=0) as file:
        file.write(b"\n" + _history(record, numbers))


def read(path: pathlib.Path) -> Record:
    """Read what is known of a message.

    Raises:
        DamagedError: if it is cut.
        UnknownFileError: if its head is whole, and not of this queue's making.
        OSError: if it cannot be read.
    """
    with path.open("rb") as file:
        record, content_at, _ = _read_head(file.readline(), file.readline())
        file.seek(content_at + record.size)
        if os.fstat(file.fileno()).st_size < content_at + record.size:
            raise DamagedError(f"{path} is cut")
        for line in file:
            # What was cut, the queue can do without.
            with contextlib.suppress(ValueError, LookupError, TypeError):
                if line.endswith(b"\n"):
                    _apply(record, json.loads(line))
    return record


def read_content(path: pathlib.Path) -> bytes:
    """Read a message's content.

    Raises:
        DamagedError: if it is not what was accepted.
        OSError: if it cannot be read.
    """
    with path.open("rb") as file:
        record, _, checksum = _read_head(file.readline(), file.readline())
        content = file.read(record.size)
    if len(content) < record.size or zlib.crc32(content) != checksum:
        raise DamagedError(f"{path} has other content than was accepted")
    return content


def _letters(record: Record) -> bytes:
    marks = b"".join(standing.mark.value for standing in record.standings)
    return record.state.value + b" " + marks


def _head(record: Record, content: bytes) -> bytes:
    envelope = {
        "id": record.id,
        "sender": record.sender,
        "recipients": [[one.address, one.said] for one in record.recipients],
        "size": len(content),
        "crc32": zlib.crc32(content),
        "accepted": record.accepted,
        "utf8": record.utf8,
        "client": record.client,
    }
    return _MAGIC + _letters(record) + b"\n" + json.dumps(envelope).encode() + b"\n"


def _read_head(letters: bytes, envelope: bytes) -> tuple[Record, int, int]:
    """Return the record, where its content starts, and the checksum of that."""
    if not (letters.startswith(_MAGIC) and letters.endswith(b"\n") and envelope.endswith(b"\n")):
        raise DamagedError("a file of the queue is cut in its head")
    try:
        data: Mapping[str, Any] = json.loads(envelope)
        record = Record(
            id=data["id"],
            sender=data["sender"],
            recipients=tuple(rules.Recipient(*one) for one in data["recipients"]),
            size=data["size"],
            accepted=data["accepted"],
            utf8=data["utf8"],
            client=data["client"],
            state=State(letters[_MARKS_AT - 2 : _MARKS_AT - 1]),
            standings=[Standing(Mark(bytes([mark]))) for mark in letters[_MARKS_AT:-1]],
        )
        return record, len(letters) + len(envelope), data["crc32"]
    except (ValueError, LookupError, TypeError):
        raise UnknownFileError("a file of the queue has a head of another making") from None


def _apply(record: Record, event: Mapping[str, Any]) -> None:
    numbers: list[int] = event["to"]
    for number in numbers:
        standing = record.standings[number]
        standing.attempts = event["attempts"]
        standing.due = event["due"]
        standing.answer = event["answer"]


def _history(record: Record, numbers: Iterable[int]) -> bytes:
    """Return a line for each group of recipients that share their times and their answer."""
    groups: dict[tuple[int, float, str], list[int]] = {}
    for number in numbers:
        one = record.standings[number]
        groups.setdefault((one.attempts, one.due, one.answer), []).append(number)
    lines = (
        {"at": time.time(), "to": group, "attempts": attempts, "due": due, "answer": answer}
        for (attempts, due, answer), group in groups.items()
        if attempts or due or answer
    )
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]

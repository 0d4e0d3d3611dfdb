"""The queue on disk, as any process sees it: list it, ask for something, leave a message.

The folder holds `messages`, one file for each; `requests`, empty files that ask the service for
something; `incoming`, where any user of the machine may leave a message, whose name nobody else
can guess; `refresh-token`, where the relay's tokens come from one that changes; and `lock`, which
the service holds while it runs, so that there is one at a time.
"""

import contextlib
import dataclasses
import fcntl
import json
import os
import pathlib
import re
import secrets
import stat
import time
from collections.abc import Generator, Iterable, Iterator, Sequence

from forwarder import queue_file

VERBS = ("retry", "hold", "release", "drop", "flush")
_REQUEST = re.compile(rf"({'|'.join(VERBS)})\.([0-9a-z]*)")
_POLL_SECONDS = 0.05
_LONGEST_HEAD = 2**20


@dataclasses.dataclass(frozen=True)
class Waiting:
    """A recipient that has not been delivered yet."""

    address: str
    attempts: int
    next_attempt: float | None
    """In seconds since the epoch; None if it is due as soon as can be."""
    answer: str
    """The relay's last words, or why it waits; empty if it was never tried."""


@dataclasses.dataclass(frozen=True)
class Entry:
    """A message that waits."""

    id: str
    sender: str
    size: int
    accepted: float
    """In seconds since the epoch."""
    held: bool
    recipients: tuple[Waiting, ...]


@dataclasses.dataclass(frozen=True)
class Left:
    """A message that a process left in `incoming`."""

    sender: str
    recipients: tuple[str, ...]
    content: bytes
    utf8: bool


class LockedError(Exception):
    """Another process serves the queue."""


@dataclasses.dataclass(frozen=True)
class Spool:
    """The folder of a queue."""

    path: pathlib.Path

    @property
    def messages(self) -> pathlib.Path:
        """The folder of the messages' files."""
        return self.path / "messages"

    @property
    def requests(self) -> pathlib.Path:
        """The folder of what is asked of the service."""
        return self.path / "requests"

    @property
    def incoming(self) -> pathlib.Path:
        """The folder where messages may be left."""
        return self.path / "incoming"

    @property
    def refresh_token(self) -> pathlib.Path:
        """What the token endpoint gave in the place of the relay's refresh token."""
        return self.path / "refresh-token"

    def file(self, message_id: str) -> pathlib.Path:
        """Return where a message is."""
        return self.messages / message_id

    def records(self) -> Iterator[queue_file.Record]:
        """Yield what is known of each message, oldest first; what is damaged is left out."""
        for name in _names(self.messages):
            # A message may be delivered, or still be written, while this runs.
            with contextlib.suppress(FileNotFoundError, queue_file.DamagedError):
                yield queue_file.read(self.file(name))

    def entries(self) -> list[Entry]:
        """Return the messages that wait, oldest first.

        Raises:
            OSError: if the folder cannot be read.
        """
        return [
            _entry(record) for record in self.records() if record.having(queue_file.Mark.WAITING)
        ]

    def ask(self, verb: str, ids: Sequence[str] = (), timeout: float = 10) -> bool:
        """Ask for something; without a service it is done at once.

        Args:
            verb: `retry` (due now), `hold`, `release` (no longer held, due now), `drop` (gone, and
                nobody is told), or `flush` (all that are not held are due now).
            ids: the messages; none for `flush`.
            timeout: how long to wait for the service, in seconds.

        Returns:
            Whether it was done in time. What was not stays asked for.
        """
        if verb not in VERBS:
            raise ValueError(f"{verb=}: use one of {', '.join(VERBS)}")
        requests = [self.requests / f"{verb}.{one}" for one in (("",) if verb == "flush" else ids)]
        for request in requests:
            request.touch(mode=0o600)
        deadline = time.monotonic() + timeout
        while any(request.exists() for request in requests):
            with contextlib.suppress(LockedError), self.locked():
                for one, number in self.take_requests():
                    self._do(one, number)
            if time.monotonic() >= deadline:
                return not any(request.exists() for request in requests)
            time.sleep(_POLL_SECONDS)
        return True

    def take_requests(self) -> Iterator[tuple[str, str]]:
        """Yield what was asked for: a verb and a message's ID. Strike each when it is done."""
        for name in _names(self.requests):
            match = _REQUEST.fullmatch(name)
            if match:
                yield match[1], match[2]
            (self.requests / name).unlink(missing_ok=True)

    @contextlib.contextmanager
    def locked(self) -> Generator[None, None, None]:
        """Be the one process that changes the queue.

        Raises:
            LockedError: if there is another.
        """
        descriptor = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise LockedError(f"{self.path} is served by another process") from None
        try:
            yield
        finally:
            os.close(descriptor)

    def _do(self, verb: str, message_id: str) -> None:
        names = _names(self.messages) if verb == "flush" else [message_id]
        for name in names:
            with contextlib.suppress(FileNotFoundError, queue_file.DamagedError):
                record = queue_file.read(self.file(name))
                if change(record, verb):
                    keep(self.file(name), record)


def change(record: queue_file.Record, verb: str) -> bool:
    """Do to a record what was asked for; return whether that changes it."""
    held, waiting = record.held, record.having(queue_file.Mark.WAITING)
    if held and verb in {"retry", "flush"}:
        return False
    if verb in {"hold", "release"}:
        state = queue_file.State
        record.state = state.HELD if verb == "hold" else state.ACCEPTED
    for number in waiting:
        if verb == "drop":
            record.standings[number].mark = queue_file.Mark.ENDED
        elif verb != "hold":
            record.standings[number].due = 0
    return True


def keep(path: pathlib.Path, record: queue_file.Record) -> None:
    """Bring a changed record to the disk; what is finished leaves it.

    Raises:
        OSError: if the file cannot be written.
    """
    if record.finished:
        path.unlink(missing_ok=True)
        return
    queue_file.write_letters(path, record)
    # A full disk only takes the reasons and the times, which the queue can do without.
    with contextlib.suppress(OSError):
        queue_file.append_history(path, record, record.having(queue_file.Mark.WAITING))


def prepare(path: pathlib.Path) -> Spool:
    """Make the folders of a queue where they are not there.

    Raises:
        OSError: if they cannot be made.
    """
    spool = Spool(path)
    for folder, mode in (
        (path, 0o711),
        (spool.messages, 0o700),
        (spool.requests, 0o700),
        (spool.incoming, 0o1733),
    ):
        folder.mkdir(parents=True, exist_ok=True)
        # The umask has no say in who may leave a message.
        if stat.S_IMODE(folder.stat().st_mode) != mode:
            folder.chmod(mode)
    return spool


def drop_off(
    path: pathlib.Path,
    sender: str,
    recipients: Iterable[str],
    content: bytes,
    *,
    smtputf8: bool = False,
) -> str:
    """Leave a message for the service, which may be down. Any user of the machine may do so.

    Args:
        path: the folder of the queue.
        sender: the envelope's sender; empty for the null sender.
        recipients: the addresses, to which the service applies its rules.
        content: the message, whose lines end in CRLF.
        smtputf8: whether the message needs SMTPUTF8 (RFC 6531).

    Returns:
        The name under which it waits. It is on disk when this returns.

    Raises:
        OSError: if it cannot be kept.
    """
    folder = Spool(path).incoming
    owner = folder.stat()
    name = secrets.token_hex(16)
    head = {"sender": sender, "recipients": list(recipients), "utf8": smtputf8}
    # The service must be able to read what another user leaves; only its name protects it then.
    own = os.geteuid() in {0, owner.st_uid}
    partial = folder / f".{name}"
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(json.dumps(head).encode() + b"\n" + content)
            file.flush()
            os.fsync(descriptor)
            if not own:
                os.fchmod(descriptor, 0o644)
            elif os.geteuid() == 0:
                os.fchown(descriptor, owner.st_uid, owner.st_gid)
        partial.rename(folder / name)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    _sync_names(folder)
    return name


def pick_up(path: pathlib.Path, largest: int) -> Left:
    """Read a message that was left, by whoever it was; of one that is larger, one byte more.

    Raises:
        ValueError: if it is no message.
        OSError: if it cannot be read, or is not a file of its own.
    """
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    # `fdopen` would leave the descriptor of a folder open.
    with open(path, "rb", opener=lambda name, _: os.open(name, flags)) as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1:
            raise ValueError("this is not a file of its own")
        head = json.loads(file.readline(_LONGEST_HEAD))
        content = file.read(largest + 1)
    sender, recipients = head["sender"], tuple(map(str, head["recipients"]))
    return Left(str(sender), recipients, content, utf8=head["utf8"] is True)


def _names(folder: pathlib.Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def _entry(record: queue_file.Record) -> Entry:
    waiting = tuple(
        Waiting(
            address=record.recipients[n].address,
            attempts=record.standings[n].attempts,
            next_attempt=record.standings[n].due or None,
            answer=record.standings[n].answer,
        )
        for n in record.having(queue_file.Mark.WAITING)
    )
    return Entry(record.id, record.sender, record.size, record.accepted, record.held, waiting)


def _sync_names(folder: pathlib.Path) -> None:
    try:
        queue_file.sync(folder)
    except PermissionError:
        # Who may not list the folder may not open it either.
        os.sync()

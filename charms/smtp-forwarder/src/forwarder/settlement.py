"""What becomes of a message after an attempt: delivered, kept for the next one, or bounced."""

import contextlib
import os
import time
import traceback
from collections.abc import Generator

from forwarder import (
    answers,
    bounce,
    configuration,
    digest,
    journal,
    queue_file,
    rules,
    storage,
    transit,
)
from forwarder.queue_file import Mark, Record

_EXPIRED = "it could not be delivered in time"
# How long a message waits whose file fails; else it would be tried without end.
_DISK_PAUSE = 60.0


class Settlement:
    """Keeps what is left to do, and tells senders and the administrator what cannot be done."""

    def __init__(self, settings: configuration.Configuration, store: storage.Storage) -> None:
        self.settings = settings
        self.storage = store
        self._digest = digest.Digest(store.spool.path / "digest")
        self._told: set[tuple[object, ...]] = set()

    def note(self, record: Record, outcome: transit.Outcome) -> None:
        """Note in a record what came of an attempt, and log it."""
        for number in record.having(Mark.WAITING):
            standing, answer = record.standings[number], outcome.answers.get(number)
            standing.attempts += answer is not None or outcome.tried
            standing.answer = str(answer) if answer else answers.printable(outcome.trouble)
            standing.due = self._due(standing)
            event = "deferred"
            if answer is not None and not answer.transient:
                event = "delivered" if answer.done else "bounced"
                standing.mark = Mark.DELIVERED if answer.done else Mark.FAILED
            self.log(event, record, number)

    async def settle(self, parcel: transit.Parcel, outcome: transit.Outcome) -> None:
        """Note what came of an attempt on a message that is in the queue.

        Raises:
            OSError: if the disk fails.
        """
        if not outcome.answers and not outcome.tried:
            await self._note_trouble(parcel.record, answers.printable(outcome.trouble))
            return
        self.note(parcel.record, outcome)
        await self.storage.keep(parcel.record)
        await self.bounce(parcel)

    async def _note_trouble(self, record: Record, trouble: str) -> None:
        """Note why a message could not be tried, where that is news.

        While the relay is down, only one message is looked at after each pause.
        """
        news = [n for n in record.having(Mark.WAITING) if record.standings[n].answer != trouble]
        for number in news:
            record.standings[number].answer = trouble
            self.log("deferred", record, number)
        if news:
            await self.storage.keep(record)

    async def keep_rest(self, parcel: transit.Parcel) -> None:
        """Keep what is left to do for a message, and bounce what cannot be done.

        Raises:
            OSError: if it cannot be kept.
        """
        if parcel.record.having(Mark.WAITING):
            await self.enqueue(parcel)
        await self.bounce(parcel)

    async def enqueue(self, parcel: transit.Parcel) -> None:
        """Put a message into the queue, or bring its record there up to date.

        Raises:
            OSError: if it cannot be kept.
        """
        if parcel.record.id in self.storage.records:
            await self.storage.keep(parcel.record)
        else:
            with contextlib.suppress(FileExistsError):
                await self.storage.store(parcel.record, parcel.content)

    async def bounce(self, parcel: transit.Parcel) -> None:
        """Tell the sender of the recipients that failed. Who has no sender is told of no more.

        The bounce's ID follows from the message's, so that it is not written twice.

        Raises:
            OSError: if it cannot be kept.
        """
        record = parcel.record
        failed, numbers = bounce.failures(record), record.having(Mark.FAILED)
        if not failed:
            return
        for one in failed:
            self._digest.add(f"{record.id} from <{record.sender}> to <{one.said}>: {one.answer}")
        if record.sender:
            content = bounce.compose(record, failed, parcel.content, self.settings.hostname)
            await self.enqueue(own_parcel(f"{record.id}b{numbers[0]}", record.sender, content))
        for number in numbers:
            record.standings[number].mark = Mark.ENDED
        if record.id in self.storage.records:
            await self.storage.keep(record)

    async def expire(self, record: Record) -> None:
        """Give up a message that waited for too long.

        Raises:
            OSError: if the disk fails.
        """
        for number in record.having(Mark.WAITING):
            standing = record.standings[number]
            standing.mark = Mark.FAILED
            standing.answer = standing.answer or _EXPIRED
            self.log("bounced", record, number)
        await self.storage.keep(record)
        await self.tell_failures(record)

    async def tell_failures(self, record: Record) -> None:
        """Bounce the recipients that failed and of which nobody was told.

        Raises:
            OSError: if the disk fails.
        """
        await self.bounce(transit.Parcel(record, await self.storage.content(record)))

    async def send_digest(self) -> None:
        """Send the administrator what failed, if it is time.

        Raises:
            OSError: if it cannot be kept.
        """
        if self.settings.administrator and self._digest.due:
            await self._tell("Mail that failed", self._digest.text())
            self._digest.clear()

    async def tell_rule_failed(self, error: Exception) -> None:
        """Log where a program's rules failed, and tell the administrator once of each place.

        The error's own words are left out: they may have the message's in them.

        Raises:
            OSError: if it cannot be kept.
        """
        kind, frames = type(error).__name__, traceback.extract_tb(error.__traceback__)
        where = "".join(traceback.format_list(frames))
        journal.logger.error("rule-failed reason=%s\n%s", kind, where)
        place = (kind, *((frame.filename, frame.lineno) for frame in frames[-1:]))
        if self.settings.administrator and place not in self._told:
            self._told.add(place)
            text = (
                "A rule failed. Until it is mended, such mail is answered with 451, and waits in"
                f" the queue's folder where a program left it.\n\n{where}\n{kind}\n"
            )
            await self._tell("A rule failed", text)

    def log(self, event: str, record: Record, number: int, **more: object) -> None:
        """Log what happened to one recipient of a message."""
        recipient, standing = record.recipients[number], record.standings[number]
        upstream = self.settings.upstream
        journal.note(
            event,
            id=record.id,
            **{"from": f"<{record.sender}>"},
            to=f"<{recipient.address}>",
            rcpt=f"<{recipient.said}>",
            client=record.client,
            size=record.size,
            delay=time.time() - record.accepted,
            attempts=standing.attempts,
            relay=upstream.name if upstream else "",
            **{"answer": standing.answer, **more},
        )

    def _due(self, standing: queue_file.Standing) -> float:
        """Return when the next attempt is due (RFC 5321, section 4.5.4.1)."""
        if not standing.attempts:
            return 0
        delays = self.settings.retry_seconds
        return time.time() + delays[min(standing.attempts, len(delays)) - 1]

    async def _tell(self, subject: str, text: str) -> None:
        to = self.settings.administrator
        content = bounce.tell(to, subject, text, self.settings.hostname)
        await self.enqueue(own_parcel(new_id(), to, content))


def own_parcel(name: str, recipient: str, content: bytes) -> transit.Parcel:
    """Return a message of the forwarder itself, with the null sender."""
    record = Record(
        id=name,
        sender="",
        recipients=(rules.Recipient(recipient, recipient),),
        size=len(content),
        accepted=time.time(),
        utf8=not recipient.isascii(),
    )
    return transit.Parcel(record, content)


def new_id() -> str:
    """Return an ID for a message; later ones sort behind earlier ones.

    It begins with a letter, since `juju run` takes digits, even around an "e", for a number.
    """
    return f"m{int(time.time() * 1e6):013x}{os.urandom(2).hex()}"


@contextlib.contextmanager
def logged(record: Record) -> Generator[None, None, None]:
    """Log what one message's file does, and let it wait, so that no other message has to."""
    try:
        yield
    except FileNotFoundError:
        journal.logger.warning("gone id=%s reason=its-file-was-removed", record.id)
    except OSError as error:
        journal.logger.error("queue-failed id=%s reason=%s", record.id, error)
        for number in record.having(Mark.WAITING):
            standing = record.standings[number]
            standing.due = max(standing.due, time.time() + _DISK_PAUSE)
    except queue_file.DamagedError as error:
        record.state = queue_file.State.HELD
        journal.logger.error("held id=%s reason=%s", record.id, error)

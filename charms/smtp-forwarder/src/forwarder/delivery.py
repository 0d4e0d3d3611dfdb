"""From a client's message to the relay, or into the queue: who is told what, and when."""

import asyncio
import contextlib
import dataclasses
import datetime as dt
import email.utils
import functools
import time
from collections.abc import Coroutine, Generator, Sequence
from typing import Any, TypeVar

from forwarder import (
    answers,
    configuration,
    journal,
    message,
    queue_file,
    rules,
    settlement,
    storage,
    transit,
    upstream,
)
from forwarder.answers import Answer
from forwarder.passage import Passage, worst
from forwarder.queue_file import Mark, Record

FULL = Answer(452, "4.3.1 There is no room to keep a message; try again later")
RULE_FAILED = Answer(451, "4.3.5 A rule failed on this message; the forwarder's log says why")
UNCONFIGURED = Answer(451, "4.3.5 No relay is configured here; try again later")
TOO_LARGE = Answer(552, "5.3.4 The message is larger than is taken here")
SMUGGLED = Answer(
    550,
    "5.6.0 A line of a lone dot does not end in CRLF on both sides; some servers would take"
    " what follows for another message",
)
FAILED = Answer(451, "4.3.0 The forwarder failed; its log says why")
KEPT = Answer(250, "2.0.0 queued")
_NO_RELAY = "no relay is configured"
_NO_ANSWER_YET = "the relay has not answered yet"

_T = TypeVar("_T")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Submission:
    """A message as a client hands it over."""

    sender: str
    recipients: tuple[str, ...]
    content: bytes
    utf8: bool = False
    client: str
    """The client's address, for the log."""
    trace: str
    """What the Received line says of the client and of us; the message's ID comes behind it."""
    passage: Passage | None = None


class Delivery:
    """Takes messages from clients, and sends those that wait in the queue."""

    def __init__(self, settings: configuration.Configuration, store: storage.Storage) -> None:
        self.settings = settings
        self.storage = store
        self.settlement = settlement.Settlement(settings, store)
        self.pool = self._new_pool()
        self.queued = asyncio.Event()
        """Set when there may be something new to do in the queue."""
        self.under_way: set[str] = set()
        """The messages that are being sent, which nobody else may send."""
        self._tasks: set[asyncio.Task[Any]] = set()

    def configure(self, settings: configuration.Configuration) -> None:
        """Use other settings from now on. What is on its way goes on as it began."""
        old, self.settings = self.settings, settings
        self.settlement.settings = settings
        if (old.upstream, old.hostname) == (settings.upstream, settings.hostname):
            return
        if self.pool is not None:
            self.pool.close()
        self.pool = self._new_pool()
        for record in self.storage.records.values():
            for number in record.having(Mark.WAITING):
                record.standings[number].due = 0
        self.queued.set()

    async def take(self, submission: Submission) -> Answer:
        """Send a message through while its client waits, or keep it.

        A client that goes away meanwhile changes nothing of what becomes of its message.

        Returns:
            What the client is told.
        """
        told: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._begin(self._take(submission, told))
        return await told

    async def take_left(self, submission: Submission, name: str) -> None:
        """Queue a message that was left while nobody could answer: refusals become bounces.

        Args:
            submission: the message.
            name: its ID, which it always gets, so that it is not kept twice.

        Raises:
            OSError: if it cannot be kept; then nothing of it is.
            Exception: what a program's rules raise.
        """
        refused = self._refused(submission)
        taken = tuple(one for one in submission.recipients if one not in refused)
        parcels = self._parcels(dataclasses.replace(submission, recipients=taken), name)
        if refused:
            parcels.append(_refused_parcel(submission, refused, f"{name}r"))
        new = [one.record for one in parcels if one.record.id not in self.storage.records]
        try:
            for parcel in parcels:
                await self.settlement.keep_rest(parcel)
        except BaseException:
            # It is taken anew as a whole: a part that was sent meanwhile would be sent twice.
            for record in new:
                await self.storage.forget(record)
            raise
        journal.counts["accepted"] += len(parcels)
        self.queued.set()

    @contextlib.contextmanager
    def alone(self, record: Record) -> Generator[None, None, None]:
        """Keep others from sending the message."""
        self.under_way.add(record.id)
        try:
            yield
        finally:
            self.under_way.discard(record.id)
            self.queued.set()

    async def deliver(self, record: Record) -> None:
        """Try a message of the queue, and settle what comes of it.

        Raises:
            OSError: if the disk fails.
            queue_file.DamagedError: if the message is not what was accepted.
        """
        pool = self.pool
        if pool is None:
            return
        parcel = transit.Parcel(record, await self.storage.content(record))
        await self.settlement.settle(parcel, await transit.transmit(pool, parcel))

    def rule_failed(self, error: Exception) -> Answer:
        """Tell of an error in a program's rules; return what the client is told."""
        self._begin(self.settlement.tell_rule_failed(error))
        return RULE_FAILED

    async def finish(self, timeout: float) -> None:
        """Wait for what is on its way, for at most `timeout` seconds."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=timeout)
        for task in self._tasks:
            task.cancel()
        if self.pool is not None:
            self.pool.close()

    async def _take(self, submission: Submission, told: "asyncio.Future[Answer]") -> None:
        try:
            _tell(told, await self._answer(submission, told))
        except Exception:  # noqa: BLE001 - the client is told, whatever fails
            journal.logger.exception("delivery-failed client=%s", submission.client)
            _tell(told, FAILED)
        finally:
            if submission.passage is not None:
                submission.passage.release()

    async def _answer(self, submission: Submission, told: "asyncio.Future[Answer]") -> Answer:
        try:
            parcels = self._parcels(submission)
        except rules.InvalidRecipient as error:
            return refusal(error)
        except Exception as error:  # noqa: BLE001 - a program's rules may raise anything
            return self.rule_failed(error)
        if not parcels:
            return Answer(250, "2.0.0 Taken, and dropped as the rules say")
        with self.storage.room(sum(2 * len(one.content) for one in parcels)) as enough:
            return await self._pass_on(parcels, submission.passage, told) if enough else FULL

    async def _pass_on(
        self,
        parcels: list[transit.Parcel],
        passage: Passage | None,
        told: "asyncio.Future[Answer]",
    ) -> Answer:
        pool = self.pool
        if pool is None:
            if self.settings.when_unconfigured == "refuse":
                return UNCONFIGURED
            return await self._conclude(
                parcels, [transit.Outcome(trouble=_NO_RELAY) for _ in parcels]
            )
        keeping: list[asyncio.Task[bool]] = []
        timer = asyncio.get_running_loop().call_later(
            self.settings.wait_seconds,
            lambda: keeping.append(self._begin(self._keep_unfinished(parcels, told))),
        )
        first, *others = parcels
        attempts = [self._begin(transit.transmit(pool, one)) for one in others]
        outcomes = [await transit.transmit(pool, first, passage)]
        outcomes += [await attempt for attempt in attempts]
        timer.cancel()
        if not (keeping and await keeping[0]):
            return await self._conclude(parcels, outcomes)
        for parcel, outcome in zip(parcels, outcomes, strict=True):
            with settlement.logged(parcel.record), self.alone(parcel.record):
                await self.settlement.settle(parcel, outcome)
        return KEPT

    async def _conclude(
        self, parcels: Sequence[transit.Parcel], outcomes: Sequence[transit.Outcome]
    ) -> Answer:
        """Tell the client what the relay said, if it refused all; else keep what is left."""
        said = [answer for outcome in outcomes for answer in outcome.answers.values()]
        troubles = [outcome.trouble for outcome in outcomes if outcome.trouble]
        taken = next((answer for answer in said if answer.done), None)
        if taken is None and not troubles:
            for parcel, outcome in zip(parcels, outcomes, strict=True):
                for number, answer in outcome.answers.items():
                    self.settlement.log("refused", parcel.record, number, answer=answer)
            return worst(said)
        try:
            for parcel, outcome in zip(parcels, outcomes, strict=True):
                journal.counts["accepted"] += 1
                self.settlement.note(parcel.record, outcome)
                await self.settlement.keep_rest(parcel)
        except OSError as error:
            journal.logger.error("cannot-queue reason=%s", error)
            return FULL
        name = parcels[0].record.id
        if taken is None:
            self.queued.set()
            return Answer(250, f"2.0.0 {name} queued: {troubles[0]}")
        words = taken.text.removeprefix(taken.status).strip()
        return Answer(250, f"2.0.0 {name} delivered: {words}")

    async def _keep_unfinished(
        self, parcels: Sequence[transit.Parcel], told: "asyncio.Future[Answer]"
    ) -> bool:
        """Queue what the relay has not answered in time, while the attempt itself goes on.

        Returns:
            Whether it is kept. Without room for it, the relay's answer is all there is to tell.
        """
        try:
            for parcel in parcels:
                self.under_way.add(parcel.record.id)
                for standing in parcel.record.standings:
                    standing.answer = _NO_ANSWER_YET
                await self.settlement.enqueue(parcel)
        except OSError:
            for parcel in parcels:
                self.under_way.discard(parcel.record.id)
                await self.storage.forget(parcel.record)
            return False
        journal.counts["accepted"] += len(parcels)
        _tell(told, Answer(250, f"2.0.0 {parcels[0].record.id} queued: {_NO_ANSWER_YET}"))
        return True

    def _refused(self, submission: Submission) -> dict[str, Answer]:
        """Return the recipients of a message that cannot have it, and why."""
        if message.has_smuggled_end(submission.content):
            return dict.fromkeys(submission.recipients, SMUGGLED)
        if len(submission.content) > self.settings.limits.message_size:
            return dict.fromkeys(submission.recipients, TOO_LARGE)
        refused: dict[str, Answer] = {}
        for recipient in submission.recipients:
            try:
                rules.targets(self.settings.rules, recipient)
            except rules.InvalidRecipient as error:
                refused[recipient] = refusal(error)
        return refused

    def _parcels(self, submission: Submission, name: str = "") -> list[transit.Parcel]:
        found = rules.deliveries(
            self.settings.rules, submission.sender, submission.recipients, submission.content
        )
        name = name or settlement.new_id()
        return [_parcel(submission, one, f"{name}{n or ''}") for n, one in enumerate(found)]

    def _new_pool(self) -> upstream.Pool | None:
        relay, hostname = self.settings.upstream, self.settings.hostname
        return upstream.Pool(relay, hostname, self.storage.spool.refresh_token) if relay else None

    def _begin(self, work: Coroutine[None, None, _T]) -> asyncio.Task[_T]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _tell(told: "asyncio.Future[Answer]", answer: Answer) -> None:
    # A client that went away, or was told already, is told nothing.
    if not told.done():
        told.set_result(answer)


def refusal(error: rules.InvalidRecipient) -> Answer:
    """Return what a recipient that the rules refuse is answered with."""
    return Answer(550, f"5.1.1 {answers.printable(error.reason)}")


def _parcel(submission: Submission, one: rules.Delivery, name: str) -> transit.Parcel:
    # The line has no `for`: it would tell each recipient of others that are hidden.
    received = f"Received: {submission.trace}\r\n\tid {name}; {_now()}\r\n"
    content = received.encode() + one.content
    said = (recipient.address for recipient in one.recipients)
    record = Record(
        id=name,
        sender=one.sender,
        recipients=one.recipients,
        size=len(content),
        accepted=time.time(),
        utf8=submission.utf8 or not (one.sender + "".join(said)).isascii(),
        client=submission.client,
    )
    return transit.Parcel(record, content)


def _refused_parcel(
    submission: Submission, refused: dict[str, Answer], name: str
) -> transit.Parcel:
    """Return a message of which all that is left to do is to bounce it."""
    standings = [
        queue_file.Standing(Mark.FAILED, answer=str(answer)) for answer in refused.values()
    ]
    record = Record(
        id=name,
        sender=submission.sender,
        recipients=tuple(rules.Recipient(said, said) for said in refused),
        size=len(submission.content),
        accepted=time.time(),
        standings=standings,
    )
    return transit.Parcel(record, submission.content)


def _now() -> str:
    """Return the time as RFC 5322, section 3.3, writes it."""
    return _date(int(time.time()))


@functools.lru_cache(maxsize=1)
def _date(seconds: int) -> str:
    return email.utils.format_datetime(dt.datetime.fromtimestamp(seconds, dt.timezone.utc))

"""The queue's clock: send what is due, do what was asked for, take in what was left."""

import asyncio
import collections
import contextlib
import errno
import functools
import os
import pathlib
import time
from collections.abc import Coroutine

from forwarder import addresses, delivery, journal, queue, settlement
from forwarder.queue_file import Mark, Record

TICK_SECONDS = 1.0
# Whoever writes a file in `incoming` is done with it in seconds, or was killed.
_ABANDONED_SECONDS = 86_400
# What keeps any file from being read for a while, and is not the fault of that one.
_PASSING = {errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOMEM}


class Schedule:
    """Works on the queue until it is cancelled."""

    def __init__(self, work: delivery.Delivery) -> None:
        self._work = work
        self._storage = work.storage
        self._ready: collections.deque[Record] = collections.deque()
        self._running: set[asyncio.Task[None]] = set()
        self._done_with: set[str] = set()
        """The names of files in `incoming` at which there is no need to look again."""
        self._told: dict[str, str] = {}

    async def run(self) -> None:
        """Look at everything once a second, and send what is due as soon as it can be."""
        look_at = 0.0
        while True:
            self._work.queued.clear()
            try:
                if time.monotonic() >= look_at:
                    look_at = time.monotonic() + TICK_SECONDS
                    await self._look()
                self._send_ready()
            except OSError as error:
                journal.logger.error("queue-failed reason=%s", error)
            with contextlib.suppress(asyncio.TimeoutError):
                pause = max(look_at - time.monotonic(), 0)
                await asyncio.wait_for(self._work.queued.wait(), pause)

    async def finish(self, timeout: float) -> None:
        """Wait for the attempts that run, for at most `timeout` seconds."""
        if self._running:
            await asyncio.wait(self._running, timeout=timeout)
        for task in self._running:
            task.cancel()

    async def _look(self) -> None:
        await self._do_requests()
        await self._take_left()
        await self._work.settlement.send_digest()
        self._end_what_failed()
        if not self._ready:
            self._gather_ready()

    async def _do_requests(self) -> None:
        for verb, message_id in self._storage.spool.take_requests():
            records = self._storage.records
            chosen = list(records.values()) if verb == "flush" else [records.get(message_id)]
            for record in chosen:
                if record is not None and queue.change(record, verb):
                    journal.logger.info("%s id=%s by-hand", verb, record.id)
                    with settlement.logged(record):
                        await self._storage.keep(record)
            if verb != "hold" and self._work.pool is not None:
                self._work.pool.try_now()

    async def _take_left(self) -> None:
        paths = {path.name: path for path in self._storage.spool.incoming.iterdir()}
        self._done_with &= paths.keys()
        self._told = {name: self._told[name] for name in self._told.keys() & paths.keys()}
        for name, path in paths.items():
            if name.startswith("."):
                _clear_abandoned(path)
            elif name not in self._done_with and await self._take_file(path):
                # One that cannot be removed must not be taken twice.
                self._done_with.add(name)
                with contextlib.suppress(IsADirectoryError):
                    path.unlink(missing_ok=True)

    async def _take_file(self, path: pathlib.Path) -> bool:
        """Queue a message that was left; return whether its file may go.

        It may not while the message cannot be kept, or a program's rules fail on it: whoever left
        it was told that it is accepted.
        """
        name, settings = path.name, self._work.settings
        pick_up = functools.partial(queue.pick_up, path, settings.limits.message_size)
        try:
            submission = _submission(await self._storage.in_thread(pick_up), settings.hostname)
        except (ValueError, LookupError, TypeError) as error:
            journal.note("discarded", file=name, reason=error)
            return True
        except OSError as error:
            if error.errno not in _PASSING:
                self._done_with.add(name)
            self._tell("left", name, _cause(error))
            return False
        try:
            await self._work.take_left(submission, name)
        except OSError as error:
            self._tell("left", name, _cause(error))
        except Exception as error:  # noqa: BLE001 - a program's rules may raise anything
            if self._tell("left", name, f"a rule failed: {type(error).__name__}"):
                self._work.rule_failed(error)
        else:
            return True
        return False

    def _tell(self, event: str, name: str, reason: str) -> bool:
        """Log why a file stays, if the same was not logged at an earlier look; return whether."""
        if self._told.get(name) == f"{event} {reason}":
            return False
        self._told[name] = f"{event} {reason}"
        journal.note(event, file=name, reason=reason)
        return True

    def _end_what_failed(self) -> None:
        """Bounce what failed before the service was killed, and what waited for too long."""
        oldest = time.time() - self._work.settings.expire_seconds
        for record in list(self._storage.records.values()):
            if record.id in self._work.under_way or record.held:
                continue
            if record.having(Mark.FAILED):
                self._start(record, self._work.settlement.tell_failures(record))
            elif record.accepted < oldest:
                self._start(record, self._work.settlement.expire(record))

    def _gather_ready(self) -> None:
        now = time.time()
        for record in self._storage.records.values():
            if not record.held and record.having(Mark.WAITING) and record.due <= now:
                self._ready.append(record)

    def _send_ready(self) -> None:
        pool = self._work.pool
        if pool is None:
            return
        pool.close_idle()
        # A relay that was down is asked with one message before all are sent.
        limit = 1 if pool.down else pool.settings.connections
        if not self._ready and not pool.pause:
            self._gather_ready()
        while self._ready and len(self._running) < limit and not pool.pause:
            record = self._ready.popleft()
            waiting = record.id in self._storage.records and record.having(Mark.WAITING)
            if waiting and not record.held and record.id not in self._work.under_way:
                self._start(record, self._work.deliver(record))

    def _start(self, record: Record, work: Coroutine[None, None, None]) -> None:
        # From now on, not only once the task runs: who looks again meanwhile must see it.
        self._work.under_way.add(record.id)
        task = asyncio.create_task(self._alone(record, work))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _alone(self, record: Record, work: Coroutine[None, None, None]) -> None:
        with self._work.alone(record), settlement.logged(record):
            await work


def _clear_abandoned(path: pathlib.Path) -> None:
    with contextlib.suppress(OSError):
        if time.time() - path.lstat().st_mtime > _ABANDONED_SECONDS:
            path.unlink()


def _cause(error: Exception) -> str:
    """Say what failed without the error's own words, which may have the message's in them."""
    number = error.errno if isinstance(error, OSError) else None
    return os.strerror(number) if number else type(error).__name__


def _submission(left: queue.Left, hostname: str) -> delivery.Submission:
    wrong = [
        one for one in (*left.recipients, left.sender) if one and not addresses.is_address(one)
    ]
    if wrong or not left.recipients:
        raise ValueError("an address is none")
    return delivery.Submission(
        sender=left.sender,
        recipients=left.recipients,
        content=left.content,
        utf8=left.utf8,
        client="local",
        trace=f"by {hostname} (smtp-forwarder)",
    )

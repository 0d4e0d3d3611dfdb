"""The queue as the service has it: an index in memory, and what becomes of it brought to the disk.

The disk is written by threads, because an fsync takes milliseconds. Several files are written at
once, and the folder's names are brought to the disk once for all who wait for it.
"""

import asyncio
import concurrent.futures
import contextlib
import functools
import logging
import os
import pathlib
import time
from collections.abc import Callable, Generator
from typing import TypeVar

from forwarder import queue, queue_file

_THREADS = 8
# What other programs may need between the look and the write.
_RESERVE = 2**20
# Where there is more room than this, it is measured anew only so often.
_PLENTY, _MEASURE_SECONDS = 2**30, 0.5

_T = TypeVar("_T")

logger = logging.getLogger("forwarder")


class Storage:
    """The messages of a queue, and their files."""

    def __init__(self, spool: queue.Spool) -> None:
        self.spool = spool
        self.records: dict[str, queue_file.Record] = {}
        self._threads = concurrent.futures.ThreadPoolExecutor(_THREADS, "storage")
        self._promised = 0
        self._free = 0
        self._measured = -_MEASURE_SECONDS
        self._syncing = asyncio.Lock()
        self._next_sync: asyncio.Task[None] | None = None

    def load(self) -> None:
        """Build the index from the files. A file that was cut had not been accepted, and goes.

        What is whole and not understood may have been, so it stays, without being tried.

        Raises:
            OSError: if the folder cannot be read.
        """
        for path in sorted(self.spool.messages.iterdir()):
            try:
                self.records[path.name] = queue_file.read(path)
            except queue_file.UnknownFileError as error:
                logger.error("left file=%s reason=%r", path.name, str(error))  # noqa: TRY400 - all is said
            except queue_file.DamagedError:
                logger.warning("discarded file=%s reason=cut-while-it-was-written", path.name)
                path.unlink()

    @contextlib.contextmanager
    def room(self, size: int) -> Generator[bool, None, None]:
        """Yield whether a message of this size can be kept, and count on it meanwhile."""
        enough = self.has_room(size)
        self._promised += size
        try:
            yield enough
        finally:
            self._promised -= size

    def has_room(self, size: int) -> bool:
        """Return whether a message of this size can be kept now."""
        return self._measure() >= self._promised + size + _RESERVE

    def _measure(self) -> int:
        """Return how many bytes are free."""
        now = time.monotonic()
        if self._free < _PLENTY or now - self._measured > _MEASURE_SECONDS:
            found = os.statvfs(self.spool.messages)
            # A file system that does not count its files says 0 of both.
            no_more_files = found.f_files and not found.f_favail
            self._free = 0 if no_more_files else found.f_bavail * found.f_frsize
            self._measured = now
        return self._free

    async def store(self, record: queue_file.Record, content: bytes) -> None:
        """Keep a message; it is on the disk when this returns.

        Raises:
            OSError: if it cannot be kept; then nothing of it is.
        """
        path = self.spool.file(record.id)
        await self.in_thread(lambda: _store(path, record, content))
        try:
            await self._sync_names()
        except OSError:
            await self.in_thread(lambda: path.unlink(missing_ok=True))
            raise
        self.records[record.id] = record

    async def keep(self, record: queue_file.Record) -> None:
        """Bring to the disk what became of a message; one that is finished leaves the queue.

        Raises:
            OSError: if the disk fails.
        """
        path = self.spool.file(record.id)
        finished = record.finished
        await self.in_thread(lambda: _keep(path, record))
        if finished:
            self.records.pop(record.id, None)
            await self._sync_names()

    async def forget(self, record: queue_file.Record) -> None:
        """Take a message out that nobody was told is in."""
        path = self.spool.file(record.id)
        if self.records.pop(record.id, None) is not None:
            await self.in_thread(functools.partial(path.unlink, missing_ok=True))

    async def content(self, record: queue_file.Record) -> bytes:
        """Read a message's content.

        Raises:
            queue_file.DamagedError: if it is not what was accepted.
            OSError: if it cannot be read.
        """
        path = self.spool.file(record.id)
        try:
            return await self.in_thread(lambda: queue_file.read_content(path))
        except FileNotFoundError:
            self.records.pop(record.id, None)
            raise

    async def in_thread(self, work: Callable[[], _T]) -> _T:
        """Do something that waits for the disk."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def close(self) -> None:
        """End the threads, when what they do is done."""
        self._threads.shutdown()

    async def _sync_names(self) -> None:
        """Bring the folder's names to the disk, once for all who ask before it begins."""
        if self._next_sync is None:
            self._next_sync = asyncio.create_task(self._sync_when_free())
        await asyncio.shield(self._next_sync)

    async def _sync_when_free(self) -> None:
        async with self._syncing:
            self._next_sync = None
            await self.in_thread(lambda: queue_file.sync(self.spool.messages))


def _store(path: pathlib.Path, record: queue_file.Record, content: bytes) -> None:
    queue_file.write(path, record, content)
    try:
        queue_file.sync(path)
    except OSError:
        path.unlink(missing_ok=True)
        raise


def _keep(path: pathlib.Path, record: queue_file.Record) -> None:
    try:
        queue.keep(path, record)
    except FileNotFoundError:
        logger.warning("gone id=%s reason=its-file-was-removed", record.id)

"""The connections to the relay: opened when needed, kept, and lent to one message at a time."""

import asyncio
import collections
import contextlib
import pathlib
from collections.abc import Callable, Mapping

from forwarder import channel, configuration, opener
from forwarder.channel import UnavailableError

FIRST_PAUSE, LONGEST_PAUSE = 2.0, 300.0
# How long a client may keep a connection from others. Most have sent their message long before;
# a connection that is taken from them costs the relay the same envelope again.
PATIENCE = 1.0
# What a relay that closes idle connections is given less than it allowed before.
_CAUTION = 0.8


class Pool:
    """The connections to one relay.

    While the relay cannot be reached, one attempt at a time is made, after pauses that grow; all
    others are told at once, so that nobody waits for a relay that is known to be down.
    """

    def __init__(
        self, settings: configuration.Upstream, hostname: str, refresh_token: pathlib.Path
    ) -> None:
        """Make a pool.

        Args:
            settings: the relay.
            hostname: what EHLO says.
            refresh_token: the file of what takes the place of a refresh token that was used.
        """
        self.settings = settings
        self.extensions: Mapping[str, str] | None = None
        self.down = ""
        """Why the relay cannot be reached; empty while it can, or nobody tried."""
        self._opener = opener.Opener(settings, hostname, refresh_token, renewed=self.try_now)
        self._free: list[channel.Channel] = []
        self._count = 0
        self._opening = 0
        self._waiting: collections.deque[asyncio.Future[channel.Channel | None]]
        self._waiting = collections.deque()
        self._revocable: dict[channel.Channel, Callable[[], None]] = {}
        self._watch: asyncio.TimerHandle | None = None
        self._idle_seconds = settings.idle_seconds
        self._pause = FIRST_PAUSE
        self._try_at = 0.0
        self._more_at = 0.0
        self._closed = False

    async def lease(self) -> channel.Channel:
        """Return a connection for one message; `give_back` it in every case.

        Raises:
            UnavailableError: if there is none to be had.
        """
        while True:
            kept = self._take_free()
            if kept is not None:
                return kept
            if self._count < self.settings.connections and self._now() >= self._more_at:
                opened = await self._open_counted()
                if opened is not None:
                    return opened
            elif self.down and self._count == self._opening:
                raise UnavailableError(self.down)
            if not self._free:
                handed = await self._wait()
                if handed is not None:
                    return handed

    async def lease_within(self, timeout: float) -> channel.Channel:
        """Return a connection for one message, if it can be had in time.

        Raises:
            UnavailableError: if it cannot.
        """
        kept = self._take_free()
        if kept is not None:
            return kept
        try:
            return await asyncio.wait_for(self.lease(), timeout)
        except asyncio.TimeoutError:
            if self._count <= self._opening:
                self._note_down(f"the {self._opener.awaited} does not answer")
            raise UnavailableError("no connection to the relay was free in time") from None

    async def learn(self, timeout: float) -> None:
        """Open a connection, if it can be had in time, to learn what the relay offers."""
        with contextlib.suppress(UnavailableError):
            self.give_back(await self.lease_within(timeout))

    def give_back(self, used: channel.Channel) -> None:
        """Take a connection back, also one that broke."""
        self._revocable.pop(used, None)
        used.used = True
        used.idle_since = self._now()
        if used.is_open and not self._closed:
            # Who has waited longest has it before anyone who comes later.
            if not self._wake(self._lent(used)):
                self._free.append(used)
        else:
            used.close()
            self._count -= 1
            self._wake()

    def make_revocable(self, leased: channel.Channel, revoke: Callable[[], None]) -> None:
        """Let a connection that waits for its client be taken for others, if that takes long.

        Args:
            leased: the connection.
            revoke: called to give it back at once.
        """
        self._revocable[leased] = revoke
        self._revoke_slow()

    def make_firm(self, leased: channel.Channel) -> None:
        """End what `make_revocable` allows."""
        self._revocable.pop(leased, None)

    def close_idle(self) -> None:
        """Close what was idle for long. What the relay closed teaches how long it allows."""
        now = self._now()
        for kept in list(self._free):
            lost = not kept.is_open
            if lost:
                allowed = _CAUTION * (kept.lost_at - kept.idle_since)
                self._idle_seconds = min(self._idle_seconds, max(allowed, 1))
            if lost or now - kept.idle_since > self._idle_seconds:
                self._drop(kept)

    def close(self) -> None:
        """Close all that is free, and what is in use as soon as it comes back."""
        self._closed = True
        self._opener.close()
        for kept in list(self._free):
            self._drop(kept)

    @property
    def pause(self) -> float:
        """How long until the relay may be tried again, in seconds; 0 while it is not down."""
        return max(self._try_at - self._now(), 0.0) if self.down else 0.0

    def try_now(self) -> None:
        """Forget that the relay was down, or that there was no token."""
        self._pause, self._try_at = FIRST_PAUSE, 0.0
        self._opener.try_now()

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()

    def _take_free(self) -> channel.Channel | None:
        # The one that was used last comes first, so that those not needed grow old.
        self.close_idle()
        return self._lent(self._free.pop()) if self._free else None

    def _lent(self, one: channel.Channel) -> channel.Channel:
        one.lent_at = self._now()
        return one

    def _drop(self, kept: channel.Channel) -> None:
        self._free.remove(kept)
        self._count -= 1
        kept.close()

    async def _open_counted(self) -> channel.Channel | None:
        """Open a connection; None if the relay allows no more than there are.

        Raises:
            UnavailableError: if there are none.
        """
        if self.down and (self._opening or self._now() < self._try_at):
            raise UnavailableError(self.down)
        self._count += 1
        self._opening += 1
        try:
            opened = await self._opener.open()
        except UnavailableError as error:
            self._count -= 1
            if self._count >= self._opening:
                # There are others that are open, which can be waited for.
                self._more_at = self._now() + FIRST_PAUSE
                asyncio.get_running_loop().call_at(self._more_at, self._allow_more)
                return None
            self._note_down(str(error))
            raise
        except BaseException:
            self._count -= 1
            self._wake()
            raise
        finally:
            self._opening -= 1
        self.down, self._pause = "", FIRST_PAUSE
        self.extensions = opened.extensions
        # Where there is one more, there may be another for the next that waits.
        self._wake()
        return self._lent(opened)

    def _allow_more(self) -> None:
        self._more_at = 0.0
        self._wake()

    def _note_down(self, reason: str) -> None:
        self.down = reason
        if self._now() >= self._try_at:
            self._try_at = self._now() + self._pause
            self._pause = min(2 * self._pause, LONGEST_PAUSE)
        # Those who wait would wait for connections that nobody gives back.
        while self._waiting:
            self._wake()

    def _revoke_slow(self) -> None:
        """Take connections from slow clients for those who wait, now and as time goes by."""
        while self._waiting and self._revocable:
            oldest = min(self._revocable, key=lambda one: one.lent_at)
            due = oldest.lent_at + PATIENCE
            if due > self._now():
                if self._watch is None:
                    self._watch = asyncio.get_running_loop().call_at(due, self._look_again)
                return
            self._revocable.pop(oldest)()

    def _look_again(self) -> None:
        self._watch = None
        self._revoke_slow()

    async def _wait(self) -> channel.Channel | None:
        """Wait for a connection; return None if there may be another way to one now."""
        waiter = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        self._revoke_slow()
        try:
            return await waiter
        except asyncio.CancelledError:
            # Whoever was woken and goes away leaves it to the next.
            if waiter.cancelled():
                with contextlib.suppress(ValueError):
                    self._waiting.remove(waiter)
            elif (handed := waiter.result()) is not None:
                self.give_back(handed)
            else:
                self._wake()
            raise

    def _wake(self, handed: channel.Channel | None = None) -> bool:
        """Wake who has waited longest; return whether there is someone."""
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(handed)
                return True
        return False

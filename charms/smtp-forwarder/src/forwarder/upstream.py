"""The connections to the relay: opened when needed, kept, and lent to one message at a time."""

import asyncio
import collections
import contextlib
import pathlib
from collections.abc import Callable, Mapping

from forwarder import channel, configuration, journal, opener
from forwarder.channel import UnavailableError

FIRST_PAUSE, LONGEST_PAUSE = 2.0, 300.0
# How long a connection may wait for its client while others want it. Most have sent their message
# long before; a connection that is taken from them costs the relay the same envelope again.
PATIENCE = 1.0
# What a relay that closes idle connections is given less than it allowed before.
_CAUTION = 0.8


class Pool:
    """The connections to one relay.

    They are opened beside those who wait, who have whichever is free or ready first, in the order
    in which they came. While the relay cannot be reached, one attempt at a time is made, after
    pauses that grow; all others are told at once, so that nobody waits for a relay that is known
    to be down.
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
        self._openings: set[asyncio.Task[channel.Channel]] = set()
        self._waiting: collections.deque[asyncio.Future[channel.Channel]] = collections.deque()
        self._revocable: dict[channel.Channel, tuple[float, Callable[[], None]]] = {}
        self._watch: asyncio.TimerHandle | None = None
        self._idle_seconds = settings.idle_seconds
        self._pause = FIRST_PAUSE
        self._try_at = 0.0
        self._more_at = 0.0
        self._closed = False

    async def lease(self, timeout: float | None = None) -> channel.Channel:
        """Return a connection for one message; `give_back` it in every case.

        Args:
            timeout: how long to wait for it, in seconds; None: until there is one, or none at all.

        Raises:
            UnavailableError: if there is none to be had.
        """
        kept = self._take_free()
        if kept is not None:
            return kept
        if self.pause:
            raise UnavailableError(self.down)
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[channel.Channel] = loop.create_future()
        self._waiting.append(waiter)
        self._open_more()
        self._revoke_slow()
        # `wait_for` may swallow that it is cancelled, or lose what it was given.
        timer = None if timeout is None else loop.call_later(timeout, self._give_up, waiter)
        try:
            return await waiter
        except asyncio.CancelledError:
            # Whoever was handed a connection and goes away leaves it to the next.
            if waiter.cancelled():
                with contextlib.suppress(ValueError):
                    self._waiting.remove(waiter)
            elif waiter.exception() is None:
                self.give_back(waiter.result())
            raise
        finally:
            if timer is not None:
                timer.cancel()

    async def learn(self, timeout: float) -> None:
        """Open a connection, if it can be had in time, to learn what the relay offers."""
        with contextlib.suppress(UnavailableError):
            self.give_back(await self.lease(timeout))

    def give_back(self, used: channel.Channel) -> None:
        """Take a connection back, also one that broke."""
        self._revocable.pop(used, None)
        used.used = True
        if used.is_busy:
            # Who used it went away in the middle; the answer would be taken for one to the next.
            used.abort()
        self._offer(used)

    def make_revocable(self, leased: channel.Channel, revoke: Callable[[], None]) -> None:
        """Let a connection that waits for its client be taken for others, if that takes long.

        Args:
            leased: the connection.
            revoke: called to give it back at once.
        """
        self._revocable[leased] = self._now() + leased.patience, revoke
        self._revoke_slow()

    def make_firm(self, leased: channel.Channel) -> None:
        """End what `make_revocable` allows."""
        if leased in self._revocable:
            due, _ = self._revocable.pop(leased)
            # What the relay takes for its answers is not the client's doing.
            leased.patience = max(due - self._now(), 0.0)

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
        """Close all that is free, and the others as soon as nobody uses or waits for them."""
        self._closed = True
        self._opener.close()
        if not self._waiting:
            for opening in self._openings:
                opening.cancel()
        for kept in list(self._free):
            self._drop(kept)

    @property
    def pause(self) -> float:
        """How long until the relay may be tried again, in seconds; 0 while it is not down.

        While an attempt is on its way, nobody knows: this is as long as the shortest pause.
        """
        if not self.down:
            return 0.0
        return max(self._try_at - self._now(), FIRST_PAUSE if self._openings else 0.0)

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
        one.patience = PATIENCE
        return one

    def _drop(self, kept: channel.Channel) -> None:
        self._free.remove(kept)
        self._count -= 1
        kept.close()

    def _open_more(self) -> None:
        """Open as many connections as are waited for, and may be had."""
        while (
            len(self._openings) < len(self._waiting)
            and self._count < self.settings.connections
            and self._now() >= self._more_at
            and not self.pause
        ):
            self._count += 1
            opening = asyncio.create_task(self._opener.open())
            self._openings.add(opening)
            opening.add_done_callback(self._end_opening)

    def _end_opening(self, opening: asyncio.Task[channel.Channel]) -> None:
        self._openings.remove(opening)
        if opening.cancelled():
            self._count -= 1
        elif (error := opening.exception()) is not None:
            self._count -= 1
            self._note_failed(error)
        else:
            opened = opening.result()
            self.down, self._pause = "", FIRST_PAUSE
            self.extensions = opened.extensions
            self._offer(opened)
        self._open_more()

    def _note_failed(self, error: BaseException) -> None:
        reason = str(error)
        if not isinstance(error, UnavailableError):
            # The error's own words may have a secret in them.
            reason = type(error).__name__
            journal.logger.error("cannot-connect reason=%s", reason)
        if self._count > len(self._openings):
            # The relay allows no more than there are, which can be waited for.
            self._more_at = self._now() + FIRST_PAUSE
            asyncio.get_running_loop().call_at(self._more_at, self._allow_more)
        else:
            self._note_down(reason)

    def _allow_more(self) -> None:
        self._more_at = 0.0
        self._open_more()

    def _note_down(self, reason: str) -> None:
        self.down = reason
        if self._now() >= self._try_at:
            self._try_at = self._now() + self._pause
            self._pause = min(2 * self._pause, LONGEST_PAUSE)
        # Those who wait would wait for connections that nobody gives back.
        while waiter := self._next_waiter():
            waiter.set_exception(UnavailableError(reason))

    def _give_up(self, waiter: asyncio.Future[channel.Channel]) -> None:
        """End a wait that took too long; where there is no connection at all, everybody's."""
        if waiter.done():
            return
        if self._count > len(self._openings):
            self._waiting.remove(waiter)
            reason = "no connection to the relay was free in time"
            waiter.set_exception(UnavailableError(reason))
        else:
            self._note_down(f"the {self._opener.awaited} does not answer")

    def _revoke_slow(self) -> None:
        """Take connections from slow clients for those who wait, now and as time goes by."""
        while self._waiting and self._revocable:
            oldest = min(self._revocable, key=lambda one: self._revocable[one][0])
            due, revoke = self._revocable[oldest]
            if due > self._now():
                if self._watch is not None:
                    self._watch.cancel()
                self._watch = asyncio.get_running_loop().call_at(due, self._look_again)
                return
            del self._revocable[oldest]
            revoke()

    def _look_again(self) -> None:
        self._watch = None
        self._revoke_slow()

    def _offer(self, one: channel.Channel) -> None:
        """Hand a connection to who has waited longest, or keep it."""
        waiter = self._next_waiter() if one.is_open else None
        if waiter is not None:
            waiter.set_result(self._lent(one))
        elif one.is_open and not self._closed:
            one.used, one.idle_since = True, self._now()
            self._free.append(one)
        else:
            one.close()
            self._count -= 1
            self._open_more()

    def _next_waiter(self) -> asyncio.Future[channel.Channel] | None:
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                return waiter
        return None

"""The running forwarder: its sockets, its signals, and the order in which it starts and ends."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence

from forwarder import configuration, delivery, journal, queue, reception, schedule, storage
from forwarder.configuration import Configuration, ConfigurationError, Endpoint

_BACKLOG = 512
_GOODBYE_SECONDS = 5.0
_REQUEST_LIMIT = 2**13
_REQUEST_SECONDS = 10.0


class CannotListenError(Exception):
    """An address cannot be listened on."""


class Service:
    """One forwarder, from its start to its end."""

    def __init__(self, load: Callable[[], Configuration]) -> None:
        """Make a service.

        Args:
            load: reads the settings, at the start and whenever SIGHUP comes.

        Raises:
            ConfigurationError: if the settings are wrong.
        """
        self._load = load
        self.settings = load()
        self.ports: dict[str, int] = {}
        self._servers: dict[Endpoint, asyncio.Server] = {}
        self._metrics: asyncio.Server | None = None

    async def run(self, started: Callable[[Mapping[str, int]], None] | None = None) -> None:
        """Serve until SIGTERM or SIGINT comes.

        Args:
            started: called with the ports, by their configured address, once they are open.

        Raises:
            CannotListenError: if an address cannot be listened on.
            queue.LockedError: if another process serves the queue.
            OSError: if the queue cannot be used.
        """
        self._stop, self._again = asyncio.Event(), asyncio.Event()
        # Whoever reads the report may send a signal at once.
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        loop.add_signal_handler(signal.SIGHUP, self._again.set)
        spool = queue.prepare(self.settings.queue)
        with spool.locked():
            store = storage.Storage(spool)
            store.load()
            self._work = delivery.Delivery(self.settings, store)
            self._gate = reception.Gate(self.settings, self._work)
            try:
                await self._listen(self.settings)
            except CannotListenError as error:
                self._report([str(error)])
                raise
            self._report()
            if started is not None:
                started(self.ports)
            journal.logger.info("serving %s waiting=%d", self.ports, len(store.records))
            clock = schedule.Schedule(self._work)
            running = asyncio.create_task(clock.run())
            try:
                await self._until_told(running)
            finally:
                running.cancel()
                await self._end(clock)
                store.close()

    async def _until_told(self, running: asyncio.Task[None]) -> None:
        stop = asyncio.create_task(self._stop.wait())
        while not self._stop.is_set():
            again = asyncio.create_task(self._again.wait())
            await asyncio.wait([stop, again, running], return_when=asyncio.FIRST_COMPLETED)
            if running.done():
                running.result()
            if self._again.is_set():
                self._again.clear()
                await self._reload()
            again.cancel()
        stop.cancel()

    async def _reload(self) -> None:
        """Take other settings; what is wrong changes nothing."""
        try:
            settings = self._load_again()
            await self._listen(settings)
        except (ConfigurationError, CannotListenError) as error:
            problems = str(error).splitlines()
            self._report(problems)
            for problem in problems:
                journal.logger.error("settings-refused %s", problem)
            return
        self.settings = self._gate.settings = settings
        self._work.configure(settings)
        self._report()
        journal.logger.info("settings-taken %s", self.ports)

    def _load_again(self) -> Configuration:
        settings = self._load()
        if settings.queue != self.settings.queue:
            raise ConfigurationError("queue: another folder needs a restart")
        return settings

    async def _listen(self, settings: Configuration) -> None:
        """Open what is to be listened on, then close what is not.

        Raises:
            CannotListenError: if an address cannot be listened on; then nothing changes.
        """
        loop = asyncio.get_running_loop()
        opened: dict[Endpoint, asyncio.Server] = {}
        metrics = self._metrics if settings.metrics == self.settings.metrics else None
        try:
            for endpoint in settings.listen:
                if endpoint not in self._servers and endpoint not in opened:
                    with _listening(endpoint):
                        opened[endpoint] = await loop.create_server(
                            self._connection, *endpoint, backlog=_BACKLOG
                        )
            if settings.metrics is not None and metrics is None:
                with _listening(settings.metrics):
                    metrics = await asyncio.start_server(self._tell_metrics, *settings.metrics)
        except CannotListenError:
            _close(opened.values())
            raise
        if self._metrics is not None and self._metrics is not metrics:
            self._metrics.close()
        _close(self._servers.pop(one) for one in set(self._servers) - set(settings.listen))
        self._servers |= opened
        self._metrics = metrics
        shown = {configuration.shown(one): self._servers[one] for one in settings.listen}
        self.ports = {name: _port(server) for name, server in shown.items()}
        if metrics is not None:
            self.ports["metrics"] = _port(metrics)

    def _connection(self) -> reception.Connection:
        return reception.Connection(self._gate)

    async def _tell_metrics(
        self, requests: asyncio.StreamReader, answers: asyncio.StreamWriter
    ) -> None:
        """Answer one HTTP request (RFC 9112) with the counters, and close."""
        with contextlib.suppress(
            asyncio.IncompleteReadError, asyncio.LimitOverrunError, asyncio.TimeoutError, OSError
        ):
            head = await asyncio.wait_for(requests.readuntil(b"\r\n\r\n"), _REQUEST_SECONDS)
            found = head.split(b" ", 2)[:2] == [b"GET", b"/metrics"]
            body = self._metrics_text().encode() if found else b"only GET /metrics\n"
            status = "200 OK" if found else "404 Not Found"
            answers.write(
                f"HTTP/1.1 {status}\r\nContent-Type: text/plain; version=0.0.4\r\n"
                f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode()
                + body
            )
            await answers.drain()
        answers.close()

    def _metrics_text(self) -> str:
        pool = self._work.pool
        records = self._work.storage.records.values()
        waiting = {record.id: record.accepted for record in records}
        return journal.metrics(waiting, float(pool is not None and not pool.down))

    def _report(self, problems: Sequence[str] = ()) -> None:
        if self.settings.report is None:
            return
        # What starts a service and reads its report ships this; the engine alone does without.
        from unit_service import files, processes, reports  # noqa: PLC0415

        report = reports.Report(
            config=self.settings.digest,
            process=processes.current(),
            ports=self.ports,
            problems=tuple(problems),
        )
        try:
            files.write(self.settings.report, report.to_json())
        except OSError as error:
            # Mail that passes through needs no disk; a full one is no reason to refuse it.
            journal.logger.error("report-failed %s", error.strerror)

    async def _end(self, clock: schedule.Schedule) -> None:
        """Take nothing new; finish what was accepted, or leave it in the queue."""
        _close(self._servers.values())
        if self._metrics is not None:
            self._metrics.close()
        for connection in list(self._gate.connections):
            connection.end()
        patience = self.settings.wait_seconds
        await asyncio.gather(
            self._work.finish(patience), clock.finish(min(patience, _GOODBYE_SECONDS))
        )
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._gate.empty.wait(), 1)


@contextlib.contextmanager
def _listening(endpoint: Endpoint) -> Generator[None, None, None]:
    try:
        yield
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)
        raise CannotListenError(
            f"{configuration.shown(endpoint)} cannot be listened on: {reason}"
        ) from None


def _close(servers: Iterable[asyncio.Server]) -> None:
    for server in servers:
        server.close()


def _port(server: asyncio.Server) -> int:
    return int(server.sockets[0].getsockname()[1])

"""`mailq`: what waits in the queue, and why."""

import contextlib
import datetime as dt
import pathlib
from collections.abc import Iterator, Sequence

from forwarder import queue
from forwarder.tools import failures, streams, told


def main(told_file: str, arguments: Sequence[str]) -> int:
    """Show the queue; return an exit code of `sysexits.h`."""
    with failures.reported("mailq") as failed:
        if arguments:
            raise failures.UsageError(f"unknown argument {arguments[0]}")
        streams.write(show(told.read(told_file)))
    return failed.code


def show(forwarder: told.Told) -> str:
    """Return the queue as text for a person.

    Raises:
        failures.PermissionDeniedError: if this user may not see it.
    """
    spool = queue.Spool(pathlib.Path(forwarder.queue))
    try:
        shown = [*map(_described, spool.entries()), *_left(spool)]
    except FileNotFoundError:
        # The service makes the folders when it first runs.
        shown = []
    except PermissionError:
        raise failures.PermissionDeniedError("only root may see the queue") from None
    if not shown:
        return "the queue is empty\n"
    lines = [line for described in shown for line in described]
    return "\n".join([*lines, f"{len(shown)} in the queue", ""])


def flush(forwarder: told.Told) -> None:
    """Have everything that waits tried now.

    Raises:
        failures.PermissionDeniedError: if this user may not.
        failures.TemporaryError: if the forwarder has not begun with it in time.
    """
    try:
        done = queue.Spool(pathlib.Path(forwarder.queue)).ask("flush")
    except FileNotFoundError:
        return
    except PermissionError:
        raise failures.PermissionDeniedError("only root may flush the queue") from None
    if not done:
        raise failures.TemporaryError("the forwarder has not begun with it yet; it will")


def _left(spool: queue.Spool) -> Iterator[list[str]]:
    """Yield what tools have left, and the service has not taken yet, because it is down say."""
    for path in sorted(spool.incoming.iterdir()):
        if path.name.startswith("."):
            continue
        # What is no message, or was taken meanwhile, does not wait.
        with contextlib.suppress(OSError, ValueError, LookupError, TypeError):
            state, found = path.stat(), queue.pick_up(path, 0)
            yield [
                f"{path.name} left {_time(state.st_mtime)} {state.st_size} <{found.sender}>",
                *(f"    {address}: not taken yet" for address in found.recipients),
            ]


def _time(seconds: float) -> str:
    return dt.datetime.fromtimestamp(seconds).astimezone().isoformat(" ", "seconds")


def _described(entry: queue.Entry) -> list[str]:
    held = " held" if entry.held else ""
    return [
        f"{entry.id}{held} {_time(entry.accepted)} {entry.size} <{entry.sender}>",
        *(f"    {one.address}: {one.answer or 'not tried yet'}" for one in entry.recipients),
    ]

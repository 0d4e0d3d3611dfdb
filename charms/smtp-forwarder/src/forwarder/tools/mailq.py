"""`mailq`: what waits in the queue, and why."""

import datetime as dt
import pathlib
from collections.abc import Sequence

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
    try:
        entries = queue.Spool(pathlib.Path(forwarder.queue)).entries()
    except FileNotFoundError:
        # The service makes the folder when it first runs.
        entries = []
    except PermissionError:
        raise failures.PermissionDeniedError("only root may see the queue") from None
    lines = [line for entry in entries for line in _described(entry)]
    if not entries:
        return "the queue is empty\n"
    return "\n".join([*lines, f"{len(entries)} in the queue", ""])


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


def _described(entry: queue.Entry) -> list[str]:
    accepted = dt.datetime.fromtimestamp(entry.accepted).astimezone().isoformat(" ", "seconds")
    held = " held" if entry.held else ""
    return [
        f"{entry.id}{held} {accepted} {entry.size} <{entry.sender}>",
        *(f"    {one.address}: {one.answer or 'not tried yet'}" for one in entry.recipients),
    ]

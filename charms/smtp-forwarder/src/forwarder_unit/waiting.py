"""What waits in the queue, for statuses and for the results of actions."""

import collections
import dataclasses
import datetime as dt
import fnmatch
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from forwarder import queue

# A result travels as one argument of a command, which holds 128 KiB on Linux, see execve(2).
_LIMIT = 2**16
_RECIPIENTS_SHOWN = 20
_ANSWER_SHOWN = 100


@dataclasses.dataclass(frozen=True, kw_only=True)
class Filter:
    """Which messages are meant: an ID, and patterns for addresses; what is empty fits all."""

    id: str = ""
    sender: str = ""
    recipient: str = ""

    @classmethod
    def of(cls, params: Mapping[str, Any]) -> "Filter":
        """Return the filter in an action's parameters."""
        return cls(**{name: str(params.get(name, "")) for name in ("id", "sender", "recipient")})

    def __bool__(self) -> bool:
        return bool(self.id or self.sender or self.recipient)

    def select(self, entries: Iterable[queue.Entry]) -> list[queue.Entry]:
        """Return the messages that are meant."""
        return [entry for entry in entries if self._fits(entry)]

    def _fits(self, entry: queue.Entry) -> bool:
        return (
            self.id in {"", entry.id}
            and _matches(entry.sender, self.sender)
            and any(_matches(waiting.address, self.recipient) for waiting in entry.recipients)
        )


def _matches(address: str, pattern: str) -> bool:
    return not pattern or fnmatch.fnmatchcase(address.lower(), pattern.lower())


def status(entries: Sequence[queue.Entry], unit: str) -> str:
    """Say how much waits, why, and which command shows it; empty if nothing waits."""
    if not entries:
        return ""
    many = f"{len(entries)} messages wait" if len(entries) > 1 else "1 message waits"
    answers = collections.Counter(
        waiting.answer for entry in entries for waiting in entry.recipients if waiting.answer
    )
    why = f": {answers.most_common(1)[0][0][:_ANSWER_SHOWN]}" if answers else ""
    return f"{many}{why}; see 'juju run {unit} list-queue'"


def listed(entries: Iterable[queue.Entry]) -> dict[str, str]:
    """Return the results of an action: how many messages there are, and as many as fit."""
    shown: list[str] = []
    count = room = 0
    for entry in entries:
        count += 1
        text = json.dumps(_described(entry))
        room += len(text) + 2
        if room <= _LIMIT:
            shown.append(text)
    return {"count": str(count), "messages": f"[{', '.join(shown)}]"}


def _described(entry: queue.Entry) -> dict[str, Any]:
    return {
        "id": entry.id,
        "from": entry.sender,
        "size": entry.size,
        "accepted": _time(entry.accepted),
        "held": entry.held,
        "recipients": [
            {
                "to": waiting.address,
                "attempts": waiting.attempts,
                "next": _time(waiting.next_attempt) if waiting.next_attempt else "",
                "answer": waiting.answer,
            }
            for waiting in entry.recipients[:_RECIPIENTS_SHOWN]
        ],
    }


def _time(seconds: float) -> str:
    return dt.datetime.fromtimestamp(seconds, dt.timezone.utc).isoformat(timespec="seconds")

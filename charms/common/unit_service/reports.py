"""What a server says of itself to whoever started it, through a file."""

import dataclasses
import json
import time
from typing import Any

from unit_service import files, processes

_POLL_SECONDS = 0.02


@dataclasses.dataclass(frozen=True, kw_only=True)
class Report:
    """What a server says of itself: the `ports` it serves, or the `problems` that keep it from it.

    `config` is the digest of the configuration that it read.
    """

    config: str
    process: processes.Process
    ports: dict[str, int] = dataclasses.field(default_factory=dict[str, int])
    problems: tuple[str, ...] = ()

    def to_json(self) -> str:
        """Return the text that `from_json` reads."""
        return json.dumps(dataclasses.asdict(self), indent=1)

    @classmethod
    def from_json(cls, text: str) -> "Report":
        """Return what `to_json` wrote."""
        data: dict[str, Any] = json.loads(text)
        return cls(
            config=data["config"],
            process=processes.Process(**data["process"]),
            ports=data["ports"],
            problems=tuple(data["problems"]),
        )


def read(state: files.StateDir) -> Report | None:
    """Return the last report; None if no server has reported since it was told to start."""
    text = files.read(state.report)
    return None if text is None else Report.from_json(text)


def read_serving(state: files.StateDir) -> Report | None:
    """Return the last report if that server serves its ports now, else None."""
    report = read(state)
    if report is None or not report.ports or not processes.is_alive(report.process):
        return None
    return report


def wait(state: files.StateDir, *, timeout: float) -> Report | None:
    """Return the report of the server that was started last; None if none came in time.

    Args:
        state: the server's state directory.
        timeout: how long to wait, in seconds.
    """
    deadline = time.monotonic() + timeout
    while (report := read(state)) is None and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
    return report

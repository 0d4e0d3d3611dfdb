"""What the forwarder says of its work: a line for each thing that happens, and counters."""

import collections
import json
import logging
import re
import time
from collections.abc import Mapping

logger = logging.getLogger("forwarder")

COUNTERS = ("accepted", "delivered", "deferred", "bounced", "refused")
# What needs no quotes: printable ASCII but blanks, quotes and the equals sign.
_PLAIN = re.compile(r"[!#-<>-~]+")

counts: collections.Counter[str] = collections.Counter(dict.fromkeys(COUNTERS, 0))


def note(event: str, /, **facts: object) -> None:
    """Log an event in the form key=value, and count it if it is one of the counters."""
    if event in counts:
        counts[event] += 1
    if logger.isEnabledFor(logging.INFO):
        line = " ".join([event, *[f"{key}={_shown(value)}" for key, value in facts.items()]])
        # `info` would look for the line of code that called it, which no line of ours tells.
        logger.handle(logger.makeRecord(logger.name, logging.INFO, "", 0, line, (), None))


def metrics(waiting: Mapping[str, float], upstream_up: float) -> str:
    """Return the counters and the state of the queue, in Prometheus' text format.

    Args:
        waiting: when each message of the queue was accepted, in seconds since the epoch.
        upstream_up: 1 if the relay can be reached as far as is known, else 0.
    """
    oldest = time.time() - min(waiting.values()) if waiting else 0
    lines = [
        line
        for name in COUNTERS
        for line in (
            f"# TYPE smtp_forwarder_{name}_total counter",
            f"smtp_forwarder_{name}_total {counts[name]}",
        )
    ]
    gauges = {
        "queue_length": len(waiting),
        "queue_oldest_seconds": round(oldest, 3),
        "upstream_up": upstream_up,
    }
    for name, value in gauges.items():
        lines += [f"# TYPE smtp_forwarder_{name} gauge", f"smtp_forwarder_{name} {value}"]
    return "\n".join(lines) + "\n"


def _shown(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.3f}"
    text = str(value)
    return text if _PLAIN.fullmatch(text) else json.dumps(text)

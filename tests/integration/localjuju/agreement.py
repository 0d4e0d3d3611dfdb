"""How an answer agrees with one that another controller gave."""

from __future__ import annotations

import collections
import contextlib
import json
import re
from typing import Any, cast

_GENERAL = (
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ|\d\d \w{3} \d{4} \d\d:\d\d:\d\dZ", "<T>"),
    (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\b", "<T>"),
    (r"\b\d+\.\d+\.\d+\.\d+\b(?<!4\.0\.15)", "<IP>"),
    (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "<UUID>"),
    (r"\b[0-9a-f]{64}\b", "<H>"),
    (r"\d+ (second|minute)s? ago", "<AGO>"),
    (r"\S*bash: line 1:", "<script>: line 1:"),
    (r"\b\d\d:\d\d:\d\dZ", "<T>"),
    (r"\b(juju-[0-9a-f]{6}|localjuju)-(\d+)", r"<MACHINE>-\2"),
    (r'"controller":"(real|localjuju)"', '"controller":"<C>"'),
    (r"\b(real|localjuju) +localhost/localhost", "<C> localhost/localhost"),
    (r"(?:[0-9a-f]{2}:){5}[0-9a-f]{2}", "<MAC>"),
    (r"(interface-?name\W+)(eth0|lo)\b", r"\1<INTERFACE>"),
    (r"<IP>/(24|32)", "<IP>/N"),
    (r"update-status lead=\w+ v=\d( / |$)", ""),
    (r" +(?= / |$)", ""),
    (r"\b([Oo]peration|tasks?|Action id|for task|id) \"?\d+\"?", r"\1 <N>"),
    (r'"id":"\d+"', '"id":"<N>"'),
)


def general(answer: str) -> str:
    """Take out of an answer what differs from run to run."""
    for pattern, mark in _GENERAL:
        answer = re.sub(pattern, mark, answer)
    return answer or "rc 0"


def form(answer: str) -> list[str]:
    """An answer but for order, quoting and numbers."""
    answer = re.sub(r"\b(out|in|in2|peer):\d+", r"\1:N", answer.replace("'", '"'))
    answer = re.sub(r"secret://<UUID>/", "secret:", answer)
    answer = answer.replace("could refer to ", "could refer to ; ").replace('"; "', '" ; "')
    return sorted(line for part in answer.split(" ; ") for line in _in_order(part))


def _in_order(part: str) -> list[str]:
    if part[:1] in ("{", "["):
        with contextlib.suppress(ValueError):
            return [json.dumps(_sorted(json.loads(part)), sort_keys=True)]
    return part.split(" / ")


def _sorted(value: object) -> object:
    if isinstance(value, list):
        return sorted(map(_sorted, cast("list[Any]", value)), key=str)
    if isinstance(value, dict):
        return {key: _sorted(one) for key, one in cast("dict[str, Any]", value).items()}
    return value


def _pieces(answer: str) -> collections.Counter[str]:
    """The values of a JSON answer, or else its lines."""
    if answer.startswith("{"):
        return collections.Counter(re.findall(r'"[^"]+":(?:"[^"]*"|\d+|true|false|null)', answer))
    return collections.Counter(answer.split(" / "))


def agreement(real: str, ours: str) -> str:
    """How an answer agrees: `yes`, `form`, or `no`."""
    real = general(real)
    if real == ours or ("…" in real and ours.startswith(real.partition("…")[0])):
        return "yes"
    swapped = ours.replace("pa/0", "pa/#").replace("pa/1", "pa/0").replace("pa/#", "pa/1")
    if "…" in real:
        # What is whole before the cut is there in some order.
        cut = real.partition("…")[0]
        whole = _pieces(cut if cut.startswith("{") else cut.rpartition(" / ")[0])
        return "form" if any(whole <= _pieces(one) for one in (ours, swapped)) else "no"
    return "form" if form(real) in (form(ours), form(swapped)) else "no"

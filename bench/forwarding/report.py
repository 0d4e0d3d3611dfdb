"""The figures as Markdown: the aims, what missed them, and all the rest."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from bench.forwarding.measure import FORWARDER, POSTFIX, PROXY, SINK, Case, Figures
from bench.report import machine

if TYPE_CHECKING:
    from collections.abc import Iterable

_OF_SINK, _OF_POSTFIX, _OF_QUEUED, _GROWTH, _MEGABYTE = 0.6, 2.0, 1.0, 1.3, 1_000_000
_MANY_CLIENTS = 8
_QUIET = 0.7
_NO_AIM = """\
Where Postfix passes on half of what the sink takes, nothing could pass on twice as much, and that
is no aim."""
_MODE_WORDS = {"many": "one connection for many", "one": "a connection for each"}


@dataclasses.dataclass(frozen=True)
class Aim:
    """What was to be reached, and whether it was."""

    name: str
    figure: str
    aim: str
    met: bool


def render(figures: Figures, *, messages: int, runs: int) -> str:
    """Write the page.

    Args:
        figures: what was measured.
        messages: how many messages a case had.
        runs: how often each case was measured.
    """
    found = list(aims(figures))
    missed = [one.name for one in found if not one.met]
    blocks = [
        "# How much the forwarder passes on",
        _introduction(figures, messages, runs),
        "## Aims",
        _table(
            ("figure", "measured", "aim", ""),
            [(one.name, one.figure, one.aim, "met" if one.met else "**missed**") for one in found],
        ),
        f"Missed: {'; '.join(missed)}." if missed else "Every aim is met.",
        _NO_AIM,
        "## Delivered",
        "Messages in a second that reach the sink, and in parentheses the ratio to the bare sink.",
        _delivered(figures),
        "## Queue and memory",
        _rest(figures),
    ]
    return "\n\n".join(blocks) + "\n"


def aims(figures: Figures) -> Iterable[Aim]:
    """Yield each aim, with its figure."""
    busy = {case: one for case, one in figures.delivered.items() if case.clients == _MANY_CLIENTS}
    for case, rates in busy.items():
        ratio = rates[FORWARDER] / rates[SINK]
        yield _at_least(f"{_name(case)}, beside the bare sink", ratio, _OF_SINK)
    for case, rates in busy.items():
        if _OF_POSTFIX * rates.get(POSTFIX, rates[SINK]) < rates[SINK]:
            ratio = rates[FORWARDER] / rates[POSTFIX]
            yield _at_least(f"{_name(case)}, beside Postfix", ratio, _OF_POSTFIX)
    if POSTFIX in figures.queued:
        ratio = figures.queued[FORWARDER] / figures.queued[POSTFIX]
        yield _at_least("queued while the relay is down, beside Postfix", ratio, _OF_QUEUED)
    few, many = min(figures.drained), max(figures.drained)
    growth = (figures.drained[many] / many) / (figures.drained[few] / few)
    yield _at_most(f"time to drain each of {many} messages, beside each of {few}", growth)
    (first, before), *_, (last, after) = figures.memory.items()
    yield _at_most(f"memory after {last} messages, beside that after {first}", after / before)


def _at_least(name: str, figure: float, aim: float) -> Aim:
    return Aim(name, f"{figure:.2f}", f"at least {aim:.2f}", round(figure, 2) >= aim)


def _at_most(name: str, figure: float) -> Aim:
    return Aim(name, f"{figure:.2f}", f"at most {_GROWTH:.2f}", round(figure, 2) <= _GROWTH)


def _introduction(figures: Figures, messages: int, runs: int) -> str:
    return f"""\
`make bench-forwarder` measured this and wrote this page. The same clients send the same mail to
the same sink, a bare aiosmtpd server on loopback, on their own and through each server.

- {machine()}.
- Figures are medians of {runs} runs, taken in turn, of {messages} small messages each. The
  machine's speed stands in all of them, so that only ratios count.
- {_quiet(figures.load)}
- Clients, server and sink share the processors, so the clients are one process that does no more
  than it must.
- A message is counted when the sink has it. The forwarder and the Proxy answer after that; Postfix
  answers before, and writes every message to disk."""


def _quiet(load: float) -> str:
    if load <= _QUIET:
        return f"The machine did nothing else (a load of {load:.1f} before it began)."
    return (
        f"**Other work kept the machine busy (a load of {load:.1f} before it began), which\n"
        "  favours who has more processes: measure again when it is idle.**"
    )


def _delivered(figures: Figures) -> str:
    names = [
        name
        for name in (SINK, FORWARDER, PROXY, POSTFIX)
        if name in next(iter(figures.delivered.values()))
    ]
    rows = [
        (_name(case), *(f"{rates[name]:.0f} ({rates[name] / rates[SINK]:.2f})" for name in names))
        for case, rates in figures.delivered.items()
    ]
    return _table(("", *names), rows)


def _rest(figures: Figures) -> str:
    rows = [
        (f"accepted while the relay is down, {name}", f"{rate:.0f} messages in a second")
        for name, rate in figures.queued.items()
    ]
    rows += [
        (
            f"{count} queued messages, drained",
            f"{seconds:.1f} s, {count / seconds:.0f} in a second",
        )
        for count, seconds in figures.drained.items()
    ]
    rows += [
        (f"memory after {count} messages", f"{size / _MEGABYTE:.1f} MB")
        for count, size in figures.memory.items()
    ]
    return _table(("", ""), rows)


def _name(case: Case) -> str:
    clients = "1 client" if case.clients == 1 else f"{case.clients} clients"
    return f"{clients}, {case.size // 1000} kB, {_MODE_WORDS[case.mode]}"


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)

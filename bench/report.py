"""The figures as Markdown: the table, the aims, what missed its aim, and all the rest."""

from __future__ import annotations

import collections
import dataclasses
import itertools
import os
import pathlib
import platform
import re
from typing import TYPE_CHECKING

from bench.measure import (
    LEGACY,
    MEASURED,
    NOTHING,
    PASSWORD,
    RELATIONS,
    RELAY,
    SETTINGS,
    SMTP,
    Case,
    Cost,
    Figures,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

_CHANGES = (NOTHING, RELAY, PASSWORD)
_MEGABYTE = 1_000_000
_BUDGETS = {
    (SMTP, NOTHING): (9, 2),
    (SMTP, RELAY): (9, 3),
    (SMTP, PASSWORD): (11, 2),
    (LEGACY, NOTHING): (7, 2),
    (LEGACY, RELAY): (7, 3),
    (LEGACY, PASSWORD): (7, 3),
}
_WALLS = {
    Case(NOTHING, 0): 1.20,
    Case(NOTHING, 10): 1.3,
    Case(NOTHING, 50): 1.9,
    Case(RELAY, 50): 2.5,
    Case(PASSWORD, 50): 2.5,
}
_COLUMNS = """\
Wall, processor and memory are beside the bare charm: the time from the start of dispatch to its
end, the time of all its processes on a processor, and the peak of the charm's process. Where they
are empty, the commands alone were counted. The requirers handle relation-changed, and are beside a
bare requirer."""
_QUOTED = """\
The columns of the published charm and of the plain design were measured before, on another
machine, and are quoted. With ten keys in the databag the published charm runs 12 + 18N commands
when the host changes; 12 + 15N is what it runs in this page's configuration.

On a controller, Juju 4.0.15 with LXD machines and 20 relations, a hook with another host took
0.93 s in smtp-integrator and 3.33 s in the published charm, 3.6 times as long. With nothing
changed it took 0.81 s and 1.75 s. These are medians of 6. smtp-integrator ran 9 + 3N and 9 + 2N
commands there too."""
_FIRST, _MEMORY, _LIBRARY, REQUIRER_BUDGET, _SIZE = 1.3, 1.2, 30, 4, 8
_LOCALJUJU = 4


def budget(endpoint: str, change: str, relations: int) -> int:
    """How many hook commands a hook may run.

    Args:
        endpoint: where the charm is related, `smtp` or `smtp-legacy`.
        change: what changed since the hook before.
        relations: how many relations the endpoint has.
    """
    fixed, each = _BUDGETS[endpoint, change]
    return fixed + each * relations


@dataclasses.dataclass(frozen=True)
class _Aim:
    name: str
    figure: str
    aim: str
    met: bool


def render(name: str, figures: Figures, *, runs: int, software: str) -> str:
    """Write the page.

    Args:
        name: the charm's name, for its column.
        figures: what was measured.
        runs: how often each hook was timed.
        software: the version of ops that the charm runs with.
    """
    aims = [*_command_aims(figures), *_wall_aims(figures), *_other_aims(figures)]
    blocks = [
        "# What a hook costs",
        _introduction(figures, runs, software),
        f"## {name}, beside others",
        _comparison(name, figures),
        _QUOTED,
        "## Aims",
        _table(
            ("figure", "measured", "aim", ""),
            [(one.name, one.figure, one.aim, "met" if one.met else "**missed**") for one in aims],
        ),
        _missed(aims),
        "## Every case",
        _COLUMNS,
        _every_case(figures),
        "## The hook commands",
        "How often each runs, with 10 relations; the requirers have one:",
        _commands(figures),
    ]
    return "\n\n".join(blocks) + "\n"


def machine() -> str:
    """Describe the machine: its processors, its kernel and its Python."""
    facts = pathlib.Path("/proc/cpuinfo")
    text = facts.read_text() if facts.exists() else ""
    names = re.findall(r"^model name\s*: (.+)$", text, re.MULTILINE)
    processor = names[0] if names else platform.machine()
    system = f"{platform.system()} {platform.release()}"
    return f"{os.cpu_count()} x {processor}, {system}, Python {platform.python_version()}"


def _introduction(figures: Figures, runs: int, software: str) -> str:
    return f"""\
`make bench` measured this and wrote this page. Juju starts a charm anew for each event, and each
hook command is a process: a hook costs the interpreter, the imports, and its commands. Each hook
ran through the charm's own dispatch, with hook commands that cost next to nothing, so what
Juju itself takes comes on top.

- {machine()}, {software}.
- Times are medians of {runs} runs, taken in turn with a charm on ops that does nothing; the ratio
  to that bare charm is what counts. Its config-changed takes {_ms(figures.bare_seconds)} and
  {figures.bare.commands} hook commands.
- One hook command of the bench takes {figures.command_seconds * 1000:.1f} ms.
- Unless a row says otherwise, the charm is the leader, handles config-changed with
  `auth_type=plain`, `transport_security=starttls`, `password` set and no addresses, and its secret
  is there already. N is the number of relations."""


def _comparison(name: str, figures: Figures) -> str:
    def ratios(change: str) -> str:
        costs = {n: figures.costs[Case(change, n)] for n in RELATIONS}
        return ", ".join(f"{_ratio(cost)} (N = {n})" for n, cost in costs.items())

    commands = str(figures.bare.commands)
    rows = [
        (
            "nothing changed, N relations",
            "1.00",
            "1.8 (N = 1), 2.2 (10), 4 to 5 (50), 10 (200)",
            "1.05 (N = 1), 1.18 (10), 1.7 to 1.9 (50), 3.5 (200)",
            ratios(NOTHING),
        ),
        (
            "commands, nothing changed",
            commands,
            "12 + 6N",
            "9 + 2N",
            _formula(figures, NOTHING, SMTP),
        ),
        (
            "commands, host changed",
            commands,
            "12 + 15N",
            "9 + 3N",
            _formula(figures, RELAY, SMTP),
        ),
        (
            "wall, host changed, N = 200",
            "1.00",
            "30 to 49",
            "5.4 to 8.8",
            _ratio(figures.costs[Case(RELAY, 200)]),
        ),
    ]
    head = ("", "bare ops charm", "published charm", "a plain design on ops' Model", name)
    return _table(head, rows)


def _command_aims(figures: Figures) -> Iterable[_Aim]:
    for (endpoint, change), (fixed, each) in _BUDGETS.items():
        met = all(
            figures.costs[Case(change, n, endpoint)].commands <= budget(endpoint, change, n)
            for n in RELATIONS
        )
        yield _Aim(
            f"commands, {change}, `{endpoint}`",
            _formula(figures, change, endpoint),
            f"at most {fixed} + {each}N",
            met,
        )


def _wall_aims(figures: Figures) -> Iterable[_Aim]:
    for case, aim in _WALLS.items():
        name = f"wall, {case.change}, N = {case.relations}"
        yield _at_most(name, figures.costs[case].ratio or 0, aim)


def _other_aims(figures: Figures) -> Iterable[_Aim]:
    yield _at_most("first hook after unpacking, beside the second", figures.first, _FIRST)
    peak = max(cost.memory or 0 for cost in figures.costs.values())
    yield _at_most("memory, beside the bare charm, in the largest case", peak, _MEMORY)
    milliseconds = figures.library_seconds * 1000
    yield _Aim(
        "import of the library, over `import ops`",
        f"{milliseconds:.0f} ms",
        f"at most {_LIBRARY} ms",
        milliseconds <= _LIBRARY,
    )
    beyond = figures.requirer.commands - figures.requirer_bare.commands
    yield _Aim(
        "commands of a requirer's relation-changed, beyond a bare charm's",
        f"{beyond} ({figures.requirer.commands} beside {figures.requirer_bare.commands})",
        f"at most {REQUIRER_BUDGET}",
        beyond <= REQUIRER_BUDGET,
    )
    one, nothing = (seconds * 1000 for seconds in figures.localjuju_seconds)
    yield _Aim(
        "a hook command on localjuju, beside one that does nothing",
        f"{one:.1f} ms beside {nothing:.1f} ms",
        f"at most {_LOCALJUJU} ms",
        one <= _LOCALJUJU,
    )
    if figures.size is not None:
        size = figures.size / _MEGABYTE
        yield _Aim("the packed charm", f"{size:.1f} MB", f"at most {_SIZE} MB", size <= _SIZE)


def _at_most(name: str, figure: float, aim: float) -> _Aim:
    return _Aim(name, f"{figure:.2f}", f"at most {aim:.2f}", round(figure, 2) <= aim)


def _missed(aims: list[_Aim]) -> str:
    missed = [f"- {one.name}: {one.figure}, the aim is {one.aim}." for one in aims if not one.met]
    return "\n".join(["These missed their aim:", "", *missed]) if missed else "Every aim is met."


def _every_case(figures: Figures) -> str:
    cases = [
        Case(change, n, endpoint)
        for endpoint in (SMTP, LEGACY)
        for change in _CHANGES
        for n in RELATIONS
    ]
    rows = [name for name in SETTINGS if name != MEASURED]
    cases += [Case(change, 10, settings=name) for name in rows for change in (NOTHING, RELAY)]
    lines = [
        (
            one.settings,
            one.endpoint,
            one.change,
            str(one.relations),
            *_columns(figures.costs[one]),
        )
        for one in cases
    ]
    lines += [
        (name, SMTP, "relation-changed", "1", *_columns(cost))
        for name, cost in _requirers(figures).items()
    ]
    head = ("configuration", "endpoint", "change", "N", "commands", "wall", "processor", "memory")
    return _table(head, lines)


def _requirers(figures: Figures) -> dict[str, Cost]:
    return {
        "requirer": figures.requirer,
        "requirer, with status and log": figures.requirer_whole,
        "bare requirer": figures.requirer_bare,
    }


def _columns(cost: Cost) -> tuple[str, ...]:
    ratios = (cost.ratio, cost.processor_ratio, cost.memory)
    return (str(cost.commands), *("" if one is None else f"{one:.2f}" for one in ratios))


def _commands(figures: Figures) -> str:
    costs = [
        figures.costs[Case(change, 10, endpoint)]
        for endpoint in (SMTP, LEGACY)
        for change in _CHANGES
    ]
    costs += _requirers(figures).values()
    names = sorted({name for cost in costs for name in cost.calls})
    lines = [(name, *(str(cost.calls[name] or "") for cost in costs)) for name in names]
    head = [f"`{endpoint}`, {change}" for endpoint in (SMTP, LEGACY) for change in _CHANGES]
    return _table(("command", *head, *_requirers(figures)), lines)


def _formula(figures: Figures, change: str, endpoint: str) -> str:
    """The commands as `A + BN`, of the line that most N are on; the others stand beside it."""
    counts = {n: figures.costs[Case(change, n, endpoint)].commands for n in RELATIONS}
    lines: collections.Counter[tuple[int, int]] = collections.Counter()
    for (n, count), (m, other) in itertools.combinations(counts.items(), 2):
        each, rest = divmod(other - count, m - n)
        if not rest:
            lines[count - each * n, each] += 1
    fixed, each = lines.most_common(1)[0][0] if lines else (0, 0)
    others = [f"{count} (N = {n})" for n, count in counts.items() if count != fixed + each * n]
    return ", ".join([f"{fixed} + {each}N", *others] if lines else others)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _ratio(cost: Cost) -> str:
    return "" if cost.ratio is None else f"{cost.ratio:.2f}"


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms"

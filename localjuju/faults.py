"""Faults at will: a hook command that fails, or the charm's sudden death at it.

A model's configuration holds the plan under ``localjuju-faults``: entries separated by commas,
each ``UNIT HOOK NUMBER fail`` or ``UNIT HOOK NUMBER kill``. ``app/0 config-changed 3 kill`` kills
the charm of that unit at its third hook command in config-changed. Each entry strikes once.

``UNIT HOOK end kill`` lets the charm end well, and its agent die before that counts: what the hook
asked for is dropped, what the charm did by itself has happened.

In UNIT and HOOK, ``*`` stands for any text. Such an entry strikes every hook that it fits, each
once until it ends well, and never an action. A hook that it made fail is retried at once.
"""

from __future__ import annotations

import fnmatch
import re
from typing import TYPE_CHECKING

from localjuju import errors, processes

if TYPE_CHECKING:
    from localjuju.context import Context

KEY = "localjuju-faults"

_END = "end"
_ENTRY = re.compile(r"[a-z0-9*-]+(?:/(?:\d+|\*))? [a-z0-9*-]+ (?:[1-9]\d* (?:fail|kill)|end kill)")
_KILLED = 137


def check(plan: str) -> None:
    """Check a plan before it is kept.

    Raises:
        errors.JujuError: if an entry is malformed.
    """
    for entry in _entries(plan):
        if not _ENTRY.fullmatch(entry):
            raise errors.JujuError(
                f'{KEY}: "{entry}" is not "UNIT HOOK NUMBER fail|kill" or "UNIT HOOK end kill"'
            )


def strike(context: Context) -> None:
    """Fail or kill the charm if the plan says so for the hook command that begins.

    Raises:
        errors.JujuError: the failure that the hook command answers.
    """
    fault = _due(context, str(len(context.commands)))
    if fault:
        if fault.endswith("kill") and context.process:
            processes.kill_group(context.process)
        raise errors.JujuError(f"{KEY}: {fault}")


def strike_end(context: Context, code: int) -> int:
    """Give the exit code of a hook: its own, or that of an end which does not count."""
    return _KILLED if code == 0 and _due(context, _END) else code


def _due(context: Context, place: str) -> str:
    """The fault that strikes at a place, or nothing; its entry is marked as done."""
    config, struck = context.where.config, context.unit.local.struck
    entries = _entries(config.get(KEY, ""))
    for entry in entries:
        unit, hook, number, how = entry.split()
        fits = fnmatch.fnmatchcase(f"{context.unit.name} {context.label}", f"{unit} {hook}")
        if number != place or not fits:
            continue
        if "*" not in entry:
            entries.remove(entry)
            config[KEY] = ", ".join(entries)
        elif context.task or entry in struck:
            continue
        else:
            struck.add(entry)
        fault = f"{context.unit.name} {context.label} {place} {how}"
        context.faults.append(fault)
        return fault
    return ""


def _entries(plan: str) -> list[str]:
    return [" ".join(entry.split()) for entry in plan.split(",") if entry.strip()]

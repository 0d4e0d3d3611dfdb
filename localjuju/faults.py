"""Faults at will: a hook command that fails, or the charm's sudden death at it.

A model's configuration holds the plan under ``localjuju-faults``: entries separated by commas,
each ``UNIT HOOK NUMBER fail`` or ``UNIT HOOK NUMBER kill``. ``app/0 config-changed 3 kill`` kills
the charm of that unit at its third hook command in config-changed. Each entry strikes once.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from localjuju import errors, hooks

if TYPE_CHECKING:
    from localjuju.context import Context

KEY = "localjuju-faults"

_ENTRY = re.compile(r"[a-z0-9-]+/\d+ [a-z0-9-]+ [1-9]\d* (?:fail|kill)")


def check(plan: str) -> None:
    """Check a plan before it is kept.

    Raises:
        errors.JujuError: if an entry is malformed.
    """
    for entry in _entries(plan):
        if not _ENTRY.fullmatch(entry):
            raise errors.JujuError(f'{KEY}: "{entry}" is not "UNIT HOOK NUMBER fail|kill"')


def strike(context: Context) -> None:
    """Fail or kill the charm if the plan says so for the hook command that begins.

    Raises:
        errors.JujuError: the failure that the hook command answers.
    """
    config = context.where.config
    entries = _entries(config.get(KEY, ""))
    place = f"{context.unit.name} {context.label} {len(context.commands)}"
    for how in ("fail", "kill"):
        if f"{place} {how}" in entries:
            entries.remove(f"{place} {how}")
            config[KEY] = ", ".join(entries)
            if how == "kill":
                hooks.stop(context)
            raise errors.JujuError(f"{KEY}: {place} {how}")


def _entries(plan: str) -> list[str]:
    return [" ".join(entry.split()) for entry in plan.split(",") if entry.strip()]

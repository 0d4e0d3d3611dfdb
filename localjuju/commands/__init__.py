"""The juju command line, by subject; each module lists its commands by name."""

from __future__ import annotations

from localjuju.commands import applications, models, offers, relations, secrets, tasks
from localjuju.commands.registry import COMMANDS, run

__all__ = [
    "COMMANDS",
    "applications",
    "models",
    "offers",
    "relations",
    "run",
    "secrets",
    "tasks",
]

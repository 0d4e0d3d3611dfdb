"""The juju command line, by subject; each module lists its commands by name."""

from __future__ import annotations

from localjuju.commands import (
    applications,
    configuration,
    models,
    offers,
    relations,
    secrets,
    showing,
    tasks,
)
from localjuju.commands.registry import COMMANDS, run

__all__ = [
    "COMMANDS",
    "applications",
    "configuration",
    "models",
    "offers",
    "relations",
    "run",
    "secrets",
    "showing",
    "tasks",
]

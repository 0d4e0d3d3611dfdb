"""The hook commands: what a charm may ask of Juju while its hook runs.

Each module holds some of them, in the order of their names. A command is a function of the hook's
context and its command line; what it returns is printed. Reference:
https://documentation.ubuntu.com/juju/3.6/reference/hook-command/list-of-hook-commands/
"""

from __future__ import annotations

from localjuju.hook_commands import actions, relations, secrets, surroundings, workload
from localjuju.hook_commands.registry import COMMANDS, reads_stdin, run

__all__ = [
    "COMMANDS",
    "actions",
    "reads_stdin",
    "relations",
    "run",
    "secrets",
    "surroundings",
    "workload",
]

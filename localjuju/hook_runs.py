"""The hook log: each run of a charm with its hook commands and its time."""

from __future__ import annotations

import dataclasses
import json
import pathlib

from localjuju import cli


@dataclasses.dataclass(frozen=True)
class HookRun:
    """One run of a charm.

    Attributes:
        unit: the unit's name.
        hook: the hook's name, ``NAME-action`` for an action, ``exec`` for an exec command.
        milliseconds: how long the process ran.
        exit_code: the exit code; 128 + N for the end by signal N.
        commands: the hook commands in order, each with its arguments; of what a command sets, the
            keys alone, and of ``juju-log`` and ``action-log`` no message.
        faults: the planned faults that struck, each ``UNIT HOOK NUMBER fail|kill``.
    """

    unit: str
    hook: str
    milliseconds: int
    exit_code: int
    commands: tuple[tuple[str, ...], ...]
    faults: tuple[str, ...]


def hook_log(model_name: str) -> list[HookRun]:
    """Read the hook log of a model of the running controller, oldest run first.

    Args:
        model_name: the model's name, with or without its controller.

    Raises:
        FileNotFoundError: if the controller directory, which ``LOCALJUJU_DATA`` names, has no such
            model or no hook of it has ended yet.
    """
    name = model_name.rpartition(":")[2].rpartition("/")[2]
    lines = (pathlib.Path(cli.data_folder()) / name / "hooks.jsonl").read_text().splitlines()
    return [_hook_run(line) for line in lines]


def _hook_run(line: str) -> HookRun:
    fields = json.loads(line)
    commands = tuple(tuple(words) for words in fields["commands"])
    return HookRun(
        unit=fields["unit"],
        hook=fields["hook"],
        milliseconds=fields["milliseconds"],
        exit_code=fields["exit_code"],
        commands=commands,
        faults=tuple(fields["faults"]),
    )

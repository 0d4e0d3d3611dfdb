"""Hook commands of actions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from localjuju import action_params, errors, model, output
from localjuju.hook_commands.registry import SHOW, Call, command

if TYPE_CHECKING:
    from localjuju.context import Context
    from localjuju.model import Task

_RESERVED = {"stdout", "stdout-encoding", "stderr", "stderr-encoding"}


@command("action-fail", {})
def action_fail(context: Context, call: Call) -> None:
    """Fail the action; it goes on running. An exec command does not heed it."""
    call.at_most(1)
    task = _task(context)
    if not task.action:
        return
    task.failed = True
    task.message = call.word(0, "action failed without reason given, check action for errors")


@command("action-get", SHOW)
def action_get(context: Context, call: Call) -> str:
    """Print the parameters, or the one under a dotted key."""
    call.at_most(1)
    value: object = output.ordered(_task(context).params)
    for key in call.word(0).split(".") if call.words else []:
        value = _inner(value, key)
    return call.show(value)


def _inner(value: object, key: str) -> object:
    return cast("dict[str, Any]", value).get(key) if isinstance(value, dict) else None


@command("action-log", {})
def action_log(context: Context, call: Call) -> None:
    """Record a progress message."""
    if not call.words:
        raise errors.JujuError("no message specified", errors.USAGE)
    stamp = output.long_time(model.now())
    _task(context).log.append(f"{stamp} {' '.join(call.words)}")


@command("action-set", {})
def action_set(context: Context, call: Call) -> None:
    """Set results; dots in a key nest."""
    results = [_result(word) for word in call.words]
    for path, value in results:
        action_params.put(_task(context).results, path, value)


def _result(word: str) -> tuple[list[str], str]:
    key, equals, value = word.partition("=")
    if not equals:
        raise errors.JujuError(f'argument "{word}" must be of the form key...=value', errors.USAGE)
    path = key.split(".")
    for part in path:
        action_params.check_key(part, ", hyphens and periods")
        if part in _RESERVED:
            raise errors.JujuError(f'cannot set reserved action key "{part}"', errors.USAGE)
    return path, value


def _task(context: Context) -> Task:
    """The action that runs; an exec command is one too, with parameters of its own."""
    if context.task is None:
        raise errors.JujuError("not running an action")
    return context.task

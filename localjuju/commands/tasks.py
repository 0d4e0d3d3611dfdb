"""Commands that run something on units: actions and exec."""

from __future__ import annotations

import shlex
import time
from typing import TYPE_CHECKING, Any

from localjuju import action_params, errors, flags, go_yaml, model, output
from localjuju.commands.finding import find_application, find_unit
from localjuju.commands.registry import FORMAT, MODEL, Call, command
from localjuju.model import Task

if TYPE_CHECKING:
    from localjuju.model import Model, Unit

_EXEC_TIMEOUT = 3e11
"""What exec commands find in their parameters: five minutes, in nanoseconds."""
_WAIT = {"color": flags.BOOL, "utc": flags.BOOL, "wait": flags.TEXT}


@command("actions", FORMAT | MODEL | {"schema": flags.BOOL}, "list-actions")
def actions(call: Call) -> str:
    """List the actions of an application."""
    where = call.model()
    declared = find_application(where, call.word(0, "no application specified")).charm.actions
    if call.parsed.boolean("schema"):
        return output.show(declared, call.parsed.text("format", "yaml"))
    data = {name: spec.get("description", "") for name, spec in declared.items()}
    return output.show(data, call.parsed.text("format", "yaml"))


@command(
    "exec",
    FORMAT
    | MODEL
    | _WAIT
    | {
        "a,app,application": flags.LIST,
        "all": flags.BOOL,
        "l,leader": flags.LIST,
        "machine": flags.LIST,
        "relation": flags.INT,
        "u,unit": flags.LIST,
    },
    interspersed=False,
)
def execute(call: Call) -> str:
    """Run a command on units, in the charm's folder and a hook's context."""
    where, deadline = call.model(), _deadline(call)
    call.word(0, "no commands specified")
    line = call.words[0] if len(call.words) == 1 else shlex.join(call.words)
    with where.lock:
        units = _targets(call, where)
        relation_id = call.parsed.integer("relation", -1)
        if relation_id >= 0 and relation_id not in where.relations:
            raise errors.JujuError(f"relation {relation_id} not found")
        new = [
            Task(
                "",
                one.name,
                command=line,
                params={"command": line, "timeout": _EXEC_TIMEOUT},
                relation_id=None if relation_id < 0 else relation_id,
            )
            for one in units
        ]
        _enqueue(call, where, new, told=False)
    return _finish(call, where, new, deadline)


@command("run", FORMAT | MODEL | _WAIT | {"params": flags.TEXT, "string-args": flags.BOOL})
def run(call: Call) -> str:
    """Run an action on units and wait for its results."""
    where, deadline = call.model(), _deadline(call)
    names = [word for word in call.words if "/" in word.partition("=")[0]]
    rest = [word for word in call.words if word not in names]
    if not names:
        raise errors.JujuError("no unit specified", errors.USAGE)
    if not rest:
        raise errors.JujuError("no action specified", errors.USAGE)
    if len({name.partition("/")[0] for name in names}) > 1:
        raise errors.JujuError("all units must be of the same application", errors.USAGE)
    params = _params(call, rest[1:])
    with where.lock:
        found = _scheduled(call, where, names)
        new = [_action(where, unit, rest[0], params) for unit in found]
        _enqueue(call, where, new, told=True)
    return _finish(call, where, new, deadline)


@command("show-task", FORMAT | MODEL)
def show_task(call: Call) -> str:
    """Show what a task is doing or did."""
    call.at_most(1)
    where = call.model()
    task = where.tasks.get(call.word(0, "no task ID specified"))
    if task is None:
        raise errors.JujuError(f'task "{call.words[0]}" not found')
    with where.lock:
        return output.show(_describe(where, task), call.parsed.text("format", "yaml"))


def _targets(call: Call, where: Model) -> list[Unit]:
    named = [name for names in call.parsed.texts("unit") for name in names.split(",")]
    units = _scheduled(call, where, named)
    for names in call.parsed.texts("application"):
        for name in names.split(","):
            units += where.units_of(find_application(where, name).name)
    for name in call.parsed.texts("leader"):
        units.append(find_unit(where, f"{name}/leader"))
    if call.parsed.boolean("all"):
        units += where.units.values()
    if call.parsed.texts("machine"):
        raise errors.JujuError("machines have no commands of their own here: name a unit")
    if not units and not named:
        raise errors.JujuError(
            "You must specify a target, either through --all, --machine, --application or --unit"
        )
    return units


def _scheduled(call: Call, where: Model, names: list[str]) -> list[Unit]:
    """The units that are named, of which Juju 4.0 passes over those that are not there."""
    unknown = where.release.words.leader_unknown
    for name in names:
        app, _, number = name.partition("/")
        if number == "leader" and app not in where.applications:
            raise errors.JujuError(unknown.format(app=app))
    if where.release.failed_tasks_exit:
        return [find_unit(where, name) for name in names]
    missing = [name for name in names if not name.endswith("/leader") and name not in where.units]
    if missing:
        where.next_task += 1
        call.stderr += f"Operation {where.next_task} failed to schedule any tasks:\n"
    for name in missing:
        call.stderr += f'linking task to unit: getting unit UUID for "{name}": '
        call.stderr += f'unit "{name}" not found\n'
    return [find_unit(where, name) for name in names if name not in missing]


def _params(call: Call, words: list[str]) -> dict[str, Any]:
    """Read parameters from ``--params FILE`` and from ``a.b=value`` words, which win."""
    params: dict[str, Any] = {}
    if path := call.parsed.text("params"):
        params = go_yaml.load_map(call.read(path), "cannot read the parameters")
    for word in words:
        key, equals, text = word.partition("=")
        if not equals:
            raise errors.JujuError(f'argument "{word}" must be of the form key.key.key...=value')
        value = text if call.parsed.boolean("string-args") else go_yaml.load(text)
        path = key.split(".")
        for part in path:
            action_params.check_key(part, " and hyphens")
        action_params.put(params, path, value)
    return params


def _action(where: Model, unit: Unit, name: str, params: dict[str, Any]) -> Task:
    declared = where.application_of(unit).charm.actions
    if name not in declared:
        raise errors.JujuError(f'action "{name}" not defined for unit "{unit.name}". (not found)')
    try:
        return Task("", unit.name, name, params=action_params.complete(declared[name], params))
    except errors.JujuError as error:
        if where.release.failed_tasks_exit:
            raise
        problem = f'cannot run "{name}" action: {error}'
        return Task("", unit.name, name, status="failed", failed=True, message=problem)


def _enqueue(call: Call, where: Model, new: list[Task], *, told: bool) -> None:
    """Give tasks to their units, and tell of it as ``juju run`` does."""
    if not new:
        return
    operation = where.next_task = where.next_task + 1
    plural = "" if len(new) == 1 else "s"
    lines = [f"Running operation {operation} with {len(new)} task{plural}"]
    for task in new:
        where.next_task += 1
        task.id = str(where.next_task)
        where.tasks[task.id] = task
        unit = where.units[task.unit]
        unit.tasks.append(task)
        if task.failed:
            task.completed = model.now()
        lines.append(f"  - task {task.id} on {unit.tag}")
    lines += ["", *(f"Waiting for task {task.id}..." for task in new)]
    call.stderr += "".join(f"{line}\n" for line in lines) if told else ""
    where.changed.notify_all()


def _deadline(call: Call) -> float:
    """When the command no longer waits, by the clock of `time.monotonic`."""
    wait = flags.duration(call.parsed.text("wait") or "60s")
    return time.monotonic() + wait.total_seconds()


def _finish(call: Call, where: Model, new: list[Task], deadline: float) -> str:
    """Wait for tasks and print their results."""
    with where.lock:
        while open_ones := [one for one in new if one.completed is None]:
            left = deadline - time.monotonic()
            if left <= 0 or where.life != model.ALIVE:
                units = ", ".join(task.unit for task in open_ones)
                call.stderr += f"ERROR timed out waiting for results from: unit {units}\n"
                call.code = 1
                break
            where.changed.wait(left)
        done = [task for task in new if task.completed]
        _report_failures(call, where, done)
        if form := call.parsed.text("format"):
            return output.show({task.unit: _describe(where, task) for task in done}, form)
        return "\n".join(_plain(task, several=len(new) > 1) for task in done)


def _report_failures(call: Call, where: Model, done: list[Task]) -> None:
    failed = [
        one
        for one in done
        if one.results.get("return-code")
        or (one.status != "completed" and where.release.failed_tasks_exit)
    ]
    if not failed:
        return
    plural, verb = ("", "task") if len(failed) == 1 else ("s", "tasks")
    lines = [
        f' - id "{one.id}" with return code {one.results.get("return-code", 0)}\n'
        for one in failed
    ]
    call.stderr += f"ERROR the following {verb} failed:\n{''.join(lines)}\n"
    call.stderr += f"use 'juju show-task' to inspect the failure{plural}\n"
    call.code = 1


def _describe(where: Model, task: Task) -> dict[str, Any]:
    timing = {"enqueued": task.enqueued, "started": task.started}
    if where.release.task_end_is_shown:
        timing["completed"] = task.completed
    data: dict[str, Any] = {"id": task.id}
    if task.log:
        data["log"] = list(task.log)
    if task.message:
        data["message"] = task.message
    return data | {
        "results": output.ordered(task.results),
        "status": task.status,
        "timing": {name: output.long_time(one) for name, one in timing.items() if one},
        "unit": task.unit,
    }


def _plain(task: Task, *, several: bool) -> str:
    """A task's results as ``juju run`` and ``juju exec`` print them for people."""
    heading = f"{task.unit}:\n" if several else ""
    text = "".join(f"{line}\n" for line in task.log)
    if task.failed:
        text += f"Action id {task.id} failed: {task.message}\n"
    text += str(task.results.get("stdout", "")) + str(task.results.get("stderr", ""))
    rest = {key: one for key, one in task.results.items() if key not in _STREAMS}
    return heading + text + (output.to_yaml(output.ordered(rest)) if rest else "")


_STREAMS = {"return-code", "stderr", "stdout"}

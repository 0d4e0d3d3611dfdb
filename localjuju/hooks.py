"""One run of a charm: a fresh process with Juju's environment, and what comes of it."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import selectors
import shutil
import time
from typing import TYPE_CHECKING

from localjuju import charm_files, errors, faults, life, model, processes, secret_store, uniter
from localjuju.context import Context
from localjuju.model import Hook, Status

if TYPE_CHECKING:
    import pathlib
    import subprocess
    from collections.abc import Callable

    from localjuju.model import Model, Task, Unit

_BEFORE = {
    "install": Status("maintenance", "installing charm software"),
    "remove": Status("maintenance", "cleaning up prior to charm deletion"),
    "stop": Status("maintenance", "stopping charm software"),
}
_REDACTED = {"action-set", "relation-set", "secret-add", "secret-set", "state-set"}
_SILENT = {"action-log", "juju-log"}
_SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/snap/bin"


@dataclasses.dataclass
class Site:
    """The places of a controller that its hooks need, and the contexts that run.

    Attributes:
        socket: where hook commands reach the controller.
        tools: the folder of hook commands.
        programs: the folder with ``python3``.
        contexts: what runs, by the ID of its context.
    """

    socket: pathlib.Path
    tools: pathlib.Path
    programs: pathlib.Path
    contexts: dict[str, Context] = dataclasses.field(default_factory=dict[str, Context])


def run(site: Site, where: Model, unit: Unit, operation: uniter.Operation) -> None:
    """Run one operation of a unit's agent to its end."""
    if isinstance(operation, uniter.Upgrade):
        _upgrade(where, unit, operation)
    elif isinstance(operation, Hook):
        _run_hook(site, where, unit, operation)
    else:
        _run_task(site, where, unit, operation)


def redacted(name: str, arguments: list[str]) -> list[str]:
    """A hook command for the log: of what it sets, the keys alone; of a message, nothing."""
    if name in _SILENT:
        return [name]
    if name not in _REDACTED:
        return [name, *arguments]
    return [name, *(word.partition("=")[0] if _is_setting(word) else word for word in arguments)]


def _is_setting(word: str) -> bool:
    return "=" in word and not word.startswith("-")


def environment(site: Site, context: Context) -> dict[str, str]:
    """The environment that Juju gives, and nothing of the controller's own.

    Source: ``HookVars`` in Juju 3.6; names at
    https://documentation.ubuntu.com/juju/3.6/reference/hook/#hook-execution.
    """
    unit, where, hook = context.unit, context.where, context.hook
    env = {
        "APT_LISTCHANGES_FRONTEND": "none",
        "CHARM_DIR": str(unit.charm_folder),
        "CLOUD_API_VERSION": "",
        "DEBIAN_FRONTEND": "noninteractive",
        "JUJU_AGENT_SOCKET_ADDRESS": str(site.socket),
        "JUJU_AGENT_SOCKET_NETWORK": "unix",
        "JUJU_API_ADDRESSES": f"{model.ADDRESS}:{model.PORT}",
        "JUJU_AVAILABILITY_ZONE": "localhost",
        "JUJU_CHARM_DIR": str(unit.charm_folder),
        "JUJU_CHARM_FTP_PROXY": "",
        "JUJU_CHARM_HTTPS_PROXY": "",
        "JUJU_CHARM_HTTP_PROXY": "",
        "JUJU_CHARM_NO_PROXY": "",
        "JUJU_CONTEXT_ID": context.id,
        "JUJU_HOOK_NAME": hook.name,
        "JUJU_MACHINE_ID": unit.machine,
        "JUJU_MODEL_NAME": where.name,
        "JUJU_MODEL_UUID": where.uuid,
        "JUJU_PRINCIPAL_UNIT": unit.principal,
        "JUJU_UNIT_NAME": unit.name,
        "JUJU_VERSION": where.release.version,
        "LANG": "C.UTF-8",
        "PATH": f"{site.tools}:{site.programs}:{_SYSTEM_PATH}",
        "TERM": "tmux-256color",
    }
    env |= dict.fromkeys(where.release.variables, "")
    return env | _relation_variables(context) | _other_variables(context)


def _relation_variables(context: Context) -> dict[str, str]:
    hook = context.hook
    if hook.relation_id is None:
        return {}
    relation = context.where.relations.get(hook.relation_id)
    if relation is None:
        return {}
    end = relation.end(context.unit.application) or relation.ends[0]
    variables = {
        "JUJU_RELATION": end.endpoint.name,
        "JUJU_RELATION_ID": f"{end.endpoint.name}:{relation.id}",
        "JUJU_REMOTE_APP": relation.other(context.unit.application).application,
        "JUJU_REMOTE_UNIT": hook.remote_unit,
    }
    return variables | (
        {"JUJU_DEPARTING_UNIT": hook.departing_unit} if hook.departing_unit else {}
    )


def _other_variables(context: Context) -> dict[str, str]:
    hook, task = context.hook, context.task
    variables: dict[str, str] = {}
    if hook.name:
        variables["JUJU_DISPATCH_PATH"] = f"hooks/{hook.name}"
    if task:
        variables |= {
            "JUJU_ACTION_NAME": task.action or "juju-exec",
            "JUJU_ACTION_TAG": f"action-{task.id}",
            "JUJU_ACTION_UUID": task.id,
        }
    if task and task.action:
        variables["JUJU_DISPATCH_PATH"] = f"actions/{task.action}"
    if hook.secret_id:
        variables["JUJU_SECRET_ID"] = hook.secret_id
        if hook.kind not in context.where.release.bare_secret_ids:
            variables["JUJU_SECRET_ID"] = secret_store.to_uri(context.where, hook.secret_id)
        variables["JUJU_SECRET_LABEL"] = hook.secret_label
    if hook.kind in ("secret-expired", "secret-remove"):
        variables["JUJU_SECRET_REVISION"] = str(hook.secret_revision)
    if hook.storage_id:
        storage = context.unit.storage[hook.storage_id]
        variables |= {
            "JUJU_STORAGE_ID": storage.id,
            "JUJU_STORAGE_KIND": storage.kind,
            "JUJU_STORAGE_LOCATION": str(storage.location),
        }
    return variables


def _upgrade(where: Model, unit: Unit, operation: uniter.Upgrade) -> None:
    """Put the files of a charm in place; over an older one, upgrade-charm follows."""
    old = unit.local.charm
    if old:
        with where.lock:
            unit.agent = Status("executing", "upgrading the charm")
    charm_files.install(operation.charm.path, unit.charm_folder, old.path if old else None)
    with where.lock:
        unit.local.charm = operation.charm
        if old and not unit.local.failed:
            unit.local.queued = Hook("upgrade-charm", "upgrade-charm")


def _run_hook(site: Site, where: Model, unit: Unit, hook: Hook) -> None:
    with where.lock:
        context = Context(where, unit, hook)
        unit.agent = Status("executing", f"running {hook.name} hook")
        unit.workload = _BEFORE.get(hook.kind, unit.workload)
        logger = f"unit.{unit.name}.{hook.name}"
    levels = {"stdout": "DEBUG", "stderr": "WARNING"}

    def log(stream: str, line: str) -> None:
        where.write_log(unit.tag, levels[stream], logger, line)

    code = _execute(site, context, _command(unit, f"hooks/{hook.name}"), log)
    with where.lock:
        _end_hook(where, unit, context, code)


def _end_hook(where: Model, unit: Unit, context: Context, code: int) -> None:
    hook = context.hook
    if where.units.get(unit.name) is not unit:
        return
    logger = "juju.worker.uniter.operation"
    how = "via hook dispatching script: dispatch"
    if context.reboot == "now":
        unit.local.queued = hook
    elif not (problem := f"exit status {code}" if code else _refusal(context)):
        uniter.commit(where, unit, hook, context.begun)
        _after_hook(unit, context)
        where.write_log(unit.tag, "INFO", logger, f'ran "{hook.name}" hook ({how})')
    else:
        uniter.fail(unit, hook)
        where.write_log(unit.tag, "ERROR", logger, f'hook "{hook.name}" ({how}) failed: {problem}')
    unit.agent = Status("idle")
    life.settle(where)


def _refusal(context: Context) -> str:
    """Commit a hook, and give the reason if it is refused."""
    try:
        context.commit()
    except errors.CommitError as error:
        return str(error)
    return ""


def _after_hook(unit: Unit, context: Context) -> None:
    """Set the statuses that Juju sets after a hook."""
    if context.hook.kind == "start" and not context.status_set:
        if unit.workload.current in ("maintenance", "waiting"):
            unit.workload = Status("unknown")
    elif context.hook.kind == "stop":
        unit.workload = Status("terminated")
    if context.reboot:
        unit.local.queued = Hook("start", "start")


def _run_task(site: Site, where: Model, unit: Unit, task: Task) -> None:
    with where.lock:
        hook = Hook("", "", relation_id=task.relation_id)
        context = Context(where, unit, hook, task)
        task.status, task.started = "running", model.now()
        unit.agent = Status("executing", f"running action {task.action}".strip())
    output: dict[str, list[str]] = {"stdout": [], "stderr": []}
    command = _command(unit, f"actions/{task.action}")
    if task.command:
        command = [shutil.which("bash") or "sh", "-c", task.command]
    code = _execute(site, context, command, lambda stream, line: output[stream].append(line))
    with where.lock:
        _end_task(where, unit, context, code, output)


def _end_task(
    where: Model, unit: Unit, context: Context, code: int, output: dict[str, list[str]]
) -> None:
    task = context.task
    if task is None or task.status != "running":
        return
    for stream, lines in output.items():
        if lines:
            task.results[stream] = "\n".join(lines) + "\n"
    task.results["return-code"] = code
    if code and task.action:
        task.failed, task.message = True, task.message or f"exit status {code}"
    elif problem := _refusal(context):
        task.failed, task.message = True, problem
    task.status = "failed" if task.failed else "completed"
    task.completed = model.now()
    unit.agent = Status("idle")
    life.settle(where)


def _command(unit: Unit, path: str) -> list[str]:
    """The program that handles an event: dispatch, or a charm of old's own; none is fine."""
    dispatch = unit.charm_folder / "dispatch"
    program = dispatch if dispatch.exists() else unit.charm_folder / path
    return [str(program)] if program.exists() else ["true"]


def _execute(
    site: Site, context: Context, command: list[str], report: Callable[[str, str], None]
) -> int:
    """Run a program in a context until it ends; 128 + N is the end by signal N."""
    begin = time.monotonic()
    site.contexts[context.id] = context
    try:
        code = _spawn(site, context, command, report)
    finally:
        with context.where.lock:
            del site.contexts[context.id]
    with context.where.lock:
        code = faults.strike_end(context, code)
    _write_hook_log(context, code, time.monotonic() - begin)
    return code


def _spawn(
    site: Site, context: Context, command: list[str], report: Callable[[str, str], None]
) -> int:
    with context.where.lock:
        env = environment(site, context)
    try:
        process = processes.start(command, context.unit.charm_folder, env)
    except OSError as error:
        report("stderr", f"cannot run {command[0]}: {error.strerror}")
        return 126
    with process:
        with context.where.lock:
            context.process = process.pid
            if context.where.life == model.DEAD:
                stop(context)
        _pump(process, report)
        code = process.wait()
    return code if code >= 0 else 128 - code


def _pump(process: subprocess.Popen[bytes], report: Callable[[str, str], None]) -> None:
    """Report each line that the process writes, until it ends.

    A daemon that the charm leaves behind may hold the pipes open, so the end of the process
    counts, not that of its output.
    """
    rest = {"stdout": b"", "stderr": b""}
    with selectors.DefaultSelector() as selector:
        for stream, pipe in (("stdout", process.stdout), ("stderr", process.stderr)):
            if pipe:
                os.set_blocking(pipe.fileno(), False)
                selector.register(pipe, selectors.EVENT_READ, stream)
        while selector.get_map():
            ended = process.poll() is not None
            ready = selector.select(0 if ended else 0.05)
            for key, _ in ready:
                _read(selector, key, rest, report)
            if ended and not ready:
                break
    for stream, line in rest.items():
        if line:
            report(stream, line.decode(errors="replace"))


def _read(
    selector: selectors.BaseSelector,
    key: selectors.SelectorKey,
    rest: dict[str, bytes],
    report: Callable[[str, str], None],
) -> None:
    chunk = b""
    with contextlib.suppress(BlockingIOError):
        chunk = os.read(key.fd, 65536)
    if not chunk:
        selector.unregister(key.fileobj)
    *lines, rest[key.data] = (rest[key.data] + chunk).split(b"\n")
    for line in lines:
        report(key.data, line.decode(errors="replace"))


def _write_hook_log(context: Context, code: int, seconds: float) -> None:
    line = {
        "unit": context.unit.name,
        "hook": context.label,
        "milliseconds": round(seconds * 1000),
        "exit_code": code,
        "commands": context.commands,
        "faults": context.faults,
    }
    path = context.where.folder / "hooks.jsonl"
    with contextlib.suppress(FileNotFoundError), path.open("a") as log:
        log.write(json.dumps(line) + "\n")


def stop(context: Context) -> None:
    """Kill a running hook with all that it started in its own session."""
    if context.process:
        processes.kill_group(context.process)

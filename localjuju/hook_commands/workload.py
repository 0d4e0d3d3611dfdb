"""Hook commands of the unit itself: log, ports, state, status, storage, version, reboot."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from localjuju import errors, flags, hooks, output, status
from localjuju.hook_commands.registry import SHOW, Call, command
from localjuju.model import Status

if TYPE_CHECKING:
    from localjuju.context import Context

_HIGHEST_PORT = 65535
_LEVELS = {"TRACE", "DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"}
_PORT = re.compile(r"(?P<first>\d+)(?:-(?P<last>\d+))?(?:/(?P<protocol>tcp|udp))?")
_STATE_KEY, _STATE_VALUE = 256, 65536
_SETTABLE = ("active", "blocked", "maintenance", "waiting")


@command("application-version-set", {})
def application_version_set(context: Context, call: Call) -> None:
    """Set the version of the workload, at once."""
    call.at_most(1)
    if not call.words:
        raise errors.JujuError("no version specified", errors.USAGE)
    context.unit.version = call.word(0)


@command("close-port", {"endpoints": flags.TEXT})
def close_port(context: Context, call: Call) -> None:
    """Close ports."""
    _ports(context).discard(_port(call))


@command("juju-log", {"l,log-level": flags.TEXT, "debug": flags.BOOL})
def juju_log(context: Context, call: Call) -> None:
    """Write to the debug log, at once."""
    if not call.words:
        raise errors.JujuError("no message specified", errors.USAGE)
    level = call.parsed.text("log-level", "INFO").upper()
    if call.parsed.boolean("debug"):
        level = "DEBUG"
    logger = f"unit.{context.unit.name}.juju-log"
    message = " ".join(call.words)
    if context.hook.relation_id is not None:
        endpoint = context.hook.name.removesuffix(f"-{context.hook.kind}")
        message = f"{endpoint}:{context.hook.relation_id}: {message}"
    level = level if level in _LEVELS else "INFO"
    context.where.write_log(context.unit.tag, level, logger, message)


@command("juju-reboot", {"now": flags.BOOL})
def juju_reboot(context: Context, call: Call) -> None:
    """Reboot the unit's machine, of which this process is all: start runs again.

    With ``--now`` the hook is killed, its changes are dropped, and it runs again.
    """
    call.at_most(0)
    if context.task:
        raise errors.JujuError("juju-reboot is not supported when running an action.")
    context.reboot = "now" if call.parsed.boolean("now") else "after"
    if context.reboot == "now":
        hooks.stop(context)


@command("open-port", {"endpoints": flags.TEXT})
def open_port(context: Context, call: Call) -> None:
    """Open ports; nothing here keeps traffic out, so this is for the record."""
    _ports(context).add(_port(call))


@command("opened-ports", SHOW | {"endpoints": flags.BOOL})
def opened_ports(context: Context, call: Call) -> str:
    """List the open ports."""
    call.at_most(0)
    ending = " (*)" if call.parsed.boolean("endpoints") else ""
    return call.show([f"{port}{ending}" for port in output.ports(_ports(context))])


def _ports(context: Context) -> set[str]:
    if context.changes.ports is None:
        context.changes.ports = set(context.unit.ports)
    return context.changes.ports


def _port(call: Call) -> str:
    call.at_most(1)
    text = call.word(0).lower()
    if text == "icmp":
        return text
    match = _PORT.fullmatch(text)
    if not match:
        raise errors.JujuError(f'invalid port or port range "{text}"', errors.USAGE)
    first, last = int(match["first"]), int(match["last"] or match["first"])
    if max(first, last) > _HIGHEST_PORT:
        raise errors.JujuError(
            f"port range bounds must be between 0 and {_HIGHEST_PORT}, got {first}-{last}",
            errors.USAGE,
        )
    if not 1 <= first <= last:
        raise errors.JujuError(f"invalid port range {text}", errors.USAGE)
    span = f"{first}" if first == last else f"{first}-{last}"
    return f"{span}/{match['protocol'] or 'tcp'}"


@command("state-delete", {})
def state_delete(context: Context, call: Call) -> None:
    """Delete a key of the charm's state."""
    call.at_most(1)
    _state(context).pop(call.word(0), None)


@command("state-get", SHOW)
def state_get(context: Context, call: Call) -> str:
    """Print the charm's state, or one key."""
    call.at_most(1)
    if call.words:
        return call.show(_state(context).get(call.word(0)))
    unset = context.unit.state is None and not context.changes.state
    if unset and call.parsed.text("format") == "json":
        return call.show(None)
    return call.show(output.ordered(_state(context)))


@command("state-set", {"file": flags.TEXT})
def state_set(context: Context, call: Call) -> None:
    """Set keys of the charm's state, within Juju's limits."""
    pairs = call.pairs(call.words)
    for what, limit, texts in (
        ("key", _STATE_KEY, pairs.keys()),
        ("value", _STATE_VALUE, pairs.values()),
    ):
        if any(len(text.encode()) > limit for text in texts):
            raise errors.JujuError(f"max allowed {what} length ({limit}): quota limit exceeded")
    _state(context).update(pairs)


def _state(context: Context) -> dict[str, str]:
    if context.changes.state is None:
        context.changes.state = dict(context.unit.state or {})
    return context.changes.state


@command("status-get", SHOW | {"application": flags.BOOL, "include-data": flags.BOOL})
def status_get(context: Context, call: Call) -> str:
    """Print the unit's status, or the leader's application's with those of its units."""
    call.at_most(0)
    full = call.parsed.boolean("include-data")
    short = not full and call.parsed.text("format", "smart") == "smart"
    if not call.parsed.boolean("application"):
        shown = context.unit.workload
        return call.show(shown.current if short else _details(shown, full=full))
    if not context.is_leader:
        raise errors.JujuError("finding application status: this unit is not the leader")
    shown = status.application(context.where, context.application)
    details = _details(shown, full=full)
    units = context.where.units_of(context.unit.application)
    details["units"] = {one.name: _details(one.workload, full=full) for one in units}
    return call.show(shown.current if short else {"application-status": details})


def _details(shown: Status, *, full: bool) -> dict[str, object]:
    details: dict[str, object] = {"status": shown.current}
    return {"message": shown.message, **details, "status-data": {}} if full else details


@command("status-set", {"application": flags.BOOL})
def status_set(context: Context, call: Call) -> None:
    """Set the unit's status or, as the leader, the application's, at once."""
    if not call.words:
        raise errors.JujuError("invalid args, require <status> [message]", errors.USAGE)
    current = call.word(0)
    if current not in _SETTABLE:
        expected = "maintenance blocked waiting active"
        problem = f'invalid status "{current}", expected one of [{expected}]'
        raise errors.JujuError(problem, errors.USAGE)
    given = Status(current, " ".join(call.words[1:]))
    if not call.parsed.boolean("application"):
        context.unit.workload, context.status_set = given, True
    elif context.is_leader:
        context.application.status = given
    else:
        raise errors.JujuError("this unit is not the leader")


@command("storage-add", {})
def storage_add(context: Context, call: Call) -> None:
    """Ask for more instances of a storage, ``NAME`` or ``NAME=COUNT``."""
    for word in call.words:
        name, _, count = word.partition("=")
        if name not in context.application.charm.storage:
            raise errors.JujuError(f'charm storage "{name}" not found')
        if not (count or "1").isdigit():
            raise errors.JujuError(f'storage count "{count}" not valid', errors.USAGE)
        context.changes.storage += [name] * int(count or "1")


@command("storage-get", SHOW | {"s": flags.TEXT})
def storage_get(context: Context, call: Call) -> str:
    """Print a storage instance's kind and location."""
    call.at_most(1)
    storage_id = call.parsed.text("s") or context.hook.storage_id
    if not storage_id:
        raise errors.JujuError("no storage instance specified", errors.USAGE)
    storage = context.unit.storage.get(storage_id)
    if storage is None:
        raise errors.JujuError(f'invalid value "{storage_id}" for option -s: storage not found', 2)
    values = {"kind": storage.kind, "location": str(storage.location)}
    return call.show(values.get(call.word(0)) if call.words else values)


@command("storage-list", SHOW)
def storage_list(context: Context, call: Call) -> str:
    """List the unit's storage instances, of one name or all."""
    call.at_most(1)
    mine = context.unit.storage.values()
    return call.show([one.id for one in mine if call.word(0) in ("", one.name)])

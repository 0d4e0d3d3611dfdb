"""The order of a unit's life: which hook comes next.

As Juju's uniter, this is no queue of events but a resolver: each unit remembers what it has seen
(`model.LocalState`), and the next hook is the first difference to the model. Changes that meet
before a hook runs are therefore told once, and a failed hook is told again.

The order, from https://documentation.ubuntu.com/juju/3.6/reference/hook/ and Juju's uniter:

1. a hook that follows by necessity: start after the first config-changed, config-changed after
   upgrade-charm;
2. relation-created for each relation, peers first;
3. leader-elected;
4. secret-changed, secret-expired, secret-remove, secret-rotate;
5. actions and exec commands;
6. for a dying unit: departed and broken for each relation, storage-detaching, stop, remove;
7. else: storage-attached, install, upgrade-charm, config-changed, relation hooks, update-status.

Within a relation: departed, broken, changed of the remote application's databag, joined with its
changed, changed of a remote unit.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import TYPE_CHECKING

from localjuju import flags, model, secret_hooks
from localjuju.model import DYING, Hook

if TYPE_CHECKING:
    from collections.abc import Iterator

    from localjuju.charm import Charm, Value
    from localjuju.model import Application, LocalRelation, Model, Relation, Task, Unit

RETRY_FIRST = dt.timedelta(seconds=1)
RETRY_LAST = dt.timedelta(minutes=1)


@dataclasses.dataclass(frozen=True)
class Upgrade:
    """Put a charm's files in place, for the first time or over an older revision.

    Attributes:
        charm: the charm.
    """

    charm: Charm


Operation = Hook | Upgrade | model.Task


@dataclasses.dataclass(frozen=True)
class Begun:
    """What a hook was told when it began, to be remembered as seen when it ends well.

    Attributes:
        config: the configuration.
        config_version: its count of settings.
        trusted: whether the application is trusted.
    """

    config: dict[str, Value]
    config_version: int
    trusted: bool

    @classmethod
    def now(cls, application: Application) -> Begun:
        """What a hook is told that begins now."""
        return cls(application.config(), application.config_version, application.trusted)


def next_operation(where: Model, unit: Unit) -> Operation | None:
    """The operation that the unit's agent runs next, or None if it is idle."""
    local = unit.local
    if local.charm is None:
        return None if unit.life == DYING else Upgrade(where.application_of(unit).charm)
    if local.failed:
        return _after_failure(where, unit)
    if local.queued:
        return local.queued
    return next(_pending(where, unit), None)


def is_finished(unit: Unit) -> bool:
    """Whether a dying unit has run all its hooks."""
    if unit.local.running is not None:
        return False
    never_installed = not unit.local.installed and not unit.local.failed
    stuck = unit.forced and unit.local.failed is not None
    return unit.life == DYING and (unit.local.removed or never_installed or stuck)


def members(where: Model, relation: Relation, unit: Unit) -> dict[str, int]:
    """The remote units that a unit sees in a relation, with their settings' versions."""
    if DYING in (relation.life, unit.life):
        return {}
    if relation.far:
        return _far_members(relation.far, relation.other(unit.application).application)
    application = relation.other(unit.application).application
    return {
        other.name: relation.units[other.name].version
        for other in where.units_of(application)
        if other.name in relation.scope
        and other.name != unit.name
        and other.life != DYING
        and (not relation.is_container or other.machine == unit.machine)
    }


def _far_members(far: model.FarSide, application: str) -> dict[str, int]:
    """The units of another model, under the application's name in this one."""
    return {
        f"{application}/{other.number}": far.relation.units[other.name].version
        for other in far.where.units_of(far.application)
        if other.name in far.relation.scope and other.life != DYING
    }


def commit(where: Model, unit: Unit, hook: Hook, begun: Begun) -> None:
    """Remember a hook that ended well."""
    local = unit.local
    local.failed = local.queued = local.retry_at = None
    local.resolved, local.retries = False, 0
    local.struck.clear()
    if hook.relation_id is not None:
        _commit_relation(unit, hook)
    elif hook.secret_id:
        secret_hooks.commit(where, unit, hook)
    elif hook.storage_id:
        _commit_storage(unit, hook)
    else:
        _commit_life(where, unit, hook, begun)


def fail(unit: Unit, hook: Hook) -> None:
    """Remember a hook that failed; Juju retries after a delay that doubles.

    What a fault plan for many hooks struck is retried at once.
    """
    local = unit.local
    local.failed, local.queued, local.resolved = hook, None, False
    delay = min(RETRY_FIRST * 2**local.retries, RETRY_LAST)
    local.retry_at = model.now() + (dt.timedelta() if local.struck else delay)
    local.retries = min(local.retries + 1, 16)


def resolve(where: Model, unit: Unit, *, retry: bool) -> None:
    """Retry a failed hook now, or take it for done."""
    if retry:
        unit.local.resolved = True
    elif hook := unit.local.failed:
        commit(where, unit, hook, Begun.now(where.application_of(unit)))
        unit.local.config_again = False


def next_wake(where: Model) -> dt.datetime | None:
    """The moment at which a unit has something to do by the clock alone."""
    times: list[dt.datetime] = []
    for unit in where.units.values():
        if unit.local.failed and unit.local.retry_at and _retries(where):
            times.append(unit.local.retry_at)
        elif unit.local.update_status_at and unit.life != DYING:
            times.append(unit.local.update_status_at)
    times += secret_hooks.times(where)
    return min(times, default=None)


def _retries(where: Model) -> bool:
    return where.config.get("automatically-retry-hooks", "true").lower() == "true"


def _after_failure(where: Model, unit: Unit) -> Operation | None:
    """In error, a unit runs tasks, takes a forced upgrade, and retries; all else waits."""
    local, application = unit.local, where.application_of(unit)
    if task := _task(unit):
        return task
    if application.force_units and local.charm is not application.charm:
        return Upgrade(application.charm)
    due = local.retry_at is not None and local.retry_at <= model.now()
    return local.failed if local.resolved or (due and _retries(where)) else None


def _task(unit: Unit) -> Task | None:
    return next((task for task in unit.tasks if task.status == "pending"), None)


def _pending(where: Model, unit: Unit) -> Iterator[Operation]:
    """Everything that waits for the unit, in the order of the module's docstring."""
    if unit.local.installed and unit.life != DYING:
        yield from _created(where, unit)
        if where.is_leader(unit) and not unit.local.leader:
            yield Hook("leader-elected", "leader-elected")
        yield from secret_hooks.pending(where, unit)
    if (task := _task(unit)) and unit.local.installed:
        yield task
    yield from _teardown(where, unit) if unit.life == DYING else _living(where, unit)


def _created(where: Model, unit: Unit) -> Iterator[Hook]:
    for relation in where.relations_of(unit.application):
        local = unit.local.relations.get(relation.id)
        if local and not local.created and relation.life != DYING:
            yield _relation_hook(relation, unit, "relation-created")


def _teardown(where: Model, unit: Unit) -> Iterator[Hook]:
    relations = where.relations_of(unit.application)
    if where.release.late_peers:
        relations.sort(key=lambda one: one.is_peer)
    for relation in relations:
        yield from _relation_hooks(where, unit, relation)
    for storage in unit.storage.values():
        if storage.attached:
            yield _storage_hook("storage-detaching", storage)
    if unit.local.started:
        yield Hook("stop", "stop")
    elif unit.local.installed and not unit.local.removed:
        yield Hook("remove", "remove")


def _living(where: Model, unit: Unit) -> Iterator[Operation]:
    local, application = unit.local, where.application_of(unit)
    for storage in unit.storage.values():
        known = local.charm and storage.name in local.charm.storage
        if known and not storage.attached:
            yield _storage_hook("storage-attached", storage)
    if not local.installed:
        yield Hook("install", "install")
    if local.charm is not application.charm:
        yield Upgrade(application.charm)
    if _config_waits(where, unit, application):
        yield Hook("config-changed", "config-changed")
    for relation in where.relations_of(unit.application):
        yield from _relation_hooks(where, unit, relation)
    if local.update_status_at and local.update_status_at <= model.now():
        yield Hook("update-status", "update-status")


def _config_waits(where: Model, unit: Unit, application: Application) -> bool:
    """Whether the unit is to hear of its configuration: of a difference or of every setting."""
    local = unit.local
    if where.release.reset_is_told:
        return local.config != application.config() or local.trusted != application.trusted
    return local.config_again or local.config_version != application.config_version


def _relation_hooks(where: Model, unit: Unit, relation: Relation) -> Iterator[Hook]:
    local = unit.local.relations.get(relation.id)
    if not local or not local.created or local.broken:
        return
    remote = members(where, relation, unit)
    if local.changed_pending:
        version = remote.get(local.changed_pending, 0)
        yield _relation_hook(relation, unit, "relation-changed", local.changed_pending, version)
    ending = DYING in (relation.life, unit.life)
    late = where.release.late_peers and relation.is_peer
    for name in sorted(local.members.keys() - remote.keys()):
        if ending or not late or name in unit.local.gone_peers:
            yield _departed(where, relation, unit, name)
    if ending and not (late and unit.life == DYING):
        yield _relation_hook(relation, unit, "relation-broken")
    if ending:
        return
    yield from _arrivals(relation, unit, local, remote)


def _arrivals(
    relation: Relation, unit: Unit, local: LocalRelation, remote: dict[str, int]
) -> Iterator[Hook]:
    """What a living unit is told of a living relation.

    The application's databag is told only once it was written, as in Juju.
    """
    databag = relation.applications[relation.other(unit.application).application]
    if local.application_version != databag.version:
        yield _relation_hook(relation, unit, "relation-changed", version=databag.version)
    for name in sorted(remote.keys() - local.members.keys()):
        yield _relation_hook(relation, unit, "relation-joined", name, remote[name])
    for name in sorted(remote):
        if local.members.get(name) != remote[name]:
            yield _relation_hook(relation, unit, "relation-changed", name, remote[name])


def _relation_hook(
    relation: Relation, unit: Unit, kind: str, remote_unit: str = "", version: int = 0
) -> Hook:
    end = next(end for end in relation.ends if end.application == unit.application)
    return Hook(
        kind=kind,
        name=f"{end.endpoint.name}-{kind}",
        relation_id=relation.id,
        remote_application=relation.other(unit.application).application,
        remote_unit=remote_unit,
        version=version,
    )


def _departed(where: Model, relation: Relation, unit: Unit, name: str) -> Hook:
    """Tell that a unit departs: the local one where it or its application goes."""
    hook = _relation_hook(relation, unit, "relation-departed", name)
    leaves = unit.life == DYING or where.application_of(unit).life == DYING
    return dataclasses.replace(hook, departing_unit=unit.name if leaves else name)


def _storage_hook(kind: str, storage: model.Storage) -> Hook:
    return Hook(kind, f"{storage.name}-{kind}", storage_id=storage.id)


def _commit_relation(unit: Unit, hook: Hook) -> None:
    local = unit.local.relations.get(hook.relation_id or 0)
    if local is None:
        return
    if hook.kind == "relation-created":
        local.created = True
    elif hook.kind == "relation-joined":
        local.members[hook.remote_unit] = hook.version
        local.changed_pending = hook.remote_unit
    elif hook.kind == "relation-departed":
        local.members.pop(hook.remote_unit, None)
    elif hook.kind == "relation-broken":
        local.broken = True
    elif hook.remote_unit:
        local.members[hook.remote_unit] = hook.version
        local.changed_pending = ""
    else:
        local.application_version = hook.version


def _commit_storage(unit: Unit, hook: Hook) -> None:
    if hook.kind == "storage-attached":
        unit.storage[hook.storage_id].attached = True
    else:
        unit.storage.pop(hook.storage_id, None)


def _commit_life(where: Model, unit: Unit, hook: Hook, begun: Begun) -> None:
    local = unit.local
    if hook.kind == "install":
        local.installed = True
    elif hook.kind == "leader-elected":
        local.leader = True
    elif hook.kind == "upgrade-charm":
        local.queued = Hook("config-changed", "config-changed")
        seen = {name for one in local.relations.values() for name in one.members}
        local.gone_peers |= seen - where.units.keys()
    elif hook.kind == "config-changed":
        local.config, local.trusted = begun.config, begun.trusted
        again = local.started and where.release.config_hooks > 1
        local.config_again = again and local.config_version != begun.config_version
        local.config_version = begun.config_version
        if not local.started:
            local.queued = Hook("start", "start")
    elif hook.kind == "start":
        local.started = True
        schedule_update_status(where, unit)
    elif hook.kind == "update-status":
        schedule_update_status(where, unit)
    elif hook.kind == "stop":
        local.started = False
    elif hook.kind == "remove":
        local.removed = True


def schedule_update_status(where: Model, unit: Unit) -> None:
    """Set the unit's next update-status, by the model's ``update-status-hook-interval``."""
    interval = flags.duration(where.config.get("update-status-hook-interval", "5m"))
    unit.local.update_status_at = model.now() + interval

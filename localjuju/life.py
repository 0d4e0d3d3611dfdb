"""Births and deaths: what a controller does by itself between two hooks.

Leaders are chosen, units enter and leave the scopes of relations, subordinates come with the
relation to their principal, and what is dying and done is removed.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from localjuju import model, processes, secret_store, uniter
from localjuju.model import ALIVE, DYING

if TYPE_CHECKING:
    from localjuju import charm
    from localjuju.model import Application, Model, Relation, RemoteApplication, Unit


def add_unit(where: Model, application: Application, principal: Unit | None = None) -> Unit:
    """Add a unit on a machine of its own, or a subordinate on its principal's.

    Numbers are never used again, even by another application of the same name.
    """
    number = where.next_units.get(application.name, 0)
    where.next_units[application.name] = number + 1
    name = f"{application.name}/{number}"
    if principal is None:
        machine = str(where.next_machine)
        where.machines[machine] = model.Status("started")
        where.next_machine += 1
    else:
        machine = principal.machine
    folder = where.folder / "agents" / ("unit-" + name.replace("/", "-"))
    unit = model.Unit(name, machine, folder, principal.name if principal else "")
    where.units[name] = unit
    _add_missing_storage(where, unit, application.charm)
    return unit


def add_missing_storage(where: Model, application: Application) -> None:
    """Give living units the storage that the application's charm declares and they lack."""
    for unit in where.units_of(application.name):
        if unit.life == ALIVE:
            _add_missing_storage(where, unit, application.charm)


def _add_missing_storage(where: Model, unit: Unit, declared: charm.Charm) -> None:
    for storage in declared.storage.values():
        have = sum(one.name == storage.name for one in unit.storage.values())
        for _ in range(have, storage.count):
            add_storage(where, unit, storage)


def add_storage(where: Model, unit: Unit, storage: charm.Storage) -> None:
    """Add a storage instance, a folder beside the unit's charm."""
    name, number = storage.name, where.next_storage
    where.next_storage += 1
    location = unit.folder / "storage" / name / str(number)
    location.mkdir(parents=True)
    instance = model.Storage(f"{name}/{number}", name, storage.kind, location)
    unit.storage[instance.id] = instance


def add_peer_relations(where: Model, application: Application) -> None:
    """Add the peer relations that the application's charm declares and the model lacks."""
    have = {
        one.ends[0].endpoint.name for one in where.relations_of(application.name) if one.is_peer
    }
    for endpoint in application.charm.endpoints.values():
        if endpoint.role == "peer" and endpoint.name not in have:
            add_relation(where, model.RelationEnd(application.name, endpoint))


def add_relation(where: Model, *ends: model.RelationEnd) -> Relation:
    """Add a relation between its ends."""
    relation = model.Relation(where.next_relation, ends)
    where.next_relation += 1
    relation.applications = {end.application: model.Settings() for end in ends}
    where.relations[relation.id] = relation
    return relation


def destroy_application(where: Model, application: Application, *, force: bool) -> None:
    """Begin the end of an application: its relations and its units are dying."""
    application.life = DYING
    for relation in where.relations_of(application.name):
        relation.life = DYING
    for unit in where.units_of(application.name):
        destroy_unit(unit, force=force)


def destroy_unit(unit: Unit, *, force: bool) -> None:
    """Begin the end of a unit; with force, a failing hook does not stop it."""
    unit.life = DYING
    unit.forced = unit.forced or force


def settle(where: Model, *, quiet: bool = False) -> None:
    """Bring the model to the state in which only hooks change it further.

    What changed there may concern the models that it has relations with, so they settle too.

    Args:
        where: the model.
        quiet: whether there is news only if something changes now; else all that wait are woken.
    """
    related = [where, *(one for one in where.models.values() if one is not where and one.remotes)]
    changed = not quiet
    while [one for one in related if _step(one)]:
        changed = True
    for one in related if changed else ():
        one.changed.notify_all()


def _step(where: Model) -> bool:
    before = _fingerprint(where)
    for application in list(where.applications.values()):
        _choose_leader(where, application)
    for relation in list(where.relations.values()):
        if relation.far and relation.far.relation.life == DYING:
            relation.life = DYING
        _leave(where, relation)
        _enter(where, relation)
        _end_subordinates(where, relation)
        if relation.life == DYING and not relation.scope:
            _remove_relation(where, relation)
    for unit in list(where.units.values()):
        _end_unit(where, unit)
    for application in list(where.applications.values()):
        ended = application.life == DYING and not where.units_of(application.name)
        if ended and not where.relations_of(application.name):
            _remove_application(where, application)
    for remote in list(where.remotes.values()):
        _end_remote(where, remote)
    return _fingerprint(where) != before


def _fingerprint(where: Model) -> tuple[object, ...]:
    return (
        [(one.id, one.life, len(one.scope)) for one in where.relations.values()],
        [(one.name, one.life) for one in where.units.values()],
        [(one.name, one.leader) for one in where.applications.values()],
        list(where.remotes),
    )


def _choose_leader(where: Model, application: Application) -> None:
    """Choose a leader where there is none.

    A dying leader stays the leader until it is removed, as in Juju, where its lease is revoked
    when the unit is dead; then a living unit takes over at once, so there is always one.
    """
    units = where.units_of(application.name)
    if application.leader not in [unit.name for unit in units]:
        best = sorted(units, key=lambda unit: (unit.life == DYING, unit.number))
        application.leader = best[0].name if best else ""


def _enter(where: Model, relation: Relation) -> None:
    """Let installed units enter the relation; a principal brings its subordinate.

    A unit that has not been refreshed yet passes over a relation that its charm does not know.
    """
    for end in relation.ends if relation.life == ALIVE else ():
        for unit in where.units_of(end.application):
            entered = relation.id in unit.local.relations
            ready = unit.life == ALIVE and unit.local.installed and not entered
            known = unit.local.charm and end.endpoint.name in unit.local.charm.endpoints
            waits = relation.is_container and _old_subordinate(where, relation, unit)
            if ready and known and not waits and _in_container(where, relation, unit):
                _enter_unit(where, relation, unit)


def _old_subordinate(where: Model, relation: Relation, unit: Unit) -> bool:
    """Whether the unit's subordinate of an earlier relation is still on its way out."""
    other = relation.other(unit.application).application
    return any(one.principal == unit.name and one.life == DYING for one in where.units_of(other))


def _in_container(where: Model, relation: Relation, unit: Unit) -> bool:
    """Whether the relation concerns the unit: a subordinate meets its own principal only."""
    if not relation.is_container or not unit.principal:
        return True
    other = relation.other(unit.application).application
    principal = where.units.get(unit.principal)
    return principal is not None and (
        principal.application == other or where.applications[other].charm.subordinate
    )


def _enter_unit(where: Model, relation: Relation, unit: Unit) -> None:
    unit.local.relations[relation.id] = model.LocalRelation()
    relation.scope.add(unit.name)
    databag = model.Settings(
        {
            key: f"{model.ADDRESS}/32" if key == "egress-subnets" else model.ADDRESS
            for key in where.release.unit_addresses
        }
    )
    relation.units[unit.name] = databag
    if far := relation.far:
        name = far.relation.other(far.application).application
        far.relation.units[f"{name}/{unit.number}"] = databag
    other = where.applications.get(relation.other(unit.application).application)
    if relation.is_container and other and other.charm.subordinate and not unit.principal:
        mine = [one for one in where.units_of(other.name) if one.principal == unit.name]
        if not mine:
            add_unit(where, other, unit)


def _leave(where: Model, relation: Relation) -> None:
    """Let units go that have run relation-broken, or that never saw the relation created."""
    for name in list(relation.scope):
        unit = where.units.get(name)
        if unit is None:
            relation.scope.discard(name)
            continue
        local = unit.local.relations[relation.id]
        ending = DYING in (relation.life, unit.life)
        busy = any(
            isinstance(hook, model.Hook) and hook.relation_id == relation.id
            for hook in (unit.local.failed, unit.local.running)
        )
        if local.broken or (ending and not local.created and not busy):
            relation.scope.discard(name)


def _end_subordinates(where: Model, relation: Relation) -> None:
    """A subordinate goes with the last relation to its principal."""
    if relation.life != DYING or not relation.is_container:
        return
    for unit in list(where.units.values()):
        end = relation.end(unit.application)
        if not unit.principal or end is None:
            continue
        principal = unit.principal.partition("/")[0]
        ties = [
            one
            for one in where.relations_of(unit.application)
            if one.is_container and one.life == ALIVE and one.end(principal)
        ]
        if relation.end(principal) and not ties:
            destroy_unit(unit, force=False)


def _end_unit(where: Model, unit: Unit) -> None:
    subordinates = [one for one in where.units.values() if one.principal == unit.name]
    if unit.life == DYING:
        for subordinate in subordinates:
            destroy_unit(subordinate, force=unit.forced)
    if uniter.is_finished(unit) and not subordinates:
        remove_unit(where, unit)


def remove_unit(where: Model, unit: Unit) -> None:
    """Remove a unit with its files; with the last unit, its machine and all that runs there."""
    del where.units[unit.name]
    for task in unit.tasks:
        if task.status in ("pending", "running"):
            task.status, task.completed = "aborted", model.now()
    for relation in where.relations.values():
        relation.scope.discard(unit.name)
    secret_store.forget_unit(where, unit)
    if not unit.principal:
        where.machines.pop(unit.machine, None)
        processes.kill_within(unit.folder)
    shutil.rmtree(unit.folder, ignore_errors=True)


def _remove_relation(where: Model, relation: Relation) -> None:
    del where.relations[relation.id]
    secret_store.forget_relation(where, relation.id)
    for unit in where.units.values():
        unit.local.relations.pop(relation.id, None)
        failed = unit.local.failed
        if failed and failed.relation_id == relation.id:
            unit.local.failed = None


def _end_remote(where: Model, remote: RemoteApplication) -> None:
    """Forget an application of another model: a consumer of ours goes with its last relation."""
    ending = remote.life == DYING or not remote.offer
    if ending and not where.relations_of(remote.name):
        del where.remotes[remote.name]
        secret_store.forget_remote(where, remote.name)


def _remove_application(where: Model, application: Application) -> None:
    del where.applications[application.name]
    for offer in [one for one in where.offers.values() if one.application == application.name]:
        del where.offers[offer.name]
    secret_store.forget_application(where, application.name)

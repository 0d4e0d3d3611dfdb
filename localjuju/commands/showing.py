"""Commands that show an application or a unit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from localjuju import flags, model, output, uniter
from localjuju.commands.finding import find_application, find_unit
from localjuju.commands.registry import FORMAT, MODEL, Call, command

if TYPE_CHECKING:
    from localjuju.model import Model, Relation, Unit


@command("show-application", FORMAT | MODEL)
def show_application(call: Call) -> str:
    """Show applications."""
    where = call.model()
    found = [find_application(where, name) for name in call.words]
    data = {
        one.name: {
            "charm": one.charm.name,
            "base": "@".join(one.charm.base),
            "principal": not one.charm.subordinate,
            "exposed": False,
            "remote": False,
            "life": one.life,
            "units": {unit.name: {"machine": unit.machine} for unit in where.units_of(one.name)},
        }
        for one in found
    }
    return output.show(data, call.parsed.text("format", "yaml"))


@command("show-unit", FORMAT | MODEL | {"app": flags.BOOL, "endpoint": flags.TEXT})
def show_unit(call: Call) -> str:
    """Show units with the databags that they see."""
    where = call.model()
    call.word(0, "an unit name must be supplied")
    with where.lock:
        data = {name: _show_unit(call, where, find_unit(where, name)) for name in call.words}
    return output.show(data, call.parsed.text("format", "yaml"))


def _show_unit(call: Call, where: Model, unit: Unit) -> dict[str, Any]:
    wanted = call.parsed.text("endpoint")
    relations = [
        _show_relation(where, relation, unit)
        for relation in sorted(where.relations_of(unit.application), key=_peers_last)
        for end in [relation.end(unit.application)]
        if end and wanted in ("", end.endpoint.name)
    ]
    about = {"workload-version": unit.version} if unit.version else {}
    return about | {
        "machine": unit.machine,
        "opened-ports": output.ports(unit.ports) or None,
        "public-address": model.ADDRESS,
        "charm": where.application_of(unit).charm.url,
        "leader": where.is_leader(unit),
        "life": unit.life,
        "relation-info": relations,
    }


def _peers_last(relation: Relation) -> bool:
    return relation.is_peer


def _show_relation(where: Model, relation: Relation, unit: Unit) -> dict[str, Any]:
    end, other = (
        relation.end(unit.application) or relation.ends[0],
        relation.other(unit.application),
    )
    shown = unit.application if where.release.show_unit_tells_own else other.application
    remote = [one.name for one in where.units_of(other.application) if one.name in relation.units]
    if relation.far:
        remote = [*uniter.members(where, relation, unit)]
    data: dict[str, Any] = {
        "relation-id": relation.id,
        "endpoint": end.endpoint.name,
        "related-endpoint": other.endpoint.name,
        "application-data": relation.applications[shown].values,
        "local-unit": {"in-scope": False, "data": None},
    }
    if relation.far:
        data["cross-model"] = True
    if unit.name in relation.units and not where.release.show_unit_tells_own:
        data["local-unit"] = _show_bag(relation, unit.name)
    return data | {
        "related-units": {name: _show_bag(relation, name) for name in remote if name != unit.name},
    }


def _show_bag(relation: Relation, name: str) -> dict[str, Any]:
    scope = relation.scope
    if relation.far:
        scope = scope | relation.units.keys()
    return {"in-scope": name in scope, "data": relation.units[name].values}

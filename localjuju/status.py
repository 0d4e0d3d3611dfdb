"""What ``juju status`` tells: as data for `jubilant.Status`, and as tables for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from localjuju import cross_model, model, output, uniter
from localjuju.model import Status

if TYPE_CHECKING:
    from localjuju.charm import Endpoint
    from localjuju.model import Application, Model, Offer, Relation, RemoteApplication, Unit

_SEVERITY = ("error", "blocked", "maintenance", "waiting", "active", "terminated", "unknown")


def agent(where: Model, unit: Unit) -> Status:
    """The status of a unit's agent: idle only if nothing waits for the unit.

    A failed hook that waits for its retry counts as idle, as in Juju; the workload shows it.
    """
    if unit.local.running is not None:
        return unit.agent
    if unit.agent.current == "allocating" and unit.local.charm is None:
        return unit.agent
    if uniter.next_operation(where, unit) is not None:
        return Status("executing", "", unit.agent.since)
    return unit.agent if unit.agent.current == "idle" else Status("idle", "", unit.agent.since)


def workload(where: Model, unit: Unit) -> Status:
    """The status of a unit's workload: what the charm set, or the hook that failed."""
    hook = unit.local.failed
    if hook is None or unit.local.running is hook:
        return unit.workload
    message = f'hook failed: "{hook.name}"'
    relation = where.relations.get(-1 if hook.relation_id is None else hook.relation_id)
    if relation:
        message += f" for {relation.other(unit.application)}"
    return Status("error", message, unit.agent.since)


def application(where: Model, app: Application) -> Status:
    """The status of an application: what its leader set, or its units' gravest."""
    if app.status:
        return app.status
    units = [workload(where, unit) for unit in where.units_of(app.name)]
    if not units:
        return Status("unknown", "", app.since)
    return min(units, key=lambda one: _SEVERITY.index(one.current))


def as_data(where: Model) -> dict[str, Any]:
    """The whole status in the shape of ``juju status --format json``."""
    return {
        "model": {
            "name": where.name,
            "type": "iaas",
            "controller": model.CONTROLLER,
            "cloud": "localhost",
            "region": "localhost",
            "version": where.release.version,
            "model-status": _entry(_model_status(where)),
        },
        "machines": {name: _machine(where, name) for name in where.machines},
        "applications": {
            name: _application(where, app) for name, app in sorted(where.applications.items())
        },
        "application-endpoints": {
            remote.name: _remote(where, remote)
            for _, remote in sorted(where.remotes.items())
            if remote.offer
        },
        "offers": {name: _offer(where, one) for name, one in sorted(where.offers.items())},
        "storage": {},
        "controller": {"timestamp": model.now().strftime("%H:%M:%SZ")},
    }


def as_text(where: Model, *, relations: bool = False) -> str:
    """The status as the tables that ``juju status`` prints."""
    stamp = model.now().strftime("%H:%M:%SZ")
    header = ("Model", "Controller", "Cloud/Region", "Version", "Timestamp")
    row = (where.name, model.CONTROLLER, "localhost/localhost", where.release.version, stamp)
    tables = [output.table([header, row])]
    if not where.applications and not where.remotes:
        return f'{tables[0]}\nModel "admin/{where.name}" is empty.\n'
    tables += [
        output.table(_remote_rows(where)),
        output.table(_application_rows(where), right=(3, 6)),
        output.table(_unit_rows(where)),
    ]
    tables.append(output.table(_machine_rows(where)))
    tables.append(output.table(_offer_rows(where)))
    if relations:
        tables.append(output.table(_relation_rows(where)))
    return "\n".join(table for table in tables if table)


def _entry(status: Status, life: str = model.ALIVE) -> dict[str, str]:
    entry = {"current": status.current}
    if status.message:
        entry["message"] = status.message
    entry["since"] = output.status_time(status.since)
    if life != model.ALIVE:
        entry["life"] = life
    return entry


def _model_status(where: Model) -> Status:
    current = "available" if where.life == model.ALIVE else "destroying"
    return Status(current, "", where.since)


def _machine(where: Model, name: str) -> dict[str, Any]:
    status = where.machines[name]
    system, channel = _base(where, name)
    life = {"life": model.ALIVE} if where.release.machines_tell_life else {}
    running = _entry(Status("running", "Running", status.since))
    if life:
        del running["since"]
    agent_version = {} if life else {"version": where.release.version}
    return {
        "juju-status": _entry(status) | agent_version | life,
        "hostname": f"localjuju-{name}",
        "dns-name": model.ADDRESS,
        "ip-addresses": [model.ADDRESS],
        "instance-id": f"localjuju-{name}",
        "machine-status": running | life,
        "base": {"name": system, "channel": channel},
    }


def _base(where: Model, machine: str) -> tuple[str, str]:
    """The base of a machine: that of the principal for which it was made."""
    units = (unit for unit in where.units.values() if unit.machine == machine)
    principal = next(unit for unit in units if not unit.principal)
    return where.application_of(principal).charm.base


def _application(where: Model, app: Application) -> dict[str, Any]:
    data: dict[str, Any] = {
        "charm": app.charm.url,
        "base": {"name": app.charm.base[0], "channel": app.charm.base[1]},
        "charm-origin": "local",
        "charm-name": app.charm.name,
        "charm-rev": app.charm.revision,
        "exposed": False,
        "application-status": _entry(application(where, app)),
        "relations": _relations(where, app),
    }
    if app.life != model.ALIVE:
        data["life"] = app.life
    if app.charm.subordinate:
        return data | {"subordinate-to": _principals(where, app)}
    units = where.units_of(app.name)
    data["units"] = {unit.name: _unit(where, unit) for unit in units}
    versions = [unit.version for unit in units if unit.version]
    return data | ({"version": versions[-1]} if versions else {})


def _relations(where: Model, app: Application) -> dict[str, list[dict[str, str]]]:
    relations: dict[str, list[dict[str, str]]] = {}
    for relation in where.relations_of(app.name):
        end, other = relation.end(app.name), relation.other(app.name)
        if end:
            entry = {
                "related-application": other.application,
                "interface": end.endpoint.interface,
                "scope": "container" if relation.is_container else "global",
            }
            relations.setdefault(end.endpoint.name, []).append(entry)
    return relations


def _remote(where: Model, remote: RemoteApplication) -> dict[str, Any]:
    """A consumed application, with the status that it has in its own model."""
    data: dict[str, Any] = {
        "url": remote.url,
        "endpoints": _endpoints(remote.endpoints),
        "application-status": _entry(_remote_status(remote)),
    }
    if remote.life != model.ALIVE:
        data["life"] = remote.life
    relations: dict[str, list[str]] = {}
    for relation in where.relations_of(remote.name):
        if end := relation.end(remote.name):
            other = relation.other(remote.name).application
            relations.setdefault(end.endpoint.name, []).append(other)
    return data | ({"relations": relations} if relations else {})


def _remote_status(remote: RemoteApplication) -> Status:
    offered = remote.where.offers.get(remote.offer)
    app = remote.where.applications.get(remote.application)
    if offered is None or app is None or remote.where.life == model.DEAD:
        return Status("terminated", "offer has been removed")
    return application(remote.where, app)


def _offer(where: Model, offer: Offer) -> dict[str, Any]:
    connections = cross_model.connections(where, offer)
    active = [one for one in connections if one.life == model.ALIVE]
    return {
        "application": offer.application,
        "charm": where.applications[offer.application].charm.url,
        "total-connected-count": len(connections),
        "active-connected-count": len(active),
        "endpoints": _endpoints(offer.endpoints),
    }


def _endpoints(endpoints: dict[str, Endpoint]) -> dict[str, dict[str, str]]:
    return {
        name: {"interface": one.interface, "role": one.role} for name, one in endpoints.items()
    }


def _principals(where: Model, app: Application) -> list[str]:
    others = {
        relation.other(app.name).application
        for relation in where.relations_of(app.name)
        if relation.is_container
    }
    return sorted(others - {app.name})


def _unit(where: Model, unit: Unit) -> dict[str, Any]:
    data: dict[str, Any] = {
        "workload-status": _entry(workload(where, unit), unit.life),
        "juju-status": _entry(agent(where, unit), unit.life) | {"version": where.release.version},
        "machine": unit.machine,
        "public-address": model.ADDRESS,
    }
    if where.is_leader(unit):
        data["leader"] = True
    if unit.ports:
        data["open-ports"] = output.ports(unit.ports)
    subordinates = [one for one in where.units.values() if one.principal == unit.name]
    if subordinates:
        data["subordinates"] = {one.name: _unit(where, one) for one in subordinates}
    return data


def _application_rows(where: Model) -> list[tuple[str, ...]]:
    header = ("App", "Version", "Status", "Scale", "Charm", "Channel", "Rev", "Exposed", "Message")
    rows: list[tuple[str, ...]] = [header]
    for name, app in sorted(where.applications.items()):
        status, units = application(where, app), where.units_of(name)
        version = next((unit.version for unit in units if unit.version), "")
        scale, revision = str(len(units)), str(app.charm.revision)
        about = (app.charm.name, "", revision, "no", status.message)
        rows.append((name, version, status.current, scale, *about))
    return rows


def _remote_rows(where: Model) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [("SAAS", "Status", "Store", "URL")]
    for name, remote in sorted(where.remotes.items()):
        if remote.offer:
            store, _, path = remote.url.partition(":")
            rows.append((name, _remote_status(remote).current, store, path))
    return rows


def _offer_rows(where: Model) -> list[tuple[str, ...]]:
    head = ("Offer", "Application", "Charm", "Rev", "Connected", "Endpoint", "Interface", "Role")
    rows: list[tuple[str, ...]] = [head]
    for name, offer in sorted(where.offers.items()):
        shown = _offer(where, offer)
        charm = where.applications[offer.application].charm
        connected = f"{shown['active-connected-count']}/{shown['total-connected-count']}"
        about = (name, offer.application, charm.name, str(charm.revision), connected)
        rows += [(*about, one.name, one.interface, one.role) for one in offer.endpoints.values()]
    return rows


def _unit_rows(where: Model) -> list[tuple[str, ...]]:
    header = ("Unit", "Workload", "Agent", "Machine", "Public address", "Ports", "Message")
    rows: list[tuple[str, ...]] = [header]
    principals = [unit for unit in where.units.values() if not unit.principal]
    for unit in sorted(principals, key=lambda one: (one.application, one.number)):
        rows.append(_unit_row(where, unit, ""))
        subordinates = [one for one in where.units.values() if one.principal == unit.name]
        rows += [_unit_row(where, one, "  ") for one in subordinates]
    return rows


def _unit_row(where: Model, unit: Unit, indent: str) -> tuple[str, ...]:
    status = workload(where, unit)
    name = f"{indent}{unit.name}{'*' if where.is_leader(unit) else ''}"
    ports, machine = ",".join(output.ports(unit.ports)), "" if indent else unit.machine
    current = agent(where, unit).current
    return name, status.current, current, machine, model.ADDRESS, ports, status.message


def _machine_rows(where: Model) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [
        ("Machine", "State", "Address", "Inst id", "Base", "AZ", "Message")
    ]
    for name, status in where.machines.items():
        instance = f"localjuju-{name}"
        base = "@".join(_base(where, name))
        rows.append((name, status.current, model.ADDRESS, instance, base, "", "Running"))
    return rows


def _relation_rows(where: Model) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [
        ("Integration provider", "Requirer", "Interface", "Type", "Message")
    ]
    return rows + [_relation_row(one) for one in where.relations.values()]


def _relation_row(relation: Relation) -> tuple[str, ...]:
    first, last = relation.ends[0], relation.ends[-1]
    if first.endpoint.role == "requirer":
        first, last = last, first
    kind = "peer" if relation.is_peer else "subordinate" if relation.is_container else "regular"
    return str(first), str(last), first.endpoint.interface, kind, ""

"""Hook commands that tell a charm about its surroundings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from localjuju import errors, flags, model, output
from localjuju.hook_commands.registry import SHOW, Call, command

if TYPE_CHECKING:
    from localjuju.context import Context
    from localjuju.model import Unit


@command("config-get", SHOW | {"a,all": flags.BOOL})
def config_get(context: Context, call: Call) -> str:
    """Print the configuration, or one option.

    Options without a value are left out; ``--all`` shows them as null.
    """
    call.at_most(1)
    if call.words:
        return call.show(context.config.get(call.word(0)))
    unset = dict.fromkeys(context.application.charm.options) if call.parsed.boolean("all") else {}
    return call.show(output.ordered(unset | context.config))


@command("credential-get", SHOW)
def credential_get(context: Context, call: Call) -> str:
    """Print the cloud's specification to a trusted application."""
    call.at_most(0)
    if not context.begun.trusted:
        raise errors.JujuError("cannot access cloud credentials: permission denied")
    return call.show(
        {
            "type": "localjuju",
            "name": "localhost",
            "region": "localhost",
            "credential": {"auth-type": "empty", "attrs": {}, "redacted": []},
        }
    )


@command("goal-state", SHOW)
def goal_state(context: Context, call: Call) -> str:
    """Print which units and relations the model should have."""
    call.at_most(0)
    where, mine = context.where, context.unit.application
    relations: dict[str, dict[str, object]] = {}
    for relation in where.relations_of(mine):
        end = relation.end(mine)
        if end and not relation.is_peer:
            other = relation.other(mine).application
            goals = relations.setdefault(end.endpoint.name, {})
            goals[other] = {"status": "joined", "since": output.rfc3339(model.now())}
            goals |= {unit.name: _goal(unit) for unit in where.units_of(other)}
    units = {unit.name: _goal(unit) for unit in where.units_of(mine)}
    return call.show({"units": units, "relations": output.ordered(relations)})


def _goal(unit: Unit) -> dict[str, str]:
    status = "dying" if unit.life == model.DYING else unit.workload.current
    return {"status": status, "since": output.rfc3339(unit.workload.since)}


@command("is-leader", SHOW)
def is_leader(context: Context, call: Call) -> str:
    """Tell whether the unit leads its application."""
    call.at_most(0)
    return call.show(context.is_leader)


@command(
    "network-get",
    SHOW
    | {
        "r,relation": flags.TEXT,
        "bind-address": flags.BOOL,
        "egress-subnets": flags.BOOL,
        "ingress-address": flags.BOOL,
        "primary-address": flags.BOOL,
    },
)
def network_get(context: Context, call: Call) -> str:
    """Print the addresses of a binding: every unit is at this host's loopback address."""
    call.at_most(1)
    charm = context.application.charm
    if call.word(0) not in {*charm.endpoints, *charm.extra_bindings}:
        raise errors.JujuError(f'no network config found for binding "{call.word(0)}"')
    if call.parsed.text("relation"):
        context.relation(call.parsed.text("relation"))
    cidr = f"{model.ADDRESS}/32"
    for flag in ("bind-address", "ingress-address", "primary-address"):
        if call.parsed.boolean(flag):
            return call.show(model.ADDRESS)
    if call.parsed.boolean("egress-subnets"):
        return call.show([cidr])
    address = {"hostname": model.ADDRESS, "value": model.ADDRESS, "cidr": cidr}
    bind: dict[str, object] = {
        "mac-address": "00:00:00:00:00:00",
        "interface-name": "lo",
        "addresses": [address],
    }
    if call.parsed.text("format", "smart") != "json":
        # Juju keeps older names in YAML.
        address["address"] = model.ADDRESS
        bind |= {"macaddress": bind["mac-address"], "interfacename": "lo"}
    return call.show(
        {
            "bind-addresses": [bind],
            "egress-subnets": [cidr],
            "ingress-addresses": [model.ADDRESS],
        }
    )


@command("resource-get", {})
def resource_get(context: Context, call: Call) -> str:
    """Print the path of a resource's file."""
    call.at_most(1)
    path = context.application.resources.get(call.word(0))
    if path is None:
        unknown = context.where.release.words.resource_unknown
        raise errors.JujuError(
            unknown.format(
                address=f"{model.ADDRESS}:{model.PORT}",
                app=context.application.uuid,
                model=context.where.uuid,
                resource=call.word(0),
                tag=context.unit.tag,
            )
        )
    return f"{path}\n"


@command("unit-get", SHOW)
def unit_get(_context: Context, call: Call) -> str:
    """Print the unit's address."""
    call.at_most(1)
    if call.word(0) not in ("private-address", "public-address"):
        raise errors.JujuError(f'unknown setting "{call.word(0)}"')
    return call.show(model.ADDRESS)

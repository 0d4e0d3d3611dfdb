"""Hook commands of relations: who is there, and their databags."""

from __future__ import annotations

from typing import TYPE_CHECKING

from localjuju import errors, flags, output
from localjuju.hook_commands.registry import SHOW, Call, command

if TYPE_CHECKING:
    from localjuju.context import Context
    from localjuju.model import Relation

_RELATION = {"r,relation": flags.TEXT}


@command("relation-get", SHOW | _RELATION | {"app": flags.BOOL})
def relation_get(context: Context, call: Call) -> str:
    """Print a databag, or one key of it.

    In Juju 3.6 a unit cannot read the databags of its own side, except its own and, as the
    leader, its application's, and those of peers. A remote databag stays for the hook as it was
    first read.
    """
    call.at_most(2)
    relation = context.relation(call.parsed.text("relation"))
    key = call.word(0, "-")
    settings = _settings(context, relation, _subject(context, call))
    return call.show(output.ordered(settings) if key == "-" else settings.get(key))


def _subject(context: Context, call: Call) -> str:
    """The unit or application that is asked for; by default the hook's remote one."""
    application, named, hook = call.parsed.boolean("app"), call.word(1), context.hook
    if not named:
        named = "" if application else hook.remote_unit
        named = named or hook.remote_application
    if not named:
        raise errors.JujuError("no unit or application specified", errors.USAGE)
    return named.partition("/")[0] if application else named


def _settings(context: Context, relation: Relation, name: str) -> dict[str, str]:
    unit = context.unit
    if name == unit.name:
        return context.own_settings(relation, application=False)
    if name == unit.application and context.is_leader:
        return context.own_settings(relation, application=True)
    open_to_all = relation.is_peer or context.where.release.databags_are_open
    if name.partition("/")[0] == unit.application and not open_to_all:
        raise errors.JujuError("permission denied")
    return context.remote_settings(relation, name)


@command("relation-ids", SHOW)
def relation_ids(context: Context, call: Call) -> str:
    """List the relations of an endpoint, as ``ENDPOINT:ID``."""
    call.at_most(1)
    endpoint = call.word(0)
    if not endpoint and context.hook.relation_id is not None:
        endpoint = context.hook.name.removesuffix(f"-{context.hook.kind}")
    if not endpoint:
        raise errors.JujuError("no endpoint name specified", errors.USAGE)
    found = [
        f"{endpoint}:{relation.id}"
        for relation in context.relations()
        for end in [relation.end(context.unit.application)]
        if end and end.endpoint.name == endpoint
    ]
    return call.show(sorted(found))


@command("relation-list", SHOW | _RELATION | {"app": flags.BOOL})
def relation_list(context: Context, call: Call) -> str:
    """List the remote units of a relation, or name the remote application."""
    call.at_most(0)
    relation = context.relation(call.parsed.text("relation"))
    if call.parsed.boolean("app"):
        return call.show(relation.other(context.unit.application).application)
    return call.show(context.members(relation))


@command("relation-model-get", SHOW | _RELATION)
def relation_model_get(context: Context, call: Call) -> str:
    """Print the UUID of the remote application's model."""
    call.at_most(0)
    relation = context.relation(call.parsed.text("relation"))
    where = relation.far.where if relation.far else context.where
    return call.show({"uuid": where.uuid})


@command("relation-set", SHOW | _RELATION | {"app": flags.BOOL, "file": flags.TEXT})
def relation_set(context: Context, call: Call) -> None:
    """Write to the unit's databag or, as the leader, to the application's."""
    relation = context.relation(call.parsed.text("relation"))
    written = call.pairs(call.words)
    if call.parsed.boolean("app"):
        if not context.is_leader:
            raise errors.JujuError("cannot write relation settings")
        target = context.changes.applications
    else:
        target = context.changes.units
    target.setdefault(relation.id, {}).update(written)

"""Commands on applications and units."""

from __future__ import annotations

import dataclasses
import pathlib
import shutil
from typing import TYPE_CHECKING

from localjuju import charm, cross_model, errors, flags, life, model, uniter
from localjuju.commands.configuration import apply_settings, read_settings
from localjuju.commands.finding import find_application, find_unit, is_application_name
from localjuju.commands.registry import MODEL, Call, command

if TYPE_CHECKING:
    from localjuju.charm import Charm, Value
    from localjuju.model import Application, Model

_CHARM = {
    "base": flags.TEXT,
    "config": flags.LIST,
    "force": flags.BOOL,
    "resource": flags.LIST,
    "trust": flags.BOOL,
}
_REMOVE = {
    "destroy-storage": flags.BOOL,
    "force": flags.BOOL,
    "no-prompt": flags.BOOL,
    "no-wait": flags.BOOL,
}


@command("add-unit", MODEL | {"n,num-units": flags.INT})
def add_unit(call: Call) -> None:
    """Add units to an application."""
    call.at_most(1)
    where, count = call.living_model(), _unit_count(call)
    with where.lock:
        application = find_application(where, call.word(0, "no application specified"))
        if application.charm.subordinate:
            name = application.name
            raise errors.JujuError(f'cannot add unit 1/1 to application "{name}": subordinate')
        if application.life != model.ALIVE:
            raise errors.JujuError(
                f'cannot add unit 1/1 to application "{application.name}": '
                "application is not found or not alive"
            )
        for _ in range(count):
            life.add_unit(where, application)
        life.settle(where)


def _unit_count(call: Call) -> int:
    count = call.parsed.integer("num-units", 1)
    if count < 1:
        raise errors.JujuError("--num-units must be a positive integer", errors.USAGE)
    return count


@command("deploy", MODEL | _CHARM | {"constraints": flags.LIST, "n,num-units": flags.INT})
def deploy(call: Call) -> None:
    """Deploy a charm from a file or a folder."""
    call.at_most(2)
    where, source = call.living_model(), call.word(0, "no charm or bundle specified")
    count = _unit_count(call)
    if not source.startswith((".", "/")):
        raise errors.JujuError(
            f'"{source}" is no path: charms come from a file or folder here, '
            "whose path starts with . or /"
        )
    with where.lock:
        declared = _load_charm(where, call.folder / source)
        name = call.words[1] if len(call.words) > 1 else declared.name
        _check_new(where, declared, name, call)
        pairs, files = _split_config(call.parsed.texts("config"))
        settings: dict[str, Value | None] = {}
        for path in files:
            settings |= read_settings(call, declared, name, path, [])
        settings |= read_settings(call, declared, name, "", pairs)
        application = model.Application(name, declared, trusted=call.parsed.boolean("trust"))
        apply_settings(application, settings, [])
        _attach_resources(call, where, application, declared)
        where.applications[name] = application
        life.add_peer_relations(where, application)
        for _ in range(0 if declared.subordinate else count):
            life.add_unit(where, application)
        life.settle(where)
    located = f'local charm "{declared.name}", revision {declared.revision}'
    call.stderr += f"Located {located}\n"
    call.stderr += f'Deploying "{name}" from {located} on {"@".join(declared.base)}/stable\n'


def _split_config(given: list[str]) -> tuple[list[str], list[str]]:
    return [one for one in given if "=" in one], [one for one in given if "=" not in one]


def _load_charm(where: Model, source: pathlib.Path) -> Charm:
    """Take a charm into the model's store as its next local revision."""
    staging = where.folder / "charms" / "new"
    staging.parent.mkdir(exist_ok=True)
    shutil.rmtree(staging, ignore_errors=True)
    # No model has a name that starts with a dot.
    unpacked = where.folder.with_name(".charms")
    read = charm.load(source, staging, where.release, unpacked)
    revision = where.charm_revisions.get(read.name, -1) + 1
    where.charm_revisions[read.name] = revision
    folder = staging.with_name(f"{read.name}-{revision}")
    staging.rename(folder)
    return dataclasses.replace(read, path=folder, revision=revision)


def _check_new(where: Model, declared: Charm, name: str, call: Call) -> None:
    if not is_application_name(name):
        raise errors.JujuError(f'invalid application name "{name}"')
    if name in where.applications:
        raise errors.JujuError(
            f'cannot add application "{name}": application already exists: '
            "deploy application using an alias name"
        )
    if name in where.remotes:
        raise errors.JujuError(
            f'cannot add application "{name}": saas application with same name already exists'
        )
    if declared.subordinate and "num-units" in call.parsed.flags:
        raise errors.JujuError("subordinate application must be deployed without units")


def _attach_resources(call: Call, where: Model, application: Application, declared: Charm) -> None:
    for pair in call.parsed.texts("resource"):
        name, _, path = pair.partition("=")
        if name not in declared.resources:
            raise errors.JujuError(f'unrecognized resource "{name}"')
        source = call.folder / path
        if not source.is_file():
            raise errors.JujuError(f'file for resource "{name}": open {path}: no such file')
        filename = pathlib.PurePath(declared.resources[name]).name
        suffix = pathlib.PurePath(filename).suffix
        if source.suffix != suffix:
            raise errors.JujuError(
                f'incorrect extension on resource upload "{path}", expected "{suffix}"'
            )
        target = where.folder / "resources" / application.name / name / filename
        target.parent.mkdir(parents=True, exist_ok=True)
        application.resources[name] = pathlib.Path(shutil.copy(source, target))


@command(
    "refresh",
    MODEL | _CHARM | {"force-base": flags.BOOL, "force-units": flags.BOOL, "path": flags.TEXT},
    "upgrade-charm",
)
def refresh(call: Call) -> None:
    """Replace an application's charm by another revision from a path."""
    call.at_most(1)
    where, path = call.model(), call.parsed.text("path")
    with where.lock:
        name = call.word(0, "no application specified")
        if name not in where.applications:
            unknown = where.release.words.application_incomplete
            raise errors.JujuError(unknown.format(app=name))
        application = where.applications[name]
        if not path:
            raise errors.JujuError("a local charm is refreshed from a path: give --path")
        if not (call.folder / path).exists():
            raise errors.JujuError(f'"{path}": file does not exist')
        declared = _load_charm(where, call.folder / path)
        _check_refresh(where, application, declared)
        pairs, files = _split_config(call.parsed.texts("config"))
        settings: dict[str, Value | None] = {}
        for one in files:
            settings |= read_settings(call, declared, application.name, one, [])
        settings |= read_settings(call, declared, application.name, "", pairs)
        _attach_resources(call, where, application, declared)
        _switch_charm(where, application, declared)
        apply_settings(application, settings, [])
        application.trusted = application.trusted or call.parsed.boolean("trust")
        application.force_units = call.parsed.boolean("force-units")
        life.settle(where)
    call.stderr += f'Added local charm "{declared.name}", revision {declared.revision}, '
    call.stderr += "to the model\n"
    endpoints = ", ".join(sorted(declared.endpoints))
    call.stderr += f'no change to endpoints in space "alpha": {endpoints}\n'


def _check_refresh(where: Model, application: Application, declared: Charm) -> None:
    old = application.charm
    if declared.name != old.name:
        raise errors.JujuError(
            f'cannot refresh "{old.name}" to "{declared.name}": the charm\'s name differs'
        )
    if declared.subordinate != old.subordinate:
        raise errors.JujuError("cannot change an application's subordinacy")
    for relation in where.relations_of(application.name):
        end = relation.end(application.name)
        new = declared.endpoints.get(end.endpoint.name) if end else None
        if end and (new is None or (new.role, new.interface) != _kind(end)):
            raise errors.JujuError(
                f'cannot upgrade application "{application.name}" to charm "{declared.url}": '
                f'would break relation "{relation.key}"'
            )


def _kind(end: model.RelationEnd) -> tuple[str, str]:
    return end.endpoint.role, end.endpoint.interface


def _switch_charm(where: Model, application: Application, declared: Charm) -> None:
    """Make the new charm current; settings that it does not know are dropped."""
    old, application.charm = application.charm, declared
    application.settings = {
        name: value
        for name, value in application.settings.items()
        if name in declared.options and declared.options[name].type == old.options[name].type
    }
    life.add_peer_relations(where, application)
    life.add_missing_storage(where, application)


@command("remove-application", MODEL | _REMOVE)
def remove_application(call: Call) -> None:
    """Remove applications."""
    where = call.model()
    call.word(0, "no application specified")
    with where.lock:
        for name in call.words:
            if name not in where.applications:
                raise errors.JujuError(
                    f'removing application {name} failed: application "{name}" not found'
                )
        for application in [where.applications[name] for name in call.words]:
            _end_offers(where, application, force=call.parsed.boolean("force"))
            call.stderr += f"will remove application {application.name}\n"
            for unit in where.units_of(application.name):
                call.stderr += f"- will remove unit {unit.name}\n"
            life.destroy_application(where, application, force=call.parsed.boolean("force"))
        life.settle(where)


def _end_offers(where: Model, application: Application, *, force: bool) -> None:
    """Remove an application's offers; one that is consumed keeps it, unless forced."""
    mine = [one for one in where.offers.values() if one.application == application.name]
    count = sum(len(cross_model.connections(where, one)) for one in mine)
    if count and not force:
        plural = "" if count == 1 else "s"
        raise errors.JujuError(
            f"removing application {application.name} failed: cannot destroy application "
            f'"{application.name}": application is used by {count} consumer{plural}'
        )
    for one in mine:
        cross_model.withdraw(where, one)


@command("remove-unit", MODEL | _REMOVE)
def remove_unit(call: Call) -> None:
    """Remove units."""
    where = call.model()
    call.word(0, "no units specified")
    with where.lock:
        for name in call.words:
            if name not in where.units:
                raise errors.JujuError(f'removing unit {name} failed: unit "{name}" not found')
        for unit in [where.units[name] for name in call.words]:
            if unit.principal:
                raise errors.JujuError(f'unit "{unit.name}" is a subordinate')
            call.stderr += f"will remove unit {unit.name}\n"
            life.destroy_unit(unit, force=call.parsed.boolean("force"))
        life.settle(where)


@command("resolve", MODEL | {"all": flags.BOOL, "no-retry": flags.BOOL}, "resolved")
def resolve(call: Call) -> None:
    """Retry the failed hooks of units now, or take them for done."""
    where = call.model()
    with where.lock:
        if call.parsed.boolean("all"):
            units = [unit for unit in where.units.values() if unit.local.failed]
        else:
            call.word(0, "no unit specified")
            units = [find_unit(where, name) for name in call.words]
        for unit in units:
            if not unit.local.failed:
                healthy = where.release.words.unit_healthy
                raise errors.JujuError(healthy.format(unit=unit.name, uuid=unit.uuid))
            uniter.resolve(where, unit, retry=not call.parsed.boolean("no-retry"))
        life.settle(where)


@command("trust", MODEL | {"remove": flags.BOOL, "scope": flags.TEXT})
def trust(call: Call) -> None:
    """Trust an application with the cloud's credentials, or no longer."""
    call.at_most(1)
    where = call.model()
    with where.lock:
        application = find_application(where, call.word(0, "no application specified"))
        apply_settings(application, {"trust": not call.parsed.boolean("remove")}, [])
        life.settle(where)

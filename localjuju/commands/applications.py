"""Commands on applications and units."""

from __future__ import annotations

import dataclasses
import pathlib
import re
import shutil
from typing import TYPE_CHECKING, Any

import yaml

from localjuju import charm, cross_model, errors, flags, life, model, output, uniter
from localjuju.commands.registry import FORMAT, MODEL, Call, command

if TYPE_CHECKING:
    from localjuju.charm import Charm, Value
    from localjuju.model import Application, Model, Relation, Unit

_CHARM = {
    "base": flags.TEXT,
    "config": flags.LIST,
    "force": flags.BOOL,
    "resource": flags.LIST,
    "trust": flags.BOOL,
}
_NAME = re.compile(r"[a-z](?:[a-z0-9]*(?:-[a-z0-9]*[a-z][a-z0-9]*)*)")
_REMOVE = {
    "destroy-storage": flags.BOOL,
    "force": flags.BOOL,
    "no-prompt": flags.BOOL,
    "no-wait": flags.BOOL,
}


def find_application(where: Model, name: str) -> Application:
    """The application with this name.

    Raises:
        errors.JujuError: if there is none.
    """
    if name not in where.applications:
        raise errors.JujuError(f'application "{name}" not found')
    return where.applications[name]


def find_unit(where: Model, name: str) -> Unit:
    """The unit with this name, or the leader for ``APP/leader``.

    Raises:
        errors.JujuError: if there is none.
    """
    app, _, number = name.partition("/")
    if number == "leader" and app in where.applications:
        name = where.applications[app].leader or name
    if name not in where.units:
        raise errors.JujuError(f'unit "{name}" not found (not found)')
    return where.units[name]


@command("add-unit", MODEL | {"n,num-units": flags.INT})
def add_unit(call: Call) -> None:
    """Add units to an application."""
    call.at_most(1)
    where = call.model()
    with where.lock:
        application = find_application(where, call.word(0, "no application specified"))
        if application.charm.subordinate:
            name = application.name
            raise errors.JujuError(f'cannot add unit 1/1 to application "{name}": subordinate')
        for _ in range(call.parsed.integer("num-units", 1)):
            life.add_unit(where, application)
        life.settle(where)


@command("config", FORMAT | MODEL | {"file": flags.TEXT, "reset": flags.LIST})
def config(call: Call) -> str | None:
    """Show an application's configuration, one value, or set and reset values."""
    where = call.model()
    with where.lock:
        application = find_application(where, call.word(0, "no application name specified"))
        pairs = [word for word in call.words[1:] if "=" in word]
        keys = [word for word in call.words[1:] if "=" not in word]
        path, resets = call.parsed.text("file"), call.parsed.texts("reset")
        if not pairs and not path and not resets:
            return _show_config(call, application, keys)
        if keys:
            raise errors.JujuError("cannot set and retrieve values simultaneously", errors.USAGE)
        settings = _read_settings(call, application.charm, application.name, path, pairs)
        _apply_settings(application, settings, _resets(application, resets))
        life.settle(where)
    return None


def _resets(application: Application, resets: list[str]) -> list[str]:
    names = [name for names in resets for name in names.split(",")]
    for name in names:
        if name not in {*application.charm.options, "trust"}:
            raise errors.JujuError(f'unknown option "{name}"')
    return names


def _read_settings(
    call: Call, declared: Charm, application: str, path: str, pairs: list[str]
) -> dict[str, Value]:
    """Read values from a YAML file and from ``KEY=VALUE`` words, which win."""
    settings: dict[str, Value] = {}
    if path:
        loaded: dict[str, Any] = yaml.safe_load(call.read(path)) or {}
        values: dict[str, Any] = loaded.get(application) or {}
        for name, value in values.items():
            settings[name] = charm.check_option(_option(declared, name), value)
    for pair in pairs:
        name, _, text = pair.partition("=")
        text = call.read(text[1:]) if text.startswith("@") else text
        if name == "trust":
            settings[name] = charm.parse_option(charm.Option("trust", "boolean"), text)
        else:
            settings[name] = charm.parse_option(_option(declared, name), text)
    return settings


def _option(declared: Charm, name: str) -> charm.Option:
    if name not in declared.options:
        raise errors.JujuError(f'unknown option "{name}"')
    return declared.options[name]


def _apply_settings(
    application: Application, settings: dict[str, Value], resets: list[str]
) -> None:
    for name in resets:
        application.settings.pop(name, None)
    if "trust" in resets or "trust" in settings:
        application.trusted = bool(settings.pop("trust", False))
    application.settings |= settings


def _show_config(call: Call, application: Application, keys: list[str]) -> str:
    values = application.config()
    if len(keys) == 1:
        if keys[0] == "trust":
            return output.show(application.trusted, "smart").lower()
        _option(application.charm, keys[0])
        return output.show(values.get(keys[0]), call.parsed.text("format", "smart"))
    if keys:
        raise errors.JujuError("can only retrieve a single value, or all values", errors.USAGE)
    trust = {
        "default": False,
        "description": "Does this application have access to trusted credentials",
        "source": "user" if application.trusted else "default",
        "type": "bool",
        "value": application.trusted,
    }
    settings = {
        name: _describe(application, option) for name, option in application.charm.options.items()
    }
    data = {
        "application": application.name,
        "application-config": {"trust": trust},
        "charm": application.charm.name,
        "settings": settings,
    }
    return output.show(data, call.parsed.text("format", "yaml"))


def _describe(application: Application, option: charm.Option) -> dict[str, Any]:
    details: dict[str, Any] = {"description": option.description, "type": option.type}
    if option.default is not None:
        details |= {"default": option.default, "source": "default", "value": option.default}
    if option.name in application.settings:
        details |= {"source": "user", "value": application.settings[option.name]}
    return {"source": "unset"} | details


@command("deploy", MODEL | _CHARM | {"constraints": flags.LIST, "n,num-units": flags.INT})
def deploy(call: Call) -> None:
    """Deploy a charm from a file or a folder."""
    call.at_most(2)
    where, source = call.model(), call.word(0, "no charm or bundle specified")
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
        settings: dict[str, Value] = {}
        for path in files:
            settings |= _read_settings(call, declared, name, path, [])
        settings |= _read_settings(call, declared, name, "", pairs)
        application = model.Application(name, declared, trusted=call.parsed.boolean("trust"))
        _apply_settings(application, settings, [])
        _attach_resources(call, where, application)
        where.applications[name] = application
        life.add_peer_relations(where, application)
        for _ in range(0 if declared.subordinate else call.parsed.integer("num-units", 1)):
            life.add_unit(where, application)
        life.settle(where)
    call.stderr += f'Deploying "{name}" from local charm "{declared.name}", '
    call.stderr += f"revision {declared.revision} on {'@'.join(declared.base)}\n"


def _split_config(given: list[str]) -> tuple[list[str], list[str]]:
    return [one for one in given if "=" in one], [one for one in given if "=" not in one]


def _load_charm(where: Model, source: pathlib.Path) -> Charm:
    """Take a charm into the model's store as its next local revision."""
    staging = where.folder / "charms" / "new"
    staging.parent.mkdir(exist_ok=True)
    shutil.rmtree(staging, ignore_errors=True)
    read = charm.load(source, staging)
    revision = where.charm_revisions.get(read.name, -1) + 1
    where.charm_revisions[read.name] = revision
    folder = staging.with_name(f"{read.name}-{revision}")
    staging.rename(folder)
    return dataclasses.replace(read, path=folder, revision=revision)


def _check_new(where: Model, declared: Charm, name: str, call: Call) -> None:
    if not _NAME.fullmatch(name):
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


def _attach_resources(call: Call, where: Model, application: Application) -> None:
    for pair in call.parsed.texts("resource"):
        name, _, path = pair.partition("=")
        if name not in application.charm.resources:
            raise errors.JujuError(f'unrecognized resource "{name}"')
        source = call.folder / path
        if not source.is_file():
            raise errors.JujuError(f'file for resource "{name}": open {path}: no such file')
        target = where.folder / "resources" / application.name / name / source.name
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
        application = find_application(where, call.word(0, "no application specified"))
        if not path:
            raise errors.JujuError("a local charm is refreshed from a path: give --path")
        declared = _load_charm(where, call.folder / path)
        _check_refresh(where, application, declared)
        pairs, files = _split_config(call.parsed.texts("config"))
        settings: dict[str, Value] = {}
        for one in files:
            settings |= _read_settings(call, declared, application.name, one, [])
        settings |= _read_settings(call, declared, application.name, "", pairs)
        _switch_charm(where, application, declared)
        _apply_settings(application, settings, [])
        application.trusted = application.trusted or call.parsed.boolean("trust")
        application.force_units = call.parsed.boolean("force-units")
        _attach_resources(call, where, application)
        life.settle(where)
    call.stderr += f'Added local charm "{declared.name}", revision {declared.revision}, '
    call.stderr += "to the model\n"


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


@command("remove-application", MODEL | _REMOVE)
def remove_application(call: Call) -> None:
    """Remove applications."""
    where = call.model()
    call.word(0, "no application specified")
    with where.lock:
        for application in [find_application(where, name) for name in call.words]:
            _end_offers(where, application, force=call.parsed.boolean("force"))
            call.stderr += f"will remove application {application.name}\n"
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
        for unit in [find_unit(where, name) for name in call.words]:
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
                raise errors.JujuError(f'unit "{unit.name}" is not in an error state')
            uniter.resolve(where, unit, retry=not call.parsed.boolean("no-retry"))
        life.settle(where)


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
        for relation in where.relations_of(unit.application)
        for end in [relation.end(unit.application)]
        if end and wanted in ("", end.endpoint.name)
    ]
    return {
        "workload-version": unit.version,
        "machine": unit.machine,
        "opened-ports": sorted(unit.ports),
        "public-address": model.ADDRESS,
        "charm": where.application_of(unit).charm.url,
        "leader": where.is_leader(unit),
        "life": unit.life,
        "relation-info": relations,
    }


def _show_relation(where: Model, relation: Relation, unit: Unit) -> dict[str, Any]:
    end, other = (
        relation.end(unit.application) or relation.ends[0],
        relation.other(unit.application),
    )
    remote = [one.name for one in where.units_of(other.application) if one.name in relation.units]
    if relation.far:
        remote = [*uniter.members(where, relation, unit)]
    data: dict[str, Any] = {
        "relation-id": relation.id,
        "endpoint": end.endpoint.name,
        "related-endpoint": other.endpoint.name,
        "application-data": relation.applications[other.application].values,
        "related-units": {name: _show_bag(relation, name) for name in remote if name != unit.name},
    }
    if relation.far:
        data["cross-model"] = True
    if unit.name in relation.units:
        data["local-unit"] = _show_bag(relation, unit.name)
    return data


def _show_bag(relation: Relation, name: str) -> dict[str, Any]:
    far = relation.far is not None and name not in relation.scope
    return {"in-scope": far or name in relation.scope, "data": relation.units[name].values}


@command("trust", MODEL | {"remove": flags.BOOL, "scope": flags.TEXT})
def trust(call: Call) -> None:
    """Trust an application with the cloud's credentials, or no longer."""
    call.at_most(1)
    where = call.model()
    with where.lock:
        application = find_application(where, call.word(0, "no application specified"))
        application.trusted = not call.parsed.boolean("remove")
        life.settle(where)

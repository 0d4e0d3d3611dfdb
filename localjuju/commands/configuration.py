"""The configuration of applications: ``juju config``, and the settings of deploy and refresh."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from localjuju import charm, errors, flags, go_yaml, life, output
from localjuju.commands.finding import find_application
from localjuju.commands.registry import FORMAT, MODEL, Call, command

if TYPE_CHECKING:
    from localjuju.charm import Charm, Value
    from localjuju.model import Application


@command("config", FORMAT | MODEL | {"file": flags.TEXT, "reset": flags.LIST})
def config(call: Call) -> str | None:
    """Show an application's configuration, one value, or set and reset values."""
    where = call.model()
    call.refused_stdout = "{}\n"
    with where.lock:
        application = find_application(where, call.word(0, "no application name specified"))
        pairs = [word for word in call.words[1:] if "=" in word]
        keys = [word for word in call.words[1:] if "=" not in word]
        path, resets = call.parsed.text("file"), call.parsed.texts("reset")
        if not pairs and not path and not resets:
            return _show_config(call, application, keys)
        if keys:
            raise errors.JujuError("cannot set and retrieve values simultaneously", errors.USAGE)
        settings = read_settings(call, application.charm, application.name, path, pairs)
        apply_settings(application, settings, _resets(application, resets))
        life.settle(where)
    return None


def _resets(application: Application, resets: list[str]) -> list[str]:
    names = [name for names in resets for name in names.split(",")]
    for name in names:
        if name not in {*application.charm.options, "trust"}:
            raise errors.JujuError(f'unknown option "{name}"')
    return names


def read_settings(
    call: Call, declared: Charm, application: str, path: str, pairs: list[str]
) -> dict[str, Value | None]:
    """Read values from a YAML file and from ``KEY=VALUE`` words, which win; null is none."""
    settings: dict[str, Value | None] = {}
    for name, value in _file_values(call, application, path).items() if path else ():
        option = _option(call, declared, name)
        # Juju takes a string for any type, as it takes those of the command line.
        read = charm.parse_option if isinstance(value, str) else charm.check_option
        settings[name] = None if value is None else read(option, value)
    for pair in pairs:
        name, _, text = pair.partition("=")
        text = call.read(text[1:]) if text.startswith("@") else text
        settings[name] = charm.parse_option(_option(call, declared, name), text)
    return settings


def _file_values(call: Call, application: str, path: str) -> dict[str, Any]:
    """The values of an application in a file of them, or in what ``juju config`` has printed."""
    content = go_yaml.load_map(call.read(path), "cannot parse settings data")
    if isinstance(values := content.get(application), dict):
        return cast("dict[str, Any]", values)
    if not isinstance(shown := content.get("settings"), dict):
        raise errors.JujuError(f'no settings found for "{application}"')
    about = cast("dict[str, Any]", shown)
    return {name: one["value"] for name, one in about.items() if "value" in (one or {})}


def _option(call: Call, declared: Charm, name: str) -> charm.Option:
    if name == "trust":
        return charm.Option(name, "boolean")
    if name not in declared.options:
        unknown = call.model().release.words.option_unknown
        raise errors.JujuError(unknown.format(option=name))
    return declared.options[name]


def apply_settings(
    application: Application, settings: dict[str, Value | None], resets: list[str]
) -> None:
    """Reset options, then set others, of which the units are told where they differ."""
    for name in [*resets, *(name for name, value in settings.items() if value is None)]:
        application.settings.pop(name, None)
    application.trusted = application.trusted and "trust" not in resets
    before = application.config(), application.trusted
    if "trust" in settings:
        application.trusted = bool(settings.pop("trust"))
    application.settings |= {name: one for name, one in settings.items() if one is not None}
    application.config_version += (application.config(), application.trusted) != before


def _show_config(call: Call, application: Application, keys: list[str]) -> str:
    values = application.config()
    if len(keys) == 1:
        if keys[0] == "trust":
            return output.show(application.trusted, "smart").lower()
        if keys[0] not in application.charm.options:
            raise errors.JujuError(
                f'key "{keys[0]}" not found in "{application.name}" application config or '
                "charm settings."
            )
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
        name: _describe(application, option)
        for name, option in sorted(application.charm.options.items())
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
    return output.ordered({"source": "unset"} | details)

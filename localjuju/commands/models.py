"""Commands on controllers and models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from localjuju import agent, errors, faults, flags, go_yaml, model, output, status
from localjuju.commands.registry import (
    COMMANDS,
    FORMAT,
    MODEL,
    Call,
    Handler,
    command,
    help_of,
)

if TYPE_CHECKING:
    from localjuju.model import Model

_DEFAULTS = {
    "automatically-retry-hooks": "true",
    "logging-config": "<root>=INFO",
    "update-status-hook-interval": "5m",
}
_OWN = (agent.SEED, faults.KEY)
_NO_PROMPT = {"y,no-prompt": flags.BOOL}


@command(
    "add-model",
    {
        "c,controller": flags.TEXT,
        "config": flags.LIST,
        "credential": flags.TEXT,
        "no-switch": flags.BOOL,
        "owner": flags.TEXT,
    },
)
def add_model(call: Call) -> None:
    """Add a model on this machine, whatever its cloud is called."""
    call.at_most(2)
    name = call.word(0, "model name is required")
    config = _given_config(call, call.parsed.texts("config"))
    where = call.controller.add_model(name, switch=not call.parsed.boolean("no-switch"))
    _set_config(call, where, config)
    call.stderr += f"Added '{name}' model on localhost/localhost for user 'admin'\n"


@command(
    "bootstrap",
    {"config": flags.LIST, "model-default": flags.LIST, "no-switch": flags.BOOL},
)
def bootstrap(call: Call) -> None:
    """Start the controller; asking for it has done so."""
    call.at_most(2)
    call.stderr += f'Bootstrap complete, controller "{model.CONTROLLER}" is now available\n'


@command("controllers", FORMAT, "list-controllers")
def controllers(call: Call) -> str:
    """List the one controller."""
    details = {"current-model": call.controller.current, "user": "admin", "cloud": "localhost"}
    data = {"controllers": {model.CONTROLLER: details}, "current-controller": model.CONTROLLER}
    if call.parsed.text("format"):
        return output.show(data, call.parsed.text("format"))
    return f"Controller\tModel\tUser\n{model.CONTROLLER}*\t{call.controller.current}\tadmin\n"


@command(
    "debug-log",
    MODEL
    | {
        "limit": flags.INT,
        "no-tail": flags.BOOL,
        "replay": flags.BOOL,
        "n,lines": flags.INT,
        "i,include": flags.LIST,
        "l,level": flags.TEXT,
    },
)
def debug_log(call: Call) -> str:
    """Print the debug log so far; it never follows."""
    where = call.model()
    with where.lock:
        lines = [line for line in where.log if _wanted(call, line)]
    limit = call.parsed.integer("limit", 0) or call.parsed.integer("lines", 0)
    return "".join(f"{line}\n" for line in lines[-limit:])


def _wanted(call: Call, line: str) -> bool:
    """Whether a log line passes ``--include`` and ``--level``."""
    levels = ["TRACE", "DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]
    entity, _, rest = line.partition(": ")
    level = rest.split(" ", 2)[1]
    least = call.parsed.text("level", "TRACE").upper()
    wanted = [one.replace("/", "-").removeprefix("unit-") for one in call.parsed.texts("include")]
    included = not wanted or entity.removeprefix("unit-") in wanted
    return included and (least not in levels or levels.index(level) >= levels.index(least))


@command(
    "destroy-model",
    _NO_PROMPT
    | {
        "destroy-storage": flags.BOOL,
        "force": flags.BOOL,
        "no-wait": flags.BOOL,
        "release-storage": flags.BOOL,
        "t,timeout": flags.TEXT,
    },
)
def destroy_model(call: Call) -> None:
    """Destroy a model: through its hooks, or at once with ``--force``."""
    call.at_most(1)
    _check_no_prompt(call)
    where = call.controller.find_model(call.word(0, "no model specified"))
    timeout = call.parsed.text("timeout")
    seconds = flags.duration(timeout).total_seconds() if timeout else None
    call.controller.destroy_model(where, force=call.parsed.boolean("force"), timeout=seconds)
    call.stderr += "Model destroyed.\n"


def _check_no_prompt(call: Call) -> None:
    if not call.parsed.boolean("no-prompt"):
        raise errors.JujuError(f"{call.name} asks no questions here: give --no-prompt")


@command(
    "kill-controller",
    _NO_PROMPT
    | {
        "destroy-all-models": flags.BOOL,
        "destroy-storage": flags.BOOL,
        "force": flags.BOOL,
        "no-wait": flags.BOOL,
        "release-storage": flags.BOOL,
        "t,timeout": flags.TEXT,
    },
    "destroy-controller",
)
def kill_controller(call: Call) -> None:
    """End the controller with all its models."""
    call.at_most(1)
    _check_no_prompt(call)
    if call.words and call.words[0] != model.CONTROLLER:
        raise errors.JujuError(f"controller {call.words[0]} not found")
    call.controller.shut_down()
    call.stderr += "All models reclaimed, cleaning up controller machines\n"


@command("help", {}, "--help", "-h")
def show_help(call: Call) -> str:
    """List the commands, or tell of one."""
    call.at_most(1)
    if call.words and call.words[0] in COMMANDS:
        return help_of(call.words[0])
    if call.words:
        raise errors.JujuError(f"unknown command or topic for {call.words[0]}")
    lines = [
        f"  {name:24}{_first_line(handler)}\n"
        for name, (handler, *_) in COMMANDS.items()
        if not name.startswith("-")
    ]
    return "The commands of Juju that localjuju knows:\n\n" + "".join(sorted(lines))


def _first_line(handler: Handler) -> str:
    return (handler.__doc__ or "").partition("\n")[0]


@command("model-config", FORMAT | MODEL | {"file": flags.TEXT, "reset": flags.LIST})
def model_config(call: Call) -> str | None:
    """Show the model's configuration, one value of it, or set and reset values."""
    where, file, resets = call.model(), call.parsed.texts("file"), call.parsed.texts("reset")
    pairs = [word for word in call.words if "=" in word]
    if pairs or file or resets:
        if len(pairs) < len(call.words):
            raise errors.JujuError("cannot set and retrieve values simultaneously", errors.USAGE)
        config = _given_config(call, [*file, *pairs])
        with where.lock:
            for name in ",".join(resets).split(","):
                where.config.pop(name, None)
            _set_config(call, where, config)
        return None
    if len(call.words) > 1:
        raise errors.JujuError("can only retrieve a single value, or all values", errors.USAGE)
    values = _config_values(where)
    if call.words:
        if call.words[0] not in values:
            raise errors.JujuError(f'key "{call.words[0]}" not found in "{where.name}" model')
        return f"{values[call.words[0]]['Value']}\n"
    return output.show(values, call.parsed.text("format", "yaml"))


def _config_values(where: Model) -> dict[str, dict[str, Any]]:
    fixed = {"name": where.name, "type": "localjuju", "uuid": where.uuid}
    defaults = _DEFAULTS | {"agent-version": where.release.version}
    values = {key: (text, "default") for key, text in defaults.items()}
    values |= {key: (text, "model") for key, text in (where.config | fixed).items()}
    return {
        key: {"Value": {"true": True, "false": False}.get(text, text), "Source": source}
        for key, (text, source) in sorted(values.items())
    }


def _given_config(call: Call, given: list[str]) -> dict[str, str]:
    """Read ``KEY=VALUE`` words and the YAML files that other words name, and check the values."""
    config: dict[str, str] = {}
    for word in given:
        key, equals, value = word.partition("=")
        if equals:
            config[key] = value
            continue
        loaded = go_yaml.load_map(call.read(word), "cannot parse the model configuration")
        config |= {key: _text(value) for key, value in loaded.items()}
    for key, value in config.items():
        _check_value(key, value)
    return config


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _check_value(key: str, value: str) -> None:
    if key == "update-status-hook-interval" and not flags.duration(value):
        raise errors.JujuError(f'invalid value "{value}" for {key}: it must be positive')
    if key == faults.KEY:
        faults.check(value)


def _set_config(call: Call, where: Model, config: dict[str, str]) -> None:
    for key in config.keys() - {*_DEFAULTS, *_OWN}:
        call.stderr += (
            f'WARNING key "{key}" is not defined in the current model configuration: '
            "possible misspelling\n"
        )
    with where.lock:
        where.config |= config
        for unit in where.units.values():
            call.controller.reschedule(where, unit)
        where.changed.notify_all()


@command("model-constraints", FORMAT | MODEL)
def model_constraints(call: Call) -> str:
    """Show the model's constraints, which are kept and have no effect."""
    call.at_most(0)
    return output.show(call.model().constraints, call.parsed.text("format", "yaml"))


@command("models", FORMAT | {"c,controller": flags.TEXT}, "list-models")
def models(call: Call) -> str:
    """List the models."""
    found = list(call.controller.models.values())
    if form := call.parsed.text("format"):
        entries = [_model_info(where) for where in found]
        return output.show({"models": entries, "current-model": call.controller.current}, form)
    lines = [f"{one.name}{'*' if one.name == call.controller.current else ''}" for one in found]
    return f"Controller: {model.CONTROLLER}\n\nModel\n" + "".join(f"{line}\n" for line in lines)


@command("set-model-constraints", MODEL)
def set_model_constraints(call: Call) -> None:
    """Keep constraints for the model."""
    where = call.model()
    for word in " ".join(call.words).split():
        key, _, value = word.partition("=")
        where.constraints[key] = value


@command("show-model", FORMAT | MODEL)
def show_model(call: Call) -> str:
    """Show a model."""
    call.at_most(1)
    where = call.controller.find_model(call.words[0]) if call.words else call.model()
    return output.show({where.name: _model_info(where)}, call.parsed.text("format", "yaml"))


def _model_info(where: Model) -> dict[str, Any]:
    current = "available" if where.life == model.ALIVE else "destroying"
    return {
        "name": f"admin/{where.name}",
        "short-name": where.name,
        "model-uuid": where.uuid,
        "model-type": "iaas",
        "controller-uuid": "00000000-0000-4000-8000-000000000000",
        "controller-name": model.CONTROLLER,
        "is-controller": False,
        "owner": "admin",
        "cloud": "localhost",
        "region": "localhost",
        "type": "localjuju",
        "life": where.life,
        "status": {"current": current, "since": output.status_time(where.since)},
        "machines": {name: {"cores": 0} for name in where.machines},
        "agent-version": where.release.version,
    }


@command(
    "status", FORMAT | MODEL | {"color": flags.BOOL, "relations": flags.BOOL, "utc": flags.BOOL}
)
def show_status(call: Call) -> str:
    """Show the whole model."""
    call.at_most(0)
    where = call.model()
    form = call.parsed.text("format", "tabular")
    with where.lock:
        if form == "tabular":
            return status.as_text(where, relations=call.parsed.boolean("relations"))
        return output.show(status.as_data(where), form)


@command("switch", {})
def switch(call: Call) -> str | None:
    """Show the current model, or make one current."""
    call.at_most(1)
    if not call.words:
        return f"{model.CONTROLLER}:admin/{call.controller.current}\n"
    call.controller.current = call.controller.find_model(call.words[0]).name
    call.stderr += f"{model.CONTROLLER} (controller) -> {call.controller.current} (model)\n"
    return None


@command("whoami", FORMAT)
def whoami(call: Call) -> str:
    """Show the user, who is always admin."""
    current = call.controller.current
    data = {"controller": model.CONTROLLER, "model": current, "user": "admin"}
    if form := call.parsed.text("format"):
        return output.show(data, form)
    return f"Controller:  {model.CONTROLLER}\nModel:       {current}\nUser:        admin\n"

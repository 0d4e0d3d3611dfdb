"""A charm: what its metadata declares, and its files."""

from __future__ import annotations

import dataclasses
import platform
import re
import shutil
from typing import TYPE_CHECKING, Any, cast

import jsonschema
import yaml

from localjuju import action_params, charm_files, errors, go_yaml

if TYPE_CHECKING:
    import pathlib

    from localjuju.releases import Release

Value = bool | int | float | str
"""A value of a charm's configuration."""

_METADATA = (
    "assumes",
    "charm-user",
    "containers",
    "description",
    "devices",
    "extra-bindings",
    "name",
    "peers",
    "provides",
    "requires",
    "resources",
    "storage",
    "subordinate",
    "summary",
    "terms",
)
_OPTION_TYPES = ("boolean", "float", "int", "secret", "string")
_ROLES = {"peers": "peer", "provides": "provider", "requires": "requirer"}
_FLOAT = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[-+]?[0-9]+)?", re.IGNORECASE)
_INT = re.compile(r"[-+]?[0-9]{1,19}")
_INT64 = range(-(1 << 63), 1 << 63)
_SECRET = re.compile(r"secret:(//[0-9a-f-]{36}/)?[0-9a-v]{20}")
_TRUE = {"1", "t", "T", "true", "TRUE", "True"}
_FALSE = {"0", "f", "F", "false", "FALSE", "False"}


@dataclasses.dataclass(frozen=True)
class Endpoint:
    """One end of a possible relation, as the charm's metadata declares it.

    Attributes:
        name: its name.
        role: ``peer``, ``provider`` or ``requirer``.
        interface: the interface that both ends must have.
        scope: ``global``, or ``container`` for units on one machine.
        limit: how many relations it may have; 0 for any number.
        implicit: whether each charm has it undeclared, as ``juju-info``.
    """

    name: str
    role: str
    interface: str
    scope: str = "global"
    limit: int = 0
    implicit: bool = False


@dataclasses.dataclass(frozen=True)
class Option:
    """A configuration option.

    Attributes:
        name: its name.
        type: ``boolean``, ``float``, ``int``, ``secret`` or ``string``.
        default: its value where none is set; None is no value.
        description: what the charm says of it.
    """

    name: str
    type: str
    default: Value | None = None
    description: str = ""


@dataclasses.dataclass(frozen=True)
class Storage:
    """A storage that a unit needs, and how many instances it begins with.

    Attributes:
        name: its name.
        kind: ``filesystem`` or ``block``.
        count: how many instances a unit begins with.
    """

    name: str
    kind: str
    count: int


@dataclasses.dataclass(frozen=True)
class Charm:
    """A charm's declarations, with the folder that holds its files.

    Attributes:
        name: its name in the metadata.
        path: the folder that holds its files.
        subordinate: whether it lives on the units of another charm.
        endpoints: its endpoints by name, the implicit one too.
        options: its options by name.
        actions: its actions by name, each with its parameters as a JSON schema.
        storage: its storage by name.
        resources: its resources by name, each with the file's name on a unit.
        extra_bindings: the names of its bindings beside the endpoints.
        base: the first base of its manifest: a system and its channel.
        revision: the number that the model gives each upload of a local charm.
    """

    name: str
    path: pathlib.Path
    subordinate: bool
    endpoints: dict[str, Endpoint]
    options: dict[str, Option]
    actions: dict[str, dict[str, Any]]
    storage: dict[str, Storage]
    resources: dict[str, str]
    extra_bindings: frozenset[str]
    base: tuple[str, str]
    revision: int = 0

    @property
    def url(self) -> str:
        """The charm's URL, for example ``local:postfix-0``."""
        return f"local:{self.name}-{self.revision}"


def load(
    source: pathlib.Path, folder: pathlib.Path, release: Release, unpacked: pathlib.Path
) -> Charm:
    """Take a packed charm or a charm folder into the model's store and read it.

    Args:
        source: a ``.charm`` file, or a folder.
        folder: where the charm's files are kept; it must not exist.
        release: the release of Juju that takes it.
        unpacked: as `charm_files.take` wants it.

    Raises:
        errors.JujuError: if there is no charm, or not a valid one, or one without bases.
    """
    charm_files.take(source, folder, unpacked)
    if source.is_dir():
        for name, text in split_project(folder, _yaml(folder / "charmcraft.yaml")).items():
            (folder / name).write_text(text)
    try:
        return _read(source, folder, release)
    except errors.JujuError:
        shutil.rmtree(folder)
        raise


def split_project(project: pathlib.Path, settings: dict[str, Any]) -> dict[str, str]:
    """The files that charmcraft makes of ``charmcraft.yaml``, where the project has none.

    Args:
        project: the charm project's folder.
        settings: the content of its ``charmcraft.yaml``.

    Returns:
        The files' texts by their names.
    """
    metadata = {key: settings[key] for key in _METADATA if key in settings}
    if "title" in settings:
        metadata["display-name"] = settings["title"]
    bases = _bases(settings)
    split: dict[str, Any] = {
        "actions.yaml": settings.get("actions"),
        "config.yaml": settings.get("config"),
        "manifest.yaml": {"analysis": {"attributes": []}, "bases": bases} if bases else None,
        "metadata.yaml": metadata,
    }
    return {
        name: yaml.safe_dump(content, sort_keys=False)
        for name, content in split.items()
        if content and not (project / name).exists()
    }


def _bases(settings: dict[str, Any]) -> list[dict[str, Any]]:
    """The bases that the platforms name, ``ubuntu@24.04:amd64`` each."""
    platforms: dict[str, Any] = settings.get("platforms") or {}
    names = sorted({key.partition(":")[0] for key in platforms})
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    return [
        {"name": name, "channel": channel, "architectures": [machine]}
        for name, at, channel in (one.partition("@") for one in names)
        if at
    ]


def parse_option(option: Option, text: str) -> Value:
    """Read the text of ``juju config APP OPTION=TEXT`` as a value of the option's type.

    Raises:
        errors.JujuError: if the text is none.
    """
    if option.type == "boolean" and text in _TRUE | _FALSE:
        return text in _TRUE
    if option.type == "int" and _INT.fullmatch(text) and int(text) in _INT64:
        return int(text)
    if option.type == "float" and _FLOAT.fullmatch(text):
        return float(text)
    return check_option(option, text)


def check_option(option: Option, value: object) -> Value:
    """Check a value of a YAML file against the option's type.

    Raises:
        errors.JujuError: if the type is wrong, or a ``secret`` option holds no secret URI.
    """
    if option.type == "int" and isinstance(value, int) and not isinstance(value, bool):
        return value
    if option.type == "float" and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if option.type == "boolean" and isinstance(value, bool):
        return value
    if option.type == "string" and isinstance(value, str):
        return value
    if option.type == "secret" and isinstance(value, str):
        if not value or _SECRET.fullmatch(value):
            return value
        raise errors.JujuError(
            f'invalid secret URI for option "{option.name}": secret URI "{value}" not valid'
        )
    raise _wrong(option, f'"{value}"')


def _wrong(option: Option, got: str) -> errors.JujuError:
    return errors.JujuError(f'option "{option.name}" expected {option.type}, got {got}')


def _read(source: pathlib.Path, folder: pathlib.Path, release: Release) -> Charm:
    metadata = _yaml(folder / "metadata.yaml")
    if "name" not in metadata:
        raise errors.JujuError(f'invalid charm "{source}": no metadata with a name')
    if not (folder / "dispatch").is_file() and not (folder / "hooks").is_dir():
        raise errors.JujuError(f'invalid charm "{source}": has no hooks nor dispatch file')
    bases: list[dict[str, Any]] = _yaml(folder / "manifest.yaml").get("bases") or []
    if not bases:
        raise errors.JujuError(release.words.bases_missing)
    actions = _yaml(folder / "actions.yaml")
    options = _mapping(_yaml(folder / "config.yaml"), "options")
    return Charm(
        name=str(metadata["name"]),
        path=folder,
        subordinate=bool(metadata.get("subordinate", False)),
        endpoints=_endpoints(metadata),
        options={name: _option(name, spec) for name, spec in options.items()},
        actions={name: _action(name, spec) for name, spec in actions.items()},
        storage={
            name: _storage(name, spec) for name, spec in _mapping(metadata, "storage").items()
        },
        resources={
            name: str(_spec(f"resource {name}", spec).get("filename") or name)
            for name, spec in _mapping(metadata, "resources").items()
        },
        extra_bindings=frozenset(_mapping(metadata, "extra-bindings")),
        base=(str(bases[0]["name"]), str(bases[0]["channel"])),
    )


def _yaml(path: pathlib.Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    return go_yaml.load_map(path.read_text(errors="replace"), f"cannot parse {path.name}")


def _mapping(content: dict[str, Any], key: str) -> dict[str, Any]:
    return _spec(key, content.get(key) or {})


def _endpoints(metadata: dict[str, Any]) -> dict[str, Endpoint]:
    info = Endpoint("juju-info", "provider", "juju-info", implicit=True)
    found = {info.name: info}
    for section, role in _ROLES.items():
        for name, spec in _mapping(metadata, section).items():
            found[name] = _endpoint(name, role, spec)
    return found


def _endpoint(name: str, role: str, spec: object) -> Endpoint:
    """Read an endpoint; its interface alone is the short form, as in ``requires: {db: mysql}``."""
    about = {"interface": spec} if isinstance(spec, str) else _spec(f"endpoint {name}", spec)
    if not about.get("interface"):
        raise errors.JujuError(f'invalid charm: endpoint "{name}" has no interface')
    limit: object = about.get("limit") or 0
    if not isinstance(limit, int):
        raise errors.JujuError(f'invalid charm: endpoint "{name}" has a limit that is no number')
    return Endpoint(name, role, str(about["interface"]), about.get("scope", "global"), limit)


def _spec(what: str, spec: object) -> dict[str, Any]:
    if not isinstance(spec, dict):
        raise errors.JujuError(f'invalid charm: "{what}" is not a map')
    return cast("dict[str, Any]", spec)


def _option(name: str, given: object) -> Option:
    spec = _spec(f"option {name}", given)
    option = Option(name, spec.get("type", "string"), None, spec.get("description", ""))
    if option.type not in _OPTION_TYPES:
        raise errors.JujuError(f'invalid config: option "{name}" has unknown type "{option.type}"')
    if spec.get("default") is None:
        return option
    return dataclasses.replace(option, default=check_option(option, spec["default"]))


def _action(name: str, given: object) -> dict[str, Any]:
    spec = _spec(f"action {name}", {} if given is None else given)
    try:
        action_params.schema_of(spec)
    except jsonschema.SchemaError as error:
        raise errors.JujuError(
            f'invalid params schema for action schema "{name}": {error.message}'
        ) from None
    return spec


def _storage(name: str, given: object) -> Storage:
    """Read a storage; ``multiple.range`` begins with the least number of instances."""
    spec = _spec(f"storage {name}", given)
    least = re.match(r"\d+", str(_mapping(spec, "multiple").get("range", "1")))
    return Storage(name, spec.get("type", "filesystem"), int(least[0]) if least else 1)

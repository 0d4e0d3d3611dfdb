"""A charm: what its metadata declares, and its files."""

from __future__ import annotations

import dataclasses
import platform
import re
import shutil
from typing import TYPE_CHECKING, Any

import jsonschema
import yaml

from localjuju import action_params, charm_files, errors

if TYPE_CHECKING:
    import pathlib

    from localjuju.releases import Release

Value = bool | int | float | str
"""A value of a charm's configuration."""

_Loader: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
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
_ROLES = {"peers": "peer", "provides": "provider", "requires": "requirer"}
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
        resources: the names of its resources.
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
    resources: frozenset[str]
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
    try:
        if option.type == "int":
            return int(text)
        if option.type == "float":
            return float(text)
    except ValueError:
        raise _wrong(option, f'"{text}"') from None
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
        actions={name: _action(name, spec or {}) for name, spec in actions.items()},
        storage={
            name: _storage(name, spec) for name, spec in _mapping(metadata, "storage").items()
        },
        resources=frozenset(_mapping(metadata, "resources")),
        extra_bindings=frozenset(_mapping(metadata, "extra-bindings")),
        base=(str(bases[0]["name"]), str(bases[0]["channel"])),
    )


def _yaml(path: pathlib.Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        content = yaml.load(path.read_text(), Loader=_Loader)  # noqa: S506 - a safe loader
    except yaml.YAMLError as error:
        raise errors.JujuError(f"cannot parse {path.name}: {error}") from None
    return content or {}


def _mapping(content: dict[str, Any], key: str) -> dict[str, Any]:
    return content.get(key) or {}


def _endpoints(metadata: dict[str, Any]) -> dict[str, Endpoint]:
    info = Endpoint("juju-info", "provider", "juju-info", implicit=True)
    found = {info.name: info}
    for section, role in _ROLES.items():
        for name, spec in _mapping(metadata, section).items():
            found[name] = Endpoint(
                name=name,
                role=role,
                interface=spec["interface"],
                scope=spec.get("scope", "global"),
                limit=spec.get("limit") or 0,
            )
    return found


def _option(name: str, spec: dict[str, Any]) -> Option:
    option = Option(name, spec.get("type", "string"), None, spec.get("description", ""))
    if spec.get("default") is None:
        return option
    return dataclasses.replace(option, default=check_option(option, spec["default"]))


def _action(name: str, spec: dict[str, Any]) -> dict[str, Any]:
    try:
        action_params.schema_of(spec)
    except jsonschema.SchemaError as error:
        raise errors.JujuError(
            f'invalid params schema for action schema "{name}": {error.message}'
        ) from None
    return spec


def _storage(name: str, spec: dict[str, Any]) -> Storage:
    """Read a storage; ``multiple.range`` begins with the least number of instances."""
    least = re.match(r"\d+", str(_mapping(spec, "multiple").get("range", "1")))
    return Storage(name, spec.get("type", "filesystem"), int(least[0]) if least else 1)

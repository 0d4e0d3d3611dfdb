"""What a controller knows: models, applications, units, relations, secrets, tasks.

Plain data, in Juju's words. What happens to it stands elsewhere: `life` (births and deaths),
`uniter` (the order of hooks), `secret_store`, and the two sets of commands.
"""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import threading
import uuid
from typing import TYPE_CHECKING, Any

from localjuju import releases

if TYPE_CHECKING:
    import pathlib

    from localjuju.charm import Charm, Endpoint, Value

ADDRESS = "127.0.0.1"
ALIVE = "alive"
CONTROLLER = "localjuju"
DEAD = "dead"
DYING = "dying"

_LOG_LINES = 100_000


def now() -> dt.datetime:
    """The present, in UTC."""
    return dt.datetime.now(dt.timezone.utc)


@dataclasses.dataclass(frozen=True)
class Status:
    """A status with its message and the moment it was set."""

    current: str
    message: str = ""
    since: dt.datetime = dataclasses.field(default_factory=now)


@dataclasses.dataclass(frozen=True)
class Hook:
    """A hook to run: its name as the charm sees it, and what its environment tells.

    Attributes:
        kind: the hook's name without that of its relation or storage.
        version: of the remote settings that this hook reports.
    """

    kind: str
    name: str
    relation_id: int | None = None
    remote_application: str = ""
    remote_unit: str = ""
    departing_unit: str = ""
    version: int = 0
    secret_id: str = ""
    secret_label: str = ""
    secret_revision: int = 0
    storage_id: str = ""


@dataclasses.dataclass
class LocalRelation:
    """What a unit has seen of one relation."""

    created: bool = False
    broken: bool = False
    application_version: int = 0
    changed_pending: str = ""
    members: dict[str, int] = dataclasses.field(default_factory=dict[str, int])


@dataclasses.dataclass
class LocalState:
    """What a unit's agent has seen and done; the next hook is the difference to the model.

    Attributes:
        running: the operation that runs at this moment.
    """

    charm: Charm | None = None
    config: dict[str, Value] | None = None
    installed: bool = False
    started: bool = False
    removed: bool = False
    running: object = None
    leader: bool = False
    trusted: bool = False
    queued: Hook | None = None
    failed: Hook | None = None
    retry_at: dt.datetime | None = None
    resolved: bool = False
    retries: int = 0
    relations: dict[int, LocalRelation] = dataclasses.field(
        default_factory=dict[int, LocalRelation]
    )
    notified: dict[str, int] = dataclasses.field(default_factory=dict[str, int])
    obsolete: set[tuple[str, int]] = dataclasses.field(default_factory=set[tuple[str, int]])
    update_status_at: dt.datetime | None = None


@dataclasses.dataclass
class Settings:
    """A databag; its version counts the writes that changed it."""

    values: dict[str, str] = dataclasses.field(default_factory=dict[str, str])
    version: int = 0

    def update(self, changes: dict[str, str]) -> bool:
        """Apply changes, where an empty value deletes, and tell whether anything changed."""
        merged = {key: text for key, text in (self.values | changes).items() if text}
        if merged == self.values:
            return False
        self.values = merged
        self.version += 1
        return True


@dataclasses.dataclass
class Storage:
    """A storage instance of a unit."""

    id: str
    name: str
    kind: str
    location: pathlib.Path
    attached: bool = False


@dataclasses.dataclass
class Unit:
    """A unit and its agent."""

    name: str
    machine: str
    folder: pathlib.Path
    principal: str = ""
    life: str = ALIVE
    forced: bool = False
    workload: Status = dataclasses.field(
        default_factory=lambda: Status("waiting", "installing agent")
    )
    agent: Status = dataclasses.field(default_factory=lambda: Status("allocating"))
    version: str = ""
    ports: set[str] = dataclasses.field(default_factory=set[str])
    state: dict[str, str] = dataclasses.field(default_factory=dict[str, str])
    storage: dict[str, Storage] = dataclasses.field(default_factory=dict[str, Storage])
    local: LocalState = dataclasses.field(default_factory=LocalState)
    tasks: list[Task] = dataclasses.field(default_factory=list["Task"])

    @property
    def application(self) -> str:
        """The name of the unit's application."""
        return self.name.partition("/")[0]

    @property
    def number(self) -> int:
        """The number after the slash."""
        return int(self.name.partition("/")[2])

    @property
    def tag(self) -> str:
        """The unit's name in logs and paths, for example ``unit-postfix-0``."""
        return "unit-" + self.name.replace("/", "-")

    @property
    def charm_folder(self) -> pathlib.Path:
        """Where the charm runs, as ``JUJU_CHARM_DIR`` tells it."""
        return self.folder / "charm"


@dataclasses.dataclass
class Application:
    """An application: a charm under a name, with its configuration."""

    name: str
    charm: Charm
    settings: dict[str, Value] = dataclasses.field(default_factory=dict[str, "Value"])
    trusted: bool = False
    force_units: bool = False
    life: str = ALIVE
    leader: str = ""
    status: Status | None = None
    resources: dict[str, pathlib.Path] = dataclasses.field(
        default_factory=dict[str, "pathlib.Path"]
    )
    since: dt.datetime = dataclasses.field(default_factory=now)

    def config(self) -> dict[str, Value]:
        """Every option that has a value, set or by default.

        A ``string`` option that is set to the empty string has the value ``""``; an option that
        is not set and has no default is absent, as in ``config-get`` of Juju 3.6.
        """
        defaults = {
            name: option.default
            for name, option in self.charm.options.items()
            if option.default is not None
        }
        return defaults | self.settings


@dataclasses.dataclass(frozen=True)
class RelationEnd:
    """One side of a relation."""

    application: str
    endpoint: Endpoint

    def __str__(self) -> str:
        return f"{self.application}:{self.endpoint.name}"


@dataclasses.dataclass
class Relation:
    """A relation: two ends, or one of peers.

    Attributes:
        scope: the units that take part: those past their install hook that have not run
            relation-broken.
    """

    id: int
    ends: tuple[RelationEnd, ...]
    life: str = ALIVE
    scope: set[str] = dataclasses.field(default_factory=set[str])
    applications: dict[str, Settings] = dataclasses.field(default_factory=dict[str, Settings])
    units: dict[str, Settings] = dataclasses.field(default_factory=dict[str, Settings])

    @property
    def is_container(self) -> bool:
        """Whether the relation ties a subordinate to its principal."""
        return any(end.endpoint.scope == "container" for end in self.ends)

    @property
    def is_peer(self) -> bool:
        """Whether the relation is one of peers."""
        return len(self.ends) == 1

    @property
    def key(self) -> str:
        """The relation's name in Juju's messages, the requirer first."""
        ends = sorted(self.ends, key=lambda end: end.endpoint.role != "requirer")
        return " ".join(map(str, ends))

    def end(self, application: str) -> RelationEnd | None:
        """The application's own end."""
        return next((end for end in self.ends if end.application == application), None)

    def other(self, application: str) -> RelationEnd:
        """The end that the application sees: the other side, or itself among peers."""
        return next((end for end in self.ends if end.application != application), self.ends[0])


@dataclasses.dataclass(frozen=True)
class Revision:
    """One revision of a secret."""

    number: int
    content: dict[str, str] = dataclasses.field(repr=False)
    created: dt.datetime = dataclasses.field(default_factory=now)


@dataclasses.dataclass
class Consumer:
    """A unit that has read a secret: the revision it tracks, and its own label."""

    revision: int
    label: str = ""


@dataclasses.dataclass(frozen=True)
class Grant:
    """A permission to read; it ends with its relation, if it was given by one."""

    subject: str
    relation_id: int | None = None


@dataclasses.dataclass
class Secret:
    """A secret of an application, a unit or the user.

    Attributes:
        owner: the application's or unit's name; empty for the user.
        label: the owner's label, or a user secret's name.
    """

    id: str
    owner: str = ""
    label: str = ""
    description: str = ""
    rotate: str = "never"
    expire: str = ""
    auto_prune: bool = False
    latest: int = 1
    revisions: dict[int, Revision] = dataclasses.field(default_factory=dict[int, Revision])
    consumers: dict[str, Consumer] = dataclasses.field(default_factory=dict[str, Consumer])
    grants: dict[str, Grant] = dataclasses.field(default_factory=dict[str, Grant])
    created: dt.datetime = dataclasses.field(default_factory=now)
    updated: dt.datetime = dataclasses.field(default_factory=now)

    @property
    def uri(self) -> str:
        """The secret's short URI."""
        return f"secret:{self.id}"


@dataclasses.dataclass
class Task:
    """An action or an exec command, waiting, running or done.

    Attributes:
        command: the shell's words of ``juju exec``; empty for an action.
    """

    id: str
    unit: str
    action: str = ""
    command: str = ""
    params: dict[str, Any] = dataclasses.field(default_factory=dict[str, Any])
    relation_id: int | None = None
    status: str = "pending"
    message: str = ""
    failed: bool = False
    results: dict[str, Any] = dataclasses.field(default_factory=dict[str, Any], repr=False)
    log: list[str] = dataclasses.field(default_factory=list[str])
    enqueued: dt.datetime = dataclasses.field(default_factory=now)
    started: dt.datetime | None = None
    completed: dt.datetime | None = None


@dataclasses.dataclass
class Model:
    """A model. Its lock guards all that it holds; ``changed`` wakes whoever waits for news."""

    name: str
    folder: pathlib.Path
    release: releases.Release = dataclasses.field(default_factory=releases.chosen)
    uuid: str = dataclasses.field(default_factory=lambda: str(uuid.uuid4()))
    life: str = ALIVE
    config: dict[str, str] = dataclasses.field(default_factory=dict[str, str])
    constraints: dict[str, str] = dataclasses.field(default_factory=dict[str, str])
    applications: dict[str, Application] = dataclasses.field(
        default_factory=dict[str, Application]
    )
    units: dict[str, Unit] = dataclasses.field(default_factory=dict[str, Unit])
    machines: dict[str, Status] = dataclasses.field(default_factory=dict[str, Status])
    relations: dict[int, Relation] = dataclasses.field(default_factory=dict[int, Relation])
    secrets: dict[str, Secret] = dataclasses.field(default_factory=dict[str, Secret])
    tasks: dict[str, Task] = dataclasses.field(default_factory=dict[str, Task])
    charm_revisions: dict[str, int] = dataclasses.field(default_factory=dict[str, int])
    log: collections.deque[str] = dataclasses.field(
        default_factory=lambda: collections.deque[str](maxlen=_LOG_LINES)
    )
    next_machine: int = 0
    next_units: dict[str, int] = dataclasses.field(default_factory=dict[str, int])
    next_relation: int = 0
    next_storage: int = 0
    next_task: int = 0
    since: dt.datetime = dataclasses.field(default_factory=now)
    lock: threading.RLock = dataclasses.field(default_factory=threading.RLock)
    changed: threading.Condition = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        self.changed = threading.Condition(self.lock)

    def application_of(self, unit: Unit) -> Application:
        """The unit's application."""
        return self.applications[unit.application]

    def is_leader(self, unit: Unit) -> bool:
        """Whether the unit leads its application."""
        return self.application_of(unit).leader == unit.name

    def relations_of(self, application: str) -> list[Relation]:
        """The application's relations in the order of hooks: peers first, then by ID."""
        mine = [one for one in self.relations.values() if one.end(application)]
        return sorted(mine, key=lambda one: (not one.is_peer, one.id))

    def units_of(self, application: str) -> list[Unit]:
        """The application's units, by number."""
        mine = [unit for unit in self.units.values() if unit.application == application]
        return sorted(mine, key=lambda unit: unit.number)

    def write_log(self, entity: str, level: str, logger: str, message: str) -> None:
        """Add a line to the debug log, in the form that ``juju debug-log`` prints."""
        stamp = now().strftime("%H:%M:%S")
        self.log += [f"{entity}: {stamp} {level} {logger} {line}" for line in [message] if line]

"""What a controller knows: models, applications, units, relations, secrets, tasks.

Plain data, in Juju's words; that of units comes from `unit`, that of
applications from `application`. What happens to it stands elsewhere:
`life` (births and deaths), `uniter` (the order of hooks), `secret_store`, and the two sets of
commands.
"""

from __future__ import annotations

import collections
import dataclasses
import threading
import uuid
from typing import TYPE_CHECKING

from localjuju import releases
from localjuju.application import Application, Offer
from localjuju.unit import (
    ALIVE,
    DEAD,
    DYING,
    Hook,
    LocalRelation,
    LocalState,
    Status,
    Storage,
    Task,
    Unit,
    now,
)

if TYPE_CHECKING:
    import datetime as dt
    import pathlib

    from localjuju.charm import Endpoint

__all__ = [
    "ADDRESS",
    "ALIVE",
    "CONTROLLER",
    "DEAD",
    "DYING",
    "PORT",
    "Application",
    "Consumer",
    "FarSide",
    "Grant",
    "Hook",
    "LocalRelation",
    "LocalState",
    "Model",
    "Offer",
    "Relation",
    "RelationEnd",
    "RemoteApplication",
    "Revision",
    "Secret",
    "Settings",
    "Status",
    "Storage",
    "Task",
    "Unit",
    "now",
]

ADDRESS = "127.0.0.1"
CONTROLLER = "localjuju"
PORT = 17070
"""The port of a controller's API, which is named and not listened at."""

_LOG_LINES = 100_000


@dataclasses.dataclass
class Settings:
    """A databag; its version counts the writes that changed it.

    Attributes:
        values: the settings; none is empty.
        version: how many writes have changed them.
    """

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


@dataclasses.dataclass(frozen=True)
class RelationEnd:
    """One side of a relation.

    Attributes:
        application: the application's name.
        endpoint: its endpoint.
    """

    application: str
    endpoint: Endpoint

    def __str__(self) -> str:
        return f"{self.application}:{self.endpoint.name}"


@dataclasses.dataclass
class Relation:
    """A relation: two ends, or one of peers.

    Attributes:
        id: the number that both sides see.
        ends: the two ends, or the one of peers.
        life: ``alive`` or ``dying``.
        scope: the units that take part: those past their install hook that have not run
            relation-broken.
        applications: the databags of applications, by name.
        units: the databags of units, by name; a unit's stays when it has left.
        far: the same relation in the other model, if it is across two. The two share their
            databags.
    """

    id: int
    ends: tuple[RelationEnd, ...]
    life: str = ALIVE
    scope: set[str] = dataclasses.field(default_factory=set[str])
    applications: dict[str, Settings] = dataclasses.field(default_factory=dict[str, Settings])
    units: dict[str, Settings] = dataclasses.field(default_factory=dict[str, Settings])
    far: FarSide | None = dataclasses.field(default=None, repr=False)

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

    @property
    def tag(self) -> str:
        """How Juju names it where it names things of all kinds."""
        return f"relation-{self.key.replace(':', '.').replace(' ', '#')}"

    def end(self, application: str) -> RelationEnd | None:
        """The application's own end."""
        return next((end for end in self.ends if end.application == application), None)

    def other(self, application: str) -> RelationEnd:
        """The end that the application sees: the other side, or itself among peers."""
        return next((end for end in self.ends if end.application != application), self.ends[0])


@dataclasses.dataclass(frozen=True)
class FarSide:
    """What a relation is in the model of its other end.

    Attributes:
        where: that model.
        relation: the relation as it is there.
        application: the application there.
    """

    where: Model
    relation: Relation
    application: str


@dataclasses.dataclass
class RemoteApplication:
    """An application of another model, under the name that it has in this one.

    Attributes:
        name: the name here.
        where: the model that it is in.
        application: its name there.
        endpoints: its endpoints by name.
        offer: the name of the offer that is consumed; empty for a consumer of ours.
        life: ``alive`` or ``dying``.
    """

    name: str
    where: Model
    application: str
    endpoints: dict[str, Endpoint]
    offer: str = ""
    life: str = ALIVE

    @property
    def url(self) -> str:
        """The URL of the offer, with its controller."""
        return f"{CONTROLLER}:admin/{self.where.name}.{self.offer}"


@dataclasses.dataclass(frozen=True)
class Revision:
    """One revision of a secret.

    Attributes:
        number: the revision's number, from 1 on.
        content: the values by key.
        created: when it was made.
    """

    number: int
    content: dict[str, str] = dataclasses.field(repr=False)
    created: dt.datetime = dataclasses.field(default_factory=now)


@dataclasses.dataclass
class Consumer:
    """A unit that has read a secret: the revision it tracks, and its own label.

    Attributes:
        revision: the revision that the unit tracks.
        label: the label that the unit has given.
    """

    revision: int
    label: str = ""


@dataclasses.dataclass(frozen=True)
class Grant:
    """A permission to read; it ends with its relation, if it was given by one.

    Attributes:
        subject: the unit or application that may read.
        relation_id: the relation with which it ends; None for a grant of the user.
    """

    subject: str
    relation_id: int | None = None


@dataclasses.dataclass
class Secret:
    """A secret of an application, a unit or the user.

    Attributes:
        id: the ID without scheme.
        owner: the application's or unit's name; empty for the user.
        label: the owner's label, or a user secret's name.
        description: what the owner says of it.
        rotate: how often it is to be rotated, such as ``daily``.
        expires: when the owner is told that it expired; nothing once it was.
        rotates: when the owner is told to make a new revision.
        auto_prune: whether obsolete revisions of a user secret go by themselves.
        latest: the number of the newest revision.
        revisions: the revisions that are left, by number.
        consumers: the units that have read it, by name.
        grants: who may read it, by name.
        created: when it was made.
        updated: when it was changed last.
    """

    id: str
    owner: str = ""
    label: str = ""
    description: str = ""
    rotate: str = "never"
    expires: dt.datetime | None = None
    rotates: dt.datetime | None = None
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
class Model:
    """A model. Its lock guards all that it holds; ``changed`` wakes whoever waits for news.

    Attributes:
        name: its name.
        folder: where its files are.
        uuid: its UUID.
        life: ``alive``, ``dying`` or ``dead``.
        config: the model's configuration, as far as it was set.
        constraints: the model's constraints, which change nothing.
        applications: the applications by name.
        units: the units by name, oldest first.
        machines: the machines' statuses by number.
        relations: the relations by ID.
        secrets: the secrets by ID.
        tasks: the tasks by ID.
        offers: what other models may consume, by name.
        remotes: the applications of other models that are known here, by name.
        models: all models of the controller by name, this one too.
        charm_revisions: the newest local revision of each charm, by the charm's name.
        log: the lines of the debug log.
        next_machine: the number of the next machine.
        next_units: the number of the next unit, by the application's name.
        next_relation: the ID of the next relation.
        next_storage: the number of the next storage instance.
        next_task: the number of the last operation or task.
        since: when the model was made.
        lock: guards all of this. The models of a controller share it, because a relation across
            two is changed in both at once, and one lock has no order to get wrong.
        changed: is notified when any of this changes.
    """

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
    offers: dict[str, Offer] = dataclasses.field(default_factory=dict[str, Offer])
    remotes: dict[str, RemoteApplication] = dataclasses.field(
        default_factory=dict[str, RemoteApplication]
    )
    models: dict[str, Model] = dataclasses.field(default_factory=dict[str, "Model"], repr=False)
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
        self.models[self.name] = self

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

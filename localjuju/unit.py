"""What a controller knows of a unit, and what the unit's agent has seen and is to do."""

from __future__ import annotations

import dataclasses
import datetime as dt
import uuid
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pathlib

    from localjuju.charm import Charm, Value

ALIVE = "alive"
DEAD = "dead"
DYING = "dying"


def now() -> dt.datetime:
    """The present, in UTC."""
    return dt.datetime.now(dt.timezone.utc)


@dataclasses.dataclass(frozen=True)
class Status:
    """A status with its message and the moment it was set.

    Attributes:
        current: one of Juju's words, such as ``active``.
        message: what a person is told beside it.
        since: when it was set.
    """

    current: str
    message: str = ""
    since: dt.datetime = dataclasses.field(default_factory=now)


@dataclasses.dataclass(frozen=True)
class Hook:
    """A hook to run: its name as the charm sees it, and what its environment tells.

    Attributes:
        kind: the hook's name without that of its relation or storage.
        name: the name as the charm sees it; a task has none.
        relation_id: the relation that the hook tells of.
        remote_application: the application on its other side.
        remote_unit: the unit on its other side; none where an application or the relation is told
            of.
        departing_unit: the unit that leaves, for relation-departed.
        version: of the remote settings that this hook reports.
        secret_id: the secret that the hook tells of, without scheme.
        secret_label: the label under which the unit knows that secret.
        secret_revision: the newest revision for secret-changed, the obsolete one for
            secret-remove.
        storage_id: the storage instance that the hook tells of.
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
    """What a unit has seen of one relation.

    Attributes:
        created: whether relation-created has run.
        broken: whether relation-broken has run.
        application_version: of the remote application's settings, as last told.
        changed_pending: the unit whose relation-joined has run, and whose relation-changed comes
            next.
        members: the remote units that have joined, with their settings' versions as last told.
    """

    created: bool = False
    broken: bool = False
    application_version: int = 0
    changed_pending: str = ""
    members: dict[str, int] = dataclasses.field(default_factory=dict[str, int])


@dataclasses.dataclass
class LocalState:
    """What a unit's agent has seen and done; the next hook is the difference to the model.

    Attributes:
        charm: the charm whose files are in place.
        config: the configuration that config-changed has told.
        config_version: the settings of which it has told.
        config_again: whether it is to tell of them once more.
        gone_peers: units that were gone at the last refresh.
        installed: whether install has run.
        started: whether start has run, and stop has not.
        removed: whether remove has run.
        running: the operation that runs at this moment.
        leader: whether leader-elected has run.
        trusted: the application's trust that config-changed has told.
        queued: the hook that follows by necessity.
        failed: the hook that failed last; until it ends well, the unit is in error.
        retry_at: when that hook is retried.
        resolved: whether a person wants it to be retried now.
        retries: how often it has failed in a row.
        relations: what the unit has seen of each relation, by ID.
        notified: the revision that secret-changed has told, by secret ID.
        obsolete: the revisions that secret-remove has told, each with its secret's ID.
        update_status_at: when update-status comes next.
    """

    charm: Charm | None = None
    config: dict[str, Value] | None = None
    config_version: int = -1
    config_again: bool = False
    gone_peers: set[str] = dataclasses.field(default_factory=set[str])
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
class Storage:
    """A storage instance of a unit.

    Attributes:
        id: the name and a number, such as ``data/0``.
        name: the name in the charm's metadata.
        kind: ``filesystem`` or ``block``.
        location: the folder that it is.
        attached: whether storage-attached has run.
    """

    id: str
    name: str
    kind: str
    location: pathlib.Path
    attached: bool = False


@dataclasses.dataclass
class Unit:
    """A unit and its agent.

    Attributes:
        name: the application's name and a number, such as ``postfix/0``.
        machine: the number of the machine that it is on.
        folder: where the agent keeps the charm and storage.
        principal: the unit that a subordinate belongs to; empty for any other.
        life: ``alive`` or ``dying``.
        forced: whether a failing hook does not stop the unit's end.
        workload: the status that the charm sets.
        agent: the status of the agent.
        version: the workload's version.
        ports: the open ports, such as ``80/tcp`` or ``80-82/udp``.
        state: what the charm keeps with ``state-set``; None if it never did.
        uuid: its ID in some of Juju 4.0's words.
        storage: the storage instances by ID.
        local: what the agent has seen and done.
        tasks: the unit's tasks, oldest first.
    """

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
    state: dict[str, str] | None = None
    uuid: str = dataclasses.field(default_factory=lambda: str(uuid.uuid4()))
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
class Task:
    """An action or an exec command, waiting, running or done.

    Attributes:
        id: the number by which ``juju show-task`` finds it.
        unit: the unit that it runs on.
        action: the action's name; empty for an exec command.
        command: the shell's words of ``juju exec``; empty for an action.
        params: the action's parameters.
        relation_id: the relation in whose context it runs.
        status: ``pending``, ``running``, ``completed``, ``failed``, ``aborted`` or ``error``.
        message: why it failed.
        failed: whether the charm has failed it.
        results: what it has set and printed.
        log: its progress messages.
        enqueued: when it was asked for.
        started: when it began.
        completed: when it ended.
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

"""What one hook sees and changes, until it ends.

A hook is a transaction: writes to databags, secrets, ports, storage and charm state gather in its
`Changes` and are applied when it ends well. What it reads of others is kept for its duration.
"""

from __future__ import annotations

import dataclasses
import secrets
from typing import TYPE_CHECKING

from localjuju import errors, life, model, secret_store, uniter

if TYPE_CHECKING:
    import datetime as dt

    from localjuju.charm import Value
    from localjuju.model import Hook, Model, Relation, Secret, Task, Unit


@dataclasses.dataclass
class SecretChange:
    """The changes of one secret; None leaves as it is.

    Attributes:
        content: of a new revision.
        label: the owner's label.
        description: what the owner says of it.
        rotate: how often it is to be rotated.
        expire: when it expires.
        track: whether the owner's unit moves to the newest revision.
    """

    content: dict[str, str] | None = dataclasses.field(default=None, repr=False)
    label: str | None = None
    description: str | None = None
    rotate: str | None = None
    expires: dt.datetime | None = None
    track: bool = False


@dataclasses.dataclass
class Changes:
    """What a hook has asked for and what its good end applies.

    Attributes:
        applications: writes to the application's databags, by relation ID.
        units: writes to the unit's databags, by relation ID.
        created: new secrets by ID.
        updated: changes of secrets by ID.
        grants: grants, each with its secret's ID.
        revokes: for each its secret's ID, the subject and the relation ID; None is any.
        removed: for each its secret's ID and the revision; None is the whole secret.
        ports: the open ports; None leaves them.
        state: the charm's state; None leaves it.
        storage: the names of storage to add, once for each instance.
    """

    applications: dict[int, dict[str, str]] = dataclasses.field(
        default_factory=dict[int, dict[str, str]]
    )
    units: dict[int, dict[str, str]] = dataclasses.field(default_factory=dict[int, dict[str, str]])
    created: dict[str, Secret] = dataclasses.field(default_factory=dict[str, "Secret"])
    updated: dict[str, SecretChange] = dataclasses.field(default_factory=dict[str, SecretChange])
    grants: list[tuple[str, model.Grant]] = dataclasses.field(
        default_factory=list[tuple[str, model.Grant]]
    )
    revokes: list[tuple[str, str | None, int | None]] = dataclasses.field(
        default_factory=list[tuple[str, "str | None", "int | None"]]
    )
    removed: list[tuple[str, int | None]] = dataclasses.field(
        default_factory=list[tuple[str, "int | None"]]
    )
    ports: set[str] | None = None
    state: dict[str, str] | None = None
    storage: list[str] = dataclasses.field(default_factory=list[str])
    refused: str = ""


@dataclasses.dataclass
class Context:
    """The context of a running hook, action or exec command.

    Attributes:
        where: the model.
        unit: the unit that runs it.
        hook: what runs; for a task, a `Hook` without a name that may have a relation.
        task: the task, unless it is a hook.
        changes: what its good end applies.
        commands: the hook commands run so far, without the values of secrets.
        faults: the planned faults that struck.
        reboot: asked for by ``juju-reboot``; ``"now"`` has killed the hook.
        status_set: whether the charm has set its unit's status.
        process: the ID of its process; 0 before it is started.
        id: what ``JUJU_CONTEXT_ID`` tells: the unit, the hook, and 80 random bits.
        begun: what the hook was told when it began.
    """

    where: Model
    unit: Unit
    hook: Hook
    task: Task | None = None
    changes: Changes = dataclasses.field(default_factory=Changes)
    commands: list[list[str]] = dataclasses.field(default_factory=list[list[str]])
    faults: list[str] = dataclasses.field(default_factory=list[str])
    reboot: str = ""
    status_set: bool = False
    process: int = 0
    id: str = ""
    begun: uniter.Begun = dataclasses.field(init=False)
    _cache: dict[tuple[int, str], dict[str, str]] = dataclasses.field(
        default_factory=dict[tuple[int, str], dict[str, str]], repr=False
    )

    def __post_init__(self) -> None:
        application = self.where.application_of(self.unit)
        self.begun = uniter.Begun.now(application)
        self.id = f"{self.unit.name}-{self.hook.name or 'run-commands'}-{secrets.token_hex(10)}"

    @property
    def application(self) -> model.Application:
        """The unit's application."""
        return self.where.application_of(self.unit)

    @property
    def config(self) -> dict[str, Value]:
        """The configuration as it was when the hook began."""
        return self.begun.config

    @property
    def is_leader(self) -> bool:
        """Whether the unit leads, at this moment."""
        return self.where.is_leader(self.unit)

    @property
    def label(self) -> str:
        """What runs, as the hook log names it."""
        if self.task:
            return f"{self.task.action}-action" if self.task.action else "exec"
        return self.hook.name

    def relations(self) -> list[Relation]:
        """The relations that the unit takes part in, up to the end of its relation-broken."""
        mine = self.where.relations_of(self.unit.application)
        local = self.unit.local.relations
        return [one for one in mine if one.id in local and not local[one.id].broken]

    def relation(self, text: str) -> Relation:
        """The relation that the text names, ``ID`` or ``ENDPOINT:ID``; none: the hook's own.

        The ID alone counts, as in Juju.

        Raises:
            errors.JujuError: if there is no such relation.
        """
        if not text and self.hook.relation_id is None:
            raise errors.JujuError("no relation id specified", errors.USAGE)
        wanted = text.rpartition(":")[2] if text else str(self.hook.relation_id)
        for one in self.relations():
            if str(one.id) == wanted:
                return one
        problem = "relation not found" if wanted.isdigit() else "invalid relation id"
        raise errors.JujuError(f'invalid value "{text}" for option -r: {problem}', errors.USAGE)

    def members(self, relation: Relation) -> list[str]:
        """The remote units that the hook sees: those told to the unit so far, and the current.

        A unit that departs is no member in its own relation-departed.
        """
        local = self.unit.local.relations[relation.id]
        names = set(local.members)
        if relation.id == self.hook.relation_id:
            if self.hook.kind == "relation-departed":
                names.discard(self.hook.remote_unit)
            elif self.hook.remote_unit:
                names.add(self.hook.remote_unit)
        return sorted(names)

    def own_settings(self, relation: Relation, *, application: bool) -> dict[str, str]:
        """The unit's or the application's own databag, with what the hook has written."""
        if application:
            bag = relation.applications[self.unit.application]
            written = self.changes.applications.get(relation.id, {})
        else:
            bag = relation.units[self.unit.name]
            written = self.changes.units.get(relation.id, {})
        return {key: text for key, text in (bag.values | written).items() if text}

    def remote_settings(self, relation: Relation, name: str) -> dict[str, str]:
        """A remote databag, as it was when the hook first read it."""
        bag = relation.units.get(name) if "/" in name else relation.applications.get(name)
        if bag is None:
            words = self.where.release.words
            app = name.partition("/")[0]
            unknown = words.databag_unit_unknown
            if app not in relation.applications:
                unknown = words.databag_application_unknown
            raise errors.JujuError(unknown.format(unit=name, app=app, key=relation.key))
        return self._cache.setdefault((relation.id, name), dict(bag.values))

    def secret_label(self, secret: Secret) -> str:
        """The owner's label, with what the hook has set."""
        change = self.changes.updated.get(secret.id)
        return secret.label if change is None or change.label is None else change.label

    def known_secret(self, uri: str) -> Secret | None:
        """A secret of the model, or one that this hook has created; None if there is none."""
        secret_id = secret_store.parse_uri(uri)
        return self.changes.created.get(secret_id) or self.where.secrets.get(secret_id)

    def refuse(self, problem: str) -> None:
        """Let the hook fail when it is committed; the first problem is told."""
        self.changes.refused = self.changes.refused or problem

    def commit(self) -> None:
        """Apply what the hook asked for, all of it or nothing.

        Raises:
            errors.CommitError: if something of it is refused now.
        """
        changes = self.changes
        refused = changes.refused or self._refused_grant()
        if refused:
            raise errors.CommitError(refused)
        for relation_id, values in changes.units.items():
            if relation := self.where.relations.get(relation_id):
                relation.units[self.unit.name].update(values)
        for relation_id, values in changes.applications.items():
            self._commit_application(relation_id, values)
        self._commit_secrets()
        if changes.ports is not None:
            self.unit.ports = changes.ports
        if changes.state is not None:
            self.unit.state = changes.state
        for name in changes.storage:
            life.add_storage(self.where, self.unit, self.application.charm.storage[name])

    def _refused_grant(self) -> str:
        if not self.where.release.grants_need_life:
            return ""
        scopes = {grant.relation_id for _, grant in self.changes.grants}
        for relation in self.where.relations.values():
            if relation.id in scopes and relation.life == model.DYING:
                return (
                    f'cannot grant access to secret in scope of "{relation.tag}" '
                    "which is not alive"
                )
        return ""

    def _commit_application(self, relation_id: int, values: dict[str, str]) -> None:
        """Write the application's databag; in Juju 3.6 a leader does not hear itself."""
        if relation := self.where.relations.get(relation_id):
            bag = relation.applications[self.unit.application]
            told = not relation.is_peer or self.where.release.leader_hears_itself
            if bag.update(values) and not told:
                self.unit.local.relations[relation_id].application_version = bag.version

    def _commit_secrets(self) -> None:
        """Apply the changes of secrets in Juju's order."""
        changes, known = self.changes, self.where.secrets
        known.update(changes.created)
        for secret_id, change in changes.updated.items():
            if secret := known.get(secret_id):
                _update_secret(secret, self.unit, change)
        for secret_id, grant in changes.grants:
            if secret_id in known and grant.relation_id in self.where.relations:
                known[secret_id].grants[grant.subject] = grant
        for secret_id, subject, relation_id in changes.revokes:
            if secret := known.get(secret_id):
                _revoke(secret, subject, relation_id)
        for secret_id, revision in changes.removed:
            if secret := known.get(secret_id):
                secret_store.remove(self.where, secret, revision)


def _update_secret(secret: Secret, unit: Unit, change: SecretChange) -> None:
    if change.content is not None:
        secret_store.add_revision(secret, change.content)
    if change.track and unit.name in secret.consumers:
        secret.consumers[unit.name].revision = secret.latest
    secret.label = secret.label if change.label is None else change.label
    if change.description is not None:
        secret.description = change.description
    secret.expires = change.expires or secret.expires
    if change.rotate and change.rotate != secret.rotate:
        secret.rotate = change.rotate
        secret.rotates = secret_store.next_rotation(secret.rotate, model.now())
    secret.updated = model.now()


def _revoke(secret: Secret, subject: str | None, relation_id: int | None) -> None:
    for grant in list(secret.grants.values()):
        if subject in (None, grant.subject) and relation_id in (None, grant.relation_id):
            del secret.grants[grant.subject]

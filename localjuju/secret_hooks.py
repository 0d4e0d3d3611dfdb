"""What a unit is told of secrets: of new revisions that it reads, and of those that it owns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from localjuju import model, secret_store
from localjuju.model import Hook

if TYPE_CHECKING:
    from collections.abc import Iterator

    from localjuju.model import Model, Secret, Unit
    from localjuju.secret_store import Reader


def pending(where: Model, unit: Unit) -> Iterator[Hook]:
    """The hooks that tell the unit of secrets which it reads or owns."""
    for secret in where.secrets.values():
        yield from _changed(where, unit, secret, unit)
        if secret.owner in _owners(where, unit):
            yield from _owned(unit, secret)
    for secret, reader in secret_store.of_other_models(where, unit):
        yield from _changed(where, unit, secret, reader)


def _changed(where: Model, unit: Unit, secret: Secret, reader: Reader) -> Iterator[Hook]:
    consumer = secret.consumers.get(reader.name)
    told = unit.local.notified.get(secret.id, 0)
    behind = consumer is not None and max(consumer.revision, told) < secret.latest
    reads = where.release.refused_readers_track or secret_store.can_read(secret, reader)
    if consumer and behind and reads:
        owned = secret.label if secret_store.is_owner(secret, reader) else ""
        label = consumer.label or owned
        yield _hook("secret-changed", secret.id, label, secret.latest)


def _owned(unit: Unit, secret: Secret) -> Iterator[Hook]:
    """What the owner is told of its secret: what expired, is nobody's any more, is to rotate."""
    if secret.expires and secret.expires <= model.now():
        yield _hook("secret-expired", secret.id, secret.label, secret.latest)
    for number in secret_store.obsolete(secret):
        if (secret.id, number) not in unit.local.obsolete:
            yield _hook("secret-remove", secret.id, secret.label, number)
    if secret.rotates and secret.rotates <= model.now():
        yield _hook("secret-rotate", secret.id, secret.label, secret.latest)


def _owners(where: Model, unit: Unit) -> set[str]:
    return {unit.name, unit.application} if where.is_leader(unit) else {unit.name}


def _hook(kind: str, secret_id: str, label: str, revision: int) -> Hook:
    return Hook(kind, kind, secret_id=secret_id, secret_label=label, secret_revision=revision)

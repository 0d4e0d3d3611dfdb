"""The hooks of secrets: which of them a unit is to run, and what is remembered of it."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from localjuju import model, secret_store
from localjuju.model import Hook

if TYPE_CHECKING:
    from collections.abc import Iterator

    from localjuju.model import Model, Secret, Unit
    from localjuju.secret_store import Reader

_JUST_NOW = dt.timedelta(seconds=1)


def commit(where: Model, unit: Unit, hook: Hook) -> None:
    """Remember a secret's hook that ended well."""
    local, secret = unit.local, where.secrets.get(hook.secret_id)
    if hook.kind == "secret-changed":
        local.notified[hook.secret_id] = hook.secret_revision
    elif hook.kind == "secret-remove":
        local.obsolete.add((hook.secret_id, hook.secret_revision))
    elif secret and hook.kind == "secret-expired":
        secret.expires = None
    elif secret:
        secret.rotates = secret_store.next_rotation(secret.rotate, model.now())


def pending(where: Model, unit: Unit) -> Iterator[Hook]:
    """What a unit is to be told of secrets: of those that it reads, and of those that it owns."""
    for secret in where.secrets.values():
        yield from _changed(where, secret, unit, unit)
        if secret.owner in _owners(where, unit):
            yield from _owned(unit, secret)
    for secret, reader in secret_store.of_other_models(where, unit):
        yield from _changed(where, secret, unit, reader)


def _changed(where: Model, secret: Secret, unit: Unit, reader: Reader) -> Iterator[Hook]:
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


def times(where: Model) -> Iterator[dt.datetime]:
    """When secrets expire or are to be rotated: to come, or so near that it is not told yet.

    What is past for longer waits for a unit in error or on its way, and needs no clock.
    """
    for secret in where.secrets.values() if where.units else ():
        for moment in (secret.expires, secret.rotates):
            if moment and moment > model.now() - _JUST_NOW:
                yield moment

"""Secrets: who owns, reads and tracks which revision.

Sources: https://documentation.ubuntu.com/juju/3.6/reference/secret/ and the hook commands'
reference. Owners read like consumers (Juju 3.3.1 and later): each unit tracks the revision it
first read. A revision is obsolete when it is not the newest and nobody tracks it.
"""

from __future__ import annotations

import base64
import binascii
import calendar
import dataclasses
import datetime as dt
import hashlib
import itertools
import json
import os
import re
import time
from typing import TYPE_CHECKING, Any, Literal, Protocol

import yaml

from localjuju import errors, flags, model

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from localjuju.model import Model, Secret, Unit

_Loader: type[yaml.BaseLoader] = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
_DIGITS = "0123456789abcdefghijklmnopqrstuv"
_ID = re.compile(r"[0-9a-v]{20}")
_KEY = re.compile(r"[a-z](-?[a-z0-9]){2,}")
_URI = re.compile(r"(?:secret:)?(?://(?P<model>[0-9a-f-]{36})/)?(?P<id>[0-9a-v]{20})")

_MONTHS = {"monthly": 1, "quarterly": 3, "yearly": 12}
_PERIODS = {
    "daily": dt.timedelta(days=1),
    "hourly": dt.timedelta(hours=1),
    "weekly": dt.timedelta(weeks=1),
}
ROTATE_POLICIES = {"never", *_MONTHS, *_PERIODS}

_counter = itertools.count(int.from_bytes(os.urandom(2), "big"))
_machine = os.urandom(5)


class Reader(Protocol):
    """Whoever may read a secret: a unit of the secret's model, or one of another model."""

    @property
    def name(self) -> str:
        """The unit's name, as the secret's model knows it."""
        ...

    @property
    def application(self) -> str:
        """The name of its application, likewise."""
        ...


@dataclasses.dataclass(frozen=True)
class FarUnit:
    """A unit of another model.

    Attributes:
        name: its name, as the secret's model knows it.
        application: the name of its application, likewise.
    """

    name: str
    application: str


def new_id() -> str:
    """Make an ID as Juju does: an xid, 12 bytes in 20 digits of base32hex."""
    raw = int(time.time()).to_bytes(4, "big") + _machine
    raw += (next(_counter) % (1 << 24)).to_bytes(3, "big")
    number = int.from_bytes(raw, "big") << 4
    return "".join(_DIGITS[number >> shift & 31] for shift in range(95, -1, -5))


def parse_uri(text: str) -> str:
    """Read a secret's ID from any of its spellings.

    Raises:
        errors.JujuError: if the text names no secret.
    """
    match = _URI.fullmatch(text)
    if not match:
        raise errors.JujuError(f'secret URI "{text}" not valid', errors.USAGE)
    return match["id"]


def to_uri(where: Model, secret_id: str) -> str:
    """The URI by which a unit of the model reads a secret: of another model, with that model."""
    for other in where.models.values():
        if other is not where and secret_id in other.secrets:
            return f"secret://{other.uuid}/{secret_id}"
    return f"secret:{secret_id}"


def parse_content(words: list[str], file: str, read: Callable[[str], bytes]) -> dict[str, str]:
    """Read a content: ``key=value``, ``key#base64=…``, ``key#file=PATH``, or a YAML file of them.

    Args:
        words: the arguments, which win over the file.
        file: the path of the YAML file, or nothing.
        read: gives the bytes of a file that the caller names.

    Raises:
        errors.JujuError: if a word or a key is malformed or a value is empty.
    """
    given = read_map(read(file)) if file else {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not value:
            raise errors.JujuError(f'key value "{word}" not valid', errors.USAGE)
        given[name] = value
    content: dict[str, str] = {}
    for name, value in given.items():
        key, _, kind = name.partition("#")
        if not _KEY.fullmatch(key) or kind not in ("", "base64", "file"):
            raise errors.JujuError(f'key "{name}" not valid', errors.USAGE)
        content[key] = _decode(key, kind, value, read)
    return content


def read_map(content: bytes) -> dict[str, str]:
    """Read a YAML file that maps names to strings, each as it is written, numbers too.

    Raises:
        errors.JujuError: if it is none; no value is ever named.
    """
    try:
        loaded: Any = yaml.load(content, Loader=_Loader) or {}  # noqa: S506
        found: dict[str, Any] = dict(loaded.items())
    except (AttributeError, yaml.YAMLError):
        found = {"": None}
    if not all(isinstance(one, str) for one in found.values()):
        raise errors.JujuError("cannot parse the file as a YAML map of strings")
    return found


def _decode(key: str, kind: str, value: str, read: Callable[[str], bytes]) -> str:
    if kind == "file":
        return read(value).decode(errors="replace")
    if kind == "base64":
        try:
            return base64.b64decode(value, validate=True).decode(errors="replace")
        except binascii.Error:
            raise errors.JujuError(f'secret value of key "{key}" is no base64') from None
    return value


def expiry(text: str) -> dt.datetime:
    """Read the moment that ``--expire`` names: a duration from now, or a time in RFC 3339.

    Raises:
        errors.JujuError: if it is neither, or past.
    """
    try:
        moment = model.now() + flags.duration(text)
    except errors.JujuError:
        moment = _time(text)
    if moment is None or moment <= model.now():
        raise errors.JujuError(f'expire time or duration "{text}" not valid', errors.USAGE)
    return moment


def _time(text: str) -> dt.datetime | None:
    try:
        moment = dt.datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=dt.timezone.utc)


def next_rotation(policy: str, last: dt.datetime) -> dt.datetime | None:
    """When a secret is to be rotated that was rotated at a moment, by its policy."""
    if policy in _PERIODS:
        return last + _PERIODS[policy]
    if policy not in _MONTHS:
        return None
    years, month = divmod(last.month - 1 + _MONTHS[policy], 12)
    year, month = last.year + years, month + 1
    days = calendar.monthrange(year, month)[1]
    return last.replace(year=year, month=month, day=min(last.day, days))


def checksum(content: dict[str, str]) -> str:
    """The digest by which Juju knows that a new content is the old one."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def find(where: Model, uri: str) -> Secret:
    """The secret with this URI.

    Raises:
        errors.JujuError: if there is none.
    """
    secret_id = parse_uri(uri)
    if secret_id not in where.secrets:
        raise errors.JujuError(where.release.words.secret_unknown.format(id=secret_id))
    return where.secrets[secret_id]


def find_readable(where: Model, unit: Unit, uri: str) -> tuple[Secret, Reader]:
    """The secret with this URI, of whichever model, and what the unit is in that model.

    Raises:
        errors.JujuError: if there is none, or if its model does not know the unit.
    """
    match = _URI.fullmatch(uri)
    named = (match["model"] if match else None) or where.uuid
    if named == where.uuid:
        return find(where, uri), unit
    other = next((one for one in where.models.values() if one.uuid == named), None)
    if other is None:
        raise errors.JujuError(where.release.words.secret_unknown.format(id=parse_uri(uri)))
    secret = find(other, uri)
    readers = list(_as_known_in(other, where, unit))
    if not readers:
        raise errors.JujuError(where.release.words.secret_denied.format(unit=unit.name))
    return secret, next((one for one in readers if can_read(secret, one)), readers[0])


def of_other_models(where: Model, unit: Unit) -> Iterator[tuple[Secret, Reader]]:
    """The secrets of models that know the unit, each with what the unit is there."""
    for other in where.models.values():
        for reader in _as_known_in(other, where, unit):
            for secret in other.secrets.values():
                yield secret, reader


def _as_known_in(other: Model, where: Model, unit: Unit) -> Iterator[Reader]:
    for remote in other.remotes.values():
        if remote.where is where and remote.application == unit.application:
            yield FarUnit(f"{remote.name}/{unit.number}", remote.name)


def by_name(where: Model, identifier: str) -> Secret | None:
    """The secret with a URI, or the user's with a name."""
    for secret in where.secrets.values():
        named = not secret.owner and secret.label == identifier
        if named or (_URI.fullmatch(identifier) and secret.id == parse_uri(identifier)):
            return secret
    return None


def owned_by(where: Model, unit: Unit) -> list[Secret]:
    """The secrets that the unit or its application owns."""
    owners = (unit.name, unit.application)
    return [secret for secret in where.secrets.values() if secret.owner in owners]


def is_owner(secret: Secret, unit: Reader) -> bool:
    """Whether the secret belongs to the unit or to its application."""
    return secret.owner in (unit.name, unit.application)


def manages(where: Model, secret: Secret, unit: Unit) -> bool:
    """Whether the unit may change the secret: its own, or its application's as the leader."""
    return secret.owner == unit.name or (
        secret.owner == unit.application and where.is_leader(unit)
    )


def can_read(secret: Secret, unit: Reader) -> bool:
    """Whether the unit may read: it or its application owns the secret, or has a grant."""
    granted = unit.name in secret.grants or unit.application in secret.grants
    return granted or is_owner(secret, unit)


def by_label(where: Model, unit: Unit, label: str) -> tuple[Secret, Reader] | None:
    """The secret that the unit knows by a label of its own."""
    own = ((secret, unit) for secret in where.secrets.values())
    for secret, reader in (*own, *of_other_models(where, unit)):
        if reader.name in secret.consumers and secret.consumers[reader.name].label == label:
            return secret, reader
    return None


def read(
    where: Model,
    secret: Secret,
    unit: Reader,
    *,
    label: str = "",
    how: Literal["", "peek", "refresh"] = "",
) -> dict[str, str]:
    """Read a secret as ``secret-get`` does, and remember the revision that the unit tracks.

    The unit tracks the newest revision from its first read on, whether it peeks or not, and
    moves only on a refresh. A label becomes the unit's own for the secret.

    Raises:
        errors.JujuError: if the unit may not read, or the revision is removed.
    """
    denied = not can_read(secret, unit)
    if denied and not where.release.refused_readers_track:
        raise errors.JujuError(where.release.words.secret_denied)
    consumer = secret.consumers.get(unit.name)
    if consumer is None:
        consumer = secret.consumers[unit.name] = model.Consumer(secret.latest)
    elif how == "refresh":
        consumer.revision = secret.latest
    consumer.label = label or consumer.label
    if denied:
        raise errors.JujuError(where.release.words.secret_denied.format(unit=unit.name))
    wanted = secret.latest if how == "peek" else consumer.revision
    if wanted not in secret.revisions:
        raise errors.JujuError(f'secret revision "{secret.id}/{wanted}" not found')
    return dict(secret.revisions[wanted].content)


def add_revision(secret: Secret, content: dict[str, str]) -> bool:
    """Add a revision unless the content is that of the newest one; tell whether it was added."""
    newest = secret.revisions.get(secret.latest)
    if newest and newest.content == content:
        return False
    secret.latest += 1
    secret.revisions[secret.latest] = model.Revision(secret.latest, content)
    secret.updated = model.now()
    prune(secret)
    return True


def obsolete(secret: Secret) -> Iterator[int]:
    """The revisions that are superseded and that nobody tracks."""
    tracked = {consumer.revision for consumer in secret.consumers.values()}
    return (number for number in secret.revisions if number not in {*tracked, secret.latest})


def prune(secret: Secret) -> None:
    """Drop the obsolete revisions of a user secret that asks for it."""
    for number in list(obsolete(secret)) if secret.auto_prune else []:
        del secret.revisions[number]


def remove(where: Model, secret: Secret, revision: int | None = None) -> None:
    """Remove one revision, or the secret; without revisions nothing of it stays."""
    if revision is not None:
        secret.revisions.pop(revision, None)
    if revision is None or not secret.revisions:
        where.secrets.pop(secret.id, None)


def forget_unit(where: Model, unit: Unit) -> None:
    """Let go of all that a removed unit owned, read or was granted."""
    _forget_owner(where, unit.name)
    own = ((secret, unit) for secret in where.secrets.values())
    for secret, reader in (*own, *of_other_models(where, unit)):
        secret.consumers.pop(reader.name, None)
        prune(secret)


def forget_application(where: Model, application: str) -> None:
    """Let go of all that a removed application owned or was granted."""
    _forget_owner(where, application)


def forget_remote(where: Model, application: str) -> None:
    """Let go of all that an application of another model has read or was granted."""
    for secret in where.secrets.values():
        secret.grants.pop(application, None)
        for name in [one for one in secret.consumers if one.partition("/")[0] == application]:
            del secret.consumers[name]
        prune(secret)


def forget_relation(where: Model, relation_id: int) -> None:
    """End the grants that a removed relation gave."""
    for secret in where.secrets.values():
        for grant in [one for one in secret.grants.values() if one.relation_id == relation_id]:
            del secret.grants[grant.subject]


def _forget_owner(where: Model, owner: str) -> None:
    for secret in [one for one in where.secrets.values() if one.owner == owner]:
        del where.secrets[secret.id]
    for secret in where.secrets.values():
        secret.grants.pop(owner, None)

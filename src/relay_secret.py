"""The application's own secrets: what requirers authenticate to the relay with.

One is for a password, and its content is exactly `{"password": "…"}`; the other is for OAuth, and
has the keys of the user's secret. Each lives for as long as there is something to put into it.
Requirers get its ID from the relation, and their grant ends with the relation. Only the leader
calls the functions that write: what Juju 4.0 does not allow, it refuses when the hook is
committed, and then the whole hook is lost.
"""

from __future__ import annotations

import contextlib
import dataclasses
from typing import TYPE_CHECKING

import ops

if TYPE_CHECKING:
    from collections.abc import Mapping

PASSWORD = "relay-password"  # noqa: S105 - a label
OAUTH = "relay-oauth"
PEERS = "smtp-peers"

# Where revisions of the charm before the label kept the password's secret's ID, with the peers.
_OLD_KEY = "secret-id"


@dataclasses.dataclass(frozen=True)
class Published:
    """A secret as requirers can get it.

    Attributes:
        label: Its label.
        secret: The secret, to grant.
        id: Its URI, always spelled `secret://MODEL-UUID/ID`, which other models can read too.
        is_new: Whether this call made the secret or a revision of it.
    """

    label: str
    secret: ops.Secret
    id: str
    is_new: bool


def unread(
    model: ops.Model,
    *,
    id: str | None = None,  # noqa: A002 - ops' name
    label: str | None = None,
) -> ops.Secret:
    """Return a secret of which nothing is read yet.

    `ops.Model.get_secret` reads the revision that is tracked, which may be gone while a newer one
    is there; and `ops.hookcmds` reads past the model that `ops.testing` simulates.

    Args:
        model: The model.
        id: The secret's ID, in any spelling.
        label: Its label, where no ID is given.
    """
    return ops.Secret(model._backend, id=id, label=label)  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]


def publish(model: ops.Model, label: str, content: Mapping[str, str]) -> Published:
    """Make the secret, or a new revision of it where the content differs from the newest one.

    Args:
        model: The model, of a leader.
        label: The secret's label, `PASSWORD` or `OAUTH`.
        content: What requirers shall read.

    Returns:
        The secret, ready to be granted.
    """
    secret = _find(model, label)
    content = dict(content)
    if secret is None:
        secret = model.app.add_secret(content, label=label)
        return Published(label, secret, _uri(model, secret.id or ""), is_new=True)
    is_new = secret.get_content() != content
    if is_new:
        secret.set_content(content)
        track_newest(secret)
    # A secret that was found by its label learns its ID when it is first needed.
    return Published(label, secret, _uri(model, secret.id or secret.get_info().id), is_new=is_new)


def track_newest(secret: ops.Secret) -> None:
    """Let go of superseded revisions: one that any unit of ours tracks is never removed.

    Args:
        secret: A secret that changed; one that cannot be read is left alone.
    """
    # Juju 4.0 tells of changes also those who tried to read a secret and were refused.
    with contextlib.suppress(ops.ModelError):
        secret.get_content(refresh=True)


def remove_revision(secret: ops.Secret, revision: int) -> None:
    """Remove a revision that Juju says nobody tracks any longer.

    Args:
        secret: The secret; one that is gone, or another's, is left alone.
        revision: The revision; it may be gone too.
    """
    with contextlib.suppress(ops.SecretNotFoundError):
        # Only its owner gets this answer; what others remove fails the hook when it is committed.
        secret.get_info()
        secret.remove_revision(revision)


def withdraw(model: ops.Model, label: str) -> None:
    """Remove the secret, with all its revisions and grants, if there is one.

    Args:
        model: The model, of a leader.
        label: The secret's label, `PASSWORD` or `OAUTH`.
    """
    secret = _find(model, label)
    if secret is not None:
        secret.remove_all_revisions()
    peers = model.get_relation(PEERS) if label == PASSWORD else None
    if peers is not None:
        peers.data[model.app].pop(_OLD_KEY, None)


def _find(model: ops.Model, label: str) -> ops.Secret | None:
    """Return our secret with the content of its newest revision, which is tracked then."""
    secret = unread(model, label=label)
    try:
        secret.get_content(refresh=True)
    except ops.SecretNotFoundError:
        return _adopt(model) if label == PASSWORD else None
    return secret


def _adopt(model: ops.Model) -> ops.Secret | None:
    """Take over the unlabelled secret of a charm revision before the label."""
    peers = model.get_relation(PEERS)
    secret_id = peers.data[model.app].get(_OLD_KEY) if peers is not None else None
    if not secret_id:
        return None
    secret = unread(model, id=secret_id)
    try:
        # As in `remove_revision`.
        secret.get_info()
        secret.get_content(refresh=True)
    except ops.SecretNotFoundError:
        return None
    secret.set_info(label=PASSWORD)
    return secret


def _uri(model: ops.Model, secret_id: str) -> str:
    return f"secret://{model.uuid}/{secret_id.removeprefix('secret:').rpartition('/')[2]}"

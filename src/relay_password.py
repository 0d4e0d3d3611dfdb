"""The password's secret: owned by the application, one for as long as there is a password.

Its content is exactly `{"password": "…"}`. Requirers get its ID from the relation, and their grant
ends with the relation. Only the leader calls these functions.
"""

from __future__ import annotations

import dataclasses

import ops

LABEL = "relay-password"
PEERS = "smtp-peers"

_KEY = "password"
# Where revisions of the charm before the label kept the secret's ID, in the peer relation.
_OLD_KEY = "secret-id"


@dataclasses.dataclass(frozen=True)
class Published:
    """The password as requirers can get it.

    Attributes:
        secret: The secret, to grant.
        id: Its URI, always spelled `secret:ID`.
        is_new: Whether this call made the secret or a revision of it.
    """

    secret: ops.Secret
    id: str
    is_new: bool


def publish(model: ops.Model, password: str) -> Published:
    """Make the secret, or a new revision of it where the password differs from the newest one.

    Args:
        model: The model, of a leader that has caught up.
        password: The password that requirers shall use.

    Returns:
        The secret, ready to be granted.
    """
    secret = _find(model)
    content = {_KEY: password}
    if secret is None:
        secret = model.app.add_secret(content, label=LABEL)
        return Published(secret, _uri(secret.id or ""), is_new=True)
    is_new = secret.get_content() != content
    if is_new:
        secret.set_content(content)
        track_newest(secret)
    # A secret that was found by its label learns its ID when it is first needed.
    return Published(secret, _uri(secret.id or secret.get_info().id), is_new=is_new)


def catch_up(model: ops.Model) -> None:
    """Track the newest revision, which another leader may have made.

    Args:
        model: The model, of a leader that is new.
    """
    secret = _find(model)
    if secret is not None:
        track_newest(secret)


def track_newest(secret: ops.Secret) -> None:
    """Let go of superseded revisions: one that any unit of ours tracks is never removed."""
    secret.get_content(refresh=True)


def withdraw(model: ops.Model) -> None:
    """Remove the secret, with all its revisions and grants, if there is one.

    Args:
        model: The model, of a leader.
    """
    secret = _find(model)
    if secret is not None:
        secret.remove_all_revisions()
    peers = model.get_relation(PEERS)
    if peers is not None:
        peers.data[model.app].pop(_OLD_KEY, None)


def _find(model: ops.Model) -> ops.Secret | None:
    try:
        return model.get_secret(label=LABEL)
    except ops.SecretNotFoundError:
        return _adopt(model)


def _adopt(model: ops.Model) -> ops.Secret | None:
    """Take over the unlabelled secret of a charm revision before the label."""
    peers = model.get_relation(PEERS)
    secret_id = peers.data[model.app].get(_OLD_KEY) if peers is not None else None
    if not secret_id:
        return None
    try:
        secret = model.get_secret(id=secret_id)
    except ops.SecretNotFoundError:
        return None
    secret.set_info(label=LABEL)
    track_newest(secret)
    return secret


def _uri(secret_id: str) -> str:
    """Spell a secret's URI as `secret:ID`; `secret://MODEL/ID` is the same one."""
    return f"secret:{secret_id.removeprefix('secret:').rpartition('/')[2]}"

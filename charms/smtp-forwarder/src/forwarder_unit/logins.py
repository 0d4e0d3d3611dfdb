"""A user and a password for each relation, in a secret that its applications alone can read.

Only the leader calls these functions.
"""

import contextlib
import dataclasses
import secrets

import ops

_KEY = "password"
_PASSWORD_BYTES = 24


@dataclasses.dataclass(frozen=True)
class Login:
    """What a related application authenticates with, and where it comes from.

    Attributes:
        user: the user's name.
        password: the password.
        password_id: the URI of the secret, in the form that another model can read too.
        networks: where the application's units connect from, as far as Juju knows.
    """

    user: str
    password: str = dataclasses.field(repr=False)
    password_id: str
    networks: tuple[str, ...]


def ensure(model: ops.Model, relation: ops.Relation) -> Login:
    """Return a relation's login; at first, make it and grant its secret to the relation."""
    label = _label(relation)
    published = relation.data[model.app].get("password_id", "")
    try:
        secret = model.get_secret(label=label)
        password = secret.get_content()[_KEY]
    except ops.SecretNotFoundError:
        password = secrets.token_urlsafe(_PASSWORD_BYTES)
        secret = model.app.add_secret({_KEY: password}, label=label)
        secret.grant(relation)
        published = ""
    # A secret that was found by its label does not know its ID, and asking costs a process.
    password_id = published or _uri(model, secret.id or secret.get_info().id)
    return Login(label, password, password_id, _networks(relation))


def remove(model: ops.Model, relation: ops.Relation) -> None:
    """Remove a relation's secret, which nobody can read any more."""
    with contextlib.suppress(ops.SecretNotFoundError):
        model.get_secret(label=_label(relation)).remove_all_revisions()


def _label(relation: ops.Relation) -> str:
    return f"relay-{relation.id}"


def _uri(model: ops.Model, secret_id: str) -> str:
    """Spell a secret's ID so that it can be read in another model too."""
    return f"secret://{model.uuid}/{secret_id.removeprefix('secret:').rpartition('/')[2]}"


def _networks(relation: ops.Relation) -> tuple[str, ...]:
    found = {
        network.strip()
        for unit in relation.units
        for network in relation.data[unit].get("egress-subnets", "").split(",")
    }
    return tuple(sorted(found - {""}))

"""Relations between two models of the controller.

An offer shows endpoints of an application to other models. There it is consumed under a local
name, and related as if it were an application of that model; its units keep their numbers. The
offering model in turn knows each consumer as ``remote-`` and 32 hexadecimal digits. Each model
keeps a relation of its own, with its own ID, and both share the databags.

Source: https://documentation.ubuntu.com/juju/3.6/reference/relation/#cross-model-relation
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from localjuju import errors, life, model

if TYPE_CHECKING:
    from collections.abc import Mapping

    from localjuju.charm import Endpoint
    from localjuju.model import Model, Offer, Relation, RelationEnd, RemoteApplication

_URL = re.compile(
    r"(?:(?P<controller>[^:/]+):)?(?:(?P<owner>[^./:]+)/)?"
    r"(?P<model>[^./:]+)\.(?P<offer>[^./:]+)(?::(?P<endpoint>[^:]+))?"
)


def endpoints_of(where: Model, name: str) -> Mapping[str, Endpoint]:
    """The endpoints of an application that the model has or consumes.

    Raises:
        errors.JujuError: if it does neither.
    """
    if name in where.remotes:
        return where.remotes[name].endpoints
    if name in where.applications:
        return where.applications[name].charm.endpoints
    raise errors.JujuError(f'application "{name}" not found')


def find_offer(where: Model, url: str) -> tuple[Model, Offer]:
    """The offer with this URL, ``[CONTROLLER:][OWNER/]MODEL.OFFER``, and its model.

    Raises:
        errors.JujuError: if there is none.
    """
    match = _URL.fullmatch(url)
    if not match:
        raise errors.JujuError(f'application offer URL "{url}" is not valid')
    if match["controller"] not in (None, model.CONTROLLER):
        raise errors.JujuError(f"controller {match['controller']} not found")
    other = where.models.get(match["model"]) if match["owner"] in (None, "admin") else None
    if other is None or match["offer"] not in other.offers:
        raise errors.JujuError(f'application offer "{_short(url)}" not found')
    return other, other.offers[match["offer"]]


def consume(where: Model, url: str, alias: str = "") -> RemoteApplication:
    """Give an offer a name in the model; to do so again changes nothing.

    Raises:
        errors.JujuError: if there is no such offer, or the name is taken.
    """
    other, offer = find_offer(where, url)
    name = alias or offer.name
    known = where.remotes.get(name)
    if known and (known.where, known.offer) == (other, offer.name):
        return known
    if known:
        raise errors.JujuError(
            f'cannot add saas application "{name}": saas application already exists'
        )
    if name in where.applications:
        raise errors.JujuError(
            f'cannot add saas application "{name}": '
            "local application with same name already exists"
        )
    remote = model.RemoteApplication(name, other, offer.application, offer.endpoints, offer.name)
    where.remotes[name] = remote
    return remote


def localize(where: Model, text: str) -> str:
    """The application and endpoint that a word of ``integrate`` names; an offer is consumed."""
    match = _URL.fullmatch(text)
    if not match:
        return text
    remote = consume(where, text.removesuffix(f":{match['endpoint']}"))
    return f"{remote.name}:{match['endpoint']}" if match["endpoint"] else remote.name


def add_relation(where: Model, own: RelationEnd, theirs: RelationEnd) -> None:
    """Relate an application of the model to one that it consumes, in both models."""
    remote, application = where.remotes[theirs.application], where.applications[own.application]
    other, name = remote.where, f"remote-{application.uuid.replace('-', '')}"
    known = other.remotes.setdefault(
        name, model.RemoteApplication(name, where, application.name, {})
    )
    known.endpoints[own.endpoint.name] = own.endpoint
    near = life.add_relation(where, own, theirs)
    far = life.add_relation(
        other,
        model.RelationEnd(remote.application, theirs.endpoint),
        model.RelationEnd(name, own.endpoint),
    )
    far.applications = {
        remote.application: near.applications[remote.name],
        name: near.applications[application.name],
    }
    near.far = model.FarSide(other, far, remote.application)
    far.far = model.FarSide(where, near, application.name)


def connections(where: Model, offer: Offer) -> list[Relation]:
    """The relations through an offer, as they are in its model."""
    return [
        relation
        for relation in where.relations.values()
        if relation.far and _consumed(relation.far.where, relation.far.relation) == offer.name
    ]


def _consumed(where: Model, relation: Relation) -> str:
    """The name of the offer that a relation of the consuming model is with."""
    names = [end.application for end in relation.ends]
    return next((where.remotes[one].offer for one in names if one in where.remotes), "")


def withdraw(where: Model, offer: Offer) -> None:
    """Remove an offer with all relations through it."""
    for relation in connections(where, offer):
        relation.life = model.DYING
    del where.offers[offer.name]


def abandon(where: Model) -> None:
    """End all relations of a model that dies at once; its units run no more hooks."""
    for relation in where.relations.values():
        relation.life = model.DYING
        relation.scope.clear()
        if relation.far:
            relation.far.relation.life = model.DYING


def _short(url: str) -> str:
    return url.removeprefix(f"{model.CONTROLLER}:")

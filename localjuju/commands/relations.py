"""Commands on relations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from localjuju import cross_model, errors, flags, life, model
from localjuju.commands.registry import MODEL, Call, command

if TYPE_CHECKING:
    from localjuju.charm import Endpoint
    from localjuju.model import Model, Relation, RelationEnd

_Pair = tuple["RelationEnd", "RelationEnd"]


@command("integrate", MODEL, "relate")
def integrate(call: Call) -> None:
    """Relate two applications, at the one pair of endpoints that fits; one may be an offer."""
    call.at_most(2)
    where = call.living_model()
    first, last = _two(call)
    with where.lock:
        first, last = cross_model.localize(where, first), cross_model.localize(where, last)
        _check_known(where, first, last)
        pair = _infer(where, first, last)
        _check_new(where, pair)
        _add(where, pair)
        life.settle(where)


@command("remove-relation", MODEL | {"force": flags.BOOL})
def remove_relation(call: Call) -> None:
    """End a relation, named by its two ends or by its ID."""
    call.at_most(2)
    where = call.model()
    with where.lock:
        for relation in _find(call, where):
            relation.life = model.DYING
        life.settle(where)


def _add(where: Model, pair: _Pair) -> None:
    own = [end for end in pair if end.application in where.applications]
    remote = [end for end in pair if end.application in where.remotes]
    if not own:
        raise errors.JujuError("no relations found")
    if remote:
        cross_model.add_relation(where, own[0], remote[0])
    else:
        life.add_relation(where, *pair)


def _two(call: Call) -> tuple[str, str]:
    if len(call.words) != 2:  # noqa: PLR2004 - a relation has two ends
        raise errors.JujuError("a relation must involve two applications", errors.USAGE)
    return call.words[0], call.words[1]


def _infer(where: Model, first: str, last: str) -> _Pair:
    """The pair of endpoints that fits; implicit ones count where no other does."""
    pairs = [
        (left, right)
        for left in _ends(where, first)
        for right in _ends(where, last)
        if _fits(left.endpoint, right.endpoint)
    ]
    explicit = [one for one in pairs if not any(end.endpoint.implicit for end in one)]
    pairs = explicit or pairs
    words = where.release.words
    if not pairs:
        raise errors.JujuError(words.endpoints_unfit.format(first=first, last=last))
    if len(pairs) > 1:
        choices = "; ".join(sorted(f'"{left} {right}"' for left, right in pairs))
        raise errors.JujuError(
            words.endpoints_ambiguous.format(first=first, last=last, choices=choices)
        )
    return pairs[0]


def _check_known(where: Model, first: str, last: str) -> None:
    words = where.release.words
    for end in (first, last):
        name, colon, endpoint = end.partition(":")
        about = {"app": name, "end": end, "endpoint": endpoint, "first": first, "last": last}
        if name not in where.applications and name not in where.remotes:
            raise errors.JujuError(words.application_unknown.format(**about))
        if colon and endpoint not in cross_model.endpoints_of(where, name):
            raise errors.JujuError(words.endpoint_unknown.format(**about))


def _ends(where: Model, text: str) -> list[RelationEnd]:
    name, colon, endpoint = text.partition(":")
    declared = cross_model.endpoints_of(where, name)
    wanted = [declared[endpoint]] if colon else list(declared.values())
    return [model.RelationEnd(name, one) for one in wanted]


def _fits(left: Endpoint, right: Endpoint) -> bool:
    return left.interface == right.interface and {left.role, right.role} == {
        "provider",
        "requirer",
    }


def _check_new(where: Model, pair: _Pair) -> None:
    key = model.Relation(-1, pair).key
    if any(one.key == key for one in where.relations.values()):
        exists = where.release.words.relation_exists
        raise errors.JujuError(exists.format(key=key, first=pair[0], last=pair[1]))
    for end in pair:
        application = where.applications.get(end.application) or where.remotes[end.application]
        if application.life != model.ALIVE:
            raise errors.JujuError(
                f'cannot add relation "{key}": application "{application.name}" is not alive'
            )
        _check_limit(where, end, key)
        if isinstance(application, model.RemoteApplication):
            far = model.RelationEnd(application.application, end.endpoint)
            _check_limit(application.where, far, key)
    if pair[0].application == pair[1].application:
        raise errors.JujuError(f'cannot add relation "{key}": an application relates to another')
    _check_container(where, pair, key)


def _check_limit(where: Model, end: RelationEnd, key: str) -> None:
    used = [
        one
        for one in where.relations_of(end.application)
        if str(end) in [str(known) for known in one.ends]
    ]
    if end.endpoint.limit and len(used) >= end.endpoint.limit:
        raise errors.JujuError(
            f'cannot add relation "{key}": establishing a new relation for {end} would exceed '
            f"its maximum relation limit of {end.endpoint.limit} (quota limit exceeded)"
        )


def _check_container(where: Model, pair: _Pair, key: str) -> None:
    container = any(end.endpoint.scope == "container" for end in pair)
    known = [where.applications.get(end.application) for end in pair]
    subordinate = all(known) and any(one.charm.subordinate for one in known if one)
    if container and not subordinate:
        raise errors.JujuError(
            f'cannot add relation "{key}": container scoped relation requires at least one '
            "subordinate application"
        )


def _find(call: Call, where: Model) -> list[Relation]:
    if len(call.words) == 1 and call.words[0].isdigit():
        relation = where.relations.get(int(call.words[0]))
        if relation is None or relation.is_peer:
            raise errors.JujuError(f"relation {call.words[0]} not found")
        return [relation]
    first, last = _two(call)
    found = [one for one in where.relations.values() if _is_between(one, first, last)]
    if not found:
        unknown = where.release.words.relation_unknown
        raise errors.JujuError(unknown.format(first=first, last=last))
    if len(found) > 1:
        choices = "; ".join(sorted(f'"{one.key}"' for one in found))
        raise errors.JujuError(f'ambiguous relation: "{first} {last}" could refer to {choices}')
    return found


def _is_between(relation: Relation, first: str, last: str) -> bool:
    names = [{end.application, str(end)} for end in relation.ends]
    return not relation.is_peer and any(
        first in left and last in right for left, right in (names, names[::-1])
    )

"""Commands on offers, and on the applications that are consumed from other models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from localjuju import cross_model, errors, flags, life, model, output
from localjuju.commands.finding import find_application, is_application_name
from localjuju.commands.registry import FORMAT, MODEL, Call, command

if TYPE_CHECKING:
    from localjuju.model import Model, Offer

_CONTROLLER = {"c,controller": flags.TEXT}


@command("consume", MODEL)
def consume(call: Call) -> None:
    """Give an offer of another model a name in this one."""
    call.at_most(2)
    where, url = call.living_model(), call.word(0, "no remote offer specified")
    with where.lock:
        alias = call.words[1] if len(call.words) > 1 else ""
        remote = cross_model.consume(where, url, alias)
        life.settle(where)
    path = remote.url.removeprefix(f"{model.CONTROLLER}:")
    call.stderr += f"Added {path} as {remote.name}\n"


@command("find-offers", FORMAT | {"interface": flags.TEXT, "offer": flags.TEXT, "url": flags.TEXT})
def find_offers(call: Call) -> str:
    """List the offers of a model, or of all."""
    call.at_most(1)
    text, given = call.parsed.text("url"), call.words[0] if call.words else ""
    if text and given:
        raise errors.JujuError("URL term cannot be specified twice", errors.USAGE)
    path = (text or given).rpartition(":")[2].rpartition("/")[2]
    model_name, _, name = path.partition(".")
    if path and call.parsed.text("offer"):
        raise errors.JujuError("cannot specify both a URL term and offer term", errors.USAGE)
    found = {
        _url(where, one): _describe(one)
        for where in list(call.controller.models.values())
        if model_name in ("", where.name)
        for one in list(where.offers.values())
        if (name or call.parsed.text("offer")) in ("", one.name)
        and call.parsed.text("interface") in ("", *_interfaces(one))
    }
    if not found:
        raise errors.JujuError("no matching application offers found")
    if form := call.parsed.text("format"):
        return output.show(found, form)
    rows = [("Store", "URL", "Access", "Interfaces")]
    for url, about in found.items():
        store, _, path = url.partition(":")
        interfaces = [f"{one['interface']}:{name}" for name, one in about["endpoints"].items()]
        rows.append((store, path, about["access"], ", ".join(interfaces)))
    return output.table(rows)


def _interfaces(offer: Offer) -> set[str]:
    return {one.interface for one in offer.endpoints.values()}


def _url(where: Model, offer: Offer) -> str:
    return f"{model.CONTROLLER}:admin/{where.name}.{offer.name}"


def _describe(offer: Offer) -> dict[str, Any]:
    return {
        "access": "admin",
        "endpoints": {
            one.name: {"interface": one.interface, "role": one.role}
            for one in offer.endpoints.values()
        },
        "users": {"admin": {"display-name": "admin", "access": "admin"}},
    }


@command("offer", _CONTROLLER)
def offer(call: Call) -> None:
    """Offer endpoints of an application to other models: ``[MODEL.]APP:ENDPOINT[,…]``."""
    call.at_most(2)
    text = call.word(0, "an offer must at least specify application endpoint")
    path, colon, names = text.rpartition(":")
    if not colon or not names:
        raise errors.JujuError(
            'endpoints must conform to format "<application-name>:<endpoint-name>[,...]"',
            errors.USAGE,
        )
    model_name, _, application_name = path.rpartition(".")
    where = call.controller.find_model(model_name or call.default_model)
    with where.lock:
        application = find_application(where, application_name)
        if application.life != model.ALIVE:
            raise errors.JujuError(
                f'cannot add application offer: application "{application_name}" is not alive'
            )
        endpoints = application.charm.endpoints
        wanted = list(dict.fromkeys(names.split(",")))
        for name in wanted:
            if name not in endpoints or endpoints[name].role == "peer":
                raise errors.JujuError(
                    f'cannot add application offer: application "{application.name}" '
                    f'has no "{name}" relation'
                )
        offer_name = call.words[1] if len(call.words) > 1 else application.name
        if not is_application_name(offer_name):
            raise errors.JujuError(f'offer name "{offer_name}" not valid')
        declared = {name: endpoints[name] for name in wanted}
        made = model.Offer(offer_name, application.name, declared)
        where.offers[made.name] = made
    url = _url(where, made).removeprefix(f"{model.CONTROLLER}:")
    listed = ", ".join(wanted)
    call.stderr += f'Application "{application.name}" endpoints [{listed}] available at "{url}"\n'


@command("remove-offer", _CONTROLLER | {"y,yes": flags.BOOL, "force": flags.BOOL})
def remove_offer(call: Call) -> None:
    """Remove offers; with ``--force``, their relations too."""
    call.word(0, "no offers specified")
    force = call.parsed.boolean("force")
    if force and not call.parsed.boolean("yes"):
        raise errors.JujuError("remove-offer --force asks no questions here: give --yes")
    for url in call.words:
        current = call.controller.find_model(call.default_model)
        # An offer's name alone means the current model.
        full = url if "." in url else f"{current.name}.{url}"
        where, found = cross_model.find_offer(current, full)
        with where.lock:
            count = len(cross_model.connections(where, found))
            if count and not force:
                plural = "" if count == 1 else "s"
                raise errors.JujuError(
                    f'cannot delete application offer "{found.name}": '
                    f"offer has {count} relation{plural}"
                )
            cross_model.withdraw(where, found)
            life.settle(where)


@command("remove-saas", MODEL | {"force": flags.BOOL, "no-wait": flags.BOOL})
def remove_saas(call: Call) -> None:
    """Let go of consumed applications, with their relations."""
    where = call.model()
    call.word(0, "no SAAS application names specified")
    with where.lock:
        for name in call.words:
            remote = where.remotes.get(name)
            if remote is None or not remote.offer:
                call.stderr += (
                    f'removing SAAS application {name} failed: remote application "{name}" '
                    "not found\n"
                )
                call.code = 1
                continue
            remote.life = model.DYING
            for relation in where.relations_of(name):
                relation.life = model.DYING
        life.settle(where)

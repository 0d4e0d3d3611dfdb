"""Lives of a model: each story does what operators do, and yields once a step is asked for."""

from __future__ import annotations

import smtplib
from typing import TYPE_CHECKING

from world import INTEGRATOR

if TYPE_CHECKING:
    from collections.abc import Iterator

    from world import World

RELAY: dict[str, str | int | bool] = {
    "host": "relay.example.com",
    "port": 587,
    "user": "notifier",
    "auth_type": "plain",
    "transport_security": "starttls",
    "smtp_sender": "no-reply@example.com",
    "recipients": "ops@example.com, dev@example.com",
}


def short(world: World) -> Iterator[str]:
    """Publish, rotate and unrelate, with one unit each."""
    world.disturb()
    world.deploy()
    world.configure(**RELAY, password=world.password("first"))
    world.deploy("mailer")
    world.integrate("mailer", "smtp")
    yield "related"
    world.configure(password=world.password("second"))
    yield "rotated"
    world.unrelate("mailer", "smtp")
    yield "unrelated"


def whole(world: World) -> Iterator[str]:
    """Live the life of the integrator, with two requirers on each endpoint."""
    mailers = {
        "first": "smtp",
        "second": "smtp",
        "first-legacy": "smtp-legacy",
        "second-legacy": "smtp-legacy",
    }
    world.disturb()
    world.deploy(num_units=2)
    for app in mailers:
        world.deploy(app)
    yield "deployed"
    world.configure(host="relay.example.com")
    yield "configured"
    for app, endpoint in mailers.items():
        world.integrate(app, endpoint)
    yield "related"
    world.configure(**RELAY, password=world.password("first"))
    yield "with a password"
    world.configure(password=world.password("second"))
    yield "rotated"
    yield from _user_secret(world)
    world.configure(port=0)
    yield "broken"
    world.configure(port=25, domain="example.com")
    yield "mended"
    world.juju.remove_unit(world.leader())
    yield "without its leader"
    world.configure(password=world.password("third"))
    yield "rotated by the new leader"
    yield from _farewell(world)


def _user_secret(world: World) -> Iterator[str]:
    secret = world.juju.add_secret("relay", {"password": world.password("user's first")})
    world.configure(password_secret=secret)
    yield "with a user secret that is not granted"
    world.juju.grant_secret("relay", INTEGRATOR)
    world.update_status(INTEGRATOR)
    yield "granted"
    world.juju.update_secret("relay", {"password": world.password("user's second")})
    yield "rotated by the user"
    world.configure(password_secret="")
    yield "back to the option"


def _farewell(world: World) -> Iterator[str]:
    world.unrelate("first", "smtp")
    world.unrelate("first-legacy", "smtp-legacy")
    yield "unrelated"
    world.configure(password="", auth_type="none")
    yield "without a password"
    world.configure(password=world.password("fourth"), auth_type="plain")
    yield "with one again"
    world.juju.remove_application("second")
    yield "without a requirer"
    world.juju.remove_application(INTEGRATOR)
    yield "removed"


def refreshed(world: World) -> Iterator[str]:
    """Take over what an older revision published, its password's secret too."""
    _begin_with_the_older(world)
    world.configure(**RELAY, password=world.password("first"))
    yield from _take_over(world)
    world.configure(password=world.password("second"))
    yield "rotated"
    world.juju.remove_unit(world.leader())
    yield "without its leader"
    world.configure(password=world.password("third"))
    yield "rotated by the new leader"
    world.configure(password="", auth_type="none")
    yield "without a password"
    world.juju.remove_application(INTEGRATOR)
    yield "removed"


def refreshed_with_user_secret(world: World) -> Iterator[str]:
    """Take over from an older revision that passed the user's own secret on."""
    _begin_with_the_older(world)
    secret = world.juju.add_secret("relay", {"password": world.password("first")})
    world.juju.grant_secret("relay", INTEGRATOR)
    world.juju.grant_secret("relay", "mailer")
    world.configure(**RELAY, password_secret=secret)
    yield from _take_over(world)
    world.juju.update_secret("relay", {"password": world.password("second")})
    yield "rotated"
    world.juju.remove_application(INTEGRATOR)
    yield "removed"


def _begin_with_the_older(world: World) -> None:
    world.juju.deploy(world.charms.older, INTEGRATOR, num_units=2)
    world.deploy("mailer")
    world.deploy("legacy")


def _take_over(world: World) -> Iterator[str]:
    world.integrate("mailer", "smtp")
    world.integrate("legacy", "smtp-legacy")
    world.settle()
    world.disturb()
    world.juju.refresh(INTEGRATOR, path=world.charms.integrator)
    yield "refreshed"


def sink(world: World) -> Iterator[str]:
    """Live the life of a mail catcher."""
    world.disturb()
    world.juju.deploy(world.charms.sink, "sink")
    yield "deployed"
    world.observers["logins"] = lambda: _logins(world)
    world.juju.config("sink", {"user": "notifier", "password": world.password("first")})
    yield "with a password"
    secret = world.juju.add_secret("login", {"password": world.password("second")})
    world.juju.grant_secret("login", "sink")
    world.juju.config("sink", {"password-secret": secret})
    yield "with a user secret"
    world.juju.update_secret("login", {"password": world.password("third")})
    yield "rotated"
    world.juju.config("sink", {"plain-port": 70000})
    yield "broken"
    world.juju.refresh("sink", path=world.charms.sink)
    yield "refreshed"
    world.juju.config("sink", {"plain-port": 0})
    yield "mended"
    del world.observers["logins"]
    world.juju.remove_application("sink")
    yield "removed"


def _logins(world: World) -> list[str]:
    """Return the passwords that the sink takes."""
    unit = world.juju.status().apps["sink"].units["sink/0"]
    message = unit.workload_status.message
    port = int(message.partition("plain 127.0.0.1:")[2].partition(",")[0] or 0)
    taken: list[str] = []
    for name in ("first", "second", "third") if port else ():
        with smtplib.SMTP("127.0.0.1", port) as client:
            try:
                client.login("notifier", world.password(name))
            except smtplib.SMTPAuthenticationError:
                continue
            taken.append(name)
    return taken

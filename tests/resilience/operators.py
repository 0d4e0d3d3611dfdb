"""Operators of one model, who do all that operators can do, in an order that Hypothesis writes."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, ClassVar

import hypothesis
import sight
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from oracle import Oracle, UserSecret
from world import INTEGRATOR

if TYPE_CHECKING:
    from world import NewWorld, World

ENDPOINTS = ("smtp", "smtp-legacy")
REQUIRERS = ("first", "second", "third")
FOREIGN = "foreign"
"""A requirer in another model, to which the integrator is offered."""
UNITS = 3

RELAY: dict[str, Any] = {
    "host": "relay.example.com",
    "port": 587,
    "user": "notifier",
    "auth_type": "plain",
    "transport_security": "starttls",
}
RIGHT: list[dict[str, Any]] = [
    {"host": "relay.example.com"},
    {"host": "192.0.2.25", "port": 25},
    {"port": 465, "transport_security": "tls"},
    {"port": 587, "transport_security": "starttls"},
    {"user": "notifier", "auth_type": "plain"},
    {"user": "", "auth_type": "none"},
    {"user": "notifier", "auth_type": "oauth2"},
    {"domain": "example.com"},
    {"smtp_sender": "no-reply@example.com"},
    {"smtp_sender": "", "domain": ""},
]
WRONG: list[dict[str, Any]] = [
    {"host": ""},
    {"port": 0},
    {"auth_type": "login"},
    {"transport_security": "ssl"},
    {"smtp_sender": "nobody", "port": 70000},
    {"user": "", "auth_type": "plain"},
]
MENDED: dict[str, Any] = {**RELAY, "auth_type": "none", "smtp_sender": "", "password_secret": ""}

KEYS = ("password", "client-secret", "refresh-token")
"""What a user's secret holds; the last two for OAuth, with the keys that go with them."""

hasty = st.booleans()
numbers = st.integers(0, 9)
requirers = st.sampled_from((*REQUIRERS, FOREIGN))


class Operators(RuleBasedStateMachine):
    """The operators of one model.

    Attributes:
        new_world: Makes a model.
        looked: How many settled states were looked at, of all models.
        world: The model.
        abroad: The other model, in which the requirer FOREIGN lives.
        offered: Whether the integrator is offered to it, and consumed there.
        oracle: What must be seen of it.
    """

    new_world: ClassVar[NewWorld]
    looked: ClassVar[int] = 0

    def __init__(self) -> None:
        super().__init__()
        self._stack = contextlib.ExitStack()
        self.world = self._stack.enter_context(type(self).new_world())
        self.abroad = self._stack.enter_context(type(self).new_world())
        self.offered = False
        self.oracle = Oracle()

    def teardown(self) -> None:
        self._stack.close()

    @initialize(seed=numbers, older=st.booleans())
    def begin(self, seed: int, *, older: bool) -> None:
        """Relate a requirer on each endpoint, with a password; perhaps refresh to get there."""
        # The simplest of all histories does one and the same thing over and over.
        hypothesis.assume(seed)
        for world in (self.world, self.abroad):
            world.juju.model_config({"localjuju-seed": str(seed)})
        charm = self.world.charms.older if older else self.world.charms.integrator
        self.world.juju.deploy(charm, INTEGRATOR)
        self.oracle.units[INTEGRATOR] = 1
        self._configure(**RELAY, password=self.world.password("initial"))
        for app, endpoint in zip(REQUIRERS, ENDPOINTS, strict=False):
            self._deploy(app)
            self._relate(app, endpoint)
        if older:
            self.world.settle()
            self.world.juju.refresh(INTEGRATOR, path=self.world.charms.integrator)
        self._settle()

    @rule(options=st.sampled_from(RIGHT), hasty=hasty)
    def configure(self, options: dict[str, Any], *, hasty: bool) -> None:
        self._configure(**options)
        self._end(hasty=hasty)

    @rule(options=st.sampled_from(WRONG), hasty=hasty)
    def break_the_configuration(self, options: dict[str, Any], *, hasty: bool) -> None:
        self._configure(**options)
        self._end(hasty=hasty)

    @rule(hasty=hasty)
    @precondition(lambda self: self.oracle.wrong())
    def mend(self, *, hasty: bool) -> None:
        self._configure(**MENDED)
        self._end(hasty=hasty)

    @rule(number=numbers, hasty=hasty)
    def rotate(self, number: int, *, hasty: bool) -> None:
        self._configure(password=self.world.password(str(number)) if number else "")
        self._end(hasty=hasty)

    @rule(number=numbers, key=st.sampled_from(KEYS), granted=st.booleans(), used=st.booleans())
    @precondition(lambda self: len(self.oracle.secrets) < 3)
    def add_secret(self, number: int, key: str, *, granted: bool, used: bool) -> None:
        name = f"user-{len(self.oracle.secrets)}"
        self._log(f"add {name} with {key} {number}")
        content = self._content(key, f"{name} {number}")
        secret = UserSecret(self.world.juju.add_secret(name, content), content)
        self.oracle.secrets[name] = secret
        if granted:
            self.world.juju.grant_secret(name, INTEGRATOR)
            secret.granted = True
        if used and key == "password":
            self._configure(password_secret=secret.id)
        elif used:
            self._configure(user="notifier", auth_type="oauth2", oauth_secret=secret.id)
        self._settle()

    @rule(data=st.data(), granted=st.booleans())
    @precondition(lambda self: self._living_secrets())
    def grant_or_revoke(self, data: st.DataObject, *, granted: bool) -> None:
        name = data.draw(st.sampled_from(self._living_secrets()))
        self._log(f"{'grant' if granted else 'revoke'} {name}")
        change = "grant-secret" if granted else "revoke-secret"
        self.world.juju.cli(change, name, INTEGRATOR)
        self.oracle.secrets[name].granted = granted
        self._settle(update_status=True)

    @rule(data=st.data(), key=st.sampled_from(KEYS), number=numbers, hasty=hasty)
    @precondition(lambda self: self._living_secrets())
    def update_secret(self, data: st.DataObject, key: str, number: int, *, hasty: bool) -> None:
        name = data.draw(st.sampled_from(self._living_secrets()))
        key = key if number else "passphrase"
        content = self._content(key, f"{name} {number}")
        self._log(f"update {name} with {key} {number}")
        self.world.juju.update_secret(name, content)
        self.oracle.secrets[name].content = content
        self._end(hasty=hasty)

    @rule(data=st.data())
    @precondition(lambda self: self._living_secrets())
    def remove_secret(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(self._living_secrets()))
        self._log(f"remove {name}")
        self.world.juju.remove_secret(name)
        self.oracle.secrets[name].removed = True
        self._settle(update_status=True)

    @rule(data=st.data())
    @precondition(lambda self: self._superseded())
    def remove_revision(self, data: st.DataObject) -> None:
        name, revision = data.draw(st.sampled_from(self._superseded()))
        self._log(f"remove revision {revision} of {name}")
        self.world.juju.remove_secret(name, revision=revision)
        self._settle(update_status=True)

    @rule(app=requirers, endpoint=st.sampled_from(ENDPOINTS), hasty=hasty)
    def relate(self, app: str, endpoint: str, *, hasty: bool) -> None:
        if app not in self.oracle.units:
            self._deploy(app)
        if app == FOREIGN and not self.offered:
            self._offer()
        if app not in self.oracle.endpoints:
            self._relate(app, endpoint)
        self._end(hasty=hasty)

    @rule(data=st.data())
    @precondition(lambda self: self.oracle.endpoints)
    def unrelate(self, data: st.DataObject) -> None:
        app = data.draw(st.sampled_from(sorted(self.oracle.endpoints)))
        self._log(f"unrelate {app}")
        self._home(app).unrelate(app, self.oracle.unrelate(app))
        self._settle(update_status=True)

    @rule()
    @precondition(lambda self: self.offered)
    def withdraw(self) -> None:
        """End the other model's part in the integrator, and the offer to it."""
        self._log("withdraw the offer")
        if FOREIGN in self.oracle.endpoints:
            self.oracle.unrelate(FOREIGN)
        self.abroad.juju.cli("remove-saas", INTEGRATOR)
        self._settle(update_status=True)
        url = f"{self.world.juju.model}.{INTEGRATOR}"
        self.world.juju.cli("remove-offer", url, include_model=False)
        self.offered = False
        self._settle()

    @rule(data=st.data(), hasty=hasty)
    @precondition(lambda self: self._growing())
    def add_unit(self, data: st.DataObject, *, hasty: bool) -> None:
        app = data.draw(st.sampled_from(self._growing()))
        self._log(f"add a unit to {app}")
        self._home(app).juju.add_unit(app)
        self.oracle.units[app] += 1
        self._end(hasty=hasty)

    @rule(data=st.data(), leads=st.booleans())
    @precondition(lambda self: self._shrinking())
    def remove_unit(self, data: st.DataObject, *, leads: bool) -> None:
        app = data.draw(st.sampled_from(self._shrinking()))
        units = self._home(app).juju.status().apps[app].units
        unit = next(name for name, unit in units.items() if unit.leader == leads)
        self._log(f"remove {unit}, {'the leader' if leads else 'a follower'}")
        self._home(app).juju.remove_unit(unit)
        self.oracle.units[app] -= 1
        self._settle()

    @rule(app=st.sampled_from((INTEGRATOR, *REQUIRERS, FOREIGN)))
    def remove_application(self, app: str) -> None:
        """Remove an application; an integrator comes again, new."""
        if app not in self.oracle.units:
            return
        if app == INTEGRATOR and self.offered:
            self.withdraw()
        self._log(f"remove {app}")
        self._home(app).juju.remove_application(app)
        self.oracle.remove(app)
        self._settle(update_status=True)
        if app == INTEGRATOR:
            self._deploy(app)
            self._settle()

    @rule()
    def spy(self) -> None:
        self._settle()
        self._log("let outsiders try to read the secret")
        sight.check_outsiders(self.world, self.abroad, self.oracle)

    @rule(hasty=hasty)
    def refresh(self, *, hasty: bool) -> None:
        self._log("refresh")
        self.world.juju.refresh(INTEGRATOR, path=self.world.charms.integrator)
        self._end(hasty=hasty)

    def _log(self, what: str) -> None:
        hypothesis.note(what)

    def _configure(self, **options: Any) -> None:
        shown = {**options, "password": "…"} if options.get("password") else options
        self._log(f"configure {shown}")
        self.world.configure(**options)
        self.oracle.change(**options)

    def _content(self, key: str, name: str) -> dict[str, str]:
        content = {key: self.world.password(name)}
        if key in {"client-secret", "refresh-token"}:
            content |= {"token-url": "https://login.example.com/token", "client-id": "mailer"}
        return content

    def _deploy(self, app: str) -> None:
        self._log(f"deploy {app}")
        self._home(app).deploy(app)
        self.oracle.units[app] = 1

    def _offer(self) -> None:
        self._log("offer")
        self.world.juju.offer(INTEGRATOR, endpoint=list(ENDPOINTS))
        self.abroad.juju.consume(f"{self.world.juju.model}.{INTEGRATOR}", INTEGRATOR)
        self.offered = True

    def _relate(self, app: str, endpoint: str) -> None:
        self._log(f"relate {app} on {endpoint}")
        self._home(app).integrate(app, endpoint)
        self.oracle.relate(app, endpoint)

    def _home(self, app: str) -> World:
        return self.abroad if app == FOREIGN else self.world

    def _growing(self) -> list[str]:
        return sorted(app for app, number in self.oracle.units.items() if number < UNITS)

    def _shrinking(self) -> list[str]:
        return sorted(app for app, number in self.oracle.units.items() if number > 1)

    def _living_secrets(self) -> list[str]:
        return [name for name, one in self.oracle.secrets.items() if not one.removed]

    def _superseded(self) -> list[tuple[str, int]]:
        found: list[tuple[str, int]] = []
        for name in self._living_secrets():
            shown = self.world.juju.show_secret(name, revisions=True)
            revisions = shown.revisions or []
            found += [(name, one.revision) for one in revisions if one.revision < shown.revision]
        return found

    def _end(self, *, hasty: bool) -> None:
        """End a step: the next one may come at once, or after all hooks have run."""
        if hasty:
            self.oracle.pass_on()
        else:
            self._settle()

    def _settle(self, *, update_status: bool = False) -> None:
        self.oracle.pass_on()
        self._let_hooks_run()
        if update_status:
            # No hook tells of a grant, and none of what a user removes; and while a relation ends,
            # no other gets its refresh token.
            self.world.update_status(INTEGRATOR)
            self._let_hooks_run()
        self.oracle.settled()
        sight.check(self.world, self.abroad, self.oracle)
        type(self).looked += 1

    def _let_hooks_run(self) -> None:
        """Settle both models: what one does may be news to the other."""
        for world in (self.world, self.abroad, self.world, self.abroad):
            world.settle()

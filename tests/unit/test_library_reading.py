"""Reading without errors, the removal of data, and what is read again later."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import ops
import pytest
from ops import testing
from scenario import mocking

from charms.smtp_integrator.v0 import smtp

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.conftest import HookCommands

PASSWORD = "hunter2-secret"
ID = "cvq3d1k0v5a8o1f2r4g0"
URI = f"secret:{ID}"
META = {
    "name": "requirer",
    "requires": {"smtp": {"interface": "smtp"}, "smtp-legacy": {"interface": "smtp"}},
}
OPEN = {
    "host": "smtp.example.com",
    "port": "25",
    "auth_type": "none",
    "transport_security": "none",
    "skip_ssl_verify": "False",
}
WITH_SECRET = {**OPEN, "auth_type": "plain", "transport_security": "tls", "user": "u"}
WITH_SECRET["password_id"] = URI
# ops looks a secret up by reading it; then its newest revision is read.
READ_ONCE = [ID, ID]
AVAILABLE = "SmtpDataAvailableEvent"
REMOVED = "SmtpDataRemovedEvent"


class RequirerCharm(ops.CharmBase):
    """Reads in each event of the library, as an author would."""

    def __init__(self, framework: ops.Framework) -> None:
        super().__init__(framework)
        self.read: list[smtp.SmtpReading] = []
        self.removed: list[ops.RelationEvent] = []
        self.smtp = smtp.SmtpRequires(self)
        self.smtp_legacy = smtp.SmtpRequires(self, "smtp-legacy")
        for requires in (self.smtp, self.smtp_legacy):
            framework.observe(requires.on.smtp_data_available, self._on_smtp_data_available)
            framework.observe(requires.on.smtp_data_removed, self._on_smtp_data_removed)
        framework.observe(self.on.collect_unit_status, self._on_collect_unit_status)

    def _on_smtp_data_available(self, event: smtp.SmtpDataAvailableEvent) -> None:
        self.read.append(self.smtp.read(event.relation))

    def _on_smtp_data_removed(self, event: smtp.SmtpDataRemovedEvent) -> None:
        self.removed.append(event)
        self.read += [self.smtp.read(), self.smtp.read(event.relation)]

    def _on_collect_unit_status(self, event: ops.CollectStatusEvent) -> None:
        event.add_status(smtp.choose(self.smtp, self.smtp_legacy).status)


def relation(databag: dict[str, str], endpoint: str = "smtp") -> testing.Relation:
    return testing.Relation(endpoint, remote_app_name="mail", remote_app_data=databag)


def secret(password: str = PASSWORD, *, newest: str | None = None) -> testing.Secret:
    latest = None if newest is None else {"password": newest}
    return testing.Secret({"password": password}, id=URI, latest_content=latest)


@dataclasses.dataclass
class Hook:
    """What one hook did: its events of the library, its warnings, and its charm."""

    state: testing.State
    events: list[str]
    warnings: list[str]
    charm: RequirerCharm


def run(event: Any, state: testing.State) -> Hook:
    context = testing.Context(RequirerCharm, meta=META)
    with context(event, state) as manager:
        charm = manager.charm
        state = manager.run()
    events = [type(emitted).__name__ for emitted in context.emitted_events]
    warnings = [line.message for line in context.juju_log if line.level == "WARNING"]
    return Hook(state, [e for e in events if e.startswith("Smtp")], warnings, charm)


on = testing.CharmEvents()


def ready(databag: dict[str, str] = WITH_SECRET, *more: testing.Relation) -> testing.State:
    """Return the state after the data of a relation was announced."""
    made = relation(databag)
    state = testing.State(relations=[made, *more], secrets=[secret()])
    hook = run(on.relation_changed(made), state)
    assert hook.events == [AVAILABLE]
    return hook.state


def changed(state: testing.State, databag: dict[str, str]) -> testing.State:
    [made] = state.get_relations("smtp")
    relations = [*(state.relations - {made}), dataclasses.replace(made, remote_app_data=databag)]
    return dataclasses.replace(state, relations=relations)


def only(state: testing.State) -> Any:
    [made] = state.get_relations("smtp")
    return made


# Reading.


def reading(state: testing.State, read: Callable[[RequirerCharm], Any] | None = None) -> Any:
    context = testing.Context(RequirerCharm, meta=META)
    with context(on.start(), state) as manager:
        found = read(manager.charm) if read else manager.charm.smtp.read()
        manager.run()
    return found


def test_no_relation_is_a_state() -> None:
    read = reading(testing.State())
    assert (read.state, read.relation, read.data) == (smtp.SmtpState.NO_RELATION, None, None)
    assert read.status == ops.BlockedStatus(
        "smtp: no relation; integrate it with a provider of smtp"
    )


def test_an_empty_databag_waits_for_the_provider() -> None:
    made = relation({})
    read = reading(testing.State(relations=[made]))
    assert read.state is smtp.SmtpState.WAITING_FOR_PROVIDER
    assert read.relation.id == made.id
    assert read.data is None
    assert read.status == ops.WaitingStatus(
        f"no SMTP data from relation {made.id} yet: nothing is published"
    )


def test_a_secret_without_its_grant_waits_for_it(hook_commands: HookCommands) -> None:
    hook_commands.refusals[ID] = "ERROR permission denied\n"
    made = relation(WITH_SECRET)
    read = reading(testing.State(relations=[made], secrets=[secret()]))
    assert read.state is smtp.SmtpState.WAITING_FOR_SECRET
    assert read.data is None
    assert read.status == ops.WaitingStatus(
        f"no SMTP data from relation {made.id} yet: cannot read the secret {URI}"
    )


def test_invalid_data_names_its_fields_and_no_value() -> None:
    made = relation({**OPEN, "port": PASSWORD, "recipients": f"[{PASSWORD}"})
    read = reading(testing.State(relations=[made]))
    assert read.state is smtp.SmtpState.INVALID
    assert read.invalid_fields == ("port", "recipients")
    assert read.data is None
    assert read.status == ops.BlockedStatus(
        f"invalid SMTP data in relation {made.id}: port, recipients"
    )
    assert PASSWORD not in repr(read)


def test_data_that_is_there_is_ready() -> None:
    read = reading(testing.State(relations=[relation(WITH_SECRET)], secrets=[secret()]))
    assert read.state is smtp.SmtpState.READY
    assert (read.data.host, read.data.password) == ("smtp.example.com", PASSWORD)
    assert (read.message, read.invalid_fields) == ("", ())
    assert read.status == ops.ActiveStatus()


def test_a_relation_without_an_application_waits_for_the_provider() -> None:
    class Unrelated:
        id = 1
        app = None

    requires = reading(testing.State(), lambda charm: charm.smtp)
    read = requires.read(Unrelated())
    assert read.state is smtp.SmtpState.WAITING_FOR_PROVIDER


def test_all_relations_are_read_the_oldest_first() -> None:
    relations = [relation(OPEN), relation({}), relation({**OPEN, "host": "third"})]
    state = testing.State(relations=reversed(relations))
    found = reading(state, lambda charm: charm.smtp.read_all())
    assert [read.relation.id for read in found] == [made.id for made in relations]
    assert [read.state.name for read in found] == ["READY", "WAITING_FOR_PROVIDER", "READY"]


def test_of_several_relations_the_oldest_that_is_ready_is_read() -> None:
    relations = [relation({}), relation({**OPEN, "host": "second"}), relation(OPEN)]
    read = reading(testing.State(relations=relations))
    assert read.data.host == "second"


@pytest.mark.parametrize(
    ("databag", "legacy", "host", "state"),
    [
        (OPEN, {**OPEN, "host": "legacy"}, "smtp.example.com", "READY"),
        ({}, {**OPEN, "host": "legacy"}, "legacy", "READY"),
        (None, {**OPEN, "host": "legacy"}, "legacy", "READY"),
        ({"host": "x"}, {**OPEN, "host": "legacy"}, "legacy", "READY"),
        (OPEN, None, "smtp.example.com", "READY"),
        ({}, None, None, "WAITING_FOR_PROVIDER"),
        (None, {}, None, "WAITING_FOR_PROVIDER"),
        ({}, {"host": "x"}, None, "INVALID"),
        ({"host": "x"}, WITH_SECRET, None, "WAITING_FOR_SECRET"),
        (None, None, None, "NO_RELATION"),
    ],
)
def test_between_endpoints_the_nearest_to_a_relay_is_chosen(
    databag: dict[str, str] | None, legacy: dict[str, str] | None, host: str | None, state: str
) -> None:
    relations = [relation(databag)] if databag is not None else []
    relations += [relation(legacy, "smtp-legacy")] if legacy is not None else []
    read = reading(
        testing.State(relations=relations),
        lambda charm: smtp.choose(charm.smtp, charm.smtp_legacy),
    )
    assert (read.state.name, read.data.host if read.data else None) == (state, host)


def test_a_status_is_collected() -> None:
    state = testing.State(relations=[relation(OPEN)])
    assert run(on.update_status(), state).state.unit_status == testing.ActiveStatus()
    assert run(on.update_status(), testing.State()).state.unit_status == testing.BlockedStatus(
        "smtp: no relation; integrate it with a provider of smtp"
    )


# Removal.


def test_a_broken_relation_is_announced_once_and_reads_as_none() -> None:
    state = ready()
    hook = run(on.relation_broken(only(state)), state)
    assert hook.events == [REMOVED]
    [event] = hook.charm.removed
    assert (event.relation.id, event.relation.name) == (only(state).id, "smtp")
    assert [read.state for read in hook.charm.read] == [smtp.SmtpState.NO_RELATION] * 2
    assert hook.warnings == []


def test_a_broken_relation_reads_as_none_before_the_library_hears_of_it() -> None:
    early: list[smtp.SmtpState] = []

    class EarlyCharm(ops.CharmBase):
        def __init__(self, framework: ops.Framework) -> None:
            super().__init__(framework)
            framework.observe(self.on["smtp"].relation_broken, self._on_smtp_relation_broken)
            self.smtp = smtp.SmtpRequires(self)

        def _on_smtp_relation_broken(self, event: ops.RelationBrokenEvent) -> None:
            early.extend([self.smtp.read().state, self.smtp.read(event.relation).state])

    context = testing.Context(EarlyCharm, meta=META)
    state = ready()
    context.run(on.relation_broken(only(state)), state)
    assert early == [smtp.SmtpState.NO_RELATION] * 2


def test_a_broken_relation_is_announced_without_anything_kept() -> None:
    made = relation(OPEN)
    hook = run(on.relation_broken(made), testing.State(relations=[made]))
    assert hook.events == [REMOVED]


def test_withdrawn_data_is_announced_once() -> None:
    state = changed(ready(), {})
    hook = run(on.relation_changed(only(state)), state)
    assert (hook.events, hook.warnings) == ([REMOVED], [])
    assert hook.charm.read[0].state is smtp.SmtpState.WAITING_FOR_PROVIDER
    for event in ("relation_changed", "relation_broken"):
        hook = run(getattr(on, event)(only(hook.state)), hook.state)
        assert hook.events == []


def test_withdrawn_data_that_comes_back_can_be_withdrawn_again() -> None:
    state = ready()
    for databag, event in [({}, REMOVED), (WITH_SECRET, AVAILABLE), ({}, REMOVED)]:
        state = changed(state, databag)
        hook = run(on.relation_changed(only(state)), state)
        assert hook.events == [event]
        state = hook.state


@pytest.mark.parametrize("databag", [{"host": "half"}, {**OPEN, "port": "x"}])
def test_data_that_is_invalid_for_a_while_is_not_removed(databag: dict[str, str]) -> None:
    state = changed(ready(), databag)
    hook = run(on.relation_changed(only(state)), state)
    assert hook.events == []
    assert len(hook.warnings) == 1


def test_a_databag_that_juju_refuses_is_no_removal(monkeypatch: pytest.MonkeyPatch) -> None:
    state = ready()

    def refuse(*_: object, **__: object) -> None:
        raise ops.ModelError("ERROR permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(vars(mocking)["_MockModelBackend"], "relation_get", refuse)
        refused = run(on.relation_changed(only(state)), state)
    assert refused.events == []
    assert refused.warnings == [
        f"invalid SMTP data in relation {only(state).id}: ERROR permission denied"
    ]
    assert run(on.update_status(), refused.state).events == [AVAILABLE], "it could not be read"


def test_an_empty_databag_of_a_new_relation_is_no_removal() -> None:
    made = relation({})
    assert run(on.relation_changed(made), testing.State(relations=[made])).events == []


def test_removal_of_one_relation_leaves_the_other() -> None:
    other = relation({**OPEN, "host": "legacy"}, "smtp-legacy")
    state = ready(WITH_SECRET, other)
    hook = run(on.relation_broken(only(state)), state)
    assert hook.events == [REMOVED]
    assert hook.state.unit_status == testing.ActiveStatus()


# What is read again.


def test_a_newer_revision_is_noticed_at_update_status_once() -> None:
    state = dataclasses.replace(ready(), secrets=[secret("old", newest="new")])
    hook = run(on.update_status(), state)
    assert hook.events == [AVAILABLE]
    assert hook.charm.read[0].data
    assert hook.charm.read[0].data.password == "new"
    assert run(on.update_status(), hook.state).events == []


@pytest.mark.parametrize("event", ["update_status", "config_changed", "leader_elected"])
def test_the_same_data_is_not_announced_again(event: str) -> None:
    hook = run(getattr(on, event)(), ready())
    assert (hook.events, hook.warnings) == ([], [])


@pytest.mark.parametrize("event", ["config_changed", "leader_elected"])
def test_nothing_is_read_where_nothing_is_pending(event: str, hook_commands: HookCommands) -> None:
    state = dataclasses.replace(ready(), secrets=[secret("old", newest="new")])
    hook_commands.reads.clear()
    assert run(getattr(on, event)(), state).events == []
    assert hook_commands.reads == READ_ONCE, "collect-status alone reads the secret"


def test_what_was_announced_by_an_older_library_is_not_announced_at_update_status() -> None:
    state = testing.State(relations=[relation(WITH_SECRET)], secrets=[secret()])
    hook = run(on.update_status(), state)
    assert hook.events == []
    state = dataclasses.replace(hook.state, secrets=[secret(newest="new")])
    assert run(on.update_status(), state).events == [AVAILABLE]


@pytest.mark.parametrize("event", ["secret_changed", "update_status"])
def test_a_revision_that_comes_with_the_upgrade_from_an_older_library_is_announced(
    event: str,
) -> None:
    rotated = secret("old", newest="new")
    state = testing.State(relations=[relation(WITH_SECRET)], secrets=[rotated])
    upgraded = run(on.upgrade_charm(), state)
    assert upgraded.events == []
    kept = upgraded.state.get_secret(id=URI)
    assert kept.tracked_content == {"password": "old"}, "Juju tells of the new one until it is"
    later = on.secret_changed(kept) if event == "secret_changed" else on.update_status()
    hook = run(later, upgraded.state)
    assert hook.events == [AVAILABLE]
    [announced] = hook.charm.read
    assert announced.data
    assert announced.data.password == "new"


def test_what_was_announced_by_an_older_library_and_is_withdrawn_is_removed() -> None:
    state = testing.State(relations=[relation(WITH_SECRET)], secrets=[secret()])
    upgraded = run(on.upgrade_charm(), state)
    assert (upgraded.events, upgraded.warnings) == ([], [])
    state = changed(upgraded.state, {})
    assert run(on.relation_changed(only(state)), state).events == [REMOVED]


def test_what_an_older_library_could_not_read_is_announced_once_it_can_be(
    hook_commands: HookCommands,
) -> None:
    state = testing.State(relations=[relation(WITH_SECRET)], secrets=[secret()])
    hook_commands.refusals[ID] = "ERROR permission denied\n"
    upgraded = run(on.upgrade_charm(), state)
    assert (upgraded.events, len(upgraded.warnings)) == ([], 1)
    del hook_commands.refusals[ID]
    assert run(on.config_changed(), upgraded.state).events == [AVAILABLE]


def test_an_upgrade_reads_nothing_that_is_known(hook_commands: HookCommands) -> None:
    state = ready()
    hook_commands.reads.clear()
    assert run(on.upgrade_charm(), state).events == []
    assert hook_commands.reads == READ_ONCE, "collect-status alone reads the secret"


@pytest.mark.parametrize("noticed", ["relation_changed", "update_status"])
@pytest.mark.parametrize("event", ["update_status", "config_changed", "leader_elected"])
def test_a_grant_that_comes_back_with_the_same_data_is_announced_once(
    hook_commands: HookCommands, noticed: str, event: str
) -> None:
    state = ready()
    hook_commands.refusals[ID] = "ERROR permission denied\n"
    told = (
        on.relation_changed(only(state)) if noticed == "relation_changed" else on.update_status()
    )
    lost = run(told, state)
    assert (lost.events, len(lost.warnings)) == ([], 1)
    again = run(on.update_status(), lost.state)
    assert (again.events, again.warnings) == ([], [])
    del hook_commands.refusals[ID]
    back = run(getattr(on, event)(), again.state)
    assert (back.events, back.warnings) == ([AVAILABLE], [])
    assert run(on.update_status(), back.state).events == []


@pytest.mark.parametrize("databag", [{"host": "half"}, {**WITH_SECRET, "recipients": "["}])
def test_malformed_data_that_is_right_again_is_announced_once(databag: dict[str, str]) -> None:
    state = changed(ready(), databag)
    lost = run(on.relation_changed(only(state)), state)
    assert (lost.events, len(lost.warnings)) == ([], 1)
    back = run(on.update_status(), changed(lost.state, WITH_SECRET))
    assert back.events == [AVAILABLE]
    assert run(on.update_status(), back.state).events == []


def test_a_grant_that_comes_back_with_other_data_is_announced_once(
    hook_commands: HookCommands,
) -> None:
    state = ready()
    hook_commands.refusals[ID] = "ERROR permission denied\n"
    lost = run(on.relation_changed(only(state)), state)
    assert (lost.events, len(lost.warnings)) == ([], 1)
    del hook_commands.refusals[ID]
    state = dataclasses.replace(lost.state, secrets=[secret(newest="new")])
    hook = run(on.config_changed(), state)
    assert hook.events == [AVAILABLE]
    assert run(on.update_status(), hook.state).events == []


def test_a_relation_changed_is_announced_even_with_the_same_data() -> None:
    state = ready()
    assert run(on.relation_changed(only(state)), state).events == [AVAILABLE]


def test_the_secret_is_read_once_for_an_event_and_its_handler(
    hook_commands: HookCommands,
) -> None:
    ready()
    assert hook_commands.reads == READ_ONCE * 2, "one for the event, one for collect-status"


def test_a_failing_handler_is_asked_again() -> None:
    class FailingCharm(RequirerCharm):
        def _on_smtp_data_available(self, event: smtp.SmtpDataAvailableEvent) -> None:
            raise RuntimeError(event)

    context = testing.Context(FailingCharm, meta=META)
    made = relation(WITH_SECRET)
    state = testing.State(relations=[made], secrets=[secret()])
    with pytest.raises(testing.errors.UncaughtCharmError):
        context.run(on.relation_changed(made), state)
    assert run(on.relation_changed(made), state).events == [AVAILABLE]


def test_no_password_is_kept() -> None:
    for stored in ready().stored_states:
        assert PASSWORD not in repr(stored)


def test_the_digest_of_the_same_data_differs_from_unit_to_unit() -> None:
    digests = {repr(stored.content) for _ in range(2) for stored in ready().stored_states}
    assert len(digests) >= 2


# Without email-validator.

WITHOUT_VALIDATOR = f"""
import logging, sys
sys.modules["email_validator"] = None
from unittest import mock
import ops
from charms.smtp_integrator.v0 import smtp
databag = {OPEN}
assert smtp.SmtpRelationData(**databag).host
databag["smtp_sender"] = "a@example.com"
relation = mock.Mock(id=1, spec=["id", "app", "data"])
relation.data = {{relation.app: databag}}
requires = smtp.SmtpRequires(mock.MagicMock())
try:
    requires.get_relation_data_from_relation(relation)
except ImportError as e:
    print(e)
read = requires.read(relation)
print(read.state.name, read.message)
"""


def test_without_email_validator_an_address_is_a_clear_error() -> None:
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    printed = subprocess.run(
        [sys.executable, "-W", "error", "-c", WITHOUT_VALIDATOR],
        env=env,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert printed.splitlines() == [
        "addresses need the package email-validator; install it",
        (
            "INVALID invalid SMTP data in relation 1: "
            "addresses need the package email-validator; install it"
        ),
    ]

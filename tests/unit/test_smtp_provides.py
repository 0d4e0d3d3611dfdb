from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any, TypeAlias
from unittest import mock

import ops
import pytest
from ops import testing
from scenario import mocking

from charms.smtp_integrator.v0 import smtp

if TYPE_CHECKING:
    from tests.unit.conftest import HookCommands, Hooks, ProviderCharm

    Provider: TypeAlias = Hooks[ProviderCharm]

PASSWORD = "hunter2-secret"
URI = "secret:cvq3d1k0v5a8o1f2r4g0"

OPEN = {
    "host": "smtp.example.com",
    "port": "25",
    "auth_type": "none",
    "transport_security": "none",
    "skip_ssl_verify": "False",
}
LOGIN = {**OPEN, "auth_type": "plain", "transport_security": "tls", "user": "mailer"}
WITH_SECRET = {**LOGIN, "password_id": URI}
INSECURE_AUTH = 'Insecure setting: auth_type has a value "none"'
INSECURE_TRANSPORT = 'Insecure setting: transport_security has value "none"'


def relation(
    databag: dict[str, str] | None = None, endpoint: str = "smtp", app: str = "requirer"
) -> testing.Relation:
    return testing.Relation(endpoint, remote_app_name=app, local_app_data=databag or {})


def our_secret() -> testing.Secret:
    return testing.Secret({"password": PASSWORD}, id=URI, owner="app", label="ours")


def databag(state: testing.State, related: testing.Relation) -> dict[str, str]:
    return dict(state.get_relation(related.id).local_app_data)


def update(
    provider: Provider, state: testing.State, related: testing.Relation, **fields: Any
) -> testing.State:
    """Return the state after a hook that publishes a relay into one relation."""
    relay: dict[str, Any] = {**OPEN, **fields}

    def publish(charm: ProviderCharm) -> None:
        to_relation = charm.model.get_relation(related.endpoint, related.id)
        assert to_relation
        provides = charm.smtp if related.endpoint == "smtp" else charm.smtp_legacy
        provides.update_relation_data(to_relation, smtp.SmtpRelationData(**relay))

    return provider.run(provider.on.start(), state, first=publish)


def publish(
    provider: Provider, state: testing.State, relation_data: dict[str, str], *, label: str = ""
) -> tuple[testing.State, bool]:
    """Return the state after a hook that publishes into all relations, and what that returned."""
    written: list[bool] = []

    def publish(charm: ProviderCharm) -> None:
        secret = charm.model.get_secret(label=label) if label else None
        written.append(charm.smtp.publish(relation_data, secret=secret))

    state = provider.run(provider.on.start(), state, first=publish)
    return state, written[0]


# One relation.


@pytest.mark.parametrize("endpoint", ["smtp", "smtp-legacy"])
def test_a_relay_is_written_into_its_relation_alone(provider: Provider, endpoint: str) -> None:
    related, other = relation(endpoint=endpoint), relation(endpoint=endpoint)
    state = testing.State(leader=True, relations=[related, other])
    state = update(provider, state, related, recipients=["a@example.com"])
    assert databag(state, related) == {**OPEN, "recipients": '["a@example.com"]'}
    assert databag(state, other) == {}


def test_a_relay_replaces_the_whole_databag_at_once(
    provider: Provider, hook_commands: HookCommands
) -> None:
    related = relation({"host": "old", "password": "old", "unknown": "x", "domain": "old"})
    state = testing.State(leader=True, relations=[related])
    state = update(provider, state, related, domain="example.com")
    assert databag(state, related) == {**OPEN, "domain": "example.com"}
    assert hook_commands.writes == ["relation-set"]


def test_a_relay_that_is_published_is_not_written_again(
    provider: Provider, hook_commands: HookCommands
) -> None:
    related = relation(OPEN)
    update(provider, testing.State(leader=True, relations=[related]), related)
    assert hook_commands.writes == []
    assert provider.warnings == []


def test_one_more_key_is_a_difference(provider: Provider, hook_commands: HookCommands) -> None:
    related = relation({**OPEN, "domain": "example.com"})
    state = update(provider, testing.State(leader=True, relations=[related]), related)
    assert databag(state, related) == OPEN
    assert hook_commands.writes == ["relation-set"]


def test_a_follower_writes_no_relay(provider: Provider, hook_commands: HookCommands) -> None:
    related = relation()
    update(provider, testing.State(leader=False, relations=[related]), related)
    assert hook_commands.writes == []
    assert provider.warnings == []


@pytest.mark.parametrize(
    ("auth_type", "transport_security", "warnings"),
    [
        ("none", "none", [INSECURE_AUTH, INSECURE_TRANSPORT]),
        ("none", "starttls", [INSECURE_AUTH]),
        ("plain", "none", [INSECURE_TRANSPORT]),
        ("not_provided", "tls", []),
        ("plain", "tls", []),
    ],
)
def test_insecure_settings_are_warned_of_when_they_are_written_and_not_again(
    provider: Provider, auth_type: str, transport_security: str, warnings: list[str]
) -> None:
    settings = {"auth_type": auth_type, "transport_security": transport_security}
    related = relation()
    state = testing.State(leader=True, relations=[related])
    state = update(provider, state, related, **settings)
    assert provider.warnings == warnings
    update(provider, state, related, **settings)
    assert provider.warnings == []


@pytest.mark.parametrize(
    ("auth_type", "transport_security", "warnings"),
    [
        ("none", "none", [INSECURE_AUTH, INSECURE_TRANSPORT]),
        ("none", "starttls", [INSECURE_AUTH]),
        ("plain", "none", [INSECURE_TRANSPORT]),
        ("plain", "tls", []),
    ],
)
def test_insecure_settings_are_warned_of_once_for_all_relations(
    provider: Provider, auth_type: str, transport_security: str, warnings: list[str]
) -> None:
    relation_data = {
        **OPEN,
        "auth_type": auth_type,
        "transport_security": transport_security,
    }
    state = testing.State(leader=True, relations=[relation(), relation()])
    state, _ = publish(provider, state, relation_data)
    assert provider.warnings == warnings
    publish(provider, state, relation_data)
    assert provider.warnings == []


# All relations.


def test_a_relay_is_published_to_each_relation_of_the_endpoint(provider: Provider) -> None:
    first, second, legacy = relation(), relation({"host": "old"}), relation(endpoint="smtp-legacy")
    state = testing.State(leader=True, relations=[first, second, legacy])
    state, written = publish(provider, state, LOGIN)
    assert written is True
    assert databag(state, first) == databag(state, second) == LOGIN
    assert databag(state, legacy) == {}


def test_what_is_published_is_written_where_it_differs(
    provider: Provider, hook_commands: HookCommands
) -> None:
    first, second = relation(OPEN), relation()
    state = testing.State(leader=True, relations=[first, second])
    state, written = publish(provider, state, OPEN)
    assert written is True
    assert hook_commands.writes == ["relation-set"]
    _, written = publish(provider, state, OPEN)
    assert written is False
    assert hook_commands.writes == ["relation-set"]


def test_without_a_relation_nothing_is_published(provider: Provider) -> None:
    _, written = publish(provider, testing.State(leader=True), OPEN)
    assert written is False
    assert provider.warnings == []


def test_a_follower_publishes_nothing(provider: Provider, hook_commands: HookCommands) -> None:
    _, written = publish(provider, testing.State(relations=[relation()]), OPEN)
    assert written is False
    assert hook_commands.writes == []
    assert provider.warnings == []


def test_a_secret_is_granted_to_each_application_before_its_databag_names_it(
    provider: Provider, hook_commands: HookCommands
) -> None:
    first, second = relation(app="one"), relation(OPEN, app="two")
    state = testing.State(leader=True, relations=[first, second], secrets=[our_secret()])
    state, _ = publish(provider, state, WITH_SECRET, label="ours")
    assert state.get_secret(id=URI).remote_grants == {
        first.id: frozenset({"one"}),
        second.id: frozenset({"two"}),
    }
    assert databag(state, first) == databag(state, second) == WITH_SECRET
    assert hook_commands.writes == ["secret-grant", "relation-set"] * 2


def test_a_secret_that_a_databag_names_is_not_granted_again(
    provider: Provider, hook_commands: HookCommands
) -> None:
    related = relation({**OPEN, "password_id": URI})
    state = testing.State(leader=True, relations=[related], secrets=[our_secret()])
    state, _ = publish(provider, state, WITH_SECRET, label="ours")
    assert databag(state, related) == WITH_SECRET
    assert hook_commands.writes == ["relation-set"]


def test_what_juju_refuses_is_raised(provider: Provider) -> None:
    foreign = testing.Secret({"password": PASSWORD}, id=URI, label="ours")
    state = testing.State(leader=True, relations=[relation()], secrets=[foreign])
    with pytest.raises(ops.ModelError, match="must own secret"):
        publish(provider, state, WITH_SECRET, label="ours")


def test_only_what_changed_is_written_at_once(
    provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = vars(mocking)["_MockModelBackend"]
    relation_set, written = backend.relation_set, list[dict[str, str]]()

    def recorded(self: Any, *args: Any, **kwargs: Any) -> None:
        written.append(dict(kwargs["data"]))
        relation_set(self, *args, **kwargs)

    monkeypatch.setattr(backend, "relation_set", recorded)
    related = relation({**OPEN, "domain": "example.com", "user": "old"})
    state = testing.State(leader=True, relations=[related])
    state, _ = publish(provider, state, {**OPEN, "port": "587", "user": "new"})
    assert databag(state, related) == {**OPEN, "port": "587", "user": "new"}
    assert written == [{"domain": "", "port": "587", "user": "new"}]


def test_a_secret_that_no_databag_shall_name_is_not_granted(
    provider: Provider, hook_commands: HookCommands
) -> None:
    state = testing.State(leader=True, relations=[relation()], secrets=[our_secret()])
    publish(provider, state, OPEN, label="ours")
    assert hook_commands.writes == ["relation-set"]


def test_a_relay_that_loses_its_secret_has_it_not_granted_again(
    provider: Provider, hook_commands: HookCommands
) -> None:
    related = relation(WITH_SECRET)
    state = testing.State(leader=True, relations=[related], secrets=[our_secret()])
    state, _ = publish(provider, state, LOGIN, label="ours")
    assert databag(state, related) == LOGIN
    assert hook_commands.writes == ["relation-set"]


def test_an_empty_databag_withdraws_what_was_published(provider: Provider) -> None:
    related = relation(LOGIN)
    state = testing.State(leader=True, relations=[related])
    state, written = publish(provider, state, {})
    assert (written, databag(state, related)) == (True, {})
    assert publish(provider, state, {})[1] is False


def test_another_secret_is_granted_before_a_databag_names_it(
    provider: Provider, hook_commands: HookCommands
) -> None:
    related = relation({**WITH_SECRET, "password_id": "secret:d1k0v5a8o1f2r4g0cvq3"})
    state = testing.State(leader=True, relations=[related], secrets=[our_secret()])
    state, _ = publish(provider, state, WITH_SECRET, label="ours")
    assert databag(state, related) == WITH_SECRET
    assert hook_commands.writes == ["secret-grant", "relation-set"]


# What charms in the field rely on.


def test_it_knows_its_charm_and_endpoint() -> None:
    charm = mock.MagicMock()
    provides = smtp.SmtpProvides(charm)
    assert provides.charm is charm
    assert provides.relation_name == "smtp"
    assert smtp.SmtpProvides(charm, "mail").relation_name == "mail"
    assert smtp.SmtpProvides(charm, relation_name="mail").relation_name == "mail"


def test_the_example_of_the_manual_runs() -> None:
    blocks = [text for text in (smtp.__doc__ or "").split("\n\n") if text.startswith("    ")]
    imports, _, example = "\n\n".join(blocks).partition("    class RelayCharm")
    lines = imports.partition("    class NotifierCharm")[0] + "    class RelayCharm" + example
    namespace: dict[str, Any] = {}
    exec(textwrap.dedent(lines), namespace)  # noqa: S102 - the library's own example
    meta = {"name": "relay", "provides": {"smtp": {"interface": "smtp"}}}
    context = testing.Context(namespace["RelayCharm"], meta=meta)
    related = relation()
    state = context.run(
        context.on.relation_created(related), testing.State(leader=True, relations=[related])
    )
    assert databag(state, related) == {**OPEN, "port": "587", "transport_security": "starttls"}

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import ops
import pytest
from ops import testing

import relay_secret

if TYPE_CHECKING:
    import charm
    from tests.unit.conftest import HookCommands, Hooks

PASSWORD = "hunter2-secret"
ID = "cvq3d1k0v5a8o1f2r4g0"
URI = f"secret:{ID}"
MODEL = testing.Model(uuid="5a1c1f0e-0000-4000-8000-000000000000")
PUBLISHED = f"secret://{MODEL.uuid}/{ID}"


class Leader:
    """Calls the module as the leader's charm would, in a hook that does nothing else."""

    def __init__(self, hooks: Hooks[charm.SmtpIntegratorCharm]) -> None:
        self._hooks = hooks
        self.published: relay_secret.Published | None = None

    def publish(self, password: str, state: testing.State) -> testing.State:
        state = dataclasses.replace(state, model=MODEL)

        def publish(charm: ops.CharmBase) -> None:
            self.published = relay_secret.publish(
                charm.model, relay_secret.PASSWORD, {"password": password}
            )

        return self._hooks.run(self._hooks.on.start(), state, first=publish)

    def withdraw(self, state: testing.State) -> testing.State:
        def withdraw(charm: ops.CharmBase) -> None:
            relay_secret.withdraw(charm.model, relay_secret.PASSWORD)

        return self._hooks.run(self._hooks.on.start(), state, first=withdraw)


@pytest.fixture
def leader(integrator: Hooks[charm.SmtpIntegratorCharm]) -> Leader:
    return Leader(integrator)


def our_secret(password: str = PASSWORD) -> testing.Secret:
    return testing.Secret({"password": password}, id=URI, owner="app", label="relay-password")


def published(secret: testing.Secret) -> str:
    return f"secret://{MODEL.uuid}/{secret.id.removeprefix('secret:').rpartition('/')[2]}"


def older_secret(password: str = PASSWORD) -> testing.Secret:
    """Build the secret of a charm revision before the label."""
    return testing.Secret({"password": password}, id=URI, owner="app")


def older_peers(secret_id: str = URI) -> testing.PeerRelation:
    return testing.PeerRelation("smtp-peers", local_app_data={"secret-id": secret_id})


def test_the_first_password_makes_a_secret_of_the_application(leader: Leader) -> None:
    state = leader.publish(PASSWORD, testing.State(leader=True))
    [secret] = state.secrets
    assert secret.owner == "app"
    assert secret.label == "relay-password"
    assert secret.latest_content == {"password": PASSWORD}
    assert leader.published
    assert leader.published.id == published(secret)
    assert leader.published.secret.id == secret.id
    assert leader.published.is_new


def test_the_same_password_writes_nothing(leader: Leader, hook_commands: HookCommands) -> None:
    leader.publish(PASSWORD, testing.State(leader=True, secrets=[our_secret()]))
    assert hook_commands.writes == []
    assert leader.published
    assert leader.published.id == PUBLISHED
    assert not leader.published.is_new


def test_another_password_is_a_new_revision_of_the_same_secret(
    leader: Leader, hook_commands: HookCommands
) -> None:
    state = leader.publish("new", testing.State(leader=True, secrets=[our_secret("old")]))
    [secret] = state.secrets
    assert hook_commands.writes == ["secret-set content"]
    assert secret.latest_content == {"password": "new"}
    assert leader.published
    assert secret.id == URI
    assert leader.published.id == PUBLISHED
    assert leader.published.is_new


def test_a_new_revision_is_compared_with_the_next_password(
    leader: Leader, hook_commands: HookCommands
) -> None:
    state = leader.publish("new", testing.State(leader=True, secrets=[our_secret("old")]))
    leader.publish("new", state)
    assert hook_commands.writes == ["secret-set content"]


def test_the_unit_tracks_the_newest_revision_so_that_older_ones_can_go(leader: Leader) -> None:
    state = leader.publish("new", testing.State(leader=True, secrets=[our_secret("old")]))
    [secret] = state.secrets
    assert secret.tracked_content == {"password": "new"}


@pytest.mark.parametrize("password", ["old", "new"])
def test_a_revision_that_another_leader_made_is_the_one_that_counts(
    leader: Leader, hook_commands: HookCommands, password: str
) -> None:
    secret = testing.Secret(
        {"password": "old"},
        latest_content={"password": "new"},
        owner="app",
        label="relay-password",
    )
    state = leader.publish(password, testing.State(leader=True, secrets=[secret]))
    assert state.get_secret(id=secret.id).tracked_content == {"password": password}
    assert hook_commands.writes == (["secret-set content"] if password == "old" else [])


def test_content_that_is_not_exactly_the_password_is_replaced(leader: Leader) -> None:
    content = {"password": PASSWORD, "user": "mailer"}
    secret = testing.Secret(content, owner="app", label="relay-password")
    state = leader.publish(PASSWORD, testing.State(leader=True, secrets=[secret]))
    assert state.get_secret(id=secret.id).latest_content == {"password": PASSWORD}


def test_the_id_is_spelled_the_same_when_juju_names_the_model(leader: Leader) -> None:
    """As `secret-add` of Juju 3.6 and 4.0 does."""
    secret = testing.Secret(
        {"password": PASSWORD}, id=PUBLISHED, owner="app", label="relay-password"
    )
    leader.publish(PASSWORD, testing.State(leader=True, secrets=[secret]))
    assert leader.published
    assert leader.published.id == PUBLISHED


def test_a_noted_secret_that_is_anothers_is_left_alone(
    leader: Leader, hook_commands: HookCommands
) -> None:
    """Juju 4.0 would take a new label, and fail every hook when it is committed."""
    others = testing.Secret({"password": PASSWORD}, id=URI)
    state = testing.State(leader=True, secrets=[others], relations=[older_peers()])
    out = leader.publish(PASSWORD, state)
    assert hook_commands.writes == ["secret-add"]
    assert out.get_secret(id=URI).label is None
    assert leader.published
    assert leader.published.id != PUBLISHED


def test_an_older_revisions_secret_is_taken_over(
    leader: Leader, hook_commands: HookCommands
) -> None:
    state = leader.publish(
        PASSWORD,
        testing.State(leader=True, secrets=[older_secret()], relations=[older_peers()]),
    )
    [secret] = state.secrets
    assert (secret.id, secret.label) == (URI, "relay-password")
    assert hook_commands.writes == ["secret-set"]
    assert leader.published
    assert leader.published.id == PUBLISHED
    assert not leader.published.is_new


def test_an_older_revisions_secret_gets_the_new_password(leader: Leader) -> None:
    state = leader.publish(
        "new",
        testing.State(leader=True, secrets=[older_secret("old")], relations=[older_peers()]),
    )
    [secret] = state.secrets
    assert (secret.id, secret.latest_content) == (URI, {"password": "new"})


def test_the_newest_revision_of_an_older_revisions_secret_is_the_one_that_counts(
    leader: Leader, hook_commands: HookCommands
) -> None:
    older = testing.Secret(
        {"password": "first"}, latest_content={"password": PASSWORD}, id=URI, owner="app"
    )
    state = leader.publish(
        PASSWORD, testing.State(leader=True, secrets=[older], relations=[older_peers()])
    )
    [secret] = state.secrets
    assert hook_commands.writes == ["secret-set"]
    assert secret.tracked_content == {"password": PASSWORD}


def test_a_secret_that_was_taken_over_is_found_without_peers(
    leader: Leader, hook_commands: HookCommands
) -> None:
    peers = older_peers()
    state = leader.publish(
        PASSWORD, testing.State(leader=True, secrets=[older_secret()], relations=[peers])
    )
    hook_commands.writes.clear()
    leader.publish(PASSWORD, testing.State(leader=True, secrets=state.secrets))
    assert hook_commands.writes == []
    assert leader.published
    assert leader.published.id == PUBLISHED


@pytest.mark.parametrize("stale", ["secret:d0000000000000000000", ""])
def test_a_stale_id_of_an_older_revision_is_no_secret(leader: Leader, stale: str) -> None:
    state = testing.State(leader=True, relations=[older_peers(stale)])
    [secret] = leader.publish(PASSWORD, state).secrets
    assert secret.label == "relay-password"
    assert leader.published
    assert leader.published.is_new
    assert leader.published.id == published(secret)


def test_our_own_secret_goes_before_an_older_revisions_id(leader: Leader) -> None:
    older = testing.Secret({"password": "older"}, owner="app")
    state = testing.State(
        leader=True, secrets=[older, our_secret()], relations=[older_peers(older.id)]
    )
    leader.publish(PASSWORD, state)
    assert leader.published
    assert leader.published.id == PUBLISHED


@pytest.mark.parametrize("name", ["relay-password", ID])
def test_a_failure_of_juju_makes_no_second_secret(
    leader: Leader, hook_commands: HookCommands, name: str
) -> None:
    older = testing.State(leader=True, secrets=[older_secret()], relations=[older_peers()])
    hook_commands.refusals[name] = "ERROR connection refused\n"
    with pytest.raises(ops.ModelError, match="connection refused"):
        leader.publish(PASSWORD, older)
    assert hook_commands.writes == []


def test_withdrawing_removes_the_secret(leader: Leader, hook_commands: HookCommands) -> None:
    state = leader.withdraw(testing.State(leader=True, secrets=[our_secret()]))
    assert not state.secrets
    assert hook_commands.writes == ["secret-remove"]


def test_withdrawing_removes_an_older_revisions_secret_and_its_id(leader: Leader) -> None:
    peers = older_peers()
    state = leader.withdraw(
        testing.State(leader=True, secrets=[older_secret()], relations=[peers])
    )
    assert not state.secrets
    assert state.get_relation(peers.id).local_app_data == {}


def test_withdrawing_removes_a_stale_id(leader: Leader) -> None:
    peers = older_peers()
    state = leader.withdraw(testing.State(leader=True, relations=[peers]))
    assert state.get_relation(peers.id).local_app_data == {}


def test_withdrawing_leaves_the_secrets_of_others(leader: Leader) -> None:
    other = testing.Secret({"password": PASSWORD})
    state = leader.withdraw(testing.State(leader=True, secrets=[other, our_secret()]))
    assert [secret.id for secret in state.secrets] == [other.id]


@pytest.mark.parametrize("peers", [[], [testing.PeerRelation("smtp-peers")]])
def test_withdrawing_nothing_writes_nothing(
    leader: Leader, hook_commands: HookCommands, peers: list[testing.PeerRelation]
) -> None:
    leader.withdraw(testing.State(leader=True, relations=peers))
    assert hook_commands.writes == []


def test_the_password_is_not_in_the_repr(leader: Leader) -> None:
    leader.publish(PASSWORD, testing.State(leader=True))
    assert PASSWORD not in repr(leader.published)

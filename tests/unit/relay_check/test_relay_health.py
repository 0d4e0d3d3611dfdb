"""The option `check_relay`: when a check runs, how often AUTH is tried, what the status says."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import checking
import pytest
from ops import testing
from scripted_relay import DROP, Behaviour, ScriptedRelay

if TYPE_CHECKING:
    from collections.abc import Generator

    import charm
    from tests.unit.conftest import Hooks

REFUSED = "535 5.7.8 no"
SHOWN = "relay: AUTH refused: 535 5.7.8 no; run 'juju run smtp-integrator/leader check-relay'"


@pytest.fixture
def refusing() -> Generator[ScriptedRelay]:
    with ScriptedRelay(
        Behaviour({"AUTH": REFUSED}, capabilities=checking.AUTH),
    ) as relay:
        yield relay


class Leader:
    """The integrator's leader, from hook to hook."""

    def __init__(self, hooks: Hooks[charm.SmtpIntegratorCharm], relay: ScriptedRelay) -> None:
        self._hooks = hooks
        self._relay = relay
        self.on = hooks.on
        self.state = testing.State(
            leader=True,
            relations=[testing.Relation("smtp-legacy")],
            config={
                **checking.ACCOUNT,
                "host": relay.host,
                "port": relay.port,
                "check_relay": True,
            },
        )

    def run(self, event: Any, **config: Any) -> str:
        """Run a hook and return the status's message."""
        changed = {**self.state.config, **config}
        self.state = self._hooks.run(event, dataclasses.replace(self.state, config=changed))
        assert self.state.unit_status.name == "active"
        return self.state.unit_status.message

    def act(self, action: str, params: dict[str, Any] | None = None) -> testing.ActionFailed:
        with pytest.raises(testing.ActionFailed) as failure:
            self._hooks.run(self.on.action(action, params=params), self.state)
        assert isinstance(failure.value.state, testing.State)
        self.state = failure.value.state
        return failure.value

    @property
    def attempts(self) -> int:
        return self._relay.verbs.count("AUTH")

    @property
    def connections(self) -> int:
        return len(self._relay.conversations)


@pytest.fixture
def leader(integrator: Hooks[charm.SmtpIntegratorCharm], refusing: ScriptedRelay) -> Leader:
    return Leader(integrator, refusing)


def test_the_leaders_status_says_what_is_wrong(leader: Leader) -> None:
    assert leader.run(leader.on.config_changed()) == SHOWN


def test_the_relay_is_published_whatever_the_check_finds(leader: Leader) -> None:
    leader.run(leader.on.config_changed())

    (relation,) = leader.state.relations
    assert relation.local_app_data["host"] == "127.0.0.1"


def test_a_refused_auth_is_not_tried_again_at_update_status(leader: Leader) -> None:
    leader.run(leader.on.config_changed())

    messages = [leader.run(leader.on.update_status()) for _ in range(3)]

    assert messages == [SHOWN] * 3
    assert leader.attempts == 1
    assert leader.connections == 4


@pytest.mark.parametrize("answer", [DROP, "550 5.7.1 no", "535 5.7.8 no", "534 5.7.9 no"])
def test_whatever_may_count_as_a_failed_login_is_not_tried_again(
    integrator: Hooks[charm.SmtpIntegratorCharm], answer: str
) -> None:
    with ScriptedRelay(Behaviour({"AUTH": answer}, checking.AUTH)) as relay:
        leader = Leader(integrator, relay)
        messages = {leader.run(leader.on.config_changed())}
        messages |= {leader.run(leader.on.update_status()) for _ in range(2)}

    assert len(messages) == 1
    assert leader.attempts == 1


def test_a_relay_that_blames_itself_is_tried_again(
    integrator: Hooks[charm.SmtpIntegratorCharm],
) -> None:
    with ScriptedRelay(Behaviour({"AUTH": "454 4.7.0 later"}, checking.AUTH)) as relay:
        leader = Leader(integrator, relay)
        leader.run(leader.on.config_changed())
        leader.run(leader.on.update_status())

    assert leader.attempts == 2


def test_a_refused_auth_shows_again_when_the_relay_is_back(
    integrator: Hooks[charm.SmtpIntegratorCharm],
) -> None:
    refuses = Behaviour({"AUTH": REFUSED}, checking.AUTH)
    down = Behaviour({"BANNER": "421 4.3.2 down"})
    with ScriptedRelay(refuses, down, refuses) as relay:
        leader = Leader(integrator, relay)
        assert leader.run(leader.on.config_changed()) == SHOWN
        assert leader.run(leader.on.update_status()).startswith("relay: relay is busy: 421")
        assert leader.run(leader.on.update_status()) == SHOWN
        assert leader.attempts == 1


@pytest.mark.parametrize("action", ["check-relay", "send-test-email"])
def test_addresses_of_an_action_say_nothing_about_the_relay(
    integrator: Hooks[charm.SmtpIntegratorCharm], action: str
) -> None:
    behaviour = Behaviour({"RCPT": "550 5.1.1 no such user"}, checking.AUTH)
    with ScriptedRelay(behaviour) as relay:
        leader = Leader(integrator, relay)
        assert leader.run(leader.on.config_changed()) == ""
        params = {"sender": "a@example.com", "recipient": "typo@example.com"}
        if action == "send-test-email":
            # Juju fills in the default.
            params["subject"] = "A test"
        failure = leader.act(action, params)
        assert failure.message.startswith("recipient unknown: 550 5.1.1")
        assert leader.state.unit_status.message == ""
        leader.run(leader.on.config_changed(), recipients="typo@example.com")
        leader.act("check-relay")
        assert leader.state.unit_status.message.startswith("relay: recipient unknown: 550 5.1.1")


def test_a_new_password_is_tried(leader: Leader) -> None:
    leader.run(leader.on.config_changed())

    leader.run(leader.on.config_changed(), password="another-zebra-42")
    leader.run(leader.on.update_status())

    assert leader.attempts == 2


def test_another_event_checks_nothing_twice(leader: Leader) -> None:
    leader.run(leader.on.config_changed())

    leader.run(leader.on.upgrade_charm())

    assert leader.connections == 1


def test_the_option_off_checks_nothing(leader: Leader) -> None:
    assert leader.run(leader.on.config_changed(), check_relay=False) == ""
    assert leader.connections == 0


def test_a_follower_checks_nothing(leader: Leader) -> None:
    leader.state = dataclasses.replace(leader.state, leader=False)

    assert leader.run(leader.on.config_changed()) == ""
    assert leader.connections == 0


def test_the_action_tries_auth_and_its_result_is_kept(leader: Leader) -> None:
    leader.run(leader.on.config_changed())

    failure = leader.act("check-relay")

    assert failure.message.startswith("AUTH refused: 535 5.7.8 no.")
    assert leader.attempts == 2
    assert leader.run(leader.on.update_status()) == SHOWN
    assert leader.attempts == 2


def test_a_relay_that_takes_the_password_again_is_seen_by_the_action(
    integrator: Hooks[charm.SmtpIntegratorCharm],
) -> None:
    refuses = Behaviour({"AUTH": REFUSED}, capabilities=checking.AUTH)
    takes = Behaviour(capabilities=checking.AUTH)
    with ScriptedRelay(refuses, takes) as relay:
        leader = Leader(integrator, relay)
        assert leader.run(leader.on.config_changed()) == SHOWN

        leader.state = integrator.run(leader.on.action("check-relay"), leader.state)

        assert leader.run(leader.on.update_status()) == ""
        assert leader.attempts == 3


def test_a_relay_that_is_down_shows_until_it_is_back(
    integrator: Hooks[charm.SmtpIntegratorCharm],
) -> None:
    down = Behaviour({"BANNER": "421 4.3.2 closing"}, capabilities=checking.AUTH)
    with ScriptedRelay(down, Behaviour(capabilities=checking.AUTH)) as relay:
        leader = Leader(integrator, relay)

        assert "421 4.3.2 closing" in leader.run(leader.on.config_changed())
        assert leader.run(leader.on.update_status()) == ""


def test_the_password_is_in_no_state(leader: Leader) -> None:
    leader.run(leader.on.config_changed())

    assert checking.PASSWORD not in repr(leader.state.stored_states)

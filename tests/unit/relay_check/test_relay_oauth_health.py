"""What the integrator's actions and its status say of a relay that takes tokens."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any, cast

import pytest
from ops import testing
from scripted_relay import Behaviour, ScriptedRelay
from with_token import XOAUTH2

if TYPE_CHECKING:
    from collections.abc import Generator

    import charm
    from tests import token_endpoint
    from tests.unit.conftest import Hooks

MESSAGE = {"recipient": "ops@example.com", "sender": "app@example.com", "subject": "A test"}


@pytest.fixture
def relay() -> Generator[ScriptedRelay]:
    with ScriptedRelay(Behaviour(capabilities=XOAUTH2)) as relay:
        yield relay


class Leader:
    """The integrator's leader, from hook to hook, with a grant of the token endpoint."""

    def __init__(
        self,
        hooks: Hooks[charm.SmtpIntegratorCharm],
        relay: ScriptedRelay,
        endpoint: token_endpoint.Endpoint,
        kind: str = "client-secret",
    ) -> None:
        self._hooks = hooks
        self._endpoint = endpoint
        self.on = hooks.on
        self.secret = testing.Secret(dict(endpoint.content(kind)))
        self.state = testing.State(
            leader=True,
            relations=[testing.Relation("smtp", remote_app_name="mailer")],
            secrets=[self.secret],
            config={
                "host": relay.host,
                "port": relay.port,
                "user": endpoint.client.user,
                "auth_type": "oauth2",
                "oauth_secret": self.secret.id,
                "tls_ca_chain": endpoint.ca,
                "check_relay": True,
            },
        )

    def run(self, event: Any) -> str:
        """Run a hook and return the status's message."""
        self._keep(self._hooks.run(event, self.state))
        return self.state.unit_status.message

    def renew(self, **content: str) -> str:
        """Let the user's secret have another revision, and return the status's message."""
        held = self.state.get_secret(id=self.secret.id)
        changed = dataclasses.replace(
            held, latest_content={**(held.latest_content or {}), **content}
        )
        others = [secret for secret in self.state.secrets if secret.id != held.id]
        self.state = dataclasses.replace(self.state, secrets=[*others, changed])
        return self.run(self.on.secret_changed(changed))

    def act(self, action: str, params: dict[str, str] | None = None) -> tuple[str, dict[str, Any]]:
        """Run an action, and return why it failed and its results."""
        failure = ""
        try:
            state = self._hooks.run(self.on.action(action, params=params), self.state)
        except testing.ActionFailed as e:
            state, failure = cast("testing.State", e.state), e.message
        results = self._hooks.context.action_results or {}
        self._keep(state, failure, json.dumps(results))
        return failure, results

    def _keep(self, state: testing.State, *shown: str) -> None:
        self.state = state
        text = "\n".join([*shown, state.unit_status.message, *self._hooks.log])
        stored = str([one.content for one in state.stored_states])
        text += stored + str([dict(one.local_app_data) for one in state.get_relations("smtp")])
        assert [secret for secret in self._endpoint.secrets if secret in text] == []


@pytest.fixture
def leader(
    integrator: Hooks[charm.SmtpIntegratorCharm],
    relay: ScriptedRelay,
    endpoint: token_endpoint.Endpoint,
) -> Leader:
    return Leader(integrator, relay, endpoint)


def test_a_relay_that_takes_the_token_needs_no_word(leader: Leader) -> None:
    assert leader.run(leader.on.config_changed()) == ""

    failure, results = leader.act("check-relay")

    assert failure == ""
    assert results["works"] == "true"
    assert results["stages"]["token"]["grant"] == "client-secret"
    assert results["stages"]["auth"]["chosen"] == "XOAUTH2"


def test_a_message_is_sent_with_a_token(leader: Leader, relay: ScriptedRelay) -> None:
    failure, results = leader.act("send-test-email", MESSAGE)

    assert (failure, results["sent"]) == ("", "true")
    assert relay.verbs.count("AUTH") == 1


def test_a_refused_client_secret_shows_in_the_status_until_it_is_renewed(
    leader: Leader, endpoint: token_endpoint.Endpoint
) -> None:
    right = endpoint.client.secret
    leader.run(leader.on.config_changed())

    shown = leader.renew(**{"client-secret": "hunter2-wrong"})

    assert shown.startswith("relay: ")
    assert shown.endswith("; run 'juju run smtp-integrator/leader check-relay'")
    assert "hunter2" not in shown
    failure, results = leader.act("check-relay")
    assert results["kind"] == "client-secret-wrong"
    assert "hunter2" not in failure + json.dumps(results)
    assert leader.renew(**{"client-secret": right}) == ""


def test_an_endpoint_that_is_down_shows_in_the_status(
    leader: Leader, endpoint: token_endpoint.Endpoint
) -> None:
    endpoint.answer = (503, {"error": "temporarily_unavailable"})
    assert leader.run(leader.on.config_changed()).startswith("relay: ")
    endpoint.answer = None
    assert leader.run(leader.on.update_status()) == ""


def test_a_relay_without_a_mechanism_for_tokens_is_tried_again(
    integrator: Hooks[charm.SmtpIntegratorCharm], endpoint: token_endpoint.Endpoint
) -> None:
    without, with_it = Behaviour(capabilities=("AUTH PLAIN",)), Behaviour(capabilities=XOAUTH2)
    with ScriptedRelay(without, with_it) as relay:
        leader = Leader(integrator, relay, endpoint)
        assert "no AUTH mechanism for tokens" in leader.run(leader.on.config_changed())
        assert leader.run(leader.on.update_status()) == ""
    assert relay.verbs.count("AUTH") == 1


def test_a_refresh_token_is_not_redeemed(
    integrator: Hooks[charm.SmtpIntegratorCharm],
    relay: ScriptedRelay,
    endpoint: token_endpoint.Endpoint,
) -> None:
    leader = Leader(integrator, relay, endpoint, "refresh-token")

    assert leader.run(leader.on.config_changed()) == ""
    failure, results = leader.act("check-relay")
    assert (failure, results["works"]) == ("", "true")
    failure, _ = leader.act("send-test-email", MESSAGE)

    assert failure.startswith("refresh token is not for this")
    assert leader.run(leader.on.update_status()) == ""
    assert endpoint.requests == []
    assert "AUTH" not in relay.verbs

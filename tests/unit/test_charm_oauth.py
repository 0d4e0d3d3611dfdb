"""The integrator with auth_type=oauth2: what it publishes, to whom, and what it says."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest
from hypothesis import strategies as st
from ops import testing

from tests.unit.test_charm import (
    LOGIN,
    OPEN,
    PASSWORD,
    USER_URI,
    databags,
    own_secret,
    reconfigured,
    relations,
    step,
    uri,
    user_secret,
    without,
)

if TYPE_CHECKING:
    from tests.unit.conftest import HookCommands
    from tests.unit.test_charm import Integrator

GRANT_ID = "d1k0v5a8o1f2r4g0cvq3"
GRANT_URI = f"secret:{GRANT_ID}"
CLIENT_SECRET = "hunter2-client"
REFRESH_TOKEN = "hunter2-refresh"
GRANT = {
    "token-url": "https://login.example.com/tenant/token",
    "client-id": "mailer",
    "scope": "https://relay.example.com/.default",
    "client-secret": CLIENT_SECRET,
}
REFRESHED = {**GRANT, "client-secret": "", "refresh-token": REFRESH_TOKEN}
OAUTH: dict[str, Any] = {
    "host": "smtp.example.com",
    "port": 587,
    "user": "mailer@example.com",
    "auth_type": "oauth2",
    "oauth_secret": GRANT_URI,
    "transport_security": "starttls",
}
CLEAR_TOKEN = "auth_type=oauth2 with transport_security=none: the token travels in the clear"
UNUSED_GRANT = "oauth_secret: has no effect without auth_type=oauth2"


def serves_alone(app: str) -> str:
    return (
        f"oauth_secret: its refresh token serves {app} alone; the others can send through "
        "smtp-forwarder's endpoint relay"
    )


def grant_secret(content: dict[str, str] | None = None) -> testing.Secret:
    given = {key: value for key, value in (content or GRANT).items() if value}
    return testing.Secret(given, id=GRANT_URI)


def renewed(state: testing.State, content: dict[str, str]) -> tuple[testing.State, testing.Secret]:
    """Let the user's secret have another content."""
    secret = dataclasses.replace(
        state.get_secret(id=GRANT_URI),
        latest_content={key: value for key, value in content.items() if value},
    )
    others = [one for one in state.secrets if one.id != GRANT_URI]
    return dataclasses.replace(state, secrets=[*others, secret]), secret


def settled(
    integrator: Integrator,
    *endpoints: str,
    content: dict[str, str] | None = None,
    config: dict[str, Any] = OAUTH,
) -> testing.State:
    """Return the state after a leader's first hook."""
    state = testing.State(
        leader=True,
        config=config,
        relations=relations(*endpoints),
        secrets=[grant_secret(content), user_secret()],
    )
    return integrator.run(integrator.on.config_changed(), state)


def labels(state: testing.State) -> set[str | None]:
    """Return the labels of the application's own secrets."""
    return {secret.label for secret in state.secrets if secret.owner == "app"}


def published(state: testing.State) -> testing.Secret:
    return state.get_secret(label="relay-oauth")


# What is published.


@pytest.mark.parametrize("more", [{}, {"password": PASSWORD}, {"password_secret": USER_URI}])
def test_smtp_names_the_secret_and_attempts_no_auth_with_a_password(
    integrator: Integrator, more: dict[str, str]
) -> None:
    out = settled(integrator, "smtp", config={**OAUTH, **more})
    assert databags(out) == [
        {
            "host": "smtp.example.com",
            "port": "587",
            "user": "mailer@example.com",
            "auth_type": "none",
            "transport_security": "starttls",
            "skip_ssl_verify": "False",
            "oauth_id": uri(published(out), out),
        }
    ]
    assert out.unit_status == testing.ActiveStatus("")


def test_smtp_legacy_gets_no_secret_ever(integrator: Integrator) -> None:
    out = settled(integrator, "smtp", "smtp-legacy", config={**OAUTH, "password": PASSWORD})
    [databag] = databags(out, "smtp-legacy")
    assert (databag["auth_type"], databag["user"]) == ("none", "mailer@example.com")
    assert not {"oauth_id", "password", "password_id"} & databag.keys()
    [smtp] = out.get_relations("smtp")
    assert published(out).remote_grants == {smtp.id: frozenset({"app0"})}


@pytest.mark.parametrize("content", [GRANT, {**GRANT, "client-secret": f"{CLIENT_SECRET}\n"}])
def test_the_secret_is_the_applications_and_holds_the_users_keys(
    integrator: Integrator, content: dict[str, str]
) -> None:
    out = settled(integrator, "smtp", content=content)
    assert published(out).owner == "app"
    assert published(out).latest_content == GRANT


def test_no_secret_is_made_where_nobody_reads_one(integrator: Integrator) -> None:
    assert labels(settled(integrator, "smtp-legacy", "smtp-peers")) == set()


def test_each_related_application_is_granted_the_secret(integrator: Integrator) -> None:
    out = settled(integrator, "smtp", "smtp")
    assert sorted(map(sorted, published(out).remote_grants.values())) == [["app0"], ["app1"]]


def test_a_renewed_client_secret_is_a_new_revision_under_the_same_id(
    integrator: Integrator, hook_commands: HookCommands
) -> None:
    old = settled(integrator, "smtp")
    hook_commands.writes.clear()
    state, secret = renewed(old, {**GRANT, "client-secret": "renewed"})
    new = integrator.run(integrator.on.secret_changed(secret), state)
    assert hook_commands.writes == ["secret-set content"]
    assert published(new).id == published(old).id
    assert published(new).latest_content == {**GRANT, "client-secret": "renewed"}
    assert databags(new) == databags(old)
    assert new.get_secret(id=GRANT_URI).tracked_content["client-secret"] == "renewed"


@pytest.mark.parametrize("content", [GRANT, REFRESHED])
def test_nothing_is_written_twice(
    integrator: Integrator, hook_commands: HookCommands, content: dict[str, str]
) -> None:
    state = settled(integrator, "smtp", "smtp", "smtp-legacy", "smtp-peers", content=content)
    hook_commands.writes.clear()
    for event in (integrator.on.config_changed(), integrator.on.update_status()):
        state = integrator.run(event, state)
    assert hook_commands.writes == []
    assert integrator.warnings == []


def test_an_id_of_the_password_is_kept_until_oauth_takes_its_place(
    integrator: Integrator,
) -> None:
    plain = settled(integrator, "smtp", config=LOGIN)
    prepared = integrator.run(
        integrator.on.config_changed(), reconfigured(plain, oauth_secret=GRANT_URI)
    )
    assert databags(prepared) == databags(plain)
    assert own_secret(prepared).id == own_secret(plain).id


# One secret at a time.


WAYS: list[tuple[dict[str, Any], set[str]]] = [
    (LOGIN, {"relay-password"}),
    (OAUTH, {"relay-oauth"}),
    (OPEN, set()),
]


@pytest.mark.parametrize(("before", "_before"), WAYS)
@pytest.mark.parametrize(("after", "expected"), WAYS)
@pytest.mark.parametrize("content", [GRANT, REFRESHED])
def test_another_auth_type_leaves_no_secret_of_the_one_before(
    integrator: Integrator,
    before: dict[str, Any],
    _before: set[str],
    after: dict[str, Any],
    expected: set[str],
    content: dict[str, str],
) -> None:
    state = settled(integrator, "smtp", "smtp", content=content, config=before)
    changed = dataclasses.replace(state, config=after)
    out = integrator.run(integrator.on.config_changed(), changed)
    assert labels(out) == expected
    fresh = settled(integrator, "smtp", "smtp", content=content, config=after)
    assert [databag.keys() for databag in databags(out)] == [
        databag.keys() for databag in databags(fresh)
    ]


@pytest.mark.parametrize(("before", "after"), [(OAUTH, LOGIN), (LOGIN, OAUTH)])
def test_a_secret_that_nobody_reads_any_longer_is_gone_at_the_next_update_status(
    integrator: Integrator, before: dict[str, Any], after: dict[str, Any]
) -> None:
    state = settled(integrator, "smtp", config=before)
    [smtp] = state.get_relations("smtp")
    state = integrator.run(integrator.on.relation_broken(smtp), state)
    assert len(labels(state)) == 1
    state = dataclasses.replace(without(state, smtp), config=after)
    state = integrator.run(integrator.on.config_changed(), state)
    out = integrator.run(integrator.on.update_status(), state)
    assert labels(out) == set()


def test_a_secret_that_is_left_is_not_looked_for_at_each_hook(
    integrator: Integrator, hook_commands: HookCommands
) -> None:
    plain = settled(integrator, "smtp", config=LOGIN)
    hook_commands.reads.clear()
    integrator.run(integrator.on.config_changed(), plain)
    assert hook_commands.reads == ["relay-password"]
    oauth = settled(integrator, "smtp")
    hook_commands.reads.clear()
    integrator.run(integrator.on.config_changed(), oauth)
    assert set(hook_commands.reads) == {GRANT_ID, "relay-oauth"}


CONFIGS = st.sampled_from([OPEN, LOGIN, OAUTH, {**OAUTH, "user": ""}, {**LOGIN, "port": 0}])
ENDPOINTS = st.sampled_from(["smtp", "smtp-legacy", "smtp-peers"])


@hypothesis.settings(max_examples=50)
@hypothesis.given(
    st.lists(st.tuples(CONFIGS, ENDPOINTS), min_size=1, max_size=4),
    st.sampled_from(WAYS),
    st.sampled_from([GRANT, REFRESHED]),
)
def test_any_way_to_a_configuration_ends_as_the_straight_one(
    integrator: Integrator,
    steps: list[tuple[dict[str, Any], str]],
    way: tuple[dict[str, Any], set[str]],
    content: dict[str, str],
) -> None:
    state = testing.State(leader=True, secrets=[grant_secret(content)])
    for config, endpoint in steps:
        state = step(integrator, state, config, endpoint)
    config, expected = way
    state = dataclasses.replace(state, config=config)
    for event in (integrator.on.config_changed(), integrator.on.update_status()):
        state = integrator.run(event, state)
    assert labels(state) - expected == set()
    for smtp in state.get_relations("smtp"):
        assert labels(state) == expected
        ids = {smtp.local_app_data.get(key) for key in ("password_id", "oauth_id")} - {None}
        own = [secret for secret in state.secrets if secret.owner == "app"]
        assert ids == {uri(secret, state) for secret in own}


# A refresh token has one owner.


def test_a_refresh_token_goes_to_the_application_that_was_related_first(
    integrator: Integrator,
) -> None:
    out = settled(integrator, "smtp", "smtp", "smtp", content=REFRESHED)
    named = ["oauth_id" in databag for databag in databags(out)]
    assert named == [True, False, False]
    assert [databag["auth_type"] for databag in databags(out)] == ["none"] * 3
    assert [*published(out).remote_grants.values()] == [frozenset({"app0"})]
    assert out.unit_status == testing.ActiveStatus(serves_alone("app0"))
    assert serves_alone("app0") in integrator.warnings


def test_a_refresh_token_that_serves_all_needs_no_word(integrator: Integrator) -> None:
    out = settled(integrator, "smtp", "smtp-legacy", content=REFRESHED)
    assert out.unit_status == testing.ActiveStatus("")
    assert "refresh token" not in str(integrator.log)


def test_followers_say_who_has_the_refresh_token(integrator: Integrator) -> None:
    state = testing.State(
        config=OAUTH, relations=relations("smtp", "smtp"), secrets=[grant_secret(REFRESHED)]
    )
    out = integrator.run(integrator.on.config_changed(), state)
    assert out.unit_status == testing.ActiveStatus(serves_alone("app0"))


def test_the_next_application_gets_the_refresh_token_when_the_first_leaves(
    integrator: Integrator,
) -> None:
    state = settled(integrator, "smtp", "smtp", content=REFRESHED)
    first, second = sorted(state.get_relations("smtp"), key=lambda relation: relation.id)
    state = integrator.run(integrator.on.relation_broken(first), state)
    assert second.id not in (published(state).remote_grants or {}), "it may be dying too"
    state = integrator.run(integrator.on.update_status(), without(state, first))
    assert databags(state)[0]["oauth_id"] == uri(published(state), state)
    assert published(state).remote_grants[second.id] == frozenset({"app1"})
    assert state.unit_status == testing.ActiveStatus("")


def test_what_all_could_read_is_taken_from_the_others_before_it_has_a_refresh_token(
    integrator: Integrator, hook_commands: HookCommands
) -> None:
    all_of_them = settled(integrator, "smtp", "smtp")
    hook_commands.writes.clear()
    state, secret = renewed(all_of_them, REFRESHED)
    one = integrator.run(integrator.on.secret_changed(secret), state)
    assert ["oauth_id" in databag for databag in databags(one)] == [True, False]
    assert [*published(one).remote_grants.values()] == [frozenset({"app0"})]
    state, secret = renewed(one, GRANT)
    again = integrator.run(integrator.on.secret_changed(secret), state)
    assert databags(again) == databags(all_of_them)
    assert len(published(again).remote_grants) == 2


# What is wrong.


WRONG: list[tuple[dict[str, Any], str]] = [
    (
        {"oauth_secret": None},
        (
            "oauth_secret: not set, and auth_type=oauth2 needs it; set it to a secret with the "
            "keys token-url, client-id, scope and client-secret, private-key or refresh-token "
            "that is granted to smtp-integrator"
        ),
    ),
    (
        {"oauth_secret": "secret:cvq3d1k0v5a8o1f2r4g1"},
        "oauth_secret: does not exist; run 'juju secrets' and enter the ID of one that does",
    ),
    (
        {"user": None},
        (
            "user: not set, and auth_type=oauth2 needs it; "
            "run 'juju config smtp-integrator user=NAME'"
        ),
    ),
]


@pytest.mark.parametrize("leader", [True, False])
@pytest.mark.parametrize(("wrong", "message"), WRONG)
def test_what_is_missing_blocks_every_unit_with_the_remedy(
    integrator: Integrator,
    wrong: dict[str, Any],
    message: str,
    *,
    leader: bool,
) -> None:
    state = testing.State(
        leader=leader, config=OAUTH, relations=relations("smtp"), secrets=[grant_secret()]
    )
    state = reconfigured(state, **wrong)
    out = integrator.run(integrator.on.config_changed(), state)
    assert out.unit_status == testing.BlockedStatus(message)
    assert databags(out) == [{}]


def test_a_secret_that_is_not_granted_blocks_until_it_is(
    integrator: Integrator, hook_commands: HookCommands
) -> None:
    hook_commands.refusals[GRANT_ID] = "ERROR permission denied\n"
    waiting = settled(integrator, "smtp")
    assert waiting.unit_status == testing.BlockedStatus(
        f"oauth_secret: not granted; run 'juju grant-secret {GRANT_ID} smtp-integrator' "
        "(noticed at the next update-status)"
    )
    hook_commands.refusals.clear()
    granted = integrator.run(integrator.on.update_status(), waiting)
    assert granted.unit_status == testing.ActiveStatus("")
    assert databags(granted)[0]["oauth_id"] == uri(published(granted), granted)


def test_what_was_published_stays_while_the_secret_is_wrong(
    integrator: Integrator, hook_commands: HookCommands
) -> None:
    right = settled(integrator, "smtp")
    hook_commands.writes.clear()
    state, secret = renewed(right, {**GRANT, "token-url": "http://login.example.com/token"})
    wrong = integrator.run(integrator.on.secret_changed(secret), state)
    assert isinstance(wrong.unit_status, testing.BlockedStatus)
    assert "oauth_secret: key token-url" in wrong.unit_status.message
    assert f"run 'juju update-secret {GRANT_ID} " in wrong.unit_status.message
    assert hook_commands.writes == []
    assert databags(wrong) == databags(right)


def test_the_secrets_that_are_not_used_are_not_read(
    integrator: Integrator, hook_commands: HookCommands
) -> None:
    both = {"password_secret": USER_URI, "oauth_secret": GRANT_URI}
    settled(integrator, config={**LOGIN, **both})
    assert set(hook_commands.reads) == {USER_URI.removeprefix("secret:")}
    hook_commands.reads.clear()
    settled(integrator, config={**OAUTH, **both})
    assert set(hook_commands.reads) == {GRANT_ID}


def test_what_is_unwise_is_logged(integrator: Integrator) -> None:
    settled(integrator, "smtp", config={**OAUTH, "transport_security": "none"})
    assert CLEAR_TOKEN in integrator.warnings
    settled(integrator, "smtp", config={**LOGIN, "oauth_secret": GRANT_URI})
    assert UNUSED_GRANT in integrator.warnings


# No leaks.


@pytest.mark.parametrize("content", [GRANT, REFRESHED, {"client-sekret": CLIENT_SECRET}])
def test_a_secret_shows_in_no_status_log_or_databag(
    integrator: Integrator, content: dict[str, str]
) -> None:
    state = settled(integrator, "smtp", "smtp", "smtp-legacy", content=content)
    for event in (integrator.on.config_changed(), integrator.on.update_status()):
        state = integrator.run(event, state)
        shown = [state.unit_status, integrator.log, databags(state)]
        shown += [databags(state, "smtp-legacy")]
        assert CLIENT_SECRET not in str(shown)
        assert REFRESH_TOKEN not in str(shown)

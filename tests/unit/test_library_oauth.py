"""A relay that takes tokens, from provider to requirer, and why it is not there."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any, TypeAlias

import ops
import pydantic
import pytest
from ops import testing

from charms.smtp_integrator.v0 import smtp

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.unit.conftest import HookCommands, Hooks, ProviderCharm, RequirerCharm

    Requirer: TypeAlias = Hooks[RequirerCharm]
    Provider: TypeAlias = Hooks[ProviderCharm]

ID = "cvq3d1k0v5a8o1f2r4g0"
URI = f"secret:{ID}"
OTHER_URI = "secret:d1k0v5a8o1f2r4g0cvq3"
SECRET = "hunter2-secret"
KEY = "-----BEGIN PRIVATE KEY-----\nhunter2-key\n-----END PRIVATE KEY-----\n"
DATABAG = {
    "host": "smtp.office365.com",
    "port": "587",
    "auth_type": "none",
    "transport_security": "starttls",
    "skip_ssl_verify": "False",
    "user": "notifications@example.com",
    "oauth_id": URI,
}
CONTENT = {
    "token-url": "https://login.microsoftonline.com/t/oauth2/v2.0/token",
    "client-id": "8d0f3c1e",
    "scope": "https://outlook.office365.com/.default",
    "client-secret": SECRET,
}
GRANT = smtp.OAuthGrant(
    token_url=CONTENT["token-url"],
    client_id=CONTENT["client-id"],
    scope=CONTENT["scope"],
    client_secret=SECRET,
)


def related(**changes: str) -> testing.Relation:
    databag = {**DATABAG, **changes}
    return testing.Relation(
        "smtp", remote_app_name="mail", remote_app_data={k: v for k, v in databag.items() if v}
    )


def secret(
    content: Mapping[str, str] = CONTENT, *, newest: Mapping[str, str] | None = None
) -> testing.Secret:
    return testing.Secret(
        dict(content), id=URI, latest_content=None if newest is None else dict(newest)
    )


def reading(requirer: Requirer, state: testing.State) -> smtp.SmtpReading:
    found: list[smtp.SmtpReading] = []
    requirer.run(requirer.on.start(), state, first=lambda charm: found.append(charm.smtp.read()))
    assert SECRET not in repr(found) + "".join(requirer.log)
    return found[0]


def announced(requirer: Requirer) -> int:
    assert requirer.charm
    return len(requirer.charm.received)


# Reading.


def test_the_grant_is_the_secrets_newest_revision(requirer: Requirer) -> None:
    renewed = {**CONTENT, "client-secret": "renewed"}
    read = reading(
        requirer, testing.State(relations=[related()], secrets=[secret(newest=renewed)])
    )
    assert read.data
    assert read.data.oauth == dataclasses.replace(GRANT, client_secret="renewed")
    assert read.data.oauth_id == URI
    assert (read.data.credentials, read.data.password) == (None, None)


def test_the_grant_has_every_key_of_the_secret(requirer: Requirer) -> None:
    more = {
        "private-key": KEY,
        "refresh-token": "r",
        "certificate": "c",
        "subject": "s@example.com",
        "of-a-later-version": "x",
    }
    state = testing.State(relations=[related()], secrets=[secret({**CONTENT, **more})])
    read = reading(requirer, state)
    assert read.data
    assert read.data.oauth == dataclasses.replace(
        GRANT, private_key=KEY, refresh_token="r", certificate="c", subject="s@example.com"
    )


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"token-url": ""}, "has no key 'token-url'"),
        ({"client-id": ""}, "has no key 'client-id'"),
        ({"token-url": f"http://x/{SECRET}"}, "has a 'token-url' that is no https URL"),
        ({"token-url": SECRET}, "has a 'token-url' that is no https URL"),
        (
            {"client-secret": "", "client_secret": SECRET},
            "has none of the keys 'client-secret', 'private-key' and 'refresh-token'",
        ),
    ],
)
def test_what_the_secret_lacks_is_said(
    requirer: Requirer, changes: dict[str, str], problem: str
) -> None:
    content = {k: v for k, v in {**CONTENT, **changes}.items() if v}
    made = related()
    read = reading(requirer, testing.State(relations=[made], secrets=[secret(content)]))
    assert read.state is smtp.SmtpState.WAITING_FOR_SECRET
    assert read.status == ops.WaitingStatus(
        f"no SMTP data from relation {made.id} yet: the secret {URI} {problem}"
    )


def test_a_secret_that_is_not_granted_is_said_and_its_grant_announced(
    requirer: Requirer, hook_commands: HookCommands
) -> None:
    hook_commands.refusals[ID] = "ERROR permission denied\n"
    made = related()
    state = testing.State(relations=[made], secrets=[secret()])
    state = requirer.run(requirer.on.relation_changed(made), state)
    assert announced(requirer) == 0
    assert requirer.warnings == [
        f"no SMTP data from relation {made.id} yet: cannot read the secret {URI}"
    ]
    hook_commands.refusals.clear()
    state = requirer.run(requirer.on.update_status(), state)
    assert announced(requirer) == 1
    requirer.run(requirer.on.update_status(), state)
    assert announced(requirer) == 0


def test_a_secret_in_the_place_of_the_id_is_not_shown(requirer: Requirer) -> None:
    read = reading(requirer, testing.State(relations=[related(oauth_id=SECRET)]))
    assert read.message.endswith("yet: cannot read the secret behind oauth_id")


def test_the_secret_is_read_once_for_an_event_and_its_handler(
    hook_commands: HookCommands,
) -> None:
    grants: list[object] = []

    class ReadingCharm(ops.CharmBase):
        def __init__(self, framework: ops.Framework) -> None:
            super().__init__(framework)
            self.smtp = smtp.SmtpRequires(self)
            framework.observe(self.smtp.on.smtp_data_available, self._on_smtp_data_available)

        def _on_smtp_data_available(self, _: smtp.SmtpDataAvailableEvent) -> None:
            relay = self.smtp.read().data
            grants.append(relay and relay.oauth)

    context = testing.Context(
        ReadingCharm, meta={"name": "reading", "requires": {"smtp": {"interface": "smtp"}}}
    )
    made = related()
    context.run(
        context.on.relation_changed(made), testing.State(relations=[made], secrets=[secret()])
    )
    assert grants == [GRANT]
    # ops looks a secret up by reading it; then its newest revision is read.
    assert hook_commands.reads == [ID, ID]


def test_a_new_revision_is_announced(requirer: Requirer) -> None:
    made = related()
    renewed = {**CONTENT, "client-secret": "renewed"}
    state = testing.State(relations=[made], secrets=[secret()])
    state = requirer.run(requirer.on.relation_changed(made), state)
    changed = secret(newest=renewed)
    state = dataclasses.replace(state, secrets=[changed])
    state = requirer.run(requirer.on.secret_changed(changed), state)
    assert announced(requirer) == 1
    assert state.get_secret(id=URI).tracked_content == renewed, "Juju tells of the next too"
    requirer.run(requirer.on.update_status(), state)
    assert announced(requirer) == 0


def test_a_new_revision_that_juju_did_not_tell_of_is_noticed_at_update_status(
    requirer: Requirer,
) -> None:
    made = related()
    state = testing.State(relations=[made], secrets=[secret()])
    state = requirer.run(requirer.on.relation_changed(made), state)
    renewed = secret(newest={**CONTENT, "client-secret": "renewed"})
    state = dataclasses.replace(state, secrets=[renewed])
    state = requirer.run(requirer.on.update_status(), state)
    assert announced(requirer) == 1
    for stored in state.stored_states:
        assert "renewed" not in repr(stored)
        assert SECRET not in repr(stored)


def test_a_change_of_another_secret_is_not_announced(requirer: Requirer) -> None:
    made = related()
    other = testing.Secret({"password": "p"}, id=OTHER_URI)
    state = testing.State(relations=[made], secrets=[secret(), other])
    state = requirer.run(requirer.on.relation_changed(made), state)
    requirer.run(requirer.on.secret_changed(other), state)
    assert announced(requirer) == 0


def test_the_event_names_the_secret(requirer: Requirer) -> None:
    made = related()
    state = testing.State(relations=[made], secrets=[secret()])
    requirer.run(requirer.on.relation_changed(made), state)
    assert requirer.charm
    [event] = requirer.charm.received
    assert (event["oauth_id"], event["password_id"]) == (URI, None)
    # With a token, it is not insecure that there is no password.
    assert requirer.warnings == []


def test_a_databag_with_the_fields_own_name_is_read_as_one_without(requirer: Requirer) -> None:
    made = related(oauth_id="", oauth=json.dumps(CONTENT))
    read = reading(requirer, testing.State(relations=[made]))
    assert read.data
    assert read.data.oauth is None


# The model.


def data(**fields: Any) -> smtp.SmtpRelationData:
    values: dict[str, Any] = {**DATABAG, "oauth": GRANT, **fields}
    return smtp.SmtpRelationData(**values)


WHOLE = smtp.OAuthGrant(
    token_url="https://example.com/token",
    client_id="mailer",
    scope="mail.send",
    client_secret=f"{SECRET}-1",
    private_key=f"{SECRET}-2",
    refresh_token=f"{SECRET}-3",
    certificate="c",
    subject="s@example.com",
)


def test_no_secret_is_in_a_repr() -> None:
    assert SECRET not in repr(WHOLE) + str(WHOLE) + repr(data(oauth=WHOLE)) + str(data())
    assert "mailer" in repr(data(oauth=WHOLE))


def test_a_wrong_grant_is_not_shown() -> None:
    with pytest.raises(pydantic.ValidationError) as caught:
        data(oauth={"client_secret": SECRET, "token_url": [SECRET]})
    error = caught.value
    assert SECRET not in f"{error} {error!r} {error.errors()} {error.json()}"


def test_the_model_can_be_copied_and_read_from_its_dump() -> None:
    made = data(oauth=WHOLE)
    assert made.model_copy(deep=True) == made
    assert smtp.SmtpRelationData.model_validate(made.model_dump()) == made
    assert smtp.SmtpRelationData.model_validate_json(made.model_dump_json()) == made


def test_the_grant_is_no_part_of_the_databag() -> None:
    assert data().to_relation_data() == DATABAG


def test_an_application_that_fetches_tokens_has_what_it_needs() -> None:
    environment = data().to_env()
    oauth = {name: value for name, value in environment.items() if "OAUTH" in name}
    assert oauth == {
        "SMTP_OAUTH_TOKEN_URL": CONTENT["token-url"],
        "SMTP_OAUTH_CLIENT_ID": CONTENT["client-id"],
        "SMTP_OAUTH_SCOPE": CONTENT["scope"],
        "SMTP_OAUTH_CLIENT_SECRET": SECRET,
    }
    assert environment["SMTP_USER"] == DATABAG["user"]
    assert environment["SMTP_AUTH_TYPE"] == "none"
    assert "SMTP_PASSWORD" not in environment


def test_every_key_of_a_grant_has_a_variable_and_any_name() -> None:
    environment = data(oauth=WHOLE).to_env("", names={"OAUTH_CLIENT_ID": "CLIENT"})
    assert environment["CLIENT"] == "mailer"
    assert environment["OAUTH_PRIVATE_KEY"] == WHOLE.private_key
    assert environment["OAUTH_REFRESH_TOKEN"] == WHOLE.refresh_token
    assert environment["OAUTH_CERTIFICATE"] == "c"
    assert environment["OAUTH_SUBJECT"] == "s@example.com"


def test_without_a_grant_there_is_none_of_it() -> None:
    environment = data(oauth=None).to_env()
    assert [name for name in environment if "OAUTH" in name] == []
    assert "SMTP_USER" not in environment


def test_a_uri_has_no_credentials() -> None:
    assert data().to_uri() == "smtp://smtp.office365.com:587"


# Publishing.


def publish(
    provider: Provider, state: testing.State, relation_data: dict[str, str], *, only: int = -1
) -> testing.State:
    def publish(charm: ProviderCharm) -> None:
        relation = charm.model.get_relation("smtp", only) if only >= 0 else None
        charm.smtp.publish(
            relation_data,
            secret=charm.model.get_secret(label="ours"),
            relations=[relation] if relation else None,
        )

    return provider.run(provider.on.start(), state, first=publish)


def ours() -> testing.Secret:
    return testing.Secret(CONTENT, id=URI, owner="app", label="ours")


def local(app: str, databag: dict[str, str] | None = None) -> testing.Relation:
    return testing.Relation("smtp", remote_app_name=app, local_app_data=databag or {})


def test_the_secret_is_granted_before_a_databag_names_it(
    provider: Provider, hook_commands: HookCommands
) -> None:
    password = {**DATABAG, "auth_type": "plain", "oauth_id": "", "password_id": OTHER_URI}
    old = local("old", {key: value for key, value in password.items() if value})
    new = local("new")
    state = testing.State(leader=True, relations=[old, new], secrets=[ours()])
    state = publish(provider, state, DATABAG)
    assert state.get_secret(id=URI).remote_grants == {
        old.id: frozenset({"old"}),
        new.id: frozenset({"new"}),
    }
    for relation in (old, new):
        assert state.get_relation(relation.id).local_app_data == DATABAG
    assert hook_commands.writes == ["secret-grant", "relation-set"] * 2
    # With a token, it is not insecure that there is no password.
    assert provider.warnings == []


def test_one_relation_alone_can_have_it(provider: Provider, hook_commands: HookCommands) -> None:
    first, second = local("first"), local("second")
    state = testing.State(leader=True, relations=[first, second], secrets=[ours()])
    state = publish(provider, state, DATABAG, only=first.id)
    assert state.get_relation(first.id).local_app_data == DATABAG
    assert state.get_relation(second.id).local_app_data == {}
    assert state.get_secret(id=URI).remote_grants == {first.id: frozenset({"first"})}
    publish(provider, state, DATABAG, only=first.id)
    assert hook_commands.writes == ["secret-grant", "relation-set"]


def test_a_relation_that_loses_it_is_granted_nothing(
    provider: Provider, hook_commands: HookCommands
) -> None:
    made = local("requirer", DATABAG)
    state = testing.State(leader=True, relations=[made], secrets=[ours()])
    without = {key: value for key, value in DATABAG.items() if key != "oauth_id"}
    state = publish(provider, state, without)
    assert state.get_relation(made.id).local_app_data == without
    assert hook_commands.writes == ["relation-set"]
    assert provider.warnings == ['Insecure setting: auth_type has a value "none"']

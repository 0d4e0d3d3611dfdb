from __future__ import annotations

import dataclasses
import textwrap
import traceback
from typing import TYPE_CHECKING, Any, TypeAlias
from unittest import mock

import hypothesis
import ops
import pydantic
import pytest
from hypothesis import strategies as st
from ops import testing

from charms.smtp_integrator.v0 import smtp

if TYPE_CHECKING:
    from tests.unit.conftest import HookCommands, Hooks, RequirerCharm

    Requirer: TypeAlias = Hooks[RequirerCharm]

PASSWORD = "hunter2-secret"
ID = "cvq3d1k0v5a8o1f2r4g0"
URI = f"secret:{ID}"
OTHER_URI = "secret:d1k0v5a8o1f2r4g0cvq3"
PERMISSION_DENIED = "ERROR permission denied\n"

OPEN = {
    "host": "smtp.example.com",
    "port": "25",
    "auth_type": "none",
    "transport_security": "none",
    "skip_ssl_verify": "False",
}
LOGIN = {
    "host": "smtp.example.com",
    "port": "587",
    "user": "mailer",
    "auth_type": "plain",
    "transport_security": "starttls",
    "domain": "example.com",
    "skip_ssl_verify": "True",
    "smtp_sender": "noreply@example.com",
    "recipients": '["a@example.com", "b@example.com"]',
    "tls_ca_chain": "-----BEGIN CERTIFICATE-----\n",
}
WITH_SECRET = {**LOGIN, "password_id": URI}
INSECURE_AUTH = 'Insecure setting: auth_type has a value "none"'
INSECURE_TRANSPORT = 'Insecure setting: transport_security has value "none"'


def relation(databag: dict[str, str], endpoint: str = "smtp") -> testing.Relation:
    return testing.Relation(endpoint, remote_app_name="mail", remote_app_data=databag)


def secret(
    password: str = PASSWORD, *, uri: str = URI, newest: str | None = None
) -> testing.Secret:
    latest = None if newest is None else {"password": newest}
    return testing.Secret({"password": password}, id=uri, latest_content=latest)


def received(requirer: Requirer) -> list[dict[str, Any]]:
    assert requirer.charm
    return requirer.charm.received


def read(
    requirer: Requirer, state: testing.State, relation_id: int | None = None
) -> smtp.SmtpRelationData | None:
    """Return what the library's reading methods return in a hook of the requirer."""
    found: list[smtp.SmtpRelationData | None] = []

    def get(charm: RequirerCharm) -> None:
        if relation_id is None:
            found.append(charm.smtp.get_relation_data())
        else:
            smtp_relation = charm.model.get_relation("smtp", relation_id)
            assert smtp_relation
            found.append(charm.smtp.get_relation_data_from_relation(smtp_relation))

    requirer.run(requirer.on.start(), state, first=get)
    return found[0]


def failure(
    requirer: Requirer, state: testing.State, error: type[Exception]
) -> pytest.ExceptionInfo[Exception]:
    """Return the error that reading raises in a hook of the requirer, which goes on."""

    def get(charm: RequirerCharm) -> None:
        with pytest.raises(error) as caught:
            charm.smtp.get_relation_data()
        errors.append(caught)

    errors: list[pytest.ExceptionInfo[Exception]] = []
    requirer.run(requirer.on.start(), state, first=get)
    return errors[0]


# The event of relation-changed.


@pytest.mark.parametrize("leader", [True, False])
@pytest.mark.parametrize("endpoint", ["smtp", "smtp-legacy"])
def test_valid_data_is_announced_on_every_unit(
    requirer: Requirer, endpoint: str, *, leader: bool
) -> None:
    legacy = relation({**LOGIN, "password": PASSWORD}, endpoint)
    state = testing.State(leader=leader, relations=[legacy])
    requirer.run(requirer.on.relation_changed(legacy, remote_unit=0), state)
    assert received(requirer) == [
        {
            "host": "smtp.example.com",
            "port": 587,
            "user": "mailer",
            "password": PASSWORD,
            "password_id": None,
            "oauth_id": None,
            "auth_type": smtp.AuthType.PLAIN,
            "transport_security": smtp.TransportSecurity.STARTTLS,
            "domain": "example.com",
            "skip_ssl_verify": True,
            "smtp_sender": "noreply@example.com",
            "recipients": ["a@example.com", "b@example.com"],
            "tls_ca_chain": "-----BEGIN CERTIFICATE-----\n",
            "relation": legacy.id,
            "app": "mail",
            "unit": "mail/0",
        }
    ]


def test_a_requirer_publishes_nothing_and_has_its_status_to_itself(
    requirer: Requirer, hook_commands: HookCommands
) -> None:
    smtp_relation = relation(WITH_SECRET)
    state = testing.State(leader=True, relations=[smtp_relation], secrets=[secret()])
    events = [requirer.on.relation_changed(smtp_relation), requirer.on.secret_changed(secret())]
    for event in (*events, requirer.on.update_status()):
        state = requirer.run(event, state)
        assert state.unit_status == testing.UnknownStatus()
        assert state.app_status == testing.UnknownStatus()
    assert hook_commands.writes == []


def test_what_is_absent_is_none(requirer: Requirer) -> None:
    always = {key: value for key, value in OPEN.items() if key != "skip_ssl_verify"}
    smtp_relation = relation(always)
    requirer.run(
        requirer.on.relation_changed(smtp_relation), testing.State(relations=[smtp_relation])
    )
    [event] = received(requirer)
    absent = ["user", "password", "password_id", "domain", "smtp_sender", "tls_ca_chain"]
    absent.append("oauth_id")
    assert [event[name] for name in absent] == [None] * len(absent)
    assert event["recipients"] == []
    assert event["skip_ssl_verify"] is False
    assert event["port"] == 25
    assert event["auth_type"] is smtp.AuthType.NONE
    assert event["transport_security"] is smtp.TransportSecurity.NONE


def test_on_smtp_the_event_has_the_id_and_no_password(requirer: Requirer) -> None:
    smtp_relation = relation(WITH_SECRET)
    state = testing.State(relations=[smtp_relation], secrets=[secret()])
    requirer.run(requirer.on.relation_changed(smtp_relation), state)
    [event] = received(requirer)
    assert (event["password_id"], event["password"]) == (URI, None)


@pytest.mark.parametrize(
    "recipients", ["a@x.com,b@x.com", '"a@x.com", "b@x.com"', '["a@x.com","b@x.com"]']
)
def test_the_event_reads_recipients_in_every_shape(requirer: Requirer, recipients: str) -> None:
    smtp_relation = relation({**OPEN, "recipients": recipients})
    requirer.run(
        requirer.on.relation_changed(smtp_relation), testing.State(relations=[smtp_relation])
    )
    assert received(requirer)[0]["recipients"] == ["a@x.com", "b@x.com"]


def test_each_relation_changed_is_announced_once(requirer: Requirer) -> None:
    smtp_relation = relation(OPEN)
    state = testing.State(relations=[smtp_relation])
    for _ in range(2):
        state = requirer.run(requirer.on.relation_changed(smtp_relation), state)
        assert len(received(requirer)) == 1


def test_only_the_relation_that_changed_is_announced(requirer: Requirer) -> None:
    changed, other, legacy = relation(OPEN), relation(OPEN), relation(OPEN, "smtp-legacy")
    state = testing.State(relations=[changed, other, legacy])
    requirer.run(requirer.on.relation_changed(changed), state)
    assert [event["relation"] for event in received(requirer)] == [changed.id]


def test_other_events_announce_nothing(requirer: Requirer) -> None:
    smtp_relation = relation(OPEN)
    state = testing.State(leader=True, relations=[smtp_relation])
    on = requirer.on
    for event in (
        on.relation_created(smtp_relation),
        on.relation_joined(smtp_relation),
        on.relation_departed(smtp_relation),
        on.relation_broken(smtp_relation),
        on.config_changed(),
        on.leader_elected(),
        on.update_status(),
    ):
        requirer.run(event, state)
        assert received(requirer) == []
        assert requirer.warnings == []


def test_an_empty_databag_announces_nothing(requirer: Requirer) -> None:
    smtp_relation = relation({})
    requirer.run(
        requirer.on.relation_changed(smtp_relation), testing.State(relations=[smtp_relation])
    )
    assert received(requirer) == []
    assert requirer.warnings == []


@pytest.mark.parametrize(
    ("databag", "fields"),
    [
        ({"host": "smtp.example.com"}, "auth_type, port, transport_security"),
        ({**OPEN, "auth_type": ""}, "auth_type"),
        ({**OPEN, "auth_type": PASSWORD}, "auth_type"),
        ({**OPEN, "transport_security": PASSWORD}, "transport_security"),
        ({**OPEN, "host": ""}, "host"),
        ({**OPEN, "port": PASSWORD}, "port"),
        ({**OPEN, "port": "0"}, "port"),
        ({**OPEN, "skip_ssl_verify": PASSWORD}, "skip_ssl_verify"),
        ({**OPEN, "smtp_sender": PASSWORD}, "smtp_sender"),
        ({**OPEN, "recipients": f"[{PASSWORD}"}, "recipients"),
        ({**OPEN, "recipients": f'{{"a": "{PASSWORD}"}}'}, "recipients"),
        ({**OPEN, "recipients": f'["{PASSWORD}", "{PASSWORD}"]'}, "recipients"),
        ({**OPEN, "port": "x", "auth_type": "x"}, "auth_type, port"),
    ],
)
def test_invalid_data_is_one_warning_that_names_the_fields(
    requirer: Requirer, databag: dict[str, str], fields: str
) -> None:
    smtp_relation = relation({key: value for key, value in databag.items() if value})
    requirer.run(
        requirer.on.relation_changed(smtp_relation), testing.State(relations=[smtp_relation])
    )
    assert received(requirer) == []
    assert requirer.warnings == [f"invalid SMTP data in relation {smtp_relation.id}: {fields}"]
    assert PASSWORD not in "".join(requirer.log)


@pytest.mark.parametrize("key", ["host", "port", "auth_type", "transport_security"])
def test_half_written_data_is_one_warning_until_it_is_whole(requirer: Requirer, key: str) -> None:
    half = relation({name: value for name, value in LOGIN.items() if name != key})
    state = requirer.run(requirer.on.relation_changed(half), testing.State(relations=[half]))
    assert received(requirer) == []
    assert requirer.warnings == [f"invalid SMTP data in relation {half.id}: {key}"]
    whole = dataclasses.replace(half, remote_app_data=LOGIN)
    state = dataclasses.replace(state, relations=[whole])
    requirer.run(requirer.on.relation_changed(whole), state)
    assert len(received(requirer)) == 1
    assert requirer.warnings == []


KEYS = st.sampled_from([*WITH_SECRET, "password", "unknown"]) | st.text(min_size=1)
VALUES = st.one_of(
    st.sampled_from([*WITH_SECRET.values(), OTHER_URI, "True", "yes", "1.0", "1_0", " 25 ", "٢٥"]),
    st.integers().map(str),
    st.floats().map(str),
    st.text(min_size=1),
)
CHANGES: st.SearchStrategy[dict[str, str]] = st.dictionaries(KEYS, VALUES, max_size=3)


@hypothesis.given(base=st.sampled_from([{}, OPEN, LOGIN, WITH_SECRET]), changes=CHANGES)
@hypothesis.example(base=OPEN, changes={"port": "25.0"})
@hypothesis.example(base=OPEN, changes={"port": " 25 "})
@hypothesis.example(base=OPEN, changes={"port": "1_0"})
@hypothesis.example(base=OPEN, changes={"skip_ssl_verify": "yes"})
def test_no_databag_breaks_the_hook_or_the_reading_of_the_event(
    requirer: Requirer, base: dict[str, str], changes: dict[str, str]
) -> None:
    smtp_relation = relation({**base, **changes})
    state = testing.State(relations=[smtp_relation], secrets=[secret()])
    requirer.run(requirer.on.relation_changed(smtp_relation), state)
    refused = [
        line
        for line in requirer.warnings
        if line.startswith(("invalid SMTP data", "no SMTP data"))
    ]
    assert len(received(requirer)) + len(refused) == (1 if base or changes else 0)
    for event in received(requirer):
        data = read(requirer, state)
        assert data
        assert (event["port"], event["host"]) == (data.port, data.host)


# Warnings of an event.


@pytest.mark.parametrize(
    ("auth_type", "transport_security", "warnings"),
    [
        ("none", "none", [INSECURE_AUTH, INSECURE_TRANSPORT]),
        ("none", "tls", [INSECURE_AUTH]),
        ("plain", "none", [INSECURE_TRANSPORT]),
        ("not_provided", "starttls", []),
        ("plain", "starttls", []),
    ],
)
def test_insecure_settings_are_warned_of_with_the_event_and_at_no_other_hook(
    requirer: Requirer, auth_type: str, transport_security: str, warnings: list[str]
) -> None:
    smtp_relation = relation(
        {**OPEN, "auth_type": auth_type, "transport_security": transport_security}
    )
    state = testing.State(relations=[smtp_relation])
    state = requirer.run(requirer.on.relation_changed(smtp_relation), state)
    assert requirer.warnings == warnings
    requirer.run(requirer.on.update_status(), state)
    assert requirer.warnings == []


@pytest.mark.parametrize(
    ("literal", "skipped"),
    [
        ("True", True),
        ("False", False),
        ("true", True),
        ("false", False),
        ("1", True),
        ("0", False),
        ("YES", True),
        ("off", False),
    ],
)
def test_skip_ssl_verify_is_the_same_in_the_event_and_the_data(
    requirer: Requirer, literal: str, *, skipped: bool
) -> None:
    smtp_relation = relation({**OPEN, "skip_ssl_verify": literal})
    state = testing.State(relations=[smtp_relation])
    requirer.run(requirer.on.relation_changed(smtp_relation), state)
    assert received(requirer)[0]["skip_ssl_verify"] is skipped
    data = read(requirer, state)
    assert data
    assert data.skip_ssl_verify is skipped


# The event of secret-changed.


@pytest.mark.parametrize("leader", [True, False])
def test_a_new_revision_is_announced_for_the_one_relation_that_names_it(
    requirer: Requirer, *, leader: bool
) -> None:
    named = relation(WITH_SECRET)
    other = relation({**LOGIN, "password_id": OTHER_URI})
    legacy = relation({**LOGIN, "password": "p"}, "smtp-legacy")
    changed = secret("old", newest="new")
    state = testing.State(
        leader=leader,
        relations=[other, named, legacy],
        secrets=[changed, secret(uri=OTHER_URI)],
    )
    requirer.run(requirer.on.secret_changed(changed), state)
    [event] = received(requirer)
    assert event["relation"] == named.id
    assert (event["app"], event["unit"]) == ("mail", None)


def test_reading_leaves_a_new_revision_to_be_told_of(requirer: Requirer) -> None:
    found: list[smtp.SmtpReading] = []
    changed = secret("old", newest="new")
    state = testing.State(relations=[relation(WITH_SECRET)], secrets=[changed])
    out = requirer.run(
        requirer.on.start(), state, first=lambda charm: found.append(charm.smtp.read())
    )
    [reading] = found
    assert reading.data
    assert reading.data.password == "new"
    assert out.get_secret(id=URI).tracked_content == {"password": "old"}

    out = requirer.run(requirer.on.secret_changed(out.get_secret(id=URI)), out)
    assert received(requirer)
    assert out.get_secret(id=URI).tracked_content == {"password": "new"}


def test_the_secret_of_either_endpoint_is_announced_there(requirer: Requirer) -> None:
    smtp_relation = relation(WITH_SECRET)
    legacy = relation({**LOGIN, "password_id": OTHER_URI}, "smtp-legacy")
    changed = secret(uri=OTHER_URI)
    state = testing.State(relations=[smtp_relation, legacy], secrets=[changed, secret()])
    requirer.run(requirer.on.secret_changed(changed), state)
    assert [event["relation"] for event in received(requirer)] == [legacy.id]


@pytest.mark.parametrize("databag", [{}, OPEN, {**LOGIN, "password": "p"}, WITH_SECRET])
def test_the_secret_of_something_else_announces_nothing(
    requirer: Requirer, databag: dict[str, str]
) -> None:
    smtp_relation = relation(databag)
    others = secret(uri=OTHER_URI)
    state = testing.State(relations=[smtp_relation], secrets=[others, secret()])
    requirer.run(requirer.on.secret_changed(others), state)
    assert received(requirer) == []
    assert requirer.warnings == []


@pytest.mark.parametrize("published", [URI, ID, f"secret:/{ID}", "secret://{model}/" + ID])
@pytest.mark.parametrize("told", [URI, "secret://{model}/" + ID])
def test_a_secret_is_recognised_however_it_is_spelled(
    requirer: Requirer, published: str, told: str
) -> None:
    model = testing.Model()
    # Where the databag has the password too, the spelling that names the secret is not looked up.
    databag = {**LOGIN, "password": "p", "password_id": published.format(model=model.uuid)}
    smtp_relation = relation(databag)
    changed = secret(uri=told.format(model=model.uuid))
    state = testing.State(model=model, relations=[smtp_relation], secrets=[changed])
    requirer.run(requirer.on.secret_changed(changed), state)
    assert len(received(requirer)) == 1


@pytest.mark.parametrize(
    ("left", "right", "equal"),
    [
        ("secret:a", "secret:a", True),
        ("a", "secret:a", True),
        ("secret://a", "secret:a", True),
        ("secret:/a", "a", True),
        ("secret://m/a", "secret:a", True),
        ("secret:m/a", "secret:a", True),
        ("m/a", "a", True),
        ("secret://m/a", "m/a", True),
        ("secret://m/a", "secret://m/a", True),
        ("secret://m/a", "secret://n/a", False),
        ("secret://m/a", "secret:n/a", False),
        ("secret://m/a", "secret://m/b", False),
        ("secret:a", "secret:b", False),
        ("secret:a", "secret:A", False),
        ("secret:ba", "secret:a", False),
        ("secret:a", "secret:ab", False),
        ("", "", False),
        ("secret:", "secret:", False),
        ("secret:a", "", False),
        ("secret://m/", "secret://m/", False),
    ],
)
def test_uris_are_equal_if_their_ids_and_the_models_they_name_are(
    left: str, right: str, *, equal: bool
) -> None:
    same = smtp.SmtpRequires._secret_uri_equal  # pyright: ignore[reportPrivateUsage]
    assert same(left, right) is same(right, left) is equal


# A secret that cannot be read yet.


@pytest.mark.parametrize("leader", [True, False])
@pytest.mark.parametrize("refusal", [PERMISSION_DENIED, 'ERROR secret "x" not found\n'])
def test_a_secret_that_cannot_be_read_is_one_warning_and_no_event(
    requirer: Requirer, hook_commands: HookCommands, refusal: str, *, leader: bool
) -> None:
    smtp_relation = relation(WITH_SECRET)
    state = testing.State(leader=leader, relations=[smtp_relation], secrets=[secret()])
    hook_commands.refusals[ID] = refusal
    requirer.run(requirer.on.relation_changed(smtp_relation), state)
    assert received(requirer) == []
    assert requirer.warnings == [
        f"no SMTP data from relation {smtp_relation.id} yet: cannot read the secret {URI}"
    ]


def test_a_secret_without_the_key_is_one_warning_and_no_event(requirer: Requirer) -> None:
    smtp_relation = relation(WITH_SECRET)
    keyless = testing.Secret({"passwort": PASSWORD}, id=URI)
    state = testing.State(relations=[smtp_relation], secrets=[keyless])
    requirer.run(requirer.on.relation_changed(smtp_relation), state)
    assert received(requirer) == []
    [warning] = requirer.warnings
    assert warning == (
        f"no SMTP data from relation {smtp_relation.id} yet: "
        f"the secret {URI} has no key 'password'"
    )
    assert PASSWORD not in "".join(requirer.log)


def waiting(requirer: Requirer, *more: testing.Relation, leader: bool = True) -> testing.State:
    """Return the state after a relation named a secret that was not granted."""
    smtp_relation = relation(WITH_SECRET)
    state = testing.State(leader=leader, relations=[smtp_relation, *more])
    state = requirer.run(requirer.on.relation_changed(smtp_relation), state)
    assert received(requirer) == []
    return state


@pytest.mark.parametrize(
    ("event", "leader"),
    [
        ("update_status", True),
        ("update_status", False),
        ("config_changed", True),
        ("config_changed", False),
        ("leader_elected", True),
    ],
)
def test_what_could_not_be_read_is_announced_once_it_can_be(
    requirer: Requirer, event: str, *, leader: bool
) -> None:
    state = waiting(requirer, leader=leader)
    granted = dataclasses.replace(state, secrets=[secret()])
    for expected in (1, 0, 0):
        granted = requirer.run(getattr(requirer.on, event)(), granted)
        assert len(received(requirer)) == expected
        assert requirer.warnings == []


def test_what_could_not_be_read_is_announced_at_the_change_of_another_secret(
    requirer: Requirer,
) -> None:
    state = waiting(requirer)
    [smtp_relation] = state.get_relations("smtp")
    others = secret(uri=OTHER_URI)
    granted = dataclasses.replace(state, secrets=[secret(), others])
    for expected in ([smtp_relation.id], []):
        granted = requirer.run(
            requirer.on.secret_changed(granted.get_secret(id=OTHER_URI)), granted
        )
        assert [event["relation"] for event in received(requirer)] == expected


def test_what_could_not_be_read_is_announced_at_the_change_of_another_relations_secret(
    requirer: Requirer,
) -> None:
    other = relation({**LOGIN, "password_id": OTHER_URI})
    state = waiting(requirer, other)
    others = secret(uri=OTHER_URI)
    granted = dataclasses.replace(state, secrets=[secret(), others])
    granted = requirer.run(requirer.on.secret_changed(others), granted)
    assert {event["relation"] for event in received(requirer)} == {
        smtp_relation.id for smtp_relation in state.get_relations("smtp")
    }
    granted = requirer.run(requirer.on.update_status(), granted)
    assert received(requirer) == []


def test_what_could_not_be_read_is_announced_once_at_a_change_of_its_secret(
    requirer: Requirer,
) -> None:
    granted = dataclasses.replace(waiting(requirer), secrets=[secret()])
    granted = requirer.run(requirer.on.secret_changed(*granted.secrets), granted)
    assert len(received(requirer)) == 1
    requirer.run(requirer.on.update_status(), granted)
    assert received(requirer) == []


def test_what_could_not_be_read_is_announced_once_at_a_change_of_its_relation(
    requirer: Requirer,
) -> None:
    granted = dataclasses.replace(waiting(requirer), secrets=[secret()])
    [smtp_relation] = granted.get_relations("smtp")
    granted = requirer.run(requirer.on.relation_changed(smtp_relation), granted)
    assert len(received(requirer)) == 1
    requirer.run(requirer.on.update_status(), granted)
    assert received(requirer) == []


def test_what_is_as_it_was_announced_needs_no_pydantic(
    requirer: Requirer, monkeypatch: pytest.MonkeyPatch
) -> None:
    smtp_relation = relation(LOGIN)
    state = testing.State(relations=[smtp_relation], secrets=[secret()])
    state = requirer.run(requirer.on.relation_changed(smtp_relation), state)
    assert len(received(requirer)) == 1
    built: list[str] = []
    monkeypatch.setattr(smtp, "_model", lambda: built.append("model"))
    requirer.run(requirer.on.update_status(), state)
    assert received(requirer) == built == []


def test_what_still_cannot_be_read_stays_waiting(requirer: Requirer) -> None:
    state = waiting(requirer)
    for _ in range(2):
        state = requirer.run(requirer.on.update_status(), state)
        assert received(requirer) == []
    granted = dataclasses.replace(state, secrets=[secret()])
    requirer.run(requirer.on.update_status(), granted)
    assert len(received(requirer)) == 1


def test_a_relation_that_goes_while_it_waits_is_forgotten(requirer: Requirer) -> None:
    state = waiting(requirer)
    [smtp_relation] = state.get_relations("smtp")
    state = requirer.run(requirer.on.relation_broken(smtp_relation), state)
    gone = dataclasses.replace(state, relations=[], secrets=[secret()])
    requirer.run(requirer.on.update_status(), gone)
    assert received(requirer) == []
    assert requirer.warnings == []


def test_data_that_becomes_invalid_while_it_waits_is_not_tried_again(requirer: Requirer) -> None:
    state = waiting(requirer)
    [smtp_relation] = state.get_relations("smtp")
    invalid = dataclasses.replace(smtp_relation, remote_app_data={"host": "smtp"})
    state = dataclasses.replace(state, relations=[invalid])
    state = requirer.run(requirer.on.relation_changed(invalid), state)
    requirer.run(requirer.on.update_status(), state)
    assert received(requirer) == []
    assert requirer.warnings == []


def test_the_endpoints_wait_each_for_itself(requirer: Requirer) -> None:
    legacy = relation(OPEN, "smtp-legacy")
    state = waiting(requirer, legacy)
    [smtp_relation] = state.get_relations("smtp")
    granted = dataclasses.replace(state, secrets=[secret()])
    requirer.run(requirer.on.update_status(), granted)
    assert [event["relation"] for event in received(requirer)] == [smtp_relation.id]


# Deferral.


def test_a_deferred_event_comes_again_with_its_relation(requirer: Requirer) -> None:
    smtp_relation = relation(LOGIN)
    state = testing.State(relations=[smtp_relation], config={"defer": True})
    state = requirer.run(requirer.on.relation_changed(smtp_relation, remote_unit=0), state)
    assert received(requirer) == []
    assert len(state.deferred) == 1
    state = requirer.run(requirer.on.start(), dataclasses.replace(state, config={}))
    [event] = received(requirer)
    assert (event["relation"], event["app"], event["unit"]) == (smtp_relation.id, "mail", "mail/0")
    assert (event["host"], event["port"]) == ("smtp.example.com", 587)
    assert not state.deferred


def test_a_deferred_event_reads_the_data_of_its_time(requirer: Requirer) -> None:
    smtp_relation = relation(LOGIN)
    state = testing.State(relations=[smtp_relation], config={"defer": True})
    state = requirer.run(requirer.on.relation_changed(smtp_relation), state)
    newer = dataclasses.replace(smtp_relation, remote_app_data={**LOGIN, "host": "new"})
    state = dataclasses.replace(state, config={}, relations=[newer])
    requirer.run(requirer.on.start(), state)
    assert received(requirer)[0]["host"] == "new"


@pytest.mark.parametrize("databag", [{}, {"port": "25"}])
def test_a_deferred_event_of_a_withdrawn_relay_has_no_host(databag: dict[str, str]) -> None:
    hosts: list[str] = []

    class LateCharm(ops.CharmBase):
        def __init__(self, framework: ops.Framework) -> None:
            super().__init__(framework)
            self.smtp = smtp.SmtpRequires(self)
            framework.observe(self.on.start, self._on_start)

        def _on_start(self, _: ops.StartEvent) -> None:
            [made] = self.model.relations["smtp"]
            gone: Any = mock.Mock(app=None)
            events = [smtp.SmtpDataAvailableEvent(mock.Mock(), now) for now in (made, gone)]
            hosts.extend(event.host for event in events)

    context = testing.Context(
        LateCharm, meta={"name": "late", "requires": {"smtp": {"interface": "smtp"}}}
    )
    context.run(context.on.start(), testing.State(relations=[relation(databag)]))
    assert hosts == ["", ""]


# Reading.


@pytest.mark.parametrize("databags", [[], [{}]])
def test_there_is_no_data_without_a_relation_or_with_an_empty_databag(
    requirer: Requirer, databags: list[dict[str, str]]
) -> None:
    state = testing.State(relations=[relation(databag) for databag in databags])
    assert read(requirer, state) is None


def test_data_is_read_with_its_types(requirer: Requirer) -> None:
    data = read(requirer, testing.State(relations=[relation({**LOGIN, "password": PASSWORD})]))
    assert isinstance(data, smtp.SmtpRelationData)
    assert dict(data) == {
        "host": "smtp.example.com",
        "port": 587,
        "user": "mailer",
        "password": PASSWORD,
        "password_id": None,
        "auth_type": smtp.AuthType.PLAIN,
        "transport_security": smtp.TransportSecurity.STARTTLS,
        "domain": "example.com",
        "skip_ssl_verify": True,
        "smtp_sender": "noreply@example.com",
        "recipients": ["a@example.com", "b@example.com"],
        "tls_ca_chain": "-----BEGIN CERTIFICATE-----\n",
        "oauth_id": None,
        "oauth": None,
    }


def test_the_data_of_one_relation_is_read(requirer: Requirer) -> None:
    first, second = relation(OPEN), relation({**OPEN, "host": "second"})
    state = testing.State(relations=[first, second])
    data = read(requirer, state, second.id)
    assert data
    assert data.host == "second"
    assert failure(requirer, state, ops.TooManyRelatedAppsError)


def test_the_password_is_the_secrets_newest_revision(requirer: Requirer) -> None:
    state = testing.State(relations=[relation(WITH_SECRET)], secrets=[secret("old", newest="new")])
    data = read(requirer, state)
    assert data
    assert (data.password, data.password_id) == ("new", URI)


def test_the_newest_revision_is_tracked_so_that_juju_tells_of_the_next(
    requirer: Requirer,
) -> None:
    smtp_relation = relation(WITH_SECRET)
    changed = secret("old", newest="new")
    state = testing.State(relations=[smtp_relation], secrets=[changed])
    out = requirer.run(requirer.on.secret_changed(changed), state)
    assert out.get_secret(id=URI).tracked_content == {"password": "new"}


def test_a_password_in_the_databag_goes_before_the_secret(requirer: Requirer) -> None:
    state = testing.State(relations=[relation({**WITH_SECRET, "password": "clear"})])
    data = read(requirer, state)
    assert data
    assert data.password == "clear"


@pytest.mark.parametrize("refusal", [PERMISSION_DENIED, "ERROR connection refused\n"])
def test_a_secret_that_cannot_be_read_is_a_secret_error(
    requirer: Requirer, hook_commands: HookCommands, refusal: str
) -> None:
    hook_commands.refusals[ID] = refusal
    state = testing.State(relations=[relation(WITH_SECRET)], secrets=[secret()])
    caught = failure(requirer, state, smtp.SecretError)
    assert str(caught.value) == f"cannot read the secret {URI}"
    assert isinstance(caught.value.__cause__, ops.ModelError)


def test_a_secret_that_does_not_exist_is_a_secret_error(requirer: Requirer) -> None:
    state = testing.State(relations=[relation(WITH_SECRET)])
    assert str(failure(requirer, state, smtp.SecretError).value) == f"cannot read the secret {URI}"


def test_a_secret_without_the_key_is_a_secret_error_that_shows_nothing_else(
    requirer: Requirer,
) -> None:
    keyless = testing.Secret({"passwort": PASSWORD}, id=URI)
    state = testing.State(relations=[relation(WITH_SECRET)], secrets=[keyless])
    caught = failure(requirer, state, smtp.SecretError)
    assert str(caught.value) == f"the secret {URI} has no key 'password'"
    assert PASSWORD not in "".join(traceback.format_exception(caught.value))


def test_invalid_data_is_pydantics_validation_error_without_the_password(
    requirer: Requirer,
) -> None:
    invalid = relation({**WITH_SECRET, "port": "smtp"})
    state = testing.State(relations=[invalid], secrets=[secret()])
    caught = failure(requirer, state, pydantic.ValidationError)
    assert PASSWORD not in "".join(traceback.format_exception(caught.value))


# What charms in the field and their tests rely on.


def test_it_is_made_from_a_mock() -> None:
    charm = mock.MagicMock()
    requires = smtp.SmtpRequires(charm)
    assert requires.charm is charm
    assert requires.relation_name == "smtp"
    assert smtp.SmtpRequires(charm, "mail").relation_name == "mail"
    assert smtp.SmtpRequires(charm, relation_name="mail").relation_name == "mail"


@pytest.mark.parametrize("password_id", [PASSWORD, f"secret:{PASSWORD}", f"{URI} {PASSWORD}"])
def test_a_password_in_the_place_of_the_id_is_not_shown(
    requirer: Requirer, password_id: str
) -> None:
    state = testing.State(relations=[relation({**LOGIN, "password_id": password_id})])
    with pytest.raises(smtp.SecretError) as caught:
        read(requirer, state)
    assert str(caught.value) == "cannot read the secret behind password_id"


@pytest.mark.parametrize(
    "error",
    [
        ops.ModelError("ERROR"),
        ops.SecretNotFoundError("ERROR"),
        ops.ModelError(),
        FileNotFoundError("secret-get"),
        RuntimeError("command not found: secret-get"),
    ],
)
def test_any_error_of_the_look_up_is_a_secret_error(error: Exception) -> None:
    charm, related = mock.MagicMock(), mock.MagicMock()
    related.data = {related.app: WITH_SECRET}
    charm.framework.model.get_secret.side_effect = error
    with pytest.raises(smtp.SecretError):
        smtp.SmtpRequires(charm).get_relation_data_from_relation(related)


def test_a_relation_whose_application_juju_does_not_tell_has_no_data() -> None:
    related = mock.MagicMock(app=None, data={})
    assert smtp.SmtpRequires(mock.MagicMock()).get_relation_data_from_relation(related) is None


def test_the_secret_is_looked_up_by_its_id_and_without_a_label() -> None:
    charm, related = mock.MagicMock(), mock.MagicMock()
    related.data = {related.app: WITH_SECRET}
    get_secret = charm.framework.model.get_secret
    get_secret.return_value.get_content.return_value = {"password": PASSWORD}
    data = smtp.SmtpRequires(charm).get_relation_data_from_relation(related)
    assert data
    assert data.password == PASSWORD
    get_secret.assert_called_once_with(id=URI)


def test_it_can_be_specified_by_a_mock() -> None:
    requires = mock.create_autospec(smtp.SmtpRequires)
    requires.get_relation_data.return_value = None
    assert requires.get_relation_data() is None
    instance = mock.create_autospec(smtp.SmtpRequires, instance=True)
    with pytest.raises(TypeError):
        instance.get_relation_data("too many")


def test_the_event_is_a_relation_event_of_charm_events() -> None:
    assert issubclass(smtp.SmtpDataAvailableEvent, ops.RelationEvent)
    assert issubclass(smtp.SmtpRequiresEvents, ops.CharmEvents)
    assert smtp.SmtpRequiresEvents.smtp_data_available.event_type is smtp.SmtpDataAvailableEvent


def test_the_example_of_the_manual_runs() -> None:
    blocks = [text for text in (smtp.__doc__ or "").split("\n\n") if text.startswith("    ")]
    lines = "\n\n".join(blocks).partition("    class RelayCharm")[0]
    namespace: dict[str, Any] = {}
    exec(textwrap.dedent(lines), namespace)  # noqa: S102 - the library's own example
    meta = {"name": "notifier", "requires": {"smtp": {"interface": "smtp"}}}
    context = testing.Context(namespace["NotifierCharm"], meta=meta)
    smtp_relation = relation(WITH_SECRET)
    state = testing.State(relations=[smtp_relation], secrets=[secret()])
    context.run(context.on.relation_changed(smtp_relation), state)
    assert [type(event).__name__ for event in context.emitted_events] == [
        "RelationChangedEvent",
        "SmtpDataAvailableEvent",
    ]

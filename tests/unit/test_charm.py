from __future__ import annotations

import dataclasses
import itertools
from typing import TYPE_CHECKING, Any, TypeAlias

import hypothesis
import pytest
from hypothesis import strategies as st
from ops import testing

if TYPE_CHECKING:
    import charm
    from tests.unit.conftest import Authority, HookCommands, Hooks

    Integrator: TypeAlias = Hooks[charm.SmtpIntegratorCharm]

PASSWORD = "hunter2-secret"
USER_ID = "cvq3d1k0v5a8o1f2r4g0"
USER_URI = f"secret:{USER_ID}"
LABEL = "relay-password"

OPEN: dict[str, Any] = {"host": "smtp.example.com"}
LOGIN: dict[str, Any] = {
    "host": "smtp.example.com",
    "port": 587,
    "user": "mailer",
    "password": PASSWORD,
    "auth_type": "plain",
    "transport_security": "starttls",
}
WITH_SECRET = {**LOGIN, "password": "", "password_secret": USER_URI}

INSECURE = [
    'Insecure setting: auth_type has a value "none"',
    'Insecure setting: transport_security has value "none"',
]
OPEN_RELAY = "the relay has neither TLS nor AUTH: anyone on the network can read and send mail"
CLEAR_LOGIN = "auth_type=plain with transport_security=none: the password travels in the clear"
UNUSED_CREDENTIALS = (
    "auth_type=none: user and password are published, but requirers attempt no AUTH; "
    "set auth_type=plain if the relay wants it"
)
NO_VERIFICATION = "skip_ssl_verify has no effect with transport_security=none"
NEWLINE = (
    "password_secret: newlines at its end or a byte order mark were dropped; "
    "update the secret without them"
)
# In the words of Juju 3.6 and 4.0.
REFUSALS_WITHOUT_GRANT = [
    "ERROR permission denied\n",
    'ERROR "smtp-integrator/0" is not allowed to read this secret\n',
]

WRONG: list[tuple[dict[str, Any], str]] = [
    ({"host": ""}, "host: not set; run 'juju config smtp-integrator host=NAME'"),
    (
        {"host": "smtp://smtp.example.com"},
        "host: has a scheme; enter the name alone, such as smtp.example.com",
    ),
    ({"port": 0}, "port: 0 is not between 1 and 65535"),
    ({"port": 70000}, "port: 70000 is not between 1 and 65535"),
    (
        {"auth_type": "plain", "password": "p"},
        "user: not set, and auth_type=plain needs it; run 'juju config smtp-integrator user=NAME'",
    ),
    (
        {"auth_type": "plain", "user": "u"},
        (
            "password: not set, and auth_type=plain needs it; set password_secret to a secret "
            "with the key 'password' that is granted to smtp-integrator"
        ),
    ),
    (
        {"password_secret": USER_URI},
        "password_secret: does not exist; run 'juju secrets' and enter the ID of one that does",
    ),
    ({"auth_type": "login"}, "auth_type: must be one of none, not_provided, plain, oauth2"),
    ({"transport_security": "ssl"}, "transport_security: must be one of none, starttls, tls"),
    (
        {"smtp_sender": "ops@corp.local"},
        (
            "smtp_sender: has a special-use domain, which requirers refuse; "
            "enter an address such as ops@example.com"
        ),
    ),
    (
        {"recipients": "a@example.com,b"},
        (
            "recipients: address 2 is malformed, which requirers refuse; "
            "enter an address such as ops@example.com"
        ),
    ),
    (
        {"tls_ca_chain": "garbage"},
        (
            "tls_ca_chain: has no certificate or a broken one in it; "
            "run 'juju config smtp-integrator tls_ca_chain=@FILE' with PEM in the file"
        ),
    ),
]


def relations(*endpoints: str) -> list[testing.RelationBase]:
    return [
        testing.PeerRelation(endpoint)
        if endpoint == "smtp-peers"
        else testing.Relation(endpoint, remote_app_name=f"app{number}")
        for number, endpoint in enumerate(endpoints)
    ]


def user_secret(password: str = PASSWORD, **content: str) -> testing.Secret:
    return testing.Secret(content or {"password": password}, id=USER_URI)


def databags(state: testing.State, endpoint: str = "smtp") -> list[dict[str, str]]:
    found = [relation for relation in state.relations if relation.endpoint == endpoint]
    return [
        dict(relation.local_app_data)
        for relation in sorted(found, key=lambda relation: relation.id)
    ]


def uri(secret: testing.Secret, state: testing.State) -> str:
    """Spell a secret as every model can read it."""
    return f"secret://{state.model.uuid}/{secret.id.removeprefix('secret:').rpartition('/')[2]}"


def published_id(state: testing.State) -> str:
    return uri(own_secret(state), state)


def own_secret(state: testing.State) -> testing.Secret:
    return state.get_secret(label=LABEL)


def reconfigured(state: testing.State, **options: Any) -> testing.State:
    """Set options; None resets one."""
    config = {**state.config, **options}
    config = {option: value for option, value in config.items() if value is not None}
    return dataclasses.replace(state, config=config)


def without(state: testing.State, *gone: testing.RelationBase) -> testing.State:
    ids = {relation.id for relation in gone}
    kept = [relation for relation in state.relations if relation.id not in ids]
    return dataclasses.replace(state, relations=kept)


def every_event(on: testing.CharmEvents, state: testing.State) -> list[Any]:
    """List each event that the charm's metadata lets Juju fire in this state."""
    events = [on.install(), on.start(), on.config_changed(), on.update_status()]
    events += [on.upgrade_charm(), on.stop(), on.remove()]
    if state.leader:
        events.append(on.leader_elected())
    for relation in state.relations:
        events.append(on.relation_created(relation))
        if not isinstance(relation, testing.PeerRelation) or relation.peers_data:
            events += [on.relation_joined(relation), on.relation_changed(relation)]
            events.append(on.relation_departed(relation))
        events.append(on.relation_broken(relation))
    for secret in state.secrets:
        if secret.owner is None:
            events.append(on.secret_changed(secret))
        elif state.leader:
            events.append(on.secret_remove(secret, revision=100))
    return events


# What operators in the field have deployed.


def test_the_endpoints_are_those_of_the_field(metadata: dict[str, Any]) -> None:
    interfaces = {
        role: {endpoint: meaning["interface"] for endpoint, meaning in metadata[role].items()}
        for role in ("provides", "requires", "peers")
    }
    assert interfaces == {
        "provides": {"smtp": "smtp", "smtp-legacy": "smtp"},
        "requires": {"receive-ca-cert": "certificate_transfer"},
        "peers": {"smtp-peers": "smtp-instance"},
    }
    assert metadata["requires"]["receive-ca-cert"]["optional"]


@pytest.mark.parametrize(
    ("option", "kind", "default"),
    [
        ("host", "string", None),
        ("port", "int", 25),
        ("user", "string", None),
        ("password", "string", None),
        ("password_secret", "secret", None),
        ("oauth_secret", "secret", None),
        ("auth_type", "string", "none"),
        ("transport_security", "string", "none"),
        ("domain", "string", None),
        ("skip_ssl_verify", "boolean", False),
        ("smtp_sender", "string", None),
        ("recipients", "string", None),
        ("tls_ca_chain", "string", None),
    ],
)
def test_the_options_are_those_of_the_field(
    options: dict[str, dict[str, Any]], option: str, kind: str, default: object
) -> None:
    assert options[option]["type"] == kind
    assert options[option].get("default") == default


# Statuses.


@pytest.mark.parametrize("leader", [True, False])
@pytest.mark.parametrize(
    "endpoints", [(), ("smtp-peers",), ("smtp", "smtp-legacy"), ("smtp", "smtp-peers")]
)
@pytest.mark.parametrize("config", [OPEN, LOGIN, WITH_SECRET])
def test_a_right_configuration_is_active_with_no_message(
    integrator: Integrator, config: dict[str, Any], endpoints: tuple[str, ...], *, leader: bool
) -> None:
    state = testing.State(
        leader=leader, config=config, relations=relations(*endpoints), secrets=[user_secret()]
    )
    for event in (integrator.on.config_changed(), integrator.on.start()):
        assert integrator.run(event, state).unit_status == testing.ActiveStatus("")


@pytest.mark.parametrize("leader", [True, False])
@pytest.mark.parametrize("endpoints", [(), ("smtp", "smtp-legacy", "smtp-peers")])
@pytest.mark.parametrize(("wrong", "message"), WRONG)
def test_a_wrong_option_blocks_every_unit_with_its_reason_and_remedy(
    integrator: Integrator,
    wrong: dict[str, Any],
    message: str,
    endpoints: tuple[str, ...],
    *,
    leader: bool,
) -> None:
    state = testing.State(leader=leader, config={**OPEN, **wrong}, relations=relations(*endpoints))
    out = integrator.run(integrator.on.config_changed(), state)
    assert out.unit_status == testing.BlockedStatus(message)


def test_the_status_is_the_same_after_each_event(integrator: Integrator) -> None:
    state = testing.State(
        leader=True,
        config={**OPEN, "port": 70000},
        relations=relations("smtp", "smtp-legacy", "smtp-peers"),
    )
    for event in every_event(integrator.on, state):
        out = integrator.run(event, state)
        assert out.unit_status == testing.BlockedStatus("port: 70000 is not between 1 and 65535")


def test_several_problems_are_said_at_once_in_the_order_of_config_yaml(
    integrator: Integrator,
) -> None:
    config = {"transport_security": "ssl", "auth_type": "login", "port": -1, "smtp_sender": "me"}
    out = integrator.run(integrator.on.config_changed(), testing.State(config=config))
    assert out.unit_status == testing.BlockedStatus(
        "host: not set; run 'juju config smtp-integrator host=NAME'; "
        "port: -1 is not between 1 and 65535; "
        "auth_type: must be one of none, not_provided, plain, oauth2; "
        "transport_security: must be one of none, starttls, tls; "
        "smtp_sender: is malformed, which requirers refuse; "
        "enter an address such as ops@example.com"
    )


@pytest.mark.parametrize("leader", [True, False])
@pytest.mark.parametrize("refusal", REFUSALS_WITHOUT_GRANT)
def test_a_secret_that_is_not_granted_blocks_until_it_is(
    integrator: Integrator, hook_commands: HookCommands, refusal: str, *, leader: bool
) -> None:
    state = testing.State(
        leader=leader, config=WITH_SECRET, relations=relations("smtp"), secrets=[user_secret()]
    )
    hook_commands.refusals[USER_ID] = refusal
    waiting = integrator.run(integrator.on.config_changed(), state)
    assert waiting.unit_status == testing.BlockedStatus(
        f"password_secret: not granted; run 'juju grant-secret {USER_ID} smtp-integrator' "
        "(noticed at the next update-status)"
    )
    assert databags(waiting) == [{}]
    del hook_commands.refusals[USER_ID]
    granted = integrator.run(integrator.on.update_status(), waiting)
    assert granted.unit_status == testing.ActiveStatus("")
    assert [bool(databag) for databag in databags(granted)] == [leader]


@pytest.mark.parametrize("content", [{"passwort": PASSWORD}, {"password": ""}])
def test_a_secret_without_a_password_blocks(
    integrator: Integrator, content: dict[str, str]
) -> None:
    state = testing.State(config=WITH_SECRET, secrets=[user_secret(**content)])
    out = integrator.run(integrator.on.config_changed(), state)
    assert out.unit_status == testing.BlockedStatus(
        "password_secret: the secret has no value under the key 'password'; "
        f"run 'juju update-secret {USER_ID} password#file=FILE'"
    )


def test_no_secret_is_read_where_none_is_configured(
    integrator: Integrator, hook_commands: HookCommands
) -> None:
    state = testing.State(leader=True, config=LOGIN, relations=relations("smtp-legacy"))
    integrator.run(integrator.on.config_changed(), state)
    assert hook_commands.reads == []


@pytest.mark.parametrize("refusal", ["", *REFUSALS_WITHOUT_GRANT])
def test_a_secret_that_is_no_longer_used_is_let_go_where_it_can_be_read(
    integrator: Integrator, hook_commands: HookCommands, refusal: str
) -> None:
    """Juju 4.0 tells those of a change too who were refused."""
    changed = testing.Secret({"password": "old"}, latest_content={"password": "new"}, id=USER_URI)
    state = testing.State(leader=True, config=LOGIN, secrets=[changed])
    hook_commands.refusals = {USER_ID: refusal} if refusal else {}
    out = integrator.run(integrator.on.secret_changed(changed), state)
    assert out.unit_status == testing.ActiveStatus("")
    tracked = "old" if refusal else "new"
    assert out.get_secret(id=USER_URI).tracked_content == {"password": tracked}


def test_an_unknown_refusal_is_told_in_jujus_words(
    integrator: Integrator, hook_commands: HookCommands
) -> None:
    state = testing.State(
        leader=True, config=WITH_SECRET, relations=relations("smtp"), secrets=[user_secret()]
    )
    hook_commands.refusals[USER_ID] = "ERROR connection\nrefused\n"
    refused = integrator.run(integrator.on.config_changed(), state)
    assert refused.unit_status == testing.BlockedStatus(
        "password_secret: Juju refuses to read the secret: connection refused; if it is not "
        f"granted, run 'juju grant-secret {USER_ID} smtp-integrator' "
        "(tried again at the next update-status)"
    )
    assert databags(refused) == [{}]
    hook_commands.refusals.clear()
    mended = integrator.run(integrator.on.update_status(), refused)
    assert mended.unit_status == testing.ActiveStatus("")
    assert databags(mended)[0]["password_id"] == published_id(mended)


# The password stays where it belongs.


@pytest.mark.parametrize("leader", [True, False])
def test_a_password_in_the_wrong_option_is_never_echoed(
    integrator: Integrator, options: dict[str, dict[str, Any]], *, leader: bool
) -> None:
    texts = [option for option, meaning in options.items() if meaning["type"] == "string"]
    each = [{**OPEN, option: PASSWORD} for option in texts]
    for config in (*each, dict.fromkeys(texts, PASSWORD), dict.fromkeys(texts, f" {PASSWORD}\n")):
        state = testing.State(leader=leader, config=config, relations=relations("smtp"))
        out = integrator.run(integrator.on.config_changed(), state)
        assert PASSWORD not in out.unit_status.message
        assert PASSWORD not in "".join(integrator.log)


@pytest.mark.parametrize("config", [LOGIN, {**LOGIN, "auth_type": "none"}, WITH_SECRET])
def test_a_password_shows_in_no_status_log_or_databag_of_smtp(
    integrator: Integrator, config: dict[str, Any]
) -> None:
    state = testing.State(
        leader=True, config=config, relations=relations("smtp"), secrets=[user_secret()]
    )
    for event in (integrator.on.config_changed(), integrator.on.update_status()):
        state = integrator.run(event, state)
        assert PASSWORD not in "".join(integrator.log)
        assert PASSWORD not in str(databags(state))
        assert state.unit_status == testing.ActiveStatus("")


# Databags.


def test_the_least_configuration_publishes_every_key_that_is_always_present(
    integrator: Integrator,
) -> None:
    state = testing.State(leader=True, config=OPEN, relations=relations("smtp", "smtp-legacy"))
    out = integrator.run(integrator.on.config_changed(), state)
    always = {
        "host": "smtp.example.com",
        "port": "25",
        "auth_type": "none",
        "transport_security": "none",
        "skip_ssl_verify": "False",
    }
    assert databags(out, "smtp") == [always]
    assert databags(out, "smtp-legacy") == [always]


@pytest.mark.parametrize(
    "password", [{"password": PASSWORD}, {"password_secret": USER_URI, "password": "other"}]
)
def test_the_whole_configuration_is_published(
    integrator: Integrator, authority: Authority, password: dict[str, str]
) -> None:
    config = {
        "host": "192.0.2.1",
        "port": 465,
        "user": "mailer",
        "auth_type": "plain",
        "transport_security": "tls",
        "domain": "example.com",
        "skip_ssl_verify": True,
        "smtp_sender": "No Reply <noreply@example.com>",
        "recipients": "a@example.com, b@example.com,a@example.com",
        "tls_ca_chain": authority.certificate,
        **password,
    }
    state = testing.State(
        leader=True,
        config=config,
        relations=relations("smtp", "smtp-legacy", "smtp"),
        secrets=[user_secret()],
    )
    out = integrator.run(integrator.on.config_changed(), state)
    both = {
        "host": "192.0.2.1",
        "port": "465",
        "user": "mailer",
        "auth_type": "plain",
        "transport_security": "tls",
        "domain": "example.com",
        "skip_ssl_verify": "True",
        "smtp_sender": "noreply@example.com",
        "recipients": '["a@example.com", "b@example.com"]',
        "tls_ca_chain": authority.certificate,
    }
    assert databags(out, "smtp") == [{**both, "password_id": published_id(out)}] * 2
    assert databags(out, "smtp-legacy") == [{**both, "password": PASSWORD}]


def test_credentials_are_published_without_auth_too(integrator: Integrator) -> None:
    state = testing.State(
        leader=True,
        config={**LOGIN, "auth_type": "none"},
        relations=relations("smtp", "smtp-legacy"),
    )
    out = integrator.run(integrator.on.config_changed(), state)
    assert databags(out, "smtp")[0].items() >= {
        ("user", "mailer"),
        ("password_id", published_id(out)),
    }
    assert databags(out, "smtp-legacy")[0].items() >= {("user", "mailer"), ("password", PASSWORD)}


def test_a_changed_configuration_replaces_the_whole_databag(
    integrator: Integrator, hook_commands: HookCommands
) -> None:
    smtp = testing.Relation("smtp", local_app_data={"host": "old", "domain": "old", "x": "y"})
    state = testing.State(leader=True, config=OPEN, relations=[smtp])
    [databag] = databags(integrator.run(integrator.on.config_changed(), state))
    assert sorted(databag) == [
        "auth_type",
        "host",
        "port",
        "skip_ssl_verify",
        "transport_security",
    ]
    assert databag["host"] == "smtp.example.com"
    assert hook_commands.writes == ["relation-set"]


@pytest.mark.parametrize(("wrong", "_message"), WRONG)
def test_a_wrong_configuration_leaves_all_that_is_published(
    integrator: Integrator, hook_commands: HookCommands, wrong: dict[str, Any], _message: str
) -> None:
    right, state = made_wrong(integrator, wrong)
    hook_commands.writes.clear()
    out = integrator.run(integrator.on.config_changed(), state)
    assert_as_published(out, right)
    assert hook_commands.writes == []


def test_no_event_writes_while_the_configuration_is_wrong(
    integrator: Integrator, hook_commands: HookCommands
) -> None:
    right, out = made_wrong(integrator, {"password_secret": USER_URI})
    hook_commands.writes.clear()
    for event in every_event(integrator.on, out):
        if "remove" not in event.name:
            out = integrator.run(event, out)
            assert_as_published(out, right)
    assert hook_commands.writes == []


def made_wrong(
    integrator: Integrator, wrong: dict[str, Any]
) -> tuple[testing.State, testing.State]:
    """Return what a right configuration led to, and that with another one and new relations."""
    state = testing.State(
        leader=True, config=LOGIN, relations=relations("smtp", "smtp-legacy", "smtp-peers")
    )
    right = integrator.run(integrator.on.config_changed(), state)
    config = {**LOGIN, "user": "", "password": "", "auth_type": "none", **wrong}
    related = [*right.relations, *relations("smtp", "smtp-legacy")]
    return right, dataclasses.replace(right, config=config, relations=related)


def assert_as_published(out: testing.State, right: testing.State) -> None:
    assert out.unit_status.name == "blocked"
    assert databags(out) == [*databags(right), {}]
    assert databags(out, "smtp-legacy") == [*databags(right, "smtp-legacy"), {}]
    assert own_secret(out) == own_secret(right)


def test_a_relation_made_while_the_configuration_was_wrong_gets_its_data_later(
    integrator: Integrator,
) -> None:
    state = testing.State(
        leader=True, config={**LOGIN, "port": 0}, relations=relations("smtp", "smtp-legacy")
    )
    for relation in state.relations:
        state = integrator.run(integrator.on.relation_created(relation), state)
    assert databags(state) == databags(state, "smtp-legacy") == [{}]
    state = integrator.run(integrator.on.config_changed(), reconfigured(state, port=25))
    assert [databag["port"] for databag in databags(state)] == ["25"]
    assert [databag["port"] for databag in databags(state, "smtp-legacy")] == ["25"]


RECONCILING = [
    "config_changed",
    "leader_elected",
    "upgrade_charm",
    "update_status",
    "secret_changed",
    *(
        f"{endpoint}_relation_{event}"
        for endpoint in ("smtp", "smtp_legacy", "smtp_peers")
        for event in ("created", "joined", "changed", "departed", "broken")
    ),
]


@pytest.mark.parametrize("name", RECONCILING)
def test_each_event_publishes(
    integrator: Integrator, hook_commands: HookCommands, name: str
) -> None:
    peers = testing.PeerRelation("smtp-peers", peers_data={1: {}})
    state = testing.State(
        leader=True,
        config=WITH_SECRET,
        relations=[*relations("smtp", "smtp", "smtp-legacy", "smtp-legacy"), peers],
        secrets=[user_secret()],
    )
    event = next(
        event
        for event in every_event(integrator.on, state)
        if event.name.replace("-", "_") == name
    )
    out = integrator.run(event, state)
    gone = event.relation.id if name.endswith("broken") else None
    kept = [relation for relation in out.relations if relation.id != gone]
    assert all(r.local_app_data for r in kept if r.endpoint == "smtp-legacy")
    if not name.endswith(("departed", "broken")):
        assert all(r.local_app_data for r in kept if r.endpoint == "smtp")
        return
    # Any relation may be dying. Juju 3 fails a hook that grants such a one a secret, again and
    # again; nothing told before of the grant that made the configuration right.
    assert databags(out) == [{}, {}]
    assert "secret-grant" not in hook_commands.writes
    out = integrator.run(integrator.on.update_status(), out)
    assert all(databags(out))


def test_a_relation_that_breaks_gets_nothing(integrator: Integrator) -> None:
    smtp, legacy = relations("smtp", "smtp-legacy")
    state = testing.State(leader=True, config=LOGIN, relations=[smtp, legacy])
    out = integrator.run(integrator.on.relation_broken(smtp), state)
    assert databags(out) == [{}]
    assert not out.secrets
    out = integrator.run(integrator.on.relation_broken(legacy), state)
    assert databags(out, "smtp-legacy") == [{}]


@pytest.mark.parametrize("config", [LOGIN, WITH_SECRET, {**LOGIN, "auth_type": "none"}, OPEN])
def test_nothing_is_written_twice(
    integrator: Integrator, hook_commands: HookCommands, config: dict[str, Any]
) -> None:
    peers = testing.PeerRelation("smtp-peers", peers_data={1: {}})
    state = testing.State(
        leader=True,
        config={**config, "recipients": "a@example.com", "skip_ssl_verify": True},
        relations=[*relations("smtp", "smtp-legacy"), peers],
        secrets=[user_secret()],
    )
    state = integrator.run(integrator.on.config_changed(), state)
    assert "relation-set" in hook_commands.writes
    hook_commands.writes.clear()
    for event in every_event(integrator.on, state):
        if event.name != "secret_remove":
            integrator.run(event, state)
            assert integrator.warnings == []
    assert hook_commands.writes == []


def test_a_follower_writes_nothing(integrator: Integrator, hook_commands: HookCommands) -> None:
    peers = testing.PeerRelation(
        "smtp-peers", peers_data={1: {}}, local_app_data={"secret-id": "x"}
    )
    state = testing.State(
        config=WITH_SECRET,
        relations=[*relations("smtp", "smtp-legacy"), peers],
        secrets=[user_secret()],
    )
    for event in every_event(integrator.on, state):
        out = integrator.run(event, state)
        assert out.unit_status == testing.ActiveStatus("")
        assert integrator.warnings == []
    assert hook_commands.writes == []


def test_a_new_leader_publishes_what_the_old_one_did_not(integrator: Integrator) -> None:
    state = testing.State(config=LOGIN, relations=relations("smtp"))
    state = integrator.run(integrator.on.relation_created(*state.relations), state)
    assert databags(state) == [{}]
    elected = dataclasses.replace(state, leader=True)
    assert databags(integrator.run(integrator.on.leader_elected(), elected))[0]["user"] == "mailer"


# The secret's life.


def test_the_secret_is_the_applications_and_holds_the_password_alone(
    integrator: Integrator,
) -> None:
    state = testing.State(leader=True, config=LOGIN, relations=relations("smtp"))
    out = integrator.run(integrator.on.config_changed(), state)
    [secret] = out.secrets
    assert secret.owner == "app"
    assert secret.latest_content == {"password": PASSWORD}
    assert databags(out)[0]["password_id"] == uri(secret, out)


@pytest.mark.parametrize("endpoints", [(), ("smtp-legacy",), ("smtp-legacy", "smtp-peers")])
def test_no_secret_is_made_where_nobody_reads_one(
    integrator: Integrator, endpoints: tuple[str, ...]
) -> None:
    state = testing.State(leader=True, config=LOGIN, relations=relations(*endpoints))
    assert not integrator.run(integrator.on.config_changed(), state).secrets


def test_each_related_application_is_granted_the_secret_once(
    integrator: Integrator, hook_commands: HookCommands
) -> None:
    first, second, legacy = relations("smtp", "smtp", "smtp-legacy")
    state = testing.State(leader=True, config=LOGIN, relations=[first, legacy])
    state = integrator.run(integrator.on.config_changed(), state)
    assert own_secret(state).remote_grants == {first.id: frozenset({"app0"})}
    more = dataclasses.replace(state, relations=[*state.relations, second])
    state = integrator.run(integrator.on.relation_created(second), more)
    assert own_secret(state).remote_grants == {
        first.id: frozenset({"app0"}),
        second.id: frozenset({"app1"}),
    }
    integrator.run(integrator.on.config_changed(), reconfigured(state, domain="example.com"))
    assert hook_commands.writes.count("secret-grant") == 2


def test_what_is_granted_is_kept_right_while_a_relation_ends(integrator: Integrator) -> None:
    related = relations("smtp", "smtp")
    state = testing.State(leader=True, config=LOGIN, relations=related)
    state = integrator.run(integrator.on.config_changed(), state)
    state = reconfigured(state, host="other.example.com")
    first = min(state.get_relations("smtp"), key=lambda relation: relation.id)
    out = integrator.run(integrator.on.relation_departed(first), state)
    assert [databag["host"] for databag in databags(out)] == ["other.example.com"] * 2


def test_a_new_password_is_a_new_revision_under_the_same_id(
    integrator: Integrator, hook_commands: HookCommands
) -> None:
    state = testing.State(leader=True, config=LOGIN, relations=relations("smtp", "smtp-legacy"))
    old = integrator.run(integrator.on.config_changed(), state)
    hook_commands.writes.clear()
    new = integrator.run(integrator.on.config_changed(), reconfigured(old, password="new"))
    assert own_secret(new).id == own_secret(old).id
    assert own_secret(new).latest_content == {"password": "new"}
    assert databags(new) == databags(old)
    assert databags(new, "smtp-legacy")[0]["password"] == "new"
    assert hook_commands.writes == ["secret-set content", "relation-set"]


@pytest.mark.parametrize(
    "option",
    [
        {"host": "other.example.com"},
        {"port": 25},
        {"user": "other"},
        {"auth_type": "none"},
        {"transport_security": "tls"},
        {"domain": "example.com"},
        {"skip_ssl_verify": True},
        {"smtp_sender": "a@example.com"},
        {"recipients": "a@example.com"},
    ],
)
@pytest.mark.parametrize("config", [LOGIN, WITH_SECRET])
def test_an_unrelated_change_makes_no_revision(
    integrator: Integrator,
    hook_commands: HookCommands,
    config: dict[str, Any],
    option: dict[str, Any],
) -> None:
    state = testing.State(
        leader=True, config=config, relations=relations("smtp"), secrets=[user_secret()]
    )
    state = integrator.run(integrator.on.config_changed(), state)
    hook_commands.writes.clear()
    out = integrator.run(integrator.on.config_changed(), reconfigured(state, **option))
    assert hook_commands.writes == ["relation-set"]
    assert databags(out) != databags(state)


def test_a_new_revision_of_the_users_secret_reaches_requirers_by_itself(
    integrator: Integrator,
) -> None:
    state = testing.State(
        leader=True,
        config=WITH_SECRET,
        relations=relations("smtp", "smtp-legacy"),
        secrets=[user_secret("old")],
    )
    old = integrator.run(integrator.on.config_changed(), state)
    changed = testing.Secret({"password": "old"}, latest_content={"password": "new"}, id=USER_URI)
    state = dataclasses.replace(old, secrets=[own_secret(old), changed])
    new = integrator.run(integrator.on.secret_changed(changed), state)
    assert own_secret(new).id == own_secret(old).id
    assert own_secret(new).latest_content == {"password": "new"}
    assert databags(new) == databags(old)
    assert databags(new, "smtp-legacy")[0]["password"] == "new"
    # Juju tells of the next revision where this one is tracked.
    assert new.get_secret(id=USER_URI).tracked_content == {"password": "new"}


def test_whatever_reads_a_new_revision_of_the_users_secret_publishes_it(
    integrator: Integrator,
) -> None:
    """Juju tells no more of what was read."""
    state = testing.State(
        leader=True, config=WITH_SECRET, relations=relations("smtp"), secrets=[user_secret("1")]
    )
    state = integrator.run(integrator.on.config_changed(), state)
    for tracked, newest in itertools.pairwise("123"):
        changed = testing.Secret(
            {"password": tracked}, latest_content={"password": newest}, id=USER_URI
        )
        state = dataclasses.replace(state, secrets=[own_secret(state), changed])
        if newest == "2":
            state = integrator.run(integrator.on.secret_changed(changed), state)
    state = integrator.run(integrator.on.secret_remove(own_secret(state), revision=1), state)
    assert own_secret(state).latest_content == {"password": "3"}


@pytest.mark.parametrize("event", ["install", "start", "stop"])
def test_what_publishes_nothing_leaves_a_new_revision_to_be_told_of(
    integrator: Integrator, event: str
) -> None:
    changed = testing.Secret({"password": "old"}, latest_content={"password": "new"}, id=USER_URI)
    state = testing.State(
        leader=True, config=WITH_SECRET, relations=relations("smtp"), secrets=[changed]
    )
    out = integrator.run(getattr(integrator.on, event)(), state)
    assert out.unit_status == testing.ActiveStatus()
    assert out.get_secret(id=USER_URI).tracked_content == {"password": "old"}


def test_a_follower_tracks_the_newest_revision_of_the_users_secret(
    integrator: Integrator,
) -> None:
    changed = testing.Secret({"password": "old"}, latest_content={"password": "new"}, id=USER_URI)
    state = testing.State(config=WITH_SECRET, secrets=[changed])
    out = integrator.run(integrator.on.secret_changed(changed), state)
    assert out.get_secret(id=USER_URI).tracked_content == {"password": "new"}


def test_a_former_leader_lets_go_of_superseded_revisions(integrator: Integrator) -> None:
    ours = testing.Secret(
        {"password": "old"}, latest_content={"password": "new"}, label="relay-password"
    )
    state = testing.State(config=LOGIN, secrets=[ours])
    out = integrator.run(integrator.on.secret_changed(ours), state)
    assert out.get_secret(id=ours.id).tracked_content == {"password": "new"}


def test_a_revision_that_nobody_tracks_is_pruned(integrator: Integrator) -> None:
    state = testing.State(leader=True, config=LOGIN, relations=relations("smtp"))
    state = integrator.run(integrator.on.config_changed(), state)
    state = integrator.run(integrator.on.config_changed(), reconfigured(state, password="new"))
    event = integrator.on.secret_remove(own_secret(state), revision=1)
    out = integrator.run(event, state)
    assert integrator.context.removed_secret_revisions == [1]
    assert own_secret(out).latest_content == {"password": "new"}


def test_a_revision_is_pruned_while_the_configuration_is_wrong(integrator: Integrator) -> None:
    secret = testing.Secret({"password": PASSWORD}, owner="app", label=LABEL)
    state = testing.State(leader=True, secrets=[secret])
    integrator.run(integrator.on.secret_remove(secret, revision=7), state)
    assert integrator.context.removed_secret_revisions == [7]


def test_a_revision_of_a_secret_that_is_gone_needs_no_removal(integrator: Integrator) -> None:
    gone = testing.Secret({"password": PASSWORD}, owner="app")
    state = testing.State(leader=True, config=LOGIN, secrets=[gone])

    def forget(charm: charm.SmtpIntegratorCharm) -> None:
        charm.model.get_secret(id=gone.id).remove_all_revisions()

    event = integrator.on.secret_remove(gone, revision=1)
    out = integrator.run(event, state, first=forget)
    assert out.unit_status == testing.ActiveStatus("")
    assert not out.secrets


@pytest.mark.parametrize("config", [LOGIN, WITH_SECRET])
def test_unsetting_the_password_leaves_nothing_behind(
    integrator: Integrator, config: dict[str, Any]
) -> None:
    state = testing.State(
        leader=True,
        config=config,
        relations=relations("smtp", "smtp-legacy", "smtp-peers"),
        secrets=[user_secret()],
    )
    state = integrator.run(integrator.on.config_changed(), state)
    assert own_secret(state)
    unset = {"password": None, "password_secret": None, "auth_type": None}
    out = integrator.run(integrator.on.config_changed(), reconfigured(state, **unset))
    assert [secret.id for secret in out.secrets] == [USER_URI]
    assert "password_id" not in databags(out)[0]
    assert "password" not in databags(out, "smtp-legacy")[0]
    assert databags(out, "smtp-peers") == [{}]


def test_a_password_set_again_is_granted_again(integrator: Integrator) -> None:
    state = testing.State(leader=True, config=LOGIN, relations=relations("smtp"))
    [smtp] = state.relations
    first = integrator.run(integrator.on.config_changed(), state)
    unset = reconfigured(first, password="", auth_type="none")
    state = integrator.run(integrator.on.config_changed(), unset)
    again = integrator.run(integrator.on.config_changed(), reconfigured(state, **LOGIN))
    assert published_id(again) == databags(again)[0]["password_id"]
    assert own_secret(again).id != own_secret(first).id
    assert own_secret(again).remote_grants == {smtp.id: frozenset({"app0"})}


def test_the_password_moves_to_a_secret_and_back_under_one_id(
    integrator: Integrator, hook_commands: HookCommands
) -> None:
    state = testing.State(
        leader=True,
        config={**LOGIN, "password": "optional"},
        relations=relations("smtp", "smtp-legacy"),
        secrets=[user_secret()],
    )
    before = integrator.run(integrator.on.config_changed(), state)
    to_secret = reconfigured(before, password_secret=USER_URI)
    between = integrator.run(integrator.on.config_changed(), to_secret)
    back = reconfigured(between, password_secret=None)
    after = integrator.run(integrator.on.config_changed(), back)
    assert own_secret(between).latest_content == {"password": PASSWORD}
    assert databags(between, "smtp-legacy")[0]["password"] == PASSWORD
    assert own_secret(after).latest_content == {"password": "optional"}
    assert databags(before) == databags(between) == databags(after)
    assert len(after.secrets) == 2
    assert hook_commands.writes.count("secret-add") == 1


def test_moving_one_password_between_options_makes_no_revision(
    integrator: Integrator, hook_commands: HookCommands
) -> None:
    state = testing.State(
        leader=True, config=LOGIN, relations=relations("smtp"), secrets=[user_secret()]
    )
    state = integrator.run(integrator.on.config_changed(), state)
    hook_commands.writes.clear()
    integrator.run(integrator.on.config_changed(), reconfigured(state, **WITH_SECRET))
    assert hook_commands.writes == []


@pytest.mark.parametrize(
    "change",
    [
        {"host": "other.example.com", "domain": "example.com"},
        {"password": "new"},
        {"password": None, "auth_type": None},
        {"password": None, "password_secret": USER_URI},
        {"port": 0},
    ],
)
@pytest.mark.parametrize("leader", [True, False])
def test_update_status_mends_what_no_event_told_of(
    integrator: Integrator, change: dict[str, Any], *, leader: bool
) -> None:
    """Juju 4.0 fires no event where options are only reset."""
    state = testing.State(
        leader=True,
        config=LOGIN,
        relations=relations("smtp", "smtp-legacy"),
        secrets=[user_secret("user's")],
    )
    state = integrator.run(integrator.on.config_changed(), state)
    state = dataclasses.replace(reconfigured(state, **change), leader=leader)
    told = integrator.run(integrator.on.config_changed(), state)
    mended = integrator.run(integrator.on.update_status(), state)
    for endpoint in ("smtp", "smtp-legacy"):
        assert databags(mended, endpoint) == databags(told, endpoint)
    assert mended.unit_status == told.unit_status
    contents = [[(one.id, one.latest_content) for one in s.secrets] for s in (mended, told)]
    assert sorted(contents[0]) == sorted(contents[1])


def test_the_newline_of_a_users_secret_reaches_nobody(integrator: Integrator) -> None:
    state = testing.State(
        leader=True,
        config=WITH_SECRET,
        relations=relations("smtp", "smtp-legacy"),
        secrets=[user_secret(f"{PASSWORD}\n")],
    )
    state = integrator.run(integrator.on.config_changed(), state)
    assert integrator.warnings == [NEWLINE]
    assert own_secret(state).latest_content == {"password": PASSWORD}
    assert databags(state, "smtp-legacy")[0]["password"] == PASSWORD
    integrator.run(integrator.on.update_status(), state)
    assert integrator.warnings == []


def test_the_id_stays_when_all_requirers_leave_and_one_comes_back(
    integrator: Integrator,
) -> None:
    first, second = relations("smtp", "smtp")
    state = testing.State(leader=True, config=LOGIN, relations=[first])
    before = integrator.run(integrator.on.config_changed(), state)
    alone = integrator.run(
        integrator.on.config_changed(), without(reconfigured(before, password="new"), first)
    )
    back = dataclasses.replace(alone, relations=[second])
    after = integrator.run(integrator.on.relation_created(second), back)
    assert databags(after)[0]["password_id"] == databags(before)[0]["password_id"]
    assert own_secret(after).latest_content == {"password": "new"}
    assert own_secret(after).remote_grants[second.id] == frozenset({"app1"})


# An older revision's charm, taken over by juju refresh.


def older_state(config: dict[str, Any], password_id: str) -> testing.State:
    """Build what a revision before the label leaves: its secret's ID stands with the peers."""
    smtp = testing.Relation(
        "smtp",
        remote_app_name="app0",
        local_app_data={
            "host": "smtp.example.com",
            "port": "587",
            "user": "mailer",
            "password_id": password_id,
            "auth_type": "plain",
            "transport_security": "starttls",
            "skip_ssl_verify": "False",
        },
    )
    older = testing.Secret(
        {"password": PASSWORD},
        id="secret:d1k0v5a8o1f2r4g0cvq3",
        owner="app",
        remote_grants={smtp.id: {"app0"}},
    )
    peers = testing.PeerRelation("smtp-peers", local_app_data={"secret-id": older.id})
    return testing.State(
        leader=True, config=config, relations=[smtp, peers], secrets=[older, user_secret("user's")]
    )


def test_refresh_keeps_the_published_id_where_password_was_used(
    integrator: Integrator, hook_commands: HookCommands
) -> None:
    older = older_state(LOGIN, "secret:d1k0v5a8o1f2r4g0cvq3")
    out = integrator.run(integrator.on.upgrade_charm(), older)
    [databag] = databags(older)
    respelled = [{**databag, "password_id": published_id(out)}]
    assert databags(out) == respelled
    assert own_secret(out).id == "secret:d1k0v5a8o1f2r4g0cvq3"
    assert hook_commands.writes == ["secret-set", "secret-grant", "relation-set"]
    hook_commands.writes.clear()
    out = integrator.run(integrator.on.config_changed(), out)
    out = integrator.run(integrator.on.config_changed(), reconfigured(out, password="new"))
    assert own_secret(out).latest_content == {"password": "new"}
    assert databags(out) == respelled
    assert hook_commands.writes == ["secret-set content"]


def test_refresh_changes_the_published_id_once_where_password_secret_was_used(
    integrator: Integrator,
) -> None:
    older = dataclasses.replace(older_state(WITH_SECRET, USER_URI), secrets=[user_secret()])
    once = integrator.run(integrator.on.upgrade_charm(), older)
    [smtp] = older.get_relations("smtp")
    assert own_secret(once).id != USER_URI
    assert own_secret(once).latest_content == {"password": PASSWORD}
    assert own_secret(once).remote_grants == {smtp.id: frozenset({"app0"})}
    assert databags(once)[0]["password_id"] == published_id(once)
    twice = integrator.run(integrator.on.config_changed(), once)
    assert databags(twice) == databags(once)


def test_refresh_uses_a_secret_from_before_password_secret_again(integrator: Integrator) -> None:
    older = older_state(WITH_SECRET, USER_URI)
    out = integrator.run(integrator.on.upgrade_charm(), older)
    assert own_secret(out).id == "secret:d1k0v5a8o1f2r4g0cvq3"
    assert own_secret(out).latest_content == {"password": "user's"}
    assert databags(out)[0]["password_id"] == published_id(out)


def test_refresh_makes_a_new_secret_where_the_noted_one_is_gone(integrator: Integrator) -> None:
    older = older_state(LOGIN, "secret:d1k0v5a8o1f2r4g0cvq3")
    stale = dataclasses.replace(older, secrets=[])
    out = integrator.run(integrator.on.upgrade_charm(), stale)
    assert databags(out)[0]["password_id"] == published_id(out)
    assert own_secret(out).latest_content == {"password": PASSWORD}


def test_refresh_removes_the_older_secret_where_no_password_is_left(
    integrator: Integrator,
) -> None:
    older = older_state(OPEN, "secret:d1k0v5a8o1f2r4g0cvq3")
    out = integrator.run(integrator.on.upgrade_charm(), older)
    assert [secret.id for secret in out.secrets] == [USER_URI]
    assert databags(out, "smtp-peers") == [{}]
    assert "password_id" not in databags(out)[0]


def test_the_secret_outlives_the_peer_relation(
    integrator: Integrator, hook_commands: HookCommands
) -> None:
    older = older_state(LOGIN, "secret:d1k0v5a8o1f2r4g0cvq3")
    out = integrator.run(integrator.on.upgrade_charm(), older)
    [peers] = out.get_relations("smtp-peers")
    published = databags(out)
    hook_commands.writes.clear()
    out = integrator.run(integrator.on.relation_broken(peers), out)
    out = integrator.run(integrator.on.update_status(), without(out, peers))
    assert databags(out) == published
    assert hook_commands.writes == []


# Warnings.


@pytest.mark.parametrize(
    ("config", "warnings"),
    [
        ({}, [*INSECURE, OPEN_RELAY]),
        ({"transport_security": "tls"}, INSECURE[:1]),
        ({**LOGIN}, []),
        ({**LOGIN, "transport_security": "none"}, [INSECURE[1], CLEAR_LOGIN]),
        ({**LOGIN, "auth_type": "none"}, [INSECURE[0], UNUSED_CREDENTIALS]),
        ({"user": "u", "transport_security": "tls"}, [INSECURE[0], UNUSED_CREDENTIALS]),
        ({"skip_ssl_verify": True}, [*INSECURE, NO_VERIFICATION, OPEN_RELAY]),
        ({"auth_type": "not_provided", "transport_security": "tls"}, []),
    ],
)
def test_what_is_unwise_is_logged_when_a_databag_is_written_and_not_again(
    integrator: Integrator, config: dict[str, Any], warnings: list[str]
) -> None:
    state = testing.State(leader=True, config={**OPEN, **config}, relations=relations("smtp"))
    state = integrator.run(integrator.on.config_changed(), state)
    assert integrator.warnings == warnings
    for event in (integrator.on.config_changed(), integrator.on.update_status()):
        state = integrator.run(event, state)
        assert integrator.warnings == []
    integrator.run(integrator.on.config_changed(), reconfigured(state, domain="example.com"))
    assert integrator.warnings == warnings


def test_what_is_unwise_is_logged_for_smtp_legacy_too(integrator: Integrator) -> None:
    state = testing.State(leader=True, config=OPEN, relations=relations("smtp-legacy"))
    state = integrator.run(integrator.on.config_changed(), state)
    assert integrator.warnings == [*INSECURE, OPEN_RELAY]
    integrator.run(integrator.on.update_status(), state)
    assert integrator.warnings == []


def test_a_new_revision_alone_is_warned_of_too(integrator: Integrator) -> None:
    config = {**LOGIN, "auth_type": "none"}
    state = testing.State(leader=True, config=config, relations=relations("smtp"))
    state = integrator.run(integrator.on.config_changed(), state)
    integrator.run(integrator.on.config_changed(), reconfigured(state, password="new"))
    assert integrator.warnings == [UNUSED_CREDENTIALS]


def test_nothing_is_warned_of_where_nothing_is_published(integrator: Integrator) -> None:
    integrator.run(integrator.on.config_changed(), testing.State(leader=True, config=OPEN))
    assert integrator.warnings == []


# Any order of events.


@pytest.mark.parametrize("leader", [True, False])
@pytest.mark.parametrize("config", [{}, OPEN, LOGIN, WITH_SECRET])
# Each ends before each other.
@pytest.mark.parametrize(
    "order", [("smtp", "smtp-legacy", "smtp-peers"), ("smtp-peers", "smtp-legacy", "smtp")]
)
def test_the_model_is_left_in_any_order(
    integrator: Integrator, order: tuple[str, ...], config: dict[str, Any], *, leader: bool
) -> None:
    older = older_state(config, "secret:d1k0v5a8o1f2r4g0cvq3")
    state = dataclasses.replace(
        older, leader=leader, relations=[*older.relations, testing.Relation("smtp-legacy")]
    )
    for endpoint in order:
        [relation] = state.get_relations(endpoint)
        state = integrator.run(integrator.on.relation_broken(relation), state)
        state = without(state, relation)
    for event in (integrator.on.stop(), integrator.on.remove()):
        state = integrator.run(event, state)


CONFIGS = st.sampled_from(
    [
        {},
        OPEN,
        LOGIN,
        {**LOGIN, "password": "other"},
        {**LOGIN, "port": 0},
        WITH_SECRET,
        {**OPEN, "password_secret": USER_URI},
    ]
)
ENDPOINTS = st.sampled_from(["smtp", "smtp-legacy", "smtp-peers"])


def step(
    integrator: Integrator, state: testing.State, config: dict[str, Any], endpoint: str
) -> testing.State:
    """Change the configuration, and make the relation of an endpoint or end it."""
    state = dataclasses.replace(state, config=config)
    for relation in state.get_relations(endpoint):
        state = integrator.run(integrator.on.relation_broken(relation), state)
        return without(state, relation)
    [made] = relations(endpoint)
    state = dataclasses.replace(state, relations=[*state.relations, made])
    return integrator.run(integrator.on.relation_created(made), state)


@hypothesis.settings(max_examples=50)
@hypothesis.given(st.lists(st.tuples(CONFIGS, ENDPOINTS), min_size=1, max_size=3))
def test_any_way_to_a_configuration_ends_as_the_straight_one(
    integrator: Integrator, steps: list[tuple[dict[str, Any], str]]
) -> None:
    state = testing.State(leader=True, secrets=[user_secret()])
    for config, endpoint in steps:
        state = step(integrator, state, config, endpoint)
    state = dataclasses.replace(state, config=LOGIN)
    state = integrator.run(integrator.on.config_changed(), state)
    assert state.unit_status == testing.ActiveStatus("")
    assert len(state.secrets) <= 2
    for smtp in state.get_relations("smtp"):
        assert smtp.local_app_data["password_id"] == published_id(state)
        assert own_secret(state).latest_content == {"password": PASSWORD}
        assert own_secret(state).remote_grants[smtp.id] == frozenset({"app0"})
    for databag in databags(state, "smtp-legacy"):
        assert databag["password"] == PASSWORD

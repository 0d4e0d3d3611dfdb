"""The CA certificates of the model: published with those of the option, and gone with theirs."""

from __future__ import annotations

import dataclasses
import json
import sys
from typing import TYPE_CHECKING, Any

import pytest
from charmlibs.interfaces import certificate_transfer
from ops import testing

from tests.unit.test_charm import OPEN, databags

if TYPE_CHECKING:
    from tests.unit.conftest import Authority, HookCommands
    from tests.unit.test_charm import Integrator

ENDPOINT = "receive-ca-cert"


def offer(*certificates: str, version: int = 1) -> testing.Relation:
    """Return a relation whose provider offers certificates in a version of the interface."""
    if version == 1:
        data = {"certificates": json.dumps(certificates), "version": "1"}
        return testing.Relation(ENDPOINT, remote_app_data=data)
    data = {
        "ca": json.dumps(certificates[0]),
        "certificate": json.dumps(certificates[0]),
        "chain": json.dumps(certificates),
    }
    return testing.Relation(ENDPOINT, remote_units_data={0: data})


def related(integrator: Integrator, *offers: testing.Relation) -> testing.State:
    """Return the state after the integrator was related to those who offer certificates."""
    state = testing.State(leader=True, config=OPEN, relations=[testing.Relation("smtp")])
    for one in offers:
        state = dataclasses.replace(state, relations=[*state.relations, one])
        state = integrator.run(integrator.on.relation_created(one), state)
        state = integrator.run(integrator.on.relation_changed(state.get_relation(one.id)), state)
    return state


def published(state: testing.State) -> str | None:
    [databag] = databags(state, "smtp")
    return databag.get("tls_ca_chain")


@pytest.mark.parametrize("version", [0, 1])
def test_what_is_offered_is_published_and_leaves_with_its_relation(
    integrator: Integrator, authority: Authority, version: int
) -> None:
    state = related(integrator, offer(authority.certificate, version=version))
    assert published(state) == authority.certificate
    [relation] = state.get_relations(ENDPOINT)
    assert isinstance(relation, testing.Relation)
    assert relation.local_app_data == {"version": "1"}

    state = integrator.run(integrator.on.relation_broken(relation), state)

    assert published(state) is None


def test_the_option_comes_first_and_the_order_is_fixed(
    integrator: Integrator,
    authority: Authority,
    other_authority: Authority,
    hook_commands: HookCommands,
) -> None:
    ours = type(authority)("Root of the relay").certificate
    offered = sorted([authority.certificate, other_authority.certificate])
    state = related(integrator, offer(*reversed(offered)), offer(ours))
    assert published(state) == "".join(sorted([*offered, ours]))

    state = dataclasses.replace(state, config={**OPEN, "tls_ca_chain": ours})
    state = integrator.run(integrator.on.config_changed(), state)

    assert published(state) == "".join([ours, *offered])
    hook_commands.writes.clear()
    integrator.run(integrator.on.update_status(), state)
    assert hook_commands.writes == []


def test_one_relation_may_end_while_another_lasts(
    integrator: Integrator, authority: Authority, other_authority: Authority
) -> None:
    first, second = offer(authority.certificate), offer(other_authority.certificate)
    state = related(integrator, first, second)

    state = integrator.run(integrator.on.relation_broken(state.get_relation(first.id)), state)
    assert published(state) == other_authority.certificate
    rest = [one for one in state.relations if one.id != first.id]
    state = dataclasses.replace(state, relations=rest)
    state = integrator.run(integrator.on.config_changed(), state)
    assert published(state) == other_authority.certificate


@pytest.mark.parametrize("event", ["config_changed", "update_status", "upgrade_charm"])
def test_a_unit_that_lost_its_memory_still_publishes_what_is_offered(
    integrator: Integrator, authority: Authority, event: str
) -> None:
    state = related(integrator, offer(authority.certificate))
    moved = dataclasses.replace(state, stored_states=[])

    state = integrator.run(getattr(integrator.on, event)(), moved)

    assert published(state) == authority.certificate


@pytest.mark.parametrize("data", [{}, {"certificates": "{"}, {"certificates": '{"a": 1}'}])
def test_a_provider_that_says_nothing_of_use_breaks_nothing(
    integrator: Integrator, data: dict[str, str]
) -> None:
    state = related(integrator, testing.Relation(ENDPOINT, remote_app_data=data))

    assert published(state) is None
    assert state.unit_status == testing.ActiveStatus("")


DEEP = "[" * 20_000
UNREADABLE = [
    {"remote_app_data": {"certificates": DEEP, "version": "1"}},
    {"remote_app_data": {"certificates": "[]", "version": "9" * 5000}},
    {"remote_units_data": {0: {"ca": '"x"', "certificate": '"x"', "chain": DEEP}}},
]


@pytest.mark.parametrize("leader", [True, False])
@pytest.mark.parametrize(
    "event", ["relation_created", "relation_changed", "relation_departed", "relation_broken"]
)
@pytest.mark.parametrize("data", UNREADABLE)
def test_data_that_no_parser_takes_breaks_no_hook(
    integrator: Integrator, data: dict[str, Any], event: str, *, leader: bool
) -> None:
    relation = testing.Relation(ENDPOINT, **data)
    state = testing.State(leader=leader, config=OPEN, relations=[relation])
    on = integrator.on
    whose = {} if event in {"relation_created", "relation_broken"} else {"remote_unit": 0}

    state = integrator.run(getattr(on, event)(relation, **whose), state)
    state = integrator.run(on.config_changed(), state)

    assert state.unit_status == testing.ActiveStatus("")


@pytest.mark.parametrize("data", UNREADABLE)
def test_data_that_no_parser_takes_is_said_and_spoils_no_other_relation(
    integrator: Integrator,
    authority: Authority,
    data: dict[str, Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    unreadable = testing.Relation(ENDPOINT, **data)

    state = related(integrator, unreadable, offer(authority.certificate))

    assert published(state) == authority.certificate
    said = "receive-ca-cert: 1 malformed certificates are left out"
    assert said in caplog.messages


def test_the_package_is_imported_only_where_the_endpoint_is_related(
    integrator: Integrator, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = certificate_transfer.__name__
    monkeypatch.delitem(sys.modules, name)
    monkeypatch.delitem(sys.modules, "authority_requirer", raising=False)
    monkeypatch.delattr(name)

    integrator.run(integrator.on.config_changed(), related(integrator))
    assert name not in sys.modules
    related(integrator, offer(authority.certificate))
    assert name in sys.modules

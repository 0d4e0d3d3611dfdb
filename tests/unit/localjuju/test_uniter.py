"""The order of hooks, over every history that hypothesis thinks of."""

from __future__ import annotations

import datetime as dt
import pathlib
import tempfile
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from localjuju import life, model, uniter
from localjuju.charm import Charm, Endpoint
from localjuju.releases import RELEASES, Release

if TYPE_CHECKING:
    from collections.abc import Iterator

CHARMS = {
    name: Charm(
        name=name,
        path=pathlib.Path("unused"),
        subordinate=False,
        endpoints={
            "db": Endpoint("db", role, "db"),
            "ring": Endpoint("ring", "peer", "ring"),
        },
        options={},
        actions={},
        storage={},
        resources={},
        extra_bindings=frozenset(),
        base=("ubuntu", "24.04"),
    )
    for name, role in (("app", "provider"), ("client", "requirer"))
}

STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            [
                *("add", "destroy", "fail", "finish", "hook", "hook", "hook", "relate"),
                *("remove", "unrelate", "write-app", "write-unit"),
            ]
        ),
        st.integers(0, 3),
    ),
    max_size=60,
)


class World:
    """A model whose hooks take no time."""

    def __init__(self, folder: pathlib.Path, release: Release) -> None:
        self.where = model.Model("world", folder, release)
        self.where.models["world"] = self.where
        self.ran: dict[str, list[model.Hook]] = {}
        for name, charm in CHARMS.items():
            application = model.Application(name, charm)
            self.where.applications[name] = application
            life.add_peer_relations(self.where, application)
            life.add_unit(self.where, application)
        self.settle()

    def settle(self) -> None:
        with self.where.lock:
            life.settle(self.where)

    def step(self, what: str, number: int) -> None:
        """Do one thing, to the unit or application that the number chooses."""
        units = list(self.where.units.values())
        unit = units[number % len(units)] if units else None
        if what in ("hook", "fail"):
            self.run(unit, well=what == "hook")
        elif what in ("relate", "unrelate"):
            self.relate(again=what == "relate")
        elif what == "remove" and unit:
            life.destroy_unit(unit, force=False)
        elif what == "finish":
            self.finish()
        elif what.startswith("write"):
            self.write(what, number)
        else:
            self.change_application(what, number)
        self.settle()

    def change_application(self, what: str, number: int) -> None:
        alive = [one for one in self.where.applications.values() if one.life == model.ALIVE]
        for application in alive[number:][:1]:
            if what == "add" and len(self.where.units) < 5:
                life.add_unit(self.where, application)
            elif what == "destroy":
                life.destroy_application(self.where, application, force=False)

    def relate(self, *, again: bool) -> None:
        relations = [one for one in self.where.relations.values() if not one.is_peer]
        applications = self.where.applications
        alive = [name for name, one in applications.items() if one.life == model.ALIVE]
        if again and not relations and len(alive) == 2:
            ends = [model.RelationEnd(name, CHARMS[name].endpoints["db"]) for name in alive]
            life.add_relation(self.where, *ends)
        for relation in [] if again else relations:
            relation.life = model.DYING

    def write(self, what: str, number: int) -> None:
        for relation in self.where.relations.values():
            bags = relation.applications if what == "write-app" else relation.units
            for bag in list(bags.values())[number : number + 1]:
                bag.update({"n": str(bag.version)})

    def run(self, unit: model.Unit | None, *, well: bool) -> bool:
        operation = uniter.next_operation(self.where, unit) if unit else None
        if unit is None or operation is None:
            return False
        if isinstance(operation, uniter.Upgrade):
            unit.local.charm = operation.charm
        elif isinstance(operation, model.Hook) and well:
            self.ran.setdefault(unit.name, []).append(operation)
            begun = uniter.Begun.now(self.where.application_of(unit))
            uniter.commit(self.where, unit, operation, begun)
        elif isinstance(operation, model.Hook):
            uniter.fail(unit, operation)
            uniter.resolve(self.where, unit, retry=True)
            assert uniter.next_operation(self.where, unit) is operation
        self.settle()
        return True

    def finish(self) -> None:
        """Run all that is pending; it must come to an end."""
        for _ in range(2000):
            ran = [self.run(unit, well=True) for unit in list(self.where.units.values())]
            if True not in ran:
                return
        raise AssertionError("the model never settles")


def names(hooks: list[model.Hook]) -> list[str]:
    return [hook.kind for hook in hooks]


def by_relation(hooks: list[model.Hook]) -> Iterator[list[model.Hook]]:
    for relation_id in {hook.relation_id for hook in hooks} - {None}:
        yield [hook for hook in hooks if hook.relation_id == relation_id]


def check_life(hooks: list[model.Hook]) -> None:
    order = names(hooks)
    assert order[0] == "install"
    for once in ("install", "leader-elected", "start", "stop", "remove"):
        assert order.count(once) <= 1
    if "start" in order:
        assert order[order.index("start") - 1] == "config-changed"
    before = order[: order.index("config-changed")] if "config-changed" in order else order
    assert not {"relation-joined", "relation-changed"} & set(before)
    ending = order[order.index("stop") :] if "stop" in order else order[-1:]
    if "remove" in order or "stop" in order:
        assert ending == (["stop", "remove"] if "start" in order else ["remove"])


def check_relation(hooks: list[model.Hook]) -> None:
    order, joined = names(hooks), set[str]()
    assert order[0] == "relation-created"
    assert order.count("relation-created") == 1
    for place, hook in enumerate(hooks):
        if hook.kind == "relation-joined":
            assert hook.remote_unit not in joined
            joined.add(hook.remote_unit)
            follows = hooks[place + 1 : place + 2]
            assert all(
                (one.kind, one.remote_unit) == ("relation-changed", hook.remote_unit)
                for one in follows
            )
        elif hook.kind == "relation-departed":
            joined.remove(hook.remote_unit)
        elif hook.kind == "relation-changed" and hook.remote_unit:
            assert hook.remote_unit in joined
        elif hook.kind == "relation-broken":
            assert not joined
            assert place == len(hooks) - 1


@pytest.mark.parametrize("release", RELEASES.values(), ids=list(RELEASES))
def test_a_secret_is_rotated_by_its_owners_leader_when_its_time_has_come(
    release: Release, tmp_path: pathlib.Path
) -> None:
    world = World(tmp_path, release)
    life.add_unit(world.where, world.where.applications["app"])
    world.finish()
    hour = dt.timedelta(hours=1)
    secret = model.Secret("9m4e2mr0ui3e8a215n4g", "app", rotate="hourly", rotates=model.now())
    secret.revisions[1] = model.Revision(1, {"password": "one"})
    world.where.secrets[secret.id] = secret

    world.finish()

    assert names(world.ran["app/0"])[-1:] == ["secret-rotate"]
    assert "secret-rotate" not in names(world.ran["app/1"])
    assert secret.rotates
    assert model.now() < secret.rotates <= model.now() + hour
    assert uniter.next_wake(world.where)


@pytest.mark.parametrize("release", RELEASES.values(), ids=list(RELEASES))
@settings(max_examples=200)
@given(steps=STEPS)
def test_every_history_keeps_jujus_promises(
    release: Release, steps: list[tuple[str, int]]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        world = World(pathlib.Path(folder), release)
        for what, number in steps:
            world.step(what, number)
        world.finish()
        for hooks in world.ran.values():
            check_life(hooks)
            for mine in by_relation(hooks):
                check_relation(mine)
        check_end(world.where)


def check_end(where: model.Model) -> None:
    """What must hold when nothing is pending."""
    for unit in where.units.values():
        assert unit.life == model.ALIVE
        assert unit.local.started
        for relation in where.relations_of(unit.application):
            local = unit.local.relations[relation.id]
            assert unit.name in relation.scope
            there = uniter.members(where, relation, unit)
            late = where.release.late_peers and relation.is_peer
            known = {name: one for name, one in local.members.items() if name in there or not late}
            assert known == there
    for application in where.applications.values():
        assert application.life == model.ALIVE
        leaders = [unit for unit in where.units_of(application.name) if unit.local.leader]
        units = where.units_of(application.name)
        assert [unit.name for unit in leaders] == ([application.leader] if units else [])
    assert all(relation.life == model.ALIVE for relation in where.relations.values())

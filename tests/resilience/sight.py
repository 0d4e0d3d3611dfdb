"""Whether what is seen of a settled model is what its oracle says."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import jubilant
import pytest
from world import INTEGRATOR

if TYPE_CHECKING:
    from oracle import Oracle, Relay
    from world import World


def check(world: World, abroad: World, oracle: Oracle) -> None:
    """Look at all that is to be seen; what was in doubt is settled by what the workloads use.

    Args:
        world: The model with the integrator.
        abroad: The model to which it is offered.
        oracle: What must be seen, in both.
    """
    apps = {**world.juju.status().apps, **abroad.juju.status().apps}
    assert {name: len(app.units) for name, app in apps.items()} == oracle.units
    _check_workloads({**world.relays(), **abroad.relays()}, oracle, apps)
    for name, app in apps.items():
        for unit in app.units.values():
            if name == INTEGRATOR:
                _check_integrator(unit.workload_status, oracle)
            else:
                assert unit.workload_status.current == _requirers_status(oracle, name)
    _check_secret(world, abroad, oracle)
    assert world.leaks() + abroad.leaks(of=world) == []


def _check_workloads(
    workloads: dict[str, dict[str, Relay]],
    oracle: Oracle,
    apps: dict[str, jubilant.statustypes.AppStatus],
) -> None:
    for name in apps.keys() - {INTEGRATOR}:
        for unit in apps[name].units:
            used = workloads.get(unit, {})
            assert set(used) <= {oracle.endpoints.get(name)}
            relay = next(iter(used.values()), None)
            assert relay in oracle.published.get(name, [None])
            if name in oracle.published:
                oracle.published[name] = [relay]


def _check_integrator(shown: jubilant.statustypes.StatusInfo, oracle: Oracle) -> None:
    wrong = oracle.wrong()
    if not wrong:
        alone = oracle.alone()
        assert shown.current == "active"
        assert f"its refresh token serves {alone} alone" in shown.message or not alone
        assert alone or not shown.message
        return
    named = set(re.findall(r"(?:^|; )([a-z_]+): ", shown.message))
    assert (shown.current, named) == ("blocked", wrong)


def _requirers_status(oracle: Oracle, app: str) -> str:
    if app not in oracle.endpoints:
        return "blocked"
    return "active" if oracle.published[app][-1] else "waiting"


def _check_secret(world: World, abroad: World, oracle: Oracle) -> None:
    contents = oracle.contents()
    owned = world.secrets(owner=INTEGRATOR)
    foreign = abroad.juju.status().apps.keys()
    assert len(owned) <= 1
    assert oracle.former or [one.revisions for one in owned] == [1] * len(owned)
    readers = [reader for one in owned for reader in one.readers]
    # Another model's application goes by a name that Juju makes up.
    local = [reader for reader in readers if not reader.startswith("application-remote-")]
    assert local == sorted(f"application-{app}" for app in contents.keys() - foreign)
    assert len(readers) == len(contents)
    if contents:
        assert [one.content for one in owned for _ in contents] == [*contents.values()]
    elif not oracle.wrong() and oracle.needs_no_secret():
        assert owned == []


def check_outsiders(world: World, abroad: World, oracle: Oracle) -> None:
    """Let everybody who may not read the secret try to; they count as former readers then."""
    foreign = abroad.juju.status().apps.keys()
    for secret in world.secrets(owner=INTEGRATOR):
        for outsider in oracle.units.keys() - {INTEGRATOR, *oracle.contents()}:
            home = abroad if outsider in foreign else world
            with pytest.raises(jubilant.TaskError):
                home.juju.exec("secret-get", secret.uri, unit=f"{outsider}/leader")
            oracle.former.add(outsider)

"""Whether what is seen of a settled model is what its oracle says."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import jubilant
import pytest
from world import INTEGRATOR

if TYPE_CHECKING:
    from oracle import Oracle
    from world import World


def check(world: World, oracle: Oracle) -> None:
    """Look at all that is to be seen; what was in doubt is settled by what the workloads use."""
    status = world.juju.status()
    assert {name: len(app.units) for name, app in status.apps.items()} == oracle.units
    _check_workloads(world, oracle, status)
    for name, app in status.apps.items():
        for unit in app.units.values():
            if name == INTEGRATOR:
                _check_integrator(unit.workload_status, oracle.wrong())
            else:
                assert unit.workload_status.current == _requirers_status(oracle, name)
    _check_secret(world, oracle)
    assert world.leaks() == []


def _check_workloads(world: World, oracle: Oracle, status: jubilant.Status) -> None:
    workloads = world.relays()
    for name in status.apps.keys() - {INTEGRATOR}:
        for unit in status.apps[name].units:
            used = workloads.get(unit, {})
            assert set(used) <= {oracle.endpoints.get(name)}
            relay = next(iter(used.values()), None)
            assert relay in oracle.published.get(name, [None])
            if name in oracle.published:
                oracle.published[name] = [relay]


def _check_integrator(shown: jubilant.statustypes.StatusInfo, wrong: set[str]) -> None:
    named = set(re.findall(r"(?:^|; )([a-z_]+): ", shown.message))
    assert (shown.current, named) == ("blocked" if wrong else "active", wrong)
    assert wrong or not shown.message


def _requirers_status(oracle: Oracle, app: str) -> str:
    if app not in oracle.endpoints:
        return "blocked"
    return "active" if oracle.published[app][-1] else "waiting"


def _check_secret(world: World, oracle: Oracle) -> None:
    passwords = oracle.passwords()
    owned = world.secrets(owner=INTEGRATOR)
    assert len(owned) <= 1
    assert [one.revisions for one in owned] == [1] * len(owned)
    readers = [reader for one in owned for reader in one.readers]
    assert readers == sorted(f"application-{app}" for app in passwords)
    if passwords:
        assert [{one.content["password"]} for one in owned] == [set(passwords.values())]
    elif not oracle.wrong() and "password" not in oracle.relay():
        assert owned == []
    for secret in owned:
        for outsider in oracle.units.keys() - {INTEGRATOR, *passwords}:
            with pytest.raises(jubilant.TaskError):
                world.juju.exec("secret-get", secret.id, unit=f"{outsider}/leader")

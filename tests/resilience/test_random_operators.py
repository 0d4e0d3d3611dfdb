"""Operators do all that they can do, in any order, and the model never says anything untrue.

Hypothesis writes histories: it configures, breaks and mends the configuration, rotates passwords,
adds, grants, revokes and removes secrets, relates and unrelates, offers to another model, adds and
removes units and applications, refreshes, and removes leaders, while localjuju shuffles the turns
of the units. Some steps come before the hooks of the one before have run.

In every settled state the requirers' workloads use the relay that is configured, or the last that
was; nobody else can read the secret; no secret and no revision is left over; the statuses name
exactly the options that are wrong; and no password is in the clear.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import hypothesis
from hypothesis import HealthCheck
from hypothesis.stateful import run_state_machine_as_test
from operators import Operators

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest
    from world import NewWorld


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    full = metafunc.config.getoption("--resilience") == "full"
    metafunc.parametrize("seed", range(1, 7) if full else [1])


def test_what_operators_see_is_true(
    new_world: NewWorld,
    seed: int,
    pytestconfig: pytest.Config,
    record_property: Callable[[str, object], None],
) -> None:
    full = pytestconfig.getoption("--resilience") == "full"
    make_world = new_world

    class OperatorsHere(Operators):
        new_world = staticmethod(make_world)

    run_state_machine_as_test(
        hypothesis.seed(seed)(OperatorsHere),
        settings=hypothesis.settings(
            database=None,
            derandomize=False,
            # A history takes minutes, so a failure is told as it came, and not made shorter.
            max_examples=4 if full else 1,
            phases=[hypothesis.Phase.generate],
            report_multiple_bugs=False,
            stateful_step_count=30 if full else 3,
            suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow],
        ),
    )
    record_property("settled states looked at", OperatorsHere.looked)

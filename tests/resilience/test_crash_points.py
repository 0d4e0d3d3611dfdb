"""A charm that is killed, or refused, at any of its hook commands ends where it would have ended.

A *point* is a hook command of one run of a hook, for the integrator, the mail catcher and the
library in a requirer alike: the charm is killed as it runs the command, or the command fails. One
more point of each run is its end, after which the charm is done and Juju does not know yet.

A life of a story takes many points of every hook: the hook is struck at the first of them, run
again, struck at the next, and so on until it ends well. Two lives do for all kills. Failures are
`STRIDE` commands apart, because a charm may take one in its stride, and then its hook has to end
well without another. Whatever a life went through, after each step the model is as it is without
faults: databags, secrets with their revisions and grants, statuses, what the requirers' workloads
use, and no password in the clear. Where no hook failed, Juju retries nothing; then the next
update-status has to mend what is left.
"""

from __future__ import annotations

import dataclasses
import itertools
import random
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, cast

import pytest
import stories

if TYPE_CHECKING:
    from world import NewWorld, World

Story = Callable[["World"], Iterator[str]]

STORIES: list[Story] = [
    stories.whole,
    stories.refreshed,
    stories.refreshed_with_user_secret,
    stories.sink,
]
STRIDE = 10
# More hook commands than any hook here runs.
LIMIT = 100
# Of the shortest story; all of them ask Juju something.
HOOKS = [
    "leader-elected",
    "config-changed",
    "smtp-relation-created",
    "smtp-relation-joined",
    "smtp-relation-changed",
    "secret-changed",
    "secret-remove",
    "smtp-relation-departed",
    "smtp-relation-broken",
]


@dataclasses.dataclass(frozen=True)
class Life:
    """What became of a story.

    Attributes:
        states: What was to be seen, by step.
        longest: How many hook commands its longest hook ran.
        struck: At how many of them a fault struck.
    """

    states: dict[str, Any]
    longest: int
    struck: int


class Lives:
    """The lives that were lived; those without faults are lived once."""

    def __init__(self, new_world: NewWorld) -> None:
        self._new_world = new_world
        self._undisturbed: dict[Story, Life] = {}

    def undisturbed(self, story: Story) -> Life:
        if story not in self._undisturbed:
            self._undisturbed[story] = self.live(story, "")
        return self._undisturbed[story]

    def live(self, story: Story, plan: str) -> Life:
        states: dict[str, Any] = {}
        with self._new_world(plan) as world:
            for step in story(world):
                world.settle()
                states[step] = world.state()
            return Life(states, world.longest(), world.struck())


@pytest.fixture(scope="module")
def lives(new_world: NewWorld) -> Lives:
    return Lives(new_world)


def plan(how: str, first: int, stride: int) -> str:
    """Strike every hook at its `first` command and at every `stride`-th from there on."""
    return ", ".join(f"* * {number} {how}" for number in range(first, LIMIT, stride))


def few_points(chance: random.Random) -> str:
    """Strike some hooks, wherever they run, at one of their first commands."""
    struck = zip(chance.sample(HOOKS, 6), itertools.cycle(("kill", "fail")), strict=False)
    return ", ".join(f"* {hook} {chance.randint(1, 5)} {how}" for hook, how in struck)


def first_struck(plan: str) -> int:
    """Return the number of the first hook command that a plan strikes."""
    return int(plan.split()[2])


def lives_to_live(*, sample: bool) -> list[tuple[Story, str]]:
    """Return stories with their plans: all points, or few of the shortest story."""
    if sample:
        return [(stories.short, few_points(random.Random(2)))]  # noqa: S311 - no cryptography
    plans = [plan("kill", 1, 2) + ", * * end kill", plan("kill", 2, 2)]
    plans += [plan("fail", first, STRIDE) for first in range(1, STRIDE + 1)]
    return [(story, plan) for story in STORIES for plan in plans]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    told = lives_to_live(sample=metafunc.config.getoption("--resilience") == "sample")
    ids = [f"{story.__name__}: {plan.partition(',')[0]}" for story, plan in told]
    metafunc.parametrize(("story", "plan"), told, ids=ids)


def test_a_life_ends_each_step_as_if_nothing_had_happened(
    lives: Lives, story: Story, plan: str, record_property: Callable[[str, object], None]
) -> None:
    undisturbed = lives.undisturbed(story)

    life = lives.live(story, plan)

    record_property("crash points tried", life.struck)
    assert list(differences(undisturbed.states, life.states)) == []
    assert life.struck or undisturbed.longest < first_struck(plan)


def differences(expected: Any, seen: Any, place: str = "") -> Iterator[str]:
    """Say where two states differ, and how."""
    if isinstance(expected, dict) and isinstance(seen, dict):
        known, other = cast("dict[str, Any]", expected), cast("dict[str, Any]", seen)
        for key in sorted({*known, *other}):
            yield from differences(known.get(key), other.get(key), f"{place}/{key}")
    elif expected != seen:
        yield f"{place}: {expected!r} became {seen!r}"

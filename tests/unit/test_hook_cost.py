"""The budget of hook commands: what each hook may ask of Juju, counted in a real process."""

from __future__ import annotations

import collections
import dataclasses
import pathlib
import shutil
import sys
from typing import TYPE_CHECKING

import pytest
import yaml

from bench import measure, report
from bench.hooks import HookError, Unit
from bench.measure import LEGACY, NOTHING, PASSWORD, RELAY, SMTP, Case, Preparation
from localjuju import charm

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = pathlib.Path(__file__).parents[2]
DISPATCH = f"""\
#!/bin/sh
PYTHONPATH=lib:src exec '{sys.executable}' src/charm.py
"""
IMPATIENT = """\
import ops

class ImpatientCharm(ops.CharmBase):
    def __init__(self, framework):
        super().__init__(framework)
        self.model.get_cloud_spec()

ops.main(ImpatientCharm)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[pathlib.Path]:
    folder = tmp_path_factory.mktemp("hook-cost")
    yield folder
    shutil.rmtree(folder)


def charm_folder(project: pathlib.Path, folder: pathlib.Path) -> pathlib.Path:
    """Lay a project out as its packed charm, with the environment of the tests."""
    shutil.copytree(project / "src", folder / "src")
    shutil.copytree(ROOT / "lib", folder / "lib")
    if (project / "config.yaml").exists():
        shutil.copy(project / "config.yaml", folder)
    settings = yaml.safe_load((project / "charmcraft.yaml").read_text())
    for name, text in charm.split_project(project, settings).items():
        (folder / name).write_text(text)
    (folder / "dispatch").write_text(DISPATCH)
    (folder / "dispatch").chmod(0o755)
    return folder


class Counts:
    """Counts the hook commands of cases, each once.

    What is for OAuth is there for OAuth alone: a hook of any other case that imports it fails.

    Args:
        folder: Where the charm is placed.
    """

    def __init__(self, folder: pathlib.Path) -> None:
        source = charm_folder(ROOT, folder / "integrator-source")
        self._oauth = Preparation(measure.place(source, folder / "integrator"))
        shutil.rmtree(source / "src" / "smtp_oauth")
        self.without_oauth = Preparation(measure.place(source, folder / "without-oauth"))
        self._counted: dict[Case, collections.Counter[str]] = {}

    def of(self, case: Case) -> collections.Counter[str]:
        if not case.relations:
            # The same surroundings, whatever endpoint is not related.
            case = dataclasses.replace(case, endpoint=SMTP)
        if case not in self._counted:
            unit = self._oauth if case.settings == "OAuth" else self.without_oauth
            _, self._counted[case] = unit.prepare(case)
        return self._counted[case]


@pytest.fixture(scope="module")
def counts(folder: pathlib.Path) -> Counts:
    return Counts(folder)


@pytest.fixture(scope="module")
def requirer(folder: pathlib.Path) -> Unit:
    source = charm_folder(ROOT / "tests/integration/requirer", folder / "requirer-source")
    return measure.place(source, folder / "requirer")


@pytest.fixture(scope="module")
def bare_source(folder: pathlib.Path) -> pathlib.Path:
    return charm_folder(ROOT / "bench/bare", folder / "bare-source")


# Each budget grows by as much for every relation, so that two numbers of them tell.
@pytest.mark.parametrize("relations", [0, 2])
@pytest.mark.parametrize("change", [NOTHING, RELAY, PASSWORD])
@pytest.mark.parametrize("endpoint", [SMTP, LEGACY])
def test_a_hook_stays_within_its_budget(
    counts: Counts, endpoint: str, change: str, relations: int
) -> None:
    calls = counts.of(Case(change, relations, endpoint))

    assert calls.total() <= report.budget(endpoint, change, relations), dict(calls)


@pytest.mark.parametrize("relations", [0, 2])
@pytest.mark.parametrize("change", [NOTHING, RELAY])
def test_oauth_costs_no_more_than_a_users_secret_with_the_password(
    counts: Counts, change: str, relations: int
) -> None:
    calls = counts.of(Case(change, relations, settings="OAuth"))
    with_password = counts.of(Case(change, relations, settings="user secret"))

    assert calls == with_password


def test_nothing_of_oauth_is_imported_without_it(counts: Counts) -> None:
    for settings in measure.SETTINGS.keys() - {"OAuth"}:
        counts.of(Case(RELAY, 2, settings=settings))
    with pytest.raises(HookError, match="smtp_oauth"):
        counts.without_oauth.prepare(Case(RELAY, 2, settings="OAuth"))


@pytest.mark.parametrize("settings", measure.SETTINGS)
def test_only_a_change_is_written(counts: Counts, settings: str) -> None:
    nothing = counts.of(Case(NOTHING, 2, settings=settings))
    relay = counts.of(Case(RELAY, 2, settings=settings))

    written = {"relation-set", "secret-add", "secret-grant", "secret-set"}
    assert written & nothing.keys() == set()
    assert {name: relay[name] for name in written & relay.keys()} == {"relation-set": 2}


def test_the_library_stays_within_a_requirers_budget(
    requirer: Unit, bare_source: pathlib.Path, folder: pathlib.Path
) -> None:
    bare = measure.place_bare(requirer, bare_source, folder / "bare")
    small = measure.place_requirer(requirer, folder / "requirer-small")

    calls = measure.prepare_requirer(small).run().calls
    bare_calls = measure.prepare_requirer(bare).run().calls

    assert len(calls) - len(bare_calls) <= report.REQUIRER_BUDGET, calls


def test_a_charm_that_asks_what_was_not_prepared_is_not_measured(
    bare_source: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    source = shutil.copytree(bare_source, tmp_path / "impatient")
    (source / "src" / "charm.py").write_text(IMPATIENT)
    unit = measure.place(source, tmp_path / "unit")

    with pytest.raises(HookError, match="credential-get"):
        unit.settle(unit.surroundings())


def figures(*, beyond_budget: int) -> measure.Figures:
    costs = {
        case: measure.Cost(
            collections.Counter(
                {"relation-get": report.budget(case.endpoint, case.change, case.relations)}
            ),
            ratio=1.0,
            processor_ratio=1.0,
            memory=1.0,
        )
        for case in [*measure.cases(), *measure.counted_cases()]
    }
    late = Case(RELAY, 50)
    costs[late] = dataclasses.replace(
        costs[late],
        calls=costs[late].calls + collections.Counter({"secret-grant": beyond_budget}),
    )
    bare = measure.Cost(collections.Counter({"juju-log": 3}), 1.0, 1.0, 1.0)
    return measure.Figures(
        bare=bare,
        bare_seconds=0.145,
        command_seconds=0.001,
        localjuju_seconds=(0.004, 0.001),
        costs=costs,
        first=1.3,
        requirer=bare,
        requirer_whole=bare,
        requirer_bare=bare,
        library_seconds=0.03,
        size=8_000_000,
    )


def test_the_page_says_plainly_what_missed_its_aim() -> None:
    kept = report.render("a charm", figures(beyond_budget=0), runs=15, software="ops")
    missed = report.render("a charm", figures(beyond_budget=1), runs=15, software="ops")

    assert "Every aim is met." in kept
    assert [line for line in missed.splitlines() if line.startswith("- commands")] == [
        "- commands, relay changed, `smtp`: 9 + 3N, 160 (N = 50), the aim is at most 9 + 3N."
    ]


def test_a_page_shows_the_formula_and_what_does_not_fit_it() -> None:
    page = report.render("a charm", figures(beyond_budget=0), runs=15, software="ops")

    assert "| commands, nothing changed | 3 | 12 + 6N | 9 + 2N | 9 + 2N |" in page

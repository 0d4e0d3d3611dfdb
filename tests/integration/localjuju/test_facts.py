"""Localjuju answers as a real controller did, point by point."""

from __future__ import annotations

import collections
import pathlib
import re
from typing import TYPE_CHECKING

import jubilant
import pytest
from agreement import agreement
from history import BEFORE
from probe import Point, Probe, points
from scripted import JUJU

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from localjuju.releases import Release

DOCS = pathlib.Path(__file__).parents[3] / "docs" / "reference" / "localjuju.md"

DIFFERENT = {
    "action-get outside": "exec lines",
    "env secret-expired": "paths",
    "exec pwd": "paths",
    "juju-reboot": "paths",
    "owns files": "paths",
    "removed leader out remove": "not seen",
    "removed leader out stop": "not seen",
    "status of failed": "first leader",
    "tools": "paths",
}
"""The points on which it differs, and the word for the reason that the documentation gives."""


@pytest.fixture
def probe(tmp_path: pathlib.Path) -> Iterator[Probe]:
    """The probe in a model of its own, which has the name that the answers tell."""
    juju = jubilant.Juju(cli_binary=JUJU)
    juju.add_model("probe")
    yield Probe(juju, tmp_path)
    juju.destroy_model("probe", force=True)


@pytest.fixture
def asked(probe: Probe, release: Release) -> list[tuple[Point, str, str]]:
    """Each point, what a controller of the release answered, and what localjuju answers."""
    table = points()
    if release.version not in table[0].answers:
        pytest.skip(f"no controller of {release.version} was asked")
    answers = probe.ask(table, BEFORE)
    return [(one, one.answers[release.version], answers[one.name]) for one in table]


def test_every_point_agrees_but_those_that_are_listed(
    asked: list[tuple[Point, str, str]], record_property: Callable[[str, object], None]
) -> None:
    found = {point.name: agreement(real, ours) for point, real, ours in asked}
    wrong = [
        f"{point.name} `{point.command}`\n    Juju:      {real}\n    localjuju: {ours}"
        for point, real, ours in asked
        if found[point.name] == "no" and point.name not in DIFFERENT
    ]

    assert not wrong, "\n".join(["", *wrong])
    assert {name for name, how in found.items() if how == "no"} == set(DIFFERENT)
    record_property("agreement", dict(collections.Counter(found.values())))


def test_the_documentation_gives_the_reason_for_each_difference() -> None:
    reasons = set(re.findall(r"^\| ([a-z ]+) \| .+ \|$", DOCS.read_text(), re.MULTILINE))

    assert set(DIFFERENT.values()) <= reasons

"""Models on localjuju, and a charm that does as a test says."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import jubilant
import pytest
from scripted import JUJU, Scripted

from localjuju.releases import RELEASES, Release

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Iterator


@pytest.fixture(scope="session", autouse=True)
def localjuju(controller: None) -> None:
    """Start the controller in the folder that the session has for it, whoever else uses it."""
    assert controller is None
    jubilant.Juju(cli_binary=JUJU).bootstrap("localhost", "localjuju")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what touches a difference between releases: the tests that ask which one is played."""
    for item in items:
        if "release" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.releases)


@pytest.fixture(scope="session")
def release(pytestconfig: pytest.Config) -> Release:
    """The release of Juju that is played."""
    return RELEASES[str(pytestconfig.getoption("--juju-release"))]


@pytest.fixture
def model(request: pytest.FixtureRequest) -> Iterator[jubilant.Juju]:
    """A model of its own for each test, in which a failed hook waits for `resolve`.

    A failure shows the model's log.
    """
    juju = jubilant.Juju(cli_binary=JUJU)
    name = request.node.name.partition("[")[0].replace("_", "-")
    juju.add_model(name, config={"automatically-retry-hooks": False})
    try:
        failed = request.session.testsfailed
        yield juju
        if request.session.testsfailed > failed:
            sys.stderr.write(juju.debug_log(limit=100))
    finally:
        juju.destroy_model(name, force=True)


@pytest.fixture
def scripted(tmp_path: pathlib.Path) -> Scripted:
    return Scripted(tmp_path)

"""``pytest --localjuju`` runs a charm's own Jubilant suite on localjuju."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from localjuju import releases, testing

if TYPE_CHECKING:
    from collections.abc import Iterator


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of localjuju."""
    group = parser.getgroup("localjuju")
    group.addoption(
        "--localjuju",
        action="store_true",
        help="Run the tests on localjuju instead of the juju on the PATH.",
    )
    group.addoption(
        "--localjuju-release",
        choices=list(releases.RELEASES),
        default=releases.DEFAULT,
        help=f"Release of Juju that localjuju plays. Default: {releases.DEFAULT}.",
    )


@pytest.fixture(scope="session", autouse=True)
def localjuju_controller(pytestconfig: pytest.Config) -> Iterator[None]:
    """Start localjuju for the session, where ``--localjuju`` asks for it."""
    if not pytestconfig.getoption("--localjuju"):
        yield
        return
    with testing.controller(release=str(pytestconfig.getoption("--localjuju-release"))):
        yield

"""The controller that the tests drive: localjuju, or a real one with `--juju=PATH`."""

from __future__ import annotations

import os
import pathlib
from typing import TYPE_CHECKING

import pytest

from localjuju import testing
from localjuju.releases import DEFAULT, RELEASES
from staging import PASSWORD, USER, Sink, Staging

if TYPE_CHECKING:
    from collections.abc import Iterator

    import jubilant

ROOT = pathlib.Path(__file__).parents[2]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--juju",
        type=pathlib.Path,
        help="Path of a real controller's juju binary. Default: localjuju.",
    )
    parser.addoption(
        "--juju-release",
        choices=list(RELEASES),
        default=DEFAULT,
        help=f"Release of Juju that localjuju plays. Default: {DEFAULT}.",
    )
    parser.addoption(
        "--charms",
        type=pathlib.Path,
        help="Folder of packed charms. Default: build/localjuju; with --juju, build/charmcraft.",
    )


@pytest.fixture(scope="session", autouse=True)
def controller(pytestconfig: pytest.Config) -> Iterator[None]:
    """Put the right `juju` on the PATH, where pytest-jubilant looks; stop localjuju at the end."""
    real: pathlib.Path | None = pytestconfig.getoption("--juju")
    if real is None:
        with testing.controller(release=str(pytestconfig.getoption("--juju-release"))):
            yield
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{real.parent}{os.pathsep}{os.environ['PATH']}")
        yield


@pytest.fixture(scope="module")
def staging(juju: jubilant.Juju, pytestconfig: pytest.Config) -> Staging:
    on_localjuju = pytestconfig.getoption("--juju") is None
    default = ROOT / "build" / ("localjuju" if on_localjuju else "charmcraft")
    return Staging(juju, pytestconfig.getoption("--charms") or default, on_localjuju)


@pytest.fixture(scope="module")
def sink(staging: Staging) -> Sink:
    """Deploy a relay that takes mail from USER with PASSWORD alone."""
    return staging.deploy_sink("sink", user=USER, password=PASSWORD)

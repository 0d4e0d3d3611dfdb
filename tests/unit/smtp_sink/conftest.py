import pathlib
import sys
from collections.abc import Iterator

import pytest

# At the end of the path: the integrator's `charm` stays the one that is imported by that name.
sys.path.append(str(pathlib.Path(__file__).parents[3] / "charms/smtp-sink/src"))

import sink_running

from smtp_sink import state


@pytest.fixture
def directory(tmp_path: pathlib.Path) -> state.StateDir:
    path = tmp_path / "state"
    path.mkdir(mode=0o700)
    return state.StateDir(path)


@pytest.fixture
def servers() -> Iterator[sink_running.Servers]:
    servers = sink_running.Servers()
    yield servers
    servers.end()


@pytest.fixture(scope="module")
def login_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sink_running.Server]:
    directory = state.StateDir(tmp_path_factory.mktemp("login"))
    sink_running.configure(directory, user="postmaster", password="s3cret")
    servers = sink_running.Servers()
    yield servers.start(directory)
    servers.end()


@pytest.fixture(scope="module")
def open_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sink_running.Server]:
    directory = state.StateDir(tmp_path_factory.mktemp("open"))
    sink_running.configure(directory)
    servers = sink_running.Servers()
    yield servers.start(directory)
    servers.end()

import os
import pathlib
import signal
import sys
import time
from collections.abc import Callable, Iterator

import pytest

from unit_service import files, processes, service

SECONDS = 30.0
# A server that watches nothing by itself.
SERVER = """
import os, pathlib, sys, time
pathlib.Path(sys.argv[1], "pid.new").write_text(str(os.getpid()))
pathlib.Path(sys.argv[1], "pid.new").rename(pathlib.Path(sys.argv[1], "pid"))
time.sleep(600)
"""


@pytest.fixture
def state(tmp_path: pathlib.Path) -> files.StateDir:
    path = tmp_path / "state"
    path.mkdir()
    files.write(path / "config.json", "{}")
    (tmp_path / "server.py").write_text(SERVER)
    return files.StateDir(path)


@pytest.fixture
def detached(state: files.StateDir) -> Iterator[service.Detached]:
    program = service.Program(
        description="A server",
        code=state.path.parent,
        module="server",
        arguments=(str(state.path.parent),),
    )
    detached = service.Detached(program, state)
    yield detached
    detached.stop()


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it did not become true in time"
        time.sleep(0.02)


def start(detached: service.Detached) -> processes.Process:
    detached.start()
    pid = detached.state.path.parent / "pid"
    wait_for(pid.exists)
    found = processes.find(int(pid.read_text()))
    assert found is not None
    return found


def test_a_server_ends_with_its_supervisor_however_that_ends(detached: service.Detached) -> None:
    server = start(detached)
    supervisor = processes.read(detached.state.supervisor)
    assert supervisor is not None
    os.kill(supervisor.pid, signal.SIGKILL)
    assert processes.wait(server, timeout=SECONDS)


def test_a_server_ends_when_its_configuration_goes(detached: service.Detached) -> None:
    server = start(detached)
    supervisor = processes.read(detached.state.supervisor)
    assert supervisor is not None
    detached.state.config.unlink()
    assert processes.wait(server, timeout=SECONDS)
    assert processes.wait(supervisor, timeout=SECONDS)


def test_systemd_lets_a_server_write_where_it_must(
    detached: service.Detached, state: files.StateDir
) -> None:
    program = service.Program(
        description="A server",
        code=pathlib.Path("/charm/src"),
        module="server",
        arguments=("--config", "a file"),
        writes=(pathlib.Path("/var/spool/server"),),
    )
    lines = service.Systemd("unit-server-0", program, state).unit_text().splitlines()
    assert f'ReadWritePaths="{state.path}" "/var/spool/server"' in lines
    assert f'ExecStart="{sys.executable}" "-m" "server" "--config" "a file"' in lines
    assert detached.log == str(state.log)

import os
import pathlib
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest
import sink_running

from smtp_sink import state
from unit_service import processes, reports, service, supervisor

COMMON = pathlib.Path(service.__file__).parents[1]
START = """
import pathlib, sys
import sink_running
from smtp_sink import state
from unit_service import service
directory, source = state.StateDir(pathlib.Path(sys.argv[1])), pathlib.Path(sys.argv[2])
service.Detached(sink_running.program(directory, source), directory).start()
print("started")
"""

SYSTEMCTL = """\
#!{python}
import pathlib, sys

state = pathlib.Path("{state}")
command, *names = [argument for argument in sys.argv[1:] if argument != "--quiet"]
with (state / "calls").open("a") as calls:
    print(command, *names, file=calls)
units = pathlib.Path("{units}")
if command == "daemon-reload":
    for path in (state / "loaded").iterdir():
        path.unlink()
    for path in units.iterdir():
        (state / "loaded" / path.name).write_text(path.read_text())
    sys.exit()
name = names[-1]
if not (state / "loaded" / name).exists():
    sys.exit("Unit " + name + " not found.")
for what, commands in (("enabled", ("enable", "disable")), ("active", ("restart", "disable"))):
    if command == commands[0]:
        (state / what / name).touch()
    elif command == commands[1]:
        (state / what / name).unlink()
"""


@pytest.fixture
def detached(directory: state.StateDir) -> Iterator[service.Detached]:
    detached = service.Detached(sink_running.program(directory), directory)
    yield detached
    if directory.path.exists():
        detached.stop()


def supervisor_of(directory: state.StateDir) -> processes.Process:
    process = processes.read(directory.supervisor)
    assert process is not None
    return process


def serving(directory: state.StateDir) -> reports.Report:
    assert reports.wait(directory, timeout=sink_running.SECONDS) is not None
    report = reports.read_serving(directory)
    assert report is not None, directory.log.read_text()
    return report


def kill(process: processes.Process) -> None:
    os.kill(process.pid, signal.SIGKILL)


def start_elsewhere(
    directory: state.StateDir, source: pathlib.Path
) -> subprocess.CompletedProcess[str]:
    """Have another process start the server; return once nobody holds its output open."""
    return subprocess.run(
        [sys.executable, "-c", START, str(directory.path), str(source)],
        capture_output=True,
        check=True,
        env={"PYTHONPATH": os.pathsep.join([str(source), *sys.path])},
        text=True,
        timeout=sink_running.SECONDS,
    )


def test_a_server_outlives_whoever_starts_it(
    directory: state.StateDir, detached: service.Detached
) -> None:
    config = sink_running.configure(directory)
    starter = start_elsewhere(directory, sink_running.SOURCE)
    assert (starter.stdout, starter.stderr) == ("started\n", "")
    report = serving(directory)
    assert report.config == config.digest
    assert os.getsid(report.process.pid) == supervisor_of(directory).pid
    with sink_running.connect(directory, "tls") as client:
        assert client.noop()[0] == 250
    assert detached.log == str(directory.log)


def test_stop_leaves_no_process(directory: state.StateDir, detached: service.Detached) -> None:
    sink_running.configure(directory)
    detached.start()
    report = serving(directory)
    watcher = supervisor_of(directory)
    assert sink_running.children(watcher.pid) == [report.process]
    detached.stop()
    assert not processes.is_alive(watcher)
    assert not processes.is_alive(report.process)
    assert not directory.supervisor.exists()
    detached.stop()


def test_stop_does_not_leave_a_server_that_still_starts(
    directory: state.StateDir, detached: service.Detached
) -> None:
    sink_running.configure(directory)
    detached.start()
    watcher = supervisor_of(directory)
    sink_running.wait_until(lambda: bool(sink_running.children(watcher.pid)))
    (starting,) = sink_running.children(watcher.pid)
    detached.stop()
    assert not processes.is_alive(starting)


def test_a_killed_server_is_started_again(
    directory: state.StateDir, detached: service.Detached
) -> None:
    sink_running.configure(directory)
    detached.start()
    first = serving(directory)
    kill(first.process)

    def is_back() -> bool:
        report = reports.read_serving(directory)
        return report is not None and report.process != first.process

    sink_running.wait_until(is_back)
    assert serving(directory).ports == first.ports
    with sink_running.connect(directory, "plain") as client:
        assert client.noop()[0] == 250


def test_a_server_ends_with_a_killed_supervisor(
    directory: state.StateDir, detached: service.Detached
) -> None:
    sink_running.configure(directory)
    detached.start()
    first = serving(directory)
    kill(supervisor_of(directory))
    assert processes.wait(first.process, timeout=sink_running.SECONDS)
    detached.start()
    assert serving(directory).ports == first.ports


def test_a_start_replaces_what_runs(directory: state.StateDir, detached: service.Detached) -> None:
    sink_running.configure(directory)
    detached.start()
    first, watcher = serving(directory), supervisor_of(directory)
    config = sink_running.configure(directory, user="user", password="s3cret")
    detached.start()
    second = serving(directory)
    assert second.config == config.digest != first.config
    assert second.ports == first.ports
    assert not processes.is_alive(watcher)
    assert not processes.is_alive(first.process)
    with sink_running.connect(directory, "starttls") as client:
        assert client.login("user", "s3cret")[0] == 235


def all_ended(*watched: processes.Process) -> bool:
    ended = [processes.wait(process, timeout=sink_running.SECONDS) for process in watched]
    for process in watched:
        processes.end(process)
    return all(ended)


def test_everything_ends_with_the_unit(
    directory: state.StateDir, detached: service.Detached
) -> None:
    sink_running.configure(directory)
    detached.start()
    watched = (serving(directory).process, supervisor_of(directory))
    shutil.rmtree(directory.path)
    assert all_ended(*watched)


def test_everything_ends_with_the_charm(directory: state.StateDir, tmp_path: pathlib.Path) -> None:
    charm = pathlib.Path(shutil.copytree(sink_running.SOURCE, tmp_path / "charm"))
    shutil.copytree(COMMON, charm, dirs_exist_ok=True)
    sink_running.configure(directory)
    start_elsewhere(directory, charm)
    watched = (serving(directory).process, supervisor_of(directory))
    shutil.rmtree(charm)
    assert all_ended(*watched)


def test_a_process_that_got_the_supervisors_number_is_left_alone(
    directory: state.StateDir, detached: service.Detached
) -> None:
    with subprocess.Popen(["sleep", "60"]) as innocent:
        processes.write(directory.supervisor, processes.Process(innocent.pid, "boot/1"))
        detached.stop()
        assert innocent.poll() is None
        innocent.kill()


def test_no_process_shows_the_password_or_the_hooks_environment(
    directory: state.StateDir, detached: service.Detached, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUJU_AGENT_TOKEN", "t0ken")
    sink_running.configure(directory, user="user", password="s3cret")
    detached.start()
    for process in (serving(directory).process, supervisor_of(directory)):
        path = pathlib.Path("/proc", str(process.pid))
        seen = (path / "cmdline").read_bytes() + (path / "environ").read_bytes()
        assert b"s3cret" not in seen
        assert b"t0ken" not in seen


def test_the_supervisor_tries_again_until_the_unit_is_gone(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "SHORTEST_DELAY", 0.001)
    needed, runs = tmp_path / "needed", tmp_path / "runs"
    needed.touch()
    command = ["sh", "-c", f"echo run >> {runs}; test $(wc -l < {runs}) -lt 4 || rm {needed}"]
    supervisor.keep_running(command, [needed])
    assert runs.read_text() == "run\n" * 4


def choose(charm: pathlib.Path, directory: state.StateDir) -> service.Service:
    return service.choose("unit-smtp-sink-0", sink_running.program(directory), charm, directory)


def managed_by_systemd(
    directory: state.StateDir, units: pathlib.Path = pathlib.Path("/etc/systemd/system")
) -> service.Systemd:
    program = sink_running.program(directory)
    return service.Systemd("unit-smtp-sink-0", program, directory, units)


@pytest.fixture
def juju_machine(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """A machine as Juju has it; returns the charm's directory."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(service, "_SYSTEMD", tmp_path)
    return pathlib.Path("/var/lib/juju/agents/unit-smtp-sink-0/charm")


def test_systemd_is_for_machines_of_juju(
    directory: state.StateDir, juju_machine: pathlib.Path
) -> None:
    chosen = choose(juju_machine, directory)
    assert chosen == managed_by_systemd(directory)


@pytest.mark.usefixtures("juju_machine")
def test_a_charm_elsewhere_leaves_systemd_alone(directory: state.StateDir) -> None:
    charm = pathlib.Path("/home/me/models/unit-smtp-sink-0/charm")
    assert choose(charm, directory) == service.Detached(sink_running.program(directory), directory)


def test_only_root_uses_systemd(
    directory: state.StateDir, juju_machine: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    chosen = choose(juju_machine, directory)
    assert chosen == service.Detached(sink_running.program(directory), directory)


def test_a_machine_without_systemd(
    directory: state.StateDir,
    juju_machine: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: pathlib.Path,
) -> None:
    monkeypatch.setattr(service, "_SYSTEMD", tmp_path / "absent")
    chosen = choose(juju_machine, directory)
    assert chosen == service.Detached(sink_running.program(directory), directory)


class FakeSystemd:
    """A systemctl that keeps what is loaded, enabled and active in files."""

    def __init__(self, path: pathlib.Path) -> None:
        self.units = path / "units"
        self._state = path / "systemd"
        for part in ("loaded", "enabled", "active"):
            (self._state / part).mkdir(parents=True)
        self.units.mkdir()
        self.bin = path / "bin"
        self.bin.mkdir()
        program = self.bin / "systemctl"
        program.write_text(
            SYSTEMCTL.format(python=sys.executable, state=self._state, units=self.units)
        )
        program.chmod(0o755)

    def names(self, part: str) -> list[str]:
        return [path.name for path in (self._state / part).iterdir()]

    def calls(self) -> list[str]:
        return (self._state / "calls").read_text().splitlines()


@pytest.fixture
def systemd(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> FakeSystemd:
    fake = FakeSystemd(tmp_path)
    monkeypatch.setenv("PATH", f"{fake.bin}{os.pathsep}{os.environ['PATH']}")
    return fake


def test_a_service_of_systemd(directory: state.StateDir, systemd: FakeSystemd) -> None:
    unit = "unit-smtp-sink-0-smtpd.service"
    managed = managed_by_systemd(directory, systemd.units)
    directory.report.touch()
    managed.start()
    assert not directory.report.exists()
    assert systemd.names("enabled") == systemd.names("active") == [unit]
    assert (systemd.units / unit).read_text() == managed.unit_text()
    assert managed.log == f"'journalctl -u {unit}'"
    managed.stop()
    assert [*systemd.units.iterdir()] == []
    for part in ("loaded", "enabled", "active"):
        assert systemd.names(part) == []
    calls = systemd.calls()
    managed.stop()
    assert systemd.calls() == calls


def test_the_unit_of_systemd(directory: state.StateDir, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "/charm/lib:/charm/src")
    text = managed_by_systemd(directory).unit_text()
    for line in (
        "Description=Mail catcher of a test",
        f"ConditionPathExists={directory.config}",
        f'ExecStart="{sys.executable}" "-m" "smtp_sink.server" "{directory.path}"',
        f'Environment="PYTHONPATH={sink_running.SOURCE}:{COMMON}:/charm/lib:/charm/src"',
        "Restart=always",
        f'ReadWritePaths="{directory.path}"',
    ):
        assert line in text.splitlines()


def test_a_refusal_of_systemd_rises(directory: state.StateDir, systemd: FakeSystemd) -> None:
    managed = managed_by_systemd(directory, systemd.units)
    (systemd.bin / "systemctl").write_text("#!/bin/sh\nexit 1\n")
    with pytest.raises(subprocess.CalledProcessError):
        managed.start()

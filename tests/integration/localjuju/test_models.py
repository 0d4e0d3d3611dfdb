"""Models, the controller, status, logs, and what is refused."""

from __future__ import annotations

import os
import pathlib
import signal
import subprocess
import time
from typing import TYPE_CHECKING

import jubilant
import pytest
from scripted import JUJU, PATIENCE, ends, gone, refusal, run, settle, wait

import localjuju

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scripted import Scripted


def test_status_reads_as_jubilant_expects(model: jubilant.Juju, scripted: Scripted) -> None:
    db = {"db": {"interface": "mysql"}}
    scripted.on("start", "status-set active ready; application-version-set 1.2; open-port 80")
    model.deploy(scripted.charm("app", provides=db), num_units=2)
    model.deploy(scripted.charm("client", requires=db))
    model.integrate("app", "client")
    status = settle(model)
    assert status.model.name == model.model
    app = status.apps["app"]
    assert (app.charm, app.charm_name, app.charm_rev) == ("local:app-0", "app", 0)
    assert app.version == "1.2"
    relation = app.relations["db"][0]
    assert (relation.related_app, relation.interface, relation.scope) == (
        "client",
        "mysql",
        "global",
    )
    unit = app.units["app/0"]
    assert (unit.workload_status.current, unit.workload_status.message) == ("active", "ready")
    assert (unit.leader, unit.machine, unit.open_ports) == (True, "0", ["80/tcp"])
    assert set(status.machines) == {"0", "1", "2"}
    assert jubilant.all_active(status)
    text = model.cli("status", "--relations")
    assert "app/0*     active" in text
    assert "app:db" in text


def test_an_application_shows_its_gravest_unit_unless_its_leader_speaks(
    model: jubilant.Juju, scripted: Scripted
) -> None:
    scripted.on("start", "status-set active")
    scripted.on("start", "status-set blocked help", unit="app/1")
    model.deploy(scripted.charm("app"), num_units=2)
    app = settle(model).apps["app"]
    assert (app.app_status.current, app.app_status.message) == ("blocked", "help")
    run(model, "app/0", "status-set --application=True waiting -- 'for rain'")
    app = settle(model).apps["app"]
    assert (app.app_status.current, app.app_status.message) == ("waiting", "for rain")
    line = "status-get; status-get --application=true --include-data --format=json"
    assert '"application-status":{"message":"for rain"' in run(model, "app/0", line).stdout


def test_a_charm_that_sets_no_status_is_unknown(model: jubilant.Juju, scripted: Scripted) -> None:
    model.deploy(scripted.charm("app"))
    assert settle(model).apps["app"].units["app/0"].workload_status.current == "unknown"


def test_a_unit_is_idle_only_when_nothing_waits(model: jubilant.Juju, scripted: Scripted) -> None:
    scripted.on("install", scripted.pause("seen"))
    model.deploy(scripted.charm("app"), num_units=2)
    wait(model, lambda _: bool(scripted.events()))
    units = model.status().apps["app"].units
    assert "idle" not in [unit.juju_status.current for unit in units.values()]
    messages = {unit.juju_status.message: unit for unit in units.values()}
    running = messages["running install hook"]
    assert running.workload_status.message == "installing charm software"
    scripted.go("seen")
    settle(model)
    assert len(scripted.events()) == 7


def test_models_are_apart_and_run_side_by_side(model: jubilant.Juju, scripted: Scripted) -> None:
    other = jubilant.Juju(cli_binary=JUJU)
    other.add_model("another-model")
    try:
        charm = scripted.charm("app")
        scripted.on("install", '[ "$JUJU_MODEL_NAME" = another-model ] || ' + scripted.pause("go"))
        model.deploy(charm)
        wait(model, lambda _: bool(scripted.events()))
        other.deploy(charm)
        settle(other)
        assert other.status().apps["app"].units["app/0"].juju_status.current == "idle"
        assert model.status().apps["app"].units["app/0"].juju_status.current == "executing"
        scripted.go("go")
        settle(model)
        assert "already exists" in refusal_of(other, "add-model", "another-model")
        assert "another-model" in model.cli("models", include_model=False)
    finally:
        other.destroy_model("another-model", force=True)
    assert "another-model not found" in refusal_of(other, "status", "-m", "another-model")


def refusal_of(juju: jubilant.Juju, *arguments: str) -> str:
    with pytest.raises(jubilant.CLIError) as caught:
        juju.cli(*arguments, include_model=False)
    return caught.value.stderr


def test_a_model_is_destroyed_through_its_hooks(model: jubilant.Juju, scripted: Scripted) -> None:
    other = jubilant.Juju(cli_binary=JUJU)
    other.add_model("short-lived")
    other.deploy(scripted.charm("app"))
    settle(other)
    other.destroy_model("short-lived")
    assert scripted.events("app/0")[-2:] == ["stop", "remove"]
    assert model.status().apps == {}


def test_a_model_is_destroyed_in_the_middle_of_a_hook(
    model: jubilant.Juju, scripted: Scripted
) -> None:
    other = jubilant.Juju(cli_binary=JUJU)
    other.add_model("interrupted")
    scripted.on("install", f"echo $$ > {scripted.folder}/pid; sleep 300")
    other.deploy(scripted.charm("app"))
    wait(other, lambda _: (scripted.folder / "pid").exists())
    other.destroy_model("interrupted", force=True)
    assert ends(int(scripted.text("pid")))
    assert model.status().apps == {}


def test_a_model_is_destroyed_at_any_moment(model: jubilant.Juju, scripted: Scripted) -> None:
    scripted.on("start", "sleep 300")
    charm = scripted.charm("app")
    for place in range(8):
        other = jubilant.Juju(cli_binary=JUJU)
        other.add_model(f"moment-{place}")
        other.deploy(charm)
        time.sleep(place * 0.01)
        other.destroy_model(f"moment-{place}", force=True)
    assert model.status().apps == {}


def test_model_config_and_constraints_are_kept(model: jubilant.Juju) -> None:
    assert model.model_config()["update-status-hook-interval"] == "5m"
    model.model_config({"update-status-hook-interval": "1h"})
    assert model.model_config()["update-status-hook-interval"] == "1h"
    model.model_config(reset="update-status-hook-interval")
    assert model.model_config()["update-status-hook-interval"] == "5m"
    assert "invalid duration" in refusal(model, "model-config", "update-status-hook-interval=x")
    assert "must be positive" in refusal(model, "model-config", "update-status-hook-interval=0s")
    assert "single value" in refusal(model, "model-config", "name", "uuid")
    assert "simultaneously" in refusal(model, "model-config", "name", "logging-config=x")
    model.model_constraints({"arch": "amd64", "mem": "4G"})
    assert model.model_constraints() == {"arch": "amd64", "mem": "4G"}


def test_commands_explain_themselves(model: jubilant.Juju, scripted: Scripted) -> None:
    for words in (["config", "--help"], ["config", "app", "-h"], ["help", "config"]):
        told = model.cli(*words, include_model=False)
        assert told.startswith("Usage: juju config [options]\n\nSummary:\nShow an application's")
        assert "--reset (list)" in told
    listed = model.cli("help", include_model=False)
    assert subprocess.run([JUJU], check=True, capture_output=True, text=True).stdout == listed
    with pytest.raises(jubilant.CLIError, match="unknown command or topic for nothing"):
        model.cli("help", "nothing", include_model=False)
    model.deploy(scripted.charm("app"))
    settle(model)
    assert "--almost-all" in model.cli("exec", "--unit", "app/0", "ls", "--help")


def test_a_model_that_is_destroyed_takes_nothing_new(
    model: jubilant.Juju, scripted: Scripted
) -> None:
    other = jubilant.Juju(cli_binary=JUJU)
    other.add_model("on-its-way", config={"automatically-retry-hooks": False})
    scripted.on("stop", "exit 1", unit="b/0")
    db = {"db": {"interface": "db"}}
    other.deploy(scripted.charm("a", provides=db))
    other.deploy(scripted.charm("b", provides=db))
    other.offer("on-its-way.a", endpoint="db")
    settle(other)
    command = [JUJU, "destroy-model", "--no-prompt", "on-its-way"]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as destroying:
        try:
            status = gone(other, "a")
            assert (set(status.apps), status.offers) == ({"b"}, {})
            for words in (
                ("deploy", f"{scripted.folder}/a"),
                ("add-unit", "b"),
                ("integrate", "a", "b"),
                ("consume", f"{model.model}.a"),
            ):
                assert 'model "on-its-way" is dying' in refusal(other, *words)
            wait(other, lambda status: status.apps["b"].is_error)
            other.cli("resolve", "--no-retry", "b/0")
            assert destroying.wait(PATIENCE) == 0
        finally:
            destroying.kill()


def test_an_application_that_ends_takes_nothing_new(
    model: jubilant.Juju, scripted: Scripted
) -> None:
    scripted.on("stop", f"touch {scripted.folder}/stopping\n{scripted.pause('stop')}")
    model.deploy(scripted.charm("app", provides={"db": {"interface": "db"}}))
    settle(model)
    model.remove_application("app")
    scripted.reach("stopping")
    assert "application is not found or not alive" in refusal(model, "add-unit", "app")
    with pytest.raises(jubilant.CLIError, match='application "app" is not alive'):
        model.offer(f"{model.model}.app", endpoint="db")
    scripted.go("stop")
    gone(model, "app")


def test_a_models_configuration_may_stand_in_a_file(
    model: jubilant.Juju, tmp_path: pathlib.Path
) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("automatically-retry-hooks: true\nupdate-status-hook-interval: 2h\n")
    model.cli("model-config", "--file", str(file), "logging-config=<root>=DEBUG")
    told = model.model_config()
    assert told["automatically-retry-hooks"] is True
    assert told["update-status-hook-interval"] == "2h"
    assert told["logging-config"] == "<root>=DEBUG"
    file.write_text("update-status-hook-interval: soon\n")
    other = ("add-model", "never", "--config", str(file))
    with pytest.raises(jubilant.CLIError, match="invalid duration"):
        model.cli(*other, include_model=False)
    assert "never" not in model.cli("models", include_model=False)


def test_the_debug_log_has_jujus_form(model: jubilant.Juju, scripted: Scripted) -> None:
    scripted.on("start", "juju-log -l WARNING 'careful now'; echo said; echo cried >&2")
    model.deploy(scripted.charm("app"))
    settle(model)
    parts = [line.split(" ", 2) for line in model.debug_log().splitlines()]
    assert {entity for entity, _, _ in parts} == {"unit-app-0:"}
    texts = [text for _, _, text in parts]
    assert "WARNING unit.app/0.juju-log careful now" in texts
    assert "DEBUG unit.app/0.start said" in texts
    assert "WARNING unit.app/0.start cried" in texts
    assert texts[-1].startswith('INFO juju.worker.uniter.operation ran "start" hook')
    assert len(model.debug_log(limit=2).splitlines()) == 2
    assert "INFO" not in model.cli("debug-log", "--level", "WARNING")


def test_the_hook_log_tells_what_each_hook_did(model: jubilant.Juju, scripted: Scripted) -> None:
    scripted.on("start", "relation-ids ring; juju-log secretive; relation-set -r 0 --app pw=x")
    model.deploy(scripted.charm("app", peers={"ring": {"interface": "ring"}}))
    settle(model)
    assert model.model
    log = {run.hook: run for run in localjuju.hook_log(model.model)}
    assert list(log)[:5] == [
        "install",
        "ring-relation-created",
        "leader-elected",
        "config-changed",
        "start",
    ]
    start = log["start"]
    assert (start.unit, start.exit_code) == ("app/0", 0)
    assert start.milliseconds >= 0
    assert start.commands == (
        ("relation-ids", "ring"),
        ("juju-log",),
        ("relation-set", "-r", "0", "--app", "pw"),
    )


def test_what_is_unknown_is_refused(model: jubilant.Juju, scripted: Scripted) -> None:
    answer = refusal(model, "scp", "a", "b")
    assert answer == 'ERROR juju: "scp" is not a juju command. See "juju --help".\n'
    assert "option provided but not defined: --colour" in refusal(model, "status", "--colour", "x")
    assert "option needs an argument: --format" in refusal(model, "status", "--format")
    assert 'unknown format "toml"' in refusal(model, "status", "--format", "toml")
    assert 'unrecognized args: ["x"]' in refusal(model, "status", "x")
    model.deploy(scripted.charm("app"))
    assert 'application "ghost" not found' in refusal(model, "remove-application", "ghost")
    assert 'unit "app/7" not found' in refusal(model, "remove-unit", "app/7")
    assert "expose: command not found" in run(model, "app/0", "expose").stderr


def test_a_release_that_localjuju_does_not_play_is_refused(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOCALJUJU_DATA", str(tmp_path / "controller"))
    monkeypatch.setenv("LOCALJUJU_RELEASE", "2.9")
    for command in ("version", "add-model"):
        done = subprocess.run([JUJU, command, "m"], check=False, capture_output=True, text=True)
        assert done.returncode == 1
        assert 'ERROR LOCALJUJU_RELEASE: "2.9" is none of 3.6, 4.0\n' in done.stderr


@pytest.fixture
def own(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[jubilant.Juju]:
    """A controller of its own."""
    monkeypatch.setenv("LOCALJUJU_DATA", str(tmp_path / "controller"))
    juju = jubilant.Juju(cli_binary=JUJU)
    juju.add_model("first")
    yield juju
    subprocess.run([JUJU, "kill-controller", "--no-prompt"], check=False, capture_output=True)


def process_of(data: pathlib.Path) -> int:
    """The controller's process, which holds the lock of its directory."""
    inode = (data / ".controller" / "lock").stat().st_ino
    locks = pathlib.Path("/proc/locks").read_text().splitlines()
    return next(int(line.split()[4]) for line in locks if f":{inode} " in line)


def test_a_killed_controller_leaves_nothing(own: jubilant.Juju, tmp_path: pathlib.Path) -> None:
    data = tmp_path / "controller"
    assert data.stat().st_mode & 0o777 == 0o700
    process = process_of(data)
    socket = pathlib.Path((data / ".controller" / "socket").read_text())
    own.cli("kill-controller", "--no-prompt", "localjuju", include_model=False)
    assert ends(process)
    assert not data.exists()
    assert not socket.parent.exists()
    assert "No controllers registered" in refusal(own, "status")


@pytest.mark.parametrize("how", ["directory", "signal"])
def test_a_controller_ends_by_itself(
    own: jubilant.Juju, tmp_path: pathlib.Path, scripted: Scripted, how: str
) -> None:
    scripted.on("start", f"setsid sleep 300 & echo $! > {scripted.folder}/pid")
    own.deploy(scripted.charm("app"))
    settle(own)
    data = tmp_path / "controller"
    process, socket = process_of(data), pathlib.Path((data / ".controller/socket").read_text())
    if how == "directory":
        data.rename(tmp_path / "elsewhere")
    else:
        os.kill(process, signal.SIGTERM)
    assert ends(process)
    assert not socket.parent.exists()
    assert ends(int(scripted.text("pid")))


def test_a_controller_that_was_shot_is_replaced(
    own: jubilant.Juju, tmp_path: pathlib.Path
) -> None:
    process = process_of(tmp_path / "controller")
    os.kill(process, signal.SIGKILL)
    assert ends(process)
    assert "No controllers registered" in refusal(own, "status")
    own.add_model("second")
    assert "first" not in own.cli("models", include_model=False)


def test_the_current_model_is_switched(own: jubilant.Juju) -> None:
    own.add_model("second")
    assert own.cli("switch", include_model=False) == "localjuju:admin/first\n"
    own.cli("switch", "second", include_model=False)
    assert own.cli("whoami", "--format", "json", include_model=False).count("second") == 1
    assert jubilant.Juju(cli_binary=JUJU).status().model.name == "second"
    assert jubilant.Juju(model="localjuju:first", cli_binary=JUJU).status().model.name == "first"
    assert own.version().tuple >= (3, 6, 0)


def test_two_callers_start_one_controller(own: jubilant.Juju) -> None:
    own.cli("kill-controller", "--no-prompt", include_model=False)
    callers = [
        subprocess.Popen([JUJU, "add-model", name], stderr=subprocess.DEVNULL)
        for name in ("one", "two", "three")
    ]
    assert [caller.wait() for caller in callers] == [0, 0, 0]
    models = own.cli("models", include_model=False)
    assert all(name in models for name in ("one", "two", "three"))


def test_gone_applications_leave_no_files(model: jubilant.Juju, scripted: Scripted) -> None:
    model.deploy(scripted.charm("app"))
    settle(model)
    folder = pathlib.Path(scripted.environment("app/0", "start")["JUJU_CHARM_DIR"])
    assert folder.exists()
    model.remove_application("app")
    gone(model, "app")
    assert not folder.exists()

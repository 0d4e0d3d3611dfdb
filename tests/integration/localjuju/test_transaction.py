"""A hook is a transaction."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from scripted import refusal, run, settle, wait

if TYPE_CHECKING:
    import jubilant
    from scripted import Scripted

DB = {"db": {"interface": "db"}}


def test_a_failed_hook_changes_nothing_but_status_and_log(
    model: jubilant.Juju, scripted: Scripted
) -> None:
    scripted.on(
        "config-changed",
        "status-set active tried; juju-log heard; open-port 80; state-set k=v\n"
        "relation-set -r ring:0 --app a=1; relation-set -r ring:0 b=2\n"
        f"secret-add password=hunter2 > {scripted.folder}/id; exit 4",
    )
    model.deploy(scripted.charm("app", peers={"ring": {"interface": "ring"}}))
    settle(model)
    unit = model.status().apps["app"].units["app/0"]
    assert unit.workload_status.current == "error"
    assert unit.workload_status.message == 'hook failed: "config-changed"'
    assert unit.juju_status.current == "idle"
    assert unit.open_ports == []
    assert model.secrets() == []
    assert model.show_unit("app/0").relation_info[0].app_data == {}
    line = "relation-get -r ring:0 b app/0; state-get k; juju-log ok"
    assert run(model, "app/0", line).stdout == ""
    log = model.debug_log()
    assert "INFO unit.app/0.juju-log heard" in log
    assert (
        'hook "config-changed" (via hook dispatching script: dispatch) failed: exit status 4'
        in log
    )


def test_resolve_runs_the_hook_again(model: jubilant.Juju, scripted: Scripted) -> None:
    scripted.on("install", "exit 1")
    model.deploy(scripted.charm("app"))
    settle(model)
    assert scripted.events("app/0") == ["install"]
    scripted.on("install", "status-set active")
    model.cli("resolve", "app/0")
    status = settle(model)
    assert scripted.events("app/0")[:3] == ["install", "install", "leader-elected"]
    assert status.apps["app"].is_active
    assert re.search("is not in (an )?error state", refusal(model, "resolved", "app/0"))


def test_resolve_without_retry_takes_the_hook_for_done(
    model: jubilant.Juju, scripted: Scripted
) -> None:
    scripted.on("install", "exit 1")
    model.deploy(scripted.charm("app"))
    settle(model)
    model.cli("resolve", "--no-retry", "app/0")
    settle(model)
    assert scripted.events("app/0") == ["install", "leader-elected", "config-changed", "start"]


def test_juju_retries_by_itself(model: jubilant.Juju, scripted: Scripted) -> None:
    model.model_config({"automatically-retry-hooks": True})
    scripted.on(
        "install", f"[ -e {scripted.folder}/once ] || {{ touch {scripted.folder}/once; exit 1; }}"
    )
    model.deploy(scripted.charm("app"))
    wait(model, lambda _: "start" in scripted.events("app/0"))
    assert scripted.events("app/0")[:3] == ["install", "install", "leader-elected"]


def test_a_failed_relation_hook_is_told_with_its_relation_and_retried_as_it_was(
    model: jubilant.Juju, scripted: Scripted
) -> None:
    scripted.on("db-relation-joined", "exit 1", unit="app/0")
    model.deploy(scripted.charm("app", provides=DB))
    model.deploy(scripted.charm("client", requires=DB), num_units=2)
    model.integrate("app", "client")
    status = settle(model)
    message = status.apps["app"].units["app/0"].workload_status.message
    assert message == 'hook failed: "db-relation-joined" for client:db'
    failed = scripted.events("app/0")[-1]
    run(model, "client/0", "relation-set -r 0 a=1")
    run(model, "client/1", "relation-set -r 0 a=1")
    settle(model)
    assert scripted.events("app/0")[-1] == failed
    scripted.on("db-relation-joined", "", unit="app/0")
    scripted.forget()
    model.cli("resolve", "app/0")
    settle(model)
    assert scripted.events("app/0")[:2] == [failed, failed.replace("joined", "changed")]


def test_tasks_run_while_a_unit_is_in_error(model: jubilant.Juju, scripted: Scripted) -> None:
    scripted.on("config-changed", "exit 1")
    model.deploy(scripted.charm("app", actions={"look": {"description": "Look."}}))
    settle(model)
    assert model.run("app/0", "look").success
    assert model.exec("echo here", unit="app/0").stdout == "here\n"


def test_refresh_waits_for_a_failed_hook_unless_forced(
    model: jubilant.Juju, scripted: Scripted
) -> None:
    scripted.on("config-changed", "[ -e fixed ] || exit 1")
    charm = scripted.charm("app")
    model.deploy(charm)
    settle(model)
    (charm / "fixed").touch()
    model.refresh("app", path=charm)
    settle(model)
    assert run(model, "app/0", "ls fixed").return_code == 2
    model.refresh("app", path=charm, force=True)
    settle(model)
    assert run(model, "app/0", "ls fixed").return_code == 0
    model.cli("resolve", "--all")
    assert not settle(model).apps["app"].units["app/0"].is_error


def test_a_failing_unit_is_removed_by_force(model: jubilant.Juju, scripted: Scripted) -> None:
    scripted.on("stop", "exit 1")
    model.deploy(scripted.charm("app"))
    settle(model)
    model.remove_application("app")
    wait(model, lambda status: status.apps["app"].units["app/0"].is_error)
    model.remove_application("app", force=True)
    wait(model, lambda status: "app" not in status.apps)


def test_a_killed_hook_has_failed(model: jubilant.Juju, scripted: Scripted) -> None:
    scripted.on("start", "kill -KILL $$")
    model.deploy(scripted.charm("app"))
    assert settle(model).apps["app"].units["app/0"].is_error
    assert "failed: exit status 137" in model.debug_log()


def test_a_hook_sees_what_it_has_written(model: jubilant.Juju, scripted: Scripted) -> None:
    model.deploy(scripted.charm("app", peers={"ring": {"interface": "ring"}}))
    settle(model)
    line = (
        "relation-set -r 0 a=1; relation-get -r 0 a app/0; open-port 80-82/udp; opened-ports;"
        "state-set k=v; state-get k; state-delete k; state-get k"
    )
    assert run(model, "app/0", line).stdout == "1\n80-82/udp\nv\n"
    assert settle(model).apps["app"].units["app/0"].open_ports == ["80-82/udp"]


def test_a_planned_fault_strikes_once(model: jubilant.Juju, scripted: Scripted) -> None:
    line = "relation-set -r 0 --app a=1 || exit 1; relation-set -r 0 --app b=2 || exit 1\n"
    scripted.on("config-changed", line)
    plan = "app/0 config-changed 2 fail, app/0 start 1 kill"
    model.model_config({"localjuju-faults": plan})
    model.deploy(scripted.charm("app", peers={"ring": {"interface": "ring"}}))
    scripted.on("start", "is-leader; sleep 300", unit="app/0")
    settle(model)
    assert "ERROR localjuju-faults: app/0 config-changed 2 fail" in model.debug_log()
    assert model.show_unit("app/0").relation_info[0].app_data == {}
    model.cli("resolve", "app/0")
    message = settle(model).apps["app"].units["app/0"].workload_status.message
    assert message == 'hook failed: "start"'
    assert model.show_unit("app/0").relation_info[0].app_data == {"a": "1", "b": "2"}
    scripted.on("start", "is-leader", unit="app/0")
    model.cli("resolve", "app/0")
    assert not settle(model).apps["app"].units["app/0"].is_error
    assert "UNIT HOOK NUMBER" in refusal(model, "model-config", "localjuju-faults=app/0 start")

"""The order of a unit's life."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scripted import gone, run, settle, wait

if TYPE_CHECKING:
    import jubilant
    from scripted import Scripted

    from localjuju.releases import Release

DB = {"db": {"interface": "db"}}
RING = {"ring": {"interface": "ring"}}


def test_a_unit_begins_its_life(model: jubilant.Juju, scripted: Scripted) -> None:
    model.deploy(scripted.charm("app"))
    settle(model)
    assert scripted.events("app/0") == ["install", "leader-elected", "config-changed", "start"]


def test_peers_come_first_and_a_follower_is_not_elected(
    model: jubilant.Juju, scripted: Scripted
) -> None:
    scripted.on("install", scripted.pause("related"), unit="app/0")
    model.deploy(scripted.charm("app", peers=RING, provides=DB))
    model.deploy(scripted.charm("client", requires=DB))
    model.integrate("app", "client")
    model.add_unit("app")
    scripted.go("related")
    settle(model)
    assert scripted.events("app/0")[:6] == [
        "install",
        "ring-relation-created",
        "db-relation-created",
        "leader-elected",
        "config-changed",
        "start",
    ]
    assert "leader-elected" not in scripted.events("app/1")


def test_a_charm_is_refreshed(model: jubilant.Juju, scripted: Scripted) -> None:
    model.deploy(scripted.charm("app"))
    settle(model)
    scripted.forget()
    charm = scripted.charm("app", config={"new": {"type": "int", "default": 5}}, peers=RING)
    model.refresh("app", path=charm)
    status = settle(model)
    assert scripted.events("app/0") == ["upgrade-charm", "config-changed", "ring-relation-created"]
    assert status.apps["app"].charm_rev == 1
    assert run(model, "app/0", "config-get new").stdout == "5\n"


def test_refresh_replaces_files_and_keeps_what_the_unit_made(
    model: jubilant.Juju, scripted: Scripted
) -> None:
    charm = scripted.charm("app")
    (charm / "old.txt").write_text("old")
    model.deploy(charm)
    run(model, "app/0", "echo mine > made.txt")
    (charm / "old.txt").unlink()
    (charm / "new.txt").write_text("new")
    model.refresh("app", path=charm)
    settle(model)
    assert run(model, "app/0", "ls *.txt").stdout.split() == ["made.txt", "new.txt"]


def test_an_application_ends(model: jubilant.Juju, scripted: Scripted) -> None:
    model.deploy(scripted.charm("app", provides=DB))
    model.deploy(scripted.charm("client", requires=DB))
    model.integrate("app", "client")
    settle(model)
    scripted.forget()
    model.remove_application("app")
    gone(model, "app")
    settle(model)
    assert scripted.events("app/0") == [
        "db-relation-departed client/0",
        "db-relation-broken",
        "stop",
        "remove",
    ]
    assert scripted.events("client/0") == ["db-relation-departed app/0", "db-relation-broken"]
    assert scripted.environment("app/0", "db-relation-departed")["JUJU_DEPARTING_UNIT"] == "app/0"
    client = scripted.environment("client/0", "db-relation-departed")
    assert client["JUJU_DEPARTING_UNIT"] == "app/0"


def test_the_next_leader_is_elected_when_the_leader_is_gone(
    model: jubilant.Juju, scripted: Scripted, release: Release
) -> None:
    model.deploy(scripted.charm("app", peers=RING), num_units=3)
    settle(model)
    scripted.on("stop", f"is-leader > {scripted.folder}/led")
    scripted.forget()
    model.remove_unit("app/0")
    status = wait(model, lambda status: "app/0" not in status.apps["app"].units)
    settle(model)
    assert scripted.text("led") == "True"
    assert [name for name, unit in status.apps["app"].units.items() if unit.leader] == ["app/1"]
    late = release.name == "4.0"
    assert scripted.events("app/0") == [
        "ring-relation-departed app/1",
        "ring-relation-departed app/2",
        *([] if late else ["ring-relation-broken"]),
        "stop",
        "remove",
    ]
    departed = ["ring-relation-departed app/0"]
    assert scripted.events("app/1") == [*([] if late else departed), "leader-elected"]
    assert scripted.events("app/2") == ([] if late else departed)


def test_juju_4_tells_of_removed_peers_at_the_next_refresh(
    model: jubilant.Juju, scripted: Scripted, release: Release
) -> None:
    charm = scripted.charm("app", peers=RING, provides=DB)
    model.deploy(charm, num_units=2)
    model.deploy(scripted.charm("client", requires=DB))
    model.integrate("app", "client")
    settle(model)
    scripted.forget()
    model.remove_unit("app/1")
    wait(model, lambda status: "app/1" not in status.apps["app"].units)
    settle(model)
    late, departed = release.name == "4.0", "ring-relation-departed app/1"
    assert scripted.events("app/0") == ([] if late else [departed])
    assert scripted.events("client/0") == ["db-relation-departed app/1"]
    ends = [event for event in scripted.events("app/1") if "departed" in event]
    rings_first = ["ring-relation-departed app/0", "db-relation-departed client/0"]
    assert ends == (rings_first[::-1] if late else rings_first)
    peers = run(model, "app/0", "relation-list -r ring:0").stdout
    assert peers == ("app/1\n" if late else "")
    model.refresh("app", path=charm)
    settle(model)
    assert scripted.events("app/0") == (
        ["upgrade-charm", "config-changed", departed]
        if late
        else [departed, "upgrade-charm", "config-changed"]
    )
    assert run(model, "app/0", "relation-list -r ring:0").stdout == ""


def test_numbers_are_not_used_again(model: jubilant.Juju, scripted: Scripted) -> None:
    charm = scripted.charm("app")
    model.deploy(charm)
    settle(model)
    model.remove_application("app")
    gone(model, "app")
    model.deploy(charm)
    assert list(settle(model).apps["app"].units) == ["app/1"]


def test_a_subordinate_comes_and_goes_with_its_relation(
    model: jubilant.Juju, scripted: Scripted
) -> None:
    juju_info = {"host": {"interface": "juju-info", "scope": "container"}}
    model.deploy(scripted.charm("app"), num_units=2)
    model.deploy(scripted.charm("side", subordinate=True, requires=juju_info))
    model.integrate("side", "app")
    status = settle(model)
    assert status.apps["side"].subordinate_to == ["app"]
    assert set(status.get_units("side")) == {"side/0", "side/1"}
    sides = {name: list(unit.subordinates) for name, unit in status.apps["app"].units.items()}
    mine = sides["app/0"][0]
    assert scripted.events(mine)[-2:] == [
        "host-relation-joined app/0",
        "host-relation-changed app/0",
    ]
    assert scripted.environment(mine, "start")["JUJU_PRINCIPAL_UNIT"] == "app/0"
    model.remove_relation("side", "app")
    status = wait(model, lambda status: not status.apps["app"].units["app/0"].subordinates)
    assert scripted.events(mine)[-4:] == [
        "host-relation-departed app/0",
        "host-relation-broken",
        "stop",
        "remove",
    ]
    assert set(status.apps["app"].units) == {"app/0", "app/1"}


def test_a_new_relation_waits_for_the_old_subordinates_end(
    model: jubilant.Juju, scripted: Scripted
) -> None:
    juju_info = {"host": {"interface": "juju-info", "scope": "container"}}
    scripted.on("stop", f"touch {scripted.folder}/stopping\n{scripted.pause('stop')}")
    model.deploy(scripted.charm("app"))
    model.deploy(scripted.charm("side", subordinate=True, requires=juju_info))
    model.integrate("side", "app")
    settle(model)
    model.remove_relation("side", "app")
    scripted.reach("stopping")
    model.integrate("side", "app")
    scripted.go("stop")
    wait(model, lambda status: "side/1" in status.get_units("side"))
    settle(model)
    assert scripted.events("side/1")[-1] == "host-relation-changed app/0"
    assert scripted.events("app/0")[-1] == "juju-info-relation-changed side/1"


def test_a_principal_takes_its_subordinate_along(model: jubilant.Juju, scripted: Scripted) -> None:
    juju_info = {"host": {"interface": "juju-info", "scope": "container"}}
    model.deploy(scripted.charm("app"))
    model.deploy(scripted.charm("side", subordinate=True, requires=juju_info))
    model.integrate("side", "app")
    settle(model)
    model.remove_unit("app/0")
    status = wait(model, lambda status: not status.apps["app"].units)
    assert not status.machines
    assert scripted.events("side/0")[-1] == "remove"
    assert scripted.events("app/0")[-1] == "remove"


def test_storage_is_there_from_install_to_stop(model: jubilant.Juju, scripted: Scripted) -> None:
    scripted.on("install", f"storage-get -s data/0 location > {scripted.folder}/place")
    model.deploy(scripted.charm("app", storage={"data": {"type": "filesystem"}}))
    settle(model)
    assert scripted.events("app/0")[:2] == ["data-storage-attached", "install"]
    assert scripted.text("place").endswith("unit-app-0/storage/data/0")
    model.remove_application("app")
    gone(model, "app")
    assert scripted.events("app/0")[-3:] == ["data-storage-detaching", "stop", "remove"]


def test_a_refresh_brings_the_storage_that_is_new(
    model: jubilant.Juju, scripted: Scripted
) -> None:
    model.deploy(scripted.charm("app"))
    settle(model)
    model.refresh("app", path=scripted.charm("app", storage={"data": {"type": "filesystem"}}))
    settle(model)
    hooks = [one for one in scripted.events("app/0") if one != "update-status"]
    assert hooks[-3:] == ["upgrade-charm", "config-changed", "data-storage-attached"]


def test_update_status_comes_by_the_clock_and_on_demand(
    model: jubilant.Juju, scripted: Scripted
) -> None:
    model.deploy(scripted.charm("app"))
    settle(model)
    model.exec("JUJU_DISPATCH_PATH=hooks/update-status ./dispatch", unit="app/0")
    assert scripted.events("app/0")[-1] == "update-status"
    scripted.forget()
    model.model_config({"update-status-hook-interval": "100ms"})
    wait(model, lambda _: len(scripted.events("app/0")) > 1)
    assert set(scripted.events("app/0")) == {"update-status"}


def test_start_runs_again_after_a_reboot(model: jubilant.Juju, scripted: Scripted) -> None:
    scripted.on("config-changed", "juju-reboot")
    model.deploy(scripted.charm("app"))
    settle(model)
    assert scripted.events("app/0")[-2:] == ["config-changed", "start"]
    scripted.on("config-changed", "")
    once = f"{scripted.folder}/once"
    scripted.on("update-status", f"[ -e {once} ] || (touch {once}; juju-reboot --now; sleep 60)")
    scripted.forget()
    model.model_config({"update-status-hook-interval": "1s"})
    wait(model, lambda _: len(scripted.events("app/0")) > 1)
    assert scripted.events("app/0")[:2] == ["update-status", "update-status"]


def test_a_seed_shuffles_the_turns_of_units_and_repeats_them(
    model: jubilant.Juju, scripted: Scripted
) -> None:
    charm, orders = scripted.charm("app"), list[list[str]]()
    for place, seed in enumerate("77123"):
        juju = type(model)(cli_binary=model.cli_binary)
        juju.add_model(f"seed-{place}", config={"localjuju-seed": seed})
        try:
            juju.deploy(charm, num_units=4)
            settle(juju)
        finally:
            juju.destroy_model(f"seed-{place}", force=True)
        orders.append(scripted.events())
        scripted.forget()
    assert orders[0] == orders[1]
    assert len({tuple(order) for order in orders}) > 1
    assert all(sorted(order) == sorted(orders[0]) for order in orders)

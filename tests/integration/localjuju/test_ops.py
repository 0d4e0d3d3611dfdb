"""A charm that is written with ops runs unchanged."""

from __future__ import annotations

import json
import pathlib
import shutil
import sys
from typing import TYPE_CHECKING

import jubilant
import pytest
from scripted import run, settle, wait

if TYPE_CHECKING:
    from scripted import Scripted

    from localjuju.releases import Release


@pytest.fixture
def charm(scripted: Scripted) -> pathlib.Path:
    folder = scripted.folder / "everything"
    shutil.copytree(pathlib.Path(__file__).with_name("everything"), folder)
    dispatch = folder / "dispatch"
    dispatch.write_text(f"#!/bin/sh\nexec {sys.executable} src/charm.py\n")
    dispatch.chmod(0o755)
    return folder


def test_what_ops_offers_works(
    model: jubilant.Juju, scripted: Scripted, charm: pathlib.Path, release: Release
) -> None:
    (scripted.folder / "data.txt").write_text("data")
    model.deploy(charm, "app", resources={"data": f"{scripted.folder}/data.txt"})
    model.deploy(charm, "client")
    model.integrate("app:db", "client:need")
    status = settle(model)
    assert status.apps["app"].app_status.message == "count 3"
    assert status.apps["app"].units["app/0"].workload_status.message == "count 3"

    look = model.run("app/0", "look").results
    assert look["address"] == "127.0.0.1"
    assert look["app-status"] == look["status"] == "count 3"
    assert look["egress"] == "127.0.0.1/32"
    assert (look["peers"], look["planned"], look["storage"]) == ("", "1", "0")
    assert look["resource"] == "data"
    assert int(look["stored"]["events"]) > 5
    assert look["uuid"] == model.show_model().model_uuid

    write = model.run("app/0", "write").results
    assert write == {"remote": "client", "model": model.show_model().model_uuid}
    unit = settle(model).apps["app"].units["app/0"]
    assert unit.open_ports == ["80/tcp", "53/udp"]
    assert model.status().apps["app"].version == "7"
    assert needed(model) == {"shared": "by the leader"}
    line = "relation-get -r need:2 mine app/0"
    assert run(model, "client/0", line).stdout == "of the unit\n"
    assert model.run("app/0", "look").results["storage"] == "2"

    secrets = model.run("app/0", "secrets").results
    assert secrets == {"content": "one", "label": "pw", "rotation": "daily", "revision": "1"}
    settle(model)
    log = model.debug_log()
    assert "need:2: read {'password': 'one'}" in log
    # Juju 4.0 would refuse it when the hook is committed.
    assert ("need:2: refused: ERROR permission denied" in log) == (release.name == "3.6")
    secret_id = needed(model)["secret"]
    run(model, "app/0", f"secret-set {secret_id} password=two")
    settle(model)
    log = model.debug_log()
    assert "secret-changed theirs {'password': 'one'} -> {'password': 'two'}" in log
    assert [one.revision for one in model.show_secret(secret_id, revisions=True).revisions or []]
    assert len(model.secrets()) == 1


def needed(model: jubilant.Juju) -> dict[str, str]:
    """What the client is given by its provider."""
    line = "relation-get -r need:2 --app --format=json - app"
    return json.loads(run(model, "client/0", line).stdout)


def test_what_ops_tells_of_failures(model: jubilant.Juju, charm: pathlib.Path) -> None:
    model.deploy(charm, "app")
    settle(model)
    with pytest.raises(jubilant.TaskError) as caught:
        model.run("app/0", "fail")
    assert caught.value.task.message == "as asked"
    with pytest.raises(jubilant.TaskError) as caught:
        model.run("app/0", "crash")
    assert caught.value.task.return_code == 1
    assert "Uncaught RuntimeError in charm code" in caught.value.task.stderr
    assert "RuntimeError: crashed in task" in model.debug_log()
    source = charm / "src" / "charm.py"
    source.write_text(source.read_text().replace("self._stored.set_default", "self.broken"))
    model.refresh("app", path=charm)
    status = wait(model, lambda status: status.apps["app"].units["app/0"].is_error)
    message = status.apps["app"].units["app/0"].workload_status.message
    assert message == 'hook failed: "upgrade-charm"'
    assert "AttributeError" in model.debug_log()

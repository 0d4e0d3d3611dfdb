"""Deploying charms, and the surroundings in which they run."""

from __future__ import annotations

import os
import pathlib
import stat
import sys
import time
import zipfile
from typing import TYPE_CHECKING, Any

from scripted import ends, gone, has_ended, refusal, run, settle

if TYPE_CHECKING:
    import jubilant
    import pytest
    from scripted import Scripted

    from localjuju.releases import Release


def zipped(charm: pathlib.Path) -> pathlib.Path:
    """Pack a charm folder as charmcraft does: with modes, and with old times."""
    packed = charm.with_suffix(".charm")
    with zipfile.ZipFile(packed, "w") as archive:
        for path in sorted(charm.rglob("*")):
            if path.is_dir() and not path.is_symlink():
                continue
            entry = zipfile.ZipInfo(path.relative_to(charm).as_posix(), (2001, 1, 1, 0, 0, 0))
            entry.external_attr = path.lstat().st_mode << 16
            content = os.fsencode(path.readlink()) if path.is_symlink() else path.read_bytes()
            archive.writestr(entry, content)
    return packed


def test_a_packed_charm_keeps_modes_and_links_but_no_times(
    model: jubilant.Juju, scripted: Scripted
) -> None:
    charm = scripted.charm("app")
    (charm / "tool").write_text("#!/bin/sh\necho tool\n")
    (charm / "tool").chmod(0o755)
    (charm / "link").symlink_to("tool")
    before = time.time() - 60
    model.deploy(zipped(charm))
    settle(model)
    assert run(model, "app/0", "./link").stdout == "tool\n"
    folder = pathlib.Path(scripted.environment("app/0", "start")["JUJU_CHARM_DIR"])
    assert stat.S_IMODE((folder / "metadata.yaml").stat().st_mode) == 0o644
    assert (folder / "tool").stat().st_mtime > before


def test_what_a_unit_does_to_its_files_is_its_own(
    model: jubilant.Juju, scripted: Scripted
) -> None:
    charm = scripted.charm("app")
    for name in ("tool", "venv/tool"):
        (charm / name).parent.mkdir(exist_ok=True)
        (charm / name).write_text("as packed")
    model.deploy(zipped(charm), num_units=2)
    settle(model)

    # Written in place; and, as whoever installs into an environment does, replaced.
    run(model, "app/0", "printf new > tool; printf new > venv/new; mv venv/new venv/tool")

    assert run(model, "app/0", "cat tool venv/tool").stdout.strip() == "newnew"
    assert run(model, "app/1", "cat tool venv/tool").stdout.strip() == "as packedas packed"
    model.deploy(charm.with_suffix(".charm"), "again")
    settle(model)
    assert run(model, "again/0", "cat tool venv/tool").stdout.strip() == "as packedas packed"


def test_a_charm_runs_in_the_environment_of_juju(
    model: jubilant.Juju, scripted: Scripted, release: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SURPRISE", "leaks")
    model.deploy(scripted.charm("app"))
    settle(model)
    environment = scripted.environment("app/0", "install")
    folder = pathlib.Path(environment["JUJU_CHARM_DIR"])
    assert folder.parts[-3:] == ("agents", "unit-app-0", "charm")
    assert environment["CHARM_DIR"] == environment["PWD"] == str(folder)
    assert environment["JUJU_DISPATCH_PATH"] == "hooks/install"
    assert environment["JUJU_HOOK_NAME"] == "install"
    assert environment["JUJU_MODEL_NAME"] == model.model
    assert environment["JUJU_MODEL_UUID"] == model.show_model().model_uuid
    assert environment["JUJU_UNIT_NAME"] == "app/0"
    assert environment["JUJU_MACHINE_ID"] == "0"
    assert environment["JUJU_VERSION"] == release.version
    assert environment["DEBIAN_FRONTEND"] == "noninteractive"
    assert environment["LANG"] == "C.UTF-8"
    own = {"SURPRISE", "HOME", "PYTHONPATH", "VIRTUAL_ENV", "LOCALJUJU_DATA", "JUJU_RELATION"}
    assert not own & set(environment)


def test_python3_is_the_controllers_without_its_environment(
    model: jubilant.Juju, scripted: Scripted
) -> None:
    model.deploy(scripted.charm("app"))
    line = (
        "python3 -c 'import sys; print(sys.prefix)';"
        'mkdir -p venv/bin; ln -s "$(command -v python3)" venv/bin/python;'
        "echo 'include-system-site-packages = false' > venv/pyvenv.cfg;"
        "venv/bin/python -c 'import sys, json; print(sys.prefix)'"
    )
    first, second = run(model, "app/0", line).stdout.split()
    assert first == sys.base_prefix
    assert second.endswith("unit-app-0/charm/venv")


def test_a_charm_of_old_has_hooks_without_dispatch(
    model: jubilant.Juju, scripted: Scripted
) -> None:
    charm = scripted.charm("app")
    (charm / "hooks").mkdir()
    (charm / "dispatch").rename(charm / "hooks" / "start")
    model.deploy(charm)
    settle(model)
    assert scripted.events("app/0") == ["start"]


def test_metadata_may_stand_in_charmcraft_yaml(model: jubilant.Juju, scripted: Scripted) -> None:
    charm = scripted.charm("app")
    (charm / "metadata.yaml").unlink()
    (charm / "manifest.yaml").unlink()
    (charm / "charmcraft.yaml").write_text(
        "name: modern\nplatforms: {ubuntu@24.04:amd64: }\n"
        "config: {options: {n: {type: int, default: 7}}}\n"
        "actions: {look: {description: Look.}}\nprovides: {db: {interface: db}}\n"
    )
    model.deploy(charm)
    assert model.config("modern") == {"n": 7}
    assert "look" in model.cli("actions", "modern")


def test_deploy_refuses_as_juju_does(
    model: jubilant.Juju, scripted: Scripted, release: Release
) -> None:
    charm = scripted.charm("app", config={"n": {"type": "int"}})
    assert "is no path" in refusal(model, "deploy", "app")
    assert "no charm was found" in refusal(model, "deploy", "./nowhere")
    assert 'invalid application name "App"' in refusal(model, "deploy", str(charm), "App")
    assert 'unknown option "m"' in refusal(model, "deploy", str(charm), "--config", "m=1")
    assert 'option "n" expected int, got "x"' in refusal(
        model, "deploy", str(charm), "--config", "n=x"
    )
    assert 'unrecognized resource "r"' in refusal(
        model, "deploy", str(charm), "--resource", f"r={charm}/metadata.yaml"
    )
    assert "option provided but not defined: --to" in refusal(
        model, "deploy", str(charm), "--to", "0"
    )
    for command in (("deploy", str(charm)), ("add-unit", "app")):
        for count in ("0", "-1"):
            answer = refusal(model, *command, "-n", count)
            assert "--num-units must be a positive integer" in answer
    model.deploy(charm)
    assert "application already exists" in refusal(model, "deploy", str(charm))
    unknown_type = scripted.charm("typo", actions={"look": {"params": {"far": {"type": "text"}}}})
    assert 'invalid params schema for action schema "look"' in refusal(
        model, "deploy", str(unknown_type)
    )
    (unknown_type / "actions.yaml").unlink()
    (unknown_type / "manifest.yaml").write_text("bases: []\n")
    without_bases = {
        "3.6": "charm does not define any bases, not valid",
        "4.0": "charm metadata without bases in manifest not valid",
    }
    assert without_bases[release.name] in refusal(model, "deploy", str(unknown_type))
    (charm / "dispatch").unlink()
    assert "has no hooks nor dispatch file" in refusal(model, "deploy", str(charm), "other")
    (charm / "broken.charm").write_text("no zip")
    assert "not a zip file" in refusal(model, "deploy", f"{charm}/broken.charm")


def test_resources_are_read_by_their_path(model: jubilant.Juju, scripted: Scripted) -> None:
    charm = scripted.charm("app", resources={"data": {"type": "file", "filename": "data.txt"}})
    (scripted.folder / "data.txt").write_text("content")
    model.deploy(charm, resources={"data": f"{scripted.folder}/data.txt"})
    assert run(model, "app/0", 'cat "$(resource-get data)"').stdout == "content\n"


def test_a_resource_has_the_name_that_the_charm_gives_it(
    model: jubilant.Juju, scripted: Scripted
) -> None:
    charm = scripted.charm("app", resources={"data": {"type": "file", "filename": "data.txt"}})
    for name in ("mine-1.0.txt", "other.zip"):
        (scripted.folder / name).write_text(name)
    model.deploy(charm, resources={"data": f"{scripted.folder}/mine-1.0.txt"})
    assert run(model, "app/0", 'basename "$(resource-get data)"').stdout == "data.txt\n"
    wrong = f"data={scripted.folder}/other.zip"
    answer = refusal(model, "refresh", "app", "--path", str(charm), "--resource", wrong)
    assert f'incorrect extension on resource upload "{wrong[5:]}", expected ".txt"' in answer
    assert model.status().apps["app"].charm_rev == 0
    assert run(model, "app/0", 'cat "$(resource-get data)"').stdout == "mine-1.0.txt\n"


def test_a_charm_that_is_not_well_formed_is_refused(
    model: jubilant.Juju, scripted: Scripted
) -> None:
    cases: list[tuple[str, dict[str, Any]]] = [
        ('option "n" has unknown type "integer"', {"config": {"n": {"type": "integer"}}}),
        ('"option n" is not a map', {"config": {"n": 5}}),
        ('"action look" is not a map', {"actions": {"look": "Look."}}),
        ('"requires" is not a map', {"requires": ["db"]}),
        ('endpoint "db" has no interface', {"requires": {"db": {}}}),
        ('endpoint "db" has a limit', {"requires": {"db": {"interface": "db", "limit": "x"}}}),
        ('"storage data" is not a map', {"storage": {"data": None}}),
        ('"resource data" is not a map', {"resources": {"data": "file"}}),
    ]
    for number, (words, files) in enumerate(cases):
        charm = scripted.charm(f"odd{number}", **files)
        assert words in refusal(model, "deploy", str(charm))
    charm = scripted.charm("broken")
    (charm / "metadata.yaml").write_text("name: [")
    assert "cannot parse metadata.yaml: yaml: line" in refusal(model, "deploy", str(charm))


def test_an_endpoint_may_be_its_interface_alone(model: jubilant.Juju, scripted: Scripted) -> None:
    model.deploy(scripted.charm("app", provides={"out": "db"}))
    model.deploy(scripted.charm("client", requires={"in": {"interface": "db"}}))
    model.integrate("app", "client")
    settle(model)
    assert "in-relation-changed app/0" in scripted.events("client/0")


def test_trust_opens_the_clouds_credentials(model: jubilant.Juju, scripted: Scripted) -> None:
    model.deploy(scripted.charm("app"))
    settle(model)
    assert run(model, "app/0", "credential-get").return_code == 1
    model.trust("app")
    settle(model)
    assert run(model, "app/0", "credential-get").return_code == 0
    assert scripted.events("app/0")[-1] == "config-changed"


def test_a_refresh_must_keep_what_is_related(model: jubilant.Juju, scripted: Scripted) -> None:
    db = {"db": {"interface": "db"}}
    charm = scripted.charm("app", provides=db)
    model.deploy(charm)
    model.deploy(scripted.charm("client", requires=db))
    model.integrate("app", "client")
    scripted.charm("app")
    assert 'would break relation "client:db app:db"' in refusal(
        model, "refresh", "app", "--path", str(charm)
    )
    assert "name differs" in refusal(
        model, "refresh", "app", "--path", f"{scripted.folder}/client"
    )


def test_daemons_outlive_their_hook_and_end_with_their_machine(
    model: jubilant.Juju, scripted: Scripted
) -> None:
    scripted.on("start", f"setsid sleep 300 & echo $! > {scripted.folder}/pid")
    model.deploy(scripted.charm("app"))
    settle(model)
    process = int(scripted.text("pid"))
    assert not has_ended(process)
    model.remove_application("app")
    gone(model, "app")
    assert ends(process)

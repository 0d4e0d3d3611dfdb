"""Hook commands, as a charm's processes call them: alone, in pipes, with any text."""

from __future__ import annotations

import json
import os
import pathlib
import shlex
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from scripted import JUJU, run, settle

if TYPE_CHECKING:
    import jubilant
    from scripted import Scripted


@pytest.fixture
def deployed(model: jubilant.Juju, scripted: Scripted) -> jubilant.Juju:
    model.deploy(scripted.charm("app", peers={"ring": {"interface": "ring"}}))
    settle(model)
    return model


def test_a_text_of_any_kind_comes_back(deployed: jubilant.Juju) -> None:
    text = " '\"$HOME`id`\\n%s\t\r\n\n€\x7f # - "
    line = f"relation-set -r 0 --app key={shlex.quote(text)}; relation-get -r 0 --app key app"

    assert json.loads(run(deployed, "app/0", f"{line} --format=json").stdout) == text


def test_bytes_that_are_no_text_are_replaced(deployed: jubilant.Juju) -> None:
    line = "relation-set -r 0 key=a$(printf '\\377')b; relation-get -r 0 key app/0"

    assert run(deployed, "app/0", line).stdout == "a\ufffdb\n"


@pytest.mark.parametrize("flag", ["--file -", "--file=-", "-file -", "-file=-"])
def test_a_large_input_is_read(deployed: jubilant.Juju, scripted: Scripted, flag: str) -> None:
    (scripted.folder / "big").write_text(f"key: {'x' * 200_000}\n")
    line = f"relation-set -r 0 {flag} < {scripted.folder}/big; relation-get -r 0 key app/0 | wc -c"

    assert run(deployed, "app/0", line).stdout.strip() == "200001"


def test_an_input_is_left_alone_unless_the_command_wants_it(deployed: jubilant.Juju) -> None:
    commands = (
        "is-leader",
        "relation-set -r 0 --file= a=1",
        "status-set active -- --file -",
        "juju-log -- --file=-",
        "secret-add --label --file label=-",
        "relation-set --unknown --file -",
    )
    line = f"echo rest | {{ {' ; '.join(commands)}; cat; }}"

    assert run(deployed, "app/0", line).stdout.splitlines()[-1] == "rest"


def test_one_command_reads_what_another_writes(deployed: jubilant.Juju) -> None:
    line = (
        "relation-set -r 0 a=1; relation-get -r 0 - app/0 | relation-set -r 0 --app --file -;"
        "relation-get -r 0 --app a app"
    )

    assert run(deployed, "app/0", line).stdout == "1\n"


def test_only_the_controllers_user_reaches_its_hooks(
    deployed: jubilant.Juju, scripted: Scripted
) -> None:
    settle(deployed)
    socket = pathlib.Path(scripted.environment("app/0", "start")["JUJU_AGENT_SOCKET_ADDRESS"])

    assert socket.parent.stat().st_uid == os.getuid()
    assert socket.parent.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("command", [[JUJU], [sys.executable, "-m", "localjuju"]])
def test_a_machine_without_perl_is_told_at_once(
    command: list[str], tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "sh").symlink_to(shutil.which("sh") or "")
    monkeypatch.setenv("PATH", str(programs))
    monkeypatch.setenv("LOCALJUJU_DATA", str(tmp_path / "data"))

    done = subprocess.run(
        [*command, "add-model", "first"], check=False, capture_output=True, text=True
    )

    assert done.returncode == 1
    assert "hook commands need perl, as in the package perl-base\n" in done.stderr

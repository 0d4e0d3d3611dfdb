import dataclasses
import json
import subprocess
import sys
import threading

import mail_servers
import pytest

from forwarder.tools import changed


@pytest.fixture
def runner(machine: mail_servers.Machine) -> changed.Runner:
    machine.tell(25)
    folder = machine.path / "changed.d"
    folder.mkdir()
    return changed.Runner(str(machine.file), folder, machine.path / "last.json")


def add(runner: changed.Runner, name: str, script: str, mode: int = 0o755) -> None:
    path = runner.folder / name
    path.write_text(f"#!/bin/sh\ncd {runner.folder.parent}\n{script}\n")
    path.chmod(mode)


def told(runner: changed.Runner) -> str:
    return runner.folder.parent.joinpath("told").read_text()


def change(machine: mail_servers.Machine, host: str) -> None:
    facts = json.loads(machine.file.read_text())
    facts["relay"]["host"] = host
    machine.file.write_text(json.dumps(facts))


def test_programs_run_in_order_with_the_settings(runner: changed.Runner) -> None:
    add(runner, "20-second", "echo second >> told")
    add(runner, "10-first", "cat >> told; env | grep -v PWD= | cut -d= -f1 >> told")
    for name in ("not-executable",):
        add(runner, name, "echo wrong >> told", 0o644)
    for name in (".hidden", "backup~", "old.dpkg-old"):
        add(runner, name, "echo wrong >> told")
    (runner.folder / "folder").mkdir()
    assert runner.is_due
    runner.run()
    assert told(runner) == json.dumps(mail_servers.RELAY) + "\nPATH\nsecond\n"


def test_what_was_told_is_not_told_again(
    runner: changed.Runner, machine: mail_servers.Machine
) -> None:
    add(runner, "tell", "echo told >> told")
    runner.run()
    assert not runner.is_due
    runner.run()
    assert told(runner) == "told\n"
    # A change that came while nothing ran is told at the next opportunity.
    change(machine, "other.example.com")
    assert runner.is_due
    runner.run()
    assert told(runner) == "told\ntold\n"


def test_one_that_fails_does_not_stop_the_others(
    runner: changed.Runner, capsys: pytest.CaptureFixture[str]
) -> None:
    add(runner, "1-fails", "exit 3")
    add(runner, "2-hangs", "sleep 600")
    (runner.folder / "3-breaks").write_text("#!/absent\n")
    (runner.folder / "3-breaks").chmod(0o755)
    add(runner, "4-reads-nothing", "exec <&-; echo told >> told")
    dataclasses.replace(runner, seconds=1.0).run()
    assert told(runner) == "told\n"
    folder = runner.folder
    assert capsys.readouterr().err.splitlines() == [
        f"{folder}/1-fails: failed, exit code 3",
        f"{folder}/2-hangs: stopped, because it took more than 1 s",
        f"{folder}/2-hangs: failed, exit code -9",
        f"{folder}/3-breaks: No such file or directory",
        f"{folder}/4-reads-nothing: done",
    ]


def test_a_change_while_they_run_runs_them_again(
    runner: changed.Runner, machine: mail_servers.Machine
) -> None:
    add(runner, "tell", "cat >> told; touch began; while [ ! -e go ]; do sleep 0.05; done")
    first = threading.Thread(target=runner.run)
    first.start()
    try:
        while not (machine.path / "began").exists():
            assert first.is_alive()
        change(machine, "other.example.com")
        command = [sys.executable, "-E", str(mail_servers.SOURCE / "mail_command.py"), "changed"]
        second = subprocess.Popen([*command, machine.file, runner.folder, runner.last])
    finally:
        (machine.path / "go").touch()
        first.join()
    assert second.wait(mail_servers.SECONDS) == 0
    hosts = [json.loads(line)["host"] for line in told(runner).splitlines()]
    assert hosts == ["mail.example.com", "other.example.com"]
    assert not runner.is_due

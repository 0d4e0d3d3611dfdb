import pathlib
import stat
import subprocess

import mail_servers
import pytest

from forwarder_unit import installation

UNIT = "smtp-forwarder/0"
PLACES = ("usr/sbin/sendmail", "usr/bin/mailq", "usr/bin/smtp-send", "usr/bin/smtp-settings")


@pytest.fixture
def tools(tmp_path: pathlib.Path) -> installation.Installation:
    return installation.Installation(tmp_path / "root", UNIT, mail_servers.SOURCE)


def test_the_tools_run_where_programs_look_for_them(
    tools: installation.Installation, machine: mail_servers.Machine
) -> None:
    machine.without_a_forwarder()
    assert tools.put(machine.file.read_text())
    for place in PLACES:
        assert stat.S_IMODE((tools.root / place).stat().st_mode) == 0o755
    assert stat.S_IMODE(tools.told.stat().st_mode) == 0o644
    # Whoever calls may have any environment.
    environment = {"PYTHONPATH": "/absent", "PYTHONHOME": "/absent"}
    done = subprocess.run(
        [tools.root / "usr/sbin/sendmail", "-f", "a@example.com", "b@example.com"],
        check=False,
        capture_output=True,
        env=environment,
        input=b"text\n",
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert [left.recipients for left in machine.left()] == [("b@example.com",)]
    assert tools.foreign() == ""


def test_what_is_the_same_is_not_told_again(tools: installation.Installation) -> None:
    assert tools.put("{}")
    assert not tools.put("{}")
    assert tools.put('{"new": 1}')


def test_they_go_without_a_trace(tools: installation.Installation) -> None:
    tools.put("{}")
    tools.take_away()
    assert [path for path in tools.root.rglob("*") if not path.is_dir()] == []
    assert not tools.etc.exists()
    tools.take_away()


def test_what_an_operator_left_stays(tools: installation.Installation) -> None:
    tools.put("{}")
    tell = tools.changed / "tell"
    tell.touch()
    tools.take_away()
    assert tell.exists()


def test_another_sendmail_stays_and_is_named(tools: installation.Installation) -> None:
    sendmail = tools.root / "usr/sbin/sendmail"
    sendmail.parent.mkdir(parents=True)
    sendmail.write_text("another\n")
    tools.put("{}")
    assert sendmail.read_text() == "another\n"
    assert (tools.root / "usr/bin/smtp-send").exists()
    assert tools.foreign() == f"{sendmail} is another program's"
    tools.take_away()
    assert sendmail.read_text() == "another\n"
    sendmail.unlink()
    tools.put("{}")
    assert tools.foreign() == ""


def test_a_link_belongs_to_where_it_leads(tools: installation.Installation) -> None:
    sendmail = tools.root / "usr/sbin/sendmail"
    sendmail.parent.mkdir(parents=True)
    other = sendmail.with_name("exim4")
    other.touch()
    sendmail.symlink_to(other)
    tools.put("{}")
    assert tools.foreign() == f"{sendmail} is {other}"
    # A link that leads nowhere is someone's too.
    other.unlink()
    tools.put("{}")
    assert sendmail.is_symlink()


@pytest.mark.skipif(not pathlib.Path("/usr/bin/dpkg-query").exists(), reason="no dpkg")
def test_a_package_is_named(tools: installation.Installation) -> None:
    sendmail = tools.root / "usr/sbin/sendmail"
    sendmail.parent.mkdir(parents=True)
    sendmail.symlink_to("/usr/bin/env")
    assert tools.foreign() == f"{sendmail} is of the package coreutils"


def test_one_unit_leaves_the_tools_of_another_alone(
    tools: installation.Installation,
) -> None:
    other = installation.Installation(tools.root, "second/10", tools.code)
    tools.put("{}")
    assert tools.are_own
    assert not other.put('{"other": 1}')
    assert not other.are_own
    sendmail = tools.root / "usr/sbin/sendmail"
    assert other.foreign() == f"{sendmail} is {UNIT}'s"
    other.take_away()
    assert sendmail.exists()
    assert tools.told.read_text() == "{}"
    tenth = installation.Installation(tools.root, f"{UNIT}0", tools.code)
    assert tenth.foreign() == f"{sendmail} is {UNIT}'s"


def test_the_tools_of_a_unit_that_goes_become_those_of_the_next(
    tools: installation.Installation,
) -> None:
    other = installation.Installation(tools.root, "second/10", tools.code)
    tools.put("{}")
    tools.take_away()
    assert other.put('{"other": 1}')
    assert other.are_own
    assert tools.told.read_text() == '{"other": 1}'

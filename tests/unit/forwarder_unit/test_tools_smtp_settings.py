import json
import os
import pathlib
import tempfile

import mail_servers
import pytest

from forwarder.tools import smtp_settings

PASSWORD = "s3cret"


@pytest.fixture
def configured(machine: mail_servers.Machine) -> mail_servers.Machine:
    machine.tell(25)
    machine.config.write_text(json.dumps({"upstream": {"password": PASSWORD}}))
    machine.config.chmod(0o600)
    return machine


def test_the_relay_as_scripts_expect_it(configured: mail_servers.Machine) -> None:
    done = configured.run("smtp-settings", "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout) == mail_servers.RELAY
    assert done.stdout.count(b"\n") == 1


def test_root_may_see_the_password(configured: mail_servers.Machine) -> None:
    done = configured.run("smtp-settings", "--json", "--with-password")
    assert json.loads(done.stdout) == {**mail_servers.RELAY, "password": PASSWORD}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_others_may_not() -> None:
    # The folders of pytest are for their owner alone.
    with tempfile.TemporaryDirectory() as folder:
        machine = mail_servers.Machine(pathlib.Path(folder))
        machine.path.chmod(0o711)
        machine.tell(25)
        machine.file.chmod(0o644)
        machine.config.write_text("{}")
        machine.config.chmod(0o600)
        code, said = mail_servers.as_nobody(
            lambda: smtp_settings.main(str(machine.file), ["--json", "--with-password"])
        )
        assert code == os.EX_NOPERM
        assert said == "smtp-settings: only root may see the password\n"


def test_without_a_relay_there_is_no_password(configured: mail_servers.Machine) -> None:
    configured.config.write_text(json.dumps({"upstream": None}))
    done = configured.run("smtp-settings", "--json", "--with-password")
    assert json.loads(done.stdout)["password"] == ""


def test_a_machine_without_a_forwarder(machine: mail_servers.Machine) -> None:
    done = machine.run("smtp-settings", "--json")
    assert done.returncode == os.EX_CONFIG
    assert done.stderr.startswith(b"smtp-settings: not configured: ")


def test_usage(configured: mail_servers.Machine) -> None:
    for arguments in ([], ["--xml"]):
        assert configured.run("smtp-settings", *arguments).returncode == os.EX_USAGE

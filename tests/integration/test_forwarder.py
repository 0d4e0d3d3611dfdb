"""Mail from what cannot read a relation: through sendmail, and through the relation `relay`."""

from __future__ import annotations

import re
import smtplib
import ssl
import threading
from typing import TYPE_CHECKING

import jubilant
import pytest

from staging import INTEGRATOR, PASSWORD, PATIENCE, USER, Forwarder, Sink, Staging, pack, wait_for

if TYPE_CHECKING:
    import pathlib

APP = "smtp-forwarder"
NEW_PASSWORD = "new-battery-staple"
RULES = "aliases: {board@example.com: [ada@example.net, bob@example.org]}"


@pytest.fixture(scope="module", autouse=True)
def forwarding(staging: Staging, sink: Sink, tmp_path_factory: pytest.TempPathFactory) -> None:
    staging.juju.wait_timeout = PATIENCE
    staging.deploy_integrator()
    staging.configure(user=USER, password=PASSWORD, auth_type="plain", **sink.relay("starttls"))
    juju = staging.juju
    juju.deploy(staging.charm(APP), APP, config={"port": 0} if staging.on_localjuju else {})
    deploy_principal(staging, "wordpress", tmp_path_factory.mktemp("packed"))
    juju.deploy(staging.charm("smtp-requirer"), "requirer")
    juju.integrate(f"{APP}:relay", "requirer:smtp")
    staging.settle(lambda status: jubilant.all_blocked(status, APP))
    juju.integrate(f"{INTEGRATOR}:smtp", f"{APP}:smtp")
    staging.settle()


def deploy_principal(staging: Staging, app: str, folder: pathlib.Path) -> None:
    """Deploy an application whose machine has the forwarder too."""
    staging.juju.deploy(pack("bystander", folder), app)
    staging.juju.integrate(f"{APP}:host", f"{app}:juju-info")


@pytest.fixture
def leader(staging: Staging) -> Forwarder:
    [unit] = [name for name, unit in staging.juju.status().get_units(APP).items() if unit.leader]
    return Forwarder(staging.juju, unit, staging.on_localjuju)


def message_of(staging: Staging, unit: str) -> str:
    return staging.juju.status().get_units(APP)[unit].workload_status.message


def test_sendmail_goes_through_the_relay(leader: Forwarder, sink: Sink) -> None:
    leader.sendmail("from a machine")

    newest = sink.newest()
    assert (newest.subject, newest.auth_user) == ("from a machine", USER)
    assert newest.recipients == ["operator@example.com"]


def test_a_charm_sends_through_the_relation_relay(
    staging: Staging, leader: Forwarder, sink: Sink
) -> None:
    subject, newest = staging.send("requirer/0"), sink.newest()
    assert (newest.subject, newest.auth_user) == (subject, USER)
    shown = staging.juju.run("requirer/0", "show-relation").results
    assert shown["transport-security"] == "starttls"
    assert shown["auth-type"] == "plain"
    assert "BEGIN CERTIFICATE" in shown["tls-ca-chain"]
    assert re.fullmatch(r"secret://[0-9a-f-]{36}/[0-9a-z]{20}", shown["password-id"])
    listeners = staging.juju.run(leader.unit, "show-settings").results["listeners"]
    assert f"{shown['host']}:{shown['port']}" in listeners


def test_each_relation_has_a_password_of_its_own_that_ends_with_it(
    staging: Staging, leader: Forwarder
) -> None:
    juju = staging.juju
    juju.deploy(staging.charm("smtp-requirer"), "guest")
    juju.integrate(f"{APP}:relay", "guest:smtp")
    staging.settle()
    shown = juju.run("guest/0", "show-relation").results
    other = juju.run("requirer/0", "show-relation").results
    assert shown["user"] != other["user"]
    secret = juju.show_secret(shown["password-id"].rpartition("/")[2], reveal=True)
    password = secret.content["password"]

    def log_in() -> int:
        context = ssl.create_default_context(cadata=shown["tls-ca-chain"])
        with smtplib.SMTP(shown["host"], int(shown["port"]), timeout=PATIENCE) as client:
            client.starttls(context=context)
            return client.login(shown["user"], password)[0]

    assert log_in() == 235
    juju.remove_relation(f"{APP}:relay", "guest:smtp")
    staging.settle()
    with pytest.raises(smtplib.SMTPAuthenticationError, match="535"):
        log_in()
    assert password not in juju.debug_log()
    assert staging.send("requirer/0")
    labels = {found.label for found in juju.secrets() if found.owner == APP}
    assert labels == {other["user"]}
    assert leader.waiting() == []


def test_a_new_password_of_the_relay_loses_no_mail(
    staging: Staging, leader: Forwarder, sink: Sink
) -> None:
    sent: list[str] = []
    stop = threading.Event()

    def send() -> None:
        # Between two messages the unit is idle, so that the model can settle.
        while not stop.wait(0.5):
            sent.append(f"flowing {len(sent)}")
            leader.sendmail(sent[-1])

    flow = threading.Thread(target=send)
    flow.start()
    try:
        wait_for(lambda: len(sent) > 1)
        staging.juju.update_secret("sink-login", {"password": NEW_PASSWORD})
        before = len(sent)
        wait_for(lambda: len(sent) > before + 1)
        staging.configure(password=NEW_PASSWORD)
        staging.settle()
        before = len(sent)
        wait_for(lambda: len(sent) > before + 1)
    finally:
        stop.set()
        flow.join()
    staging.juju.run(leader.unit, "retry")
    wait_for(lambda: leader.waiting() == [])

    arrived = [subject for subject in sink.subjects() if subject.startswith("flowing")]
    assert sorted(arrived) == sorted(sent)
    assert NEW_PASSWORD not in staging.juju.debug_log()


def test_without_a_relay_mail_waits_and_the_status_says_so(
    staging: Staging, leader: Forwarder
) -> None:
    staging.juju.remove_relation(f"{INTEGRATOR}:smtp", f"{APP}:smtp")
    staging.settle(lambda status: jubilant.all_blocked(status, APP))
    leader.sendmail("patience")
    [waiting] = leader.waiting()
    assert [one["to"] for one in waiting["recipients"]] == ["operator@example.com"]
    staging.update_status(leader.unit)
    assert message_of(staging, leader.unit) == (
        f"no relay; run 'juju integrate {APP}:smtp smtp-integrator'; 1 message waits: "
        f"no relay is configured; see 'juju run {leader.unit} list-queue'"
    )
    assert '"enabled": false' in leader.shell("smtp-settings --json --with-password")
    assert NEW_PASSWORD not in leader.shell("smtp-settings --json --with-password")


def test_what_waits_is_held_and_dropped(staging: Staging, leader: Forwarder) -> None:
    juju = staging.juju
    for name in ("keep", "lose"):
        leader.sendmail(name, f"{name}@example.com")
    assert juju.run(leader.unit, "hold", {"recipient": "keep@*"}).results["count"] == "1"
    with pytest.raises(jubilant.TaskError, match="needs a filter"):
        juju.run(leader.unit, "drop")
    lose = {"recipient": "LOSE@example.com"}
    assert juju.run(leader.unit, "drop", {**lose, "dry-run": True}).results["count"] == "1"
    assert len(leader.waiting()) == 3
    assert juju.run(leader.unit, "drop", lose).results["count"] == "1"
    assert [one["held"] for one in leader.waiting()] == [False, True]


def test_with_a_relay_what_waits_goes_and_what_is_held_once_it_is_released(
    staging: Staging, leader: Forwarder, sink: Sink
) -> None:
    staging.juju.integrate(f"{INTEGRATOR}:smtp", f"{APP}:smtp")
    staging.settle()
    wait_for(lambda: [one["held"] for one in leader.waiting()] == [True])
    assert sink.newest().subject == "patience"
    staging.juju.run(leader.unit, "release")
    wait_for(lambda: leader.waiting() == [])
    subjects = sink.subjects()
    assert subjects[-1] == "keep"
    assert "lose" not in subjects


def test_rules_are_checked_and_then_followed(
    staging: Staging, leader: Forwarder, sink: Sink
) -> None:
    staging.juju.config(APP, {"rules": "others: perhaps"})
    staging.settle(lambda status: jubilant.all_blocked(status, APP))
    assert message_of(staging, leader.unit).startswith("rules: line 1: others: ")
    leader.sendmail("still there")
    assert sink.newest().subject == "still there"

    staging.juju.config(APP, {"rules": RULES})
    staging.settle()
    leader.sendmail("for the board", "board@example.com")
    assert sorted(sink.newest().recipients) == ["ada@example.net", "bob@example.org"]
    assert staging.juju.run(leader.unit, "show-rules").results["rules"] == RULES


def test_the_action_send_says_what_the_relay_said(leader: Forwarder, sink: Sink) -> None:
    result = leader.juju.run(leader.unit, "send", {"to": "ada@example.com"})
    assert result.results["answer"].startswith("250 2.0.0")
    assert sink.newest().subject == "A message from smtp-forwarder"


def test_programs_are_told_when_the_relay_changes(
    staging: Staging, leader: Forwarder, sink: Sink
) -> None:
    folder = f"{leader.root}/etc/smtp-forwarder/changed.d"
    script = "#!/bin/sh\\ncat > $0.told\\n"
    leader.shell(f"printf '{script}' > {folder}/tell && chmod +x {folder}/tell")
    staging.configure(**sink.relay("tls"))
    staging.settle()
    wait_for(lambda: "tell.told" in leader.shell(f"ls {folder}"))
    told = leader.shell(f"cat {folder}/tell.told")
    assert '"encrypt_smtp": "tls"' in told
    assert NEW_PASSWORD not in told
    assert told == leader.shell("smtp-settings --json")


def test_a_refresh_loses_nothing_that_waits(
    staging: Staging, leader: Forwarder, sink: Sink
) -> None:
    leader.juju.run(leader.unit, "send", {"to": "ada@example.com", "subject": "before"})
    staging.juju.refresh(APP, path=staging.charm(APP))
    staging.settle()
    leader.sendmail("after the refresh")
    subject = staging.send("requirer/0")
    assert sink.subjects()[-3:] == ["before", "after the refresh", subject]


def test_the_tools_come_and_go_with_the_unit(
    staging: Staging, sink: Sink, tmp_path: pathlib.Path
) -> None:
    deploy_principal(staging, "mailhub", tmp_path)
    staging.settle()
    [unit] = staging.juju.status().apps["mailhub"].units["mailhub/0"].subordinates
    mailhub = Forwarder(staging.juju, unit, staging.on_localjuju)
    mailhub.sendmail("from a second machine")
    assert sink.newest().subject == "from a second machine"

    place = mailhub.shell("realpath $(command -v sendmail)").strip()
    staging.juju.remove_relation(f"{APP}:host", "mailhub:juju-info")
    gone = f"test -e {place} || echo gone"
    wait_for(lambda: staging.juju.exec(gone, unit="mailhub/0").stdout == "gone\n")

"""The integrator says whether the relay works: by action, and by itself in its status."""

from __future__ import annotations

import json

import jubilant
import pytest

from staging import INTEGRATOR, PASSWORD, USER, Sink, Staging

WRONG_PASSWORD = "wrong-horse-battery"
REFUSED = "AUTH refused: 535 5.7.8 Authentication credentials invalid"


@pytest.fixture(scope="module", autouse=True)
def integrated(staging: Staging, sink: Sink) -> None:
    staging.deploy_integrator(num_units=2)
    secret = staging.add_password("relay", WRONG_PASSWORD, INTEGRATOR)
    staging.configure(
        user=USER, auth_type="plain", password_secret=secret, **sink.relay("starttls")
    )
    staging.deploy_requirer("requirer")
    staging.settle()


def set_password(staging: Staging, password: str) -> None:
    staging.juju.update_secret("relay", {"password": password})
    staging.settle()


def statuses(staging: Staging) -> dict[bool, str]:
    """Return the messages of the integrator's units: of the leader under True."""
    units = staging.settle().apps[INTEGRATOR].units.values()
    return {unit.leader: unit.workload_status.message for unit in units}


@pytest.mark.parametrize("unit", [f"{INTEGRATOR}/0", f"{INTEGRATOR}/1"])
def test_check_relay_fails_with_the_diagnosis_and_the_remedy(staging: Staging, unit: str) -> None:
    with pytest.raises(jubilant.TaskError) as failure:
        staging.juju.run(unit, "check-relay")

    task = failure.value.task
    assert task.message.startswith(REFUSED)
    assert "Set user and password_secret right" in task.message
    assert task.results["works"] == "false"
    assert task.results["stages"]["tls"]["version"] == "TLSv1.3"
    assert task.results["stages"]["auth"]["outcome"] == "failed"
    assert WRONG_PASSWORD not in json.dumps(task.results)


def test_without_the_option_a_failing_relay_does_not_show(staging: Staging) -> None:
    staging.update_status(f"{INTEGRATOR}/0")

    assert statuses(staging) == {True: "", False: ""}


def test_with_the_option_the_leaders_status_shows_it(staging: Staging) -> None:
    staging.configure(check_relay=True)

    message = f"relay: {REFUSED}; run 'juju run smtp-integrator/leader check-relay'"
    assert statuses(staging) == {True: message, False: ""}


def test_update_status_keeps_what_was_found(staging: Staging) -> None:
    before = statuses(staging)

    staging.update_status(f"{INTEGRATOR}/0")

    assert statuses(staging) == before


def test_the_relay_is_published_all_the_same(staging: Staging) -> None:
    assert staging.juju.run("requirer/0", "show-relation").results["has-password"] == "True"


def test_a_new_password_is_checked_at_once(staging: Staging) -> None:
    set_password(staging, PASSWORD)

    assert statuses(staging) == {True: "", False: ""}


def test_check_relay_reports_each_stage(staging: Staging) -> None:
    results = staging.juju.run(
        f"{INTEGRATOR}/leader",
        "check-relay",
        {"sender": "a@example.com", "recipient": "b@example.com", "timeout": 20},
    ).results

    assert (results["works"], results["summary"]) == ("true", "works")
    assert {stage["outcome"] for stage in results["stages"].values()} == {"passed"}
    assert "envelope" in results["stages"]


def test_send_test_email_sends_a_message_that_says_where_it_comes_from(
    staging: Staging, sink: Sink
) -> None:
    results = staging.juju.run(
        f"{INTEGRATOR}/1",
        "send-test-email",
        {"recipient": "ops@example.com", "sender": "relay@example.com", "subject": "A test"},
    ).results

    message = staging.juju.run(sink.unit, "get-message").results
    assert (message["sender"], message["auth-user"]) == ("relay@example.com", USER)
    assert message["recipients"] == '["ops@example.com"]'
    content = message["content"].splitlines()
    assert {
        "Subject: A test",
        f"Unit: {INTEGRATOR}/1",
        f"Model: {staging.juju.show_model().short_name}",
    } <= {*content}
    assert {"Date", "Message-ID"} <= {line.partition(":")[0] for line in content}
    assert results["answer"].startswith("250")


def test_send_test_email_needs_a_sender(staging: Staging) -> None:
    with pytest.raises(jubilant.TaskError, match="sender: not given; give sender=ADDRESS"):
        staging.juju.run(f"{INTEGRATOR}/0", "send-test-email", {"recipient": "ops@example.com"})


def test_a_relay_that_is_gone_shows_in_the_status(staging: Staging) -> None:
    staging.configure(port=1)

    assert statuses(staging)[True].startswith("relay: connection refused")

"""Requirers come and go, units come and go, and each has what it needs and no more."""

from __future__ import annotations

import jubilant
import pytest

from staging import INTEGRATOR, PASSWORD, USER, Sink, Staging


@pytest.fixture(scope="module", autouse=True)
def integrated(staging: Staging, sink: Sink) -> None:
    staging.deploy_integrator()
    secret = staging.add_password("relay", PASSWORD, INTEGRATOR)
    staging.configure(
        user=USER, auth_type="plain", password_secret=secret, **sink.relay("starttls")
    )
    staging.deploy_requirer("one")
    staging.deploy_requirer("two")
    staging.settle()


def leader(staging: Staging) -> str:
    units = staging.juju.status().apps[INTEGRATOR].units
    return next(name for name, unit in units.items() if unit.leader)


def test_every_unit_of_every_requirer_sends_also_one_that_joins_later(
    staging: Staging, sink: Sink
) -> None:
    staging.juju.add_unit("one")
    staging.settle()

    sent = [staging.send(unit) for unit in ("one/0", "one/1", "two/0")]
    assert sink.subjects() == sent


def test_a_requirer_that_is_removed_can_no_longer_read_the_secret(staging: Staging) -> None:
    password_id = staging.juju.run("two/0", "show-relation").results["password-id"]

    staging.remove_relation(f"{INTEGRATOR}:smtp", "two:smtp")

    with pytest.raises(jubilant.TaskError) as refusal:
        staging.juju.exec(f"secret-get {password_id} --peek", unit="two/0")
    assert PASSWORD not in str(refusal.value)
    with pytest.raises(jubilant.TaskError, match="no relay"):
        staging.send("two/0")


def test_the_others_keep_theirs(staging: Staging, sink: Sink) -> None:
    assert staging.send("one/0") == sink.newest().subject


def test_a_requirer_that_comes_back_sends_again(staging: Staging, sink: Sink) -> None:
    staging.juju.integrate(f"{INTEGRATOR}:smtp", "two:smtp")
    staging.settle()

    assert staging.send("two/0") == sink.newest().subject


def test_leader_and_follower_are_active_without_a_message(staging: Staging) -> None:
    staging.juju.add_unit(INTEGRATOR)
    units = staging.settle().apps[INTEGRATOR].units.values()

    shown = [(unit.workload_status.current, unit.workload_status.message) for unit in units]
    assert shown == [("active", ""), ("active", "")]


def test_the_leader_goes_while_a_relation_is_made(staging: Staging, sink: Sink) -> None:
    gone = leader(staging)

    staging.deploy_requirer("three")
    staging.juju.remove_unit(gone)
    staging.settle(
        lambda status: (
            gone not in status.apps[INTEGRATOR].units
            and any(unit.leader for unit in status.apps[INTEGRATOR].units.values())
            and jubilant.all_active(status)
        )
    )

    assert leader(staging) != gone
    sent = [staging.send(unit) for unit in ("one/0", "two/0", "three/0")]
    assert sink.subjects()[-3:] == sent


def test_the_new_leader_publishes_a_new_password(staging: Staging, sink: Sink) -> None:
    for secret in ("relay", "sink-login"):
        staging.juju.update_secret(secret, {"password": f"new-{PASSWORD}"})
    staging.settle()

    assert staging.send("three/0") == sink.newest().subject


def test_the_integrator_leaves_without_an_error_and_takes_its_secret_along(
    staging: Staging,
) -> None:
    staging.juju.remove_application(INTEGRATOR)
    staging.settle(lambda status: INTEGRATOR not in status.apps)

    assert staging.published_secrets() == []
    with pytest.raises(jubilant.TaskError, match="no relay"):
        staging.send("one/0")

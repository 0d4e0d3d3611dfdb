"""A relay that is offered to another model: delivery, rotation and removal as within one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import jubilant
import pytest

from staging import INTEGRATOR, PASSWORD, USER, Sink, Staging

if TYPE_CHECKING:
    from pytest_jubilant import JujuFactory

CONSUMED = "relay"
UNITS = ("requirer/0", "requirer/1", "legacy/0")


@pytest.fixture(scope="module")
def consumer(staging: Staging, juju_factory: JujuFactory) -> Staging:
    """Make a second model."""
    juju = juju_factory.get_juju("consumer")
    return Staging(juju, staging.charms, staging.on_localjuju)


@pytest.fixture(scope="module", autouse=True)
def integrated(staging: Staging, consumer: Staging, sink: Sink) -> None:
    """Offer an integrator's endpoints, and relate requirers in the other model to them."""
    staging.deploy_integrator()
    secret = staging.add_password("login", PASSWORD, INTEGRATOR)
    staging.configure(
        user=USER, auth_type="plain", password_secret=secret, **sink.relay("starttls")
    )
    staging.juju.offer(INTEGRATOR, endpoint=["smtp", "smtp-legacy"])
    for app, units in (("requirer", 2), ("legacy", 1), ("bystander", 1)):
        consumer.juju.deploy(consumer.charm("smtp-requirer"), app, num_units=units)
    consumer.juju.consume(f"{model_name(staging)}.{INTEGRATOR}", CONSUMED)
    consumer.juju.integrate("requirer:smtp", f"{CONSUMED}:smtp")
    consumer.juju.integrate("legacy:smtp-legacy", f"{CONSUMED}:smtp-legacy")
    staging.settle()
    consumer.settle()
    for unit in UNITS:
        consumer.until(lambda unit=unit: "host" in relay(consumer, unit))


def model_name(staging: Staging) -> str:
    return staging.juju.show_model().short_name


def relay(consumer: Staging, unit: str) -> dict[str, str]:
    """What a requirer knows of its relay; nothing if it has none."""
    try:
        return consumer.juju.run(unit, "show-relation").results
    except jubilant.TaskError as error:
        if "no relay" not in error.task.message:
            raise
        return {}


def sends(consumer: Staging, unit: str) -> bool:
    try:
        consumer.send(unit)
    except jubilant.TaskError:
        return False
    return True


def test_mail_arrives_from_each_unit(consumer: Staging, sink: Sink) -> None:
    for unit in UNITS:
        subject = consumer.send(unit)

        assert (sink.newest().subject, sink.newest().auth_user) == (subject, USER)


def test_the_published_secret_names_its_model(staging: Staging, consumer: Staging) -> None:
    uuid = staging.juju.show_model().model_uuid

    assert relay(consumer, "requirer/0")["password-id"].startswith(f"secret://{uuid}/")


def test_who_has_no_relation_cannot_read_the_password(consumer: Staging) -> None:
    password_id = relay(consumer, "requirer/0")["password-id"]

    with pytest.raises(jubilant.TaskError) as refusal:
        consumer.juju.exec(f"secret-get {password_id} --peek", unit="bystander/0")

    assert PASSWORD not in str(refusal.value)


def test_status_shows_the_offer_and_what_is_consumed(staging: Staging, consumer: Staging) -> None:
    offer = staging.juju.status().offers[INTEGRATOR]
    status = consumer.juju.status()
    consumed = status.app_endpoints[CONSUMED]

    assert (offer.app, sorted(offer.endpoints)) == (INTEGRATOR, ["smtp", "smtp-legacy"])
    assert (offer.active_connected_count, offer.total_connected_count) == (2, 2)
    assert consumed.url.endswith(f"/{model_name(staging)}.{INTEGRATOR}")
    assert consumed.endpoints["smtp"].interface == "smtp"
    assert consumed.app_status.current == "active"
    assert [one.related_app for one in status.apps["requirer"].relations["smtp"]] == [CONSUMED]


def test_another_relay_reaches_every_requirer(
    staging: Staging, consumer: Staging, sink: Sink
) -> None:
    staging.configure(**sink.relay("tls"))
    staging.settle()

    for unit in UNITS:
        consumer.until(lambda unit=unit: relay(consumer, unit).get("transport-security") == "tls")
        assert consumer.send(unit) == sink.newest().subject


def test_a_new_password_reaches_every_requirer(
    staging: Staging, consumer: Staging, sink: Sink
) -> None:
    before = relay(consumer, "requirer/0")["password-id"]

    for secret in ("login", "sink-login"):
        staging.juju.update_secret(secret, {"password": f"new-{PASSWORD}"})
    staging.settle()

    for unit in UNITS:
        consumer.until(lambda unit=unit: sends(consumer, unit))
        assert consumer.send(unit) == sink.newest().subject
    assert relay(consumer, "requirer/0")["password-id"] == before


def test_a_relation_that_ends_takes_relay_and_password_along(
    staging: Staging, consumer: Staging, sink: Sink
) -> None:
    password_id = relay(consumer, "requirer/0")["password-id"]

    consumer.juju.remove_relation("requirer:smtp", f"{CONSUMED}:smtp")
    consumer.until(lambda: not relay(consumer, "requirer/0"))
    consumer.settle()
    staging.until(lambda: staging.juju.status().offers[INTEGRATOR].total_connected_count == 1)
    staging.settle()

    with pytest.raises(jubilant.TaskError) as refusal:
        consumer.juju.exec(f"secret-get {password_id} --peek", unit="requirer/1")
    assert PASSWORD not in str(refusal.value)
    assert consumer.send("legacy/0") == sink.newest().subject


def test_a_requirer_that_comes_back_sends_again(
    staging: Staging, consumer: Staging, sink: Sink
) -> None:
    consumer.juju.integrate("requirer:smtp", f"{CONSUMED}:smtp")
    staging.settle()
    consumer.settle()

    for unit in ("requirer/0", "requirer/1"):
        consumer.until(lambda unit=unit: sends(consumer, unit))
        assert consumer.send(unit) == sink.newest().subject


def test_what_is_consumed_and_offered_goes_without_an_error(
    staging: Staging, consumer: Staging
) -> None:
    consumer.juju.cli("remove-saas", CONSUMED)
    consumer.until(lambda: CONSUMED not in consumer.juju.status().app_endpoints)
    for unit in UNITS:
        consumer.until(lambda unit=unit: not relay(consumer, unit))
    staging.until(lambda: not staging.juju.status().offers[INTEGRATOR].total_connected_count)
    staging.settle()

    url = f"{model_name(staging)}.{INTEGRATOR}"
    staging.juju.cli("remove-offer", url, include_model=False)
    staging.juju.remove_application(INTEGRATOR)
    staging.settle(lambda status: INTEGRATOR not in status.apps)

    assert staging.juju.status().offers == {}
    assert [one for one in staging.juju.secrets() if one.owner == INTEGRATOR] == []

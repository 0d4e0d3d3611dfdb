"""A relay that is offered to another model: delivery, rotation and removal as within one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import jubilant
import pytest

from staging import INTEGRATOR, PASSWORD, USER, Sink, Staging, pack

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
def integrated(
    staging: Staging,
    consumer: Staging,
    sink: Sink,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Offer an integrator's endpoints, and relate requirers in the other model to them."""
    staging.deploy_integrator()
    secret = staging.add_password("login", PASSWORD, INTEGRATOR)
    staging.configure(
        user=USER, auth_type="plain", password_secret=secret, **sink.relay("starttls")
    )
    staging.juju.offer(INTEGRATOR, endpoint=["smtp", "smtp-legacy"])
    consumer.juju.deploy(pack("bystander", tmp_path_factory.mktemp("packed")))
    for app, units in (("requirer", 2), ("legacy", 1)):
        consumer.juju.deploy(consumer.charm("smtp-requirer"), app, num_units=units)
    consumer.juju.consume(f"{model_name(staging)}.{INTEGRATOR}", CONSUMED)
    consumer.juju.integrate("requirer:smtp", f"{CONSUMED}:smtp")
    consumer.juju.integrate("legacy:smtp-legacy", f"{CONSUMED}:smtp-legacy")
    staging.settle()
    consumer.settle()


def model_name(staging: Staging) -> str:
    return staging.juju.show_model().short_name


def databag(consumer: Staging, unit: str) -> dict[str, str]:
    endpoint = "smtp-legacy" if unit.startswith("legacy") else "smtp"
    return consumer.databag(unit, CONSUMED, endpoint=endpoint)


def password_id(consumer: Staging) -> str:
    return databag(consumer, "requirer/0")["password_id"]


def has_relay(consumer: Staging, unit: str) -> bool:
    try:
        consumer.juju.run(unit, "show-relation")
    except jubilant.TaskError as error:
        if "no relay" not in error.task.message:
            raise
        return False
    return True


def sent_by(consumer: Staging, *units: str) -> list[str]:
    """Have units send, each as soon as it can, and return the subjects."""
    subjects: list[str] = []

    def sends(unit: str) -> bool:
        try:
            subjects.append(consumer.send(unit))
        except jubilant.TaskError:
            return False
        return True

    for unit in units:
        consumer.until(lambda unit=unit: sends(unit))
    return subjects


def test_mail_arrives_from_each_unit(consumer: Staging, sink: Sink) -> None:
    sent = sent_by(consumer, *UNITS)

    arrived = [(one.subject, one.auth_user) for one in sink.messages()]
    assert arrived == [(subject, USER) for subject in sent]


def test_the_published_secret_names_its_model(staging: Staging, consumer: Staging) -> None:
    uuid = staging.juju.show_model().model_uuid

    assert password_id(consumer).startswith(f"secret://{uuid}/")


def test_who_has_no_relation_cannot_read_the_password(consumer: Staging) -> None:
    with pytest.raises(jubilant.TaskError) as refusal:
        consumer.juju.exec(f"secret-get {password_id(consumer)} --peek", unit="bystander/0")

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
        consumer.until(lambda unit=unit: databag(consumer, unit)["transport_security"] == "tls")
    sent = sent_by(consumer, *UNITS)
    assert sink.subjects()[-len(UNITS) :] == sent


def test_a_new_password_reaches_every_requirer(
    staging: Staging, consumer: Staging, sink: Sink
) -> None:
    before = password_id(consumer)

    for secret in ("login", "sink-login"):
        staging.juju.update_secret(secret, {"password": f"new-{PASSWORD}"})
    staging.settle()

    sent = sent_by(consumer, *UNITS)
    assert sink.subjects()[-len(UNITS) :] == sent
    assert password_id(consumer) == before


def test_a_relation_that_ends_takes_relay_and_password_along(
    staging: Staging, consumer: Staging, sink: Sink
) -> None:
    lost = password_id(consumer)

    consumer.juju.remove_relation("requirer:smtp", f"{CONSUMED}:smtp")
    consumer.until(lambda: not has_relay(consumer, "requirer/0"))
    consumer.settle()
    staging.until(lambda: staging.juju.status().offers[INTEGRATOR].total_connected_count == 1)
    staging.settle()

    with pytest.raises(jubilant.TaskError) as refusal:
        consumer.juju.exec(f"secret-get {lost} --peek", unit="requirer/1")
    assert PASSWORD not in str(refusal.value)
    assert consumer.send("legacy/0") == sink.newest().subject


def test_a_requirer_that_comes_back_sends_again(
    staging: Staging, consumer: Staging, sink: Sink
) -> None:
    consumer.juju.integrate("requirer:smtp", f"{CONSUMED}:smtp")
    staging.settle()
    consumer.settle()

    sent = sent_by(consumer, "requirer/0", "requirer/1")
    assert sink.subjects()[-2:] == sent


def test_what_is_consumed_and_offered_goes_without_an_error(
    staging: Staging, consumer: Staging
) -> None:
    consumer.juju.cli("remove-saas", CONSUMED)
    consumer.until(lambda: CONSUMED not in consumer.juju.status().app_endpoints)
    for unit in UNITS:
        consumer.until(lambda unit=unit: not has_relay(consumer, unit))
    staging.until(lambda: not staging.juju.status().offers[INTEGRATOR].total_connected_count)
    staging.settle()

    url = f"{model_name(staging)}.{INTEGRATOR}"
    staging.juju.cli("remove-offer", url, include_model=False)
    staging.juju.remove_application(INTEGRATOR)
    staging.settle(lambda status: INTEGRATOR not in status.apps)

    assert staging.juju.status().offers == {}
    assert staging.published_secrets() == []

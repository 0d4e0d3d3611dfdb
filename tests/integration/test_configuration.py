"""A wrong configuration is told in words, changes nothing that works, and heals when mended."""

from __future__ import annotations

import jubilant
import pytest

from staging import INTEGRATOR, PASSWORD, USER, Sink, Staging


def message(staging: Staging) -> str:
    status = staging.settle(lambda status: jubilant.all_blocked(status, INTEGRATOR))
    messages = {unit.workload_status.message for unit in status.apps[INTEGRATOR].units.values()}
    assert len(messages) == 1, "leader and follower differ"
    return messages.pop()


@pytest.mark.usefixtures("sink")
def test_without_a_host_every_unit_is_blocked(staging: Staging) -> None:
    staging.deploy_integrator(num_units=2)

    assert message(staging) == "host: not set; run 'juju config smtp-integrator host=NAME'"


def test_a_relation_made_meanwhile_gets_nothing(staging: Staging) -> None:
    staging.deploy_requirer("requirer")
    staging.settle(lambda status: jubilant.all_active(status, "requirer"))

    with pytest.raises(jubilant.TaskError, match="no relay"):
        staging.juju.run("requirer/0", "show-relation")


def test_all_that_is_wrong_is_told_at_once(staging: Staging) -> None:
    staging.configure(host="smtp://relay", port=70000, transport_security="ssl")

    assert message(staging) == (
        "host: has a scheme; enter the name alone, such as smtp.example.com; "
        "port: 70000 is not between 1 and 65535; "
        "transport_security: must be one of none, starttls, tls"
    )


def test_a_secret_that_is_not_granted_is_told_with_the_command(
    staging: Staging, sink: Sink
) -> None:
    secret = staging.juju.add_secret("relay", {"password": PASSWORD})
    staging.configure(user=USER, auth_type="plain", password_secret=secret, **sink.relay("tls"))

    assert message(staging) == (
        f"password_secret: not granted; run 'juju grant-secret {secret.unique_identifier} "
        "smtp-integrator' (noticed at the next update-status)"
    )


def test_a_grant_is_noticed_at_the_next_update_status(staging: Staging, sink: Sink) -> None:
    staging.juju.grant_secret("relay", INTEGRATOR)
    staging.settle(lambda status: jubilant.all_blocked(status, INTEGRATOR))

    for unit in (f"{INTEGRATOR}/0", f"{INTEGRATOR}/1"):
        staging.update_status(unit)
    staging.settle()

    assert staging.send("requirer/0") == sink.newest().subject


def test_what_works_goes_on_while_the_configuration_is_wrong(staging: Staging, sink: Sink) -> None:
    staging.configure(port=0, host="")
    message(staging)

    assert staging.send("requirer/0") == sink.newest().subject


def test_a_secret_without_the_key_password_is_told(staging: Staging, sink: Sink) -> None:
    staging.configure(**sink.relay("tls"))
    staging.juju.update_secret("relay", {"passwort": PASSWORD})

    assert "password_secret: the secret has no value under the key 'password'" in message(staging)


def test_a_mended_configuration_is_published(staging: Staging, sink: Sink) -> None:
    staging.juju.update_secret("relay", {"password": PASSWORD})
    staging.settle()

    assert staging.send("requirer/0") == sink.newest().subject

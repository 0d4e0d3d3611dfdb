"""Nothing that a hook read outlives its event.

ops' Harness keeps one charm object through many events, and so do the tests of charms that stand
beside this one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import ops
import pytest
import yaml
from ops import testing

import charm
from tests.unit.conftest import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.filterwarnings("ignore:Harness is deprecated:PendingDeprecationWarning")

PASSWORD = "hunter2-secret"
LOGIN = {"host": "smtp.example.com", "user": "mailer", "auth_type": "plain", "password": PASSWORD}


@pytest.fixture
def harness() -> Iterator[testing.Harness[charm.SmtpIntegratorCharm]]:
    project = yaml.safe_load((ROOT / "charmcraft.yaml").read_text())
    metadata = {key: project[key] for key in ("name", "provides", "requires", "peers")}
    harness = testing.Harness(
        charm.SmtpIntegratorCharm,
        meta=yaml.safe_dump(metadata),
        config=(ROOT / "config.yaml").read_text(),
        actions=yaml.safe_dump(project["actions"]),
    )
    harness.set_leader(is_leader=True)
    yield harness
    harness.cleanup()


def databag(
    harness: testing.Harness[charm.SmtpIntegratorCharm], relation_id: int
) -> dict[str, str]:
    return dict(harness.get_relation_data(relation_id, "smtp-integrator"))


def status(harness: testing.Harness[charm.SmtpIntegratorCharm]) -> ops.StatusBase:
    harness.evaluate_status()
    return harness.charm.unit.status


def test_each_configuration_is_read_anew(
    harness: testing.Harness[charm.SmtpIntegratorCharm],
) -> None:
    legacy = harness.add_relation("smtp-legacy", "requirer")
    harness.begin_with_initial_hooks()
    assert status(harness) == ops.BlockedStatus(
        "host: not set; run 'juju config smtp-integrator host=NAME'"
    )
    harness.update_config(LOGIN)
    assert status(harness) == ops.ActiveStatus()
    assert databag(harness, legacy)["password"] == PASSWORD
    harness.update_config({"host": "other.example.com", "password": "new"})
    assert databag(harness, legacy).items() >= {
        ("host", "other.example.com"),
        ("password", "new"),
    }
    harness.update_config({"port": 0})
    assert status(harness) == ops.BlockedStatus("port: 0 is not between 1 and 65535")
    harness.update_config(unset=["port"])
    assert status(harness) == ops.ActiveStatus()


def test_each_revision_of_a_users_secret_is_read_anew(
    harness: testing.Harness[charm.SmtpIntegratorCharm],
) -> None:
    legacy = harness.add_relation("smtp-legacy", "requirer")
    harness.begin()
    secret_id = harness.add_user_secret({"password": "one"})
    harness.update_config({**LOGIN, "password": "", "password_secret": secret_id})
    assert isinstance(status(harness), ops.BlockedStatus)
    harness.grant_secret(secret_id, "smtp-integrator")
    harness.charm.on.update_status.emit()
    assert status(harness) == ops.ActiveStatus()
    assert databag(harness, legacy)["password"] == "one"
    harness.set_secret_content(secret_id, {"password": "two"})
    assert databag(harness, legacy)["password"] == "two"
    harness.revoke_secret(secret_id, "smtp-integrator")
    assert isinstance(status(harness), ops.BlockedStatus)
    assert databag(harness, legacy)["password"] == "two"


def test_the_same_secret_is_found_at_each_event(
    harness: testing.Harness[charm.SmtpIntegratorCharm],
) -> None:
    smtp = harness.add_relation("smtp", "requirer")
    harness.begin()
    harness.update_config(LOGIN)
    published = databag(harness, smtp)["password_id"]
    harness.update_config({"password": "new"})
    assert databag(harness, smtp)["password_id"] == published
    secret = harness.model.get_secret(id=published)
    assert published == f"secret://{harness.model.uuid}/{secret.unique_identifier}"
    assert secret.peek_content() == {"password": "new"}
    harness.update_config({"password": "", "auth_type": "none"})
    assert "password_id" not in databag(harness, smtp)


@pytest.mark.parametrize("leader", [True, False])
def test_an_action_takes_what_is_configured_now(
    harness: testing.Harness[charm.SmtpIntegratorCharm], *, leader: bool
) -> None:
    harness.begin()
    harness.set_leader(is_leader=leader)
    for port in (0, 70000):
        harness.update_config({**LOGIN, "port": port})
        with pytest.raises(testing.ActionFailed) as caught:
            harness.run_action("check-relay")
        assert caught.value.message == f"port: {port} is not between 1 and 65535"


def test_the_health_of_the_relay_is_that_of_the_relay_configured_now(
    harness: testing.Harness[charm.SmtpIntegratorCharm],
) -> None:
    harness.begin()
    refused = {"host": "127.0.0.1", "port": 1, "check_relay": True}
    harness.update_config(refused)
    assert "connection refused" in status(harness).message
    harness.update_config({"check_relay": False})
    assert status(harness) == ops.ActiveStatus()
    harness.update_config({"check_relay": True, "host": "", "port": 1})
    assert status(harness).message.startswith("host: ")
    harness.update_config(refused)
    assert "connection refused" in status(harness).message

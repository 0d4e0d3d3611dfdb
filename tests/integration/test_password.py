"""The password reaches those who need it, in its newest form, and nobody else."""

from __future__ import annotations

import json
import socket
from concurrent import futures

import jubilant
import pytest

from staging import INTEGRATOR, Sink, Staging

pytestmark = pytest.mark.releases

OLD_PASSWORD = "old-battery-staple"
NEW_PASSWORD = "new-battery-staple"
USER = "notifier"


@pytest.fixture(scope="module")
def sink(staging: Staging) -> Sink:
    return staging.deploy_sink("sink", user=USER, password=OLD_PASSWORD)


@pytest.fixture(scope="module", autouse=True)
def integrated(staging: Staging, sink: Sink) -> None:
    staging.deploy_integrator()
    staging.configure(user=USER, auth_type="plain", **sink.relay("starttls"))
    staging.configure(password=OLD_PASSWORD)
    staging.deploy_requirer("requirer")
    staging.deploy_requirer("legacy", endpoint="smtp-legacy")
    staging.settle()


def password_id(staging: Staging) -> str:
    return staging.juju.run("requirer/0", "show-relation").results["password-id"]


def test_the_password_option_is_used(staging: Staging, sink: Sink) -> None:
    sent = [(staging.send(unit), USER) for unit in ("requirer/0", "legacy/0")]

    assert [(one.subject, one.auth_user) for one in sink.messages()] == sent


def test_a_user_secret_takes_the_place_of_the_option_in_the_same_secret(
    staging: Staging, sink: Sink
) -> None:
    before = password_id(staging)
    secret = staging.add_password("relay", OLD_PASSWORD, INTEGRATOR)

    staging.configure(password_secret=secret, password="")
    staging.settle()

    assert password_id(staging) == before
    assert staging.send("requirer/0") == sink.newest().subject


def test_a_new_revision_of_the_user_secret_reaches_every_requirer(
    staging: Staging, sink: Sink
) -> None:
    before = password_id(staging)

    staging.juju.update_secret("relay", {"password": NEW_PASSWORD})
    staging.settle()

    for unit in ("requirer/0", "legacy/0"):
        with pytest.raises(jubilant.TaskError, match="535"):
            staging.send(unit)

    staging.juju.update_secret("sink-login", {"password": NEW_PASSWORD})
    staging.settle()

    sent = [staging.send(unit) for unit in ("requirer/0", "legacy/0")]
    assert sink.subjects()[-2:] == sent
    assert password_id(staging) == before


def test_the_old_password_is_refused_with_the_relays_answer(staging: Staging, sink: Sink) -> None:
    staging.configure(password=OLD_PASSWORD, password_secret="")
    staging.settle()
    arrived = sink.subjects()

    with pytest.raises(jubilant.TaskError) as failure:
        staging.send("requirer/0")

    assert "535" in failure.value.task.message
    assert sink.subjects() == arrived


def test_a_revision_that_comes_while_an_action_runs_reaches_every_requirer(
    staging: Staging,
) -> None:
    if not staging.on_localjuju:
        pytest.skip("a real controller's units do not reach this process")
    secret = staging.add_password("rotated", OLD_PASSWORD, INTEGRATOR)
    with socket.create_server(("127.0.0.1", 0)) as silent, futures.ThreadPoolExecutor() as pool:
        staging.configure(
            host="127.0.0.1",
            port=silent.getsockname()[1],
            transport_security="none",
            tls_ca_chain="",
            password_secret=secret,
        )
        staging.settle()
        action = pool.submit(staging.juju.run, f"{INTEGRATOR}/0", "check-relay", {"timeout": 50})
        connection, _ = silent.accept()
        staging.juju.update_secret("rotated", {"password": NEW_PASSWORD})
        connection.close()
        assert isinstance(action.exception(), jubilant.TaskError)
    staging.settle()

    legacy = staging.databag("legacy/0", INTEGRATOR, endpoint="smtp-legacy")
    assert legacy["password"] == NEW_PASSWORD
    (published,) = staging.published_secrets()
    shown = staging.juju.show_secret(published.uri, reveal=True)
    assert shown.content == {"password": NEW_PASSWORD}


def test_superseded_revisions_are_pruned(staging: Staging) -> None:
    (secret,) = staging.published_secrets()

    revisions = staging.juju.show_secret(secret.uri, revisions=True).revisions

    assert [r.revision for r in revisions or []] == [secret.revision]


def test_the_password_stands_in_no_log_status_databag_or_result(staging: Staging) -> None:
    juju = staging.juju
    seen = {
        "log": juju.debug_log(),
        "status": juju.cli("status", "--format", "json"),
        "databag": json.dumps(staging.databag("requirer/0", INTEGRATOR)),
        "result": json.dumps(juju.run("requirer/0", "show-relation").results),
        "result on smtp-legacy": json.dumps(juju.run("legacy/0", "show-relation").results),
    }

    leaks = [name for name, text in seen.items() if OLD_PASSWORD in text or NEW_PASSWORD in text]
    assert leaks == []


def test_unsetting_the_password_leaves_nothing_behind(staging: Staging) -> None:
    staging.configure(auth_type="none", user="", password="", password_secret="")
    staging.settle()

    assert staging.published_secrets() == []
    results = staging.juju.run("requirer/0", "show-relation").results
    assert (results["has-password"], results.get("password-id")) == ("False", None)


def test_a_grant_that_is_noticed_while_a_relation_ends_leaves_no_unit_in_error(
    staging: Staging,
) -> None:
    secret = staging.juju.add_secret("late", {"password": NEW_PASSWORD})
    staging.configure(password_secret=secret)
    staging.deploy_requirer("brief")
    staging.settle(lambda status: jubilant.all_blocked(status, INTEGRATOR))

    staging.juju.grant_secret("late", INTEGRATOR)
    staging.juju.remove_relation(f"{INTEGRATOR}:smtp", "brief:smtp")
    staging.settle(lambda status: jubilant.all_active(status, INTEGRATOR))
    staging.update_status(f"{INTEGRATOR}/0")

    assert password_id(staging)

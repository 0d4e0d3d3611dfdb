"""An installed older revision is taken over by `juju refresh`, and its secret with it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

import older_charm
from staging import INTEGRATOR, PASSWORD, USER, Sink, Staging

if TYPE_CHECKING:
    import pathlib


@pytest.fixture(scope="module")
def older(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    return older_charm.pack(tmp_path_factory.mktemp("older"))


@pytest.fixture(autouse=True)
def installed(staging: Staging, sink: Sink, older: pathlib.Path) -> None:
    """Deploy the older charm and a requirer, in place of those of the test before."""
    before = staging.juju.status().apps.keys() & {INTEGRATOR, "requirer"}
    for app in before:
        staging.juju.remove_application(app)
    staging.settle(lambda status: not before & status.apps.keys())
    staging.juju.deploy(older, INTEGRATOR)
    relay = sink.relay("starttls")
    del relay["tls_ca_chain"]
    staging.configure(user=USER, auth_type="plain", **relay)
    staging.deploy_requirer("requirer")
    staging.settle()


def requirer(staging: Staging) -> str:
    """Return the requirer's unit; its number goes on when the application comes again."""
    (unit,) = staging.juju.status().apps["requirer"].units
    return unit


def published_id(staging: Staging) -> str:
    return staging.databag(requirer(staging), INTEGRATOR)["password_id"]


def refresh(staging: Staging, sink: Sink) -> None:
    staging.juju.refresh(INTEGRATOR, path=staging.charm(INTEGRATOR))
    staging.configure(tls_ca_chain=sink.ca)
    staging.settle()


def test_the_secret_of_the_password_option_is_adopted_kept_and_removed_in_the_end(
    staging: Staging, sink: Sink
) -> None:
    staging.configure(password=PASSWORD)
    staging.settle()
    before = published_id(staging)

    refresh(staging, sink)
    (secret,) = staging.published_secrets()
    secret_id = secret.uri.unique_identifier
    adopted = published_id(staging)

    assert before.endswith(secret_id)
    assert re.fullmatch(f"secret://[0-9a-f-]{{36}}/{secret_id}", adopted)
    assert staging.send(requirer(staging)) == sink.newest().subject

    refresh(staging, sink)
    assert published_id(staging) == adopted
    assert staging.send(requirer(staging)) == sink.newest().subject

    staging.configure(password="", auth_type="none")
    staging.settle()
    assert staging.published_secrets() == []


def test_the_published_id_of_a_user_secret_changes_once(staging: Staging, sink: Sink) -> None:
    secret = staging.add_password("relay", PASSWORD, INTEGRATOR)
    staging.configure(password_secret=secret)
    staging.settle()
    before = published_id(staging)

    refresh(staging, sink)
    after = published_id(staging)
    staging.configure(domain="example.com")
    staging.settle()

    assert before != after == published_id(staging)
    assert staging.send(requirer(staging)) == sink.newest().subject

"""A CA of the model verifies the relay, for as long as it is related."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import jubilant
import pytest

from staging import INTEGRATOR, PASSWORD, USER, Sink, Staging, pack

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Iterator


@pytest.fixture(scope="module", autouse=True)
def integrated(staging: Staging, sink: Sink) -> None:
    staging.deploy_integrator()
    relay = {**sink.relay("starttls"), "tls_ca_chain": ""}
    staging.configure(user=USER, password=PASSWORD, auth_type="plain", **relay)
    staging.deploy_requirer("requirer")
    staging.settle()


@pytest.fixture(params=[0, 1])
def authority(
    staging: Staging, sink: Sink, tmp_path: pathlib.Path, request: pytest.FixtureRequest
) -> Iterator[str]:
    """Deploy an application that offers the relay's CA, and return its name."""
    name = f"authority-v{request.param}"
    config = {"certificates": json.dumps([sink.ca]), "version": request.param}
    staging.juju.deploy(pack("authority", tmp_path), name, config=config)
    staging.settle()
    yield name
    staging.juju.remove_application(name)


def chain(staging: Staging) -> str:
    return staging.databag("requirer/0", INTEGRATOR).get("tls_ca_chain", "")


def test_without_it_the_relay_is_not_trusted(staging: Staging) -> None:
    with pytest.raises(jubilant.TaskError, match="certificate"):
        staging.send("requirer/0")
    with pytest.raises(jubilant.TaskError, match="certificate"):
        staging.juju.run(f"{INTEGRATOR}/0", "check-relay")


def test_it_is_published_while_it_is_related(staging: Staging, sink: Sink, authority: str) -> None:
    staging.juju.integrate(f"{authority}:send-ca-cert", f"{INTEGRATOR}:receive-ca-cert")
    staging.settle()

    assert chain(staging) == sink.ca
    assert staging.send("requirer/0") == sink.newest().subject
    assert staging.juju.run(f"{INTEGRATOR}/0", "check-relay").results["summary"]

    staging.remove_relation(f"{authority}:send-ca-cert", f"{INTEGRATOR}:receive-ca-cert")
    staging.settle()
    assert chain(staging) == ""

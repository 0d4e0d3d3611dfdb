"""An installed older revision is taken over by `juju refresh`, and its secret with it."""

from __future__ import annotations

import pathlib
import re
import zipfile
from typing import TYPE_CHECKING

import pytest
import yaml

from staging import INTEGRATOR, PASSWORD, USER, Sink, Staging

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture(scope="module")
def older(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Pack a charm that publishes as older revisions did, with today's endpoints and options."""
    project = yaml.safe_load((ROOT / "charmcraft.yaml").read_text())
    kept = ("name", "summary", "description", "assumes", "provides", "peers")
    options = yaml.safe_load((ROOT / "config.yaml").read_text())["options"]
    del options["tls_ca_chain"]
    packed = tmp_path_factory.mktemp("older") / "smtp-integrator.charm"
    with zipfile.ZipFile(packed, "w") as charm:
        charm.write(pathlib.Path(__file__).parent / "older" / "dispatch", "dispatch")
        charm.writestr("metadata.yaml", yaml.safe_dump({key: project[key] for key in kept}))
        charm.writestr("config.yaml", yaml.safe_dump({"options": options}))
        bases = [{"name": "ubuntu", "channel": "22.04", "architectures": ["amd64", "arm64"]}]
        charm.writestr("manifest.yaml", yaml.safe_dump({"bases": bases}))
    return packed


@pytest.fixture(autouse=True)
def installed(staging: Staging, sink: Sink, older: pathlib.Path) -> Iterator[None]:
    staging.juju.deploy(older, INTEGRATOR)
    relay = sink.relay("starttls")
    del relay["tls_ca_chain"]
    staging.configure(user=USER, auth_type="plain", **relay)
    staging.deploy_requirer("requirer")
    staging.settle()
    yield
    for app in (INTEGRATOR, "requirer"):
        staging.juju.remove_application(app)
    staging.settle(lambda status: INTEGRATOR not in status.apps and "requirer" not in status.apps)


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


def owned(staging: Staging) -> int:
    return len([s for s in staging.juju.secrets() if s.owner == INTEGRATOR])


def test_the_secret_of_the_password_option_is_adopted(staging: Staging, sink: Sink) -> None:
    staging.configure(password=PASSWORD)
    staging.settle()
    before = published_id(staging)

    refresh(staging, sink)
    (secret,) = [secret for secret in staging.juju.secrets() if secret.owner == INTEGRATOR]
    secret_id = secret.uri.unique_identifier

    assert before.endswith(secret_id)
    assert re.fullmatch(f"secret://[0-9a-f-]{{36}}/{secret_id}", published_id(staging))
    assert staging.send(requirer(staging)) == sink.newest().subject


def test_an_adopted_secret_goes_when_the_password_is_unset(staging: Staging, sink: Sink) -> None:
    staging.configure(password=PASSWORD)
    staging.settle()
    refresh(staging, sink)

    staging.configure(password="", auth_type="none")
    staging.settle()

    assert owned(staging) == 0


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


def test_a_refresh_to_the_same_charm_changes_nothing(staging: Staging, sink: Sink) -> None:
    staging.configure(password=PASSWORD)
    refresh(staging, sink)
    before = published_id(staging)

    refresh(staging, sink)

    assert published_id(staging) == before
    assert staging.send(requirer(staging)) == sink.newest().subject

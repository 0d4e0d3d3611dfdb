"""The library's pages say what the library does, and their code runs."""

from __future__ import annotations

import dataclasses
import pathlib
import re
import runpy
from typing import TYPE_CHECKING, Any

import library_relay
import ops
import pytest
from ops import testing

from charms.smtp_integrator.v0 import smtp
from tests import token_endpoint

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.unit.conftest import HookCommands

DOCS = pathlib.Path(__file__).parents[2] / "docs"
DATABAG = {
    "host": "smtp.example.com",
    "port": "465",
    "auth_type": "plain",
    "transport_security": "tls",
    "skip_ssl_verify": "False",
    "user": "alice",
    "password": "hunter2-secret",
}


def code(page: str) -> dict[str, Any]:
    """Run all the Python of a page, and return what it defines."""
    text = (DOCS / page).read_text()
    namespace: dict[str, Any] = {}
    for block in re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        exec(block, namespace)  # noqa: S102 - the project's own pages
    return namespace


def relay(**fields: Any) -> smtp.SmtpRelationData:
    values: dict[str, Any] = {**DATABAG, **fields}
    return smtp.SmtpRelationData(**values)


def related(databag: Mapping[str, str] = DATABAG) -> testing.Relation:
    return testing.Relation("smtp", remote_app_data=dict(databag))


META = {"name": "notifier", "requires": {"smtp": {"interface": "smtp"}}}


def test_the_reference_is_what_the_docstrings_say() -> None:
    generator = runpy.run_path(str(DOCS / "reference" / "library.py"))
    source = generator["LIBRARY"].read_text()
    expected = generator["reference"](source)
    assert (DOCS / "reference" / "library.md").read_text() == expected, (
        "run python docs/reference/library.py"
    )
    headings = set(re.findall(r"^## (\w+)$", expected, re.MULTILINE))
    assert headings == set(smtp.__all__)


def test_the_new_charm_has_its_environment_and_status() -> None:
    charm_type = code("how-to/use-it-in-your-charm.md")["NotifierCharm"]
    context = testing.Context[Any](charm_type, meta=META)
    made = related()
    state = testing.State(relations=[made])
    with context(context.on.relation_changed(made, remote_unit=0), state) as manager:
        state = manager.run()
        assert manager.charm.environment["SMTP_PASSWORD"] == "hunter2-secret"
    assert state.unit_status == testing.ActiveStatus()
    with context(context.on.relation_broken(made), state) as manager:
        state = manager.run()
        assert manager.charm.environment == {}
    assert isinstance(state.unit_status, ops.BlockedStatus)


def test_the_new_charm_sends() -> None:
    send = code("how-to/use-it-in-your-charm.md")["send"]
    with library_relay.Relay() as server:
        data = relay(
            host="127.0.0.1",
            port=server.port,
            transport_security="none",
            auth_type="none",
            domain="example.com",
        )
        send(data, "b@example.com", "Hello")
    assert "clear mail FROM:<notifier@example.com>" in " ".join(server.received)


def test_the_new_charm_has_a_token_or_a_password() -> None:
    secret_of = code("how-to/use-it-in-your-charm.md")["secret_of"]
    with token_endpoint.serving() as endpoint:
        content = endpoint.content("client-secret")
        grant = smtp.OAuthGrant(**{k.replace("-", "_"): v for k, v in content.items()})
        data = relay(auth_type="none", password=None, oauth=grant, tls_ca_chain=endpoint.ca)
        assert secret_of(data) == ("XOAUTH2", endpoint.issued[0])
    assert secret_of(relay()) == ("PLAIN", "hunter2-secret")
    assert secret_of(relay(auth_type="none")) is None


def test_the_charm_with_both_endpoints_has_one_relay() -> None:
    relay_of = code("how-to/use-it-in-your-charm.md")["relay_of"]

    class BothCharm(ops.CharmBase):
        def __init__(self, framework: ops.Framework) -> None:
            super().__init__(framework)
            self.smtp = smtp.SmtpRequires(self)
            self.smtp_legacy = smtp.SmtpRequires(self, "smtp-legacy")

    endpoints = {name: {"interface": "smtp"} for name in ("smtp", "smtp-legacy")}
    context = testing.Context(BothCharm, meta={"name": "both", "requires": endpoints})
    legacy = testing.Relation("smtp-legacy", remote_app_data=DATABAG)
    state = testing.State(relations=[legacy, related({})])
    with context(context.on.start(), state) as manager:
        assert relay_of(manager.charm).host == "smtp.example.com"


@pytest.mark.parametrize(
    ("transport_security", "use_ssl", "use_tls"),
    [("tls", "True", ""), ("starttls", "", "True"), ("none", "", "")],
)
def test_the_12_factor_charm_speaks_djangos_language(
    transport_security: str, use_ssl: str, use_tls: str
) -> None:
    environment = code("how-to/use-it-in-your-charm.md")["django_environment"]
    variables = environment(relay(transport_security=transport_security))
    assert variables["EMAIL_HOST_USER"] == "alice"
    assert (variables["EMAIL_USE_SSL"], variables["EMAIL_USE_TLS"]) == (use_ssl, use_tls)


def test_a_long_chain_goes_to_its_application_in_a_file(tmp_path: pathlib.Path) -> None:
    environment = code("how-to/use-it-in-your-charm.md")["environment_with_file"]
    chain = "x" * 220_000
    variables = environment(relay(tls_ca_chain=chain), tmp_path / "ca.pem")
    assert pathlib.Path(variables["SMTP_TLS_CA_FILE"]).read_text() == chain
    assert "SMTP_TLS_CA_FILE" not in environment(relay(), tmp_path / "ca.pem")


def test_the_sidecar_has_the_environment_in_its_layer() -> None:
    charm_type = code("how-to/use-it-in-your-charm.md")["SidecarCharm"]
    meta: dict[str, Any] = {**META, "containers": {"workload": {}}}
    context = testing.Context[Any](charm_type, meta=meta)
    made = related()
    container = testing.Container("workload", can_connect=True)
    state = testing.State(relations=[made], containers=[container])
    for event, port in [
        (context.on.relation_changed(made, remote_unit=0), "465"),
        (context.on.relation_broken(made), None),
    ]:
        state = context.run(event, state)
        assert layer_environment(state).get("SMTP_PORT") == port


def test_the_sidecar_finds_its_relay_again_at_update_status(hook_commands: HookCommands) -> None:
    charm_type = code("how-to/use-it-in-your-charm.md")["SidecarCharm"]
    meta: dict[str, Any] = {**META, "containers": {"workload": {}}}
    context = testing.Context[Any](charm_type, meta=meta)
    secret = testing.Secret({"password": "hunter2-secret"}, id="secret:cvq3d1k0v5a8o1f2r4g0")
    databag = {k: v for k, v in DATABAG.items() if k != "password"}
    made = related({**databag, "password_id": secret.id})
    container = testing.Container("workload", can_connect=True)
    state = testing.State(relations=[made], secrets=[secret], containers=[container])
    state = context.run(context.on.relation_changed(made, remote_unit=0), state)
    hook_commands.refusals["cvq3d1k0v5a8o1f2r4g0"] = "ERROR connection refused"
    restarted = dataclasses.replace(state, containers=[container])
    state = context.run(context.on.pebble_ready(container), restarted)
    assert layer_environment(state) == {}
    hook_commands.refusals.clear()
    state = context.run(context.on.update_status(), state)
    assert layer_environment(state)["SMTP_PASSWORD"] == "hunter2-secret"


def layer_environment(state: testing.State) -> dict[str, str]:
    return state.get_container("workload").plan.services["workload"].environment


@pytest.mark.parametrize("databag", [DATABAG, {}, {"host": "half"}])
def test_before_and_after_are_the_same(databag: dict[str, str]) -> None:
    page = code("how-to/move-from-patch-21.md")

    class MovedCharm(ops.CharmBase):
        def __init__(self, framework: ops.Framework) -> None:
            super().__init__(framework)
            self.smtp = smtp.SmtpRequires(self)

    context = testing.Context(MovedCharm, meta=META)
    with context(context.on.start(), testing.State(relations=[related(databag)])) as manager:
        requires = manager.charm.smtp
        settings = page["new_settings"](requires)
        assert settings == page["old_settings"](requires)
    assert ("EMAIL_HOST" in settings) == (databag == DATABAG)


def test_the_names_of_every_application_are_there() -> None:
    page = (DOCS / "reference" / "tls-names.md").read_text()
    applications = re.findall(r"^\| ([^|]+?) \|[^|]*\|[^|]*\|[^|]*\|$", page, re.MULTILINE)
    named = {re.split(r"[ ,]", application)[0] for application in applications[1:]}
    assert named == {
        "Django",
        "Flask-Mail",
        "Spring",
        "nodemailer",
        "Go",
        "Kratos",
        "Penpot",
        "Rails",
        "Grafana",
    }

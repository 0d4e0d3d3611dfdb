"""Mail arrives: through each kind of relay, over each endpoint."""

from __future__ import annotations

import jubilant
import pytest

from staging import PASSWORD, USER, Message, Sink, Staging


@pytest.fixture(scope="module")
def sinks(staging: Staging) -> dict[str, Sink]:
    """Deploy a relay that demands AUTH and one that does without."""
    return {
        "plain": staging.deploy_sink("sink", user=USER, password=PASSWORD),
        "none": staging.deploy_sink("open-sink"),
    }


@pytest.fixture(scope="module", autouse=True)
def integrated(staging: Staging, sinks: dict[str, Sink]) -> None:
    """Deploy the integrator, and a requirer on each endpoint."""
    staging.deploy_integrator()
    secret = staging.add_password("relay", PASSWORD, "smtp-integrator")
    staging.configure(user=USER, password_secret=secret, **sinks["none"].relay("none"))
    staging.deploy_requirer("requirer")
    staging.deploy_requirer("legacy", endpoint="smtp-legacy")
    staging.settle()


@pytest.mark.parametrize("auth_type", ["none", "plain"])
@pytest.mark.parametrize("transport_security", ["none", "starttls", "tls"])
def test_mail_arrives(
    staging: Staging, sinks: dict[str, Sink], transport_security: str, auth_type: str
) -> None:
    sink = sinks[auth_type]
    staging.configure(auth_type=auth_type, **sink.relay(transport_security))
    staging.settle()

    sent = [
        Message(
            sender="requirer@example.com",
            recipients=["operator@example.com"],
            subject=staging.send(unit),
            tls_version="none" if transport_security == "none" else "TLSv1.3",
            auth_user=USER if auth_type == "plain" else "none",
        )
        for unit in ("requirer/0", "legacy/0")
    ]

    assert sink.messages()[-2:] == sent


def test_a_certificate_of_an_unknown_authority_is_refused(
    staging: Staging, sinks: dict[str, Sink]
) -> None:
    staging.configure(auth_type="none", **{**sinks["none"].relay("starttls"), "tls_ca_chain": ""})
    staging.settle()

    with pytest.raises(jubilant.TaskError, match="certificate verify failed"):
        staging.send("requirer/0")

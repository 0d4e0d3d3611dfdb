"""The actions `check-relay` and `send-test-email`: what they do, and what they answer."""

from __future__ import annotations

import dataclasses
import email.message
import email.utils
import itertools
import re
from typing import TYPE_CHECKING, Any

import hostname
import relay_check

if TYPE_CHECKING:
    from collections.abc import Mapping

    import relay

# Linux takes 128 KiB in one argument of a command, and Juju's action-set gets each result as one.
_MAX_TEXT = 16_000
_MAX_FACTS = 100
# What a message's headers can say (RFC 5322 section 3.4.1): root@localhost too, as relays take it,
# but no encoded word (RFC 2047 section 2), which whoever reads a header takes for another text.
_ATOMS = r"[^\s<>()\[\]\\,;:\"@\x00-\x1f\x7f]+"
_ADDRESS = re.compile(rf"(?!.*=\?){_ATOMS}@(?:{_ATOMS}|\[[\w.:]+\])")


@dataclasses.dataclass(frozen=True)
class Answer:
    """What an action answers.

    Attributes:
        report: What was found on the way.
        results: The action's results.
        failure: Why the action failed, with the remedy; empty if it did not.
    """

    report: relay_check.Report
    results: dict[str, Any]
    failure: str


def target(configured: relay.Relay) -> relay_check.Target:
    """Return what to check of a relay."""
    return relay_check.Target(
        host=configured.shown_host,
        port=configured.port,
        transport_security=configured.transport_security,
        auth_type=configured.auth_type,
        user=configured.user,
        password=configured.password,
        oauth=configured.oauth,
        tls_ca_chain=configured.tls_ca_chain,
        skip_ssl_verify=configured.skip_ssl_verify,
    )


def check_relay(
    configured: relay.Relay, *, sender: str = "", recipient: str = "", timeout: float = 10.0
) -> Answer:
    """Check the relay.

    Args:
        configured: The relay.
        sender: Address to try as the envelope's sender; by default the relay's smtp_sender.
        recipient: Address to try as the envelope's recipient; by default the relay's recipients.
        timeout: Seconds that the check may take.

    Raises:
        ValueError: If an address cannot stand in an envelope.
    """
    report = relay_check.check(
        target(configured),
        sender=sender or configured.smtp_sender,
        recipients=_addresses(recipient) or configured.recipients,
        timeout=timeout,
    )
    return Answer(report, _results(configured, report), _failure(report))


def send_test_email(  # noqa: PLR0913 - each has a name
    configured: relay.Relay,
    *,
    model: str,
    unit: str,
    recipient: str,
    subject: str,
    sender: str = "",
    timeout: float = 30.0,
) -> Answer:
    """Send one message through the relay.

    Args:
        configured: The relay.
        model: Name of the model, for the message.
        unit: Name of the unit, for the message.
        recipient: Address to send to, or several, separated by commas.
        subject: Subject of the message.
        sender: Address to send from; by default the relay's smtp_sender.
        timeout: Seconds that the whole may take.

    Raises:
        ValueError: If there is no sender, or an address or the subject cannot stand in a message.
    """
    sender = sender or configured.smtp_sender or ""
    if not sender:
        raise ValueError("sender: not given; give sender=ADDRESS, or set the option smtp_sender")
    if not subject.isprintable():
        raise ValueError("subject: must be one line of printable characters")
    recipients = _addresses(recipient)
    for parameter, addresses in (("sender", [sender]), ("recipient", recipients)):
        if not all(_ADDRESS.fullmatch(address) for address in addresses):
            raise ValueError(f"{parameter}: must be an address such as ops@example.com")
    message = email.message.EmailMessage()
    message["Date"] = email.utils.localtime()
    message["Message-ID"] = email.utils.make_msgid(domain=_ascii_domain(sender))
    message["From"] = sender
    message["To"] = ", ".join(recipients)
    message["Subject"] = subject
    message.set_content(
        "smtp-integrator sent this message to test a mail relay.\n\n"
        f"Model: {model}\nUnit: {unit}\nRelay: {configured.shown_host}, port {configured.port}\n"
    )
    sent = relay_check.send(
        target(configured), message, recipients, sender=sender, timeout=timeout
    )
    results = _results(configured, sent.report) | {
        "answer": sent.answer,
        "queue-id": sent.queue_id,
        "refused": _cut(
            "\n".join(f"{address}: {answer}" for address, answer in sent.refused.items())
        ),
        "sent": str(sent.sent).lower(),
    }
    present = {key: value for key, value in results.items() if value}
    return Answer(sent.report, present, _failure(sent.report))


def _ascii_domain(address: str) -> str:
    """Return the domain as the DNS has it, for a header that takes no other letters."""
    try:
        return hostname.to_ascii(address.rpartition("@")[2])
    except ValueError:
        raise ValueError("sender: its domain can be no host's name") from None


def _addresses(text: str) -> list[str]:
    return [address.strip() for address in text.split(",") if address.strip()]


def _results(configured: relay.Relay, report: relay_check.Report) -> dict[str, Any]:
    stages = {
        stage.name: {
            "outcome": stage.outcome.value,
            "duration-ms": str(stage.duration_ms),
            **_within_limits(stage.facts),
        }
        for stage in report.stages
    }
    host = configured.shown_host
    host = f"[{host}]" if ":" in host else host
    results = {
        "relay": f"{host}:{configured.port}",
        "report": _cut("\n".join(report.lines())),
        "stages": stages,
        "summary": report.summary,
        "works": str(report.works).lower(),
    }
    return results | ({"kind": report.kind.code} if report.kind else {})


def _within_limits(facts: Mapping[str, str]) -> dict[str, str]:
    """Leave out what is more than an action's results can hold, and say so."""
    kept = dict(itertools.islice(facts.items(), _MAX_FACTS))
    left_out = len(facts) - len(kept)
    return kept | ({"left-out": f"{left_out} more"} if left_out else {})


def _cut(text: str) -> str:
    return text if len(text) <= _MAX_TEXT else f"{text[:_MAX_TEXT]}…"


def _failure(report: relay_check.Report) -> str:
    diagnosis = report.failure.diagnosis if report.failure else None
    return f"{diagnosis.summary}. {diagnosis.sentence} {diagnosis.remedy}" if diagnosis else ""

#!/usr/bin/env python3
"""A requirer that sends mail through the relay it is integrated with, as any author would."""

from __future__ import annotations

import email.message
import logging
import smtplib
import ssl
from typing import TYPE_CHECKING

import ops

from charms.smtp_integrator.v0 import smtp

if TYPE_CHECKING:
    from charms.smtp_integrator.v0.smtp import SmtpRelationData

logger = logging.getLogger(__name__)

TIMEOUT = 10.0
"""Seconds that each step of the SMTP session may take."""


class RequirerCharm(ops.CharmBase):
    """Logs each event of the library, and sends mail when it is told to."""

    def __init__(self, framework: ops.Framework) -> None:
        super().__init__(framework)
        self._endpoints = [
            smtp.SmtpRequires(self, smtp.DEFAULT_RELATION_NAME),
            smtp.SmtpRequires(self, smtp.LEGACY_RELATION_NAME),
        ]
        for endpoint in self._endpoints:
            framework.observe(endpoint.on.smtp_data_available, self._on_smtp_data_available)
        framework.observe(self.on.send_mail_action, self._on_send_mail)
        framework.observe(self.on.show_relation_action, self._on_show_relation)
        framework.observe(self.on.collect_unit_status, self._on_collect_unit_status)

    def _relay(self) -> SmtpRelationData | None:
        """Return the relay of the first endpoint that has one."""
        relays = (endpoint.get_relation_data() for endpoint in self._endpoints)
        return next((relay for relay in relays if relay is not None), None)

    def _on_smtp_data_available(self, event: smtp.SmtpDataAvailableEvent) -> None:
        logger.info("smtp-data-available: %s %s:%s", event.relation.name, event.host, event.port)

    def _on_send_mail(self, event: ops.ActionEvent) -> None:
        relay = self._relay()
        if relay is None:
            event.fail("no relay: integrate this application with smtp-integrator")
            return
        try:
            _send(relay, _message(**event.params))
        except (OSError, smtplib.SMTPException) as e:
            event.fail(f"{relay.host}:{relay.port}: {e}")
            return
        event.set_results({"relay": f"{relay.host}:{relay.port}"})

    def _on_show_relation(self, event: ops.ActionEvent) -> None:
        try:
            relay = self._relay()
        except smtp.SecretError as e:
            event.fail(str(e))
            return
        if relay is None:
            event.fail("no relay: integrate this application with smtp-integrator")
            return
        shown = relay.model_dump(mode="json", exclude={"password"}, exclude_none=True)
        results = {key.replace("_", "-"): str(value) for key, value in shown.items()}
        event.set_results({**results, "has-password": str(relay.password is not None)})

    def _on_collect_unit_status(self, event: ops.CollectStatusEvent) -> None:
        event.add_status(ops.ActiveStatus())


def _message(*, recipient: str, sender: str, subject: str) -> email.message.EmailMessage:
    message = email.message.EmailMessage()
    message["From"] = sender
    message["To"] = recipient
    message["Subject"] = subject
    message.set_content("This message went from a charm through a relation to a relay.\n")
    return message


def _send(relay: SmtpRelationData, message: email.message.EmailMessage) -> None:
    context = ssl.create_default_context(cadata=relay.tls_ca_chain)
    if relay.transport_security is smtp.TransportSecurity.TLS:
        client = smtplib.SMTP_SSL(relay.host, relay.port, timeout=TIMEOUT, context=context)
    else:
        client = smtplib.SMTP(relay.host, relay.port, timeout=TIMEOUT)
    with client:
        if relay.transport_security is smtp.TransportSecurity.STARTTLS:
            client.starttls(context=context)
        if relay.auth_type is smtp.AuthType.PLAIN:
            client.login(relay.user or "", relay.password or "")
        client.send_message(message)


if __name__ == "__main__":
    ops.main(RequirerCharm)

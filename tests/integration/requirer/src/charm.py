#!/usr/bin/env python3
"""A requirer that sends mail through the relay it is integrated with, as any author would."""

from __future__ import annotations

import email.message
import logging
import smtplib

import ops

from charms.smtp_integrator.v0 import smtp

logger = logging.getLogger(__name__)


class RequirerCharm(ops.CharmBase):
    """Logs each event of the library, and sends mail when it is told to."""

    def __init__(self, framework: ops.Framework) -> None:
        super().__init__(framework)
        self._smtp = smtp.SmtpRequires(self)
        self._smtp_legacy = smtp.SmtpRequires(self, smtp.LEGACY_RELATION_NAME)
        for endpoint in (self._smtp, self._smtp_legacy):
            framework.observe(endpoint.on.smtp_data_available, self._on_smtp_data_available)
            framework.observe(endpoint.on.smtp_data_removed, self._on_smtp_data_removed)
        framework.observe(self.on.send_mail_action, self._on_send_mail)
        framework.observe(self.on.show_relation_action, self._on_show_relation)
        framework.observe(self.on.collect_unit_status, self._on_collect_unit_status)

    def _on_smtp_data_available(self, event: smtp.SmtpDataAvailableEvent) -> None:
        logger.info("smtp-data-available: %s %s:%s", event.relation.name, event.host, event.port)

    def _on_smtp_data_removed(self, event: smtp.SmtpDataRemovedEvent) -> None:
        logger.info("smtp-data-removed: %s", event.relation.name)

    def _on_send_mail(self, event: ops.ActionEvent) -> None:
        reading = smtp.choose(self._smtp, self._smtp_legacy)
        relay = reading.data
        if relay is None:
            event.fail(f"no relay: {reading.message}")
            return
        try:
            with relay.connect() as client:
                client.send_message(_message(**event.params))
        except (OSError, smtplib.SMTPException) as e:
            event.fail(f"{relay.host}:{relay.port}: {e}")
            return
        event.set_results({"relay": f"{relay.host}:{relay.port}"})

    def _on_show_relation(self, event: ops.ActionEvent) -> None:
        reading = smtp.choose(self._smtp, self._smtp_legacy)
        relay = reading.data
        if relay is None:
            event.fail(f"no relay: {reading.message}")
            return
        shown = relay.model_dump(mode="json", exclude={"oauth", "password"}, exclude_none=True)
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


if __name__ == "__main__":
    ops.main(RequirerCharm)

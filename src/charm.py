#!/usr/bin/env python3
"""The charm smtp-integrator: publishes the mail relay that an operator configured."""

from __future__ import annotations

import functools
import logging
from typing import TYPE_CHECKING, Any

import ops

import relay
import relay_password
from charms.smtp_integrator.v0 import smtp

if TYPE_CHECKING:
    from collections.abc import Callable

    import relay_actions
    import relay_health

logger = logging.getLogger(__name__)


class SmtpIntegratorCharm(ops.CharmBase):
    """Publishes the relay on `smtp`, with the password as a secret, and on `smtp-legacy`."""

    def __init__(self, framework: ops.Framework) -> None:
        super().__init__(framework)
        self._smtp = smtp.SmtpProvides(self)
        self._smtp_legacy = smtp.SmtpProvides(self, smtp.LEGACY_RELATION_NAME)
        for event in self._reconciled_events():
            framework.observe(event, self._reconcile)
        framework.observe(self.on.secret_changed, self._on_secret_changed)
        framework.observe(self.on.secret_remove, self._on_secret_remove)
        framework.observe(self.on.collect_unit_status, self._on_collect_unit_status)
        framework.observe(self.on.check_relay_action, self._on_check_relay_action)
        framework.observe(self.on.send_test_email_action, self._on_send_test_email_action)

    def _reconciled_events(self) -> list[ops.BoundEvent]:
        on = self.on
        events = [on.config_changed, on.leader_elected, on.upgrade_charm, on.update_status]
        endpoints = (smtp.DEFAULT_RELATION_NAME, smtp.LEGACY_RELATION_NAME, relay_password.PEERS)
        for endpoint in endpoints:
            relation = on[endpoint]
            events += [relation.relation_created, relation.relation_joined]
            events += [relation.relation_changed, relation.relation_departed]
            events.append(relation.relation_broken)
        return events

    def _read_relay(self) -> relay.Relay:
        """Read what is configured now; nothing that is read is kept for the next event.

        Raises:
            relay.InvalidConfigError: If it is wrong.
        """
        return relay.read(
            self.config,
            application=self.app.name,
            parse_recipients=smtp.parse_recipients,
            user_secret=self._read_user_secret(),
        )

    def _read_user_secret(self) -> dict[str, str] | relay.Unreadable | None:
        secret_id = self.config.get("password_secret")
        if not secret_id:
            return None
        try:
            # The newest revision is tracked, so that Juju tells us of the next.
            secret = relay_password.unread(self.model, id=str(secret_id))
            return secret.get_content(refresh=True)
        except ops.SecretNotFoundError:
            return relay.Unreadable()
        except ops.ModelError as e:
            return relay.Unreadable(refusal=str(e))

    @functools.cached_property
    def _health(self) -> relay_health.RelayHealth:
        """What is known of the relay's health; its imports are paid where it is asked for."""
        import relay_health  # noqa: PLC0415 - ssl and more at every event else

        return relay_health.RelayHealth(self)

    def _reconcile(self, event: ops.EventBase) -> None:
        """Publish the configured relay, whatever happened; what stands published is left alone."""
        if not self.unit.is_leader():
            return
        try:
            configured = self._read_relay()
        except relay.InvalidConfigError:
            return

        secret = self._reconcile_secret(configured.password)

        data = _public(configured)
        legacy_data = smtp.encode_relation_data(**data, password=configured.password)
        data = smtp.encode_relation_data(**data, password_id=secret.id if secret else None)
        changed = [
            secret is not None and secret.is_new,
            self._smtp.publish(data, secret=secret.secret if secret else None),
            self._smtp_legacy.publish(legacy_data),
        ]
        if any(changed):
            for sentence in configured.warnings:
                logger.warning(sentence)

        if configured.check_relay:
            is_time = isinstance(event, (ops.ConfigChangedEvent, ops.UpdateStatusEvent))
            self._health.check_if_due(configured, is_time=is_time)

    def _reconcile_secret(self, password: str | None) -> relay_password.Published | None:
        """Keep the password's secret in step; only the endpoint `smtp` needs one."""
        if not password:
            relay_password.withdraw(self.model)
        elif self.model.relations[smtp.DEFAULT_RELATION_NAME]:
            return relay_password.publish(self.model, password)
        return None

    def _on_secret_changed(self, event: ops.SecretChangedEvent) -> None:
        # One that is not used any longer too: ours, where this unit was the leader, or a user's.
        relay_password.track_newest(event.secret)
        self._reconcile(event)

    def _on_secret_remove(self, event: ops.SecretRemoveEvent) -> None:
        # Juju tells the leader; a unit that is it no longer by now has no right to remove it.
        if self.unit.is_leader():
            relay_password.remove_revision(event.secret, event.revision)

    def _on_check_relay_action(self, event: ops.ActionEvent) -> None:
        import relay_actions  # noqa: PLC0415 - as in _health

        self._answer(
            event, lambda configured: relay_actions.check_relay(configured, **event.params)
        )

    def _on_send_test_email_action(self, event: ops.ActionEvent) -> None:
        import relay_actions  # noqa: PLC0415 - as in _health

        self._answer(
            event,
            lambda configured: relay_actions.send_test_email(
                configured, model=self.model.name, unit=self.unit.name, **event.params
            ),
        )

    def _answer(
        self, event: ops.ActionEvent, act: Callable[[relay.Relay], relay_actions.Answer]
    ) -> None:
        try:
            configured = self._read_relay()
            answer = act(configured)
        except ValueError as e:
            event.fail(str(e))
            return
        if configured.check_relay and self.unit.is_leader():
            own_addresses = not {"sender", "recipient"} & event.params.keys()
            self._health.record(configured, answer.report, own_addresses=own_addresses)
        event.set_results(answer.results)
        if answer.failure:
            event.fail(answer.failure)

    def _on_collect_unit_status(self, event: ops.CollectStatusEvent) -> None:
        try:
            configured = self._read_relay()
        except relay.InvalidConfigError as e:
            event.add_status(ops.BlockedStatus(str(e)))
            return
        event.add_status(ops.ActiveStatus(self._health_message(configured)))

    def _health_message(self, configured: relay.Relay) -> str:
        if not configured.check_relay or not self.unit.is_leader() or not self._health.summary:
            return ""
        command = f"juju run {self.app.name}/leader check-relay"
        return f"relay: {self._health.summary}; run '{command}'"


def _public(configured: relay.Relay) -> dict[str, Any]:
    """Return all of the relay but its password, as `smtp.encode_relation_data` takes it."""
    return {
        "host": configured.host,
        "port": configured.port,
        "user": configured.user,
        "auth_type": configured.auth_type,
        "transport_security": configured.transport_security,
        "domain": configured.domain,
        "skip_ssl_verify": configured.skip_ssl_verify,
        "smtp_sender": configured.smtp_sender,
        "recipients": configured.recipients,
        "tls_ca_chain": configured.tls_ca_chain,
    }


if __name__ == "__main__":
    ops.main(SmtpIntegratorCharm)

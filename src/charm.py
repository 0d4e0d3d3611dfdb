#!/usr/bin/env python3
"""The charm smtp-integrator: publishes the mail relay that an operator configured."""

from __future__ import annotations

import dataclasses
import functools
import logging
from typing import TYPE_CHECKING, Any

import ops

import model_authorities
import relay
import relay_secret
import user_secret
from charms.smtp_integrator.v0 import smtp

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import relay_actions
    import relay_health

logger = logging.getLogger(__name__)

_ID_KEYS = {relay_secret.PASSWORD: "password_id", relay_secret.OAUTH: "oauth_id"}
"""The key of the databag that names each secret of ours."""


class SmtpIntegratorCharm(ops.CharmBase):
    """Publishes the relay on `smtp`, with a secret to authenticate by, and on `smtp-legacy`."""

    def __init__(self, framework: ops.Framework) -> None:
        super().__init__(framework)
        self._smtp = smtp.SmtpProvides(self)
        self._smtp_legacy = smtp.SmtpProvides(self, smtp.LEGACY_RELATION_NAME)
        # It hears of its relations before they are reconciled.
        self._authorities = model_authorities.ModelAuthorities(self)
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
        for endpoint in (
            smtp.DEFAULT_RELATION_NAME,
            smtp.LEGACY_RELATION_NAME,
            relay_secret.PEERS,
            model_authorities.ENDPOINT,
        ):
            relation = on[endpoint]
            events += [relation.relation_created, relation.relation_joined]
            events += [relation.relation_changed, relation.relation_departed]
            events.append(relation.relation_broken)
        return events

    def _read_relay(self, *, to_publish: bool = False) -> relay.Relay:
        """Read what is configured now; nothing that is read is kept for the next event.

        Args:
            to_publish: Whether it is published now. Only then is the newest revision of a user's
                secret tracked, for Juju tells of it until it is.

        Raises:
            relay.InvalidConfigError: If it is wrong.
        """
        return relay.read(
            self.config,
            application=self.app.name,
            parse_recipients=smtp.parse_recipients,
            read_secret=functools.partial(self._read_user_secret, track=to_publish),
            authorities=self._authorities.certificates(),
        )

    def _read_user_secret(
        self, secret_id: str, *, track: bool
    ) -> Mapping[str, str] | user_secret.Unreadable:
        try:
            secret = relay_secret.unread(self.model, id=secret_id)
            return secret.get_content(refresh=True) if track else secret.peek_content()
        except ops.SecretNotFoundError:
            return user_secret.Unreadable()
        except ops.ModelError as e:
            return user_secret.Unreadable(refusal=str(e))

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
            configured = self._read_relay(to_publish=True)
        except relay.InvalidConfigError:
            return
        self._publish_relay(configured, event)
        if configured.check_relay:
            is_time = isinstance(event, (ops.ConfigChangedEvent, ops.UpdateStatusEvent))
            self._health.check_if_due(configured, is_time=is_time)

    def _publish_relay(self, configured: relay.Relay, event: ops.EventBase) -> None:
        """Publish a relay; whoever tracks a user's secret does, for Juju tells of it no more."""
        secret = self._reconcile_secret(configured, event)

        legacy_data = smtp.encode_relation_data(
            **_public(configured), password=configured.password
        )
        changed = [
            secret is not None and secret.is_new,
            self._publish(configured, secret, event),
            self._smtp_legacy.publish(legacy_data),
        ]
        if any(changed):
            for sentence in [*configured.warnings, *self._limits(configured)]:
                logger.warning(sentence)

    def _reconcile_secret(
        self, configured: relay.Relay, event: ops.EventBase
    ) -> relay_secret.Published | None:
        """Keep the one secret that requirers read in step, and leave no other behind."""
        label, content = _secret(configured)
        for other in _ID_KEYS:
            if other != label and self._may_be_left(event, beside=label):
                relay_secret.withdraw(self.model, other)
        if not label or not self.model.relations[smtp.DEFAULT_RELATION_NAME]:
            return None
        return relay_secret.publish(self.model, label, content)

    def _may_be_left(self, event: ops.EventBase, *, beside: str) -> bool:
        """Tell whether the secret of an earlier configuration may be left beside the one in use.

        The hook that made a databag name the one removed the other, so that Juju is not asked in
        vain at each hook. Where no databag is, nobody can read what is left, and update-status
        will do.
        """
        if not beside:
            return True
        relations = self.model.relations[smtp.DEFAULT_RELATION_NAME]
        if not relations:
            return isinstance(event, ops.UpdateStatusEvent)
        return not any(_ID_KEYS[beside] in relation.data[self.app] for relation in relations)

    def _publish(
        self, configured: relay.Relay, secret: relay_secret.Published | None, event: ops.EventBase
    ) -> bool:
        """Publish the relay on `smtp`, and the secret to those who can have it."""
        data = _public(configured)
        without_secret = smtp.encode_relation_data(**data)
        if secret is None:
            return self._smtp.publish(without_secret)
        id_key = _ID_KEYS[secret.label]
        data[id_key] = secret.id
        holders, others = self._holders(configured)
        if isinstance(event, (ops.RelationDepartedEvent, ops.RelationBrokenEvent)):
            # Any relation may be dying then, unseen. Juju 3 grants such a one nothing: it fails
            # the hook when it is committed, and again at each retry.
            holders = [one for one in holders if one.data[self.app].get(id_key) == secret.id]
        for relation in others:
            if "oauth_id" in relation.data[self.app]:
                secret.secret.revoke(relation)
        changed = [
            self._smtp.publish(
                smtp.encode_relation_data(**data), relations=holders, secret=secret.secret
            ),
            self._smtp.publish(without_secret, relations=others),
        ]
        return any(changed)

    def _holders(self, configured: relay.Relay) -> tuple[list[ops.Relation], list[ops.Relation]]:
        """Return the relations that get the secret, and those that cannot.

        An endpoint may replace a refresh token whenever it is used. Two that use one would void
        each other's, so the relation that was made first has it alone.
        """
        relations = sorted(
            self.model.relations[smtp.DEFAULT_RELATION_NAME], key=lambda relation: relation.id
        )
        number = 1 if configured.serves_one else len(relations)
        return relations[:number], relations[number:]

    def _limits(self, configured: relay.Relay) -> list[str]:
        """Say who has the refresh token, where others cannot."""
        holders, others = self._holders(configured) if configured.serves_one else ([], [])
        sentence = (
            "oauth_secret: its refresh token serves {} alone; the others can send through "
            "smtp-forwarder's endpoint relay"
        )
        return [sentence.format(holders[0].app.name)] if others else []

    def _on_secret_changed(self, event: ops.SecretChangedEvent) -> None:
        # One that is not used any longer too: ours, where this unit was the leader, or a user's.
        relay_secret.track_newest(event.secret)
        self._reconcile(event)

    def _on_secret_remove(self, event: ops.SecretRemoveEvent) -> None:
        # Juju tells the leader; a unit that is it no longer by now has no right to remove it.
        if self.unit.is_leader():
            relay_secret.remove_revision(event.secret, event.revision)
        self._reconcile(event)

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
            is_leader = self.unit.is_leader()
            configured = self._read_relay(to_publish=is_leader)
            if is_leader:
                self._publish_relay(configured, event)
            answer = act(configured)
        except ValueError as e:
            event.fail(str(e))
            return
        if configured.check_relay and is_leader:
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
        sentences = [*self._health_message(configured), *self._limits(configured)]
        event.add_status(ops.ActiveStatus("; ".join(sentences)))

    def _health_message(self, configured: relay.Relay) -> list[str]:
        if not configured.check_relay or not self.unit.is_leader() or not self._health.summary:
            return []
        command = f"juju run {self.app.name}/leader check-relay"
        return [f"relay: {self._health.summary}; run '{command}'"]


def _secret(configured: relay.Relay) -> tuple[str, dict[str, str]]:
    """Return label and content of the secret that requirers read, empty if they need none."""
    if configured.oauth:
        fields = dataclasses.asdict(configured.oauth)
        content = {name.replace("_", "-"): value for name, value in fields.items() if value}
        return relay_secret.OAUTH, content
    if configured.password:
        return relay_secret.PASSWORD, {"password": configured.password}
    return "", {}


def _public(configured: relay.Relay) -> dict[str, Any]:
    """Return all of the relay but its secrets, as `smtp.encode_relation_data` takes it."""
    return {
        "host": configured.host,
        "port": configured.port,
        "user": configured.user,
        # Those who know nothing of OAuth shall attempt no AUTH.
        "auth_type": "none" if configured.oauth else configured.auth_type,
        "transport_security": configured.transport_security,
        "domain": configured.domain,
        "skip_ssl_verify": configured.skip_ssl_verify,
        "smtp_sender": configured.smtp_sender,
        "recipients": configured.recipients,
        "tls_ca_chain": configured.tls_ca_chain,
    }


if __name__ == "__main__":
    ops.main(SmtpIntegratorCharm)

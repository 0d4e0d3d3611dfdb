#!/usr/bin/env python3
"""The SMTP forwarder charm: Juju only. What it does with mail is in the package `forwarder`."""

from __future__ import annotations

import dataclasses
import functools
import logging
import os
import pathlib
from typing import TYPE_CHECKING, cast

import ops

from charms.smtp_integrator.v0 import smtp
from forwarder_unit import (
    actions,
    configuration,
    logins,
    machine,
    model_certificate,
    options,
    rule_texts,
    waiting,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

RELAY = "relay"

_LEADER_ALONE = (
    "the relay's refresh token serves the leader's unit alone; enter a client secret or a private "
    "key, or keep one unit"
)

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Related:
    """An application that uses this forwarder as its relay.

    Attributes:
        relation: its relation.
        login: what it authenticates with.
        host: the address where it finds this unit.
        bind: the address of this machine that this leads to.
    """

    relation: ops.Relation
    login: logins.Login
    host: str
    bind: str


class SmtpForwarderCharm(ops.CharmBase):
    """Takes a machine's mail, and passes it on through the relay of its model."""

    _stored = ops.StoredState()

    def __init__(self, framework: ops.Framework) -> None:
        super().__init__(framework)
        code = pathlib.Path(__file__).absolute().parent
        self._machine = machine.Machine(self.unit.name, self.charm_dir.absolute(), code)
        self._stored.set_default(leaves=False, broken=set[int](), options=dict[str, str]())
        self._smtp = smtp.SmtpRequires(self)
        self._relay = smtp.SmtpProvides(self, RELAY)
        self._certificates = model_certificate.of(self, RELAY)
        if self._certificates is not None:
            framework.observe(self._certificates.available, self._reconcile)
        framework.observe(self.on.certificates_relation_broken, self._reconcile)
        for event in (
            self.on.install,
            self.on.leader_elected,
            self.on.config_changed,
            self.on.start,
            self.on.update_status,
            self.on[RELAY].relation_created,
            self.on[RELAY].relation_changed,
            self._smtp.on.smtp_data_available,
            self._smtp.on.smtp_data_removed,
        ):
            framework.observe(event, self._reconcile)
        framework.observe(self.on[RELAY].relation_departed, self._on_relay_relation_departed)
        framework.observe(self.on[RELAY].relation_broken, self._on_relay_relation_broken)
        framework.observe(self.on.upgrade_charm, self._on_upgrade_charm)
        framework.observe(self.on.stop, self._on_stop)
        framework.observe(self.on.remove, self._on_remove)
        framework.observe(self.on.collect_unit_status, self._on_collect_unit_status)
        # The framework holds on to nobody who observes.
        self._actions = actions.Actions(self, self._machine)

    def _reconcile(self, _event: ops.EventBase) -> None:
        settings = self._settings_in_force()
        if settings is None:
            return
        self._machine.places.make()
        upstream = self._upstream
        related = self._related()
        addresses = {address for one in related for address in (one.host, one.bind)}
        certificate, authority = None, ""
        if related or settings.listen:
            certificate, authority = self._certificate({*addresses, *settings.listen})
        unit = configuration.Unit(
            settings=settings,
            port=self._machine.port(settings.port),
            relay=_relay(upstream) if upstream else None,
            clients=tuple(one.login for one in related),
            addresses=tuple(dict.fromkeys(one.bind for one in related)),
            certificate=certificate,
            queue=self._machine.places.queue,
            report=self._machine.places.state.report,
            rules=self._machine.places.state.rules,
        )
        self._machine.converge(unit)
        # One that cannot do what it was told serves as before, which is published already.
        if self._machine.serves_as_told():
            self._publish(related, unit.port, authority, upstream)

    def _settings_in_force(self) -> options.Settings | None:
        """Return what is configured; while an option is wrong, what was right last, if anything.

        Passwords and relations come and go meanwhile, and collect-status says what is wrong.
        """
        right = cast("options.Options", self._stored.options)
        try:
            settings = self._settings
        except options.InvalidOptionsError:
            return options.parse(right, lambda _: []) if right else None
        if right != {**self.config}:
            self._stored.options = {**self.config}
        return settings

    def _certificate(self, addresses: set[str]) -> tuple[pathlib.Path, str]:
        """Return the key with its certificate, and the certificate of its authority.

        That is the model's authority where there is one, and the unit's own until it answers.
        """
        related = any(one.active for one in self.model.relations[model_certificate.ENDPOINT])
        given = self._certificates.read() if self._certificates and related else None
        if given is None:
            return self._machine.certificate(addresses)
        path = self._machine.places.state.model_certificate
        given.write(path)
        return path, given.authority

    def _related(self) -> list[Related]:
        """Return who uses this unit as a relay: of several units, that is the leader."""
        if not self.unit.is_leader():
            return []
        relations = sorted(self.model.relations[RELAY], key=lambda relation: relation.id)
        # A relation that is broken here may be listed until the other units have left it.
        broken = cast("ops.StoredSet", self._stored.broken)
        return [
            self._look_at(relation)
            for relation in relations
            if relation.active and relation.id not in broken
        ]

    def _look_at(self, relation: ops.Relation) -> Related:
        network = self.model.get_binding(relation).network
        bind = str(network.bind_address or "127.0.0.1")
        host = str(network.ingress_address or bind)
        return Related(relation, logins.ensure(self.model, relation), host, bind)

    def _publish(
        self,
        related: list[Related],
        port: int,
        authority: str,
        upstream: smtp.SmtpRelationData | None,
    ) -> None:
        """Write this forwarder into each relation, with the sender that the relay wants."""
        for one in related:
            data = smtp.SmtpRelationData(
                host=one.host,
                port=port,
                user=one.login.user,
                password_id=one.login.password_id,
                auth_type=smtp.AuthType.PLAIN,
                transport_security=smtp.TransportSecurity.STARTTLS,
                tls_ca_chain=authority,
                domain=upstream.domain if upstream else None,
                smtp_sender=upstream.smtp_sender if upstream else None,
                recipients=upstream.recipients if upstream else [],
            )
            self._relay.update_relation_data(one.relation, data)

    def _on_relay_relation_departed(self, event: ops.RelationDepartedEvent) -> None:
        if event.departing_unit == self.unit:
            self._stored.leaves = True
        self._reconcile(event)

    def _on_relay_relation_broken(self, event: ops.RelationBrokenEvent) -> None:
        # First the forwarder refuses the password, then the secret goes; unless it is this unit
        # that goes, and the relation lives on with the others.
        cast("ops.StoredSet", self._stored.broken).add(event.relation.id)
        self._reconcile(event)
        if self.unit.is_leader() and not self._stored.leaves:
            logins.remove(self.model, event.relation)

    def _on_upgrade_charm(self, event: ops.UpgradeCharmEvent) -> None:
        self._machine.restart()
        self._reconcile(event)

    def _on_stop(self, _event: ops.StopEvent) -> None:
        self._machine.stop()

    def _on_remove(self, _event: ops.RemoveEvent) -> None:
        self._machine.stop()
        self._machine.remove()
        if self._machine.waiting():
            logger.warning("messages that wait stay in %s", self._machine.places.queue)

    def _on_collect_unit_status(self, event: ops.CollectStatusEvent) -> None:
        try:
            settings = self._settings
        except options.InvalidOptionsError as error:
            event.add_status(ops.BlockedStatus(str(error)))
            return
        if problems := self._machine.problems():
            words = [*problems, _remedy(problems, settings)]
            event.add_status(ops.BlockedStatus("; ".join(filter(None, words))))
        elif self._machine.serving() is None:
            event.add_status(
                ops.MaintenanceStatus(f"the forwarder does not run; see {self._machine.log}")
            )
        event.add_status(self._relay_status(settings))

    @property
    def _upstream(self) -> smtp.SmtpRelationData | None:
        """The relay, if this unit may send through it."""
        data = self._smtp.read().data
        return None if data and self._is_for_the_leader(data) else data

    def _is_for_the_leader(self, data: smtp.SmtpRelationData) -> bool:
        """Tell whether the relay is not this unit's, since its refresh token serves one holder.

        An endpoint that rotates refresh tokens takes the use of an old one for a theft, and ends
        them all (RFC 9700 section 4.14.2).
        """
        grant = data.oauth
        return grant is not None and bool(grant.refresh_token) and not self.unit.is_leader()

    def _relay_status(self, settings: options.Settings) -> ops.StatusBase:
        """Say what is missing, what waits and why, and whose sendmail this machine has."""
        reading = self._smtp.read()
        status = reading.status
        if reading.data and self._is_for_the_leader(reading.data):
            status = ops.BlockedStatus(_LEADER_ALONE)
        words = [status.message]
        if reading.state == smtp.SmtpState.NO_RELATION:
            words = [f"no relay; run 'juju integrate {self.app.name}:smtp smtp-integrator'"]
        if self._upstream is None and settings.when_unconfigured == "refuse":
            words.append("mail is refused until then")
        words.append(waiting.status(self._machine.waiting(), self.unit.name))
        words.append(self._machine.tools.foreign())
        return ops.StatusBase.from_name(status.name, "; ".join(filter(None, words)))

    @functools.cached_property
    def _settings(self) -> options.Settings:
        in_force = self._machine.places.state.rules
        return options.parse(self.config, lambda text: rule_texts.problems(text, in_force))


def _remedy(problems: Iterable[str], settings: options.Settings) -> str:
    """Say which options mend what cannot be listened on; what else is wrong says so itself."""
    taken = [problem for problem in problems if "cannot be listened on" in problem]
    if not taken:
        return ""
    if taken[0].startswith(f"127.0.0.1:{settings.metrics_port} "):
        return "choose another with the option metrics_port"
    # Two units on one machine have the same options. What was free once is kept.
    free = " (0 for a free one on each unit)" if settings.port else ""
    return f"choose another with the options port{free} and listen"


def _relay(data: smtp.SmtpRelationData) -> configuration.Relay:
    user, password = data.credentials or ((data.user or "") if data.oauth else "", "")
    return configuration.Relay(
        host=data.host,
        port=data.port,
        transport_security=data.transport_security.value,
        verify=data.verify_tls,
        user=user,
        password=password,
        oauth=_oauth(data.oauth) if data.oauth else {},
        ca=data.tls_ca_chain or "",
        domain=data.domain or "",
        **(_proxy() if data.oauth else {}),
    )


def _proxy() -> dict[str, str]:
    """Return the model's proxy, which Juju tells hooks alone, and no service."""
    proxy = os.environ.get("JUJU_CHARM_HTTPS_PROXY", "")
    return {"https_proxy": proxy, "no_proxy": os.environ.get("JUJU_CHARM_NO_PROXY", "")}


def _oauth(grant: smtp.OAuthGrant) -> dict[str, str]:
    """Return a grant in the keys of the secret that it came from."""
    fields = dataclasses.asdict(grant)
    return {name.replace("_", "-"): value for name, value in fields.items() if value}


if __name__ == "__main__":
    ops.main(SmtpForwarderCharm)

#!/usr/bin/env python3
"""The SMTP sink charm: Juju only. What it does with mail is in the package `smtp_sink`."""

import datetime as dt
import functools
import ipaddress
import logging
import pathlib
import shutil
import socket

import ops

from smtp_sink import messages, results, settings, state
from unit_service import files, reports, service

_START_SECONDS = 10.0

logger = logging.getLogger(__name__)


class SmtpSinkCharm(ops.CharmBase):
    """A mail server that keeps every message and delivers none."""

    def __init__(self, framework: ops.Framework) -> None:
        super().__init__(framework)
        tag = f"unit-{self.unit.name.replace('/', '-')}"
        charm = self.charm_dir.absolute()
        # A refresh replaces the charm's directory, so what must stay lies beside it.
        self._state = state.StateDir(charm.parent / f"{tag}-smtp-sink")
        self._state.path.mkdir(mode=0o700, exist_ok=True)
        program = service.Program(
            description=f"Mail catcher of {tag}",
            code=pathlib.Path(__file__).parent,
            module="smtp_sink.server",
            arguments=(str(self._state.path),),
        )
        self._service = service.choose(tag, program, charm, self._state)
        for event in (
            self.on.install,
            self.on.leader_elected,
            self.on.config_changed,
            self.on.start,
            self.on.secret_changed,
            self.on.update_status,
        ):
            framework.observe(event, self._reconcile)
        framework.observe(self.on.upgrade_charm, self._on_upgrade_charm)
        framework.observe(self.on.stop, self._on_stop)
        framework.observe(self.on.remove, self._on_remove)
        framework.observe(self.on.clear_messages_action, self._on_clear_messages)
        framework.observe(self.on.get_ca_action, self._on_get_ca)
        framework.observe(self.on.get_message_action, self._on_get_message)
        framework.observe(self.on.list_messages_action, self._on_list_messages)
        framework.observe(self.on.collect_unit_status, self._on_collect_status)

    def _reconcile(self, _event: ops.EventBase) -> None:
        try:
            wanted = self._read_settings(to_serve=True)
        except settings.InvalidSettingsError:
            # Collect-status says what is wrong; a server that runs stays as it is.
            return
        config = self._server_config(wanted)
        serving = reports.read_serving(self._state)
        if serving is None or serving.config != config.digest:
            for note in wanted.notes:
                logger.warning(note)
            files.write(self._state.config, config.to_json())
            self._start()

    def _start(self) -> None:
        self._service.start()
        reports.wait(self._state, timeout=_START_SECONDS)

    def _on_upgrade_charm(self, event: ops.UpgradeCharmEvent) -> None:
        # The server that runs is the old charm's. Whatever the settings are by now, one of the new
        # charm's takes its place with what the old one was told.
        # It may be stopped already, by a hook that was killed here.
        self._service.stop()
        if self._state.config.exists() and not self._are_settings_valid():
            self._start()
        self._reconcile(event)

    def _on_stop(self, _event: ops.StopEvent) -> None:
        self._service.stop()

    def _on_remove(self, _event: ops.RemoveEvent) -> None:
        self._service.stop()
        shutil.rmtree(self._state.path, ignore_errors=True)

    def _on_clear_messages(self, event: ops.ActionEvent) -> None:
        event.set_results({"count": str(self._messages().clear())})

    def _on_get_ca(self, event: ops.ActionEvent) -> None:
        from unit_service import certificates  # noqa: PLC0415 - as in _server_config

        authority = certificates.ensure_authority(
            self._state.certificates, self._server_name, _now()
        )
        event.set_results({"ca": authority})

    def _on_get_message(self, event: ops.ActionEvent) -> None:
        message_id = str(event.params.get("id", ""))
        try:
            store = self._messages()
            message = store.get(message_id) if message_id else store.newest()
            event.set_results(results.describe(message))
        except messages.NoSuchMessageError:
            event.fail(
                "id: no such message; list-messages shows the IDs"
                if message_id
                else "no message has arrived"
            )

    def _on_list_messages(self, event: ops.ActionEvent) -> None:
        arrived = self._messages().list()
        event.set_results({"count": str(len(arrived)), "messages": results.summarize(arrived)})

    def _on_collect_status(self, event: ops.CollectStatusEvent) -> None:
        try:
            wanted = self._read_settings()
        except settings.InvalidSettingsError as error:
            event.add_status(ops.BlockedStatus(str(error)))
        else:
            event.add_status(self._server_status(wanted))

    def _server_status(self, wanted: settings.Settings) -> ops.StatusBase:
        report = reports.read(self._state)
        if report is not None and report.problems:
            return ops.BlockedStatus("; ".join(report.problems))
        serving = reports.read_serving(self._state)
        if serving is None:
            return ops.MaintenanceStatus(f"the mail server does not run; see {self._service.log}")
        endpoints = (
            f"{name} {state.endpoint(wanted.bind_address, port)}"
            for name, port in serving.ports.items()
        )
        return ops.ActiveStatus(", ".join(endpoints))

    @property
    def _server_name(self) -> str:
        return f"SMTP sink {self.unit.name}"

    def _messages(self) -> messages.MessageStore:
        return messages.MessageStore(self._state.messages)

    def _server_config(self, wanted: settings.Settings) -> state.ServerConfig:
        # It takes longer to import than all else here, and most actions need none.
        from unit_service import certificates  # noqa: PLC0415

        certificate = certificates.ensure_server(
            self._state.certificates,
            self._server_name,
            self._hosts(wanted.bind_address),
            _now(),
        )
        return state.ServerConfig(
            bind_address=wanted.bind_address,
            ports=wanted.ports,
            certificate=str(certificate.path),
            certificate_serial=certificate.serial,
            user=wanted.user,
            password=wanted.password,
            refuse_passwords=wanted.refuse_passwords,
            introspection_url=wanted.introspection_url,
            introspection_ca=wanted.introspection_ca,
        )

    def _hosts(self, bind_address: str) -> set[str]:
        """Return what clients may call this server, for its certificate."""
        hosts = {"localhost", "127.0.0.1", "::1", socket.gethostname()}
        if not ipaddress.ip_address(bind_address).is_unspecified:
            return hosts | {bind_address}
        # Juju gives every charm this endpoint, and with it the unit's addresses.
        network = self.model.get_binding("juju-info").network
        addresses = [*network.ingress_addresses, *(i.address for i in network.interfaces)]
        return hosts | {str(address) for address in addresses if address}

    def _are_settings_valid(self) -> bool:
        try:
            return bool(self._read_settings())
        except settings.InvalidSettingsError:
            return False

    def _read_settings(self, *, to_serve: bool = False) -> settings.Settings:
        """Read what is configured now; nothing that is read is kept for the next event.

        Only what is served now tracks the secret's newest revision: Juju tells of it until then.
        """
        return settings.parse(self.config, functools.partial(self._read_secret, track=to_serve))

    def _read_secret(self, secret_id: str, *, track: bool) -> dict[str, str]:
        # `Model.get_secret` reads the revision that is tracked, which may be gone while a newer
        # one is there; and ops.testing has no `ops.hookcmds`.
        secret = ops.Secret(self.model._backend, id=secret_id)  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
        try:
            return secret.get_content(refresh=True) if track else secret.peek_content()
        except ops.SecretNotFoundError:
            raise settings.InvalidSettingsError(
                "password-secret: not found; set it to the ID of a secret of this model"
            ) from None
        except ops.ModelError as error:
            raise settings.refused(str(error), secret_id, self.app.name) from None


def _now() -> dt.datetime:
    return dt.datetime.now(dt.timezone.utc)


if __name__ == "__main__":
    ops.main(SmtpSinkCharm)

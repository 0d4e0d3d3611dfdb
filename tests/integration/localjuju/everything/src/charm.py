"""A charm that uses what ops offers to a machine charm."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import ops

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger(__name__)


class Everything(ops.CharmBase):
    """Its actions try the APIs; its hooks log what they were told."""

    _stored = ops.StoredState()

    def __init__(self, framework: ops.Framework) -> None:
        super().__init__(framework)
        self._stored.set_default(events=0)
        for source in list(self.on.events().values()):
            if source.event_type is not ops.CollectStatusEvent:
                framework.observe(source, self._on_event)
        framework.observe(self.on.collect_unit_status, self._on_collect_status)
        framework.observe(self.on.collect_app_status, self._on_collect_status)

    def _on_collect_status(self, event: ops.CollectStatusEvent) -> None:
        event.add_status(ops.ActiveStatus(f"count {self.config['count']}"))

    def _on_event(self, event: ops.EventBase) -> None:
        self._stored.events += 1
        if isinstance(event, ops.ActionEvent):
            self._act(event)
        elif isinstance(event, ops.SecretChangedEvent):
            old, new = event.secret.get_content(), event.secret.get_content(refresh=True)
            logger.info("secret-changed %s %s -> %s", event.secret.label, old, new)
        elif isinstance(event, ops.SecretRemoveEvent):
            logger.info("secret-remove %s %s", event.secret.label, event.revision)
            event.remove_revision()
        elif isinstance(event, ops.RelationChangedEvent) and event.relation.name == "need":
            self._read_password(event.relation)

    def _act(self, event: ops.ActionEvent) -> None:
        handlers: dict[str, Callable[[ops.ActionEvent], None]] = {
            "crash": self._crash,
            "fail": lambda event: event.fail("as asked"),
            "look": self._look,
            "secrets": self._secrets,
            "write": self._write,
        }
        name = event.handle.kind.removesuffix("_action")
        handlers[name](event)

    def _crash(self, event: ops.ActionEvent) -> None:
        raise RuntimeError(f"crashed in task {event.id}")

    def _look(self, event: ops.ActionEvent) -> None:
        peers = self.model.get_relation("ring")
        binding, inner = self.model.get_binding("db"), self.model.get_binding("inner")
        assert peers
        assert binding
        assert inner
        event.log("looking")
        event.set_results(
            {
                "address": str(binding.network.bind_address),
                "app-status": self.app.status.message if self.unit.is_leader() else "",
                "egress": str(inner.network.egress_subnets[0]),
                "peers": ",".join(sorted(unit.name for unit in peers.units)),
                "planned": self.app.planned_units(),
                "resource": self.model.resources.fetch("data").read_text(),
                "status": self.unit.status.message,
                "storage": len(self.model.storages["disk"]),
                "stored": {"events": self._stored.events},
                "uuid": self.model.uuid,
            }
        )

    def _write(self, event: ops.ActionEvent) -> None:
        self.unit.set_ports(80, ops.Port("udp", 53))
        self.unit.set_workload_version("7")
        self.model.storages.request("disk", 2)
        for relation in self.model.relations["db"]:
            relation.data[self.app]["shared"] = "by the leader"
            relation.data[self.unit].update({"mine": "of the unit"})
            assert relation.data[self.app]["shared"] == "by the leader"
            event.set_results({"remote": relation.app.name, "model": relation.remote_model.uuid})

    def _secrets(self, event: ops.ActionEvent) -> None:
        secret = self.app.add_secret(
            {"password": "one"},
            label="pw",
            description="A password.",
            rotate=ops.SecretRotate.DAILY,
        )
        relation = self.model.relations["db"][0]
        secret.grant(relation)
        relation.data[self.app]["secret"] = secret.id or ""
        info = secret.get_info()
        again = self.model.get_secret(label="pw")
        event.set_results(
            {
                "content": again.peek_content()["password"],
                "label": info.label or "",
                "rotation": info.rotation.value if info.rotation else "",
                "revision": info.revision,
            }
        )
        own = self.unit.add_secret({"password": "own"}, label="own")
        own.set_content({"password": "other"})
        own.set_info(description="told")
        own.remove_all_revisions()

    def _read_password(self, relation: ops.Relation) -> None:
        secret_id = relation.data[relation.app].get("secret") if relation.app else None
        if not secret_id:
            return
        secret = self.model.get_secret(id=secret_id, label="theirs")
        logger.info("read %s", secret.get_content())
        if ops.JujuVersion.from_environ().major >= 4:
            return
        try:
            secret.set_content({"password": "stolen"})
        except ops.ModelError as error:
            logger.info("refused: %s", error)


if __name__ == "__main__":
    ops.main(Everything)

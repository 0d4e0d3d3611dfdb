#!/usr/bin/env python3
"""A requirer as most are: it writes the relay it is told of into its workload's configuration."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import ops

from charms.smtp_integrator.v0 import smtp

if TYPE_CHECKING:
    import pathlib


class MailerCharm(ops.CharmBase):
    """Keeps, per relation, a file with the relay; its status says how far it is from one."""

    def __init__(self, framework: ops.Framework) -> None:
        super().__init__(framework)
        self._smtp = smtp.SmtpRequires(self)
        self._smtp_legacy = smtp.SmtpRequires(self, smtp.LEGACY_RELATION_NAME)
        for endpoint in (self._smtp, self._smtp_legacy):
            framework.observe(endpoint.on.smtp_data_available, self._on_smtp_data_available)
            framework.observe(endpoint.on.smtp_data_removed, self._on_smtp_data_removed)
        framework.observe(self.on.collect_unit_status, self._on_collect_unit_status)

    def _on_smtp_data_available(self, event: smtp.SmtpDataAvailableEvent) -> None:
        legacy = event.relation.name == smtp.LEGACY_RELATION_NAME
        data = (self._smtp_legacy if legacy else self._smtp).read(event.relation).data
        if data is not None:
            ids = {"password_id", "oauth_id"}
            relay = data.model_dump(mode="json", exclude=ids, exclude_none=True)
            self._file(event.relation).write_text(json.dumps(relay))

    def _on_smtp_data_removed(self, event: smtp.SmtpDataRemovedEvent) -> None:
        self._file(event.relation).unlink(missing_ok=True)

    def _on_collect_unit_status(self, event: ops.CollectStatusEvent) -> None:
        event.add_status(smtp.choose(self._smtp, self._smtp_legacy).status)

    def _file(self, relation: ops.Relation) -> pathlib.Path:
        return self.charm_dir.absolute().parent / f"relay-{relation.name}-{relation.id}.json"


if __name__ == "__main__":
    ops.main(MailerCharm)

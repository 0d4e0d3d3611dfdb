#!/usr/bin/env python3
"""A charm that uses the library and does nothing else: what the library costs a requirer."""

import ops

from charms.smtp_integrator.v0 import smtp


class RequirerCharm(ops.CharmBase):
    """Reads the relay that the event carries."""

    def __init__(self, framework: ops.Framework) -> None:
        super().__init__(framework)
        self._smtp = smtp.SmtpRequires(self)
        framework.observe(self._smtp.on.smtp_data_available, self._on_smtp_data_available)

    def _on_smtp_data_available(self, event: smtp.SmtpDataAvailableEvent) -> None:
        self.relay = (event.host, event.port, event.user, event.auth_type)


if __name__ == "__main__":
    ops.main(RequirerCharm)

"""What the last check of the relay found, kept between hooks.

For the option `check_relay`: a check runs where the settings or the password changed, and at every
update-status. Repeated refusals lock an account, so after one AUTH is not tried again until the
settings or the password change, or someone runs the action.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import secrets
from typing import TYPE_CHECKING

import ops

import relay_actions
import relay_check

if TYPE_CHECKING:
    import relay

TIMEOUT = 5.0
"""Seconds that a check in a hook may take."""

_AUTH_REFUSED = (relay_check.Kind.AUTH_REFUSED, relay_check.Kind.AUTH_APP_PASSWORD)


class RelayHealth(ops.Object):
    """Checks the relay when it is due, and remembers what was found.

    Args:
        charm: The charm whose relay it is.
    """

    _stored = ops.StoredState()

    def __init__(self, charm: ops.CharmBase) -> None:
        super().__init__(charm, "relay-health")
        self._stored.set_default(auth_refused=False, salt="", settings="", summary="")

    @property
    def summary(self) -> str:
        """Why the relay failed its last check; empty if it works or was not checked."""
        return str(self._stored.summary)

    def check_if_due(self, configured: relay.Relay, *, is_time: bool) -> None:
        """Check the relay if it is new, or if it is time to.

        Args:
            configured: The relay.
            is_time: Whether a relay that is not new is due too.
        """
        is_new = self._stored.settings != self._digest(configured)
        if not is_new and not is_time:
            return
        attempt_auth = is_new or not self._stored.auth_refused
        report = relay_check.check(
            relay_actions.target(configured),
            sender=configured.smtp_sender,
            recipients=configured.recipients,
            timeout=TIMEOUT,
            attempt_auth=attempt_auth,
        )
        # Without AUTH, a check that passes says nothing about the AUTH that was refused.
        if attempt_auth or not report.works:
            self.record(configured, report)

    def record(self, configured: relay.Relay, report: relay_check.Report) -> None:
        """Remember what a check found.

        Args:
            configured: The relay that was checked.
            report: What was found.
        """
        digest = self._digest(configured)
        auth = report.stage("auth")
        if auth is not None and auth.outcome is not relay_check.Outcome.SKIPPED:
            self._stored.auth_refused = report.kind in _AUTH_REFUSED
        elif self._stored.settings != digest:
            self._stored.auth_refused = False
        self._stored.settings = digest
        self._stored.summary = "" if report.works else report.summary

    def _digest(self, configured: relay.Relay) -> str:
        """Return a digest of the settings, from which the password cannot be found."""
        self._stored.salt = self._stored.salt or secrets.token_hex(16)
        settings = json.dumps(dataclasses.asdict(configured), sort_keys=True)
        # scrypt makes guessing slow, should the unit's state, which only root reads, get out.
        return hashlib.scrypt(
            settings.encode(), salt=bytes.fromhex(str(self._stored.salt)), n=2**12, r=8, p=1
        ).hex()

"""What the last check of the relay found, kept between hooks.

For the option `check_relay`: a check runs where the settings or the password changed, and at every
update-status. Repeated refusals lock an account, so after one AUTH is not tried again until the
settings or the password change, or someone runs the action. A new leader, which does not know what
the one before it found, tries it once.
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

TIMEOUT = 2 * (relay_check.GREETING_DELAY + 1.0)
"""Seconds that a check in a hook may take: half of it is for the stage of a banner held back."""

# What AUTH ends with before the relay has password or token, and where it blames itself. All
# else may count as a failed login, a dropped connection and silence too.
_AUTH_NOT_REFUSED = (
    relay_check.Kind.AUTH_AFTER_TLS,
    relay_check.Kind.AUTH_NOT_OFFERED,
    relay_check.Kind.AUTH_NO_MECHANISM,
    relay_check.Kind.AUTH_NO_OAUTH,
    relay_check.Kind.AUTH_TEMPORARY,
)
_WITH_ADDRESSES = ("envelope", "message")
"""The stages in which addresses are tried."""


class RelayHealth(ops.Object):
    """Checks the relay when it is due, and remembers what was found.

    Args:
        charm: The charm whose relay it is.
    """

    _stored = ops.StoredState()

    def __init__(self, charm: ops.CharmBase) -> None:
        super().__init__(charm, "relay-health")
        self._stored.set_default(refusal="", salt="", settings="", summary="")

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
        report = relay_check.check(
            relay_actions.target(configured),
            sender=configured.smtp_sender,
            recipients=configured.recipients,
            timeout=TIMEOUT,
            attempt_auth=is_new or not self._stored.refusal,
        )
        self.record(configured, report)

    def record(
        self, configured: relay.Relay, report: relay_check.Report, *, own_addresses: bool = True
    ) -> None:
        """Remember what a check found.

        Args:
            configured: The relay that was checked.
            report: What was found.
            own_addresses: Whether the addresses that were tried are those of the configuration;
                what comes of others says nothing about it.
        """
        if report.kind is relay_check.Kind.REFRESH_TOKEN_KEPT:
            # Nothing was sent, which says nothing about the relay.
            return
        digest = self._digest(configured)
        auth = report.stage("auth")
        if auth is not None and auth.outcome is not relay_check.Outcome.SKIPPED:
            self._stored.refusal = report.summary if _is_refusal(report) else ""
        elif self._stored.settings != digest:
            self._stored.refusal = ""
        self._stored.settings = digest
        failure = report.failure
        fails = failure is not None and (own_addresses or failure.name not in _WITH_ADDRESSES)
        # Without AUTH, a check that passes says nothing about the AUTH that was refused.
        self._stored.summary = report.summary if fails else self._stored.refusal

    def _digest(self, configured: relay.Relay) -> str:
        """Return a digest of the settings, from which no secret can be found."""
        self._stored.salt = self._stored.salt or secrets.token_hex(16)
        settings = json.dumps(dataclasses.asdict(configured), sort_keys=True)
        # It makes guessing slow, should the unit's state, which only root reads, get out; and FIPS
        # 140 allows it.
        salt = bytes.fromhex(str(self._stored.salt))
        return hashlib.pbkdf2_hmac("sha256", settings.encode(), salt, 100_000).hex()


def _is_refusal(report: relay_check.Report) -> bool:
    failure = report.failure
    return failure is not None and failure.name == "auth" and report.kind not in _AUTH_NOT_REFUSED

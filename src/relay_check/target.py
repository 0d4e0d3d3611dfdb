"""What is checked, in the words of the charm's options."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from smtp_oauth import Grant

_MAX_PORT = 65535


@dataclasses.dataclass(frozen=True)
class Target:
    """The relay to check, in the words of the charm's options.

    Attributes:
        host: Host name or IP address.
        port: TCP port.
        transport_security: `none`, `starttls` or `tls`.
        auth_type: `plain` or `oauth2`; anything else attempts no AUTH.
        user: User of SMTP AUTH.
        password: Password of SMTP AUTH, for `plain`.
        oauth: What to fetch a token with, for `oauth2`.
        tls_ca_chain: PEM of the CA certificates to trust, which replace the system's.
        skip_ssl_verify: Whether to leave the certificate unverified.
        ehlo_name: How to greet; by default this machine's full name, or else its address.

    Raises:
        ValueError: If no check can be made of these.
    """

    host: str
    port: int
    transport_security: str = "none"
    auth_type: str = "none"
    user: str | None = None
    password: str | None = dataclasses.field(default=None, repr=False)
    oauth: Grant | None = None
    tls_ca_chain: str | None = dataclasses.field(default=None, repr=False)
    skip_ssl_verify: bool = False
    ehlo_name: str | None = None

    def __post_init__(self) -> None:
        if self.transport_security not in {"none", "starttls", "tls"}:
            raise ValueError("transport_security: must be one of none, starttls, tls")
        if self.auth_type == "plain" and not (self.user and self.password):
            raise ValueError("auth_type=plain needs a user and a password")
        if self.auth_type == "oauth2" and not (self.user and self.oauth):
            raise ValueError("auth_type=oauth2 needs a user and what to fetch a token with")
        if not 1 <= self.port <= _MAX_PORT:
            raise ValueError(f"port: must be between 1 and {_MAX_PORT}")

    @property
    def authenticates(self) -> bool:
        """Whether AUTH is to come before mail."""
        return self.auth_type in {"plain", "oauth2"}

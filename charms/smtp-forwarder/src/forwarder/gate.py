"""Who may connect, and who may send: what all connections of clients share."""

import asyncio
import collections
import functools
import hmac
import ipaddress
from typing import TYPE_CHECKING, cast

from aiosmtpd import smtp

from forwarder import configuration, delivery, journal

if TYPE_CHECKING:
    from forwarder.reception import Connection


class Gate:
    """What all connections share: the settings, the delivery, and how many there are."""

    def __init__(self, settings: configuration.Configuration, work: delivery.Delivery) -> None:
        self.settings = settings
        self.work = work
        self.connections: set[Connection] = set()
        self.empty = asyncio.Event()
        """Set while there is no connection."""
        self.empty.set()
        self._per_client: collections.Counter[str] = collections.Counter()

    def admit(self, connection: "Connection") -> bool:
        """Count a connection in; return whether there is room for it."""
        limits, host = self.settings.limits, connection.host
        self.connections.add(connection)
        self.empty.clear()
        self._per_client[host] += 1
        return (
            len(self.connections) <= limits.connections
            and self._per_client[host] <= limits.connections_per_client
        )

    def dismiss(self, connection: "Connection") -> None:
        """Count a connection out, once: aiosmtpd says so twice where encryption fails."""
        if connection not in self.connections:
            return
        self.connections.remove(connection)
        self._per_client[connection.host] -= 1
        if not self._per_client[connection.host]:
            del self._per_client[connection.host]
        if not self.connections:
            self.empty.set()

    def authenticate(
        self,
        server: smtp.SMTP,
        _session: smtp.Session,
        _envelope: smtp.Envelope,
        _mechanism: str,
        login: smtp.LoginPassword,
    ) -> smtp.AuthResult:
        """Check a client's user and password, as aiosmtpd asks for it."""
        client = self.settings.clients.get(login.login.decode("utf-8", "replace"))
        password = client.password if client else ""
        right = hmac.compare_digest(login.password, password.encode())
        host = cast("Connection", server).host
        if client and right and (not client.networks or _within(host, client.networks)):
            return smtp.AuthResult(success=True, auth_data=login.login)
        journal.note("refused", client=host, reason="AUTH with a wrong user or password")
        return smtp.AuthResult(success=False, handled=False)

    def is_allowed(self, host: str) -> bool:
        """Return whether a client may send without a password."""
        return _needs_no_password(host, self.settings.allowed_networks)


def host(transport: asyncio.BaseTransport) -> str:
    """Return a client's address, an IPv4 one also where it came in over IPv6."""
    peer = transport.get_extra_info("peername")
    address = ipaddress.ip_address(peer[0].partition("%")[0]) if peer else None
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address or "0.0.0.0")  # noqa: S104 - nobody's address, so not allowed


# It is asked for each recipient.
@functools.lru_cache(maxsize=1024)
def _needs_no_password(host: str, networks: tuple[configuration.Network, ...]) -> bool:
    return ipaddress.ip_address(host).is_loopback or _within(host, networks)


def _within(host: str, networks: tuple[configuration.Network, ...]) -> bool:
    address = ipaddress.ip_address(host)
    return any(address in network for network in networks)

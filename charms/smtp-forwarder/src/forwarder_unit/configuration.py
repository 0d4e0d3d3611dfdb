"""What the forwarder and the tools of a unit are told."""

import dataclasses
import json
import pathlib
from collections.abc import Mapping
from typing import Any

from forwarder_unit import logins, options

_LOOPBACK = "127.0.0.1"
# All addresses of IPv4 and of IPv6, beside which no other can be listened on.
_EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104 - to tell them from an address of the machine
_DAY = 86400


@dataclasses.dataclass(frozen=True, kw_only=True)
class Relay:
    """The relay that everything is passed on through. Without a `user` there is no AUTH.

    With `oauth`, the keys that fetch a token, a token takes the place of the password. It is
    fetched through `https_proxy`, unless `no_proxy` has the endpoint's host.
    """

    host: str
    port: int
    transport_security: str
    verify: bool = True
    user: str = ""
    password: str = dataclasses.field(default="", repr=False)
    oauth: Mapping[str, str] = dataclasses.field(default_factory=dict[str, str], repr=False)
    https_proxy: str = dataclasses.field(default="", repr=False)
    no_proxy: str = ""
    ca: str = ""
    domain: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Unit:
    """What one unit's forwarder does.

    Attributes:
        settings: what the operator configured.
        port: where it listens, which the settings may leave open.
        relay: the relay, if there is one.
        clients: who may send from other machines with a password.
        addresses: where those clients find it.
        certificate: a PEM file with key and certificate; None to offer no TLS.
        queue: the folder of what waits.
        report: the file to report to.
        rules: the file with the rules.
    """

    settings: options.Settings
    port: int
    relay: Relay | None
    clients: tuple[logins.Login, ...] = ()
    addresses: tuple[str, ...] = ()
    certificate: pathlib.Path | None = None
    queue: pathlib.Path
    report: pathlib.Path
    rules: pathlib.Path


def listeners(unit: Unit) -> list[str]:
    """Return every address and port to listen on; loopback comes first."""
    addresses = list(dict.fromkeys((_LOOPBACK, *unit.settings.listen, *unit.addresses)))
    for everywhere in _EVERYWHERE:
        if everywhere in addresses:
            version = ":" in everywhere
            others = [one for one in addresses if (":" in one) != version]
            addresses = [everywhere, *others]
    return [endpoint(address, unit.port) for address in addresses]


def needs_restart(old: str, new: str) -> bool:
    """Tell whether a forwarder cannot go from one configuration to another while it runs.

    It listens anew before it ends what it listened on, and all addresses together cannot be
    listened on beside one of them.
    """
    return _listens_everywhere(old) != _listens_everywhere(new)


def _listens_everywhere(told: str) -> bool:
    listen: list[str] = json.loads(told)["listen"]
    return any(one.startswith(("0.0.0.0:", "[::]:")) for one in listen)


def endpoint(address: str, port: int) -> str:
    """Return an address and a port as one text, such as `127.0.0.1:25` or `[::1]:25`."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def for_forwarder(unit: Unit) -> str:
    """Return the forwarder's configuration file, which holds passwords."""
    settings = unit.settings
    told: dict[str, Any] = {
        "queue": str(unit.queue),
        "listen": listeners(unit),
        "allowed_networks": [*settings.allowed_networks],
        "clients": {one.user: _client(one) for one in unit.clients},
        "limits": {
            "message_size": settings.max_message_size,
            "recipients": settings.max_recipients,
            "connections": settings.max_connections,
            "connections_per_client": settings.max_connections_per_client,
            "command_seconds": settings.command_seconds,
        },
        "upstream": _upstream(unit.relay) if unit.relay else None,
        "when_unconfigured": settings.when_unconfigured,
        "wait_seconds": settings.wait_seconds,
        "expire_seconds": settings.expire_days * _DAY,
        "administrator": settings.administrator,
        "rules": str(unit.rules),
        "report": str(unit.report),
    }
    if unit.certificate:
        told["tls"] = {"certificate": str(unit.certificate), "key": str(unit.certificate)}
    if settings.metrics_port:
        told["metrics"] = endpoint(_LOOPBACK, settings.metrics_port)
    return json.dumps(told, indent=1)


def for_tools(unit: Unit, config: pathlib.Path, hostname: str) -> str:
    """Return what the tools are told, which every user of the machine may read.

    Args:
        unit: what the unit's forwarder does.
        config: the forwarder's configuration file, where root finds the password.
        hostname: the machine's name, for addresses without a domain.
    """
    told = {
        "host": _LOOPBACK,
        "port": unit.port,
        "queue": str(unit.queue),
        "config": str(config),
        "domain": (unit.relay.domain if unit.relay else "") or hostname,
        "relay": _public(unit.relay),
    }
    return json.dumps(told, indent=1)


def _client(login: logins.Login) -> dict[str, Any]:
    networks = {"networks": [*login.networks]} if login.networks else {}
    return {"password": login.password, **networks}


def _upstream(relay: Relay) -> dict[str, Any]:
    fields = dataclasses.asdict(relay)
    del fields["domain"]
    if not relay.oauth:
        del fields["oauth"]
    if not relay.https_proxy:
        del fields["https_proxy"], fields["no_proxy"]
    return fields


def _public(relay: Relay | None) -> dict[str, Any]:
    """Return the relay in the names that scripts for a cluster's smarthost know."""
    if relay is None:
        relay = Relay(host="", port=25, transport_security="none")
    return {
        "host": relay.host,
        "port": relay.port,
        "username": relay.user,
        "enabled": bool(relay.host),
        "encrypt_smtp": relay.transport_security,
        "tls_verify": relay.verify,
    }

"""What an operator configures, validated: every rule and its message in one place.

A message names the option, the rule and the remedy. It never repeats a rejected value other than
a number, because a password lands in the wrong option sooner or later.
"""

import dataclasses
import ipaddress
from collections.abc import Callable, Iterable, Mapping

from forwarder import addresses

_HIGHEST_PORT = 65535
_WHEN_UNCONFIGURED = ("queue", "refuse")

Options = Mapping[str, str | int | float | bool]


class InvalidOptionsError(ValueError):
    """The configuration cannot work; `problems` has a message for each wrong option."""

    def __init__(self, *problems: str) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """A configuration that can work; the fields are the options of the same names.

    Attributes:
        listen: IP addresses beside loopback.
        port: 0 to take a free one.
        metrics_port: 0 for no metrics.
    """

    administrator: str = ""
    allowed_networks: tuple[str, ...] = ()
    command_seconds: int = 300
    expire_days: int = 5
    listen: tuple[str, ...] = ()
    max_connections: int = 200
    max_connections_per_client: int = 50
    max_message_size: int = 2**25
    max_recipients: int = 1000
    metrics_port: int = 0
    port: int = 25
    rules: str = ""
    wait_seconds: int = 10
    when_unconfigured: str = "queue"


_COUNTS = (
    "command_seconds",
    "expire_days",
    "max_connections",
    "max_connections_per_client",
    "max_message_size",
    "max_recipients",
    "wait_seconds",
)


def parse(options: Options, check_rules: Callable[[str], Iterable[str]]) -> Settings:
    """Validate the charm's options; an empty string is the same as unset.

    Args:
        options: the options of `config.yaml` that have a value.
        check_rules: returns a message for each error in the text of some rules.

    Raises:
        InvalidOptionsError: with every problem, in the order of `config.yaml`.
    """
    numbers = {name: int(options[name]) for name in (*_COUNTS, *_PORTS) if name in options}
    texts = {
        "administrator": str(options.get("administrator", "")),
        "rules": str(options.get("rules", "")),
        "when_unconfigured": str(options.get("when_unconfigured", "")) or "queue",
    }
    lists = {name: _split(str(options.get(name, ""))) for name in ("allowed_networks", "listen")}
    problems = {
        **{name: _count_problem(name, numbers[name]) for name in _COUNTS if name in numbers},
        **{name: _port_problem(name, numbers[name]) for name in _PORTS if name in numbers},
        "administrator": _address_problem(texts["administrator"]),
        "allowed_networks": _network_problem(lists["allowed_networks"]),
        "listen": _listen_problem(lists["listen"]),
        "rules": _rules_problem(texts["rules"], check_rules),
        "when_unconfigured": _choice_problem(texts["when_unconfigured"]),
    }
    found = [problems[name] for name in sorted(problems) if problems[name]]
    if found:
        raise InvalidOptionsError(*found)
    return Settings(
        administrator=texts["administrator"],
        allowed_networks=lists["allowed_networks"],
        # One address in two spellings could not be listened on beside itself.
        listen=tuple(dict.fromkeys(str(ipaddress.ip_address(one)) for one in lists["listen"])),
        rules=texts["rules"],
        when_unconfigured=texts["when_unconfigured"],
        **numbers,
    )


_PORTS = ("metrics_port", "port")


def _split(text: str) -> tuple[str, ...]:
    return tuple(item.strip() for item in text.split(",") if item.strip())


def _count_problem(name: str, number: int) -> str:
    return "" if number >= 1 else f"{name}: {number} is below 1; set a number from 1 on"


def _port_problem(name: str, port: int) -> str:
    if 0 <= port <= _HIGHEST_PORT:
        return ""
    return f"{name}: {port} is not between 0 and {_HIGHEST_PORT}"


def _address_problem(address: str) -> str:
    if not address or (addresses.is_address(address) and "@" in address):
        return ""
    return "administrator: must be one address, such as root@example.com"


def _network_problem(networks: Iterable[str]) -> str:
    for network in networks:
        try:
            ipaddress.ip_network(network)
        except ValueError:
            return "allowed_networks: must be networks such as 192.0.2.0/24, separated by commas"
    return ""


def _listen_problem(texts: Iterable[str]) -> str:
    for text in texts:
        try:
            address = ipaddress.ip_address(text)
        except ValueError:
            address = None
        if address is None or getattr(address, "scope_id", None):
            return (
                "listen: must be IP addresses of this machine, separated by commas; "
                "the port is an option of its own"
            )
    return ""


def _rules_problem(text: str, check_rules: Callable[[str], Iterable[str]]) -> str:
    problems = [*check_rules(text)] if text else []
    return f"rules: {', '.join(problems)}" if problems else ""


def _choice_problem(choice: str) -> str:
    if choice in _WHEN_UNCONFIGURED:
        return ""
    return f"when_unconfigured: must be {' or '.join(_WHEN_UNCONFIGURED)}"

"""What an operator configures, validated: every rule and its message in one place.

A message names the option, the rule and the remedy. It never repeats a rejected value other than
a port, because a password lands in the wrong option sooner or later.
"""

import dataclasses
import ipaddress
import logging
from collections.abc import Callable, Mapping

from smtp_sink import state

DEFAULT_BIND_ADDRESS = "127.0.0.1"
_HIGHEST_PORT = 65535

logger = logging.getLogger(__name__)

Options = Mapping[str, str | int | float | bool]


class InvalidSettingsError(ValueError):
    """The configuration cannot work; `problems` has a message for each wrong option."""

    def __init__(self, *problems: str) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """A configuration that can work. `ports` has one for each listener, 0 to take a free one."""

    bind_address: str
    ports: dict[str, int]
    user: str = ""
    password: str = dataclasses.field(default="", repr=False)


def parse(options: Options, read_secret: Callable[[str], str]) -> Settings:
    """Validate the charm's options; an empty string is the same as unset.

    Args:
        options: the options of `config.yaml` that have a value.
        read_secret: returns the password in the user secret with the given ID, or raises
            `InvalidSettingsError`.

    Raises:
        InvalidSettingsError: with every problem, in the order of `config.yaml`.
    """
    user = str(options.get("user", ""))
    bind_address = str(options.get("bind-address", "")) or DEFAULT_BIND_ADDRESS
    ports = {name: int(options.get(f"{name}-port", 0)) for name in state.LISTENERS}
    password, secret_problems = _password(options, read_secret)
    problems = (
        *_bind_address_problems(bind_address),
        *_port_problems(ports),
        *_login_problems(options, user),
        *secret_problems,
    )
    if problems:
        raise InvalidSettingsError(*problems)
    return Settings(
        bind_address=str(ipaddress.ip_address(bind_address)),
        ports=ports,
        user=user,
        password=password,
    )


def _bind_address_problems(bind_address: str) -> list[str]:
    try:
        address = ipaddress.ip_address(bind_address)
    except ValueError:
        address = None
    if address is None or getattr(address, "scope_id", None):
        remedy = f"use {DEFAULT_BIND_ADDRESS}, 0.0.0.0 or an address of this machine"
        return [f"bind-address: must be an IP address; {remedy}"]
    return []


def _port_problems(ports: Mapping[str, int]) -> list[str]:
    problems: list[str] = []
    seen: dict[int, str] = {}
    for name, port in ports.items():
        if not 0 <= port <= _HIGHEST_PORT:
            problems.append(f"{name}-port: {port} is not between 0 and {_HIGHEST_PORT}")
        elif port in seen:
            first = seen[port]
            problems.append(f"{name}-port: {port} is the {first}-port; choose another port or 0")
        elif port:
            seen[port] = name
    return problems


def _login_problems(options: Options, user: str) -> list[str]:
    given = [name for name in ("password", "password-secret") if options.get(name)]
    if user and not given:
        return ["user: has no password; set password-secret or password too, or reset user"]
    if not user:
        return [f"{name}: has no user; set user too, or reset {name}" for name in given]
    return []


def _password(options: Options, read_secret: Callable[[str], str]) -> tuple[str, tuple[str, ...]]:
    secret_id = str(options.get("password-secret", ""))
    if not secret_id:
        return str(options.get("password", "")), ()
    try:
        return read_secret(secret_id), ()
    except InvalidSettingsError as error:
        return "", error.problems


def secret_password(content: Mapping[str, str]) -> str:
    """Return the password in a user secret's content.

    Raises:
        InvalidSettingsError: if there is none.
    """
    password = content.get("password", "")
    # A secret that was made of a file has the file's last newline, which nobody logs in with.
    stripped = password.removesuffix("\n").removesuffix("\r")
    if stripped != password:
        logger.warning("password-secret: the newline at the end of the password is left out")
    if not stripped:
        raise InvalidSettingsError(
            "password-secret: the secret has no key 'password'; "
            "run 'juju update-secret NAME password#file=FILE'"
        )
    return stripped

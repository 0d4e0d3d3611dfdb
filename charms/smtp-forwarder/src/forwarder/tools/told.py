"""What the charm tells the tools: where the forwarder is, and which relay it uses."""

import dataclasses
import json
import os
import pathlib
import pwd
from typing import Any

from forwarder.tools import failures


@dataclasses.dataclass(frozen=True)
class Told:
    """The file that every user of the machine may read.

    Attributes:
        host: where the forwarder listens on loopback.
        port: the same.
        queue: the folder of what waits.
        config: the forwarder's own configuration, which only root may read.
        domain: what an address without a domain gets.
        relay: the relay, in the names of `smtp-settings`, without the password.
    """

    host: str
    port: int
    queue: str
    config: str
    domain: str
    relay: dict[str, Any]


def read(path: str) -> Told:
    """Read the file.

    Raises:
        failures.NotConfiguredError: if there is none, or it cannot be read.
    """
    try:
        return Told(**json.loads(pathlib.Path(path).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        raise failures.NotConfiguredError(
            f"not configured: {path} cannot be read; the unit of smtp-forwarder writes it"
        ) from None


def qualified(address: str, domain: str) -> str:
    """Return an address with its domain, or with the one given if it has none."""
    return address if "@" in address else f"{address}@{domain}"


def own_address(domain: str) -> str:
    """Return the address of the user who runs this process."""
    try:
        return f"{pwd.getpwuid(os.getuid()).pw_name}@{domain}"
    except KeyError:
        return f"uid-{os.getuid()}@{domain}"

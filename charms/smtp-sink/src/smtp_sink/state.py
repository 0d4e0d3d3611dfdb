"""What the mail catcher keeps in its unit's state directory, and what it is told there."""

import dataclasses
import hashlib
import json
import pathlib

from unit_service import files

LISTENERS = ("plain", "starttls", "tls")


@dataclasses.dataclass(frozen=True)
class StateDir(files.StateDir):
    """The paths in a unit's state directory."""

    @property
    def messages(self) -> pathlib.Path:
        """The directory of the messages."""
        return self.path / "messages"

    @property
    def ports(self) -> pathlib.Path:
        """The ports that the server took by itself, to take them again."""
        return self.path / "ports.json"


@dataclasses.dataclass(frozen=True, kw_only=True)
class ServerConfig:
    """What the server is told.

    `ports` has a port for each of `LISTENERS`, 0 to take a free one. `certificate` is a PEM file
    with key and certificate; `certificate_serial` makes a renewed one a different configuration.
    Without a `user` there is no AUTH; without an `introspection_url` no token is taken in AUTH.
    """

    bind_address: str
    ports: dict[str, int]
    certificate: str
    certificate_serial: str
    user: str = ""
    password: str = dataclasses.field(default="", repr=False)
    refuse_passwords: bool = False
    introspection_url: str = ""
    introspection_ca: str = ""

    def to_json(self) -> str:
        """Return the text that `from_json` reads."""
        return json.dumps(dataclasses.asdict(self), indent=1)

    @classmethod
    def from_json(cls, text: str) -> "ServerConfig":
        """Return what `to_json` wrote."""
        return cls(**json.loads(text))

    @property
    def digest(self) -> str:
        """What tells this configuration from another."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()


def endpoint(address: str, port: int) -> str:
    """Return an address and a port as one text, such as `127.0.0.1:25` or `[::1]:25`."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"

"""What a controller knows of an application, and of what it offers to other models."""

from __future__ import annotations

import dataclasses
import uuid
from typing import TYPE_CHECKING

from localjuju.unit import ALIVE, Status, now

if TYPE_CHECKING:
    import datetime as dt
    import pathlib

    from localjuju.charm import Charm, Endpoint, Value


@dataclasses.dataclass
class Application:
    """An application: a charm under a name, with its configuration.

    Attributes:
        name: its name in the model.
        charm: the charm that its units run or are about to be refreshed to.
        settings: the options that are set.
        config_version: counts the settings that units are told of.
        uuid: its ID in some of Juju 4.0's words, and in models whose offers it consumes.
        trusted: whether ``juju trust`` was given.
        force_units: whether units in error are refreshed too.
        life: ``alive`` or ``dying``.
        leader: the name of the unit that leads; empty without units.
        status: what the leader has set; None shows that of the units.
        resources: the files by their names in the metadata.
        since: when it was deployed.
    """

    name: str
    charm: Charm
    settings: dict[str, Value] = dataclasses.field(default_factory=dict[str, "Value"])
    config_version: int = 0
    uuid: str = dataclasses.field(default_factory=lambda: str(uuid.uuid4()))
    trusted: bool = False
    force_units: bool = False
    life: str = ALIVE
    leader: str = ""
    status: Status | None = None
    resources: dict[str, pathlib.Path] = dataclasses.field(
        default_factory=dict[str, "pathlib.Path"]
    )
    since: dt.datetime = dataclasses.field(default_factory=now)

    def config(self) -> dict[str, Value]:
        """Every option that has a value, set or by default.

        A ``string`` option that is set to the empty string has the value ``""``; an option that
        is not set and has no default is absent, as in ``config-get`` of Juju 3.6.
        """
        defaults = {
            name: option.default
            for name, option in self.charm.options.items()
            if option.default is not None
        }
        return defaults | self.settings


@dataclasses.dataclass(frozen=True)
class Offer:
    """Endpoints of an application that other models may consume.

    Attributes:
        name: its name in the model.
        application: the application's name.
        endpoints: the endpoints by name.
    """

    name: str
    application: str
    endpoints: dict[str, Endpoint]

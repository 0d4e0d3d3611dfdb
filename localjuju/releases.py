"""The releases of Juju that localjuju plays, and all in which they differ.

``LOCALJUJU_RELEASE`` names the one that a controller plays as it starts. Whatever is the same in
all of them stands where it is done; what is not is a field here. Sources: for 4.0 what a
controller of 4.0.15 on LXD machines answered, kept as a table in the tests; for 3.6 its source.
"""

from __future__ import annotations

import dataclasses
import os

DEFAULT = "4.0"
VARIABLE = "LOCALJUJU_RELEASE"


@dataclasses.dataclass(frozen=True)
class Release:
    """What one release of Juju says and does where another says or does something else.

    Attributes:
        name: the release, as ``LOCALJUJU_RELEASE`` names it.
        version: the version of its agents.
    """

    name: str
    version: str


_ALL = (
    Release(name="3.6", version="3.6.12"),
    Release(name="4.0", version="4.0.15"),
)
RELEASES = {one.name: one for one in _ALL}


def chosen() -> Release:
    """The release that the environment names, or the default one.

    Raises:
        ValueError: if it names none that is here.
    """
    name = os.environ.get(VARIABLE) or DEFAULT
    if name not in RELEASES:
        raise ValueError(f"{VARIABLE}: {name!r} is none of {', '.join(RELEASES)}")
    return RELEASES[name]

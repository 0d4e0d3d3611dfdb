"""How commands find what they name."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from localjuju import errors

if TYPE_CHECKING:
    from localjuju.model import Application, Model, Unit


_NAME = re.compile(r"[a-z](?:[a-z0-9]*(?:-[a-z0-9]*[a-z][a-z0-9]*)*)")


def is_application_name(name: str) -> bool:
    """Whether Juju takes the name for an application, and so for an offer."""
    return _NAME.fullmatch(name) is not None


def find_application(where: Model, name: str) -> Application:
    """The application with this name.

    Raises:
        errors.JujuError: if there is none.
    """
    if name not in where.applications:
        raise errors.JujuError(f'application "{name}" not found')
    return where.applications[name]


def find_unit(where: Model, name: str) -> Unit:
    """The unit with this name, or the leader for ``APP/leader``.

    Raises:
        errors.JujuError: if there is none.
    """
    app, _, number = name.partition("/")
    if number == "leader" and app in where.applications:
        name = where.applications[app].leader or name
    if name not in where.units:
        raise errors.JujuError(f'unit "{name}" not found (not found)')
    return where.units[name]

"""How commands find what they name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from localjuju import errors

if TYPE_CHECKING:
    from localjuju.model import Application, Model, Unit


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

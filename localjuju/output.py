"""Values as Juju prints them: ``json``, ``yaml``, and ``smart``, which suits a shell."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

import yaml

from localjuju import errors

if TYPE_CHECKING:
    import datetime as dt

_FastDumper: type[yaml.SafeDumper] = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


class _Dumper(_FastDumper):
    """Writes text of several lines as a literal block, as the YAML library of Juju does."""


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    tag = "tag:yaml.org,2002:str"
    return dumper.represent_scalar(tag, text, style=style)  # pyright: ignore[reportUnknownMemberType]


_Dumper.add_representer(str, _represent_text)


def long_time(moment: dt.datetime) -> str:
    """A moment as tasks show it, for example ``2026-11-21 08:00:00 +0000 UTC``."""
    return moment.strftime("%Y-%m-%d %H:%M:%S +0000 UTC")


def rfc3339(moment: dt.datetime) -> str:
    """A moment as secrets and goal-state show it."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def show(value: object, form: str) -> str:
    """Render a value, ending in a newline unless there is nothing to show.

    Raises:
        errors.JujuError: for a format that Juju does not know.
    """
    if form == "json":
        return json.dumps(value, separators=(",", ":"), sort_keys=True) + "\n"
    if form == "yaml":
        return to_yaml(value)
    if form == "smart":
        return _smart(value)
    raise errors.JujuError(
        f'invalid value "{form}" for option --format: unknown format "{form}"', errors.USAGE
    )


def status_time(moment: dt.datetime) -> str:
    """A moment as ``juju status`` shows it, for example ``21 Nov 2026 08:00:00Z``."""
    return moment.strftime("%d %b %Y %H:%M:%SZ")


def table(rows: list[tuple[str, ...]]) -> str:
    """Align rows in columns, two spaces apart; a header alone is nothing to show."""
    if len(rows) < 2:  # noqa: PLR2004 - a header alone
        return ""
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    return "\n".join(lines) + "\n"


def to_yaml(value: object) -> str:
    """Render a value as YAML blocks."""
    text = yaml.dump(value, Dumper=_Dumper, default_flow_style=False, allow_unicode=True)
    return text.removesuffix("...\n")


def _smart(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool | int | float):
        return f"{value}\n"
    if isinstance(value, str):
        return f"{value}\n" if value else "\n"
    if isinstance(value, list):
        return "".join(f"{item}\n" for item in cast("list[Any]", value))
    return to_yaml(value)

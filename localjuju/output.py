"""Values as Juju prints them: ``json``, ``yaml``, and ``smart``, which suits a shell."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypeVar, cast

import yaml

from localjuju import errors

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable, Mapping

_Item = TypeVar("_Item")

_FastDumper: type[yaml.SafeDumper] = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


_TIMESTAMP = "tag:yaml.org,2002:timestamp"


class _Dumper(_FastDumper):
    """Writes text of several lines as a literal block, as the YAML library of Juju does.

    It quotes text that would be read as something else, but for times.
    """


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    tag = "tag:yaml.org,2002:str"
    plain = cast("str", dumper.resolve(yaml.ScalarNode, text, (True, False)))  # pyright: ignore[reportUnknownMemberType]
    if plain == _TIMESTAMP:
        return dumper.represent_scalar(plain, text)  # pyright: ignore[reportUnknownMemberType]
    style = "|" if "\n" in text else None if plain == tag else '"'
    return dumper.represent_scalar(tag, text, style=style)  # pyright: ignore[reportUnknownMemberType]


_Dumper.add_representer(str, _represent_text)


def long_time(moment: dt.datetime) -> str:
    """A moment as tasks show it, for example ``2026-11-21 08:00:00 +0000 UTC``."""
    return moment.strftime("%Y-%m-%d %H:%M:%S +0000 UTC")


def ordered(values: Mapping[str, _Item]) -> dict[str, _Item]:
    """Order a mapping whose keys are data by its keys, as Juju does."""
    return dict(sorted(values.items()))


def ports(opened: Iterable[str]) -> list[str]:
    """Order port ranges as Juju does: by protocol, then by number."""
    return sorted(opened, key=_protocol_and_number)


def _protocol_and_number(span: str) -> tuple[str, int]:
    """Divide ``80/tcp``, ``80-90/tcp`` or ``icmp``."""
    numbers, _, protocol = span.rpartition("/")
    return protocol, int(numbers.partition("-")[0] or 0)


def rfc3339(moment: dt.datetime) -> str:
    """A moment as secrets and goal-state show it."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def show(value: object, form: str) -> str:
    """Render a value, ending in a newline unless there is nothing to show.

    Mappings keep their order: Juju's own, or that of their keys by `ordered`.

    Raises:
        errors.JujuError: for a format that Juju does not know.
    """
    if form == "json":
        text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
        # As Go writes JSON that is fit for HTML.
        for mark in "<>&":
            text = text.replace(mark, f"\\u{ord(mark):04x}")
        return f"{text}\n"
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


def table(rows: list[tuple[str, ...]], right: tuple[int, ...] = ()) -> str:
    """Align rows in columns, two spaces apart; a header alone is nothing to show.

    Args:
        rows: the header, then the rows.
        right: the places of the columns that are aligned to the right.
    """
    if len(rows) < 2:  # noqa: PLR2004 - a header alone
        return ""
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    align = [str.rjust if place in right else str.ljust for place in range(len(widths))]
    lines = [
        "  ".join(put(text, width) for put, text, width in zip(align, row, widths, strict=True))
        for row in rows
    ]
    lines = [line.rstrip() for line in lines]
    return "\n".join(lines) + "\n"


def to_yaml(value: object) -> str:
    """Render a value as YAML blocks."""
    text = yaml.dump(
        value,
        Dumper=_Dumper,
        default_flow_style=False,
        allow_unicode=True,
        sort_keys=False,
    )
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

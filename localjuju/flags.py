"""Command lines as Juju parses them: flags may stand anywhere before ``--``.

Juju's commands and its hook commands share one parser, Go's ``gnuflag``. A boolean flag takes no
value, or one after ``=``; every other flag takes the rest of its word or the next word.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import re
from typing import TYPE_CHECKING

from localjuju import errors

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

BOOL = "bool"
INT = "int"
LIST = "list"
TEXT = "text"

_PART = r"([0-9]+\.?[0-9]*|\.[0-9]+)(h|ms|m|s|us|µs|ns)"
_DURATION = re.compile(f"(?:{_PART})+|0")
_SECONDS = {"h": 3600.0, "m": 60.0, "ms": 0.001, "s": 1.0, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_TRUE = {"1", "t", "T", "true", "TRUE", "True"}
_FALSE = {"0", "f", "F", "false", "FALSE", "False"}


@dataclasses.dataclass
class Parsed:
    """A command line: its words, and its flags by their canonical names.

    Attributes:
        words: the words that are no flags.
        flags: the values of each flag, in order.
    """

    words: list[str] = dataclasses.field(default_factory=list[str])
    flags: dict[str, list[str]] = dataclasses.field(default_factory=dict[str, list[str]])

    def boolean(self, name: str) -> bool:
        """Whether the flag is given and not switched off."""
        return self.flags.get(name, ["false"])[-1] == "true"

    def integer(self, name: str, default: int) -> int:
        """The number given last, or the default."""
        return int(self.flags[name][-1]) if name in self.flags else default

    def text(self, name: str, default: str = "") -> str:
        """The value given last, or the default."""
        return self.flags.get(name, [default])[-1]

    def texts(self, name: str) -> list[str]:
        """Every value given, in order."""
        return self.flags.get(name, [])


def asks_for_help(arguments: Sequence[str]) -> bool:
    """Whether a command line asks what the command does, instead of for the command."""
    own = arguments[: arguments.index("--")] if "--" in arguments else arguments
    return any(word in ("-h", "--help") for word in own)


def help_text(name: str, summary: str, spec: Mapping[str, str]) -> str:
    """What a command prints for ``--help``: its summary and its flags."""
    options = "".join(f"--{key.rpartition(',')[2]} ({kind})\n" for key, kind in spec.items())
    return f"Usage: {name} [options]\n\nSummary:\n{summary}\n\nOptions:\n{options}"


def duration(text: str) -> dt.timedelta:
    """Read a duration as Go writes it, for example ``1m30s`` or ``500ms``.

    Raises:
        errors.JujuError: if the text is none.
    """
    if not _DURATION.fullmatch(text):
        raise errors.JujuError(f'invalid duration "{text}"', errors.USAGE)
    parts: list[tuple[str, str]] = re.findall(_PART, text)
    try:
        return dt.timedelta(seconds=sum(float(size) * _SECONDS[unit] for size, unit in parts))
    except OverflowError:
        raise errors.JujuError(f'invalid duration "{text}"', errors.USAGE) from None


def parse(
    arguments: Sequence[str], spec: Mapping[str, str], *, interspersed: bool = True
) -> Parsed:
    """Parse a command line.

    Args:
        arguments: the words after the command's name.
        spec: for each flag its names, separated by commas with the canonical name last, and its
            kind: BOOL, INT, LIST or TEXT.
        interspersed: whether flags may follow the first word.

    Raises:
        errors.JujuError: for a flag that is unknown, lacks its value or has a wrong one.
    """
    names = {name: key.split(",")[-1] for key in spec for name in key.split(",")}
    kinds = {key.split(",")[-1]: kind for key, kind in spec.items()}
    parsed, rest = Parsed(), list(arguments)
    while rest:
        word = rest.pop(0)
        if word == "--":
            parsed.words += rest
            break
        if not word.startswith("-") or word == "-":
            parsed.words.append(word)
            if not interspersed:
                parsed.words += rest[1:] if rest[:1] == ["--"] else rest
                break
            continue
        flag, equals, value = word.partition("=")
        name = names.get(flag.lstrip("-"))
        if name is None or (flag.startswith("--") and len(flag.lstrip("-")) == 1):
            raise errors.JujuError(f"option provided but not defined: {flag}", errors.USAGE)
        given = value if equals else _next_value(flag, kinds[name], rest)
        parsed.flags.setdefault(name, []).append(_checked(flag, kinds[name], given))
    return parsed


def _next_value(flag: str, kind: str, rest: list[str]) -> str:
    if kind == BOOL:
        return "true"
    if not rest:
        raise errors.JujuError(f"option needs an argument: {flag}", errors.USAGE)
    return rest.pop(0)


def _checked(flag: str, kind: str, value: str) -> str:
    if kind == BOOL:
        if value not in _TRUE | _FALSE:
            raise errors.JujuError(f'invalid boolean value "{value}" for {flag}', errors.USAGE)
        return "true" if value in _TRUE else "false"
    if kind == INT:
        try:
            int(value)
        except ValueError:
            raise errors.JujuError(
                f'invalid value "{value}" for option {flag}', errors.USAGE
            ) from None
    return value

"""The table of hook commands, and how one is run."""

from __future__ import annotations

import dataclasses
import inspect
import pathlib
from collections.abc import Callable
from typing import TYPE_CHECKING

from localjuju import errors, faults, flags, hooks, output, secret_store
from localjuju.context import Context

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclasses.dataclass(frozen=True)
class Call:
    """The command line of a hook command, with its standard input and working folder.

    Attributes:
        parsed: the command line after the command's name.
        stdin: what the standard input holds, if the command line names it.
        folder: the working folder, to which paths are relative.
    """

    parsed: flags.Parsed
    stdin: bytes
    folder: pathlib.Path

    @property
    def words(self) -> list[str]:
        """The words that are no flags."""
        return self.parsed.words

    def word(self, index: int, default: str = "") -> str:
        """The word at a place, or the default."""
        return self.words[index] if index < len(self.words) else default

    def at_most(self, count: int) -> None:
        """Refuse words beyond a count, as Juju does."""
        if len(self.words) > count:
            extra = ", ".join(f'"{word}"' for word in self.words[count:])
            raise errors.JujuError(f"unrecognized args: [{extra}]", errors.USAGE)

    def show(self, value: object) -> str:
        """Render a result in the format that the caller asked for."""
        return output.show(value, self.parsed.text("format", "smart"))

    def read(self, path: str) -> bytes:
        """Read the file that an argument names; ``-`` is the standard input."""
        if path == "-":
            return self.stdin
        try:
            return (self.folder / path).read_bytes()
        except OSError as error:
            raise errors.JujuError(f"open {path}: {(error.strerror or '').lower()}") from None

    def pairs(self, words: list[str]) -> dict[str, str]:
        """Read ``KEY=VALUE`` words and the YAML of ``--file``; words win."""
        given: dict[str, str] = {}
        if path := self.parsed.text("file"):
            given = secret_store.read_map(self.read(path))
        for word in words:
            key, equals, value = word.partition("=")
            if not equals or not key:
                raise errors.JujuError(f'expected "key=value", got "{word}"', errors.USAGE)
            given[key] = value
        return given


Handler = Callable[[Context, Call], "str | None"]

COMMANDS: dict[str, tuple[Handler, Mapping[str, str]]] = {}

SHOW = {"format": flags.TEXT}
"""The flags of a command with a result."""


def command(name: str, spec: Mapping[str, str]) -> Callable[[Handler], Handler]:
    """Enter a function into the table under a command's name."""

    def enter(handler: Handler) -> Handler:
        COMMANDS[name] = (handler, spec)
        return handler

    return enter


def _help(name: str) -> str:
    handler, spec = COMMANDS[name]
    return flags.help_text(name, inspect.getdoc(handler) or "", spec)


def reads_stdin(name: str, arguments: list[str]) -> bool:
    """Whether a hook command is to read its standard input, as ``--file -`` has it."""
    if name not in COMMANDS:
        return False
    try:
        return flags.parse(arguments, COMMANDS[name][1]).text("file") == "-"
    except errors.JujuError:
        return False


def run(
    context: Context, name: str, arguments: list[str], stdin: bytes, folder: str
) -> tuple[int, str, str]:
    """Run a hook command; give its exit code, output and error output."""
    context.commands.append(hooks.redacted(name, arguments))
    handler, spec = COMMANDS[name]
    if flags.asks_for_help(arguments):
        return 0, _help(name), ""
    try:
        faults.strike(context)
        call = Call(flags.parse(arguments, spec), stdin, pathlib.Path(folder))
        return 0, handler(context, call) or "", ""
    except errors.JujuError as error:
        return error.code, "", f"ERROR {error}\n"

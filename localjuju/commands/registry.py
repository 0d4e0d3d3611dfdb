"""The table of juju commands, and how one is run."""

from __future__ import annotations

import dataclasses
import inspect
import pathlib
from collections.abc import Callable
from typing import TYPE_CHECKING

from localjuju import errors, flags
from localjuju.unit import ALIVE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from localjuju.controller import Controller
    from localjuju.model import Model

FORMAT = {"format": flags.TEXT}
MODEL = {"m,model": flags.TEXT}
_HELP = {"h,help": flags.BOOL}


@dataclasses.dataclass
class Call:
    """A command line with its surroundings, and what the command answers.

    Attributes:
        controller: what the command is about.
        name: the command's name or alias, as it was given.
        parsed: the rest of the command line.
        folder: the caller's working folder, to which paths are relative.
        stdin: what the caller's standard input holds, if the command line names it.
        stderr: what the command tells beside its result.
        default_model: the model that ``JUJU_MODEL`` names.
        code: the exit code.
        refused_stdout: what stands on standard output if the command is refused.
    """

    controller: Controller
    name: str
    parsed: flags.Parsed
    folder: pathlib.Path
    stdin: bytes = dataclasses.field(repr=False, default=b"")
    stderr: str = ""
    default_model: str = ""
    code: int = 0
    refused_stdout: str = ""

    @property
    def words(self) -> list[str]:
        """The words that are no flags."""
        return self.parsed.words

    def word(self, index: int, what: str) -> str:
        """The word at a place.

        Raises:
            errors.JujuError: if there is none; the text is Juju's for a missing word.
        """
        if index >= len(self.words):
            raise errors.JujuError(what, errors.USAGE)
        return self.words[index]

    def at_most(self, count: int) -> None:
        """Refuse words beyond a count, as Juju does."""
        if len(self.words) > count:
            extra = ", ".join(f'"{word}"' for word in self.words[count:])
            raise errors.JujuError(f"unrecognized args: [{extra}]", errors.USAGE)

    def model(self) -> Model:
        """The model that ``--model``, ``JUJU_MODEL`` or ``juju switch`` names."""
        return self.controller.find_model(self.parsed.text("model") or self.default_model)

    def living_model(self) -> Model:
        """The model, to which something is to be added.

        Raises:
            errors.JujuError: if it is being destroyed.
        """
        where = self.model()
        if where.life != ALIVE:
            raise errors.JujuError(f'model "{where.name}" is {where.life}')
        return where

    def read(self, path: str) -> str:
        """Read a text file of the caller; ``-`` is the standard input."""
        return self.read_bytes(path).decode(errors="replace")

    def read_bytes(self, path: str) -> bytes:
        """Read a file of the caller; ``-`` is the standard input."""
        if path == "-":
            return self.stdin
        try:
            return (self.folder / path).expanduser().read_bytes()
        except OSError as error:
            raise errors.JujuError(f"open {path}: {(error.strerror or '').lower()}") from None


Handler = Callable[[Call], "str | None"]

COMMANDS: dict[str, tuple[Handler, Mapping[str, str], bool]] = {}


def command(
    name: str, spec: Mapping[str, str], *aliases: str, interspersed: bool = True
) -> Callable[[Handler], Handler]:
    """Enter a function into the table under a command's names."""

    def enter(handler: Handler) -> Handler:
        for one in (name, *aliases):
            COMMANDS[one] = (handler, spec, interspersed)
        return handler

    return enter


def help_of(name: str) -> str:
    """What a command does, and its options."""
    handler, spec, _ = COMMANDS[name]
    return flags.help_text(f"juju {name}", inspect.getdoc(handler) or "", spec)


def run(
    controller: Controller, arguments: list[str], folder: str, stdin: bytes, default_model: str
) -> tuple[int, str, str]:
    """Run a juju command; give its exit code, output and error output."""
    try:
        call = _parse(controller, arguments, folder, stdin, default_model)
        handler = COMMANDS[call.name][0]
    except errors.JujuError as error:
        return error.code, "", f"ERROR {error}\n"
    if call.parsed.boolean("help"):
        return 0, help_of(call.name), ""
    try:
        stdout = handler(call) or ""
    except errors.JujuError as error:
        return error.code, call.refused_stdout, f"{call.stderr}ERROR {error}\n"
    return call.code, stdout, call.stderr


def _parse(
    controller: Controller, arguments: list[str], folder: str, stdin: bytes, default_model: str
) -> Call:
    name = arguments[0] if arguments else "help"
    if name not in COMMANDS:
        raise errors.JujuError(
            f'juju: "{name}" is not a juju command. See "juju --help".', errors.USAGE
        )
    _, spec, interspersed = COMMANDS[name]
    parsed = flags.parse(arguments[1:], {**spec, **_HELP}, interspersed=interspersed)
    return Call(
        controller,
        name,
        parsed,
        pathlib.Path(folder),
        stdin=stdin,
        default_model=default_model,
    )

"""How a tool fails: with words for a person, and an exit code of `sysexits.h` for a program."""

import contextlib
import os
import sys
from collections.abc import Generator, Mapping


class ToolError(Exception):
    """A tool cannot do what it was asked; `code` is its exit code."""

    code = os.EX_SOFTWARE


class UsageError(ToolError):
    """The command line is wrong."""

    code = os.EX_USAGE


class DataError(ToolError):
    """What was given on the standard input or as an address is wrong."""

    code = os.EX_DATAERR


class InputError(ToolError):
    """A file cannot be read."""

    code = os.EX_NOINPUT


class OutputError(ToolError):
    """What was asked for cannot be written."""

    code = os.EX_IOERR


class PermissionDeniedError(ToolError):
    """Only root may do this."""

    code = os.EX_NOPERM


class TemporaryError(ToolError):
    """It may work later; nobody got the message, or only those who are not named."""

    code = os.EX_TEMPFAIL


class NotConfiguredError(ToolError):
    """There is no forwarder here, or it has no relay and refuses mail until it has."""

    code = os.EX_CONFIG


class RefusedError(ToolError):
    """The message was refused for some recipients; the others have got it.

    Attributes:
        refusals: the answer to each recipient that did not get the message.
    """

    code = os.EX_UNAVAILABLE

    def __init__(self, refusals: Mapping[str, str]) -> None:
        lines = (f"not sent to {address}: {answer}" for address, answer in refusals.items())
        super().__init__("\n".join(lines))
        self.refusals = refusals


class Failed:
    """What a tool's exit code will be."""

    code = os.EX_OK


@contextlib.contextmanager
def reported(tool: str) -> Generator[Failed]:
    """Turn an error into its lines on the standard error, and into its exit code."""
    failed = Failed()
    try:
        yield failed
    except ToolError as error:
        for line in str(error).splitlines():
            sys.stderr.write(f"{tool}: {line}\n")
        failed.code = error.code

"""The standard streams: what a shell may leave out, and what may fail, in words."""

import os
import sys
from collections.abc import Iterator

from forwarder.tools import failures


def lines() -> Iterator[bytes]:
    """Yield the lines of the standard input.

    Raises:
        failures.InputError: if there is none, or it cannot be read.
    """
    if sys.stdin is None:
        raise failures.InputError("the standard input is closed")
    try:
        yield from sys.stdin.buffer
    except OSError as error:
        raise failures.InputError(f"the standard input: {error.strerror}") from None


def write(text: str) -> None:
    """Write to the standard output, and see it through.

    Raises:
        failures.OutputError: if there is none, or it takes no more.
    """
    if sys.stdout is None:
        raise failures.OutputError("the standard output is closed")
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError as error:
        # Python would write what is left once more at its end, and fail in its own words.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise failures.OutputError(f"the standard output: {error.strerror}") from None

"""The one error that a Juju command shows to its caller."""

from __future__ import annotations

USAGE = 2


class CommitError(Exception):
    """A hook whose commands succeeded and whose changes are refused when they are committed."""


class JujuError(Exception):
    """What a command answers instead of a result.

    Args:
        message: the text after ``ERROR``, in Juju's words.
        code: the exit code; Juju uses 2 for a command line that it cannot parse.
    """

    def __init__(self, message: str, code: int = 1) -> None:
        super().__init__(message)
        self.code = code

"""The secret that an option names: its content, or why it cannot be read and what to do."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING

from problem import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

_ID, _NO_ID = re.compile(r"[0-9a-v]{20}"), "ID"
# A hint alone: Juju says it in other words in each release, here 3.6 and 4.0.
_WORDS_OF_NO_GRANT = ("permission denied", "not allowed to read")
# Juju gets a status as one argument of a command, for which Linux has 128 KiB.
_MAX_REFUSAL_LENGTH = 300


@dataclasses.dataclass(frozen=True)
class Unreadable:
    """That the secret cannot be read.

    Attributes:
        refusal: Why, in Juju's words; empty where there is no such secret.
    """

    refusal: str = ""


def content(
    found: Mapping[str, str] | Unreadable, *, entered: str, application: str
) -> Mapping[str, str]:
    """Return the content of a user's secret.

    Args:
        found: What Juju answered.
        entered: What the operator entered as the option; only what is a secret's ID is quoted.
        application: The deployed application's name, for the command.

    Raises:
        Problem: If it cannot be read.
    """
    if not isinstance(found, Unreadable):
        return found
    if not found.refusal:
        raise Problem("does not exist; run 'juju secrets' and enter the ID of one that does")
    secret_id = shown_id(entered)
    command = f"run 'juju grant-secret {secret_id} {application}'"
    if any(words in found.refusal for words in _WORDS_OF_NO_GRANT):
        raise Problem(f"not granted; {command} (noticed at the next update-status)")
    # Juju's words may quote the option, into which a password may have come.
    words = found.refusal if secret_id != _NO_ID else "it is no secret's ID"
    words = " ".join(words.split()).removeprefix("ERROR ")[:_MAX_REFUSAL_LENGTH]
    raise Problem(
        f"Juju refuses to read the secret: {words}; if it is not granted, {command} "
        "(tried again at the next update-status)"
    )


def shown_id(entered: str) -> str:
    """Return the ID to show in a command, `ID` where what was entered is none.

    Args:
        entered: A secret's ID, in any spelling.
    """
    secret_id = entered.rpartition("/")[2].removeprefix("secret:")
    return secret_id if _ID.fullmatch(secret_id) else _NO_ID

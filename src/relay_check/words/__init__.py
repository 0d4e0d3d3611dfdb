"""The words of the diagnoses, a room for each part of the way: nothing but words."""

from __future__ import annotations

import dataclasses

# Exit codes of the shell, from sysexits.h.
USAGE, DATA, NO_HOST, UNAVAILABLE, TEMPORARY = 64, 65, 68, 69, 75
PROTOCOL_ERROR, NO_PERMISSION = 76, 77

PORTS = "587 with transport_security=starttls, 465 with transport_security=tls, 25 between relays"
LATER = "Try again in some minutes; if it stays, ask the relay's operator."


@dataclasses.dataclass(frozen=True)
class Words:
    """What a diagnosis says; `kinds.Kind` tells of each attribute."""

    exit_code: int
    title: str
    sentence: str
    remedy: str
    is_warning: bool = False

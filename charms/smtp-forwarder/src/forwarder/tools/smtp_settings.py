"""`smtp-settings`: the relay as JSON, for scripts that talk to it themselves."""

import json
import pathlib
from collections.abc import Sequence
from typing import Any

from forwarder.tools import command_lines, failures, streams, told


def main(told_file: str, arguments: Sequence[str]) -> int:
    """Print the relay; return the exit code."""
    with failures.reported("smtp-settings") as failed:
        parser = command_lines.Parser("smtp-settings", description="Show the relay as JSON.")
        parser.add_argument("--json", action="store_true", required=True, help="print JSON")
        parser.add_argument(
            "--with-password", action="store_true", help="with the password; for root alone"
        )
        given = parser.parse_args(arguments)
        forwarder = told.read(told_file)
        settings = forwarder.relay
        if given.with_password:
            settings = {**settings, "password": _password(forwarder.config)}
        streams.write(json.dumps(settings) + "\n")
    return failed.code


def _password(config: str) -> str:
    try:
        told_to_service: dict[str, Any] = json.loads(pathlib.Path(config).read_text("utf-8"))
    except PermissionError:
        raise failures.PermissionDeniedError("only root may see the password") from None
    upstream: dict[str, Any] = told_to_service["upstream"] or {}
    return str(upstream.get("password", ""))

"""The command, for a shell: `python3 -m relay_check --host smtp.example.com --port 587 …`."""

from __future__ import annotations

import argparse
import contextlib
import errno
import json
import os
import pathlib
import re
import sys
import threading
from typing import TYPE_CHECKING, NamedTuple, NoReturn, cast

from relay_check import envelope, stages, words
from relay_check.target import Target

if TYPE_CHECKING:
    from collections.abc import Sequence

    from smtp_oauth import Grant

# What a shell gives for a process that Ctrl-C ended: 128 and the number of SIGINT.
_INTERRUPTED = 130
# EX_IOERR of sysexits.h.
_CANNOT_WRITE = 74


def main(arguments: Sequence[str] | None = None) -> int:
    """Check a relay from the shell.

    Args:
        arguments: What follows the command's name; by default `sys.argv`'s.

    Returns:
        The exit code: 0, or one of sysexits.h.
    """
    given = _parse(arguments)
    report = stages.check(
        given.target,
        sender=given.sender,
        recipients=given.recipients,
        timeout=given.timeout,
        redeem_refresh_token=given.redeem_refresh_token,
    )
    lines = [json.dumps(report.to_dict(), indent=2)] if given.as_json else report.lines()
    try:
        _write("\n".join(lines))
    except OSError as e:
        sys.stderr.write(f"standard output: {e.strerror}\n")
        return _CANNOT_WRITE
    return report.exit_code


def _write(text: str) -> None:
    """Write to the standard output, and see it through; raises OSError."""
    if sys.stdout is None:
        raise OSError(errno.EBADF, "closed")
    # An address beyond ASCII must not end the command on a terminal that has no such letters.
    encoding = sys.stdout.encoding or "utf-8"
    try:
        sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding) + "\n")
        sys.stdout.flush()
    except OSError:
        # Python would try once more at its end, and fail in its own words.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise


def run() -> NoReturn:
    """Be the command: end the process with the exit code."""
    try:
        code = main()
    except KeyboardInterrupt:
        code = _INTERRUPTED
    sys.exit(code)


class _Given(NamedTuple):
    target: Target
    sender: str | None
    recipients: tuple[str, ...]
    timeout: float
    as_json: bool
    redeem_refresh_token: bool


def _parse(arguments: Sequence[str] | None) -> _Given:
    parser = _parser()
    options, unknown = parser.parse_known_args(arguments)
    if unknown:
        # They are not shown: one may be a password.
        parser.error("there are arguments that it does not know")
    if options.password is not None:
        parser.error(
            "process lists show arguments: put the password into a file, for --password-file"
        )
    given = (address.strip() for option in options.recipient for address in option.split(","))
    recipients = tuple(address for address in given if address)
    try:
        target = _target(options)
        envelope.Envelope(options.sender, recipients)
    except ValueError as e:
        parser.error(str(e))
    return _Given(
        target,
        options.sender,
        recipients,
        options.timeout,
        options.json,
        options.redeem_refresh_token,
    )


def _parser() -> argparse.ArgumentParser:
    class Parser(argparse.ArgumentParser):
        def error(self, message: str) -> NoReturn:
            # What was entered is not shown: it may be a password.
            shown = re.sub(r"(['\"]).*\1", "…", message, flags=re.DOTALL)
            self.print_usage(sys.stderr)
            self.exit(words.USAGE, f"{self.prog}: error: {shown}\n")

    parser = Parser(
        description="Find out whether a mail relay works. No mail is sent.", allow_abbrev=False
    )
    add = parser.add_argument
    add("--host", required=True, help="host name or IP address")
    add("--port", required=True, type=int, help="TCP port")
    security = parser.add_mutually_exclusive_group()
    security.add_argument("--starttls", action="store_true", help="transport_security=starttls")
    security.add_argument("--tls", action="store_true", help="transport_security=tls")
    add("--ca-file", help="PEM of the CA certificates to trust (tls_ca_chain)")
    add("--skip-ssl-verify", action="store_true", help="leave the certificate unverified")
    add("--user", help="user of SMTP AUTH")
    secret = parser.add_mutually_exclusive_group()
    secret.add_argument(
        "--password-file",
        help="file with the password, - for standard input (auth_type=plain)",
    )
    secret.add_argument(
        "--oauth-file",
        help="file with the keys of oauth_secret as JSON, - for standard input (auth_type=oauth2)",
    )
    add(
        "--redeem-refresh-token",
        action="store_true",
        help="use up the refresh token of --oauth-file, which whoever holds it may then lose",
    )
    add("--password", help=argparse.SUPPRESS)
    add("--sender", help="address to try as the sender")
    add(
        "--recipient",
        action="append",
        default=[],
        help="address to try, or several with commas; may be repeated",
    )
    add("--timeout", type=float, default=10.0, help="seconds for the whole; 10 by default")
    add("--json", action="store_true", help="print the report as JSON")
    return parser


def _target(options: argparse.Namespace) -> Target:
    """Read the files that the arguments name; raises ValueError."""
    if not 0 < options.timeout < threading.TIMEOUT_MAX:
        raise ValueError("--timeout: must be more than 0 seconds")
    if bool(options.user) != bool(options.password_file or options.oauth_file):
        raise ValueError("--user goes with --password-file or --oauth-file, and they with it")
    if options.redeem_refresh_token and not options.oauth_file:
        raise ValueError("--redeem-refresh-token goes with --oauth-file")
    password, ca_chain = None, None
    if options.password_file:
        password = _read("--password-file", options.password_file).rstrip("\r\n")
    auth_type = "plain" if options.password_file else "oauth2" if options.oauth_file else "none"
    if options.ca_file:
        ca_chain = _read("--ca-file", options.ca_file)
    return Target(
        host=options.host,
        port=options.port,
        transport_security="starttls" if options.starttls else "tls" if options.tls else "none",
        auth_type=auth_type,
        user=options.user,
        password=password,
        oauth=_grant(options.oauth_file) if options.oauth_file else None,
        tls_ca_chain=ca_chain,
        skip_ssl_verify=options.skip_ssl_verify,
    )


def _grant(file: str) -> Grant:
    """Read the keys of a grant; raises a ValueError that shows none of their values."""
    import smtp_oauth  # noqa: PLC0415 - http.client and more, which few relays need

    fields = _object(_read("--oauth-file", file))
    content = {key: value for key, value in fields.items() if isinstance(value, str)}
    if not content or content != fields:
        raise ValueError("--oauth-file: must be one JSON object, its values strings")
    return smtp_oauth.Grant.of(content)


def _object(text: str) -> dict[str, object]:
    """Return the object that JSON holds, else an empty one: an error would hold the text."""
    with contextlib.suppress(ValueError, RecursionError):
        found: object = json.loads(text)
        return cast("dict[str, object]", found) if isinstance(found, dict) else {}
    return {}


def _read(option: str, file: str) -> str:
    """Return the file's text; raises a ValueError that shows neither its name nor its content."""
    if file == "-" and sys.stdin is None:
        raise ValueError(f"{option}: the standard input is closed")
    try:
        data = sys.stdin.buffer.read() if file == "-" else pathlib.Path(file).read_bytes()
        # Some editors begin a file with a byte order mark, which nobody means.
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError(f"{option}: its content is not UTF-8") from None
    except OSError as e:
        raise ValueError(f"{option}: {e.strerror}") from None


if __name__ == "__main__":
    run()

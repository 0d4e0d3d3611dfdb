"""`smtp-send`: one message for scripts, with its text on the standard input."""

import argparse
import dataclasses
import email.message
import email.policy
import email.utils
import mimetypes
import pathlib
import threading
from collections.abc import Sequence

from forwarder.tools import (
    address_lists,
    command_lines,
    composition,
    failures,
    streams,
    submission,
    told,
)

# These may not be sent in base64 (RFC 2046, sections 5.1 and 5.2.1), which keeps all bytes.
_COMPOSITE = ("message", "multipart")


@dataclasses.dataclass(frozen=True)
class Request:
    """What to send.

    Attributes:
        recipients: addresses, or lists of them.
        subject: one line.
        text: the text.
        sender: an address; None for the user who runs this process.
        attachments: paths of files.
    """

    recipients: Sequence[str]
    subject: str
    text: str
    sender: str | None = None
    attachments: Sequence[str] = ()


def main(told_file: str, arguments: Sequence[str]) -> int:
    """Send what the command line and the standard input say; return the exit code."""
    with failures.reported("smtp-send") as failed:
        given = _parser().parse_args(arguments)
        forwarder = told.read(told_file)
        text = b"".join(streams.lines()).decode("utf-8", "replace")
        request = Request(given.to, given.s, text, given.f, given.attach)
        mail = message(forwarder, request)
        submission.submit(forwarder, mail, seconds=given.timeout)
    return failed.code


def _parser() -> command_lines.Parser:
    parser = command_lines.Parser(
        "smtp-send", description="Send one message, with its text on the standard input."
    )
    parser.add_argument("-s", metavar="SUBJECT", required=True, help="the subject")
    parser.add_argument("-f", metavar="FROM", help="the sender; this user, if not given")
    parser.add_argument(
        "--attach", metavar="FILE", action="append", default=[], help="a file; may be repeated"
    )
    parser.add_argument(
        "--timeout",
        metavar="SECONDS",
        type=_seconds,
        default=submission.SECONDS,
        help="how long to wait for the forwarder before the message is queued",
    )
    parser.add_argument("to", metavar="TO", nargs="+", help="the recipients")
    return parser


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds <= threading.TIMEOUT_MAX:
        raise argparse.ArgumentTypeError("must be more than 0 seconds")
    return seconds


def message(forwarder: told.Told, request: Request) -> submission.Mail:
    """Make a message.

    Args:
        forwarder: gives domains to addresses that have none.
        request: what to send.

    Raises:
        failures.DataError: if an address or the subject cannot be sent, or nobody is to get it.
        failures.InputError: if a file cannot be read.
    """
    author = _one_address(request.sender, forwarder.domain)
    found = [one for listed in request.recipients for one in address_lists.split(listed)]
    to = [*dict.fromkeys(told.qualified(one, forwarder.domain) for one in found)]
    if not to:
        raise failures.DataError("no recipients")
    if not request.subject.isprintable():
        raise failures.DataError("the subject is not one line of text")
    made = email.message.EmailMessage(policy=email.policy.SMTP)
    made["Subject"] = request.subject
    made["Date"] = email.utils.localtime()
    made["Message-ID"] = email.utils.make_msgid(domain=forwarder.domain)
    made.set_content(request.text)
    for path in map(pathlib.Path, request.attachments):
        _attach(made, path)
    ascii_only = "".join((author, *to)).isascii()
    content = made.as_bytes(policy=email.policy.SMTP if ascii_only else email.policy.SMTPUTF8)
    # Python's own headers take addresses apart, and fail on some that a mailbox may well have.
    addressed = "From: {}\r\nTo: {}\r\n".format(author, ",\r\n ".join(to)).encode()
    return submission.Mail(author, tuple(to), addressed + content)


def _one_address(text: str | None, domain: str) -> str:
    if text is None:
        return told.own_address(domain)
    found = address_lists.split(text)
    if len(found) != 1:
        raise failures.DataError(f"not one address: {text}")
    return told.qualified(found[0], domain)


def _attach(made: email.message.EmailMessage, path: pathlib.Path) -> None:
    kind, encoding = mimetypes.guess_type(path.name)
    main_type, _, subtype = (kind or "").partition("/") if not encoding else ("", "", "")
    if main_type in _COMPOSITE:
        main_type = subtype = ""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise failures.InputError(f"{path}: {error.strerror}") from None
    made.add_attachment(
        content,
        maintype=main_type or "application",
        subtype=subtype or "octet-stream",
        filename=composition.one_line(path.name),
    )

"""Mail that the forwarder writes itself: what it says to a sender, and to the administrator."""

import binascii
import dataclasses
import email.message
import email.policy
import email.utils
import time
from collections.abc import Sequence

from forwarder import message, queue_file
from forwarder.answers import Answer

_POLICY = email.policy.SMTP
_NEVER = "4.4.7"


@dataclasses.dataclass(frozen=True)
class Failure:
    """A recipient that will not be delivered, with the relay's last words."""

    address: str
    said: str
    answer: str
    status: str


def failures(record: queue_file.Record) -> list[Failure]:
    """Return the recipients of a message that failed and of which nobody was told."""
    found: list[Failure] = []
    for number in record.having(queue_file.Mark.FAILED):
        recipient, answer = record.recipients[number], record.standings[number].answer
        found.append(Failure(recipient.address, recipient.said, answer, _status(answer)))
    return found


def compose(
    record: queue_file.Record, failed: Sequence[Failure], content: bytes, hostname: str
) -> bytes:
    """Write a delivery status notification (RFC 3464) to the sender of a message.

    Args:
        record: the message.
        failed: the recipients that it tells of.
        content: the message's content, of which the headers are returned.
        hostname: who writes.
    """
    report = email.message.EmailMessage(_POLICY)
    report["From"] = f"Mail Delivery System <MAILER-DAEMON@{hostname}>"
    report["Subject"] = "Undelivered mail returned to sender"
    report["Date"] = email.utils.formatdate()
    report["Message-ID"] = f"<{record.id}.bounce@{hostname}>"
    report["Auto-Submitted"] = "auto-replied"
    report["MIME-Version"] = "1.0"
    parts = (
        ("text/plain; charset=utf-8", _explanation(record, failed, hostname)),
        ("message/delivery-status", _status_fields(record, failed, hostname)),
        ("text/rfc822-headers", _headers(content)),
    )
    return _to(record.sender) + _multipart(report, record.id, parts)


def tell(administrator: str, subject: str, text: str, hostname: str) -> bytes:
    """Write a message to the administrator."""
    note = email.message.EmailMessage(_POLICY)
    note["From"] = f"Mail Delivery System <MAILER-DAEMON@{hostname}>"
    note["Subject"] = subject
    note["Date"] = email.utils.formatdate()
    note["Message-ID"] = email.utils.make_msgid(domain=hostname)
    note["Auto-Submitted"] = "auto-generated"
    # An error of a program's rules may have any characters in its words.
    note.set_content(text.encode(errors="replace").decode(), cte="quoted-printable")
    return _to(administrator) + note.as_bytes()


def _multipart(
    report: email.message.EmailMessage, name: str, parts: Sequence[tuple[str, bytes]]
) -> bytes:
    # The parts are bytes that came from elsewhere: they are not taken apart and put together.
    boundary = f"report-{name}"
    head = report.as_bytes().rstrip() + message.LINE_END
    kind = f'multipart/report; report-type=delivery-status; boundary="{boundary}"'
    lines = [head, b"Content-Type: ", kind.encode(), b"\r\n\r\n"]
    for content_type, text in parts:
        lines += [f"--{boundary}\r\nContent-Type: {content_type}\r\n".encode()]
        if not text.isascii():
            # The relay that refused eight bits would refuse them in the bounce too.
            text = binascii.b2a_qp(text)  # noqa: PLW2901 - the same text, in other bytes
            lines += [b"Content-Transfer-Encoding: quoted-printable\r\n"]
        lines += [message.LINE_END, text, message.LINE_END]
    return b"".join([*lines, f"--{boundary}--\r\n".encode()])


def _explanation(record: queue_file.Record, failed: Sequence[Failure], hostname: str) -> bytes:
    told = "".join(
        f"    {one.said}: {one.answer}\r\n" if one.said else f"    {one.address}: {one.answer}\r\n"
        for one in failed
    )
    return (
        f"This is the mail forwarder at {hostname}.\r\n\r\n"
        "Your message could not be delivered to these recipients, and is not tried again:\r\n\r\n"
        f"{told}\r\n"
        f"It was accepted on {_date(record.accepted)} as {record.id}.\r\n"
        "Its headers are attached.\r\n"
    ).encode()


def _status_fields(record: queue_file.Record, failed: Sequence[Failure], hostname: str) -> bytes:
    """RFC 3464, section 2: fields of the message, then of each recipient."""
    groups = [f"Reporting-MTA: dns; {hostname}\r\nArrival-Date: {_date(record.accepted)}\r\n"]
    for one in failed:
        kind = "rfc822" if one.said.isascii() else "utf-8"
        # The address that a rule put in the place of the sender's own is not the sender's to know.
        groups.append(
            f"Final-Recipient: {kind}; {one.said}\r\n"
            f"Action: failed\r\nStatus: {one.status}\r\n"
            f"Diagnostic-Code: smtp; {one.answer}\r\n"
        )
    return _ascii("\r\n".join(groups)).encode()


def _ascii(text: str) -> str:
    """Write what is not ASCII as RFC 6533, section 3, writes it."""
    return "".join(char if char.isascii() else f"\\x{{{ord(char):X}}}" for char in text)


def _headers(content: bytes) -> bytes:
    ends = [end for _, _, end in message.fields(content)]
    return content[: ends[-1]] if ends else b""


def _status(answer: str) -> str:
    code, _, text = answer.partition(" ")
    if not code.isdecimal():
        return f"5{_NEVER[1:]}"
    status = Answer(int(code), text).status
    # What was refused for now until its time was over has failed for good.
    return f"5{_NEVER[1:]}" if status.startswith("4") else status


def _date(seconds: float) -> str:
    return time.strftime("%a, %d %b %Y %H:%M:%S +0000", time.gmtime(seconds))


def _to(address: str) -> bytes:
    # Python's own headers take addresses apart, and fail on some that a client may well have.
    return b"To: " + address.encode("ascii", "replace") + message.LINE_END

"""Make a message of what a program gives to `sendmail`: with headers or without, in any bytes.

What has headers keeps them, its body and their order as they are. It gets a From, a Date and a
Message-ID where it has none (RFC 5322, section 3.6), and loses Bcc. What has no headers is plain
text, and gets the headers that say so.
"""

import base64
import dataclasses
import datetime as dt
import email.utils
import re
from collections.abc import Sequence

from forwarder.tools import address_lists, failures

_FIELD = re.compile(rb"([!-9;-~]+)[ \t]*:")
_CRLF = b"\r\n"
_LINE_ENDS = re.compile(rb"\r?\n")
# RFC 5322, section 2.1.1.
_LONGEST_LINE = 998
_HIDDEN = {b"bcc", b"resent-bcc"}
_KNOWN = re.compile(
    rb"auto-submitted|b?cc|content-.+|date|dkim-signature|errors-to|from|importance|in-reply-to"
    rb"|list-.+|message-id|mime-version|organization|precedence|priority|received|references"
    rb"|reply-to|resent-.+|return-path|sender|subject|to|user-agent|x-.+"
)


@dataclasses.dataclass(frozen=True)
class Draft:
    """A message as a program gave it: its header fields, folded as they came, and its body."""

    fields: tuple[bytes, ...]
    body: bytes

    def values(self, *names: bytes) -> list[str]:
        """Return the values of all fields with one of these names, in lower case, unfolded."""
        found = (one for one in self.fields if _name(one) in names)
        return [_unfolded(one) for one in found]

    def has(self, name: bytes) -> bool:
        """Tell whether there is a field of this name, in lower case."""
        return any(_name(one) == name for one in self.fields)


def read(raw: bytes) -> Draft:
    """Split what a program gave; without a header field that mail knows, all of it is text."""
    lines = _LINE_ENDS.split(raw)
    if not lines[-1]:
        lines.pop()
    # The line that begins a message in an mbox is no part of the message. A text may begin so.
    rest = lines[1:] if lines and lines[0].startswith(b"From ") else lines
    fields = _fields(rest)
    if not fields:
        return Draft((), b"".join(line + _CRLF for line in lines))
    count = sum(1 + one.count(_CRLF) for one in fields)
    # The blank line that ends the headers is no part of the body.
    blank = rest[count : count + 1] == [b""]
    return Draft(tuple(fields), b"".join(line + _CRLF for line in rest[count + blank :]))


def _fields(lines: Sequence[bytes]) -> list[bytes]:
    """Return the header fields at the beginning; none if mail knows none of them."""
    fields: list[bytes] = []
    for line in lines:
        if fields and line[:1] in {b" ", b"\t"}:
            fields[-1] += _CRLF + line
        elif _FIELD.match(line):
            fields.append(line)
        else:
            break
    return fields if any(_KNOWN.fullmatch(_name(one)) for one in fields) else []


def recipients(draft: Draft) -> tuple[str, ...]:
    """Return the addresses in the headers; where a message is resent, those of that alone.

    Raises:
        failures.DataError: if there is none, or one cannot be understood.
    """
    resent = draft.values(b"resent-to", b"resent-cc", b"resent-bcc")
    values = resent or draft.values(b"to", b"cc", b"bcc")
    found = dict.fromkeys(address for value in values for address in address_lists.split(value))
    if not found:
        raise failures.DataError("no recipient in To, Cc or Bcc")
    return tuple(found)


def compose(draft: Draft, *, author: str, to: Sequence[str], domain: str) -> bytes:
    """Return the message, with every header that it needs; its lines end in CRLF.

    Args:
        draft: what a program gave.
        author: the value of From where there is none.
        to: the recipients, for the To of plain text.
        domain: where a Message-ID is made.
    """
    kept = [one for one in draft.fields if _name(one) not in _HIDDEN]
    defaults = {
        "From": author,
        "Date": email.utils.format_datetime(dt.datetime.now().astimezone()),
        "Message-ID": email.utils.make_msgid(domain=domain),
    }
    if not draft.fields:
        defaults["To"] = ", ".join(to)
    added = [_field(name, value) for name, value in defaults.items() if not draft.has(_key(name))]
    body = draft.body
    if not (draft.has(b"mime-version") or draft.has(b"content-type")):
        kind, body = _described(body)
        if kind["Content-Transfer-Encoding"] != "7bit" or not draft.fields:
            added += [_field(name, value) for name, value in kind.items()]
    return b"".join(one + _CRLF for one in (*added, *kept)) + _CRLF + body


def one_line(text: str) -> str:
    """Return a text that can stand in a header: bytes of another encoding, and line ends, go."""
    return "".join(character if character.isprintable() else "?" for character in text)


def _described(body: bytes) -> tuple[dict[str, str], bytes]:
    """Return the MIME headers of a text, and the text in the encoding that they name."""
    try:
        body.decode("utf-8")
        charset = "utf-8"
    except UnicodeDecodeError:
        charset = "unknown-8bit"
    encoding = "7bit" if body.isascii() else "8bit"
    if _is_unfit(body):
        encoding = "base64"
        body = base64.encodebytes(body).replace(b"\n", _CRLF)
    return {
        "MIME-Version": "1.0",
        "Content-Type": f"text/plain; charset={charset}",
        "Content-Transfer-Encoding": encoding,
    }, body


def _is_unfit(body: bytes) -> bool:
    """Tell whether a text may not travel as it is: bare CR, NUL, or a line that is too long."""
    # A regular expression takes ten times as long, which is seconds for a large text.
    has_bare = body.count(b"\r") != body.count(_CRLF)
    is_long = any(len(line) > _LONGEST_LINE for line in body.split(_CRLF))
    return has_bare or b"\0" in body or is_long


def _name(one: bytes) -> bytes:
    found = _FIELD.match(one)
    return found[1].lower() if found else b""


def _key(name: str) -> bytes:
    return name.lower().encode("ascii")


def _field(name: str, value: str) -> bytes:
    return f"{name}: {value}".encode()


def _unfolded(one: bytes) -> str:
    value = one.partition(b":")[2].replace(_CRLF, b"").replace(b"\t", b" ")
    return value.decode("utf-8", "replace").strip()

"""Messages as the results of an action: strings of limited size, or JSON of them."""

import base64
import codecs
import contextlib
import json
from collections.abc import Iterable, Iterator
from typing import TypeVar

from smtp_sink import messages

# A result travels as one argument of a command, which holds 128 KiB on Linux, see execve(2).
LIMIT = 2**16
_FIELD_LIMIT = 200
_RECIPIENTS_LIMIT = 1000
# RFC 5321 section 4.5.3.1.3 has 256 octets in a path, and nobody keeps a client from sending more.
_SENDER_LIMIT = 1000

_T = TypeVar("_T")
Summary = dict[str, str | list[str]]


def describe(message: messages.Message) -> dict[str, str]:
    """Return everything known of one message, for people and for programs.

    Raises:
        messages.NoSuchMessageError: if it has been deleted meanwhile.
    """
    size = message.size()
    content, encoding, shown = _encode(message.content(LIMIT), whole=size <= LIMIT)
    envelope = message.envelope
    return {
        "id": message.id,
        "received": message.received,
        "listener": envelope.listener,
        "peer": envelope.peer,
        "tls-version": envelope.tls_version,
        "auth-user": envelope.auth_user,
        "sender": envelope.sender[:_SENDER_LIMIT],
        "recipients": json.dumps(fitting(envelope.recipients, LIMIT)),
        "size": str(size),
        "path": str(message.path),
        "content": content,
        "content-encoding": encoding,
        "content-truncated": "true" if shown < size else "false",
    }


def summarize(arrived: Iterable[messages.Message]) -> str:
    """Return a JSON list with an object for each message, in the same order.

    Where they do not all fit into a result, the last ones are listed. One that has been deleted
    meanwhile is left out.
    """
    newest_first = fitting(_summaries(reversed([*arrived])), LIMIT)
    return json.dumps(newest_first[::-1])


def fitting(items: Iterable[_T], limit: int) -> list[_T]:
    """Return the first items, as many as fit into `limit` characters of a JSON list."""
    fit: list[_T] = []
    length = len("[]")
    for item in items:
        length += len(json.dumps(item)) + len(", ")
        if length > limit:
            break
        fit.append(item)
    return fit


def _summaries(arrived: Iterable[messages.Message]) -> Iterator[Summary]:
    for message in arrived:
        with contextlib.suppress(messages.NoSuchMessageError):
            yield _summarize(message)


def _summarize(message: messages.Message) -> Summary:
    envelope = message.envelope
    return {
        "id": message.id,
        "from": envelope.sender[:_FIELD_LIMIT],
        "to": fitting(envelope.recipients, _RECIPIENTS_LIMIT),
        "subject": message.subject()[:_FIELD_LIMIT],
        "tls": envelope.tls_version,
        "user": envelope.auth_user,
        "received": message.received,
    }


def _encode(content: bytes, *, whole: bool) -> tuple[str, str, int]:
    """Return content as text, how it is encoded, and how many octets of it the text holds."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        # Where the rest is missing, the last character may be incomplete; it is left out.
        text = decoder.decode(content, final=whole)
    except UnicodeDecodeError:
        text = "\0"
    # No argument of a command can hold a NUL.
    if "\0" not in text:
        return text, "utf-8", len(text.encode())
    part = content[: LIMIT * 3 // 4]
    return base64.b64encode(part).decode("ascii"), "base64", len(part)

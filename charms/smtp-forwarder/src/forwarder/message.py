"""A message's headers as bytes: read them, and change those that a rule changes, and no others.

Everything here is a function on bytes. What is not asked for stays as it came, to the last byte:
odd spelling, folding, 8-bit text, a missing blank line.
"""

import email.errors
import email.header
import re
from collections.abc import Iterator, Sequence

LINE_END = b"\r\n"
# RFC 5322, section 2.2: printable ASCII but the colon; obsolete syntax allows blanks before it.
_FIELD = re.compile(rb"([\x21-\x39\x3b-\x7e]+)[ \t]*:")
_FOLDING = re.compile(r"\r?\n(?=[ \t])|[\r\n]")
# A line of a lone dot whose ends are not both CRLF: what smuggles a message past a lenient relay.
_SMUGGLED_END = re.compile(rb"(?:(?<!\r)\n|\r(?!\n))\.(?:[\r\n]|\Z)")
_VALUE = 1


def fields(content: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield each header field: its name as it is spelt, and where it starts and ends.

    The end is behind the line end of its last folded line. The first line that is neither a field
    nor the continuation of one ends the header, as the blank line does.
    """
    position = 0
    name: bytes | None = None
    start = 0
    for begin, end in _lines(content):
        continued = content[begin : begin + 1] in {b" ", b"\t"} and name is not None
        if not continued:
            if name is not None:
                yield name, start, begin
            match = _FIELD.match(content, begin, end)
            name, start = (match[1], begin) if match else (None, begin)
            if match is None:
                return
        position = end
    if name is not None:
        yield name, start, position


def values(content: bytes, name: str) -> list[bytes]:
    """Return the values of all fields of that name, with their folding, without the line end."""
    wanted = name.lower().encode()
    return [
        content[start:end].split(b":", 1)[_VALUE].strip(b" \t\r\n")
        for spelt, start, end in fields(content)
        if spelt.lower() == wanted
    ]


def protected(content: bytes) -> frozenset[str]:
    """Return the names, in lower case, that the first DKIM-Signature protects: RFC 6376, h=."""
    signatures = values(content, "DKIM-Signature")
    if not signatures:
        return frozenset()
    for tag in re.sub(rb"\s+", b"", signatures[0]).split(b";"):
        key, _, value = tag.partition(b"=")
        if key == b"h":
            names = value.decode("ascii", "replace").lower().split(":")
            return frozenset(names)
    return frozenset()


def with_fields(content: bytes, changed: Sequence[tuple[str, bytes]]) -> bytes:
    """Set header fields: the first of that name is replaced where it stands, others of it go.

    A field that is not there is put in front. What a DKIM signature protects stays as it is.
    """
    if not changed:
        return content
    shielded = protected(content)
    added: list[bytes] = []
    for name, value in changed:
        if name.lower() in shielded:
            continue
        field = name.encode() + b": " + value + LINE_END
        places = [
            (start, end)
            for spelt, start, end in fields(content)
            if spelt.lower() == name.lower().encode()
        ]
        if not places:
            added.append(field)
        for index, (start, end) in reversed(list(enumerate(places))):
            content = content[:start] + (b"" if index else field) + content[end:]
    return b"".join(added) + content


def subject(content: bytes) -> str:
    """Return the first Subject, unfolded, with its encoded words (RFC 2047) decoded."""
    found = values(content, "Subject")
    return decoded(found[0]) if found else ""


def decoded(value: bytes) -> str:
    """Return a header's text; what cannot be decoded is shown as it came."""
    text = _FOLDING.sub("", value.decode("utf-8", "replace"))
    try:
        shown = str(email.header.make_header(email.header.decode_header(text)))
        # A charset such as UTF-7 can give half of a surrogate pair, which nobody can send on.
        shown.encode()
    except (ValueError, LookupError, email.errors.MessageError):
        return text
    return shown or text


def with_subject(content: bytes, text: str) -> bytes:
    """Set the Subject's text.

    Where the text only grows in front, the old value's own bytes stay behind the new ones.
    """
    old = subject(content)
    if text == old:
        return content
    if old and text.endswith(old):
        raw = values(content, "Subject")[0]
        return with_fields(content, [("Subject", _prefixed(text[: -len(old)], raw))])
    return with_fields(content, [("Subject", encoded(text))])


def encoded(text: str) -> bytes:
    """Return a header value for a text, in encoded words (RFC 2047) if it is not ASCII."""
    text = "".join(" " if ord(char) < ord(" ") else char for char in text)
    if text.isascii():
        return text.encode()
    return email.header.Header(text, "utf-8").encode(linesep="\r\n").encode()


def is_eight_bit(content: bytes) -> bool:
    """Return whether the message needs 8BITMIME (RFC 6152)."""
    return not content.isascii()


def has_smuggled_end(content: bytes) -> bool:
    """Return whether a relay that takes bare CR or LF for a line end sees the end of DATA here."""
    suspicious = b"\n." in content or b"\r." in content
    return suspicious and _SMUGGLED_END.search(content) is not None


def stuffed(content: bytes) -> bytes:
    """Return what is sent after DATA: dots doubled, and the end (RFC 5321, section 4.5.2)."""
    if content.startswith(b"."):
        content = b"." + content
    content = content.replace(b"\r\n.", b"\r\n..")
    end = b".\r\n" if content.endswith(LINE_END) or not content else b"\r\n.\r\n"
    return content + end


def unstuffed(data: bytes) -> bytes:
    """Undo `stuffed`, without the end."""
    if data.startswith(b"."):
        data = data[1:]
    return data.replace(b"\r\n.", LINE_END)


def _lines(content: bytes) -> Iterator[tuple[int, int]]:
    position = 0
    while position < len(content):
        end = content.find(b"\n", position) + 1 or len(content)
        yield position, end
        position = end


def _prefixed(prefix: str, raw: bytes) -> bytes:
    if prefix.isascii():
        return prefix.encode() + raw
    # Blanks between two encoded words are not shown, so the prefix's own are encoded with it.
    return encoded(prefix) + b" " + raw

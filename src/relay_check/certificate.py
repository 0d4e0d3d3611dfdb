"""What a certificate says of itself.

`ssl` decodes only those that it verified, so a reader of DER stands here (X.690, and RFC 5280
section 4.1).
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import ipaddress
from typing import NamedTuple


@dataclasses.dataclass(frozen=True)
class Certificate:
    """What a certificate says of itself; empty where it cannot be read."""

    subject: str = ""
    issuer: str = ""
    names: tuple[str, ...] = ()
    not_before: dt.datetime | None = None
    not_after: dt.datetime | None = None

    @property
    def days_left(self) -> int | None:
        """How many whole days it is valid; negative once it has expired."""
        return (self.not_after - dt.datetime.now(dt.timezone.utc)).days if self.not_after else None

    def covers(self, host: str) -> bool:
        """Return whether it is for a host name in ASCII, or for an address (RFC 6125)."""
        host = host.lower()
        wildcard = f"*.{host.partition('.')[2]}"
        common = [part[3:] for part in self.subject.split(", ") if part.startswith("CN=")]
        return not {host, wildcard}.isdisjoint(name.lower() for name in (self.names or common))

    def facts(self) -> dict[str, str]:
        """Return what a report shows."""
        left = self.days_left
        return {
            "subject": self.subject,
            "names": ", ".join(self.names),
            "issuer": self.issuer,
            "not-before": _date(self.not_before),
            "not-after": _date(self.not_after),
            "days-left": "" if left is None else str(left),
        }


def _date(moment: dt.datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC" if moment else ""


class _Value(NamedTuple):
    """A value in DER: its tag, and its content."""

    tag: int
    content: bytes

    def items(self) -> list[_Value]:
        """Return the values in this one; raises ValueError if it is cut short."""
        found: list[_Value] = []
        rest = self.content
        while rest:
            value, rest = _read_value(rest)
            found.append(value)
        return found


def _read_value(data: bytes) -> tuple[_Value, bytes]:
    """Return the first value, and what follows it."""
    if len(data) < 2:  # noqa: PLR2004 - a tag and a length
        raise ValueError("DER is cut short")
    size, start = data[1], 2
    if size >= 0x80:  # noqa: PLR2004 - X.690 section 8.1.3.5
        start += size - 0x80
        size = int.from_bytes(data[2:start], "big")
    if len(data) < start + size:
        raise ValueError("DER is cut short")
    return _Value(data[0], data[start : start + size]), data[start + size :]


def read_certificate(der: bytes) -> Certificate:
    """Return what the certificate says, or an empty one if it cannot be read."""
    try:
        fields = _Value(0, der).items()[0].items()[0].items()
        if fields[0].tag == 0xA0:  # noqa: PLR2004 - the version, which the oldest leave out
            fields = fields[1:]
        _, _, issuer, validity, subject, _, *rest = fields
        extensions = next((value for value in rest if value.tag == 0xA3), None)  # noqa: PLR2004
        begin, end = (_read_time(value) for value in validity.items())
        names = _read_names(extensions) if extensions else ()
        return Certificate(_read_name(subject), _read_name(issuer), names, begin, end)
    except (IndexError, ValueError):
        return Certificate()


def _read_time(value: _Value) -> dt.datetime:
    """RFC 5280 section 4.1.2.5: years of two digits are 1950 to 2049."""
    text = value.content.decode("ascii")
    if value.tag == 0x17:  # noqa: PLR2004 - UTCTime
        text = ("19" if text >= "50" else "20") + text
    return dt.datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=dt.timezone.utc)


# The last byte of the attribute types 2.5.4.x.
_ATTRIBUTES = {3: "CN", 6: "C", 7: "L", 8: "ST", 10: "O", 11: "OU"}
_BMP_STRING = 0x1E


def _read_name(name: _Value) -> str:
    parts: list[str] = []
    for attributes in name.items():
        for attribute in attributes.items():
            kind, value = attribute.items()
            if kind.content[:2] == b"\x55\x04" and kind.content[2] in _ATTRIBUTES:
                encoding = "utf-16-be" if value.tag == _BMP_STRING else "utf-8"
                text = value.content.decode(encoding, errors="backslashreplace")
                parts.append(f"{_ATTRIBUTES[kind.content[2]]}={text}")
    return ", ".join(parts)


def _read_names(extensions: _Value) -> tuple[str, ...]:
    """Return the DNS names and addresses of the subject (RFC 5280 section 4.2.1.6)."""
    for extension in extensions.items()[0].items():
        kind, *_, value = extension.items()
        if kind.content == b"\x55\x1d\x11":
            items = _Value(0, value.content).items()[0].items()
            return tuple(filter(None, (_read_general_name(item) for item in items)))
    return ()


def _read_general_name(value: _Value) -> str:
    if value.tag == 0x82:  # noqa: PLR2004 - dNSName
        return value.content.decode("ascii", errors="backslashreplace")
    if value.tag == 0x87:  # noqa: PLR2004 - iPAddress
        return str(ipaddress.ip_address(value.content))
    return ""

"""What a relay says: a code, and words that may be several lines."""

import dataclasses
import re

_ENHANCED = re.compile(r"([245]\.\d{1,3}\.\d{1,3})(?:\s|$)")
_DONE, _PERMANENT = range(200, 300), range(500, 600)


@dataclasses.dataclass(frozen=True)
class Answer:
    """One answer (RFC 5321, section 4.2); `text` has its lines without the code."""

    code: int
    text: str

    def __str__(self) -> str:
        return f"{self.code} {' '.join(self.text.splitlines())}".rstrip()

    @property
    def done(self) -> bool:
        """Whether what was asked for is done: 2xx."""
        return self.code in _DONE

    @property
    def transient(self) -> bool:
        """Whether it may be done later: 4xx, and what no relay should say."""
        return not (self.done or self.permanent)

    @property
    def permanent(self) -> bool:
        """Whether it will never be done: 5xx."""
        return self.code in _PERMANENT

    @property
    def status(self) -> str:
        """The enhanced status code (RFC 3463), made from the code where the relay gave none."""
        match = _ENHANCED.match(self.text)
        return match[1] if match else f"{self.code // 100}.0.0"

    def lines(self) -> str:
        """Return the answer as SMTP writes it, without the line end behind the last line."""
        lines = self.text.splitlines() or [""]
        dashed = "".join(f"{self.code}-{line}\r\n" for line in lines[:-1])
        return f"{dashed}{self.code} {lines[-1]}"


def one_line(code: int, text: str) -> str:
    """Return an answer as strangers gave it, in one line that can be shown and logged."""
    return printable(str(Answer(code, " ".join(text.split()))))


def printable(text: str) -> str:
    """Return a text of strangers as one that can be shown and logged."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else "?" for char in text)

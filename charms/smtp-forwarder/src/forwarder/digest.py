"""What the administrator is told: one mail a day, however much failed."""

import json
import pathlib
import time

DAY_SECONDS = 86400.0
# A digest names this many failures, and counts the others.
_LONGEST = 200


class Digest:
    """The failures since the last mail, in a file, so that none is forgotten over a restart."""

    def __init__(self, path: pathlib.Path) -> None:
        self._path = path
        self._lines, self._since = _read(path)

    def add(self, line: str) -> None:
        """Add a failure, to be told in the next digest.

        Raises:
            OSError: if it cannot be kept.
        """
        now = time.time()
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps([now, line]) + "\n")
        self._lines.append(line)
        self._since = self._since or now

    @property
    def due(self) -> bool:
        """Whether the first failure that was not told yet is a day old."""
        return bool(self._lines) and time.time() - self._since >= DAY_SECONDS

    def text(self) -> str:
        """Return the digest."""
        more = len(self._lines) - _LONGEST
        shown = [*self._lines[:_LONGEST], *([f"... and {more} more"] if more > 0 else [])]
        return f"{len(self._lines)} failures since the last digest:\n\n" + "\n".join(shown) + "\n"

    def clear(self) -> None:
        """Begin the next digest.

        Raises:
            OSError: if the file cannot be removed.
        """
        self._path.unlink(missing_ok=True)
        self._lines, self._since = [], 0.0


def _read(path: pathlib.Path) -> tuple[list[str], float]:
    if not path.exists():
        return [], 0.0
    lines: list[str] = []
    since = 0.0
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            at, text = json.loads(line)
        except ValueError:
            # The last line of a process that was killed.
            continue
        lines.append(text)
        since = since or at
    return lines, since

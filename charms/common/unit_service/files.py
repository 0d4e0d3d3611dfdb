"""The files of one unit: what its server is told, what the server reports, and what both keep.

Everything lies in one directory that only its owner may enter. It stands beside the charm's own
directory, so that a refresh of the charm keeps it.
"""

import dataclasses
import os
import pathlib
import tempfile


@dataclasses.dataclass(frozen=True)
class StateDir:
    """The paths in a unit's state directory."""

    path: pathlib.Path

    @property
    def certificates(self) -> pathlib.Path:
        """The directory of the certificate authority."""
        return self.path / "certificates"

    @property
    def config(self) -> pathlib.Path:
        """What the server is told; may hold passwords."""
        return self.path / "config.json"

    @property
    def log(self) -> pathlib.Path:
        """Where the server logs if systemd does not run it."""
        return self.path / "server.log"

    @property
    def report(self) -> pathlib.Path:
        """What the server last said of itself."""
        return self.path / "report.json"

    @property
    def supervisor(self) -> pathlib.Path:
        """The process that keeps the server running where systemd does not."""
        return self.path / "supervisor.json"


def read(path: pathlib.Path) -> str | None:
    """Return a file's text with the line ends that it has, or None if there is no such file."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return file.read()
    except FileNotFoundError:
        return None


def write(path: pathlib.Path, text: str) -> None:
    """Write a file that its owner alone may read (0600); a reader sees all of it or none."""
    # `mkstemp` makes the file with mode 0600.
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            # A rename may reach the disk before what it names, and the power may fail between.
            os.fsync(file.fileno())
        pathlib.Path(temporary).replace(path)
    except BaseException:
        pathlib.Path(temporary).unlink(missing_ok=True)
        raise

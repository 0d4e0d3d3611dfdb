"""Where a unit's files are: on a machine of Juju's, and in a folder of their own elsewhere."""

import contextlib
import dataclasses
import pathlib
import shutil
import socket

from forwarder import queue
from unit_service import files, service

_SPOOL = pathlib.Path("/var/spool/smtp-forwarder")


@dataclasses.dataclass(frozen=True)
class StateDir(files.StateDir):
    """The paths in the directory that only root may enter."""

    @property
    def changes(self) -> pathlib.Path:
        """The relay that the executables in `changed.d` were told last."""
        return self.path / "changes.json"

    @property
    def changes_log(self) -> pathlib.Path:
        """What those executables print, and how they end."""
        return self.path / "changes.log"

    @property
    def model_certificate(self) -> pathlib.Path:
        """The key and the certificate that the model's authority gave."""
        return self.path / "model-certificate.pem"

    @property
    def port(self) -> pathlib.Path:
        """The port that was taken where the operator leaves the choice."""
        return self.path / "port"

    @property
    def rules(self) -> pathlib.Path:
        """The rules in force."""
        return self.path / "rules.yaml"

    @property
    def told(self) -> pathlib.Path:
        """What the machine's tools are told where they are this unit's."""
        return self.path / "told.json"


@dataclasses.dataclass(frozen=True)
class Places:
    """Where a unit's files are.

    Attributes:
        state: what the forwarder is told and says.
        queue: the folder of what waits, which every user of the machine may leave mail in.
        root: the folder that the tools are installed in as if it were `/`.
    """

    state: StateDir
    queue: pathlib.Path
    root: pathlib.Path

    def make(self) -> None:
        """Make the folders that the forwarder does not make by itself."""
        self.state.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.queue.parent.mkdir(mode=0o711, parents=True, exist_ok=True)

    def remove(self) -> None:
        """Remove all that is the unit's alone; messages that wait stay where they are."""
        shutil.rmtree(self.state.path, ignore_errors=True)
        queue.Spool(self.queue).refresh_token.unlink(missing_ok=True)
        folders = (self.queue / "messages", self.queue / "incoming")
        if not any(path for folder in folders for path in folder.glob("*")):
            shutil.rmtree(self.queue, ignore_errors=True)
            with contextlib.suppress(OSError):
                self.queue.parent.rmdir()


def of(tag: str, charm: pathlib.Path) -> Places:
    """Return the places of a unit.

    A refresh replaces the charm's directory, so what must stay lies beside it. On a machine, the
    unit's end removes that too, so messages lie elsewhere.

    Args:
        tag: the unit's tag, such as `unit-smtp-forwarder-0`.
        charm: the charm's directory.
    """
    own = charm.parent / f"{tag}-smtp-forwarder"
    if service.is_juju_machine(charm):
        return Places(StateDir(own), _SPOOL / tag, pathlib.Path("/"))
    return Places(StateDir(own / "state"), own / "queue", own / "root")


def choose_port(state: StateDir) -> int:
    """Return the port that was chosen before, or one that is free now, and keep it."""
    kept = files.read(state.port)
    if kept is None:
        with socket.create_server(("127.0.0.1", 0)) as listening:
            kept = str(listening.getsockname()[1])
        files.write(state.port, kept)
    return int(kept)

"""The controller: one process that holds the models and answers commands on a UNIX socket.

It lives in a controller directory of its own, which it owns wholly::

    .controller/socket   where the socket is, in a short folder of its own (a UNIX socket's path
                         has at most 108 bytes)
    .controller/lock     held as long as the process lives
    .controller/log      what went wrong in the process itself
    .controller/tools/   the hook commands
    .controller/programs/python3
    MODEL/               a model's charms, resources, units and hooks.jsonl

Nothing is kept beyond its end: with ``juju kill-controller``, a signal or the directory's removal
its models, hooks and files end too.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pathlib
import re
import select
import shutil
import signal
import socket
import sys
import tempfile
import threading
import traceback
from typing import TYPE_CHECKING

from localjuju import (
    agent,
    commands,
    errors,
    hook_commands,
    hooks,
    life,
    model,
    processes,
    releases,
    uniter,
    wire,
)

if TYPE_CHECKING:
    import types

    from localjuju.model import Model, Unit

_NAME = re.compile(r"[a-z0-9]+(?:[a-z0-9-]*[a-z0-9])?")
_OWN = ".controller"
_LOOK = 0.5


class Controller:
    """The models of one controller directory.

    Args:
        folder: the controller directory; it must exist.
    """

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        self.models: dict[str, Model] = {}
        self.current = ""
        self._agents: dict[str, agent.Agent] = {}
        self._release = releases.chosen()
        self._ending = False
        self._ended = threading.Event()
        self._wake, self._waker = os.pipe()
        self._runtime = pathlib.Path(tempfile.mkdtemp(prefix="localjuju-"))
        own = folder / _OWN
        self.site = hooks.Site(self._runtime / "socket", own / "tools", own / "programs")

    def prepare(self) -> None:
        """Clear what a killed controller left, and lay out the directory."""
        with contextlib.suppress(OSError):
            old = pathlib.Path((self.folder / _OWN / "socket").read_text())
            shutil.rmtree(old.parent)
        for left in self.folder.iterdir():
            if left.name != _OWN:
                processes.kill_within(left)
                shutil.rmtree(left)
        client = pathlib.Path(__file__).with_name("hook_command.py").read_text()
        python = os.path.realpath(getattr(sys, "_base_executable", sys.executable))
        for place in (self.site.tools, self.site.programs):
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir()
        (self.site.programs / "python3").symlink_to(python)
        script = self.site.tools / ".hook-command"
        script.write_text(f"#!{python} -IS\n{client}")
        script.chmod(0o700)
        for name in hook_commands.COMMANDS:
            (self.site.tools / name).symlink_to(script.name)

    def add_model(self, name: str, *, switch: bool) -> Model:
        """Add a model and start its agent.

        Raises:
            errors.JujuError: if the name is taken or malformed.
        """
        if not _NAME.fullmatch(name):
            raise errors.JujuError(
                f'"{name}" is not a valid name: model names may only contain lowercase letters, '
                "digits and hyphens"
            )
        if name in self.models:
            raise errors.JujuError(
                f'failed to create new model: model "{name}" for admin already exists '
                "(already exists)"
            )
        where = model.Model(name, self.folder / name, self._release)
        where.folder.mkdir()
        self.models[name] = where
        if switch or not self.current:
            self.current = name
        self._agents[name] = agent.Agent(self.site, where)
        self._agents[name].start()
        return where

    def find_model(self, name: str) -> Model:
        """The model with this name, which may carry a controller and an owner; or the current.

        Raises:
            errors.JujuError: if there is none.
        """
        controller, colon, rest = name.rpartition(":")
        if colon and controller != model.CONTROLLER:
            raise errors.JujuError(f"controller {controller} not found")
        short = rest.rpartition("/")[2] or self.current
        if not short:
            raise errors.JujuError('No selected model.\n\nAdd one with "juju add-model".')
        if short not in self.models:
            raise errors.JujuError(f"model {model.CONTROLLER}:admin/{short} not found")
        return self.models[short]

    def destroy_model(self, where: Model, *, force: bool, timeout: float | None) -> None:
        """Destroy a model, through the hooks of its units or, with force, without."""
        with where.lock:
            where.life = model.DYING
            for application in [] if force else list(where.applications.values()):
                life.destroy_application(where, application, force=False)
            life.settle(where)
            where.changed.wait_for(lambda: force or not where.applications, timeout)
        self._end_model(where)

    def reschedule(self, where: Model, unit: Unit) -> None:
        """Set a started unit's next update-status anew."""
        if unit.local.started:
            uniter.schedule_update_status(where, unit)

    def shut_down(self) -> None:
        """End all models and remove all files; the process ends after its last answer."""
        if self._ending:
            return
        self._ending = True
        for where in list(self.models.values()):
            self._end_model(where)
        shutil.rmtree(self._runtime, ignore_errors=True)
        if self.folder.exists():
            processes.kill_within(self.folder)
            shutil.rmtree(self.folder / _OWN, ignore_errors=True)
            with contextlib.suppress(OSError):
                self.folder.rmdir()
        self._ended.set()
        os.write(self._waker, b"1")

    def _end_model(self, where: Model) -> None:
        worker = self._agents.pop(where.name, None)
        if worker is None:
            return
        worker.stop()
        worker.join()
        with where.lock:
            where.applications.clear()
            where.units.clear()
            where.changed.notify_all()
        processes.kill_within(where.folder)
        shutil.rmtree(where.folder, ignore_errors=True)
        self.models.pop(where.name, None)
        if self.current == where.name:
            self.current = ""

    def serve(self, ready: int) -> None:
        """Answer until the end; one byte to the file descriptor tells that it has begun."""
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(self.site.socket))
            listener.listen(64)
            pointer = self.folder / _OWN / "socket"
            pointer.with_suffix(".new").write_text(str(self.site.socket))
            pointer.with_suffix(".new").rename(pointer)
            os.write(ready, b"1")
            os.close(ready)
            while not self._ended.is_set():
                readable, _, _ = select.select([listener, self._wake], [], [], _LOOK)
                if listener in readable:
                    connection, _ = listener.accept()
                    threading.Thread(target=self._answer, args=(connection,)).start()
                elif not (self.folder / _OWN).exists():
                    self.shut_down()

    def _answer(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError, EOFError):
            fields = wire.receive(connection)
            try:
                code, stdout, stderr = self._run(fields)
            except Exception:  # noqa: BLE001 - the caller hears of a defect, and the log has it
                traceback.print_exc()
                code, stdout, stderr = 70, "", "ERROR localjuju failed: see .controller/log\n"
            wire.send(connection, [str(code).encode(), stdout.encode(), stderr.encode()])

    def _run(self, fields: list[bytes]) -> tuple[int, str, str]:
        """Run a command of a person, or a hook command where a context is named."""
        if self._ending:
            return 1, "", "ERROR the controller is ending\n"
        context_id, folder, stdin, *words = fields
        arguments = [os.fsdecode(word) for word in words]
        if not context_id:
            default_model, *arguments = arguments
            return commands.run(self, arguments, os.fsdecode(folder), stdin, default_model)
        context = self.site.contexts.get(context_id.decode())
        if context is None:
            return 1, "", "ERROR bad request: the hook of this context has ended\n"
        with context.where.lock:
            name, *arguments = arguments
            return hook_commands.run(context, name, arguments, stdin, os.fsdecode(folder))


def main() -> None:
    """Run the controller of the directory named first; the second word is a file descriptor."""
    folder, ready = pathlib.Path(sys.argv[1]), int(sys.argv[2])
    with (folder / _OWN / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        controller = Controller(folder)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, _exit)
        try:
            controller.prepare()
            controller.serve(ready)
        finally:
            controller.shut_down()


def _exit(_number: int, _frame: types.FrameType | None) -> None:
    sys.exit(0)


if __name__ == "__main__":
    main()

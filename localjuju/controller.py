"""The controller: the models, and the directory they live in. `server` answers for it.

A process of its own holds it, and owns a controller directory wholly::

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
import os
import pathlib
import re
import shutil
import sys
import tempfile
import threading
from typing import TYPE_CHECKING

from localjuju import (
    agent,
    cross_model,
    errors,
    hook_commands,
    hooks,
    life,
    model,
    processes,
    releases,
    uniter,
)

if TYPE_CHECKING:
    from localjuju.model import Model, Unit

OWN = ".controller"
"""The folder in a controller directory that belongs to the controller itself."""

_NAME = re.compile(r"[a-z0-9]+(?:[a-z0-9-]*[a-z0-9])?")


class Controller:
    """The models of one controller directory.

    Args:
        folder: the controller directory; it must exist.

    Attributes:
        folder: the controller directory.
        models: the models by name.
        current: the name of the model that commands mean by default.
        site: the places of the controller, and the hooks that run.
        is_ending: whether the end has begun; nothing is answered any more.
        ended: a file descriptor that is readable once all has ended.
    """

    def __init__(self, folder: pathlib.Path) -> None:
        self._release = releases.chosen()
        self.folder = folder
        self.models: dict[str, Model] = {}
        self.current = ""
        self.is_ending = False
        self.ended, self._end = os.pipe()
        self._agents: dict[str, agent.Agent] = {}
        self._lock = threading.RLock()
        self._runtime = pathlib.Path(tempfile.mkdtemp(prefix="localjuju-"))
        own = folder / OWN
        self.site = hooks.Site(self._runtime / "socket", own / "tools", own / "programs")

    def prepare(self) -> None:
        """Clear what a killed controller left, and lay out the directory.

        Raises:
            errors.JujuError: if the machine lacks what the hook commands need.
        """
        with contextlib.suppress(OSError):
            old = pathlib.Path((self.folder / OWN / "socket").read_text())
            shutil.rmtree(old.parent)
        for left in self.folder.iterdir():
            if left.name != OWN:
                processes.kill_within(left)
                shutil.rmtree(left)
        python = os.path.realpath(getattr(sys, "_base_executable", sys.executable))
        for place in (self.site.tools, self.site.programs):
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir()
        (self.site.programs / "python3").symlink_to(python)
        self._write_hook_commands()

    def _write_hook_commands(self) -> None:
        """Write the one client under the name of each hook command.

        A charm's environment changes nothing of what they answer: `-T` and `-C0` let perl's own
        variables be. A locale that the machine lacks makes perl warn of it; `env LC_ALL=C` would
        keep it quiet, for a quarter of the command's whole time.
        """
        perl = shutil.which("perl")
        if perl is None:
            raise errors.JujuError("hook commands need perl, as in the package perl-base")
        here = pathlib.Path(__file__)
        parts = [here.with_name(name).read_text() for name in ("hook_command.pl", "client.pl")]
        script = self.site.tools / ".hook-command"
        script.write_text(f"#!{perl} -TC0\n{''.join(parts)}")
        script.chmod(0o700)
        for name in hook_commands.COMMANDS:
            (self.site.tools / name).symlink_to(script.name)

    def point_to_socket(self) -> None:
        """Tell clients where the socket is, now that it is there."""
        pointer = self.folder / OWN / "socket"
        pointer.with_suffix(".new").write_text(str(self.site.socket))
        pointer.with_suffix(".new").rename(pointer)

    def is_removed(self) -> bool:
        """Whether somebody has removed the controller directory."""
        return not (self.folder / OWN).exists()

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
            raise errors.JujuError(self._release.words.model_exists.format(name=name))
        where = model.Model(
            name, self.folder / name, self._release, models=self.models, lock=self._lock
        )
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
        if self.is_ending:
            return
        self.is_ending = True
        for where in list(self.models.values()):
            self._end_model(where)
        shutil.rmtree(self._runtime, ignore_errors=True)
        if self.folder.exists():
            processes.kill_within(self.folder)
            shutil.rmtree(self.folder / OWN, ignore_errors=True)
            with contextlib.suppress(OSError):
                self.folder.rmdir()
        os.write(self._end, b"1")

    def _end_model(self, where: Model) -> None:
        worker = self._agents.pop(where.name, None)
        if worker is None:
            return
        worker.stop()
        worker.join()
        with where.lock:
            cross_model.abandon(where)
            where.applications.clear()
            where.units.clear()
            where.changed.notify_all()
        processes.kill_within(where.folder)
        shutil.rmtree(where.folder, ignore_errors=True)
        with where.lock:
            self.models.pop(where.name, None)
            for other in self.models.values():
                life.settle(other)
        if self.current == where.name:
            self.current = ""

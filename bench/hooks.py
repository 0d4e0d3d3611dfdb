"""Runs one hook as Juju does, and measures it."""

from __future__ import annotations

import copy
import dataclasses
import pathlib
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

from bench import surroundings
from bench.surroundings import APPLICATION, MODEL_UUID, UNIT
from localjuju import charm, charm_files

if TYPE_CHECKING:
    from bench.surroundings import Calls, Surroundings

COMMANDS = (
    "application-version-set",
    "close-port",
    "config-get",
    "is-leader",
    "juju-log",
    "open-port",
    "relation-get",
    "relation-ids",
    "relation-list",
    "relation-model-get",
    "relation-set",
    "secret-add",
    "secret-get",
    "secret-grant",
    "secret-ids",
    "secret-info-get",
    "secret-remove",
    "secret-revoke",
    "secret-set",
    "status-set",
)
"""The hook commands that the bench answers; a charm that needs another one fails."""

# A charm that writes at every hook would never settle.
_MOST_HOOKS = 5
_STATE = ".unit-state.db"
_SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/snap/bin"


class HookError(Exception):
    """A hook that failed, or that did not do what was to be measured."""


@dataclasses.dataclass(frozen=True)
class Run:
    """What one hook cost.

    Attributes:
        seconds: from the start of dispatch to its end.
        processor_seconds: of all processes; on a busy machine this is the steadier figure.
        memory: the peak of the charm's process, in KiB.
        calls: its hook commands.
    """

    seconds: float
    processor_seconds: float
    memory: int
    calls: Calls


@dataclasses.dataclass(frozen=True)
class Event:
    """An event, and the ID of its relation, if it has one.

    Attributes:
        name: its name, such as ``config-changed``.
        relation_id: the ID of its relation, if it has one.
    """

    name: str
    relation_id: int | None = None

    def environment(self, where: Surroundings) -> dict[str, str]:
        """What Juju's environment says of the event.

        Source: https://documentation.ubuntu.com/juju/3.6/reference/hook/#hook-execution.
        """
        variables = {"JUJU_DISPATCH_PATH": f"hooks/{self.name}", "JUJU_HOOK_NAME": self.name}
        if self.relation_id is None:
            return variables
        relation = where.relations[self.relation_id]
        return variables | {
            "JUJU_RELATION": relation.endpoint,
            "JUJU_RELATION_ID": f"{relation.endpoint}:{self.relation_id}",
            "JUJU_REMOTE_APP": relation.remote,
            "JUJU_REMOTE_UNIT": f"{relation.remote}/0",
        }


CONFIG_CHANGED = Event("config-changed")


class Unit:
    """A charm in place as Juju unpacks it, without file times.

    Args:
        declared: the charm, as `localjuju.charm.load` returns it.
        folder: where the unit lives; it is made.

    Attributes:
        declared: the charm.
        charm_folder: the unit's copy of its files.
    """

    def __init__(self, declared: charm.Charm, folder: pathlib.Path) -> None:
        self.declared = declared
        self.charm_folder = folder / "charm"
        self._folder = folder
        self._calls = folder / "calls"
        self._output = folder / "output"
        self._tools = folder / "tools"
        self._tools.mkdir(parents=True)
        for name in COMMANDS:
            (self._tools / name).symlink_to(pathlib.Path(__file__).with_name("hook_command"))
        # A charm packed by localjuju runs with the Python that packed it.
        (self._tools / "python3").symlink_to(pathlib.Path(sys.executable).resolve())
        charm_files.install(declared.path, self.charm_folder)

    def surroundings(self, **config: charm.Value) -> Surroundings:
        """A model with the charm's defaults and some options; without relations but to peers."""
        options = self.declared.options.items()
        defaults = {name: one.default for name, one in options if one.default is not None}
        endpoints = self.declared.endpoints
        peers = [one for one in endpoints.values() if one.role == "peer"]
        relations = {
            n: surroundings.Relation(one.name, APPLICATION) for n, one in enumerate(peers)
        }
        return surroundings.Surroundings([*endpoints], defaults | config, relations)

    def prepare(self, name: str, where: Surroundings, event: Event = CONFIG_CHANGED) -> Prepared:
        """Prepare a hook in some surroundings, which the hook does not change."""
        answers = self._folder / f"answers-{name}"
        where.write_answers(answers)
        state = self.charm_folder / _STATE
        stored = state.read_bytes() if state.exists() else None
        return Prepared(self, answers, _environment(event.environment(where), answers), stored)

    def settle(self, where: Surroundings, event: Event = CONFIG_CHANGED) -> Surroundings:
        """Run a hook until it changes nothing; return the surroundings as they are then.

        Raises:
            HookError: if the charm still writes something new after several hooks.
        """
        for _ in range(_MOST_HOOKS):
            before = copy.deepcopy(where)
            prepared = self.prepare("settling", where, event)
            where.take_in(prepared.run(contents=True).calls)
            shutil.rmtree(prepared.answers)
            if where == before:
                return where
        raise HookError(f"{self.declared.name} writes something new at every {event.name}")

    def execute(self, environment: dict[str, str], stored: bytes | None) -> Run:
        """Run dispatch in an environment, from the state that ops had stored.

        Raises:
            HookError: if it fails, or asks what no answer was prepared for.
        """
        state = self.charm_folder / _STATE
        if stored is None:
            state.unlink(missing_ok=True)
        else:
            state.write_bytes(stored)
        self._calls.write_bytes(b"")
        *cost, memory, code = self._spawn(self.complete(environment))
        calls = _split_calls(self._calls.read_text())
        if code != "0" or self._calls.with_name("calls.unanswered").exists():
            # ops hands its traceback to juju-log.
            logged = [call[-1] for call in calls if call[0] == "juju-log"]
            lines = [self._output.read_text(), *logged]
            raise HookError(f"{self.declared.name} failed:\n" + "\n".join(lines))
        seconds, processor_seconds = map(float, cost)
        return Run(seconds, processor_seconds, int(memory), calls)

    def complete(self, environment: dict[str, str]) -> dict[str, str]:
        """Return an environment with the unit's own paths in it."""
        return environment | {
            "CHARM_DIR": str(self.charm_folder),
            "HOOK_COST_CALLS": str(self._calls),
            "JUJU_CHARM_DIR": str(self.charm_folder),
            "PATH": f"{self._tools}:{_SYSTEM_PATH}",
        }

    def _spawn(self, environment: dict[str, str]) -> list[str]:
        """Run dispatch; return the words that spawn.py prints."""
        launcher = pathlib.Path(__file__).with_name("spawn.py")
        done = subprocess.run(
            [sys.executable, "-IS", launcher, self.charm_folder / "dispatch", self._output],
            cwd=self.charm_folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            check=True,
            text=True,
        )
        return done.stdout.split()


@dataclasses.dataclass(frozen=True)
class Prepared:
    """A hook that is ready to run, any number of times from the same beginning.

    Attributes:
        unit: the unit that runs it.
        answers: the folder of the hook commands' answers.
        environment: what Juju gives, but for the unit's paths.
        stored: what ops had stored before the hook.
    """

    unit: Unit
    answers: pathlib.Path
    environment: dict[str, str]
    stored: bytes | None

    def run(self, *, contents: bool = False) -> Run:
        """Run the hook; `contents` notes what it writes too, which takes a little longer."""
        noted = {"HOOK_COST_CONTENTS": "yes"} if contents else {}
        return self.unit.execute(self.environment | noted, self.stored)

    def run_command(self, *command: str) -> None:
        """Run one hook command in the hook's environment, as ops runs it."""
        environment = self.unit.complete(self.environment)
        subprocess.run(command, env=environment, check=True, capture_output=True, text=True)


def _environment(event: dict[str, str], answers: pathlib.Path) -> dict[str, str]:
    return event | {
        "HOOK_COST_ANSWERS": str(answers),
        "HOOK_COST_CONTENTS": "",
        "JUJU_CONTEXT_ID": f"{UNIT}-{event['JUJU_HOOK_NAME']}-0",
        "JUJU_MODEL_NAME": "bench",
        "JUJU_MODEL_UUID": MODEL_UUID,
        "JUJU_UNIT_NAME": UNIT,
        "JUJU_VERSION": "3.6.0",
        "LANG": "C.UTF-8",
    }


def _split_calls(text: str) -> Calls:
    return [record.split("\x1f")[:-1] for record in text.split("\x1e")[:-1]]

"""A charm without Python: it records each event, and runs the lines that a test gives it."""

from __future__ import annotations

import contextlib
import pathlib
import subprocess
import time
from typing import TYPE_CHECKING, Any

import jubilant
import yaml

if TYPE_CHECKING:
    from collections.abc import Callable

JUJU = pathlib.Path(__file__).parents[3] / "localjuju" / "bin" / "juju"

PATIENCE = 600
"""Seconds that a busy machine may take for whatever a test waits for."""

BASES = [{"name": "ubuntu", "channel": "24.04", "architectures": ["amd64", "arm64"]}]
DISPATCH = """\
#!/bin/sh
event=${{JUJU_DISPATCH_PATH#*/}}
unit=${{JUJU_UNIT_NAME%/*}}-${{JUJU_UNIT_NAME#*/}}
echo "$JUJU_UNIT_NAME $event${{JUJU_REMOTE_UNIT:+ $JUJU_REMOTE_UNIT}}" >> {folder}/events
env > "{folder}/env-$unit-$event"
for script in "{folder}/on-$event" "{folder}/on-$unit-$event"; do
    if [ -e "$script" ]; then . "$script"; fi
done
exit 0
"""


class Scripted:
    """Charms of one test, their scripts and what they have recorded.

    Args:
        folder: where all of it is kept.
    """

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder

    def charm(self, name: str, **files: Any) -> pathlib.Path:
        """Write a charm; `config` and `actions` are files of their own, the rest is metadata."""
        charm = self.folder / name
        charm.mkdir(exist_ok=True)
        config, actions = files.pop("config", None), files.pop("actions", None)
        (charm / "metadata.yaml").write_text(yaml.safe_dump({"name": name, **files}))
        (charm / "manifest.yaml").write_text(yaml.safe_dump({"bases": BASES}))
        if config:
            (charm / "config.yaml").write_text(yaml.safe_dump({"options": config}))
        if actions:
            (charm / "actions.yaml").write_text(yaml.safe_dump(actions))
        dispatch = charm / "dispatch"
        dispatch.write_text(DISPATCH.format(folder=self.folder))
        dispatch.chmod(0o755)
        return charm

    def on(self, event: str, script: str, *, unit: str = "") -> None:
        """Let every unit, or one, run shell lines at an event."""
        prefix = f"{unit.replace('/', '-')}-" if unit else ""
        (self.folder / f"on-{prefix}{event}").write_text(script)

    def events(self, unit: str = "") -> list[str]:
        """The events so far: of one unit, or of all with the unit's name first."""
        path = self.folder / "events"
        lines = path.read_text().splitlines() if path.exists() else []
        if not unit:
            return lines
        return [line.removeprefix(f"{unit} ") for line in lines if line.startswith(f"{unit} ")]

    def pause(self, name: str) -> str:
        """Give the shell line that holds a hook until `go` with the same name."""
        return f"until [ -e {self.folder}/{name} ]; do sleep 0.01; done\n"

    def go(self, name: str) -> None:
        """Let a paused hook go on."""
        (self.folder / name).touch()

    def reach(self, name: str) -> None:
        """Wait until a script has made a file of this name in the folder."""
        deadline = time.monotonic() + PATIENCE
        while not (self.folder / name).exists():
            assert time.monotonic() < deadline, name
            time.sleep(0.01)

    def forget(self) -> None:
        """Begin a new record of events."""
        (self.folder / "events").unlink(missing_ok=True)

    def environment(self, unit: str, event: str) -> dict[str, str]:
        """The environment of the last run of an event."""
        text = (self.folder / f"env-{unit.replace('/', '-')}-{event}").read_text()
        return dict(line.split("=", 1) for line in text.splitlines())

    def text(self, name: str) -> str:
        """What a script wrote to a file of this name in its `$OUT` folder."""
        return (self.folder / name).read_text().strip()


def settle(juju: jubilant.Juju) -> jubilant.Status:
    """Wait until nothing is pending."""
    return wait(juju, jubilant.all_agents_idle)


def wait(juju: jubilant.Juju, ready: Callable[[jubilant.Status], bool]) -> jubilant.Status:
    """Wait until the status is as a test wants it."""
    return juju.wait(ready, delay=0.02, successes=1, timeout=PATIENCE)


def gone(juju: jubilant.Juju, *apps: str) -> jubilant.Status:
    """Wait until applications are gone."""
    return wait(juju, lambda status: not set(apps) & set(status.apps))


def run(juju: jubilant.Juju, unit: str, line: str) -> jubilant.Task:
    """Run a line in a unit's hook context; a failure is in the result, not raised."""
    try:
        return juju.exec(line, unit=unit, wait=PATIENCE)
    except jubilant.TaskError as error:
        return error.task


def juju(model: jubilant.Juju, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a juju command in a model, however it ends."""
    command = [model.cli_binary, arguments[0], "--model", str(model.model), *arguments[1:]]
    return subprocess.run(command, check=False, capture_output=True, text=True)


def refusal(model: jubilant.Juju, *arguments: str) -> str:
    """What `juju` answers to a command that it refuses."""
    done = juju(model, *arguments)
    assert done.returncode, done.stdout
    return done.stderr


def ends(process: int) -> bool:
    """Wait for the end of a process."""
    deadline = time.monotonic() + PATIENCE
    while not has_ended(process) and time.monotonic() < deadline:
        time.sleep(0.01)
    return has_ended(process)


def has_ended(process: int) -> bool:
    """Whether a process has ended, be it that nobody has asked for its exit code yet.

    Its sockets are open until the last of its threads has ended.
    """
    with contextlib.suppress(OSError):
        fields = pathlib.Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        state, threads = fields[0], int(fields[17])
        return state == "Z" and threads <= 1
    return True

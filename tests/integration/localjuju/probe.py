"""The probe: one small charm and some five hundred questions, asked of localjuju as of Juju.

`facts/points.tsv` holds each point, its command, and what a real controller of a release
answered. A command that begins with a unit in brackets is a hook command, run in that unit's
context. A point without a command tells what the charm recorded: `events`, since the point before
that tells events of the unit; `env`, variables that an event's environment has; `output`, what a
script wrote.

In the answers stand the exit code unless it is 0, standard output and error, divided by ` ; `,
with ` / ` between lines; `<ID>` and the like for what differs from run to run; `…` where it was
cut off.
"""

from __future__ import annotations

import csv
import dataclasses
import json
import pathlib
import re
import shlex
import time
import zipfile
from typing import TYPE_CHECKING

from agreement import general

from localjuju import cli

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import jubilant

FACTS = pathlib.Path(__file__).with_name("facts")

_UNIT_COMMAND = re.compile(r"\[(pa/\d|pb/\d)\] (.*)")
_XID = re.compile(r"\b[0-9a-v]{20}\b")
_BUSY = re.compile(r'"juju-status":\{"current":"(allocating|executing)"')
_DISTURBING = {
    "add-unit",
    "config",
    "deploy",
    "integrate",
    "refresh",
    "remove-application",
    "remove-relation",
    "remove-unit",
    "resolve",
    "update-secret",
}
_SECRETS = {
    "add-secret": "<US>",
    "secret-add": "<S>",
    "unit secret": "<U>",
    "secret for broken": "<SB>",
}
"""The points that make the secrets which others name."""
_UNKNOWN = "cq3a4k3mp25c77v1q0ag"


@dataclasses.dataclass(frozen=True)
class Point:
    """A question, and what each release answered."""

    name: str
    command: str
    answers: dict[str, str]


def points() -> list[Point]:
    """Read the table."""
    with (FACTS / "points.tsv").open(newline="") as table:
        rows = list(csv.DictReader(table, delimiter="\t", quoting=csv.QUOTE_NONE))
    return [Point(row.pop("point"), row.pop("command"), row) for row in rows]


class Probe:
    """The probe in one model.

    Args:
        juju: the model.
        folder: where the charm records and is packed.
    """

    def __init__(self, juju: jubilant.Juju, folder: pathlib.Path) -> None:
        self.juju = juju
        self.folder = folder
        self._secrets: dict[str, str] = {}
        self._seen: dict[str, int] = {}
        self.records = folder / "probe"
        for version in ("1", "2"):
            self._pack(version)

    def ask(
        self, asked: list[Point], before: Mapping[str, Sequence[Callable[[Probe], object]]]
    ) -> dict[str, str]:
        """Ask all, in their order, each after what went on before it.

        Returns:
            The answers by the points' names.
        """
        answers: dict[str, str] = {}
        for point in asked:
            for step in before.get(point.name, ()):
                step(self)
            answer = self._ask(point)
            answers[point.name] = self._clean(answer)
            if point.name in _SECRETS:
                self._secrets[_SECRETS[point.name]] = _XID.findall(answer)[0]
        return answers

    def _pack(self, version: str) -> None:
        with zipfile.ZipFile(self.folder / f"probe{version}.charm", "w") as packed:
            packed.writestr("version", version)
            for file in (FACTS / "charm").iterdir():
                entry = zipfile.ZipInfo(file.name)
                entry.external_attr = file.stat().st_mode << 16
                packed.writestr(entry, file.read_text().replace("RECORDS", str(self.records)))

    def _ask(self, point: Point) -> str:
        name, command = point.name, self._filled(point.command)
        if name.startswith("events "):
            self.settle()
            return self._events(_unit(name) or "pa/0")
        if name.startswith("env ") and not command:
            return self._variables(name, point)
        if " of failed" in name and not command:
            return self._status(name)
        if name.startswith(("output ", "removed leader out ")):
            return self._output(name)
        if on_unit := _UNIT_COMMAND.fullmatch(command.replace("\n", "\\n")):
            return self.on(on_unit[1], on_unit[2])
        return self.cli(command)

    def cli(self, command: str) -> str:
        """Run a juju command."""
        command, dashes, line = command.partition(" -- ")
        name, *words = shlex.split(command.removeprefix("juju "))
        words = [
            str(self.folder / word) if re.fullmatch(r"probe\d\.charm", word) else word
            for word in words
        ]
        model = [] if name == "add-model" else ["--model", str(self.juju.model)]
        answer = _juju_answers(name, *model, *words, *(["--", line] if dashes else []))
        if name in _DISTURBING:
            self.settle()
        return _answer(*answer)

    def on(self, unit: str, line: str) -> str:
        """Run a line in a unit's context, and tell of its two outputs and its exit code."""
        line = line.replace("/tmp/", f"{self.folder}/")  # noqa: S108 - as the table has it
        out, err = self.folder / "px.out", self.folder / "px.err"
        out.unlink(missing_ok=True)
        err.unlink(missing_ok=True)
        line = f"{{ {line}; }} >{out} 2>{err}; rc=$?; echo RC=$rc"
        words = ["exec", "--model", str(self.juju.model), "--unit", unit, "--format", "json"]
        exit_code, stdout, stderr = _juju_answers(*words, "--", line)
        task = json.loads(stdout)[unit]
        code = re.search(r"RC=(\d+)", task["results"].get("stdout", ""))
        if not code:
            return f"rc exec:{exit_code} ; {_lines(stderr)}"
        error = f"{err.read_text()}{task.get('message', '')}"
        return _answer(int(code[1]), out.read_text(), error)

    def _events(self, unit: str) -> str:
        lines = self.recorded(unit, "events").splitlines()
        new = lines[self._seen.get(unit, 0) :]
        self._seen[unit] = len(lines)
        return _lines("\n".join(new)) or "rc 0"

    def forget(self) -> None:
        """Let the events so far be no answer."""
        self.settle()
        for unit in ("pa/0", "pa/1", "pa/4", "pb/0"):
            self._events(unit)

    def recorded(self, unit: str, name: str) -> str:
        """What the charm has written into a file of a unit."""
        path = self.records / unit.replace("/", "-") / name
        return path.read_text() if path.exists() else ""

    def _variables(self, name: str, point: Point) -> str:
        """Which of the variables that each release sets are in an event's environment."""
        event = name.removeprefix("env ").removeprefix("user ")
        unit = "pb/0" if event.endswith(" pb") else "pa/0"
        event = event.removesuffix(" pb")
        if event.startswith("relation-"):
            event = f"{'in' if unit == 'pb/0' else 'out'}-{event}"
        units = ("pa/1",) if event == "upgrade-charm" else (unit, "pa/1")
        names = {word for answer in point.answers.values() for word in answer.split(", ")}
        if event == "exec":
            text = self.juju.exec("env", unit="pa/0").stdout
        else:
            event = {"action": "echo"}.get(event, event)
            text = next(filter(None, (self.recorded(one, f"env.{event}") for one in units)), "")
        return ", ".join(sorted(one for one in names if f"\n{one}=" in f"\n{text}"))

    def _status(self, name: str) -> str:
        app = json.loads(self.juju.cli("status", "--format", "json"))["applications"]["pa"]
        found = app["application-status"] if name.startswith("app") else app["units"]["pa/0"]
        return json.dumps(found, sort_keys=True)

    def _output(self, name: str) -> str:
        unit, event = _unit(name) or "pa/0", name.rpartition(" ")[2]
        return _lines(self.recorded(unit, f"out.{event}")) or "rc 0"

    def _filled(self, command: str) -> str:
        for mark, secret in self._secrets.items():
            command = command.replace(mark, secret)
        # The model's third unit is its fifth; a clock need not be waited for that long.
        return re.sub(r"\bpa/2\b", "pa/4", command).replace("--expire 20s", "--expire 1s")

    def _clean(self, answer: str) -> str:
        answer = answer.replace(str(self.folder), "/tmp").replace(_UNKNOWN, "<ID>")  # noqa: S108
        for mark, secret in self._secrets.items():
            answer = answer.replace(secret, mark)
        answer = answer.replace("pa/4", "pa/2").replace("unit-pa-4", "unit-pa-2")
        return _XID.sub("<ID>", general(answer))

    def script(self, unit: str, event: str, lines: str) -> None:
        """Let a unit run lines at an event; an empty script is none."""
        path = self.records / unit.replace("/", "-") / f"on.{event}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(lines)
        if not lines:
            path.unlink()

    def settle(self) -> None:
        """Wait until nothing is left to do."""
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            words = ("status", "--model", str(self.juju.model), "--format", "json")
            if not _BUSY.search(_juju_answers(*words)[1]):
                return
            time.sleep(0.01)
        raise TimeoutError("the probe's model does not settle")


def _unit(name: str) -> str:
    found = re.search(r"\bp[ab]/\d", name)
    return found[0].replace("pa/2", "pa/4") if found else ""


def _juju_answers(*words: str) -> tuple[int, str, str]:
    """Ask the controller as the juju command does, without a process of it for each question."""
    connection = cli.connect(cli.data_folder())
    assert connection
    with connection:
        code, stdout, stderr = cli.ask(connection, list(words))
    return code, stdout.decode(), stderr.decode()


def _answer(code: int, stdout: str, stderr: str) -> str:
    parts = [f"rc {code}"] if code else []
    parts += [_lines(text) for text in (stdout, stderr) if text.strip()]
    return " ; ".join(parts) or "rc 0"


def _lines(text: str) -> str:
    return " / ".join(text.strip("\n").rstrip().split("\n"))

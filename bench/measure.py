"""What is measured: the cases, in rounds that the bare charm shares."""

from __future__ import annotations

import collections
import copy
import dataclasses
import pathlib
import shutil
import statistics
import subprocess
import time
from typing import TYPE_CHECKING

from bench import on_localjuju
from bench.hooks import Event, HookError, Prepared, Run, Unit
from bench.surroundings import APPLICATION, Relation, Secret, Surroundings
from localjuju import charm, pack, releases

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

SMTP, LEGACY = "smtp", "smtp-legacy"
NOTHING, RELAY, PASSWORD = "nothing changed", "relay changed", "password changed"
RELATIONS = (0, 1, 10, 50, 200)
MEASURED = "password as an option"

_USER_SECRET = "9" * 20
_RELAY: dict[str, charm.Value] = {
    "host": "smtp.example.com",
    "port": 587,
    "transport_security": "starttls",
}
_AUTH: dict[str, charm.Value] = {"auth_type": "plain", "user": "relay-user"}
_OPTION = _RELAY | _AUTH | {"password": "first-password"}
SETTINGS: dict[str, dict[str, charm.Value]] = {
    MEASURED: _OPTION,
    "user secret": _RELAY | _AUTH | {"password_secret": f"secret:{_USER_SECRET}"},
    "OAuth": _RELAY
    | {"auth_type": "oauth2", "user": "a@example.com", "oauth_secret": f"secret:{_USER_SECRET}"},
    "no password": _RELAY,
    "addresses": _OPTION
    | {"smtp_sender": "app@example.com", "recipients": "a@example.com, b@example.com"},
    "insecure settings": {"host": "smtp.example.com"},
}
_USER_SECRETS = {
    "password_secret": {"password": "first-password"},
    "oauth_secret": {
        "token-url": "https://login.example.com/token",
        "client-id": "measured",
        "scope": "mail",
        "client-secret": "first-secret",
    },
}
_IMPORT = """\
import time
import ops
begin = time.perf_counter()
from charms.smtp_integrator.v0 import smtp
print(time.perf_counter() - begin)
"""


@dataclasses.dataclass(frozen=True)
class Case:
    """A hook of the integrator: how it is configured, where it is related, what changed.

    Attributes:
        change: what changed since the hook before.
        relations: how many relations the endpoint has.
        endpoint: where the charm is related.
        settings: how it is configured: a name in `SETTINGS`.
    """

    change: str
    relations: int
    endpoint: str = SMTP
    settings: str = MEASURED


@dataclasses.dataclass(frozen=True)
class Cost:
    """What a hook costs.

    Attributes:
        calls: how often each hook command runs.
        ratio: its time beside the bare charm's, medians of one measurement; None: not timed.
        processor_ratio: likewise, the time of processors.
        memory: its peak of memory beside the bare charm's; None: not measured.
    """

    calls: collections.Counter[str]
    ratio: float | None = None
    processor_ratio: float | None = None
    memory: float | None = None

    @property
    def commands(self) -> int:
        """How many hook commands run."""
        return self.calls.total()


@dataclasses.dataclass(frozen=True)
class Figures:
    """All that was measured.

    Attributes:
        bare: the bare charm's hook.
        bare_seconds: its median.
        command_seconds: the median of one hook command, started as ops does.
        localjuju_seconds: that of one on localjuju, and that of one that does nothing beside it.
        costs: by case.
        first: the first hook after unpacking beside the second.
        requirer: the relation-changed of a charm that uses the library and does nothing else.
        requirer_whole: that of a whole charm, which sets a status and logs.
        requirer_bare: the same event of a bare charm.
        library_seconds: the median of the library's import, with ops imported.
        size: of the packed charm, in bytes; None for a folder.
    """

    bare: Cost
    bare_seconds: float
    command_seconds: float
    localjuju_seconds: tuple[float, float]
    costs: dict[Case, Cost]
    first: float
    requirer: Cost
    requirer_whole: Cost
    requirer_bare: Cost
    library_seconds: float
    size: int | None


def cases() -> list[Case]:
    """The cases that are timed, those of the same number of relations together."""
    timed = [Case(change, n) for n in RELATIONS for change in (NOTHING, RELAY, PASSWORD)]
    timed += [Case(change, 50, LEGACY) for change in (NOTHING, RELAY, PASSWORD)]
    rows = [name for name in SETTINGS if name != MEASURED]
    return timed + [Case(NOTHING, 10, settings=name) for name in rows]


def counted_cases() -> list[Case]:
    """The cases whose hook commands are counted and no more."""
    legacy = [Case(change, n, LEGACY) for n in RELATIONS for change in (NOTHING, RELAY, PASSWORD)]
    rows = [name for name in SETTINGS if name != MEASURED]
    return [one for one in legacy if one.relations != 50] + [  # noqa: PLR2004 - timed above
        Case(RELAY, 10, settings=name) for name in rows
    ]


class Preparation:
    """Prepares cases of one unit, so that what was settled for one serves the others.

    Args:
        unit: a unit of the integrator.
    """

    def __init__(self, unit: Unit) -> None:
        self._unit = unit
        self._settled: dict[tuple[int, str, str], Surroundings] = {}

    def settled(self, case: Case) -> Surroundings:
        """The surroundings in which the case's hook has nothing left to do."""
        key = (case.relations, case.endpoint, case.settings)
        if key not in self._settled:
            where = self._unit.surroundings(**SETTINGS[case.settings])
            for option in _USER_SECRETS.keys() & where.config.keys():
                where.secrets[_USER_SECRET] = Secret(_USER_SECRETS[option], owned=False)
            for n in range(1, case.relations + 1):
                where.relations[n] = Relation(case.endpoint, f"requirer-{n}")
            self._settled[key] = self._unit.settle(where)
        return copy.deepcopy(self._settled[key])

    def prepare(self, case: Case) -> tuple[Prepared, collections.Counter[str]]:
        """Prepare a case's hook, and count its commands in a run that is checked.

        Raises:
            HookError: if the hook does not publish what changed, or ends in another status.
        """
        where = self.settled(case)
        _CHANGES[case.change](where)
        name = f"{case.change}-{case.relations}-{case.endpoint}-{case.settings}".replace(" ", "-")
        prepared = self._unit.prepare(name, where)
        calls = prepared.run(contents=True).calls
        where.take_in(calls)
        _check(case, where)
        return prepared, collections.Counter(call[0] for call in calls)


def _change_relay(where: Surroundings) -> None:
    where.config["host"] = "other.example.com"


def _change_password(where: Surroundings) -> None:
    where.config["password"] = "second-password"  # noqa: S105 - of a model of the bench


_CHANGES: dict[str, Callable[[Surroundings], None]] = {
    NOTHING: lambda _: None,
    RELAY: _change_relay,
    PASSWORD: _change_password,
}


def _check(case: Case, where: Surroundings) -> None:
    """Check that the hook did its work: a hook that does none would be the cheapest."""
    databags = [
        one.databags.get(APPLICATION, {})
        for one in where.relations.values()
        if one.endpoint == case.endpoint
    ]
    published = {databag.get("host") for databag in databags}
    if published - {where.config["host"]} or where.status != "active":
        raise HookError(f"{case} leaves {where.status!r}, and publishes the hosts {published}")
    if case.endpoint == SMTP and case.relations and "password" in where.config:
        contents = [secret.content for secret in where.secrets.values()]
        if contents != [{"password": where.config["password"]}]:
            raise HookError(f"{case} leaves another password in the secret")


def place(source: pathlib.Path, folder: pathlib.Path) -> Unit:
    """Take a charm folder or a packed charm and make a unit of it."""
    return Unit(
        charm.load(source, folder / "store", releases.chosen(), folder / "unpacked"),
        folder / "unit",
    )


def place_requirer(beside: Unit, folder: pathlib.Path) -> Unit:
    """Make a unit that only uses the library, with all other files of a charm that does so too."""
    store = pathlib.Path(shutil.copytree(beside.declared.path, folder / "store", symlinks=True))
    shutil.copy(pathlib.Path(__file__).with_name("requirer") / "charm.py", store / "src")
    declared = dataclasses.replace(beside.declared, name="the requirer", path=store)
    return Unit(declared, folder / "unit")


def place_bare(beside: Unit, source: pathlib.Path, folder: pathlib.Path) -> Unit:
    """Make a unit of the bare charm, with the declarations of the charm that it stands beside."""
    bare = charm.load(source, folder / "store", releases.chosen(), folder / "unpacked")
    for name in ("config.yaml", "metadata.yaml"):
        declaration = beside.declared.path / name
        if declaration.exists():
            shutil.copy(declaration, bare.path)
    declared = dataclasses.replace(beside.declared, name="the bare charm", path=bare.path)
    return Unit(declared, folder / "unit")


def measure(
    source: pathlib.Path,
    requirer: pathlib.Path,
    requirements: pathlib.Path,
    folder: pathlib.Path,
    *,
    runs: int,
) -> Figures:
    """Measure a charm.

    Args:
        source: the charm, packed or a folder with `dispatch`.
        requirer: a charm that uses the library on the endpoint `smtp`, packed or a folder.
        requirements: the packages of the bare charm.
        folder: a folder to work in; it is empty.
        runs: how often each hook is timed.

    Raises:
        HookError: if a hook fails, or does not do what is to be measured.
    """
    unit = place(source, folder / "charm")
    bare_source = folder / "bare.charm"
    pack.pack(pathlib.Path(__file__).with_name("bare"), bare_source, requirements=requirements)
    bare = place_bare(unit, bare_source, folder / "bare")
    first = _first_beside_second(unit.declared, folder / "first", runs)
    preparation = Preparation(unit)
    prepared = {case: preparation.prepare(case) for case in cases()}
    empty = bare.prepare("empty", bare.settle(bare.surroundings()))
    times = _rounds(empty, {case: one for case, (one, _) in prepared.items()}, runs)
    costs = {case: Cost(preparation.prepare(case)[1]) for case in counted_cases()}
    for case, (_, calls) in prepared.items():
        costs[case] = _beside(times[case], times[None], calls)
    whole = place(requirer, folder / "requirer")
    requirers = [
        place_bare(whole, bare_source, folder / "requirer-bare"),
        place_requirer(whole, folder / "requirer-small"),
        whole,
    ]
    cost_bare, cost, cost_whole = _measure_requirers(requirers, runs)
    return Figures(
        bare=_beside(times[None], times[None], _count(times[None][0])),
        bare_seconds=_seconds(times[None]),
        command_seconds=_command_seconds(empty),
        localjuju_seconds=on_localjuju.measure(bare_source, _made(folder / "localjuju")),
        costs=costs,
        first=first,
        requirer=cost,
        requirer_whole=cost_whole,
        requirer_bare=cost_bare,
        library_seconds=_library_seconds(whole, runs),
        size=source.stat().st_size if source.is_file() else None,
    )


def _made(folder: pathlib.Path) -> pathlib.Path:
    folder.mkdir()
    return folder


def _rounds(
    bare: Prepared, prepared: dict[Case, Prepared], runs: int
) -> dict[Case | None, list[Run]]:
    """Run all hooks in turn, the bare charm's before each three; its runs stand under None."""
    times: dict[Case | None, list[Run]] = collections.defaultdict(list)
    for _ in range(runs):
        for n, (case, one) in enumerate(prepared.items()):
            if n % 3 == 0:
                times[None].append(bare.run())
            times[case].append(one.run())
    return times


def _first_beside_second(declared: charm.Charm, folder: pathlib.Path, runs: int) -> float:
    first: list[Run] = []
    second: list[Run] = []
    for _ in range(runs):
        unit = Unit(declared, folder)
        where = unit.surroundings(**SETTINGS[MEASURED])
        first.append(unit.prepare("first", where).run())
        second.append(unit.prepare("second", where).run())
        shutil.rmtree(folder)
    return _seconds(first) / _seconds(second)


def prepare_requirer(unit: Unit) -> Prepared:
    """Prepare relation-changed of a charm that requires `smtp`, for a relay with TLS and AUTH."""
    event = Event(f"{SMTP}-relation-changed", 1)
    where = unit.surroundings()
    databag = {
        "host": "smtp.example.com",
        "port": "587",
        "auth_type": "plain",
        "transport_security": "starttls",
        "skip_ssl_verify": "False",
        "user": "relay-user",
        "password_id": f"secret:{_USER_SECRET}",
    }
    where.relations[1] = Relation(SMTP, "relay", {"relay": databag})
    where.secrets[_USER_SECRET] = Secret({"password": "first-password"}, owned=False)
    return unit.prepare("changed", unit.settle(where, event), event)


def _measure_requirers(units: list[Unit], runs: int) -> list[Cost]:
    """Measure charms in turn, beside the first."""
    prepared = [prepare_requirer(unit) for unit in units]
    times: list[list[Run]] = [[] for _ in units]
    for _ in range(runs):
        for one, so_far in zip(prepared, times, strict=True):
            so_far.append(one.run())
    return [_beside(one, times[0], _count(one[0])) for one in times]


def _library_seconds(unit: Unit, runs: int) -> float:
    """The median import of the library, over that of ops, in the requirer's environment."""
    command = [unit.charm_folder / "venv" / "bin" / "python", "-c", _IMPORT]
    environment = {"PYTHONPATH": str(unit.charm_folder / "lib")}
    outputs = [
        subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
        for _ in range(runs)
    ]
    return statistics.median(float(output) for output in outputs)


def _command_seconds(prepared: Prepared) -> float:
    """The median of one hook command, so that readers can subtract what is not the charm."""
    times: list[float] = []
    for _ in range(100):
        begin = time.perf_counter()
        prepared.run_command("is-leader", "--format=json")
        times.append(time.perf_counter() - begin)
    return statistics.median(times)


def _beside(runs: list[Run], bare: list[Run], calls: collections.Counter[str]) -> Cost:
    def ratio(figure: Callable[[Run], float]) -> float:
        return statistics.median(map(figure, runs)) / statistics.median(map(figure, bare))

    return Cost(
        calls,
        ratio(lambda one: one.seconds),
        ratio(lambda one: one.processor_seconds),
        ratio(lambda one: one.memory),
    )


def _seconds(runs: Iterable[Run]) -> float:
    return statistics.median(one.seconds for one in runs)


def _count(run: Run) -> collections.Counter[str]:
    return collections.Counter(call[0] for call in run.calls)

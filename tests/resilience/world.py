"""A model on localjuju that a test disturbs, and all that can be seen of it from outside."""

from __future__ import annotations

import dataclasses
import functools
import json
import pathlib
import re
import shutil
import tempfile
import uuid
from typing import TYPE_CHECKING, Any

import jubilant

import localjuju

if TYPE_CHECKING:
    import contextlib
    from collections.abc import Callable

    NewWorld = Callable[..., contextlib.AbstractContextManager["World"]]

INTEGRATOR = "smtp-integrator"

_FAULTS = "localjuju-faults"
_UPDATE_STATUS = "JUJU_DISPATCH_PATH=hooks/update-status ./dispatch"


@dataclasses.dataclass(frozen=True)
class Charms:
    """What is deployed: packed charms, and one folder.

    Attributes:
        integrator: The charm under test.
        mailer: The folder of a requirer.
        older: The integrator's charm as revisions before today's published.
        sink: The mail catcher.
    """

    integrator: pathlib.Path
    mailer: pathlib.Path
    older: pathlib.Path
    sink: pathlib.Path


@dataclasses.dataclass(frozen=True)
class Secret:
    """A secret as its owner and the controller's administrator know it.

    Attributes:
        id: The ID alone.
        uri: The ID with its model's, as every model reads it.
        name: A user's name for it, or its owner with its label.
        content: Of the newest revision.
        revisions: How many there are.
        readers: The tags of those who may read it by a grant.
    """

    id: str
    uri: str
    name: str
    content: dict[str, str]
    revisions: int
    readers: list[str]


class World:
    """One model, and the plan of what disturbs it.

    Args:
        juju: The model.
        charms: What can be deployed in it.
        data: The controller's folder.
        plan: The faults, as localjuju's model configuration takes them.
    """

    def __init__(
        self, juju: jubilant.Juju, charms: Charms, data: pathlib.Path, plan: str = ""
    ) -> None:
        self.juju = juju
        self.charms = charms
        self.observers: dict[str, Callable[[], object]] = {}
        self.runs: list[localjuju.HookRun] = []
        self._folder = data / str(juju.model)
        self._hook_log = self._folder / "hooks.jsonl"
        self._plan = plan
        self._token = uuid.uuid4().hex
        self._disturbed = False

    def password(self, name: str) -> str:
        """Return a password that occurs in this world alone."""
        return f"{self._token}-{name}"

    def disturb(self) -> None:
        """Let the faults strike from now on."""
        self._disturbed = True
        if self._plan:
            self.juju.model_config({_FAULTS: self._plan})

    def deploy(self, app: str = INTEGRATOR, *, num_units: int = 1) -> None:
        """Deploy the integrator, or a mailer under another name."""
        charm = self.charms.integrator if app == INTEGRATOR else self.charms.mailer
        self.juju.deploy(charm, app, num_units=num_units)

    def integrate(self, app: str, endpoint: str) -> None:
        """Relate a mailer to the integrator."""
        self.juju.integrate(f"{INTEGRATOR}:{endpoint}", f"{app}:{endpoint}")

    def unrelate(self, app: str, endpoint: str) -> None:
        """End a mailer's relation to the integrator."""
        self.juju.remove_relation(f"{INTEGRATOR}:{endpoint}", f"{app}:{endpoint}")

    def configure(self, **options: str | int | bool) -> None:
        """Set options of the integrator."""
        self.juju.config(INTEGRATOR, options)

    def leader(self) -> str:
        """Return the integrator's leader."""
        units = self.juju.status().apps[INTEGRATOR].units
        return next(name for name, unit in units.items() if unit.leader)

    def settle(self) -> jubilant.Status:
        """Wait until nothing is left to do, and no hook has failed for good.

        What a charm took in its stride, such as a command that failed, is mended at the next
        update-status at the latest, as on Juju. So that comes at once where it is owed, and again
        where the hooks that follow were struck.
        """
        status = self._wait()
        while any(run.faults and run.exit_code == 0 for run in self._new_runs()):
            self.update_status()
            status = self._wait()
        return status

    def _wait(self) -> jubilant.Status:
        return self.juju.wait(
            lambda status: jubilant.all_agents_idle(status) and not jubilant.any_error(status),
            delay=0.4,
            successes=1,
            timeout=7200,
        )

    def _new_runs(self) -> list[localjuju.HookRun]:
        log = localjuju.hook_log(str(self.juju.model)) if self._hook_log.exists() else []
        new = log[len(self.runs) :]
        self.runs += new
        return new

    def update_status(self, *apps: str) -> None:
        """Fire update-status on every unit, or on those of some applications."""
        for name, app in self.juju.status().apps.items():
            if not apps or name in apps:
                for unit in app.units:
                    self.juju.exec(_UPDATE_STATUS, unit=unit)

    def state(self) -> dict[str, Any]:
        """Return all that can be seen from outside, in words that every model shares.

        IDs of secrets, the model's UUID, ports that the system gave and this world's passwords
        have names instead. How often a secret changed is left out; how many revisions are left is
        in.
        """
        status = self.juju.status()
        secrets = self.secrets()
        seen = {
            "statuses": {name: _statuses(app) for name, app in status.apps.items()},
            "databags": self._databags(status),
            "relays": self.relays(),
            "secrets": {secret.name: dataclasses.asdict(secret) for secret in secrets},
            "observed": {name: observe() for name, observe in self.observers.items()},
            "in the clear": self.leaks(),
        }
        text = json.dumps(seen).replace(self._token, "PASSWORD")
        text = text.replace(self._model_uuid, "MODEL")
        for secret in secrets:
            text = text.replace(secret.id, secret.name)
        return json.loads(re.sub(r"(127\.0\.0\.1):\d+", r"\1:PORT", text))

    def secrets(self, owner: str | None = None) -> list[Secret]:
        """Return all secrets of the model, or of one owner."""
        return [self._secret(one.uri) for one in self.juju.secrets(owner=owner)]

    def _secret(self, uri: jubilant.SecretURI) -> Secret:
        shown = self.juju.show_secret(uri, revisions=True)
        return Secret(
            id=uri.unique_identifier,
            uri=f"secret://{self._model_uuid}/{uri.unique_identifier}",
            name=shown.name or f"{shown.owner}:{shown.label or 'unlabelled'}",
            content=self.juju.show_secret(uri, reveal=True).content,
            revisions=len(shown.revisions or []),
            readers=sorted(access.target for access in shown.access or []),
        )

    def relays(self) -> dict[str, dict[str, Any]]:
        """Return the relay that each mailer's workload uses, by unit and endpoint."""
        relays: dict[str, dict[str, Any]] = {}
        for path in sorted(self._folder.glob("agents/unit-*/relay-*.json")):
            unit = re.sub(r"-(\d+)$", r"/\1", path.parent.name.removeprefix("unit-"))
            endpoint = path.stem.removeprefix("relay-").rpartition("-")[0]
            relays.setdefault(unit, {})[endpoint] = json.loads(path.read_text())
        return relays

    def _databags(self, status: jubilant.Status) -> dict[str, Any]:
        """Return what each mailer gets from the integrator, raw, as its first unit sees it."""
        databags: dict[str, Any] = {}
        for name, app in status.apps.items():
            for endpoint in sorted({"smtp", "smtp-legacy"} & app.relations.keys()):
                if name != INTEGRATOR and app.units:
                    databag = self._relation_get(next(iter(app.units)), endpoint)
                    databags[f"{name}:{endpoint}"] = databag
        return databags

    def _relation_get(self, unit: str, endpoint: str) -> Any:
        line = f'relation-get --format json -r "$(relation-ids {endpoint})" - {INTEGRATOR}'
        return json.loads(self.juju.exec(line, unit=unit).stdout)

    def leaks(self, of: World | None = None) -> list[str]:
        """Name the places in which a password stands, of this world or another, that must not."""
        juju, token = self.juju, (of or self)._token.encode()
        texts = {
            "log": juju.debug_log().encode(),
            "status": juju.cli("status", "--format", "json").encode(),
        }
        if self._hook_log.exists():
            texts["hook log"] = self._hook_log.read_bytes()
        for unit_state in self._folder.glob("agents/unit-*/charm/.unit-state.db*"):
            texts[unit_state.parts[-3]] = unit_state.read_bytes()
        return [name for name, text in texts.items() if token in text]

    def sweep(self) -> None:
        """Remove the files by which ops hands a content to `secret-add`, left by a killed charm.

        ops keeps them in a folder of /tmp that only the charm's user may enter, for the time of
        that one command.
        """
        for key in ("password", "client-secret", "refresh-token"):
            for path in pathlib.Path(tempfile.gettempdir()).glob(f"tmp*/{key}"):
                if self._token in path.read_text():
                    shutil.rmtree(path.parent)

    @functools.cached_property
    def _model_uuid(self) -> str:
        return self.juju.show_model().model_uuid

    def longest(self) -> int:
        """Count the hook commands of the run that had most of them."""
        self._new_runs()
        return max(len(run.commands) for run in self.runs if run.hook != "exec")

    def struck(self) -> int:
        """Count the faults that struck."""
        self._new_runs()
        return sum(len(run.faults) for run in self.runs)


def _statuses(app: jubilant.statustypes.AppStatus) -> dict[str, Any]:
    units = {name: _spelled(unit.workload_status) for name, unit in app.units.items()}
    leader = next((name for name, unit in app.units.items() if unit.leader), None)
    return {"app": _spelled(app.app_status), "leader": leader, "units": units}


def _spelled(status: jubilant.statustypes.StatusInfo) -> str:
    return f"{status.current} {status.message}".strip()

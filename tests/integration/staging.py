"""What the integration tests build: an integrator, requirers, and a relay that catches mail."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import json
import pathlib
import re
import time
import zipfile
from typing import TYPE_CHECKING, Any

import jubilant

if TYPE_CHECKING:
    from collections.abc import Callable

HERE = pathlib.Path(__file__).parent
INTEGRATOR = "smtp-integrator"
PASSWORD = "correct-horse-battery"
USER = "notifier"

PATIENCE = 900.0
_LISTENERS = {"none": "plain", "starttls": "starttls", "tls": "tls"}
_subjects = itertools.count(1)


@dataclasses.dataclass(frozen=True)
class Message:
    """A message as it arrived at the sink, with its envelope and its session."""

    sender: str
    recipients: list[str]
    subject: str
    tls_version: str
    auth_user: str


@dataclasses.dataclass(frozen=True)
class Sink:
    """A deployed smtp-sink: a relay to configure, and a place to look at what arrived."""

    juju: jubilant.Juju
    app: str
    host: str

    @property
    def unit(self) -> str:
        return f"{self.app}/0"

    @functools.cached_property
    def ca(self) -> str:
        return self.juju.run(self.unit, "get-ca").results["ca"]

    def relay(self, transport_security: str) -> dict[str, str | int]:
        """Return the integrator's options for one of the sink's listeners."""
        message = self.juju.status().apps[self.app].units[self.unit].workload_status.message
        found = re.search(rf"\b{_LISTENERS[transport_security]} \S+:(\d+)", message)
        assert found, message
        return {
            "host": self.host,
            "port": int(found[1]),
            "transport_security": transport_security,
            "tls_ca_chain": "" if transport_security == "none" else self.ca,
        }

    def messages(self) -> list[Message]:
        """Return what arrived, the newest last."""
        listed = self.juju.run(self.unit, "list-messages").results["messages"]
        return [
            Message(one["from"], one["to"], one["subject"], one["tls"], one["user"])
            for one in json.loads(listed)
        ]

    def newest(self) -> Message:
        return self.messages()[-1]

    def subjects(self) -> list[str]:
        return [message.subject for message in self.messages()]


def pack(name: str, folder: pathlib.Path) -> pathlib.Path:
    """Pack one of the charms beside this file, which need no Python, into a folder."""
    packed = folder / f"{name}.charm"
    with zipfile.ZipFile(packed, "w") as charm:
        for file in (HERE / name).iterdir():
            charm.write(file, file.name)
    return packed


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait for what no status shows."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it did not become true in time"
        time.sleep(0.5)


@dataclasses.dataclass(frozen=True)
class Forwarder:
    """A unit of smtp-forwarder, and its machine's tools."""

    juju: jubilant.Juju
    unit: str
    on_localjuju: bool

    @property
    def root(self) -> str:
        """Where its tools are installed, as the charm's directory sees it."""
        tag = f"unit-{self.unit.replace('/', '-')}"
        return f"../{tag}-smtp-forwarder/root" if self.on_localjuju else ""

    def shell(self, script: str) -> str:
        """Run a script in which the tools are found by their names; return what it prints."""
        path = f"PATH=$(realpath {self.root}/usr/sbin):$(realpath {self.root}/usr/bin):$PATH"
        return self.juju.exec(f"{path}; {script}", unit=self.unit).stdout

    def sendmail(self, subject: str, recipients: str = "operator@example.com") -> None:
        message = f"Subject: {subject}\\n\\nIt went through sendmail.\\n"
        self.shell(f"printf '{message}' | sendmail -f root@example.com {recipients}")

    def waiting(self) -> list[dict[str, Any]]:
        return json.loads(self.juju.run(self.unit, "list-queue").results["messages"])


@dataclasses.dataclass(frozen=True)
class Staging:
    """One model, and how to build in it.

    Attributes:
        juju: The model.
        charms: Folder of the packed charms.
        on_localjuju: Whether localjuju runs the model, or a real controller.
    """

    juju: jubilant.Juju
    charms: pathlib.Path
    on_localjuju: bool

    def charm(self, name: str) -> pathlib.Path:
        """Return where a charm stands packed; charmcraft adds base and architecture."""
        packed = sorted(self.charms.glob(f"{name}*.charm"))
        assert packed, f"{name} is not packed in {self.charms}: run 'make charms' or 'make charm'"
        return packed[0]

    def settle(
        self, ready: Callable[[jubilant.Status], bool] = jubilant.all_active
    ) -> jubilant.Status:
        """Wait until the model has nothing left to do and is ready."""
        # A real controller looks idle between two hooks; localjuju is idle when nothing is left.
        successes = 1 if self.on_localjuju else 5
        return self._wait(
            lambda status: jubilant.all_agents_idle(status) and ready(status), successes
        )

    def until(self, ready: Callable[[], bool]) -> None:
        """Wait for a moment at which the model need not have settled."""
        self._wait(lambda _: ready(), successes=1)

    def _wait(self, ready: Callable[[jubilant.Status], bool], successes: int) -> jubilant.Status:
        return self.juju.wait(
            ready,
            error=jubilant.any_error,
            delay=0.4 if self.on_localjuju else 1.0,
            successes=successes,
            timeout=PATIENCE,
        )

    def deploy_integrator(self, *, num_units: int = 1) -> None:
        self.juju.deploy(self.charm(INTEGRATOR), INTEGRATOR, num_units=num_units)

    def deploy_requirer(self, app: str, *, endpoint: str = "smtp", num_units: int = 1) -> None:
        self.juju.deploy(self.charm("smtp-requirer"), app, num_units=num_units)
        self.juju.integrate(f"{INTEGRATOR}:{endpoint}", f"{app}:{endpoint}")

    def deploy_sink(
        self, app: str, *, user: str = "", password: str = "", **options: str | bool
    ) -> Sink:
        """Deploy a mail catcher; with a user, it takes mail from nobody else."""
        bind_address = {} if self.on_localjuju else {"bind-address": "0.0.0.0"}  # noqa: S104
        self.juju.deploy(self.charm("smtp-sink"), app, config=bind_address)
        config = {name.replace("_", "-"): value for name, value in options.items()}
        if user:
            config["user"] = user
        if password:
            config["password-secret"] = self.add_password(f"{app}-login", password, app)
        if config:
            self.juju.config(app, config)
        status = self.settle(lambda status: jubilant.all_active(status, app))
        unit = status.apps[app].units[f"{app}/0"]
        host = "127.0.0.1" if self.on_localjuju else unit.public_address
        return Sink(self.juju, app, host)

    def databag(self, unit: str, app: str, *, endpoint: str = "smtp") -> dict[str, str]:
        """Return what a unit reads in the databag of an application related to its own."""
        relation = f'"$(relation-ids {endpoint})"'
        line = f"relation-get -r {relation} --app --format=json - {app}"
        return json.loads(self.juju.exec(line, unit=unit).stdout)

    def remove_relation(self, first: str, last: str) -> jubilant.Status:
        """End a relation, named by its two ends, and wait until it can be made again."""
        self.juju.remove_relation(first, last)
        (app, _, endpoint), other = first.partition(":"), last.partition(":")[0]

        def gone(status: jubilant.Status) -> bool:
            relations = status.apps[app].relations.get(endpoint, [])
            return other not in [relation.related_app for relation in relations]

        return self.settle(gone)

    def add_password(self, name: str, password: str, app: str) -> str:
        """Add a user secret with a password, and grant it to an application."""
        secret = self.juju.add_secret(name, {"password": password})
        self.juju.grant_secret(secret, app)
        return secret

    def published_secrets(self) -> list[jubilant.Secret]:
        """Return the secrets that the integrator owns."""
        return [secret for secret in self.juju.secrets() if secret.owner == INTEGRATOR]

    def configure(self, **options: str | int | bool) -> None:
        """Set options of the integrator."""
        self.juju.config(INTEGRATOR, options)

    def send(self, unit: str) -> str:
        """Have a requirer send one message, and return its unique subject."""
        subject = f"message {next(_subjects)} from {unit}"
        self.juju.run(unit, "send-mail", {"subject": subject})
        return subject

    def fire_update_status(self, unit: str) -> None:
        """Run update-status now, instead of waiting for its interval."""
        self.juju.exec("JUJU_DISPATCH_PATH=hooks/update-status ./dispatch", unit=unit)

    def update_status(self, unit: str) -> None:
        """Run update-status now, and wait until nothing is left to do."""
        self.fire_update_status(unit)
        self.settle(lambda _: True)

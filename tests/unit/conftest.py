"""What the tests of the integrator and of its library share."""

from __future__ import annotations

import datetime as dt
import pathlib
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

import ops
import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from ops import testing
from scenario import mocking

import charm
from charms.smtp_integrator.v0 import smtp

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = pathlib.Path(__file__).parents[2]

REQUIRER_META = {
    "name": "requirer",
    "requires": {"smtp": {"interface": "smtp"}, "smtp-legacy": {"interface": "smtp"}},
}
PROVIDER_META = {
    "name": "provider",
    "provides": {"smtp": {"interface": "smtp"}, "smtp-legacy": {"interface": "smtp"}},
}

_UNREAD = {"assumes", "description", "parts", "platforms", "summary"}

# Scenario writes the charm's files before each hook, in pure Python a seventh of its time.
yaml.SafeDumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)

CharmT = TypeVar("CharmT", bound=ops.CharmBase)


class Hooks(Generic[CharmT]):
    """Runs a charm's hooks, each in a context of its own, and keeps what the last one did.

    Attributes:
        charm: The charm as the last hook left it.
        context: The context of the last hook.
    """

    on = testing.CharmEvents()

    def __init__(
        self,
        charm_type: type[CharmT],
        meta: dict[str, Any],
        config: dict[str, Any] | None = None,
    ) -> None:
        declared = {"meta": _as_read(meta), "config": _as_read(config or {})}
        self._new_context = lambda: testing.Context(charm_type, **declared)
        self.context = self._new_context()
        self.charm: CharmT | None = None

    def run(
        self,
        event: Any,
        state: testing.State,
        *,
        first: Callable[[CharmT], object] = lambda _: None,
    ) -> testing.State:
        """Return the state after the hook; `first` is called with the charm before its event."""
        self.context = self._new_context()
        with self.context(event, state) as manager:
            self.charm = manager.charm
            first(manager.charm)
            return manager.run()

    @property
    def log(self) -> list[str]:
        return [line.message for line in self.context.juju_log]

    @property
    def warnings(self) -> list[str]:
        return [line.message for line in self.context.juju_log if line.level == "WARNING"]


def _as_read(declared: Any) -> Any:
    """Leave out what no hook reads: before each, Scenario writes all as YAML, which takes long."""
    if not isinstance(declared, dict):
        return declared
    fields = cast("dict[str, Any]", declared).items()
    return {name: _as_read(one) for name, one in fields if name not in _UNREAD}


class RequirerCharm(ops.CharmBase):
    """Records what each event of the library says.

    Attributes:
        received: The properties of each event, with its relation, application and unit.
    """

    def __init__(self, framework: ops.Framework) -> None:
        super().__init__(framework)
        self.received: list[dict[str, Any]] = []
        self.smtp = smtp.SmtpRequires(self)
        self.smtp_legacy = smtp.SmtpRequires(self, "smtp-legacy")
        for requires in (self.smtp, self.smtp_legacy):
            framework.observe(requires.on.smtp_data_available, self._on_smtp_data_available)

    def _on_smtp_data_available(self, event: smtp.SmtpDataAvailableEvent) -> None:
        if self.config["defer"]:
            event.defer()
            return
        self.received.append(
            {
                "host": event.host,
                "port": event.port,
                "user": event.user,
                "password": event.password,
                "password_id": event.password_id,
                "oauth_id": event.oauth_id,
                "auth_type": event.auth_type,
                "transport_security": event.transport_security,
                "domain": event.domain,
                "skip_ssl_verify": event.skip_ssl_verify,
                "smtp_sender": event.smtp_sender,
                "recipients": event.recipients,
                "tls_ca_chain": event.tls_ca_chain,
                "relation": event.relation.id,
                "app": event.app.name if event.app else None,
                "unit": event.unit.name if event.unit else None,
            }
        )


class ProviderCharm(ops.CharmBase):
    """Has both endpoints, and publishes what a test tells it to."""

    def __init__(self, framework: ops.Framework) -> None:
        super().__init__(framework)
        self.smtp = smtp.SmtpProvides(self)
        self.smtp_legacy = smtp.SmtpProvides(self, "smtp-legacy")


class HookCommands:
    """Watches the hook commands of secrets and databags, and lets Juju refuse secrets.

    Attributes:
        reads: The secrets that were read, by ID without scheme or by label.
        writes: The commands, in the order they ran; `secret-set content` makes a revision.
        refusals: What Juju answers instead of the secret, named as in `reads`.
    """

    def __init__(self) -> None:
        self.reads: list[str] = []
        self.writes: list[str] = []
        self.refusals: dict[str, str] = {}

    def watched(self, method: Callable[..., Any]) -> Callable[..., Any]:
        command = method.__name__.replace("_", "-")

        def run(*args: Any, **kwargs: Any) -> Any:
            content = command == "secret-set" and kwargs.get("content")
            self.writes.append(f"{command} content" if content else command)
            return method(*args, **kwargs)

        return run

    def refusable(self, secret_get: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **kwargs: Any) -> Any:
            name = (kwargs["id"] or kwargs["label"]).rpartition("/")[2].removeprefix("secret:")
            self.reads.append(name)
            if name in self.refusals:
                raise ops.ModelError(self.refusals[name])
            return secret_get(*args, **kwargs)

        return run


@pytest.fixture
def hook_commands(monkeypatch: pytest.MonkeyPatch) -> HookCommands:
    commands = HookCommands()
    backend = vars(mocking)["_MockModelBackend"]
    for name in ("relation_set", "secret_add", "secret_grant", "secret_remove", "secret_set"):
        monkeypatch.setattr(backend, name, commands.watched(getattr(backend, name)))
    monkeypatch.setattr(backend, "secret_get", commands.refusable(backend.secret_get))
    return commands


@pytest.fixture(scope="session")
def options() -> dict[str, dict[str, Any]]:
    """The options of config.yaml, in its order."""
    return yaml.safe_load((ROOT / "config.yaml").read_text())["options"]


@pytest.fixture(scope="session")
def metadata() -> dict[str, Any]:
    """What charmcraft.yaml says of the integrator."""
    return yaml.safe_load((ROOT / "charmcraft.yaml").read_text())


@pytest.fixture(scope="session")
def integrator(
    metadata: dict[str, Any], options: dict[str, dict[str, Any]]
) -> Hooks[charm.SmtpIntegratorCharm]:
    return Hooks(charm.SmtpIntegratorCharm, metadata, {"options": options})


@pytest.fixture(scope="session")
def requirer() -> Hooks[RequirerCharm]:
    config = {"options": {"defer": {"type": "boolean", "default": False}}}
    return Hooks(RequirerCharm, REQUIRER_META, config)


@pytest.fixture(scope="session")
def provider() -> Hooks[ProviderCharm]:
    return Hooks(ProviderCharm, PROVIDER_META)


class Authority:
    """A private CA's self-signed certificate and its key, both as PEM.

    Attributes:
        certificate: As the charm publishes it, with one newline at the end.
        private_key: In PKCS #8.
    """

    def __init__(self, name: str) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        start = dt.datetime(2026, 1, 1, tzinfo=dt.timezone.utc)
        certificate = (
            x509.CertificateBuilder(subject, subject, key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(start)
            .not_valid_after(start + dt.timedelta(days=3650))
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(key, hashes.SHA256())
        )
        self.certificate = certificate.public_bytes(serialization.Encoding.PEM).decode()
        self.private_key = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ).decode()


@pytest.fixture(scope="session")
def authority() -> Authority:
    return Authority("Root of the tests")


@pytest.fixture(scope="session")
def other_authority() -> Authority:
    return Authority("Another root of the tests")

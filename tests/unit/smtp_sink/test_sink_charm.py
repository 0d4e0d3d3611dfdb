import dataclasses
import importlib.util
import json
import pathlib
import socket
import sys
from collections.abc import Iterator
from typing import Any

import ops
import pytest
import sink_running
import yaml
from cryptography import x509
from ops import testing
from scenario import mocking

from smtp_sink import messages, state
from unit_service import files, processes, reports, service

ROOT = sink_running.SOURCE.parent
PASSWORD = "s3cret-passw0rd"
PORTS = {"plain": 40001, "starttls": 40002, "tls": 40003}
SERVING = "plain 127.0.0.1:40001, starttls 127.0.0.1:40002, tls 127.0.0.1:40003"
ENVELOPE = messages.Envelope(
    sender="from@example.com",
    recipients=("to@example.com",),
    listener="tls",
    peer="127.0.0.1:4711",
    tls_version="TLSv1.3",
    auth_user="user",
)


def load_charm() -> type[ops.CharmBase]:
    # The integrator's tests import another `charm`, so this one gets a name of its own.
    spec = importlib.util.spec_from_file_location("smtp_sink_charm", ROOT / "src/charm.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module.SmtpSinkCharm


SmtpSinkCharm = load_charm()
SHOWN_ID = "d8vs2gr3rq7s73b1kfog"
SECRET_ID = f"secret:{SHOWN_ID}"


@dataclasses.dataclass
class FakeService:
    """A service that reports as the server does, without a process of its own."""

    directory: state.StateDir
    log: str = "the log"
    starts: int = 0
    running: bool = False
    problems: tuple[str, ...] = ()
    silent: bool = False

    def start(self) -> None:
        self.starts += 1
        self.directory.report.unlink(missing_ok=True)
        self.running = not self.problems and not self.silent
        if not self.silent:
            self._report(processes.current())

    def stop(self) -> None:
        if self.running:
            self.die()

    def die(self) -> None:
        self.running = False
        self._report(processes.Process(processes.current().pid, "an earlier boot/1"))

    def config(self) -> state.ServerConfig:
        return state.ServerConfig.from_json(self.directory.config.read_text())

    def _report(self, process: processes.Process) -> None:
        report = reports.Report(
            config=self.config().digest,
            process=process,
            ports={} if self.problems else PORTS,
            problems=self.problems,
        )
        files.write(self.directory.report, report.to_json())


@dataclasses.dataclass(frozen=True)
class Unit:
    """A unit between two events: the charm's directory, its service, and its context."""

    context: testing.Context[ops.CharmBase]
    directory: state.StateDir
    services: list[FakeService]

    @property
    def service(self) -> FakeService:
        return self.services[0]

    def config_changed(self, *secrets: testing.Secret, **options: str | int) -> str:
        """Return the unit's status, with the kind in front."""
        config: dict[str, Any] = {name.replace("_", "-"): x for name, x in options.items()}
        return self.run(
            self.context.on.config_changed(), testing.State(config=config, secrets=secrets)
        )

    def run(self, event: Any, before: testing.State | None = None) -> str:
        after = self.context.run(event, before or testing.State())
        assert PASSWORD not in repr(after.unit_status)
        assert not [line for line in self.context.juju_log if PASSWORD in line.message]
        return f"{after.unit_status.name}: {after.unit_status.message}"

    def act(self, name: str, **params: str) -> dict[str, Any]:
        self.context.run(self.context.on.action(name, params), testing.State())
        results = self.context.action_results
        assert results is not None
        return dict(results)


@pytest.fixture
def context(tmp_path: pathlib.Path) -> testing.Context[ops.CharmBase]:
    charm = tmp_path / "unit/charm"
    charm.mkdir(parents=True)
    meta = yaml.safe_load((ROOT / "charmcraft.yaml").read_text())
    return testing.Context(
        SmtpSinkCharm,
        meta={"name": meta["name"]},
        actions=meta["actions"],
        config=yaml.safe_load((ROOT / "config.yaml").read_text()),
        charm_root=charm,
    )


@pytest.fixture
def directory(tmp_path: pathlib.Path) -> state.StateDir:
    return state.StateDir(tmp_path / "unit/unit-smtp-sink-0-smtp-sink")


@pytest.fixture
def unit(
    context: testing.Context[ops.CharmBase],
    directory: state.StateDir,
    monkeypatch: pytest.MonkeyPatch,
) -> Unit:
    services: list[FakeService] = []

    def choose(
        name: str, program: service.Program, charm: pathlib.Path, chosen: state.StateDir
    ) -> FakeService:
        assert name == "unit-smtp-sink-0"
        assert program.command[1:] == ("-m", "smtp_sink.server", str(directory.path))
        assert charm == context.charm_root
        assert chosen == directory
        if not services:
            services.append(FakeService(chosen))
        return services[0]

    monkeypatch.setattr(service, "choose", choose)
    return Unit(context, directory, services)


def test_it_serves_with_the_defaults(unit: Unit) -> None:
    assert unit.config_changed() == f"active: {SERVING}"
    config = unit.service.config()
    assert (config.bind_address, config.user, config.password) == ("127.0.0.1", "", "")
    assert config.ports == {"plain": 0, "starttls": 0, "tls": 0}


@pytest.mark.parametrize(
    "event", ["install", "leader_elected", "config_changed", "start", "update_status"]
)
def test_any_event_starts_a_server_that_is_dead(unit: Unit, event: str) -> None:
    unit.config_changed()
    unit.service.die()
    leader = testing.State(leader=True)
    assert unit.run(getattr(unit.context.on, event)(), leader) == f"active: {SERVING}"
    assert unit.service.starts == 2


def test_a_server_that_runs_is_left_alone(unit: Unit) -> None:
    unit.config_changed(user="user", password=PASSWORD)
    unit.config_changed(user="user", password=PASSWORD)
    assert unit.service.starts == 1


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("bind_address", "127.0.0.2"),
        ("plain_port", 2525),
        ("starttls_port", 2525),
        ("tls_port", 2525),
        ("user", "another"),
        ("password", "another"),
    ],
)
def test_every_option_restarts_the_server(unit: Unit, option: str, value: str | int) -> None:
    options: dict[str, str | int] = {"user": "user", "password": PASSWORD}
    unit.config_changed(**options)
    before = unit.service.config()
    unit.config_changed(**(options | {option: value}))
    assert unit.service.starts == 2
    assert unit.service.config() != before


def test_an_upgrade_restarts_the_server(unit: Unit) -> None:
    unit.config_changed()
    assert unit.run(unit.context.on.upgrade_charm()) == f"active: {SERVING}"
    assert unit.service.starts == 2


def test_an_upgrade_while_an_option_is_wrong_goes_on_with_what_was_right(unit: Unit) -> None:
    unit.config_changed()
    before = unit.service.config()
    assert unit.config_changed(**{"plain-port": 70000}).startswith("blocked: ")
    wrong = testing.State(config={"plain-port": 70000})
    assert unit.run(unit.context.on.upgrade_charm(), wrong).startswith("blocked: ")
    assert unit.service.running
    assert (unit.service.starts, unit.service.config()) == (2, before)


def test_an_upgrade_that_was_killed_starts_it_though_an_option_is_wrong(unit: Unit) -> None:
    unit.config_changed()
    unit.service.stop()
    wrong = testing.State(config={"plain-port": 70000})
    assert unit.run(unit.context.on.upgrade_charm(), wrong).startswith("blocked: ")
    assert unit.service.running


def test_an_upgrade_starts_nothing_that_did_not_run(unit: Unit) -> None:
    assert unit.config_changed(**{"plain-port": 70000}).startswith("blocked: ")
    wrong = testing.State(config={"plain-port": 70000})
    assert unit.run(unit.context.on.upgrade_charm(), wrong).startswith("blocked: ")
    assert unit.service.starts == 0


def test_stop_and_remove(unit: Unit) -> None:
    unit.config_changed()
    stopped = "maintenance: the mail server does not run; see the log"
    assert unit.run(unit.context.on.stop()) == stopped
    assert not unit.service.running
    assert unit.directory.path.exists()
    assert unit.run(unit.context.on.remove()) == stopped
    assert not unit.directory.path.exists()


def test_a_unit_that_is_removed_by_force_stops_too(unit: Unit) -> None:
    unit.config_changed()
    unit.run(unit.context.on.remove())
    assert not unit.service.running


def test_wrong_options_are_all_named_and_the_server_goes_on(unit: Unit) -> None:
    unit.config_changed(user="user", password=PASSWORD)
    assert unit.config_changed(bind_address=PASSWORD, plain_port=70000, user="user") == (
        "blocked: "
        "bind-address: must be an IP address; use 127.0.0.1, 0.0.0.0 or an address of this "
        "machine; plain-port: 70000 is not between 0 and 65535; "
        "user: has no password; set password-secret or password too, or reset user"
    )
    assert unit.service.running
    assert unit.service.starts == 1
    assert unit.service.config().password == PASSWORD


def test_a_port_in_use_blocks_until_it_is_free(unit: Unit) -> None:
    unit.config_changed()
    unit.service.problems = (
        "plain-port: 2525 is in use on 127.0.0.1; choose another port or 0",
        "tls-port: 2526 is in use on 127.0.0.1; choose another port or 0",
    )
    assert unit.config_changed(plain_port=2525, tls_port=2526) == (
        "blocked: plain-port: 2525 is in use on 127.0.0.1; choose another port or 0; "
        "tls-port: 2526 is in use on 127.0.0.1; choose another port or 0"
    )
    unit.service.problems = ()
    assert unit.config_changed(plain_port=2525, tls_port=2526) == f"active: {SERVING}"


def test_a_server_that_does_not_report(unit: Unit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["smtp_sink_charm"], "_START_SECONDS", 0.05)
    unit.config_changed()
    unit.service.silent = True
    assert unit.config_changed(plain_port=2525) == (
        "maintenance: the mail server does not run; see the log"
    )


def test_the_password_of_a_secret(unit: Unit) -> None:
    secret = testing.Secret({"password": f"{PASSWORD}\n"})
    options = {"user": "user", "password": "another", "password_secret": secret.id}
    assert unit.config_changed(secret, **options) == f"active: {SERVING}"
    assert unit.service.config().password == PASSWORD


def test_a_new_revision_of_the_secret_restarts_the_server(unit: Unit) -> None:
    secret = testing.Secret({"password": "old"}, latest_content={"password": PASSWORD})
    before = testing.State(config={"user": "user", "password-secret": secret.id}, secrets={secret})
    unit.config_changed(user="user", password="old")
    after = unit.context.run(unit.context.on.secret_changed(secret), before)
    assert unit.service.config().password == PASSWORD
    assert unit.service.starts == 2
    # Juju tells of later revisions only to those who have read this one.
    assert after.get_secret(id=secret.id).tracked_content == {"password": PASSWORD}


def test_what_serves_no_new_revision_leaves_it_to_be_told_of(unit: Unit) -> None:
    secret = testing.Secret({"password": "old"}, latest_content={"password": PASSWORD})
    before = testing.State(config={"user": "user", "password-secret": secret.id}, secrets={secret})
    after = unit.context.run(unit.context.on.action("list-messages"), before)
    assert after.get_secret(id=secret.id).tracked_content == {"password": "old"}


def test_a_secret_that_does_not_exist(unit: Unit) -> None:
    assert unit.config_changed(user="user", password_secret=SECRET_ID) == (
        "blocked: password-secret: not found; set it to the ID of a secret of this model"
    )


def test_a_secret_without_the_key(unit: Unit) -> None:
    secret = testing.Secret({"passwort": PASSWORD})
    assert unit.config_changed(secret, user="user", password_secret=secret.id) == (
        "blocked: password-secret: the secret has no key 'password'; "
        "run 'juju update-secret NAME password#file=FILE'"
    )


def refuse(monkeypatch: pytest.MonkeyPatch, words: str) -> None:
    """Let Juju refuse secrets; how each release says it, `test_juju_says.py` shows."""

    def secret_get(*_: object, **__: object) -> dict[str, str]:
        raise ops.ModelError(words)

    monkeypatch.setattr(vars(mocking)["_MockModelBackend"], "secret_get", secret_get)


def test_a_secret_that_is_not_granted(unit: Unit, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = testing.Secret({"password": PASSWORD}, id=SECRET_ID)
    options = {"user": "user", "password_secret": secret.id}
    for words in ("permission denied", '"smtp-sink/0" is not allowed to read this secret'):
        with monkeypatch.context() as patch:
            refuse(patch, f"ERROR {words}\n")
            assert unit.config_changed(secret, **options) == (
                "blocked: password-secret: not granted; run 'juju grant-secret "
                f"{SHOWN_ID} smtp-sink', which takes effect at the next update-status"
            )
    assert unit.config_changed(secret, **options) == f"active: {SERVING}"


def test_an_unknown_refusal_is_told_in_jujus_words(
    unit: Unit, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse(monkeypatch, "ERROR connection\n lost\n")
    assert unit.config_changed(user="user", password_secret=SECRET_ID) == (
        "blocked: password-secret: Juju refuses to read it: connection lost; if it is not "
        f"granted, run 'juju grant-secret {SHOWN_ID} smtp-sink', which takes effect at the "
        "next update-status"
    )


def test_the_server_is_told_of_tokens(unit: Unit) -> None:
    authority = unit.act("get-ca")["ca"]
    status = unit.config_changed(
        user="user",
        refuse_passwords=True,
        introspection_url="https://id.example.com/introspect",
        introspection_ca=authority,
    )
    assert status == f"active: {SERVING}"
    config = unit.service.config()
    assert (config.user, config.password, config.refuse_passwords) == ("user", "", True)
    assert config.introspection_url == "https://id.example.com/introspect"
    assert config.introspection_ca == authority


def test_a_secrets_newline_is_warned_of_when_the_server_is_told(unit: Unit) -> None:
    options = {"user": "user", "password": f"{PASSWORD}\n"}
    warning = "password: newlines at its end or a byte order mark are left out"
    for expected in ([warning], []):
        unit.context.juju_log.clear()
        unit.config_changed(**options)
        assert [
            line.message for line in unit.context.juju_log if line.level == "WARNING"
        ] == expected


def test_what_no_event_told_of_is_mended_at_update_status(unit: Unit) -> None:
    """Juju 4.0 fires no event where options are only reset."""
    unit.config_changed(user="user", password=PASSWORD)
    reset = testing.State(config={"plain-port": 2525})
    assert unit.run(unit.context.on.update_status(), reset) == f"active: {SERVING}"
    config = unit.service.config()
    assert (config.user, config.password, config.ports["plain"]) == ("", "", 2525)


@pytest.mark.filterwarnings("ignore:Harness is deprecated:PendingDeprecationWarning")
def test_one_charm_reads_anew_at_each_event(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A test with ops' Harness keeps one charm object through many events."""
    directory = state.StateDir(tmp_path / "unit-smtp-sink-0-smtp-sink")
    fake = FakeService(directory)

    def choose(*_: object) -> FakeService:
        return fake

    monkeypatch.setattr(service, "choose", choose)
    harness = testing.Harness(
        SmtpSinkCharm, meta="name: smtp-sink", config=(ROOT / "config.yaml").read_text()
    )
    harness.framework.charm_dir = tmp_path / "charm"
    harness.begin_with_initial_hooks()
    secret_id = harness.add_user_secret({"password": "one"})
    harness.grant_secret(secret_id, "smtp-sink")
    harness.update_config({"user": "user", "password-secret": secret_id})
    assert fake.config().password == "one"
    harness.set_secret_content(secret_id, {"password": "two"})
    assert fake.config().password == "two"
    for port in (2525, 2526):
        harness.update_config({"plain-port": port})
        assert fake.config().ports["plain"] == port
    harness.update_config({"plain-port": 70000})
    harness.evaluate_status()
    assert harness.charm.unit.status == ops.BlockedStatus(
        "plain-port: 70000 is not between 0 and 65535"
    )
    harness.cleanup()


def certified(unit: Unit) -> list[str]:
    pem = pathlib.Path(unit.service.config().certificate).read_bytes()
    certificate = x509.load_pem_x509_certificate(pem)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return sorted(str(name.value) for name in names)


@pytest.mark.parametrize(
    ("bind_address", "addresses"),
    [
        ("127.0.0.1", []),
        ("192.0.2.1", ["192.0.2.1"]),
        ("0.0.0.0", ["198.51.100.3", "203.0.113.9"]),  # noqa: S104
        ("::", ["198.51.100.3", "203.0.113.9"]),
    ],
)
def test_the_certificate_names_what_clients_call(
    unit: Unit, bind_address: str, addresses: list[str]
) -> None:
    network = testing.Network(
        "juju-info",
        bind_addresses=[testing.BindAddress([testing.Address("198.51.100.3")])],
        ingress_addresses=["203.0.113.9"],
    )
    before = testing.State(config={"bind-address": bind_address}, networks={network})
    unit.run(unit.context.on.config_changed(), before)
    always = ["localhost", "127.0.0.1", "::1", socket.gethostname()]
    assert certified(unit) == sorted({*always, *addresses})


def test_get_ca_is_there_before_the_server_and_stays(unit: Unit) -> None:
    authority = unit.act("get-ca")
    unit.config_changed()
    assert unit.act("get-ca") == authority
    assert authority["ca"].startswith("-----BEGIN CERTIFICATE-----")
    assert "PRIVATE" not in authority["ca"]


def test_the_actions_on_no_messages(unit: Unit) -> None:
    assert unit.act("list-messages") == {"count": "0", "messages": "[]"}
    assert unit.act("clear-messages") == {"count": "0"}
    with pytest.raises(testing.ActionFailed, match=r"^no message has arrived$"):
        unit.act("get-message")


def test_the_actions_on_messages(unit: Unit) -> None:
    unit.config_changed()
    store = messages.MessageStore(unit.directory.messages)
    first, second = (store.add(content, ENVELOPE) for content in (b"one\r\n", b"two\r\n"))
    listed = unit.act("list-messages")
    assert listed["count"] == "2"
    assert [line["id"] for line in json.loads(listed["messages"])] == [first, second]
    assert unit.act("get-message")["content"] == "two\r\n"
    got = unit.act("get-message", id=first)
    assert (got["id"], got["content"]) == (first, "one\r\n")
    assert (got["tls-version"], got["auth-user"]) == ("TLSv1.3", "user")
    with pytest.raises(testing.ActionFailed) as failure:
        unit.act("get-message", id="../config")
    assert failure.value.message == "id: no such message; list-messages shows the IDs"
    assert unit.act("clear-messages") == {"count": "2"}
    assert unit.act("list-messages") == {"count": "0", "messages": "[]"}


def test_no_action_starts_a_server(unit: Unit) -> None:
    unit.act("get-ca")
    assert unit.service.starts == 0


@pytest.fixture
def real_unit(
    context: testing.Context[ops.CharmBase], directory: state.StateDir
) -> Iterator[Unit]:
    yield Unit(context, directory, [])
    if directory.path.exists():
        service.Detached(sink_running.program(directory), directory).stop()


def test_a_life_with_a_real_server(real_unit: Unit) -> None:
    unit, context = real_unit, real_unit.context
    options = {"user": "user", "password": PASSWORD}
    assert unit.config_changed(**options).startswith("active: plain 127.0.0.1:")
    with sink_running.connect(unit.directory, "starttls") as client:
        client.login("user", PASSWORD)
        client.sendmail("from@example.com", ["to@example.com"], b"Subject: hello\r\n\r\nbody\r\n")
    shown = unit.act("get-message")
    assert shown["content"] == "Subject: hello\r\n\r\nbody\r\n"
    assert (shown["auth-user"], shown["listener"]) == ("user", "starttls")
    assert PASSWORD not in repr(shown)
    first = reports.read_serving(unit.directory)
    assert first is not None
    before = testing.State(config={"user": "user", "password": PASSWORD})
    assert unit.run(context.on.upgrade_charm(), before).startswith("active: ")
    second = reports.read_serving(unit.directory)
    assert second is not None
    assert second.process != first.process
    assert second.ports == first.ports
    assert unit.act("list-messages")["count"] == "1"
    unit.run(context.on.stop(), before)
    unit.run(context.on.remove(), before)
    assert not processes.is_alive(second.process)
    assert not unit.directory.path.exists()


def test_a_port_that_is_in_use(real_unit: Unit) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert real_unit.config_changed(tls_port=port) == (
            f"blocked: tls-port: {port} is in use on 127.0.0.1; choose another port or 0"
        )
    status = real_unit.config_changed(tls_port=port)
    assert status.startswith("active: ")
    assert status.endswith(f", tls 127.0.0.1:{port}")

import dataclasses
import datetime as dt
import importlib.util
import json
import pathlib
import shlex
import ssl
import sys
from typing import Any

import mail_servers
import ops
import pytest
import yaml
from charmlibs.interfaces import tls_certificates
from cryptography import x509
from ops import testing

from forwarder_unit import installation, places
from unit_service import files, processes, reports, service

ROOT = mail_servers.SOURCE.parent
PASSWORD = "s3cret-passw0rd"
NO_RELAY = "no relay; run 'juju integrate smtp-forwarder:smtp smtp-integrator'"
UPSTREAM = {
    "host": "mail.example.com",
    "port": "587",
    "auth_type": "plain",
    "transport_security": "starttls",
    "skip_ssl_verify": "False",
    "user": "notifier",
    "domain": "example.com",
}


def load_charm() -> type[ops.CharmBase]:
    # The integrator's tests import another `charm`, so this one gets a name of its own.
    spec = importlib.util.spec_from_file_location("smtp_forwarder_charm", ROOT / "src/charm.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module.SmtpForwarderCharm


SmtpForwarderCharm = load_charm()


@dataclasses.dataclass
class FakeService:
    """A service that reports as the forwarder does, without a process of its own."""

    state: files.StateDir
    log: str = "the log"
    starts: int = 0
    running: bool = False
    problems: tuple[str, ...] = ()
    ports: dict[str, int] = dataclasses.field(default_factory=dict[str, int])

    def start(self) -> None:
        self.starts += 1
        self.ports = {}
        self.load()

    def load(self) -> None:
        """Take what was told, or go on with what was served before."""
        if not self.problems:
            self.ports = dict.fromkeys(self.told()["listen"], 2525)
        self.running = bool(self.ports)
        report = reports.Report(
            config="", process=processes.current(), ports=self.ports, problems=self.problems
        )
        files.write(self.state.report, report.to_json())

    def stop(self) -> None:
        self.running = False
        self.state.report.unlink(missing_ok=True)

    def told(self) -> dict[str, Any]:
        return json.loads(self.state.config.read_text())


@dataclasses.dataclass(frozen=True)
class Unit:
    """A unit between two events: the context, the places of its files, and its service."""

    context: testing.Context[ops.CharmBase]
    places: places.Places
    services: list[FakeService]

    @property
    def service(self) -> FakeService:
        return self.services[0]

    def run(self, event: Any, before: testing.State | None = None) -> testing.State:
        after = self.context.run(event, before or testing.State())
        assert PASSWORD not in repr(after.unit_status)
        assert not [line for line in self.context.juju_log if PASSWORD in line.message]
        return after

    def configure(self, **options: Any) -> str:
        after = self.run(self.context.on.config_changed(), testing.State(config=options))
        return f"{after.unit_status.name}: {after.unit_status.message}"


@pytest.fixture
def unit(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Unit:
    charm = tmp_path / "unit/charm"
    charm.mkdir(parents=True)
    meta = yaml.safe_load((ROOT / "charmcraft.yaml").read_text())
    context = testing.Context(
        SmtpForwarderCharm,
        meta={key: meta[key] for key in ("name", "subordinate", "requires", "provides")},
        actions=meta["actions"],
        config=yaml.safe_load((ROOT / "config.yaml").read_text()),
        charm_root=charm,
    )
    found = places.of("unit-smtp-forwarder-0", charm)
    services: list[FakeService] = []

    def choose(
        name: str, program: service.Program, _: pathlib.Path, state: files.StateDir
    ) -> FakeService:
        assert name == "unit-smtp-forwarder-0"
        assert program.command[1:] == ("-m", "forwarder", "--config", str(state.config))
        if not services:
            services.append(FakeService(state))
        return services[0]

    def reload(pid: int, _: int) -> None:
        assert pid == processes.current().pid
        services[0].load()

    monkeypatch.setattr(service, "choose", choose)
    monkeypatch.setattr("os.kill", reload)
    return Unit(context, found, services)


def upstream() -> tuple[testing.Relation, testing.Secret]:
    secret = testing.Secret({"password": PASSWORD})
    data = {**UPSTREAM, "password_id": secret.id}
    return testing.Relation("smtp", remote_app_data=data), secret


def guest(**data: str) -> testing.Relation:
    return testing.Relation(
        "relay",
        local_app_data=data,
        remote_units_data={0: {"egress-subnets": "192.0.2.9/32, 192.0.2.10/32"}},
    )


def the(state: testing.State, endpoint: str) -> testing.RelationBase:
    """Return the one relation of an endpoint."""
    [found] = state.get_relations(endpoint)
    return found


def test_it_serves_loopback_and_says_what_is_missing(unit: Unit) -> None:
    assert unit.configure() == f"blocked: {NO_RELAY}"
    told = unit.service.told()
    assert told["listen"] == ["127.0.0.1:25"]
    assert (told["upstream"], told["clients"], told.get("tls")) == (None, {}, None)
    assert (unit.places.root / "usr/sbin/sendmail").exists()


def test_the_status_tells_that_mail_is_refused(unit: Unit) -> None:
    status = unit.configure(when_unconfigured="refuse")
    assert status == f"blocked: {NO_RELAY}; mail is refused until then"


def test_the_relay_comes_and_goes_with_its_password(unit: Unit) -> None:
    relation, secret = upstream()
    before = testing.State(relations=[relation], secrets=[secret])
    after = unit.run(unit.context.on.relation_changed(relation), before)
    assert after.unit_status == testing.ActiveStatus()
    assert unit.service.told()["upstream"] == {
        "host": "mail.example.com",
        "port": 587,
        "transport_security": "starttls",
        "verify": True,
        "user": "notifier",
        "password": PASSWORD,
        "ca": "",
    }
    told = (unit.places.root / "etc/smtp-forwarder/forwarder.json").read_text()
    assert PASSWORD not in told
    assert json.loads(told)["domain"] == "example.com"

    after = unit.run(unit.context.on.relation_broken(relation), after)
    assert after.unit_status == testing.BlockedStatus(NO_RELAY)
    assert not [
        path
        for path in unit.places.state.path.parent.rglob("*")
        if path.is_file() and PASSWORD.encode() in path.read_bytes()
    ]


GRANT = {
    "token-url": "https://id.example.com/token",
    "client-id": "mailer",
    "scope": "mail",
}
LEADER_ALONE = (
    "the relay's refresh token serves the leader's unit alone; enter a client secret or a private "
    "key, or keep one unit"
)


def oauth_upstream(**grant: str) -> tuple[testing.Relation, testing.Secret]:
    secret = testing.Secret(GRANT | {key.replace("_", "-"): x for key, x in grant.items()})
    data = {**UPSTREAM, "auth_type": "none", "oauth_id": secret.id}
    return testing.Relation("smtp", remote_app_data=data), secret


def test_the_relay_may_take_tokens(unit: Unit) -> None:
    relation, secret = oauth_upstream(client_secret=PASSWORD)
    before = testing.State(relations=[relation], secrets=[secret])
    after = unit.run(unit.context.on.relation_changed(relation), before)
    assert after.unit_status == testing.ActiveStatus()
    upstream = unit.service.told()["upstream"]
    assert upstream["oauth"] == GRANT | {"client-secret": PASSWORD}
    assert (upstream["user"], upstream["password"]) == ("notifier", "")
    assert PASSWORD not in (unit.places.root / "etc/smtp-forwarder/forwarder.json").read_text()


@pytest.mark.parametrize("takes_tokens", [True, False])
def test_the_models_proxy_leads_to_the_token_endpoint(
    unit: Unit, monkeypatch: pytest.MonkeyPatch, *, takes_tokens: bool
) -> None:
    monkeypatch.setenv("JUJU_CHARM_HTTPS_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv("JUJU_CHARM_NO_PROXY", "127.0.0.1,example.org")
    relation, secret = oauth_upstream(client_secret=PASSWORD)
    if not takes_tokens:
        relation = dataclasses.replace(relation, remote_app_data=UPSTREAM)
    before = testing.State(relations=[relation], secrets=[secret])
    unit.run(unit.context.on.relation_changed(relation), before)
    proxy = {"https_proxy": "http://proxy.example:3128", "no_proxy": "127.0.0.1,example.org"}
    told = unit.service.told()["upstream"]
    assert {key: told[key] for key in proxy if key in told} == (proxy if takes_tokens else {})


def test_a_renewed_client_secret_reaches_the_forwarder(unit: Unit) -> None:
    relation, _ = oauth_upstream()
    secret = testing.Secret(
        GRANT | {"client-secret": "old"}, latest_content=GRANT | {"client-secret": PASSWORD}
    )
    relation = dataclasses.replace(
        relation, remote_app_data={**relation.remote_app_data, "oauth_id": secret.id}
    )
    unit.run(
        unit.context.on.secret_changed(secret),
        testing.State(relations=[relation], secrets=[secret]),
    )
    assert unit.service.told()["upstream"]["oauth"]["client-secret"] == PASSWORD


def test_a_refresh_token_serves_the_leader_alone(unit: Unit) -> None:
    relation, secret = oauth_upstream(refresh_token=PASSWORD)
    before = testing.State(relations=[relation], secrets=[secret], leader=True)
    after = unit.run(unit.context.on.relation_changed(relation), before)
    assert after.unit_status == testing.ActiveStatus()
    assert unit.service.told()["upstream"]["oauth"]["refresh-token"] == PASSWORD

    before = dataclasses.replace(after, leader=False)
    after = unit.run(unit.context.on.update_status(), before)
    assert after.unit_status == testing.BlockedStatus(LEADER_ALONE)
    assert unit.service.told()["upstream"] is None

    before = dataclasses.replace(after, config={"when_unconfigured": "refuse"})
    after = unit.run(unit.context.on.config_changed(), before)
    assert after.unit_status == testing.BlockedStatus(
        f"{LEADER_ALONE}; mail is refused until then"
    )


def test_a_free_port_is_chosen_once(unit: Unit) -> None:
    unit.configure(port=0)
    first = unit.service.told()["listen"]
    unit.configure(port=0, max_recipients=5)
    assert unit.service.told()["listen"] == first != ["127.0.0.1:0"]


def test_a_forwarder_that_does_what_it_should_is_left_alone(unit: Unit) -> None:
    unit.configure()
    told = unit.places.state.config.stat().st_mtime_ns
    unit.run(unit.context.on.update_status())
    assert (unit.service.starts, unit.places.state.config.stat().st_mtime_ns) == (1, told)


def test_all_addresses_need_a_restart(unit: Unit) -> None:
    unit.configure(port=2525)
    unit.configure(port=2525, max_recipients=5)
    assert unit.service.starts == 1
    unit.configure(port=2525, listen="0.0.0.0")  # noqa: S104
    assert unit.service.starts == 2
    assert unit.service.told()["listen"] == ["0.0.0.0:2525"]


def test_wrong_options_leave_what_runs_as_it_is(unit: Unit) -> None:
    unit.configure()
    before = unit.service.told()
    status = unit.configure(port=-1, rules="others: perhaps")
    assert status.startswith("blocked: port: -1 is not between 0 and 65535; rules: line 1: others")
    assert unit.service.running
    assert unit.service.told() == before


def test_passwords_and_relations_change_while_an_option_is_wrong(unit: Unit) -> None:
    relation, secret = upstream()
    before = testing.State(
        leader=True, relations=[relation, guest()], secrets=[secret], config={"max_recipients": 5}
    )
    right = unit.run(unit.context.on.config_changed(), before)
    wrong = dataclasses.replace(right, config={"max_recipients": 6, "rules": "others: perhaps"})
    wrong = unit.run(unit.context.on.config_changed(), wrong)
    assert wrong.unit_status.message.startswith("rules: line 1: others")

    renewed = dataclasses.replace(wrong.get_secret(id=secret.id), latest_content={"password": "n"})
    others = [one for one in wrong.secrets if one.id != secret.id]
    wrong = dataclasses.replace(wrong, secrets=[renewed, *others])
    wrong = unit.run(unit.context.on.secret_changed(renewed), wrong)
    assert unit.service.told()["upstream"]["password"] == "n"
    wrong = unit.run(unit.context.on.relation_broken(the(wrong, "relay")), wrong)
    assert unit.service.told()["clients"] == {}
    assert unit.service.told()["limits"]["recipients"] == 5
    assert wrong.unit_status.message.startswith("rules: line 1: others")


def test_what_the_forwarder_cannot_do_is_told(unit: Unit) -> None:
    unit.configure()
    unit.service.problems = ("127.0.0.1:26 cannot be listened on: Address already in use",)
    assert unit.configure(port=26) == (
        "blocked: 127.0.0.1:26 cannot be listened on: Address already in use; "
        "choose another with the options port (0 for a free one on each unit) and listen"
    )


def test_a_free_port_that_was_taken_later_is_no_remedy(unit: Unit) -> None:
    unit.configure()
    problem = "192.0.2.1:34567 cannot be listened on: Cannot assign requested address"
    unit.service.problems = (problem,)
    assert unit.configure(port=0, listen="192.0.2.1") == (
        f"blocked: {problem}; choose another with the options port and listen"
    )


def test_a_port_that_becomes_free_is_taken_without_a_change_of_the_options(unit: Unit) -> None:
    unit.configure()
    unit.service.problems = ("127.0.0.1:26 cannot be listened on: Address already in use",)
    unit.configure(port=26)
    unit.service.problems = ()
    after = unit.run(unit.context.on.update_status(), testing.State(config={"port": 26}))
    assert after.unit_status == testing.BlockedStatus(NO_RELAY)
    assert [*unit.service.ports] == ["127.0.0.1:26"]


def test_what_is_not_served_is_not_published(unit: Unit) -> None:
    before = testing.State(leader=True, relations=[guest()], config={"port": 2525})
    before = unit.run(unit.context.on.config_changed(), before)
    unit.service.problems = ("127.0.0.1:26 cannot be listened on: Address already in use",)
    wrong = dataclasses.replace(before, config={"port": 26})
    after = unit.run(unit.context.on.config_changed(), wrong)
    assert unit.service.running
    assert the(after, "relay").local_app_data == the(before, "relay").local_app_data

    unit.service.problems = ()
    after = unit.run(unit.context.on.update_status(), after)
    assert the(after, "relay").local_app_data["port"] == "26"


def test_a_port_for_metrics_that_is_taken_is_told_with_its_own_option(unit: Unit) -> None:
    unit.configure()
    problem = "127.0.0.1:9025 cannot be listened on: Address already in use"
    unit.service.problems = (problem,)
    assert unit.configure(metrics_port=9025) == (
        f"blocked: {problem}; choose another with the option metrics_port"
    )


def test_what_is_wrong_with_a_grant_is_told_with_its_own_remedy(unit: Unit) -> None:
    unit.configure()
    problem = "1: upstream.oauth: key private-key needs the command openssl: run apt install it"
    unit.service.problems = (problem,)
    assert unit.configure(port=26) == f"blocked: {problem}"


def test_a_forwarder_that_does_not_run_is_started(unit: Unit) -> None:
    unit.configure()
    unit.service.stop()
    after = unit.run(unit.context.on.update_status())
    assert after.unit_status == testing.BlockedStatus(NO_RELAY)
    assert unit.service.starts == 2


def test_an_upgrade_restarts_it(unit: Unit) -> None:
    unit.configure()
    unit.run(unit.context.on.upgrade_charm())
    assert (unit.service.starts, unit.service.running) == (2, True)


def test_an_upgrade_that_was_killed_starts_it_though_an_option_is_wrong(unit: Unit) -> None:
    unit.configure()
    unit.service.stop()
    wrong = testing.State(config={"expire_days": 0})
    after = unit.run(unit.context.on.upgrade_charm(), wrong)
    assert after.unit_status.message.startswith("expire_days: ")
    assert unit.service.running


def test_lines_of_another_system_are_no_news(unit: Unit) -> None:
    rules = "others: pass\r\nsender: keep\r\n"
    unit.configure(rules=rules)
    told = unit.places.state.rules.stat().st_mtime_ns
    unit.configure(rules=rules)
    assert unit.places.state.rules.stat().st_mtime_ns == told


def test_the_leader_publishes_itself_with_a_login_for_each_application(unit: Unit) -> None:
    relation = guest()
    before = testing.State(leader=True, relations=[relation], config={"port": 2525})
    after = unit.run(unit.context.on.relation_changed(relation), before)
    [secret] = after.secrets
    [published] = [one.local_app_data for one in after.relations]
    assert secret.owner == "app"
    assert {*secret.remote_grants} == {relation.id}
    assert secret.tracked_content is not None
    bare = secret.id.removeprefix("secret:")
    assert published == {
        "host": "192.0.2.0",
        "port": "2525",
        "auth_type": "plain",
        "transport_security": "starttls",
        "skip_ssl_verify": "False",
        "user": f"relay-{relation.id}",
        "password_id": f"secret://{after.model.uuid}/{bare}",
        "tls_ca_chain": published["tls_ca_chain"],
    }
    assert published["tls_ca_chain"].startswith("-----BEGIN CERTIFICATE-----")
    told = unit.service.told()
    assert told["listen"] == ["127.0.0.1:2525", "192.0.2.0:2525"]
    assert told["clients"] == {
        f"relay-{relation.id}": {
            "password": secret.tracked_content["password"],
            "networks": ["192.0.2.10/32", "192.0.2.9/32"],
        }
    }
    assert pathlib.Path(told["tls"]["certificate"]).exists()

    again = unit.run(unit.context.on.relation_changed(the(after, "relay")), after)
    assert again.secrets == after.secrets
    assert unit.service.starts == 1

    gone = unit.run(unit.context.on.relation_broken(the(again, "relay")), again)
    assert not [*gone.secrets]
    # Until the other units have left it too, the relation may still be listed.
    gone = unit.run(unit.context.on.update_status(), gone)
    assert not [*gone.secrets]
    assert unit.service.told()["clients"] == {}
    assert unit.service.told()["listen"] == ["127.0.0.1:2525"]


def test_a_follower_publishes_nothing_and_touches_no_secret(unit: Unit) -> None:
    relation = guest()
    before = testing.State(leader=False, relations=[relation])
    after = unit.run(unit.context.on.relation_changed(relation), before)
    assert not [*after.secrets]
    assert unit.service.told()["clients"] == {}
    unit.run(unit.context.on.relation_broken(relation), after)


def sign(request: str) -> tuple[str, dict[str, str]]:
    """Answer as an authority does; return its certificate, and its databag."""
    year = dt.timedelta(days=365)
    key = tls_certificates.PrivateKey.generate()
    named = tls_certificates.CertificateRequestAttributes(common_name="The model's authority")
    authority = tls_certificates.Certificate.generate_self_signed_ca(named, key, year)
    asked = tls_certificates.CertificateSigningRequest.from_string(request)
    signed = tls_certificates.Certificate.generate(asked, authority, key, year)
    answer = {
        "certificate": str(signed),
        "certificate_signing_request": request,
        "ca": str(authority),
        "chain": [str(signed), str(authority)],
    }
    return str(authority), {"certificates": json.dumps([answer])}


def test_the_models_authority_signs_for_what_is_published(unit: Unit) -> None:
    certificates = testing.Relation("certificates")
    before = testing.State(leader=True, relations=[certificates, guest()])
    after = unit.run(unit.context.on.config_changed(), before)
    own = the(after, "relay").local_app_data["tls_ca_chain"]
    asked = json.loads(the(after, "certificates").local_unit_data["certificate_signing_requests"])
    authority, databag = sign(asked[0]["certificate_signing_request"])

    answered = dataclasses.replace(the(after, "certificates"), remote_app_data=databag)
    before = dataclasses.replace(after, relations=[answered, the(after, "relay")])
    after = unit.run(unit.context.on.relation_changed(answered), before)
    published = the(after, "relay").local_app_data
    assert published["tls_ca_chain"].strip() == authority.strip() != own.strip()
    path = pathlib.Path(unit.service.told()["tls"]["certificate"])
    strict = ssl.create_default_context(cadata=authority)
    assert strict.get_ca_certs()
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(path)
    assert published["host"] in [
        str(one)
        for one in x509.load_pem_x509_certificates(path.read_bytes())[0]
        .extensions.get_extension_for_class(x509.SubjectAlternativeName)
        .value.get_values_for_type(x509.IPAddress)
    ]

    after = unit.run(unit.context.on.relation_broken(the(after, "certificates")), after)
    assert the(after, "relay").local_app_data["tls_ca_chain"] == own


def test_a_leader_that_leaves_leaves_the_logins_to_the_next(unit: Unit) -> None:
    # The name of the remote application is how the event can name this unit as the departing one.
    relation = dataclasses.replace(guest(), remote_app_name="smtp-forwarder")
    before = testing.State(leader=True, relations=[relation])
    after = unit.run(unit.context.on.relation_changed(relation), before)
    [secret] = after.secrets
    departed = unit.context.on.relation_departed(
        the(after, "relay"), remote_unit=0, departing_unit=0
    )
    after = unit.run(departed, after)
    after = unit.run(unit.context.on.relation_broken(the(after, "relay")), after)
    assert [one.id for one in after.secrets] == [secret.id]
    assert unit.service.told()["clients"] == {}


def test_a_secret_that_is_gone_is_made_and_published_anew(unit: Unit) -> None:
    relation = guest(password_id="secret://m/d8vs2gr3rq7s73b1kfog")
    before = testing.State(leader=True, relations=[relation])
    after = unit.run(unit.context.on.config_changed(), before)
    [secret] = after.secrets
    published = the(after, "relay").local_app_data["password_id"]
    assert published.endswith(secret.id.removeprefix("secret:"))


def test_the_sender_that_the_relay_wants_is_passed_on(unit: Unit) -> None:
    relation, secret = upstream()
    relation = dataclasses.replace(
        relation,
        remote_app_data={**relation.remote_app_data, "smtp_sender": "noreply@example.com"},
    )
    before = testing.State(leader=True, relations=[relation, guest()], secrets=[secret])
    after = unit.run(unit.context.on.config_changed(), before)
    published = the(after, "relay").local_app_data
    assert (published["domain"], published["smtp_sender"]) == (
        "example.com",
        "noreply@example.com",
    )
    assert published["host"] != "mail.example.com"


def test_stop_and_remove(unit: Unit) -> None:
    unit.configure()
    unit.run(unit.context.on.stop())
    assert not unit.service.running
    unit.run(unit.context.on.remove())
    assert not (unit.places.root / "usr/sbin/sendmail").exists()
    assert not unit.places.state.path.exists()


def act(unit: Unit, name: str, **params: Any) -> dict[str, Any]:
    unit.context.run(unit.context.on.action(name, params), testing.State())
    return dict(unit.context.action_results or {})


def test_the_actions_that_show(unit: Unit) -> None:
    unit.configure(rules="others: refuse", port=2525)
    assert act(unit, "show-rules") == {"rules": "others: refuse"}
    shown = act(unit, "show-settings")
    assert shown["listeners"] == "127.0.0.1:2525"
    assert json.loads(shown["settings"])["enabled"] is False
    assert shown["queue"] == str(unit.places.queue)
    assert act(unit, "list-queue") == {"count": "0", "messages": "[]"}


def test_a_second_unit_on_the_machine_leaves_the_tools_to_the_first(unit: Unit) -> None:
    first = installation.Installation(unit.places.root, "first/0", mail_servers.SOURCE)
    first.put("{}")
    tell = first.changed / "tell"
    tell.write_text("#!/bin/sh\n")
    tell.chmod(0o755)
    assert "sendmail is first/0's" in unit.configure()
    assert first.told.read_text() == "{}"
    assert json.loads(act(unit, "show-settings")["settings"])["enabled"] is False
    assert not unit.places.state.changes_log.exists()
    unit.run(unit.context.on.remove())
    assert first.told.read_text() == "{}"


def test_before_anything_is_told_the_actions_say_so(unit: Unit) -> None:
    for name, params in (("show-settings", {}), ("send", {"to": "a@example.com", "subject": "x"})):
        with pytest.raises(testing.ActionFailed, match=r"^not configured: "):
            act(unit, name, **params)


@pytest.mark.parametrize("name", ["drop", "hold"])
def test_what_cannot_be_undone_needs_a_filter(unit: Unit, name: str) -> None:
    unit.configure()
    with pytest.raises(testing.ActionFailed, match=f"^{name} needs a filter: ") as failed:
        act(unit, name)
    # As the shell reads it, and `juju run` after it.
    remedy = failed.value.message.rpartition("; ")[2].removesuffix(" is all")
    [(key, value)] = [word.split("=") for word in shlex.split(remedy)]
    assert act(unit, name, **{key: yaml.safe_load(value)})["count"] == "0"

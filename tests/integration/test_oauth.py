"""Mail through a relay that takes no password: from a cron job to a token of OAuth 2.0.

The applications know SMTP with a password, or nothing at all. A token lives three seconds.
"""

from __future__ import annotations

import base64
import collections
import contextlib
import json
import pathlib
import re
import smtplib
import socket
import ssl
import threading
import time
from typing import TYPE_CHECKING

import jubilant
import pytest

from staging import INTEGRATOR, PATIENCE, Forwarder, Sink, Staging, pack, wait_for
from tests import token_endpoint

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from tests.token_endpoint import Endpoint

FORWARDER = "smtp-forwarder"
SECRET = "relay-grant"
USER = token_endpoint.USER
_LOOKS = 3


class ProcessList:
    """What any user sees of all processes while it is watched, and what root sees of them."""

    def __init__(self) -> None:
        self._seen: set[bytes] = set()
        self._stop = threading.Event()

    @property
    def seen(self) -> str:
        return b"\n".join(self._seen).decode(errors="replace")

    @contextlib.contextmanager
    def watched(self) -> Generator[None]:
        watch = threading.Thread(target=self._watch)
        watch.start()
        try:
            yield
        finally:
            self._stop.set()
            watch.join()

    def _watch(self) -> None:
        looks = collections.Counter[pathlib.Path]()
        while not self._stop.wait(0.1):
            for process in pathlib.Path("/proc").glob("[0-9]*"):
                looks[process] += 1
                # What a process is, it soon is after its start.
                if looks[process] <= _LOOKS:
                    self._look(process)

    def _look(self, process: pathlib.Path) -> None:
        for name in ("cmdline", "environ"):
            with contextlib.suppress(OSError):
                self._seen.add((process / name).read_bytes())


@pytest.fixture(scope="module")
def endpoint(staging: Staging) -> Iterator[Endpoint]:
    address = "127.0.0.1" if staging.on_localjuju else own_address()
    with token_endpoint.serving(lifetime=3.0, address=address) as endpoint:
        yield endpoint


def own_address() -> str:
    """Return the address of this machine that other machines reach."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        # Nothing is sent: this only chooses the way (RFC 5737 has the address).
        sender.connect(("192.0.2.1", 9))
        return str(sender.getsockname()[0])


@pytest.fixture(scope="module", autouse=True)
def processes() -> Iterator[ProcessList]:
    processes = ProcessList()
    with processes.watched():
        yield processes


@pytest.fixture(scope="module")
def token_sink(staging: Staging, endpoint: Endpoint) -> Sink:
    """Deploy a relay that refuses every password, and takes what the endpoint issued."""
    return staging.deploy_sink(
        "sink",
        user=USER,
        refuse_passwords=True,
        introspection_url=endpoint.introspection_url,
        introspection_ca=endpoint.ca,
    )


@pytest.fixture(scope="module", autouse=True)
def forwarding(
    staging: Staging,
    token_sink: Sink,
    endpoint: Endpoint,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    juju = staging.juju
    juju.wait_timeout = PATIENCE
    staging.deploy_integrator()
    relay = token_sink.relay("starttls")
    authorities = f"{relay.pop('tls_ca_chain')}{endpoint.ca}"
    secret = juju.add_secret(SECRET, endpoint.content("client-secret"))
    juju.grant_secret(secret, INTEGRATOR)
    staging.configure(
        user=USER, auth_type="oauth2", oauth_secret=secret, tls_ca_chain=authorities, **relay
    )
    juju.deploy(staging.charm(FORWARDER), FORWARDER, config={"port": 0})
    juju.deploy(pack("bystander", tmp_path_factory.mktemp("packed")), "machine")
    juju.integrate(f"{FORWARDER}:host", "machine:juju-info")
    juju.integrate(f"{INTEGRATOR}:smtp", f"{FORWARDER}:smtp")
    juju.deploy(staging.charm("smtp-requirer"), "application")
    juju.integrate(f"{FORWARDER}:relay", "application:smtp")
    staging.deploy_requirer("direct")
    staging.settle()


@pytest.fixture
def forwarder(staging: Staging) -> Forwarder:
    [unit] = staging.juju.status().get_units(FORWARDER)
    return Forwarder(staging.juju, unit, staging.on_localjuju)


def restart(staging: Staging, sink: Sink) -> None:
    """Have the relay end all connections, so that the next one needs a token again."""
    staging.juju.refresh(sink.app, path=staging.charm("smtp-sink"))
    staging.settle(lambda status: jubilant.all_active(status, sink.app))


def test_the_relay_takes_no_password(token_sink: Sink) -> None:
    port = int(token_sink.relay("tls")["port"])
    context = ssl.create_default_context(cadata=token_sink.ca)
    with (
        smtplib.SMTP_SSL(token_sink.host, port, context=context, timeout=PATIENCE) as client,
        pytest.raises(smtplib.SMTPAuthenticationError, match=r"5\.7\.139"),
    ):
        client.login(USER, "correct-horse-battery")


def test_what_knows_passwords_alone_sends_while_tokens_come_and_go(
    staging: Staging,
    token_sink: Sink,
    endpoint: Endpoint,
    forwarder: Forwarder,
    pytestconfig: pytest.Config,
) -> None:
    is_full = pytestconfig.getoption("--resilience") == "full"
    messages, seconds = (30, 60.0) if is_full else (12, 4 * endpoint.lifetime)
    pause = seconds / messages
    issued, begun = len(endpoint.issued), time.monotonic()
    sent: list[str] = []
    for number in range(messages):
        if number and number % (messages // 3) == 0:
            restart(staging, token_sink)
        if number % 2:
            sent.append(staging.send("application/0"))
        else:
            sent.append(f"from cron {number}")
            forwarder.sendmail(sent[-1])
        time.sleep(max(begun + number * pause - time.monotonic(), 0))
    wait_for(lambda: forwarder.waiting() == [])
    arrived = token_sink.messages()
    assert sorted(one.subject for one in arrived if one.subject in sent) == sorted(sent)
    assert {one.auth_user for one in arrived} == {USER}
    # Each third of them needed tokens that there had not been before.
    assert len(endpoint.issued) >= issued + 3


def test_an_application_speaks_oauth_through_the_library(
    staging: Staging, token_sink: Sink
) -> None:
    subject, newest = staging.send("direct/0"), token_sink.newest()
    assert (newest.subject, newest.auth_user) == (subject, USER)


def test_mail_waits_while_there_is_no_token_and_everyone_is_told_why(
    staging: Staging, token_sink: Sink, endpoint: Endpoint, forwarder: Forwarder
) -> None:
    endpoint.stop()
    restart(staging, token_sink)
    # By now the last token has ended.
    time.sleep(endpoint.lifetime)
    forwarder.sendmail("patience")
    trouble = "connection: Connection refused"
    wait_for(lambda: trouble in str(forwarder.waiting()))
    staging.update_status(forwarder.unit)
    units = staging.juju.status().get_units(FORWARDER)
    assert trouble in units[forwarder.unit].workload_status.message
    assert "no token from " in forwarder.shell("mailq")
    endpoint.start()
    wait_for(lambda: forwarder.waiting() == [])
    assert token_sink.newest().subject == "patience"


def test_a_renewed_client_secret_reaches_the_forwarder_by_itself(
    staging: Staging, token_sink: Sink, endpoint: Endpoint, forwarder: Forwarder
) -> None:
    old, endpoint.client.secret = endpoint.client.secret, "r3newed-client-secret-of-the-mailer"
    wait_for(lambda: endpoint.requests[-1].get("client_secret") == old)
    staging.juju.update_secret(SECRET, endpoint.content("client-secret"))
    staging.settle()
    restart(staging, token_sink)
    forwarder.sendmail("renewed")
    wait_for(lambda: forwarder.waiting() == [])
    assert token_sink.newest().subject == "renewed"
    assert endpoint.requests[-1]["client_secret"] == endpoint.client.secret


def test_no_secret_and_no_token_stands_anywhere(
    staging: Staging,
    token_sink: Sink,
    endpoint: Endpoint,
    forwarder: Forwarder,
    processes: ProcessList,
) -> None:
    juju, unit = staging.juju, forwarder.unit
    staging.send("application/0")
    relations = juju.cli("show-unit", *juju.status().get_units(FORWARDER), "application/0")
    shown = {
        "action results": results(staging, forwarder, token_sink),
        "databags": relations + str(staging.databag("direct/0", INTEGRATOR)),
        "log of the forwarder": log(staging, unit),
        "log of the model": juju.debug_log(),
        "log of the sink": log(staging, token_sink.unit),
        "process list": processes.seen,
        "statuses": juju.cli("status", "--format=json") + juju.cli("status", "--relations"),
        "what every user of the machine may read": forwarder.shell(
            "smtp-settings --json --with-password; mailq"
        ),
    }
    assert re.search(r"\boauth_id\b", shown["databags"])
    assert "token kind=client-secret" in shown["log of the forwarder"]
    assert "unit_service.supervisor" in shown["process list"] or not staging.on_localjuju
    # The client's secret may have been renewed.
    given = {form["client_secret"] for form in endpoint.requests}
    hidden = {*endpoint.secrets, *given}
    hidden |= {base64.b64encode(secret.encode()).decode() for secret in hidden}
    leaks = [place for place, text in shown.items() for one in hidden if one in text]
    assert not leaks


def results(staging: Staging, forwarder: Forwarder, sink: Sink) -> str:
    """Return what the actions of all charms show."""
    [integrator] = staging.juju.status().get_units(INTEGRATOR)
    calls = {
        forwarder.unit: ("list-queue", "show-settings", "show-rules"),
        integrator: ("check-relay",),
        sink.unit: ("list-messages", "get-message"),
        "application/0": ("show-relation",),
        "direct/0": ("show-relation",),
    }
    found = [
        staging.juju.run(unit, action).results for unit, names in calls.items() for action in names
    ]
    return json.dumps(found)


def log(staging: Staging, unit: str) -> str:
    """Return what a unit's server logged."""
    tag = f"unit-{unit.replace('/', '-')}"
    script = f"cat $(find .. -maxdepth 3 -path '../{tag}-*' -name server.log)"
    if not staging.on_localjuju:
        script = f"journalctl --unit={tag}-smtpd.service"
    return staging.juju.exec(script, unit=unit).stdout

"""A relay that takes tokens, and an endpoint over TLS that checks what it is asked with."""

from __future__ import annotations

import concurrent.futures
import json
import signal
import stat
from typing import TYPE_CHECKING, Any

import pytest
from forwarder_running import Forwarder, numbered
from scripted_upstream import EXTENSIONS, Upstream, wait_until

import smtp_oauth
from forwarder import oauth
from tests import https_proxy, token_endpoint

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Callable, Iterator

    from tests.token_endpoint import Endpoint

    Forward = Callable[..., Forwarder]

USER = token_endpoint.USER
EXPIRED = "AADSTS7000222: The provided client secret keys for app are expired."
LONG = 3600.0


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with token_endpoint.serving(lifetime=LONG) as endpoint:
        yield endpoint


@pytest.fixture
def relay(upstream: Upstream, endpoint: Endpoint) -> Upstream:
    """Return a relay that takes valid tokens alone."""
    upstream.extensions = (*EXTENSIONS, "AUTH LOGIN XOAUTH2")

    def is_valid(token: str) -> bool:
        told = endpoint.answer_to("/introspect", {"token": token})[1]
        return not isinstance(told, str) and told["active"]

    upstream.is_valid = is_valid
    return upstream


def told(endpoint: Endpoint, kind: str = "client-secret", **more: Any) -> dict[str, Any]:
    """Return what the forwarder is told of the relay."""
    return {"user": USER, "oauth": endpoint.content(kind), "ca": endpoint.ca, **more}


def answers(forwarder: Forwarder) -> list[str]:
    return [one.answer for entry in forwarder.spool.entries() for one in entry.recipients]


def assert_no_leak(forwarder: Forwarder, endpoint: Endpoint) -> None:
    kept = "\n".join(answers(forwarder))
    assert not [secret for secret in endpoint.secrets if secret in forwarder.log() + kept]


@pytest.mark.parametrize(
    "kind", ["client-secret", "private-key", "service-account", "refresh-token"]
)
def test_every_grant_brings_a_token(
    forward: Forward, relay: Upstream, endpoint: Endpoint, kind: str
) -> None:
    forwarder = forward(relay, upstream=told(endpoint, kind))
    assert forwarder.send()[1].endswith(" delivered: Ok kept as 1")
    assert relay.tokens == endpoint.issued
    forwarder.wait_for_log(f"token kind={kind} seconds=")
    assert_no_leak(forwarder, endpoint)


def test_the_endpoint_is_reached_through_a_proxy(
    forward: Forward, relay: Upstream, endpoint: Endpoint
) -> None:
    with https_proxy.serving() as (port, said):
        forwarder = forward(relay, upstream=told(endpoint, https_proxy=f"http://127.0.0.1:{port}"))
        assert forwarder.send()[0] == 250
        relay.wait_for(1)
    assert said[0].startswith(f"CONNECT localhost:{endpoint.port} ")


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        ("AUTH LOGIN XOAUTH2", "AUTH XOAUTH2"),
        ("AUTH plain xoauth2 oauthbearer", "AUTH OAUTHBEARER"),
    ],
)
def test_the_relay_is_spoken_to_in_the_way_that_it_offers(
    forward: Forward, relay: Upstream, endpoint: Endpoint, offered: str, chosen: str
) -> None:
    relay.extensions = (*EXTENSIONS, offered)
    forwarder = forward(relay, upstream=told(endpoint))
    assert forwarder.send()[0] == 250
    assert [one for one in relay.commands if one.startswith("AUTH")] == [chosen]


def test_a_short_token_goes_with_its_command(
    forward: Forward, relay: Upstream, endpoint: Endpoint
) -> None:
    body = {"access_token": "short", "token_type": "Bearer", "expires_in": LONG}
    endpoint.answer = (200, body)
    relay.is_valid = lambda token: token == "short"
    forwarder = forward(relay, upstream=told(endpoint))
    assert forwarder.send()[0] == 250
    assert any(one.startswith("AUTH XOAUTH2 ") for one in relay.commands)


def test_all_connections_share_one_token(
    forward: Forward, relay: Upstream, endpoint: Endpoint
) -> None:
    forwarder = forward(relay, upstream=told(endpoint))
    relay.hold.clear()
    with concurrent.futures.ThreadPoolExecutor(8) as clients:
        sent = [clients.submit(forwarder.send, content=one) for one in numbered(8)]
        wait_until(lambda: relay.connections == 8)
        relay.hold.set()
        assert all(one.result()[0] == 250 for one in sent)
    assert len(endpoint.requests) == 1
    assert set(relay.tokens) == set(endpoint.issued)


def test_a_token_is_fetched_ahead_of_its_end_without_any_mail(
    forward: Forward, relay: Upstream, endpoint: Endpoint
) -> None:
    endpoint.lifetime = 1.2
    forwarder = forward(relay, impatient=True, upstream=told(endpoint))
    wait_until(lambda: len(endpoint.issued) >= 3)
    assert not relay.connections
    forwarder.send()
    relay.wait_for(1)


def test_mail_waits_while_the_endpoint_is_down_and_goes_by_itself_after_that(
    forward: Forward, relay: Upstream, endpoint: Endpoint
) -> None:
    endpoint.stop()
    forwarder = forward(relay, impatient=True, upstream=told(endpoint))
    trouble = "no token from localhost: connection: Connection refused"
    code, words = forwarder.send()
    assert (code, words.endswith(f" queued: {trouble}")) == (250, True)
    assert answers(forwarder) == [trouble]
    forwarder.wait_for_log('no-token endpoint=localhost answer="connection: Connection refused"')
    assert forwarder.metrics()["upstream_up"] == 0
    assert not relay.connections
    endpoint.start()
    relay.wait_for(1)
    wait_until(lambda: not forwarder.spool.entries())
    assert forwarder.metrics()["bounced_total"] == 0
    assert_no_leak(forwarder, endpoint)


def test_a_refusal_of_the_endpoint_is_told_in_its_words_and_retried_by_hand(
    forward: Forward, relay: Upstream, endpoint: Endpoint
) -> None:
    secret = endpoint.client.secret
    description = f"{EXPIRED} You sent {secret}"
    endpoint.answer = (401, {"error": "invalid_client", "error_description": description})
    forwarder = forward(relay, impatient=True, upstream=told(endpoint))
    forwarder.send()
    [answer] = answers(forwarder)
    assert answer.startswith("no token from localhost: secret-expired: invalid_client: AADSTS")
    # By now it is asked again after pauses that grow.
    wait_until(lambda: len(endpoint.requests) >= 2)
    assert_no_leak(forwarder, endpoint)
    endpoint.answer = None
    [entry] = forwarder.spool.entries()
    assert forwarder.spool.ask("retry", [entry.id])
    relay.wait_for(1)


@pytest.mark.parametrize(("mechanism", "dummy"), [("XOAUTH2", b""), ("OAUTHBEARER", b"\1")])
def test_a_token_that_was_revoked_is_fetched_anew_while_the_client_waits(
    forward: Forward, relay: Upstream, endpoint: Endpoint, mechanism: str, dummy: bytes
) -> None:
    relay.extensions = (*EXTENSIONS, f"AUTH {mechanism}")
    forwarder = forward(relay, upstream=told(endpoint))
    assert forwarder.send()[0] == 250
    endpoint.revoke()
    relay.cut()
    assert forwarder.send()[1].endswith(" delivered: Ok kept as 2")
    first, second = endpoint.issued
    assert relay.tokens == [first, first, second]
    assert relay.dummy_responses == [dummy]


def test_a_kept_connection_whose_token_ended_bounces_nothing(
    forward: Forward, relay: Upstream, endpoint: Endpoint
) -> None:
    forwarder = forward(relay, upstream=told(endpoint))
    assert forwarder.send()[0] == 250
    ended = "530 5.7.57 Client not authenticated to send mail"
    relay.answers["MAIL"] = lambda: ended if relay.connections == 1 else "250 Ok"
    code, said = forwarder.send()
    assert (code, said.endswith(" delivered: Ok kept as 2")) == (250, True)
    assert relay.connections == 2


def test_a_relay_that_wants_auth_of_a_new_connection_too_is_told_of(
    forward: Forward, relay: Upstream, endpoint: Endpoint
) -> None:
    forwarder = forward(relay, upstream=told(endpoint))
    relay.answers["MAIL"] = "530 5.7.0 Authentication required"
    assert forwarder.send() == (530, "5.7.0 Authentication required")
    assert relay.connections == 1


def test_a_refused_token_is_never_presented_again(
    forward: Forward, relay: Upstream, endpoint: Endpoint
) -> None:
    relay.is_valid = lambda _: False
    forwarder = forward(relay, impatient=True, upstream=told(endpoint))
    # The one that is fetched at the start may have been held for long, so another is tried.
    forwarder.wait_for_log("token kind=")
    forwarder.send()
    refusal = "535 5.7.3 Not this token (status=invalid_token, scope=mail)"
    assert answers(forwarder) == [refusal]
    assert len(relay.tokens) >= 2
    # The queue's own attempts follow, each with a token of its own.
    wait_until(lambda: len(relay.tokens) >= 4)
    assert len(set(relay.tokens)) == len(relay.tokens)
    assert answers(forwarder) == [refusal]
    assert_no_leak(forwarder, endpoint)


def test_a_relay_that_cannot_say_keeps_the_token(
    forward: Forward, relay: Upstream, endpoint: Endpoint
) -> None:
    relay.answers["AUTH"] = "454 4.7.0 Later"
    forwarder = forward(relay, impatient=True, upstream=told(endpoint))
    forwarder.send()
    assert answers(forwarder) == ["454 4.7.0 Later"]
    relay.answers.clear()
    relay.wait_for(1)
    assert len(endpoint.issued) == 1


@pytest.mark.parametrize("code", ["535 5.7.8", "454 4.7.0", "no-code"])
def test_a_relay_that_repeats_the_token_shows_it_to_nobody(
    forward: Forward, relay: Upstream, endpoint: Endpoint, code: str
) -> None:
    relay.answers["AUTH"] = lambda: f"{code} cannot decode {relay.tokens[-1][3:12].upper()}"
    forwarder = forward(relay, upstream=told(endpoint))
    forwarder.send()
    (answer,) = answers(forwarder)
    assert answer.removeprefix(code).endswith("the relay refused user and token")
    assert "decode" not in forwarder.log()


def test_a_relay_that_takes_passwords_alone_is_told_of(
    forward: Forward, relay: Upstream, endpoint: Endpoint
) -> None:
    relay.extensions = (*EXTENSIONS, "AUTH PLAIN LOGIN")
    forwarder = forward(relay, upstream=told(endpoint))
    forwarder.send()
    assert answers(forwarder) == ["the relay offers neither OAUTHBEARER nor XOAUTH2"]
    assert not relay.tokens


def kept(forwarder: Forwarder) -> str:
    [newest] = json.loads(forwarder.spool.refresh_token.read_text()).values()
    return newest


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_a_refresh_token_that_the_endpoint_rotates_outlives_the_process(
    forward: Forward, relay: Upstream, endpoint: Endpoint, end: signal.Signals
) -> None:
    endpoint.rotates = True
    forwarder = forward(relay, upstream=told(endpoint, "refresh-token"))
    for count in (1, 2, 3):
        forwarder.send()
        relay.wait_for(count)
        assert endpoint.refresh_tokens == {kept(forwarder)}
        assert stat.S_IMODE(forwarder.spool.refresh_token.stat().st_mode) == 0o600
        forwarder.stop(end)
        forwarder.start()
    used = [form["refresh_token"] for form in endpoint.requests]
    assert len(set(used)) == len(used)
    assert_no_leak(forwarder, endpoint)


def test_a_rotated_refresh_token_is_used_again_and_again(
    forward: Forward, relay: Upstream, endpoint: Endpoint
) -> None:
    endpoint.rotates = True
    endpoint.lifetime = 0.6
    forwarder = forward(relay, impatient=True, upstream=told(endpoint, "refresh-token"))
    wait_until(lambda: len(endpoint.issued) >= 4)
    assert "no-token" not in forwarder.log()


def test_a_new_secret_wins_over_what_was_kept(
    forward: Forward, relay: Upstream, endpoint: Endpoint
) -> None:
    endpoint.rotates = True
    forwarder = forward(relay, upstream=told(endpoint, "refresh-token"))
    forwarder.send()
    new = endpoint.issue_refresh_token()
    content = endpoint.content("refresh-token") | {"refresh-token": new}
    forwarder.configure(upstream={"oauth": content})
    assert "settings-taken" in forwarder.reload()
    wait_until(lambda: len(endpoint.requests) == 2)
    assert endpoint.requests[-1]["refresh_token"] == new
    forwarder.send()
    relay.wait_for(2)


def test_a_secret_that_comes_back_goes_on_with_what_was_kept(
    forward: Forward, relay: Upstream, endpoint: Endpoint
) -> None:
    endpoint.rotates = True
    with_token = told(endpoint, "refresh-token")
    forwarder = forward(relay, upstream=with_token)
    forwarder.send()
    forwarder.configure(upstream={"user": "", "oauth": None})
    forwarder.reload()
    forwarder.configure(upstream=with_token)
    forwarder.reload()
    forwarder.send()
    relay.wait_for(2)
    assert len(endpoint.requests) == 2


def test_two_settings_do_not_rotate_against_each_other(
    forward: Forward, relay: Upstream, endpoint: Endpoint
) -> None:
    endpoint.rotates = True
    forwarder = forward(relay, upstream=told(endpoint, "refresh-token", timeout_seconds=60))
    forwarder.send()
    with endpoint._lock:  # pyright: ignore[reportPrivateUsage]
        # Each of these begins to fetch while the one before is not answered yet.
        for seconds in (61, 62, 63):
            forwarder.configure(upstream={"timeout_seconds": seconds})
            assert "settings-taken" in forwarder.reload()
    forwarder.send()
    relay.wait_for(2)
    assert len(endpoint.refresh_tokens) == 1
    assert "no-token" not in forwarder.log()


def test_whoever_fetches_next_goes_on_where_the_last_one_ended(
    tmp_path: pathlib.Path, endpoint: Endpoint
) -> None:
    endpoint.rotates = True
    grant = smtp_oauth.Grant.of(endpoint.content("refresh-token"))
    sources = [oauth.Source(grant, endpoint.ca, tmp_path / "kept") for _ in range(2)]
    tokens = [source.fetch() for source in (*sources, *sources)]
    assert [token.value for token in tokens] == endpoint.issued


def test_a_refresh_token_that_cannot_be_kept_serves_until_the_end_and_is_told_of(
    tmp_path: pathlib.Path, endpoint: Endpoint, caplog: pytest.LogCaptureFixture
) -> None:
    endpoint.rotates = True
    grant = smtp_oauth.Grant.of(endpoint.content("refresh-token"))
    folder = tmp_path / "gone"
    source = oauth.Source(grant, endpoint.ca, folder / "kept")
    for _ in range(2):
        source.fetch()
        assert "refresh-token-not-kept reason=No such file or directory" in caplog.text
    folder.mkdir()
    source.fetch()
    again = oauth.Source(grant, endpoint.ca, folder / "kept")
    assert again.fetch().value == endpoint.issued[-1]
    assert not [secret for secret in endpoint.secrets if secret in caplog.text]


def test_who_waits_for_a_token_waits_no_longer_when_the_settings_change(
    forward: Forward, relay: Upstream, endpoint: Endpoint
) -> None:
    lock = endpoint._lock  # pyright: ignore[reportPrivateUsage]
    with lock, concurrent.futures.ThreadPoolExecutor(1) as client:
        forwarder = forward(relay, upstream=told(endpoint), wait_seconds=60)
        sent = client.submit(forwarder.send)
        forwarder.configure(upstream={"user": "", "oauth": None})
        assert "settings-taken" in forwarder.reload()
        assert sent.result()[0] == 250
        relay.wait_for(1)


def test_a_token_endpoint_is_verified_also_where_the_relay_is_not(
    forward: Forward, relay: Upstream, endpoint: Endpoint
) -> None:
    forwarder = forward(relay, upstream=told(endpoint, ca="", verify=False))
    forwarder.send()
    [answer] = answers(forwarder)
    assert answer.startswith("no token from localhost: tls: certificate: ")
    assert not endpoint.requests

"""The authorities that the relay and its token endpoint are verified by, as they were entered."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
import strict_tls
from scripted_upstream import EXTENSIONS, Upstream

from forwarder import configuration, opener
from tests.unit.relay_check import certificate_authority as ca

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Callable, Iterator

    from forwarder_running import Forwarder

    Forward = Callable[..., Forwarder]


@pytest.fixture(scope="module")
def authority() -> ca.Certificate:
    return ca.make(subject="Test CA", authority=True)


@pytest.fixture
def relay(authority: ca.Certificate, tmp_path: pathlib.Path) -> Iterator[Upstream]:
    context = ca.make("127.0.0.1", issuer=authority).context(tmp_path)
    upstream = Upstream(*EXTENSIONS[:-1], "STARTTLS", tls=context)
    yield upstream
    upstream.stop()


@pytest.mark.parametrize("around", ["# Főtanúsítvány\n", "\ufeff"])
def test_a_bundle_may_have_comments_in_any_language(
    forward: Forward, relay: Upstream, authority: ca.Certificate, around: str
) -> None:
    told = {"transport_security": "starttls", "ca": f"{around}{authority.pem}"}
    forwarder = forward(relay, upstream=told)
    assert forwarder.send()[1].endswith(" delivered: Ok kept as 1")


def test_an_authority_is_trusted_as_leniently_on_every_python(
    monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    strict_tls.make_default(monkeypatch)
    root = ca.make(subject="Old CA", authority=True, key_identifiers=False)
    context = ca.make("127.0.0.1", issuer=root).context(tmp_path)
    relay = Upstream(*EXTENSIONS[:-1], "STARTTLS", tls=context)
    settings = configuration.Upstream(
        host="127.0.0.1", port=relay.port, transport_security="starttls", ca=root.pem
    )

    async def open_one() -> bool:
        connecting = opener.Opener(settings, "localhost", tmp_path / "refresh-token", lambda: None)
        opened = await connecting.open()
        is_open = opened.is_open
        opened.abort()
        return is_open

    try:
        assert asyncio.run(open_one())
    finally:
        relay.stop()


def test_mail_waits_while_what_was_entered_is_no_certificate(
    forward: Forward, relay: Upstream
) -> None:
    forwarder = forward(relay, upstream={"transport_security": "starttls", "ca": "none"})
    code, said = forwarder.send()
    assert (code, said.split(" queued: ")[1]) == (250, "ca has no certificate in PEM")
    assert "Traceback" not in forwarder.log()


def test_nothing_is_looked_at_where_nothing_is_verified(forward: Forward, relay: Upstream) -> None:
    told = {"transport_security": "starttls", "ca": "none", "verify": False}
    assert forward(relay, upstream=told).send()[0] == 250

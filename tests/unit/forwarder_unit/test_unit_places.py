import pathlib

import pytest

from forwarder import queue
from forwarder_unit import places
from unit_service import service

TAG = "unit-smtp-forwarder-0"


@pytest.fixture
def found(tmp_path: pathlib.Path) -> places.Places:
    found = places.of(TAG, tmp_path / "charm")
    found.make()
    return found


def test_a_laptop_is_left_alone(found: places.Places, tmp_path: pathlib.Path) -> None:
    own = tmp_path / f"{TAG}-smtp-forwarder"
    assert (found.state.path, found.queue, found.root) == (
        own / "state",
        own / "queue",
        own / "root",
    )
    assert found.state.path.stat().st_mode & 0o777 == 0o700


def test_on_a_machine_of_juju_messages_outlive_the_unit(monkeypatch: pytest.MonkeyPatch) -> None:
    def always(_: pathlib.Path) -> bool:
        return True

    monkeypatch.setattr(service, "is_juju_machine", always)
    agent = pathlib.Path("/var/lib/juju/agents/unit-smtp-forwarder-0")
    found = places.of(TAG, agent / "charm")
    assert found.state.path == agent / f"{TAG}-smtp-forwarder"
    assert found.queue == pathlib.Path("/var/spool/smtp-forwarder") / TAG
    assert found.root == pathlib.Path("/")


def test_what_is_empty_goes(found: places.Places) -> None:
    queue.prepare(found.queue)
    found.remove()
    assert not found.queue.exists()
    assert not found.state.path.exists()


@pytest.mark.parametrize("folder", ["messages", "incoming"])
def test_what_waits_stays(found: places.Places, folder: str) -> None:
    queue.prepare(found.queue)
    (found.queue / folder / "one").write_text("a message")
    found.remove()
    assert (found.queue / folder / "one").exists()
    assert not found.state.path.exists()


def test_a_refresh_token_goes_also_where_messages_stay(found: places.Places) -> None:
    spool = queue.prepare(found.queue)
    (spool.messages / "one").write_text("a message")
    spool.refresh_token.write_text("s3cret")
    found.remove()
    assert not spool.refresh_token.exists()


def test_a_port_is_chosen_once(found: places.Places) -> None:
    port = places.choose_port(found.state)
    assert 1024 <= port <= 65535
    assert places.choose_port(found.state) == port

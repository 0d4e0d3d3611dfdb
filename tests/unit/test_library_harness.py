"""What requirers' tests do: many events to one charm object, and mocks in the reader's place."""

from __future__ import annotations

import types
from typing import TYPE_CHECKING, Any
from unittest import mock

import ops
import pytest
from ops import testing

from charms.smtp_integrator.v0 import smtp

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.filterwarnings("ignore:Harness is deprecated")

METADATA = """
name: requirer
requires:
  smtp:
    interface: smtp
"""
OPEN = {
    "host": "smtp.example.com",
    "port": "25",
    "auth_type": "none",
    "transport_security": "none",
    "skip_ssl_verify": "False",
}
LOGIN = {**OPEN, "auth_type": "plain", "transport_security": "tls", "user": "mailer"}
READER = "charms.smtp_integrator.v0.smtp.SmtpRequires.get_relation_data_from_relation"


class RequirerCharm(ops.CharmBase):
    """Keeps what it reads in each event, in the order of the events."""

    def __init__(self, framework: ops.Framework) -> None:
        super().__init__(framework)
        self.seen: list[str | None] = []
        self.fails = False
        self.smtp = smtp.SmtpRequires(self)
        framework.observe(self.smtp.on.smtp_data_available, self._on_smtp_data_available)
        framework.observe(self.smtp.on.smtp_data_removed, self._on_smtp_data_removed)

    def _on_smtp_data_available(self, event: smtp.SmtpDataAvailableEvent) -> None:
        if self.fails:
            raise LookupError
        read = self.smtp.read(event.relation).data
        self.seen.append(getattr(read, "password", None) or event.host)

    def _on_smtp_data_removed(self, event: smtp.SmtpDataRemovedEvent) -> None:
        self.seen.append(self.smtp.read(event.relation).state.value)

    def taken(self) -> list[str | None]:
        seen, self.seen = self.seen, []
        return seen


@pytest.fixture
def harness() -> Iterator[Any]:
    made = testing.Harness(RequirerCharm, meta=METADATA)
    made.begin()
    yield made
    made.cleanup()


def related(harness: Any, databag: dict[str, str], password: str | None = None) -> int:
    """Add a relation, and return its ID."""
    relation_id = harness.add_relation("smtp", "mail")
    if password:
        secret_id = harness.add_model_secret("mail", {"password": password})
        harness.grant_secret(secret_id, "requirer")
        databag = {**databag, "password_id": secret_id}
    harness.update_relation_data(relation_id, "mail", databag)
    return relation_id


# Nothing outlives its event.


def test_a_relation_that_comes_after_a_broken_one_is_read(harness: Any) -> None:
    first = related(harness, OPEN)
    harness.remove_relation(first)
    assert harness.charm.taken() == ["smtp.example.com", "no relation"]
    related(harness, {**OPEN, "host": "second"})
    assert harness.charm.taken() == ["second"]
    assert harness.charm.smtp.read().state is smtp.SmtpState.READY


def test_a_relation_that_a_test_breaks_by_hand_goes_on(harness: Any) -> None:
    relation = harness.model.get_relation("smtp", related(harness, OPEN))
    harness.charm.on["smtp"].relation_broken.emit(relation, relation.app)
    assert harness.charm.taken() == ["smtp.example.com", "no relation"]
    assert harness.charm.smtp.read().state is smtp.SmtpState.READY
    harness.update_relation_data(relation.id, "mail", {"host": "other"})
    assert harness.charm.taken() == ["other"]


def test_a_password_is_read_anew_in_each_event(harness: Any) -> None:
    related(harness, LOGIN, "one")
    relation = harness.model.get_relation("smtp")
    secret_id = relation.data[relation.app]["password_id"]
    assert harness.charm.taken() == ["one"]
    for password in ("two", "three"):
        harness.set_secret_content(secret_id, {"password": password})
        assert harness.charm.taken() == [password]
        assert harness.charm.smtp.get_relation_data().password == password


def test_a_handler_that_fails_leaves_nothing_behind(harness: Any) -> None:
    related(harness, LOGIN, "one")
    requires = harness.charm.smtp
    relation = harness.model.get_relation("smtp")
    secret_id = relation.data[relation.app]["password_id"]
    harness.charm.fails = True
    with pytest.raises(LookupError):
        harness.charm.on["smtp"].relation_changed.emit(relation, relation.app)
    harness.charm.fails = False
    harness.set_secret_content(secret_id, {"password": "two"})
    assert requires.get_relation_data().password == "two"


def test_data_that_changes_before_any_unit_joined_is_announced(harness: Any) -> None:
    related(harness, OPEN)
    assert harness.model.get_relation("smtp").units == set()
    assert harness.charm.taken() == ["smtp.example.com"]


# What stands in the reader's place.


def test_the_reader_is_not_called_on_an_empty_databag(harness: Any) -> None:
    with mock.patch(READER, side_effect=AssertionError) as reader:
        relation_id = harness.add_relation("smtp", "mail")
        relation = harness.model.get_relation("smtp", relation_id)
        harness.charm.on["smtp"].relation_changed.emit(relation, relation.app)
        harness.charm.on.update_status.emit()
        assert harness.charm.smtp.read().state is smtp.SmtpState.WAITING_FOR_PROVIDER
    assert harness.charm.taken() == []
    reader.assert_not_called()


@pytest.mark.parametrize(
    "returned",
    [
        types.SimpleNamespace(),
        types.SimpleNamespace(host="h", port=25, password=None),
        types.SimpleNamespace(host="h", auth_type="none", transport_security="none"),
        mock.MagicMock(),
        mock.Mock(spec=["host"]),
        mock.create_autospec(smtp.SmtpRelationData, instance=True),
        {"host": "h"},
        "relay",
    ],
    ids=lambda returned: type(returned).__name__,
)
@pytest.mark.parametrize("databag", [OPEN, {"host": "half"}])
def test_whatever_a_reader_returns_is_announced(
    harness: Any, returned: object, databag: dict[str, str]
) -> None:
    with mock.patch(READER, return_value=returned):
        relation = harness.model.get_relation("smtp", related(harness, databag))
        assert len(harness.charm.taken()) == 1
        harness.charm.on.update_status.emit()
        assert harness.charm.taken() == []
        harness.charm.on["smtp"].relation_changed.emit(relation, relation.app)
        assert len(harness.charm.taken()) == 1


def test_a_reader_that_returns_nothing_announces_nothing(harness: Any) -> None:
    with mock.patch(READER, return_value=None):
        related(harness, OPEN)
        harness.charm.on.update_status.emit()
    assert harness.charm.taken() == []


class OthersError(Exception):
    """An error of another library, with errors that are not pydantic's."""

    def __init__(self, errors: object) -> None:
        super().__init__("p@ssword")
        self.errors = errors


@pytest.mark.parametrize(
    "error",
    [
        OthersError(["p@ssword"]),
        OthersError(lambda: ["p@ssword"]),
        OthersError(lambda: None),
        smtp.SecretError("not granted"),
        smtp.SmtpError("p@ssword"),
        ValueError("p@ssword"),
        KeyError("p@ssword"),
        RuntimeError("p@ssword"),
        Exception("p@ssword"),
        ops.ModelError("ERROR permission denied"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_whatever_a_reader_raises_is_one_warning_until_it_returns(
    harness: Any, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    with mock.patch(READER, side_effect=error):
        related(harness, LOGIN)
        harness.charm.on.update_status.emit()
    assert harness.charm.taken() == []
    [warning] = [record.message for record in caplog.records if record.levelname == "WARNING"]
    assert "p@ssword" not in warning
    harness.charm.on.update_status.emit()
    assert harness.charm.taken() == ["smtp.example.com"]

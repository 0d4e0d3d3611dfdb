"""The library keeps its charm's hooks whole, whatever a provider publishes."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import jubilant
import pytest

from staging import Staging, pack

if TYPE_CHECKING:
    from collections.abc import Iterator

PASSWORD = "correct-horse-battery"
WHOLE = {
    "host": "relay.example.com",
    "port": "587",
    "auth_type": "plain",
    "transport_security": "starttls",
    "skip_ssl_verify": "False",
    "user": "notifier",
}
ANNOUNCED = "smtp-data-available: smtp relay.example.com:587"
REMOVED = "smtp-data-removed: smtp"


class Provider:
    """The misbehaving provider with a requirer, and what the requirer logs of it."""

    def __init__(self, staging: Staging) -> None:
        self._staging = staging
        self._juju = staging.juju
        self._seen = 0

    @property
    def relation(self) -> int:
        [relation] = self._juju.show_unit("requirer/0").relation_info
        return relation.relation_id

    def publish(self, **databag: str) -> list[str]:
        """Publish keys beside those that are there; an empty value removes its key."""
        self.act("publish", databag=json.dumps(databag))
        return self.logged()

    def withdraw(self) -> None:
        """Remove every key that is published."""
        databag = self._staging.databag("requirer/0", "provider")
        self.publish(**dict.fromkeys(databag, ""))

    def act(self, action: str, **params: str) -> dict[str, str]:
        return self._juju.run("provider/0", action, params).results

    def update_status(self) -> list[str]:
        self._staging.update_status("requirer/0")
        return self.logged()

    def publish_in_turn(self, databags: list[dict[str, str]]) -> list[str]:
        """Publish databags, each once the one before was heard of.

        The requirer has something to say of each, and nothing at an update-status after the first.
        The model settles once, at the end.
        """
        for told, databag in enumerate(databags, start=1):
            self.act("publish", databag=json.dumps(databag))
            self._staging.until(lambda told=told: len(self._new_lines()) >= told)
            if told == 1:
                self._staging.fire_update_status("requirer/0")
        return self.logged()

    def logged(self) -> list[str]:
        """Return the requirer's new lines of mail, once its hooks ended; a failed one raises."""
        self._staging.settle(lambda _: True)
        lines = self._new_lines()
        self._seen += len(lines)
        return lines

    def _new_lines(self) -> list[str]:
        # Lines of other units may come late, and stand before those that were there.
        log = self._juju.debug_log()
        assert PASSWORD not in log
        told = re.findall(
            rf"unit-requirer-0.*?({ANNOUNCED}|{REMOVED}|(?:invalid|no) SMTP data.*)", log
        )
        return told[self._seen :]


@pytest.fixture(scope="module")
def integrated(staging: Staging, tmp_path_factory: pytest.TempPathFactory) -> Provider:
    staging.juju.deploy(pack("misbehaving", tmp_path_factory.mktemp("packed")), "provider")
    staging.juju.deploy(staging.charm("smtp-requirer"), "requirer")
    staging.juju.integrate("provider:smtp", "requirer:smtp")
    staging.settle()
    return Provider(staging)


@pytest.fixture
def provider(integrated: Provider) -> Iterator[Provider]:
    """One relation goes through it all; each test begins with an empty databag."""
    yield integrated
    integrated.withdraw()


WRONG: list[tuple[dict[str, str], str]] = [
    ({"recipients": '["a@example.com"'}, "recipients"),
    ({"auth_type": "login"}, "auth_type"),
    ({"host": "", "port": ""}, "host, port"),
    ({"smtp_sender": "nobody", "port": "0"}, "port, smtp_sender"),
]


def test_invalid_data_is_a_warning_until_it_is_right(provider: Provider) -> None:
    relation = provider.relation
    databags: list[dict[str, str]] = []
    told: list[str] = []
    for wrong, fields in WRONG:
        databags += [WHOLE | wrong, {key: WHOLE.get(key, "") for key in wrong}]
        told += [f"invalid SMTP data in relation {relation}: {fields}", ANNOUNCED]

    assert provider.publish_in_turn(databags) == told


def test_an_empty_databag_is_silence_and_a_half_written_one_a_warning(provider: Provider) -> None:
    warning = f"invalid SMTP data in relation {provider.relation}: "

    assert provider.update_status() == []
    assert provider.publish(host="relay.example.com") == [
        f"{warning}auth_type, port, transport_security"
    ]
    assert provider.publish(**WHOLE) == [ANNOUNCED]


def test_a_secret_is_read_once_it_is_granted(provider: Provider) -> None:
    secret = provider.act("add-secret", content=f"password={PASSWORD}")["id"]
    warning = f"no SMTP data from relation {provider.relation} yet: cannot read the secret"

    assert provider.publish(**WHOLE, password_id=secret) == [f"{warning} {secret}"]
    assert provider.update_status() == []
    provider.act("grant-secret", id=secret)
    assert provider.update_status() == [ANNOUNCED]
    assert provider.update_status() == []


def test_a_secret_without_its_key_is_read_once_it_has_it(provider: Provider) -> None:
    secret = provider.act("add-secret", content=f"passwort={PASSWORD}")["id"]
    provider.act("grant-secret", id=secret)
    warning = f"no SMTP data from relation {provider.relation} yet: the secret {secret}"

    assert provider.publish(**WHOLE, password_id=secret) == [f"{warning} has no key 'password'"]
    provider.act("set-secret", id=secret, content=f"password={PASSWORD}")
    assert provider.logged() == [ANNOUNCED]
    assert provider.update_status() == []


def test_a_secret_is_read_whose_tracked_revision_is_gone(provider: Provider) -> None:
    secret = provider.act("add-secret", content="password=the-first-one")["id"]
    provider.act("grant-secret", id=secret)
    assert provider.publish(**WHOLE, password_id=secret) == [ANNOUNCED]

    content = f"password={PASSWORD}"
    provider.act("replace-secret", id=secret, content=content, revision="1")

    assert provider.logged() == [ANNOUNCED]
    assert provider.update_status() == []


def test_a_grant_is_announced_once_it_is_whole_and_with_each_revision(provider: Provider) -> None:
    content = "token-url=https://login.example.com/token client-id=mailer"
    secret = provider.act("add-secret", content=content)["id"]
    provider.act("grant-secret", id=secret)
    warning = f"no SMTP data from relation {provider.relation} yet: the secret {secret}"

    [told] = provider.publish(**WHOLE | {"auth_type": "none"}, oauth_id=secret)
    assert told.startswith(f"{warning} has none of the keys")
    for key in ("client-secret", "refresh-token"):
        provider.act("set-secret", id=secret, content=f"{content} {key}={PASSWORD}")
        assert provider.logged() == [ANNOUNCED]
    assert provider.update_status() == []


def test_a_secret_that_does_not_exist_is_a_warning(provider: Provider) -> None:
    [warning] = provider.publish(**WHOLE, password_id="secret:9m4e2mr0ui3e8a215n4g")

    assert warning.startswith(f"no SMTP data from relation {provider.relation} yet: cannot read")
    assert provider.publish(password_id="") == [ANNOUNCED]


def test_withdrawn_data_and_a_broken_relation_are_announced_once(
    integrated: Provider, staging: Staging
) -> None:
    provider = integrated
    assert provider.publish(**WHOLE) == [ANNOUNCED]
    assert provider.publish(**dict.fromkeys(WHOLE, "")) == [REMOVED]
    assert provider.update_status() == []
    with pytest.raises(jubilant.TaskError, match="no relay"):
        staging.send("requirer/0")
    assert provider.publish(**WHOLE) == [ANNOUNCED]

    staging.remove_relation("provider:smtp", "requirer:smtp")

    assert provider.logged() == [REMOVED]
    assert provider.update_status() == []
    with pytest.raises(jubilant.TaskError, match="no relay"):
        staging.send("requirer/0")

"""What holds for every databag and every relay."""

from __future__ import annotations

import urllib.parse
from typing import TYPE_CHECKING, Any

import hypothesis
import ops
import pydantic
import pytest
from hypothesis import strategies as st
from ops import testing

from charms.smtp_integrator.v0 import smtp

if TYPE_CHECKING:
    from collections.abc import Callable

# Thousands of examples need the harness: its successor takes ten times as long for each.
pytestmark = pytest.mark.filterwarnings("ignore:Harness is deprecated")

EMAIL = pydantic.TypeAdapter[str](pydantic.EmailStr)
METADATA = """
name: requirer
requires:
  smtp:
    interface: smtp
"""
PROVIDER_METADATA = """
name: mail
provides:
  smtp:
    interface: smtp
"""
PASSWORD = "hunter2-secret"


class RequirerCharm(ops.CharmBase):
    """Reads all that an event and the library say, as authors do."""

    def __init__(self, framework: ops.Framework) -> None:
        super().__init__(framework)
        self.read: list[smtp.SmtpRelationData | None] = []
        self.removed = 0
        self.smtp = smtp.SmtpRequires(self)
        framework.observe(self.smtp.on.smtp_data_available, self._on_smtp_data_available)
        framework.observe(self.smtp.on.smtp_data_removed, self._on_smtp_data_removed)

    def _on_smtp_data_available(self, event: smtp.SmtpDataAvailableEvent) -> None:
        for name in dir(type(event)):
            getattr(event, name)
        relay = self.smtp.read().data
        assert relay
        relay.to_env()
        relay.to_uri()
        relay.from_address()
        relay.to_relation_data()
        self.read.append(relay)

    def _on_smtp_data_removed(self, _: smtp.SmtpDataRemovedEvent) -> None:
        self.removed += 1


class ProviderCharm(ops.CharmBase):
    """Publishes what a test tells it to."""

    def __init__(self, framework: ops.Framework) -> None:
        super().__init__(framework)
        self.smtp = smtp.SmtpProvides(self)


def is_address(text: str) -> bool:
    try:
        return EMAIL.validate_python(text) == text
    except pydantic.ValidationError:
        return False


def written(fields: dict[str, Any]) -> dict[str, str]:
    return smtp.encode_relation_data(**fields)


# Juju takes any text but NUL as a value; no value is empty.
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)
LOCAL_PARTS = st.text("az09._+-'ßé", min_size=1, max_size=9)
ADDRESSES = LOCAL_PARTS.map("{}@example.com".format).filter(is_address)
HOSTS = st.one_of(
    st.sampled_from(["smtp", "smtp.example.com", "smtp.example.com.", "bücher.example"]),
    st.ip_addresses(v=4).map(str),
    st.ip_addresses(v=6).map(str),
)
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "host": HOSTS,
    "port": st.integers(1, 65535),
    "auth_type": st.sampled_from(smtp.AuthType),
    "transport_security": st.sampled_from(smtp.TransportSecurity),
    "skip_ssl_verify": st.booleans(),
}
OPTIONAL: dict[str, st.SearchStrategy[Any]] = {
    "user": TEXTS,
    "domain": TEXTS,
    "smtp_sender": ADDRESSES,
    "recipients": st.lists(ADDRESSES, max_size=3),
    "tls_ca_chain": TEXTS,
}
GRANTS = st.fixed_dictionaries(
    {
        "token-url": st.just("https://example.com/token"),
        "client-id": TEXTS,
        "client-secret": TEXTS,
    },
    optional={"scope": TEXTS, "refresh-token": TEXTS, "private-key": TEXTS, "subject": TEXTS},
)
RELAYS = st.fixed_dictionaries(FIELDS, optional=OPTIONAL)
WRITTEN = RELAYS.map(written)
NOTHING = st.builds(dict[str, str])
SECRETS = ["password", "password_id", "oauth_id"]
KEYS = st.sampled_from([*FIELDS, *OPTIONAL, *SECRETS, "oauth", "unknown"]) | TEXTS
VALUES = st.one_of(
    TEXTS,
    st.sampled_from(["none", "plain", "tls", "True", "false", "yes", "1.0", "1_0", " 25 ", "٢٥"]),
    st.sampled_from(["[", "[]", "{}", '"', "null", "[null]", '["a@b"]', "[" * 9999, "9" * 9999]),
    st.sampled_from(["secret:", "secret://", "secret:x/y/z", "SECRET", "A <a@x.com>", "@"]),
    st.integers().map(str),
    st.floats().map(str),
)
CHANGES = st.dictionaries(KEYS, VALUES, max_size=4)
DROPPED = st.sets(st.sampled_from([*FIELDS, *OPTIONAL]))


def harness(charm: type[ops.CharmBase], metadata: str) -> Any:
    made = testing.Harness(charm, meta=metadata)
    made.begin()
    return made


def ended(made: Any, test: Callable[[], object]) -> None:
    try:
        test()
    finally:
        made.cleanup()


@hypothesis.given(
    whole=WRITTEN | NOTHING,
    dropped=DROPPED,
    changes=CHANGES,
    secret=st.sampled_from(["granted", "not granted", "without the key", "none"]),
)
def test_no_databag_makes_the_library_raise(
    whole: dict[str, str], dropped: set[str], changes: dict[str, str], secret: str
) -> None:
    databag = {key: value for key, value in whole.items() if key not in dropped}
    made = harness(RequirerCharm, METADATA)

    def survives() -> None:
        relation = made.add_relation("smtp", "mail")
        if secret != "none":
            content = {"passwort" if secret == "without the key" else "password": PASSWORD}
            databag["password_id"] = made.add_model_secret("mail", content)
            if secret == "granted":
                made.grant_secret(databag["password_id"], "requirer")
        made.update_relation_data(relation, "mail", {**databag, **changes})
        read = made.charm.smtp.read()
        assert len(made.charm.read) == (read.state is smtp.SmtpState.READY)
        assert PASSWORD not in repr(read)
        for event in ("update_status", "config_changed", "leader_elected"):
            getattr(made.charm.on, event).emit()
        assert len(made.charm.read) == (read.state is smtp.SmtpState.READY)
        made.remove_relation(relation)
        assert made.charm.removed == 1
        assert made.charm.smtp.read().state is smtp.SmtpState.NO_RELATION

    ended(made, survives)


@hypothesis.given(
    fields=RELAYS, password=TEXTS | st.none(), as_secret=st.booleans(), grant=GRANTS | st.none()
)
def test_every_valid_relay_survives_from_provider_to_requirer(
    fields: dict[str, Any],
    password: str | None,
    grant: dict[str, str] | None,
    *,
    as_secret: bool,
) -> None:
    provider = harness(ProviderCharm, PROVIDER_METADATA)
    requirer = harness(RequirerCharm, METADATA)
    password = None if grant else password
    sent = smtp.SmtpRelationData(**fields, password=password)

    def survives() -> None:
        provider.set_leader(True)
        relation = provider.add_relation("smtp", "requirer")
        related = requirer.add_relation("smtp", "mail")
        if password and as_secret:
            sent.password_id = requirer.add_model_secret("mail", {"password": password})
            requirer.grant_secret(sent.password_id, "requirer")
        if grant:
            sent.oauth_id = requirer.add_model_secret("mail", grant)
            requirer.grant_secret(sent.oauth_id, "requirer")
            content = {key.replace("-", "_"): value for key, value in grant.items()}
            sent.oauth = smtp.OAuthGrant(**content)
        published = sent.to_relation_data()
        assert provider.charm.smtp.publish(published)
        databag = dict(provider.get_relation_data(relation, "mail"))
        assert databag == published
        assert databag["host"].isascii()
        assert not provider.charm.smtp.publish(published)
        requirer.update_relation_data(related, "mail", databag)
        expected = {**dict(sent), "host": databag["host"]}
        assert [dict(relay) for relay in requirer.charm.read] == [expected]

    ended(provider, lambda: ended(requirer, survives))


@hypothesis.given(
    fields=RELAYS,
    password=TEXTS | st.none(),
    query=st.dictionaries(TEXTS.filter(lambda name: name != "self"), TEXTS, max_size=2),
)
def test_a_uri_parses_back_to_what_went_in(
    fields: dict[str, Any], password: str | None, query: dict[str, str]
) -> None:
    relay = smtp.SmtpRelationData(**fields, password=password)
    uri = relay.to_uri(**query)
    assert uri.isascii()
    parsed = urllib.parse.urlsplit(uri)
    userinfo = [part and urllib.parse.unquote(part) for part in (parsed.username, parsed.password)]
    assert userinfo == list(relay.credentials or (None, None))
    assert urllib.parse.unquote(parsed.hostname or "") == relay.to_env()["SMTP_HOST"]
    assert parsed.port == relay.port
    assert parsed.scheme == ("smtps" if relay.implicit_tls else "smtp")
    assert dict(urllib.parse.parse_qsl(parsed.query, keep_blank_values=True)) == query

"""What must be seen of a model, said from nothing but what its operators asked for."""

from __future__ import annotations

import dataclasses
from typing import Any

from world import INTEGRATOR

Relay = dict[str, Any]

_SECRET_OPTIONS = {"password_secret", "oauth_secret"}

_GRANT_KEYS = ("token-url", "client-id", "scope", "client-secret", "private-key")
_MORE_GRANT_KEYS = ("refresh-token", "certificate", "subject")
_DEFAULTS: dict[str, Any] = {"port": 25, "auth_type": "none", "transport_security": "none"}


@dataclasses.dataclass
class UserSecret:
    """A secret that the user made for the integrator.

    Attributes:
        id: Its URI.
        content: Of the newest revision.
        granted: Whether the integrator may read it.
        removed: Whether it is gone.
    """

    id: str
    content: dict[str, str]
    granted: bool = False
    removed: bool = False


@dataclasses.dataclass
class Oracle:
    """The operators' wishes, and what can have come of them.

    Attributes:
        options: The integrator's options that are set, an empty string counting as unset.
        secrets: The user's secrets, by name.
        units: How many units each application has.
        endpoints: The endpoint on which each requirer is related to the integrator.
        former: Requirers that could read the secret once, or tried to. Juju lets a unit track the
            revision that it last read until the unit is gone, though its relation and grant have
            ended, so that revision stays; in Juju 4.0 a read that is refused counts too.
        published: The relays that may have reached each related requirer; None stands for none.
            There are several where the configuration changed faster than hooks ran, and is wrong
            by now.
    """

    options: dict[str, Any] = dataclasses.field(default_factory=dict[str, Any])
    secrets: dict[str, UserSecret] = dataclasses.field(default_factory=dict[str, UserSecret])
    units: dict[str, int] = dataclasses.field(default_factory=dict[str, int])
    endpoints: dict[str, str] = dataclasses.field(default_factory=dict[str, str])
    former: set[str] = dataclasses.field(default_factory=set[str])
    published: dict[str, list[Relay | None]] = dataclasses.field(
        default_factory=dict[str, list["Relay | None"]]
    )

    def wrong(self) -> set[str]:
        """Return the options that the status must name."""
        options = {**_DEFAULTS, **self.options}
        plain, oauth = options["auth_type"] == "plain", options["auth_type"] == "oauth2"
        secret_id, password = options.get("password_secret"), options.get("password")
        wrong = {
            "host": not options.get("host"),
            "port": not 1 <= options["port"] <= 65535,
            "user": (plain or oauth) and not options.get("user"),
            "password": plain and not password and not secret_id,
            "password_secret": bool(secret_id) and not oauth and not self._user_password(),
            "oauth_secret": oauth and not self._grant(),
            "auth_type": options["auth_type"] not in {"none", "not_provided", "plain", "oauth2"},
            "transport_security": (
                options["transport_security"] not in {"none", "starttls", "tls"}
            ),
            "smtp_sender": "@" not in options.get("smtp_sender", "@"),
        }
        return {option for option, is_wrong in wrong.items() if is_wrong}

    def relay(self, app: str) -> Relay:
        """Return the configured relay, as a requirer reads it."""
        options = {**_DEFAULTS, **self.options}
        relay: Relay = {"skip_ssl_verify": False, "recipients": []}
        relay |= {name: value for name, value in options.items() if name not in _SECRET_OPTIONS}
        if options["auth_type"] == "oauth2":
            relay.pop("password", None)
            return {**relay, "auth_type": "none", **self._oauth(app)}
        password = self._user_password()
        return {**relay, **({"password": password} if password else {})}

    def needs_no_secret(self) -> bool:
        """Whether nothing is configured that a requirer would read from a secret."""
        given = self.options.get("password") or self._user_password()
        return not given and self.options.get("auth_type") != "oauth2"

    def alone(self) -> str:
        """Return who has the refresh token where others cannot; empty if all can authenticate."""
        on_smtp = self._on_smtp()
        oauth = self.options.get("auth_type") == "oauth2"
        return on_smtp[0] if oauth and "refresh-token" in self._grant() and on_smtp[1:] else ""

    def _on_smtp(self) -> list[str]:
        """The requirers that can read a secret, in the order in which they were related."""
        return [app for app, endpoint in self.endpoints.items() if endpoint == "smtp"]

    def _oauth(self, app: str) -> Relay:
        if self.endpoints[app] != "smtp" or self.alone() not in {"", app}:
            return {}
        grant = {key: self._grant().get(key, "") for key in (*_GRANT_KEYS, *_MORE_GRANT_KEYS)}
        return {"oauth": {key.replace("-", "_"): value for key, value in grant.items()}}

    def _user_password(self) -> str | None:
        return self._read("password_secret").get("password")

    def _grant(self) -> dict[str, str]:
        content = self._read("oauth_secret")
        decides = {"client-secret", "refresh-token"} & content.keys()
        return content if decides and {"token-url", "client-id"} <= content.keys() else {}

    def _read(self, option: str) -> dict[str, str]:
        for secret in self.secrets.values():
            if secret.id == self.options.get(option) and secret.granted and not secret.removed:
                return secret.content
        return {}

    def change(self, **options: Any) -> None:
        """Take note of options that are set; what is empty is unset."""
        changed = {**self.options, **options}
        self.options = {name: value for name, value in changed.items() if value != ""}

    def relate(self, app: str, endpoint: str) -> None:
        """Take note of a relation, which carries nothing yet."""
        self.endpoints[app] = endpoint
        self.published[app] = [None]
        if endpoint == "smtp":
            self.former.discard(app)

    def unrelate(self, app: str) -> str:
        """Take note that a relation ends, and return its endpoint."""
        del self.published[app]
        endpoint = self.endpoints.pop(app)
        if endpoint == "smtp":
            self.former.add(app)
        return endpoint

    def remove(self, app: str) -> None:
        """Take note that an application goes, with its relations, and its options and grants."""
        for related in [one for one in self.endpoints if app in {one, INTEGRATOR}]:
            self.unrelate(related)
        del self.units[app]
        self.former.discard(app)
        if app == INTEGRATOR:
            self.options, self.former = {}, set()
            for secret in self.secrets.values():
                secret.granted = False

    def contents(self) -> dict[str, dict[str, str]]:
        """Return the content of the secret that each requirer can read."""
        contents = {app: self._content(app, relays[-1]) for app, relays in self.published.items()}
        return {app: content for app, content in contents.items() if content}

    def _content(self, app: str, relay: Relay | None) -> dict[str, str]:
        if not relay or self.endpoints[app] != "smtp":
            return {}
        if "oauth" in relay:
            oauth = relay["oauth"].items()
            return {key.replace("_", "-"): value for key, value in oauth if value}
        return {"password": relay["password"]} if "password" in relay else {}

    def pass_on(self) -> None:
        """Take note that hooks may run by now, and publish what is configured."""
        if not self.wrong():
            for app, relays in self.published.items():
                relays.append(self.relay(app))

    def settled(self) -> None:
        """Take note that all hooks have run: what is valid has won."""
        if self.wrong():
            return
        could_read = {
            app
            for app, relays in self.published.items()
            if any(self._content(app, relay) for relay in relays)
        }
        self.published = {app: [self.relay(app)] for app in self.published}
        readers = self.contents().keys()
        if readers:
            self.former = (self.former | could_read) - readers

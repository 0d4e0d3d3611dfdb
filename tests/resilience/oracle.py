"""What must be seen of a model, said from nothing but what its operators asked for."""

from __future__ import annotations

import dataclasses
from typing import Any

from world import INTEGRATOR

Relay = dict[str, Any]

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
        plain = options["auth_type"] == "plain"
        secret_id, password = options.get("password_secret"), options.get("password")
        wrong = {
            "host": not options.get("host"),
            "port": not 1 <= options["port"] <= 65535,
            "user": plain and not options.get("user"),
            "password": plain and not password and not secret_id,
            "password_secret": bool(secret_id) and not self._user_password(),
            "auth_type": options["auth_type"] not in {"none", "not_provided", "plain"},
            "transport_security": (
                options["transport_security"] not in {"none", "starttls", "tls"}
            ),
            "smtp_sender": "@" not in options.get("smtp_sender", "@"),
        }
        return {option for option, is_wrong in wrong.items() if is_wrong}

    def relay(self) -> Relay:
        """Return the configured relay, as a requirer reads it."""
        options = {**_DEFAULTS, **self.options}
        options.pop("password_secret", None)
        password = self._user_password()
        return {
            "skip_ssl_verify": False,
            "recipients": [],
            **options,
            **({"password": password} if password else {}),
        }

    def _user_password(self) -> str | None:
        for secret in self.secrets.values():
            if secret.id == self.options.get("password_secret"):
                readable = secret.granted and not secret.removed
                return secret.content.get("password") if readable else None
        return None

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

    def passwords(self) -> dict[str, str]:
        """Return the password that each requirer gets by the secret."""
        last = {app: relays[-1] for app, relays in self.published.items()}
        return {
            app: relay["password"]
            for app, relay in last.items()
            if relay and "password" in relay and self.endpoints[app] == "smtp"
        }

    def pass_on(self) -> None:
        """Take note that hooks may run by now, and publish what is configured."""
        if not self.wrong():
            for relays in self.published.values():
                relays.append(self.relay())

    def settled(self) -> None:
        """Take note that all hooks have run: what is valid has won."""
        if not self.wrong():
            self.published = {app: [self.relay()] for app in self.published}

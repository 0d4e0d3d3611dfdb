"""What a token is asked for with: the keys of the operator's secret, and the form to send."""

from __future__ import annotations

import dataclasses
import difflib
import re
import secrets
import urllib.parse
from typing import TYPE_CHECKING

from smtp_oauth import keys

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

KEYS = (
    "token-url",
    "client-id",
    "scope",
    "client-secret",
    "private-key",
    "refresh-token",
    "certificate",
    "subject",
)
"""The keys of the secret, each the name of a field of `Grant` with hyphens."""

_REQUIRED = {
    "token-url": "the token endpoint of the identity provider",
    "client-id": "the ID of the application at the identity provider",
}
_DECIDING = ("client-secret", "private-key", "refresh-token")
_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_JWT_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
# Seconds; providers take an hour at the most, and clocks differ by some minutes.
_ASSERTION_LIFETIME = 300
# How like a known key an unknown one is that was meant to be it: 0 to 1, as difflib has it.
_ALIKE = 0.6
# RFC 7468 section 2: what is shorter is a word beside the key, or tells nothing of it.
_LINE_OF_KEY = re.compile(r"[A-Za-z0-9+/=]{16,}")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f]")


class GrantError(ValueError):
    """The keys make no grant.

    Attributes:
        problems: Each names the key, what is wrong and the remedy, and shows no value.
    """

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


@dataclasses.dataclass(frozen=True)
class Grant:
    """What to ask a token endpoint with. `of` checks it; what is empty was not given.

    Attributes:
        token_url: https URL of the token endpoint.
        client_id: ID of the application; of a service account, its address.
        scope: What the token is for, as the provider says.
        client_secret: The application's secret.
        private_key: PEM of the key that signs in the place of a secret.
        refresh_token: What a person's consent brought.
        certificate: PEM of the certificate whose thumbprint names the private key.
        subject: The mailbox that a service account acts for.
    """

    token_url: str
    client_id: str
    scope: str = ""
    client_secret: str = dataclasses.field(default="", repr=False)
    private_key: str = dataclasses.field(default="", repr=False)
    refresh_token: str = dataclasses.field(default="", repr=False)
    certificate: str = dataclasses.field(default="", repr=False)
    subject: str = ""

    @classmethod
    def of(cls, content: Mapping[str, str]) -> Grant:
        """Read the content of the operator's secret; what files add to a value is dropped.

        Args:
            content: Values by `KEYS`; other keys are ignored, unless they look like one of them.

        Raises:
            GrantError: With all that is wrong.
        """
        given = {key: _entered(content[key]) for key in KEYS if content.get(key)}
        given = {key: value for key, value in given.items() if value}
        problems = [*_misspelt(content, given), *_values(given)]
        # What is misspelt is missing too; it is said once.
        meant = {key for key in KEYS for problem in problems if f"did you mean {key}?" in problem}
        problems = [*_missing(given.keys() | meant), *_together(given, meant), *problems]
        if "private-key" in given:
            problems += keys.problems(given["private-key"], given.get("certificate", ""))
        if problems:
            raise GrantError(problems)
        return cls(**{key.replace("-", "_"): value for key, value in given.items()})

    @property
    def kind(self) -> str:
        """Which grant it is: a key of `KEYS`, or `service-account`.

        `refresh-token` (RFC 6749 section 6), `service-account` (a private key that acts for a
        subject, RFC 7523 section 2.1), `private-key` (client credentials that it signs, RFC 7523
        section 2.2) or `client-secret` (client credentials, RFC 6749 section 4.4).
        """
        if self.refresh_token:
            return "refresh-token"
        if self.private_key:
            return "service-account" if self.subject else "private-key"
        return "client-secret"

    @property
    def secrets(self) -> tuple[str, ...]:
        """What may be shown nowhere; of a private key, its lines, and no words around it."""
        lines = _LINE_OF_KEY.findall(self.private_key)
        return tuple(filter(None, (self.client_secret, self.refresh_token, *lines)))

    def form(self, now: float) -> dict[str, str]:
        """Return the fields to POST to the token endpoint.

        Args:
            now: Seconds since 1970, for an assertion that is to be signed.

        Raises:
            GrantError: If a private key is to sign and cannot.
        """
        if self.kind == "service-account":
            # Google reads the scope in the assertion, and its endpoint is strict about fields.
            claims = {"sub": self.subject} | ({"scope": self.scope} if self.scope else {})
            return {"grant_type": _JWT_GRANT, "assertion": self._assertion(now, claims)}
        fields = {"client_id": self.client_id} | ({"scope": self.scope} if self.scope else {})
        if self.client_secret:
            fields["client_secret"] = self.client_secret
        if self.kind == "refresh-token":
            return fields | {"grant_type": "refresh_token", "refresh_token": self.refresh_token}
        if self.kind == "private-key":
            fields["client_assertion_type"] = _ASSERTION_TYPE
            fields["client_assertion"] = self._assertion(now, {"sub": self.client_id})
        return fields | {"grant_type": "client_credentials"}

    def _assertion(self, now: float, claims: Mapping[str, str]) -> str:
        """RFC 7523 section 3."""
        payload: dict[str, str | int] = {
            "iss": self.client_id,
            "aud": self.token_url,
            "iat": int(now),
            "exp": int(now) + _ASSERTION_LIFETIME,
            "jti": secrets.token_hex(16),
            **claims,
        }
        try:
            return keys.signed(payload, self.private_key, self.certificate)
        except keys.UnusableError as e:
            raise GrantError([str(e)]) from None


def _entered(value: str) -> str:
    """Drop what nobody means: files end in a newline and may begin with a byte order mark."""
    return value.removeprefix("\ufeff").rstrip("\r\n")


def _misspelt(content: Mapping[str, str], given: Mapping[str, str]) -> list[str]:
    problems: list[str] = []
    free = [key for key in KEYS if key not in given]
    for unknown in content.keys() - set(KEYS):
        alike = difflib.get_close_matches(unknown, free, 1, _ALIKE)
        if alike:
            problems.append(f"there is no key {_shown(unknown)}: did you mean {alike[0]}?")
    return sorted(problems)


def _shown(key: str) -> str:
    """Show a key that is one; in a file of JSON, anything may stand in its place."""
    return key if re.fullmatch(r"[a-zA-Z][\w-]{1,30}", key) else "of that name"


def _missing(known: Iterable[str]) -> list[str]:
    missing = [key for key in _REQUIRED if key not in known]
    problems = [f"key {key} is missing: set it to {_REQUIRED[key]}" for key in missing]
    if not set(_DECIDING) & set(known):
        problems.append(
            "one of the keys client-secret, private-key and refresh-token is missing: "
            "set the one that the identity provider gave"
        )
    return problems


def _together(given: Mapping[str, str], meant: set[str]) -> list[str]:
    """Find keys that do not go together."""
    deciding = [key for key in _DECIDING if key in given]
    if "private-key" in deciding and len(deciding) > 1:
        problem = f"keys {' and '.join(deciding)} are both set: keep the one that is to be used"
        return [problem]
    lonely = [key for key in ("certificate", "subject") if key in given]
    if lonely and "private-key" not in {*deciding, *meant}:
        return [f"key {key} is for private-key alone: remove it, or set both" for key in lonely]
    return []


def _values(given: Mapping[str, str]) -> list[str]:
    problems = [
        f"key {key} has blanks around it or control characters in it: enter the value alone"
        for key, value in given.items()
        if key not in {"private-key", "certificate"}
        and (value != value.strip() or _CONTROLS.search(value))
    ]
    if "token-url" in given and not _is_https(given["token-url"]):
        problems.append(
            "key token-url is no https URL of a token endpoint: enter one such as "
            "https://login.microsoftonline.com/TENANT/oauth2/v2.0/token"
        )
    return problems


def _is_https(url: str) -> bool:
    """Whether it is an https URL that says where, without a user or a fragment in it."""
    try:
        parts = urllib.parse.urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    plain = url.isascii() and not re.search(r"[\s\\]", url) and "@" not in parts.netloc
    known = parts.scheme == "https" and parts.hostname and port != 0
    return bool(plain and known and not parts.fragment)

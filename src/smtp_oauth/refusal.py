"""Why there is no token: what a token endpoint's refusal means, one table.

RFC 6749 section 5.2 has few codes, and each provider says with one of them what another says with
another. So Entra's numbers come first
(https://learn.microsoft.com/entra/identity-platform/reference-error-codes), then the words of
Google and of others, then the codes.
"""

from __future__ import annotations

import dataclasses
import enum
import itertools
import json
import re
import urllib.parse
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Iterable

_MAX_WORDS = 300
# Characters by which a secret's beginning is known: endpoints cut short what they repeat.
_HEAD = 8
# An assertion or a token, which begins with {" in base64.
_JWT = re.compile(r"\beyJ[\w-]{6,}[\w.-]*")
_TOO_MANY_REQUESTS = 429


class Kind(enum.Enum):
    """Why there is no token; the value is for programs."""

    NAME = "name"
    CONNECTION = "connection"
    TLS = "tls"
    TIMEOUT = "timeout"
    NO_TOKEN = "no-token"  # noqa: S105 - a code
    TENANT = "tenant-unknown"
    CLIENT = "client-unknown"
    SECRET_WRONG = "secret-wrong"  # noqa: S105 - a code
    SECRET_EXPIRED = "secret-expired"  # noqa: S105 - a code
    KEY = "key-refused"
    SCOPE = "scope-refused"
    CONSENT = "consent-missing"
    CLOCK = "clock-skew"
    REFRESH_TOKEN = "refresh-token-void"  # noqa: S105 - a code
    SUBJECT = "subject-unknown"
    POLICY = "policy"
    UNUSABLE_KEY = "key-unusable"
    BUSY = "busy"
    OTHER = "refused"


class TokenError(Exception):
    """There is no token.

    Attributes:
        kind: Why.
        words: The endpoint's own, or the system's, in one line and without a secret.
        temporary: Whether the same may work later, with nothing mended.
    """

    def __init__(self, kind: Kind, words: str, *, temporary: bool = False) -> None:
        super().__init__(f"{kind.value}: {words}")
        self.kind = kind
        self.words = words
        self.temporary = temporary


@dataclasses.dataclass(frozen=True)
class Refusal:
    """What an endpoint answered, where that is not a token.

    Attributes:
        status: The status code of HTTP.
        error: The code of RFC 6749 section 5.2; empty if the answer has none.
        description: The words beside it, as they came.
    """

    status: int
    error: str
    description: str

    @classmethod
    def read(cls, status: int, body: bytes) -> Refusal:
        """Read an answer; what is not JSON has neither code nor words."""
        fields = json_object(body)
        # Okta names them otherwise where it does not know the client.
        error = fields.get("error", fields.get("errorCode"))
        description = fields.get("error_description", fields.get("errorSummary"))
        if not isinstance(error, str):
            return cls(status, "", "")
        return cls(status, _clean(error), description if isinstance(description, str) else "")

    def to_error(self, secrets: Iterable[str]) -> TokenError:
        """Return what it means.

        Args:
            secrets: What its words must not show.
        """
        spelled = {spelling for secret in secrets for spelling in _spellings(secret)}
        if not self.error:
            kind, words = Kind.NO_TOKEN, f"HTTP {self.status}, and no JSON with a token"
            if 300 <= self.status < 400:  # noqa: PLR2004 - RFC 9110 section 15.4
                words = f"HTTP {self.status}: a redirection, which is not followed"
            if self._is_busy:
                kind, words = Kind.BUSY, f"HTTP {self.status}"
        else:
            # A secret may go on in a line that is not shown.
            hidden = (_hide(text, spelled) for text in (self.error, self.description))
            words = ": ".join(filter(None, map(_first_line, hidden)))
            kind = Kind.BUSY if self._is_busy else self._meaning()
        words = _JWT.sub("[hidden]", words)
        if len(words) > _MAX_WORDS:
            words = f"{words[:_MAX_WORDS]}…"
        return TokenError(kind, words, temporary=kind is Kind.BUSY)

    @property
    def _is_busy(self) -> bool:
        is_failure = self.status >= 500 or self.status == _TOO_MANY_REQUESTS  # noqa: PLR2004
        return is_failure or self.error in {"server_error", "temporarily_unavailable"}

    def _meaning(self) -> Kind:
        description = _first_line(self.description)
        for number in re.findall(r"\bAADSTS(\d+)", description):
            if number in _ENTRA:
                return _ENTRA[number]
        words = f"{self.error} {description}"
        return next(
            (kind for pattern, kind in _WORDS.items() if re.search(pattern, words, re.IGNORECASE)),
            Kind.OTHER,
        )


def json_object(body: bytes) -> dict[str, Any]:
    """Return the object that JSON holds; nothing if it holds none."""
    try:
        found: Any = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}


def _spellings(secret: str) -> set[str]:
    """Return how a secret may be repeated: as it is, as the form had it, and as an address has."""
    quoted = (urllib.parse.quote(secret, safe, errors="replace") for safe in ("", "/"))
    spellings = {secret, urllib.parse.quote_plus(secret, errors="replace"), *quoted}
    return {_squeezed(spelling) for spelling in spellings} - {""}


def _squeezed(text: str) -> str:
    """Drop what is not the same where a text is repeated: blanks, what is invisible, and case."""
    return "".join(text[place].lower()[0] for place in _visible_places(text))


def _visible_places(text: str) -> list[int]:
    return [i for i, sign in enumerate(text) if sign.isprintable() and not sign.isspace()]


def _hide(text: str, spellings: Iterable[str]) -> str:
    """Hide secrets, and the beginning of one that is cut short."""
    places, squeezed = _visible_places(text), _squeezed(text)
    hidden: set[int] = set()
    for spelling in spellings:
        start = squeezed.find(spelling[:_HEAD])
        while start >= 0:
            pairs = zip(spelling, squeezed[start : start + len(spelling)])  # noqa: B905 - as cut
            same = sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))
            hidden.update(range(places[start], places[start + same - 1] + 1))
            start = squeezed.find(spelling[:_HEAD], start + 1)
    runs = itertools.groupby(range(len(text)), hidden.__contains__)
    return "".join("[hidden]" if known else "".join(text[i] for i in run) for known, run in runs)


def _first_line(text: str) -> str:
    """Return what says something to an operator: Entra adds lines with identifiers."""
    return _clean(next(iter(text.splitlines()), ""))


def _clean(text: str) -> str:
    visible = "".join(character if character.isprintable() else " " for character in text)
    return " ".join(visible.split())


_ENTRA = {
    number: kind
    for kind, numbers in {
        Kind.TENANT: "90002 90019 900021 900023 900382 900432 90038 50059 50128 50194",
        Kind.CLIENT: "700016 700011 70001 7000112 7000229 700025",
        Kind.SECRET_WRONG: "7000215 7000216 7000218 70002",
        Kind.SECRET_EXPIRED: "7000222",
        Kind.KEY: "700027 700030 700021 7000214 1000502 50012 50013 50027 50048 900384",
        Kind.SCOPE: "70011 1002012 500011 50001 28002 28003 700022 901002",
        Kind.CONSENT: "65001 65004 650052 650056 650057 90008 90094 90099 50105 501051",
        Kind.CLOCK: "700024 500133",
        Kind.REFRESH_TOKEN: "70000 70008 700082 700084 70043 50089 50173 54005",
        Kind.SUBJECT: "50020 50034 50057 51004",
        Kind.POLICY: "50005 50053 50072 50074 50076 50078 50079 50131 50158 53000 53001 53002 "
        "53003 53004 53011 530032 530034 530035",
        Kind.BUSY: "50033 50087 50196 90006 90012 90024 90033 90055 90090 90091",
    }.items()
    for number in numbers.split()
}

# In the order in which they are tried: what Google, Keycloak, Okta, Auth0 and Yahoo say, and at
# last the codes alone.
_WORDS = {
    r"short-lived token|reasonable timeframe|\b(iat|exp|nbf)\b|\bclock\b"
    r"|(assertion|jwt|token)\b.*(time range|not active|not yet valid|in the future)"
    r"|(assertion|jwt)\b.*expired": Kind.CLOCK,
    r"secret.*expired|expired (client )?secret": Kind.SECRET_EXPIRED,
    r"signature|thumbprint|x5t|(assertion|jwt)\b.*(key|certificate)"
    r"|(invalid|bad) (client )?(assertion|jwt)": Kind.KEY,
    r"\b(realm|tenant)\b.*(not|unknown)|(unknown|no such) (realm|tenant)": Kind.TENANT,
    r"account not found|valid email or user id|invalid (email|impersonation)"
    r"|\b(user|subject|sub)\b.*(not found|unknown|not exist|disabled|wrong)": Kind.SUBJECT,
    r"(deleted|disabled)_client|unknown client|no such client"
    r"|client\b.*(not found|unknown|not exist|deleted|disabled|not registered|inactive)"
    r"|invalid client\b(?!.*(secret|credential))|invalid value for 'client_id'": Kind.CLIENT,
    r"invalid_scope|\bscopes?\b.*(invalid|not allowed|unknown|malformed)"
    r"|parameter: 'scope'": Kind.SCOPE,
    r"(invalid|incorrect|wrong|bad) client secret": Kind.SECRET_WRONG,
    r"consent|unauthorized_client|access_denied|not authori[sz]ed|admin_policy_enforced"
    r"|org_internal|interaction_required": Kind.CONSENT,
    r"invalid_rapt|\bmfa\b|multi-?factor|conditional access|reauth": Kind.POLICY,
    r"invalid_client|client (secret|authentication|credentials)": Kind.SECRET_WRONG,
    r"invalid_grant.*(token|revoked|expired|session|bad request|inactive|used)"
    r"|refresh token": Kind.REFRESH_TOKEN,
}

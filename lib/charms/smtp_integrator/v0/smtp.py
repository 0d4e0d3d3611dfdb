"""Send mail through the relay that an operator configured: the `smtp` interface, both sides.

A requirer learns the relay and sends. `read` looks up the relay's secret, never raises, and says
why there is nothing:

    import ops
    from charms.smtp_integrator.v0 import smtp

    class NotifierCharm(ops.CharmBase):
        def __init__(self, framework: ops.Framework):
            super().__init__(framework)
            self.smtp = smtp.SmtpRequires(self)
            framework.observe(self.smtp.on.smtp_data_available, self._reconcile)
            framework.observe(self.smtp.on.smtp_data_removed, self._reconcile)
            framework.observe(self.on.collect_unit_status, self._on_collect_unit_status)

        def _reconcile(self, _: ops.EventBase):
            relay = self.smtp.read().data
            environment = relay.to_env() if relay else {}
            # Hand the environment to the workload. A charm that sends by itself calls
            # `with relay.connect() as client: client.send_message(message)`.

        def _on_collect_unit_status(self, event: ops.CollectStatusEvent):
            event.add_status(self.smtp.read().status)

A provider publishes one relay to each application that asks for it:

    class RelayCharm(ops.CharmBase):
        def __init__(self, framework: ops.Framework):
            super().__init__(framework)
            self.smtp = smtp.SmtpProvides(self)
            framework.observe(self.on.smtp_relation_created, self._on_smtp_relation_created)

        def _on_smtp_relation_created(self, _: ops.RelationCreatedEvent):
            relation_data = smtp.encode_relation_data(
                host="smtp.example.com",
                port=587,
                auth_type=smtp.AuthType.NONE,
                transport_security=smtp.TransportSecurity.STARTTLS,
            )
            self.smtp.publish(relation_data)

The wire format is the provider's application databag, of flat strings; the requirer writes
nothing. Readers ignore keys they do not know.

| key | present | value |
|---|---|---|
| `host` | always | host name, in ASCII, or IP address |
| `port` | always | decimal |
| `auth_type` | always | `none`, `not_provided` or `plain` |
| `transport_security` | always | `none`, `starttls` or `tls` |
| `skip_ssl_verify` | always | `True` or `False` |
| `domain`, `user`, `smtp_sender` | if set | string |
| `password` | endpoint `smtp-legacy`, if set | the password in the clear |
| `password_id` | endpoint `smtp`, if set | URI of a secret whose content has the key `password` |
| `oauth_id` | endpoint `smtp`, if the relay takes tokens | URI of a secret with an OAuth grant |
| `recipients` | if not empty | JSON list of addresses |
| `tls_ca_chain` | if set | PEM of the CA certificates that verify the relay |

A relay that takes tokens of OAuth 2.0 in the place of a password has `oauth_id`, `auth_type`
`none` and no password, so that who knows nothing of it attempts no AUTH. The secret's keys are the
fields of `OAuthGrant`, with hyphens.

`SmtpRequires.get_relation_data` raises `SecretError` where the secret cannot be read and
pydantic's `ValidationError` on invalid data. `SmtpRequires.read` and the event handlers of this
library raise neither: the handlers log one warning, and emit `smtp_data_available` as soon as the
data can be read.
"""

from __future__ import annotations

import contextlib
import dataclasses
import enum
import functools
import io
import json
import logging
import os
import sys
import threading
import time
from typing import (
    TYPE_CHECKING,
    Any,
    Callable,
    Dict,
    Generator,
    Iterable,
    Iterator,
    List,
    Mapping,
    MutableMapping,
    MutableSet,
    Optional,
    Set,
    Tuple,
    Type,
    TypeVar,
    cast,
)

import ops

if TYPE_CHECKING:
    import smtplib
    import socket
    import ssl
    from smtplib import SMTP as _SMTP

    from pydantic import BaseModel as _ModelBase
else:
    _ModelBase = _SMTP = object

__all__ = [
    "DEFAULT_RELATION_NAME",
    "LEGACY_RELATION_NAME",
    "AuthType",
    "OAuthGrant",
    "SecretError",
    "SmtpDataAvailableEvent",
    "SmtpDataRemovedEvent",
    "SmtpError",
    "SmtpProvides",
    "SmtpReading",
    "SmtpRelationData",
    "SmtpRequires",
    "SmtpRequiresEvents",
    "SmtpState",
    "TokenError",
    "TransportSecurity",
    "choose",
    "encode_relation_data",
    "parse_recipients",
    "recipients_validator",
]

LIBID = "09583c2f9c1d4c0f9a40244cfc20b0c2"
LIBAPI = 0
LIBPATCH = 23
PYDEPS = ["pydantic>=1.10,<3", "email-validator>=2"]

DEFAULT_RELATION_NAME = "smtp"
LEGACY_RELATION_NAME = "smtp-legacy"

logger = logging.getLogger(__name__)


class SmtpError(Exception):
    """Base of the errors that this library raises."""


class SecretError(SmtpError):
    """A secret that the databag names is absent, not granted, or lacks a key."""


class TokenError(SmtpError, OSError):
    """No access token was to be had; says why, in the words of the token endpoint if it spoke.

    It is an `OSError` too, so that who waits out a relay that cannot be reached waits this out.
    """


class TransportSecurity(str, enum.Enum):
    """How the connection to the relay is protected.

    Attributes:
        NONE: Not at all.
        STARTTLS: Upgraded by the command STARTTLS (RFC 3207), usually on port 587 or 25.
        TLS: TLS from the first byte (RFC 8314 section 3), usually on port 465.
    """

    NONE = "none"
    STARTTLS = "starttls"
    TLS = "tls"


class AuthType(str, enum.Enum):
    """How a client authenticates to the relay.

    Attributes:
        NONE: Not at all.
        NOT_PROVIDED: Undefined in the field; treat it as NONE.
        PLAIN: By user and password (RFC 4954).
    """

    NONE = "none"
    NOT_PROVIDED = "not_provided"
    PLAIN = "plain"


@dataclasses.dataclass(frozen=True)
class OAuthGrant:
    """What an access token is fetched with: the content of the secret behind `oauth_id`.

    Each field is a key of the secret, there with hyphens; what is empty was not given. Which grant
    it is, is decided by the first that is there of `refresh_token` (RFC 6749 section 6),
    `private_key` with `subject` (a JWT bearer grant, RFC 7523 section 2.1), `private_key` (client
    credentials that the key signs, RFC 7523 section 2.2) and `client_secret` (client credentials,
    RFC 6749 section 4.4). No secret is in its `repr`.

    Attributes:
        token_url: https URL of the token endpoint.
        client_id: ID of the application at the identity provider; a service account's address.
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


_EnumT = TypeVar("_EnumT", bound=enum.Enum)
_ResultT = TypeVar("_ResultT")


def _member(kind: Type[_EnumT], value: object) -> _EnumT:
    """Return a member by its value; the error does not quote what may be a password."""
    for member in kind:
        if member.value == value:
            return member
    values = ", ".join(str(member.value) for member in kind)
    raise ValueError(f"the value is not a valid {kind.__name__}: use one of {values}")


def parse_recipients(raw: object) -> List[str]:
    """Read recipients in any of the shapes that the field has published.

    Args:
        raw: None, a list, or a string: a JSON list, quoted items separated by commas, items
            separated by commas, or one address.

    Returns:
        The items, stripped, without empty ones. They are not yet validated as addresses.

    Raises:
        TypeError: If `raw` is neither None nor a list nor a string.
        ValueError: If `raw` is malformed JSON, or JSON that is not a list.
    """
    if raw is None:
        return []
    if isinstance(raw, str):
        return _stripped(_split_recipients(raw.strip()))
    if isinstance(raw, list):
        return _stripped(cast("List[Any]", raw))
    raise TypeError(f"recipients must be a string or a list, not {type(raw).__name__}")


def _split_recipients(text: str) -> List[Any]:
    if text.startswith(("[", "{")):
        return _json_list(text)
    if "," in text and text.startswith('"') and text.endswith('"'):
        return _json_list(f"[{text}]")
    return text.split(",")


def _json_list(text: str) -> List[Any]:
    problem = "JSON but not a list"
    try:
        items = json.loads(text)
    except (ValueError, RecursionError):
        items, problem = None, "malformed JSON"
    if isinstance(items, list):
        return cast("List[Any]", items)
    # Raised out here, for the parser's error holds the text, and that may be a password.
    raise ValueError(f"recipients are {problem}")


def _stripped(items: Iterable[Any]) -> List[Any]:
    """Strip the strings and drop the empty ones; what is no string is left to be refused."""
    stripped = (item.strip() if isinstance(item, str) else item for item in items)
    return [item for item in stripped if item != ""]


def encode_relation_data(  # noqa: PLR0913 - the wire format has this many keys
    *,
    host: str,
    port: int,
    auth_type: str,
    transport_security: str,
    domain: Optional[str] = None,
    oauth_id: Optional[str] = None,
    password: Optional[str] = None,
    password_id: Optional[str] = None,
    recipients: Iterable[str] = (),
    skip_ssl_verify: Optional[bool] = False,
    smtp_sender: Optional[str] = None,
    tls_ca_chain: Optional[str] = None,
    user: Optional[str] = None,
) -> Dict[str, str]:
    """Write a relay as the databag that every requirer in the field reads.

    Host and addresses are written in ASCII, where they have such a form.

    Args:
        host: Host name or IP address of the relay.
        port: TCP port of the relay.
        auth_type: A member or value of `AuthType`.
        transport_security: A member or value of `TransportSecurity`.
        domain: Domain of the envelope sender.
        oauth_id: URI of the secret whose content is an `OAuthGrant`; password and `password_id`
            are left out, with a warning, where it is given too. `auth_type` is to be `none` then.
        password: The password in the clear; left out, with a warning, where `password_id` is
            given too.
        password_id: URI of the secret whose content has the key `password`.
        recipients: Addresses for notifications, or a string that `parse_recipients` reads.
        skip_ssl_verify: Whether requirers skip the verification of certificates.
        smtp_sender: Address that notifications come from.
        tls_ca_chain: PEM of the CA certificates that verify the relay.
        user: User of SMTP AUTH.

    Returns:
        The databag, without keys for what is empty or None.

    Raises:
        ValueError: If `auth_type` or `transport_security` is not a value of its enumeration, or
            a string of `recipients` cannot be read.
    """
    if oauth_id and (password or password_id):
        logger.warning("a password and oauth_id are both given: only oauth_id is published")
        password = password_id = None
    if password and password_id:
        logger.warning("password and password_id are both given: only password_id is published")
        password = None
    addresses = parse_recipients(recipients) if isinstance(recipients, str) else list(recipients)
    addresses = [_ascii_address(address) for address in addresses]
    databag = {
        "host": _ascii_host(host),
        "port": str(port),
        "auth_type": _member(AuthType, auth_type).value,
        "transport_security": _member(TransportSecurity, transport_security).value,
        "skip_ssl_verify": str(bool(skip_ssl_verify)),
        "domain": domain,
        "user": user,
        "password": password,
        "password_id": password_id,
        "oauth_id": oauth_id,
        "smtp_sender": smtp_sender and _ascii_address(smtp_sender),
        "recipients": json.dumps(addresses) if addresses else None,
        "tls_ca_chain": tls_ca_chain,
    }
    return {key: value for key, value in databag.items() if value}


def recipients_validator() -> Any:  # noqa: ANN401 - each pydantic has a decorator type of its own
    """Return the decorator that runs a class method before pydantic validates `recipients`.

    It is `field_validator` where pydantic 2 is installed and `validator` where pydantic 1 is.
    """
    return _validator("recipients", before=True)


def _validator(field: str, *, before: bool = False) -> Any:  # noqa: ANN401 - as above
    import pydantic  # noqa: PLC0415 - paid only where data is validated

    if _is_pydantic_1():
        return pydantic.validator(field, pre=before, allow_reuse=True)  # pyright: ignore[reportDeprecated]
    return pydantic.field_validator(field, mode="before" if before else "after")


def _is_pydantic_1() -> bool:
    import pydantic  # noqa: PLC0415 - as above

    return pydantic.VERSION.startswith("1.")


class SmtpRelationData(_ModelBase):
    """A relay and the credentials for it: a `pydantic.BaseModel`.

    Each field is validated alone. Fields can be assigned after construction.

    Attributes:
        host: Host name or IP address of the relay, not empty.
        port: TCP port of the relay, 1 to 65535.
        user: User of SMTP AUTH.
        password: Password of SMTP AUTH; absent from `repr`, `str` and validation errors.
        password_id: URI of the secret whose content has the key `password`.
        auth_type: How to authenticate.
        transport_security: How to protect the connection.
        domain: Domain of the envelope sender.
        skip_ssl_verify: Whether to skip the verification of certificates.
        smtp_sender: Address that notifications come from, as pydantic's `EmailStr` accepts it.
        recipients: Addresses for notifications; given in any shape `parse_recipients` reads.
        tls_ca_chain: PEM of the CA certificates that verify the relay.
        oauth_id: URI of the secret whose content is `oauth`.
        oauth: What to fetch a token with, where the relay takes no password; otherwise None.
    """

    host: str
    port: int
    user: Optional[str] = None
    password: Optional[str] = None
    password_id: Optional[str] = None
    auth_type: AuthType
    transport_security: TransportSecurity
    domain: Optional[str] = None
    skip_ssl_verify: Optional[bool] = False
    smtp_sender: Optional[str] = None
    recipients: List[str] = []  # noqa: RUF012 - pydantic copies it for each instance
    tls_ca_chain: Optional[str] = None
    oauth_id: Optional[str] = None
    oauth: Optional[OAuthGrant] = None

    @property
    def implicit_tls(self) -> bool:
        """Whether TLS starts with the first byte (RFC 8314 section 3.3).

        It is never true together with `starttls`.
        """
        return self.transport_security == TransportSecurity.TLS

    @property
    def starttls(self) -> bool:
        """Whether the command STARTTLS must upgrade the connection (RFC 3207).

        It is never true together with `implicit_tls`.
        """
        return self.transport_security == TransportSecurity.STARTTLS

    @property
    def verify_tls(self) -> bool:
        """Whether to verify the relay's certificate: always, but where `skip_ssl_verify` is set.

        It says nothing of whether there is TLS at all.
        """
        return not self.skip_ssl_verify

    @property
    def credentials(self) -> Optional[Tuple[str, str]]:
        """User and password for AUTH (RFC 4954), or None where no AUTH is to be attempted.

        They are None unless `auth_type` is `plain` and both are there. Providers publish
        credentials with `auth_type` `none` too; those are not for use. A relay that takes tokens
        has none: see `access_token`.
        """
        if self.auth_type != AuthType.PLAIN or not self.user or not self.password:
            return None
        return self.user, self.password

    def access_token(self, timeout: float = 10.0) -> str:
        """Return an access token for `user`, in the place of a password (RFC 6749 section 1.4).

        One that was fetched is kept in this process until it is about to expire, or `connect`
        finds it refused. The token endpoint is verified by the system's CAs and those of
        `tls_ca_chain`, also where `skip_ssl_verify` is set, and redirects are not followed. The
        proxy is that of the model (`juju-https-proxy`, `juju-no-proxy`), or otherwise that of the
        environment (`https_proxy`, `no_proxy`).

        A refresh token that the endpoint replaces is kept in this process too, and nowhere else:
        where an endpoint does that, leave the relay to smtp-forwarder.

        Args:
            timeout: Seconds until the token is there, in all and at the most.

        Raises:
            TokenError: If there is no token: the provider published no grant, the endpoint cannot
                be reached in time or refuses, or a private key cannot sign, for which the package
                cryptography is needed.
        """
        if self.oauth is None:
            raise TokenError("the provider published nothing to fetch a token with")
        return _kept(self.oauth).token(self.tls_ca_chain or "", timeout)

    def from_address(
        self, override: Optional[str] = None, local_part: str = "no-reply"
    ) -> Optional[str]:
        """Return the address that mail comes from (RFC 5322 section 3.6.2).

        Args:
            override: The charm's own configuration, which goes before all else.
            local_part: What stands before the `@` where only `domain` is known.

        Returns:
            The first that is there of `override`, `smtp_sender`, `user` where it is an address,
            and `local_part` at `domain`; otherwise None. It is in ASCII where its local part is,
            because few relays take other addresses (SMTPUTF8, RFC 6531).

        Raises:
            ImportError: If `user` looks like an address, and email-validator is not installed.
        """
        address = override or self.smtp_sender or _address_in(self.user or "")
        if not address and self.domain:
            address = f"{local_part}@{self.domain}"
        return _ascii_address(address) if address else None

    def to_uri(self, **query: object) -> str:
        """Return the relay as a URI, with user and password where AUTH is to be attempted.

        Every part is percent-encoded (RFC 3986 sections 2.1 and 3.2). The scheme is `smtps` for
        TLS from the first byte, otherwise `smtp`: whether STARTTLS is demanded has no common
        spelling, so pass your application's own, such as `disable_starttls=True`. An international
        host is in ASCII (RFC 3986 section 3.2.2). The URI holds the password: keep it out of logs.

        Args:
            query: Parameters to append; booleans are spelled `true` and `false`, and what is
                None is left out.
        """
        import urllib.parse  # noqa: PLC0415 - paid only where it is needed

        userinfo = ":".join(urllib.parse.quote(part, safe="") for part in self.credentials or ())
        spelled = {k: _spell(v, "true", "false") for k, v in query.items() if v is not None}
        parameters = urllib.parse.urlencode(spelled, quote_via=urllib.parse.quote)
        return "".join(
            [
                "smtps://" if self.implicit_tls else "smtp://",
                f"{userinfo}@" if userinfo else "",
                f"{_uri_host(_ascii_host(self.host))}:{self.port}",
                f"/?{parameters}" if parameters else "",
            ]
        )

    def to_env(
        self,
        prefix: str = "SMTP_",
        *,
        names: Optional[Mapping[str, str]] = None,
        true: str = "true",
        false: str = "false",
    ) -> Dict[str, str]:
        """Return the relay as environment variables for a workload.

        What is absent is left out, and so are user and password where no AUTH is to be attempted.
        Where the relay takes tokens, there is the user, `AUTH_TYPE` is `none`, and `OAUTH_…` is
        what an application needs that fetches tokens itself, with the secrets.
        Host, domain and addresses are in ASCII where they have such a form. The dictionary holds
        the secrets: keep it out of logs.

        Linux starts no process with a variable of more than 128 KiB, its name included (execve(2),
        MAX_ARG_STRLEN), or with a NUL in it. Such a one is left out, with a warning that names it.
        It is `TLS_CA_CHAIN` as a rule, where an operator published a whole system's bundle: write
        `tls_ca_chain` to a file for the application then.

        Args:
            prefix: What each variable's name starts with.
            names: Other names, without the prefix, for any of `HOST`, `PORT`, `USER`, `PASSWORD`,
                `AUTH_TYPE`, `TRANSPORT_SECURITY`, `IMPLICIT_TLS`, `STARTTLS`, `VERIFY_TLS`,
                `DOMAIN`, `SENDER`, `RECIPIENTS` (separated by commas), `TLS_CA_CHAIN`,
                `OAUTH_TOKEN_URL`, `OAUTH_CLIENT_ID`, `OAUTH_SCOPE`, `OAUTH_CLIENT_SECRET`,
                `OAUTH_PRIVATE_KEY`, `OAUTH_REFRESH_TOKEN`, `OAUTH_CERTIFICATE` and
                `OAUTH_SUBJECT`.
            true: How the application spells a boolean that is true.
            false: How the application spells a boolean that is false.

        Raises:
            ValueError: If `names` has a key that is none of these.
        """
        user, password = self.credentials or (self.user if self.oauth else None, None)
        values = {
            "HOST": _ascii_host(self.host),
            "PORT": self.port,
            "USER": user,
            "PASSWORD": password,
            "AUTH_TYPE": AuthType(self.auth_type).value,
            "TRANSPORT_SECURITY": TransportSecurity(self.transport_security).value,
            "IMPLICIT_TLS": self.implicit_tls,
            "STARTTLS": self.starttls,
            "VERIFY_TLS": self.verify_tls,
            "DOMAIN": self.domain and _ascii_host(self.domain),
            "SENDER": self.smtp_sender and _ascii_address(self.smtp_sender),
            "RECIPIENTS": ",".join(map(_ascii_address, self.recipients)),
            "TLS_CA_CHAIN": self.tls_ca_chain,
            **{
                f"OAUTH_{field.name.upper()}": getattr(self.oauth, field.name, None)
                for field in dataclasses.fields(OAuthGrant)
            },
        }
        others = dict(names or {})
        if not others.keys() <= values.keys():
            raise ValueError(f"no such variables: {sorted(others.keys() - values.keys())}")
        environment = {
            f"{prefix}{others.get(key, key)}": _spell(value, true, false)
            for key, value in values.items()
            if value is not None and value != ""
        }
        return {name: value for name, value in environment.items() if _is_passable(name, value)}

    def ssl_context(self) -> ssl.SSLContext:
        """Return the context for TLS with the relay.

        It verifies certificate and host name as `ssl.create_default_context` does
        (https://docs.python.org/3/library/ssl.html#ssl.create_default_context): by `tls_ca_chain`
        where that is published, otherwise by the system's CAs. It verifies nothing where
        `skip_ssl_verify` is set.

        A published CA is trusted on every Python, though its certificate leave out what RFC 5280
        demands: Python 3.13 began to refuse a CA without the extension key usage, for one.

        Raises:
            ssl.SSLError: If `tls_ca_chain` is not PEM.
        """
        import ssl  # noqa: PLC0415 - paid only where it is needed

        if self.verify_tls and self.tls_ca_chain:
            context = ssl.create_default_context(cadata=_cadata(self.tls_ca_chain))
            context.verify_flags &= ~ssl.VERIFY_X509_STRICT
            return context
        context = ssl.create_default_context()
        if not self.verify_tls:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context

    @contextlib.contextmanager
    def connect(
        self, timeout: float = 30.0, *, local_hostname: Optional[str] = None
    ) -> Generator[smtplib.SMTP, None, None]:
        """Connect to the relay, ready to send: after EHLO, after TLS and AUTH where they are due.

        STARTTLS never falls back to clear text (RFC 3207 section 6).

        AUTH is attempted once, with one mechanism: the first that the relay offers of PLAIN
        (RFC 4616), LOGIN and CRAM-MD5 (RFC 2195), whether the connection is encrypted or not.
        Where that is CRAM-MD5 and OpenSSL forbids MD5, as with FIPS, it is PLAIN over TLS, though
        not offered, and an error in the clear. User and password go over a clear connection only
        where the provider says so by `transport_security` `none` with `auth_type` `plain`, and
        then a warning is logged.

        Where the relay takes tokens, and there is a user, it is the first that is offered of
        OAUTHBEARER (RFC 7628) and XOAUTH2. A token that was kept from before and is refused for
        good is thrown away, and AUTH attempted once more with a new one.

        An international host goes to the name server and into TLS in ASCII, by IDNA 2008 with the
        mapping of UTS 46, non-transitional, as browsers do.

        Args:
            timeout: Seconds until the client is ready, in all and at the most: for resolving the
                host, trying each of its addresses (each has its share of what is left), banner,
                EHLO, TLS, a token and AUTH. Then, for each command that is sent and for each whole
                answer of the relay, QUIT among them.
            local_hostname: How EHLO names this machine (RFC 5321 section 4.1.1.1). Without it,
                that is what `socket.gethostname` returns where it is a full name: ASCII, with a
                dot, and not of `localhost` or `localdomain`. Otherwise it is the connection's own
                address, as an address literal. Name servers are never asked.

        Yields:
            The client, to call `send_message` on. It is closed at the end.

        Raises:
            OSError: If the relay cannot be reached in time, `host` can be no host's name, or TLS
                fails.
            TokenError: If there is no access token.
            ValueError: If `local_hostname` has blanks or characters beyond ASCII.
            smtplib.SMTPNotSupportedError: If the relay does not offer STARTTLS or a mechanism.
            smtplib.SMTPResponseException: If the relay refuses the session; `smtp_code` and
                `smtp_error` are its answer, also where it hung up after it. In its banner, it is
                an SMTPConnectError; to EHLO, an SMTPHeloError; to user and password or token, an
                SMTPAuthenticationError, which has the words of a challenge's JSON too.
            smtplib.SMTPException: If the relay hangs up without a word, or is silent.
        """
        import smtplib  # noqa: PLC0415 - paid only where it is needed

        if local_hostname is not None and not _is_ehlo_name(local_hostname):
            raise ValueError("local_hostname has blanks or characters beyond ASCII")
        client = self._open(timeout, local_hostname)
        try:
            self._greet(client)
            client.limit_each_answer()
            yield client
        finally:
            with contextlib.suppress(smtplib.SMTPException, OSError):
                client.quit()
            client.close()

    def _open(self, timeout: float, local_hostname: Optional[str]) -> _Client:
        host, problem = "", _NO_HOST
        try:
            host = _to_ascii(self.host)
        except UnicodeError:
            pass
        except ValueError as e:
            problem = str(e)
        # Raised out here, for the codec's error holds the name, and that may be a password.
        if not host:
            raise OSError(problem)
        context = self.ssl_context() if self.implicit_tls else None
        return _client_type()(host, self.port, context, timeout, local_hostname)

    def _greet(self, client: _Client) -> None:
        client.ehlo_or_helo_if_needed()
        if self.starttls:
            # It raises where STARTTLS is not offered or refused, and forgets the first EHLO.
            client.starttls(context=self.ssl_context())
            client.ehlo_or_helo_if_needed()
        credentials = self.credentials
        if self.oauth and self.user:
            self._log_in_by_token(client, self.oauth, self.user)
        elif credentials:
            if self.transport_security == TransportSecurity.NONE:
                logger.warning(
                    "auth_type=plain with transport_security=none: "
                    "the password travels in the clear"
                )
            _authenticate(client, *credentials)

    def _log_in_by_token(self, client: _Client, grant: OAuthGrant, user: str) -> None:
        import smtplib  # noqa: PLC0415 - paid only where it is needed

        if self.transport_security == TransportSecurity.NONE:
            logger.warning(
                "oauth_id with transport_security=none: the access token travels in the clear"
            )
        mechanism = _mechanism(client, _TOKEN_MECHANISMS, "with a token of OAuth")
        place = (_ascii_host(self.host), self.port)
        was_kept = _kept(grant).is_fresh()
        token = self.access_token(client.seconds_left())
        try:
            _authenticate_by_token(client, mechanism, user, token, place)
        except smtplib.SMTPAuthenticationError as e:
            # Another code is a relay's that may know better later (RFC 4954 section 6).
            if not 500 <= e.smtp_code <= 599:  # noqa: PLR2004 - as above
                raise
            _kept(grant).drop(token)
            if not was_kept:
                raise
            token = self.access_token(client.seconds_left())
            try:
                _authenticate_by_token(client, mechanism, user, token, place)
            except smtplib.SMTPServerDisconnected:
                # It hung up on the first one.
                raise e from None

    def to_relation_data(self) -> Dict[str, str]:
        """Return the databag of this relay, as `encode_relation_data` writes it."""
        # A requirer's subclass may have more fields, which are none of the wire format's.
        known = _MODEL_BODY["__annotations__"].keys() - {"oauth"}
        return encode_relation_data(**{k: v for k, v in self if k in known})

    def __repr_args__(self) -> Iterator[Tuple[str, Any]]:
        for name, value in self:
            yield name, "********" if name == "password" and value else value


# Importing pydantic and email-validator costs as much as importing ops, and few of a charm's hooks
# read the data. So the class above is only the body of the model: type checkers see it as it
# stands, and the first use of its name makes the pydantic model of it (PEP 562).
_MODEL_BODY = {
    k: v for k, v in vars(SmtpRelationData).items() if k not in {"__dict__", "__weakref__"}
}
if not TYPE_CHECKING:
    # Unseen by type checkers, which would take any name of the module for Any.
    del SmtpRelationData

    def __getattr__(name: str) -> Any:  # noqa: ANN401 - PEP 562
        if name == "SmtpRelationData":
            return _model()
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def __dir__() -> List[str]:
        return sorted({*globals(), "SmtpRelationData"})


@functools.lru_cache(maxsize=None)
def _model() -> Type[SmtpRelationData]:
    import pydantic  # noqa: PLC0415 - paid only where data is validated

    body = dict(
        _MODEL_BODY,
        _host=_validator("host")(_check_host),
        _port=_validator("port")(_check_port),
        _smtp_sender=_validator("smtp_sender")(_check_smtp_sender),
        _recipients_shape=recipients_validator()(parse_recipients),
        _recipients=_validator("recipients")(_check_recipients),
    )
    parsers = ["parse_raw", "parse_file"]
    if not _is_pydantic_1():
        parsers.append("model_validate_json")
        body["model_config"] = {"hide_input_in_errors": True}
        hide_input = cast("Any", classmethod(_hide_input))
        body["_hide_input"] = pydantic.model_validator(mode="wrap")(hide_input)
    body.update({name: _hiding_parser(name) for name in parsers})
    metaclass: Any = type(pydantic.BaseModel)
    model = metaclass("SmtpRelationData", (pydantic.BaseModel,), body)
    globals()["SmtpRelationData"] = model
    return model


def _hiding_parser(name: str) -> Any:  # noqa: ANN401 - pydantic's own
    def parse(cls: type, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - pydantic's own
        import pydantic  # noqa: PLC0415 - paid only where data is validated

        parser: Any = getattr(pydantic.BaseModel, name)
        return _hiding_input(lambda: parser.__func__(cls, *args, **kwargs))

    return cast("Any", classmethod(parse))


def _hide_input(_: type, data: Any, handler: Any) -> Any:  # noqa: ANN401 - pydantic's own
    return _hiding_input(lambda: handler(data))


def _hiding_input(validate: Callable[[], Any]) -> Any:  # noqa: ANN401 - what it returns
    """Validate with errors that hold nothing of the input, for it has the password."""
    import pydantic  # noqa: PLC0415 - paid only where data is validated

    try:
        return validate()
    except pydantic.ValidationError as e:
        hidden = _without_malformed_json(e) if _is_pydantic_1() else _without_input(e)
    except ValueError:
        # pydantic's parse_file lets the errors of the codec and of the JSON parser through.
        hidden = ValueError("malformed JSON")
    # Raised out here, so that it has no context.
    raise hidden


def _without_input(error: Any) -> Exception:  # noqa: ANN401 - pydantic 2's own
    """Rebuild an error as pydantic 1 has it: pydantic 2 reports all keys where one is missing."""
    from pydantic_core import (  # noqa: PLC0415 - paid only where data is validated
        InitErrorDetails,
        PydanticCustomError,
        ValidationError,
    )

    details = [
        InitErrorDetails(
            type=PydanticCustomError(each["type"], each["msg"]),
            loc=each["loc"],
            input="********",
        )
        for each in error.errors(include_url=False)
    ]
    return ValidationError.from_exception_data(error.title, details, hide_input=True)


def _without_malformed_json(error: Any) -> Exception:  # noqa: ANN401 - pydantic 1's own
    """Rebuild an error about a whole text, which the JSON parser's error quotes."""
    import importlib  # noqa: PLC0415 - paid only where it is needed

    if [each["loc"] for each in error.errors()] != [("__root__",)]:
        return error
    wrapper = importlib.import_module("pydantic.error_wrappers").ErrorWrapper
    malformed = wrapper(ValueError(error.errors()[0]["msg"]), "__root__")
    return type(error)([malformed], error.model)


def _check_host(host: str) -> str:
    if not host:
        raise ValueError("host is empty")
    return host


def _check_port(port: int) -> int:
    if not 1 <= port <= 65535:  # noqa: PLR2004 - RFC 9293 section 3.1: 16 bits, and 0 is no port
        raise ValueError("port is not between 1 and 65535")
    return port


def _check_smtp_sender(address: Optional[str]) -> Optional[str]:
    return None if address is None else _check_address(address)


def _check_recipients(addresses: List[str]) -> List[str]:
    return [_check_address(address) for address in addresses]


def _check_address(text: str) -> str:
    """Validate as pydantic's `EmailStr` does, which would need email-validator at import.

    It spells every domain in Unicode. This leaves one in ASCII that was entered so.
    """
    import pydantic  # noqa: PLC0415 - paid only where data is validated

    address = None
    try:
        address = pydantic.validate_email(text)[1]
    except ImportError as e:
        raise ImportError("addresses need the package email-validator; install it") from e
    except ValueError:
        pass
    # Raised out here and without the reason, which quotes the text: that may be a password.
    if address is None:
        raise ValueError("value is not a valid email address")
    return _ascii_address(address, keep_unicode=not text.rpartition("@")[2].isascii())


def _ascii_address(address: str, *, keep_unicode: bool = True) -> str:
    """Spell an address's domain in ASCII, where that makes the whole ASCII.

    Args:
        address: The address, which stays as it is where it has no such form.
        keep_unicode: Whether the domain stays as it is beside a local part beyond ASCII, which
            needs a relay with SMTPUTF8 (RFC 6531) anyway.
    """
    local_part, at, domain = address.rpartition("@")
    if keep_unicode and not local_part.isascii():
        return address
    return f"{local_part}{at}{_ascii_host(domain)}"


def _ascii_host(host: str) -> str:
    """Spell a host in ASCII; one that has no such form stays as it is."""
    try:
        return _to_ascii(host)
    except ValueError:
        return host


def _to_ascii(name: str) -> str:
    """Spell a host in ASCII and without the dot at its end, as the DNS and TLS take it.

    Python's codec follows IDNA 2003, which leads `straße.example` to another owner's host. The
    package idna, which email-validator brings, follows IDNA 2008 (RFC 5891), here with the mapping
    of UTS 46, non-transitional (https://www.unicode.org/reports/tr46/).

    Raises:
        ValueError: If it can be no host's name, or the standards disagree on it and idna is not
            installed.
    """
    if name.isascii():
        return _without_dot(name)
    try:
        import idna  # noqa: PLC0415 - paid only where a name is international
    except ImportError:
        return _without_dot(_by_idna_2003(name))
    mapped = _without_dot(idna.uts46_remap(name, std3_rules=False))
    # A label of ASCII is left to whoever judges names: some in the field have an underscore.
    return ".".join(
        label if label and label.isascii() else idna.alabel(label).decode()
        for label in mapped.split(".")
    )


def _without_dot(name: str) -> str:
    return name[:-1] if name.endswith(".") else name


_NO_HOST = "the host can be no host's name"
# The deviation characters of UTS 46 section 2.3, the capital of the first, and Hangul's fillers:
# IDNA 2003 maps them to other letters, to none, or lets them pass.
_DEVIATING = frozenset("ßẞς\u200c\u200d\u115f\u1160")


def _by_idna_2003(name: str) -> str:
    """Spell a name in ASCII where all standards agree on it.

    Newer ones map letters that IDNA 2003 does not know (it is of Unicode 3.2), and some that it
    maps itself; what it knows and leaves alone, all leave alone.
    """
    import re  # noqa: PLC0415 - paid only where a name is international
    import unicodedata  # noqa: PLC0415 - as above

    ascii_name = name.encode("idna").decode("ascii")
    known = all(unicodedata.ucd_3_2_0.category(letter) != "Cn" for letter in name + name.lower())
    # These stand for a dot (RFC 3490 section 3.1).
    meant = re.sub("[\u3002\uff0e\uff61]", ".", name).lower()
    if not known or not _DEVIATING.isdisjoint(name) or _read_back(ascii_name) != meant:
        raise ValueError("the host's letters need the package idna; install it")
    return ascii_name


def _read_back(ascii_name: str) -> str:
    try:
        return ascii_name.encode("ascii").decode("idna")
    except UnicodeError:
        return ""


def _address_in(text: str) -> Optional[str]:
    if "@" not in text or "<" in text:
        return None
    try:
        return _check_address(text)
    except ValueError:
        return None


def _cadata(chain: str) -> str:
    """Spell a chain in ASCII for OpenSSL: a PEM may have comments in any language, and a BOM."""
    return chain.replace("\ufeff", "\n").encode("ascii", "replace").decode()


def _spell(value: object, true: str, false: str) -> str:
    if isinstance(value, bool):
        return true if value else false
    return str(value)


# What Linux takes of `NAME=value` and its NUL: MAX_ARG_STRLEN of execve(2), 32 pages of 4 KiB or
# more.
_LONGEST_VARIABLE = 32 * 4096


def _is_passable(name: str, value: str) -> bool:
    """Tell whether Linux can pass a variable to a process; where not, warn."""
    reason = ""
    try:
        size = len(os.fsencode(f"{name}={value}")) + 1
    except UnicodeEncodeError:
        reason = "it cannot be encoded"
    else:
        if size > _LONGEST_VARIABLE:
            reason = f"it takes {size} bytes, and {_LONGEST_VARIABLE} is the limit"
        if "\0" in value:
            reason = "it has a NUL"
    if reason:
        logger.warning("%s is left out, for Linux cannot pass it: %s", name, reason)
    return not reason


def _uri_host(host: str) -> str:
    """Spell a host for a URI: IPv6 in brackets, its zone by RFC 6874, other names by RFC 3986."""
    import ipaddress  # noqa: PLC0415 - paid only where it is needed
    import urllib.parse  # noqa: PLC0415 - as above

    address, percent, zone = host.partition("%")
    try:
        ipaddress.IPv6Address(address)
    except ValueError:
        return urllib.parse.quote(host, safe="")
    return f"[{address}{'%25' if percent else ''}{urllib.parse.quote(zone, safe='')}]"


class _Deadline:
    """The moment when time is over, for everything or for one answer of the relay."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.restart()

    def restart(self) -> None:
        self._end = time.monotonic() + self._seconds

    def left(self) -> float:
        """Return the seconds that are left, or raise TimeoutError."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError(f"not done within {self._seconds:g} s")
        return left


class _Answers(io.RawIOBase):
    """Reads from a socket until a deadline, however slowly the bytes come."""

    def __init__(self, sock: socket.socket, deadline: _Deadline) -> None:
        super().__init__()
        self._socket = sock
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - any buffer
        self._socket.settimeout(self._deadline.left())
        return self._socket.recv_into(buffer)


class _Client(_SMTP):
    """An SMTP client with limits of time, which tells what a relay said before it hung up.

    It is a part of a class, beside `smtplib.SMTP`: importing that is left to who sends.
    """

    def __init__(
        self,
        host: str,
        port: int,
        context: Optional[ssl.SSLContext],
        timeout: float,
        local_hostname: Optional[str],
    ) -> None:
        self._context = context
        self._deadline = _Deadline(timeout)
        self._is_ready = False
        self._is_cut = False
        # Without a name, smtplib would ask the name servers for it, and they have no limit.
        super().__init__(host, port, local_hostname="", timeout=timeout)
        self.local_hostname = local_hostname or _own_name(self._the_socket)

    @property
    def _the_socket(self) -> socket.socket:
        import smtplib  # noqa: PLC0415 - paid only where it is needed

        if self.sock is None:
            raise smtplib.SMTPServerDisconnected("please run connect() first")
        return self.sock

    def seconds_left(self) -> float:
        """Return how much of the time is left, or raise TimeoutError."""
        return self._deadline.left()

    def limit_each_answer(self) -> None:
        """Give each command and each answer the whole of the time from now on."""
        self._is_ready = True

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:  # noqa: ARG002
        """Connect: `smtplib.SMTP_SSL` has its own of this too."""
        sock = _connected(host, port, self._deadline)
        if self._context is None:
            return sock
        try:
            sock.settimeout(self._deadline.left())
            return self._context.wrap_socket(sock, server_hostname=host)
        except BaseException:
            sock.close()
            raise

    def send(self, s: Any) -> None:  # noqa: ANN401 - bytes or text
        import smtplib  # noqa: PLC0415 - paid only where it is needed

        sock = self._the_socket
        if self._is_ready:
            self._deadline.restart()
        try:
            sock.settimeout(self._deadline.left())
            sock.sendall(s.encode(self.command_encoding) if isinstance(s, str) else s)
        except _timeouts() as e:
            self.close()
            raise smtplib.SMTPServerDisconnected(f"The relay takes nothing: {e}") from None
        except OSError:
            # The relay has hung up. Why it did so is read with the answer, if it said it.
            self._is_cut = True

    def getreply(self) -> Tuple[int, bytes]:
        import smtplib  # noqa: PLC0415 - paid only where it is needed

        sock = self._the_socket
        if self._is_ready:
            self._deadline.restart()
        if self.file is None:
            self.file = io.BufferedReader(_Answers(sock, self._deadline))
        code, lines, goes_on = -1, cast("List[bytes]", []), True
        while goes_on:
            line, reason = self._read_line()
            if not line:
                self.close()
                if code < 400:  # noqa: PLR2004 - RFC 5321 section 4.2.1: a refusal
                    raise smtplib.SMTPServerDisconnected(f"Connection unexpectedly closed{reason}")
                break
            if len(line) > _LONGEST_LINE:
                self.close()
                raise smtplib.SMTPResponseException(500, b"Line too long.")
            if len(lines) == _MOST_LINES:
                self.close()
                raise smtplib.SMTPResponseException(500, b"Answer too long.")
            code = int(line[:3]) if line[:3].isdigit() else -1
            lines.append(line[4:].strip(b" \t\r\n"))
            goes_on = code >= 0 and line[3:4] == b"-"
        if self._is_cut and code < 400:  # noqa: PLR2004 - as above
            self.close()
            raise smtplib.SMTPServerDisconnected("Connection unexpectedly closed")
        if self.sock is not None and not self._is_ready:
            # What comes next may be the handshake of TLS.
            with contextlib.suppress(TimeoutError):
                sock.settimeout(self._deadline.left())
        return code, b"\n".join(lines)

    def _read_line(self) -> Tuple[bytes, str]:
        """Return a line of the relay, or none and the reason."""
        try:
            return cast("Any", self.file).readline(_LONGEST_LINE + 1), ""
        except OSError as e:
            return b"", f": {e}"

    def ehlo_or_helo_if_needed(self) -> None:
        """Say EHLO, or HELO to a relay that knows no EHLO (RFC 5321 section 3.2)."""
        import smtplib  # noqa: PLC0415 - paid only where it is needed

        if self.helo_resp is not None or self.ehlo_resp is not None:
            return
        code, reply = self.ehlo()
        if code in {500, 502, 504, 550}:
            # A relay that hangs up now has said why in its answer to EHLO.
            with contextlib.suppress(smtplib.SMTPServerDisconnected):
                code, reply = self.helo()
        if not 200 <= code <= 299:  # noqa: PLR2004 - RFC 5321 section 4.2.1: consent
            raise smtplib.SMTPHeloError(code, reply)


# As smtplib has it: RFC 5321 section 4.5.3.1.5 has 512, and relays in the field have more.
_LONGEST_LINE = 8192
_MOST_LINES = 1000
# RFC 5321 section 4.5.3.1.4, with the CRLF.
_LONGEST_COMMAND = 512


@functools.lru_cache(maxsize=None)
def _client_type() -> Type[_Client]:
    import smtplib  # noqa: PLC0415 - paid only where it is needed

    return cast("Type[_Client]", type("SMTP", (_Client, smtplib.SMTP), {}))


def _timeouts() -> Tuple[Type[OSError], ...]:
    """Return what a timeout raises; until Python 3.10, a socket's is a class of its own."""
    import socket  # noqa: PLC0415 - paid only where it is needed

    return (TimeoutError, socket.timeout)


def _connected(host: str, port: int, deadline: _Deadline) -> socket.socket:
    """Connect to the first address that answers; each has its share of the time that is left."""
    import socket  # noqa: PLC0415 - paid only where it is needed

    error = OSError("the host has no address")
    addresses = _resolve(host, port, deadline)
    for number, (family, kind, protocol, _, address) in enumerate(addresses):
        sock: Optional[socket.socket] = None
        try:
            sock = socket.socket(family, kind, protocol)
            sock.settimeout(deadline.left() / (len(addresses) - number))
            sock.connect(address)
        except OSError as e:
            error = e
            if sock is not None:
                sock.close()
        else:
            return sock
    raise error


def _resolve(host: str, port: int, deadline: _Deadline) -> List[Tuple[Any, Any, int, str, Any]]:
    """Look a host's addresses up: `socket.getaddrinfo` has no limit of its own."""
    import socket  # noqa: PLC0415 - paid only where it is needed

    def look_up() -> List[Tuple[Any, Any, int, str, Any]]:
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)

    with contextlib.suppress(ValueError):
        return _in_time(look_up, deadline, "the host was not resolved in time")
    # Raised out here, for a codec's words quote the name, and that may be a password.
    raise OSError(_NO_HOST)


def _in_time(work: Callable[[], _ResultT], deadline: _Deadline, late: str) -> _ResultT:
    """Do in a thread what has no limit of its own.

    Raises:
        Exception: What the work raises.
        TimeoutError: With the words of `late`, where it is not done by the deadline.
    """
    import queue  # noqa: PLC0415 - paid only where it is needed

    done: queue.Queue[Tuple[Any, Any]] = queue.Queue()

    def do() -> None:
        try:
            done.put((None, work()))
        except Exception as e:  # noqa: BLE001 - raised where the work is waited for
            done.put((e, None))

    # A daemon is not waited for, neither here nor when Python ends.
    threading.Thread(target=do, daemon=True).start()
    try:
        error, result = done.get(timeout=deadline.left())
    except queue.Empty:
        raise TimeoutError(late) from None
    if error:
        raise error
    return result


def _own_name(sock: socket.socket) -> str:
    """Name this machine as `connect` says, by the address literal of RFC 5321 section 4.1.3."""
    import socket  # noqa: PLC0415 - paid only where it is needed

    name = socket.gethostname()
    if _is_full_name(name):
        return name
    address = sock.getsockname()[0].partition("%")[0]
    return f"[IPv6:{address}]" if ":" in address else f"[{address}]"


def _is_full_name(name: str) -> bool:
    """Tell whether others know a machine by its name (RFC 5321 section 4.1.2)."""
    import re  # noqa: PLC0415 - paid only where it is needed

    labels = name.lower().split(".")
    of_this_machine = labels[0] == "localhost" or labels[-1] in {"localhost", "localdomain"}
    label = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
    return (
        len(labels) > 1
        and len(name) <= 253  # noqa: PLR2004 - RFC 1035 section 2.3.4
        and not of_this_machine
        and not labels[-1].isdigit()
        and all(re.fullmatch(label, each) for each in labels)
    )


def _is_ehlo_name(name: str) -> bool:
    return bool(name) and all("!" <= character <= "~" for character in name)


def _authenticate(client: smtplib.SMTP, user: str, password: str) -> None:
    """Attempt AUTH once: `smtplib.SMTP.login` tries each mechanism, and no password but ASCII."""
    import smtplib  # noqa: PLC0415 - paid only where it is needed

    mechanism = _password_mechanism(client)
    plain = _base64(f"\0{user}\0{password}")
    if mechanism == "PLAIN":
        code, reply = _auth_at_once(client, mechanism, plain)
    elif mechanism == "LOGIN":
        code, reply = _dialogue(client, mechanism, lambda _: user, lambda _: password)
    else:
        code, reply = _dialogue(client, mechanism, functools.partial(_cram, user, password))
    if code != 235:  # noqa: PLR2004 - RFC 4954 section 6: authentication succeeded
        hidden = _hiding_reply(reply, plain, _base64(password), password)
        raise smtplib.SMTPAuthenticationError(code, hidden)


def _hiding_reply(reply: bytes, *secrets: str) -> bytes:
    """Hide secrets in a refusal: some relays repeat what they were sent."""
    # What is not UTF-8 must come out as it went in.
    known = [_encoded(secret).decode(errors="surrogateescape") for secret in secrets]
    text = _hiding(reply.decode(errors="surrogateescape"), known)
    return text.encode(errors="surrogateescape")


def _hiding(text: str, secrets: Iterable[str]) -> str:
    """Hide each word with a part of a secret, which may be folded, cut, or of another case.

    A secret too short to have parts is hidden where it stands by itself: it may be in any word.
    """
    import re  # noqa: PLC0415 - paid only where it is needed

    pieces = {piece for secret in secrets for piece in _pieces(secret)}
    # RFC 2034 section 4: each line of an answer starts with the enhanced status code.
    unnumbered = re.sub(r"(?m)^[245](\.\d{1,3}){2}(?!\S)", lambda code: " " * len(code[0]), text)
    places = [place for place, character in enumerate(unnumbered) if not _is_blank(character)]
    squeezed = _squeezed(unnumbered)
    marked = list(text)
    for length in {len(piece) for piece in pieces}:
        for start in range(len(places) - length + 1):
            if squeezed[start : start + length] not in pieces:
                continue
            found = places[start : start + length]
            if length == _PIECE or _is_alone(text, found[0], found[-1]):
                for place in found:
                    marked[place] = "\0"
    words = re.split(r"([\s'\"]+)", "".join(marked))
    return "".join("********" if "\0" in word else word for word in words)


def _is_alone(text: str, first: int, last: int) -> bool:
    around = text[max(first - 1, 0) : first] + text[last + 1 : last + 2]
    return not any(character.isalnum() for character in around)


# Characters: fewer are found in words that have nothing to do with a secret.
_PIECE = 6


def _pieces(secret: str) -> Set[str]:
    squeezed = _squeezed(secret)
    ends = range(_PIECE, max(_PIECE, len(squeezed)) + 1)
    return {squeezed[end - _PIECE : end] for end in ends} - {""}


def _squeezed(text: str) -> str:
    """Drop blanks and case; what is left has a character for each that is not blank."""
    return "".join(character.lower()[0] for character in text if not _is_blank(character))


def _is_blank(character: str) -> bool:
    return character <= " " or character.isspace()


def _mechanism(client: smtplib.SMTP, known: Iterable[str], what: str) -> str:
    """Return the first mechanism of those known that the relay offers (RFC 4954 section 3)."""
    import smtplib  # noqa: PLC0415 - paid only where it is needed

    offered = client.esmtp_features.get("auth", "").upper().split()
    for mechanism in known:
        if mechanism in offered:
            return mechanism
    raise smtplib.SMTPNotSupportedError(f"the relay offers no AUTH {what}")


def _password_mechanism(client: smtplib.SMTP) -> str:
    """Choose a mechanism as `connect` says."""
    import smtplib  # noqa: PLC0415 - paid only where it is needed
    import ssl  # noqa: PLC0415 - as above

    chosen = _mechanism(client, ("PLAIN", "LOGIN", "CRAM-MD5"), "with user and password")
    if chosen != "CRAM-MD5" or _has_md5():
        return chosen
    if isinstance(client.sock, ssl.SSLSocket):
        return "PLAIN"
    raise smtplib.SMTPNotSupportedError(
        "the relay offers CRAM-MD5 alone, which this machine's OpenSSL forbids, in the clear; "
        "have it offer TLS"
    )


def _auth_at_once(client: smtplib.SMTP, mechanism: str, response: str) -> Tuple[int, bytes]:
    """Send the response with the command, where it is short enough (RFC 4954 section 4)."""
    is_short = len(f"AUTH {mechanism} {response}\r\n") <= _LONGEST_COMMAND
    code, reply = client.docmd("AUTH", f"{mechanism} {response}" if is_short else mechanism)
    # A challenge asks for the response, unless it says what is wrong with the one that was sent.
    if code == 334 and not (is_short and _words_of_challenge(reply)):  # noqa: PLR2004 - as above
        return client.docmd(response)
    return code, reply


def _dialogue(
    client: smtplib.SMTP, mechanism: str, *answers: Callable[[str], str]
) -> Tuple[int, bytes]:
    code, reply = client.docmd("AUTH", mechanism)
    for answer in answers:
        if code != 334:  # noqa: PLR2004 - RFC 4954 section 4: the relay's challenge
            break
        code, reply = client.docmd(_base64(answer(reply.decode("latin-1"))))
    return code, reply


def _has_md5() -> bool:
    """Tell whether OpenSSL lets HMAC-MD5 be used, which it does not with FIPS."""
    import hmac  # noqa: PLC0415 - paid only where it is needed

    try:
        hmac.new(b"", b"", "md5")
    except ValueError:
        return False
    return True


def _cram(user: str, password: str, challenge: str) -> str:
    """Answer a challenge as RFC 2195 section 2 says."""
    import base64  # noqa: PLC0415 - paid only where it is needed
    import hmac  # noqa: PLC0415 - as above
    import smtplib  # noqa: PLC0415 - as above

    try:
        asked = base64.b64decode(challenge)
    except ValueError:
        raise smtplib.SMTPException("the relay's challenge for CRAM-MD5 is not base64") from None
    digest = hmac.new(_encoded(password), asked, "md5")
    return f"{user} {digest.hexdigest()}"


# In the order in which one is chosen of those that a relay offers.
_TOKEN_MECHANISMS = ("OAUTHBEARER", "XOAUTH2")


def _authenticate_by_token(
    client: smtplib.SMTP, mechanism: str, user: str, token: str, place: Tuple[str, int]
) -> None:
    """Attempt AUTH once, by OAUTHBEARER or XOAUTH2.

    The latter is Google's and Microsoft's:
    https://developers.google.com/workspace/gmail/imap/xoauth2-protocol
    """
    import smtplib  # noqa: PLC0415 - paid only where it is needed

    if mechanism == "OAUTHBEARER":
        # RFC 7628 section 3.1; RFC 5801 section 4 says how a user is spelled.
        name = user.replace("=", "=3D").replace(",", "=2C")
        who = "n,a={},\1host={}\1port={}".format(name, *place)
    else:
        who = f"user={user}"
    response = _base64(f"{who}\1auth=Bearer {token}\1\1")
    code, reply = _auth_at_once(client, mechanism, response)
    words = ""
    if code == 334:  # noqa: PLR2004 - RFC 7628 section 3.2.2: what is wrong
        words = _words_of_challenge(reply)
        # The refusal follows the answer: an octet of 1 (RFC 7628 section 3.2.3), or nothing.
        code, reply = client.docmd(_base64("\1") if mechanism == "OAUTHBEARER" else "")
    if code != 235:  # noqa: PLR2004 - RFC 4954 section 6: authentication succeeded
        said = reply + _encoded(f" ({words})") if words else reply
        hidden = _hiding_reply(said, response, _base64(token), token)
        raise smtplib.SMTPAuthenticationError(code, hidden)


def _words_of_challenge(challenge: bytes) -> str:
    """Return what the JSON of RFC 7628 section 3.2.2 says; what is none has no words."""
    import base64  # noqa: PLC0415 - paid only where it is needed

    try:
        content = _json_object(base64.b64decode(challenge, validate=True))
    except ValueError:
        return ""
    said = {name: content.get(name) for name in ("status", "scope", "schemes")}
    return ", ".join(
        f"{name}={_one_line(str(value))}"
        for name, value in said.items()
        if isinstance(value, (str, int))
    )


def _json_object(text: bytes) -> Mapping[str, Any]:
    """Return the object that a text of JSON is; what is none is empty."""
    content: Any = None
    with contextlib.suppress(ValueError, RecursionError):
        # Of bytes a byte order mark is taken, of text it is not.
        content = json.loads(text)
    return cast("Mapping[str, Any]", content) if isinstance(content, dict) else {}


def _one_line(text: str) -> str:
    """Spell another's words so that they fit into a sentence."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:_LONGEST_WORDS]


_LONGEST_WORDS = 500


class _Kept:
    """The token of one grant, for as long as it lives."""

    def __init__(self, grant: OAuthGrant) -> None:
        self._grant = grant
        self._token = ""
        self._end = 0.0
        # A refresh token may serve once: two that use it at a time would void each other's.
        self._lock = threading.Lock()

    def is_fresh(self) -> bool:
        return time.monotonic() < self._end

    def drop(self, token: str) -> None:
        """Throw a token away, if it is still the one that is kept."""
        if token == self._token:
            self._end = 0.0

    def token(self, ca: str, timeout: float) -> str:
        """Return the token, fetched if it is due; it raises as `access_token` does."""
        deadline = _Deadline(timeout)
        if not self._lock.acquire(timeout=timeout):
            raise TokenError(f"no access token within {timeout:g} s: another is being fetched")
        try:
            if not self.is_fresh():
                self._fetch(ca, deadline)
            return self._token
        finally:
            self._lock.release()

    def _fetch(self, ca: str, deadline: _Deadline) -> None:
        asked = time.monotonic()
        answer = _fetch_token(self._grant, ca, deadline)
        self._token = answer["access_token"]
        lifetime = _USUAL_LIFETIME
        with contextlib.suppress(OverflowError, TypeError, ValueError):
            # Some spell it as a string.
            lifetime = float(answer.get("expires_in", ""))
        # What is sent must live until the relay has looked at it.
        self._end = asked + lifetime - min(_SPARE_LIFETIME, lifetime / 2)
        refresh_token = answer.get("refresh_token")
        if self._grant.refresh_token and refresh_token and isinstance(refresh_token, str):
            # The endpoint may have voided the former one (RFC 6749 section 6).
            self._grant = dataclasses.replace(self._grant, refresh_token=refresh_token)


# Seconds: where an endpoint does not say how long a token lives, and how long before its end it is
# not used any longer.
_USUAL_LIFETIME = 300.0
_SPARE_LIFETIME = 60.0

_KEPT: Dict[OAuthGrant, _Kept] = {}


def _kept(grant: OAuthGrant) -> _Kept:
    return _KEPT.setdefault(grant, _Kept(grant))


def _fetch_token(grant: OAuthGrant, ca: str, deadline: _Deadline) -> Mapping[str, Any]:
    """Return what the token endpoint answered, with a token in it (RFC 6749 section 5.1)."""
    import http.client  # noqa: PLC0415 - paid only where it is needed

    if not _is_https(grant.token_url):
        raise TokenError("token_url is no https URL")
    form = _token_form(grant, time.time())
    status, text, reason = 0, b"", ""
    try:
        status, text = _in_time(
            lambda: _post(grant.token_url, form, ca, deadline),
            deadline,
            "it did not answer in time",
        )
    except http.client.InvalidURL:
        # Its words quote the URL, in which a proxy's password may stand.
        reason = "the URL of it, or of a proxy, is none"
    except Exception as e:  # noqa: BLE001 - http.client has errors of many kinds
        reason = _without_secrets(str(getattr(e, "reason", e)), form) or type(e).__name__
    # Raised out here: what the errors came from holds the form, and that has the secret.
    if reason:
        raise TokenError(f"the token endpoint cannot be reached: {reason}")
    answer = _json_object(text)
    token = answer.get("access_token")
    if status == 200 and isinstance(token, str) and _is_token(token):  # noqa: PLR2004 - RFC 6749
        return answer
    raise TokenError(_refusal(status, answer, form))


def _refusal(status: int, answer: Mapping[str, Any], form: Mapping[str, str]) -> str:
    """Say in the endpoint's words (RFC 6749 section 5.2) why there is no token."""
    # Okta has the latter two where it does not know the client.
    names = ("error", "error_description", "errorCode", "errorSummary")
    said = [answer.get(name) for name in names]
    words = ": ".join(each for each in said if isinstance(each, str) and each)
    words = _without_secrets(words, form) or "without a reason"
    return f"the token endpoint gave no token (HTTP status {status}): {words}"


def _without_secrets(words: str, form: Mapping[str, str]) -> str:
    """Hide what was sent: an endpoint may repeat it, also percent-encoded."""
    import urllib.parse  # noqa: PLC0415 - paid only where it is needed

    sent = [form[name] for name in _SECRET_FIELDS & form.keys()]
    encoded = [urllib.parse.quote(each, safe="", errors="replace") for each in sent]
    # As the form had it.
    plus = [each.replace("%20", "+") for each in encoded]
    return _one_line(_hiding(words, [*sent, *encoded, *plus]))


_SECRET_FIELDS = frozenset({"assertion", "client_assertion", "client_secret", "refresh_token"})


def _is_https(url: str) -> bool:
    return url.lower().startswith("https://")


def _is_token(text: str) -> bool:
    """Tell whether it is visible ASCII, which is more than RFC 6750 section 2.1 has."""
    return bool(text) and all("!" <= character <= "~" for character in text)


def _token_form(grant: OAuthGrant, now: float) -> Dict[str, str]:
    """Return the fields to POST to the token endpoint, at a time in seconds since 1970."""
    scope = {"scope": grant.scope} if grant.scope else {}
    if grant.private_key and grant.subject and not grant.refresh_token:
        # Google reads the scope in the assertion.
        claims = {"sub": grant.subject, **scope}
        return {"grant_type": _JWT_GRANT, "assertion": _assertion(grant, now, claims)}
    form = {"client_id": grant.client_id, **scope}
    if grant.client_secret:
        form["client_secret"] = grant.client_secret
    if grant.refresh_token:
        return {**form, "grant_type": "refresh_token", "refresh_token": grant.refresh_token}
    if grant.private_key:
        form["client_assertion_type"] = _ASSERTION_TYPE
        form["client_assertion"] = _assertion(grant, now, {"sub": grant.client_id})
    return {**form, "grant_type": "client_credentials"}


_JWT_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
# Seconds; providers take an hour at the most, and clocks differ by some minutes.
_ASSERTION_LIFETIME = 300


def _assertion(grant: OAuthGrant, now: float, claims: Mapping[str, str]) -> str:
    """Sign an assertion (RFC 7523 section 3) as a JSON Web Signature (RFC 7515)."""
    payload = {
        "iss": grant.client_id,
        "aud": grant.token_url,
        "iat": int(now),
        "exp": int(now) + _ASSERTION_LIFETIME,
        "jti": os.urandom(16).hex(),
        **claims,
    }
    try:
        algorithm, sign = _signer(grant.private_key)
        header = {"alg": algorithm, "typ": "JWT", **_thumbprints(grant.certificate)}
        signed = ".".join(_base64url(json.dumps(part).encode()) for part in (header, payload))
        return f"{signed}.{_base64url(sign(signed.encode()))}"
    except ImportError:
        problem = "private-key needs the Python package cryptography: install it"
    except Exception:  # noqa: BLE001 - of whatever kind, it is no key
        problem = "private-key or certificate cannot be used: enter the PEM of an RSA or P-256 key"
    # Raised out here, for the parser's words may quote the key.
    raise TokenError(problem)


def _signer(private_key: str) -> Tuple[str, Callable[[bytes], bytes]]:
    """Return the name of the algorithm of RFC 7518 section 3.1, and what signs by it."""
    from cryptography.hazmat.primitives import (  # noqa: PLC0415 - few grants need it
        hashes,
        serialization,
    )
    from cryptography.hazmat.primitives.asymmetric import (  # noqa: PLC0415 - as above
        ec,
        padding,
        rsa,
        utils,
    )

    key = serialization.load_pem_private_key(private_key.encode(), None)
    if isinstance(key, rsa.RSAPrivateKey):
        return "RS256", lambda data: key.sign(data, padding.PKCS1v15(), hashes.SHA256())
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise TypeError

    def sign(data: bytes) -> bytes:
        # RFC 7518 section 3.4: two numbers of 32 octets.
        numbers = utils.decode_dss_signature(key.sign(data, ec.ECDSA(hashes.SHA256())))
        return b"".join(number.to_bytes(32, "big") for number in numbers)

    return "ES256", sign


def _thumbprints(certificate: str) -> Dict[str, str]:
    """Return what names a certificate (RFC 7515 sections 4.1.7 and 4.1.8)."""
    if not certificate:
        return {}
    import hashlib  # noqa: PLC0415 - paid only where it is needed

    from cryptography import x509  # noqa: PLC0415 - few grants need it
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - as above

    parsed = x509.load_pem_x509_certificate(certificate.encode())
    der = parsed.public_bytes(serialization.Encoding.DER)
    # A name is no protection, which with FIPS must be said; Python 3.8 knows no FIPS.
    purpose: Dict[str, Any] = {"usedforsecurity": False} if sys.version_info >= (3, 9) else {}
    return {
        "x5t": _base64url(hashlib.sha1(der, **purpose).digest()),  # noqa: S324 - as above
        "x5t#S256": _base64url(hashlib.sha256(der, **purpose).digest()),
    }


def _base64url(data: bytes) -> str:
    """RFC 7515 section 2: without padding."""
    import base64  # noqa: PLC0415 - paid only where it is needed

    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _post(url: str, form: Mapping[str, str], ca: str, deadline: _Deadline) -> Tuple[int, bytes]:
    """POST a form, and return the status and the body of the answer."""
    import ssl  # noqa: PLC0415 - paid only where it is needed
    import urllib.parse  # noqa: PLC0415 - as above
    import urllib.request  # noqa: PLC0415 - as above

    context = ssl.create_default_context()
    if ca:
        context.load_verify_locations(cadata=_cadata(ca))
        # As in `ssl_context`.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    # Without urllib's other handlers, no redirect is followed, and an error is an answer.
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(_proxies(urllib.parse.urlsplit(url).netloc)),
        urllib.request.HTTPSHandler(context=context),
    ):
        opener.add_handler(handler)
    data = urllib.parse.urlencode(form).encode()
    request = urllib.request.Request(url, data, {"Accept": "application/json"})  # noqa: S310 - https alone
    with opener.open(request, timeout=deadline.left()) as response:
        body = b""
        while len(body) < _LONGEST_ANSWER:
            part = response.read1(_LONGEST_ANSWER)
            if not part:
                break
            body += part
            deadline.left()
        return response.status, body


# Bytes; a token has some thousand.
_LONGEST_ANSWER = 1 << 17


def _proxies(host: str) -> Dict[str, str]:
    """Return the proxies for a host: the model's, which Juju tells hooks, or the environment's."""
    import urllib.request  # noqa: PLC0415 - paid only where it is needed

    model = os.environ.get("JUJU_CHARM_HTTPS_PROXY")
    if not model:
        return urllib.request.getproxies()
    direct = {"no": os.environ.get("JUJU_CHARM_NO_PROXY", "")}
    return {} if urllib.request.proxy_bypass(host, direct) else {"https": model}


def _base64(text: str) -> str:
    import base64  # noqa: PLC0415 - paid only where it is needed

    return base64.b64encode(_encoded(text)).decode()


def _encoded(text: str) -> bytes:
    # JSON, which secrets come in, may have half a pair of surrogates.
    return text.encode(errors="surrogatepass")


# What pydantic reads as true.
_TRUE = frozenset({"1", "on", "t", "true", "y", "yes"})


class SmtpDataAvailableEvent(ops.RelationEvent):
    """A relation carries a relay that can be read now, or one that changed.

    The properties read the relation when they are asked. Where an event was deferred, its relay
    may be gone by then, and `host` empty; the other required ones raise an error then. Call
    `SmtpRequires.read` there.
    """

    @property
    def _data(self) -> Mapping[str, str]:
        return self.relation.data[self.relation.app] if self.relation.app else {}

    @property
    def host(self) -> str:
        """Host name or IP address of the relay."""
        return self._data.get("host", "")

    @property
    def port(self) -> int:
        """TCP port of the relay."""
        # pydantic reads `25.0` as 25 too.
        return int(self._data["port"].partition(".")[0])

    @property
    def user(self) -> Optional[str]:
        """User of SMTP AUTH."""
        return self._data.get("user")

    @property
    def password(self) -> Optional[str]:
        """The databag's own password: None on the endpoint `smtp`, where a secret carries it."""
        return self._data.get("password")

    @property
    def password_id(self) -> Optional[str]:
        """URI of the secret whose content has the key `password`."""
        return self._data.get("password_id")

    @property
    def oauth_id(self) -> Optional[str]:
        """URI of the secret whose content is an `OAuthGrant`."""
        return self._data.get("oauth_id")

    @property
    def auth_type(self) -> AuthType:
        """How to authenticate."""
        return _member(AuthType, self._data["auth_type"])

    @property
    def transport_security(self) -> TransportSecurity:
        """How to protect the connection."""
        return _member(TransportSecurity, self._data["transport_security"])

    @property
    def domain(self) -> Optional[str]:
        """Domain of the envelope sender."""
        return self._data.get("domain")

    @property
    def skip_ssl_verify(self) -> bool:
        """Whether to skip the verification of certificates."""
        return self._data.get("skip_ssl_verify", "").lower() in _TRUE

    @property
    def smtp_sender(self) -> Optional[str]:
        """Address that notifications come from."""
        address = self._data.get("smtp_sender")
        return address and _ascii_address(address)

    @property
    def recipients(self) -> List[str]:
        """Addresses for notifications."""
        return [_ascii_address(each) for each in parse_recipients(self._data.get("recipients"))]

    @property
    def tls_ca_chain(self) -> Optional[str]:
        """PEM of the CA certificates that verify the relay."""
        return self._data.get("tls_ca_chain")


class SmtpDataRemovedEvent(ops.RelationEvent):
    """A relation is broken, or its provider withdrew the relay: drop its credentials."""


class SmtpRequiresEvents(ops.CharmEvents):
    """Events of the requirer's side.

    Attributes:
        smtp_data_available: Emitted with `SmtpDataAvailableEvent`.
        smtp_data_removed: Emitted with `SmtpDataRemovedEvent`, once for each removal.
    """

    smtp_data_available = ops.EventSource(SmtpDataAvailableEvent)
    smtp_data_removed = ops.EventSource(SmtpDataRemovedEvent)


class SmtpState(str, enum.Enum):
    """How far a requirer is from a relay it can use; later members are nearer.

    Attributes:
        NO_RELATION: Nothing is integrated.
        WAITING_FOR_PROVIDER: The provider has published nothing yet.
        INVALID: What the provider published cannot be read.
        WAITING_FOR_SECRET: A secret cannot be read, for want of its grant as a rule.
        READY: The relay is there.
    """

    NO_RELATION = "no relation"
    WAITING_FOR_PROVIDER = "waiting for the provider"
    INVALID = "invalid"
    WAITING_FOR_SECRET = "waiting for the secret"  # noqa: S105 - a state, and no password
    READY = "ready"


@dataclasses.dataclass(frozen=True)
class SmtpReading:
    """What one reading of a relation found, or why it found nothing.

    Attributes:
        state: How far the relation is.
        relation: The relation that was read; None without one.
        data: The relay, where the state is READY; otherwise None.
        invalid_fields: The fields that are wrong, sorted, where the state is INVALID.
        message: Why there is no relay, in words and without any value; empty where it is READY.
    """

    state: SmtpState
    relation: Optional[ops.Relation] = None
    data: Optional[SmtpRelationData] = None
    invalid_fields: Tuple[str, ...] = ()
    message: str = ""

    @property
    def status(self) -> ops.StatusBase:
        """The same as a status, for a charm that needs a relay, to hand to collect-status.

        It is active without a message where there is a relay, waiting for what comes by itself,
        and blocked for what an operator must mend.
        """
        if self.state == SmtpState.READY:
            return ops.ActiveStatus()
        if self.state in {SmtpState.NO_RELATION, SmtpState.INVALID}:
            return ops.BlockedStatus(self.message)
        return ops.WaitingStatus(self.message)


def choose(preferred: SmtpRequires, *others: SmtpRequires) -> SmtpReading:
    """Choose between endpoints, such as `smtp` and `smtp-legacy`, where a charm has several.

    Args:
        preferred: The endpoint to take the relay from, where it has one.
        others: The endpoints to take it from otherwise, in this order.

    Returns:
        The reading that is nearest to a relay; among equals, that of the first endpoint and there
        of the oldest relation.
    """
    return max((endpoint.read() for endpoint in (preferred, *others)), key=_nearness)


def _nearness(reading: SmtpReading) -> int:
    return [*SmtpState].index(reading.state)


class SmtpRequires(ops.Object):
    """The requirer's side: reads the relay, and emits events when it comes, changes or goes.

    `smtp_data_available` comes after each relation-changed with valid data, and after a
    secret-changed for a secret that the relation names. What could not be read then is read again
    at update-status, config-changed, secret-changed and leader-elected, and announced once it can
    be read, though it be the same as before. A newer revision of the secret is noticed at
    update-status too, because Juju does not tell of each across models. What an older revision of
    this library announced is taken note of at upgrade-charm. `smtp_data_removed` comes once, after
    the relation is broken or its data withdrawn. For this the unit's stored state keeps, per
    relation, whether data is pending and a salted digest of what was last announced.

    Args:
        charm: The charm that requires the relay.
        relation_name: Endpoint of the interface `smtp` in the charm's metadata.

    Attributes:
        on: Event source, with the events of `SmtpRequiresEvents` to observe.
        charm: The charm that requires the relay.
        relation_name: Endpoint of the interface `smtp` in the charm's metadata.
    """

    on = SmtpRequiresEvents()
    _stored = ops.StoredState()

    def __init__(self, charm: ops.CharmBase, relation_name: str = DEFAULT_RELATION_NAME) -> None:
        super().__init__(charm, relation_name)
        self.charm = charm
        self.relation_name = relation_name
        # Both are set while an event of ours is handled, and never longer.
        self._announced_secrets: Optional[Dict[str, Mapping[str, str]]] = None
        self._announced_broken: Optional[int] = None
        self._tracking = _Tracking.NEWEST
        relation = charm.on[relation_name]
        self.framework.observe(relation.relation_changed, self._on_relation_changed)
        self.framework.observe(relation.relation_broken, self._on_relation_broken)
        self.framework.observe(charm.on.secret_changed, self._on_secret_changed)
        self.framework.observe(charm.on.update_status, self._on_update_status)
        self.framework.observe(charm.on.upgrade_charm, self._on_upgrade_charm)
        for event in (charm.on.config_changed, charm.on.leader_elected):
            self.framework.observe(event, self._on_retry)

    def get_relation_data(self) -> Optional[SmtpRelationData]:
        """Read the relay of the endpoint's only relation, with its secret looked up.

        Returns:
            The relay, or None without a relation or without data in it.

        Raises:
            SecretError: If a secret that the relation names cannot be read.
            pydantic.ValidationError: If the data is invalid.
            ops.TooManyRelatedAppsError: If the endpoint has several relations.
        """
        relation = self.model.get_relation(self.relation_name)
        return self.get_relation_data_from_relation(relation) if relation else None

    def get_relation_data_from_relation(
        self, relation: ops.Relation
    ) -> Optional[SmtpRelationData]:
        """Read the relay of one relation, with its secret looked up.

        Args:
            relation: A relation of this endpoint.

        Returns:
            The relay, or None without data. Its `password` is the content of the newest revision
            of the secret behind `password_id`, where the databag has no password itself; its
            `oauth`, that of the secret behind `oauth_id`.

        Raises:
            SecretError: If a secret that the relation names cannot be read.
            pydantic.ValidationError: If the data is invalid.
        """
        databag = self._databag(relation)
        return _model()(**self._fields(databag)) if databag else None

    def read(self, relation: Optional[ops.Relation] = None) -> SmtpReading:
        """Read a relay, or learn why there is none.

        It never raises, whatever was published; only where Juju itself does not answer, ops does.

        Args:
            relation: A relation of this endpoint; without it, the one nearest to a relay is read,
                and among equals the oldest.

        Returns:
            The relay, with its secret looked up, or the reason.
        """
        if relation is not None and self._is_active(relation):
            return self._peek(relation)
        nothing = SmtpReading(
            SmtpState.NO_RELATION,
            message=f"{self.relation_name}: no relation; integrate it with a provider of smtp",
        )
        readings = [] if relation else self.read_all()
        return max(readings, key=_nearness, default=nothing)

    def read_all(self) -> List[SmtpReading]:
        """Read every relation of the endpoint, the oldest first; it raises as `read` does."""
        return [self._peek(relation) for relation in self._relations()]

    def _relations(self) -> List[ops.Relation]:
        relations = self.model.relations[self.relation_name]
        return sorted(filter(self._is_active, relations), key=lambda relation: relation.id)

    def _is_active(self, relation: ops.Relation) -> bool:
        """Tell whether a relation's data counts: in relation-broken it is there, and void."""
        broken = (self._announced_broken, _broken_in_this_hook())
        return getattr(relation, "active", True) and relation.id not in broken

    def _peek(self, relation: ops.Relation) -> SmtpReading:
        return self._read(relation, _Tracking.AS_BEFORE)

    def _read(self, relation: ops.Relation, tracking: _Tracking) -> SmtpReading:
        self._tracking = tracking
        try:
            return self._read_once(relation)
        finally:
            self._tracking = _Tracking.NEWEST

    def _read_once(self, relation: ops.Relation) -> SmtpReading:
        data = None
        try:
            if self._databag(relation):
                data = self.get_relation_data_from_relation(relation)
        except SecretError as e:
            message = f"no SMTP data from relation {relation.id} yet: {e}"
            return SmtpReading(SmtpState.WAITING_FOR_SECRET, relation, message=message)
        except Exception as e:  # noqa: BLE001 - tests put in the reader's place what raises anything
            return _invalid(relation, e)
        if data is None:
            message = f"no SMTP data from relation {relation.id} yet: nothing is published"
            return SmtpReading(SmtpState.WAITING_FOR_PROVIDER, relation, message=message)
        return SmtpReading(SmtpState.READY, relation, data)

    def _databag(self, relation: ops.Relation) -> Dict[str, str]:
        return dict(relation.data[relation.app]) if relation.app else {}

    def _fields(self, databag: Mapping[str, str]) -> Dict[str, Any]:
        """Return what a databag says, with its secrets looked up."""
        fields: Dict[str, Any] = {k: v for k, v in databag.items() if k != "oauth"}
        if databag.get("password_id") and not databag.get("password"):
            fields["password"] = self._read_password(databag["password_id"])
        if databag.get("oauth_id"):
            fields["oauth"] = self._read_grant(databag["oauth_id"])
        return fields

    def _read_password(self, password_id: str) -> str:
        content = self._content(password_id, "password_id")
        if "password" not in content:
            raise SecretError(
                f"the secret {_shown(password_id, 'password_id')} has no key 'password'"
            )
        return content["password"]

    def _read_grant(self, oauth_id: str) -> OAuthGrant:
        content = self._content(oauth_id, "oauth_id")
        problem = _problem_of_grant(content)
        if problem:
            raise SecretError(f"the secret {_shown(oauth_id, 'oauth_id')} {problem}")
        fields = [field.name for field in dataclasses.fields(OAuthGrant)]
        return OAuthGrant(**{name: content.get(name.replace("_", "-"), "") for name in fields})

    def _content(self, secret_id: str, key: str) -> Mapping[str, str]:
        """Return the newest content of the secret that a key of the databag names."""
        remembered = self._announced_secrets
        if remembered is not None and secret_id in remembered:
            return remembered[secret_id]
        content: Mapping[str, str] = {}
        error: Optional[Exception] = None
        try:
            content = self._read_secret(secret_id)
        except (ops.ModelError, OSError, RuntimeError) as e:
            # Juju 2.9 gives no hook a command to read secrets with. Of that, ops makes an OSError,
            # and in its older releases a RuntimeError.
            error = e
        if error is not None:
            # Raised out here, for Juju's words may quote what stands in the place of the ID.
            cause = error if _is_secret_id(secret_id) else None
            raise SecretError(f"cannot read the secret {_shown(secret_id, key)}") from cause
        if remembered is not None:
            remembered[secret_id] = content
        return content

    def _read_secret(self, secret_id: str) -> Mapping[str, str]:
        try:
            secret = self.model.get_secret(id=secret_id)
        except ops.ModelError:
            # ops reads the tracked revision first, which may be gone, and the newest there.
            content = _newest_revision(secret_id)
            if content is None:
                raise
            return content
        if self._tracking == _Tracking.TRACKED:
            return secret.get_content()
        if self._tracking == _Tracking.AS_BEFORE:
            return secret.peek_content()
        return secret.get_content(refresh=True)

    def _on_relation_changed(self, event: ops.RelationChangedEvent) -> None:
        self._look(event.relation, event.unit, told=True)

    def _on_relation_broken(self, event: ops.RelationBrokenEvent) -> None:
        self._pending().discard(event.relation.id)
        if self._announced().pop(event.relation.id, None) == _WITHDRAWN:
            return
        self._announced_broken = event.relation.id
        try:
            self._emit_removed(event.relation)
        finally:
            self._announced_broken = None

    def _on_secret_changed(self, event: ops.SecretChangedEvent) -> None:
        # Where Juju names an ID alone, ops puts our own model before it, and it may be another's.
        changed = os.environ.get("JUJU_SECRET_ID") or event.secret.id or ""
        for relation in self._relations():
            databag = self._databag(relation)
            names = [databag.get(key, "") for key in ("password_id", "oauth_id")]
            told = any(self._secret_uri_equal(changed, name) for name in names)
            if told or relation.id in self._pending():
                self._look(relation, told=told)

    def _on_upgrade_charm(self, _: ops.EventBase) -> None:
        for relation in self._relations():
            if relation.id not in self._announced():
                self._look(relation)

    def _on_update_status(self, _: ops.EventBase) -> None:
        for relation in self._relations():
            self._look(relation)

    def _on_retry(self, _: ops.EventBase) -> None:
        """Try again what could not be read: a grant, for one, comes without an event."""
        if self._pending():
            for relation in self._relations():
                if relation.id in self._pending():
                    self._look(relation)

    def _look(
        self, relation: ops.Relation, unit: Optional[ops.Unit] = None, *, told: bool = False
    ) -> None:
        """Read a relation and announce what is new.

        Args:
            relation: The relation.
            unit: The remote unit that the event names.
            told: Whether Juju told of a change, which is always announced and warned of.
        """
        # What is read for an event is not asked of Juju again while it is handled.
        self._announced_secrets = {}
        try:
            self._look_once(relation, unit, told=told)
        finally:
            self._announced_secrets = None

    def _look_once(self, relation: ops.Relation, unit: Optional[ops.Unit], *, told: bool) -> None:
        was_pending = relation.id in self._pending()
        if not (told or was_pending) and self._is_as_announced(relation):
            return
        is_announced = told or was_pending or relation.id in self._announced()
        # What an older revision of this library announced is what it tracked. A newer revision,
        # which is not announced now, is left to be told of.
        reading = self._read(relation, _Tracking.NEWEST if is_announced else _Tracking.TRACKED)
        if reading.state in _UNREADABLE:
            if told or not was_pending:
                logger.warning("%s", reading.message)
            if not was_pending:
                self._pending().add(relation.id)
            return
        if was_pending:
            self._pending().discard(relation.id)
        if reading.state == SmtpState.WAITING_FOR_PROVIDER:
            self._withdraw(relation)
        else:
            # A mock in the reader's place may have returned anything.
            password, grant = (getattr(reading.data, name, None) for name in ("password", "oauth"))
            secrets = _secrets_of(password, grant)
            self._announce(relation, secrets, unit, always=told or was_pending)

    def _is_as_announced(self, relation: ops.Relation) -> bool:
        """Tell whether a relation has what it last announced, without the cost of pydantic."""
        databag, last = self._databag(relation), self._announced().get(relation.id)
        if not databag or not last:
            return False
        try:
            fields = self._fields(databag)
        except SecretError:
            return False
        return _is_digest_of(
            databag, _secrets_of(fields.get("password"), fields.get("oauth")), last
        )

    def _announce(
        self, relation: ops.Relation, secrets: List[str], unit: Optional[ops.Unit], *, always: bool
    ) -> None:
        databag = self._databag(relation)
        last = self._announced().get(relation.id)
        is_new = last is None or not _is_digest_of(databag, secrets, last)
        if is_new:
            self._announced()[relation.id] = _digest(databag, secrets, os.urandom(16).hex())
        # A relation without a digest was announced by an older revision of this library.
        if always or (is_new and last is not None):
            _warn_if_insecure(databag)
            self.on.smtp_data_available.emit(relation, app=relation.app, unit=unit)

    def _withdraw(self, relation: ops.Relation) -> None:
        if self._announced().get(relation.id, _WITHDRAWN) != _WITHDRAWN:
            self._announced()[relation.id] = _WITHDRAWN
            self._emit_removed(relation)

    def _emit_removed(self, relation: ops.Relation) -> None:
        self.on.smtp_data_removed.emit(relation, app=relation.app, unit=None)

    def _pending(self) -> MutableSet[int]:
        """Return the IDs of the relations that could not be read, kept across hooks."""
        self._stored.set_default(pending=set())
        return cast("MutableSet[int]", self._stored.pending)

    def _announced(self) -> MutableMapping[int, str]:
        """Return the digest of what each relation last announced, kept across hooks."""
        self._stored.set_default(announced={})
        return cast("MutableMapping[int, str]", self._stored.announced)

    @staticmethod
    def _secret_uri_equal(left: str, right: str) -> bool:
        """Tell whether two spellings name one secret.

        `secret:ID`, `secret://MODEL/ID`, `secret:MODEL/ID` and a bare `ID` are equal where the
        IDs are, and the models too where both name one.
        """
        left_model, left_id = _split_secret_uri(left)
        right_model, right_id = _split_secret_uri(right)
        if left_model and right_model and left_model != right_model:
            return False
        return bool(left_id) and left_id == right_id


class _Tracking(enum.Enum):
    """Which revision of a secret is read, and which is tracked then.

    Juju tells of a newer revision until it is tracked.

    Attributes:
        NEWEST: The newest revision, which is tracked from then on.
        AS_BEFORE: The newest revision; what was tracked still is.
        TRACKED: The revision that is tracked.
    """

    NEWEST = enum.auto()
    AS_BEFORE = enum.auto()
    TRACKED = enum.auto()


_UNREADABLE = frozenset({SmtpState.INVALID, SmtpState.WAITING_FOR_SECRET})
# What stands in the place of a digest once the removal of a relation's data was announced.
_WITHDRAWN = ""


def _secrets_of(password: object, grant: object) -> List[str]:
    """Return the password of a relay and what its grant consists of."""
    return [
        password if isinstance(password, str) else "",
        *(dataclasses.astuple(grant) if isinstance(grant, OAuthGrant) else ()),
    ]


def _digest(databag: Mapping[str, str], secrets: List[str], salt: str) -> str:
    """Digest a relay with its secrets, so that a change is known and the secrets are not."""
    import hashlib  # noqa: PLC0415 - paid only where it is needed

    content = json.dumps([salt, databag, *secrets], sort_keys=True, default=str)
    return f"{salt}:{hashlib.sha256(content.encode()).hexdigest()}"


def _is_digest_of(databag: Mapping[str, str], secrets: List[str], digest: str) -> bool:
    return _digest(databag, secrets, digest.partition(":")[0]) == digest


def _problem_of_grant(content: Mapping[str, str]) -> str:
    """Say what the content of a secret lacks to be an `OAuthGrant`; nothing if it is one."""
    for key in ("token-url", "client-id"):
        if not content.get(key):
            return f"has no key '{key}'"
    if not _is_https(content["token-url"]):
        return "has a 'token-url' that is no https URL"
    if not any(content.get(key) for key in ("client-secret", "private-key", "refresh-token")):
        return "has none of the keys 'client-secret', 'private-key' and 'refresh-token'"
    return ""


def _broken_in_this_hook() -> Optional[int]:
    """Return the relation whose relation-broken runs: `ops.Relation.active` came with ops 2.10."""
    if not os.environ.get("JUJU_DISPATCH_PATH", "").endswith("-relation-broken"):
        return None
    relation_id = os.environ.get("JUJU_RELATION_ID", "").rpartition(":")[2]
    return int(relation_id) if relation_id.isdigit() else None


def _newest_revision(secret_id: str) -> Optional[Mapping[str, str]]:
    """Read a secret's newest revision and track it, by the hook command that ops has no call for.

    Returns:
        The content, or None where Juju refuses, or what is not an ID would go to a command line.
    """
    import subprocess  # noqa: PLC0415 - paid only where it is needed

    if not _is_secret_id(secret_id):
        return None
    command = ["secret-get", secret_id, "--refresh", "--format=json"]
    try:
        found = subprocess.run(command, capture_output=True, check=True)
        return json.loads(found.stdout)
    except (OSError, subprocess.SubprocessError, TypeError, ValueError):
        return None


def _split_secret_uri(uri: str) -> Tuple[str, str]:
    path = uri[len("secret:") :] if uri.startswith("secret:") else uri
    model, _, secret_id = path.lstrip("/").rpartition("/")
    return model, secret_id


def _shown(secret_id: str, key: str) -> str:
    """Return what may be shown of it: a provider may have put the secret itself there."""
    return secret_id if _is_secret_id(secret_id) else f"behind {key}"


def _is_secret_id(text: str) -> bool:
    import re  # noqa: PLC0415 - paid only where it is needed

    return bool(re.fullmatch(r"(secret:)?(//)?([0-9a-f-]{36}/)?[0-9a-v]{20}", text))


def _invalid(relation: ops.Relation, error: Exception) -> SmtpReading:
    """Name the fields that were refused, without their values."""
    fields = _refused_fields(error)
    ours = (ImportError, ops.ModelError)
    reason = str(error) if isinstance(error, ours) else type(error).__name__
    reason = ", ".join(fields) or reason
    message = f"invalid SMTP data in relation {relation.id}: {reason}"
    return SmtpReading(SmtpState.INVALID, relation, invalid_fields=fields, message=message)


def _refused_fields(error: Exception) -> Tuple[str, ...]:
    """Return the fields that pydantic refused, sorted; none where the error is another's."""
    with contextlib.suppress(ImportError):
        import pydantic  # noqa: PLC0415 - paid only where data is validated

        if isinstance(error, pydantic.ValidationError):
            return tuple(sorted({str(e["loc"][0]) for e in error.errors() if e["loc"]}))
    return ()


def _warn_if_insecure(databag: Mapping[str, str]) -> None:
    if databag.get("auth_type") == AuthType.NONE and not databag.get("oauth_id"):
        logger.warning('Insecure setting: auth_type has a value "none"')
    if databag.get("transport_security") == TransportSecurity.NONE:
        logger.warning('Insecure setting: transport_security has value "none"')


class SmtpProvides(ops.Object):
    """The provider's side: writes the relay into relations.

    Args:
        charm: The charm that provides the relay.
        relation_name: Endpoint of the interface `smtp` in the charm's metadata.

    Attributes:
        charm: The charm that provides the relay.
        relation_name: Endpoint of the interface `smtp` in the charm's metadata.
    """

    def __init__(self, charm: ops.CharmBase, relation_name: str = DEFAULT_RELATION_NAME) -> None:
        super().__init__(charm, relation_name)
        self.charm = charm
        self.relation_name = relation_name

    def publish(
        self,
        relation_data: Mapping[str, str],
        *,
        secret: Optional[ops.Secret] = None,
        relations: Optional[Iterable[ops.Relation]] = None,
    ) -> bool:
        """Write one relay into relations of the endpoint, where it differs.

        Args:
            relation_data: The databag, as `encode_relation_data` returns it; an empty one
                withdraws what was published.
            secret: The secret that `password_id` or `oauth_id` names; it is granted to the
                applications whose databag does not name it yet.
            relations: The relations to write into; without it, every one.

        Returns:
            Whether anything was written. A unit that is not the leader writes nothing.

        Raises:
            ops.ModelError: If Juju refuses the write or the grant.
        """
        if not self.charm.unit.is_leader():
            return False
        if relations is None:
            relations = self.model.relations[self.relation_name]
        written = [
            relation for relation in relations if self._write(relation, relation_data, secret)
        ]
        if written and relation_data:
            _warn_if_insecure(relation_data)
        return bool(written)

    def update_relation_data(self, relation: ops.Relation, smtp_data: SmtpRelationData) -> None:
        """Write a relay into one relation, replacing what we published there, if it differs.

        A unit that is not the leader writes nothing.

        Args:
            relation: A relation of this endpoint.
            smtp_data: The relay.

        Raises:
            ops.ModelError: If Juju refuses the write.
        """
        if not self.charm.unit.is_leader():
            return
        relation_data = smtp_data.to_relation_data()
        if self._write(relation, relation_data):
            _warn_if_insecure(relation_data)

    def _write(
        self,
        relation: ops.Relation,
        relation_data: Mapping[str, str],
        secret: Optional[ops.Secret] = None,
    ) -> bool:
        databag = relation.data[self.charm.app]
        published = dict(databag)
        # An empty string removes a key, so one write replaces the whole databag.
        wanted = {**dict.fromkeys(published, ""), **relation_data}
        changes = {k: v for k, v in wanted.items() if published.get(k, "") != v}
        if not changes:
            return False
        # A databag that names the secret has its grant, which came with it in one hook.
        if secret and (changes.get("password_id") or changes.get("oauth_id")):
            secret.grant(relation)
        databag.update(changes)
        return True

"""Send mail through the relay that an operator configured: the `smtp` interface, both sides.

A requirer learns the relay and reads it. `get_relation_data` looks up the password's secret:

    import ops
    from charms.smtp_integrator.v0 import smtp

    class NotifierCharm(ops.CharmBase):
        def __init__(self, framework: ops.Framework):
            super().__init__(framework)
            self.smtp = smtp.SmtpRequires(self)
            framework.observe(self.smtp.on.smtp_data_available, self._on_smtp_data_available)

        def _on_smtp_data_available(self, event: smtp.SmtpDataAvailableEvent):
            relay = self.smtp.get_relation_data_from_relation(event.relation)
            # relay.host, relay.port, relay.transport_security, relay.user, relay.password ...

A provider publishes one relay to each application that asks for it:

    class RelayCharm(ops.CharmBase):
        def __init__(self, framework: ops.Framework):
            super().__init__(framework)
            self.smtp = smtp.SmtpProvides(self)
            framework.observe(self.on.smtp_relation_created, self._on_smtp_relation_created)

        def _on_smtp_relation_created(self, event: ops.RelationCreatedEvent):
            self.smtp.update_relation_data(
                event.relation,
                smtp.SmtpRelationData(
                    host="smtp.example.com",
                    port=587,
                    auth_type=smtp.AuthType.NONE,
                    transport_security=smtp.TransportSecurity.STARTTLS,
                ),
            )

The wire format is the provider's application databag, of flat strings; the requirer writes
nothing. Readers ignore keys they do not know.

| key | present | value |
|---|---|---|
| `host` | always | host name or IP address |
| `port` | always | decimal |
| `auth_type` | always | `none`, `not_provided` or `plain` |
| `transport_security` | always | `none`, `starttls` or `tls` |
| `skip_ssl_verify` | always | `True` or `False` |
| `domain`, `user`, `smtp_sender` | if set | string |
| `password` | endpoint `smtp-legacy`, if set | the password in the clear |
| `password_id` | endpoint `smtp`, if set | URI of a secret whose content has the key `password` |
| `recipients` | if not empty | JSON list of addresses |
| `tls_ca_chain` | if set | PEM of the CA certificates that verify the relay |

Reading raises `SecretError` where the secret cannot be read and pydantic's `ValidationError` on
invalid data. The event handlers of this library raise neither: they log one warning, and emit
`smtp_data_available` as soon as the data can be read.
"""

from __future__ import annotations

import enum
import functools
import json
import logging
from typing import (
    TYPE_CHECKING,
    Any,
    Dict,
    Iterable,
    Iterator,
    List,
    Mapping,
    MutableSet,
    Optional,
    Tuple,
    Type,
    cast,
)

import ops

if TYPE_CHECKING:
    from pydantic import BaseModel as _ModelBase
else:
    _ModelBase = object

__all__ = [
    "DEFAULT_RELATION_NAME",
    "LEGACY_RELATION_NAME",
    "AuthType",
    "SecretError",
    "SmtpDataAvailableEvent",
    "SmtpError",
    "SmtpProvides",
    "SmtpRelationData",
    "SmtpRequires",
    "SmtpRequiresEvents",
    "TransportSecurity",
    "encode_relation_data",
    "parse_recipients",
    "recipients_validator",
]

LIBID = "09583c2f9c1d4c0f9a40244cfc20b0c2"
LIBAPI = 0
LIBPATCH = 22
PYDEPS = ["pydantic>=1.10,<3", "email-validator>=2"]

DEFAULT_RELATION_NAME = "smtp"
LEGACY_RELATION_NAME = "smtp-legacy"

logger = logging.getLogger(__name__)


class SmtpError(Exception):
    """Base of the errors that this library raises."""


class SecretError(SmtpError):
    """The secret behind `password_id` is absent, not granted, or has no key `password`."""


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
    try:
        items = json.loads(text)
    except (ValueError, RecursionError):
        # The parser's message quotes the text, and a password may stand in a wrong option.
        raise ValueError("recipients are malformed JSON") from None
    if not isinstance(items, list):
        raise ValueError("recipients are JSON but not a list")  # noqa: TRY004
    return cast("List[Any]", items)


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
    password: Optional[str] = None,
    password_id: Optional[str] = None,
    recipients: Iterable[str] = (),
    skip_ssl_verify: Optional[bool] = False,
    smtp_sender: Optional[str] = None,
    tls_ca_chain: Optional[str] = None,
    user: Optional[str] = None,
) -> Dict[str, str]:
    """Write a relay as the databag that every requirer in the field reads.

    Args:
        host: Host name or IP address of the relay.
        port: TCP port of the relay.
        auth_type: A member or value of `AuthType`.
        transport_security: A member or value of `TransportSecurity`.
        domain: Domain of the envelope sender.
        password: The password in the clear; left out, with a warning, where `password_id` is
            given too.
        password_id: URI of the secret whose content has the key `password`.
        recipients: Addresses for notifications.
        skip_ssl_verify: Whether requirers skip the verification of certificates.
        smtp_sender: Address that notifications come from.
        tls_ca_chain: PEM of the CA certificates that verify the relay.
        user: User of SMTP AUTH.

    Returns:
        The databag, without keys for what is empty or None.

    Raises:
        ValueError: If `auth_type` or `transport_security` is not a value of its enumeration.
    """
    if password and password_id:
        logger.warning("password and password_id are both given: only password_id is published")
        password = None
    addresses = list(recipients)
    databag = {
        "host": host,
        "port": str(port),
        "auth_type": AuthType(auth_type).value,
        "transport_security": TransportSecurity(transport_security).value,
        "skip_ssl_verify": str(bool(skip_ssl_verify)),
        "domain": domain,
        "user": user,
        "password": password,
        "password_id": password_id,
        "smtp_sender": smtp_sender,
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

    def to_relation_data(self) -> Dict[str, str]:
        """Return the databag of this relay, as `encode_relation_data` writes it."""
        return encode_relation_data(**dict(self))

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
    del SmtpRelationData


def __getattr__(name: str) -> Any:  # noqa: ANN401 - PEP 562
    if name == "SmtpRelationData":
        return _model()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


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
    if not _is_pydantic_1():
        body["model_config"] = {"hide_input_in_errors": True}
    metaclass: Any = type(pydantic.BaseModel)
    return metaclass("SmtpRelationData", (pydantic.BaseModel,), body)


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


def _check_address(address: str) -> str:
    """Validate as pydantic's `EmailStr` does, which would need email-validator at import."""
    import pydantic  # noqa: PLC0415 - paid only where data is validated

    try:
        return pydantic.validate_email(address)[1]
    except ImportError as e:
        raise ImportError("addresses need the package email-validator; install it") from e


class SmtpDataAvailableEvent(ops.RelationEvent):
    """A relation carries a relay that can be read now, or one that changed."""

    @property
    def _data(self) -> Mapping[str, str]:
        return self.relation.data[self.relation.app]

    @property
    def host(self) -> str:
        """Host name or IP address of the relay."""
        return self._data["host"]

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
    def auth_type(self) -> AuthType:
        """How to authenticate."""
        return AuthType(self._data["auth_type"])

    @property
    def transport_security(self) -> TransportSecurity:
        """How to protect the connection."""
        return TransportSecurity(self._data["transport_security"])

    @property
    def domain(self) -> Optional[str]:
        """Domain of the envelope sender."""
        return self._data.get("domain")

    @property
    def skip_ssl_verify(self) -> bool:
        """Whether to skip the verification of certificates."""
        return self._data.get("skip_ssl_verify", "").strip().lower() == "true"

    @property
    def smtp_sender(self) -> Optional[str]:
        """Address that notifications come from."""
        return self._data.get("smtp_sender")

    @property
    def recipients(self) -> List[str]:
        """Addresses for notifications."""
        return parse_recipients(self._data.get("recipients"))

    @property
    def tls_ca_chain(self) -> Optional[str]:
        """PEM of the CA certificates that verify the relay."""
        return self._data.get("tls_ca_chain")


class SmtpRequiresEvents(ops.CharmEvents):
    """Events of the requirer's side.

    Attributes:
        smtp_data_available: Emitted with `SmtpDataAvailableEvent`.
    """

    smtp_data_available = ops.EventSource(SmtpDataAvailableEvent)


class SmtpRequires(ops.Object):
    """The requirer's side: reads the relay, and emits an event when it can be read or changed.

    Args:
        charm: The charm that requires the relay.
        relation_name: Endpoint of the interface `smtp` in the charm's metadata.

    Attributes:
        on: Event source; `on.smtp_data_available` is the event to observe.
        charm: The charm that requires the relay.
        relation_name: Endpoint of the interface `smtp` in the charm's metadata.
    """

    on = SmtpRequiresEvents()
    _stored = ops.StoredState()

    def __init__(self, charm: ops.CharmBase, relation_name: str = DEFAULT_RELATION_NAME) -> None:
        super().__init__(charm, relation_name)
        self.charm = charm
        self.relation_name = relation_name
        relation_changed = charm.on[relation_name].relation_changed
        self.framework.observe(relation_changed, self._on_relation_changed)
        self.framework.observe(charm.on.secret_changed, self._on_secret_changed)
        for event in (charm.on.update_status, charm.on.config_changed, charm.on.leader_elected):
            self.framework.observe(event, self._on_retry)

    def get_relation_data(self) -> Optional[SmtpRelationData]:
        """Read the relay of the endpoint's only relation, with the password looked up.

        Returns:
            The relay, or None without a relation or without data in it.

        Raises:
            SecretError: If the password's secret cannot be read.
            pydantic.ValidationError: If the data is invalid.
            ops.TooManyRelatedAppsError: If the endpoint has several relations.
        """
        relation = self.model.get_relation(self.relation_name)
        return self.get_relation_data_from_relation(relation) if relation else None

    def get_relation_data_from_relation(
        self, relation: ops.Relation
    ) -> Optional[SmtpRelationData]:
        """Read the relay of one relation, with the password looked up.

        Args:
            relation: A relation of this endpoint.

        Returns:
            The relay, or None without data. Its `password` is the content of the newest revision
            of the secret behind `password_id`, where the databag has no password itself.

        Raises:
            SecretError: If the password's secret cannot be read.
            pydantic.ValidationError: If the data is invalid.
        """
        databag = self._databag(relation)
        if not databag:
            return None
        if databag.get("password_id") and not databag.get("password"):
            databag["password"] = self._read_password(databag["password_id"])
        return _model()(**cast("Any", databag))

    def _databag(self, relation: ops.Relation) -> Dict[str, str]:
        return dict(relation.data[relation.app]) if relation.app else {}

    def _read_password(self, password_id: str) -> str:
        try:
            secret = self.model.get_secret(id=password_id)
            return secret.get_content(refresh=True)["password"]
        except ops.ModelError as e:
            raise SecretError(f"cannot read the secret {password_id}") from e
        except KeyError:
            raise SecretError(f"the secret {password_id} has no key 'password'") from None

    def _on_relation_changed(self, event: ops.RelationChangedEvent) -> None:
        self._emit(event.relation, event.unit)

    def _on_secret_changed(self, event: ops.SecretChangedEvent) -> None:
        changed = event.secret.id or ""
        for relation in self.model.relations[self.relation_name]:
            password_id = self._databag(relation).get("password_id", "")
            if self._secret_uri_equal(changed, password_id) or relation.id in self._unread():
                self._emit(relation)

    def _on_retry(self, _: ops.EventBase) -> None:
        """Try again what could not be read: a grant, for one, comes without an event."""
        for relation in self.model.relations[self.relation_name]:
            if relation.id in self._unread():
                self._emit(relation)

    def _emit(self, relation: ops.Relation, unit: Optional[ops.Unit] = None) -> None:
        self._unread().discard(relation.id)
        try:
            data = self.get_relation_data_from_relation(relation)
        except SecretError as e:
            logger.warning("no SMTP data from relation %s yet: %s", relation.id, e)
            self._unread().add(relation.id)
            return
        except ValueError as e:
            logger.warning("invalid SMTP data in relation %s: %s", relation.id, _invalid_fields(e))
            return
        if data is not None:
            _warn_if_insecure(data.auth_type, data.transport_security)
            self.on.smtp_data_available.emit(relation, app=relation.app, unit=unit)

    def _unread(self) -> MutableSet[int]:
        """Return the IDs of the relations whose secret could not be read, kept across hooks."""
        self._stored.set_default(unread=set())
        return cast("MutableSet[int]", self._stored.unread)

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


def _split_secret_uri(uri: str) -> Tuple[str, str]:
    path = uri[len("secret:") :] if uri.startswith("secret:") else uri
    model, _, secret_id = path.lstrip("/").rpartition("/")
    return model, secret_id


def _invalid_fields(error: ValueError) -> str:
    """Name the fields that pydantic refused, without their values."""
    errors: List[Dict[str, Any]] = getattr(error, "errors", list)()
    return ", ".join(sorted({str(e["loc"][0]) for e in errors}))


def _warn_if_insecure(auth_type: str, transport_security: str) -> None:
    if auth_type == AuthType.NONE:
        logger.warning('Insecure setting: auth_type has a value "none"')
    if transport_security == TransportSecurity.NONE:
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
        self, relation_data: Mapping[str, str], *, secret: Optional[ops.Secret] = None
    ) -> bool:
        """Write one relay into every relation of the endpoint, where it differs.

        Args:
            relation_data: The databag, as `encode_relation_data` returns it.
            secret: The secret that `password_id` names; it is granted to the applications whose
                databag does not name it yet.

        Returns:
            Whether anything was written. A unit that is not the leader writes nothing.

        Raises:
            ops.ModelError: If Juju refuses the write or the grant.
        """
        if not self.charm.unit.is_leader():
            return False
        written = [
            relation
            for relation in self.model.relations[self.relation_name]
            if self._write(relation, relation_data, secret)
        ]
        if written:
            _warn_if_insecure(relation_data["auth_type"], relation_data["transport_security"])
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
        if self._write(relation, smtp_data.to_relation_data()):
            _warn_if_insecure(smtp_data.auth_type, smtp_data.transport_security)

    def _write(
        self,
        relation: ops.Relation,
        relation_data: Mapping[str, str],
        secret: Optional[ops.Secret] = None,
    ) -> bool:
        databag = relation.data[self.charm.app]
        published = dict(databag)
        if published == relation_data:
            return False
        if secret and published.get("password_id") != relation_data["password_id"]:
            secret.grant(relation)
        # An empty string removes a key, so one write replaces the whole databag.
        databag.update({**dict.fromkeys(published, ""), **relation_data})
        return True

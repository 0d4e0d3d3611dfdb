"""What the forwarder is told: its configuration and its rules, read from files and checked."""

import dataclasses
import hashlib
import ipaddress
import pathlib
import socket
import ssl
import stat
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import yaml

from forwarder import addresses, documents
from forwarder.aliases import Aliases
from forwarder.rules import MailingList, RuleDocument, Rules

if TYPE_CHECKING:
    from smtp_oauth import Grant

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Endpoint = tuple[str, int]

_TEXT: Mapping[str, Any] = {"type": "string"}
_LINE = {"type": "string", "format": "line"}
_FILE = {"type": "string", "minLength": 1}
_ADDRESS = {"type": "string", "format": "address"}
_ENDPOINT = {"type": "string", "format": "endpoint"}
_NETWORKS = {"type": "array", "items": {"type": "string", "format": "network"}}
_COUNT = {"type": "integer", "minimum": 1}
_SECONDS = {"type": "number", "exclusiveMinimum": 0}


def _mapping(properties: Mapping[str, Any], *required: str) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


_UPSTREAM = _mapping(
    {
        "host": {"type": "string", "minLength": 1, "format": "line"},
        "port": {"type": "integer", "minimum": 1, "maximum": 65535},
        "transport_security": {"enum": ["none", "starttls", "tls"]},
        "user": _TEXT,
        "password": _TEXT,
        "oauth": {"type": ["object", "null"], "additionalProperties": _TEXT},
        "ca": _TEXT,
        "https_proxy": _TEXT,
        "no_proxy": _TEXT,
        "verify": {"type": "boolean"},
        "connections": _COUNT,
        "idle_seconds": _SECONDS,
        "timeout_seconds": _SECONDS,
    },
    "host",
)
_LIMITS = _mapping(
    {
        "message_size": _COUNT,
        "recipients": _COUNT,
        "connections": _COUNT,
        "connections_per_client": _COUNT,
        "command_seconds": _SECONDS,
    }
)
_SCHEMA = _mapping(
    {
        "queue": _FILE,
        "listen": {"type": "array", "items": _ENDPOINT, "minItems": 1},
        "hostname": {"type": "string", "format": "domain"},
        "tls": _mapping({"certificate": _FILE, "key": _FILE}, "certificate", "key"),
        "allowed_networks": _NETWORKS,
        "clients": {
            "type": "object",
            "additionalProperties": _mapping(
                {"password": {"type": "string", "minLength": 1}, "networks": _NETWORKS},
                "password",
            ),
        },
        "limits": _LIMITS,
        "upstream": _UPSTREAM | {"type": ["object", "null"]},
        "when_unconfigured": {"enum": ["queue", "refuse"]},
        "wait_seconds": _SECONDS,
        "retry_seconds": {"type": "array", "items": _SECONDS, "minItems": 1},
        "expire_seconds": _SECONDS,
        "administrator": {"anyOf": [{"const": ""}, _ADDRESS]},
        "rules": _FILE,
        "metrics": {"type": "string", "format": "loopback"},
        "report": _FILE,
    },
    "queue",
    "listen",
)
_RULES = _mapping(
    {
        "domains": {"type": "array", "items": {"type": "string", "format": "domain"}},
        "others": {"enum": ["pass", "refuse"]},
        "aliases": {
            "type": "object",
            "propertyNames": _ADDRESS,
            "additionalProperties": {"type": "array", "items": _ADDRESS},
        },
        "lists": {
            "type": "object",
            "propertyNames": _ADDRESS,
            "additionalProperties": _mapping(
                {
                    "to": {"type": "array", "items": _ADDRESS},
                    "subject_prefix": _LINE,
                    "sender": _ADDRESS,
                    "id": _LINE,
                    "unsubscribe": _LINE,
                    "help": _LINE,
                },
                "to",
            ),
        },
        "sender": _ADDRESS,
    }
)


class ConfigurationError(Exception):
    """Files are wrong; each problem is a line `FILE:LINE: key: what to do`."""

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclasses.dataclass(frozen=True, kw_only=True)
class Upstream:
    """The relay that everything goes to. Without a `user` there is no AUTH.

    With `oauth` a token of OAuth 2.0 takes the place of the password, and `ca` verifies the token
    endpoint too, which is reached through `https_proxy`.
    """

    host: str
    port: int = 25
    transport_security: str = "none"
    user: str = ""
    password: str = dataclasses.field(default="", repr=False)
    oauth: "Grant | None" = None
    ca: str = ""
    https_proxy: str = dataclasses.field(default="", repr=False)
    no_proxy: str = ""
    verify: bool = True
    connections: int = 8
    idle_seconds: float = 30
    timeout_seconds: float = 60

    @property
    def name(self) -> str:
        """The relay as the log names it."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def proxies(self) -> Mapping[str, str] | None:
        """The way to the token endpoint; None where it is the environment's."""
        return {"https": self.https_proxy, "no": self.no_proxy} if self.https_proxy else None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Limits:
    """What one client may take of the machine."""

    message_size: int = 2**25
    recipients: int = 1000
    connections: int = 200
    connections_per_client: int = 50
    command_seconds: float = 300


@dataclasses.dataclass(frozen=True, kw_only=True)
class Client:
    """A client's password, and the networks where it is valid; empty: everywhere."""

    password: str = dataclasses.field(repr=False)
    networks: tuple[Network, ...] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Configuration:
    """All settings, checked; the reference of the configuration file says what each means."""

    queue: pathlib.Path
    listen: tuple[Endpoint, ...]
    hostname: str = dataclasses.field(default_factory=socket.getfqdn)
    tls: ssl.SSLContext | None = None
    allowed_networks: tuple[Network, ...] = ()
    clients: Mapping[str, Client] = dataclasses.field(default_factory=dict[str, Client])
    limits: Limits = dataclasses.field(default_factory=Limits)
    upstream: Upstream | None = None
    when_unconfigured: str = "queue"
    wait_seconds: float = 10
    retry_seconds: tuple[float, ...] = (300, 900, 1800, 3600, 7200)
    expire_seconds: float = 432000
    administrator: str = ""
    rules: Rules = dataclasses.field(default_factory=Rules)
    metrics: Endpoint | None = None
    report: pathlib.Path | None = None
    digest: str = ""


def load(path: pathlib.Path, own_rules: Rules | None = None) -> Configuration:
    """Read a configuration file and the files that it names.

    Args:
        path: the configuration file.
        own_rules: rules in the place of those that the configuration names.

    Raises:
        ConfigurationError: if any of them is wrong.
    """
    document = _read(path, _SCHEMA)
    data = document.data
    folder = path.parent
    _check_mode(path, data)
    given_rules = folder / data["rules"] if "rules" in data else None
    try:
        return Configuration(
            **{key: data[key] for key in _PLAIN if key in data},
            queue=folder / data["queue"],
            listen=tuple(map(endpoint, data["listen"])),
            tls=_server_tls(folder, data["tls"]) if "tls" in data else None,
            allowed_networks=_networks(data.get("allowed_networks", [])),
            clients={user: _client(one) for user, one in data.get("clients", {}).items()},
            limits=Limits(**data.get("limits", {})),
            upstream=_upstream(path, document) if data.get("upstream") else None,
            retry_seconds=tuple(data.get("retry_seconds", Configuration.retry_seconds)),
            rules=own_rules or (load_rules(given_rules) if given_rules else Rules()),
            metrics=endpoint(data["metrics"]) if "metrics" in data else None,
            report=folder / data["report"] if "report" in data else None,
            digest=digest(path),
        )
    except (OSError, ssl.SSLError) as error:
        problem = document.problem(("tls",), f"the certificate cannot be used: {error.strerror}")
        raise ConfigurationError(f"{path}:{problem}") from None


_PLAIN = (
    "hostname",
    "when_unconfigured",
    "wait_seconds",
    "expire_seconds",
    "administrator",
)


def load_rules(path: pathlib.Path) -> Rules:
    """Read a file of rules; an empty one has none.

    Raises:
        ConfigurationError: if it is wrong.
    """
    document = _read(path, _RULES)
    data = document.data
    _check_rules(path, document)
    lists: dict[str, MailingList] = {
        address: _mailing_list(one) for address, one in data.get("lists", {}).items()
    }
    sender = data.get("sender", "keep")
    return Rules(
        RuleDocument(
            domains=frozenset(data.get("domains", [])),
            others_pass=data.get("others", "pass") == "pass",
            aliases={key: tuple(to) for key, to in data.get("aliases", {}).items()},
            lists=lists,
            sender="" if sender == "keep" else sender,
        )
    )


def digest(path: pathlib.Path) -> str:
    """Return what tells one configuration, with its rules, from another: SHA-256.

    Raises:
        OSError: if a file cannot be read.
    """
    content = path.read_bytes()
    data: dict[str, Any] = yaml.safe_load(content) or {}
    if "rules" in data:
        content += (path.parent / data["rules"]).read_bytes()
    return hashlib.sha256(content).hexdigest()


def endpoint(text: str) -> Endpoint:
    """Split `HOST:PORT` or `[ADDRESS]:PORT`.

    Raises:
        ValueError: if it is neither.
    """
    if not documents.is_endpoint(text):
        raise ValueError(f"{text} is not HOST:PORT")
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)


def shown(one: Endpoint) -> str:
    """Return an endpoint as it is written in a configuration."""
    host, port = one
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _read(path: pathlib.Path, schema: Mapping[str, Any]) -> documents.Document:
    try:
        return documents.Document(path.read_text(encoding="utf-8"), schema)
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"{path}: is not text in UTF-8") from None
    except documents.DocumentError as error:
        raise ConfigurationError(*(f"{path}:{problem}" for problem in error.problems)) from None


def _check_mode(path: pathlib.Path, data: Mapping[str, Any]) -> None:
    upstream: dict[str, Any] = data.get("upstream") or {}
    secret = data.get("clients") or upstream.get("password") or upstream.get("oauth")
    if secret and path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ConfigurationError(f"{path}: holds passwords that others may read; chmod 600 {path}")


def _upstream(path: pathlib.Path, document: documents.Document) -> Upstream:
    fields: dict[str, Any] = {**document.data["upstream"]}
    content = fields.pop("oauth", None)
    if not content:
        return Upstream(**fields)
    # Who speaks no OAuth does without the package.
    from smtp_oauth import Grant, GrantError  # noqa: PLC0415

    problems: list[documents.Problem] = []
    if not fields.get("user"):
        problems.append(document.problem(("upstream", "user"), "name the mailbox, for oauth"))
    if fields.get("password"):
        problems.append(document.problem(("upstream", "password"), "keep it or oauth, not both"))
    try:
        fields["oauth"] = Grant.of(content)
    except GrantError as error:
        problems += [document.problem(("upstream", "oauth"), one) for one in error.problems]
    if problems:
        raise ConfigurationError(*(f"{path}:{problem}" for problem in problems))
    return Upstream(**fields)


def _check_rules(path: pathlib.Path, document: documents.Document) -> None:
    """Refuse what the schema cannot see: a list is a last stop, and has one meaning."""
    aliases: dict[str, Any] = document.data.get("aliases", {})
    lists: dict[str, Any] = document.data.get("lists", {})
    names = {addresses.folded(name) for name in lists}
    problems = [
        document.problem(("lists", name), "is an alias too; keep one of them")
        for name in lists
        if addresses.folded(name) in set(map(addresses.folded, aliases))
    ]
    places = {("aliases", key): to for key, to in aliases.items()}
    places |= {("lists", key, "to"): one["to"] for key, one in lists.items()}
    problems += [
        document.problem((*place, index), "is a list; name its members")
        for place, to in places.items()
        for index, target in enumerate(to)
        if addresses.folded(target) in names
    ]
    followed = Aliases({key: tuple(to) for key, to in aliases.items()})
    problems += [
        document.problem(
            place, "stands for aliases in too many ways; name the addresses themselves"
        )
        for place, to in (places | {("aliases", key): [key] for key in aliases}).items()
        if not followed.can_follow(to)
    ]
    if problems:
        raise ConfigurationError(*(f"{path}:{problem}" for problem in problems))


def _mailing_list(data: dict[str, Any]) -> MailingList:
    values: dict[str, Any] = {**data, "to": tuple(data["to"])}
    return MailingList(**values)


def _networks(texts: list[str]) -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(text, strict=False) for text in texts)


def _client(data: Mapping[str, Any]) -> Client:
    return Client(password=data["password"], networks=_networks(data.get("networks", [])))


def _server_tls(folder: pathlib.Path, data: Mapping[str, str]) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / data["certificate"], folder / data["key"])
    return context

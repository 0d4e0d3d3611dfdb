"""What the operator configured, validated: every rule and its message.

`read` turns the charm's configuration into a `Relay`, or raises `InvalidConfigError` with all that
is wrong at once. Of rejected values only the port and a secret's ID are quoted, because a password
ends up in the wrong option sooner or later.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import re
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import address
import ca_chain
import credential
import hostname
import user_secret
from problem import Problem

if TYPE_CHECKING:
    import smtp_oauth

AUTH_TYPES = ("none", "not_provided", "plain", "oauth2")
TRANSPORT_SECURITIES = ("none", "starttls", "tls")

_WITH_USER = ("plain", "oauth2")

# RFC 1123 section 2.1, and the underscore that names in the field have.
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)", re.IGNORECASE)
# RFC 1035 section 2.3.4: 255 octets on the wire are 253 characters in writing.
_MAX_NAME_LENGTH = 253
_MAX_PORT = 65535
# Juju gets a status as one argument of a command, for which Linux has 128 KiB.
_MAX_PROBLEMS = 5

ReadSecret: TypeAlias = Callable[[str], "Mapping[str, str] | user_secret.Unreadable"]
"""Reads the user's secret of an ID, or says why it cannot be read."""


class InvalidConfigError(ValueError):
    """The configuration is wrong.

    Attributes:
        problems: Each names the option, why it is wrong, and the remedy; in the order of the
            options in config.yaml.
    """

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


@dataclasses.dataclass(frozen=True)
class Relay:
    """A mail relay that requirers can use.

    Attributes:
        host: Host name, in ASCII and without a dot at its end, or IP address.
        shown_host: The host as the operator wrote it, for messages.
        port: TCP port, 1 to 65535.
        user: User of SMTP AUTH, or None.
        password: Password of SMTP AUTH, or None; always None with auth_type=oauth2.
        oauth: What fetches tokens for SMTP AUTH; None without auth_type=oauth2.
        auth_type: One of `AUTH_TYPES`.
        transport_security: One of `TRANSPORT_SECURITIES`.
        domain: Domain of the envelope sender, in ASCII, or None.
        skip_ssl_verify: Whether requirers skip the verification of certificates.
        smtp_sender: Address that notifications come from, or None.
        recipients: Addresses for notifications, each once.
        tls_ca_chain: PEM of the CA certificates that verify the relay, or None.
        check_relay: Whether the integrator checks the relay by itself.
        notes: What was dropped or may not be meant in user and password, in sentences.
    """

    host: str
    shown_host: str
    port: int
    user: str | None
    password: str | None = dataclasses.field(repr=False)
    oauth: smtp_oauth.Grant | None
    auth_type: str
    transport_security: str
    domain: str | None
    skip_ssl_verify: bool
    smtp_sender: str | None
    recipients: tuple[str, ...]
    tls_ca_chain: str | None
    check_relay: bool = False
    notes: tuple[str, ...] = ()

    @property
    def serves_one(self) -> bool:
        """Whether one application alone can authenticate: two would void each other's token."""
        return self.oauth is not None and bool(self.oauth.refresh_token)

    @property
    def warnings(self) -> list[str]:
        """What is unwise, though it can work, in sentences for the log."""
        encrypted = self.transport_security != "none"
        authenticated = self.auth_type in _WITH_USER
        credentials = self.user or self.password
        sent = "token" if self.auth_type == "oauth2" else "password"
        unwise = {
            f"auth_type={self.auth_type} with transport_security=none: "
            f"the {sent} travels in the clear": authenticated and not encrypted,
            f"auth_type={self.auth_type}: user and password are published, but requirers attempt "
            "no AUTH; set auth_type=plain if the relay wants it": (
                credentials and not authenticated
            ),
            "skip_ssl_verify has no effect with transport_security=none": (
                self.skip_ssl_verify and not encrypted
            ),
            "the relay has neither TLS nor AUTH: anyone on the network can read and send mail": (
                not encrypted and not authenticated
            ),
        }
        return [sentence for sentence, applies in unwise.items() if applies] + [*self.notes]


@dataclasses.dataclass(frozen=True)
class _Inputs:
    options: Mapping[str, Any]
    application: str
    parse_recipients: Callable[[str], Iterable[object]]
    read_secret: ReadSecret
    authorities: Iterable[str]
    notes: list[str] = dataclasses.field(default_factory=list[str])

    def __getitem__(self, option: str) -> Any:  # noqa: ANN401 - an option has the type Juju checked
        return self.options.get(option)

    def secret(self, option: str) -> Mapping[str, str]:
        """Return the content of the user's secret that an option names."""
        entered = self[option]
        found = self.read_secret(entered)
        return user_secret.content(found, entered=entered, application=self.application)

    def note(self, option: str, entered: credential.Credential, remedy: str) -> None:
        """Note what was left out of an option's value, and what may not be meant."""
        if entered.dropped:
            self.notes.append(f"{option}: {entered.dropped} were dropped; {remedy} without them")
        if entered.is_doubtful:
            self.notes.append(
                f"{option}: has blanks around it or several lines, and they are kept; "
                f"if they are not meant, {remedy} without them"
            )


def read(
    config: Mapping[str, bool | float | str],
    *,
    application: str,
    parse_recipients: Callable[[str], Iterable[object]],
    read_secret: ReadSecret,
    authorities: Iterable[str] = (),
) -> Relay:
    """Validate the configuration.

    Args:
        config: The charm's options; an empty string counts as unset.
        application: The deployed application's name, for the commands in messages.
        parse_recipients: Splits the option `recipients`; raises ValueError where it cannot.
        read_secret: Reads the secret that `password_secret` or `oauth_secret` names, where it is
            used: with auth_type=oauth2 no password is, and no grant without it.
        authorities: CA certificates that the model offers, as PEM, in the order in which they
            follow those of `tls_ca_chain`.

    Returns:
        The relay, with the password from `password_secret` or else from `password`.

    Raises:
        InvalidConfigError: If requirers could not use the relay.
    """
    options = {name: value for name, value in config.items() if value != ""}
    inputs = _Inputs(options, application, parse_recipients, read_secret, authorities)
    fields: dict[str, Any] = {}
    problems: list[str] = []
    for option, check in _CHECKS.items():
        try:
            fields[option] = check(inputs)
        except Problem as e:
            problems.append(f"{option}: {e}")
    if problems:
        raise InvalidConfigError(problems)
    secret_password = fields.pop("password_secret")
    fields["password"] = secret_password or fields["password"]
    fields["oauth"] = fields.pop("oauth_secret")
    return Relay(**fields, shown_host=inputs["host"], notes=tuple(inputs.notes))


def _host(inputs: _Inputs) -> str:
    host = inputs["host"]
    if not host:
        raise Problem(f"not set; run 'juju config {inputs.application} host=NAME'")
    if _is_ip_address(host):
        return host
    return _ascii_name(
        host,
        kind="a host name or an IP address, such as smtp.example.com",
        remedy="enter the name alone, such as smtp.example.com",
        remedy_of_port="enter the name alone, and the port as the option port",
    )


def _domain(inputs: _Inputs) -> str | None:
    domain = inputs["domain"]
    if not domain:
        return None
    remedy = "enter the domain alone, such as example.com"
    kind = "a domain, such as example.com"
    return _ascii_name(domain, kind=kind, remedy=remedy, remedy_of_port=remedy)


def _ascii_name(text: str, *, kind: str, remedy: str, remedy_of_port: str) -> str:
    try:
        name = hostname.to_ascii(text)
    except ValueError:
        name = ""
    if _is_host_name(name):
        return name
    if "://" in text:
        raise Problem(f"has a scheme; {remedy}")
    if any(character.isspace() for character in text):
        raise Problem(f"has blanks in it; {remedy}")
    if "@" in text:
        raise Problem(f"has an @ in it; {remedy}")
    if re.search(r":\d+$", text):
        raise Problem(f"has a port; {remedy_of_port}")
    raise Problem(f"must be {kind}")


def _is_ip_address(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    # A zone index names an interface of one machine, and the relay is for many.
    return getattr(address, "scope_id", None) is None


def _is_host_name(name: str) -> bool:
    labels = name.split(".")
    # A last label of digits alone would be a malformed IPv4 address (RFC 3696 section 2).
    return (
        len(name) <= _MAX_NAME_LENGTH
        and all(_LABEL.fullmatch(label) for label in labels)
        and not labels[-1].isdigit()
    )


def _port(inputs: _Inputs) -> int:
    port = inputs["port"]
    if not 1 <= port <= _MAX_PORT:
        raise Problem(f"{port} is not between 1 and {_MAX_PORT}")
    return port


def _user(inputs: _Inputs) -> str | None:
    user = credential.user(inputs["user"] or "")
    auth_type = inputs["auth_type"]
    if not user.value and auth_type in _WITH_USER:
        raise Problem(
            f"not set, and auth_type={auth_type} needs it; "
            f"run 'juju config {inputs.application} user=NAME'"
        )
    inputs.note("user", user, "enter it")
    return user.value or None


def _password(inputs: _Inputs) -> str | None:
    if inputs["password_secret"] or inputs["auth_type"] == "oauth2":
        return None
    password = credential.password(inputs["password"] or "")
    if not password.value and inputs["auth_type"] == "plain":
        raise Problem(
            "not set, and auth_type=plain needs it; set password_secret to a secret with the key "
            f"'password' that is granted to {inputs.application}"
        )
    inputs.note("password", password, "enter it")
    return password.value or None


def _password_secret(inputs: _Inputs) -> str | None:
    if not inputs["password_secret"] or inputs["auth_type"] == "oauth2":
        return None
    content = inputs.secret("password_secret")
    password = credential.password(content.get("password", ""))
    if not password.value:
        shown_id = user_secret.shown_id(inputs["password_secret"])
        raise Problem(
            "the secret has no value under the key 'password'; "
            f"run 'juju update-secret {shown_id} password#file=FILE'"
        )
    inputs.note("password_secret", password, "update the secret")
    return password.value


def _oauth_secret(inputs: _Inputs) -> smtp_oauth.Grant | None:
    if inputs["auth_type"] != "oauth2":
        if inputs["oauth_secret"]:
            inputs.notes.append("oauth_secret: has no effect without auth_type=oauth2")
        return None
    if not inputs["oauth_secret"]:
        raise Problem(
            "not set, and auth_type=oauth2 needs it; set it to a secret with the keys token-url, "
            "client-id, scope and client-secret, private-key or refresh-token that is granted to "
            f"{inputs.application}"
        )
    content = inputs.secret("oauth_secret")
    import smtp_oauth  # noqa: PLC0415 - paid only where OAuth is used

    try:
        return smtp_oauth.Grant.of(content)
    except smtp_oauth.GrantError as e:
        shown_id = user_secret.shown_id(inputs["oauth_secret"])
        command = f"run 'juju update-secret {shown_id} KEY=VALUE …' with all keys"
        raise Problem("; ".join([*e.problems, command])) from None


def _auth_type(inputs: _Inputs) -> str:
    return _one_of(AUTH_TYPES, inputs["auth_type"])


def _transport_security(inputs: _Inputs) -> str:
    return _one_of(TRANSPORT_SECURITIES, inputs["transport_security"])


def _one_of(values: tuple[str, ...], value: str | None) -> str:
    """Return `value`, or the first of `values`, which is each option's default."""
    if value and value not in values:
        raise Problem(f"must be one of {', '.join(values)}")
    return value or values[0]


def _skip_ssl_verify(inputs: _Inputs) -> bool:
    return bool(inputs["skip_ssl_verify"])


def _smtp_sender(inputs: _Inputs) -> str | None:
    sender = inputs["smtp_sender"]
    return address.normalise(sender, remedy_of_several="enter one") if sender else None


def _recipients(inputs: _Inputs) -> tuple[str, ...]:
    try:
        items = inputs.parse_recipients(inputs["recipients"] or "")
    except ValueError:
        raise Problem("must be addresses separated by commas, or a JSON list of them") from None
    addresses: list[str] = []
    problems: list[str] = []
    for number, item in enumerate(items, start=1):
        try:
            addresses.append(
                address.normalise(item, remedy_of_several="separate them with commas")
            )
        except Problem as e:
            problems.append(f"address {number} {e}")
    if problems:
        more = len(problems) - _MAX_PROBLEMS
        shown = problems[:_MAX_PROBLEMS] + ([f"{more} more are wrong too"] if more > 0 else [])
        raise Problem("; ".join(shown))
    return tuple(dict.fromkeys(addresses))


def _tls_ca_chain(inputs: _Inputs) -> str | None:
    remedy = f"run 'juju config {inputs.application} tls_ca_chain=@FILE' with PEM in the file"
    text = inputs["tls_ca_chain"]
    entered = ca_chain.entered(text, remedy=remedy) if text else []
    offered, unusable = ca_chain.offered(inputs.authorities)
    if unusable:
        inputs.notes.append(f"receive-ca-cert: {unusable} malformed certificates are left out")
    remedy = "enter the relay's own CA alone"
    if offered:
        remedy = "on receive-ca-cert, integrate what offers the relay's own CA alone"
    return ca_chain.joined([*entered, *offered], remedy=remedy) or None


def _check_relay(inputs: _Inputs) -> bool:
    return bool(inputs["check_relay"])


_CHECKS: dict[str, Callable[[_Inputs], Any]] = {
    "host": _host,
    "port": _port,
    "user": _user,
    "password": _password,
    "password_secret": _password_secret,
    "oauth_secret": _oauth_secret,
    "auth_type": _auth_type,
    "transport_security": _transport_security,
    "domain": _domain,
    "skip_ssl_verify": _skip_ssl_verify,
    "smtp_sender": _smtp_sender,
    "recipients": _recipients,
    "tls_ca_chain": _tls_ca_chain,
    "check_relay": _check_relay,
}

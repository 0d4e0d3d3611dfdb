"""What the operator configured, validated: every rule and its message.

`read` turns the charm's configuration into a `Relay`, or raises `InvalidConfigError` with all that
is wrong at once. Of rejected values only the port and a secret's ID are quoted, because a password
ends up in the wrong option sooner or later.
"""

from __future__ import annotations

import base64
import dataclasses
import enum
import ipaddress
import re
from collections.abc import Callable, Mapping
from typing import Any

AUTH_TYPES = ("none", "not_provided", "plain")
TRANSPORT_SECURITIES = ("none", "starttls", "tls")

# RFC 1123 section 2.1, and the underscore that names in the field have.
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)", re.IGNORECASE)
# RFC 1035 section 2.3.4: 255 octets on the wire are 253 characters in writing.
_MAX_NAME_LENGTH = 253
_MAX_PORT = 65535
# RFC 7468 section 2.
_PEM_BLOCK = re.compile(
    r"-----BEGIN ([A-Z0-9 ]+)-----(?:(?!-----BEGIN).)*?-----END \1-----", re.DOTALL
)
# Juju gets a status as one argument of a command, for which Linux has 128 KiB.
_MAX_PROBLEMS = 5
# What pydantic's EmailStr allows around an address in angle brackets: a name, in quotes or bare.
_WORD, _BLANK = r"[\w.!#$%&'*+\-/=?^`{|}~]+", r"[^\S\r\n]"
_NAMED_ADDRESS = re.compile(rf'(?:"[^\r\n]+"|{_WORD}(?:{_BLANK}+{_WORD})*)?{_BLANK}*<([^\r\n]+)>')


class Unreadable(enum.Enum):
    """Why the user secret of `password_secret` cannot be read."""

    NOT_FOUND = enum.auto()
    NOT_GRANTED = enum.auto()


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
        host: Host name or IP address.
        port: TCP port, 1 to 65535.
        user: User of SMTP AUTH, or None.
        password: Password of SMTP AUTH, or None.
        auth_type: One of `AUTH_TYPES`.
        transport_security: One of `TRANSPORT_SECURITIES`.
        domain: Domain of the envelope sender, or None.
        skip_ssl_verify: Whether requirers skip the verification of certificates.
        smtp_sender: Address that notifications come from, or None.
        recipients: Addresses for notifications, each once.
        tls_ca_chain: PEM of the CA certificates that verify the relay, or None.
        check_relay: Whether the integrator checks the relay by itself.
        newline_dropped: Whether the secret's password ended in a newline, which is dropped.
    """

    host: str
    port: int
    user: str | None
    password: str | None = dataclasses.field(repr=False)
    auth_type: str
    transport_security: str
    domain: str | None
    skip_ssl_verify: bool
    smtp_sender: str | None
    recipients: tuple[str, ...]
    tls_ca_chain: str | None
    check_relay: bool = False
    newline_dropped: bool = False

    @property
    def warnings(self) -> list[str]:
        """What is unwise, though it can work, in sentences for the log."""
        encrypted = self.transport_security != "none"
        authenticated = self.auth_type == "plain"
        credentials = self.user or self.password
        unwise = {
            "auth_type=plain with transport_security=none: the password travels in the clear": (
                authenticated and not encrypted
            ),
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
            "password_secret: the newline at the end of the password was dropped; "
            "update the secret without it": self.newline_dropped,
        }
        return [sentence for sentence, applies in unwise.items() if applies]


@dataclasses.dataclass(frozen=True)
class _Inputs:
    options: Mapping[str, Any]
    application: str
    user_secret: Mapping[str, str] | Unreadable | None = dataclasses.field(repr=False)

    def __getitem__(self, option: str) -> Any:  # noqa: ANN401 - an option has the type Juju checked
        return self.options.get(option)


class _Problem(Exception):  # noqa: N818 - it never leaves this module
    """Why an option is wrong, and the remedy."""


def read(
    config: Mapping[str, bool | float | str],
    *,
    application: str,
    user_secret: Mapping[str, str] | Unreadable | None = None,
) -> Relay:
    """Validate the configuration.

    Args:
        config: The charm's options; an empty string counts as unset.
        application: The deployed application's name, for the commands in messages.
        user_secret: Content of the secret that `password_secret` names, or why it cannot be read;
            None where that option is unset.

    Returns:
        The relay, with the password from `password_secret` or else from `password`.

    Raises:
        InvalidConfigError: If requirers could not use the relay.
    """
    options = {name: value for name, value in config.items() if value != ""}
    inputs = _Inputs(options, application, user_secret)
    fields: dict[str, Any] = {}
    problems: list[str] = []
    for option, check in _CHECKS.items():
        try:
            fields[option] = check(inputs)
        except _Problem as e:
            problems.append(f"{option}: {e}")
    if problems:
        raise InvalidConfigError(problems)
    secret_password = fields.pop("password_secret")
    if isinstance(user_secret, Mapping) and secret_password:
        fields["password"] = secret_password
        fields["newline_dropped"] = secret_password != user_secret["password"]
    return Relay(**fields)


def _host(inputs: _Inputs) -> str:
    host = inputs["host"]
    if not host:
        raise _Problem(f"not set; run 'juju config {inputs.application} host=NAME'")
    if not _is_ip_address(host) and not _is_host_name(host):
        raise _Problem(_HOST_REMEDIES[_shape(host)])
    return host


_HOST_REMEDIES = {
    "url": "has a scheme; enter the name alone, such as smtp.example.com",
    "name and port": "has a port; enter the name alone, and the port as the option port",
    "blanks": "has blanks in it; enter the name alone, such as smtp.example.com",
    "other": "must be a host name or an IP address, such as smtp.example.com",
}


def _shape(host: str) -> str:
    if "://" in host:
        return "url"
    if any(character.isspace() for character in host):
        return "blanks"
    return "name and port" if re.search(r":\d+$", host) else "other"


def _is_ip_address(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    # A zone index names an interface of one machine, and the relay is for many.
    return getattr(address, "scope_id", None) is None


def _is_host_name(host: str) -> bool:
    try:
        name = host.removesuffix(".").encode("idna").decode("ascii")
    except UnicodeError:
        return False
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
        raise _Problem(f"{port} is not between 1 and {_MAX_PORT}")
    return port


def _user(inputs: _Inputs) -> str | None:
    if not inputs["user"] and inputs["auth_type"] == "plain":
        raise _Problem(
            "not set, and auth_type=plain needs it; "
            f"run 'juju config {inputs.application} user=NAME'"
        )
    return inputs["user"]


def _password(inputs: _Inputs) -> str | None:
    configured = inputs["password"] or inputs["password_secret"]
    if not configured and inputs["auth_type"] == "plain":
        raise _Problem(
            "not set, and auth_type=plain needs it; set password_secret to a secret with the key "
            f"'password' that is granted to {inputs.application}"
        )
    return inputs["password"]


def _password_secret(inputs: _Inputs) -> str | None:
    if not inputs["password_secret"]:
        return None
    secret_id = inputs["password_secret"].rpartition("/")[2].removeprefix("secret:")
    secret = inputs.user_secret
    if secret is Unreadable.NOT_GRANTED:
        raise _Problem(
            f"not granted; run 'juju grant-secret {secret_id} {inputs.application}' "
            "(noticed at the next update-status)"
        )
    if not isinstance(secret, Mapping):
        raise _Problem("does not exist; run 'juju secrets' and enter the ID of one that does")
    password = secret.get("password", "").removesuffix("\n").removesuffix("\r")
    if not password:
        raise _Problem(
            "the secret has no value under the key 'password'; "
            f"run 'juju update-secret {secret_id} password#file=FILE'"
        )
    return password


def _auth_type(inputs: _Inputs) -> str:
    return _one_of(AUTH_TYPES, inputs["auth_type"])


def _transport_security(inputs: _Inputs) -> str:
    return _one_of(TRANSPORT_SECURITIES, inputs["transport_security"])


def _one_of(values: tuple[str, ...], value: str | None) -> str:
    """Return `value`, or the first of `values`, which is each option's default."""
    if value and value not in values:
        raise _Problem(f"must be one of {', '.join(values)}")
    return value or values[0]


def _domain(inputs: _Inputs) -> str | None:
    return inputs["domain"]


def _skip_ssl_verify(inputs: _Inputs) -> bool:
    return bool(inputs["skip_ssl_verify"])


def _smtp_sender(inputs: _Inputs) -> str | None:
    sender = inputs["smtp_sender"]
    return _address(sender, "") if sender else None


def _recipients(inputs: _Inputs) -> tuple[str, ...]:
    listed = [item.strip() for item in (inputs["recipients"] or "").split(",")]
    items = [item for item in listed if item]
    addresses: list[str] = []
    problems: list[str] = []
    for number, item in enumerate(items, start=1):
        try:
            addresses.append(_address(item, f"address {number} "))
        except _Problem as e:
            problems.append(str(e))
    if problems:
        more = len(problems) - _MAX_PROBLEMS
        shown = problems[:_MAX_PROBLEMS] + ([f"{more} more are wrong too"] if more > 0 else [])
        raise _Problem("; ".join(shown))
    return tuple(dict.fromkeys(addresses))


def _address(text: str, which: str) -> str:
    """Validate as pydantic's `EmailStr` does, which every requirer in the field applies."""
    import email_validator  # noqa: PLC0415 - 40 ms at every event, paid where there is an address

    named = _NAMED_ADDRESS.fullmatch(text.strip())
    address = named[1] if named else text
    try:
        return email_validator.validate_email(
            address.strip(), check_deliverability=False
        ).normalized
    except email_validator.EmailNotValidError as e:
        # The validator's own message quotes the text.
        reason = "has a special-use domain" if _is_special_use(e) else "is malformed"
        raise _Problem(
            f"{which}{reason}, which requirers refuse; enter an address such as ops@example.com"
        ) from None


def _is_special_use(error: Exception) -> bool:
    return "special-use" in str(error)


def _tls_ca_chain(inputs: _Inputs) -> str | None:
    if not inputs["tls_ca_chain"]:
        return None
    text = _pem_text(inputs["tls_ca_chain"])
    blocks = list(_PEM_BLOCK.finditer(text))
    if any("PRIVATE KEY" in block[1] for block in blocks):
        raise _Problem("has a private key in it; enter the CA certificates alone")
    certificates = [block[0] for block in blocks if block[1] == "CERTIFICATE"]
    if not certificates or len(certificates) != text.count("-----BEGIN"):
        raise _Problem(f"has no certificate or a broken one in it; {_ca_remedy(inputs)}")
    for number, certificate in enumerate(certificates, start=1):
        if not _is_certificate(certificate):
            raise _Problem(f"certificate {number} is malformed; {_ca_remedy(inputs)}")
    return "".join(f"{certificate}\n" for certificate in certificates)


def _check_relay(inputs: _Inputs) -> bool:
    return bool(inputs["check_relay"])


def _ca_remedy(inputs: _Inputs) -> str:
    return f"run 'juju config {inputs.application} tls_ca_chain=@FILE' with PEM in the file"


def _pem_text(text: str) -> str:
    if "-----BEGIN" in text:
        return text
    try:
        return base64.b64decode("".join(text.split()), validate=True).decode()
    except ValueError:
        return ""


def _is_certificate(pem: str) -> bool:
    import ssl  # noqa: PLC0415 - 10 ms at every event, paid where there is a certificate

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=pem)
    except (ssl.SSLError, TypeError):  # TypeError where it is not ASCII.
        return False
    return True


_CHECKS: dict[str, Callable[[_Inputs], Any]] = {
    "host": _host,
    "port": _port,
    "user": _user,
    "password": _password,
    "password_secret": _password_secret,
    "auth_type": _auth_type,
    "transport_security": _transport_security,
    "domain": _domain,
    "skip_ssl_verify": _skip_ssl_verify,
    "smtp_sender": _smtp_sender,
    "recipients": _recipients,
    "tls_ca_chain": _tls_ca_chain,
    "check_relay": _check_relay,
}

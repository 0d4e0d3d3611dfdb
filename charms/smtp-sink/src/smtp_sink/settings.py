"""What an operator configures, validated: every rule and its message in one place.

A message names the option, the rule and the remedy. It never repeats a rejected value other than
a port, because a password lands in the wrong option sooner or later.
"""

import dataclasses
import ipaddress
import re
import ssl
import urllib.parse
from collections.abc import Callable, Mapping

from smtp_sink import state

DEFAULT_BIND_ADDRESS = "127.0.0.1"
_HIGHEST_PORT = 65535
_BYTE_ORDER_MARK = "\ufeff"
# What Juju puts in the place of bytes that are not UTF-8.
_REPLACED = "\ufffd"
_LEFT_OUT = f"{_BYTE_ORDER_MARK}\r\n"
_SECRET_ID, _NO_ID = re.compile(r"[0-9a-v]{20}"), "ID"
# A hint alone: Juju says it in other words in each release, here 3.6 and 4.0.
_WORDS_OF_NO_GRANT = ("permission denied", "not allowed to read")
# A status is one argument of a command.
_MAX_REFUSAL_LENGTH = 300

Options = Mapping[str, str | int | float | bool]


class InvalidSettingsError(ValueError):
    """The configuration cannot work; `problems` has a message for each wrong option."""

    def __init__(self, *problems: str) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """A configuration that can work.

    `ports` has one for each listener, 0 to take a free one. `notes` says in sentences what was
    dropped or may not be meant in user and password.
    """

    bind_address: str
    ports: dict[str, int]
    user: str = ""
    password: str = dataclasses.field(default="", repr=False)
    refuse_passwords: bool = False
    introspection_url: str = ""
    introspection_ca: str = ""
    notes: tuple[str, ...] = ()


def parse(options: Options, read_secret: Callable[[str], Mapping[str, str]]) -> Settings:
    """Validate the charm's options; an empty string is the same as unset.

    Args:
        options: the options of `config.yaml` that have a value.
        read_secret: returns the content of the user secret with the given ID, or raises
            `InvalidSettingsError`.

    Raises:
        InvalidSettingsError: with every problem, in the order of `config.yaml`.
    """
    bind_address = str(options.get("bind-address", "")) or DEFAULT_BIND_ADDRESS
    ports = {name: int(options.get(f"{name}-port", 0)) for name in state.LISTENERS}
    notes: list[str] = []
    user, user_problems = _user(options, notes)
    password, password_problems = _password(options, read_secret, notes)
    # One that is wrong is told of once.
    has_user = bool(user or user_problems)
    problems = (
        *_bind_address_problems(bind_address),
        *_port_problems(ports),
        *(user_problems or _login_problems(options, user)),
        *password_problems,
        *_refusal_problems(options, has_user=has_user),
        *_introspection_problems(options, has_user=has_user),
    )
    if problems:
        raise InvalidSettingsError(*problems)
    return Settings(
        bind_address=str(ipaddress.ip_address(bind_address)),
        ports=ports,
        user=user,
        password=password,
        refuse_passwords=_refuses_passwords(options),
        introspection_url=_introspection_url(options),
        introspection_ca=_introspection_ca(options),
        notes=tuple(notes),
    )


def refused(refusal: str, secret_id: str, application: str) -> InvalidSettingsError:
    """Return what to tell of a user secret that Juju does not let us read.

    Args:
        refusal: what Juju said.
        secret_id: what the operator entered as the secret's ID.
        application: the application's name, for the command.
    """
    found = secret_id.rpartition("/")[2].removeprefix("secret:")
    shown_id = found if _SECRET_ID.fullmatch(found) else _NO_ID
    command = f"run 'juju grant-secret {shown_id} {application}'"
    if any(words in refusal for words in _WORDS_OF_NO_GRANT):
        reason = f"not granted; {command}"
    else:
        # Juju's words may quote the option, into which a password may have come.
        words = refusal if shown_id != _NO_ID else "it is no secret's ID"
        words = " ".join(words.split()).removeprefix("ERROR ")[:_MAX_REFUSAL_LENGTH]
        reason = f"Juju refuses to read it: {words}; if it is not granted, {command}"
    return InvalidSettingsError(
        f"password-secret: {reason}, which takes effect at the next update-status"
    )


def _bind_address_problems(bind_address: str) -> list[str]:
    try:
        address = ipaddress.ip_address(bind_address)
    except ValueError:
        address = None
    if address is None or getattr(address, "scope_id", None):
        remedy = f"use {DEFAULT_BIND_ADDRESS}, 0.0.0.0 or an address of this machine"
        return [f"bind-address: must be an IP address; {remedy}"]
    return []


def _port_problems(ports: Mapping[str, int]) -> list[str]:
    problems: list[str] = []
    seen: dict[int, str] = {}
    for name, port in ports.items():
        if not 0 <= port <= _HIGHEST_PORT:
            problems.append(f"{name}-port: {port} is not between 0 and {_HIGHEST_PORT}")
        elif port in seen:
            first = seen[port]
            problems.append(f"{name}-port: {port} is the {first}-port; choose another port or 0")
        elif port:
            seen[port] = name
    return problems


def _login_problems(options: Options, user: str) -> list[str]:
    entered = {name: str(options.get(name, "")) for name in ("password", "password-secret")}
    given = [name for name, text in entered.items() if text.strip(_LEFT_OUT)]
    if user and not (given or _introspection_url(options) or _refuses_passwords(options)):
        return ["user: has no password; set password-secret or password too, or reset user"]
    if not user:
        return [f"{name}: has no user; set user too, or reset {name}" for name in given]
    return []


def _refuses_passwords(options: Options) -> bool:
    return bool(options.get("refuse-passwords", False))


def _introspection_url(options: Options) -> str:
    return str(options.get("introspection-url", "")).strip()


def _introspection_ca(options: Options) -> str:
    # OpenSSL takes ASCII alone; bundles have comments in any language, and byte order marks.
    text = str(options.get("introspection-ca", "")).replace(_BYTE_ORDER_MARK, "\n")
    return text.encode("ascii", "replace").decode()


def _refusal_problems(options: Options, *, has_user: bool) -> list[str]:
    if has_user or not _refuses_passwords(options):
        return []
    return ["refuse-passwords: has no user; set user too, or reset refuse-passwords"]


def _introspection_problems(options: Options, *, has_user: bool) -> list[str]:
    url, ca = _introspection_url(options), _introspection_ca(options)
    problems: list[str] = []
    if url and not _is_https(url):
        problems.append("introspection-url: must be a URL that begins with https://")
    elif url and not has_user:
        problems.append("introspection-url: has no user; set user too, or reset it")
    if ca and not url:
        problems.append("introspection-ca: has no introspection-url; set it too, or reset this")
    elif ca and not _is_pem(ca):
        remedy = "run 'juju config APPLICATION introspection-ca=@FILE' with PEM in the file"
        problems.append(f"introspection-ca: must be certificates; {remedy}")
    return problems


def _is_https(url: str) -> bool:
    try:
        parts = urllib.parse.urlsplit(url)
        usable = parts.scheme == "https" and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    # A user in front of the host would be a login, which the status must not show.
    return usable and "@" not in parts.netloc and all("!" <= character <= "~" for character in url)


def _is_pem(text: str) -> bool:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=text)
    except (ssl.SSLError, ValueError):
        return False
    return True


def _user(options: Options, notes: list[str]) -> tuple[str, list[str]]:
    entered = str(options.get("user", ""))
    user = entered.strip().strip(_BYTE_ORDER_MARK).strip()
    if set(user) & set("\r\n\0"):
        return "", ["user: has a newline or a NUL in it; set the user alone, as UTF-8"]
    if _REPLACED in user:
        return "", ["user: had bytes in it that are not UTF-8; set it as UTF-8"]
    if user != entered:
        notes.append("user: blanks, newlines or a byte order mark around it are left out")
    return user, []


def _password(
    options: Options, read_secret: Callable[[str], Mapping[str, str]], notes: list[str]
) -> tuple[str, tuple[str, ...]]:
    secret_id = str(options.get("password-secret", ""))
    try:
        if not secret_id:
            return _clean("password", str(options.get("password", "")), notes), ()
        password = _clean("password-secret", read_secret(secret_id).get("password", ""), notes)
    except InvalidSettingsError as error:
        return "", error.problems
    if not password:
        reason = "the secret has no key 'password'"
        remedy = "run 'juju update-secret NAME password#file=FILE'"
        return "", (f"password-secret: {reason}; {remedy}",)
    return password, ()


def _clean(option: str, entered: str, notes: list[str]) -> str:
    """Return a password without what files and editors add, which nobody logs in with."""
    password = entered.removeprefix(_BYTE_ORDER_MARK).rstrip("\r\n")
    if "\0" in password:
        raise InvalidSettingsError(
            f"{option}: the password has a NUL in it, as in a file of UTF-16; save it as UTF-8"
        )
    if _REPLACED in password:
        raise InvalidSettingsError(
            f"{option}: the password had bytes in it that are not UTF-8, as in a file of Latin-1; "
            "save it as UTF-8"
        )
    if password != entered:
        notes.append(f"{option}: newlines at its end or a byte order mark are left out")
    if password != password.strip() or len(password.splitlines()) > 1:
        notes.append(f"{option}: blanks around it or several lines belong to the password")
    return password

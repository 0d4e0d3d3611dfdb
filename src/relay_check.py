#!/usr/bin/env python3
"""Does this mail relay work? Resolve, connect, TLS, AUTH, envelope: each stage with its result.

`check` sends no mail; `send` sends one message. Both go stage by stage until one fails, and say
what failed and what mends it. Nothing here needs Juju, nor more than the standard library:

    python3 relay_check.py --host smtp.example.com --port 587 --starttls

The dialogue is written here rather than with `smtplib`, because that tries several mechanisms of
AUTH, where two failures lock an account, and because its time limit is one for each read, so that
a relay that sends a byte now and then holds it forever.
"""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import datetime as dt
import enum
import hmac
import ipaddress
import itertools
import pathlib
import re
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

if TYPE_CHECKING:
    import argparse
    import email.message

Resolver = Callable[..., Sequence[tuple[int, int, int, str, tuple[Any, ...]]]]

_MAX_PORT = 65535
_MAX_REPLY = 64 * 1024
_MAX_QUOTE = 300
# As many characters of base64 as tell four octets of what they encode.
_PIECE = 6
# Seconds in which a port that speaks TLS takes a connection and answers to the beginning of TLS.
_LOOK = 2.0
_CRLF = b"\r\n"
_SPECIAL = re.compile(r"[\s<>\x00-\x1f\x7f]")

# Exit codes of the shell, from sysexits.h.
_USAGE, _DATA, _NO_HOST, _UNAVAILABLE, _TEMPORARY = 64, 65, 68, 69, 75
_PROTOCOL, _NO_PERMISSION = 76, 77
_PORTS = "587 with transport_security=starttls, 465 with transport_security=tls, 25 between relays"
_LATER = "Try again in some minutes; if it stays, ask the relay's operator."


class Kind(enum.Enum):
    """What a diagnosis is: exit code, title, what it means, and the remedy."""

    HOST_UNKNOWN = (
        _NO_HOST,
        "host does not resolve",
        "The name servers know no address of {host}.",
        "Look for a typing error in host; a private name needs name servers that know it.",
    )
    DNS_TEMPORARY = (
        _TEMPORARY,
        "name servers do not answer",
        "The name servers of this machine gave no answer for {host}; the name may be right.",
        "Try again in some minutes; if it stays, mend the name servers of this machine.",
    )
    CONNECTION_REFUSED = (
        _UNAVAILABLE,
        "connection refused",
        "Nothing listens on port {port} of {host}.",
        f"Set the right host and port: {_PORTS}.",
    )
    CONNECTION_FILTERED = (
        _UNAVAILABLE,
        "no answer to the connection",
        "{host} does not answer on port {port}: a firewall drops the packets, or it is down.",
        "Many clouds block port 25: use port 587 or 465, or let the firewalls between pass it.",
    )
    UNREACHABLE = (
        _UNAVAILABLE,
        "host unreachable",
        "This machine finds no way to {host}.",
        "Mend the routes and firewalls of this machine, or the address that host resolves to.",
    )
    ADDRESS_FAILS = (
        _UNAVAILABLE,
        "not every address works",
        "{works} works, {fails} does not; clients that try the latter first are slow or fail.",
        "Mend it, or take it out of the DNS; it is harmless if this machine lacks IPv6 or IPv4.",
    )
    NOT_SMTP = (
        _PROTOCOL,
        "not a mail relay",
        "What answers on port {port} of {host} does not speak SMTP.",
        f"Set the right host and port: {_PORTS}.",
    )
    SILENT = (
        _UNAVAILABLE,
        "no banner",
        "{host} takes connections on port {port} but says nothing, in the clear or over TLS.",
        "Check host and port, and what stands between; a slow relay needs a longer timeout.",
    )
    CLEAR_ON_TLS_PORT = (
        _PROTOCOL,
        "port wants TLS",
        "Port {port} speaks TLS from the first byte, but transport_security={security}.",
        "Set transport_security=tls.",
    )
    TLS_ON_CLEAR_PORT = (
        _PROTOCOL,
        "port does not speak TLS",
        "Port {port} greets in the clear, but transport_security=tls.",
        "Set transport_security=starttls, or use the relay's TLS port, mostly 465.",
    )
    BLOCKED = (
        _UNAVAILABLE,
        "relay blocks this machine",
        "The relay refuses connections from this machine's address.",
        "Ask the relay's operator to allow the address, and look it up in the block lists.",
    )
    BUSY = (
        _TEMPORARY,
        "relay is busy",
        "The relay takes no more connections now: there are too many, or it is going down.",
        _LATER,
    )
    EHLO_REFUSED = (
        _PROTOCOL,
        "EHLO refused",
        "The relay refuses the name that this machine gives itself, {ehlo_name}.",
        "Give this machine a name that the DNS knows, or ask the relay's operator.",
    )
    STARTTLS_NOT_OFFERED = (
        _PROTOCOL,
        "STARTTLS not offered",
        "The relay does not offer STARTTLS on port {port}; nothing was sent in the clear.",
        "Use port 587, or 465 with transport_security=tls; none only on a network of your own.",
    )
    STARTTLS_TEMPORARY = (
        _TEMPORARY,
        "STARTTLS not available",
        "The relay offers STARTTLS but cannot do it now; nothing was sent in the clear.",
        _LATER,
    )
    STARTTLS_REFUSED = (
        _PROTOCOL,
        "STARTTLS refused",
        "The relay offers STARTTLS but refuses it; nothing was sent in the clear.",
        "Ask the relay's operator, or use port 465 with transport_security=tls.",
    )
    TLS_VERSION = (
        _UNAVAILABLE,
        "no common TLS version",
        "The relay offers no version of TLS that clients accept: TLS 1.2 or newer.",
        "Ask the relay's operator for TLS 1.2 or newer, or use another relay.",
    )
    TLS_FAILED = (
        _PROTOCOL,
        "TLS handshake failed",
        "The relay and this machine could not agree on TLS.",
        f"Check port and transport_security: {_PORTS}; then ask the relay's operator.",
    )
    CA_CHAIN_UNUSABLE = (
        _UNAVAILABLE,
        "tls_ca_chain unusable",
        "tls_ca_chain is not PEM of certificates.",
        "Set tls_ca_chain from a file with the CA's certificate in PEM.",
    )
    CA_CHAIN_INCOMPLETE = (
        _UNAVAILABLE,
        "tls_ca_chain incomplete",
        "tls_ca_chain holds a CA of the relay's certificate, but not the one above that CA.",
        "Add the CA's own issuers to tls_ca_chain, up to the one that signed itself.",
    )
    CERTIFICATE_NAME = (
        _UNAVAILABLE,
        "certificate has another name",
        "The relay's certificate is not for {host} but for {names}.",
        "Set host to a name of the certificate, or have a certificate made for {host}.",
    )
    CERTIFICATE_SELF_SIGNED = (
        _UNAVAILABLE,
        "certificate is self-signed",
        "The relay's certificate is signed by itself, and not trusted here.",
        "If the relay is yours, set tls_ca_chain to that certificate.",
    )
    CERTIFICATE_UNKNOWN_CA = (
        _UNAVAILABLE,
        "certificate's CA unknown",
        "{trust} does not trust {issuer}, or the relay leaves out a CA in between.",
        "Set tls_ca_chain for a private CA; with a public one, the relay must send its chain.",
    )
    CERTIFICATE_EXPIRED = (
        _UNAVAILABLE,
        "certificate expired",
        "A certificate has expired: the relay's own is from {not_before} to {not_after}.",
        "Have the relay's certificate, or else its CA's, renewed; check this machine's clock.",
    )
    CERTIFICATE_NOT_YET_VALID = (
        _UNAVAILABLE,
        "certificate not yet valid",
        "A certificate is not valid yet: the relay's own is from {not_before} to {not_after}.",
        "Check this machine's clock and the relay's, or wait until the certificate is valid.",
    )
    CERTIFICATE_REFUSED = (
        _UNAVAILABLE,
        "certificate refused",
        "The relay's certificate does not stand up to verification.",
        "Have a certificate made that does; for a private CA, check tls_ca_chain.",
    )
    CERTIFICATE_NOT_STRICT = (
        _UNAVAILABLE,
        "certificate fails strict verification",
        "Newer clients, such as Python 3.13, verify strictly and will refuse this certificate.",
        "Have the certificate and its CA made anew by RFC 5280, with both key identifiers.",
    )
    CERTIFICATE_UNVERIFIED = (
        _UNAVAILABLE,
        "certificate not verified",
        "skip_ssl_verify is on: anyone between can pose as the relay and read the password.",
        "Set skip_ssl_verify=false, and tls_ca_chain for a private CA.",
    )
    TLS_REQUIRED = (
        _NO_PERMISSION,
        "relay requires TLS",
        "The relay goes no further without TLS.",
        "Set transport_security=starttls, or transport_security=tls with port 465.",
    )
    AUTH_IN_CLEAR = (
        _NO_PERMISSION,
        "password sent in the clear",
        "transport_security=none: everyone on the way can read the password.",
        "Set transport_security=starttls or tls, where the relay has it.",
    )
    AUTH_AFTER_TLS = (
        _NO_PERMISSION,
        "AUTH offered after TLS only",
        "The relay offers no AUTH in the clear, but it offers STARTTLS.",
        "Set transport_security=starttls.",
    )
    AUTH_NOT_OFFERED = (
        _NO_PERMISSION,
        "AUTH not offered",
        "The relay offers no AUTH on port {port}.",
        "Use port 587 or 465; if the relay knows its clients by address, set auth_type=none.",
    )
    AUTH_NO_MECHANISM = (
        _NO_PERMISSION,
        "no common AUTH mechanism",
        "The relay offers {offered}, and clients of auth_type=plain use {usable}.",
        "Have the relay offer PLAIN or LOGIN, or use an account that it lets in by a password.",
    )
    AUTH_REFUSED = (
        _NO_PERMISSION,
        "AUTH refused",
        "The relay refuses the user or the password.",
        "Set user and password_secret right; some relays want the whole address as the user.",
    )
    AUTH_APP_PASSWORD = (
        _NO_PERMISSION,
        "app password needed",
        "The relay refuses this account's own password for a program.",
        "Make an app password in the account at the provider, and set password_secret to it.",
    )
    AUTH_TEMPORARY = (
        _TEMPORARY,
        "AUTH fails for now",
        "The relay cannot check the password now; it may be right.",
        _LATER,
    )
    AUTH_FAILED = (
        _NO_PERMISSION,
        "AUTH failed",
        "The relay does not let this account in, for a reason of its own.",
        "Read the relay's answer, and ask its operator.",
    )
    AUTH_REQUIRED = (
        _NO_PERMISSION,
        "AUTH required",
        "The relay takes mail only after AUTH, but auth_type={auth_type}.",
        "Set auth_type=plain, with user and password_secret.",
    )
    SENDER_REFUSED = (
        _DATA,
        "sender refused",
        "The relay does not take mail from {sender}.",
        "Set smtp_sender to an address that this account may send from.",
    )
    RELAY_DENIED = (
        _DATA,
        "relaying denied",
        "The relay does not pass mail on to {recipient} for this machine or account.",
        "Set auth_type=plain with the relay's account, or have its operator allow this machine.",
    )
    RECIPIENT_UNKNOWN = (
        _DATA,
        "recipient unknown",
        "The relay knows no mailbox {recipient}.",
        "Look for a typing error in recipients.",
    )
    GREYLISTED = (
        _TEMPORARY,
        "asked to try later",
        "The relay defers mail the first time, most likely by greylisting; that is no error.",
        "None: applications that try again get through. If it stays, ask the relay's operator.",
    )
    TOO_BIG = (
        _DATA,
        "message too big",
        "The message is bigger than the relay takes, or the mailbox is full.",
        "Send less at once, or ask the relay's operator for more room.",
    )
    ENVELOPE_REFUSED = (
        _DATA,
        "envelope refused",
        "The relay refuses the sender or the recipient, for a reason of its own.",
        "Read the relay's answer; check smtp_sender and recipients.",
    )
    REFUSED_FOR_NOW = (
        _TEMPORARY,
        "mail refused for now",
        "The relay cannot take this mail now.",
        _LATER,
    )
    ADDRESS_NOT_ASCII = (
        _DATA,
        "address needs SMTPUTF8",
        "An address has letters beyond ASCII, and the relay does not offer SMTPUTF8.",
        "Use addresses in ASCII, or a relay that offers SMTPUTF8.",
    )
    MESSAGE_REFUSED = (
        _DATA,
        "message refused",
        "The relay took the envelope and refuses the message.",
        "Read the relay's answer: mostly a rule on content, or on who may send as {sender}.",
    )
    RECIPIENTS_LEFT_OUT = (
        _DATA,
        "some recipients refused",
        "The relay took the message, but not for every recipient.",
        "Read the relay's answer for each recipient that it refused.",
    )
    PROTOCOL = (
        _PROTOCOL,
        "answer is not SMTP's",
        "The relay's answer at the stage {stage} is not what SMTP knows.",
        "Look for a proxy or firewall that changes SMTP; then ask the relay's operator.",
    )
    DISCONNECTED = (
        _PROTOCOL,
        "connection dropped",
        "The relay closed the connection at the stage {stage}.",
        "Look for a firewall between; the relay's log says why it closed the connection.",
    )
    TIMEOUT = (
        _TEMPORARY,
        "no answer in time",
        "The relay did not finish the stage {stage} within {limit} s.",
        "Try again with a longer timeout; if it stays, ask the relay's operator.",
    )

    def __init__(self, exit_code: int, title: str, sentence: str, remedy: str) -> None:
        self.exit_code = exit_code
        self.title = title
        self.sentence = sentence
        self.remedy = remedy

    @property
    def code(self) -> str:
        """For programs, such as `auth-refused`; it is stable."""
        return self.name.lower().replace("_", "-")

    def diagnose(self, evidence: str, fields: Mapping[str, str]) -> Diagnosis:
        """Fill the fields into the words."""
        sentence = self.sentence.format(**fields)
        return Diagnosis(self, evidence, sentence, self.remedy.format(**fields))


@dataclasses.dataclass(frozen=True)
class Target:
    """The relay to check, in the words of the charm's options.

    Attributes:
        host: Host name or IP address.
        port: TCP port.
        transport_security: `none`, `starttls` or `tls`.
        auth_type: `plain`; anything else attempts no AUTH.
        user: User of SMTP AUTH.
        password: Password of SMTP AUTH.
        tls_ca_chain: PEM of the CA certificates to trust, which replace the system's.
        skip_ssl_verify: Whether to leave the certificate unverified.
        ehlo_name: How to greet; by default this machine's full name, or else its address.

    Raises:
        ValueError: If no check can be made of these.
    """

    host: str
    port: int
    transport_security: str = "none"
    auth_type: str = "none"
    user: str | None = None
    password: str | None = dataclasses.field(default=None, repr=False)
    tls_ca_chain: str | None = dataclasses.field(default=None, repr=False)
    skip_ssl_verify: bool = False
    ehlo_name: str | None = None

    def __post_init__(self) -> None:
        if self.transport_security not in {"none", "starttls", "tls"}:
            raise ValueError("transport_security: must be one of none, starttls, tls")
        if self.auth_type == "plain" and not (self.user and self.password):
            raise ValueError("auth_type=plain needs a user and a password")
        if not 1 <= self.port <= _MAX_PORT:
            raise ValueError(f"port: must be between 1 and {_MAX_PORT}")


@dataclasses.dataclass(frozen=True)
class Diagnosis:
    """What is wrong, and what mends it.

    Attributes:
        kind: Which diagnosis it is.
        evidence: What was seen: the relay's answer, quoted, or an error of this machine.
        sentence: What it means.
        remedy: What to do.
    """

    kind: Kind
    evidence: str
    sentence: str
    remedy: str

    @property
    def summary(self) -> str:
        """One line, such as `AUTH refused: 535 5.7.8 authentication failed`."""
        return f"{self.kind.title}: {self.evidence}" if self.evidence else self.kind.title

    def to_dict(self) -> dict[str, str]:
        """Return what JSON can hold."""
        return {
            "kind": self.kind.code,
            "summary": self.summary,
            "diagnosis": self.sentence,
            "remedy": self.remedy,
        }


class Outcome(enum.Enum):
    """How a stage ended."""

    PASSED = "passed"
    WARNING = "warning"
    SKIPPED = "skipped"
    FAILED = "failed"


@dataclasses.dataclass(frozen=True)
class Stage:
    """One step on the way to the relay.

    Attributes:
        name: `resolve`, `connect`, `banner`, `ehlo`, `tls`, `ehlo-after-tls`, `auth`, `envelope`
            or, of `send`, `message`; and `quit`. Each is there once at most.
        outcome: How it ended.
        duration_ms: How long it took, in milliseconds.
        facts: What was seen; the keys are lower-case words joined by hyphens.
        diagnosis: What is wrong, where it failed.
        warnings: What is unwise or odd, though it works.
    """

    name: str
    outcome: Outcome
    duration_ms: int
    facts: Mapping[str, str]
    diagnosis: Diagnosis | None = None
    warnings: tuple[Diagnosis, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return what JSON can hold."""
        described: dict[str, Any] = {
            "name": self.name,
            "outcome": self.outcome.value,
            "duration-ms": self.duration_ms,
            "facts": dict(self.facts),
        }
        if self.diagnosis:
            described |= self.diagnosis.to_dict()
        if self.warnings:
            described["warnings"] = [warning.to_dict() for warning in self.warnings]
        return described

    def lines(self) -> list[str]:
        """Return what a person reads."""
        mark = {"passed": "ok", "warning": "ok", "skipped": "--"}.get(self.outcome.value, "FAILED")
        lines = [f"{mark:<7}{self.name} ({self.duration_ms} ms)"]
        lines += [f"       {key}: {value}" for key, value in self.facts.items()]
        for label, diagnosis in self._diagnoses():
            lines += [f"       {label}: {diagnosis.summary}", f"       {diagnosis.sentence}"]
            lines.append(f"       Remedy: {diagnosis.remedy}")
        return lines

    def _diagnoses(self) -> list[tuple[str, Diagnosis]]:
        failure = [("Failure", self.diagnosis)] if self.diagnosis else []
        return failure + [("Warning", warning) for warning in self.warnings]


@dataclasses.dataclass(frozen=True)
class Report:
    """All stages that were reached, in their order. If one failed, it is the last.

    Attributes:
        stages: What was done.
    """

    stages: tuple[Stage, ...]

    @property
    def works(self) -> bool:
        """Whether no stage failed."""
        return self.failure is None

    @property
    def failure(self) -> Stage | None:
        """The stage that failed, if any."""
        return next((stage for stage in self.stages if stage.diagnosis), None)

    @property
    def kind(self) -> Kind | None:
        """What is wrong, for programs."""
        failure = self.failure
        return failure.diagnosis.kind if failure and failure.diagnosis else None

    @property
    def warnings(self) -> list[Diagnosis]:
        """What is unwise or odd, though it works."""
        return [warning for stage in self.stages for warning in stage.warnings]

    @property
    def summary(self) -> str:
        """One line for a unit's status, such as `AUTH refused: 535 5.7.8 try again`."""
        failure = self.failure
        return failure.diagnosis.summary if failure and failure.diagnosis else "works"

    @property
    def exit_code(self) -> int:
        """What the shell gets: 0, or a code of sysexits.h."""
        return self.kind.exit_code if self.kind else 0

    def stage(self, name: str) -> Stage | None:
        """Return the stage of that name, if it was reached."""
        return next((stage for stage in self.stages if stage.name == name), None)

    def to_dict(self) -> dict[str, Any]:
        """Return what JSON can hold."""
        return {
            "works": self.works,
            "summary": self.summary,
            "kind": self.kind.code if self.kind else None,
            "exit-code": self.exit_code,
            "stages": [stage.to_dict() for stage in self.stages],
        }

    def lines(self) -> list[str]:
        """Return what a person reads."""
        lines = [line for stage in self.stages for line in stage.lines()]
        return [*lines, "", "The relay works." if self.works else f"Failed: {self.summary}"]


@dataclasses.dataclass(frozen=True)
class SendReport:
    """What came of one message.

    Attributes:
        report: The stages, `message` in the place of `envelope`.
        answer: The relay's answer to the message, quoted; None if it was not asked.
        queue_id: The relay's ID of the message, where the answer names it in a way that is known.
        refused: The relay's answer for each recipient that it refused.
    """

    report: Report
    answer: str | None
    queue_id: str | None
    refused: Mapping[str, str]

    @property
    def sent(self) -> bool:
        """Whether the relay took the message, for one recipient at least."""
        return self.report.works

    def to_dict(self) -> dict[str, Any]:
        """Return what JSON can hold."""
        return self.report.to_dict() | {
            "sent": self.sent,
            "answer": self.answer,
            "queue-id": self.queue_id,
            "refused": dict(self.refused),
        }


def check(  # noqa: PLR0913 - each has a default and a name
    target: Target,
    *,
    sender: str | None = None,
    recipients: Sequence[str] = (),
    timeout: float = 10.0,
    stage_timeout: float | None = None,
    attempt_auth: bool = True,
    resolver: Resolver = socket.getaddrinfo,
) -> Report:
    """Find out whether the relay would take mail. No mail is sent.

    Args:
        target: What to check.
        sender: Address to try as the envelope's sender; the empty one if there are recipients.
        recipients: Addresses to try as the envelope's recipients.
        timeout: Limit for the whole, in seconds.
        stage_timeout: Limit for each stage, in seconds; half of `timeout` by default, but for a
            banner that is slow to come and for AUTH, which get all that is left.
        attempt_auth: Whether to try AUTH, where `target` wants it. If not, the envelope is left
            out too, because its refusal would mean nothing.
        resolver: Looks up addresses, as `socket.getaddrinfo` does.

    Returns:
        The stages until the first that failed.

    Raises:
        ValueError: If an address cannot stand in an envelope.
    """
    run = _Run(target, _Clock(timeout, stage_timeout))
    envelope = _Envelope(sender, tuple(recipients))
    with contextlib.closing(run):
        with contextlib.suppress(_StopError):
            run.reach(resolver)
            run.authenticate(attempt=attempt_auth)
            run.try_envelope(envelope, attempted=attempt_auth)
        run.finish()
    run.verify_strictly()
    return run.report()


def send(  # noqa: PLR0913 - each has a default and a name
    target: Target,
    message: email.message.EmailMessage,
    recipients: Sequence[str],
    *,
    sender: str | None = None,
    timeout: float = 30.0,
    stage_timeout: float | None = None,
    resolver: Resolver = socket.getaddrinfo,
) -> SendReport:
    """Send one message through the relay.

    Args:
        target: The relay.
        message: What to send, with all its headers.
        recipients: Addresses of the envelope, one at least.
        sender: Address of the envelope; the empty one by default.
        timeout: Limit for the whole, in seconds.
        stage_timeout: Limit for each stage, in seconds, as for `check`.
        resolver: Looks up addresses, as `socket.getaddrinfo` does.

    Returns:
        The stages, the relay's answer, and who was refused.

    Raises:
        ValueError: If there is no recipient, or an address cannot stand in an envelope.
    """
    if not recipients:
        raise ValueError("recipients: one at least is needed")
    run = _Run(target, _Clock(timeout, stage_timeout))
    envelope = _Envelope(sender, tuple(recipients))
    with contextlib.closing(run):
        with contextlib.suppress(_StopError):
            run.reach(resolver)
            run.authenticate(attempt=True)
            run.send_message(envelope, _wire_format(message, utf8=not envelope.is_ascii))
        run.finish()
    report = run.report()
    queue_id = _queue_id(run.answer) if report.works else None
    return SendReport(report, run.answer, queue_id, run.refused)


def _wire_format(message: email.message.EmailMessage, *, utf8: bool) -> bytes:
    """Return the message as DATA carries it: dots doubled (RFC 5321 section 4.5.2).

    It is in seven bits, but for its headers where `utf8` says that addresses need SMTPUTF8
    (RFC 6532 section 3).
    """
    policy: Any = message.policy
    policy = policy.clone(linesep="\r\n", cte_type="7bit", utf8=utf8)
    content = message.as_bytes(policy=policy)
    if not content.endswith(_CRLF):
        content += _CRLF
    return re.sub(rb"(?m)^\.", b"..", content)


# What Postfix and smtp-sink, Exim, Exchange, sendmail, and Amazon SES write.
_QUEUE_IDS = (
    r"\b(?:queued|kept) as <?([\w.-]+)",
    r"\bid=<?([\w.-]+)",
    r"\bInternalId=(\d+)",
    r"(\w+) Message accepted for delivery",
    r"^250 (?:\d\.\d\.\d )?Ok ([\w-]{16,})$",
)


def _queue_id(answer: str | None) -> str | None:
    matches = (re.search(pattern, answer or "", re.IGNORECASE) for pattern in _QUEUE_IDS)
    return next((match[1].rstrip(".") for match in matches if match), None)


@dataclasses.dataclass(frozen=True)
class _Envelope:
    sender: str | None
    recipients: tuple[str, ...]

    def __post_init__(self) -> None:
        for address in (self.sender or "", *self.recipients):
            if _SPECIAL.search(address):
                raise ValueError("an address has blanks, angle brackets or controls in it")

    @property
    def is_ascii(self) -> bool:
        return "".join((self.sender or "", *self.recipients)).isascii()

    @property
    def parameters(self) -> str:
        """What MAIL FROM needs for these addresses (RFC 6531)."""
        return "" if self.is_ascii else " SMTPUTF8"


class _Clock:
    """Two limits: one for the whole, one for the stage that runs."""

    def __init__(self, whole: float, stage: float | None) -> None:
        self._end = time.monotonic() + whole
        self._stage = whole / 2 if stage is None else stage
        self._is_demanded = stage is not None
        self.begin_stage()

    def begin_stage(self) -> None:
        self.began = time.monotonic()
        self._stage_end = min(self._end, self.began + self._stage)

    def extend_stage(self) -> None:
        """Grant the stage all that is left, or its limit once more where that was demanded."""
        once_more = min(self._end, time.monotonic() + self._stage)
        self._stage_end = once_more if self._is_demanded else self._end

    @property
    def limit(self) -> float:
        """How many seconds this stage was given."""
        return max(0.0, self._stage_end - self.began)

    @property
    def elapsed_ms(self) -> int:
        return round((time.monotonic() - self.began) * 1000)

    def remaining(self) -> float:
        """Return the seconds left; raises TimeoutError if there are none."""
        seconds = self._stage_end - time.monotonic()
        if seconds <= 0:
            raise TimeoutError
        return seconds


class _Quoter:
    """Makes what the relay sends fit to be read: visible, short, and without the password."""

    def __init__(self, target: Target) -> None:
        self._pieces: set[str] = set()
        if target.password:
            password = target.password.encode(errors="surrogatepass")
            encoded = (_base64(password), _base64(_plain_response(target)))
            pieces = {piece for text in encoded for piece in _pieces(text.rstrip("="))}
            # A password of blanks alone is no piece: there is nothing to see of it.
            self._pieces = {_squeezed(piece) for piece in (*pieces, target.password)} - {""}

    def __call__(self, text: str) -> str:
        text = _hide(text, self._pieces).strip()
        visible = "".join(c if c.isprintable() else _escape(c) for c in text)
        return visible if len(visible) <= _MAX_QUOTE else f"{visible[:_MAX_QUOTE]}…"


def _pieces(text: str) -> list[str]:
    """Return the pieces by which a text is known: relays cut short what they repeat."""
    ends = range(_PIECE, max(_PIECE, len(text)) + 1)
    return [text[end - _PIECE : end] for end in ends]


def _squeezed(text: str) -> str:
    """Drop what relays change where they repeat a text: blanks where they fold it, and case."""
    return "".join(character.lower()[0] for character in text if not character.isspace())


def _hide(text: str, pieces: set[str]) -> str:
    places = [place for place, character in enumerate(text) if not character.isspace()]
    squeezed = _squeezed(text)
    hidden: set[int] = set()
    for piece in pieces:
        start = squeezed.find(piece)
        while start >= 0:
            hidden.update(range(places[start], places[start + len(piece) - 1] + 1))
            start = squeezed.find(piece, start + 1)
    runs = itertools.groupby(range(len(text)), hidden.__contains__)
    return "".join("[hidden]" if known else "".join(text[i] for i in run) for known, run in runs)


def _text(data: bytes) -> str:
    return data.decode(errors="backslashreplace")


def _escape(character: str) -> str:
    return character.encode("unicode_escape", "surrogatepass").decode()


def _plain_response(target: Target) -> bytes:
    """RFC 4616 section 2, without an authorization identity."""
    return f"\0{target.user}\0{target.password}".encode(errors="surrogatepass")


@dataclasses.dataclass(frozen=True)
class _Reply:
    code: int
    lines: tuple[str, ...]
    quoted: str

    @property
    def text(self) -> str:
        return " ".join(self.lines)

    @property
    def enhanced(self) -> str:
        """The status code of RFC 3463, such as 5.7.1, or nothing."""
        match = re.match(r"[245]\.\d{1,3}\.\d{1,3}\b", self.text)
        return match[0] if match else ""

    @property
    def is_positive(self) -> bool:
        return self.code // 100 == 2  # noqa: PLR2004 - RFC 5321 section 4.2.1

    @property
    def is_temporary(self) -> bool:
        return self.code // 100 == 4  # noqa: PLR2004 - RFC 5321 section 4.2.1


class _NotSmtpError(Exception):
    """A line that is no reply; its argument is the line, quoted."""


class _Connection:
    """Sends commands and reads replies, and is never slower than the clock allows."""

    def __init__(self, sock: socket.socket, clock: _Clock, quote: Callable[[str], str]) -> None:
        self.socket = sock
        self._clock = clock
        self._quote = quote
        self._buffer = b""

    def close(self) -> None:
        self.socket.close()

    @property
    def has_begun(self) -> bool:
        """Whether a part of the next line is there."""
        return bool(self._buffer)

    @property
    def is_encrypted(self) -> bool:
        return isinstance(self.socket, ssl.SSLSocket)

    def receive(self) -> bytes:
        """Return what comes next, or raise ConnectionError at the end."""
        # A limit of the socket is one for each read: the clock's is renewed before every one.
        self.socket.settimeout(self._clock.remaining())
        data = self.socket.recv(4096)
        if not data:
            raise ConnectionResetError("the relay closed the connection")
        return data

    def send(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            self.socket.settimeout(self._clock.remaining())
            view = view[self.socket.send(view[:65536]) :]

    def _line(self) -> bytes:
        while b"\n" not in self._buffer:
            if len(self._buffer) > _MAX_REPLY:
                raise _NotSmtpError(self._quote(_text(self._buffer)))
            try:
                self._buffer += self.receive()
            except ConnectionError:
                if not self._buffer:
                    raise
                self._buffer += b"\n"
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line.rstrip(b"\r")

    def reply(self) -> _Reply:
        """Return the next reply; raises _NotSmtpError for anything else."""
        lines: list[str] = []
        size = 0
        while True:
            line = _text(self._line())
            size += len(line)
            match = re.fullmatch(r"([2-5]\d\d)(?:([ -])(.*))?", line)
            if not match or size > _MAX_REPLY:
                raise _NotSmtpError(self._quote(line))
            lines.append(match[3] or "")
            if match[2] != "-":
                break
        quoted = self._quote(f"{match[1]} {' '.join(lines)}")
        return _Reply(int(match[1]), tuple(lines), quoted)

    def command(self, line: str) -> _Reply:
        self.send(line.encode(errors="surrogatepass") + _CRLF)
        return self.reply()

    def wrap(self, context: ssl.SSLContext, host: str) -> None:
        """Do the handshake of TLS."""
        if self._buffer:
            # What came in the clear must not count as said over TLS (RFC 3207 section 6).
            raise _NotSmtpError(self._quote(_text(self._buffer)))
        self.socket.settimeout(self._clock.remaining())
        wrapped = context.wrap_socket(
            self.socket, server_hostname=host, do_handshake_on_connect=False
        )
        self.socket = wrapped
        wrapped.settimeout(self._clock.remaining())
        wrapped.do_handshake()


class _FailedError(Exception):
    """A stage failed, and why is known."""

    def __init__(self, diagnosis: Diagnosis) -> None:
        super().__init__(diagnosis.summary)
        self.diagnosis = diagnosis


class _StopError(Exception):
    """A stage failed, and is recorded."""


@dataclasses.dataclass
class _Record:
    """A stage while it runs."""

    name: str
    facts: dict[str, str] = dataclasses.field(default_factory=dict[str, str])
    warnings: list[Diagnosis] = dataclasses.field(default_factory=list[Diagnosis])
    diagnosis: Diagnosis | None = None
    skipped: bool = False
    duration_ms: int = 0

    def to_stage(self) -> Stage:
        outcome = Outcome.PASSED
        if self.diagnosis:
            outcome = Outcome.FAILED
        elif self.warnings:
            outcome = Outcome.WARNING
        elif self.skipped:
            outcome = Outcome.SKIPPED
        facts = {key: value for key, value in self.facts.items() if value}
        return Stage(
            self.name, outcome, self.duration_ms, facts, self.diagnosis, tuple(self.warnings)
        )


class _Run:
    """One way through the stages."""

    def __init__(self, target: Target, clock: _Clock) -> None:
        self._target = target
        self._clock = clock
        self._quote = _Quoter(target)
        self._records: list[_Record] = []
        self._connection: _Connection | None = None
        self._ehlo_name = ""
        self._address: _Address | None = None
        self._capabilities: dict[str, str] = {}
        self.answer: str | None = None
        self.refused: dict[str, str] = {}

    def report(self) -> Report:
        return Report(tuple(record.to_stage() for record in self._records))

    # The stages.

    def reach(self, resolver: Resolver) -> None:
        """Do all stages until AUTH."""
        with self._stage("resolve") as record:
            addresses = self._resolve(record, resolver)
        with self._stage("connect") as record:
            self._connection = self._connect(record, addresses)
        if self._target.transport_security == "tls":
            self._start_tls()
        with self._stage("banner") as record:
            self._read_banner(record, self._the_connection)
        with self._stage("ehlo") as record:
            self._say_ehlo(record)
        if self._target.transport_security == "starttls":
            self._start_tls()
            with self._stage("ehlo-after-tls") as record:
                self._say_ehlo(record)
        if self._target.transport_security == "none":
            self._skip("tls", "transport_security=none")

    def authenticate(self, *, attempt: bool) -> None:
        """Try AUTH once, with one mechanism."""
        if self._target.auth_type != "plain":
            self._skip("auth", f"auth_type={self._target.auth_type}", offered=self._offered_auth)
            return
        if not attempt:
            self._skip("auth", "no attempt was wanted", offered=self._offered_auth)
            return
        with self._stage("auth") as record:
            record.facts["offered"] = self._offered_auth
            mechanism = self._choose_mechanism()
            record.facts["chosen"] = mechanism
            if not self._the_connection.is_encrypted and mechanism != "CRAM-MD5":
                record.warnings.append(self._diagnose(Kind.AUTH_IN_CLEAR))
            # Relays hold a refusal back for seconds, and whoever does not wait for it tries again.
            self._clock.extend_stage()
            reply = _attempt_auth(self._the_connection, mechanism, self._target)
            record.facts["answer"] = reply.quoted
            if not reply.is_positive:
                raise self._failed(self._fit(_auth_kind(reply)), reply.quoted)

    def try_envelope(self, envelope: _Envelope, *, attempted: bool) -> None:
        """Name the sender and the recipients, and take them back."""
        if not envelope.sender and not envelope.recipients:
            self._skip("envelope", "no address was given")
        elif self._target.auth_type == "plain" and not attempted:
            self._skip("envelope", "no AUTH was attempted")
        else:
            with self._stage("envelope") as record:
                self._offer_envelope(record, envelope)
                self._the_connection.command("RSET")

    def send_message(self, envelope: _Envelope, content: bytes) -> None:
        """Send one message to all recipients that the relay takes."""
        with self._stage("message") as record:
            size = f" SIZE={len(content)}" if "SIZE" in self._capabilities else ""
            self._offer_envelope(record, envelope, parameters=size, partly=True)
            connection = self._the_connection
            reply = connection.command("DATA")
            if reply.is_positive:
                raise self._failed(Kind.PROTOCOL, reply.quoted)
            if reply.code == 354:  # noqa: PLR2004 - RFC 5321 section 4.1.1.4
                connection.send(content + b"." + _CRLF)
                reply = connection.reply()
            self.answer = record.facts["answer"] = reply.quoted
            if not reply.is_positive:
                kind = Kind.REFUSED_FOR_NOW if reply.is_temporary else Kind.MESSAGE_REFUSED
                kind = Kind.TOO_BIG if reply.code == 552 else kind  # noqa: PLR2004
                raise self._failed(kind, reply.quoted, sender=envelope.sender or "<>")

    def finish(self) -> None:
        """Say QUIT; after a failure, without a word on how it went."""
        if self._records[-1].diagnosis is None:
            with self._stage("quit") as record:
                self._quit(record, self._the_connection)
        elif self._connection:
            _part(self._connection)

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._connection:
            self._connection.close()

    def verify_strictly(self) -> None:
        """Add a warning to the stage `tls` if only strict verification refuses the certificate.

        That takes a connection of its own, after all is done, so that it can neither fail nor
        delay anything.
        """
        record = next((item for item in self._records if item.name == "tls"), None)
        if not record or record.diagnosis or record.skipped or self._target.skip_ssl_verify:
            return
        self._clock.begin_stage()
        context = _context(self._target, strict=True)
        try:
            with contextlib.closing(self._reopen(context)) as connection:
                _part(connection)
            record.facts["strict-verification"] = "passed"
        except ssl.SSLCertVerificationError as e:
            warning = self._diagnose(Kind.CERTIFICATE_NOT_STRICT, _verify_error(e))
            record.warnings.append(warning)
            record.facts["strict-verification"] = "failed"
        except (OSError, _NotSmtpError):
            record.facts["strict-verification"] = "not checked: no second connection"

    # What the stages do.

    def _resolve(self, record: _Record, resolver: Resolver) -> list[_Address]:
        try:
            found = _in_time(
                lambda: resolver(self._target.host, self._target.port, type=socket.SOCK_STREAM),
                self._clock.remaining(),
            )
        except TimeoutError:
            evidence = f"no answer in {self._clock.limit:.1f} s"
            raise self._failed(Kind.DNS_TEMPORARY, evidence) from None
        except socket.gaierror as e:
            temporary = e.errno == socket.EAI_AGAIN
            kind = Kind.DNS_TEMPORARY if temporary else Kind.HOST_UNKNOWN
            raise self._failed(kind, e.strerror or "") from None
        except ValueError:
            raise self._failed(Kind.HOST_UNKNOWN, "not a host name") from None
        addresses = list(dict.fromkeys(_Address(item[0], item[4]) for item in found))
        if not addresses:
            raise self._failed(Kind.HOST_UNKNOWN, "no address")
        record.facts["addresses"] = ", ".join(str(address) for address in addresses)
        return addresses

    def _connect(self, record: _Record, addresses: list[_Address]) -> _Connection:
        """Try every address, and keep the connection to the first that works."""
        results: dict[_Address, OSError | None] = {}
        for number, address in enumerate(addresses):
            seconds = self._share(len(addresses) - number)
            if not seconds:
                record.facts[f"address-{number + 1}"] = f"{address}: not tried"
                continue
            connection, results[address] = self._try_address(address, seconds)
            record.facts[f"address-{number + 1}"] = f"{address}: {_outcome(results[address])}"
            if connection and self._connection is None:
                self._connection, self._address = connection, address
            elif connection:
                connection.close()
        errors = {address: error for address, error in results.items() if error}
        if self._connection is None:
            evidence = "; ".join(f"{address}: {_outcome(e)}" for address, e in errors.items())
            raise self._failed(_worst(list(errors.values())), evidence)
        if errors:
            works = ", ".join(str(address) for address in results if address not in errors)
            fails = ", ".join(str(address) for address in errors)
            warning = self._diagnose(Kind.ADDRESS_FAILS, works=works, fails=fails)
            record.warnings.append(warning)
        return self._connection

    def _share(self, addresses: int) -> float:
        """Return an address's share of the time: where there are many, a second at least."""
        try:
            remaining = self._clock.remaining()
        except TimeoutError:
            return 0.0
        return max(remaining / addresses, min(1.0, remaining / 2))

    def _try_address(
        self, address: _Address, seconds: float
    ) -> tuple[_Connection | None, OSError | None]:
        try:
            return _Connection(address.connect(seconds), self._clock, self._quote), None
        except OSError as e:
            return None, e

    def _read_banner(self, record: _Record, connection: _Connection) -> None:
        try:
            reply = self._first_reply(connection)
        except _NotSmtpError as e:
            raise self._failed(Kind.NOT_SMTP, str(e)) from None
        record.facts["banner"] = reply.quoted
        if reply.is_temporary:
            raise self._failed(Kind.BUSY, reply.quoted)
        if reply.code // 100 == 5:  # noqa: PLR2004 - RFC 5321 section 4.2.1
            raise self._failed(Kind.BLOCKED, reply.quoted)
        if reply.code != 220:  # noqa: PLR2004 - RFC 5321 section 4.3.2
            raise self._failed(Kind.NOT_SMTP, reply.quoted)

    def _first_reply(self, connection: _Connection) -> _Reply:
        """Return the banner, for which a relay that is slow on purpose gets all of the time."""
        try:
            return connection.reply()
        except TimeoutError:
            if connection.has_begun:
                raise
        self._clock.extend_stage()
        if not connection.is_encrypted:
            self._look_for_tls()
        try:
            return connection.reply()
        except TimeoutError:
            if connection.has_begun:
                raise
            raise self._failed(Kind.SILENT) from None

    def _look_for_tls(self) -> None:
        """Offer TLS on another connection: a relay hangs up on who speaks before its banner."""
        seconds = min(_LOOK, self._clock.remaining() / 2)
        try:
            with contextlib.closing(self._open(_Clock(seconds, seconds))) as other:
                other.send(_client_hello(self._target.host))
                answer = other.receive()
        except OSError:
            return
        # A record of TLS begins with its type, 21 or 22, and 3 (RFC 8446 section 5.1).
        if answer[:2] in {b"\x15\x03", b"\x16\x03"}:
            raise self._failed(Kind.CLEAR_ON_TLS_PORT)
        text = _text(answer).partition("\n")[0]
        if not re.match(r"[245]\d\d[ -]", text):
            raise self._failed(Kind.NOT_SMTP, self._quote(text))

    def _say_ehlo(self, record: _Record) -> None:
        name = self._ehlo_name = self._target.ehlo_name or _own_name(self._the_connection.socket)
        reply = self._the_connection.command(f"EHLO {name}")
        if reply.code in {500, 502, 504, 550}:
            record.facts["ehlo"] = reply.quoted
            reply = self._the_connection.command(f"HELO {name}")
        if reply.is_temporary:
            raise self._failed(Kind.BUSY, reply.quoted)
        if reply.code == 554:  # noqa: PLR2004 - RFC 5321 section 3.1
            raise self._failed(Kind.BLOCKED, reply.quoted)
        if not reply.is_positive:
            raise self._failed(Kind.EHLO_REFUSED, reply.quoted, ehlo_name=name)
        self._capabilities = _capabilities(reply)
        listed = ", ".join(f"{k} {v}".strip() for k, v in self._capabilities.items())
        record.facts["capabilities"] = self._quote(listed)
        record.facts["size"] = self._quote(self._capabilities.get("SIZE", ""))

    def _start_tls(self) -> None:
        with self._stage("tls") as record:
            record.facts["verification"] = _verification(self._target)
            connection = self._the_connection
            if self._target.transport_security == "starttls":
                self._ask_for_tls(connection)
            try:
                context = _context(self._target)
            except (ssl.SSLError, TypeError, ValueError) as e:
                reason = getattr(e, "reason", None) or "not ASCII, or empty"
                raise self._failed(Kind.CA_CHAIN_UNUSABLE, reason) from None
            self._shake_hands(record, connection, context)
            self._describe_tls(record, connection)
            if self._target.skip_ssl_verify:
                record.warnings.append(self._diagnose(Kind.CERTIFICATE_UNVERIFIED))

    def _ask_for_tls(self, connection: _Connection) -> None:
        if "STARTTLS" not in self._capabilities:
            raise self._failed(Kind.STARTTLS_NOT_OFFERED)
        reply = connection.command("STARTTLS")
        if reply.is_temporary:
            raise self._failed(Kind.STARTTLS_TEMPORARY, reply.quoted)
        if reply.code != 220:  # noqa: PLR2004 - RFC 3207 section 4
            raise self._failed(Kind.STARTTLS_REFUSED, reply.quoted)

    def _shake_hands(
        self, record: _Record, connection: _Connection, context: ssl.SSLContext
    ) -> None:
        # The order counts: each of these is an OSError, and the first is an SSLError too.
        try:
            connection.wrap(context, self._target.host)
        except ssl.SSLCertVerificationError as e:
            raise self._certificate_failure(record, e) from None
        except TimeoutError:
            raise
        except (ssl.SSLError, ConnectionError) as e:
            raise self._handshake_failure(e) from None

    def _describe_tls(self, record: _Record, connection: _Connection) -> None:
        wrapped = connection.socket
        if isinstance(wrapped, ssl.SSLSocket):
            cipher = wrapped.cipher()
            record.facts["version"] = wrapped.version() or ""
            record.facts["cipher"] = cipher[0] if cipher else ""
            self._describe_certificate(record, wrapped.getpeercert(binary_form=True))

    def _describe_certificate(self, record: _Record, der: bytes | None) -> None:
        facts = read_certificate(der or b"").facts()
        record.facts.update({key: self._quote(value) for key, value in facts.items()})

    def _certificate_failure(
        self, record: _Record, error: ssl.SSLCertVerificationError
    ) -> _FailedError:
        # The handshake ended at the refusal: another, unverified, shows what was refused.
        der: bytes | None = None
        with contextlib.suppress(OSError, _NotSmtpError):
            connection = self._reopen(_unverified_context())
            with contextlib.closing(connection):
                if isinstance(connection.socket, ssl.SSLSocket):
                    der = connection.socket.getpeercert(binary_form=True)
                _part(connection)
        self._describe_certificate(record, der)
        facts = record.facts
        kind = _CERTIFICATE_KINDS.get(error.verify_code, Kind.CERTIFICATE_REFUSED)
        if error.verify_code == _NO_ISSUER and self._target.tls_ca_chain:
            kind = Kind.CA_CHAIN_INCOMPLETE
        return self._failed(
            kind,
            _verify_error(error),
            names=facts.get("names") or ("no name" if der else "names that could not be read"),
            issuer=facts.get("issuer") or "an unknown issuer",
            not_before=facts.get("not-before") or "an unknown date",
            not_after=facts.get("not-after") or "an unknown date",
            trust="tls_ca_chain" if self._target.tls_ca_chain else "This machine",
        )

    def _handshake_failure(self, error: OSError) -> _FailedError:
        """Say why a handshake ended, by looking at the relay in other ways."""
        reason = getattr(error, "reason", None) or "end of the connection"
        ended = isinstance(error, (ssl.SSLEOFError, ConnectionError))
        speaks_tls = "ALERT" in reason or reason == "UNSUPPORTED_PROTOCOL"
        if self._target.transport_security == "tls" and not ended and not speaks_tls:
            failure = self._look_in_clear()
            if failure:
                return failure
        version = self._old_version()
        if version or "PROTOCOL" in reason:
            evidence = f"{version} offered" if version else reason
            return self._failed(Kind.TLS_VERSION, evidence)
        if ended:
            return self._failed(Kind.DISCONNECTED, "at tls")
        return self._failed(Kind.TLS_FAILED, reason)

    def _look_in_clear(self) -> _FailedError | None:
        try:
            with contextlib.closing(self._open()) as connection:
                banner = connection.reply().quoted
        except OSError:
            return None
        except _NotSmtpError as e:
            return self._failed(Kind.NOT_SMTP, str(e))
        return self._failed(Kind.TLS_ON_CLEAR_PORT, banner)

    def _old_version(self) -> str | None:
        """Return the version of TLS that the relay speaks with a client that takes the oldest."""
        context = _unverified_context()
        context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        try:
            context.set_ciphers("ALL:@SECLEVEL=0")
            with contextlib.closing(self._reopen(context)) as connection:
                wrapped = connection.socket
                version = wrapped.version() if isinstance(wrapped, ssl.SSLSocket) else None
                _part(connection)
        except (OSError, _NotSmtpError):
            return None
        return version if version in {"TLSv1", "TLSv1.1", "SSLv3"} else None

    def _open(self, clock: _Clock | None = None) -> _Connection:
        """Return another connection, by default within the limits of the stage."""
        assert self._address is not None  # noqa: S101 - the stage connect came before
        clock = clock or self._clock
        sock = self._address.connect(clock.remaining())
        return _Connection(sock, clock, self._quote)

    def _reopen(self, context: ssl.SSLContext) -> _Connection:
        """Return another connection, after its handshake; raises OSError or _NotSmtpError."""
        connection = self._open()
        try:
            if self._target.transport_security == "starttls":
                connection.reply()
                connection.command(f"EHLO {self._ehlo_name}")
                connection.command("STARTTLS")
            connection.wrap(context, self._target.host)
        except BaseException:
            connection.close()
            raise
        return connection

    @property
    def _offered_auth(self) -> str:
        return self._quote(self._capabilities.get("AUTH", ""))

    def _choose_mechanism(self) -> str:
        encrypted = self._the_connection.is_encrypted
        offered = self._capabilities.get("AUTH", "").upper().split()
        if not offered and not encrypted and "STARTTLS" in self._capabilities:
            raise self._failed(Kind.AUTH_AFTER_TLS)
        if not offered:
            raise self._failed(Kind.AUTH_NOT_OFFERED)
        # In the clear, the one that does not show the password comes first.
        preferred = ["PLAIN", "LOGIN", "CRAM-MD5"] if encrypted else ["CRAM-MD5", "PLAIN", "LOGIN"]
        if not _has_md5():
            preferred.remove("CRAM-MD5")
        usable = [mechanism for mechanism in preferred if mechanism in offered]
        if not usable:
            listed = self._offered_auth
            raise self._failed(
                Kind.AUTH_NO_MECHANISM, listed, offered=listed, usable="PLAIN, LOGIN or CRAM-MD5"
            )
        return usable[0]

    def _offer_envelope(
        self, record: _Record, envelope: _Envelope, *, parameters: str = "", partly: bool = False
    ) -> None:
        """Say MAIL FROM and RCPT TO; with `partly`, one recipient taken is enough."""
        if envelope.parameters and "SMTPUTF8" not in self._capabilities:
            raise self._failed(Kind.ADDRESS_NOT_ASCII)
        parameters += envelope.parameters
        sender = f"<{envelope.sender or ''}>"
        reply = self._the_connection.command(f"MAIL FROM:{sender}{parameters}")
        record.facts["sender"] = f"{sender}: {reply.quoted}"
        fields = {"sender": envelope.sender or "the empty address"}
        if not reply.is_positive:
            self._judge(record, _sender_kind(reply), reply, final=partly, **fields)
            return
        replies = [self._offer_recipient(record, address) for address in envelope.recipients]
        refused = [(a, r) for a, r in replies if not r.is_positive]
        self.refused = {address: reply.quoted for address, reply in refused}
        if partly and refused and len(refused) < len(replies):
            evidence = "; ".join(f"{address}: {reply.quoted}" for address, reply in refused)
            record.warnings.append(self._diagnose(Kind.RECIPIENTS_LEFT_OUT, evidence))
            return
        for address, reply in refused:
            fields["recipient"] = address
            self._judge(record, _recipient_kind(reply), reply, final=partly, **fields)

    def _offer_recipient(self, record: _Record, address: str) -> tuple[str, _Reply]:
        reply = self._the_connection.command(f"RCPT TO:<{address}>")
        number = sum(key.startswith("recipient-") for key in record.facts) + 1
        record.facts[f"recipient-{number}"] = f"<{address}>: {reply.quoted}"
        return address, reply

    def _judge(
        self, record: _Record, kind: Kind, reply: _Reply, *, final: bool, **fields: str
    ) -> None:
        """Fail, or warn where the relay asks to try later and nothing was to be sent."""
        kind = self._fit(kind)
        if kind is Kind.GREYLISTED and not final:
            record.warnings.append(self._diagnose(kind, reply.quoted, **fields))
            return
        raise self._failed(kind, reply.quoted, **fields)

    def _fit(self, kind: Kind) -> Kind:
        """Leave out what is demanded and was done already: its remedy would mislead."""
        if kind is Kind.AUTH_REQUIRED and self._target.auth_type == "plain":
            return Kind.ENVELOPE_REFUSED
        if kind is Kind.TLS_REQUIRED and self._the_connection.is_encrypted:
            at_auth = self._records[-1].name == "auth"
            return Kind.AUTH_FAILED if at_auth else Kind.ENVELOPE_REFUSED
        return kind

    def _quit(self, record: _Record, connection: _Connection) -> None:
        try:
            record.facts["answer"] = connection.command("QUIT").quoted
        except (OSError, _NotSmtpError) as e:
            # The work is done: how the relay takes its leave breaks nothing.
            record.warnings.append(self._explain(e, "quit"))

    # How the stages are recorded.

    @property
    def _the_connection(self) -> _Connection:
        assert self._connection is not None  # noqa: S101 - the stage connect came before
        return self._connection

    def _skip(self, name: str, reason: str, **facts: str) -> None:
        self._records.append(_Record(name, {"reason": reason, **facts}, skipped=True))

    @contextlib.contextmanager
    def _stage(self, name: str) -> Generator[_Record]:
        """Record a stage; raises _StopError if it fails."""
        record = _Record(name)
        self._records.append(record)
        self._clock.begin_stage()
        try:
            yield record
        except _FailedError as e:
            record.diagnosis = e.diagnosis
        except (OSError, _NotSmtpError) as e:
            record.diagnosis = self._explain(e, name)
        finally:
            record.duration_ms = self._clock.elapsed_ms
        if record.diagnosis:
            raise _StopError

    def _explain(self, error: OSError | _NotSmtpError, stage: str) -> Diagnosis:
        """Diagnose an error that can come at any stage."""
        # The order counts: all but the first are OSErrors, and the end of TLS is an SSLError.
        if isinstance(error, _NotSmtpError):
            return self._diagnose(Kind.PROTOCOL, str(error), stage=stage)
        if isinstance(error, TimeoutError):
            return self._diagnose(Kind.TIMEOUT, f"at {stage}", stage=stage)
        ended = isinstance(error, (ssl.SSLEOFError, ssl.SSLZeroReturnError))
        if isinstance(error, ssl.SSLError) and not ended:
            return self._diagnose(Kind.TLS_FAILED, getattr(error, "reason", None) or "")
        return self._diagnose(Kind.DISCONNECTED, f"at {stage}", stage=stage)

    def _diagnose(self, kind: Kind, evidence: str = "", **fields: str) -> Diagnosis:
        known = {
            "host": self._target.host,
            "port": str(self._target.port),
            "security": self._target.transport_security,
            "auth_type": self._target.auth_type,
            "stage": self._records[-1].name,
            "limit": f"{self._clock.limit:.1f}",
        }
        return kind.diagnose(evidence, known | fields)

    def _failed(self, kind: Kind, evidence: str = "", **fields: str) -> _FailedError:
        return _FailedError(self._diagnose(kind, evidence, **fields))


@dataclasses.dataclass(frozen=True)
class _Address:
    family: int
    sockaddr: tuple[Any, ...]

    def __str__(self) -> str:
        return str(self.sockaddr[0])

    def connect(self, seconds: float) -> socket.socket:
        sock = socket.socket(self.family, socket.SOCK_STREAM)
        try:
            sock.settimeout(seconds)
            sock.connect(self.sockaddr)
        except BaseException:
            sock.close()
            raise
        return sock


def _in_time(look_up: Callable[[], Any], seconds: float) -> Any:  # noqa: ANN401
    """Call in a thread, because the system's resolver takes no limit; raises TimeoutError."""
    results: list[Any] = []
    errors: list[Exception] = []

    def run() -> None:
        try:
            results.append(look_up())
        except Exception as e:  # noqa: BLE001 - it is raised again in the caller's thread
            errors.append(e)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if errors:
        raise errors[0]
    if not results:
        raise TimeoutError
    return results[0]


def _outcome(error: OSError | None) -> str:
    if error is None:
        return "works"
    if isinstance(error, TimeoutError):
        return "no answer"
    return "refused" if isinstance(error, ConnectionRefusedError) else error.strerror or "fails"


def _worst(errors: Sequence[OSError]) -> Kind:
    """Return what to say where no address works: what tells the most."""
    if any(isinstance(error, ConnectionRefusedError) for error in errors):
        return Kind.CONNECTION_REFUSED
    if any(isinstance(error, TimeoutError) for error in errors):
        return Kind.CONNECTION_FILTERED
    return Kind.UNREACHABLE


def _part(connection: _Connection) -> None:
    """Say QUIT and wait for nothing."""
    with contextlib.suppress(OSError):
        connection.send(b"QUIT" + _CRLF)


def _own_name(sock: socket.socket) -> str:
    """Return this machine's full name, or else its address (RFC 5321 section 4.1.3)."""
    # socket.getfqdn() would ask the name servers, without a limit.
    name = socket.gethostname()
    if "." in name:
        return name
    address = sock.getsockname()[0]
    ip = ipaddress.ip_address(address.partition("%")[0])
    return f"[{ip}]" if ip.version == 4 else f"[IPv6:{ip}]"  # noqa: PLR2004


def _capabilities(reply: _Reply) -> dict[str, str]:
    """Return what EHLO listed; AUTH with an equals sign is from before RFC 2554."""
    found: dict[str, str] = {}
    for line in reply.lines[1:]:
        keyword, _, value = re.sub(r"(?i)^AUTH=", "AUTH ", line).strip().partition(" ")
        found[keyword.upper()] = f"{found.get(keyword.upper(), '')} {value}".strip()
    return found


# AUTH (RFC 4954): one mechanism, one attempt.


def _attempt_auth(connection: _Connection, mechanism: str, target: Target) -> _Reply:
    user = (target.user or "").encode(errors="surrogatepass")
    password = (target.password or "").encode(errors="surrogatepass")
    plain = _plain_response(target)
    initial = f" {_base64(plain)}" if mechanism == "PLAIN" else ""
    reply = connection.command(f"AUTH {mechanism}{initial}")
    if mechanism == "PLAIN":
        # Some relays want it by itself; it is one attempt still.
        steps = [plain]
    elif mechanism == "LOGIN":
        steps = [user, password]
    else:
        steps = [user + b" " + _cram_digest(password, reply).encode()]
    for step in steps:
        if reply.code != 334:  # noqa: PLR2004 - RFC 4954 section 4
            break
        reply = connection.command(_base64(step))
    return reply


def _cram_digest(password: bytes, reply: _Reply) -> str:
    """RFC 2195 section 2; a challenge that is not base64 gets an answer that cannot be right."""
    try:
        challenge = base64.b64decode(reply.text)
    except ValueError:
        challenge = b""
    return hmac.new(password, challenge, "md5").hexdigest()


def _has_md5() -> bool:
    """Whether this machine's policy allows MD5; FIPS 140 does not."""
    try:
        hmac.new(b"", b"", "md5")
    except ValueError:
        return False
    return True


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _auth_kind(reply: _Reply) -> Kind:
    """RFC 4954 section 6."""
    kinds = {
        530: Kind.TLS_REQUIRED,
        534: Kind.AUTH_APP_PASSWORD,
        535: Kind.AUTH_REFUSED,
        538: Kind.TLS_REQUIRED,
    }
    return kinds.get(reply.code, Kind.AUTH_TEMPORARY if reply.is_temporary else Kind.AUTH_FAILED)


# What relays write where their code tells less: Postfix, Exim, qmail, Exchange and sendmail.
_NO_RELAYING = re.compile(
    r"relay(ing)?( access| is)? (denied|not (permitted|allowed)|prohibited)"
    r"|(unable|not permitted|not allowed) to relay|(cannot|can't|don't|no) relay|rcpthosts"
)
_NO_AUTH = re.compile(r"\b(not authenticated|auth\w* (is )?(required|first|command first))")
_NO_SENDER = re.compile(r"sender (address rejected|verify failed)")


def _sender_kind(reply: _Reply) -> Kind:
    general = _envelope_kind(reply)
    return Kind.SENDER_REFUSED if general is Kind.ENVELOPE_REFUSED else general


def _recipient_kind(reply: _Reply) -> Kind:
    # Many relays refuse the sender only here (RFC 3463 section 3.2: 5.1.7, 5.1.8).
    if reply.enhanced in {"5.1.7", "5.1.8"} or _NO_SENDER.search(reply.text.lower()):
        return Kind.SENDER_REFUSED
    general = _envelope_kind(reply)
    if general is Kind.AUTH_REQUIRED:
        return general
    if _NO_RELAYING.search(reply.text.lower()):
        return Kind.RELAY_DENIED
    if reply.code in {551, 554} or (reply.code == 550 and reply.enhanced.startswith("5.7.")):  # noqa: PLR2004
        return Kind.RELAY_DENIED
    return Kind.RECIPIENT_UNKNOWN if reply.code in {550, 553} else general


def _envelope_kind(reply: _Reply) -> Kind:
    text = reply.text.lower()
    # RFC 3207 section 4, RFC 4954 section 6.
    if reply.code == 538 or (reply.code == 530 and "starttls" in text):  # noqa: PLR2004
        return Kind.TLS_REQUIRED
    if reply.code == 530 or (reply.code // 100 == 5 and _NO_AUTH.search(text)):  # noqa: PLR2004
        return Kind.AUTH_REQUIRED
    kinds = {
        421: Kind.BUSY,
        450: Kind.GREYLISTED,
        451: Kind.GREYLISTED,
        552: Kind.TOO_BIG,
    }
    rest = Kind.REFUSED_FOR_NOW if reply.is_temporary else Kind.ENVELOPE_REFUSED
    return kinds.get(reply.code, rest)


# TLS.

# x509_vfy.h of OpenSSL.
_NO_ISSUER = 2
_CERTIFICATE_KINDS = {
    _NO_ISSUER: Kind.CERTIFICATE_UNKNOWN_CA,
    9: Kind.CERTIFICATE_NOT_YET_VALID,
    10: Kind.CERTIFICATE_EXPIRED,
    18: Kind.CERTIFICATE_SELF_SIGNED,
    19: Kind.CERTIFICATE_UNKNOWN_CA,
    20: Kind.CERTIFICATE_UNKNOWN_CA,
    21: Kind.CERTIFICATE_UNKNOWN_CA,
    62: Kind.CERTIFICATE_NAME,
    64: Kind.CERTIFICATE_NAME,
}


def _context(target: Target, *, strict: bool = False) -> ssl.SSLContext:
    """Return what a requirer uses, as lenient on every Python as 3.12 is, or strict."""
    if target.skip_ssl_verify:
        return _unverified_context()
    context = ssl.create_default_context(cadata=target.tls_ca_chain or None)
    context.verify_flags &= ~(ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN)
    if strict:
        context.verify_flags |= ssl.VERIFY_X509_STRICT
    return context


def _unverified_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _verify_error(error: ssl.SSLCertVerificationError) -> str:
    return f"{error.verify_message.rstrip('.')} (code {error.verify_code})"


def _verification(target: Target) -> str:
    if target.skip_ssl_verify:
        return "off, by skip_ssl_verify"
    return "on, with tls_ca_chain alone" if target.tls_ca_chain else "on, with the system's CAs"


def _client_hello(host: str) -> bytes:
    """Return the first bytes of a client of TLS."""
    outgoing = ssl.MemoryBIO()
    client = _unverified_context().wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=host)
    with contextlib.suppress(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()


# Certificates: `ssl` decodes only those that it verified, so a reader of DER stands here (X.690,
# and RFC 5280 section 4.1).


@dataclasses.dataclass(frozen=True)
class Certificate:
    """What a certificate says of itself; empty where it cannot be read."""

    subject: str = ""
    issuer: str = ""
    names: tuple[str, ...] = ()
    not_before: dt.datetime | None = None
    not_after: dt.datetime | None = None

    def facts(self) -> dict[str, str]:
        """Return what a report shows."""
        left = self.not_after - dt.datetime.now(dt.timezone.utc) if self.not_after else None
        return {
            "subject": self.subject,
            "names": ", ".join(self.names),
            "issuer": self.issuer,
            "not-before": _date(self.not_before),
            "not-after": _date(self.not_after),
            "days-left": "" if left is None else str(left.days),
        }


def _date(moment: dt.datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC" if moment else ""


class _Value(NamedTuple):
    """A value in DER: its tag, and its content."""

    tag: int
    content: bytes

    def items(self) -> list[_Value]:
        """Return the values in this one; raises ValueError if it is cut short."""
        found: list[_Value] = []
        rest = self.content
        while rest:
            value, rest = _read_value(rest)
            found.append(value)
        return found


def _read_value(data: bytes) -> tuple[_Value, bytes]:
    """Return the first value, and what follows it."""
    if len(data) < 2:  # noqa: PLR2004 - a tag and a length
        raise ValueError("DER is cut short")
    size, start = data[1], 2
    if size >= 0x80:  # noqa: PLR2004 - X.690 section 8.1.3.5
        start += size - 0x80
        size = int.from_bytes(data[2:start], "big")
    if len(data) < start + size:
        raise ValueError("DER is cut short")
    return _Value(data[0], data[start : start + size]), data[start + size :]


def read_certificate(der: bytes) -> Certificate:
    """Return what the certificate says, or an empty one if it cannot be read."""
    try:
        fields = _Value(0, der).items()[0].items()[0].items()
        if fields[0].tag == 0xA0:  # noqa: PLR2004 - the version, which the oldest leave out
            fields = fields[1:]
        _, _, issuer, validity, subject, _, *rest = fields
        extensions = next((value for value in rest if value.tag == 0xA3), None)  # noqa: PLR2004
        begin, end = (_read_time(value) for value in validity.items())
        names = _read_names(extensions) if extensions else ()
        return Certificate(_read_name(subject), _read_name(issuer), names, begin, end)
    except (IndexError, ValueError):
        return Certificate()


def _read_time(value: _Value) -> dt.datetime:
    """RFC 5280 section 4.1.2.5: years of two digits are 1950 to 2049."""
    text = value.content.decode("ascii")
    if value.tag == 0x17:  # noqa: PLR2004 - UTCTime
        text = ("19" if text >= "50" else "20") + text
    return dt.datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=dt.timezone.utc)


# The last byte of the attribute types 2.5.4.x.
_ATTRIBUTES = {3: "CN", 6: "C", 7: "L", 8: "ST", 10: "O", 11: "OU"}
_BMP_STRING = 0x1E


def _read_name(name: _Value) -> str:
    parts: list[str] = []
    for attributes in name.items():
        for attribute in attributes.items():
            kind, value = attribute.items()
            if kind.content[:2] == b"\x55\x04" and kind.content[2] in _ATTRIBUTES:
                encoding = "utf-16-be" if value.tag == _BMP_STRING else "utf-8"
                text = value.content.decode(encoding, errors="backslashreplace")
                parts.append(f"{_ATTRIBUTES[kind.content[2]]}={text}")
    return ", ".join(parts)


def _read_names(extensions: _Value) -> tuple[str, ...]:
    """Return the DNS names and addresses of the subject (RFC 5280 section 4.2.1.6)."""
    for extension in extensions.items()[0].items():
        kind, *_, value = extension.items()
        if kind.content == b"\x55\x1d\x11":
            items = _Value(0, value.content).items()[0].items()
            return tuple(filter(None, (_read_general_name(item) for item in items)))
    return ()


def _read_general_name(value: _Value) -> str:
    if value.tag == 0x82:  # noqa: PLR2004 - dNSName
        return value.content.decode("ascii", errors="backslashreplace")
    if value.tag == 0x87:  # noqa: PLR2004 - iPAddress
        return str(ipaddress.ip_address(value.content))
    return ""


# The command.


def main(arguments: Sequence[str] | None = None) -> int:
    """Check a relay from the shell.

    Args:
        arguments: What follows the command's name; by default `sys.argv`'s.

    Returns:
        The exit code: 0, or one of sysexits.h.
    """
    given = _parse(arguments)
    report = check(
        given.target, sender=given.sender, recipients=given.recipients, timeout=given.timeout
    )
    if given.as_json:
        import json  # noqa: PLC0415 - the charm, which pays for imports at every event, needs none

        lines = [json.dumps(report.to_dict(), indent=2)]
    else:
        lines = report.lines()
    sys.stdout.write("\n".join(lines) + "\n")
    return report.exit_code


class _Given(NamedTuple):
    target: Target
    sender: str | None
    recipients: tuple[str, ...]
    timeout: float
    as_json: bool


def _parse(arguments: Sequence[str] | None) -> _Given:
    parser = _parser()
    options, unknown = parser.parse_known_args(arguments)
    if unknown:
        # They are not shown: one may be a password.
        parser.error("there are arguments that it does not know")
    if options.password is not None:
        parser.error(
            "process lists show arguments: put the password into a file, for --password-file"
        )
    try:
        target = _target(options)
        _Envelope(options.sender, tuple(options.recipient))
    except ValueError as e:
        parser.error(str(e))
    return _Given(target, options.sender, tuple(options.recipient), options.timeout, options.json)


def _parser() -> argparse.ArgumentParser:
    import argparse  # noqa: PLC0415 - the charm, which pays for imports at every event, needs none

    class Parser(argparse.ArgumentParser):
        def error(self, message: str) -> NoReturn:
            # What was entered is not shown: it may be a password.
            shown = re.sub(r"(['\"]).*\1", "…", message, flags=re.DOTALL)
            self.print_usage(sys.stderr)
            self.exit(_USAGE, f"{self.prog}: error: {shown}\n")

    parser = Parser(
        description="Find out whether a mail relay works. No mail is sent.", allow_abbrev=False
    )
    add = parser.add_argument
    add("--host", required=True, help="host name or IP address")
    add("--port", required=True, type=int, help="TCP port")
    security = parser.add_mutually_exclusive_group()
    security.add_argument("--starttls", action="store_true", help="transport_security=starttls")
    security.add_argument("--tls", action="store_true", help="transport_security=tls")
    add("--ca-file", help="PEM of the CA certificates to trust (tls_ca_chain)")
    add("--skip-ssl-verify", action="store_true", help="leave the certificate unverified")
    add("--user", help="user of SMTP AUTH (auth_type=plain)")
    add("--password-file", help="file with the password, - for standard input")
    add("--password", help=argparse.SUPPRESS)
    add("--sender", help="address to try as the sender")
    add("--recipient", action="append", default=[], help="address to try; may be repeated")
    add("--timeout", type=float, default=10.0, help="seconds for the whole; 10 by default")
    add("--json", action="store_true", help="print the report as JSON")
    return parser


def _target(options: argparse.Namespace) -> Target:
    """Read the files that the arguments name; raises ValueError."""
    if not 0 < options.timeout < threading.TIMEOUT_MAX:
        raise ValueError("--timeout: must be more than 0 seconds")
    if bool(options.user) != bool(options.password_file):
        raise ValueError("--user and --password-file go together")
    password, ca_chain = None, None
    if options.user:
        password = _read("--password-file", options.password_file).removesuffix("\n")
        password = password.removesuffix("\r")
    if options.ca_file:
        ca_chain = _read("--ca-file", options.ca_file)
    return Target(
        host=options.host,
        port=options.port,
        transport_security="starttls" if options.starttls else "tls" if options.tls else "none",
        auth_type="plain" if options.user else "none",
        user=options.user,
        password=password,
        tls_ca_chain=ca_chain,
        skip_ssl_verify=options.skip_ssl_verify,
    )


def _read(option: str, file: str) -> str:
    """Return the file's text; raises a ValueError that shows neither its name nor its content."""
    try:
        data = sys.stdin.buffer.read() if file == "-" else pathlib.Path(file).read_bytes()
        return data.decode()
    except UnicodeDecodeError:
        raise ValueError(f"{option}: its content is not UTF-8") from None
    except OSError as e:
        raise ValueError(f"{option}: {e.strerror}") from None


if __name__ == "__main__":
    sys.exit(main())

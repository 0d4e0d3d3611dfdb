"""One way through the stages: what is known so far, and how each stage ends."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import ssl
from typing import TYPE_CHECKING

import hostname
from relay_check import alerts, answers, report, wire
from relay_check.kinds import Kind

if TYPE_CHECKING:
    from collections.abc import Generator

    from relay_check.address import Address
    from relay_check.target import Target


class FailedError(Exception):
    """A stage failed, and why is known."""

    def __init__(self, diagnosis: report.Diagnosis) -> None:
        super().__init__(diagnosis.summary)
        self.diagnosis = diagnosis


class StopError(Exception):
    """A stage failed, and is recorded."""


@dataclasses.dataclass
class Record:
    """A stage while it runs."""

    name: str
    facts: dict[str, str] = dataclasses.field(default_factory=dict[str, str])
    warnings: list[report.Diagnosis] = dataclasses.field(default_factory=list[report.Diagnosis])
    diagnosis: report.Diagnosis | None = None
    skipped: bool = False
    duration_ms: int = 0

    def to_stage(self) -> report.Stage:
        """Return the stage as it ended."""
        outcome = report.Outcome.PASSED
        if self.diagnosis:
            outcome = report.Outcome.FAILED
        elif self.warnings:
            outcome = report.Outcome.WARNING
        elif self.skipped:
            outcome = report.Outcome.SKIPPED
        facts = {key: value for key, value in self.facts.items() if value}
        return report.Stage(
            self.name, outcome, self.duration_ms, facts, self.diagnosis, tuple(self.warnings)
        )


class Session:
    """What the stages share.

    Args:
        target: What is checked.
        clock: The limits of time.

    Attributes:
        records: The stages so far; the last one runs.
        address: The relay's address that is used.
        ehlo_name: How the relay was greeted.
        capabilities: What EHLO listed: each keyword in capitals, with its parameters.
        authenticated: Whether AUTH succeeded.
        token: The access token; empty without one.
        answer: The relay's answer to the message, quoted.
        left_out: The relay's answer for each recipient of the message that it refused.
    """

    def __init__(self, target: Target, clock: wire.Clock) -> None:
        self.target = target
        self.clock = clock
        self.quote = wire.Quoter(target)
        self.records: list[Record] = []
        self._began = dt.datetime.now(dt.timezone.utc)
        self.address: Address | None = None
        self.ehlo_name = ""
        self.capabilities: dict[str, str] = {}
        self.authenticated = False
        self.token = ""
        self.answer: str | None = None
        self.left_out: dict[str, str] = {}
        self._connection: wire.Connection | None = None
        self._own_address = ""

    @property
    def host(self) -> str:
        """The relay's name as the DNS and TLS take it; raises ValueError."""
        return hostname.to_ascii(self.target.host)

    @property
    def connection(self) -> wire.Connection:
        """The connection to the relay; only from the stage `connect` on."""
        assert self._connection is not None  # noqa: S101 - the stage connect came before
        return self._connection

    @connection.setter
    def connection(self, connection: wire.Connection) -> None:
        self._connection = connection
        self._own_address = str(connection.socket.getsockname()[0])

    @property
    def is_connected(self) -> bool:
        """Whether the stage `connect` found a connection."""
        return self._connection is not None

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._connection:
            self._connection.close()

    def report(self) -> report.Report:
        """Return what was found."""
        checked = report.Checked(
            self.quote(self.target.host),
            self.target.port,
            self.target.transport_security,
            self.quote(self.target.user or "") if self.target.authenticates else "",
            self.ehlo_name,
            self._own_address,
            self._began,
        )
        return report.Report(checked, tuple(record.to_stage() for record in self.records))

    def record(self, name: str) -> Record | None:
        """Return the record of a stage, if it was reached."""
        return next((record for record in self.records if record.name == name), None)

    # Other connections to the same address.

    def open(self, clock: wire.Clock | None = None) -> wire.Connection:
        """Return another connection, by default within the limits of the stage."""
        assert self.address is not None  # noqa: S101 - the stage connect came before
        clock = clock or self.clock
        return wire.Connection(self.address.connect(clock.remaining()), clock, self.quote)

    def reopen(self, context: ssl.SSLContext) -> wire.Connection:
        """Return another connection after its handshake; raises OSError or NotSmtpError."""
        connection = self.open()
        try:
            if self.target.transport_security == "starttls":
                connection.reply()
                connection.command(f"EHLO {self.ehlo_name}")
                connection.command("STARTTLS")
            connection.wrap(context, self.host)
        except BaseException:
            connection.close()
            raise
        return connection

    # How the stages are recorded.

    def skip(self, name: str, reason: str, **facts: str) -> None:
        """Record a stage that is left out."""
        self.records.append(Record(name, {"reason": reason, **facts}, skipped=True))

    @contextlib.contextmanager
    def stage(self, name: str) -> Generator[Record]:
        """Record a stage; raises StopError if it fails."""
        record = Record(name)
        self.records.append(record)
        self.clock.begin_stage()
        try:
            yield record
        except FailedError as e:
            record.diagnosis = e.diagnosis
        except (OSError, wire.NotSmtpError) as e:
            record.diagnosis = self.explain(e, name)
        finally:
            record.duration_ms = self.clock.elapsed_ms
        if record.diagnosis:
            raise StopError

    def explain(self, error: OSError | wire.NotSmtpError, stage: str) -> report.Diagnosis:
        """Diagnose an error that can come at any stage."""
        # The order counts: all but the first are OSErrors, and the end of TLS is an SSLError.
        if isinstance(error, wire.NotSmtpError):
            return self.diagnose(Kind.PROTOCOL, str(error), stage=stage)
        if isinstance(error, TimeoutError):
            return self.diagnose(Kind.TIMEOUT, f"at {stage}", stage=stage)
        if isinstance(error, ssl.SSLError) and not isinstance(error, wire.TLS_ENDED):
            return self.explain_tls(wire.tls_reason(error))
        return self.diagnose(Kind.DISCONNECTED, f"at {stage}", stage=stage)

    def explain_tls(self, reason: str) -> report.Diagnosis:
        """Diagnose an SSLError by its reason; with TLS 1.3, it may come after the handshake."""
        return self.diagnose(alerts.kind(reason), reason, alert=alerts.words(reason) or "")

    def diagnose(self, kind: Kind, evidence: str = "", **fields: str) -> report.Diagnosis:
        """Fill what is known of the way into the words of a diagnosis."""
        known = {
            "host": self.target.host,
            "port": str(self.target.port),
            "security": self.target.transport_security,
            "auth_type": self.target.auth_type,
            "stage": self.records[-1].name,
            "limit": f"{self.clock.limit:.1f}",
            "ehlo_name": self.ehlo_name or "its name",
            "sender": "the sender",
            "recipient": "the recipient",
            "listed": "",
        }
        return report.Diagnosis.of(kind, evidence, known | fields)

    def meaning(self, stage: str, reply: wire.Reply) -> Kind:
        """Return what a refusal means at `banner`, `ehlo`, `auth`, `mail`, `rcpt` or `message`."""
        situation = answers.Situation(
            stage,
            host=self.target.host.lower(),
            encrypted=self.connection.is_encrypted,
            authenticated=self.authenticated,
            by_token=self.target.auth_type == "oauth2",
            auth_offered="AUTH" in self.capabilities,
        )
        return answers.kind_of(reply, situation)

    def refused(self, stage: str, reply: wire.Reply, **fields: str) -> FailedError:
        """Return the error that ends the stage with what a refusal means."""
        kind = self.meaning(stage, reply)
        return self.failed(kind, reply.quoted, listed=self.quote(answers.listed(reply)), **fields)

    def failed(self, kind: Kind, evidence: str = "", **fields: str) -> FailedError:
        """Return the error that ends the stage with this diagnosis."""
        return FailedError(self.diagnose(kind, evidence, **fields))

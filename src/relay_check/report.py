"""A report: diagnoses and stages, as lines for people and as a dictionary for programs."""

from __future__ import annotations

import dataclasses
import enum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping, Sequence

    from relay_check.kinds import Kind


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

    @classmethod
    def of(cls, kind: Kind, evidence: str, fields: Mapping[str, str]) -> Diagnosis:
        """Fill the fields into a kind's words."""
        sentence = kind.sentence.format(**fields)
        return cls(kind, evidence, sentence, kind.remedy.format(**fields))

    def joined(self, others: Sequence[Diagnosis]) -> Diagnosis:
        """Return one diagnosis that says this and what else is wrong with the same thing."""
        everything = (self, *others)
        return Diagnosis(
            self.kind,
            "; ".join([self.evidence, *(other.kind.title for other in others)]),
            " ".join(each.sentence for each in everything),
            " ".join(dict.fromkeys(each.remedy for each in everything)),
        )

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
        name: `resolve`, `connect`, `banner`, `ehlo`, `tls`, `ehlo-after-tls`, `token`, `auth`,
            `envelope` or, of `send`, `message`; and `quit`. Each is there once at most.
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
class Checked:
    """What was checked, by whom, and when.

    Attributes:
        host: The relay's name, as it was given.
        port: The relay's TCP port.
        transport_security: `none`, `starttls` or `tls`.
        user: The user of SMTP AUTH; empty without AUTH.
        greeting_name: What this machine called itself; empty before EHLO.
        own_address: This machine's address on that connection; empty without one.
        time: When the check began, in UTC.
    """

    host: str
    port: int
    transport_security: str
    user: str
    greeting_name: str
    own_address: str
    time: dt.datetime

    def to_dict(self) -> dict[str, Any]:
        """Return what JSON can hold."""
        fields = {name.replace("_", "-"): value for name, value in vars(self).items()}
        return fields | {"time": self.time.isoformat(timespec="seconds")}

    def lines(self) -> list[str]:
        """Return what a person reads."""
        described = {
            "host": self.host,
            "port": str(self.port),
            "transport_security": self.transport_security,
            "user": self.user,
            "greeting name": self.greeting_name,
            "own address": self.own_address,
            "time": f"{self.time:%Y-%m-%d %H:%M:%S} UTC",
        }
        return [f"{key}: {value or 'none'}" for key, value in described.items()]


@dataclasses.dataclass(frozen=True)
class Report:
    """All stages that were reached, in their order. If one failed, it is the last.

    Attributes:
        checked: What was checked.
        stages: What was done.
    """

    checked: Checked
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
            "checked": self.checked.to_dict(),
            "stages": [stage.to_dict() for stage in self.stages],
        }

    def lines(self) -> list[str]:
        """Return what a person reads."""
        lines = [line for stage in self.stages for line in stage.lines()]
        return [
            *self.checked.lines(),
            "",
            *lines,
            "",
            "The relay works." if self.works else f"Failed: {self.summary}",
        ]


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

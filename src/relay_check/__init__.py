"""Does this mail relay work? Resolve, connect, TLS, AUTH, envelope: each stage with its result.

`check` sends no mail; `send` sends one message. Both go stage by stage until one fails, and say
what failed and what mends it. Nothing here needs Juju, nor more than the standard library:

    python3 -m relay_check --host smtp.example.com --port 587 --starttls

The dialogue is written here rather than with `smtplib`, because that tries several mechanisms of
AUTH, where two failures lock an account, and because its time limit is one for each read, so that
a relay that sends a byte now and then holds it forever.
"""

from __future__ import annotations

from relay_check.certificate import Certificate, read_certificate
from relay_check.greeting import GREETING_DELAY
from relay_check.kinds import Kind
from relay_check.report import Checked, Diagnosis, Outcome, Report, SendReport, Stage
from relay_check.stages import check, send
from relay_check.target import Target

__all__ = [
    "GREETING_DELAY",
    "Certificate",
    "Checked",
    "Diagnosis",
    "Kind",
    "Outcome",
    "Report",
    "SendReport",
    "Stage",
    "Target",
    "check",
    "read_certificate",
    "send",
]

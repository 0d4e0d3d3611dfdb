"""What went on between the points, on the controller that was asked and so here too."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from probe import Probe

FAILING = """\
relation-set -r out:2 --app failing=1
state-set failing=1
secret-add --label LFAIL password=failing
open-port 7777
status-set maintenance from-failing
exit 1
"""
BROKEN = """\
try relation-ids out
try relation-ids in
try relation-list
try relation-list --app
try relation-get - {first}
try relation-get - "$JUJU_REMOTE_UNIT"
try relation-get --app - "$JUJU_REMOTE_APP"
try relation-get --app - pa
try relation-get --app - pb
if [ -z "$(relation-list)" ]; then
    relation-set x=1
    relation-set --app x=1
fi
exit 0
"""
REMOVED = """\
try relation-set --app z=1
try relation-get --app - pa
try relation-list
try is-leader
try relation-ids out
try relation-ids peer
try secret-ids
try status-set active x
exit 0
"""


def _juju(command: str) -> Callable[[Probe], object]:
    return lambda probe: probe.cli(command)


def _on(unit: str, line: str) -> Callable[[Probe], object]:
    return lambda probe: probe.on(unit, line)


def _script(unit: str, event: str, lines: str) -> Callable[[Probe], object]:
    return lambda probe: probe.script(unit, event, lines)


def _forget(probe: Probe) -> None:
    probe.forget()


def _broken(probe: Probe) -> None:
    probe.forget()
    for unit in ("pa/0", "pa/1", "pb/0"):
        end, first = ("in", "pa/0") if unit == "pb/0" else ("out", "pb/0")
        for event in ("departed", "broken"):
            probe.script(unit, f"{end}-relation-{event}", BROKEN.format(first=first))
    # Units take turns: after this comes pb/0, which is to hear before the others have written.
    probe.on("pa/1", "true")


def _unbroken(probe: Probe) -> None:
    for unit in ("pa/0", "pa/1", "pb/0"):
        end = "in" if unit == "pb/0" else "out"
        for event in ("departed", "broken"):
            probe.script(unit, f"{end}-relation-{event}", "")
    for event in ("out-relation-departed", "out-relation-broken", "peer-relation-departed"):
        (probe.records / "pa-0" / f"out.{event}").unlink(missing_ok=True)


def _come_and_go(probe: Probe) -> None:
    """Two units that came and went before: Juju 4.0 goes on naming them to their peers."""
    probe.cli("juju add-unit pa -n 2")
    probe.cli("juju remove-unit --no-prompt pa/2 pa/3")


def _wait_for_expiry(probe: Probe) -> None:
    deadline = time.monotonic() + 60
    while "secret-expired" not in probe.recorded("pa/1", "events"):
        assert time.monotonic() < deadline
        time.sleep(0.05)


BEFORE: dict[str, list[Callable[[Probe], object]]] = {
    "add-model": [_juju("juju model-config automatically-retry-hooks=false")],
    "config set": [_forget],
    "remove-relation in2": [_forget],
    "secrets": [_on("pa/0", "secret-add --label L1 --description d password=earlier")],
    "update info only": [
        _on("pa/0", 'secret-remove "$(secret-info-get --label L1 | head -1 | tr -d :)"')
    ],
    "config trigger": [_forget, _script("pa/0", "config-changed", FAILING)],
    # The clock would try again twice.
    "status of failed": [_juju("juju resolve pa/0"), _juju("juju resolve pa/0")],
    "config trigger while failed": [_juju("juju resolve pa/0")],
    "resolve": [_script("pa/0", "config-changed", "")],
    "secret-add": [_on("pa/0", "status-set active ok"), _forget],
    "secret for broken": [
        _on("pa/0", "for i in $(secret-ids); do secret-remove $i; done"),
        _juju("juju remove-relation pa:out pb:in"),
        _juju("juju integrate pa:out pb:in"),
        _forget,
    ],
    "remove-relation": [_broken],
    "integrate anew": [_unbroken],
    "add-unit": [_come_and_go, _forget],
    "remove-unit leader": [
        _script("pa/0", "out-relation-departed", REMOVED),
        _script("pa/0", "peer-relation-departed", REMOVED),
        _script("pa/0", "stop", REMOVED),
        _script("pa/0", "remove", REMOVED),
    ],
    "events expire pa/1": [_wait_for_expiry],
}

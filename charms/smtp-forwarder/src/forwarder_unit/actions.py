"""The charm's actions."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import ops

from forwarder.tools import failures
from forwarder_unit import waiting

if TYPE_CHECKING:
    from collections.abc import Callable

    from forwarder import queue
    from forwarder_unit import machine

_TEXT = "This message shows that smtp-forwarder passes mail on.\n"


class Actions(ops.Object):
    """Does what an operator asks of one unit.

    Args:
        charm: the charm whose actions these are.
        unit: the unit's forwarder.
    """

    def __init__(self, charm: ops.CharmBase, unit: machine.Machine) -> None:
        super().__init__(charm, "actions")
        self._machine = unit
        handlers: dict[ops.BoundEvent, Callable[[ops.ActionEvent], None]] = {
            charm.on.drop_action: self._on_drop,
            charm.on.hold_action: self._on_hold,
            charm.on.list_queue_action: self._on_list_queue,
            charm.on.release_action: self._on_release,
            charm.on.retry_action: self._on_retry,
            charm.on.send_action: self._on_send,
            charm.on.show_rules_action: self._on_show_rules,
            charm.on.show_settings_action: self._on_show_settings,
        }
        for event, handler in handlers.items():
            self.framework.observe(event, handler)

    def _on_list_queue(self, event: ops.ActionEvent) -> None:
        event.set_results(waiting.listed(self._select(event)))

    def _on_drop(self, event: ops.ActionEvent) -> None:
        self._ask_filtered(event, "drop")

    def _on_hold(self, event: ops.ActionEvent) -> None:
        self._ask_filtered(event, "hold")

    def _on_release(self, event: ops.ActionEvent) -> None:
        self._ask(event, "release")

    def _on_retry(self, event: ops.ActionEvent) -> None:
        self._ask(event, "retry")

    def _on_send(self, event: ops.ActionEvent) -> None:
        # Other events do without what writes mail.
        from forwarder.tools import smtp_send, submission  # noqa: PLC0415

        request = smtp_send.Request(
            [event.params["to"]], event.params["subject"], _TEXT, event.params.get("from")
        )
        try:
            forwarder = self._machine.told()
            answer = submission.submit(forwarder, smtp_send.message(forwarder, request))
        except failures.ToolError as error:
            event.fail(str(error))
        else:
            event.set_results({"answer": answer})

    def _on_show_rules(self, event: ops.ActionEvent) -> None:
        event.set_results({"rules": self._machine.rules()})

    def _on_show_settings(self, event: ops.ActionEvent) -> None:
        try:
            relay = self._machine.told().relay
        except failures.ToolError as error:
            event.fail(str(error))
            return
        serving = self._machine.serving()
        event.set_results(
            {
                "settings": json.dumps(relay),
                "listeners": ", ".join(serving.ports) if serving else "",
                "queue": str(self._machine.places.queue),
                "log": self._machine.log,
                "changes-log": str(self._machine.places.state.changes_log),
            }
        )

    def _select(self, event: ops.ActionEvent) -> list[queue.Entry]:
        return waiting.Filter.of(event.params).select(self._machine.waiting())

    def _ask_filtered(self, event: ops.ActionEvent, verb: str) -> None:
        if waiting.Filter.of(event.params):
            self._ask(event, verb)
        else:
            event.fail(f"{verb} needs a filter: id, sender or recipient; sender=\"'*'\" is all")

    def _ask(self, event: ops.ActionEvent, verb: str) -> None:
        """Have the forwarder do something with the messages that are meant."""
        meant = self._select(event)
        event.set_results(waiting.listed(meant))
        if event.params.get("dry-run") or not meant:
            return
        if not self._machine.spool.ask(verb, [entry.id for entry in meant]):
            event.fail("the forwarder has not done it yet, and will; look again with list-queue")

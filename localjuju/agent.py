"""The agent of a model: one thread that runs its units' hooks, one at a time.

Hooks of different units run in parallel in Juju. One after the other is a schedule that Juju may
choose as well, and it makes a run repeatable: units take turns. Another order that Juju may choose
comes with the model's configuration ``localjuju-seed``; the same seed gives the same order.
"""

from __future__ import annotations

import random
import threading
import traceback
from typing import TYPE_CHECKING

from localjuju import hooks, life, model, uniter

if TYPE_CHECKING:
    from localjuju.model import Model, Unit

SEED = "localjuju-seed"
"""The key of a model's configuration whose value shuffles the turns of its units."""


class Agent(threading.Thread):
    """The thread of one model.

    Args:
        site: the controller's places.
        where: the model.
    """

    def __init__(self, site: hooks.Site, where: Model) -> None:
        super().__init__(name=f"agent of {where.name}", daemon=True)
        self._site = site
        self._where = where
        self._last = ""
        self._steps = 0

    def run(self) -> None:
        """Run operations until the model is stopped."""
        while (step := self._next_step()) is not None:
            unit, operation = step
            try:
                hooks.run(self._site, self._where, unit, operation)
            except Exception:  # noqa: BLE001 - a defect here must not stop the model
                traceback.print_exc()
                self._give_up(unit)
            with self._where.lock:
                unit.local.running = None
                life.settle(self._where)

    def stop(self) -> None:
        """Stop at once: a running hook is killed, none follows. The model is dead."""
        with self._where.lock:
            self._where.life = model.DEAD
            for context in list(self._site.contexts.values()):
                if context.where is self._where:
                    hooks.stop(context)
            self._where.changed.notify_all()

    def _give_up(self, unit: Unit) -> None:
        """Put a unit into error whose operation localjuju itself could not run."""
        problem = "localjuju failed: see .controller/log"
        with self._where.lock:
            operation = unit.local.running
            self._where.write_log(unit.tag, "ERROR", "localjuju", problem)
            if isinstance(operation, model.Task):
                operation.status, operation.message = "error", problem
                operation.completed = model.now()
            else:
                install = model.Hook("install", "install")
                uniter.fail(unit, operation if isinstance(operation, model.Hook) else install)

    def _next_step(self) -> tuple[Unit, uniter.Operation] | None:
        """Wait for the next operation; None when the agent stops."""
        where = self._where
        with where.lock:
            while where.life != model.DEAD:
                life.settle(where, quiet=True)
                for unit in self._in_turn():
                    if operation := uniter.next_operation(where, unit):
                        self._steps += 1
                        self._last, unit.local.running = unit.name, operation
                        return unit, operation
                wake = uniter.next_wake(where)
                delay = (wake - model.now()).total_seconds() if wake else None
                where.changed.wait(None if delay is None else max(delay, 0.001))
        return None

    def _in_turn(self) -> list[Unit]:
        """The units, beginning after the one that ran last, or as the model's seed has it."""
        units = list(self._where.units.values())
        if seed := self._where.config.get(SEED):
            chance = random.Random(f"{seed} {self._steps}")  # noqa: S311 - no cryptography
            return chance.sample(units, len(units))
        names = [unit.name for unit in units]
        start = names.index(self._last) + 1 if self._last in names else 0
        return units[start:] + units[:start]

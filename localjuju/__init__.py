"""Juju's model on one machine, for demos and tests; production runs on Juju.

A charm runs here as on a machine of Juju: through its own ``dispatch``, in a fresh process for
each hook, in Juju's environment, with Juju's hook commands on its PATH. The ``juju`` in this
package's ``bin`` folder speaks enough of Juju's command line that Jubilant drives it unchanged::

    juju = jubilant.Juju(cli_binary="localjuju/bin/juju")
    juju.add_model("demo")  # starts the controller
    juju.deploy("./postfix.charm")
    juju.wait(jubilant.all_active)
    juju.cli("kill-controller", "--no-prompt", "localjuju", include_model=False)

Two environment variables matter: ``LOCALJUJU_DATA`` names the controller directory, one controller
each, and ``LOCALJUJU_PYTHON`` the Python to run with, which needs PyYAML and
jsonschema.

What no controller gives stands beside it. `hook_log` reads what each hook did. In the model's
configuration, ``localjuju-seed`` shuffles the turns of units (see `agent`), ``localjuju-faults``
fails or kills a charm at one of its hook commands (see `faults`).

What differs from Juju: every unit is at the loopback address of this host, as the same user;
hooks of a model run one at a time; retries of a failed hook start after one second; ``expire`` and
``rotate`` of secrets are kept but no clock acts on them; nothing outlives the controller.
"""

from __future__ import annotations

TYPE_CHECKING = False  # importing typing would cost the juju command a third of its start
if TYPE_CHECKING:
    from localjuju.hook_runs import HookRun, hook_log

__all__ = ["HookRun", "hook_log"]


def __getattr__(name: str) -> object:
    """Load the hook log's reader when it is asked for: the juju command starts without it."""
    if name not in __all__:
        raise AttributeError(name)
    from localjuju import hook_runs  # noqa: PLC0415

    return getattr(hook_runs, name)

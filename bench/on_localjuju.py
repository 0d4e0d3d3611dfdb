"""What one hook command costs on localjuju, beside one that does nothing."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys

_JUJU = pathlib.Path(__file__).parents[1] / "localjuju" / "bin" / "juju"
_RUNS = 200
_TIMED = """\
import json, statistics, subprocess, sys, time
commands, times = (["is-leader", "--format=json"], [sys.argv[1]]), ([], [])
for _ in range(int(sys.argv[2])):
    for command, so_far in zip(commands, times):
        begin = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True, text=True)
        so_far.append(time.perf_counter() - begin)
print(json.dumps([statistics.median(so_far) for so_far in times]))
"""


def measure(charm: pathlib.Path, folder: pathlib.Path) -> tuple[float, float]:
    """Measure in a hook's context, in turn, as ops starts its hook commands.

    Args:
        charm: a packed charm or a folder; it is deployed for the context alone.
        folder: a folder to work in; it is empty.

    Returns:
        The medians in seconds: of a hook command of localjuju, and of one that does nothing.
    """
    idle = folder / "do-nothing"
    idle.write_text("#!/bin/sh\n")
    idle.chmod(0o755)
    environment = os.environ | {
        "LOCALJUJU_DATA": str(folder / "controller"),
        "LOCALJUJU_PYTHON": sys.executable,
    }

    def juju(*arguments: str | pathlib.Path) -> str:
        command = [_JUJU, *arguments]
        return subprocess.run(
            command, env=environment, check=True, stdout=subprocess.PIPE, text=True
        ).stdout

    juju("add-model", "bench")
    try:
        juju("deploy", charm.resolve(), "measured")
        timed = [sys.executable, "-IS", "-c", _TIMED, idle, str(_RUNS)]
        one, nothing = json.loads(juju("exec", "--unit", "measured/0", "--", *timed))
    finally:
        juju("kill-controller", "--no-prompt")
    return one, nothing

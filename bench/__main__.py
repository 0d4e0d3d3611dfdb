"""The command line: measure a charm, print the page, and write it where it is asked for."""

from __future__ import annotations

import argparse
import pathlib
import sys
import tempfile

from bench import measure, report
from bench.hooks import HookError
from localjuju import charm, errors, pack, releases

_ROOT = pathlib.Path(__file__).parents[1]
_CHARMS = _ROOT / "build" / "localjuju"


def main() -> int:
    """Measure what the command line names; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=measure.__doc__)
    add = parser.add_argument
    add("--charm", type=pathlib.Path, default=_CHARMS / "smtp-integrator.charm")
    add("--requirer", type=pathlib.Path, default=_CHARMS / "smtp-requirer.charm")
    add("--requirements", type=pathlib.Path, default=_ROOT / "requirements.txt")
    add("--runs", type=int, default=15, help="how often each hook is timed")
    add("--output", type=pathlib.Path, help="the Markdown file to write")
    given = parser.parse_args()
    try:
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            page = _measure(given, pathlib.Path(folder))
    except (HookError, errors.JujuError, pack.PackError) as e:
        sys.stderr.write(f"{e}\n")
        return 1
    sys.stdout.write(page)
    if given.output:
        given.output.write_text(page)
    return 0


def _measure(given: argparse.Namespace, folder: pathlib.Path) -> str:
    figures = measure.measure(
        given.charm, given.requirer, given.requirements, folder, runs=given.runs
    )
    declared = charm.load(given.charm, folder / "named", releases.chosen(), folder / "unpacked")
    return report.render(
        declared.name, figures, runs=given.runs, software=_software(declared.path)
    )


def _software(packed: pathlib.Path) -> str:
    """The version of ops that the charm brings, from the name of its metadata's folder."""
    found = [path.name for path in packed.rglob("ops-[0-9]*.dist-info")]
    return ", ".join(name.removesuffix(".dist-info").replace("-", " ") for name in found) or "none"


if __name__ == "__main__":
    sys.exit(main())

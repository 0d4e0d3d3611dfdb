"""The command line: measure, print the page, and write it where it is asked for."""

from __future__ import annotations

import argparse
import pathlib
import sys

from bench.forwarding import measure, report


def main() -> int:
    """Measure what the command line names; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.forwarding")
    add = parser.add_argument
    add("--messages", type=int, default=2000, help="how many small messages a case has")
    add("--runs", type=int, default=5, help="how often each case is measured")
    add("--long-run", type=int, default=100_000, help="messages that memory is watched over")
    add("--queue", type=int, nargs="+", default=[1000, 3000, 10_000], help="messages to drain")
    add("--output", type=pathlib.Path, help="the Markdown file to write")
    given = parser.parse_args()
    figures = measure.measure(
        messages=given.messages,
        runs=given.runs,
        long_run=given.long_run,
        queue=tuple(given.queue),
    )
    page = report.render(figures, messages=given.messages, runs=given.runs)
    sys.stdout.write(page)
    if given.output:
        given.output.write_text(page)
    return 0


if __name__ == "__main__":
    sys.exit(main())

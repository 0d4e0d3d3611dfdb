"""Hypothesis' settings, how much of the long tests runs, and by how many workers."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import hypothesis

if TYPE_CHECKING:
    import pytest

hypothesis.settings.register_profile(
    "default",
    # Time is measured in benchmarks; a test that stops at a deadline fails on a busy machine.
    deadline=None,
    # The examples of a run are the same for all who run it.
    derandomize=True,
)
hypothesis.settings.load_profile("default")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--resilience",
        choices=["full", "sample"],
        default="sample",
        help="How much of the long tests to run: all, or a sample that is the same for all.",
    )


def pytest_xdist_auto_num_workers() -> int:
    """Take three workers for two cores: while a test waits for a hook, another has work."""
    return (os.cpu_count() or 1) * 3 // 2


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how much the tests of tests/resilience have tried, on all workers."""
    tried: dict[str, int] = {}
    for report in terminalreporter.getreports("passed"):
        for name, counted in report.user_properties:
            if isinstance(counted, int):
                tried[name] = tried.get(name, 0) + counted
            elif isinstance(counted, str):
                terminalreporter.write_line(f"{name}: {counted}")
    for name, number in tried.items():
        terminalreporter.write_line(f"{name}: {number}")

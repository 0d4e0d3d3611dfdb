"""Hypothesis' settings, for all tests."""

from __future__ import annotations

import hypothesis

hypothesis.settings.register_profile(
    "default",
    # Time is measured in benchmarks; a test that stops at a deadline fails on a busy machine.
    deadline=None,
    # The examples of a run are the same for all who run it.
    derandomize=True,
    max_examples=200,
)
hypothesis.settings.load_profile("default")

"""The tutorial's commands run as they stand, and show what the tutorial says they show."""

from __future__ import annotations

import os
import pathlib
import re
import socket
import subprocess

import pytest

ROOT = pathlib.Path(__file__).parents[2]

# A reader is slower than a hook: each juju line waits until the model has settled.
SLOW_READER = """
set -euo pipefail
trap 'command juju kill-controller --no-prompt localjuju 2>/dev/null || true' EXIT
juju() {
    command juju "$@"
    for _ in $(seq 600); do
        status=$(command juju status --format json 2>/dev/null || true)
        grep -q '"current":"\\(executing\\|allocating\\)"' <<<"$status" || break
        sleep 0.1
    done
}
"""


@pytest.fixture
def copy(tmp_path: pathlib.Path, pytestconfig: pytest.Config) -> pathlib.Path:
    if pytestconfig.getoption("--juju"):
        pytest.skip("the tutorial sets up localjuju; --juju runs on another controller")
    for entry in ROOT.iterdir():
        (tmp_path / entry.name).symlink_to(entry)
    return tmp_path


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def commands() -> str:
    """Return what the tutorial has readers type, with a port that is free here."""
    text = (ROOT / "docs" / "tutorial.md").read_text().replace("2587", str(free_port()))
    return "\n".join(re.findall(r"^    (.*)$", text, re.MULTILINE))


def test_each_line_of_the_tutorial_does_what_it_says(copy: pathlib.Path) -> None:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("LOCALJUJU_")}

    process = subprocess.run(
        ["bash", "-c", SLOW_READER + commands()],
        cwd=copy,
        env=environment,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )

    assert process.returncode == 0, process.stdout + process.stderr
    assert "host: not set; run 'juju config smtp-integrator host=NAME'" in process.stdout
    assert "password_secret: not granted; run 'juju grant-secret " in process.stdout
    assert "Subject: Hello from Juju" in re.sub(r"\s+", " ", process.stdout)
    assert process.stdout.count("tls-version: TLSv1.3") == 1
    assert process.stdout.count("auth-user: notifier") == 1
    assert process.stdout.count("relay: 127.0.0.1:") == 2
    assert not list(copy.glob("*.pem"))

"""Messages in the folder `incoming` that cannot be taken in now, and files that are none."""

from __future__ import annotations

import json
import os
import pathlib
import re
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest
from forwarder_running import CONTENT, PYTHON_PATH, RECIPIENT, SECONDS, SENDER, Forwarder
from scripted_upstream import wait_until

from forwarder import queue

if TYPE_CHECKING:
    from scripted_upstream import Upstream

Forward = Callable[..., Forwarder]
# Rules that fail until a file is there.
FAILING = """\
import pathlib, sys
import forwarder

class Failing(forwarder.Rules):
    def extra_headers(self, recipient):
        if recipient.startswith("odd") and not pathlib.Path("mended").exists():
            raise {error}(recipient)
        return []

forwarder.serve(["127.0.0.1:0"], sys.argv[1], "queue", Failing())
"""


@pytest.fixture
def serve(tmp_path: pathlib.Path, upstream: Upstream) -> Iterator[Callable[[str], pathlib.Path]]:
    """Serve with rules that raise an error; return the path of the log."""
    started: list[subprocess.Popen[bytes]] = []

    def serve(error: str) -> pathlib.Path:
        queue.prepare(tmp_path / "queue")
        program, log = tmp_path / "program.py", tmp_path / "log"
        program.write_text(FAILING.format(error=error))
        with log.open("w") as file:
            process = subprocess.Popen(
                [sys.executable, program, f"127.0.0.1:{upstream.port}"],
                env={"PYTHONPATH": PYTHON_PATH, "PATH": os.defpath},
                stderr=file,
                cwd=tmp_path,
            )
        started.append(process)
        return log

    yield serve
    for process in started:
        process.terminate()
        assert process.wait(SECONDS) == 0


@pytest.mark.parametrize("error", ["KeyError", "ValueError"])
def test_what_the_rules_fail_on_is_kept_and_tried_again(
    serve: Callable[[str], pathlib.Path], upstream: Upstream, tmp_path: pathlib.Path, error: str
) -> None:
    log = serve(error)
    name = queue.drop_off(tmp_path / "queue", SENDER, ["odd@example.org"], CONTENT)
    wait_until(lambda: "in extra_headers" in log.read_text())
    for _ in range(2):
        # Each look at the folder takes in what is fine.
        queue.drop_off(tmp_path / "queue", SENDER, [RECIPIENT], CONTENT)
        count = len(upstream.messages)
        upstream.wait_for(count + 1)
    assert queue.Spool(tmp_path / "queue").incoming.joinpath(name).exists()
    written = log.read_text()
    assert re.findall("(?:left|rule-failed) .*", written) == [
        f'left file={name} reason="a rule failed: {error}"',
        f"rule-failed reason={error}",
    ]
    # Its author sees where.
    assert written.count("in extra_headers") == 1
    assert "odd@" not in log.read_text()
    (tmp_path / "mended").touch()
    wait_until(lambda: upstream.messages[-1].recipients == ("odd@example.org",))
    wait_until(lambda: not list((tmp_path / "queue/incoming").iterdir()))


def test_what_found_no_room_is_taken_once_there_is_some(
    forward: Forward, upstream: Upstream
) -> None:
    # The prefix makes the message too large for the disk, but not the one for the alias.
    prefix = "x" * 20_000
    rules = {
        "aliases": {"b@x.org": ["c@x.org"]},
        "lists": {"news@x.org": {"to": ["a@x.org"], "subject_prefix": prefix}},
    }
    forwarder = forward(upstream, rules=json.dumps(rules))
    assert forwarder.process is not None
    pid, path = forwarder.process.pid, forwarder.spool.path
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (10_000, before[1]))
    name = queue.drop_off(path, SENDER, ["b@x.org", "news@x.org"], CONTENT)
    forwarder.wait_for_log("left file=")
    for count in (1, 2):
        # Each look at the folder takes in what has room.
        queue.drop_off(path, SENDER, [RECIPIENT], CONTENT)
        upstream.wait_for(count)
    assert [one.recipients for one in upstream.messages] == 2 * [(RECIPIENT,)]
    resource.prlimit(pid, resource.RLIMIT_FSIZE, before)
    came = upstream.wait_for(4)[2:]
    assert sorted(one.recipients for one in came) == [("a@x.org",), ("c@x.org",)]
    assert re.findall("left.*", forwarder.log()) == [f'left file={name} reason="File too large"']
    wait_until(lambda: not list(forwarder.spool.incoming.iterdir()))


def test_the_name_of_a_file_adds_no_line_to_the_log(forward: Forward) -> None:
    forwarder = forward(None)
    (forwarder.spool.incoming / "a\ndelivered id=1").write_text("nonsense")
    forwarder.wait_for_log("discarded file=")
    assert not re.findall("^delivered", forwarder.log(), re.MULTILINE)


def test_what_is_no_file_costs_no_descriptor(forward: Forward) -> None:
    forwarder = forward(None)
    assert forwarder.process is not None
    for number in range(20):
        (forwarder.spool.incoming / f"folder{number}").mkdir()
        forwarder.wait_for_log(f"left file=folder{number} ")
    held = pathlib.Path(f"/proc/{forwarder.process.pid}/fd").iterdir()
    assert not [one for one in held if "/folder" in os.path.realpath(one)]


def test_why_what_was_left_waits_is_told(forward: Forward, upstream: Upstream) -> None:
    upstream.stop()
    forwarder = forward(upstream)
    queue.drop_off(forwarder.spool.path, SENDER, [RECIPIENT], CONTENT)
    trouble = f"Error connecting to 127.0.0.1 on port {upstream.port}: "

    def told() -> bool:
        entries = forwarder.spool.entries()
        return any(one.recipients[0].answer.startswith(trouble) for one in entries)

    wait_until(told)
    assert forwarder.log().count("deferred ") == 1
    upstream.start()
    upstream.wait_for(1)


def test_what_a_killed_process_left_half_written_goes_after_a_day(
    forward: Forward, upstream: Upstream
) -> None:
    forwarder = forward(upstream)
    old, new = forwarder.spool.incoming / ".old", forwarder.spool.incoming / ".new"
    for path in (old, new):
        path.write_bytes(b"half")
    os.utime(old, (0, 0))
    wait_until(lambda: not old.exists())
    assert new.exists()

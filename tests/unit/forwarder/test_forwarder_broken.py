from __future__ import annotations

import os
import resource
import subprocess
from typing import TYPE_CHECKING

import breaking
import pytest
from forwarder_running import CONTENT, Forwarder
from scripted_upstream import Upstream, wait_until

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Callable, Iterator


def test_what_was_accepted_arrives_though_the_forwarder_is_killed(
    forward: Callable[..., Forwarder], upstream: Upstream
) -> None:
    breaks = [breaking.kill, breaking.kill_without_relay]
    breaking.break_often(forward(upstream, impatient=True), upstream, breaks, times=5)


def test_what_was_accepted_arrives_though_connections_are_cut(
    forward: Callable[..., Forwarder], upstream: Upstream
) -> None:
    breaks = [breaking.cut_relay, breaking.stop_relay]
    breaking.break_often(forward(upstream, impatient=True), upstream, breaks, times=10, cut=0.2)


def test_a_file_that_may_not_grow_is_a_full_disk(
    forward: Callable[..., Forwarder], upstream: Upstream
) -> None:
    forwarder = forward(upstream, impatient=True)
    assert forwarder.process is not None
    resource.prlimit(forwarder.process.pid, resource.RLIMIT_FSIZE, (100_000, 100_000))
    large = CONTENT + b"x" * 200_000 + b"\r\n"
    assert "delivered" in forwarder.send(content=large)[1]
    upstream.stop()
    code, words = forwarder.send(content=large)
    assert (code, words[:5]) == (452, "4.3.1")
    assert forwarder.send()[0] == 250
    assert [entry.size < 1000 for entry in forwarder.spool.entries()] == [True]
    upstream.start()
    upstream.wait_for(2)


@pytest.fixture
def small_disk(tmp_path: pathlib.Path) -> Iterator[pathlib.Path]:
    """A file system of 4 MB."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small file system; a limit of a file is tested too")
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", folder]
    if subprocess.run(mount, check=False, capture_output=True).returncode != 0:
        pytest.skip("this machine does not let root mount a file system")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def test_a_full_disk_is_452_before_anything_is_taken(
    forward: Callable[..., Forwarder], upstream: Upstream, small_disk: pathlib.Path
) -> None:
    upstream.stop()
    forwarder = forward(upstream, impatient=True, queue=str(small_disk / "queue"))
    content = CONTENT + b"x" * 100_000 + b"\r\n"
    answers = [forwarder.send(content=content)[0] for _ in range(40)]
    accepted = answers.count(250)
    assert set(answers) == {250, 452}
    assert answers == [250] * accepted + [452] * (40 - accepted)
    with forwarder.client() as client:
        code, words = client.mail("ada@example.com", ["SIZE=3000000"])
        assert (code, words[:5]) == (452, b"4.3.1")
    (small_disk / "filler").write_bytes(b"x" * 500_000)
    # What waits is delivered though nothing more can be written.
    with pytest.raises(OSError, match="No space left"), (small_disk / "more").open("wb") as more:
        more.write(b"x" * 4_000_000)
    upstream.start()
    upstream.wait_for(accepted)
    wait_until(lambda: not list((small_disk / "queue/messages").iterdir()))
    assert len(upstream.messages) == accepted
    (small_disk / "more").unlink()
    assert forwarder.send()[0] == 250

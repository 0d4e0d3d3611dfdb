"""What stays of messages that cannot be kept: nothing."""

import contextlib
import os
import pathlib
import smtplib
import subprocess
from collections.abc import Iterator

import pytest
import sink_running

from smtp_sink import messages, state

CONTENT = b"Subject: hello\r\n\r\nbody\r\n"
SENDER, RECIPIENT = "from@example.com", "to@example.com"


@pytest.fixture
def small_disk(tmp_path: pathlib.Path) -> Iterator[state.StateDir]:
    """A state directory on a file system of 1 MB."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small file system")
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder]
    if subprocess.run(mount, check=False, capture_output=True).returncode != 0:
        pytest.skip("this machine does not let root mount a file system")
    yield state.StateDir(folder)
    subprocess.run(["umount", "--lazy", folder], check=True)


def assert_nothing_else_is_kept(directory: state.StateDir, message_id: str) -> None:
    kept = {path.name for path in directory.messages.rglob("*") if path.is_file()}
    assert kept == {message_id, f"{message_id}.json"}


def test_a_full_disk_keeps_nothing_of_what_is_refused(
    small_disk: state.StateDir, servers: sink_running.Servers
) -> None:
    sink_running.configure(small_disk)
    running = servers.start(small_disk)
    filler = small_disk.path / "filler"
    with running.connect("plain") as client:
        with contextlib.suppress(OSError), filler.open("wb") as file:
            while file.write(b"x" * 4096):
                file.flush()
        # There is room for a message alone: neither for its envelope, nor for the next.
        os.truncate(filler, filler.stat().st_size // 4096 * 4096 - 4096)
        for _ in range(3):
            with pytest.raises(smtplib.SMTPDataError, match="451"):
                client.sendmail(SENDER, [RECIPIENT], CONTENT)
        filler.unlink()
        client.sendmail(SENDER, [RECIPIENT], CONTENT)
    assert_nothing_else_is_kept(small_disk, running.newest().id)


def test_what_a_killed_server_had_begun_is_swept(
    directory: state.StateDir, servers: sink_running.Servers
) -> None:
    store = messages.MessageStore(directory.messages)
    envelope = messages.Envelope(
        sender=SENDER, recipients=(RECIPIENT,), listener="plain", peer="127.0.0.1:4711"
    )
    message_id = store.add(CONTENT, envelope)
    for begun in ("incoming/tmp/1", "incoming/new/2", "envelopes/2.json", "envelopes/.3.json.x"):
        (directory.messages / begun).write_text("begun")
    sink_running.configure(directory)
    servers.start(directory)
    assert_nothing_else_is_kept(directory, message_id)

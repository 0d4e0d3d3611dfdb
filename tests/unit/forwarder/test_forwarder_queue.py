from __future__ import annotations

import json
import os
import pathlib
import stat
import subprocess
import sys
import time

import pytest
import yaml
from forwarder_running import PYTHON_PATH
from hypothesis import given, settings
from hypothesis import strategies as st

from forwarder import queue, queue_file, rules, settlement, storage
from forwarder.queue_file import Mark, Record, State

CONTENT = b"Subject: x\r\n\r\nforwarder-1 + ..\n{}\n\x00\xff"


def record(name: str = "1", count: int = 2) -> Record:
    return Record(
        id=name,
        sender="ada@example.com",
        recipients=tuple(rules.Recipient(f"r{n}@x.org", f"said{n}@x.org") for n in range(count)),
        size=len(CONTENT),
        accepted=time.time(),
        utf8=True,
        client="192.0.2.1",
    )


@pytest.fixture
def spool(tmp_path: pathlib.Path) -> queue.Spool:
    return queue.prepare(tmp_path / "queue")


def test_a_message_is_read_as_it_was_written(spool: queue.Spool) -> None:
    one = record()
    one.standings[1].attempts, one.standings[1].due, one.standings[1].answer = 3, 99.5, "451 no"
    queue_file.write(spool.file("1"), one, CONTENT)
    assert queue_file.read(spool.file("1")) == one
    assert queue_file.read_content(spool.file("1")) == CONTENT
    assert stat.S_IMODE(spool.file("1").stat().st_mode) == 0o600


def test_a_file_is_never_written_over(spool: queue.Spool) -> None:
    queue_file.write(spool.file("1"), record(), CONTENT)
    with pytest.raises(FileExistsError):
        queue_file.write(spool.file("1"), record(), b"other")
    assert queue_file.read_content(spool.file("1")) == CONTENT


def test_a_file_that_was_cut_anywhere_is_no_message(spool: queue.Spool) -> None:
    path = spool.file("1")
    queue_file.write(path, record(), CONTENT)
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(queue_file.DamagedError):
            queue_file.read(path)


def test_an_event_that_was_cut_anywhere_leaves_the_message(spool: queue.Spool) -> None:
    path, one = spool.file("1"), record()
    queue_file.write(path, one, CONTENT)
    before = path.read_bytes()
    one.standings[0].answer = "451 later"
    queue_file.append_history(path, one, [0])
    whole = path.read_bytes()
    for length in range(len(before), len(whole)):
        path.write_bytes(whole[:length])
        assert not queue_file.read(path).standings[0].answer
    path.write_bytes(whole)
    assert queue_file.read(path).standings[0].answer == "451 later"


def test_an_event_that_was_cut_takes_no_other_along(spool: queue.Spool) -> None:
    path, one = spool.file("1"), record()
    queue_file.write(path, one, CONTENT)
    before = len(path.read_bytes())
    one.standings[0].attempts, one.standings[0].answer = 1, "451 later"
    queue_file.append_history(path, one, [0])
    cut = path.read_bytes()
    one.standings[0].attempts = 2
    for length in range(before, len(cut)):
        path.write_bytes(cut[:length])
        queue_file.append_history(path, one, [0])
        assert queue_file.read(path) == one


def test_a_whole_file_of_another_making_stays(spool: queue.Spool) -> None:
    path = spool.file("1")
    queue_file.write(path, record(), CONTENT)
    other = path.read_bytes().replace(b'"sender"', b'"origin"', 1)
    path.write_bytes(other)
    keeping = storage.Storage(spool)

    keeping.load()
    keeping.close()

    assert not keeping.records
    assert spool.entries() == []
    assert path.read_bytes() == other


def test_marks_are_written_in_place(spool: queue.Spool) -> None:
    path, one = spool.file("1"), record(count=3)
    queue_file.write(path, one, CONTENT)
    size = path.stat().st_size
    one.standings[1].mark = Mark.DELIVERED
    one.state = State.HELD
    queue_file.write_letters(path, one)
    assert path.stat().st_size == size
    again = queue_file.read(path)
    assert again.having(Mark.WAITING) == [0, 2]
    assert again.held


def test_content_that_changed_is_told(spool: queue.Spool) -> None:
    path = spool.file("1")
    queue_file.write(path, record(), CONTENT)
    path.write_bytes(path.read_bytes().replace(b"Subject: x", b"Subject: y"))
    with pytest.raises(queue_file.DamagedError):
        queue_file.read_content(path)


@settings(max_examples=50)
@given(st.binary(), st.text(st.characters(exclude_categories=["Cs"])))
def test_any_content_and_answer_is_kept(content: bytes, answer: str) -> None:
    path = pathlib.Path(f"/tmp/forwarder-test-{os.getpid()}")  # noqa: S108 - removed below
    one = record()
    one.size = len(content)
    one.standings[0].answer = answer
    queue_file.write(path, one, content)
    try:
        assert queue_file.read(path) == one
        assert queue_file.read_content(path) == content
    finally:
        path.unlink()


def test_entries_show_what_waits(spool: queue.Spool) -> None:
    waiting, done = record("2"), record("1")
    waiting.standings[0].mark = Mark.DELIVERED
    waiting.standings[1] = queue_file.Standing(attempts=1, due=123.0, answer="451 no")
    done.standings = [queue_file.Standing(Mark.ENDED)] * 2
    for one in (waiting, done):
        queue_file.write(spool.file(one.id), one, CONTENT)
    (entry,) = spool.entries()
    assert entry.id == "2"
    assert entry.recipients == (queue.Waiting("r1@x.org", 1, 123.0, "451 no"),)


def test_without_a_service_requests_are_done_at_once(spool: queue.Spool) -> None:
    for name in "123":
        one = record(name)
        for standing in one.standings:
            standing.due, standing.answer = time.time() + 999, "451 no"
        queue_file.write(spool.file(name), one, CONTENT)
    assert spool.ask("hold", ["1", "2"], timeout=0)
    assert spool.ask("drop", ["2", "no-such"], timeout=0)
    assert spool.ask("flush", timeout=0)
    found = {entry.id: entry for entry in spool.entries()}
    assert list(found) == ["1", "3"]
    assert found["1"].held
    assert found["1"].recipients[0].next_attempt is not None
    assert found["3"].recipients[0].next_attempt is None
    assert spool.ask("release", ["1"], timeout=0)
    released = spool.entries()[0]
    assert not released.held
    assert released.recipients[0].next_attempt is None
    assert not list(spool.requests.iterdir())


def test_with_a_service_requests_are_left_to_it(spool: queue.Spool) -> None:
    queue_file.write(spool.file("1"), record(), CONTENT)
    with spool.locked():
        assert not spool.ask("drop", ["1"], timeout=0.1)
        assert spool.entries()
        assert list(spool.take_requests()) == [("drop", "1")]
    assert not list(spool.requests.iterdir())
    with pytest.raises(ValueError, match="verb='delete'"):
        spool.ask("delete", ["1"])


def test_there_is_one_service(spool: queue.Spool) -> None:
    with spool.locked(), pytest.raises(queue.LockedError), spool.locked():
        pass


@pytest.mark.parametrize("verb", ["hold", "drop", "retry"])
def test_a_request_names_no_file_elsewhere(spool: queue.Spool, verb: str) -> None:
    (spool.requests / f"{verb}.x%2f..").touch()
    assert not list(spool.take_requests())


def test_a_message_is_left_and_picked_up(spool: queue.Spool) -> None:
    name = queue.drop_off(spool.path, "a@x.org", ["b@x.org"], CONTENT, smtputf8=True)
    path = spool.incoming / name
    left = queue.Left("a@x.org", ("b@x.org",), CONTENT, utf8=True)
    assert queue.pick_up(path, 1000) == left
    assert queue.pick_up(path, 3).content == CONTENT[:4]
    assert stat.S_IMODE(spool.incoming.stat().st_mode) == 0o1733


def test_links_and_folders_are_not_picked_up(spool: queue.Spool, tmp_path: pathlib.Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text(json.dumps({"sender": "", "recipients": ["a@b.c"], "utf8": False}) + "\n")
    (spool.incoming / "symbolic").symlink_to(secret)
    (spool.incoming / "hard").hardlink_to(secret)
    (spool.incoming / "folder").mkdir()
    os.mkfifo(spool.incoming / "pipe")
    for name in ("symbolic", "hard", "folder", "pipe"):
        with pytest.raises((OSError, ValueError)):
            queue.pick_up(spool.incoming / name, 1000)


OTHER_USER = """\
import os, pathlib, sys
from forwarder import queue
os.setgid(65534); os.setuid(65534)
print(queue.drop_off(pathlib.Path(sys.argv[1]), "a@x.org", ["b@x.org"], b"hello"))
try:
    os.listdir(os.path.join(sys.argv[1], "incoming"))
except PermissionError:
    print("hidden")
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_any_user_may_leave_a_message_and_sees_no_other(
    spool: queue.Spool, tmp_path: pathlib.Path
) -> None:
    for folder in (tmp_path, *tmp_path.parents):
        if not folder.stat().st_mode & stat.S_IXOTH:
            folder.chmod(0o711)
    done = subprocess.run(
        [sys.executable, "-c", OTHER_USER, spool.path],
        env={"PYTHONPATH": PYTHON_PATH},
        capture_output=True,
        text=True,
        check=True,
    )
    name, hidden = done.stdout.split()
    assert hidden == "hidden"
    assert queue.pick_up(spool.incoming / name, 1000).content == b"hello"


def test_an_id_is_text_to_juju_run_at_any_time(monkeypatch: pytest.MonkeyPatch) -> None:
    # On 3 January 2027 the time in an ID is digits alone.
    monkeypatch.setattr(time, "time", lambda: 0x6642000000000 / 1e6)
    ids = {settlement.new_id() for _ in range(1000)}
    assert {type(yaml.safe_load(one)) for one in ids} == {str}
    assert all(one > "6642000000000" for one in ids)

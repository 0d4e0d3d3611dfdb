from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from forwarder_running import CONTENT, RECIPIENT, SENDER, Forwarder, numbered
from scripted_upstream import EXTENSIONS, Upstream, wait_until

from forwarder import queue

if TYPE_CHECKING:
    import pathlib

Forward = Callable[..., Forwarder]
NO, LATER = "550 5.1.1 Nobody of this name here", "450 4.2.1 Greylisted, come back"


def test_without_a_relay_all_is_kept_or_refused(forward: Forward, upstream: Upstream) -> None:
    forwarder = forward(None)
    assert "no relay is configured" in forwarder.send()[1]
    forwarder.configure(when_unconfigured="refuse")
    forwarder.reload()
    with forwarder.client() as client:
        code, words = client.mail(SENDER)
        assert (code, words[:5]) == (451, b"4.3.5")
    forwarder.configure(upstream={"host": "127.0.0.1", "port": upstream.port})
    forwarder.reload()
    upstream.wait_for(1)
    assert "delivered" in forwarder.send()[1]


def test_wrong_settings_change_nothing(forward: Forward, upstream: Upstream) -> None:
    forwarder = forward(upstream, rules="sender: one@example.com\n")
    ports = dict(forwarder.ports)
    forwarder.configure(rules="sender: a b\n")
    assert "settings-refused" in forwarder.reload()
    forwarder.send()
    assert upstream.messages[0].sender == "one@example.com"
    forwarder.configure(rules="sender: two@example.com\n", listen=["127.0.0.1:0", "[::1]:0"])
    log = forwarder.reload()
    assert "settings-taken" in log
    assert f"'127.0.0.1:0': {ports['127.0.0.1:0']}" in log
    assert "'[::1]:0': " in log
    forwarder.send()
    assert upstream.messages[1].sender == "two@example.com"


def test_settings_change_in_the_middle_of_mail_and_lose_nothing(
    forward: Forward, upstream: Upstream
) -> None:
    upstream.extensions = (*EXTENSIONS, "AUTH PLAIN")
    forwarder = forward(upstream, upstream={"user": "relay", "password": "0"})
    contents = numbered(60)
    sender = threading.Thread(target=lambda: [forwarder.send(content=one) for one in contents])
    sender.start()
    for rotation in range(1, 6):
        wait_until(lambda: len(upstream.messages) >= 10 * rotation)  # noqa: B023 - waited for here
        forwarder.configure(upstream={"password": str(rotation)})
        forwarder.reload()
    sender.join()
    forwarder.send(content=contents[-1])
    upstream.wait_for(61)
    assert sorted(one.body for one in upstream.messages) == sorted([*contents, contents[-1]])
    # One that was on its way may log in last, with what it began with.
    assert b"\0relay\x005" in upstream.logins


def test_what_began_before_other_settings_leaves_no_connection_to_them(
    forward: Forward, upstream: Upstream
) -> None:
    upstream.extensions = (*EXTENSIONS, "AUTH PLAIN")
    forwarder = forward(upstream, upstream={"user": "relay", "password": "old"})
    with forwarder.client() as client:
        client.mail(SENDER)
        client.rcpt(RECIPIENT)
        forwarder.configure(upstream={"password": "new"})
        forwarder.reload()
        assert client.data(CONTENT)[0] == 250
    forwarder.send()
    assert upstream.logins == [b"\0relay\0old", b"\0relay\0new"]


def test_the_end_finishes_what_was_accepted(forward: Forward, upstream: Upstream) -> None:
    upstream.hold.clear()
    forwarder = forward(upstream, wait_seconds=60)
    answers: list[tuple[int, str]] = []
    sender = threading.Thread(target=lambda: answers.append(forwarder.send()))
    with forwarder.client() as idle:
        sender.start()
        wait_until(lambda: "DATA" in upstream.commands)
        assert forwarder.process is not None
        forwarder.process.send_signal(signal.SIGTERM)
        assert idle.getreply()[0] == 421
    upstream.hold.set()
    sender.join()
    assert forwarder.process.wait(60) == 0
    assert answers[0][0] == 250
    assert len(upstream.messages) == 1


def test_what_waits_too_long_is_bounced(forward: Forward, upstream: Upstream) -> None:
    upstream.answers["RCPT TO:<no@example.org>"] = LATER
    rules = "aliases: {a@x.org: [yes@example.org, no@example.org]}\n"
    forwarder = forward(upstream, rules=rules, expire_seconds=0.2)
    assert forwarder.send("a@x.org")[0] == 250
    bounce = upstream.wait_for(2)[1]
    assert bounce.recipients == (SENDER,)
    assert b"Status: 5.4.7" in bounce.content
    assert LATER.encode() in bounce.content
    wait_until(lambda: not forwarder.spool.entries())


def test_each_recipient_is_tried_again_on_its_own(forward: Forward, upstream: Upstream) -> None:
    tries = iter([LATER, LATER])
    upstream.answers["RCPT TO:<slow@example.org>"] = lambda: next(tries, "250 2.1.5 Ok")
    rules = "aliases: {a@x.org: [fast@example.org, slow@example.org]}\n"
    forwarder = forward(upstream, rules=rules, retry_seconds=[0.2])
    assert forwarder.send("a@x.org")[0] == 250
    upstream.wait_for(2)
    wait_until(lambda: not forwarder.spool.entries())
    assert [one.recipients for one in upstream.messages] == [
        ("fast@example.org",),
        ("slow@example.org",),
    ]


def test_by_hand(forward: Forward, upstream: Upstream) -> None:
    upstream.stop()
    forwarder = forward(upstream)
    for content in numbered(3):
        forwarder.send(content=content)
    first, second, _ = (entry.id for entry in forwarder.spool.entries())
    assert forwarder.spool.ask("hold", [first])
    assert forwarder.spool.ask("drop", [second])
    upstream.start()
    assert forwarder.spool.ask("flush")
    upstream.wait_for(1)
    wait_until(lambda: len(forwarder.spool.entries()) == 1)
    assert forwarder.spool.entries()[0].held
    assert forwarder.spool.ask("release", [first])
    upstream.wait_for(2)
    assert sorted(one.body[-3:] for one in upstream.messages) == [b"0\r\n", b"2\r\n"]


def test_a_message_that_was_left_gets_the_rules(forward: Forward, upstream: Upstream) -> None:
    rules = "domains: [x.org]\naliases: {a@x.org: [b@example.org]}\n"
    forwarder = forward(upstream, rules=rules)
    forwarder.stop()
    path = forwarder.spool.path
    queue.drop_off(path, SENDER, ["a@x.org", "unknown@x.org"], b"Subject: left\r\n\r\n")
    queue.drop_off(path, "", ["unknown@x.org"], CONTENT)
    (forwarder.spool.incoming / "nonsense").write_text("nonsense")
    forwarder.start()
    first, second = sorted(upstream.wait_for(2), key=lambda one: one.sender, reverse=True)
    assert (first.recipients, first.body) == (("b@example.org",), b"Subject: left\r\n\r\n")
    assert (second.sender, second.recipients) == ("", (SENDER,))
    assert b"unknown@x.org: 550 5.1.1" in second.content
    wait_until(lambda: not list(forwarder.spool.incoming.iterdir()))
    wait_until(lambda: not list(forwarder.spool.messages.iterdir()))
    assert len(upstream.messages) == 2


def test_another_service_on_the_same_queue_does_not_start(
    forward: Forward, upstream: Upstream, tmp_path: pathlib.Path
) -> None:
    first = forward(upstream)
    other = Forwarder(tmp_path / "forwarder-0", upstream)
    with pytest.raises(AssertionError, match="served by another process"):
        other.start()
    assert other.process is not None
    assert other.process.wait() == 75
    assert first.send()[0] == 250


def test_a_port_that_is_taken_is_told(upstream: Upstream, tmp_path: pathlib.Path) -> None:
    (tmp_path / "taken").mkdir()
    taken = Forwarder(tmp_path / "taken", upstream, listen=[f"127.0.0.1:{upstream.port}"])
    with pytest.raises(AssertionError, match="cannot be listened on: Address already in use"):
        taken.start()
    assert taken.process is not None
    assert taken.process.wait() == 69


def test_mail_passes_though_the_report_cannot_be_written(
    forward: Forward, upstream: Upstream
) -> None:
    forwarder = forward(upstream, report="nowhere/report.json")
    forwarder.send()
    upstream.wait_for(1)
    assert "report-failed No such file or directory" in forwarder.log()


def test_the_report_follows_the_settings(forward: Forward, upstream: Upstream) -> None:
    from unit_service import processes, reports  # noqa: PLC0415

    forwarder = forward(upstream, report="report.json")
    path = forwarder.folder / "report.json"
    first = reports.Report.from_json(path.read_text())
    assert first.ports == forwarder.ports
    assert processes.is_alive(first.process)
    forwarder.configure(limits={"recipients": 0})
    forwarder.reload()
    wrong = reports.Report.from_json(path.read_text())
    assert (wrong.config, wrong.ports) == (first.config, first.ports)
    assert "limits.recipients: write at least 1" in wrong.problems[0]
    forwarder.configure(limits={"recipients": 5})
    forwarder.reload()
    right = reports.Report.from_json(path.read_text())
    assert right.config != first.config
    assert not right.problems


def test_a_file_that_is_taken_away_is_told_once(forward: Forward, upstream: Upstream) -> None:
    upstream.stop()
    forwarder = forward(upstream, impatient=True)
    for content in numbered(2):
        forwarder.send(content=content)
    next(iter(sorted(forwarder.spool.messages.iterdir()))).unlink()
    upstream.start()
    upstream.wait_for(1)
    wait_until(lambda: forwarder.metrics()["queue_length"] == 0)
    assert forwarder.log().count("gone id=") == 1


def test_a_message_that_is_damaged_is_held_and_told(forward: Forward, upstream: Upstream) -> None:
    upstream.stop()
    forwarder = forward(upstream, impatient=True)
    for content in numbered(2):
        forwarder.send(content=content)
    path = min(forwarder.spool.messages.iterdir())
    path.write_bytes(path.read_bytes().replace(b"body 0", b"b0dy 0"))
    upstream.start()
    upstream.wait_for(1)
    forwarder.wait_for_log(f"held id={path.name} reason=")
    assert [one.body for one in upstream.messages] == numbered(2)[1:]
    assert path.exists()

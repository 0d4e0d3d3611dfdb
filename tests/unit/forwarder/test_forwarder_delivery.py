from __future__ import annotations

import collections
import concurrent.futures
import datetime as dt
import email
import email.policy
import resource
import signal
import ssl
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

import pytest
from forwarder_running import CONTENT, RECIPIENT, SENDER, Forwarder, numbered
from scripted_upstream import EXTENSIONS, Upstream, wait_until

from forwarder import queue
from unit_service import certificates

if TYPE_CHECKING:
    import pathlib
    from email.message import EmailMessage

Forward = Callable[..., Forwarder]
NO, LATER = "550 5.1.1 Nobody of this name here", "450 4.2.1 Greylisted, come back"


def test_a_message_passes_while_its_client_waits(forward: Forward, upstream: Upstream) -> None:
    forwarder = forward(upstream)
    code, words = forwarder.send()
    assert code == 250
    assert words.endswith(" delivered: Ok kept as 1")
    (one,) = upstream.messages
    assert (one.sender, one.recipients, one.body) == (SENDER, (RECIPIENT,), CONTENT)
    assert not forwarder.spool.entries()
    line = forwarder.log().splitlines()[-1]
    assert line.startswith("delivered id=")
    assert f"from=<{SENDER}> to=<{RECIPIENT}> rcpt=<{RECIPIENT}> client=127.0.0.1 size=" in line
    assert line.endswith(
        f'attempts=1 relay=127.0.0.1:{upstream.port} answer="250 2.0.0 Ok kept as 1"'
    )
    assert "A line" not in forwarder.log()


@pytest.mark.parametrize("answer", [NO, LATER, "550-5.7.1 First line\r\n550 5.7.1 and second"])
def test_a_refused_recipient_is_refused_in_the_relays_words(
    forward: Forward, upstream: Upstream, answer: str
) -> None:
    upstream.answers[f"RCPT TO:<{RECIPIENT}>"] = answer
    forwarder = forward(upstream)
    with forwarder.client() as client:
        client.mail(SENDER)
        code, words = client.rcpt(RECIPIENT)
        assert code == int(answer[:3])
        assert words.decode().splitlines() == [line[4:] for line in answer.split("\r\n")]
        assert client.rcpt("other@example.org")[0] == 250
        assert client.data(CONTENT)[0] == 250
    assert [one.recipients for one in upstream.messages] == [("other@example.org",)]
    assert not forwarder.spool.entries()
    forwarder.wait_for_log("refused from=")


@pytest.mark.parametrize("answer", [NO, LATER])
@pytest.mark.parametrize("at", ["MAIL", "DATA", "."])
def test_a_refused_message_is_refused_in_the_relays_words(
    forward: Forward, upstream: Upstream, at: str, answer: str
) -> None:
    upstream.answers[at] = answer
    forwarder = forward(upstream)
    assert forwarder.send() == (int(answer[:3]), answer[4:])
    assert not forwarder.spool.entries()
    assert forwarder.metrics()["refused_total"] >= 1
    upstream.answers.clear()
    assert forwarder.send()[0] == 250


def test_what_an_alias_hides_is_bounced_where_recipients_differ(
    forward: Forward, upstream: Upstream
) -> None:
    upstream.answers["RCPT TO:<no@example.org>"] = NO
    upstream.answers["RCPT TO:<later@example.org>"] = LATER
    rules = "aliases: {all@example.com: [yes@example.org, no@example.org, later@example.org]}\n"
    forwarder = forward(upstream, rules=rules, retry_seconds=[3600], administrator="root@x.org")
    code, words = forwarder.send("all@example.com")
    assert (code, "delivered" in words) == (250, True)
    first, bounce = upstream.wait_for(2)
    assert first.recipients == ("yes@example.org",)
    assert (bounce.mail.split()[0], bounce.recipients) == ("<>", (SENDER,))
    report = email.message_from_bytes(bounce.content, policy=email.policy.default)
    assert report.get_content_type() == "multipart/report"
    assert report["Auto-Submitted"] == "auto-replied"
    text, status, headers = cast("list[EmailMessage]", list(report.iter_parts()))
    assert NO in text.get_content()
    fields = cast("list[EmailMessage]", status.get_payload())[1]
    assert fields["Final-Recipient"] == "rfc822; all@example.com"
    assert (fields["Action"], fields["Status"]) == ("failed", "5.1.1")
    assert fields["Diagnostic-Code"] == f"smtp; {NO}"
    assert "Subject: hello" in headers.get_content()
    wait_until(lambda: len(forwarder.spool.entries()) == 1)
    (entry,) = forwarder.spool.entries()
    (waiting,) = entry.recipients
    assert (waiting.address, waiting.attempts, waiting.answer) == ("later@example.org", 1, LATER)
    assert waiting.next_attempt is not None
    assert 3000 < waiting.next_attempt - time.time() < 3700
    upstream.answers.clear()
    assert forwarder.spool.ask("flush")
    assert upstream.wait_for(3)[2].recipients == ("later@example.org",)
    wait_until(lambda: not forwarder.spool.entries())
    counts = forwarder.metrics()
    assert (counts["delivered_total"], counts["bounced_total"], counts["deferred_total"]) == (
        3,
        1,
        1,
    )


def test_the_null_sender_gets_no_bounce(forward: Forward, upstream: Upstream) -> None:
    upstream.answers["RCPT TO:<no@example.org>"] = NO
    forwarder = forward(upstream, rules="aliases: {a@x.org: [yes@example.org, no@example.org]}\n")
    assert forwarder.send("a@x.org", sender="<>")[0] == 250
    forwarder.wait_for_log("bounced id=")
    assert forwarder.stop() == 0
    assert [one.recipients for one in upstream.messages] == [("yes@example.org",)]
    assert not list(forwarder.spool.messages.iterdir())


def test_a_relay_that_is_down_gets_everything_later_once(
    forward: Forward, upstream: Upstream
) -> None:
    upstream.stop()
    forwarder = forward(upstream, impatient=True)
    contents = numbered(20)
    for content in contents:
        code, words = forwarder.send(content=content)
        assert (code, "queued" in words) == (250, True)
    assert len(forwarder.spool.entries()) == 20
    assert forwarder.metrics()["queue_length"] == 20
    assert forwarder.metrics()["upstream_up"] == 0
    assert forwarder.spool.entries()[0].recipients[0].answer
    upstream.start()
    upstream.wait_for(20)
    wait_until(lambda: not forwarder.spool.entries())
    assert sorted(one.body for one in upstream.messages) == sorted(contents)
    assert forwarder.metrics()["upstream_up"] == 1


def test_the_queue_outlives_the_process(forward: Forward, upstream: Upstream) -> None:
    upstream.stop()
    forwarder = forward(upstream, impatient=True)
    for content in numbered(5):
        forwarder.send(content=content)
    for number in (signal.SIGKILL, signal.SIGTERM):
        forwarder.stop(number)
        assert len(forwarder.spool.entries()) == 5
        forwarder.start()
    upstream.start()
    assert set(upstream.wait_for(5))
    assert set(upstream.came().values()) == {1}


def test_a_full_disk_in_a_retry_loses_nothing(forward: Forward, upstream: Upstream) -> None:
    upstream.answers["MAIL"] = "451 4.3.0 later"
    forwarder = forward(upstream)
    queue.drop_off(forwarder.spool.path, SENDER, [RECIPIENT], CONTENT)
    forwarder.wait_for_log("deferred")
    (path,) = forwarder.spool.messages.iterdir()
    assert forwarder.process
    room = resource.prlimit(forwarder.process.pid, resource.RLIMIT_FSIZE)
    for limit in (path.stat().st_size + 10, room[0]):
        resource.prlimit(forwarder.process.pid, resource.RLIMIT_FSIZE, (limit, room[1]))
        tries = forwarder.log().count("deferred")
        assert forwarder.spool.ask("retry", [path.name])
        wait_until(lambda tries=tries: forwarder.log().count("deferred") > tries)
    forwarder.stop(signal.SIGKILL)

    upstream.answers.clear()
    forwarder.start()
    forwarder.spool.ask("retry", [path.name])

    (one,) = upstream.wait_for(1)
    assert one.body == CONTENT


def test_a_client_does_not_wait_for_a_slow_relay(forward: Forward, upstream: Upstream) -> None:
    upstream.hold.clear()
    forwarder = forward(upstream, wait_seconds=0.5)
    code, words = forwarder.send()
    assert (code, words.rpartition(": ")[2]) == (250, "the relay has not answered yet")
    assert len(forwarder.spool.entries()) == 1
    upstream.hold.set()
    wait_until(lambda: not forwarder.spool.entries())
    assert len(upstream.messages) == 1


def test_a_hanging_message_holds_up_no_other(forward: Forward, upstream: Upstream) -> None:
    upstream.hold.clear()
    forwarder = forward(upstream, wait_seconds=60)
    sender = threading.Thread(target=forwarder.send)
    sender.start()
    wait_until(lambda: "DATA" in upstream.commands)
    with forwarder.client() as slow:
        slow.mail(SENDER)
        slow.rcpt(RECIPIENT)
        upstream.answers["RCPT TO:<no@"] = NO
        for _ in range(3):
            assert forwarder.send("no@example.org") == (550, NO[4:])
    upstream.hold.set()
    sender.join()


def test_slow_clients_keep_no_connection_from_others(forward: Forward, upstream: Upstream) -> None:
    forwarder = forward(upstream, upstream={"connections": 1}, wait_seconds=20)
    with forwarder.client() as slow:
        slow.mail(SENDER)
        slow.rcpt("slow@example.org")
        assert "delivered" in forwarder.send()[1]
        slow.rcpt("slower@example.org")
        assert "delivered" in forwarder.send()[1]
        assert "delivered" in slow.data(CONTENT)[1].decode()
    assert upstream.messages[-1].recipients == ("slow@example.org", "slower@example.org")


def test_more_clients_than_connections_take_none_from_each_other(
    forward: Forward, upstream: Upstream
) -> None:
    forwarder = forward(upstream, patient=True, upstream={"connections": 2}, wait_seconds=60)

    def send() -> None:
        for _ in range(5):
            assert "delivered" in forwarder.send()[1]

    with concurrent.futures.ThreadPoolExecutor() as pool:
        for sent in [pool.submit(send) for _ in range(6)]:
            sent.result()

    verbs = collections.Counter(command[:4] for command in upstream.commands)
    assert verbs == {"EHLO": 2, "MAIL": 30, "RCPT": 30, "DATA": 30}


def test_connections_are_kept_and_log_in_once(forward: Forward, upstream: Upstream) -> None:
    upstream.extensions = (*EXTENSIONS, "AUTH PLAIN LOGIN")
    forwarder = forward(upstream, upstream={"user": "relay", "password": "s3cret"})
    for _ in range(10):
        assert forwarder.send()[0] == 250
    assert upstream.connections == 1
    assert upstream.logins == [b"\0relay\0s3cret"]
    upstream.cut()
    assert "delivered" in forwarder.send()[1]
    assert len(upstream.logins) == 2
    assert "s3cret" not in forwarder.log()


def test_a_refused_password_is_tried_once_and_keeps_the_mail(
    forward: Forward, upstream: Upstream
) -> None:
    upstream.extensions = (*EXTENSIONS, "AUTH PLAIN LOGIN")
    upstream.answers["AUTH"] = "535 5.7.8 Wrong password s3cret"
    forwarder = forward(upstream, upstream={"user": "relay", "password": "s3cret"})
    for _ in range(5):
        assert "queued" in forwarder.send()[1]
    assert len(upstream.logins) <= 2
    upstream.answers.clear()
    assert forwarder.spool.ask("flush")
    wait_until(lambda: len(upstream.messages) == 5)


def test_an_idle_connection_is_not_used_for_too_long(forward: Forward, upstream: Upstream) -> None:
    forwarder = forward(upstream, upstream={"idle_seconds": 0.2})
    forwarder.send()
    wait_until(lambda: "QUIT" in upstream.commands)
    forwarder.send()
    assert upstream.connections == 2


@pytest.mark.parametrize("at", ["MAIL", "RCPT", "DATA"])
def test_a_kept_connection_that_breaks_is_replaced(
    forward: Forward, upstream: Upstream, at: str
) -> None:
    forwarder = forward(upstream)
    forwarder.send()
    upstream.close_at = {at}
    sent = threading.Thread(target=forwarder.send)
    before = len(upstream.commands)
    sent.start()
    wait_until(lambda: any(one.startswith(at) for one in upstream.commands[before:]))
    upstream.close_at = set()
    sent.join()
    # The new connection may have been cut before the relay's mind changed.
    assert forwarder.spool.ask("flush")
    upstream.wait_for(2)
    wait_until(lambda: not forwarder.spool.entries())
    assert len(upstream.messages) == 2


@pytest.mark.parametrize("at", ["MAIL", "DATA"])
def test_a_message_at_which_a_new_connection_ends_waits_for_its_time(
    forward: Forward, upstream: Upstream, at: str
) -> None:
    forwarder = forward(upstream)
    upstream.answers[at] = "421 4.7.0 Too many messages, slow down"
    assert "slow down" in forwarder.send()[1]
    (entry,) = forwarder.spool.entries()
    (recipient,) = entry.recipients
    assert recipient.attempts == 1
    assert (recipient.next_attempt or 0) > entry.accepted + 200
    upstream.answers.clear()
    assert forwarder.spool.ask("flush")
    upstream.wait_for(1)


def test_a_421_means_another_connection(forward: Forward, upstream: Upstream) -> None:
    forwarder = forward(upstream)
    forwarder.send()
    answers = iter(["421 4.4.2 Idle for too long"])
    upstream.answers["MAIL"] = lambda: next(answers, "250 2.1.0 Ok")
    assert "delivered" in forwarder.send()[1]
    assert upstream.connections == 2


def test_no_answer_to_the_end_keeps_the_message(forward: Forward, upstream: Upstream) -> None:
    upstream.close_at = {"."}
    upstream.answers["."] = "451 cut"
    forwarder = forward(upstream, retry_seconds=[0.2])
    assert "queued" in forwarder.send()[1]
    upstream.close_at, upstream.answers = set(), {}
    wait_until(lambda: not forwarder.spool.entries())
    assert len(upstream.messages) == 1


@pytest.mark.parametrize(
    ("extensions", "parameters", "code"),
    [
        (("SIZE 0",), ["BODY=8BITMIME"], (554, b"5.6.3")),
        (("8BITMIME", "SIZE 0"), ["SMTPUTF8"], (550, b"5.6.7")),
        (("SIZE 100",), ["SIZE=101"], (552, b"5.3.4")),
        (
            ("8BITMIME", "SMTPUTF8", "SIZE"),
            ["SIZE=101", "BODY=8BITMIME", "SMTPUTF8"],
            (250, b"2.1.0"),
        ),
    ],
)
def test_what_the_relay_lacks_is_refused_at_mail(
    forward: Forward,
    upstream: Upstream,
    extensions: tuple[str, ...],
    parameters: list[str],
    code: tuple[int, bytes],
) -> None:
    upstream.extensions = extensions
    forwarder = forward(upstream)
    forwarder.send(content=b"Subject: short\r\n\r\n")
    with forwarder.client() as client:
        answer, words = client.mail(SENDER, parameters)
        assert (answer, words[:5]) == code


def test_eight_bits_are_refused_rather_than_broken(forward: Forward, upstream: Upstream) -> None:
    upstream.extensions = ("SIZE 0",)
    forwarder = forward(upstream, impatient=True)
    assert forwarder.send(content=b"Subject: \xc3\xa4\r\n\r\n")[0] == 554
    upstream.stop()
    assert forwarder.send(content=b"Subject: \xc3\xa4\r\n\r\n")[0] == 250
    upstream.start()
    (bounce,) = upstream.wait_for(1)
    assert bounce.mail.startswith("<>")
    assert b"5.6.3" in bounce.content


def test_eight_bits_are_declared(forward: Forward, upstream: Upstream) -> None:
    forwarder = forward(upstream)
    content = b"Subject: \xe4\r\n\r\n\xff\x00\r\n"
    assert forwarder.send(content=content)[0] == 250
    assert "BODY=8BITMIME" in upstream.messages[0].mail
    assert upstream.messages[0].body == content


def test_a_relay_without_pipelining_is_asked_one_by_one(
    forward: Forward, upstream: Upstream
) -> None:
    upstream.extensions = ("8BITMIME",)
    forwarder = forward(upstream)
    assert "delivered" in forwarder.send(RECIPIENT, "other@example.org")[1]
    assert upstream.messages[0].recipients == (RECIPIENT, "other@example.org")


def context_for(folder: pathlib.Path) -> tuple[ssl.SSLContext, str]:
    now = dt.datetime.now(dt.timezone.utc)
    made = certificates.ensure_server(folder, "Test CA", {"localhost", "127.0.0.1"}, now)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made.path)
    return context, certificates.ensure_authority(folder, "Test CA", now)


def test_a_relay_is_verified_and_there_is_no_falling_back(
    forward: Forward, upstream: Upstream, tmp_path: pathlib.Path
) -> None:
    upstream.tls, authority = context_for(tmp_path / "ca")
    upstream.extensions = (*EXTENSIONS, "STARTTLS")
    forwarder = forward(upstream, upstream={"transport_security": "starttls"})
    assert "certificate is not accepted" in forwarder.send()[1]
    assert not upstream.messages
    forwarder.configure(upstream={"ca": authority})
    assert "settings-taken" in forwarder.reload()
    upstream.wait_for(1)
    upstream.extensions = EXTENSIONS
    upstream.cut()
    assert "queued" in forwarder.send()[1]
    assert len(upstream.messages) == 1


def test_nobody_waits_for_a_relay_that_is_down(forward: Forward, upstream: Upstream) -> None:
    upstream.stop()
    forwarder = forward(upstream, wait_seconds=1000)
    clients = [threading.Thread(target=forwarder.send) for _ in range(12)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    assert len(forwarder.spool.entries()) == 12


def test_a_relay_may_allow_fewer_connections(forward: Forward, upstream: Upstream) -> None:
    forwarder = forward(upstream, upstream={"connections": 4})
    upstream.hold.clear()
    clients = [threading.Thread(target=forwarder.send) for _ in range(4)]
    clients[0].start()
    wait_until(lambda: "DATA" in upstream.commands)
    upstream.answers[""] = "421 4.7.0 Too many connections"
    for client in clients[1:]:
        client.start()
    wait_until(lambda: upstream.connections > 1)
    upstream.hold.set()
    for client in clients:
        client.join()
    assert len(upstream.messages) == 4
    assert {one.connection for one in upstream.messages} == {1}


@pytest.mark.parametrize("answer", ["250 2.0.0 Ok", "300 what"])
def test_consent_before_the_message_is_none(
    forward: Forward, upstream: Upstream, answer: str
) -> None:
    answers = iter([answer])
    upstream.answers["DATA"] = lambda: next(answers, "354 go on")
    forwarder = forward(upstream, wait_seconds=1)

    assert forwarder.send()[0] == 250

    (one,) = upstream.wait_for(1)
    assert one.body == CONTENT
    assert upstream.commands.count("DATA") == 2


def test_one_that_hangs_holds_up_no_other_where_the_relay_allows_more_again(
    forward: Forward, upstream: Upstream
) -> None:
    greetings = iter(["220 scripted ESMTP", "421 4.7.0 Too many connections"])
    upstream.answers[""] = lambda: next(greetings, "220 scripted ESMTP")
    forwarder = forward(upstream, wait_seconds=1)
    upstream.hold.clear()
    forwarder.send()
    forwarder.send("carl@example.org")

    wait_until(
        lambda: upstream.connections == 3 and "RCPT TO:<carl@example.org>" in upstream.commands
    )

    upstream.hold.set()
    assert {one.recipients for one in upstream.wait_for(2)} == {
        (RECIPIENT,),
        ("carl@example.org",),
    }

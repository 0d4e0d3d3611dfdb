import os
import pathlib

import mail_servers
import pytest

from forwarder import delivery, queue
from forwarder.tools import failures, submission

CONTENT = b"Subject: hi\r\n\r\n.dot\r\nbody\r\n"
MAIL = submission.Mail("me@example.com", ("ada@example.com", "bob@example.com"), CONTENT)


def test_a_message_is_handed_over(machine: mail_servers.Machine) -> None:
    with mail_servers.serving() as server:
        assert submission.submit(machine.tell(server.port), MAIL) == "250 2.0.0 taken"
    assert server.content == CONTENT
    assert server.commands[1:4] == [
        "MAIL FROM:<me@example.com>",
        "RCPT TO:<ada@example.com>",
        "RCPT TO:<bob@example.com>",
    ]


@pytest.mark.parametrize(
    ("mail", "command"),
    [
        (submission.Mail("", ("a@example.com",), b"\r\n"), "MAIL FROM:<>"),
        (
            submission.Mail("a@example.com", ("a@example.com",), b"X: y\r\n\r\n\xff\r\n"),
            "MAIL FROM:<a@example.com> BODY=8BITMIME",
        ),
        (
            submission.Mail("jörg@example.com", ("a@example.com",), b"\r\n\r\n"),
            "MAIL FROM:<jörg@example.com> SMTPUTF8",
        ),
        (
            submission.Mail("a@example.com", ("a@example.com",), "Subject: ö\r\n\r\n".encode()),
            "MAIL FROM:<a@example.com> BODY=8BITMIME SMTPUTF8",
        ),
    ],
)
def test_the_envelope_says_what_the_message_needs(
    machine: mail_servers.Machine, mail: submission.Mail, command: str
) -> None:
    with mail_servers.serving() as server:
        submission.submit(machine.tell(server.port), mail)
    assert server.commands[1] == command


@pytest.mark.parametrize(
    ("answers", "refused"),
    [
        ({"RCPT TO:<bob@example.com>": "550 5.1.1 no Bob"}, {"bob@example.com": "no Bob"}),
        (
            {"RCPT": "550 5.1.1 nobody"},
            {"ada@example.com": "nobody", "bob@example.com": "nobody"},
        ),
        ({".": "554 5.6.0 spam"}, {"ada@example.com": "spam", "bob@example.com": "spam"}),
        ({"DATA": "554 5.6.0 no"}, {"ada@example.com": "no", "bob@example.com": "no"}),
        ({"MAIL": "550 5.1.8 who"}, {"ada@example.com": "who", "bob@example.com": "who"}),
    ],
)
def test_a_refusal_names_who_did_not_get_the_message(
    machine: mail_servers.Machine, answers: dict[str, str], refused: dict[str, str]
) -> None:
    with mail_servers.serving(answers) as server, pytest.raises(failures.RefusedError) as error:
        submission.submit(machine.tell(server.port), MAIL)
    assert {to: said.split(" ", 2)[2] for to, said in error.value.refusals.items()} == refused
    assert str(error.value).splitlines() == [
        f"not sent to {to}: {said}" for to, said in error.value.refusals.items()
    ]
    assert (server.content == CONTENT) is (len(refused) == 1 or "." in answers)


@pytest.mark.parametrize(
    ("answers", "left"),
    [
        ({"RCPT TO:<bob@example.com>": "450 4.2.0 later"}, ("bob@example.com",)),
        ({".": "451 4.3.0 later"}, MAIL.recipients),
        ({"DATA": "451 4.3.0 later"}, MAIL.recipients),
        ({"MAIL": "452 4.3.1 later"}, MAIL.recipients),
        ({".": str(delivery.RULE_FAILED)}, MAIL.recipients),
        ({"greeting": "421 4.3.2 later"}, MAIL.recipients),
        ({"EHLO": mail_servers.HANG_UP}, MAIL.recipients),
        ({".": mail_servers.HANG_UP}, MAIL.recipients),
    ],
)
def test_what_is_refused_for_now_waits(
    machine: mail_servers.Machine, answers: dict[str, str], left: tuple[str, ...]
) -> None:
    queue.prepare(machine.queue)
    with mail_servers.serving(answers) as server:
        assert submission.submit(machine.tell(server.port), MAIL).startswith("queued as ")
    assert machine.left() == [queue.Left(MAIL.sender, left, CONTENT, utf8=False)]


def test_without_a_forwarder_all_waits(machine: mail_servers.Machine) -> None:
    submission.submit(machine.without_a_forwarder(), MAIL)
    assert machine.left() == [queue.Left(MAIL.sender, MAIL.recipients, CONTENT, utf8=False)]


def test_one_that_is_refused_does_not_keep_the_other_from_waiting(
    machine: mail_servers.Machine,
) -> None:
    queue.prepare(machine.queue)
    answers = {
        "RCPT TO:<ada@example.com>": "450 4.2.0 later",
        "RCPT TO:<bob@example.com>": "550 5.1.1 no",
    }
    with mail_servers.serving(answers) as server, pytest.raises(failures.RefusedError) as error:
        submission.submit(machine.tell(server.port), MAIL)
    assert [*error.value.refusals] == ["bob@example.com"]
    assert [left.recipients for left in machine.left()] == [("ada@example.com",)]


def test_a_forwarder_that_says_nothing_has_a_time_limit(machine: mail_servers.Machine) -> None:
    queue.prepare(machine.queue)
    with mail_servers.serving({".": "250-slow"}) as server:
        answer = submission.submit(machine.tell(server.port), MAIL, seconds=0.5)
    assert answer.startswith("queued as ")
    assert "no answer within 0.5 s" in answer or "timed out" in answer
    assert len(machine.left()) == 1


def test_what_can_neither_be_sent_nor_kept_is_named(machine: mail_servers.Machine) -> None:
    with pytest.raises(failures.TemporaryError) as error:
        submission.submit(machine.tell(1), MAIL)
    lines = str(error.value).splitlines()
    assert [line.partition(":")[0] for line in lines] == [
        "not sent to ada@example.com",
        "not sent to bob@example.com",
    ]
    assert lines[0].endswith(f"; not queued: {os.strerror(2)}")


def test_a_forwarder_without_a_relay_is_an_error_of_its_own(machine: mail_servers.Machine) -> None:
    queue.prepare(machine.queue)
    answers = {"MAIL": str(delivery.UNCONFIGURED)}
    with mail_servers.serving(answers) as server, pytest.raises(failures.NotConfiguredError) as e:
        submission.submit(machine.tell(server.port), MAIL)
    assert str(e.value).startswith(f"not configured: {delivery.UNCONFIGURED.text}; integrate ")
    assert machine.left() == []


def test_a_full_disk_is_told(machine: mail_servers.Machine) -> None:
    full = pathlib.Path("/dev/full")
    told = machine.tell(1)
    queue.prepare(machine.queue)
    machine.queue.joinpath("incoming").rmdir()
    machine.queue.joinpath("incoming").symlink_to(full)
    with pytest.raises(failures.TemporaryError, match="not queued"):
        submission.submit(told, MAIL)

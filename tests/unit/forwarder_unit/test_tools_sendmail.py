import email
import email.policy
import os
import pathlib
import pwd
import re
import tempfile

import mail_servers
import pytest

from forwarder import queue
from forwarder.tools import failures, sendmail, submission

TEXT = b"Subject: hi\n\nbody\n"


@pytest.mark.parametrize(
    ("line", "options"),
    [
        ("a@example.com", {"recipients": ("a@example.com",)}),
        ("-t", {"from_headers": True}),
        ("-t -i", {"from_headers": True, "dots_are_text": True}),
        ("-ti", {"from_headers": True, "dots_are_text": True}),
        ("-oi -f b@example.com a", {"dots_are_text": True, "sender": "b@example.com"}),
        ("-fb@example.com a", {"sender": "b@example.com"}),
        ("-r b@example.com a", {"sender": "b@example.com"}),
        ("-FCronDaemon -i -B8BITMIME -oem a", {"name": "CronDaemon", "dots_are_text": True}),
        ("-FAnacron -odi a", {"name": "Anacron"}),
        (
            "-FCronDaemon -odi -oem -oi -t",
            {"name": "CronDaemon", "dots_are_text": True, "from_headers": True},
        ),
        ("-odb -oee a", {}),
        ("-odq a", {}),
        ("-t -- -a", {"from_headers": True, "recipients": ("-a",)}),
        ("-bs", {"mode": "-bs"}),
        ("-bp", {"mode": "-bp"}),
        ("-q", {"mode": "-q"}),
        ("-bm a", {}),
    ],
)
def test_options(line: str, options: dict[str, object]) -> None:
    recipients = ("a",) if line.endswith(" a") else ()
    expected = sendmail.Options(**{"recipients": recipients, **options})  # type: ignore[arg-type]
    assert sendmail.parse(line.split()) == expected


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("-bd", "unknown option -bd"),
        ("-odx a", "unknown option -odx"),
        ("-q30m", "unknown option -q30m"),
        ("-X log a", "unknown option -X"),
        ("-O Timeout=1 a", "unknown option -O"),
        (
            "a@example.com -f b@example.com",
            "-f stands behind a recipient; put options first",
        ),
        ("-tX", "unknown option -tX"),
        ("--help", "unknown option --help"),
        ("-t -f", "-f needs a value"),
        ("-bp a", "-bp takes no recipients"),
        ("", "no recipients; name them, or use -t for those of the headers"),
    ],
)
def test_what_is_unknown_is_refused_by_name(line: str, message: str) -> None:
    with pytest.raises(failures.UsageError) as error:
        sendmail.parse(line.split())
    assert str(error.value) == message


def test_an_empty_sender_is_the_null_sender(machine: mail_servers.Machine) -> None:
    told = machine.without_a_forwarder()
    for line in (["-f", "<>", "a@example.com"], ["-f", "", "a@example.com"]):
        options = sendmail.parse(line)
        assert sendmail.message(told, options, [TEXT]).sender == ""


@pytest.mark.parametrize(
    ("options", "end"),
    [(["a@b.com"], b"one\r\n"), (["-i", "a@b.com"], b"one\r\n.\r\ntwo\r\n")],
)
def test_a_line_with_a_dot_ends_the_message_unless_dots_are_text(
    machine: mail_servers.Machine, options: list[str], end: bytes
) -> None:
    told, lines = machine.without_a_forwarder(), [b"one\n", b".\n", b"two\n"]
    assert sendmail.message(told, sendmail.parse(options), lines).content.endswith(b"\r\n" + end)


def test_a_message_reaches_the_forwarder(machine: mail_servers.Machine) -> None:
    with mail_servers.serving() as server:
        machine.tell(server.port)
        done = machine.run("sendmail", "-F", "Jörg Ä", "root", "Ann <ann@example.com>", stdin=TEXT)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    own = f"{pwd.getpwuid(os.getuid()).pw_name}@{mail_servers.DOMAIN}"
    assert server.commands[1:4] == [
        f"MAIL FROM:<{own}>",
        f"RCPT TO:<root@{mail_servers.DOMAIN}>",
        "RCPT TO:<ann@example.com>",
    ]
    made = email.message_from_bytes(server.content, policy=email.policy.default)
    assert made["From"].addresses[0].display_name == "Jörg Ä"
    assert made["Subject"] == "hi"


def test_the_recipients_of_the_headers(machine: mail_servers.Machine) -> None:
    with mail_servers.serving() as server:
        machine.tell(server.port)
        stdin = b"To: a@example.com\nBcc: b@example.com\n\nbody\n"
        assert machine.run("sendmail", "-t", "c@example.com", stdin=stdin).returncode == 0
    assert [line[9:10] for line in server.commands if line.startswith("RCPT")] == [*"cab"]
    assert b"b@example.com" not in server.content


@pytest.mark.parametrize(
    ("arguments", "answers", "code", "stderr"),
    [
        (["-bd"], {}, os.EX_USAGE, "sendmail: unknown option -bd\n"),
        (["not an address"], {}, os.EX_DATAERR, "sendmail: not an address: not an address\n"),
        (["-t"], {}, os.EX_DATAERR, "sendmail: no recipient in To, Cc or Bcc\n"),
        (
            ["a@example.com", "b@example.com"],
            {"RCPT TO:<b@example.com>": "550 5.1.1 no b"},
            os.EX_UNAVAILABLE,
            "sendmail: not sent to b@example.com: 550 5.1.1 no b\n",
        ),
    ],
)
def test_how_it_fails(
    machine: mail_servers.Machine,
    arguments: list[str],
    answers: dict[str, str],
    code: int,
    stderr: str,
) -> None:
    with mail_servers.serving(answers) as server:
        machine.tell(server.port)
        done = machine.run("sendmail", *arguments, stdin=TEXT)
    assert (done.returncode, done.stderr.decode()) == (code, stderr)


def test_a_machine_without_a_forwarder(machine: mail_servers.Machine) -> None:
    done = machine.run("sendmail", "a@example.com", stdin=TEXT)
    assert done.returncode == os.EX_CONFIG
    assert done.stderr.decode() == (
        f"sendmail: not configured: {machine.file} cannot be read; "
        "the unit of smtp-forwarder writes it\n"
    )


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_any_user_may_leave_mail_and_only_root_sees_it() -> None:
    # The folders of pytest are for their owner alone.
    with tempfile.TemporaryDirectory() as folder:
        machine = mail_servers.Machine(pathlib.Path(folder))
        machine.path.chmod(0o711)
        told = machine.without_a_forwarder()
        machine.file.chmod(0o644)
        mail = submission.Mail("a@example.com", ("b@example.com",), b"\r\n")

        def leave() -> int:
            return len(submission.submit(told, mail)) == 0

        assert mail_servers.as_nobody(leave) == (0, "")
        assert [left.recipients for left in machine.left()] == [("b@example.com",)]
        for option in ("-bp", "-q"):
            code, said = mail_servers.as_nobody(
                lambda option=option: sendmail.main(str(machine.file), [option])
            )
            assert code == os.EX_NOPERM
            assert said.startswith("sendmail: only root may ")


def test_the_queue_is_shown(machine: mail_servers.Machine) -> None:
    machine.without_a_forwarder()
    assert machine.run("mailq").stdout == b"the queue is empty\n"
    assert machine.run("sendmail", "-bp").stdout == b"the queue is empty\n"
    assert machine.run("mailq", "-v").returncode == os.EX_USAGE


def test_what_was_left_is_shown_until_the_service_takes_it(machine: mail_servers.Machine) -> None:
    machine.without_a_forwarder()
    arguments = ["-f", "a@example.com", "b@example.com", "c@example.com"]
    assert machine.run("sendmail", *arguments, stdin=TEXT).returncode == 0
    (machine.queue / "incoming/nonsense").write_text("{}\n")
    (machine.queue / "incoming/.partial").write_text("{")
    first, *rest = machine.run("mailq").stdout.decode().splitlines()
    assert re.fullmatch(r"[0-9a-f]{32} left \S+ \S+ \d+ <a@example\.com>", first)
    assert rest == [
        "    b@example.com: not taken yet",
        "    c@example.com: not taken yet",
        "1 in the queue",
    ]


def test_without_a_service_a_flush_is_done_at_once(machine: mail_servers.Machine) -> None:
    machine.without_a_forwarder()
    assert machine.run("sendmail", "-q").returncode == 0
    assert [*queue.Spool(machine.queue).requests.iterdir()] == []


def test_a_session_on_standard_input(machine: mail_servers.Machine) -> None:
    session = b"EHLO x\r\nMAIL FROM:<a@example.com>\r\nQUIT\r\n"
    with mail_servers.serving({"QUIT": "221 bye"}) as server:
        machine.tell(server.port)
        done = machine.run("sendmail", "-bs", stdin=session)
    assert done.returncode == 0
    assert done.stdout.startswith(b"220 test\r\n")
    assert done.stdout.endswith(b"250 2.1.0 ok\r\n221 bye\r\n")
    assert server.commands == session.decode().split("\r\n")[:-1]


def test_a_session_without_a_forwarder_takes_nothing(machine: mail_servers.Machine) -> None:
    machine.without_a_forwarder()
    done = machine.run("sendmail", "-bs", stdin=b"EHLO x\r\n")
    assert done.returncode == os.EX_TEMPFAIL
    assert done.stdout == b"421 4.3.2 the forwarder does not run\r\n"


def test_a_session_in_a_file(machine: mail_servers.Machine, tmp_path: pathlib.Path) -> None:
    session = tmp_path / "session"
    session.write_bytes(b"EHLO x\r\nQUIT\r\n")
    with mail_servers.serving() as server:
        machine.tell(server.port)
        done = machine.run("sendmail", "-bs", redirected=f"< {session}")
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.endswith(b"221 bye\r\n")


def test_a_session_whose_answers_nobody_can_take(machine: mail_servers.Machine) -> None:
    with mail_servers.serving() as server:
        machine.tell(server.port)
        done = machine.run("sendmail", "-bs", stdin=b"QUIT\r\n", redirected="> /dev/full")
    assert done.returncode == os.EX_TEMPFAIL
    assert done.stderr == b"sendmail: the session was cut: No space left on device\n"


@pytest.mark.parametrize(
    ("name", "field"),
    [
        (b"A\r\nBcc: x@example.com", b'From: "A??Bcc: x@example.com" <a@example.com>\r\n'),
        (b"\xe9t\xe9", b"From: ?t? <a@example.com>\r\n"),
        ("Zoë".encode(), b"From: =?utf-8?q?Zo=C3=AB?= <a@example.com>\r\n"),
    ],
)
def test_a_name_of_any_bytes_is_one_line(
    machine: mail_servers.Machine, name: bytes, field: bytes
) -> None:
    machine.without_a_forwarder()
    arguments = ["-f", "a@example.com", "-F", os.fsdecode(name), "b@example.com"]
    done = machine.run("sendmail", *arguments, stdin=b"text\n")
    assert (done.returncode, done.stderr) == (0, b"")
    [left] = machine.left()
    assert left.content.startswith(field)
    assert b"\nBcc" not in left.content


def test_a_sender_beyond_ascii(machine: mail_servers.Machine) -> None:
    machine.without_a_forwarder()
    arguments = ["-f", "jörg@example.com", "-F", "Jörg", "b@example.com"]
    done = machine.run("sendmail", *arguments, stdin=b"text\n")
    assert (done.returncode, done.stderr) == (0, b"")
    [left] = machine.left()
    assert left.sender == "jörg@example.com"
    assert "<jörg@example.com>\r\n".encode() in left.content


@pytest.mark.parametrize("arguments", [["sendmail", "b"], ["smtp-send", "-s", "x", "b"]])
def test_a_closed_standard_input_is_no_message(
    machine: mail_servers.Machine, arguments: list[str]
) -> None:
    machine.without_a_forwarder()
    done = machine.run(*arguments, redirected="<&-")
    assert done.returncode == os.EX_NOINPUT
    assert done.stderr.decode() == f"{arguments[0]}: the standard input is closed\n"
    assert machine.left() == []


@pytest.mark.parametrize(
    ("redirected", "words"),
    [("> /dev/full", ": No space left on device"), (">&-", " is closed")],
)
@pytest.mark.parametrize("command", ["mailq", "sendmail -bp", "smtp-settings --json"])
def test_what_cannot_be_shown_is_an_error(
    machine: mail_servers.Machine, command: str, redirected: str, words: str
) -> None:
    machine.without_a_forwarder()
    tool, *arguments = command.split()
    done = machine.run(tool, *arguments, redirected=redirected)
    assert done.returncode == os.EX_IOERR
    assert done.stderr.decode() == f"{tool}: the standard output{words}\n"


def test_before_the_service_first_runs_nothing_waits(machine: mail_servers.Machine) -> None:
    machine.tell(25)
    assert machine.run("mailq").stdout == b"the queue is empty\n"
    assert machine.run("sendmail", "-q").returncode == 0

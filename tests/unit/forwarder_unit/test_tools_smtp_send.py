import email
import email.message
import email.policy
import os
import pathlib

import mail_servers
import pytest


def sent(machine: mail_servers.Machine, *arguments: str, text: bytes = b"text\n") -> bytes:
    with mail_servers.serving() as server:
        machine.tell(server.port)
        done = machine.run("smtp-send", *arguments, stdin=text)
    assert (done.returncode, done.stderr) == (0, b"")
    return server.content


def test_a_message_with_attachments(machine: mail_servers.Machine, tmp_path: pathlib.Path) -> None:
    files = {"rapport é.txt": b"one\r\n", "dump.sql.gz": b"\x1f\x8b\0", "noname": b"\0\xff"}
    paths = [tmp_path / name for name in files]
    for path in paths:
        path.write_bytes(files[path.name])
    attach = [word for path in paths for word in ("--attach", str(path))]
    to = ("a@example.com, b", "c@x.com")
    raw = sent(machine, "-s", "Größe", "-f", "me@example.com", *attach, *to)
    made = email.message_from_bytes(raw, policy=email.policy.default)
    assert made["Subject"] == "Größe"
    assert made["From"] == "me@example.com"
    assert made["To"] == f"a@example.com, b@{mail_servers.DOMAIN}, c@x.com"
    assert made["Date"]
    assert made["Message-ID"].endswith(f"@{mail_servers.DOMAIN}>")
    assert isinstance(made, email.message.EmailMessage)
    body = made.get_body()
    assert body is not None
    assert body.get_content() == "text\r\n"
    parts = [*made.iter_attachments()]
    assert {part.get_filename(): part.get_payload(decode=True) for part in parts} == files
    kinds = [part.get_content_type() for part in parts]
    assert kinds == ["text/plain", "application/octet-stream", "application/octet-stream"]


def test_addresses_beyond_ascii(machine: mail_servers.Machine) -> None:
    raw = sent(machine, "-s", "x", "-f", "me@example.com", "jörg@example.com")
    assert "To: jörg@example.com\r\n".encode() in raw


def test_addresses_that_python_cannot_parse(machine: mail_servers.Machine) -> None:
    odd = "=?utf-8?q??=@example.com"
    raw = sent(machine, "-s", "x", "-f", odd, odd, "b@example.com")
    assert raw.startswith(f"From: {odd}\r\nTo: {odd},\r\n b@example.com\r\n".encode())


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["a@example.com"], os.EX_USAGE, "the following arguments are required: -s"),
        (["-s", "x"], os.EX_USAGE, "the following arguments are required: TO"),
        (["-s", "x", "--cc", "b", "a"], os.EX_USAGE, "unrecognized arguments: --cc"),
        (["-s", "x\nBcc: b@x.com", "a@x.com"], os.EX_DATAERR, "the subject is not one line"),
        (["-s", "x", "-f", "a b@x.com", "a@x.com"], os.EX_DATAERR, "not an address: a b@x.com"),
        (["-s", "x", "-f", "a@x.com, b@x.com", "c"], os.EX_DATAERR, "not one address"),
        (["-s", "x", "a b"], os.EX_DATAERR, "not an address: a b"),
        (["-s", "x", ""], os.EX_DATAERR, "no recipients"),
        (["-s", "x", ","], os.EX_DATAERR, "no recipients"),
        *(
            (
                ["-s", "x", f"--timeout={seconds}", "a@x.com"],
                os.EX_USAGE,
                "argument --timeout: must be more than 0 seconds",
            )
            for seconds in ("0", "-1", "nan", "inf", "1e30")
        ),
        (["-s", "x", "--attach", "/absent", "a@x.com"], os.EX_NOINPUT, "/absent: No such file"),
    ],
)
def test_how_it_fails(
    machine: mail_servers.Machine, arguments: list[str], code: int, message: str
) -> None:
    machine.without_a_forwarder()
    done = machine.run("smtp-send", *arguments)
    assert done.returncode == code
    assert done.stderr.decode().startswith(f"smtp-send: {message}")
    assert machine.left() == []


def test_a_refusal_names_the_recipient(machine: mail_servers.Machine) -> None:
    with mail_servers.serving({"RCPT": "550 5.1.1 no"}) as server:
        machine.tell(server.port)
        done = machine.run("smtp-send", "-s", "x", "a@example.com", stdin=b"")
    assert done.returncode == os.EX_UNAVAILABLE
    assert done.stderr == b"smtp-send: not sent to a@example.com: 550 5.1.1 no\n"


def test_a_slow_forwarder_has_a_time_limit(machine: mail_servers.Machine) -> None:
    machine.without_a_forwarder()
    with mail_servers.serving({"MAIL": "250-slow"}) as server:
        machine.tell(server.port)
        done = machine.run("smtp-send", "-s", "x", "--timeout", "0.5", "a@example.com")
    assert done.returncode == 0
    assert len(machine.left()) == 1


def test_a_message_as_an_attachment_keeps_its_bytes(
    machine: mail_servers.Machine, tmp_path: pathlib.Path
) -> None:
    path = tmp_path / "bounce.eml"
    path.write_bytes(b"Subject: x\n\n\xff\n")
    raw = sent(machine, "-s", "x", "--attach", str(path), "a@example.com")
    made = email.message_from_bytes(raw, policy=email.policy.default)
    assert isinstance(made, email.message.EmailMessage)
    [part] = made.iter_attachments()
    # RFC 2046, section 5.2.1: a message may not be in base64.
    assert (part.get_content_type(), part.get_filename()) == (
        "application/octet-stream",
        "bounce.eml",
    )
    assert part.get_content() == path.read_bytes()


@pytest.mark.parametrize(
    ("name", "shown"), [(b"\xe9t\xe9.txt", "?t?.txt"), (b"a\nb.txt", "a?b.txt")]
)
def test_a_file_name_of_any_bytes_is_one_line(
    machine: mail_servers.Machine, tmp_path: pathlib.Path, name: bytes, shown: str
) -> None:
    path = tmp_path / os.fsdecode(name)
    path.write_bytes(b"one")
    raw = sent(machine, "-s", "x", "--attach", str(path), "a@example.com")
    made = email.message_from_bytes(raw, policy=email.policy.default)
    assert isinstance(made, email.message.EmailMessage)
    assert [part.get_filename() for part in made.iter_attachments()] == [shown]

import base64
import os
import pathlib
import shutil
import signal
import smtplib
import socket
import ssl
import stat

import hypothesis
import pytest
import sink_running
from hypothesis import strategies

from smtp_sink import messages, server, state
from unit_service import processes

USER = "postmaster"
PASSWORD = "s3cret"
CONTENT = b"Subject: hello\r\n\r\nbody\r\n"

lines = strategies.lists(strategies.binary(max_size=40).filter(lambda line: b"\r\n" not in line))


def auth_plain(user: str, password: str) -> str:
    login = b"\0".join((b"", user.encode(), password.encode()))
    return "PLAIN " + base64.b64encode(login).decode("ascii")


def send(client: smtplib.SMTP, content: bytes) -> tuple[int, bytes]:
    """Send a message octet by octet, where `smtplib.SMTP.sendmail` would mend its line ends."""
    client.ehlo_or_helo_if_needed()
    assert client.mail("from@example.com")[0] == 250
    assert client.rcpt("to@example.com")[0] == 250
    assert client.docmd("DATA")[0] == 354
    stuffed = (b"\r\n" + content).replace(b"\r\n.", b"\r\n..")[2:]
    client.send(stuffed + b".\r\n")
    return client.getreply()


@pytest.mark.parametrize(
    ("listener", "tls_version"), [("plain", "none"), ("starttls", "TLSv1.3"), ("tls", "TLSv1.3")]
)
@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_delivery_with_login(
    login_server: sink_running.Server, listener: str, tls_version: str, mechanism: str
) -> None:
    with login_server.connect(listener) as client:
        client.ehlo()
        assert client.esmtp_features["auth"].split() == ["LOGIN", "PLAIN"]
        client.user, client.password = USER, PASSWORD
        client.auth(mechanism, getattr(client, f"auth_{mechanism.lower()}"))
        code, answer = send(client, CONTENT)
    message = login_server.newest()
    assert (code, answer) == (250, f"2.0.0 Kept as {message.id}".encode())
    assert message.content() == CONTENT
    assert message.envelope.peer.startswith("127.0.0.1:")
    assert message.envelope == messages.Envelope(
        sender="from@example.com",
        recipients=("to@example.com",),
        listener=listener,
        peer=message.envelope.peer,
        tls_version=tls_version,
        auth_user=USER,
    )


@pytest.mark.parametrize("mechanism", ["login", "Login", "LOGIN"])
def test_login_is_taken_in_any_case(login_server: sink_running.Server, mechanism: str) -> None:
    with login_server.connect("plain") as client:
        client.ehlo()
        assert client.docmd("AUTH", mechanism)[0] == 334
        assert client.docmd(base64.b64encode(USER.encode()).decode())[0] == 334
        assert client.docmd(base64.b64encode(PASSWORD.encode()).decode())[0] == 235


@pytest.mark.parametrize("mechanism", ["plain", "Plain"])
def test_plain_is_taken_in_any_case(login_server: sink_running.Server, mechanism: str) -> None:
    response = auth_plain(USER, PASSWORD).partition(" ")[2]
    with login_server.connect("plain") as client:
        client.ehlo()
        assert client.docmd("auth", f"{mechanism} {response}")[0] == 235
    with login_server.connect("plain") as client:
        client.ehlo()
        assert client.docmd("AUTH", mechanism)[0] == 334
        assert client.docmd(response)[0] == 235


@pytest.mark.parametrize(
    "parameters",
    [
        ["AUTH=<>"],
        ["auth=<>", "SIZE=10"],
        ["BODY=8BITMIME", "AUTH=a+2Bb@example.com"],
        ["SMTPUTF8", "AUTH=<from@example.com>", "SIZE=10"],
    ],
)
def test_the_parameter_auth_is_taken_where_auth_is_offered(
    login_server: sink_running.Server, parameters: list[str]
) -> None:
    with login_server.connect("plain") as client:
        client.login(USER, PASSWORD)
        assert client.mail("from@example.com", parameters)[0] == 250
        assert client.rcpt("to@example.com")[0] == 250
        assert client.data(CONTENT)[0] == 250
    assert login_server.newest().envelope.sender == "from@example.com"


def test_a_parameter_that_is_not_offered_is_refused(
    login_server: sink_running.Server, open_server: sink_running.Server
) -> None:
    with open_server.connect("plain") as client:
        client.ehlo()
        assert client.mail("from@example.com", ["AUTH=<>"])[0] == 555
    with login_server.connect("plain") as client:
        client.login(USER, PASSWORD)
        assert client.mail("from@example.com", ["AUTH="])[0] == 501
        assert client.mail("from@example.com", ["XAUTH=<>"])[0] == 555
        assert client.mail("from@example.com", ["AUTH=<>", "X=1"])[0] == 555
        assert client.mail("from@example.com")[0] == 250
        assert client.rcpt("to@example.com", ["AUTH=<>"])[0] == 555


@pytest.mark.parametrize(
    "command",
    [
        "{}",
        "{} {}",
        "AUTH {}",
        "AUTH PLAIN {}",
        "AUTH {} {}",
        "AUTH PLAIN {} {}",
        "AUTH XOAUTH2 {}",
        "DATA {}",
        "EHLO {}",
        "EXPN {}",
        "HELP {}",
        "MAIL {}",
        "MAIL FROM:<{}> {}",
        "NOOP {}",
        "QUIT {}",
        "RCPT TO:<{}> {}",
        "RSET {}",
        "STARTTLS {}",
        "VRFY {}",
        "VRFY <{}",
    ],
)
@pytest.mark.parametrize("logged_in", [True, False])
def test_what_a_client_sends_is_never_repeated(
    login_server: sink_running.Server, command: str, *, logged_in: bool
) -> None:
    for sent in (PASSWORD, base64.b64encode(PASSWORD.encode()).decode()):
        with login_server.connect("plain") as client:
            client.ehlo()
            if logged_in:
                client.login(USER, PASSWORD)
            code, answer = client.docmd(command.format(sent, sent))
            assert 200 <= code < 600
            assert sent.upper().encode() not in answer.upper()


@pytest.mark.parametrize("listener", state.LISTENERS)
def test_a_wrong_login_is_refused_and_the_session_goes_on(
    login_server: sink_running.Server, listener: str
) -> None:
    with login_server.connect(listener) as client:
        for user, password in ((USER, "wrong"), ("somebody", PASSWORD), (USER, "")):
            with pytest.raises(smtplib.SMTPAuthenticationError) as refusal:
                client.login(user, password)
            assert refusal.value.smtp_code == 535
            assert refusal.value.smtp_error == b"5.7.8 Authentication credentials invalid"
        client.login(USER, PASSWORD)
        assert send(client, CONTENT)[0] == 250


@pytest.mark.parametrize("listener", state.LISTENERS)
def test_mail_without_login_is_refused(login_server: sink_running.Server, listener: str) -> None:
    with login_server.connect(listener) as client:
        client.ehlo()
        assert client.mail("from@example.com") == (530, b"5.7.0 Authentication required")
        assert client.rcpt("to@example.com") == (530, b"5.7.0 Authentication required")
        assert client.docmd("DATA") == (530, b"5.7.0 Authentication required")
        # HELO offers no AUTH, and is no way around it.
        client.helo()
        assert client.mail("from@example.com") == (530, b"5.7.0 Authentication required")


@pytest.mark.parametrize(
    ("listener", "tls_version"), [("plain", "none"), ("starttls", "TLSv1.3"), ("tls", "TLSv1.3")]
)
def test_without_a_user_there_is_no_auth(
    open_server: sink_running.Server, listener: str, tls_version: str
) -> None:
    with open_server.connect(listener) as client:
        client.ehlo()
        assert "auth" not in client.esmtp_features
        assert client.docmd("AUTH", auth_plain("", ""))[0] == 504
        assert send(client, CONTENT)[0] == 250
    envelope = open_server.newest().envelope
    assert envelope.auth_user == "none"
    assert envelope.tls_version == tls_version


def test_the_starttls_port_refuses_everything_before_starttls(
    login_server: sink_running.Server,
) -> None:
    port = login_server.report.ports["starttls"]
    with smtplib.SMTP("127.0.0.1", port, timeout=sink_running.SECONDS) as client:
        client.ehlo()
        assert "starttls" in client.esmtp_features
        assert "auth" not in client.esmtp_features
        assert client.mail("from@example.com")[0] == 530
        assert client.docmd("AUTH", auth_plain(USER, PASSWORD))[0] == 530


def test_the_plain_port_offers_no_tls(open_server: sink_running.Server) -> None:
    with open_server.connect("plain") as client:
        client.ehlo()
        assert "starttls" not in client.esmtp_features
        assert client.docmd("STARTTLS")[0] == 454


def test_a_client_that_does_not_know_the_authority_refuses_the_server(
    open_server: sink_running.Server,
) -> None:
    port = open_server.report.ports["tls"]
    with pytest.raises(ssl.SSLCertVerificationError):
        smtplib.SMTP_SSL("localhost", port, context=ssl.create_default_context())


def test_a_password_may_be_any_text(
    directory: state.StateDir, servers: sink_running.Servers
) -> None:
    password = "pâss wörd" + "x" * 4000
    sink_running.configure(directory, user="üser", password=password)
    with servers.start(directory).connect("plain") as client:
        client.ehlo()
        assert client.docmd("AUTH", auth_plain("üser", password))[0] == 235


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"no header at all\r\n", id="no header"),
        pytest.param(b"\r\n\r\n\r\n", id="blank lines"),
        pytest.param(b"Subject: \xe4\r\n\r\n\xff\xfe\x80\r\n", id="8 bit"),
        pytest.param(b"Subject: a\0b\r\n\r\n\0\0\r\n", id="NUL"),
        pytest.param(b"Subject: x\r\n\r\n.\r\n", id="a dot alone"),
        pytest.param(b"From me\r\n\r\nFrom me\r\n", id="From"),
        pytest.param(b"a\nb\rc\r\r\n", id="bare line ends"),
        pytest.param(b"x" * 1_000_000 + b"\r\n", id="a huge line"),
        pytest.param(b"Subject: " + b"y" * 70_000 + b"\r\n\r\n", id="a huge header"),
    ],
)
def test_a_message_is_kept_as_it_came(open_server: sink_running.Server, content: bytes) -> None:
    with open_server.connect("tls") as client:
        assert send(client, content)[0] == 250
    assert open_server.newest().content() == content


@hypothesis.settings(deadline=None, max_examples=25)
@hypothesis.given(lines=lines)
def test_any_message_is_kept_as_it_came(
    open_server: sink_running.Server, lines: list[bytes]
) -> None:
    content = b"".join(line + b"\r\n" for line in lines)
    with open_server.connect("plain") as client:
        assert send(client, content)[0] == 250
    assert open_server.newest().content() == content


def test_a_message_that_is_too_large_is_refused_as_a_whole(
    open_server: sink_running.Server,
) -> None:
    with open_server.connect("plain") as client:
        client.ehlo()
        assert int(client.esmtp_features["size"]) == server.MESSAGE_LIMIT
        assert client.mail("a@example.com", [f"SIZE={server.MESSAGE_LIMIT + 1}"])[0] == 552


@pytest.mark.parametrize(
    ("command", "sender"),
    [
        (b"MAIL FROM:<>", "<>"),
        ("MAIL FROM:<jürgen@exämple.com> SMTPUTF8".encode(), "jürgen@exämple.com"),
        (b"MAIL FROM:<j\xfcrgen@example.com>", "j\\xfcrgen@example.com"),
        (b"MAIL FROM:<" + b"x" * 3000 + b"@example.com>", "x" * 3000 + "@example.com"),
    ],
)
def test_odd_senders_are_kept(
    open_server: sink_running.Server, command: bytes, sender: str
) -> None:
    with open_server.connect("plain") as client:
        client.ehlo()
        client.send(command + b"\r\n")
        assert client.getreply()[0] == 250
        assert client.rcpt("to@example.com")[0] == 250
        assert client.data(CONTENT)[0] == 250
    assert open_server.newest().envelope.sender == sender


def test_every_recipient_is_kept(open_server: sink_running.Server) -> None:
    recipients = [f"user{number}@example.com" for number in range(200)]
    with open_server.connect("plain") as client:
        client.sendmail("from@example.com", recipients, CONTENT)
    assert open_server.newest().envelope.recipients == tuple(recipients)


def test_an_error_of_the_server_stays_in_its_log(
    directory: state.StateDir, servers: sink_running.Servers
) -> None:
    sink_running.configure(directory)
    running = servers.start(directory)
    hidden = directory.messages.rename(directory.path / "hidden")
    with running.connect("plain") as client:
        code, answer = send(client, CONTENT)
        assert (code, answer) == (451, b"4.3.0 The server failed; its log says why")
        assert "FileNotFoundError" in running.log()
        client.rset()
        hidden.rename(directory.messages)
        assert send(client, CONTENT)[0] == 250


def test_ports_that_are_taken(directory: state.StateDir, servers: sink_running.Servers) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        sink_running.configure(directory, ports={"plain": port, "tls": port})
        running = servers.start(directory)
    assert running.process.wait(sink_running.SECONDS) == 1
    assert running.report.ports == {}
    assert running.report.problems == (
        f"plain-port: {port} is in use on 127.0.0.1; choose another port or 0",
        f"tls-port: {port} is in use on 127.0.0.1; choose another port or 0",
    )


def test_an_address_of_another_machine(
    directory: state.StateDir, servers: sink_running.Servers
) -> None:
    sink_running.configure(directory, bind_address="198.51.100.1")
    running = servers.start(directory)
    assert running.report.problems == (
        "bind-address: 198.51.100.1 is not an address of this machine; choose another",
    )


def test_a_free_port_is_kept(directory: state.StateDir, servers: sink_running.Servers) -> None:
    sink_running.configure(directory)
    first = servers.start(directory)
    first.process.kill()
    first.process.wait()
    assert servers.start(directory).report.ports == first.report.ports


def test_a_kept_port_that_is_taken_is_replaced(
    directory: state.StateDir, servers: sink_running.Servers
) -> None:
    sink_running.configure(directory)
    first = servers.start(directory)
    first.process.kill()
    first.process.wait()
    kept = first.report.ports
    with socket.create_server(("127.0.0.1", kept["plain"])):
        ports = servers.start(directory).report.ports
    assert ports["plain"] != kept["plain"]
    assert (ports["starttls"], ports["tls"]) == (kept["starttls"], kept["tls"])


def test_a_fixed_port_is_never_taken_by_another_listener(
    directory: state.StateDir, servers: sink_running.Servers
) -> None:
    sink_running.configure(directory)
    first = servers.start(directory)
    first.process.kill()
    first.process.wait()
    fixed = first.report.ports["plain"]
    sink_running.configure(directory, ports={"tls": fixed})
    ports = servers.start(directory).report.ports
    assert ports["tls"] == fixed
    assert ports["plain"] != fixed


def test_it_ends_with_its_supervisor(
    directory: state.StateDir, servers: sink_running.Servers
) -> None:
    sink_running.configure(directory)
    running = servers.start(directory)
    assert running.process.stdin is not None
    running.process.stdin.close()
    assert running.process.wait(sink_running.SECONDS) == 0


def test_it_ends_when_told(directory: state.StateDir, servers: sink_running.Servers) -> None:
    sink_running.configure(directory)
    running = servers.start(directory)
    running.process.send_signal(signal.SIGTERM)
    assert running.process.wait(sink_running.SECONDS) == 0


def test_it_ends_with_its_unit(directory: state.StateDir, servers: sink_running.Servers) -> None:
    sink_running.configure(directory)
    running = servers.start(directory)
    shutil.rmtree(directory.path)
    assert running.process.wait(sink_running.SECONDS) == 0


def test_the_password_is_in_no_process_list_and_in_no_log(
    login_server: sink_running.Server,
) -> None:
    with login_server.connect("plain") as client:
        client.login(USER, PASSWORD)
        # A client out of step sends its password as a command.
        client.docmd(PASSWORD)
        client.docmd(base64.b64encode(PASSWORD.encode()).decode())
    process = pathlib.Path("/proc", str(login_server.process.pid))
    seen = b"".join((process / name).read_bytes() for name in ("cmdline", "environ"))
    seen += login_server.log().encode()
    assert PASSWORD.encode() not in seen
    assert base64.b64encode(PASSWORD.encode()) not in seen
    assert PASSWORD not in repr(login_server.report)


def test_its_files_are_for_its_owner_alone(login_server: sink_running.Server) -> None:
    directory = login_server.directory
    assert PASSWORD in directory.config.read_text()
    for path in (directory.config, *directory.certificates.iterdir()):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(directory.messages.stat().st_mode) == 0o700


def test_the_report_names_the_process(login_server: sink_running.Server) -> None:
    assert login_server.report.process == processes.find(login_server.process.pid)
    assert login_server.report.process != processes.find(os.getpid())

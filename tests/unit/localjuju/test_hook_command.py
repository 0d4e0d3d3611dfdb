"""The client of hook commands: what it sends, prints and exits with, whatever the bytes."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
from typing import TYPE_CHECKING

import pytest

from localjuju import controller, hook_commands, wire

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Callable, Iterator

ANY_BYTES = bytes(range(1, 256))
BIG = bytes(range(256)) * 1000


class Peer:
    """Stands where the controller stands, answers as a test says, and keeps what it was sent.

    Args:
        tools: the folder of hook commands.
        folder: where the socket is made.
    """

    def __init__(self, tools: pathlib.Path, folder: pathlib.Path) -> None:
        self.tools = tools
        self.sent: list[list[bytes]] = []
        self._address = folder / "socket"

    def run(
        self,
        *command: bytes | str,
        answer: Callable[[socket.socket], object],
        stdin: bytes = b"",
        env: dict[str, str] | None = None,
        cwd: pathlib.Path | None = None,
    ) -> subprocess.CompletedProcess[bytes]:
        """Run a hook command whose message `answer` answers."""
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(self._address))
            listener.listen()
            thread = threading.Thread(target=self._serve, args=(listener, answer))
            thread.start()
            name, *arguments = command
            done = subprocess.run(
                [os.fsencode(self.tools) + b"/" + os.fsencode(name), *arguments],
                check=False,
                capture_output=True,
                cwd=cwd,
                input=stdin,
                env={
                    "JUJU_AGENT_SOCKET_ADDRESS": str(self._address),
                    "JUJU_CONTEXT_ID": "app/0-start-1",
                }
                | (env or {}),
            )
            thread.join()
        self._address.unlink()
        return done

    def _serve(self, listener: socket.socket, answer: Callable[[socket.socket], object]) -> None:
        connection, _ = listener.accept()
        with connection:
            self.sent.append(wire.receive(connection))
            answer(connection)


def answering(
    stdout: bytes = b"", stderr: bytes = b"", code: int = 0
) -> Callable[[socket.socket], object]:
    return lambda connection: wire.send(connection, [b"%d" % code, stdout, stderr])


@pytest.fixture
def tools(tmp_path: pathlib.Path) -> Iterator[pathlib.Path]:
    """Lay out the hook commands as the controller does."""
    folder = tmp_path / "controller"
    (folder / controller.OWN).mkdir(parents=True)
    owner = controller.Controller(folder)
    owner.prepare()
    yield owner.site.tools
    owner.shut_down()


@pytest.fixture
def peer(tools: pathlib.Path, tmp_path: pathlib.Path) -> Peer:
    return Peer(tools, tmp_path)


def test_every_hook_command_is_there(tools: pathlib.Path) -> None:
    names = {path.name for path in tools.iterdir() if not path.name.startswith(".")}
    assert names == set(hook_commands.COMMANDS)


def test_it_sends_where_and_how_it_was_called(peer: Peer, tmp_path: pathlib.Path) -> None:
    words = [ANY_BYTES, b"", b" two\nlines\n ", b"-C7", b"--", b"x" * 100_000]
    folder = tmp_path / "a folder"
    folder.mkdir()

    peer.run("relation-set", *words, answer=answering(), cwd=folder)

    assert peer.sent == [[b"app/0-start-1", os.fsencode(folder), b"relation-set", *words]]


@pytest.mark.parametrize("code", [0, 1, 2, 70, 255])
def test_it_gives_what_is_answered(peer: Peer, code: int) -> None:
    done = peer.run("secret-get", answer=answering(BIG, b"ERROR \0 \xff\n", code))

    assert (done.returncode, done.stdout, done.stderr) == (code, BIG, b"ERROR \0 \xff\n")


def test_it_reads_its_input_when_asked_and_only_then(peer: Peer) -> None:
    def ask(connection: socket.socket) -> None:
        wire.send(connection, [])
        peer.sent.append(wire.receive(connection))
        wire.send(connection, [b"0", b"", b""])

    peer.run("relation-set", "--file", "-", answer=ask, stdin=BIG)
    peer.run("relation-set", "--file", "-", answer=ask)
    peer.run("relation-set", "--file", "-", answer=answering(), stdin=b"not read")

    assert peer.sent[1] == [BIG]
    assert peer.sent[3] == [b""]
    assert len(peer.sent) == 5


@pytest.mark.parametrize(
    "env",
    [
        {"LC_ALL": "C"},
        {"LC_ALL": "C.UTF-8"},
        {"PERL5OPT": "-Mnothing", "PERL5LIB": "/nowhere", "PERL5DB": "die"},
        {"PERL_UNICODE": "SDAL", "PERLIO": ":crlf", "PERL_BADLANG": "1"},
        {"BASH_ENV": "/nowhere", "ENV": "/nowhere", "POSIXLY_CORRECT": "1", "IFS": "-"},
        {"PATH": ""},
        {"PATH": "/nowhere"},
    ],
)
def test_the_environment_changes_nothing(peer: Peer, env: dict[str, str]) -> None:
    done = peer.run("status-set", "é\n", ANY_BYTES, answer=answering(BIG, "é".encode()), env=env)

    assert (done.returncode, done.stdout, done.stderr) == (0, BIG, "é".encode())
    assert peer.sent[0][2:] == [b"status-set", "é\n".encode(), ANY_BYTES]


def test_a_locale_that_the_machine_lacks_is_warned_of_and_no_more(peer: Peer) -> None:
    env = {"LC_ALL": "xx_XX.UTF-8", "LANG": "nowhere"}

    done = peer.run("status-set", "é\n", ANY_BYTES, answer=answering(BIG, b"said"), env=env)

    assert (done.returncode, done.stdout) == (0, BIG)
    assert done.stderr.endswith(b"said")
    assert done.stderr.startswith(b"perl: warning: Setting locale failed.")
    assert peer.sent[0][2:] == [b"status-set", "é\n".encode(), ANY_BYTES]


@pytest.mark.parametrize("part", [b"", b"\0" * 7 + b"\3", b"\0" * 7 + b"\3" + b"\0" * 7 + b"\1"])
def test_an_answer_that_breaks_off_is_a_failure(peer: Peer, part: bytes) -> None:
    done = peer.run("is-leader", answer=lambda connection: connection.sendall(part))

    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr == b"ERROR the controller ended before it answered\n"


def test_a_controller_that_ends_while_input_is_read_is_a_failure(peer: Peer) -> None:
    done = peer.run(
        "relation-set", "--file=-", answer=lambda connection: wire.send(connection, []), stdin=BIG
    )

    assert done.returncode == 1
    assert done.stderr.startswith(b"ERROR ")


@pytest.mark.parametrize("missing", ["JUJU_CONTEXT_ID", "JUJU_AGENT_SOCKET_ADDRESS"])
def test_outside_of_a_hook_it_says_so(tools: pathlib.Path, missing: str) -> None:
    env = {"JUJU_CONTEXT_ID": "1", "JUJU_AGENT_SOCKET_ADDRESS": "/nowhere"} | {missing: ""}

    done = subprocess.run([tools / "is-leader"], check=False, capture_output=True, env=env)

    assert (done.returncode, done.stderr) == (1, b"ERROR JUJU_CONTEXT_ID not set\n")


def test_without_a_controller_it_says_so(tools: pathlib.Path) -> None:
    env = {"JUJU_CONTEXT_ID": "1", "JUJU_AGENT_SOCKET_ADDRESS": "/nowhere"}

    done = subprocess.run([tools / "is-leader"], check=False, capture_output=True, env=env)

    assert done.returncode == 1
    assert done.stderr == b"ERROR cannot reach the controller: No such file or directory\n"

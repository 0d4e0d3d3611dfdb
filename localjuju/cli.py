"""The juju command: it hands its command line to the controller, and starts one if need be.

It runs at every call of Jubilant and every poll of ``wait``, so it imports little, and the
controller does the parsing.
"""

from __future__ import annotations

import os
import socket
import sys

from localjuju import wire

_STARTERS = ("add-model", "bootstrap")


def main() -> int:
    """Run the command line; give its exit code."""
    words = sys.argv[1:]
    if words[:1] in (["version"], ["--version"]):
        return _version(words[1:])
    folder = data_folder()
    connection = connect(folder)
    if connection is None and words[:1] and words[0] in _STARTERS:
        connection = _start(folder)
    if connection is None:
        return _absent(words)
    with connection:
        return _ask(connection, words)


def data_folder() -> str:
    """The controller directory: ``LOCALJUJU_DATA``, or one in the user's data folder."""
    share = os.environ.get("XDG_DATA_HOME") or os.path.expanduser("~/.local/share")  # noqa: PTH111
    return os.path.abspath(os.environ.get("LOCALJUJU_DATA") or f"{share}/localjuju")  # noqa: PTH100


def _version(words: list[str]) -> int:
    from localjuju import errors, releases  # noqa: PLC0415 - needed once

    try:
        version = f"{releases.chosen().version}-genericlinux-amd64"
    except errors.JujuError as error:
        sys.stderr.write(f"ERROR {error}\n")
        return 1
    if "json" in words or "--format=json" in words:
        sys.stdout.write(f'{{"version":"{version}"}}\n')
    else:
        sys.stdout.write(f"{version}\n")
    return 0


def _absent(words: list[str]) -> int:
    """Answer where there is no controller; killing it then is no error in a teardown."""
    if words[:1] and words[0] in ("kill-controller", "destroy-controller"):
        sys.stderr.write("ERROR controller localjuju not found\n")
        return 1
    sys.stderr.write(
        "ERROR No controllers registered.\n\n"
        'Please create one with "juju bootstrap", or add a model with "juju add-model".\n'
    )
    return 1


def connect(folder: str) -> socket.socket | None:
    """Connect to the controller of a directory, if there is one."""
    connection = socket.socket(socket.AF_UNIX)
    try:
        with open(f"{folder}/.controller/socket") as pointer:  # noqa: PTH123 - pathlib is slow
            connection.connect(pointer.read())
    except OSError:
        connection.close()
        return None
    return connection


def _start(folder: str) -> socket.socket | None:
    """Start a controller, unless another caller does at this moment; wait until it answers."""
    import fcntl  # noqa: PLC0415 - needed once
    import subprocess  # noqa: PLC0415

    own = f"{folder}/.controller"
    os.makedirs(folder, mode=0o700, exist_ok=True)  # noqa: PTH103
    os.makedirs(own, mode=0o700, exist_ok=True)  # noqa: PTH103
    with open(f"{own}/start", "w") as turn:  # noqa: PTH123
        fcntl.flock(turn, fcntl.LOCK_EX)
        if connection := connect(folder):
            return connection
        readable, writable = os.pipe()
        package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120
        with open(f"{own}/log", "w+") as log:  # noqa: PTH123
            subprocess.Popen(
                [sys.executable, "-m", "localjuju.server", folder, str(writable)],
                env=os.environ | {"PYTHONPATH": f"{package}:{os.environ.get('PYTHONPATH', '')}"},
                pass_fds=[writable],
                start_new_session=True,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
            os.close(writable)
            with open(readable, "rb") as ready:  # noqa: PTH123
                begun = ready.read()
            if not begun:
                log.seek(0)
                _explain(log.read())
    return connect(folder)


def _explain(text: str) -> None:
    sys.stderr.write(f"{text}ERROR the controller did not start with {sys.executable}")
    if "No module named" in text:
        sys.stderr.write(
            ": install PyYAML and jsonschema for it, or name another Python in LOCALJUJU_PYTHON"
        )
    sys.stderr.write("\n")


def _ask(connection: socket.socket, words: list[str]) -> int:
    own = words[: words.index("--")] if "--" in words else words
    stdin = sys.stdin.buffer.read() if "-" in own or "--file=-" in own else b""
    try:
        code, stdout, stderr = ask(connection, words, stdin)
    except (EOFError, OSError):
        sys.stderr.write("ERROR the controller ended before it answered\n")
        return 1
    sys.stdout.buffer.write(stdout)
    sys.stderr.buffer.write(stderr)
    return code


def ask(
    connection: socket.socket, words: list[str], stdin: bytes = b""
) -> tuple[int, bytes, bytes]:
    """Have a connected controller run a command line; give exit code, output, error output.

    Raises:
        EOFError, OSError: if the controller ends before it has answered.
    """
    default_model = os.environ.get("JUJU_MODEL", "")
    fields = [b"", os.fsencode(os.getcwd()), stdin, default_model.encode()]  # noqa: PTH109
    wire.send(connection, fields + [os.fsencode(word) for word in words])
    code, stdout, stderr = wire.receive(connection)
    connection.recv(1)
    return int(code), stdout, stderr

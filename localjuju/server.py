"""The controller's process: it answers commands on a UNIX socket until the controller ends.

Whoever may open the socket commands the controller, and a hook's context in it. So the socket
stands in a folder of its own that no other user of the machine can enter.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pathlib
import select
import signal
import socket
import sys
import traceback
from concurrent import futures
from typing import TYPE_CHECKING

from localjuju import commands, errors, hook_commands, wire
from localjuju.controller import OWN, Controller

if TYPE_CHECKING:
    import types

_LOOK = 0.5
# Commands that wait for others are few; each unit has one hook at a time.
_MOST = 1000

_Answer = tuple[int, str, str]


class Server:
    """Answers for a controller.

    Args:
        controller: the controller, whose directory is prepared.
    """

    def __init__(self, controller: Controller) -> None:
        self._controller = controller

    def serve(self, ready: int) -> None:
        """Answer until the end; one byte to the file descriptor tells that it has begun."""
        controller = self._controller
        # A thread for each that waits; to start one costs more than most answers.
        threads = futures.ThreadPoolExecutor(_MOST)
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(controller.site.socket))
            listener.listen(64)
            controller.point_to_socket()
            os.write(ready, b"1")
            os.close(ready)
            while True:
                readable, _, _ = select.select([listener, controller.ended], [], [], _LOOK)
                if controller.ended in readable:
                    return
                if listener in readable:
                    connection, _ = listener.accept()
                    threads.submit(self._answer, connection)
                elif controller.is_removed():
                    controller.shut_down()

    def _answer(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError, EOFError):
            context_id, folder, *words = wire.receive(connection)
            try:
                if self._controller.is_ending:
                    answer = 1, "", "ERROR the controller is ending\n"
                elif context_id:
                    answer = self._run_hook_command(connection, context_id, folder, words)
                else:
                    answer = self._run_command(folder, words)
            except Exception:  # noqa: BLE001 - the caller hears of a defect, and the log has it
                traceback.print_exc()
                answer = 70, "", "ERROR localjuju failed: see .controller/log\n"
            code, stdout, stderr = answer
            wire.send(connection, [_to_bytes(one) for one in (str(code), stdout, stderr)])

    def _run_command(self, folder: bytes, fields: list[bytes]) -> _Answer:
        """Run a command of a person."""
        stdin, default_model, *arguments = fields
        return commands.run(
            self._controller,
            [word.decode(errors="replace") for word in arguments],
            os.fsdecode(folder),
            stdin,
            default_model.decode(),
        )

    def _run_hook_command(
        self, connection: socket.socket, context_id: bytes, folder: bytes, words: list[bytes]
    ) -> _Answer:
        """Run a hook command in its context.

        The standard input is read before the model is locked: it may come from another command.
        """
        name, *arguments = (word.decode(errors="replace") for word in words)
        stdin = b""
        if hook_commands.reads_stdin(name, arguments):
            wire.send(connection, [])
            (stdin,) = wire.receive(connection)
        context = self._controller.site.contexts.get(context_id.decode())
        if context is None:
            return 1, "", "ERROR bad request: the hook of this context has ended\n"
        with context.where.lock:
            return hook_commands.run(context, name, arguments, stdin, os.fsdecode(folder))


def _to_bytes(text: str) -> bytes:
    return text.encode(errors="replace")


def main() -> None:
    """Run the controller of the directory named first; the second word is a file descriptor."""
    folder, ready = pathlib.Path(sys.argv[1]), int(sys.argv[2])
    with (folder / OWN / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        try:
            controller = Controller(folder)
        except errors.JujuError as error:
            sys.exit(f"ERROR {error}")
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, _exit)
        try:
            controller.prepare()
            Server(controller).serve(ready)
        except errors.JujuError as error:
            sys.exit(f"ERROR {error}")
        finally:
            controller.shut_down()


def _exit(_number: int, _frame: types.FrameType | None) -> None:
    sys.exit(0)


if __name__ == "__main__":
    main()

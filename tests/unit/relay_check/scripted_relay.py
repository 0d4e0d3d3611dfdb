"""A relay on a real socket that answers, falls silent, trickles or drops as a test wants it."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import socket
import ssl
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

# What a relay can do in the place of an answer.
DROP = "(drops the connection)"  # Also behind the beginning of an answer.
SILENCE = "(stays silent)"
TRICKLE = "(sends a byte now and then, and never ends)"

MISBEHAVIOURS = (DROP, SILENCE, TRICKLE)
DEFAULTS = {
    "BANNER": "220 relay.test ESMTP",
    "HELO": "250 relay.test",
    "STARTTLS": "220 ready",
    "AUTH": "235 2.7.0 welcome",
    "MAIL": "250 2.1.0 sender ok",
    "RCPT": "250 2.1.5 recipient ok",
    "DATA": "354 go ahead",
    "MESSAGE": "250 2.0.0 Ok: queued as 4F2A91C0B7",
    "RSET": "250 2.0.0 reset",
    "QUIT": "221 2.0.0 bye",
}


@dataclasses.dataclass(frozen=True)
class Behaviour:
    """How a relay behaves.

    Attributes:
        answers: What it says to a verb, in the place of `DEFAULTS`; BANNER, EHLO, EHLO-AFTER-TLS,
            HANDSHAKE and MESSAGE are verbs too, and so are `RCPT <address>` and, for the steps
            of AUTH, LOGIN-0, LOGIN-1, CRAM-MD5-0, PLAIN-0, XOAUTH2-0 and OAUTHBEARER-0; after
            XOAUTH2-ERROR and OAUTHBEARER-ERROR, challenges with an error, AUTH follows.
        capabilities: What EHLO lists.
        capabilities_after_tls: What EHLO lists over TLS, if that differs.
        context: The certificate, for STARTTLS or TLS from the first byte.
        tls: Whether it speaks TLS from the first byte.
        listens_first: Whether it greets only when the client has said something.
        delays: How many seconds it takes before it answers to a verb.
    """

    answers: Mapping[str, str] = dataclasses.field(default_factory=dict[str, str])
    capabilities: tuple[str, ...] = ("PIPELINING", "SIZE 10240000")
    capabilities_after_tls: tuple[str, ...] | None = None
    context: ssl.SSLContext | None = None
    tls: bool = False
    listens_first: bool = False
    delays: Mapping[str, float] = dataclasses.field(default_factory=dict[str, float])


class _Ended(Exception):  # noqa: N818 - it never leaves this module
    """The conversation is over."""


class Conversation:
    """What one client said, and how it was answered."""

    def __init__(self, sock: socket.socket, behaviour: Behaviour, ending: threading.Event) -> None:
        self.commands: list[str] = []
        self.message = b""
        self._socket = sock
        self._behaviour = behaviour
        self._ending = ending
        self._buffer = b""

    @property
    def verbs(self) -> list[str]:
        return [command.split(" ", 1)[0].upper() for command in self.commands]

    def run(self) -> None:
        with contextlib.suppress(OSError, _Ended):
            if self._behaviour.tls:
                self._shake_hands()
            if self._behaviour.listens_first:
                self._socket.recv(4096)
            self._answer("BANNER")
            while True:
                self._obey(self._line())

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _obey(self, line: str) -> None:
        self.commands.append(line)
        verb = line.split(" ", 1)[0].upper()
        special = {
            "EHLO": self._ehlo,
            "STARTTLS": self._starttls,
            "AUTH": self._auth,
            "DATA": self._data,
            "RCPT": self._rcpt,
        }
        special.get(verb, lambda: self._answer(verb))()
        if verb == "QUIT":
            raise _Ended

    def _ehlo(self) -> None:
        encrypted = isinstance(self._socket, ssl.SSLSocket)
        verb = "EHLO-AFTER-TLS" if encrypted and not self._behaviour.tls else "EHLO"
        listed = self._behaviour.capabilities
        if encrypted and self._behaviour.capabilities_after_tls is not None:
            listed = self._behaviour.capabilities_after_tls
        lines = ["relay.test", *listed]
        default = "\r\n".join([*(f"250-{line}" for line in lines[:-1]), f"250 {lines[-1]}"])
        self._answer(verb, default)

    def _starttls(self) -> None:
        self._answer("STARTTLS")
        if self._behaviour.answers.get("STARTTLS", "220").startswith("220"):
            self._shake_hands()

    def _auth(self) -> None:
        _, mechanism, *response = self.commands[-1].split(" ", 2)
        # Few relays want a response by itself, where it came already.
        is_told = response and f"{mechanism}-0" not in self._behaviour.answers
        first = [] if is_told else [""]
        steps = {
            "PLAIN": first,
            "LOGIN": ["VXNlcm5hbWU6", "UGFzc3dvcmQ6"],
            "XOAUTH2": first,
            "OAUTHBEARER": first,
            "CRAM-MD5": [base64.b64encode(b"<1896.697170952@relay.test>").decode()],
        }.get(mechanism, [])
        for number, step in enumerate(steps):
            self._answer(f"{mechanism}-{number}", f"334 {step}")
            self.commands.append(self._line())
        if f"{mechanism}-ERROR" in self._behaviour.answers:
            self._answer(f"{mechanism}-ERROR")
            self.commands.append(self._line())
        self._answer("AUTH")

    def _rcpt(self) -> None:
        address = self.commands[-1].partition("<")[2].partition(">")[0]
        answers = self._behaviour.answers
        self._answer(f"RCPT {address}", answers.get("RCPT", DEFAULTS["RCPT"]))

    def _data(self) -> None:
        self._answer("DATA")
        if not self._behaviour.answers.get("DATA", "354").startswith("354"):
            return
        while not self.message.endswith(b"\r\n.\r\n"):
            self.message += self._line().encode("latin-1") + b"\r\n"
        self._answer("MESSAGE")

    def _answer(self, verb: str, default: str | None = None) -> None:
        answer = self._behaviour.answers.get(verb, default or DEFAULTS.get(verb, "502 what?"))
        if answer in MISBEHAVIOURS:
            self._misbehave(answer)
        self._ending.wait(self._behaviour.delays.get(verb, 0))
        if answer.endswith(DROP):
            self._socket.sendall(answer.removesuffix(DROP).encode())
            raise _Ended
        self._socket.sendall(answer.encode(errors="surrogateescape") + b"\r\n")

    def _misbehave(self, how: str) -> None:
        if how == DROP:
            raise _Ended
        while not self._ending.wait(0.05):
            if how == TRICKLE:
                self._socket.sendall(b"2")
        raise _Ended

    def _shake_hands(self) -> None:
        how = self._behaviour.answers.get("HANDSHAKE")
        if how in MISBEHAVIOURS:
            self._socket.recv(4096)
            self._misbehave(how)
        assert self._behaviour.context is not None
        self._socket = self._behaviour.context.wrap_socket(
            self._socket, server_side=True, do_handshake_on_connect=False
        )
        self._socket.do_handshake()

    def _line(self) -> str:
        while b"\n" not in self._buffer:
            data = self._socket.recv(4096)
            if not data:
                raise _Ended
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line.removesuffix(b"\r").decode("latin-1")


class ScriptedRelay(contextlib.AbstractContextManager["ScriptedRelay"]):
    """A relay on a port of its own: one behaviour for each connection, the last for the rest."""

    def __init__(self, *behaviours: Behaviour, host: str = "127.0.0.1") -> None:
        self._behaviours = behaviours or (Behaviour(),)
        self._ending = threading.Event()
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, 0), family=family)
        # Else each answer after TLS 1.3's tickets waits 40 ms for their acknowledgement.
        self._listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.host = host
        self.port: int = self._listener.getsockname()[1]
        self.conversations: list[Conversation] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._threads[0].join()
        self._listener.close()
        # What the clients sent before they left is still to be read.
        for thread in self._threads[1:]:
            thread.join(timeout=5)
        for conversation in self.conversations:
            conversation.close()
        for thread in self._threads[1:]:
            thread.join()

    @property
    def verbs(self) -> list[str]:
        """What all clients said, in the order of their connections."""
        return [verb for conversation in self.conversations for verb in conversation.verbs]

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            number = min(len(self.conversations), len(self._behaviours) - 1)
            conversation = Conversation(sock, self._behaviours[number], self._ending)
            self.conversations.append(conversation)
            thread = threading.Thread(target=self._serve, args=[conversation])
            self._threads.append(thread)
            thread.start()

    def _serve(self, conversation: Conversation) -> None:
        conversation.run()
        conversation.close()

"""The process of the mail server: `python3 -m smtp_sink.server STATE-DIRECTORY`.

It reads its configuration from the state directory, listens on three ports, keeps each message
and reports there what it does. It ends on SIGTERM, when its standard input is a pipe that the
other side closes, and when its configuration or its own code is gone, which means that its unit
is.
"""

import asyncio
import base64
import collections
import contextlib
import errno
import functools
import hmac
import json
import logging
import os
import pathlib
import re
import signal
import socket
import ssl
import stat
import sys
from collections.abc import Mapping
from typing import AnyStr

from aiosmtpd import smtp

from smtp_sink import bearer, messages, state
from unit_service import files, processes, reports

# A message may be one line: the limit of a line is that of a message.
MESSAGE_LIMIT = 2**25
# RFC 4954, section 4, wants room for 12288 octets of AUTH; addresses may be longer than allowed.
_COMMAND_LIMIT = 2**16
_WATCH_SECONDS = 1.0
_AUTH_NEEDED = "530 5.7.0 Authentication required"
_FAILED = "451 4.3.0 The server failed; its log says why"
_PASSWORDS = ("LOGIN", "PLAIN")
# As Microsoft 365 says it where it takes tokens alone.
_PASSWORDS_REFUSED = "535 5.7.139 Authentication unsuccessful, basic authentication is disabled."
_UNCHECKED = "454 4.7.0 Tokens cannot be checked now; the server's log says why"
_NO_LOGIN = "501 5.5.2 This is no response of the mechanism"
# A client out of step sends a password where a command is due, and what it gets it may log.
_ANSWERS_WITHOUT_ECHO = {
    '500 Error: command "': "500 5.5.2 Command not recognized",
    "502 Could not VRFY ": "502 5.5.1 Cannot VRFY",
}

_AUTH_PARAMETER = re.compile(r"(?<!\S)AUTH=\S+", re.IGNORECASE)

logger = logging.getLogger("smtp-sink")


class CannotListenError(Exception):
    """There are ports that cannot be listened on; `problems` has a message for each."""

    def __init__(self, *problems: str) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class Sink:
    """What one listener does with a client's commands: a handler as aiosmtpd calls it."""

    def __init__(
        self, listener: str, config: state.ServerConfig, store: messages.MessageStore
    ) -> None:
        self._listener = listener
        self._config = config
        self._store = store

    @property
    def login_needed(self) -> bool:
        """Whether a client must authenticate before it sends."""
        return bool(self._config.user)

    @property
    def mechanisms(self) -> set[str]:
        """How a client may authenticate."""
        config = self._config
        passwords = config.user and (config.password or config.refuse_passwords)
        return {
            *(_PASSWORDS if passwords else ()),
            *(bearer.MECHANISMS if config.user and config.introspection_url else ()),
        }

    def authenticate(
        self,
        _server: smtp.SMTP,
        _session: smtp.Session,
        _envelope: smtp.Envelope,
        _mechanism: str,
        login: smtp.LoginPassword,
    ) -> smtp.AuthResult:
        """Check a login; aiosmtpd answers 535 to a wrong one that is not `handled`."""
        if self._config.refuse_passwords:
            return smtp.AuthResult(success=False, handled=False, message=_PASSWORDS_REFUSED)
        right_user = hmac.compare_digest(login.login, self._config.user.encode())
        right_password = hmac.compare_digest(login.password, self._config.password.encode())
        if right_user and right_password:
            return smtp.AuthResult(success=True, auth_data=self._config.user)
        return smtp.AuthResult(success=False, handled=False)

    async def is_valid(self, login: bearer.Login) -> bool:
        """Return whether a token is valid, and the user this server's.

        Raises:
            bearer.IntrospectionError: if nobody can say so now.
        """
        config = self._config
        if login.user != config.user:
            return False
        return await asyncio.to_thread(
            bearer.is_valid, login, config.introspection_url, config.introspection_ca
        )

    async def handle_EHLO(  # noqa: N802
        self,
        _server: smtp.SMTP,
        session: smtp.Session,
        _envelope: smtp.Envelope,
        hostname: str,
        responses: list[str],
    ) -> list[str]:
        """Offer AUTH only where there is a user."""
        session.host_name = hostname
        if self.login_needed:
            return responses
        return [line for line in responses if not line.startswith("250-AUTH")]

    async def handle_DATA(  # noqa: N802
        self, server: smtp.SMTP, session: smtp.Session, envelope: smtp.Envelope
    ) -> str:
        """Keep a message, and tell the client under which ID."""
        message_id = self._store.add(
            envelope.original_content or b"",
            messages.Envelope(
                sender=_printable(envelope.mail_from or ""),
                recipients=tuple(map(_printable, envelope.rcpt_tos)),
                listener=self._listener,
                peer=_peer(server),
                tls_version=_tls_version(server),
                auth_user=str(session.auth_data) if session.authenticated else messages.NONE,
            ),
        )
        return f"250 2.0.0 Kept as {message_id}"

    async def handle_exception(self, error: Exception) -> str:
        """Log an error; the client, who may be a stranger, learns nothing of it."""
        logger.error("the %s listener failed at a command", self._listener, exc_info=error)
        return _FAILED


class SinkProtocol(smtp.SMTP):
    """A client's connection, with room for lines and commands of any sensible length."""

    line_length_limit = MESSAGE_LIMIT
    command_size_limit = _COMMAND_LIMIT

    async def check_auth_needed(self, caller_method: str) -> bool:
        """Answer 530 to a client that sends without a login.

        aiosmtpd's own `auth_required` warns about each connection that has no TLS.
        """
        del caller_method
        if self.session is None or self.session.authenticated:
            return False
        if not self.event_handler.login_needed:
            return False
        await self.push(_AUTH_NEEDED)
        return True

    async def push(self, status: AnyStr) -> None:
        """Answer the client, but never with what it sent."""
        if isinstance(status, str):
            for beginning, answer in _ANSWERS_WITHOUT_ECHO.items():
                if status.startswith(beginning):
                    return await super().push(answer)
        return await super().push(status)

    @smtp.syntax("AUTH <mechanism>")  # pyright: ignore[reportUnknownMemberType]
    async def smtp_AUTH(self, arg: str) -> None:  # noqa: N802
        """Take a mechanism's name in any case (RFC 4954 section 4)."""
        mechanism, blank, response = (arg or "").partition(" ")
        await super().smtp_AUTH(f"{mechanism.upper()}{blank}{response}")

    async def auth_OAUTHBEARER(self, _: "SinkProtocol", args: list[str]) -> smtp.AuthResult:  # noqa: N802
        """Take a token as RFC 7628 says."""
        return await self._take_token(*args)

    async def auth_XOAUTH2(self, _: "SinkProtocol", args: list[str]) -> smtp.AuthResult:  # noqa: N802
        """Take a token as Google and Microsoft do."""
        return await self._take_token(*args)

    async def _take_token(self, mechanism: str, initial: str = "") -> smtp.AuthResult:
        response = _decoded(initial) if initial else await self.challenge_auth("")
        if not isinstance(response, bytes):
            return smtp.AuthResult(success=False)
        login = bearer.parse(mechanism, response)
        if login is None:
            return smtp.AuthResult(success=False, handled=False, message=_NO_LOGIN)
        try:
            if await self.event_handler.is_valid(login):
                return smtp.AuthResult(success=True, auth_data=login.user)
        except bearer.IntrospectionError as error:
            logger.error("the introspection endpoint cannot be asked: %s", error)  # noqa: TRY400
            return smtp.AuthResult(success=False, handled=False, message=_UNCHECKED)
        # The client answers the challenge with nothing of meaning, and is then refused.
        aborted = await self.challenge_auth(bearer.refusal(mechanism)) is smtp.MISSING
        return smtp.AuthResult(success=False, handled=aborted)

    @smtp.syntax("MAIL FROM: <address>", " [SP <mail-parameters>]")  # pyright: ignore[reportUnknownMemberType]
    async def smtp_MAIL(self, arg: str | None) -> None:  # noqa: N802
        """Take the parameter AUTH where AUTH is offered (RFC 4954 section 5), and ignore it."""
        if arg and self.event_handler.login_needed:
            path, end, parameters = arg.partition("> ")
            arg = path + end + _AUTH_PARAMETER.sub("", parameters)
        await super().smtp_MAIL(arg)


def connection(sink: Sink, listener: str, context: ssl.SSLContext) -> SinkProtocol:
    """Return the protocol for a new client of a listener."""
    starttls = listener == "starttls"
    protocol = SinkProtocol(
        sink,
        data_size_limit=MESSAGE_LIMIT,
        enable_SMTPUTF8=True,
        hostname=socket.gethostname(),
        ident="SMTP sink",
        tls_context=context if starttls else None,
        require_starttls=starttls,
        # aiosmtpd takes a connection that began with TLS for one without it.
        auth_require_tls=starttls,
        auth_exclude_mechanism={*_PASSWORDS, *bearer.MECHANISMS} - sink.mechanisms,
        authenticator=sink.authenticate,
        loop=asyncio.get_running_loop(),
    )
    # aiosmtpd shares its limits among all connections, and each new one resets them.
    protocol.command_size_limits = collections.defaultdict(lambda: _COMMAND_LIMIT)
    return protocol


def listen(config: state.ServerConfig, kept_ports: Mapping[str, int]) -> dict[str, socket.socket]:
    """Open a socket for each listener.

    Args:
        config: says the address and the ports.
        kept_ports: the ports to try first where the configuration leaves the choice.

    Raises:
        CannotListenError: if any of them cannot be had; then none is open.
    """
    sockets: dict[str, socket.socket] = {}
    problems: dict[str, str] = {}
    # Fixed ports come first, so that a free choice never takes one of them.
    for name in sorted(state.LISTENERS, key=lambda name: not config.ports[name]):
        try:
            sockets[name] = _listen(config.bind_address, config.ports[name], kept_ports.get(name))
        except OSError as error:
            problems[name] = _problem(name, config.bind_address, config.ports[name], error)
    if problems:
        for listening in sockets.values():
            listening.close()
        ordered = (problems[name] for name in state.LISTENERS if name in problems)
        raise CannotListenError(*dict.fromkeys(ordered))
    return sockets


async def serve(directory: state.StateDir) -> int:
    """Serve until told to stop; return the process's exit code."""
    config = state.ServerConfig.from_json(directory.config.read_text(encoding="utf-8"))
    kept_ports: dict[str, int] = json.loads(files.read(directory.ports) or "{}")
    try:
        sockets = listen(config, kept_ports)
    except CannotListenError as error:
        logger.error("%s", error)  # noqa: TRY400
        _report(directory, config, problems=error.problems)
        return 1
    store = messages.MessageStore(directory.messages)
    # An earlier process may have been killed on the way.
    store.sweep()
    await _start(config, store, sockets)
    ports = {name: int(sockets[name].getsockname()[1]) for name in state.LISTENERS}
    chosen = {name: port for name, port in ports.items() if not config.ports[name]}
    files.write(directory.ports, json.dumps(kept_ports | chosen))
    # Whoever reads the report may tell this process to stop at once.
    stop = _stop_event()
    _report(directory, config, ports=ports)
    logger.info("serving %s", ports)
    await _told_to_stop(stop, directory.config, pathlib.Path(__file__))
    return 0


def main() -> int:
    """Run the server for the state directory that the command line names."""
    logging.basicConfig(format="%(asctime)s %(name)s %(levelname)s %(message)s", level="INFO")
    # Below this level aiosmtpd logs what clients send, which may be a password out of place.
    logging.getLogger("mail.log").setLevel(logging.ERROR)
    return asyncio.run(serve(state.StateDir(pathlib.Path(sys.argv[1]))))


def _listen(address: str, port: int, kept_port: int | None) -> socket.socket:
    if not port and kept_port:
        with contextlib.suppress(OSError):
            return _listen(address, kept_port, None)
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    dual = address == "::" and socket.has_dualstack_ipv6()
    listening = socket.create_server((address, port), family=family, dualstack_ipv6=dual)
    # Each line of an answer is a write of its own, which would wait for the client's next packet.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


def _problem(name: str, address: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"{name}-port: {port} is in use on {address}; choose another port or 0"
    if error.errno == errno.EACCES:
        return f"{name}-port: {port} is for root alone; choose another port or 0"
    if error.errno in {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}:
        return f"bind-address: {address} is not an address of this machine; choose another"
    return f"{name}-port: cannot listen on {port}: {os.strerror(error.errno or 0)}"


async def _start(
    config: state.ServerConfig,
    store: messages.MessageStore,
    sockets: Mapping[str, socket.socket],
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(config.certificate)
    loop = asyncio.get_running_loop()
    for name, listening in sockets.items():
        factory = functools.partial(connection, Sink(name, config, store), name, context)
        implicit = context if name == "tls" else None
        await loop.create_server(factory, sock=listening, ssl=implicit)


def _report(
    directory: state.StateDir,
    config: state.ServerConfig,
    *,
    ports: dict[str, int] | None = None,
    problems: tuple[str, ...] = (),
) -> None:
    report = reports.Report(
        config=config.digest,
        process=processes.current(),
        ports=ports or {},
        problems=problems,
    )
    files.write(directory.report, report.to_json())


def _stop_event() -> asyncio.Event:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    if stat.S_ISFIFO(os.fstat(sys.stdin.fileno()).st_mode):
        loop.add_reader(sys.stdin.fileno(), stop.set)
    return stop


async def _told_to_stop(stop: asyncio.Event, *needed: pathlib.Path) -> None:
    while not stop.is_set() and all(map(os.path.exists, needed)):
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(stop.wait(), _WATCH_SECONDS)


def _decoded(initial: str) -> bytes:
    """Decode an initial response; `=` is an empty one (RFC 4954 section 4)."""
    try:
        return b"" if initial == "=" else base64.b64decode(initial, validate=True)
    except ValueError:
        return b""


def _peer(server: smtp.SMTP) -> str:
    peer = server.transport.get_extra_info("peername") if server.transport else None
    return state.endpoint(peer[0], peer[1]) if peer else messages.NONE


def _tls_version(server: smtp.SMTP) -> str:
    tls = server.transport.get_extra_info("ssl_object") if server.transport else None
    return str(tls.version()) if tls else messages.NONE


def _printable(text: str) -> str:
    """Return what a client sent as text that can be shown, with escapes for all that cannot."""
    text = text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


if __name__ == "__main__":
    sys.exit(main())

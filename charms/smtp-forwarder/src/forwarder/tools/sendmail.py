"""`sendmail`, as programs call it: a message on the standard input, recipients as arguments.

    sendmail [-t] [-i] [-f SENDER] [-F NAME] [--] [RECIPIENT…]
    sendmail -bs | -bp | -q

What it does not know it refuses by name: a program that asks for something that does not happen
shall hear of it.
"""

import dataclasses
import os
import pwd
import selectors
import socket
from collections.abc import Iterable, Sequence
from email import utils

from forwarder.tools import address_lists, composition, failures, mailq, streams, submission, told

_CHUNK = 2**16
_STDIN, _STDOUT = 0, 1
_MODES = {"-bs", "-bp", "-q"}
_VALUED = {"-f": "sender", "-r": "sender", "-F": "name"}
_FLAGS = {"t": "from_headers", "i": "dots_are_text"}
# What programs pass (cron, anacron, Emacs, mailx, mutt), and what happens here in any case: it
# reports errors on the standard error and by its exit code, sends to the sender too, and is 8-bit
# clean. When a message is delivered is for the forwarder to say.
_IGNORED = {
    "-B7BIT",
    "-B8BITMIME",
    "-bm",
    "-m",
    *(f"-od{mode}" for mode in "biq"),
    *(f"-oe{mode}" for mode in "empqw"),
    "-om",
}


@dataclasses.dataclass
class Options:
    """What the command line asks for. A `sender` of None is the user."""

    mode: str = ""
    from_headers: bool = False
    dots_are_text: bool = False
    sender: str | None = None
    name: str = ""
    recipients: tuple[str, ...] = ()


def main(told_file: str, arguments: Sequence[str]) -> int:
    """Do what the command line asks for; return an exit code of `sysexits.h`."""
    with failures.reported("sendmail") as failed:
        options = parse(arguments)
        forwarder = told.read(told_file)
        if options.mode == "-bs":
            return _talk(forwarder)
        if options.mode == "-bp":
            streams.write(mailq.show(forwarder))
        elif options.mode == "-q":
            mailq.flush(forwarder)
        else:
            submission.submit(forwarder, message(forwarder, options, streams.lines()))
    return failed.code


def parse(arguments: Sequence[str]) -> Options:
    """Read the command line.

    Raises:
        failures.UsageError: if there is anything in it that `sendmail` does not know here.
    """
    options = Options()
    rest = [*arguments]
    while rest and rest[0].startswith("-") and rest[0] != "-":
        argument = rest.pop(0)
        if argument == "--":
            break
        _take(options, argument, rest)
    else:
        # What stands behind an option in the wrong place would get the message too.
        late = next((one for one in rest if one.startswith("-")), None)
        if late is not None:
            raise failures.UsageError(f"{late} stands behind a recipient; put options first")
    options.recipients = tuple(rest)
    if options.mode and options.recipients:
        raise failures.UsageError(f"{options.mode} takes no recipients")
    if not options.mode and not options.recipients and not options.from_headers:
        raise failures.UsageError("no recipients; name them, or use -t for those of the headers")
    return options


def _take(options: Options, argument: str, rest: list[str]) -> None:
    """Note one option, with its value if it has one."""
    if argument in _MODES:
        options.mode = argument
    elif argument in _IGNORED:
        pass
    elif argument == "-oi":
        options.dots_are_text = True
    elif argument[:2] in _VALUED:
        if not argument[2:] and not rest:
            raise failures.UsageError(f"{argument} needs a value")
        setattr(options, _VALUED[argument[:2]], argument[2:] or rest.pop(0))
    elif set(argument[1:]) <= set(_FLAGS):
        for flag in argument[1:]:
            setattr(options, _FLAGS[flag], True)
    else:
        raise failures.UsageError(f"unknown option {argument}")


def message(forwarder: told.Told, options: Options, lines: Iterable[bytes]) -> submission.Mail:
    """Make a message of the standard input.

    Raises:
        failures.DataError: if a recipient is missing or cannot be understood.
    """
    draft = composition.read(_read(lines, dots_are_text=options.dots_are_text))
    found = [one for text in options.recipients for one in address_lists.split(text)]
    if options.from_headers:
        found += composition.recipients(draft)
    if not found:
        raise failures.DataError("no recipients")
    to = dict.fromkeys(told.qualified(one, forwarder.domain) for one in found)
    own = told.own_address(forwarder.domain)
    sender = own if options.sender is None else _sender(options.sender, forwarder.domain)
    author = _author(options.name or _full_name(), sender or own)
    content = composition.compose(draft, author=author, to=[*to], domain=forwarder.domain)
    return submission.Mail(sender, tuple(to), content)


def _sender(text: str, domain: str) -> str:
    """Return the envelope's sender; `<>` and nothing are the null sender (RFC 5321, 4.5.5)."""
    found = address_lists.split(text.removeprefix("<").removesuffix(">"))
    if len(found) > 1:
        raise failures.DataError(f"not one address: {text}")
    return told.qualified(found[0], domain) if found else ""


def _author(name: str, address: str) -> str:
    """Return what From says; Python's `formataddr` takes no address beyond ASCII."""
    name = composition.one_line(name)
    return f"{utils.formataddr((name, '')).removesuffix('<>')}<{address}>" if name else address


def _full_name() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_gecos.partition(",")[0]
    except KeyError:
        return ""


def _read(lines: Iterable[bytes], *, dots_are_text: bool) -> bytes:
    """Return the input, up to a line with a single dot unless dots are text."""
    if dots_are_text:
        return b"".join(lines)
    read: list[bytes] = []
    for line in lines:
        if line.rstrip(b"\r\n") == b".":
            break
        read.append(line)
    return b"".join(read)


def _talk(forwarder: told.Told) -> int:
    """Pass on an SMTP session between the standard input and the forwarder, as it is."""
    try:
        service = socket.create_connection((forwarder.host, forwarder.port), submission.SECONDS)
    except OSError:
        # RFC 5321, section 3.8: the client keeps what it has, and comes again.
        streams.write("421 4.3.2 the forwarder does not run\r\n")
        return os.EX_TEMPFAIL
    with service:
        try:
            _pass_on(service)
        except OSError as error:
            raise failures.TemporaryError(f"the session was cut: {error.strerror}") from None
    return os.EX_OK


def _pass_on(service: socket.socket) -> None:
    # Epoll takes no file for the standard input.
    with selectors.PollSelector() as ready:
        ready.register(service, selectors.EVENT_READ)
        ready.register(_STDIN, selectors.EVENT_READ)
        while True:
            for key, _ in ready.select():
                if key.fileobj is service:
                    data = service.recv(_CHUNK)
                    if not data:
                        return
                    _write_all(data)
                elif data := os.read(_STDIN, _CHUNK):
                    service.sendall(data)
                else:
                    ready.unregister(_STDIN)
                    service.shutdown(socket.SHUT_WR)


def _write_all(data: bytes) -> None:
    while data:
        data = data[os.write(_STDOUT, data) :]

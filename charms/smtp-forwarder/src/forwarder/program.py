"""The command, and the function for programs that bring rules of their own."""

import argparse
import asyncio
import functools
import logging
import os
import pathlib
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NoReturn

from forwarder import configuration, queue, service
from forwarder.configuration import Configuration, ConfigurationError
from forwarder.rules import Rules

# sysexits.h
EX_USAGE, EX_UNAVAILABLE, EX_OSERR, EX_TEMPFAIL, EX_CONFIG = 64, 69, 71, 75, 78


def serve(
    listen: Iterable[str],
    relay: str,
    queue: str | os.PathLike[str],
    rules: Rules | None = None,
    *,
    started: Callable[[Mapping[str, int]], None] | None = None,
) -> None:
    """Forward mail until SIGTERM or SIGINT comes.

    Args:
        listen: the addresses to listen on, as `HOST:PORT`; port 0 takes a free one.
        relay: the relay to pass mail on to, as `HOST:PORT`.
        queue: a folder for what waits; it is made if it is not there.
        rules: what to change, and who is refused.
        started: called with the ports, by the address as it was given, once they are open.

    Raises:
        ValueError: if an address is not of the form `HOST:PORT`.
        forwarder.service.CannotListenError: if an address cannot be listened on.
        forwarder.queue.LockedError: if another process serves the folder.
        OSError: if the folder cannot be used.
    """
    settings = _settings(listen, relay, pathlib.Path(queue), rules or Rules())
    _log()
    asyncio.run(service.Service(lambda: settings).run(started))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code, see `sysexits.h`."""
    options = _parser().parse_args(arguments)
    try:
        load = _load(options)
        if options.check:
            load()
            return 0
        running = service.Service(load)
    except ConfigurationError as error:
        sys.stderr.write(f"{error}\n")
        return EX_CONFIG
    _log()
    try:
        asyncio.run(running.run())
    except (service.CannotListenError, queue.LockedError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return _exit_code(error)
    return 0


def _exit_code(error: Exception) -> int:
    if isinstance(error, service.CannotListenError):
        return EX_UNAVAILABLE
    return EX_TEMPFAIL if isinstance(error, queue.LockedError) else EX_OSERR


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(EX_USAGE, f"{self.prog}: error: {message}\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="python3 -m forwarder", description="Pass mail on to a relay.")
    parser.add_argument("--config", type=pathlib.Path, metavar="FILE", help="all settings")
    parser.add_argument(
        "--listen",
        action="append",
        default=[],
        metavar="HOST:PORT",
        help="take mail here; may be repeated; port 0 takes a free one",
    )
    parser.add_argument("--relay", metavar="HOST:PORT", help="pass mail on to this relay")
    parser.add_argument("--rules", type=pathlib.Path, metavar="FILE", help="what to change")
    parser.add_argument(
        "--queue",
        type=pathlib.Path,
        default=_default_queue(),
        metavar="FOLDER",
        help="keep here what waits (default: %(default)s)",
    )
    parser.add_argument("--check", action="store_true", help="check the files, and end")
    return parser


def _load(options: argparse.Namespace) -> Callable[[], Configuration]:
    if options.config is not None:
        if options.listen or options.relay or options.rules:
            _parser().error("--config has all settings; leave out the others")
        return functools.partial(configuration.load, options.config)
    if not options.listen or not options.relay:
        _parser().error("give --listen and --relay, or --config")

    def load() -> Configuration:
        rules = configuration.load_rules(options.rules) if options.rules else Rules()
        try:
            return _settings(options.listen, options.relay, options.queue, rules)
        except ValueError as error:
            _parser().error(str(error))

    return load


def _settings(
    listen: Iterable[str], relay: str, folder: pathlib.Path, rules: Rules
) -> Configuration:
    host, port = configuration.endpoint(relay)
    return Configuration(
        queue=folder,
        listen=tuple(map(configuration.endpoint, listen)),
        upstream=configuration.Upstream(host=host, port=port),
        rules=rules,
    )


def _default_queue() -> pathlib.Path:
    state = os.environ.get("XDG_STATE_HOME") or pathlib.Path.home() / ".local" / "state"
    return pathlib.Path(state) / "smtp-forwarder"


def _log() -> None:
    logging.basicConfig(format="%(message)s", level=logging.INFO, stream=sys.stderr)
    # Below this level aiosmtpd logs what clients send, which may be a password out of place.
    logging.getLogger("mail.log").setLevel(logging.ERROR)

"""The way to the relay: its addresses, and a connection to the first that works."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING, Any

from relay_check import wire
from relay_check.address import Address
from relay_check.kinds import Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from relay_check.session import Record, Session

    Resolver = Callable[..., Sequence[tuple[int, int, int, str, tuple[Any, ...]]]]


def reach(session: Session, resolver: Resolver) -> None:
    """Go through the stages `resolve` and `connect`."""
    with session.stage("resolve") as record:
        addresses = _resolve(session, resolver)
        record.facts["addresses"] = ", ".join(str(address) for address in addresses)
    with session.stage("connect") as record:
        _connect(session, record, addresses)


def _resolve(session: Session, resolver: Resolver) -> list[Address]:
    clock = session.clock
    try:
        host = session.host
        found = _in_time(
            lambda: resolver(host, session.target.port, type=socket.SOCK_STREAM), clock.remaining()
        )
    except TimeoutError:
        evidence = f"no answer in {clock.limit:.1f} s"
        raise session.failed(Kind.DNS_TEMPORARY, evidence) from None
    except socket.gaierror as e:
        kind = Kind.DNS_TEMPORARY if e.errno == socket.EAI_AGAIN else Kind.HOST_UNKNOWN
        raise session.failed(kind, e.strerror or "") from None
    except UnicodeError:
        raise session.failed(Kind.HOST_UNKNOWN, "not a host name") from None
    except ValueError as e:
        raise session.failed(Kind.HOST_UNKNOWN, str(e)) from None
    addresses = list(dict.fromkeys(Address(item[0], item[4]) for item in found))
    if not addresses:
        raise session.failed(Kind.HOST_UNKNOWN, "no address")
    return addresses


def _in_time(look_up: Callable[[], Any], seconds: float) -> Any:  # noqa: ANN401
    """Call in a thread, because the system's resolver takes no limit; raises TimeoutError."""
    results: list[Any] = []
    errors: list[Exception] = []

    def run() -> None:
        try:
            results.append(look_up())
        except Exception as e:  # noqa: BLE001 - it is raised again in the caller's thread
            errors.append(e)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if errors:
        raise errors[0]
    if not results:
        raise TimeoutError
    return results[0]


def _connect(session: Session, record: Record, addresses: list[Address]) -> None:
    """Try every address, and keep the connection to the first that works."""
    results: dict[Address, OSError | None] = {}
    for number, address in enumerate(addresses):
        seconds = _share(session.clock, len(addresses) - number)
        if not seconds:
            record.facts[f"address-{number + 1}"] = f"{address}: not tried"
            continue
        results[address] = _try_address(session, address, seconds)
        record.facts[f"address-{number + 1}"] = f"{address}: {_outcome(results[address])}"
    errors = {address: error for address, error in results.items() if error}
    if not session.is_connected:
        evidence = "; ".join(f"{address}: {_outcome(e)}" for address, e in errors.items())
        raise session.failed(_worst(list(errors.values())), evidence)
    if errors:
        works = ", ".join(str(address) for address in results if address not in errors)
        fails = ", ".join(str(address) for address in errors)
        record.warnings.append(session.diagnose(Kind.ADDRESS_FAILS, works=works, fails=fails))


def _share(clock: wire.Clock, addresses: int) -> float:
    """Return an address's share of the time: where there are many, a second at least."""
    try:
        remaining = clock.remaining()
    except TimeoutError:
        return 0.0
    return max(remaining / addresses, min(1.0, remaining / 2))


def _try_address(session: Session, address: Address, seconds: float) -> OSError | None:
    try:
        sock = address.connect(seconds)
    except OSError as e:
        return e
    if session.is_connected:
        sock.close()
    else:
        session.connection = wire.Connection(sock, session.clock, session.quote)
        session.address = address
    return None


def _outcome(error: OSError | None) -> str:
    if error is None:
        return "works"
    if isinstance(error, TimeoutError):
        return "no answer"
    return "refused" if isinstance(error, ConnectionRefusedError) else error.strerror or "fails"


def _worst(errors: Sequence[OSError]) -> Kind:
    """Return what to say where no address works: what tells the most."""
    if any(isinstance(error, ConnectionRefusedError) for error in errors):
        return Kind.CONNECTION_REFUSED
    if any(isinstance(error, TimeoutError) for error in errors):
        return Kind.CONNECTION_FILTERED
    return Kind.UNREACHABLE

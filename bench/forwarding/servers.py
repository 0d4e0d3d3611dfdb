"""The servers that are measured, each in a process of its own."""

from __future__ import annotations

import contextlib
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

ROOT = pathlib.Path(__file__).parents[2]
_SOURCE = ROOT / "charms/smtp-forwarder/src"
_SECONDS = 120
_POSTFIX_MAIN = """\
compatibility_level = 3.6
queue_directory = {folder}/spool
data_directory = {folder}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = bench.example.com
mydestination =
mynetworks = 127.0.0.0/8
relayhost = [127.0.0.1]:{relay}
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_client_connection_count_limit = 0
maillog_file = /dev/null
maillog_file_prefixes = /dev
alias_maps =
"""
_POSTFIX_SERVICES = {
    "pickup": "unix n - n 60 1 pickup",
    "cleanup": "unix n - n - 0 cleanup",
    "qmgr": "unix n - n 300 1 qmgr",
    "rewrite": "unix - - n - - trivial-rewrite",
    "bounce": "unix - - n - 0 bounce",
    "defer": "unix - - n - 0 bounce",
    "trace": "unix - - n - 0 bounce",
    "verify": "unix - - n - 1 verify",
    "flush": "unix n - n 1000? 0 flush",
    "proxymap": "unix - - n - - proxymap",
    "smtp": "unix - - n - - smtp",
    "relay": "unix - - n - - smtp",
    "error": "unix - - n - - error",
    "retry": "unix - - n - - error",
    "discard": "unix - - n - - discard",
    "anvil": "unix - - n - 1 anvil",
    "scache": "unix - - n - 1 scache",
    "postlog": "unix-dgram n - n - 1 postlogd",
}


class Sink:
    """The sink, or aiosmtpd's Proxy in front of one."""

    def __init__(self, port: int = 0, relay: int = 0) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.forwarding.sink", str(port), str(relay)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.port = int(self._line())

    @property
    def count(self) -> int:
        """How many messages it has taken."""
        if self._process.stdin:
            self._process.stdin.write("\n")
            self._process.stdin.flush()
        return int(self._line())

    def stop(self) -> None:
        """End it."""
        self._process.kill()
        self._process.communicate()

    def _line(self) -> str:
        return self._process.stdout.readline() if self._process.stdout else ""


class Forwarder:
    """The forwarder, with the settings that it has by itself."""

    def __init__(self, folder: pathlib.Path, relay: int) -> None:
        log = folder / "log"
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "forwarder",
                    "--listen",
                    "127.0.0.1:0",
                    "--relay",
                    f"127.0.0.1:{relay}",
                    "--queue",
                    folder / "queue",
                ],
                env={"PATH": os.defpath, "PYTHONPATH": str(_SOURCE)},
                stderr=output,
            )
        wait_until(lambda: "serving" in log.read_text())
        self.port = int(re.findall(r": (\d+)", log.read_text())[0])

    @property
    def resident(self) -> int:
        """How many bytes of memory it has."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.findall(r"VmRSS:\s+(\d+)", status)[0]) * 1024

    def stop(self) -> None:
        """End it."""
        self.process.terminate()
        self.process.wait()


class Postfix:
    """An instance of Debian's Postfix, with a folder of its own, and a relay host."""

    def __init__(self, folder: pathlib.Path, relay: int) -> None:
        self._folder = folder
        self.port = free_port()
        # Postfix looks at its folders as another user.
        for parent in (folder, *folder.parents):
            if parent.stat().st_uid == os.geteuid() and parent != pathlib.Path("/"):
                parent.chmod(parent.stat().st_mode | 0o011)
        for name in ("spool", "data", "etc"):
            (folder / name).mkdir()
        shutil.chown(folder / "data", "postfix")
        (folder / "etc/main.cf").write_text(_POSTFIX_MAIN.format(folder=folder, relay=relay))
        services = [f"127.0.0.1:{self.port} inet n - n - - smtpd"]
        services += [f"{name} {rest}" for name, rest in _POSTFIX_SERVICES.items()]
        (folder / "etc/master.cf").write_text("\n".join(services) + "\n")
        self._run("start")
        wait_until(lambda: _listens(self.port))

    @staticmethod
    def is_here() -> bool:
        """Return whether Postfix is installed, and may be started."""
        return os.geteuid() == 0 and pathlib.Path("/usr/sbin/postfix").exists()

    def flush(self) -> None:
        """Try at once what waits."""
        self._run("flush")

    def stop(self) -> None:
        """End it."""
        self._run("stop")

    def _run(self, command: str) -> None:
        subprocess.run(
            ["/usr/sbin/postfix", "-c", self._folder / "etc", command],
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )


ServerT = TypeVar("ServerT", Sink, Forwarder, Postfix)


@contextlib.contextmanager
def running(server: ServerT) -> Generator[ServerT, None, None]:
    """End a server at the end."""
    try:
        yield server
    finally:
        server.stop()


def free_port() -> int:
    """Return a port that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(condition: Callable[[], bool], seconds: float = _SECONDS) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("a server did not come up, or did not deliver, in time")
        time.sleep(0.005)


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
        return True
    return False

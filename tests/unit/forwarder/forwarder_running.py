"""Forwarders that run for a test."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import re
import signal
import smtplib
import subprocess
import sys
import urllib.request
from typing import TYPE_CHECKING, Any

from scripted_upstream import SECONDS, Upstream, wait_until

from forwarder import queue

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from forwarder_nursery import Fork

ROOT = pathlib.Path(__file__).parents[3]
SOURCE = ROOT / "charms/smtp-forwarder/src"
PYTHON_PATH = os.pathsep.join(map(str, (SOURCE, ROOT / "charms/common", ROOT / "src")))
ENVIRONMENT = {"PYTHONPATH": PYTHON_PATH, "PATH": os.defpath}
SENDER, RECIPIENT = "ada@example.com", "bob@example.org"
CONTENT = b"Subject: hello\r\n\r\nA line.\r\n"


def numbered(count: int) -> list[bytes]:
    return [b"Subject: %d\r\n\r\nbody %d\r\n" % (n, n) for n in range(count)]


class Forwarder:
    """A forwarder's process, its configuration, and its queue."""

    def __init__(
        self, folder: pathlib.Path, upstream: Upstream | None, /, **settings: Any
    ) -> None:
        self.folder = folder
        self.config = folder / "forwarder.yaml"
        self.log_path = folder / "log"
        self.spool = queue.Spool(folder / "queue")
        self.settings: dict[str, Any] = {
            "queue": "queue",
            "listen": ["127.0.0.1:0"],
            "hostname": "mx.example.net",
            "metrics": "127.0.0.1:0",
            "upstream": upstream and {"host": "127.0.0.1", "port": upstream.port},
        }
        self.process: subprocess.Popen[bytes] | Fork | None = None
        self.ports: dict[str, int] = {}
        self.configure(**settings)

    def configure(self, *, rules: str | None = None, **settings: Any) -> None:
        """Write the configuration, with these settings in the place of those before."""
        for key, value in settings.items():
            mapping = isinstance(value, dict) and self.settings.get(key)
            self.settings[key] = {**self.settings[key], **value} if mapping else value
        if rules is not None:
            (self.folder / "rules.yaml").write_text(rules)
            self.settings["rules"] = "rules.yaml"
        self.config.touch(mode=0o600)
        self.config.write_text(json.dumps(self.settings))

    def start(self) -> Forwarder:
        """Start the process, and wait until it listens."""
        before = self.log()
        self.process = self._spawn()
        wait_until(lambda: self._listens(self.log()[len(before) :]))
        return self

    def _spawn(self) -> subprocess.Popen[bytes] | Fork:
        with self.log_path.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "forwarder", "--config", self.config],
                env=ENVIRONMENT,
                stderr=log,
            )

    def reload(self) -> str:
        """Send SIGHUP; return what it logged of the settings."""
        assert self.process is not None
        before = self.log()
        self.process.send_signal(signal.SIGHUP)
        wait_until(lambda: "settings-" in self.log()[len(before) :])
        return self.log()[len(before) :]

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """End the process; return its exit code."""
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(SECONDS)

    def log(self) -> str:
        return self.log_path.read_text() if self.log_path.exists() else ""

    def wait_for_log(self, text: str) -> None:
        wait_until(lambda: text in self.log())

    @contextlib.contextmanager
    def client(self) -> Generator[smtplib.SMTP, None, None]:
        client = smtplib.SMTP("127.0.0.1", self.port, timeout=SECONDS)
        try:
            client.ehlo()
            yield client
            # A forwarder that ends may be gone before.
            with contextlib.suppress(smtplib.SMTPServerDisconnected):
                client.docmd("QUIT")
        finally:
            client.close()

    @property
    def port(self) -> int:
        return next(iter(self.ports.values()))

    def send(
        self, *recipients: str, sender: str = SENDER, content: bytes = CONTENT
    ) -> tuple[int, str]:
        """Send a message to recipients that are taken; return the final answer."""
        with self.client() as client:
            assert client.mail(sender)[0] == 250
            for recipient in recipients or (RECIPIENT,):
                code, words = client.rcpt(recipient)
                if code != 250:
                    return code, words.decode()
            code, words = client.data(content)
            return code, words.decode()

    def metrics(self) -> Mapping[str, float]:
        url = f"http://127.0.0.1:{self.ports['metrics']}/metrics"
        with urllib.request.urlopen(url, timeout=SECONDS) as response:
            text = response.read().decode()
        found = re.findall(r"^smtp_forwarder_(\w+) ([\d.]+)$", text, re.MULTILINE)
        return {name: float(value) for name, value in found}

    def _listens(self, log: str) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, log
        match = re.search(r"^serving (\{.*\}) ", log, re.MULTILINE)
        if match:
            self.ports = json.loads(match[1].replace("'", '"'))
        return match is not None

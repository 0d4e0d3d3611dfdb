from __future__ import annotations

import os
import re
import smtplib
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from forwarder_running import CONTENT, PYTHON_PATH, RECIPIENT, ROOT, SECONDS, SENDER
from scripted_upstream import wait_until

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Callable, Iterator

    from scripted_upstream import Upstream

PAGE = ROOT / "docs/reference/forwarder-rules.md"
FAILING = """\
import sys
import forwarder

class Failing(forwarder.Rules):
    def translate_subject(self, subject, recipient):
        if subject == "explode":
            raise KeyError("oops")
        return subject

forwarder.serve([sys.argv[1]], sys.argv[2], sys.argv[3], Failing())
"""


class Program:
    """A program with rules of its own, as it runs."""

    def __init__(self, folder: pathlib.Path, text: str, *arguments: str) -> None:
        path = folder / "program.py"
        path.write_text(text)
        self.log = folder / "log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, path, *arguments],
                env={"PYTHONPATH": PYTHON_PATH, "PATH": os.defpath},
                stderr=log,
                cwd=folder,
            )
        wait_until(lambda: "serving" in self.log.read_text())
        self.port = int(re.findall(r": (\d+)", self.log.read_text())[0])

    def send(self, *recipients: str, content: bytes = CONTENT) -> tuple[int, str]:
        with smtplib.SMTP("127.0.0.1", self.port, timeout=SECONDS) as client:
            client.ehlo()
            client.mail(SENDER)
            for recipient in recipients:
                code, words = client.rcpt(recipient)
                if code != 250:
                    return code, words.decode()
            code, words = client.data(content)
            return code, words.decode()


@pytest.fixture
def start(tmp_path: pathlib.Path) -> Iterator[Callable[..., Program]]:
    started: list[Program] = []

    def start(text: str, *arguments: str) -> Program:
        started.append(Program(tmp_path, text, *arguments))
        return started[-1]

    yield start
    for program in started:
        program.process.terminate()
        assert program.process.wait(SECONDS) == 0


def test_the_program_of_the_docs_runs(start: Callable[..., Program], upstream: Upstream) -> None:
    (text,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert len(text.splitlines()) <= 12
    text = text.replace("127.0.0.1:2525", "127.0.0.1:0").replace("/var/spool/shorten", "queue")
    program = start(text.replace("mail.example.com:25", f"127.0.0.1:{upstream.port}"))
    assert program.send("bob@example.org")[0] == 250
    assert upstream.messages[0].recipients == ("b@example.org",)
    assert program.send("root")[0] == 550


def test_an_error_of_a_program_is_451_for_that_message_alone(
    start: Callable[..., Program], upstream: Upstream, tmp_path: pathlib.Path
) -> None:
    queue = str(tmp_path / "queue")
    program = start(FAILING, "127.0.0.1:0", f"127.0.0.1:{upstream.port}", queue)
    code, words = program.send(RECIPIENT, content=b"Subject: explode\r\n\r\n")
    assert (code, words[:5]) == (451, "4.3.5")
    assert "oops" not in words
    assert program.send(RECIPIENT)[0] == 250
    log = program.log.read_text()
    assert "rule-failed reason=KeyError" in log
    assert "in translate_subject" in log
    assert len(upstream.messages) == 1

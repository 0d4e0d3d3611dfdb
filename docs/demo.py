"""Deploy the integrator, a relay and a requirer on localjuju, and show the messages that arrive.

`make demo` runs it. Each line that starts with `$ juju` is what an operator would type.
"""

from __future__ import annotations

import contextlib
import logging
import os
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile
import textwrap
import time
from typing import TYPE_CHECKING

import jubilant

if TYPE_CHECKING:
    from collections.abc import Generator

ROOT = pathlib.Path(__file__).parents[1]
PASSWORD = "correct-horse-battery"  # noqa: S105 - for a relay that lives for a minute
USER = "notifier"
_steps: list[str] = []
_FAILURES = (jubilant.TaskError, jubilant.WaitError, OSError, subprocess.CalledProcessError)


def main() -> int:
    """Run the demo; return the exit code."""
    os.chdir(ROOT)
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="demo-") as folder, localjuju(pathlib.Path(folder)):
        try:
            relay_options = deploy_relay(pathlib.Path(folder))
            deploy_integrator(pathlib.Path(folder), relay_options)
            deploy_requirer()
            show_message()
            deploy_forwarder()
            show_forwarded()
        except _FAILURES as e:
            report_failure(e)
            return 1
    print(f"\nBoth messages arrived. All this took {time.monotonic() - started:.0f} s.")
    print("docs/tutorial.md walks through it, and says what differs on a real controller.")
    return 0


@contextlib.contextmanager
def localjuju(folder: pathlib.Path) -> Generator[None]:
    """Put localjuju's `juju` on the PATH while the demo runs, and leave nothing behind."""
    os.environ["PATH"] = f"{ROOT / 'localjuju' / 'bin'}{os.pathsep}{os.environ['PATH']}"
    os.environ["LOCALJUJU_DATA"] = str(folder / "localjuju")
    # The python3 of the PATH may lack what localjuju and the packed charms need.
    os.environ["LOCALJUJU_PYTHON"] = sys.executable
    try:
        yield
    finally:
        subprocess.run(
            ["juju", "kill-controller", "--no-prompt", "localjuju"],
            check=False,
            capture_output=True,
        )


def deploy_relay(folder: pathlib.Path) -> list[str]:
    """Deploy a mail catcher that demands STARTTLS and AUTH; return the options that reach it."""
    title("A relay: smtp-sink, with STARTTLS, AUTH, and a certificate of its own CA")
    password_file = write_password(folder / "password", PASSWORD)
    juju("add-model", "demo")
    login = juju("add-secret", "sink-login", f"password#file={password_file}").strip()
    juju("deploy", "./build/localjuju/smtp-sink.charm", "sink")
    juju("grant-secret", "sink-login", "sink")
    juju("config", "sink", f"user={USER}", f"password-secret={login}")
    wait()
    status = jubilant.Juju().status().apps["sink"].units["sink/0"].workload_status.message
    listener = re.search(r"starttls (\S+):(\d+)", status)
    if listener is None:
        raise OSError(f"the sink shows no STARTTLS listener: {status}")
    ca_file = folder / "ca.pem"
    print(f"$ juju run sink/0 get-ca  # saved as {ca_file}", flush=True)
    ca_file.write_text(jubilant.Juju().run("sink/0", "get-ca").results["ca"])
    return [
        f"host={listener[1]}",
        f"port={listener[2]}",
        "transport_security=starttls",
        f"tls_ca_chain=@{ca_file}",
        "auth_type=plain",
        f"user={USER}",
    ]


def deploy_integrator(folder: pathlib.Path, relay_options: list[str]) -> None:
    """Deploy the integrator and enter the relay, as an operator does: a wrong password first."""
    title("The integrator: enter the relay once")
    wrong = write_password(folder / "wrong-password", "not-the-password")
    secret = juju("add-secret", "relay-password", f"password#file={wrong}").strip()
    juju("deploy", "./build/localjuju/smtp-integrator.charm")
    juju("grant-secret", "relay-password", "smtp-integrator")
    juju("config", "smtp-integrator", *relay_options, f"password_secret={secret}")
    wait()
    title("Does it work? The password is wrong, so this fails, as it should")
    check_relay(works=False)
    title("The right password, and does it work now?")
    juju("update-secret", "relay-password", f"password#file={folder / 'password'}")
    wait()
    check_relay(works=True)


def write_password(path: pathlib.Path, password: str) -> pathlib.Path:
    """Write a file that nobody else can read."""
    path.touch(mode=0o600)
    path.write_text(password)
    return path


def check_relay(*, works: bool) -> None:
    """Run the action, and show the part of its results that is for people."""
    print("$ juju run smtp-integrator/leader check-relay  # in part", flush=True)
    try:
        task = jubilant.Juju().run("smtp-integrator/leader", "check-relay")
    except jubilant.TaskError as e:
        task = e.task
    print(task.results["report"], flush=True)
    if task.success is not works:
        raise OSError(f"check-relay: {task.status} {task.message}")


def deploy_requirer() -> None:
    """Deploy an application that sends mail, and integrate it."""
    title("An application that sends mail")
    juju("deploy", "./build/localjuju/smtp-requirer.charm", "requirer")
    juju("integrate", "smtp-integrator:smtp", "requirer:smtp")
    wait()
    juju("status", "--relations")


def show_message() -> None:
    """Have the application send a message, and show it as it arrived."""
    title("It sends a message, which arrives over TLS and AUTH")
    juju("run", "requirer/0", "send-mail", "subject=Hello from Juju")
    show_newest()


def deploy_forwarder() -> None:
    """Give the application's machine what sends mail for all that cannot read a relation."""
    title("Cron, scripts, PHP: sendmail on the machine of any application")
    # Port 25 is for root alone; there, --config is left out.
    juju("deploy", "./build/localjuju/smtp-forwarder.charm", "--config", "port=0")
    juju("integrate", "smtp-forwarder:host", "requirer:juju-info")
    juju("integrate", "smtp-forwarder:smtp", "smtp-integrator:smtp")
    wait()


def show_forwarded() -> None:
    """Send a message as a cron job does, and show it as it arrived."""
    title("A line of shell on the unit, and its message")
    # localjuju leaves the laptop's own sendmail alone, and has one beside the charm.
    sendmail = "../unit-smtp-forwarder-0-smtp-forwarder/root/usr/sbin/sendmail"
    line = f"echo 'The backup is done.' | {sendmail} -f backup@example.com operator@example.com"
    juju("exec", "--unit", "smtp-forwarder/0", line)
    show_newest()


def show_newest() -> None:
    """Show the newest message as it arrived, with its envelope."""
    print("$ juju run sink/0 get-message  # in part", flush=True)
    message = jubilant.Juju().run("sink/0", "get-message").results
    for name in ("sender", "recipients", "listener", "tls-version", "auth-user"):
        print(f"{name}: {message[name]}")
    print("\n" + textwrap.indent(message["content"].replace("\r\n", "\n"), "    | "), end="")


def title(step: str) -> None:
    """Name the step that the next lines make."""
    _steps.append(step)
    print(f"\n== {step}", flush=True)


def juju(*args: str) -> str:
    """Type one line, show what it prints, and return that.

    Args:
        args: The line's words, without `juju`.

    Raises:
        subprocess.CalledProcessError: If the line fails.
    """
    print("$ juju", *(shlex.quote(arg) for arg in args), flush=True)
    process = subprocess.run(["juju", *args], stdout=subprocess.PIPE, text=True, check=False)
    print(process.stdout, end="", flush=True)
    process.check_returncode()
    return process.stdout


def wait() -> None:
    """Wait until every unit is active and idle, showing each status on the way."""
    jubilant.Juju().wait(
        lambda status: jubilant.all_active(status) and jubilant.all_agents_idle(status),
        error=jubilant.any_error,
        delay=0.2,
        successes=1,
        timeout=300,
    )


def report_failure(error: Exception) -> None:
    """Say which step failed, and show the statuses and what the hooks logged."""
    sys.stdout.flush()
    print(f"\nThis step failed: {_steps[-1]}\n{str(error).splitlines()[0]}\n", file=sys.stderr)
    for shown in (["status"], ["debug-log", "--limit", "40"]):
        print("$ juju", *shown, file=sys.stderr, flush=True)
        subprocess.run(["juju", *shown], stdout=sys.stderr, check=False)


if __name__ == "__main__":
    logging.basicConfig(format="  %(message)s", stream=sys.stdout)
    logging.getLogger("jubilant.wait").setLevel(logging.INFO)
    sys.exit(main())

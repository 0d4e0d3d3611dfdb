"""The forwarder and the tools of one unit on its machine, made what the charm wants of them."""

import datetime as dt
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterable

from forwarder import queue
from forwarder.tools import changed, told
from forwarder_unit import configuration, installation, places
from unit_service import files, reports, service

_START_SECONDS = 30.0


class Machine:
    """What runs and what is installed for one unit.

    Args:
        unit: the unit's name.
        charm: the charm's directory.
        code: the folder of the charm's code.
    """

    def __init__(self, unit: str, charm: pathlib.Path, code: pathlib.Path) -> None:
        tag = f"unit-{unit.replace('/', '-')}"
        self._unit = unit
        self._code = code
        self.places = places.of(tag, charm)
        self.tools = installation.Installation(self.places.root, unit, code)
        self._state = self.places.state
        program = service.Program(
            description=f"Mail forwarder of {unit}",
            code=code,
            module="forwarder",
            arguments=("--config", str(self._state.config)),
            writes=(self.places.queue.parent,),
        )
        self._service = service.choose(tag, program, charm, self._state)

    @property
    def log(self) -> str:
        """Where a person finds the forwarder's log."""
        return self._service.log

    @property
    def spool(self) -> queue.Spool:
        """The queue."""
        return queue.Spool(self.places.queue)

    def waiting(self) -> list[queue.Entry]:
        """Return what waits in the queue, the oldest first."""
        return self.spool.entries() if self.places.queue.exists() else []

    def told(self) -> told.Told:
        """Return what tools are told of this unit.

        Raises:
            forwarder.tools.failures.NotConfiguredError: if nothing is told yet.
        """
        return told.read(str(self._state.told))

    def rules(self) -> str:
        """Return the rules in force."""
        return files.read(self._state.rules) or ""

    def problems(self) -> tuple[str, ...]:
        """Return what keeps the forwarder from doing what it was told last."""
        report = reports.read(self._state)
        return report.problems if report else ()

    def serving(self) -> reports.Report | None:
        """Return what the forwarder reports, if it runs."""
        return reports.read_serving(self._state)

    def port(self, wanted: int) -> int:
        """Return the port to listen on, which is chosen once where the operator wants any."""
        return wanted or places.choose_port(self._state)

    def serves_as_told(self) -> bool:
        """Return whether the forwarder runs, and does what it was told last."""
        serving = self.serving()
        return serving is not None and not serving.problems

    def certificate(self, addresses: Iterable[str]) -> tuple[pathlib.Path, str]:
        """Return the forwarder's certificate with its key, and its authority's certificate (PEM).

        Args:
            addresses: where clients find the forwarder, beside this machine.
        """
        # It takes longer to import than all else here, and most forwarders offer no TLS.
        from unit_service import certificates  # noqa: PLC0415

        hosts = {"localhost", "127.0.0.1", socket.gethostname(), *addresses}
        name, now = f"SMTP forwarder {self._unit}", dt.datetime.now(dt.timezone.utc)
        directory = self._state.certificates
        server = certificates.ensure_server(directory, name, hosts, now)
        return server.path, certificates.ensure_authority(directory, name, now)

    def converge(self, unit: configuration.Unit) -> None:
        """Have the forwarder and the tools do what a unit wants, where they do not yet."""
        self._converge_service(unit)
        tools_told = configuration.for_tools(unit, self._state.config, _hostname())
        if files.read(self._state.told) != tools_told:
            files.write(self._state.told, tools_told)
        self.tools.put(tools_told)
        if self.tools.are_own:
            self._tell_changes()

    def restart(self) -> None:
        """Have the new code take the place of the old, with what that was told."""
        self._service.stop()
        # It may be stopped already, by a hook that was killed here.
        if self._state.config.exists():
            self._start()

    def stop(self) -> None:
        """Stop the forwarder; what waits stays on disk."""
        self._service.stop()

    def remove(self) -> None:
        """Take away all that is the unit's alone, except for messages that wait."""
        self.tools.take_away()
        self.places.remove()

    def _converge_service(self, unit: configuration.Unit) -> None:
        texts = {
            self._state.config: configuration.for_forwarder(unit),
            self._state.rules: unit.settings.rules,
        }
        same = all(files.read(path) == text for path, text in texts.items())
        # What it could not do may work by now: another program has given the port back.
        if self.serves_as_told() and same and not self._is_newer(unit.certificate):
            return
        serving = self.serving()
        told = files.read(self._state.config)
        restarts = told is None or configuration.needs_restart(told, texts[self._state.config])
        # Whatever interrupts this, without a report the next hook starts the forwarder anew.
        self._state.report.unlink(missing_ok=True)
        for path, text in texts.items():
            files.write(path, text)
        if serving is None or restarts:
            self._start()
        else:
            os.kill(serving.process.pid, signal.SIGHUP)
            reports.wait(self._state, timeout=_START_SECONDS)

    def _is_newer(self, certificate: pathlib.Path | None) -> bool:
        """Tell whether a certificate was made after the forwarder read the last one."""
        if certificate is None:
            return False
        return certificate.stat().st_mtime_ns > self._state.report.stat().st_mtime_ns

    def _start(self) -> None:
        self._service.start()
        reports.wait(self._state, timeout=_START_SECONDS)

    def _tell_changes(self) -> None:
        """Run the machine's own programs if they do not know the relay; nobody waits for them."""
        runner = changed.Runner(str(self.tools.told), self.tools.changed, self._state.changes)
        if not runner.is_due:
            return
        command = [sys.executable, "-E", str(self._code / "mail_command.py"), "changed"]
        arguments = [runner.told_file, str(runner.folder), str(runner.last)]
        with self._state.changes_log.open("ab") as log:
            subprocess.run(
                [shutil.which("setsid") or "setsid", "--fork", *command, *arguments],
                check=True,
                cwd="/",
                env={},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )


def _hostname() -> str:
    """Return the machine's full name if it has one, else its name."""
    full = socket.getfqdn()
    return socket.gethostname() if full.partition(".")[0] == "localhost" else full

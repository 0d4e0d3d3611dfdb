"""Put the tools where programs look for them, and take them away again.

On a machine of Juju's that is the machine itself. Elsewhere, as in a test on a laptop, it is a
folder beside the charm that looks like one.
"""

import dataclasses
import pathlib
import shutil
import subprocess
import sys

_MARK = "# Made by the charm smtp-forwarder for "
_LAUNCHER = """\
#!/bin/sh
{mark}{unit}; goes with it.
exec "{python}" -E "{command}" {name} "{told}" "$@"
"""
# Where Debian and its programs look for each (Debian Policy 11.6, Filesystem Hierarchy Standard).
_TOOLS = {
    "sendmail": "usr/sbin/sendmail",
    "mailq": "usr/bin/mailq",
    "smtp-send": "usr/bin/smtp-send",
    "smtp-settings": "usr/bin/smtp-settings",
}


@dataclasses.dataclass(frozen=True)
class Installation:
    """The tools of one unit.

    Attributes:
        root: the folder that stands for `/`.
        unit: the unit's name.
        code: the folder of the charm's code.
    """

    root: pathlib.Path
    unit: str
    code: pathlib.Path

    @property
    def etc(self) -> pathlib.Path:
        """The folder that programs of the machine read."""
        return self.root / "etc/smtp-forwarder"

    @property
    def told(self) -> pathlib.Path:
        """The file that tells the tools about the forwarder."""
        return self.etc / "forwarder.json"

    @property
    def changed(self) -> pathlib.Path:
        """The folder of executables to run when the relay changes."""
        return self.etc / "changed.d"

    @property
    def are_own(self) -> bool:
        """Whether the machine's tools are this unit's, or there are none yet.

        Of two units on one machine, they are those of the first until it goes.
        """
        # No other program has a tool of this name.
        return self._is_free(self.root / _TOOLS["smtp-settings"])

    def put(self, told: str) -> bool:
        """Install what is missing; return whether this unit's tools are told anything new.

        Args:
            told: what `told` shall hold.
        """
        self.changed.mkdir(parents=True, exist_ok=True)
        for name, place in _TOOLS.items():
            path = self.root / place
            text = self._launcher(name)
            if self._is_free(path) and _text(path) != text:
                path.parent.mkdir(parents=True, exist_ok=True)
                _write(path, text, 0o755)
        if not self.are_own or _text(self.told) == told:
            return False
        _write(self.told, told, 0o644)
        return True

    def take_away(self) -> None:
        """Remove the tools and what they are told; `changed.d` stays if it has anything in it."""
        are_own = self.are_own
        for place in _TOOLS.values():
            path = self.root / place
            if path.exists() and self._is_free(path):
                path.unlink()
        if not are_own:
            return
        self.told.unlink(missing_ok=True)
        for folder in (self.changed, self.etc):
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()

    def foreign(self) -> str:
        """Say whose `sendmail` is installed, if it is not this unit's; empty if it is."""
        path = self.root / _TOOLS["sendmail"]
        if self._is_free(path):
            return ""
        return f"{path} is {_owner(path)}"

    def _is_free(self, path: pathlib.Path) -> bool:
        """Tell whether nothing is there, or what this unit has put there."""
        if path.is_symlink():
            return False
        text = _text(path)
        return text is None or f"{_MARK}{self.unit};" in text

    def _launcher(self, name: str) -> str:
        return _LAUNCHER.format(
            mark=_MARK,
            unit=self.unit,
            python=sys.executable,
            command=self.code / "mail_command.py",
            name=name,
            told=self.told,
        )


def _owner(path: pathlib.Path) -> str:
    text = _text(path) or ""
    if _MARK in text:
        return text.partition(_MARK)[2].partition(";")[0] + "'s"
    real = path.resolve()
    if query := shutil.which("dpkg-query"):
        found = subprocess.run(
            [query, "--search", str(real)], check=False, capture_output=True, text=True
        )
        if found.returncode == 0:
            return f"of the package {found.stdout.partition(':')[0]}"
    return f"{real}" if real != path else "another program's"


def _text(path: pathlib.Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None


def _write(path: pathlib.Path, text: str, mode: int) -> None:
    """Write a file that everybody may read; nobody sees a part of it."""
    draft = path.with_name(f".{path.name}.new")
    draft.write_text(text, encoding="utf-8")
    draft.chmod(mode)
    draft.replace(path)

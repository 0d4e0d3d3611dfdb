"""Check the library on every Python, pydantic and ops it promises: `tox -e library-matrix`.

Prints one line for each combination, and the Pythons of which this machine has none. It needs a
package registry where an environment is set up for the first time; environments are kept in
`build/library-matrix`.
"""

from __future__ import annotations

import itertools
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING

from tests.unit import library_relay

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = pathlib.Path(__file__).parents[1]
ENVIRONMENTS = ROOT / "build" / "library-matrix"
UV = pathlib.Path(sys.executable).parent / "uv"
PYTHONS = ("3.8", "3.9", "3.10", "3.11", "3.12", "3.13")
# The first pydantic 2 has no wheels for newer Pythons.
PYDANTICS = {"1.10.*": PYTHONS, "2.0.*": PYTHONS[:4], "2.*": PYTHONS}
# Older ones import the module cgi, which Python 3.13 no longer has.
OLDEST_OPS = {"3.13": "2.6.0"}
VERSIONS = "from importlib.metadata import version as v; print(v('pydantic'), v('ops'))"


def interpreters(version: str) -> Iterator[str]:
    """Find what may be a Python of a version: on the PATH, and pyenv's."""
    found = shutil.which(f"python{version}")
    if found:
        yield found
    pyenv = pathlib.Path(os.environ.get("PYENV_ROOT", pathlib.Path.home() / ".pyenv"))
    yield from map(str, sorted(pyenv.glob(f"versions/{version}.*/bin/python"), reverse=True))


def runs(interpreter: str, version: str) -> bool:
    """Tell whether an interpreter really is one: pyenv puts scripts on the PATH that fail."""
    code = "import ssl, sqlite3, sys, venv; print('%d.%d' % sys.version_info[:2])"
    process = subprocess.run(
        [interpreter, "-c", code], capture_output=True, text=True, check=False
    )
    return process.returncode == 0 and process.stdout.strip() == version


def environment(interpreter: str, version: str, pydantic: str, ops: str) -> pathlib.Path:
    """Return the Python of an environment with these versions, set up if it is new."""
    requirements = [f"pydantic=={pydantic}", "email-validator>=2", f"ops{ops}"]
    name = f"python{version}-pydantic{pydantic}-ops{ops}".replace("*", "x").replace("=", "")
    folder = ENVIRONMENTS / name.replace("<", "").replace(">", "").replace(",", "-")
    python, installed = folder / "bin" / "python", folder / "installed"
    wanted = f"{interpreter} {requirements}"
    if not installed.exists() or installed.read_text() != wanted:
        subprocess.run(
            [UV, "venv", "--quiet", "--clear", "--python", interpreter, folder], check=True
        )
        subprocess.run(
            [UV, "pip", "install", "--quiet", "--python", python, *requirements], check=True
        )
        installed.write_text(wanted)
    return python


def certificates(folder: str) -> list[pathlib.Path]:
    """Make what `library_check.py` takes as arguments."""
    made = library_relay.certificate(pathlib.Path(folder))
    authority = made.chain.with_name("authority.pem")
    authority.write_text(made.authority)
    return [authority, made.chain]


def check(python: pathlib.Path, arguments: list[pathlib.Path]) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "PYTHONPATH": str(ROOT / "lib")}
    script = pathlib.Path(__file__).with_name("library_check.py")
    return subprocess.run(
        [python, script, *arguments], env=environ, capture_output=True, text=True, check=False
    )


def write(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> int:
    """Run every combination; return 1 if one failed."""
    with tempfile.TemporaryDirectory() as folder:
        return run(certificates(folder))


def run(arguments: list[pathlib.Path]) -> int:
    failed = False
    missing: list[str] = []
    for version in PYTHONS:
        interpreter = next((i for i in interpreters(version) if runs(i, version)), None)
        if interpreter is None:
            missing.append(version)
            continue
        pydantics = [pydantic for pydantic, pythons in PYDANTICS.items() if version in pythons]
        oldest = OLDEST_OPS.get(version, "2.2.0")
        for pydantic, ops in itertools.product(pydantics, (f"=={oldest}", ">=2.2,<4")):
            python = environment(interpreter, version, pydantic, ops)
            versions = subprocess.check_output([python, "-c", VERSIONS], text=True).split()
            result = check(python, arguments)
            verdict = "FAILED" if result.returncode else "ok"
            write(f"python {version:<5} pydantic {versions[0]:<8} ops {versions[1]:<8} {verdict}")
            if result.returncode:
                write(result.stderr)
                failed = True
    for version in missing:
        write(f"python {version:<5} has no interpreter on this machine")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())

"""The package on PyPI is the library's one file, whichever way it is installed."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
import tarfile
import zipfile
from email import message_from_bytes

import pytest
from package_building import build, unpack

ROOT = pathlib.Path(__file__).parents[2]
PACKAGE = ROOT / "packages" / "smtp-charmlib"
LIBRARY = (ROOT / "lib/charms/smtp_integrator/v0/smtp.py").read_bytes()

TESTING = """
import ops, smtp_charmlib as smtp, smtp_charmlib.testing
from ops import testing

class Charm(ops.CharmBase):
    def __init__(self, framework):
        super().__init__(framework)
        requires = smtp.SmtpRequires(self, self.endpoint)
        framework.observe(requires.on.smtp_data_available, self._on_smtp_data_available)
        framework.observe(self.on.collect_unit_status, self._on_collect_unit_status)
        self.requires = requires
    def _on_smtp_data_available(self, event):
        relay = self.requires.read().data
        print(relay.host, relay.port, relay.password, relay.domain)
        print(relay.oauth)
    def _on_collect_unit_status(self, event):
        event.add_status(self.requires.read().status)

def run(endpoint, relation, **state):
    Charm.endpoint = endpoint
    meta = {"name": "requirer", "requires": {endpoint: {"interface": "smtp"}}}
    context = testing.Context(Charm, meta=meta)
    state = testing.State(relations=[relation], **state)
    state = context.run(context.on.relation_changed(relation, remote_unit=0), state)
    print(state.unit_status.name)

relation, secret = smtp_charmlib.testing.relay(domain="example.com", password="pw")
run("smtp", relation, secrets=[secret])
run("smtp", relation)
run("smtp-legacy", smtp_charmlib.testing.relay_legacy(port=25, password="pw"))
relation, secret = smtp_charmlib.testing.relay_oauth(user="a@example.com")
run("smtp", relation, secrets=[secret])
try:
    smtp_charmlib.testing.relay(hots="smtp.example.com")
except TypeError as e:
    print(e)
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Build an sdist, from it a wheel, and beside it a wheel from the folder."""
    folder = tmp_path_factory.mktemp("built")
    build(PACKAGE, folder / "direct", "wheel")
    build(PACKAGE, folder, "sdist")
    [sdist] = folder.glob("*.tar.gz")
    build(unpack(sdist, folder / "unpacked"), folder, "wheel")
    return folder


def version() -> str:
    lines = LIBRARY.decode().splitlines()
    api, patch = (
        next(line.split(" = ")[1] for line in lines if line.startswith(f"{name} = "))
        for name in ("LIBAPI", "LIBPATCH")
    )
    return f"{api}.{patch}"


def test_the_folder_has_a_link_to_the_file() -> None:
    link = PACKAGE / "src" / "smtp_charmlib" / "__init__.py"
    assert link.is_symlink()
    assert link.resolve() == ROOT / "lib/charms/smtp_integrator/v0/smtp.py"


def test_the_sdist_has_the_files_themselves(built: pathlib.Path) -> None:
    with tarfile.open(built / f"smtp_charmlib-{version()}.tar.gz") as archive:
        for name, original in (
            ("src/smtp_charmlib/__init__.py", LIBRARY),
            ("LICENSE", (ROOT / "LICENSE").read_bytes()),
        ):
            member = archive.getmember(f"smtp_charmlib-{version()}/{name}")
            assert member.isreg()
            content = archive.extractfile(member)
            assert content
            assert content.read() == original


@pytest.mark.parametrize("folder", ["direct", "."])
def test_a_wheel_has_the_file_and_the_types(built: pathlib.Path, folder: str) -> None:
    [wheel] = (built / folder).glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        files = {name for name in archive.namelist() if "dist-info" not in name}
        metadata = message_from_bytes(
            archive.read(f"smtp_charmlib-{version()}.dist-info/METADATA")
        )
        assert archive.read("smtp_charmlib/__init__.py") == LIBRARY
    assert files == {
        "smtp_charmlib/__init__.py",
        "smtp_charmlib/py.typed",
        "smtp_charmlib/testing.py",
    }
    assert metadata["Version"] == version()
    assert sorted(metadata.get_all("Requires-Dist") or [])[:3] == [
        "email-validator>=2",
        "ops<4,>=2.2",
        "ops[testing]>=2.17; extra == 'testing'",
    ]


def test_a_wheel_built_from_the_sdist_has_the_licence(built: pathlib.Path) -> None:
    [wheel] = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        licence = archive.read(f"smtp_charmlib-{version()}.dist-info/licenses/LICENSE")
    assert licence == (ROOT / "LICENSE").read_bytes()


def test_an_editable_install_reads_the_file(tmp_path: pathlib.Path) -> None:
    code = "import hatchling.build as b, sys; print(b.build_editable(sys.argv[1]), end='')"
    name = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        cwd=PACKAGE,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    with zipfile.ZipFile(tmp_path / name.splitlines()[-1]) as archive:
        [pth] = [entry for entry in archive.namelist() if entry.endswith(".pth")]
        source = pathlib.Path(archive.read(pth).decode().strip())
    assert (source / "smtp_charmlib" / "__init__.py").read_bytes() == LIBRARY


def test_its_relation_and_secret_serve_the_tests_of_a_requirer(built: pathlib.Path) -> None:
    [wheel] = built.glob("*.whl")
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(wheel), *sys.path])}
    printed = subprocess.run(
        [sys.executable, "-W", "error", "-c", TESTING],
        env=env,
        cwd=built,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert printed.splitlines() == [
        "smtp.example.com 587 pw example.com",
        "None",
        "active",
        "waiting",
        "smtp.example.com 25 pw None",
        "None",
        "active",
        "smtp.example.com 587 None None",
        (
            "OAuthGrant(token_url='https://login.example.com/token', client_id='client', "
            "scope='smtp', subject='')"
        ),
        "active",
        "SmtpRelationData has no field 'hots'",
    ]

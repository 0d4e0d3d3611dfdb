"""The provider and the requirer, ready for the interface's own tests."""

from __future__ import annotations

import importlib.util
import pathlib
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import ops
import pytest
import yaml
from interface_tester import InterfaceTester
from ops import testing

import charm

if TYPE_CHECKING:
    import types

ROOT = pathlib.Path(__file__).parents[2]
SPECIFICATION = ROOT / "docs" / "reference" / "interface"


@pytest.fixture(autouse=True)
def _names_of_old(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give an event's path the attribute that ops-scenario 8.9 renamed and the tester reads."""
    suffix = property(lambda path: path.python_suffix)
    monkeypatch.setattr("scenario.state._EventPath.suffix", suffix, raising=False)


@pytest.fixture(scope="session")
def collection(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Lay the specification out as the collection of charm libraries has it, in a repository."""
    repository = tmp_path_factory.mktemp("git") / "charmlibs"
    here = repository / "interfaces" / "smtp" / "interface"
    ignored = shutil.ignore_patterns("__pycache__", "json_schema.py")
    shutil.copytree(SPECIFICATION, here, ignore=ignored)
    author = ["-c", "user.name=test", "-c", "user.email=test@example.com"]
    for command in (
        ["init", "--quiet", "--initial-branch=main"],
        ["add", "--all"],
        [*author, "commit", "--quiet", "--message=specification"],
    ):
        subprocess.run(["git", "-C", repository, *command], check=True)
    return repository


def _tester(
    collection: pathlib.Path, charm_type: type[ops.CharmBase], folder: pathlib.Path
) -> InterfaceTester:
    metadata = yaml.safe_load((folder / "charmcraft.yaml").read_text())
    tester = InterfaceTester()
    tester.configure(
        charm_type=charm_type,
        actions=metadata.pop("actions", None),
        meta=metadata,
        config=_config(folder),
        repo=str(collection),
        interface_name="smtp",
        interface_version=0,
        interface_subdir="interface",
        tests_dir="tests",
    )
    return tester


@pytest.fixture
def interface_tester(collection: pathlib.Path) -> InterfaceTester:
    """The integrator, configured."""
    options = {"host": "smtp.example.com", "user": "notifier", "password": "hunter2-secret"}
    configured = testing.State(leader=True, config={**options, "auth_type": "plain"})
    tester = _tester(collection, charm.SmtpIntegratorCharm, ROOT)
    tester.configure(state_template=configured)
    return tester


@pytest.fixture
def requirer_tester(collection: pathlib.Path) -> InterfaceTester:
    """The tests' requirer."""
    folder = ROOT / "tests" / "integration" / "requirer"
    module = _load("requirer_charm", folder / "src" / "charm.py")
    return _tester(collection, module.RequirerCharm, folder)


def _config(folder: pathlib.Path) -> dict[str, Any] | None:
    path = folder / "config.yaml"
    return yaml.safe_load(path.read_text()) if path.exists() else None


def _load(name: str, path: pathlib.Path) -> types.ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module

"""The controller, the charms and the models of these tests."""

from __future__ import annotations

import contextlib
import itertools
import os
import pathlib
import shutil
import sys
import tempfile
import zipfile
from typing import TYPE_CHECKING

import jubilant
import pytest
from world import Charms, World

import older_charm

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from world import NewWorld

pytest.register_assert_rewrite("sight")

ROOT = pathlib.Path(__file__).parents[2]
JUJU = ROOT / "localjuju" / "bin" / "juju"
PACKED = ROOT / "build" / "localjuju"

# What the forwarder's tests share with its short ones.
sys.path.append(str(ROOT / "tests" / "unit" / "forwarder"))

_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def data() -> Iterator[pathlib.Path]:
    """Give a controller a folder, and end it with the module: others have their own."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="localjuju-"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOCALJUJU_DATA", str(folder))
        patch.setenv("LOCALJUJU_PYTHON", os.environ.get("LOCALJUJU_PYTHON", sys.executable))
        juju = jubilant.Juju(cli_binary=JUJU)
        juju.bootstrap("localhost", "localjuju")
        try:
            yield folder
        finally:
            juju.cli("kill-controller", "--no-prompt", "localjuju", include_model=False)
            shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def charms(tmp_path_factory: pytest.TempPathFactory) -> Charms:
    """Take the packed charms; the mailer is the packed requirer with other code of its own."""
    folder = tmp_path_factory.mktemp("charms")
    with zipfile.ZipFile(PACKED / "smtp-requirer.charm") as packed:
        for entry in packed.infolist():
            path = pathlib.Path(packed.extract(entry, folder / "mailer"))
            if not entry.is_dir():
                path.chmod(entry.external_attr >> 16 & 0o777)
    shutil.copy(pathlib.Path(__file__).with_name("mailer.py"), folder / "mailer/src/charm.py")
    return Charms(
        integrator=PACKED / "smtp-integrator.charm",
        mailer=folder / "mailer",
        older=older_charm.pack(folder),
        sink=PACKED / "smtp-sink.charm",
    )


@pytest.fixture(scope="module")
def new_world(data: pathlib.Path, charms: Charms) -> NewWorld:
    """Make models; a failure shows the model's log."""

    @contextlib.contextmanager
    def make(plan: str = "") -> Generator[World]:
        juju = jubilant.Juju(cli_binary=JUJU)
        # What a history comes to must not depend on the time that it takes.
        by_the_clock = {"update-status-hook-interval": "24h"}
        juju.add_model(f"world-{next(_numbers)}", config=by_the_clock)
        world = World(juju, charms, data, plan)
        try:
            yield world
        except BaseException:
            sys.stderr.write(juju.debug_log(limit=200))
            raise
        finally:
            juju.destroy_model(str(juju.model), force=True)
            world.sweep()

    return make

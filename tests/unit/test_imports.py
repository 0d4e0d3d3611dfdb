"""No module imports itself, be it through others or for its types alone."""

from __future__ import annotations

import ast
import graphlib
import pathlib
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = pathlib.Path(__file__).parents[2]


def modules(*folders: pathlib.Path) -> dict[str, pathlib.Path]:
    """The modules of packages, or of folders on the Python path, by their dotted names."""
    found: dict[str, pathlib.Path] = {}
    for folder in folders:
        root = folder.parent if (folder / "__init__.py").exists() else folder
        for path in folder.rglob("*.py"):
            name = ".".join(path.relative_to(root).with_suffix("").parts)
            found[name.removesuffix(".__init__")] = path
    return found


def imported(path: pathlib.Path, known: dict[str, pathlib.Path]) -> Iterator[str]:
    """The known modules that a file imports; a package, if it takes a name from its `__init__`."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (one.name for one in node.names if one.name in known)
        elif isinstance(node, ast.ImportFrom):
            assert node.module, f"{path} imports relatively"
            for one in node.names:
                name = f"{node.module}.{one.name}"
                if name in known or node.module in known:
                    yield name if name in known else node.module


def order(*folders: pathlib.Path) -> list[str]:
    """The modules of folders, each after those that it imports.

    Raises:
        graphlib.CycleError: if there is no such order.
    """
    known = modules(*folders)
    graph = {name: imported(path, known) for name, path in known.items()}
    return [*graphlib.TopologicalSorter(graph).static_order()]


@pytest.mark.parametrize(
    "folders",
    [
        ["localjuju", "bench"],
        ["src", "lib"],
        ["charms/smtp-sink/src"],
        ["tests/integration", "tests/integration/localjuju"],
    ],
)
def test_imports_run_in_no_circle(folders: list[str]) -> None:
    assert order(*(ROOT / folder for folder in folders))


def test_a_circle_is_found(tmp_path: pathlib.Path) -> None:
    package = tmp_path / "package"
    package.mkdir()
    (package / "__init__.py").write_text("from package import one\n")
    (package / "one.py").write_text("from package import two\n")
    (package / "two.py").write_text("if False:\n    from package.one import x\n")

    with pytest.raises(graphlib.CycleError, match=r"package\.one"):
        order(package)

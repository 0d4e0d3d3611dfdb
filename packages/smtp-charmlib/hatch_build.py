"""The package's version and dependencies stand in the library's file, as Charmhub reads them."""

from __future__ import annotations

import ast
import pathlib
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

LIBRARY = "src/smtp_charmlib/__init__.py"


class LibraryMetadata(MetadataHookInterface):
    """Fills in what `pyproject.toml` calls dynamic."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Read the library's constants, without importing it."""
        tree = ast.parse((pathlib.Path(self.root) / LIBRARY).read_text(encoding="utf-8"))
        constants = {
            ast.unparse(node.targets[0]): ast.literal_eval(node.value)
            for node in tree.body
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) in NAMES
        }
        metadata["version"] = f"{constants['LIBAPI']}.{constants['LIBPATCH']}"
        metadata["dependencies"] = ["ops>=2.2,<4", *constants["PYDEPS"]]


NAMES = {"LIBAPI", "LIBPATCH", "PYDEPS"}

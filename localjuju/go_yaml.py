"""YAML as Juju reads it, with version 2 of Go's library: YAML 1.1 but for times and base 60.

``12:30`` and ``2026-11-27`` are text to it, ``y`` and ``n`` are booleans, and ``1e3`` is a number.
The key of a map is text as it is written.

Source: ``resolve.go`` of https://pkg.go.dev/gopkg.in/yaml.v2.
"""

from __future__ import annotations

import re
from typing import Any, ClassVar, cast

import yaml

from localjuju import errors

_Fast: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TAG = "tag:yaml.org,2002:"
_OTHER = {f"{_TAG}{kind}" for kind in ("bool", "float", "int", "timestamp", "value")}
_SCALARS = {
    "bool": "y|n|yes|no|true|false|on|off",
    "float": r"[-+]?(?:\.[0-9]+|[0-9]+\.[0-9]*)(?:e[-+]?[0-9]+)?|[-+]?[0-9]+e[-+]?[0-9]+"
    r"|[-+]?\.inf|\.nan",
    "int": "[-+]?(?:0b[01_]+|0x[0-9a-f_]+|0[0-7_]*|[1-9][0-9_]*)",
}


class _Loader(_Fast):
    bool_values: ClassVar[dict[str, bool]] = {**_Fast.bool_values, "n": False, "y": True}
    yaml_implicit_resolvers: ClassVar[dict[str, list[Any]]] = {  # pyright: ignore[reportIncompatibleVariableOverride]
        first: [one for one in known if one[0] not in _OTHER]
        for first, known in _Fast.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:  # noqa: ANN401, FBT001, FBT002
        self.flatten_mapping(node)
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                key.tag = f"{_TAG}str"
        return super().construct_mapping(node, deep)


for _kind, _pattern in _SCALARS.items():
    cast("Any", _Loader).add_implicit_resolver(
        f"{_TAG}{_kind}", re.compile(f"(?i:{_pattern})$"), None
    )


def load(text: str) -> object:
    """Read a YAML document.

    Raises:
        errors.JujuError: if it is none; what it holds is not named.
    """
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506 - a safe loader
    except (ValueError, yaml.YAMLError) as error:
        mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
        place = f"line {mark.line + 1}: " if mark else ""
        raise errors.JujuError(f"yaml: {place}{problem or 'not valid'}") from None


def load_map(text: str, problem: str) -> dict[str, Any]:
    """Read a YAML document that is a map, or empty.

    Args:
        text: the document.
        problem: what cannot be done without it, which an error begins with.

    Raises:
        errors.JujuError: if it is none.
    """
    try:
        loaded = load(text)
    except errors.JujuError as error:
        raise errors.JujuError(f"{problem}: {error}") from None
    if not isinstance(loaded or {}, dict):
        raise errors.JujuError(f"{problem}: yaml: not a map")
    return cast("dict[str, Any]", loaded or {})

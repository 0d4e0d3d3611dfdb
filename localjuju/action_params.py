"""The parameters of an action, against the JSON schema that the charm declares.

Messages follow Juju's, for example
``validation failed: (root) : "file" property is missing and required, given {}``.
"""

from __future__ import annotations

import copy
import json
import re
from typing import TYPE_CHECKING, Any, cast

from localjuju import errors

if TYPE_CHECKING:
    from collections.abc import Iterator

_TYPES: dict[str, tuple[type, ...]] = {
    "array": (list,),
    "boolean": (bool,),
    "integer": (int,),
    "null": (type(None),),
    "number": (int, float),
    "object": (dict,),
    "string": (str,),
}


def complete(action: dict[str, Any], params: dict[str, Any]) -> dict[str, Any]:
    """Check parameters and add the defaults that they leave out.

    Args:
        action: the action's entry in ``actions.yaml``.
        params: what the caller gave.

    Raises:
        errors.JujuError: with every problem found.
    """
    schema: dict[str, Any] = {
        "additionalProperties": action.get("additionalProperties", True),
        "properties": action.get("params") or {},
        "required": action.get("required") or [],
        "type": "object",
    }
    if problems := list(_problems(schema, params, "(root)")):
        raise errors.JujuError("validation failed: " + " | ".join(problems))
    return cast("dict[str, Any]", _with_defaults(schema, copy.deepcopy(params)))


def _problems(schema: dict[str, Any], value: object, path: str) -> Iterator[str]:
    given = json.dumps(value, default=str)
    if "type" in schema and not _is_a(schema["type"], value):
        yield f"{path} : must be of type {schema['type']}, given {given}"
        return
    if "enum" in schema and value not in schema["enum"]:
        yield f"{path} : must match one of the enum values {schema['enum']}, given {given}"
    if isinstance(value, dict):
        yield from _object_problems(schema, cast("dict[str, Any]", value), path, given)
    elif isinstance(value, list):
        for place, item in enumerate(cast("list[Any]", value)):
            yield from _problems(schema.get("items") or {}, item, f"{path}.{place}")
    elif isinstance(value, str):
        if "pattern" in schema and not re.search(schema["pattern"], value):
            yield f"{path} : does not match pattern {schema['pattern']}, given {given}"
        if not schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value)):
            yield f"{path} : length is out of bounds, given {given}"
    elif isinstance(value, int | float):
        yield from _number_problems(schema, value, path)


def _object_problems(
    schema: dict[str, Any], value: dict[str, Any], path: str, given: str
) -> Iterator[str]:
    properties: dict[str, dict[str, Any]] = schema.get("properties") or {}
    required: list[str] = schema.get("required") or []
    for name in required:
        if name not in value:
            yield f'{path} : "{name}" property is missing and required, given {given}'
    for name, item in value.items():
        if name in properties:
            yield from _problems(properties[name], item, f"{path}.{name}")
        elif schema.get("additionalProperties") is False:
            yield f'{path} : additional property "{name}" is not allowed, given {given}'


def _number_problems(schema: dict[str, Any], value: float, path: str) -> Iterator[str]:
    if "minimum" in schema and value < schema["minimum"]:
        yield f"{path} : must be greater than or equal to {schema['minimum']}, given {value}"
    if "maximum" in schema and value > schema["maximum"]:
        yield f"{path} : must be less than or equal to {schema['maximum']}, given {value}"


def _is_a(name: str | list[str], value: object) -> bool:
    names = [name] if isinstance(name, str) else name
    if isinstance(value, bool):
        return "boolean" in names
    return any(isinstance(value, _TYPES.get(one, (object,))) for one in names)


def _with_defaults(schema: dict[str, Any], value: object) -> object:
    if not isinstance(value, dict):
        return value
    result = cast("dict[str, Any]", value)
    properties: dict[str, dict[str, Any]] = schema.get("properties") or {}
    for name, inner in properties.items():
        if name not in result and "default" in inner:
            result[name] = copy.deepcopy(inner["default"])
        if name in result:
            result[name] = _with_defaults(inner, result[name])
    return result

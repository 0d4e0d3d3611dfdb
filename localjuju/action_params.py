"""The parameters of an action, against the JSON schema that the charm declares.

A problem is told in the words of Juju's Go library, where they are known, for example
``validation failed: (root) : "file" property is missing and required, given {}``.
"""

from __future__ import annotations

import copy
import json
import re
from typing import TYPE_CHECKING, Any, cast

import jsonschema

from localjuju import errors

if TYPE_CHECKING:
    from collections.abc import Mapping

# What an action says beside its schema, and the description, which no parameter can break.
_NOT_SCHEMA = {"description", "execution-group", "parallel", "params"}
_KEY = re.compile("[a-z0-9]([a-z0-9-]*[a-z0-9])?")


def schema_of(action: Mapping[str, Any]) -> dict[str, Any]:
    """Return the JSON schema (draft 4) of an action's parameters.

    Args:
        action: the action's entry in ``actions.yaml``.

    Raises:
        jsonschema.SchemaError: if it is none.
    """
    schema = {key: value for key, value in action.items() if key not in _NOT_SCHEMA}
    schema |= {"type": "object", "properties": action.get("params") or {}}
    jsonschema.Draft4Validator.check_schema(schema)
    return schema


def complete(action: Mapping[str, Any], params: dict[str, Any]) -> dict[str, Any]:
    """Check parameters and add the defaults that they leave out.

    Args:
        action: the action's entry in ``actions.yaml``.
        params: what the caller gave.

    Raises:
        errors.JujuError: with every problem found.
    """
    schema = schema_of(action)
    checker = jsonschema.Draft4Validator.FORMAT_CHECKER
    validator: Any = jsonschema.Draft4Validator(schema, format_checker=checker)
    problems = [one for error in validator.iter_errors(params) for one in _worded(error)]
    if problems:
        raise errors.JujuError("validation failed: " + " | ".join(sorted(set(problems))))
    return cast("dict[str, Any]", _with_defaults(schema, copy.deepcopy(params)))


def check_key(key: str, signs: str) -> None:
    """Check a key of parameters or results.

    Args:
        key: one key, without those that it stands in.
        signs: which signs the message says may stand in it.

    Raises:
        errors.JujuError: if Juju does not take it.
    """
    if not _KEY.fullmatch(key):
        raise errors.JujuError(
            f'key "{key}" must start and end with lowercase alphanumeric, and contain '
            f"only lowercase alphanumeric{signs}",
            errors.USAGE,
        )


def put(place: dict[str, Any], path: list[str], value: object) -> None:
    """Put a value at a path of keys; what is no map on the way gives way to one."""
    for part in path[:-1]:
        if not isinstance(place.get(part), dict):
            place[part] = {}
        place = place[part]
    place[path[-1]] = value


def _worded(error: jsonschema.ValidationError) -> list[str]:
    """A problem in Juju's words, or in those of jsonschema where Juju's are not known."""
    expected, value = cast("Any", error.validator_value), cast("Any", error.instance)
    given = json.dumps(value, separators=(",", ":"), sort_keys=True)
    if error.validator == "required":
        absent = [name for name in expected if name not in value]
        told = [f'"{name}" property is missing and required, given {given}' for name in absent]
    elif error.validator == "additionalProperties" and expected is False:
        known = cast("dict[str, Any]", error.schema).get("properties", {})
        told = [
            f'additional property "{name}" is not allowed, given {given}'
            for name in value
            if name not in known
        ]
    elif error.validator == "type" and isinstance(expected, str):
        told = [f"must be of type {expected}, given {given}"]
    elif error.validator == "minimum":
        told = [f'must be greater than {expected}, given "{given}"']
    else:
        told = [error.message]
    return [f"(root){error.json_path.removeprefix('$')} : {one}" for one in told]


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

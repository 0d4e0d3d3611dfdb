from __future__ import annotations

from typing import Any

import jsonschema
import pytest

from localjuju import action_params, errors

ACTION: dict[str, Any] = {
    "params": {
        "deep": {
            "type": "object",
            "properties": {"level": {"type": "integer", "default": 1}},
        },
        "kind": {"type": "string", "enum": ["full", "part"], "default": "full"},
        "names": {"type": "array", "items": {"type": "string"}, "uniqueItems": True},
        "ratio": {"type": "number", "maximum": 1},
        "sender": {"type": "string", "format": "email"},
        "word": {"type": "string", "pattern": "^[a-z]+$"},
    }
}


def test_defaults_are_added_at_every_depth() -> None:
    given: dict[str, Any] = {"deep": {}}
    assert action_params.complete(ACTION, given) == {"deep": {"level": 1}, "kind": "full"}
    assert given == {"deep": {}}


def test_what_fits_passes() -> None:
    params = {"kind": "part", "names": ["a"], "ratio": 1, "word": "x", "extra": None}
    assert action_params.complete(ACTION, params) == params


@pytest.mark.parametrize(
    ("params", "problem"),
    [
        ({"deep": {"level": "x"}}, '(root).deep.level : must be of type integer, given "x"'),
        ({"deep": {"level": True}}, "(root).deep.level : must be of type integer, given true"),
        ({"kind": "none"}, "(root).kind : 'none' is not one of ['full', 'part']"),
        ({"names": ["a", 1]}, "(root).names[1] : must be of type string, given 1"),
        ({"names": ["a", "a"]}, "(root).names : ['a', 'a'] has non-unique elements"),
        ({"ratio": 1.5}, "(root).ratio : 1.5 is greater than the maximum of 1"),
        ({"sender": "nobody"}, "(root).sender : 'nobody' is not a 'email'"),
        ({"word": "X1"}, "(root).word : 'X1' does not match '^[a-z]+$'"),
    ],
)
def test_what_does_not_fit_is_named(params: dict[str, Any], problem: str) -> None:
    with pytest.raises(errors.JujuError) as caught:
        action_params.complete(ACTION, params)
    assert str(caught.value) == f"validation failed: {problem}"


def test_every_problem_is_named() -> None:
    action = {"additionalProperties": False, "required": ["y"]}
    with pytest.raises(errors.JujuError) as caught:
        action_params.complete(action, {"x": 1})
    problems = str(caught.value).removeprefix("validation failed: ").split(" | ")
    assert problems == [
        '(root) : "y" property is missing and required, given {"x":1}',
        '(root) : additional property "x" is not allowed, given {"x":1}',
    ]


def test_what_is_no_schema_is_refused() -> None:
    with pytest.raises(jsonschema.SchemaError):
        action_params.schema_of({"params": {"word": {"type": "text"}}})


def test_what_is_beside_the_schema_is_no_part_of_it() -> None:
    beside = {"description": "Greet.", "execution-group": "one", "parallel": True}
    assert action_params.schema_of(beside) == {"type": "object", "properties": {}}

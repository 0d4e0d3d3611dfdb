from __future__ import annotations

from typing import Any

import pytest

from localjuju import action_params, errors

ACTION: dict[str, Any] = {
    "params": {
        "deep": {
            "type": "object",
            "properties": {"level": {"type": "integer", "default": 1}},
        },
        "kind": {"type": "string", "enum": ["full", "part"], "default": "full"},
        "names": {"type": "array", "items": {"type": "string"}},
        "ratio": {"type": "number", "maximum": 1},
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
        ({"kind": "none"}, "(root).kind : must match one of the enum values"),
        ({"names": ["a", 1]}, "(root).names.1 : must be of type string, given 1"),
        ({"ratio": 1.5}, "(root).ratio : must be less than or equal to 1, given 1.5"),
        ({"word": "X1"}, "(root).word : does not match pattern ^[a-z]+$"),
    ],
)
def test_what_does_not_fit_is_named(params: dict[str, Any], problem: str) -> None:
    with pytest.raises(errors.JujuError) as caught:
        action_params.complete(ACTION, params)
    assert str(caught.value).startswith("validation failed: ")
    assert problem in str(caught.value)


def test_additional_properties_may_be_refused() -> None:
    with pytest.raises(errors.JujuError, match='additional property "x" is not allowed'):
        action_params.complete({"additionalProperties": False}, {"x": 1})

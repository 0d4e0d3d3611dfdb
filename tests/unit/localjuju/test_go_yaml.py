"""YAML as Go's library reads it: each case is from the tables of its ``resolve.go``."""

from __future__ import annotations

import pytest

from localjuju import errors, go_yaml


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("12:30", "12:30"),
        ("12:30:45", "12:30:45"),
        ("2026-11-27", "2026-11-27"),
        ("y", True),
        ("N", False),
        ("off", False),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("010", 8),
        ("09", "09"),
        ("0x1f", 31),
        ("1_000", 1000),
        ("nan", "nan"),
        ("=", "="),
        ("~", None),
        ("", None),
        ("{n: 1, 2: no}", {"n": 1, "2": False}),
        (
            "a: &a {on: y}\nb: {<<: *a, off: n}",
            {"a": {"on": True}, "b": {"on": True, "off": False}},
        ),
    ],
)
def test_values_have_the_types_that_go_gives_them(text: str, value: object) -> None:
    assert repr(go_yaml.load(text)) == repr(value)


@pytest.mark.parametrize("text", ["[", "!own x", "{[a]: b}", "9" * 5000, "\0", "*nowhere"])
def test_what_is_no_yaml_is_refused_without_its_content(text: str) -> None:
    with pytest.raises(errors.JujuError, match=r"^yaml: ") as caught:
        go_yaml.load(f"password: s3cret\nother: {text}")
    assert "s3cret" not in str(caught.value)

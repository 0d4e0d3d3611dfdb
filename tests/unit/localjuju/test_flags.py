from __future__ import annotations

import datetime as dt

import pytest

from localjuju import errors, flags

SPEC = {
    "app": flags.BOOL,
    "config": flags.LIST,
    "format": flags.TEXT,
    "n,num-units": flags.INT,
    "r,relation": flags.TEXT,
}


def test_flags_stand_anywhere_before_two_dashes() -> None:
    parsed = flags.parse(["a", "--app", "-n", "2", "b", "--format=json", "--", "--app", "c"], SPEC)
    assert parsed.words == ["a", "b", "--app", "c"]
    assert parsed.boolean("app")
    assert parsed.integer("num-units", 1) == 2
    assert parsed.text("format", "smart") == "json"


def test_lists_gather_and_other_flags_win_last() -> None:
    arguments = ["--config", "a=1", "--config=b=2", "--format", "yaml", "--format", "json"]
    parsed = flags.parse(arguments, SPEC)
    assert parsed.texts("config") == ["a=1", "b=2"]
    assert parsed.text("format") == "json"


def test_a_boolean_takes_a_value_after_an_equals_sign_alone() -> None:
    assert not flags.parse(["--app=False"], SPEC).boolean("app")
    parsed = flags.parse(["--app", "false"], SPEC)
    assert parsed.boolean("app")
    assert parsed.words == ["false"]


def test_defaults() -> None:
    parsed = flags.parse([], SPEC)
    assert not parsed.boolean("app")
    assert parsed.integer("num-units", 3) == 3
    assert parsed.text("format", "smart") == "smart"
    assert parsed.texts("config") == []


def test_a_dash_is_a_word() -> None:
    assert flags.parse(["-", "-r", "1", "a/0"], SPEC).words == ["-", "a/0"]


def test_without_interspersed_flags_the_first_word_ends_them() -> None:
    parsed = flags.parse(["--app", "ls", "-l", "--app"], SPEC, interspersed=False)
    assert parsed.words == ["ls", "-l", "--app"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--colour"], "option provided but not defined: --colour"),
        (["-x"], "option provided but not defined: -x"),
        (["--n", "1"], "option provided but not defined: --n"),
        (["--format"], "option needs an argument: --format"),
        (["-n", "many"], 'invalid value "many" for option -n'),
        (["--app=maybe"], 'invalid boolean value "maybe" for --app'),
    ],
)
def test_wrong_lines_are_refused(arguments: list[str], message: str) -> None:
    with pytest.raises(errors.JujuError, match=message) as caught:
        flags.parse(arguments, SPEC)
    assert caught.value.code == 2


def test_durations_are_written_as_in_go() -> None:
    assert flags.duration("1h1m1.5s") == dt.timedelta(hours=1, minutes=1, seconds=1.5)
    assert flags.duration("250ms") == dt.timedelta(milliseconds=250)
    assert flags.duration("0") == dt.timedelta()
    assert flags.duration("2µs") == flags.duration("2us") == flags.duration("2000ns")
    for text in ("1.2.3s", ".s", "9" * 400 + "h", "", "5", "5 m", "soon"):
        with pytest.raises(errors.JujuError, match="invalid duration"):
            flags.duration(text)

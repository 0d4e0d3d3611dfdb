from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localjuju import errors, secret_store

DIGITS = "0123456789abcdefghijklmnopqrstuv"


def test_an_id_is_an_xid() -> None:
    ids = [secret_store.new_id() for _ in range(1000)]
    assert len(set(ids)) == 1000
    assert all(len(one) == 20 and set(one) <= set(DIGITS) for one in ids)
    number = 0
    for digit in ids[0]:
        number = number * 32 + DIGITS.index(digit)
    assert abs((number >> 4 >> 64) - time.time()) < 3600


def test_an_id_has_three_spellings() -> None:
    one = secret_store.new_id()
    model = "3a19ad98-1d3b-4ae6-8e06-c54af3ba7b4a"
    for spelling in (one, f"secret:{one}", f"secret://{model}/{one}"):
        assert secret_store.parse_uri(spelling) == one


@given(st.text())
def test_nothing_else_names_a_secret(text: str) -> None:
    if len(text.rpartition("/")[2].removeprefix("secret:")) != 20:
        with pytest.raises(errors.JujuError, match="not valid"):
            secret_store.parse_uri(text)


def test_contents_come_in_four_forms() -> None:
    files = {"list.yaml": b"abc: 0123\nnull-like: null\n", "pw": b"line\n"}
    words = ["key=va=lue", "encoded#base64=aGk=", "read#file=pw", "abc=wins"]
    assert secret_store.parse_content(words, "list.yaml", files.__getitem__) == {
        "abc": "wins",
        "encoded": "hi",
        "key": "va=lue",
        "null-like": "null",
        "read": "line\n",
    }


@pytest.mark.parametrize("word", ["hunter2", "Pw=hunter2", "pw=hunter2", "key#x=hunter2"])
def test_a_refused_content_shows_no_value(word: str) -> None:
    with pytest.raises(errors.JujuError) as caught:
        secret_store.parse_content([word], "", lambda _: b"")
    assert "hunter2" not in str(caught.value)


def test_a_file_that_is_no_map_is_refused() -> None:
    for content in (b"hunter2", b"- hunter2", b"{hunter2", b"a: {b: hunter2}"):
        with pytest.raises(errors.JujuError, match="as a YAML map of strings") as caught:
            secret_store.read_map(content)
        assert "hunter2" not in str(caught.value)
    assert secret_store.read_map(b"") == {}

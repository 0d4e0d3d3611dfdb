from __future__ import annotations

import datetime as dt
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


@pytest.mark.parametrize("word", ["Pw=hunter2", "pw=hunter2", "key#x=hunter2"])
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


@pytest.mark.parametrize(
    ("policy", "last", "following"),
    [
        ("hourly", "2026-12-31T23:30", "2027-01-01T00:30"),
        ("daily", "2028-02-28T10:00", "2028-02-29T10:00"),
        ("weekly", "2026-12-28T10:00", "2027-01-04T10:00"),
        ("monthly", "2026-01-31T10:00", "2026-02-28T10:00"),
        ("quarterly", "2026-11-30T10:00", "2027-02-28T10:00"),
        ("yearly", "2028-02-29T10:00", "2029-02-28T10:00"),
    ],
)
def test_a_policy_says_when_to_rotate_again(policy: str, last: str, following: str) -> None:
    rotated = dt.datetime.fromisoformat(last)
    assert secret_store.next_rotation(policy, rotated) == dt.datetime.fromisoformat(following)


def test_what_is_never_rotated_has_no_next_time() -> None:
    assert secret_store.next_rotation("never", dt.datetime.now(dt.timezone.utc)) is None


def test_an_expiry_is_a_duration_or_a_time_to_come() -> None:
    now = dt.datetime.now(dt.timezone.utc)
    for text in ("1h30m", f"{now + dt.timedelta(hours=1.5):%Y-%m-%dT%H:%M:%SZ}"):
        left = secret_store.expiry(text) - now
        assert abs(left - dt.timedelta(hours=1.5)) < dt.timedelta(minutes=1)
    for text in ("tomorrow", "-1h", f"{now:%Y-%m-%dT%H:%M:%SZ}", "2001-01-01"):
        with pytest.raises(errors.JujuError, match="not valid"):
            secret_store.expiry(text)

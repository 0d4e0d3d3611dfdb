"""A relay that repeats what AUTH sent, and what is shown of its words."""

from __future__ import annotations

import base64
import urllib.parse
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from forwarder_running import SENDER, Forwarder
from hypothesis import given
from hypothesis import strategies as st
from scripted_upstream import EXTENSIONS

from forwarder import concealment

if TYPE_CHECKING:
    from scripted_upstream import Upstream

Forward = Callable[..., Forwarder]
USER, PASSWORD = "joe", "S3cret \N{SNOWMAN}+/word"
PLAIN = base64.b64encode(f"\0{USER}\0{PASSWORD}".encode()).decode()
LOGIN = base64.b64encode(PASSWORD.encode()).decode()
REFUSAL = "the relay refused user and password"
REPEATED = [
    PASSWORD,
    PASSWORD.replace(" ", "").upper(),
    PASSWORD[-6:],
    PLAIN,
    PLAIN[-9:-3].lower(),
    f"{PLAIN[:11]}\r\n501 5.5.4 {PLAIN[11:]}",
    " ".join(PLAIN[-8:]),
    LOGIN,
    base64.urlsafe_b64encode(f"password={PASSWORD}".encode()).decode(),
    urllib.parse.quote(PASSWORD),
    urllib.parse.quote_plus(PASSWORD)[6:14],
    "".join(f"%{byte:02X}" for byte in PASSWORD.encode()),
]


@pytest.mark.parametrize("repeated", REPEATED)
def test_a_relay_that_repeats_the_password_shows_it_to_nobody(
    forward: Forward, upstream: Upstream, repeated: str
) -> None:
    dash = "-" if "\r\n" in repeated else " "
    upstream.extensions = (*EXTENSIONS, "AUTH PLAIN")
    upstream.answers["AUTH"] = f"501{dash}5.5.4 Cannot decode: AUTH PLAIN {repeated}"
    forwarder = forward(upstream, upstream={"user": USER, "password": PASSWORD})
    code, words = forwarder.send()
    assert (code, words.endswith(f" queued: 501 5.5.4 {REFUSAL}")) == (250, True)
    (entry,) = forwarder.spool.entries()
    assert [one.answer for one in entry.recipients] == [f"501 5.5.4 {REFUSAL}"]
    forwarder.wait_for_log(f'answer="501 5.5.4 {REFUSAL}"')
    assert repeated not in forwarder.log()


@pytest.mark.parametrize("mechanism", ["LOGIN", "CRAM-MD5"])
def test_each_mechanism_conceals(forward: Forward, upstream: Upstream, mechanism: str) -> None:
    upstream.extensions = (*EXTENSIONS, f"AUTH {mechanism}")
    upstream.answers["AUTH"] = f"454 {LOGIN}"
    forwarder = forward(upstream, upstream={"user": USER, "password": PASSWORD})
    assert forwarder.send(sender=SENDER)[1].endswith(f" queued: 454 {REFUSAL}")


@pytest.mark.parametrize("line", [f"no code, {PLAIN}", f"334 {PASSWORD}"])
def test_what_is_no_answer_is_concealed(forward: Forward, upstream: Upstream, line: str) -> None:
    upstream.extensions = (*EXTENSIONS, "AUTH CRAM-MD5")
    upstream.answers["AUTH"] = line
    forwarder = forward(upstream, upstream={"user": USER, "password": PASSWORD})
    assert forwarder.send()[1].endswith(f" {REFUSAL}")
    assert not [one for one in (PLAIN, PASSWORD) if one in forwarder.log()]


@pytest.mark.parametrize("words", ["535 5.7.8 Error: not this user", "454 4.7.0 Later", "535"])
def test_other_words_are_shown(forward: Forward, upstream: Upstream, words: str) -> None:
    upstream.extensions = (*EXTENSIONS, "AUTH PLAIN")
    upstream.answers["AUTH"] = words
    forwarder = forward(upstream, upstream={"user": USER, "password": PASSWORD})
    assert forwarder.send()[1].endswith(f" queued: {words}")


@given(st.text(min_size=1), st.binary(max_size=5), st.binary(max_size=5), st.integers(0, 2))
def test_any_secret_is_known_in_any_base64(
    secret: str, before: bytes, behind: bytes, skipped: int
) -> None:
    data = secret.encode()
    spelt = base64.b64encode(before + data + behind).decode()[skipped:]
    shown = concealment.concealed(f"535 {spelt}", REFUSAL, secret, b"\0joe\0" + data)
    # What is shorter is known where it stands alone, as AUTH sends it.
    assert len(data) < 8 or shown == f"535 {REFUSAL}"
    whole = base64.b64encode(data).decode()
    assert concealment.concealed(f"5 {whole}", REFUSAL, secret, b"") == REFUSAL

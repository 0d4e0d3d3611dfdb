"""Refusals of a real endpoint, in the providers' words."""

from __future__ import annotations

import csv
import pathlib
import urllib.parse
from typing import TYPE_CHECKING, NamedTuple

import pytest
from asking import TIMEOUT, error_of, grant_of

import smtp_oauth
from smtp_oauth import Grant, Kind
from tests import client_key

if TYPE_CHECKING:
    from tests import token_endpoint

ALL_KINDS = ["client-secret", "private-key", "service-account", "refresh-token"]
TABLE = pathlib.Path(__file__).with_name("refusals.tsv")


class Row(NamedTuple):
    status: str
    error: str
    description: str
    kind: str
    source: str


with TABLE.open(newline="") as _file:
    ROWS = [Row(*row) for row in list(csv.reader(_file, delimiter="\t", quoting=3))[1:]]


@pytest.mark.parametrize("row", ROWS, ids=[f"{row.error}-{row.description[:30]}" for row in ROWS])
def test_refusal(endpoint: token_endpoint.Endpoint, row: Row) -> None:
    trace = "\r\nTrace ID: 0000\r\nTimestamp: 2026-11-26 10:00:00Z" if row.description else ""
    body = {"error": row.error, "error_description": row.description + trace}
    endpoint.answer = (int(row.status), body)

    error = error_of(grant_of(endpoint), endpoint.ca)

    assert error.kind.name == row.kind
    assert error.words == ": ".join(filter(None, row[1:3]))
    assert error.temporary is (row.kind == "BUSY")


def test_refusal_under_oktas_own_names(endpoint: token_endpoint.Endpoint) -> None:
    said = "Invalid value for 'client_id' parameter."
    endpoint.answer = (401, {"errorCode": "invalid_client", "errorSummary": said})

    error = error_of(grant_of(endpoint), endpoint.ca)

    assert (error.kind, error.words) == (Kind.CLIENT, f"invalid_client: {said}")


def test_every_kind_of_refusal_is_in_the_table() -> None:
    on_the_way = {"NAME", "CONNECTION", "TLS", "TIMEOUT", "NO_TOKEN", "UNUSABLE_KEY"}

    assert {row.kind for row in ROWS} == set(Kind.__members__) - on_the_way


@pytest.mark.parametrize("kind", ALL_KINDS)
def test_secret_that_the_endpoint_repeats_is_hidden(
    endpoint: token_endpoint.Endpoint, kind: str
) -> None:
    grant = grant_of(endpoint, kind)
    smtp_oauth.fetch(grant, ca=endpoint.ca, timeout=TIMEOUT)
    fields = sorted(endpoint.requests[-1].values(), key=lambda field: field.startswith("eyJ"))
    said = " ".join(reversed(fields))
    endpoint.answer = (400, {"error": "invalid_request", "error_description": said})

    error = error_of(grant, endpoint.ca)

    assert "[hidden]" in error.words
    assert [piece for piece in said.split(" ") if len(piece) > 60 and piece in error.words] == []


@pytest.mark.parametrize("secret", ["p+q/r=s&t~u", "a  b\tc", "zähler~secret"])
def test_secret_is_hidden_in_every_spelling(
    endpoint: token_endpoint.Endpoint, secret: str
) -> None:
    grant = Grant(endpoint.url, "mailer", client_secret=secret)
    form = urllib.parse.quote_plus(secret)
    said = f"{secret}, {' '.join(secret.split())}, {form}, {form.lower()}"
    endpoint.answer = (401, {"error": "invalid_client", "error_description": said})

    words = error_of(grant, endpoint.ca).words

    assert words == "invalid_client: [hidden], [hidden], [hidden], [hidden]"


SECRET = "ab c/d~EFGH 12345+xyz"


@pytest.mark.parametrize(
    "said",
    [
        SECRET,
        urllib.parse.quote(SECRET, safe=""),
        urllib.parse.quote(SECRET, safe="").lower(),
        urllib.parse.quote(SECRET),
        SECRET.replace(" ", ""),
        SECRET.replace("EF", "E F"),
        SECRET.replace("d~", "d\n~"),
        SECRET.replace("d~", "d\r\n\t~"),
        SECRET.replace("d~", "d\0~"),
        SECRET.replace(" c", "\nc"),
        SECRET[:13],
        SECRET[:9],
        urllib.parse.quote(SECRET, safe="")[:16],
        f"{SECRET}{SECRET[:10]}",
    ],
)
def test_secret_is_hidden_folded_and_cut_short(
    endpoint: token_endpoint.Endpoint, said: str
) -> None:
    grant = Grant(endpoint.url, "mailer", client_secret=SECRET)
    for error, description in (("x", f"bad {said}... is wrong"), (f"bad {said}... is wrong", "")):
        endpoint.answer = (401, {"error": error, "error_description": description})

        words = error_of(grant, endpoint.ca).words

        assert words.removeprefix("x: ") == "bad [hidden]... is wrong"


def test_secret_at_the_end_of_what_is_shown_is_hidden(endpoint: token_endpoint.Endpoint) -> None:
    grant = Grant(endpoint.url, "mailer", client_secret=SECRET)
    endpoint.answer = (401, {"error": "x", "error_description": f"{'a' * 290} {SECRET}"})

    assert SECRET[:4] not in error_of(grant, endpoint.ca).words


def test_what_begins_as_a_secret_but_shortly_is_shown(endpoint: token_endpoint.Endpoint) -> None:
    grant = Grant(endpoint.url, "mailer", client_secret="clients-own-secret")
    endpoint.answer = (401, {"error": "x", "error_description": "the client's secret is wrong"})

    assert error_of(grant, endpoint.ca).words == "x: the client's secret is wrong"


def test_words_beside_a_private_key_are_no_secrets(endpoint: token_endpoint.Endpoint) -> None:
    pem = f"Bag Attributes\n \n{client_key.shared().private}a\n"
    grant = Grant(endpoint.url, "mailer", private_key=pem)
    endpoint.answer = (400, {"error": "x", "error_description": "a word of Bag Attributes"})

    assert error_of(grant, endpoint.ca).words == "x: a word of Bag Attributes"
    assert len(grant.secrets) > len(client_key.shared().private) / 66


def test_words_are_one_short_visible_line(endpoint: token_endpoint.Endpoint) -> None:
    endpoint.answer = (400, {"error": "x\x1b[2J", "error_description": "a\tb\0" * 200})

    words = error_of(grant_of(endpoint), endpoint.ca).words

    assert words.startswith("x [2J: a b a b")
    assert words.isprintable()
    assert len(words) == 301

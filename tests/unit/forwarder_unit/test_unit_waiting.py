import json

import pytest

from forwarder import queue
from forwarder_unit import waiting


def entry(number: int, *to: str, answer: str = "", sender: str = "a@example.com") -> queue.Entry:
    recipients = tuple(queue.Waiting(one, 1, 1795693476.0, answer) for one in to)
    return queue.Entry(f"id{number}", sender, 100, 1795693416.0, number == 3, recipients)


ENTRIES = [
    entry(1, "ada@example.net", answer="450 4.2.0 later"),
    entry(2, "bob@example.org", "Ada@Example.Net", answer="450 4.2.0 later"),
    entry(3, "bob@example.org", answer="535 5.7.8 no", sender=""),
]


@pytest.mark.parametrize(
    ("params", "ids"),
    [
        ({}, ["id1", "id2", "id3"]),
        ({"id": "id2"}, ["id2"]),
        ({"recipient": "ada@example.net"}, ["id1", "id2"]),
        ({"recipient": "*@EXAMPLE.ORG"}, ["id2", "id3"]),
        ({"sender": "a@*"}, ["id1", "id2"]),
        ({"sender": "a@*", "recipient": "bob@*"}, ["id2"]),
        ({"id": "id1", "recipient": "bob@*"}, []),
        ({"sender": "*"}, ["id1", "id2", "id3"]),
    ],
)
def test_a_filter(params: dict[str, str], ids: list[str]) -> None:
    found = waiting.Filter.of(params)
    assert bool(found) is bool(params)
    assert [one.id for one in found.select(ENTRIES)] == ids


def test_the_status_says_how_many_and_why() -> None:
    assert waiting.status([], "f/0") == ""
    see = "see 'juju run f/0 list-queue'"
    assert waiting.status(ENTRIES, "f/0") == f"3 messages wait: 450 4.2.0 later; {see}"
    assert waiting.status([entry(1, "a@b.c")], "f/0") == f"1 message waits; {see}"


def test_messages_are_listed_with_what_the_relay_said() -> None:
    listed = waiting.listed(ENTRIES)
    assert listed["count"] == "3"
    assert json.loads(listed["messages"])[2] == {
        "id": "id3",
        "from": "",
        "size": 100,
        "accepted": "2026-11-26T11:43:36+00:00",
        "held": True,
        "recipients": [
            {
                "to": "bob@example.org",
                "attempts": 1,
                "next": "2026-11-26T11:44:36+00:00",
                "answer": "535 5.7.8 no",
            }
        ],
    }


def test_as_many_are_listed_as_fit() -> None:
    listed = waiting.listed(entry(n, *["x" * 100 + "@example.com"] * 50) for n in range(1000))
    assert listed["count"] == "1000"
    assert 1 <= len(json.loads(listed["messages"])) < 1000
    assert len(listed["messages"]) <= 2**16

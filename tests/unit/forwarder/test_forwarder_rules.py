from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forwarder import addresses, aliases, configuration, rules

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Iterable, Iterator, Mapping

DOCUMENT = """\
domains: [example.com]
others: pass
aliases:
  board@example.com: [ada@example.net, bob@example.org]
  Chair@Example.com: [BOARD@example.com, ADA@example.net, carol@example.net]
  nobody@example.com: []
  self@example.com: [self@example.com, dan@example.net]
  ping@example.com: [pong@example.com]
  pong@example.com: [ping@example.com]
lists:
  news@example.com: {to: [a@example.net, board@example.com], subject_prefix: "[news]",
                     sender: news-admin@example.com, id: news.example.com,
                     unsubscribe: "mailto:news-admin@example.com",
                     help: "https://example.com/help"}
sender: keep
"""
CONTENT = b"From: eve@example.com\r\nSubject: hello\r\n\r\nbody\r\n"


def load(tmp_path: pathlib.Path, text: str = DOCUMENT) -> rules.Rules:
    path = tmp_path / "rules.yaml"
    path.write_text(text)
    return configuration.load_rules(path)


@pytest.mark.parametrize(
    ("recipient", "targets"),
    [
        ("board@example.com", ("ada@example.net", "bob@example.org")),
        ("BOARD@EXAMPLE.COM", ("ada@example.net", "bob@example.org")),
        ("nobody@example.com", ()),
        ("self@example.com", ("self@example.com", "dan@example.net")),
        ("ping@example.com", ("ping@example.com",)),
        ("someone@elsewhere.example", ("someone@elsewhere.example",)),
        ("root", ("root",)),
        ("news@example.com", ("a@example.net", "ada@example.net", "bob@example.org")),
    ],
)
def test_targets(tmp_path: pathlib.Path, recipient: str, targets: tuple[str, ...]) -> None:
    assert rules.targets(load(tmp_path), recipient) == targets


def test_an_address_of_the_domain_must_be_known(tmp_path: pathlib.Path) -> None:
    with pytest.raises(rules.InvalidRecipient):
        rules.targets(load(tmp_path), "unknown@EXAMPLE.com")


def test_others_can_be_refused(tmp_path: pathlib.Path) -> None:
    own = load(tmp_path, DOCUMENT.replace("others: pass", "others: refuse"))
    with pytest.raises(rules.InvalidRecipient, match="domain"):
        rules.targets(own, "a@elsewhere.example")
    assert rules.targets(own, "board@example.com")


def test_overlapping_recipients_get_one_message(tmp_path: pathlib.Path) -> None:
    recipients = ("board@example.com", "chair@example.com", "Ada@example.net")
    (one,) = rules.deliveries(load(tmp_path), "eve@example.com", recipients, CONTENT)
    assert [recipient.address for recipient in one.recipients] == [
        "ada@example.net",
        "bob@example.org",
        "carol@example.net",
    ]
    assert one.sender == "eve@example.com"
    assert one.content == CONTENT


def test_a_list_has_its_headers_prefix_and_sender(tmp_path: pathlib.Path) -> None:
    (one,) = rules.deliveries(load(tmp_path), "eve@example.com", ["News@example.com"], CONTENT)
    assert one.sender == "news-admin@example.com"
    assert one.content == (
        b"List-Id: <news.example.com>\r\n"
        b"List-Unsubscribe: <mailto:news-admin@example.com>\r\n"
        b"List-Help: <https://example.com/help>\r\n"
        b"From: eve@example.com\r\nSubject: [news] hello\r\n\r\nbody\r\n"
    )


def test_an_answer_to_a_list_keeps_its_one_prefix(tmp_path: pathlib.Path) -> None:
    content = CONTENT.replace(b"hello", b"Re: [news] hello")
    (one,) = rules.deliveries(load(tmp_path), "eve@example.com", ["news@example.com"], content)
    assert b"Subject: Re: [news] hello\r\n" in one.content


def test_a_signed_subject_is_not_changed_for_a_list(tmp_path: pathlib.Path) -> None:
    content = b"DKIM-Signature: v=1;\r\n\th=from:\r\n\tsubject; b=x\r\n" + CONTENT
    (one,) = rules.deliveries(load(tmp_path), "eve@example.com", ["news@example.com"], content)
    assert one.content.endswith(content)
    assert one.content.startswith(b"List-Id: ")


def test_the_null_sender_stays_null(tmp_path: pathlib.Path) -> None:
    own = load(tmp_path, DOCUMENT.replace("sender: keep", "sender: all@example.com"))
    for recipient in ("news@example.com", "x@example.org"):
        (one,) = rules.deliveries(own, "", [recipient], CONTENT)
        assert not one.sender


def test_one_sender_for_all_envelopes(tmp_path: pathlib.Path) -> None:
    own = load(tmp_path, "sender: all@example.com\n")
    (one,) = rules.deliveries(own, "eve@example.com", ["x@example.org"], CONTENT)
    assert (one.sender, one.content) == ("all@example.com", CONTENT)


def test_a_message_to_a_list_and_to_a_member_reaches_the_member_once(
    tmp_path: pathlib.Path,
) -> None:
    found = rules.deliveries(
        load(tmp_path), "eve@example.com", ["a@example.net", "news@example.com"], CONTENT
    )
    everyone = [recipient.address for one in found for recipient in one.recipients]
    assert sorted(everyone) == ["a@example.net", "ada@example.net", "bob@example.org"]
    assert len(found) == 2


class Own(rules.Rules):
    def translate_recipient(self, recipient: str) -> Iterable[str]:
        if recipient.startswith("bad"):
            return ["a@b\r\nRCPT TO:<eve@example.com>"]
        return [recipient, recipient.upper()]

    def translate_subject(self, subject: str, recipient: str) -> str:
        return f"{subject} for {recipient}"

    def envelope_sender(self, sender: str, recipient: str) -> str:
        return f"via+{sender}" if recipient.startswith("b") else sender

    def extra_headers(self, recipient: str) -> Iterable[tuple[str, str]]:
        return [("X-For", recipient)]


def test_a_program_changes_recipients_subject_sender_and_headers() -> None:
    one, two = rules.deliveries(Own(), "eve@example.com", ["a@x.org", "b@x.org"], CONTENT)
    assert one.recipients == (rules.Recipient("a@x.org", "a@x.org"),)
    assert one.content == (
        b"X-For: a@x.org\r\nFrom: eve@example.com\r\nSubject: hello for a@x.org\r\n\r\nbody\r\n"
    )
    assert two.sender == "via+eve@example.com"


def test_a_program_cannot_inject_a_command() -> None:
    with pytest.raises(ValueError, match="not an address"):
        rules.deliveries(Own(), "eve@example.com", ["bad@x.org"], CONTENT)


NAMES = st.sampled_from([f"{user}@{domain}" for user in "aAbBc" for domain in ("x.org", "X.ORG")])
DOCUMENTS = st.builds(
    rules.RuleDocument,
    domains=st.frozensets(st.sampled_from(["x.org"])),
    others_pass=st.booleans(),
    aliases=st.dictionaries(NAMES, st.lists(NAMES, max_size=4).map(tuple), max_size=5),
    lists=st.dictionaries(
        NAMES,
        st.builds(
            rules.MailingList,
            to=st.lists(NAMES, max_size=4).map(tuple),
            subject_prefix=st.sampled_from(["", "[l]"]),
            id=st.sampled_from(["", "l.x.org"]),
        ),
        max_size=2,
    ),
    sender=st.sampled_from(["", "s@x.org"]),
)


@given(DOCUMENTS, st.lists(NAMES, max_size=6), st.sampled_from(["", "e@x.org"]))
def test_whatever_the_rules_nobody_gets_a_message_twice(
    document: rules.RuleDocument, recipients: list[str], sender: str
) -> None:
    own = rules.Rules(document)
    try:
        found = rules.deliveries(own, sender, recipients, CONTENT)
    except rules.InvalidRecipient:
        return
    everyone = [addresses.folded(to.address) for one in found for to in one.recipients]
    assert len(everyone) == len(set(everyone))
    wanted = {addresses.folded(to) for said in recipients for to in rules.targets(own, said)}
    assert set(everyone) == wanted


def followed(
    aliases: Mapping[str, tuple[str, ...]], targets: Iterable[str], *above: str
) -> Iterator[str]:
    """Follow every way there is."""
    for target in targets:
        key = addresses.folded(target)
        if key in aliases and key not in above:
            yield from followed(aliases, aliases[key], key, *above)
        else:
            yield target


@given(
    st.dictionaries(
        st.sampled_from("abcde"), st.lists(st.sampled_from("abcdeAxy"), max_size=4).map(tuple)
    ),
    st.sampled_from("abcdex"),
)
def test_aliases_lead_where_every_way_leads(
    given_aliases: dict[str, tuple[str, ...]], start: str
) -> None:
    every = {addresses.folded(one): one for one in [*followed(given_aliases, [start])][::-1]}
    found = aliases.Aliases(given_aliases).expanded([start])
    assert {addresses.folded(one): one for one in found} == every
    assert len(found) == len(every)


def test_many_ways_to_the_same_addresses_take_no_longer() -> None:
    layers = {f"a{n}": (f"a{n + 1}", f"b{n + 1}") for n in range(90)}
    layers |= {f"b{n}": (f"b{n + 1}", f"a{n + 1}") for n in range(90)}
    assert aliases.Aliases(layers).expanded(["a0"]) == ["a90", "b90"]


@given(st.text())
def test_no_path_carries_a_line_end(text: str) -> None:
    found = addresses.parse_path(text)
    if found is not None:
        assert not set(found[0]) & set("\r\n\0")
        assert not found[0] or addresses.is_address(found[0])


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("<a@b.c>", ("a@b.c", "")),
        ("<>", ("", "")),
        ("a@b.c SIZE=1", ("a@b.c", "SIZE=1")),
        ("<@x.org,@y.org:a@b.c> X", ("a@b.c", "X")),
        ('<"a b@c"@d.e>', ('"a b@c"@d.e', "")),
        ('<"a.b@c"@d.e>', ('"a.b@c"@d.e', "")),
        ("<a@[192.0.2.1]>", ("a@[192.0.2.1]", "")),
        ("<a@[IPv6:2001:db8::1]>", ("a@[IPv6:2001:db8::1]", "")),
        ("<Postmaster>", ("Postmaster", "")),
        ("<jürgen@exämple.com>", ("jürgen@exämple.com", "")),
        ("<a@b.c", None),
        ("a b@c", ("a", "b@c")),
        ("<a@b\udc80>", None),
        ("", None),
    ],
)
def test_paths(text: str, path: tuple[str, str] | None) -> None:
    assert addresses.parse_path(text) == path

"""Write the tables of diagnoses into relay-check.md and mail-does-not-arrive.md, from kinds.py."""

from __future__ import annotations

import collections
import pathlib
import re
import sys
from typing import TYPE_CHECKING

DOCS = pathlib.Path(__file__).parents[1]
sys.path.insert(0, str(DOCS.parent / "src"))

from relay_check.kinds import Kind  # noqa: E402 - from the charm's sources
from relay_check.words import auth, mail, tls, token, way  # noqa: E402 - as above

if TYPE_CHECKING:
    from collections.abc import Iterable

PAGES = (DOCS / "reference/relay-check.md", DOCS / "how-to/mail-does-not-arrive.md")
ROOMS = {"way": way, "tls": tls, "token": token, "auth": auth, "mail": mail}
# What a page says where a report says what it found.
FIELDS = collections.defaultdict(
    str,
    alert="what the alert means",
    auth_type="none",
    days="a few",
    ehlo_name="which the report shows",
    fails="another",
    host="`host`",
    issuer="the CA that is shown",
    limit="the given",
    names="the names that are shown",
    not_after="the date that is shown",
    not_before="the date that is shown",
    offered="what is listed",
    port="`port`",
    recipient="the recipient",
    security="none or starttls",
    sender="the sender",
    stage="that is named",
    trust="This machine, or tls_ca_chain,",
    usable="PLAIN, LOGIN or CRAM-MD5",
    works="One address",
)


def write(page: str) -> str:
    """Return a page with its tables written anew: each stands after a comment that names it."""
    for name, table in {"kinds": codes(), **{room: words(room) for room in ROOMS}}.items():
        block = rf"(<!-- table: {name} -->\n\n)(?:\|[^\n]*\n)*"
        page = re.sub(block, lambda match, table=table: match[1] + table, page)
    return page


def codes() -> str:
    """Return all kinds, for programs."""
    rows = ((f"`{k.code}`", str(k.exit_code), "warning" if k.is_warning else "") for k in Kind)
    return _table(("kind", "exit code", ""), rows)


def words(room: str) -> str:
    """Return the words of a room's kinds, for people."""
    names = vars(ROOMS[room])
    kinds = (kind for kind in Kind if names.get(kind.name) is kind.value)
    rows = ((kind.title, _sentence(kind), kind.remedy.format_map(FIELDS)) for kind in kinds)
    return _table(("you read", "what it means", "what to do"), rows)


def _sentence(kind: Kind) -> str:
    sentence = kind.sentence.format_map(FIELDS)
    return f"A warning: {sentence}" if kind.is_warning else sentence


def _table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [heads, ("---",) * len(heads), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


if __name__ == "__main__":
    for path in PAGES:
        path.write_text(write(path.read_text()))

from __future__ import annotations

import sys

import pytest

import hostname

SAME_IN_BOTH = [
    ("smtp.example.com", "smtp.example.com"),
    ("smtp.example.com.", "smtp.example.com"),
    ("SMTP.Example.com", "SMTP.Example.com"),
    ("192.0.2.25", "192.0.2.25"),
    ("2001:db8::25", "2001:db8::25"),
    ("_smtp.example.com", "_smtp.example.com"),
    ("bücher.example", "xn--bcher-kva.example"),
    ("BÜCHER.example", "xn--bcher-kva.example"),
    ("bücher.example.", "xn--bcher-kva.example"),
    ("bücher。example。", "xn--bcher-kva.example"),
    ("_smtp.bücher.example", "_smtp.xn--bcher-kva.example"),
    ("xn--strae-oqa.example", "xn--strae-oqa.example"),
    ("почта.example", "xn--80a1acny.example"),
    ("メール.example", "xn--4dkua4c.example"),
]
DEVIATING = [
    ("straße.example", "xn--strae-oqa.example"),
    ("STRAẞE.example", "xn--strae-oqa.example"),
    ("βόλος.example", "xn--nxasmm1c.example"),
    ("\u0646\u0627\u0645\u0647\u200c\u0627\u06cc.example", "xn--mgba3gch31f060k.example"),
]
# What one standard maps and another leaves alone, each beside ASCII letters.
OTHERWISE = ["a\u13a0b.example", "a\u10fcb.example", "a\u115fb.example"]
IMPOSSIBLE = ["bücher..example", "ü" * 64 + ".example", "\ud800.example"]


@pytest.fixture
def without_idna(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "idna", None)


@pytest.mark.parametrize(("name", "ascii_name"), SAME_IN_BOTH + DEVIATING)
def test_a_name_is_mapped_as_browsers_map_it(name: str, ascii_name: str) -> None:
    assert hostname.to_ascii(name) == ascii_name


@pytest.mark.usefixtures("without_idna")
@pytest.mark.parametrize(("name", "ascii_name"), SAME_IN_BOTH)
def test_without_idna_a_name_is_mapped_where_the_standards_agree(
    name: str, ascii_name: str
) -> None:
    assert hostname.to_ascii(name) == ascii_name


@pytest.mark.usefixtures("without_idna")
@pytest.mark.parametrize("name", [*(name for name, _ in DEVIATING), *OTHERWISE])
def test_without_idna_no_name_leads_to_another_owners_host(name: str) -> None:
    with pytest.raises(ValueError, match="install the package idna"):
        hostname.to_ascii(name)


@pytest.mark.parametrize("name", [*IMPOSSIBLE, "☃.example", "-ü.example"])
def test_what_can_be_no_name_is_refused_unquoted(name: str) -> None:
    with pytest.raises(ValueError, match=r"^has characters that no host name has$") as e:
        hostname.to_ascii(name)
    assert e.value.__suppress_context__


@pytest.mark.usefixtures("without_idna")
@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_without_idna_what_can_be_no_name_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"^has characters that no host name has$"):
        hostname.to_ascii(name)

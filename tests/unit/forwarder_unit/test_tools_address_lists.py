import pytest

from forwarder.tools import address_lists, failures


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a@example.com", ["a@example.com"]),
        ("root", ["root"]),
        ("root, joe", ["root", "joe"]),
        ("Ann <a@example.com>, b@example.org,", ["a@example.com", "b@example.org"]),
        ('"Ann, of B" <a@example.com>', ["a@example.com"]),
        ('"Support <24/7>" <a@example.com>', ["a@example.com"]),
        ('<"a<b"@example.com>', ['"a<b"@example.com']),
        ("<a@example.com> <b@example.com>", None),
        ("Ann <x@y>@ <a@example.com>", None),
        ("ann@home <a@example.com>", ["a@example.com"]),
        ("a@example.com (Ann, of B)", ["a@example.com"]),
        ("Jean\N{NO-BREAK SPACE}Dupont <a@example.com>", ["a@example.com"]),
        ("a\N{NO-BREAK SPACE}b@example.com", None),
        ("a\N{ZERO WIDTH SPACE}b@example.com", None),
        ("undisclosed-recipients:;", []),
        ("board: a@example.com, b@example.com;, c@example.com", ["a@", "b@", "c@"]),
        ('"a b"@example.com', ['"a b"@example.com']),
        ("a@[192.0.2.1]", ["a@[192.0.2.1]"]),
        ("a@[IPv6:2001:db8::1]", ["a@[IPv6:2001:db8::1]"]),
        ("jörg@exämple.com", ["jörg@exämple.com"]),
        ("", []),
        ("not an address", None),
        ("a b@example.com", None),
        ("a@example.com b@example.com", None),
        ("a@b@example.com", None),
        ("<a@example.com", None),
        ("<a@example.com> x", None),
        ("a@", None),
        ('"a@example.com', None),
        ("a@example.com\nRCPT TO:<b@example.com>", None),
        ("a@example.com\0", None),
    ],
)
def test_split(text: str, found: list[str] | None) -> None:
    if found is None:
        with pytest.raises(failures.DataError, match="not an address"):
            address_lists.split(text)
    else:
        expected = [f"{one}example.com" if one.endswith("@") else one for one in found]
        assert address_lists.split(text) == expected


def test_an_error_shows_what_is_wrong_without_its_control_characters() -> None:
    with pytest.raises(failures.DataError) as error:
        address_lists.split("a\x1b[31m@example.com")
    assert str(error.value) == r"not an address: 'a\x1b[31m@example.com'"

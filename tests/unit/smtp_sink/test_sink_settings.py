import datetime as dt
import json
import pathlib
import ssl
from typing import Any

import pytest

from smtp_sink import settings, state
from unit_service import certificates

NO_ADDRESS = (
    "bind-address: must be an IP address; use 127.0.0.1, 0.0.0.0 or an address of this machine"
)
NO_URL = "introspection-url: must be a URL that begins with https://"
NO_CA = (
    "introspection-ca: must be certificates; run 'juju config APPLICATION introspection-ca=@FILE' "
    "with PEM in the file"
)
URL = "https://id.example.com/introspect"
SECRETS = {"secret:good": {"password": "from-secret"}}
CREDENTIALS: dict[str, list[dict[str, Any]]] = json.loads(
    (pathlib.Path(__file__).parents[2] / "data/credentials.json").read_text()
)


def read_secret(secret_id: str) -> dict[str, str]:
    if secret_id not in SECRETS:
        raise settings.InvalidSettingsError("password-secret: not found")
    return SECRETS[secret_id]


def parse(**options: str | int) -> settings.Settings:
    return settings.parse(
        {name.replace("_", "-"): value for name, value in options.items()}, read_secret
    )


def test_defaults() -> None:
    assert parse() == settings.Settings(
        bind_address="127.0.0.1", ports={"plain": 0, "starttls": 0, "tls": 0}
    )


def test_an_empty_string_is_unset() -> None:
    assert parse(bind_address="", user="", password="", password_secret="") == parse()


def test_everything_set() -> None:
    assert parse(
        bind_address="0:0:0:0:0:0:0:1",
        plain_port=2525,
        starttls_port=2587,
        tls_port=2465,
        user="user",
        password="password",
    ) == settings.Settings(
        bind_address="::1",
        ports={"plain": 2525, "starttls": 2587, "tls": 2465},
        user="user",
        password="password",
    )


def test_a_user_needs_no_password_where_tokens_are_taken_or_passwords_refused() -> None:
    assert parse(user="user", introspection_url=f"{URL}\n").introspection_url == URL
    assert parse(user="user", refuse_passwords=True).refuse_passwords


@pytest.mark.parametrize("around", ["# für Prüfungen\n", "\ufeff", "\ud800\n"])
def test_a_ca_may_have_any_words_around_it(tmp_path: pathlib.Path, around: str) -> None:
    pem = certificates.ensure_authority(tmp_path / "ca", "CA", dt.datetime.now(dt.timezone.utc))
    ca = parse(user="u", introspection_url=URL, introspection_ca=around + pem).introspection_ca
    assert ssl.create_default_context(cadata=ca).get_ca_certs()


def test_a_wrong_user_is_told_of_once() -> None:
    with pytest.raises(settings.InvalidSettingsError) as error:
        parse(user="a\nb", introspection_url=URL, refuse_passwords=True)
    assert [problem.partition(":")[0] for problem in error.value.problems] == ["user"]


def test_the_secret_wins() -> None:
    parsed = parse(user="user", password="from-option", password_secret="secret:good")
    assert parsed.password == "from-secret"


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (
            {"bind_address": "s3cret"},
            NO_ADDRESS,
        ),
        (
            {"bind_address": "fe80::1%eth0"},
            NO_ADDRESS,
        ),
        ({"plain_port": 65536}, "plain-port: 65536 is not between 0 and 65535"),
        ({"starttls_port": -1}, "starttls-port: -1 is not between 0 and 65535"),
        (
            {"plain_port": 2525, "tls_port": 2525},
            "tls-port: 2525 is the plain-port; choose another port or 0",
        ),
        (
            {"user": "s3cret"},
            "user: has no password; set password-secret or password too, or reset user",
        ),
        ({"password": "s3cret"}, "password: has no user; set user too, or reset password"),
        (
            {"password_secret": "secret:good"},
            "password-secret: has no user; set user too, or reset password-secret",
        ),
        (
            {"user": "user", "password": "s3cret", "password_secret": "secret:bad"},
            "password-secret: not found",
        ),
        (
            {"refuse_passwords": True},
            "refuse-passwords: has no user; set user too, or reset refuse-passwords",
        ),
        (
            {"introspection_url": URL},
            "introspection-url: has no user; set user too, or reset it",
        ),
        *(
            ({"user": "user", "introspection_url": url}, NO_URL)
            for url in (
                "s3cret",
                "http://id.example.com/s3cret",
                "https://",
                "https://user:s3cret@id.example.com/",
                "https://id.example.com:0/",
                "https://id.example.com:s3cret/",
                "https://[s3cret/",
                "https://id.example.com/s3cret token",
            )
        ),
        (
            {"user": "user", "password": "p", "introspection_ca": "s3cret"},
            "introspection-ca: has no introspection-url; set it too, or reset this",
        ),
        *(
            ({"user": "user", "introspection_url": URL, "introspection_ca": ca}, NO_CA)
            for ca in ("s3cret", "s3crét")
        ),
    ],
)
def test_problems(options: dict[str, str | int], problem: str) -> None:
    with pytest.raises(settings.InvalidSettingsError) as error:
        parse(**options)
    assert str(error.value) == problem
    assert "s3cret" not in str(error.value)


def test_all_problems_in_the_order_of_the_options() -> None:
    with pytest.raises(settings.InvalidSettingsError) as error:
        parse(
            password_secret="secret:bad",
            password="password",
            tls_port=-3,
            starttls_port=-2,
            plain_port=-1,
            bind_address="x",
        )
    assert [problem.partition(":")[0] for problem in error.value.problems] == [
        "bind-address",
        "plain-port",
        "starttls-port",
        "tls-port",
        "password",
        "password-secret",
        "password-secret",
    ]


def from_secret(**content: str) -> settings.Settings:
    return settings.parse({"user": "user", "password-secret": "secret:any"}, lambda _: content)


def notes(option: str, case: dict[str, Any]) -> tuple[str, ...]:
    what = (
        "blanks, newlines or a byte order mark around it"
        if option == "user"
        else "newlines at its end or a byte order mark"
    )
    kept = f"{option}: blanks around it or several lines belong to the password"
    return (f"{option}: {what} are left out",) * case["dropped"] + (kept,) * case["doubtful"]


def test_a_password_is_cleaned_by_one_rule_wherever_it_comes_from() -> None:
    for case in CREDENTIALS["password"]:
        option, secret = (
            parse(user="user", password=case["entered"]),
            from_secret(password=case["entered"]),
        )
        assert option.password == secret.password == case["meant"], case
        assert option.notes == notes("password", case), case
        assert secret.notes == notes("password-secret", case), case


def test_a_user_is_cleaned() -> None:
    for case in CREDENTIALS["user"]:
        parsed = parse(user=case["entered"], password="p")
        assert (parsed.user, parsed.notes) == (case["meant"], notes("user", case)), case


@pytest.mark.parametrize("user", ["a\nb", "a\0b"])
def test_a_user_that_nobody_logs_in_as_is_wrong(user: str) -> None:
    with pytest.raises(settings.InvalidSettingsError) as error:
        parse(user=user, password="p")
    assert error.value.problems == (
        "user: has a newline or a NUL in it; set the user alone, as UTF-8",
    )


def test_a_password_that_nobody_logs_in_with_is_wrong() -> None:
    wrong = "the password has a NUL in it, as in a file of UTF-16; save it as UTF-8"
    with pytest.raises(settings.InvalidSettingsError, match=f"^password: {wrong}$"):
        parse(user="user", password="s\x003")
    with pytest.raises(settings.InvalidSettingsError, match=f"^password-secret: {wrong}$"):
        from_secret(password="s\x003")


def test_what_was_not_utf_8_is_wrong() -> None:
    """Juju hands U+FFFD to the charm in the place of each such byte."""
    password = b"p\xe4ss".decode(errors="replace")
    wrong = "the password had bytes in it that are not UTF-8, as in a file of Latin-1"
    with pytest.raises(settings.InvalidSettingsError, match=f"^password: {wrong}; save it as"):
        parse(user="user", password=password)
    with pytest.raises(settings.InvalidSettingsError, match=f"^password-secret: {wrong}; save it"):
        from_secret(password=password)
    with pytest.raises(
        settings.InvalidSettingsError, match=r"^user: had bytes in it that are not"
    ):
        parse(user=password, password="p")


def test_nothing_but_what_is_left_out_is_unset() -> None:
    assert parse(user="\n", password="").user == ""
    with pytest.raises(settings.InvalidSettingsError, match="user: has no password"):
        parse(user="user", password="\n")


@pytest.mark.parametrize("content", [{}, {"passwort": "s3cret"}, {"password": "\n"}])
def test_a_secret_without_password(content: dict[str, str]) -> None:
    with pytest.raises(settings.InvalidSettingsError) as error:
        from_secret(**content)
    assert str(error.value) == (
        "password-secret: the secret has no key 'password'; "
        "run 'juju update-secret NAME password#file=FILE'"
    )


@pytest.mark.parametrize("entered", ["s3cret", "secret:s3cret", "secret://s3cret/x"])
@pytest.mark.parametrize("words", ["ERROR {} not valid", "permission denied for {}"])
def test_what_is_entered_in_the_place_of_an_id_is_not_shown(entered: str, words: str) -> None:
    told = str(settings.refused(words.format(entered), entered, "sink"))
    assert told.startswith("password-secret: ")
    assert "run 'juju grant-secret ID sink'" in told
    assert "s3cret" not in told


@pytest.mark.parametrize("before", ["", "secret:", "secret://model/"])
def test_an_id_is_shown_alone(before: str) -> None:
    told = str(settings.refused("permission denied", f"{before}d8vs2gr3rq7s73b1kfog", "sink"))
    assert "not granted; run 'juju grant-secret d8vs2gr3rq7s73b1kfog sink'," in told


def test_no_repr_shows_the_password() -> None:
    parsed = parse(user="user", password="s3cret")
    config = state.ServerConfig(
        bind_address="::1", ports={}, certificate="", certificate_serial="", password="s3cret"
    )
    assert "s3cret" not in repr(parsed) + repr(config)

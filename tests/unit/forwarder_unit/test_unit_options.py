import pathlib

import pytest
import yaml

from forwarder_unit import options, rule_texts

ROOT = pathlib.Path(__file__).parents[3] / "charms/smtp-forwarder"
DEFAULTS = {
    name: option["default"]
    for name, option in yaml.safe_load((ROOT / "config.yaml").read_text())["options"].items()
    if "default" in option
}


def check_nothing(_: str) -> list[str]:
    return []


def test_the_defaults_are_those_of_the_charm() -> None:
    assert options.parse(DEFAULTS, check_nothing) == options.Settings()
    assert options.parse({}, check_nothing) == options.Settings()


def test_lists_are_taken_apart() -> None:
    given = {"listen": " 192.0.2.1, 2001:db8::1,", "allowed_networks": "192.0.2.0/24,10.0.0.1"}
    parsed = options.parse(given, check_nothing)
    assert parsed.listen == ("192.0.2.1", "2001:db8::1")
    assert parsed.allowed_networks == ("192.0.2.0/24", "10.0.0.1")


def test_an_address_is_listened_on_once_however_it_is_spelled() -> None:
    given = {"listen": "0:0::0:1, ::1, 0::0, 192.0.2.1, 192.0.2.1"}
    assert options.parse(given, check_nothing).listen == ("::1", "::", "192.0.2.1")


NETWORKS = "allowed_networks: must be networks such as 192.0.2.0/24, separated by commas"
LISTEN = (
    "listen: must be IP addresses of this machine, separated by commas; "
    "the port is an option of its own"
)


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("administrator", "joe", "administrator: must be one address, such as root@example.com"),
        (
            "administrator",
            "a@x.com, b@x.com",
            "administrator: must be one address, such as root@example.com",
        ),
        # What the forwarder itself would refuse.
        (
            "administrator",
            "root@example.com:25",
            "administrator: must be one address, such as root@example.com",
        ),
        ("allowed_networks", "192.0.2.0/33", NETWORKS),
        ("allowed_networks", "192.0.2.1/24", NETWORKS),
        ("listen", "127.0.0.1:25", LISTEN),
        ("listen", "fe80::1%eth0", LISTEN),
        ("listen", "localhost", LISTEN),
        ("port", 65536, "port: 65536 is not between 0 and 65535"),
        ("port", -1, "port: -1 is not between 0 and 65535"),
        ("metrics_port", 70000, "metrics_port: 70000 is not between 0 and 65535"),
        ("when_unconfigured", "drop", "when_unconfigured: must be queue or refuse"),
        ("wait_seconds", 0, "wait_seconds: 0 is below 1; set a number from 1 on"),
        ("max_recipients", -5, "max_recipients: -5 is below 1; set a number from 1 on"),
    ],
)
def test_what_is_wrong_is_named(name: str, value: str | int, problem: str) -> None:
    with pytest.raises(options.InvalidOptionsError) as error:
        options.parse({**DEFAULTS, name: value}, check_nothing)
    assert error.value.problems == (problem,)
    assert str(value) not in problem or isinstance(value, int)


def test_every_problem_is_told_in_the_order_of_the_options() -> None:
    wrong = {"when_unconfigured": "x", "port": -1, "expire_days": 0, "administrator": "x"}
    with pytest.raises(options.InvalidOptionsError) as error:
        options.parse(wrong, check_nothing)
    names = [problem.partition(":")[0] for problem in error.value.problems]
    assert names == sorted(wrong)


def test_rules_are_checked_unless_they_are_in_force(tmp_path: pathlib.Path) -> None:
    in_force = tmp_path / "rules.yaml"
    wrong = "domains: [example.com]\nothers: perhaps\n"

    def check(text: str) -> list[str]:
        return rule_texts.problems(text, in_force)

    with pytest.raises(options.InvalidOptionsError, match=r"^rules: line 2: others: "):
        options.parse({"rules": wrong}, check)
    assert options.parse({"rules": "others: refuse"}, check).rules == "others: refuse"
    in_force.write_text(wrong)
    assert options.parse({"rules": wrong}, check).rules == wrong

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from forwarder_running import PYTHON_PATH

from forwarder import configuration, program
from unit_service import certificates, files

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Mapping

MINIMAL = "queue: queue\nlisten: ['127.0.0.1:0']\n"


def write(tmp_path: pathlib.Path, text: str, mode: int = 0o600) -> pathlib.Path:
    path = tmp_path / "forwarder.yaml"
    path.write_text(text)
    path.chmod(mode)
    return path


def problems(tmp_path: pathlib.Path, text: str) -> list[str]:
    path = write(tmp_path, text)
    with pytest.raises(configuration.ConfigurationError) as raised:
        configuration.load(path)
    return [problem.removeprefix(f"{path}:") for problem in raised.value.problems]


def test_the_smallest_configuration(tmp_path: pathlib.Path) -> None:
    settings = configuration.load(write(tmp_path, MINIMAL))
    assert settings.queue == tmp_path / "queue"
    assert settings.listen == (("127.0.0.1", 0),)
    assert settings.upstream is None
    assert settings.limits == configuration.Limits()


def test_json_is_yaml(tmp_path: pathlib.Path) -> None:
    text = json.dumps({"queue": "/q", "listen": ["[::1]:25"], "upstream": {"host": "mx"}})
    settings = configuration.load(write(tmp_path, text))
    assert settings.listen == (("::1", 25),)
    assert settings.upstream == configuration.Upstream(host="mx")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("lisen: [a]\n", "3: lisen: unknown; use one of queue, listen, "),
        ("limits:\n  message_size: big\n", "4: limits.message_size: write a whole number"),
        ("limits: {recipients: 0}\n", "3: limits.recipients: write at least 1"),
        ("wait_seconds: 0\n", "3: wait_seconds: write more than 0"),
        ("allowed_networks:\n- 10.0.0.0/8\n- x\n", "5: allowed_networks[1]: write a network"),
        ("upstream: {port: 70000, host: a}\n", "3: upstream.port: write at most 65535"),
        ("upstream: {port: 25}\n", "3: upstream.host: is missing"),
        ("upstream:\n  host: a\n  password: 1\n", "5: upstream.password: write text"),
        ("when_unconfigured: no\n", "3: when_unconfigured: write one of queue, refuse"),
        ("queue: other\n", "3: queue: this key stands there already; write it once"),
        ("metrics: '0.0.0.0:1'\n", "3: metrics: write a loopback address"),
        ("clients: {a: {password: ''}}\n", "3: clients.a.password: must not be empty"),
        ("hostname: [\n", "4: this is not YAML: "),
        ("- a\n", "3: this is not YAML: "),
    ],
)
def test_an_error_names_line_key_and_remedy(
    tmp_path: pathlib.Path, text: str, problem: str
) -> None:
    assert problems(tmp_path, MINIMAL + text)[0].startswith(problem)


OAUTH = "{token-url: 'https://id.example.com/t', client-id: mailer, client-secret: hunter2}"


@pytest.mark.parametrize(
    ("upstream", "problem"),
    [
        (f"oauth: {OAUTH}", "3: upstream.user: name the mailbox, for oauth"),
        (
            f"user: ada\n  password: hunter2\n  oauth: {OAUTH}",
            "5: upstream.password: keep it or oauth, not both",
        ),
        (
            "user: ada\n  oauth: {token-url: 'https://a/t', client-secret: hunter2}",
            "5: upstream.oauth: key client-id is missing: ",
        ),
        ("user: ada\n  oauth: {client-id: 1}", "5: upstream.oauth.client-id: write text"),
    ],
)
def test_what_oauth_needs(tmp_path: pathlib.Path, upstream: str, problem: str) -> None:
    text = f"upstream:\n  {upstream}\n  host: mx\n"
    [found] = problems(tmp_path, MINIMAL + text)
    assert found.startswith(problem)
    assert "hunter2" not in found


def test_a_grant_is_read_and_kept_from_others(tmp_path: pathlib.Path) -> None:
    text = f"{MINIMAL}upstream: {{host: mx, user: ada, oauth: {OAUTH}}}\n"
    path = write(tmp_path, text)
    upstream = configuration.load(path).upstream
    assert upstream is not None
    assert upstream.oauth is not None
    assert upstream.oauth.client_secret == "hunter2"
    assert "hunter2" not in repr(upstream)
    path.chmod(0o640)
    with pytest.raises(configuration.ConfigurationError, match="chmod 600"):
        configuration.load(path)


def test_a_list_is_no_configuration(tmp_path: pathlib.Path) -> None:
    assert problems(tmp_path, "- a\n") == ["1: write a mapping"]


def test_all_errors_are_told_in_their_order(tmp_path: pathlib.Path) -> None:
    text = "limits: {connections: x}\nlisten: []\nhostname: 'a b'\n"
    assert problems(tmp_path, text) == [
        "1: limits.connections: write a whole number",
        "1: queue: is missing",
        "2: listen: name at least 1",
        "3: hostname: write a domain such as example.com",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "upstream: {host: mx, password: [hunter2]}\n",
        "upstream: {host: mx, passphrase: hunter2}\n",
        "upstream: {host: mx, port: hunter2}\n",
        "clients: {a: hunter2}\n",
        "hunter2\n",
        "upstream: {host: mx, transport_security: hunter2}\n",
        "upstream: {host: mx, user: ada, oauth: {token-url: hunter2, client-secret: hunter2}}\n",
        "upstream: {host: mx, user: ada, oauth: {client-secret: [hunter2]}}\n",
        "upstream: {host: mx, user: ada, oauth: hunter2}\n",
    ],
)
def test_a_rejected_value_is_not_repeated(tmp_path: pathlib.Path, text: str) -> None:
    assert "hunter2" not in "".join(problems(tmp_path, MINIMAL + text))


def test_a_password_is_not_shown(tmp_path: pathlib.Path) -> None:
    text = "upstream: {host: mx, password: hunter2}\nclients: {a: {password: hunter3}}\n"
    settings = configuration.load(write(tmp_path, MINIMAL + text))
    assert "hunter" not in repr(settings)


@pytest.mark.parametrize(
    "text", ["upstream: {host: mx, password: p}\n", "clients: {a: {password: p}}\n"]
)
def test_passwords_that_others_may_read_are_refused(tmp_path: pathlib.Path, text: str) -> None:
    path = write(tmp_path, MINIMAL + text, 0o640)
    with pytest.raises(configuration.ConfigurationError, match="chmod 600"):
        configuration.load(path)
    path.chmod(0o600)
    assert configuration.load(path)


def test_a_certificate_that_is_none_is_told(tmp_path: pathlib.Path) -> None:
    (tmp_path / "pem").write_text("no certificate")
    text = "tls:\n  certificate: pem\n  key: pem\n"
    assert problems(tmp_path, MINIMAL + text)[0].startswith("3: tls: the certificate cannot be")
    assert problems(tmp_path, MINIMAL + text.replace("pem", "none"))[0].startswith("3: tls: the c")


def _aliases(aliases: Mapping[str, list[str]]) -> str:
    return yaml.safe_dump({"aliases": aliases}, default_flow_style=None)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("aliases:\n  board@x.org: ada@x.org\n", "2: aliases.board@x.org: write a list"),
        ("aliases:\n  a@x.org: ['b c']\n", "2: aliases.a@x.org[0]: write an address"),
        ("aliases: {'a b': []}\n", "1: aliases: write an address"),
        ("lists: {l@x.org: {}}\n", "1: lists.l@x.org.to: is missing"),
        (
            "aliases: {a@x.org: [L@x.org]}\nlists:\n  l@x.org: {to: [b@x.org]}\n",
            "1: aliases.a@x.org[0]: is a list; name its members",
        ),
        (
            "aliases: {a@x.org: []}\nlists:\n  A@x.org: {to: [b@x.org]}\n",
            "3: lists.A@x.org: is an alias too; keep one of them",
        ),
        (
            'lists:\n  l@x.org: {to: [b@x.org],\n    subject_prefix: "a\\nBcc: x"}\n',
            "3: lists.l@x.org.subject_prefix: write one line of text",
        ),
        ("others: perhaps\n", "1: others: write one of pass, refuse"),
        ("sender: a b\n", "1: sender: write an address"),
        (
            "others: pass\ndomains: [2024-13-45]\n",
            "2: domains[0]: there is no such date or number",
        ),
        ("sender: !!int x\n", "1: sender: there is no such date or number; put text in quotes"),
        ("2024-02-30: x\n", "1: 2024-02-30: there is no such date or number"),
        ("aliases: {1.5: [1]}\n", "1: aliases: write text"),
        ("lists: {2024-01-01: {to: 3}}\n", "1: lists: write text"),
        (_aliases({f"a{n}": [f"a{n + 1}"] for n in range(102)}), "2: aliases.a0: stands for alia"),
        (
            _aliases({a: [*"abcdefgh"] for a in "abcdefgh"}),
            "2: aliases.a: stands for aliases in too",
        ),
        (
            _aliases({a: [*"abcdefg"] for a in "abcdefg"}) + "lists: {l: {to: [a,b,c,d,e,f,g]}}",
            "9: lists.l.to: stands for aliases in too many ways; name the addresses them",
        ),
        ("domains: &all [*all]\n", "1: this is nested too deep"),
        (f"domains: {'[' * 2000}\n", "1: this is nested too deep"),
    ],
)
def test_an_error_in_the_rules_names_their_line(
    tmp_path: pathlib.Path, text: str, problem: str
) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(text)
    with pytest.raises(configuration.ConfigurationError) as raised:
        configuration.load_rules(path)
    assert raised.value.problems[0].startswith(f"{path}:{problem}")


def test_rules_may_name_what_they_say_twice(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text("aliases:\n  a@x.org: &all [b@x.org]\n  c@x.org: *all\n")
    assert configuration.load_rules(path).translate_recipient("c@x.org") == ["b@x.org"]


def test_empty_rules_are_none(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text("# nothing yet\n")
    assert configuration.load_rules(path).translate_recipient("a@b.c") == ["a@b.c"]


def test_the_digest_changes_with_each_file(tmp_path: pathlib.Path) -> None:
    path = write(tmp_path, MINIMAL + "rules: rules.yaml\n")
    (tmp_path / "rules.yaml").write_text("")
    first = configuration.digest(path)
    assert configuration.load(path).digest == first
    (tmp_path / "rules.yaml").write_text("sender: a@b.c\n")
    second = configuration.digest(path)
    path.write_text(path.read_text() + "wait_seconds: 3\n")
    assert len({first, second, configuration.digest(path)}) == 3


def run(*arguments: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "forwarder", *map(str, arguments)],
        env={"PYTHONPATH": PYTHON_PATH, "PATH": os.defpath},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_command_checks_files(tmp_path: pathlib.Path) -> None:
    path = write(tmp_path, MINIMAL + "rules: rules.yaml\n")
    (tmp_path / "rules.yaml").write_text("sender: a b\n")
    checked = run("--config", path, "--check")
    assert checked.returncode == 78
    wanted = f"{tmp_path}/rules.yaml:1: sender: write an address such as ada@example.com\n"
    assert checked.stderr == wanted
    (tmp_path / "rules.yaml").write_text("sender: a@b.c\n")
    assert run("--config", path, "--check").returncode == 0
    assert not (tmp_path / "queue").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--listen", "127.0.0.1:0"],
        ["--listen", "nowhere", "--relay", "a:25", "--check"],
        ["--config", "x", "--relay", "a:25"],
        ["--unknown"],
    ],
)
def test_a_wrong_command_line_is_told(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        program.main(arguments)
    assert ended.value.code == 64
    assert "error: " in capsys.readouterr().err


def test_a_certificate_and_its_key_may_be_one_file(tmp_path: pathlib.Path) -> None:
    import datetime as dt  # noqa: PLC0415

    now = dt.datetime.now(dt.timezone.utc)
    made = certificates.ensure_server(tmp_path / "ca", "Test CA", {"localhost"}, now)
    files.write(tmp_path / "pem", made.path.read_text())
    text = "tls: {certificate: pem, key: pem}\n"
    assert configuration.load(write(tmp_path, MINIMAL + text)).tls is not None

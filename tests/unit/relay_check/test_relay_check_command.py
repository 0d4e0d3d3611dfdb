"""The command, as an operator runs it on a laptop."""

from __future__ import annotations

import json
import os
import pathlib
import runpy
import shutil
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import checking
import pytest
from checking import AUTH, PASSWORD, Result, at, run
from scripted_relay import SILENCE, Behaviour, ScriptedRelay

import relay_check

if TYPE_CHECKING:
    from tests import token_endpoint

ROOT = pathlib.Path(__file__).parents[3]
COMMAND, DOCS = ROOT / "build/relay-check.pyz", ROOT / "docs"


@pytest.fixture(scope="module", autouse=True)
def built() -> None:
    """Build the command as one file, as an operator does."""
    subprocess.run(["make", "relay-check", f"PYTHON={sys.executable}"], cwd=ROOT, check=True)


def run_process(*arguments: str, text: str = "") -> Result:
    """Run with the standard library alone, and with every warning as an error."""
    finished = subprocess.run(
        [sys.executable, "-I", "-S", "-W", "error", str(COMMAND), *arguments],
        input=text,
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": os.defpath},
    )
    return Result(finished.returncode, finished.stdout, finished.stderr)


def run_redirected(redirected: str, *arguments: str) -> Result:
    """Run with streams redirected as a shell writes it."""
    shell = ["sh", "-c", f'exec "$@" {redirected}', "sh"]
    finished = subprocess.run(
        [*shell, sys.executable, "-I", str(COMMAND), *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    return Result(finished.returncode, finished.stdout, finished.stderr)


@pytest.fixture
def password_file(tmp_path: pathlib.Path) -> str:
    path = tmp_path / "password"
    path.write_text(f"{PASSWORD}\n")
    return str(path)


def test_one_file_runs_in_an_empty_folder(tmp_path: pathlib.Path) -> None:
    shutil.copy(COMMAND, tmp_path)
    with ScriptedRelay() as relay:
        finished = subprocess.run(
            [sys.executable, "-I", COMMAND.name, *at(relay)],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )

    assert finished.stdout.endswith("\nThe relay works.\n"), finished.stderr
    assert list(tmp_path.iterdir()) == [tmp_path / COMMAND.name]


def test_ctrl_c_ends_it_without_a_traceback() -> None:
    with ScriptedRelay(Behaviour({"BANNER": SILENCE})) as relay:
        process = subprocess.Popen(
            [sys.executable, "-I", str(COMMAND), *at(relay), "--timeout", "600"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        with process:
            while not relay.conversations:
                time.sleep(0.05)
            process.send_signal(signal.SIGINT)
            stdout, stderr = process.communicate(timeout=60)

    assert (process.returncode, stdout, stderr) == (130, "", "")


@pytest.mark.parametrize(
    ("redirected", "reason"), [("> /dev/full", "No space left on device"), (">&-", "closed")]
)
def test_report_that_cannot_be_written(redirected: str, reason: str) -> None:
    with ScriptedRelay() as relay:
        finished = run_redirected(redirected, *at(relay))

    assert (finished.code, finished.stderr) == (74, f"standard output: {reason}\n")


def test_password_from_a_closed_standard_input() -> None:
    arguments = ("--host", "x", "--port", "25", "--user", "a", "--password-file", "-")
    finished = run_redirected("<&-", *arguments)

    assert finished.code == 64
    assert finished.stderr.endswith(" error: --password-file: the standard input is closed\n")


def test_address_beyond_ascii_is_printed_on_a_terminal_without_such_letters() -> None:
    with ScriptedRelay(Behaviour(capabilities=("SMTPUTF8",))) as relay:
        finished = subprocess.run(
            [sys.executable, str(COMMAND), *at(relay), "--sender", "bücher@example.com"],
            capture_output=True,
            check=False,
            env={"PATH": os.defpath, "PYTHONIOENCODING": "ascii:strict"},
        )

    assert finished.returncode == 0
    assert b"sender: <b\\xfccher@example.com>: 250" in finished.stdout
    assert finished.stderr == b""


def test_recipients_with_commas_are_several() -> None:
    with ScriptedRelay() as relay:
        run(*at(relay), "--recipient", "a@b.example, c@d.example,", "--recipient", "e@f.example")

    said = [c for c in relay.conversations[0].commands if c.startswith("RCPT")]
    assert said == [
        f"RCPT TO:<{address}@{domain}.example>" for address, domain in ("ab", "cd", "ef")
    ]


@pytest.mark.parametrize("security", ["--starttls", "--tls"])
def test_works(
    pki: checking.Pki, tmp_path: pathlib.Path, password_file: str, security: str
) -> None:
    ca_file = tmp_path / "ca.pem"
    ca_file.write_text(pki.root.pem)
    behaviour = Behaviour(
        capabilities=("STARTTLS", *AUTH), context=pki.good, tls=security == "--tls"
    )
    with ScriptedRelay(behaviour) as relay:
        result = run_process(
            *[*at(relay), security, "--ca-file", str(ca_file)],
            *["--user", "notifier", "--password-file", password_file],
            *["--sender", "app@example.com"],
            *["--recipient", "a@example.com", "--recipient", "b@example.com"],
            *["--timeout", "8"],
        )

    assert result.stderr == ""
    assert result.code == 0
    assert result.stdout.endswith("\nThe relay works.\n")
    assert "       chosen: PLAIN\n" in result.stdout
    assert "       recipient-2: <b@example.com>: 250 2.1.5 recipient ok\n" in result.stdout
    assert relay.verbs.count("RCPT") == 2


def test_report_for_programs() -> None:
    with ScriptedRelay(Behaviour({"MAIL": "550 5.7.1 not yours"})) as relay:
        result = run(*at(relay), "--sender", "app@example.com", "--json")

    report = json.loads(result.stdout)
    assert result.code == 65
    assert report["works"] is False
    assert report["summary"] == "sender refused: 550 5.7.1 not yours"
    assert report["kind"] == "sender-refused"
    assert report["exit-code"] == 65
    assert [stage["name"] for stage in report["stages"]] == [
        *["resolve", "connect", "banner", "ehlo", "tls", "auth", "envelope"]
    ]
    failed = report["stages"][-1]
    assert isinstance(failed.pop("duration-ms"), int)
    assert failed == {
        "name": "envelope",
        "outcome": "failed",
        "facts": {"sender": "<app@example.com>: 550 5.7.1 not yours"},
        "kind": "sender-refused",
        "summary": "sender refused: 550 5.7.1 not yours",
        "diagnosis": "The relay does not take mail from app@example.com.",
        "remedy": "Set smtp_sender to an address that this account may send from.",
    }


def test_report_for_a_person() -> None:
    with ScriptedRelay(Behaviour({"BANNER": "554 go away"})) as relay:
        result = run(*at(relay))

    assert result.stdout.splitlines()[-6:] == [
        "       banner: 554 go away",
        "       Failure: relay blocks this machine: 554 go away",
        "       The relay refuses connections from this machine's address.",
        f"       Remedy: {relay_check.Kind.BLOCKED.remedy}",
        "",
        "Failed: relay blocks this machine: 554 go away",
    ]


@pytest.mark.parametrize(
    ("behaviour", "arguments", "code"),
    [
        (Behaviour(), [], 0),
        (Behaviour({"MAIL": "451 greylisted"}), ["--sender", "a@b.example"], 0),
        (Behaviour({"MAIL": "451 later"}), ["--sender", "a@b.example"], 75),
        (Behaviour({"RCPT": "550 no"}), ["--recipient", "a@b.example"], 65),
        (Behaviour({"BANNER": "554 no"}), [], 69),
        (Behaviour({"BANNER": "421 busy"}), [], 75),
        (Behaviour({"EHLO": SILENCE}), ["--timeout", "0.4"], 75),
        (Behaviour(), ["--tls"], 76),
        (Behaviour(), ["--starttls"], 76),
        (Behaviour({"BANNER": "SSH-2.0"}), [], 76),
        (Behaviour({"MAIL": "530 no"}), ["--sender", "a@b.example"], 77),
    ],
)
def test_exit_codes(behaviour: Behaviour, arguments: list[str], code: int) -> None:
    with ScriptedRelay(behaviour) as relay:
        result = run(*at(relay), *arguments)

    assert result.stderr == ""
    assert result.code == code


def test_exit_codes_of_certificate_and_auth(pki: checking.Pki, password_file: str) -> None:
    behaviour = Behaviour({"AUTH": "535 no"}, AUTH, tls=True, context=pki.good)
    account = ["--user", "notifier", "--password-file", password_file]
    with ScriptedRelay(behaviour) as relay:
        certificate = run(*at(relay), "--tls", *account)
        auth = run(*at(relay), "--tls", "--skip-ssl-verify", *account)

    assert certificate.code == 69
    assert auth.code == 77
    assert "       verification: off, by skip_ssl_verify\n" in auth.stdout


def test_no_such_host() -> None:
    result = run("--host", "no such host..example", "--port", "25")

    assert result.code == 68


@pytest.mark.parametrize(
    "arguments",
    [
        ["--password", PASSWORD],
        [f"--password={PASSWORD}"],
        ["--passwort", PASSWORD],
        [PASSWORD],
        ["-p", PASSWORD],
        [f"--json={PASSWORD}"],
        [f"--timeout={PASSWORD}"],
        ["--port", PASSWORD],
        ["--user", PASSWORD],
        ["--tls", f"--starttls={PASSWORD}"],
        ["--user", "notifier", "--password-file", f"/nonexistent/{PASSWORD}"],
        ["--ca-file", f"/nonexistent/{PASSWORD}"],
        ["--sender", f"{PASSWORD} {PASSWORD}"],
    ],
)
def test_usage_errors_show_nothing_that_was_entered(arguments: list[str]) -> None:
    result = run("--host", "relay.test", "--port", "25", *arguments)

    assert result.code == 64
    assert result.stdout == ""
    assert PASSWORD not in result.stderr
    assert "error: " in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--password", "x"], "process lists show arguments: put the password into a file"),
        (["--user", "x"], "--user goes with --password-file or --oauth-file"),
        (["--password-file", "x"], "--user goes with --password-file or --oauth-file"),
        (["--oauth-file", "x"], "--user goes with --password-file or --oauth-file"),
        (["--redeem-refresh-token"], "--redeem-refresh-token goes with --oauth-file"),
        (["--oauth-file", "x", "--password-file", "x"], "not allowed with argument"),
        (["--user", "x", "--oauth-file", "/nonexistent"], "--oauth-file: No such file"),
        (["--port", "0"], "port: must be between 1 and 65535"),
        (["--timeout", "0"], "--timeout: must be more than 0 seconds"),
        (["--timeout", "nan"], "--timeout: must be more than 0 seconds"),
        (["--timeout", "x"], "argument --timeout: invalid float value"),
        (["--tls", "--starttls"], "not allowed with argument"),
        (["--user", "x", "--password-file", "/nonexistent"], "--password-file: No such file"),
        (["--ca-file", "/nonexistent"], "--ca-file: No such file"),
        (["x"], "there are arguments that it does not know"),
    ],
)
def test_usage_errors(arguments: list[str], message: str) -> None:
    result = run("--host", "relay.test", "--port", "25", *arguments)

    assert result.code == 64
    assert message in result.stderr


@pytest.mark.parametrize("missing", ["--host", "--port"])
def test_what_is_required(missing: str) -> None:
    given = {"--host": "relay.test", "--port": "25"}
    del given[missing]

    result = run(*(word for pair in given.items() for word in pair))

    assert result.code == 64
    assert f"required: {missing}" in result.stderr


@pytest.mark.parametrize(("mark", "ending"), [("", ""), ("", "\n"), ("\ufeff", "\r\n\n")])
def test_password_on_standard_input(mark: str, ending: str) -> None:
    with ScriptedRelay(Behaviour(capabilities=("AUTH LOGIN",))) as relay:
        result = run_process(
            *at(relay), "--user", "u", "--password-file", "-", text=f"{mark}{PASSWORD}\t {ending}"
        )

    assert result.code == 0
    assert relay.conversations[0].commands[3] == checking.base64_of(f"{PASSWORD}\t ")
    assert PASSWORD not in result.stdout + result.stderr


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "auth_type=plain needs a user and a password"),
        (b"\n", "auth_type=plain needs a user and a password"),
        (b"zebra\xff", "--password-file: its content is not UTF-8"),
    ],
)
def test_password_file_without_a_password(
    tmp_path: pathlib.Path, content: bytes, message: str
) -> None:
    path = tmp_path / "password"
    path.write_bytes(content)

    result = run(
        *["--host", "relay.test", "--port", "25"], "--user", "u", "--password-file", str(path)
    )

    assert result.code == 64
    assert result.stderr.endswith(f"error: {message}\n")


def test_help_names_every_option_but_the_refused_one() -> None:
    result = run_process("--help")

    assert result.code == 0
    assert "--password-file" in result.stdout
    assert "--password " not in result.stdout


def test_every_diagnosis_has_its_own_words() -> None:
    kinds = list(relay_check.Kind.__members__.values())

    assert len({kind.title for kind in kinds}) == len(kinds)
    assert len({kind.sentence for kind in kinds}) == len(kinds)
    assert {kind.exit_code for kind in kinds} == {65, 68, 69, 75, 76, 77}


@pytest.mark.parametrize("page", ["how-to/mail-does-not-arrive.md", "reference/relay-check.md"])
def test_every_diagnosis_stands_in_the_documentation(page: str) -> None:
    generator = runpy.run_path(str(DOCS / "reference/relay_kinds.py"))
    text = (DOCS / page).read_text()

    assert generator["write"](text) == text, "run python docs/reference/relay_kinds.py"
    for kind in relay_check.Kind:
        shown = kind.title if page.startswith("how-to") else f"`{kind.code}` | {kind.exit_code}"
        assert text.count(f"\n| {shown} |") == 1


# OAuth 2.0.


@pytest.mark.parametrize("file", ["-", "keys.json"])
def test_one_file_fetches_a_token(
    endpoint: token_endpoint.Endpoint, tmp_path: pathlib.Path, file: str
) -> None:
    keys = "\ufeff" + json.dumps(endpoint.content("client-secret"))
    (tmp_path / "keys.json").write_text(keys)
    (tmp_path / "ca.pem").write_text("\ufeff" + endpoint.ca)
    path = file if file == "-" else str(tmp_path / file)
    with ScriptedRelay(Behaviour(capabilities=("AUTH XOAUTH2",))) as relay:
        result = run_process(
            *[*at(relay), "--user", endpoint.client.user, "--oauth-file", path],
            *["--ca-file", str(tmp_path / "ca.pem"), "--timeout", "60", "--json"],
            text=keys,
        )

    assert (result.code, result.stderr) == (0, "")
    stages = {stage["name"]: stage for stage in json.loads(result.stdout)["stages"]}
    assert stages["token"]["facts"]["grant"] == "client-secret"
    assert stages["auth"]["facts"]["chosen"] == "XOAUTH2"
    assert [secret for secret in endpoint.secrets if secret in result.stdout] == []

"""How the password's secret is found: the tracked revision, its spelling, and what errors hold."""

from __future__ import annotations

import json
import os
import traceback
from typing import TYPE_CHECKING, Any

import ops
import pydantic
import pytest
from ops import testing

from charms.smtp_integrator.v0 import smtp

if TYPE_CHECKING:
    import pathlib

    from tests.unit.conftest import HookCommands, Hooks, RequirerCharm

PASSWORD = "hunter2-secret"
ID = "cvq3d1k0v5a8o1f2r4g0"
MODEL = "5b7e2a4c-9f6d-4c1e-8a3b-2d1f0e9c8b7a"
FULL = f"secret://{MODEL}/{ID}"
DATABAG = {
    "host": "smtp.example.com",
    "port": "465",
    "auth_type": "plain",
    "transport_security": "tls",
    "skip_ssl_verify": "False",
    "user": "mailer",
}
# secret-get of Juju, where the revision that a unit tracks was removed and there is a newer one.
SECRET_GET = """\
#!/bin/sh
echo "$@" >> '{log}'
case " $* " in
    *" --refresh "*) echo '{content}' ;;
    *) echo 'ERROR secret revision not found' >&2; exit 1 ;;
esac
"""


@pytest.fixture
def juju(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, hook_commands: HookCommands
) -> pathlib.Path:
    """Put the hook command on the PATH; it logs how it is called."""
    hook_commands.refusals[ID] = f'ERROR secret revision "{ID}/1" not found\n'
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    answer(tmp_path, json.dumps({"password": PASSWORD}))
    return tmp_path


def answer(juju: pathlib.Path, content: str) -> None:
    command = juju / "secret-get"
    command.write_text(SECRET_GET.format(log=juju / "log", content=content))
    command.chmod(0o755)


def calls(juju: pathlib.Path) -> list[str]:
    log = juju / "log"
    return log.read_text().splitlines() if log.exists() else []


def related(password_id: str) -> testing.Relation:
    return testing.Relation("smtp", remote_app_data={**DATABAG, "password_id": password_id})


def secret() -> testing.Secret:
    return testing.Secret({"password": PASSWORD}, id=FULL)


def read(requirer: Hooks[RequirerCharm], state: testing.State) -> list[smtp.SmtpReading]:
    found: list[smtp.SmtpReading] = []
    requirer.run(
        requirer.on.start(), state, first=lambda charm: found.extend(charm.smtp.read_all())
    )
    return found


# A tracked revision that is gone.


@pytest.mark.parametrize("password_id", [FULL, f"secret:{ID}", ID])
def test_the_newest_revision_is_read_where_the_tracked_one_is_gone(
    requirer: Hooks[RequirerCharm], juju: pathlib.Path, password_id: str
) -> None:
    state = testing.State(relations=[related(password_id)], secrets=[secret()])
    [reading] = read(requirer, state)
    assert reading.data
    assert reading.data.password == PASSWORD
    assert calls(juju) == [f"{password_id} --refresh --format=json"]
    assert PASSWORD not in "".join(requirer.log)


@pytest.mark.parametrize("content", ["", "{", "null"])
def test_what_juju_does_not_answer_is_waited_for(
    requirer: Hooks[RequirerCharm], juju: pathlib.Path, content: str
) -> None:
    answer(juju, content)
    [reading] = read(requirer, testing.State(relations=[related(FULL)], secrets=[secret()]))
    assert reading.state is smtp.SmtpState.WAITING_FOR_SECRET
    assert reading.message.endswith(f"yet: cannot read the secret {FULL}")


def test_no_text_but_an_id_goes_to_a_command_line(
    requirer: Hooks[RequirerCharm], juju: pathlib.Path
) -> None:
    for password_id in (PASSWORD, "--help", f"{FULL} --peek"):
        [reading] = read(requirer, testing.State(relations=[related(password_id)]))
        assert reading.state is smtp.SmtpState.WAITING_FOR_SECRET
    assert calls(juju) == []


def test_a_secret_that_ops_can_read_costs_no_command_more(
    requirer: Hooks[RequirerCharm], juju: pathlib.Path, hook_commands: HookCommands
) -> None:
    hook_commands.refusals.clear()
    [reading] = read(requirer, testing.State(relations=[related(FULL)], secrets=[secret()]))
    assert reading.data
    assert calls(juju) == []


# The event of secret-changed.


@pytest.mark.parametrize("told", [FULL, f"secret:{ID}", ID, f"secret://other-model/{ID}"])
@pytest.mark.parametrize("published", [FULL, f"secret:{ID}", ID])
def test_a_change_is_known_however_juju_spells_its_secret(
    requirer: Hooks[RequirerCharm], told: str, published: str
) -> None:
    # Where the databag has the password too, the spelling is not looked up.
    databag = {**DATABAG, "password": "p", "password_id": published}
    smtp_relation = testing.Relation("smtp", remote_app_data=databag)
    state = testing.State(relations=[smtp_relation], secrets=[secret()])

    def spell(_: RequirerCharm) -> None:
        # ops has put this model's UUID before an ID that stands alone. It is gone with the hook.
        os.environ["JUJU_SECRET_ID"] = told

    requirer.run(requirer.on.secret_changed(secret()), state, first=spell)
    assert requirer.charm
    differs = "other-model" in told and MODEL in published
    assert len(requirer.charm.received) == (0 if differs else 1)


def test_a_change_that_reaches_who_was_refused_is_a_warning_and_no_event(
    requirer: Hooks[RequirerCharm], hook_commands: HookCommands
) -> None:
    hook_commands.refusals[ID] = 'ERROR "requirer/0" is not allowed to read this secret\n'
    smtp_relation = related(FULL)
    state = testing.State(relations=[smtp_relation], secrets=[secret()])
    state = requirer.run(requirer.on.relation_changed(smtp_relation), state)
    state = requirer.run(requirer.on.secret_changed(secret()), state)
    assert requirer.charm
    assert requirer.charm.received == []
    assert len(requirer.warnings) == 1
    hook_commands.refusals.clear()
    requirer.run(requirer.on.secret_changed(secret()), state)
    assert len(requirer.charm.received) == 1


# What errors hold.


def chain(error: BaseException | None) -> list[BaseException]:
    """Return an error and all that it came from, shown or not."""
    if error is None:
        return []
    return [error, *chain(error.__cause__), *chain(error.__context__)]


def everything(error: BaseException) -> str:
    shown = traceback.format_exception(error)
    return "".join([*shown, *(f"{each!r}{vars(each)}" for each in chain(error))])


def test_what_is_no_id_stands_nowhere_in_the_error(requirer: Hooks[RequirerCharm]) -> None:
    errors: list[smtp.SecretError] = []

    def get(charm: RequirerCharm) -> None:
        with pytest.raises(smtp.SecretError) as caught:
            charm.smtp.get_relation_data()
        errors.append(caught.value)

    for password_id in (PASSWORD, f"secret:{PASSWORD}"):
        state = testing.State(relations=[related(password_id)])
        requirer.run(requirer.on.start(), state, first=get)
    assert [PASSWORD in everything(error) for error in errors] == [False, False]
    assert [error.__cause__ for error in errors] == [None, None]


def test_an_id_that_cannot_be_read_has_jujus_words_as_its_cause(
    requirer: Hooks[RequirerCharm], hook_commands: HookCommands
) -> None:
    hook_commands.refusals[ID] = "ERROR permission denied\n"
    errors: list[BaseException | None] = []

    def get(charm: RequirerCharm) -> None:
        with pytest.raises(smtp.SecretError) as caught:
            charm.smtp.get_relation_data()
        errors.append(caught.value.__cause__)

    state = testing.State(relations=[related(FULL)], secrets=[secret()])
    requirer.run(requirer.on.start(), state, first=get)
    [cause] = errors
    assert isinstance(cause, ops.ModelError)


def test_malformed_recipients_stand_nowhere_in_the_error() -> None:
    with pytest.raises(ValueError, match="malformed JSON") as caught:
        smtp.parse_recipients(f"[{PASSWORD}")
    assert PASSWORD not in everything(caught.value)


@pytest.mark.parametrize(
    "address",
    [
        f"{PASSWORD}",
        f"a@{PASSWORD}_§.example",
        f"a@{PASSWORD}..example",
        f"{PASSWORD}§ @example.com",
        f"{PASSWORD} <a@b>",
    ],
)
def test_a_rejected_address_stands_nowhere_in_the_error(address: str) -> None:
    values: dict[str, Any] = {**DATABAG, "smtp_sender": address, "recipients": [address]}
    with pytest.raises(pydantic.ValidationError) as caught:
        smtp.SmtpRelationData(**values)
    error = caught.value
    assert PASSWORD not in everything(error) + repr(error.errors()) + error.json()
    assert {e["msg"] for e in error.errors()} == {
        "Value error, value is not a valid email address"
    }


MALFORMED = [f'{{"password": "{PASSWORD}"', f'["{PASSWORD}"]', f'"{PASSWORD}"', PASSWORD]
INCOMPLETE = f'{{"password": "{PASSWORD}"}}'


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("text", [*MALFORMED, INCOMPLETE])
@pytest.mark.parametrize("parse", ["parse_raw", "model_validate_json"])
def test_no_parser_quotes_a_text_that_it_refuses(parse: str, text: str) -> None:
    with pytest.raises((pydantic.ValidationError, TypeError)) as caught:
        getattr(smtp.SmtpRelationData, parse)(text)
    error: Any = caught.value
    shown = everything(error)
    if isinstance(error, pydantic.ValidationError):
        shown += repr(error.errors()) + error.json()
    assert PASSWORD not in shown


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("text", [*MALFORMED, INCOMPLETE, f"\udcff{PASSWORD}"])
def test_no_file_is_quoted_that_is_refused(tmp_path: pathlib.Path, text: str) -> None:
    file = tmp_path / "relay.json"
    file.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises((ValueError, TypeError)) as caught:
        smtp.SmtpRelationData.parse_file(file)  # pyright: ignore[reportDeprecated]
    error: Any = caught.value
    shown = everything(error)
    if isinstance(error, pydantic.ValidationError):
        shown += repr(error.errors()) + error.json()
    assert PASSWORD not in shown


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(
    ("validate", "value"),
    [
        ("parse_obj", {"password": PASSWORD}),
        ("parse_obj", PASSWORD),
        ("model_validate", {"password": PASSWORD, "port": PASSWORD}),
        ("model_validate", [PASSWORD]),
        ("model_validate_strings", {"password": PASSWORD}),
    ],
)
def test_no_validator_holds_its_input(validate: str, value: object) -> None:
    with pytest.raises(pydantic.ValidationError) as caught:
        getattr(smtp.SmtpRelationData, validate)(value)
    error = caught.value
    assert PASSWORD not in everything(error) + repr(error.errors()) + error.json()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_what_is_right_is_parsed_as_ever(tmp_path: pathlib.Path) -> None:
    values: dict[str, Any] = {**DATABAG, "password": PASSWORD}
    relay = smtp.SmtpRelationData(**values)
    file = tmp_path / "relay.json"
    file.write_text(json.dumps(values))
    assert smtp.SmtpRelationData.parse_raw(json.dumps(values)) == relay  # pyright: ignore[reportDeprecated]
    assert smtp.SmtpRelationData.parse_file(file) == relay  # pyright: ignore[reportDeprecated]

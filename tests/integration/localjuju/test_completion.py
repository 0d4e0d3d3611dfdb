"""What bash offers where a command line of localjuju is not at its end yet."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest
from scripted import JUJU, settle

from localjuju import completion

if TYPE_CHECKING:
    import pathlib

    import jubilant
    from scripted import Scripted


def offered(*words: str, folder: pathlib.Path = JUJU.parent) -> set[str]:
    """Return what bash offers in a folder for the last word, as it is after the TAB key."""
    line = " ".join(f"'{word}'" for word in (JUJU, *words))
    asked = f"""{completion.script()}
    COMP_WORDS=({line}); COMP_CWORD={len(words)}; _localjuju
    printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    answer = subprocess.run(
        ["bash", "-c", asked], check=True, capture_output=True, text=True, cwd=folder
    )
    assert not answer.stderr
    return set(answer.stdout.splitlines()) - {""}


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["rem"], {"remove-application", "remove-offer", "remove-relation", "remove-saas"}),
        (["ver"], {"version"}),
        (["deploy", "--num"], {"--num-units"}),
        (["status", "-m"], {"-m"}),
        (["nonsense", "--"], set[str]()),
    ],
)
def test_commands_and_flags_are_offered(words: list[str], expected: set[str]) -> None:
    assert offered(*words) >= expected
    assert all(word.startswith(words[-1]) for word in offered(*words))


def test_a_file_is_offered_whole_whatever_it_is_called(tmp_path: pathlib.Path) -> None:
    for name in ("a b.charm", "a*.charm", "az.charm"):
        (tmp_path / name).touch()

    assert offered("deploy", "a", folder=tmp_path) == {"a b.charm", "a*.charm", "az.charm"}


def test_names_of_the_model_and_files_are_offered(
    model: jubilant.Juju, scripted: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUJU_MODEL", str(model.model))
    model.deploy(scripted.charm("greeter"), num_units=2)
    settle(model)

    assert offered("config", "gree") == {"greeter", "greeter/0", "greeter/1"}
    assert offered("deploy", "ju") == {"juju"}

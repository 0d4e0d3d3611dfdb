"""The repository agrees with itself."""

from __future__ import annotations

import pathlib
import re
import subprocess
import sys

import pytest
import yaml

from charms.smtp_integrator.v0 import smtp

ROOT = pathlib.Path(__file__).parents[2]
WORKFLOWS = ROOT / ".github" / "workflows"
EXPORT = "export --quiet --frozen --no-dev --no-emit-project --no-hashes --no-annotate --no-header"


@pytest.mark.parametrize("project", [".", "charms/smtp-forwarder", "charms/smtp-sink"])
def test_requirements_are_what_the_lock_says(project: str) -> None:
    folder = ROOT / project
    uv = pathlib.Path(sys.executable).parent / "uv"

    exported = subprocess.run(
        [uv, *EXPORT.split(), "--offline"], cwd=folder, check=True, capture_output=True, text=True
    )

    assert (folder / "requirements.txt").read_text() == exported.stdout, "run make requirements"


def test_dependabot_is_told_of_every_lock_and_of_nothing_else() -> None:
    updates = yaml.safe_load((ROOT / ".github/dependabot.yml").read_text())["updates"]
    folders = [update["directories"] for update in updates if update["package-ecosystem"] == "uv"]
    locks = [ROOT / "uv.lock", *ROOT.glob("charms/*/uv.lock")]

    assert [sorted(ROOT / folder.lstrip("/") for folder in told) for told in folders] == [
        sorted(lock.parent for lock in locks)
    ]


def test_no_release_waits_in_a_queue_with_others() -> None:
    workflows = {path.stem: yaml.safe_load(path.read_text()) for path in WORKFLOWS.glob("*.yaml")}
    called = [job.get("uses", "") for job in workflows["release"]["jobs"].values()]
    names = [pathlib.PurePath(path).stem for path in called if path.startswith("./")]

    assert len(names) == 2
    # Of those that wait in a group of GitHub's, only the newest stays.
    assert ["github.run_id" in workflows[name]["concurrency"]["group"] for name in names] == [
        True,
        True,
    ]


def test_every_link_of_the_documentation_leads_to_a_file() -> None:
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("charms/*/*.md")]
    links = [
        (page, link)
        for page in pages
        for link in re.findall(r"\]\((?!http)([^)#]+)", page.read_text())
    ]

    assert links
    assert [(page, link) for page, link in links if not target(page, link).exists()] == []


def target(page: pathlib.Path, link: str) -> pathlib.Path:
    """Return what a link leads to; beside its files, GitHub shows what became of a workflow."""
    workflow = re.fullmatch(r"\.\./\.\./actions/workflows/([^/]+)(?:/badge\.svg)?", link)
    return WORKFLOWS / workflow[1] if workflow else page.parent / link


def test_the_interface_is_documented_key_by_key() -> None:
    text = (ROOT / "docs" / "reference" / "interface" / "v0" / "README.md").read_text()
    # A table of a secret's keys follows.
    page = text.partition("\n## A relay that takes tokens\n")[0]
    row = r"^\| ((?:`\w+`(?:, )?)+) \|"

    def keys(text: str) -> set[str]:
        return {key for cell in re.findall(row, text, re.MULTILINE) for key in cell.split(", ")}

    assert page != text
    assert len(keys(page)) == 13
    assert keys(page) == keys(smtp.__doc__ or "")

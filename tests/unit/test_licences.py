"""Every dependency that ships in a charm has a licence that lets the charm ship it."""

from __future__ import annotations

import importlib.metadata
import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).parents[2]
# Permissive ones, and what demands no more of a program that leaves the package as it is.
ALLOWED = {
    "0BSD",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "MIT",
    "MIT-0",
    "MPL-2.0",
    "PSF-2.0",
    "Unlicense",
}
# As packages spelled them before PEP 639.
SPELLINGS = {
    "Apache License 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD-3-Clause",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "The Unlicense (Unlicense)": "Unlicense",
}


def shipped() -> set[str]:
    lines = [
        line
        for file in (ROOT / "requirements.txt", *ROOT.glob("charms/*/requirements.txt"))
        for line in file.read_text().splitlines()
    ]
    return {match[0].lower() for line in lines if (match := re.match(r"[\w.-]+", line))}


def is_allowed(expression: str) -> bool:
    """Tell whether one way to read an SPDX expression has allowed licences alone."""
    ways = expression.strip("()").split(" OR ")
    return any(all(one in ALLOWED for one in way.split(" AND ")) for way in ways)


def licence(package: str) -> str:
    fields = dict(importlib.metadata.metadata(package).json)
    if expression := fields.get("license_expression"):
        return str(expression)
    named = [
        classifier.rpartition(" :: ")[2]
        for classifier in fields.get("classifier", [])
        if classifier.startswith("License :: OSI Approved :: ")
    ]
    return " AND ".join(SPELLINGS.get(name, name) for name in named or [str(fields["license"])])


def test_there_are_dependencies_to_check() -> None:
    assert {"ops", "pydantic", "aiosmtpd", "cryptography"} <= shipped()


@pytest.mark.parametrize("package", sorted(shipped()))
def test_a_shipped_dependency_may_be_shipped(package: str) -> None:
    found = licence(package)
    assert is_allowed(found), f"{package}: {found}"


@pytest.mark.parametrize("expression", ["GPL-3.0-only", "MIT AND GPL-3.0-only", "none"])
def test_no_other_licence_is_allowed(expression: str) -> None:
    assert not is_allowed(expression)

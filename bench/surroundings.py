"""What Juju tells a charm, and what the charm has told Juju: a model for one unit's hooks.

`Surroundings` writes the answers of the hook commands before a hook, and takes in what the hook
wrote after it. A hook is a transaction, so nothing changes while it runs.
"""

from __future__ import annotations

import dataclasses
import json
import shlex
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    import pathlib

    from localjuju import charm

APPLICATION = "measured"
UNIT = f"{APPLICATION}/0"
MODEL_UUID = "5a1c1f0e-0000-4000-8000-000000000000"

Calls = list[list[str]]
"""The hook commands of one hook, each with its arguments and the contents it was given."""

_VALUED = {
    "--description",
    "--expire",
    "--file",
    "--label",
    "--owner",
    "--relation",
    "--revision",
    "--rotate",
    "--unit",
    "-r",
}


class UnsupportedCallError(Exception):
    """A charm called a hook command in a way that the bench has no answer for."""


@dataclasses.dataclass
class Relation:
    """One relation; its remote application has one unit, but for a peer relation, which has none.

    Attributes:
        endpoint: our endpoint.
        remote: the remote application.
        databags: by the name of the unit or application that writes them.
    """

    endpoint: str
    remote: str
    databags: dict[str, dict[str, str]] = dataclasses.field(
        default_factory=dict[str, dict[str, str]]
    )


@dataclasses.dataclass
class Secret:
    """A secret that the charm can read; `label` is its owner's or, for a user secret, empty.

    Attributes:
        content: the values by key.
        label: its owner's label; empty for a user secret.
        owned: whether it is the charm's own.
        revision: the newest revision.
    """

    content: dict[str, str]
    label: str = ""
    owned: bool = True
    revision: int = 1


@dataclasses.dataclass
class Surroundings:
    """A leader's view of its model.

    Attributes:
        endpoints: the charm's endpoints, of any role.
        config: the options that are set, defaults included.
        relations: by relation ID.
        secrets: by ID, without scheme.
        status: the unit's status and message, as it was last set.
    """

    endpoints: list[str]
    config: dict[str, charm.Value]
    relations: dict[int, Relation] = dataclasses.field(default_factory=dict[int, Relation])
    secrets: dict[str, Secret] = dataclasses.field(default_factory=dict[str, Secret])
    status: str = "unknown"

    def write_answers(self, folder: pathlib.Path) -> None:
        """Prepare what the hook commands answer: one file of shell code for each question."""
        for key, answer in self._answers().items():
            path = folder / key
            path.parent.mkdir(parents=True, exist_ok=True)
            text = answer if isinstance(answer, str) else json.dumps(answer)
            path.write_text(f"printf '%s\\n' {shlex.quote(text)}\n")

    def take_in(self, calls: Calls) -> None:
        """Apply what a hook wrote, as Juju does when it ends well.

        Raises:
            UnsupportedCallError: if two secrets were made, which would get the same ID.
        """
        if sum(name == "secret-add" for name, *_ in calls) > 1:
            raise UnsupportedCallError("two secrets in one hook")
        for name, *arguments in calls:
            if name in _WRITERS:
                flags, words = _parsed(arguments)
                _WRITERS[name](self, flags, words)

    def next_secret_id(self) -> str:
        """The ID that the next secret of the charm gets."""
        return f"{len(self.secrets):020d}"

    def _answers(self) -> dict[str, Any]:
        answers: dict[str, Any] = {
            "config-get": self.config,
            "is-leader": True,
            "secret-add": f"secret:{self.next_secret_id()}",
            "secret-ids": [one for one, secret in self.secrets.items() if secret.owned],
        }
        for endpoint in self.endpoints:
            answers[f"relation-ids {endpoint}"] = [
                f"{endpoint}:{n}" for n, one in self.relations.items() if one.endpoint == endpoint
            ]
        for relation_id, relation in self.relations.items():
            answers |= _relation_answers(relation_id, relation)
        for secret_id, secret in self.secrets.items():
            answers |= _secret_answers(secret_id, secret)
        return answers


def _relation_set(where: Surroundings, flags: dict[str, str], words: list[str]) -> None:
    relation = where.relations[int((flags.get("-r") or flags["--relation"]).rpartition(":")[2])]
    databag = relation.databags.setdefault(APPLICATION if "--app" in flags else UNIT, {})
    *pairs, content = words
    databag |= dict(pair.split("=", 1) for pair in pairs)
    written: dict[str, Any] = yaml.safe_load(content) or {}
    databag |= {key: str(value) for key, value in written.items()}
    for key in [key for key, value in databag.items() if value == ""]:
        del databag[key]


def _secret_add(where: Surroundings, flags: dict[str, str], words: list[str]) -> None:
    where.secrets[where.next_secret_id()] = Secret(_content(words), flags.get("--label", ""))


def _secret_remove(where: Surroundings, flags: dict[str, str], words: list[str]) -> None:
    if "--revision" not in flags:
        del where.secrets[_bare_id(words[0])]


def _secret_set(where: Surroundings, flags: dict[str, str], words: list[str]) -> None:
    secret_id, *settings = words
    secret = where.secrets[_bare_id(secret_id)]
    secret.label = flags.get("--label", secret.label)
    if content := _content(settings):
        secret.content = content
        secret.revision += 1


def _status_set(where: Surroundings, _: dict[str, str], words: list[str]) -> None:
    where.status = " ".join(words).strip()


_WRITERS = {
    "relation-set": _relation_set,
    "secret-add": _secret_add,
    "secret-remove": _secret_remove,
    "secret-set": _secret_set,
    "status-set": _status_set,
}


def _relation_answers(relation_id: int, relation: Relation) -> dict[str, Any]:
    unit = f"{relation.remote}/0"
    # The unit is alone in its application, so its peer relation has no remote unit.
    answers: dict[str, Any] = {
        f"relation-list {relation_id}": [] if unit == UNIT else [unit],
        f"relation-list {relation_id} --app": relation.remote,
        f"relation-model-get {relation_id}": {"uuid": MODEL_UUID},
    }
    for name in {UNIT, unit}:
        answers[f"relation-get {relation_id} {name}"] = relation.databags.get(name, {})
    for name in {APPLICATION, relation.remote}:
        answers[f"relation-get {relation_id} --app {name}"] = relation.databags.get(name, {})
    return answers


def _secret_answers(secret_id: str, secret: Secret) -> dict[str, Any]:
    info = {
        "label": secret.label,
        "owner": "application",
        "revision": secret.revision,
        "rotation": "never",
    }
    answers: dict[str, Any] = {}
    for name in (secret_id, f"--label {secret.label}" if secret.label else secret_id):
        answers[f"secret-get {name}"] = secret.content
        if secret.owned:
            answers[f"secret-info-get {name}"] = {secret_id: info}
    return answers


def _parsed(arguments: list[str]) -> tuple[dict[str, str], list[str]]:
    """Split a command line into its flags and its other words."""
    flags: dict[str, str] = {}
    words: list[str] = []
    rest = iter(arguments)
    for word in rest:
        if word in _VALUED:
            flags[word] = next(rest)
        elif word.startswith("-"):
            flags[word] = ""
        else:
            words.append(word)
    return flags, words


def _content(words: list[str]) -> dict[str, str]:
    """A secret's content; the words that name files are followed by ones with their contents."""
    pairs = (word.partition("=") for word in words)
    return {key: value for key, _, value in pairs if not key.endswith("#file")}


def _bare_id(uri: str) -> str:
    return uri.removeprefix("secret:").rpartition("/")[2]

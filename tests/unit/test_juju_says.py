"""What Juju's hook commands answer, in the words of each release, to the charms' real processes.

ops.testing says neither; the answers are those of Juju 3.6 and 4.0.
"""

from __future__ import annotations

import dataclasses
import json
import shlex
import shutil
from typing import TYPE_CHECKING

import pytest

from bench import measure
from bench.hooks import CONFIG_CHANGED, Event, Unit
from bench.measure import SETTINGS, SMTP
from bench.surroundings import MODEL_UUID, Relation, Secret, Surroundings
from tests.unit.conftest import ROOT
from tests.unit.test_hook_cost import charm_folder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.surroundings import Calls

USER_ID, OWN_ID = "9" * 20, "cvq3d1k0v5a8o1f2r4g0"
PASSWORD = "first-password"
NOT_GRANTED = [
    "ERROR permission denied",
    'ERROR "measured/0" is not allowed to read this secret',
]
GONE = [
    f'ERROR secret "{USER_ID}" not found',
    "ERROR getting latest secret revision: secret not found",
]
NO_LABEL = [
    'ERROR secret with label "relay-password" not found',
    'ERROR secret URI for consumer label "relay-password" not found',
]
WRITES = {"secret-add", "secret-set", "secret-remove", "secret-grant", "secret-revoke"}


@pytest.fixture(scope="module")
def unit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Unit]:
    folder = tmp_path_factory.mktemp("juju-says")
    source = charm_folder(ROOT, folder / "source")
    yield measure.place(source, folder / "integrator")
    shutil.rmtree(folder)


@dataclasses.dataclass
class Hook:
    """A hook whose hook commands answer as a test tells them to."""

    unit: Unit
    where: Surroundings
    event: Event = CONFIG_CHANGED

    def __post_init__(self) -> None:
        self._prepared = self.unit.prepare("answered", self.where, self.event)

    def answer(self, question: str, shell: str) -> None:
        (self._prepared.answers / question).write_text(shell)

    def refuse(self, question: str, words: str) -> None:
        self.answer(question, f"echo {shlex.quote(words)} >&2; exit 1\n")

    def answer_newest_alone(self) -> None:
        """Answer for the user's secret as Juju does where the tracked revision is gone."""
        content = shlex.quote(json.dumps({"password": PASSWORD}))
        # The call that is answered is the last that was noted.
        self.answer(
            f"secret-get {USER_ID}",
            f"""\
case $(tr '\\036' '\\n' <"$HOOK_COST_CALLS" | tail -n 1) in
    *--refresh*|*--peek*) echo {content} ;;
    *) echo {shlex.quote(GONE[0])} >&2; exit 1 ;;
esac
""",
        )

    def run(self, **environment: str) -> Calls:
        prepared = dataclasses.replace(
            self._prepared, environment=self._prepared.environment | environment
        )
        calls = prepared.run(contents=True).calls
        shutil.rmtree(prepared.answers)
        self.where.take_in(calls)
        return calls


def related(unit: Unit, settings: str) -> Surroundings:
    where = unit.surroundings(**SETTINGS[settings])
    where.relations[1] = Relation(SMTP, "requirer")
    if settings == "user secret":
        where.secrets[USER_ID] = Secret({"password": PASSWORD}, owned=False)
    return where


def published(where: Surroundings) -> dict[str, str]:
    return where.relations[1].databags.get("measured", {})


def written(calls: Calls) -> set[str]:
    return WRITES & {call[0] for call in calls}


@pytest.mark.parametrize("words", NOT_GRANTED)
def test_a_secret_that_is_not_granted_blocks(unit: Unit, words: str) -> None:
    where = related(unit, "user secret")
    hook = Hook(unit, where)
    hook.refuse(f"secret-get {USER_ID}", words)
    assert written(hook.run()) == set()
    assert where.status == (
        f"blocked password_secret: not granted; run 'juju grant-secret {USER_ID} measured' "
        "(noticed at the next update-status)"
    )


@pytest.mark.parametrize("words", GONE)
def test_a_secret_that_is_gone_blocks(unit: Unit, words: str) -> None:
    where = related(unit, "user secret")
    hook = Hook(unit, where)
    hook.refuse(f"secret-get {USER_ID}", words)
    hook.run()
    assert where.status == (
        "blocked password_secret: does not exist; run 'juju secrets' and enter the ID of one "
        "that does"
    )


def test_an_unknown_refusal_blocks_in_jujus_words(unit: Unit) -> None:
    where = related(unit, "user secret")
    hook = Hook(unit, where)
    hook.refuse(f"secret-get {USER_ID}", "ERROR the backend is sealed")
    hook.run()
    assert where.status.startswith(
        "blocked password_secret: Juju refuses to read the secret: the backend is sealed; "
    )


def test_a_tracked_revision_that_is_gone_is_not_asked_for(unit: Unit) -> None:
    where = related(unit, "user secret")
    hook = Hook(unit, where)
    hook.answer_newest_alone()
    hook.run()
    assert where.status == "active"
    assert [one.content for one in where.secrets.values() if one.owned] == [{"password": PASSWORD}]


@pytest.mark.parametrize(
    ("words", "printed"),
    [(NO_LABEL[0], "secret:{}"), (NO_LABEL[1], f"secret://{MODEL_UUID}/{{}}")],
)
def test_a_new_secret_is_published_as_other_models_can_read_it(
    unit: Unit, words: str, printed: str
) -> None:
    where = related(unit, measure.MEASURED)
    hook = Hook(unit, where)
    hook.refuse("secret-get --label relay-password", words)
    hook.answer("secret-add", f"echo {printed.format(where.next_secret_id())}\n")
    hook.run()
    [secret_id] = where.secrets
    assert published(where)["password_id"] == f"secret://{MODEL_UUID}/{secret_id}"
    again = Hook(unit, where).run()
    assert written(again) == set()
    assert where.status == "active"


@pytest.mark.parametrize("old_spelling", [f"secret:{OWN_ID}", OWN_ID])
def test_an_older_revisions_secret_is_respelled_once(unit: Unit, old_spelling: str) -> None:
    where = related(unit, measure.MEASURED)
    where.relations[0].databags["measured"] = {"secret-id": old_spelling}
    where.relations[1].databags["measured"] = {"password_id": f"secret:{OWN_ID}"}
    where.secrets[OWN_ID] = Secret({"password": PASSWORD})
    hook = Hook(unit, where, Event("upgrade-charm"))
    hook.refuse("secret-get --label relay-password", NO_LABEL[1])
    calls = hook.run()
    assert [call[0] for call in calls if call[0] in WRITES] == ["secret-set", "secret-grant"]
    assert published(where)["password_id"] == f"secret://{MODEL_UUID}/{OWN_ID}"
    assert where.secrets[OWN_ID].label == "relay-password"
    assert written(Hook(unit, where).run()) == set()


@pytest.mark.parametrize("words", [f'ERROR secret "{OWN_ID}" not found'])
def test_a_noted_secret_that_is_anothers_is_not_changed(unit: Unit, words: str) -> None:
    """Juju 4.0 lets the call pass, and fails the hook at its end, again and again."""
    where = related(unit, measure.MEASURED)
    where.relations[0].databags["measured"] = {"secret-id": f"secret:{OWN_ID}"}
    where.secrets[OWN_ID] = Secret({"password": PASSWORD}, owned=False)
    hook = Hook(unit, where)
    hook.refuse(f"secret-info-get {OWN_ID}", words)
    calls = hook.run()
    assert [call[0] for call in calls if call[0] in WRITES] == ["secret-add", "secret-grant"]
    assert where.status == "active"


def test_without_a_leader_nothing_is_written(unit: Unit) -> None:
    where = related(unit, measure.MEASURED)
    where.relations[0].databags["measured"] = {"secret-id": f"secret:{OWN_ID}"}
    where.secrets[OWN_ID] = Secret({"password": PASSWORD})
    for name in ("leader-elected", "config-changed", "upgrade-charm", "update-status"):
        hook = Hook(unit, where, Event(name))
        hook.answer("is-leader", "echo false\n")
        assert written(hook.run()) == set()


SECRET_REMOVE = Event("secret-remove")


@pytest.mark.parametrize("secret_id", [OWN_ID, f"secret:{OWN_ID}"])
def test_a_superseded_revision_is_removed(unit: Unit, secret_id: str) -> None:
    """JUJU_SECRET_ID is a bare ID in Juju 4.0."""
    where = related(unit, measure.MEASURED)
    where.secrets[OWN_ID] = Secret({"password": PASSWORD}, label="relay-password", revision=2)
    calls = Hook(unit, where, SECRET_REMOVE).run(
        JUJU_SECRET_ID=secret_id, JUJU_SECRET_LABEL="relay-password", JUJU_SECRET_REVISION="1"
    )
    [removal] = [call for call in calls if call[0] == "secret-remove"]
    assert removal[1].rpartition("/")[2].removeprefix("secret:") == OWN_ID
    assert removal[2:] == ["--revision", "1"]


@pytest.mark.parametrize("words", GONE)
def test_a_revision_of_a_secret_that_is_gone_ends_well(unit: Unit, words: str) -> None:
    where = related(unit, "no password")
    hook = Hook(unit, where, SECRET_REMOVE)
    hook.refuse(f"secret-info-get {OWN_ID}", words)
    calls = hook.run(JUJU_SECRET_ID=OWN_ID, JUJU_SECRET_REVISION="1")
    assert written(calls) == set()


def test_a_revision_that_is_gone_ends_well(unit: Unit) -> None:
    where = related(unit, measure.MEASURED)
    where.secrets[OWN_ID] = Secret({"password": PASSWORD}, label="relay-password", revision=2)
    hook = Hook(unit, where, SECRET_REMOVE)
    hook.refuse("secret-remove", "ERROR secret revision 1 not found")
    calls = hook.run(JUJU_SECRET_ID=OWN_ID, JUJU_SECRET_REVISION="1")
    assert "secret-remove" in written(calls)


@pytest.fixture(scope="module")
def sink(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Unit]:
    folder = tmp_path_factory.mktemp("juju-says-to-the-sink")
    source = charm_folder(ROOT / "charms/smtp-sink", folder / "source")
    shutil.copytree(ROOT / "charms/common/unit_service", source / "lib/unit_service")
    yield measure.place(source, folder / "sink")
    shutil.rmtree(folder)


def sink_hook(sink: Unit, event: Event = CONFIG_CHANGED) -> Hook:
    secret = {"password-secret": f"secret:{USER_ID}"}
    where = sink.surroundings(user="user", **secret)
    where.secrets[USER_ID] = Secret({"password": PASSWORD}, owned=False)
    return Hook(sink, where, event)


@pytest.mark.parametrize("words", NOT_GRANTED)
def test_the_sink_blocks_where_its_secret_is_not_granted(sink: Unit, words: str) -> None:
    hook = sink_hook(sink)
    hook.refuse(f"secret-get {USER_ID}", words)
    hook.run()
    assert hook.where.status == (
        f"blocked password-secret: not granted; run 'juju grant-secret {USER_ID} measured', "
        "which takes effect at the next update-status"
    )


@pytest.mark.parametrize("words", [*GONE, "ERROR the backend is sealed"])
def test_the_sink_blocks_where_its_secret_cannot_be_read(sink: Unit, words: str) -> None:
    hook = sink_hook(sink)
    hook.refuse(f"secret-get {USER_ID}", words)
    hook.run()
    reason = "not found; " if "not found" in words else "Juju refuses to read it: the backend"
    assert hook.where.status.startswith(f"blocked password-secret: {reason}")


def test_the_sink_asks_for_no_tracked_revision_that_is_gone(sink: Unit) -> None:
    hook = sink_hook(sink)
    hook.answer_newest_alone()
    try:
        hook.run()
        assert hook.where.status.startswith("active ")
    finally:
        sink_hook(sink, Event("stop")).run()

"""Secrets: owners, consumers, revisions, grants."""

from __future__ import annotations

import json
import pathlib
from typing import TYPE_CHECKING

import jubilant
import pytest
from scripted import gone, refusal, run, settle, wait

if TYPE_CHECKING:
    from scripted import Scripted

    from localjuju.releases import Release

DB = {"db": {"interface": "db"}}
DENIED = {"3.6": "ERROR permission denied", "4.0": 'ERROR "{}" is not allowed to read this secret'}


def denied(release: Release, unit: str) -> str:
    """What a unit hears that may not read a secret."""
    return DENIED[release.name].format(unit)


class Pair:
    """Two units of an owner, two of a consumer, and the owner's secret, granted by relation."""

    def __init__(self, juju: jubilant.Juju, scripted: Scripted) -> None:
        self.juju, self.scripted = juju, scripted
        juju.deploy(scripted.charm("app", provides=DB), num_units=2)
        juju.deploy(scripted.charm("client", requires=DB), num_units=2)
        juju.integrate("app", "client")
        settle(juju)
        self.id = self.run("app/0", "secret-add --label mine password=one").stdout.strip()
        self.short = f"secret:{jubilant.SecretURI(self.id).unique_identifier}"
        self.run("app/0", f"secret-grant -r 0 {self.id}")
        scripted.forget()

    def run(self, unit: str, line: str) -> jubilant.Task:
        task = run(self.juju, unit, line)
        settle(self.juju)
        return task

    def get(self, unit: str, *flags: str) -> str:
        """What a unit gets: the password, or the error."""
        task = self.run(unit, f"secret-get {' '.join(flags)} {self.id} password")
        return task.stdout.strip() or task.stderr.strip()

    def set(self, password: str) -> None:
        self.run("app/0", f"secret-set {self.id} password={password}")


@pytest.fixture
def pair(model: jubilant.Juju, scripted: Scripted) -> Pair:
    return Pair(model, scripted)


def test_an_id_is_an_xid(pair: Pair) -> None:
    unique = jubilant.SecretURI(pair.id).unique_identifier
    assert len(unique) == 20
    assert set(unique) <= set("0123456789abcdefghijklmnopqrstuv")
    assert pair.id == f"secret://{pair.juju.show_model().model_uuid}/{unique}"
    assert pair.run("client/0", f"secret-get secret:{unique} password").stdout == "one\n"
    assert pair.run("client/0", f"secret-get {unique} password").stdout == "one\n"


def test_a_consumer_keeps_its_revision_until_it_refreshes(pair: Pair) -> None:
    assert pair.get("client/0") == "one"
    pair.set("two")
    assert pair.get("client/0") == "one"
    assert pair.get("client/0", "--peek") == "two"
    assert pair.get("client/0") == "one"
    assert pair.get("client/0", "--refresh") == "two"
    assert pair.get("client/0") == "two"
    assert pair.get("client/1") == "two"


def test_secret_changed_tells_whoever_tracks_an_older_revision_once(pair: Pair) -> None:
    pair.get("client/0", "--label pw")
    pair.set("two")
    assert pair.scripted.events() == ["client/0 secret-changed"]
    environment = pair.scripted.environment("client/0", "secret-changed")
    assert environment["JUJU_SECRET_ID"] == pair.short
    assert environment["JUJU_SECRET_LABEL"] == "pw"
    assert "JUJU_SECRET_REVISION" not in environment
    pair.set("three")
    assert pair.scripted.events("client/0").count("secret-changed") == 2
    pair.get("client/0", "--refresh")
    pair.scripted.forget()
    pair.run("app/0", f"secret-set {pair.id} --description said")
    assert pair.scripted.events() == []


def test_an_owner_that_reads_tracks_a_revision_too(pair: Pair) -> None:
    assert pair.run("app/1", "secret-get --label mine").stdout == "password: one\n"
    pair.set("two")
    assert pair.get("app/0") == "two"
    assert pair.get("app/1") == "one"
    assert "app/1 secret-changed" in pair.scripted.events()
    environment = pair.scripted.environment("app/1", "secret-changed")
    assert environment["JUJU_SECRET_LABEL"] == "mine"


def test_secret_remove_tells_the_owner_when_nobody_tracks_a_revision(
    pair: Pair, release: Release
) -> None:
    pair.get("client/0")
    pair.get("client/1")
    pair.set("two")
    pair.get("client/0", "--refresh")
    assert "app/0 secret-remove" not in pair.scripted.events()
    pair.get("client/1", "--refresh")
    assert pair.scripted.events("app/0") == ["secret-remove"]
    assert pair.scripted.events("app/1") == []
    environment = pair.scripted.environment("app/0", "secret-remove")
    secret_id = pair.short if release.name == "3.6" else pair.short.removeprefix("secret:")
    assert environment["JUJU_SECRET_ID"] == secret_id
    assert environment["JUJU_SECRET_LABEL"] == "mine"
    assert environment["JUJU_SECRET_REVISION"] == "1"
    pair.run("app/0", f"secret-remove --revision 1 {pair.id}")
    assert pair.scripted.events("app/0") == ["secret-remove"]
    revisions = pair.juju.show_secret(pair.id, revisions=True).revisions or []
    assert [one.revision for one in revisions] == [2]


def test_a_revision_that_nobody_ever_read_is_obsolete_at_once(pair: Pair) -> None:
    pair.set("two")
    assert pair.scripted.events() == ["app/0 secret-remove"]


def test_the_same_content_makes_no_revision(pair: Pair) -> None:
    pair.get("client/0")
    pair.set("one")
    assert pair.scripted.events() == []
    assert pair.juju.secrets()[0].revision == 1


def test_changes_in_one_hook_make_one_revision(pair: Pair) -> None:
    line = f"secret-set {pair.id} password=two; secret-set {pair.id} password=three"
    pair.run("app/0", line)
    assert pair.juju.show_secret(pair.id, reveal=True).content == {"password": "three"}
    assert pair.juju.secrets()[0].revision == 2


def test_a_hook_reads_what_it_writes_where_juju_shows_it(pair: Pair) -> None:
    line = (
        f"secret-get {pair.id} password; secret-set {pair.id} password=two;"
        f"secret-get {pair.id} password; secret-get --peek {pair.id} password;"
        "id=$(secret-add --label new password=fresh); secret-get $id password;"
        "secret-get --label new"
    )
    task = pair.run("app/0", line)
    assert task.stdout.split() == ["one", "one", "two", "fresh", "password:", "fresh"]


def test_juju_3_refuses_a_hook_that_grants_a_dying_relation(pair: Pair, release: Release) -> None:
    pair.scripted.on("db-relation-departed", f"secret-grant -r 0 {pair.id}\n", unit="app/0")
    pair.juju.remove_relation("app", "client")
    settle(pair.juju)
    unit = pair.juju.status().apps["app"].units["app/0"]
    assert unit.is_error == (release.name == "3.6")
    refusal = 'cannot grant access to secret in scope of "relation-'
    assert (refusal in pair.juju.debug_log()) == unit.is_error


def test_a_followers_hands_are_tied(pair: Pair, release: Release) -> None:
    late = release.name == "4.0"
    not_found = f'ERROR secret "{pair.short.removeprefix("secret:")}" not found\n'
    for line in (f"secret-grant -r 0 {pair.id}", f"secret-info-get {pair.id}"):
        task = pair.run("app/1", line)
        words = not_found if late else "ERROR this unit is not the leader\n"
        assert (task.return_code, task.stderr) == (1, words), line
    for line in (
        f"secret-set {pair.id} password=x",
        f"secret-remove {pair.id}",
        f"secret-revoke -r 0 {pair.id}",
    ):
        task = pair.run("app/1", line)
        assert task.return_code == (0 if late else 1), line
        refused = "not allowed to manage this secret" if late else "this unit is not the leader"
        assert refused in task.message + task.stderr, line
    task = pair.run("app/1", "secret-add password=x")
    assert (task.return_code, task.stderr) == (1, "ERROR this unit is not the leader\n")
    assert pair.run("app/1", "secret-ids --format=json").stdout == "[]\n"
    mine = pair.run("app/1", "secret-add --owner unit password=x").stdout.strip()
    assert pair.run("app/1", f"secret-set {mine} password=y").success
    task = pair.run("app/0", f"secret-set {mine} password=z")
    assert task.message + task.stderr in (
        'updating secrets: "app/0" is not allowed to manage this secret',
        "ERROR permission denied\n",
    )
    assert pair.juju.show_secret(mine, reveal=True).content == {"password": "y"}


def test_juju_4_refuses_a_hook_that_changed_what_is_not_its_units(
    pair: Pair, release: Release
) -> None:
    after = f"{pair.scripted.folder}/after"
    line = f"relation-set -r 0 a=1; secret-set {pair.id} password=evil && touch {after}"
    pair.scripted.on("config-changed", f"{line} || true\n", unit="app/1")
    pair.juju.trust("app")
    settle(pair.juju)
    unit = pair.juju.status().apps["app"].units["app/1"]
    late = release.name == "4.0"
    assert pair.scripted.folder.joinpath("after").exists() == late
    assert unit.is_error == late
    assert pair.juju.show_secret(pair.id, reveal=True).content == {"password": "one"}
    written = run(pair.juju, "client/0", "relation-get -r 0 a app/1").stdout
    assert written == ("" if late else "1\n")


def test_juju_4_passes_over_secrets_that_are_not_there(pair: Pair, release: Release) -> None:
    for line in ("secret-set 9m4e2mr0ui3e8a215n4g abc=1", "secret-remove 9m4e2mr0ui3e8a215n4g"):
        assert pair.run("app/0", line).return_code == (0 if release.name == "4.0" else 1)


def test_not_granted_and_not_found_are_two_errors(pair: Pair, release: Release) -> None:
    other = pair.run("app/0", "secret-add password=x").stdout.strip()
    task = pair.run("client/0", f"secret-get {other}")
    assert (task.return_code, task.stderr) == (1, f"{denied(release, 'client/0')}\n")
    missing = "9m4e2mr0ui3e8a215n4g"
    task = pair.run("client/0", f"secret-get secret:{missing}")
    unknown = {
        "3.6": f'secret "{missing}" not found',
        "4.0": "getting latest secret revision: secret not found",
    }[release.name]
    assert (task.return_code, task.stderr) == (1, f"ERROR {unknown}\n")
    task = pair.run("client/0", "secret-get --label none")
    assert task.return_code == 1
    assert 'label "none" not found' in task.stderr
    task = pair.run("client/0", "secret-get nonsense")
    assert (task.return_code, task.stderr) == (2, 'ERROR secret URI "nonsense" not valid\n')


def test_juju_4_tells_of_changes_to_whoever_was_refused(pair: Pair, release: Release) -> None:
    pair.run("app/0", f"secret-revoke -r 0 {pair.id}")
    assert pair.get("client/0") == denied(release, "client/0")
    pair.scripted.forget()
    pair.set("two")
    told = pair.scripted.events("client/0")
    assert told == (["secret-changed"] if release.name == "4.0" else [])


def test_an_old_label_stays_with_those_who_read_by_it_on_juju_4(
    pair: Pair, release: Release
) -> None:
    for unit in ("app/0", "app/1"):
        assert pair.run(unit, "secret-get --label mine").success
    pair.run("app/0", f"secret-set {pair.id} --label other")
    assert pair.run("app/0", "secret-get --label other").success
    assert pair.run("app/1", "secret-get --label mine").success == (release.name == "4.0")
    pair.set("two")
    environment = pair.scripted.environment("app/1", "secret-changed")
    label = {"3.6": "other", "4.0": "mine"}[release.name]
    assert environment["JUJU_SECRET_LABEL"] == label


def test_labels_of_both_sides(pair: Pair, release: Release) -> None:
    pair.get("client/0", "--label theirs")
    assert pair.run("client/0", "secret-get --label theirs").stdout == "password: one\n"
    assert "not found" in pair.run("client/1", "secret-get --label theirs").stderr
    line = "secret-info-get --label mine --format=json"
    info = json.loads(pair.run("app/0", line).stdout)
    assert info[jubilant.SecretURI(pair.id).unique_identifier]["revision"] == 1
    task = pair.run("app/0", "secret-add --label mine password=x")
    assert task.return_code == (0 if release.name == "4.0" else 1)
    assert 'secret with label "mine" already exists' in task.message + task.stderr
    assert len(pair.juju.secrets()) == 1
    pair.run("app/0", f"secret-get {pair.id} --label renamed")
    assert pair.run("app/0", "secret-get --label renamed").success


def test_a_grant_ends_with_revoke_and_with_its_relation(pair: Pair, release: Release) -> None:
    assert pair.get("client/0") == "one"
    pair.run("app/0", f"secret-revoke -r 0 {pair.id}")
    assert pair.get("client/0") == denied(release, "client/0")
    pair.run("app/0", f"secret-grant -r 0 --unit client/1 {pair.id}")
    assert pair.get("client/0") == denied(release, "client/0")
    assert pair.get("client/1") == "one"
    pair.juju.remove_relation("app", "client")
    settle(pair.juju)
    assert pair.get("client/1") == denied(release, "client/1")
    assert pair.juju.show_secret(pair.id).access is None


def test_a_secret_ends_with_its_owner(pair: Pair) -> None:
    pair.run("app/1", "secret-add --owner unit password=x")
    assert len(pair.juju.secrets()) == 2
    pair.juju.remove_application("app")
    gone(pair.juju, "app")
    assert pair.juju.secrets() == []


def test_a_removed_secret_is_not_found(pair: Pair) -> None:
    pair.get("client/0")
    pair.run("app/0", f"secret-remove {pair.id}")
    assert "not found" in pair.get("client/0")
    assert pair.run("app/0", "secret-ids --format=json").stdout == "[]\n"


def test_secret_values_come_from_files_and_base64(pair: Pair) -> None:
    line = (
        "printf 'a\\nb' > value; secret-add one#file=value two#base64=aGkh > id;"
        'secret-get "$(cat id)" --format=json; secret-get "$(cat id)" two#base64'
    )
    assert pair.run("app/0", line).stdout == '{"one":"a\\nb","two":"hi!"}\naGkh\n'
    for wrong in ("Pw=x", "pw=x", "password=", "password"):
        task = pair.run("app/0", f"secret-add {wrong}")
        assert task.return_code == 2
        assert "not valid" in task.stderr
    assert 'key "one" is no base64' in pair.run("app/0", "secret-add one#base64=%").stderr


def test_an_owner_is_told_once_that_a_secret_expired(pair: Pair, release: Release) -> None:
    line = "secret-add --label short --expire 100ms password=e"
    secret_id = jubilant.SecretURI(pair.run("app/0", line).stdout.strip()).unique_identifier
    wait(pair.juju, lambda _: "app/0 secret-expired" in pair.scripted.events())
    settle(pair.juju)
    assert pair.scripted.events() == ["app/0 secret-expired"]
    environment = pair.scripted.environment("app/0", "secret-expired")
    prefix = {"3.6": "secret:", "4.0": ""}[release.name]
    assert environment["JUJU_SECRET_ID"] == f"{prefix}{secret_id}"
    assert environment["JUJU_SECRET_LABEL"] == "short"
    assert environment["JUJU_SECRET_REVISION"] == "1"
    assert pair.run("app/0", "secret-get --label short").stdout == "password: e\n"
    for wrong in ("tomorrow", "-1s", "2001-01-01T00:00:00Z"):
        task = pair.run("app/0", f"secret-add --expire={wrong} password=e")
        assert (task.return_code, task.stderr) == (
            2,
            f'ERROR expire time or duration "{wrong}" not valid\n',
        )


def test_a_user_secret_is_granted_to_applications(
    model: jubilant.Juju, scripted: Scripted, release: Release
) -> None:
    model.deploy(scripted.charm("app"), num_units=2)
    model.deploy(scripted.charm("other"))
    settle(model)
    uri = model.add_secret("relay", {"password": "0123"}, info="for the relay")
    assert "already exists" in refusal(model, "add-secret", "relay", "password=x")
    assert 'key value "password=" not valid' in refusal(model, "add-secret", "b", "password=")
    scripted.forget()
    refused = f"{denied(release, 'app/0')}\n"
    assert run(model, "app/0", f"secret-get {uri}").stderr == refused
    model.grant_secret("relay", ["app", "other"])
    settle(model)
    assert scripted.events() == []
    for unit in ("app/0", "app/1", "other/0"):
        assert run(model, unit, f"secret-get {uri} password").stdout == "0123\n"
    model.update_secret("relay", {"password": "two"})
    settle(model)
    assert sorted(scripted.events()) == [
        "app/0 secret-changed",
        "app/1 secret-changed",
        "other/0 secret-changed",
    ]
    assert run(model, "app/0", f"secret-get --refresh {uri} password").stdout == "two\n"
    model.cli("revoke-secret", "relay", "app")
    assert run(model, "app/0", f"secret-get {uri}").stderr == refused
    task = run(model, "app/0", f"secret-set {uri} password=x")
    assert task.message + task.stderr in (
        'updating secrets: "app/0" is not allowed to manage this secret',
        "ERROR permission denied\n",
    )
    assert model.show_secret(uri, reveal=True).content == {"password": "two"}


def test_user_secrets_are_shown_and_removed(model: jubilant.Juju) -> None:
    uri = model.add_secret("relay", {"password": "one"})
    secret = model.show_secret("relay", reveal=True)
    assert (secret.uri, secret.name, secret.revision) == (uri, "relay", 1)
    assert secret.content == {"password": "one"}
    model.update_secret(uri, {"password": "two"}, name="renamed", info="told")
    assert model.show_secret("renamed").description == "told"
    assert "not valid" in refusal(model, "update-secret", uri, "--name", "other", "nothing")
    model.update_secret(uri, {"password": "two"}, name="renamed", info="told again")
    assert model.show_secret("renamed").description == "told again"
    assert model.show_secret(uri, reveal=True, revision=1).content == {"password": "one"}
    model.remove_secret(uri, revision=1)
    assert "not found" in refusal(model, "show-secret", uri, "--reveal", "--revision", "1")
    model.update_secret(uri, {"password": "three"}, auto_prune=True)
    revisions = model.show_secret(uri, revisions=True).revisions or []
    assert [one.revision for one in revisions] == [3]
    model.remove_secret("renamed")
    assert '"renamed" not found' in refusal(model, "show-secret", "renamed")


def test_a_secret_from_a_file_or_standard_input(model: jubilant.Juju, scripted: Scripted) -> None:
    (scripted.folder / "pw").write_text("from file")
    uri = model.cli("add-secret", "one", f"password#file={scripted.folder}/pw").strip()
    assert model.show_secret(uri, reveal=True).content == {"password": "from file"}
    model.cli("add-secret", "two", "--file", "-", stdin="password: 0123\n")
    assert model.show_secret("two", reveal=True).content == {"password": "0123"}


def test_a_password_stands_in_no_log(pair: Pair) -> None:
    pair.run("app/0", f"printf 'hunter2' > pw; secret-set {pair.id} password#file=pw; rm pw")
    pair.scripted.on("update-status", f"secret-set {pair.id} password=hunter3")
    pair.juju.exec("JUJU_DISPATCH_PATH=hooks/update-status ./dispatch", unit="app/0")
    assert pair.juju.show_secret(pair.id, reveal=True).content == {"password": "hunter3"}
    charm = pathlib.Path(pair.scripted.environment("app/0", "start")["JUJU_CHARM_DIR"])
    for log in (charm.parents[2] / "hooks.jsonl", charm.parents[3] / ".controller" / "log"):
        assert "hunter" not in log.read_text()
    assert "hunter" not in pair.juju.debug_log()
    assert "hunter" not in str(pair.juju.status())

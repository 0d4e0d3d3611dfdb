"""Relations: who hears what, and who may read and write."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from scripted import gone, refusal, run, settle

if TYPE_CHECKING:
    import jubilant
    from scripted import Scripted

    from localjuju.releases import Release

DB = {"db": {"interface": "db"}}
RING = {"ring": {"interface": "ring"}}


@pytest.fixture
def pair(model: jubilant.Juju, scripted: Scripted) -> jubilant.Juju:
    """Two units of a provider, one of a requirer, related; the relation's ID is 1."""
    model.deploy(scripted.charm("app", peers=RING, provides=DB), num_units=2)
    model.deploy(scripted.charm("client", requires=DB))
    model.integrate("app", "client")
    settle(model)
    return model


def test_joined_is_followed_at_once_by_changed(pair: jubilant.Juju, scripted: Scripted) -> None:
    assert pair.status().apps["app"].relations["db"][0].related_app == "client"
    events = [event for event in scripted.events("client/0") if "relation" in event]
    assert events == [
        "db-relation-created",
        "db-relation-joined app/0",
        "db-relation-changed app/0",
        "db-relation-joined app/1",
        "db-relation-changed app/1",
    ]
    for unit in ("app/0", "app/1"):
        assert [one for one in scripted.events(unit) if one.startswith("db-")] == [
            "db-relation-created",
            "db-relation-joined client/0",
            "db-relation-changed client/0",
        ]


def test_one_id_on_both_sides(pair: jubilant.Juju, scripted: Scripted) -> None:
    for unit, other in (("app/0", "client"), ("client/0", "app")):
        environment = scripted.environment(unit, "db-relation-created")
        assert environment["JUJU_RELATION"] == "db"
        assert environment["JUJU_RELATION_ID"] == "db:1"
        assert environment["JUJU_REMOTE_APP"] == other
        assert environment["JUJU_REMOTE_UNIT"] == ""
        assert run(pair, unit, "relation-ids db --format=json").stdout == '["db:1"]\n'


def test_the_application_databag_tells_each_remote_unit_once(
    pair: jubilant.Juju, scripted: Scripted
) -> None:
    scripted.forget()
    run(pair, "app/0", "relation-set -r 1 --app a=1 b=2; relation-set -r db:1 --app a=3")
    settle(pair)
    assert scripted.events() == ["client/0 db-relation-changed"]
    assert scripted.environment("client/0", "db-relation-changed")["JUJU_REMOTE_UNIT"] == ""
    assert run(pair, "client/0", "relation-get -r 1 --app - app").stdout == 'a: "3"\nb: "2"\n'
    scripted.forget()
    run(pair, "app/0", "relation-set -r 1 --app a=3")
    settle(pair)
    assert scripted.events() == []


def test_a_unit_databag_tells_the_remote_units(pair: jubilant.Juju, scripted: Scripted) -> None:
    scripted.forget()
    run(pair, "client/0", "relation-set -r 1 key=value")
    settle(pair)
    assert sorted(scripted.events()) == [
        "app/0 db-relation-changed client/0",
        "app/1 db-relation-changed client/0",
    ]
    assert run(pair, "app/1", "relation-get -r 1 key client/0").stdout == "value\n"
    run(pair, "client/0", "relation-set -r 1 key=")
    settle(pair)
    assert run(pair, "app/1", "relation-get -r 1 key client/0 --format=json").stdout == "null\n"


def test_a_leader_is_told_of_what_it_writes_to_its_peers_by_juju_4(
    pair: jubilant.Juju, scripted: Scripted, release: Release
) -> None:
    told = {"3.6": ["app/1"], "4.0": ["app/0", "app/1"]}[release.name]
    scripted.forget()
    run(pair, "app/0", "relation-set -r ring:0 --app a=1")
    settle(pair)
    assert sorted(scripted.events()) == [f"{unit} ring-relation-changed" for unit in told]


def test_changes_that_meet_are_told_once(pair: jubilant.Juju, scripted: Scripted) -> None:
    scripted.on("update-status", scripted.pause("told"), unit="client/0")
    scripted.forget()
    for unit in ("app/0", "app/1"):
        for value in range(3):
            run(pair, unit, f"relation-set -r 1 n={value}")
    settle(pair)
    changed = [event for event in scripted.events("client/0") if "changed" in event]
    assert {"db-relation-changed app/0", "db-relation-changed app/1"} == set(changed)


def test_a_departing_unit_is_no_member_and_still_readable(
    pair: jubilant.Juju, scripted: Scripted
) -> None:
    out = scripted.folder / "out"
    run(pair, "app/1", "relation-set -r 1 last=words")
    settle(pair)
    script = (
        f"relation-list > {out}; relation-get last app/1 >> {out}; relation-list --app >> {out}"
    )
    scripted.on("db-relation-departed", script, unit="client/0")
    pair.remove_unit("app/1")
    settle(pair)
    assert scripted.text("out").split() == ["app/0", "words", "app"]
    environment = scripted.environment("client/0", "db-relation-departed")
    assert environment["JUJU_DEPARTING_UNIT"] == "app/1"


def test_remote_settings_stay_for_the_hook_as_first_read(
    pair: jubilant.Juju, scripted: Scripted
) -> None:
    run(pair, "app/0", "relation-set -r 1 --app v=old")
    settle(pair)
    scripted.on(
        "config-changed",
        f"cd {scripted.folder}; relation-get -r 1 --app v app > before; touch reading\n"
        + scripted.pause("written")
        + "relation-get -r 1 --app v app > after",
    )
    pair.trust("client")
    # Hooks of a model run one by one, so the other side's databag changes by `juju` alone.
    scripted.reach("reading")
    scripted.go("written")
    settle(pair)
    assert (scripted.text("before"), scripted.text("after")) == ("old", "old")


REFUSED = [
    ("app/1", "relation-set -r 1 --app a=1", 1, "ERROR cannot write relation settings"),
    ("app/0", "relation-get -r nope - x/0", 2, 'value "nope" for option -r: invalid relation id'),
    ("app/0", "relation-get -r 9 - x/0", 2, 'invalid value "9" for option -r: relation not found'),
    ("app/0", "relation-list -r ring:9", 2, "relation not found"),
    ("app/0", "relation-set a=1", 2, "ERROR no relation id specified"),
    ("app/0", "relation-set -r 1 nonsense", 2, 'expected "key=value", got "nonsense"'),
    ("app/0", "relation-ids db more", 2, 'ERROR unrecognized args: ["more"]'),
    ("app/1", "status-set --application active", 1, "this unit is not the leader"),
    ("app/0", "status-set sunny", 2, 'invalid status "sunny", expected one of'),
    ("app/0", "relation-get --colour=red -r 1", 2, "option provided but not defined: --colour"),
    ("app/0", "credential-get", 1, "cannot access cloud credentials"),
    ("app/0", "network-get nowhere", 1, 'no network config found for binding "nowhere"'),
    ("app/0", "resource-get nothing", 1, "could not download resource"),
    ("app/0", "state-set nonsense", 2, 'expected "key=value", got "nonsense"'),
    ("app/0", "storage-get", 2, "no storage instance specified"),
    ("app/0", "open-port 70000", 2, "port range bounds must be between 0 and 65535"),
]
REFUSED_BY = {
    "3.6": [
        ("app/1", "relation-get -r 1 --app - app", 1, "ERROR permission denied"),
        ("app/0", "relation-get -r 1 - app/1", 1, "ERROR permission denied"),
        ("app/0", "relation-get -r 1 - other/0", 1, "ERROR permission denied"),
        ("app/0", "relation-get -r 1 - client/7", 1, "settings not found"),
    ],
    "4.0": [
        ("app/0", "relation-get -r 1 --app - other", 1, 'getting application "other" not found'),
        ("app/0", "relation-get -r 1 - client/7", 1, "ERROR relation unit not found"),
    ],
}


def test_refusals_have_the_words_and_exit_codes_of_juju(
    pair: jubilant.Juju, release: Release
) -> None:
    for unit, line, code, words in REFUSED + REFUSED_BY[release.name]:
        task = run(pair, unit, line)
        assert (task.return_code, task.stdout) == (code, ""), line
        assert words in task.stderr, line


def test_the_number_alone_names_a_relation(pair: jubilant.Juju) -> None:
    assert run(pair, "app/0", "relation-list -r nonsense:1").stdout == "client/0\n"


def test_without_a_remote_unit_the_remote_application_is_meant(
    pair: jubilant.Juju, scripted: Scripted
) -> None:
    scripted.on("db-relation-broken", f"relation-get - > {scripted.folder}/out")
    run(pair, "app/0", "relation-set -r 1 --app last=words")
    settle(pair)
    pair.remove_relation("app", "client")
    settle(pair)
    assert scripted.text("out") == "last: words"


def test_hook_commands_explain_themselves(pair: jubilant.Juju) -> None:
    task = run(pair, "app/0", "relation-get --help; relation-get -r 1 --nonsense --help")
    assert task.success
    assert task.stdout.startswith("Usage: relation-get [options]")
    assert "--relation" in task.stdout


def test_what_each_unit_may_read(pair: jubilant.Juju, release: Release) -> None:
    run(pair, "app/0", "relation-set -r 1 --app a=1; relation-set -r ring:0 --app p=2")
    settle(pair)
    assert run(pair, "app/0", "relation-get -r 1 --app a app").stdout == "1\n"
    assert run(pair, "app/1", "relation-get -r ring:0 --app p app").stdout == "2\n"
    addresses = run(pair, "app/1", "relation-get -r ring:0 - app/0 --format=json").stdout
    assert ("private-address" in addresses) == (release.name == "3.6")
    if release.name == "4.0":
        assert run(pair, "app/1", "relation-get -r 1 --app a app").stdout == "1\n"
        assert "ingress-address" in run(pair, "app/0", "relation-get -r 1 - app/1").stdout
    assert run(pair, "client/0", "relation-get -r 1 --app a app").stdout == "1\n"
    assert (
        run(pair, "client/0", "relation-list -r 1 --format=json").stdout == '["app/0","app/1"]\n'
    )
    assert '"uuid"' in run(pair, "client/0", "relation-model-get -r 1 --format=json").stdout


INTEGRATE_REFUSED = {
    "3.6": {
        ("app", "client"): "relation client:db app:db already exists",
        ("client", "many"): "no relations found",
        ("app", "ghost"): 'application "ghost" not found',
        ("app:x", "many"): 'application "app" has no "x" relation',
    },
    "4.0": {
        ("app", "client"): "relation app:db client:db: already exists",
        ("client", "many"): "no compatible endpoints found between applications",
        ("app", "ghost"): "no candidates for ghost: relation endpoint not found",
        ("app:x", "many"): "no candidates for app:x: relation endpoint not found",
    },
}


def test_integrate_refuses_as_juju_does(
    pair: jubilant.Juju, scripted: Scripted, release: Release
) -> None:
    two = {"one": {"interface": "db"}, "two": {"interface": "db"}}
    pair.deploy(scripted.charm("many", requires=two))
    pair.deploy(scripted.charm("few", provides={"db": {"interface": "other", "limit": 1}}))
    pair.deploy(scripted.charm("wants", requires={"db": {"interface": "other"}}), "wants-a")
    pair.deploy(scripted.folder / "wants", "wants-b")
    assert 'ambiguous relation: "app many" could refer to "app:db many:one"' in refusal(
        pair, "integrate", "app", "many"
    )
    for ends, words in INTEGRATE_REFUSED[release.name].items():
        assert words in refusal(pair, "integrate", *ends)
    pair.integrate("few", "wants-a")
    assert "maximum relation limit of 1" in refusal(pair, "integrate", "few", "wants-b")
    few = scripted.charm("few", provides={"db": {"interface": "other", "limit": 2}})
    pair.refresh("few", path=few)
    pair.integrate("few", "wants-b")
    pair.deploy(scripted.folder / "wants", "wants-c")
    assert "maximum relation limit of 2" in refusal(pair, "integrate", "few", "wants-c")
    assert "not found" in refusal(pair, "remove-relation", "app", "many")


def test_a_relation_can_be_made_again(pair: jubilant.Juju, scripted: Scripted) -> None:
    pair.remove_relation("app", "client")
    settle(pair)
    assert "db" not in pair.status().apps["app"].relations
    scripted.forget()
    pair.integrate("app:db", "client:db")
    settle(pair)
    assert scripted.environment("client/0", "db-relation-created")["JUJU_RELATION_ID"] == "db:2"
    assert scripted.events("client/0")[0] == "db-relation-created"


def test_a_relation_that_ends_before_it_was_seen_is_never_told(
    model: jubilant.Juju, scripted: Scripted
) -> None:
    scripted.on("install", scripted.pause("removed"))
    model.deploy(scripted.charm("app", provides=DB))
    model.deploy(scripted.charm("client", requires=DB))
    model.integrate("app", "client")
    model.remove_relation("app", "client")
    scripted.go("removed")
    settle(model)
    assert not [event for event in scripted.events() if "relation" in event]
    model.remove_application("app", "client")
    gone(model, "app", "client")

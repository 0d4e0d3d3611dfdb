"""Relations between two models of one controller."""

from __future__ import annotations

import dataclasses
import json
import re
from typing import TYPE_CHECKING

import jubilant
import pytest
from scripted import JUJU, Scripted, gone, refusal, run, settle, wait

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Iterator

DB = {"db": {"interface": "db"}}


@dataclasses.dataclass
class Pair:
    """An offering model with `app`, and a consuming one with `client`, in the same controller."""

    offering: jubilant.Juju
    consuming: jubilant.Juju

    @property
    def name(self) -> str:
        """The offering model's name, without its controller."""
        return self.offering.show_model().short_name

    @property
    def remote(self) -> str:
        """The client's name in the offering model."""
        [related] = self.offering.status().apps["app"].relations["db"]
        return related.related_app

    def settle(self) -> None:
        for juju in (self.offering, self.consuming, self.offering, self.consuming):
            settle(juju)

    def write(self, content: str) -> None:
        """Write to the application's databag, as its leader."""
        run(self.offering, "app/0", f"for id in $(relation-ids db); do {content}; done")


@pytest.fixture
def models(model: jubilant.Juju, scripted: Scripted, tmp_path: pathlib.Path) -> Iterator[Pair]:
    other = jubilant.Juju(cli_binary=JUJU)
    name = f"{tmp_path.name.replace('_', '-')}-consumer"
    other.add_model(name, config={"automatically-retry-hooks": False})
    model.deploy(scripted.charm("app", provides=DB), num_units=2)
    other.deploy(scripted.charm("client", requires=DB))
    try:
        yield Pair(model, other)
    finally:
        if name in model.cli("models", include_model=False):
            other.destroy_model(name, force=True)


@pytest.fixture
def related(models: Pair, scripted: Scripted) -> Pair:
    models.offering.offer("app", endpoint="db")
    settle(models.offering)
    settle(models.consuming)
    models.consuming.consume(f"{models.name}.app", "theirs")
    models.consuming.integrate("client", "theirs")
    models.settle()
    assert scripted.events()
    return models


def test_each_side_hears_of_the_others_units(related: Pair, scripted: Scripted) -> None:
    assert re.fullmatch(r"remote-[0-9a-f]{32}", related.remote)
    assert [event for event in scripted.events("client/0") if "relation" in event] == [
        "db-relation-created",
        "db-relation-joined theirs/0",
        "db-relation-changed theirs/0",
        "db-relation-joined theirs/1",
        "db-relation-changed theirs/1",
    ]
    for unit in ("app/0", "app/1"):
        assert [event for event in scripted.events(unit) if "relation" in event] == [
            "db-relation-created",
            f"db-relation-joined {related.remote}/0",
            f"db-relation-changed {related.remote}/0",
        ]
    environment = scripted.environment("client/0", "db-relation-joined")
    assert environment["JUJU_REMOTE_APP"] == "theirs"
    line = "relation-list -r 0; relation-list -r 0 --app; relation-model-get -r 0"
    offering = related.offering.show_model().model_uuid
    answer = run(related.consuming, "client/0", line).stdout
    assert answer == f"theirs/0\ntheirs/1\ntheirs\nuuid: {offering}\n"


def test_databags_are_read_in_the_other_model(related: Pair, scripted: Scripted) -> None:
    scripted.forget()
    related.write("relation-set -r $id --app a=1; relation-set -r $id b=2")
    related.settle()
    assert scripted.events() == [
        "client/0 db-relation-changed",
        "client/0 db-relation-changed theirs/0",
    ]
    line = "relation-get -r 0 --app a theirs; relation-get -r 0 b theirs/0"
    assert run(related.consuming, "client/0", line).stdout == "1\n2\n"
    scripted.forget()
    run(related.consuming, "client/0", "relation-set -r 0 --app c=3; relation-set -r 0 d=4")
    related.settle()
    assert set(scripted.events()) == {
        f"app/{unit} db-relation-changed{remote}"
        for unit in (0, 1)
        for remote in ("", f" {related.remote}/0")
    }
    shown = related.consuming.show_unit("client/0").relation_info[0]
    assert (shown.cross_model, shown.related_endpoint) == (True, "db")
    assert shown.related_units["theirs/0"].data["b"] == "2"
    refused = run(related.consuming, "client/0", "relation-get -r 0 - app/0")
    assert (refused.return_code, refused.stdout) == (1, "")


def share(related: Pair) -> str:
    """Make a secret of the offering application, grant it and give its URI."""
    line = (
        "uri=$(secret-add password=one); echo $uri;"
        "for id in $(relation-ids db); do secret-grant $uri -r $id; done"
    )
    return run(related.offering, "app/0", line).stdout.strip()


def test_a_granted_secret_is_read_by_its_whole_uri(related: Pair) -> None:
    refused = run(
        related.consuming,
        "client/0",
        f"secret-get {run(related.offering, 'app/0', 'secret-add password=none').stdout.strip()}",
    )
    assert refused.return_code == 1
    assert "none" not in refused.stderr
    uri = share(related)
    offering = related.offering.show_model().model_uuid
    assert uri.startswith(f"secret://{offering}/")
    assert run(related.consuming, "client/0", f"secret-get {uri} password").stdout == "one\n"
    short = f"secret:{uri.rpartition('/')[2]}"
    assert "not found" in run(related.consuming, "client/0", f"secret-get {short}").stderr
    unknown = uri.replace(offering, "5a1c1f0e-0000-4000-8000-000000000000")
    for juju, unit in ((related.consuming, "client/0"), (related.offering, "app/0")):
        assert "not found" in run(juju, unit, f"secret-get {unknown}").stderr


def test_a_new_revision_is_told_across_models(related: Pair, scripted: Scripted) -> None:
    uri = share(related)
    run(related.consuming, "client/0", f"secret-get {uri} --label theirs")
    related.settle()
    scripted.forget()
    run(related.offering, "app/0", f"secret-set {uri} password=two")
    related.settle()
    assert scripted.events() == ["client/0 secret-changed"]
    environment = scripted.environment("client/0", "secret-changed")
    assert environment["JUJU_SECRET_LABEL"] == "theirs"
    assert uri.endswith(environment["JUJU_SECRET_ID"].rpartition("/")[2].removeprefix("secret:"))
    get = "secret-get --label theirs"
    assert run(related.consuming, "client/0", get).stdout == "password: one\n"
    assert run(related.consuming, "client/0", f"{get} --peek").stdout == "password: two\n"
    scripted.forget()
    assert run(related.consuming, "client/0", f"{get} --refresh").stdout == "password: two\n"
    related.settle()
    assert scripted.events() == ["app/0 secret-remove"]


def test_another_models_secret_is_nobodys_own(related: Pair, scripted: Scripted) -> None:
    """A unit that happens to have its owner's name may not touch it."""
    uri = share(related)
    related.consuming.deploy(scripted.charm("app", provides=DB))
    settle(related.consuming)
    for line in (f"secret-get {uri}", f"secret-info-get {uri}", f"secret-set {uri} password=x"):
        assert run(related.consuming, "app/0", line).stdout == "", line
    related.settle()
    assert run(related.consuming, "client/0", f"secret-get {uri} password").stdout == "one\n"


def test_the_end_of_the_relation_ends_the_grant(related: Pair, scripted: Scripted) -> None:
    uri = share(related)
    run(related.consuming, "client/0", f"secret-get {uri}")
    remote = related.remote
    related.settle()
    scripted.forget()
    related.consuming.remove_relation("client", "theirs")
    related.settle()
    assert scripted.events("client/0") == [
        "db-relation-departed theirs/0",
        "db-relation-departed theirs/1",
        "db-relation-broken",
    ]
    for unit in ("app/0", "app/1"):
        assert scripted.events(unit) == [
            f"db-relation-departed {remote}/0",
            "db-relation-broken",
        ]
    assert run(related.consuming, "client/0", f"secret-get {uri}").return_code == 1
    scripted.forget()
    run(related.offering, "app/0", f"secret-set {uri} password=two")
    related.settle()
    assert not [event for event in scripted.events() if "secret-changed" in event]
    related.consuming.integrate("client", "theirs")
    related.settle()
    assert scripted.environment("client/0", "db-relation-created")["JUJU_RELATION_ID"] == "db:1"


def test_units_come_and_go_on_both_sides(related: Pair, scripted: Scripted) -> None:
    scripted.forget()
    related.offering.remove_unit("app/1")
    related.consuming.add_unit("client")
    related.settle()
    assert "db-relation-departed theirs/1" in scripted.events("client/0")
    departed = scripted.environment("client/0", "db-relation-departed")
    assert departed["JUJU_DEPARTING_UNIT"] == "theirs/1"
    assert f"db-relation-joined {related.remote}/1" in scripted.events("app/0")
    assert list(related.consuming.show_unit("client/1").relation_info[0].related_units) == [
        "theirs/0"
    ]


def test_status_shows_offers_and_what_is_consumed(related: Pair) -> None:
    offer = related.offering.status().offers["app"]
    assert (offer.app, offer.total_connected_count, offer.active_connected_count) == ("app", 1, 1)
    assert offer.endpoints["db"].interface == "db"
    status = related.consuming.status()
    theirs = status.app_endpoints["theirs"]
    assert theirs.url == f"localjuju:admin/{related.name}.app"
    assert theirs.endpoints["db"].role == "provider"
    assert theirs.relations == {"db": ["client"]}
    assert status.apps["client"].relations["db"][0].related_app == "theirs"
    text = related.consuming.cli("status")
    assert re.search(r"SAAS +Status +Store +URL\ntheirs ", text)
    assert re.search(r"app +app +app +0 +1/1 +db", related.offering.cli("status"))


def test_an_offer_is_found_by_its_url(models: Pair) -> None:
    name = models.name
    unknown = answer(models.offering, "find-offers", name)
    assert "no matching application offers found" in unknown
    models.offering.offer(f"{name}.app", endpoint="db", name="data")
    listed = models.consuming.cli("find-offers", "--format", "json", name, include_model=False)
    found = json.loads(listed)
    assert list(found) == [f"localjuju:admin/{name}.data"]
    assert found[f"localjuju:admin/{name}.data"]["endpoints"]["db"] == {
        "interface": "db",
        "role": "provider",
    }
    models.offering.offer(f"{name}.app", endpoint="juju-info", name="info")
    data, info = f"localjuju:admin/{name}.data", f"localjuju:admin/{name}.info"
    for arguments, urls in (
        (("--url", f"admin/{name}"), {data, info}),
        ((f"admin/{name}.data",), {data}),
        (("--url", f"{name}.info"), {info}),
        (("--interface", "db", name), {data}),
    ):
        listed = models.consuming.cli(
            "find-offers", "--format=json", *arguments, include_model=False
        )
        assert set(json.loads(listed)) == urls
    assert "no matching" in answer(models.offering, "find-offers", name, "--interface", "none")
    assert "both a URL term" in answer(models.offering, "find-offers", name, "--offer", "data")
    models.consuming.integrate("client", f"admin/{name}.data:db")
    models.settle()
    assert models.consuming.status().apps["client"].relations["db"][0].related_app == "data"


def test_what_is_wrong_is_refused(models: Pair, scripted: Scripted) -> None:
    name, consuming, offering = models.name, models.consuming, models.offering
    for juju, line, words in [
        (offering, f"offer {name}.ghost:db", 'application "ghost" not found'),
        (offering, f"offer {name}.app:x", 'application "app" has no "x" relation'),
        (consuming, f"consume admin/{name}.app", 'application offer "admin/'),
        (consuming, f"integrate client {name}.app", "not found"),
        (consuming, "consume nothing", 'application offer URL "nothing" is not valid'),
        (consuming, "consume other:admin/m.app", "controller other not found"),
        (consuming, "remove-saas app", 'remote application "app" not found'),
    ]:
        assert words in answer(juju, *line.split()), line
    offering.offer("app", endpoint="db")
    consuming.consume(f"{name}.app")
    consuming.consume(f"{name}.app")
    assert "saas application with same name" in refusal(
        consuming, "deploy", str(scripted.charm("other")), "app"
    )
    assert "local application with same name" in refusal(
        consuming, "consume", f"{name}.app", "client"
    )
    consuming.integrate("client", "app")
    assert "already exists" in refusal(consuming, "integrate", "client", "app")
    assert "used by 1 consumer" in refusal(offering, "remove-application", "app")


def answer(juju: jubilant.Juju, *command: str) -> str:
    """What `juju` answers to a command that it refuses; some name a model by a URL alone."""
    with pytest.raises(jubilant.CLIError) as caught:
        juju.cli(
            *command, include_model=command[0] not in ("find-offers", "offer", "remove-offer")
        )
    return caught.value.stderr


def test_what_is_consumed_goes_with_its_relations(related: Pair, scripted: Scripted) -> None:
    scripted.forget()
    related.consuming.cli("remove-saas", "theirs")
    wait(related.consuming, lambda status: "theirs" not in status.app_endpoints)
    related.settle()
    assert "db-relation-broken" in scripted.events("client/0")
    assert "db" not in related.offering.status().apps["app"].relations
    assert related.offering.status().offers["app"].total_connected_count == 0
    related.offering.cli("remove-offer", f"admin/{related.name}.app", include_model=False)
    assert related.offering.status().offers == {}


def test_an_offer_is_removed_by_force(related: Pair, scripted: Scripted) -> None:
    url = f"admin/{related.name}.app"
    assert "offer has 1 relation" in answer(related.offering, "remove-offer", url)
    scripted.forget()
    related.offering.cli("remove-offer", "--force", "-y", url, include_model=False)
    related.settle()
    assert "db-relation-broken" in scripted.events("client/0")
    assert "db-relation-broken" in scripted.events("app/1")
    theirs = related.consuming.status().app_endpoints["theirs"]
    assert theirs.app_status.current == "terminated"


def test_an_offers_name_alone_means_the_current_model(models: Pair) -> None:
    models.offering.offer(f"{models.name}.app", endpoint="db", name="data")
    models.offering.cli("switch", models.name, include_model=False)
    models.offering.cli("remove-offer", "data", include_model=False)
    assert "no matching" in answer(models.offering, "find-offers", models.name)
    for word, words in {
        "app": "endpoints must conform to format",
        "app:": "endpoints must conform to format",
    }.items():
        assert words in answer(models.offering, "offer", word)
    models.offering.offer(f"{models.name}.app", endpoint="db", name="data")
    unknown = answer(models.offering, "consume", f"nobody/{models.name}.data")
    assert 'application offer "nobody/' in unknown
    assert 'offer name "a.b" not valid' in answer(models.offering, "offer", "app:db", "a.b")


@pytest.mark.parametrize("side", ["offering", "consuming"])
def test_a_model_that_is_destroyed_leaves_its_relations(
    related: Pair, scripted: Scripted, side: str
) -> None:
    scripted.forget()
    destroyed, other, unit = related.consuming, related.offering, "app/0"
    if side == "offering":
        destroyed, other, unit = other, destroyed, "client/0"
    destroyed.cli(
        "destroy-model", "--no-prompt", "--force", str(destroyed.model), include_model=False
    )
    settle(other)
    assert scripted.events(unit)[-1] == "db-relation-broken"
    if side == "offering":
        theirs = other.status().app_endpoints["theirs"]
        assert theirs.app_status.current == "terminated"
    # The fixtures end a model of this name.
    destroyed.add_model(str(destroyed.model))


def test_a_removed_consumer_leaves_nothing_in_the_offering_model(related: Pair) -> None:
    uri = share(related)
    run(related.consuming, "client/0", f"secret-get {uri}")
    related.consuming.remove_application("client")
    gone(related.consuming, "client")
    related.settle()
    assert "db" not in related.offering.status().apps["app"].relations
    secret = related.offering.show_secret(uri.rpartition("/")[2], reveal=True)
    assert not secret.access

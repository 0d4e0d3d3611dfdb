"""Configuration, actions and exec."""

from __future__ import annotations

from typing import TYPE_CHECKING

import jubilant
import pytest
from scripted import juju, refusal, run, settle, wait

if TYPE_CHECKING:
    from scripted import Scripted

    from localjuju.releases import Release

OPTIONS = {
    "count": {"type": "int", "default": 3, "description": "How many."},
    "empty": {"type": "string", "default": ""},
    "flag": {"type": "boolean", "default": False},
    "key": {"type": "secret"},
    "name": {"type": "string"},
    "ratio": {"type": "float"},
}
ACTIONS = {
    "greet": {
        "description": "Greet.",
        "params": {
            "name": {"type": "string", "default": "you"},
            "times": {"type": "integer", "minimum": 1},
        },
        "required": ["times"],
        "additionalProperties": False,
    },
    "look": {"description": "Look."},
}


@pytest.fixture
def app(model: jubilant.Juju, scripted: Scripted) -> jubilant.Juju:
    model.deploy(scripted.charm("app", config=OPTIONS, actions=ACTIONS))
    settle(model)
    scripted.forget()
    return model


def test_values_have_types_and_defaults(app: jubilant.Juju) -> None:
    assert app.config("app") == {"count": 3, "empty": "", "flag": False}
    assert run(app, "app/0", "config-get --format=json").stdout == (
        '{"count":3,"empty":"","flag":false}\n'
    )
    app.config("app", {"count": 5, "flag": True, "name": "a=b", "ratio": 0.5})
    assert app.config("app") == {
        "count": 5,
        "empty": "",
        "flag": True,
        "name": "a=b",
        "ratio": 0.5,
    }
    assert app.cli("config", "app", "name") == "a=b\n"
    assert run(app, "app/0", "config-get flag").stdout == "True\n"
    app.config("app", reset=["count", "name"])
    assert app.config("app")["count"] == 3
    assert "name" not in app.config("app")


def test_an_empty_string_is_a_value(app: jubilant.Juju) -> None:
    app.config("app", {"name": ""})
    settle(app)
    assert run(app, "app/0", "config-get name --format=json").stdout == '""\n'
    app.config("app", reset="name")
    settle(app)
    assert run(app, "app/0", "config-get name --format=json").stdout == "null\n"


def test_config_changed_comes_when_a_value_differs(
    app: jubilant.Juju, scripted: Scripted, release: Release
) -> None:
    app.config("app", {"count": 3})
    settle(app)
    assert scripted.events() == []
    app.config("app", {"count": 4, "flag": True})
    settle(app)
    times = {"3.6": 1, "4.0": 2}[release.name]
    assert scripted.events() == ["app/0 config-changed"] * times


def test_a_reset_alone_is_not_told_by_juju_4(
    app: jubilant.Juju, scripted: Scripted, release: Release
) -> None:
    app.config("app", {"count": 4})
    settle(app)
    scripted.forget()
    app.config("app", reset="count")
    settle(app)
    assert bool(scripted.events()) == (release.name == "3.6")
    assert run(app, "app/0", "config-get count").stdout == "3\n"
    app.config("app", {"flag": True}, reset="count")
    settle(app)
    assert "app/0 config-changed" in scripted.events()


def test_config_refuses_what_does_not_fit(app: jubilant.Juju) -> None:
    for pair, words in {
        "count=x": 'option "count" expected int, got "x"',
        "flag=maybe": 'option "flag" expected boolean, got "maybe"',
        "count=1_000": 'option "count" expected int, got "1_000"',
        "count= 5": 'option "count" expected int, got " 5"',
        f"count={1 << 63}": 'option "count" expected int',
        "ratio=much": 'option "ratio" expected float, got "much"',
        "ratio=nan": 'option "ratio" expected float, got "nan"',
        "ghost=1": 'unknown option "ghost"',
        "key=x": 'invalid secret URI for option "key": secret URI "x" not valid',
    }.items():
        answer = refusal(app, "config", "app", pair)
        assert answer.startswith("ERROR ")
        assert words in answer
    assert 'unknown option "ghost"' in refusal(app, "config", "app", "--reset", "ghost")
    assert app.config("app") == {"count": 3, "empty": "", "flag": False}


def test_config_comes_from_files(app: jubilant.Juju, scripted: Scripted) -> None:
    (scripted.folder / "c.yaml").write_text("app: {count: 9, name: m}\n")
    app.cli("config", "app", "--file", f"{scripted.folder}/c.yaml")
    (scripted.folder / "text").write_text("long\ntext")
    app.cli("config", "app", f"name=@{scripted.folder}/text")
    assert app.config("app")["name"] == "long\ntext"
    assert app.config("app")["count"] == 9


def test_a_file_of_settings_is_read_as_juju_reads_it(
    app: jubilant.Juju, scripted: Scripted
) -> None:
    file = scripted.folder / "c.yaml"
    for content, words in {
        "app: [": "cannot parse settings data: yaml: line 2",
        "- app": "cannot parse settings data",
        "apps: {count: 4}": 'no settings found for "app"',
        "app: 5": 'no settings found for "app"',
        "app: {count: 1.5}": 'option "count" expected int',
    }.items():
        file.write_text(f"{content}\n")
        assert words in refusal(app, "config", "app", "--file", str(file))
        other = ("deploy", f"{scripted.folder}/app", "app", "--config", str(file))
        assert words in refusal(app, *other) or "already exists" in refusal(app, *other)
    file.write_text("app: {count: '9', name: 2026-11-27, ratio: '1e3', trust: true}\n")
    app.cli("config", "app", "--file", str(file))
    values = {"count": 9, "empty": "", "flag": False, "name": "2026-11-27", "ratio": 1000.0}
    assert app.config("app") == values
    assert app.cli("config", "app", "trust") == "true\n"
    shown = app.cli("config", "app")
    file.write_text("app: {count: null, name: null}\n")
    app.cli("config", "app", "--file", str(file))
    assert (app.config("app")["count"], app.config("app").get("name")) == (3, None)
    file.write_text(shown)
    app.cli("config", "app", "--file", str(file))
    assert app.config("app") == values


def test_a_secret_option_holds_a_uri(app: jubilant.Juju) -> None:
    uri = app.add_secret("pw", {"password": "x"})
    app.config("app", {"key": uri})
    assert app.config("app")["key"] == uri
    settle(app)
    assert run(app, "app/0", "config-get key").stdout == f"{uri}\n"


def test_a_hook_keeps_the_configuration_it_began_with(
    app: jubilant.Juju, scripted: Scripted, release: Release
) -> None:
    out = scripted.folder / "out"
    scripted.on("config-changed", f"touch {out}\n{scripted.pause('set')}config-get count >> {out}")
    app.config("app", {"count": 4})
    wait(app, lambda _: out.exists())
    app.config("app", {"count": 5})
    scripted.go("set")
    settle(app)
    told = {"3.6": ["4", "5"], "4.0": ["4", "5", "5"]}[release.name]
    assert scripted.text("out").split() == told


def test_an_action_takes_parameters_and_gives_results(
    app: jubilant.Juju, scripted: Scripted
) -> None:
    scripted.on(
        "greet",
        "action-log starting; action-set a.b=$(action-get name) a.c=2 d=x\n"
        "echo out; echo err >&2; action-get --format=json > params",
    )
    task = app.run("app/leader", "greet", {"times": 2, "name": "world"})
    assert task.results == {"a": {"b": "world", "c": "2"}, "d": "x"}
    assert (task.status, task.return_code) == ("completed", 0)
    assert (task.stdout, task.stderr) == ("out\n", "err\n")
    assert [line[-8:] for line in task.log] == ["starting"]
    assert run(app, "app/0", "cat params").stdout == '{"name":"world","times":2}\n'
    environment = scripted.environment("app/0", "greet")
    assert environment["JUJU_ACTION_NAME"] == "greet"
    assert environment["JUJU_ACTION_UUID"] == task.id
    assert environment["JUJU_ACTION_TAG"] == f"action-{task.id}"
    assert environment["JUJU_DISPATCH_PATH"] == "actions/greet"
    assert environment["JUJU_HOOK_NAME"] == ""


def test_parameters_are_read_as_juju_reads_yaml(app: jubilant.Juju, scripted: Scripted) -> None:
    scripted.on("look", "action-get --format=json > params")
    words = ("at=12:30", "on=2026-11-27", "yes=y", "many=1e3", "eq==", "in=5", "in.side=1")
    app.cli("run", "app/0", "look", *words)
    assert run(app, "app/0", "cat params").stdout == (
        '{"at":"12:30","eq":"=","in":{"side":1},"many":1000.0,"on":"2026-11-27","yes":true}\n'
    )
    (scripted.folder / "p.yaml").write_text("- not a map\n")
    for answer, *arguments in (
        ("yaml: line 2: did not find expected node content", "x=["),
        ("cannot read the parameters: yaml: not a map", "--params", f"{scripted.folder}/p.yaml"),
        ('key "" must start and end with lowercase alphanumeric', "a..b=1"),
        ('key "Upper" must start and end with lowercase alphanumeric', "Upper=1"),
        ('invalid duration "soon"', "--wait", "soon"),
    ):
        assert answer in refusal(app, "run", "app/0", "look", *arguments)
    answer = refusal(app, "run", "app/0", "other/0", "look")
    assert "all units must be of the same application" in answer
    assert scripted.events().count("app/0 look") == 1


def test_action_set_refuses_keys_as_juju_does(app: jubilant.Juju, scripted: Scripted) -> None:
    for word, problem in {
        "Upper=1": 'key "Upper" must start and end with lowercase alphanumeric, and contain',
        "a_b=1": 'key "a_b" must start',
        ".a=1": 'key "" must start',
        "a.stderr=1": 'cannot set reserved action key "stderr"',
        "plain": 'argument "plain" must be of the form key...=value',
    }.items():
        scripted.on("look", f"action-set ok=1 '{word}'; echo $?")
        task = app.run("app/0", "look")
        assert problem in task.stderr
        assert (task.stdout, task.results) == ("2\n", {})


def test_an_action_fails_by_its_word_or_its_exit(app: jubilant.Juju, scripted: Scripted) -> None:
    scripted.on("look", "action-set seen=no; action-fail 'too dark'; open-port 1")
    with pytest.raises(jubilant.TaskError) as caught:
        app.run("app/0", "look")
    task = caught.value.task
    assert (task.status, task.message, task.return_code) == ("failed", "too dark", 0)
    assert task.results == {"seen": "no"}
    scripted.on("look", "open-port 2; exit 3")
    with pytest.raises(jubilant.TaskError) as caught:
        app.run("app/0", "look")
    task = caught.value.task
    assert (task.status, task.message, task.return_code) == ("failed", "exit status 3", 3)
    assert settle(app).apps["app"].units["app/0"].open_ports == ["1/tcp"]


def test_what_cannot_run_is_refused(app: jubilant.Juju, release: Release) -> None:
    for params, words in (
        ({}, '(root) : "times" property is missing and required, given {}'),
        ({"times": "x"}, '(root).times : must be of type integer, given "x"'),
        ({"times": 0}, '(root).times : must be greater than 1, given "0"'),
        ({"times": 1, "more": 1}, '(root) : additional property "more" is not allowed, given'),
    ):
        with pytest.raises((jubilant.CLIError, jubilant.TaskError)) as caught:
            app.run("app/0", "greet", params)
        # To Juju 3.6 it is a refusal, to 4.0 a task that has failed.
        if isinstance(caught.value, jubilant.TaskError):
            assert (release.name, caught.value.task.status) == ("4.0", "failed")
            assert words in caught.value.task.message
        else:
            assert release.name == "3.6"
            assert words in caught.value.stderr
    with pytest.raises(ValueError, match="not found"):
        app.run("app/0", "ghost")


def test_what_fails_ends_with_the_exit_code_of_the_release(
    app: jubilant.Juju, scripted: Scripted, release: Release
) -> None:
    scripted.on("look", "action-fail 'too dark'")
    refused = {"3.6": 1, "4.0": 0}[release.name]
    for words, told in (
        (("run", "app/0", "look"), "failed: too dark"),
        (("run", "app/9", "look"), 'unit "app/9" not found'),
        (("exec", "--unit", "app/9", "--", "true"), 'unit "app/9" not found'),
        (("run", "app/0", "greet"), "validation failed"),
    ):
        done = juju(app, *words)
        assert done.returncode == refused, words
        assert told in done.stdout + done.stderr
    assert juju(app, "exec", "--unit", "app/0", "--", "exit 3").returncode == 1


def test_people_read_the_results(app: jubilant.Juju, scripted: Scripted) -> None:
    scripted.on("greet", "action-log on it; action-set greeting=hello; echo done")
    stdout = app.cli("run", "app/0", "greet", "times=1")
    assert stdout.splitlines()[0].endswith("on it")
    assert stdout.splitlines()[1:] == ["done", "greeting: hello"]
    task_id = str(app.run("app/0", "greet", {"times": 1}).id)
    assert "greeting: hello" in app.cli("show-task", task_id)


def test_run_gives_up_waiting(app: jubilant.Juju, scripted: Scripted) -> None:
    scripted.on("look", scripted.pause("seen"))
    with pytest.raises(TimeoutError):
        app.run("app/0", "look", wait=0.1)
    scripted.go("seen")
    settle(app)


def test_exec_runs_in_the_charms_folder_in_a_hooks_context(app: jubilant.Juju) -> None:
    task = app.exec("pwd; echo $JUJU_CONTEXT_ID; is-leader", unit="app/0")
    folder, context, leader = task.stdout.split()
    assert folder.endswith("unit-app-0/charm")
    assert context.startswith("app/0-run-commands-")
    assert leader == "True"
    assert app.exec("echo", "two words", "$HOME", unit="app/0").stdout == "two words $HOME\n"
    failed = run(app, "app/0", "echo out; echo err >&2; exit 7")
    assert (failed.return_code, failed.stdout, failed.stderr) == (7, "out\n", "err\n")


def test_a_context_ends_with_its_hook(app: jubilant.Juju, scripted: Scripted) -> None:
    line = f"(sleep 0.3; is-leader) > {scripted.folder}/late 2>&1 &"
    app.exec(line, unit="app/0")
    wait(app, lambda _: "ERROR" in scripted.text("late"))
    assert scripted.text("late") == "ERROR bad request: the hook of this context has ended"

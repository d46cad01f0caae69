"""The environment file: what ships, what is refused and how that is told, and the waivers beside it."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from lockdown import config
from lockdown.data import tree
from lockdown.errors import UsageError
from lockdown.policy import load as policy_load
from lockdown.provisioner import environment, retired, waivers
from lockdown.provisioner.blueprint import build
from lockdown.provisioner.site import Site

SHIPPED = sorted(Path(str(tree("provision"))).glob("environments/*.yaml"))
ENVIRONMENTS = [path for path in SHIPPED if not path.name.endswith(".lockdown.yaml")]
SUBSCRIPTION, TENANT = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
TODAY = date(2026, 3, 2)
LEAST: dict[str, Any] = {
    "environment": "genomes",
    "location": "eastus",
    "owner": "platform@genomics.example",
    "database": {"administratorGroup": "5a1d0c62-8f5e-4b7a-9a55-0c7f1f3c2b10"},
    "monitoring": {"contact": "security@genomics.example"},
}


def written(tmp_path: Path, **changed: Any) -> Path:
    path = tmp_path / "genomes.yaml"
    path.write_text(yaml.safe_dump(LEAST | changed, sort_keys=False), "utf-8")
    return path


def refused(tmp_path: Path, **changed: Any) -> str:
    with pytest.raises(UsageError) as caught:
        environment.load(written(tmp_path, **changed))
    return caught.value.message


def site(path: Path) -> Site:
    return Site(environment.load(path), SUBSCRIPTION, TENANT)


@pytest.mark.parametrize("path", ENVIRONMENTS, ids=lambda path: path.stem)
def test_every_environment_that_ships_can_be_built(path: Path) -> None:
    found = environment.load(path)
    assert found.environment == path.stem
    assert build(site(path)).steps
    jsonschema.Draft202012Validator(environment.schema()).validate(yaml.safe_load(path.read_text("utf-8")))


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(environment.schema())


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"location": "East US"}, "line 2: location:"),
        ({"lokation": "eastus"}, "line 8: lokation: extra inputs are not permitted"),
        ({"database": {}}, "database.administratorGroup: field required"),
        ({"network": {"addressSpace": ["8.8.0.0/16"]}}, "is not a private range"),
        ({"network": {"subnets": {"nodes": "10.1.0.0/26"}}}, "the subnet vmsubnet (10.1.0.0/26) has 64 addresses"),
        ({"network": {"subnets": {"nodes": "10.1.128.0/24"}}}, "overlaps"),
        ({"network": {"subnets": {"nodes": "10.9.0.0/24"}}}, "outside the address space"),
        ({"network": {"subnets": {"nodes": "10.1.0.1/24"}}}, "network.subnets.nodes:"),
        ({"network": {"serviceRange": "10.1.4.0/22"}}, "overlaps network.serviceRange"),
        ({"network": {"egress": "appliance"}}, "network.appliance is given with egress 'appliance'"),
        ({"access": "jumpbox"}, "jumpbox is given with access 'jumpbox'"),
        ({"access": "jumpbox", "jumpbox": {"source": "0.0.0.0/0"}}, "one public address"),
        ({"access": "jumpbox", "jumpbox": {"source": "10.0.0.7/32"}}, "one public address"),
        ({"location": "usgovvirginia"}, "is not one of AzureCloud"),
        ({"cloud": "AzureUSGovernment"}, "is not one of AzureUSGovernment"),
        ({"tags": {"lockdown-environment": "mine"}}, "is lockdown's own"),
        ({"tags": {"cost": "\u202eevil"}}, "tags.cost:"),
        ({"registry": {"images": ["docker.io/broadinstitute/cromwell:87"]}}, "registry.images.0:"),
        ({"bring": {"identity": "/subscriptions/../x"}}, "bring.identity:"),
    ],
)
def test_what_is_wrong_is_told_with_its_key(tmp_path: Path, changed: dict[str, Any], told: str) -> None:
    message = refused(tmp_path, **changed)
    assert told in message
    assert str(tmp_path / "genomes.yaml") in message


def test_every_error_of_a_file_is_told_at_once(tmp_path: Path) -> None:
    assert len(refused(tmp_path, location="East US", environment="x", owner="nobody").splitlines()) == 3


@pytest.mark.parametrize(
    ("key", "value"), [("variant", "vm"), ("coaVersion", "3.2.0"), ("coaVersion", 3.2), ("variant", "Cosmos")]
)
def test_the_variant_on_one_machine_is_for_audits_only(tmp_path: Path, key: str, value: Any) -> None:
    with pytest.raises(UsageError, match=f"line 8: {key}: .* audited and not provisioned") as caught:
        retired.refuse(written(tmp_path, **{key: value}))
    assert "lockdown audit" in caught.value.next_step


@pytest.mark.parametrize("value", ["aks", "6.0.0", None, ["vm"]])
def test_another_wish_is_left_to_the_file_s_own_rules(tmp_path: Path, value: Any) -> None:
    retired.refuse(written(tmp_path, variant=value))
    assert "variant: extra inputs" in refused(tmp_path, variant=value)


@pytest.mark.parametrize("path", ENVIRONMENTS, ids=lambda path: path.stem)
def test_every_waiver_that_ships_is_for_a_policy_and_a_resource(path: Path) -> None:
    found = site(path)
    known = {policy.id for policy in policy_load.load(None).policies}
    made = waivers.made(waivers.beside(path), found, build(found), TODAY)
    assert made
    assert {waiver.policy for waiver in made} <= known
    assert {waiver.owner for waiver in made} == {found.environment.owner}
    assert all(TODAY < waiver.expires <= TODAY + config.LONGEST_WAIVER for waiver in made)
    assert len({(waiver.policy, waiver.resources) for waiver in made}) == len(made)
    policies = {waiver.policy for waiver in made}
    assert ("storage-cmk" in policies) is not found.environment.keys.customer_managed


@pytest.fixture
def templates(tmp_path: Path) -> Path:
    path = waivers.beside(written(tmp_path))
    path.write_text(
        yaml.safe_dump({"waivers": [{"policy": "vnet-ddos", "resource": "network", "reason": "Told.", "days": 10}]})
    )
    return path


def made(path: Path, tmp_path: Path, earlier: dict[tuple[str, str], date] | None = None) -> Any:
    found = site(tmp_path / "genomes.yaml")
    return waivers.made(path, found, build(found), TODAY, earlier)


def test_provisioning_again_renews_nothing(templates: Path, tmp_path: Path) -> None:
    (first,) = made(templates, tmp_path)
    assert first.expires == TODAY + timedelta(days=10)
    decided = {("vnet-ddos", first.resources[0]): date(2026, 3, 5)}
    (second,) = made(templates, tmp_path, decided)
    assert second.expires == date(2026, 3, 5)


def test_without_a_file_nothing_is_waived(tmp_path: Path) -> None:
    assert made(waivers.beside(written(tmp_path)), tmp_path) == ()


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"resource": "nothing"}, "is no resource of this environment"),
        ({"days": 181}, "waivers.0.days"),
        ({"when": {"keys.nothing": True}}, "is no setting of an environment"),
        ({"reason": " "}, "waivers.0.reason"),
    ],
)
def test_a_template_that_makes_no_sense_is_refused(
    templates: Path, tmp_path: Path, changed: dict[str, Any], told: str
) -> None:
    entry = {"policy": "vnet-ddos", "resource": "network", "reason": "Told."} | changed
    templates.write_text(yaml.safe_dump({"waivers": [entry]}))
    with pytest.raises(UsageError, match=told):
        made(templates, tmp_path)


def test_a_waiver_for_other_environments_is_none(templates: Path, tmp_path: Path) -> None:
    entry = {"policy": "vnet-ddos", "resource": "x", "reason": "Told.", "when": {"keys.customerManaged": True}}
    templates.write_text(yaml.safe_dump({"waivers": [entry]}))
    assert made(templates, tmp_path) == ()

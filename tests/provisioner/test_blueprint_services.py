"""The services of the blueprint: closed in every environment, nobody their owner."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from lockdown.provisioner.blueprint import build, registry
from lockdown.provisioner.environment import Environment
from lockdown.provisioner.graph import Action, Blueprint, Resource, at
from lockdown.provisioner.site import Site

TENANT = "5a1d0c62-8f5e-4b7a-9a55-0c7f1f3c2b10"
SUBSCRIPTION = "0d9c2a6e-51d4-4c7e-8d0c-6b1f0f6f2a11"
GROUP = "3f8f6c1d-6a0e-4b0f-9f5d-2b7f0f3b9c22"
ELSEWHERE = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/shared/providers"
IMAGE = "docker.io/broadinstitute/cromwell:87@sha256:" + "a1" * 32

THEMES = frozenset(
    {
        *("identity", "access", "keys", "storage", "registry", "database", "batch", "cluster", "monitor"),
        *("recorded", "told", "locks"),
    }
)
ENVIRONMENTS: Mapping[str, Mapping[str, Any]] = {
    "plain": {},
    "own keys": {"keys": {"customerManaged": True}},
    "gateway": {"network": {"egress": "nat"}},
    "appliance": {"network": {"egress": "appliance", "appliance": "10.9.0.4", "egressAddresses": ["198.51.100.1/32"]}},
    "hub": {"network": {"hub": {}, "subnets": {"firewall": "10.0.0.0/26"}}},
    "network that is there": {"network": {"existing": f"{ELSEWHERE}/Microsoft.Network/virtualNetworks/shared"}},
    "private endpoint": {"database": {"mode": "private-endpoint", "administratorGroup": GROUP}},
    "bastion": {"access": "bastion"},
    "jumpbox": {"access": "jumpbox", "jumpbox": {"source": "8.8.8.8/32"}},
    "government": {"cloud": "AzureUSGovernment", "location": "usgovvirginia"},
    "brought": {
        "bring": {
            "identity": f"{ELSEWHERE}/Microsoft.ManagedIdentity/userAssignedIdentities/shared",
            "registry": f"{ELSEWHERE}/Microsoft.ContainerRegistry/registries/shared",
            "workspace": f"{ELSEWHERE}/Microsoft.OperationalInsights/workspaces/shared",
            "zones": {
                "privatelink.eastus.azmk8s.io": f"{ELSEWHERE}/Microsoft.Network/privateDnsZones/"
                "privatelink.eastus.azmk8s.io"
            },
        }
    },
    "images": {"registry": {"images": [IMAGE, "mcr.microsoft.com/a/b@sha256:" + "b2" * 32]}},
}


def site_of(**wanted: Any) -> Site:
    given = {
        "environment": "genomics",
        "location": "eastus",
        "owner": "platform@genomics.example",
        "database": {"administratorGroup": GROUP},
        "monitoring": {"contact": "security@genomics.example"},
        **wanted,
    }
    return Site(Environment.model_validate(given), SUBSCRIPTION, TENANT)


@pytest.fixture(params=ENVIRONMENTS, name="site")
def _site(request: pytest.FixtureRequest) -> Site:
    return site_of(**ENVIRONMENTS[request.param])


def resources(made: Blueprint) -> Iterator[Resource]:
    return (step for step in made if isinstance(step, Resource))


# --- every environment -----------------------------------------------------------------------------------------------


def test_everything_is_closed_from_its_first_write(site: Site) -> None:
    made = build(site)
    closed = {
        "storage": ("properties.publicNetworkAccess", "properties.networkAcls.defaultAction"),
        "logs": ("properties.publicNetworkAccess", "properties.networkAcls.defaultAction"),
        "vault": ("properties.publicNetworkAccess", "properties.networkAcls.defaultAction"),
        "registry": ("properties.publicNetworkAccess",),
        "batch": ("properties.publicNetworkAccess",),
        "cluster": ("properties.publicNetworkAccess",),
        "database": ("properties.network.publicNetworkAccess",),
        "workspace": ("properties.publicNetworkAccessForIngestion", "properties.publicNetworkAccessForQuery"),
        "insights": ("properties.publicNetworkAccessForIngestion", "properties.publicNetworkAccessForQuery"),
        "monitor-scope": (
            "properties.accessModeSettings.ingestionAccessMode",
            "properties.accessModeSettings.queryAccessMode",
        ),
    }
    for key, paths in closed.items():
        assert {at(made.steps[key].body, path) for path in paths} <= {"Disabled", "Deny", "PrivateOnly"}, key


def test_only_windows_change_what_is_closed(site: Site) -> None:
    windows = {(step.key, window.path) for step in resources(build(site)) for window in step.windows}
    assert windows <= {
        ("registry", "properties.networkRuleBypassOptions"),
        ("cluster", "properties.apiServerAccessProfile.disableRunCommand"),
        ("logs", "properties.immutableStorageWithVersioning.immutabilityPolicy.state"),
    }
    for step in resources(build(site)):
        for window in step.windows:
            assert at(step.body, window.path) == window.closed


def test_nobody_owns_anything_and_principals_are_said_to_be_services(site: Site) -> None:
    roles = [step for step in resources(build(site)) if step.theme == "access"]
    assert roles
    for step in roles:
        properties = step.body["properties"]
        role = properties["roleDefinitionId"].rpartition("/")[2]
        assert role not in {"8e3af657-a8ff-443c-a75c-2fe8c4bcb635", "b24988ac-6180-42a0-ab88-20f7382dd24c"}
        assert properties["principalType"] == "ServicePrincipal"
        assert properties["roleDefinitionId"].split("/")[2] == step.id.split("/")[2]
        scope = step.id.partition("/providers/Microsoft.Authorization/")[0]
        assert "/providers/" in scope, f"{step.key} holds for a whole group or subscription"


def test_what_aks_checks_is_there_before_the_cluster(site: Site) -> None:
    needs = _before(build(site), "cluster")
    wanted = {
        "role/identity/vmsubnet/network-contributor",
        "role/identity/identity/managed-identity-operator",
        "role/identity/cluster-zone/private-dns-zone-contributor",
        *("network", "workspace", "feature/encryption-at-host/propagated"),
    }
    wanted |= {"disks", "role/identity/disks/reader"} if site.environment.keys.customer_managed else set()
    assert wanted <= needs
    assert "cluster" in _before(build(site), "credential")


def test_locks_come_after_everything_that_is_written_beneath(site: Site) -> None:
    made = build(site)
    locks = [step for step in resources(made) if step.theme == "locks"]
    assert {"lock/storage", "lock/logs", "lock/vault", "lock/database"} <= {step.key for step in locks}
    for lock in locks:
        target = made.steps[lock.key.removeprefix("lock/")]
        assert isinstance(target, Resource)
        assert not target.brought
        beneath = {
            step.key
            for step in resources(made)
            if step.id.lower().startswith(f"{target.id.lower()}/") and not step.temporary and step.key != lock.key
        }
        assert beneath <= _before(made, lock.key)


def test_nothing_that_is_brought_along_is_locked_recorded_or_changed() -> None:
    made = build(site_of(**ENVIRONMENTS["brought"]))
    for key in ("identity", "registry", "workspace"):
        step = made.steps[key]
        assert isinstance(step, Resource)
        assert step.brought
        assert not step.remove
        beneath = [other for other in resources(made) if other.id.startswith(f"{step.id}/") and other.theme != "access"]
        assert [other.key for other in beneath] == (["credential"] if key == "identity" else [])
    assert "lock/zone/privatelink.eastus.azmk8s.io" not in made.steps


def test_a_network_with_a_jumpbox_is_not_locked() -> None:
    assert "lock/network" in build(site_of()).steps
    assert "lock/network" not in build(site_of(**ENVIRONMENTS["jumpbox"])).steps


def test_every_step_says_how_long_it_takes_and_ours_carry_the_tag(site: Site) -> None:
    for step in resources(build(site)):
        assert step.seconds > 0
        if "location" in step.body and not step.brought and not step.temporary:
            assert step.body["tags"] == site.tags, step.key


def test_subscription_settings_stay() -> None:
    made = build(site_of())
    stay = {step.key for step in resources(made) if not step.remove}
    assert {"contact", "defender/StorageAccounts", "defender/CloudPosture"} <= stay
    assert "activity-log" not in stay


# --- single services -------------------------------------------------------------------------------------------------


def test_microsofts_keys_need_no_keys_of_ours() -> None:
    made = build(site_of())
    assert not [key for key in made.steps if key.startswith("key/") or key in {"disks", "identity/keys"}]
    assert made.steps["storage"].body["properties"]["encryption"]["keySource"] == "Microsoft.Storage"
    assert "identity" not in made.steps["storage"].body
    assert "encryption" not in made.steps["registry"].body["properties"]
    assert made.steps["vault"].body["properties"]["networkAcls"]["bypass"] == "None"


@pytest.mark.parametrize("key", ["storage", "logs", "registry", "batch"])
def test_a_key_can_be_used_before_anything_is_encrypted_with_it(key: str) -> None:
    made = build(site_of(**ENVIRONMENTS["own keys"]))
    role = "role/keys/vault/key-vault-crypto-service-encryption-user"
    assert {role, f"key/{'storage' if key == 'logs' else key}", "identity/keys"} <= _before(made, key)


def test_the_password_of_the_server_is_of_one_run_and_shown_nowhere() -> None:
    one, other = site_of(), site_of()
    assert one == other
    assert one.password != other.password
    assert one.password not in repr(one)
    assert all(re.search(kind, one.password) for kind in ("[a-z]", "[A-Z]", "[0-9]", "[^A-Za-z0-9]"))
    assert 64 <= len(one.password) <= 128
    server = build(one).steps["database"]
    assert isinstance(server, Resource)
    assert at(server.body, "properties.administratorLoginPassword") == one.password
    assert server.secret == {"properties.administratorLoginPassword"}


def test_no_other_step_knows_the_password() -> None:
    site = site_of()
    assert [step.key for step in build(site) if site.password in str(step.body)] == ["database"]


def test_a_server_takes_one_change_at_a_time(site: Site) -> None:
    made = build(site)
    chain = [step for step in made if step.theme == "database"]
    for before, after in itertools.pairwise(chain):
        assert before.key in after.needs


def test_the_library_for_audits_is_loaded_before_its_parameter_is_set() -> None:
    made = build(site_of())
    assert "database/setting/shared_preload_libraries" in _before(made, "database/restart")
    assert "database/restart" in _before(made, "database/setting/pgaudit.log")


@pytest.mark.parametrize(
    ("sku", "tier"),
    [("Standard_B2s", "Burstable"), ("Standard_D2ds_v5", "GeneralPurpose"), ("Standard_E4ds_v5", "MemoryOptimized")],
)
def test_the_tier_follows_from_the_size(sku: str, tier: str) -> None:
    server = build(site_of(database={"administratorGroup": GROUP, "sku": sku})).steps["database"]
    assert server.body["sku"] == {"name": sku, "tier": tier}


def test_a_server_with_an_endpoint_stands_in_no_subnet() -> None:
    server = build(site_of(**ENVIRONMENTS["private endpoint"])).steps["database"]
    assert server.body["properties"]["network"] == {"publicNetworkAccess": "Disabled"}


def test_the_registry_is_open_to_azure_only_for_imports() -> None:
    made = build(site_of(**ENVIRONMENTS["images"]))
    step = made.steps["registry"]
    assert isinstance(step, Resource)
    (window,) = step.windows
    assert (window.opened, window.closed) == ("AzureServices", "None")
    assert window.needed_by == ("image/1", "image/2")
    plain = build(site_of()).steps["registry"]
    assert isinstance(plain, Resource)
    assert plain.windows == ()


def test_images_are_imported_by_digest_under_their_own_names() -> None:
    made = build(site_of(**ENVIRONMENTS["images"]))
    tagged, untagged = made.steps["image/1"], made.steps["image/2"]
    assert isinstance(tagged, Action)
    assert isinstance(untagged, Action)
    assert tagged.body == {
        "source": {"registryUri": "docker.io", "sourceImage": "broadinstitute/cromwell@sha256:" + "a1" * 32},
        "targetTags": ["broadinstitute/cromwell:87"],
        "mode": "Force",
    }
    assert untagged.body["untaggedTargetRepositories"] == ["a/b"]
    assert "targetTags" not in untagged.body
    for step in (tagged, untagged):
        assert step.mark is not None
        name, value = step.mark
        assert step.done.path == f"tags.{name}"
        assert step.done.value == value
        assert "." not in name
        assert len(value) <= 256


def test_an_image_without_a_digest_is_none() -> None:
    with pytest.raises(ValueError, match="no image with a digest"):
        registry.image_of("docker.io/broadinstitute/cromwell:87")


@pytest.mark.parametrize(
    ("name", "kind"),
    [("plain", "userDefinedRouting"), ("appliance", "userDefinedRouting"), ("gateway", "userAssignedNATGateway")],
)
def test_nodes_leave_by_what_the_environment_has(name: str, kind: str) -> None:
    cluster = build(site_of(**ENVIRONMENTS[name])).steps["cluster"]
    assert cluster.body["properties"]["networkProfile"]["outboundType"] == kind


def test_the_upgrade_channel_keeps_the_patch() -> None:
    cluster = build(site_of(cluster={"version": "1.33.5"})).steps["cluster"]
    assert cluster.body["properties"]["kubernetesVersion"] == "1.33"
    assert "kubernetesVersion" not in build(site_of()).steps["cluster"].body["properties"]


def test_government_has_its_own_zones() -> None:
    made = build(site_of(**ENVIRONMENTS["government"]))
    zone = "zone/privatelink.usgovvirginia.cx.aks.containerservice.azure.us"
    assert zone in made.steps["cluster"].body["properties"]["apiServerAccessProfile"]["privateDNSZone"]
    network = made.steps["database"].body["properties"]["network"]
    assert "privatelink.postgres.database.usgovcloudapi.net" in network["privateDnsZoneArmResourceId"]


def test_two_environments_of_a_subscription_do_not_share_names() -> None:
    def own(name: str) -> set[str]:
        groups = {"resourceGroup": name, "networkResourceGroup": name}
        made = build(site_of(environment=name, **groups))
        return {step.id.lower() for step in resources(made) if step.remove}

    assert own("one-environment") & own("another-environment") == set()


def _before(made: Blueprint, key: str) -> set[str]:
    """Return everything that a step needs, directly or not."""
    found: set[str] = set()
    left = [key]
    while left:
        for need in made.needs[left.pop()]:
            if need not in found:
                found.add(need)
                left.append(need)
    return found

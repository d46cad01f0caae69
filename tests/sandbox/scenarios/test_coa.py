"""The two Cromwell on Azure environments: what the stock one leaves open, what the private one closes."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from lockdown.sandbox.scenarios import Document, build

TENANT = "7a1f2c52-43a6-4f0e-9c53-9d6f0b0a7d41"
EXPECTED = Path(__file__).parents[2] / "expected"


def documents(name: str) -> list[Document]:
    return list(build(name, tenant=TENANT, options={}).documents)


def every(found: list[Document], resource_type: str) -> list[Document]:
    return [item for item in found if item["type"].lower() == resource_type.lower()]


def only(found: list[Document], resource_type: str) -> Document:
    (document,) = every(found, resource_type)
    return document


def count(found: list[Document], resource_type: str) -> int:
    return len(every(found, resource_type))


def test_stock_leaves_storage_as_the_provider_makes_it() -> None:
    account = only(documents("coa-stock"), "Microsoft.Storage/storageAccounts")["properties"]

    assert "publicNetworkAccess" not in account
    assert account["minimumTlsVersion"] == "TLS1_0"
    assert "sasPolicy" not in account
    assert account["networkAcls"]["defaultAction"] == "Allow"
    assert account["allowSharedKeyAccess"] is True
    assert account["privateEndpointConnections"] == []


def test_stock_leaves_batch_and_the_registry_public() -> None:
    found = documents("coa-stock")
    batch = only(found, "Microsoft.Batch/batchAccounts")["properties"]

    assert batch["publicNetworkAccess"] == "Enabled"
    assert batch["autoStorage"]["authenticationMode"] == "StorageKeys"
    assert only(found, "Microsoft.ContainerRegistry/registries")["sku"]["name"] == "Standard"


def test_stock_gives_the_vault_an_endpoint_and_a_hand_written_record() -> None:
    found = documents("coa-stock")
    vault = only(found, "Microsoft.KeyVault/vaults")["properties"]
    record = next(item for item in found if item["type"].endswith("/A") and "vaultcore" in item["id"])

    assert "publicNetworkAccess" not in vault
    assert vault["networkAcls"]["defaultAction"] == "Deny"
    assert len(vault["privateEndpointConnections"]) == 1
    assert "metadata" not in record["properties"]
    assert count(found, "Microsoft.Network/privateEndpoints/privateDnsZoneGroups") == 0


def test_stock_leaves_the_jumpbox_on_the_internet() -> None:
    found = documents("coa-stock")
    guard = next(item for item in found if item["name"] == "jumpboxNSG")
    card = next(item for item in found if item["name"] == "jumpboxVMNic")
    opened = [item["properties"] for item in guard["properties"]["securityRules"]]

    assert {(rule["access"], rule["sourceAddressPrefix"], rule["destinationPortRange"]) for rule in opened} == {
        ("Allow", "*", "22")
    }
    assert "publicIPAddress" in card["properties"]["ipConfigurations"][0]["properties"]


def test_stock_cluster_is_private_but_leaves_through_a_public_load_balancer() -> None:
    found = documents("coa-stock")
    cluster = only(found, "Microsoft.ContainerService/managedClusters")["properties"]
    balancer = only(found, "Microsoft.Network/loadBalancers")

    assert cluster["apiServerAccessProfile"]["enablePrivateCluster"] is True
    assert cluster["networkProfile"]["outboundType"] == "loadBalancer"
    assert balancer["name"] == "kubernetes"
    assert balancer["properties"]["loadBalancingRules"] == []
    assert len(balancer["properties"]["outboundRules"]) == 1


def test_private_has_one_public_address_the_firewalls() -> None:
    found = documents("coa-private")
    address = only(found, "Microsoft.Network/publicIPAddresses")
    firewall = only(found, "Microsoft.Network/azureFirewalls")
    config = yaml.safe_load(build("coa-private", tenant=TENANT, options={}).config)

    assert address["properties"]["ipConfiguration"]["id"].startswith(firewall["id"])
    assert config["boundary"]["egressAddresses"] == [f"{address['properties']['ipAddress']}/32"]


def test_private_routes_the_nodes_through_the_firewall() -> None:
    found = documents("coa-private")
    firewall = only(found, "Microsoft.Network/azureFirewalls")["properties"]["ipConfigurations"][0]["properties"]
    routes = [item["properties"]["routes"][0]["properties"] for item in every(found, "Microsoft.Network/routeTables")]
    network = only(found, "Microsoft.Network/virtualNetworks")["properties"]
    routed = {item["name"] for item in network["subnets"] if "routeTable" in item["properties"]}

    assert {(route["addressPrefix"], route["nextHopIpAddress"]) for route in routes} == {
        ("0.0.0.0/0", firewall["privateIPAddress"])
    }
    assert routed == {item["name"] for item in network["subnets"]} - {"AzureFirewallSubnet"}
    assert all(item["properties"]["defaultOutboundAccess"] is False for item in network["subnets"])


@pytest.mark.parametrize(
    "resource_type",
    [
        "Microsoft.Storage/storageAccounts",
        "Microsoft.Batch/batchAccounts",
        "Microsoft.ContainerRegistry/registries",
        "Microsoft.KeyVault/vaults",
        "Microsoft.ContainerService/managedClusters",
    ],
)
def test_private_closes_every_service(resource_type: str) -> None:
    found = every(documents("coa-private"), resource_type)

    assert found
    assert {item["properties"]["publicNetworkAccess"] for item in found} == {"Disabled"}


def test_private_has_no_machine_and_no_dnat() -> None:
    found = documents("coa-private")
    rules = only(found, "Microsoft.Network/firewallPolicies/ruleCollectionGroups")["properties"]["ruleCollections"]

    assert count(found, "Microsoft.Compute/virtualMachines") == 0
    assert {item["action"]["type"] for item in rules} == {"Allow"}


def settings(found: list[Document], resource_id: str) -> list[str]:
    """Return the categories that diagnostic settings of this resource send somewhere."""
    prefix = f"{resource_id}/providers/Microsoft.Insights/diagnosticSettings/".lower()
    sent = [item["properties"]["logs"] for item in found if item["id"].lower().startswith(prefix)]
    return [log["category"] for logs in sent for log in logs if log["enabled"]]


def test_private_records_what_each_service_and_the_subscription_do() -> None:
    found = documents("coa-private")
    subscription = "/".join(only(found, "Microsoft.KeyVault/vaults")["id"].split("/")[:3])

    assert {"Administrative", "Security", "Policy", "Alert"} <= set(settings(found, subscription))
    for account in every(found, "Microsoft.Storage/storageAccounts"):
        for service in ("blob", "file", "queue", "table"):
            categories = settings(found, f"{account['id']}/{service}Services/default")
            assert categories == ["StorageRead", "StorageWrite", "StorageDelete"]
    for kind in (
        "KeyVault/vaults",
        "Batch/batchAccounts",
        "ContainerService/managedClusters",
        "Network/azureFirewalls",
    ):
        assert settings(found, only(found, f"Microsoft.{kind}")["id"])


def test_stock_records_nothing_and_locks_nothing() -> None:
    found = documents("coa-stock")

    assert count(found, "Microsoft.Insights/diagnosticSettings") == 0
    assert count(found, "Microsoft.Network/networkWatchers/flowLogs") == 0
    assert count(found, "Microsoft.Authorization/locks") == 0
    assert {item["properties"]["pricingTier"] for item in every(found, "Microsoft.Security/pricings")} == {"Free"}


def test_private_locks_whatever_holds_data() -> None:
    found = documents("coa-private")
    locked = {
        item["id"].partition("/providers/Microsoft.Authorization/")[0] for item in found if "/locks/" in item["id"]
    }

    for kind in (
        "Microsoft.Storage/storageAccounts",
        "Microsoft.KeyVault/vaults",
        "Microsoft.DBforPostgreSQL/flexibleServers",
        "Microsoft.Network/privateDnsZones",
    ):
        assert {item["id"] for item in every(found, kind)} <= locked


def test_private_encrypts_with_keys_that_exist() -> None:
    found = documents("coa-private")
    vault = only(found, "Microsoft.KeyVault/vaults")["properties"]
    keys = {item["properties"]["keyUriWithVersion"] for item in every(found, "Microsoft.KeyVault/vaults/keys")}
    current = {item["properties"]["keyUri"] for item in every(found, "Microsoft.KeyVault/vaults/keys")}
    (disks,) = every(found, "Microsoft.Compute/diskEncryptionSets")
    used = {
        *(
            item["properties"]["encryption"]["keyvaultproperties"]["currentVersionedKeyIdentifier"]
            for item in every(found, "Microsoft.Storage/storageAccounts")
        ),
        disks["properties"]["activeKey"]["keyUrl"],
    }

    batch = only(found, "Microsoft.Batch/batchAccounts")["properties"]["encryption"]["keyVaultProperties"]

    assert used < keys
    assert batch["keyIdentifier"] in current, "it follows the key as it is rotated"
    assert all(key.startswith(vault["vaultUri"]) for key in keys)
    assert vault["enablePurgeProtection"] is True


def test_private_gives_its_tasks_no_public_address() -> None:
    found = documents("coa-private")
    network = only(found, "Microsoft.Batch/batchAccounts/pools")["properties"]["networkConfiguration"]

    assert network["publicIPAddressConfiguration"] == {"provision": "NoPublicIPAddresses"}
    assert network["subnetId"].endswith("/subnets/batchsubnet")


@pytest.mark.parametrize(("name", "roles"), [("coa-stock", 3), ("coa-private", 0)])
def test_the_deployers_own_roles_stay_in_the_stock_environment_only(name: str, roles: int) -> None:
    found = documents(name)
    kept = [
        item
        for item in every(found, "Microsoft.Authorization/roleAssignments")
        if item["properties"]["principalType"] == "User"
        and (name == "coa-stock" or "/resourceGroups/" in item["properties"]["scope"])
    ]

    assert len(kept) == roles


@pytest.mark.parametrize("name", ["coa-stock", "coa-private"])
def test_the_issuer_of_a_clusters_tokens_is_the_tenants(name: str) -> None:
    found = documents(name)
    issuer = only(found, "Microsoft.ContainerService/managedClusters")["properties"]["oidcIssuerProfile"]["issuerURL"]
    credential = only(found, "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials")

    assert issuer.startswith(f"https://eastus.oic.prod-aks.azure.com/{TENANT}/")
    assert credential["properties"]["issuer"] == issuer


def written(*files: Path) -> list[tuple[Path, dict[str, Any]]]:
    return [(file, yaml.safe_load(file.read_text("utf-8"))) for file in files]


@pytest.mark.parametrize("name", ["coa-stock", "coa-private"])
def test_the_expected_results_speak_of_resources_that_exist(name: str) -> None:
    scenario = build(name, tenant=TENANT, options={})
    ((subscription, _),) = scenario.subscriptions
    ids = {document["id"].lower() for document in scenario.documents} | {f"/subscriptions/{subscription}"}
    files = [*EXPECTED.glob(f"{name}.yaml"), *EXPECTED.glob(f"{name}/*.yaml")]
    assert files

    for file, expected in written(*files):
        for result in expected["results"]:
            part = result["part"] if result["part"].startswith("/") else result["resource"]
            for key in (result["resource"], part):
                assert key.format(subscription=subscription).lower() in ids, (file, key)
            assert result["source"]


def test_a_policy_is_expected_in_one_file_and_each_result_once() -> None:
    seen: dict[str, Path] = {}
    for file, expected in written(EXPECTED / "coa-stock.yaml", *EXPECTED.glob("coa-stock/*.yaml")):
        keys = [(item["policy"], item["resource"].lower(), item["part"].lower()) for item in expected["results"]]
        assert len(keys) == len(set(keys)), file
        judged = {policy for policy, _, _ in keys}
        unseen = expected["notObserved"]
        assert len(unseen) == len(set(unseen))
        assert not judged & set(unseen), file
        for policy in judged | set(unseen):
            assert seen.setdefault(policy, file) == file, policy


def test_each_waiver_of_the_private_environment_has_its_failure() -> None:
    scenario = build("coa-private", tenant=TENANT, options={})
    ((subscription, _),) = scenario.subscriptions
    waivers = yaml.safe_load(scenario.config)["waivers"]
    waived = {(waiver["policy"], resource.lower()) for waiver in waivers for resource in waiver["resources"]}
    ((_, expected),) = written(EXPECTED / "coa-private" / "waived.yaml")
    failing = {(item["policy"], item["resource"].format(subscription=subscription)) for item in expected["results"]}

    assert waived == {(policy, resource.lower()) for policy, resource in failing}
    assert all(waiver["reason"] and waiver["owner"] for waiver in waivers)


def test_the_expected_results_cover_thirty_policies() -> None:
    ((_, expected),) = written(EXPECTED / "coa-stock.yaml")

    assert len({item["policy"] for item in expected["results"]} | set(expected["notObserved"])) == 30

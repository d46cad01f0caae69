"""The synthetic tenant: as many resources as asked for, and as many faults as it says."""

import itertools
import json
from collections import Counter
from collections.abc import Callable, Mapping

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from lockdown.errors import UsageError
from lockdown.sandbox.scenarios import Document, Scenario, build

TENANT = "7a1f2c52-43a6-4f0e-9c53-9d6f0b0a7d41"


def tenant(**options: object) -> Scenario:
    return build("tenant", tenant=TENANT, options={key: str(value) for key, value in options.items()})


def resources(scenario: Scenario) -> list[Document]:
    """Return what Azure counts as resources: not groups, not children, nor what stands on a subscription."""
    return [
        document
        for document in scenario.documents
        if "location" in document and document["type"] != "Microsoft.Resources/resourceGroups"
    ]


def of_type(scenario: Scenario, resource_type: str) -> list[Document]:
    return [item for item in scenario.documents if item["type"].lower() == resource_type.lower()]


@settings(max_examples=30, deadline=None)
@given(number=st.integers(0, 900), subscriptions=st.integers(1, 30))
def test_it_has_the_number_of_resources_that_was_asked_for(number: int, subscriptions: int) -> None:
    assert len(resources(tenant(resources=number, subscriptions=subscriptions, faults=20))) == number


def test_faults_do_not_change_the_number_of_resources() -> None:
    assert len(resources(tenant(resources=1000, faults=0))) == len(resources(tenant(resources=1000, faults=100)))


def test_every_subscription_has_its_share() -> None:
    scenario = tenant(resources=2000, subscriptions=7)
    share = Counter(item["id"].split("/")[2] for item in resources(scenario))

    assert set(share) == {key for key, _ in scenario.subscriptions}
    assert max(share.values()) < 2 * min(share.values())


def test_a_huge_tenant_is_made_one_document_at_a_time() -> None:
    scenario = tenant(resources=1_000_000, subscriptions=1000)
    first = list(itertools.islice(scenario.documents, 10))

    assert len(scenario.subscriptions) == 1000
    assert [item["type"] for item in first][:2] == [
        "Microsoft.Resources/resourceGroups",
        "Microsoft.Network/networkSecurityGroups",
    ]
    assert scenario.expected["storage-pna-disabled"] > 100


def test_documents_are_of_a_realistic_size() -> None:
    sizes = [len(json.dumps(item, separators=(",", ":"))) for item in resources(tenant(resources=3000))]

    assert 900 < sum(sizes) / len(sizes) < 1800


def test_another_seed_puts_the_faults_elsewhere() -> None:
    def open_accounts(seed: int) -> set[str]:
        accounts = of_type(tenant(resources=3000, seed=seed, faults=10), "Microsoft.Storage/storageAccounts")
        return {
            item["id"].split("/resourceGroups/")[1].split("/")[0]
            for item in accounts
            if item["properties"].get("publicNetworkAccess") != "Disabled"
        }

    assert open_accounts(1) != open_accounts(2)


def test_faults_can_be_asked_for_by_number() -> None:
    expected = tenant(resources=2000, faults="storage-pna-disabled=7, kv-pe-vault=2").expected

    assert {key: value for key, value in expected.items() if value} == {
        "storage-pna-disabled": 7,
        "kv-pe-vault": 2,
        "pe-state-approved": 2,
    }


def test_without_faults_nothing_must_be_found() -> None:
    assert set(tenant(resources=2000, faults=0).expected.values()) == {0}


def test_with_every_fault_all_thirty_policies_find_something() -> None:
    expected = tenant(resources=2000, faults="2%").expected

    assert len(expected) == 30
    assert min(expected.values()) > 0


def closed(item: Document) -> bool:
    return str(item["properties"].get("publicNetworkAccess")).lower() == "disabled"


def attached_to_what_needs_one(address: Document) -> bool:
    properties = address["properties"]
    return "natGateway" in properties or "/azureFirewalls/" in properties.get("ipConfiguration", {}).get("id", "")


def approved(endpoint: Document) -> bool:
    (connection,) = endpoint["properties"]["privateLinkServiceConnections"]
    return bool(connection["properties"]["privateLinkServiceConnectionState"]["status"] == "Approved")


def without_public_address(interface: Document) -> bool:
    return all("publicIPAddress" not in item["properties"] for item in interface["properties"]["ipConfigurations"])


READ_BY_EYE: Mapping[str, tuple[str, Callable[[Document], bool]]] = {
    "storage-pna-disabled": ("Microsoft.Storage/storageAccounts", closed),
    "batch-pna-disabled": ("Microsoft.Batch/batchAccounts", closed),
    "acr-pna-disabled": ("Microsoft.ContainerRegistry/registries", closed),
    "kv-pna-disabled": ("Microsoft.KeyVault/vaults", closed),
    "cosmos-pna-disabled": ("Microsoft.DocumentDB/databaseAccounts", closed),
    "pe-state-approved": ("Microsoft.Network/privateEndpoints", approved),
    "nic-no-public-ip": ("Microsoft.Network/networkInterfaces", without_public_address),
    "firewall-no-dnat": (
        "Microsoft.Network/azureFirewalls",
        lambda item: not item["properties"]["natRuleCollections"],
    ),
    "aks-node-no-public-ip": (
        "Microsoft.ContainerService/managedClusters",
        lambda item: not item["properties"]["agentPoolProfiles"][0]["enableNodePublicIP"],
    ),
}


@pytest.mark.parametrize("policy", READ_BY_EYE)
def test_it_holds_as_many_faults_as_it_says(policy: str) -> None:
    scenario = tenant(resources=2500, subscriptions=4, faults=15)
    resource_type, holds = READ_BY_EYE[policy]

    assert sum(not holds(item) for item in of_type(scenario, resource_type)) == scenario.expected[policy]


def test_an_offended_subscription_counts_once_more() -> None:
    scenario = tenant(resources=2500, subscriptions=4, faults="pip-none-in-scope=3,pip-prefix-none=1")
    offenders = [
        item
        for item in of_type(scenario, "Microsoft.Network/publicIPAddresses")
        if not attached_to_what_needs_one(item)
    ]
    offended = {item["id"].split("/")[2] for item in offenders}

    assert len(offenders) == 3
    assert scenario.expected["pip-none-in-scope"] == 3 + len(offended)
    assert scenario.expected["pip-prefix-none"] == 2


def test_the_configuration_bounds_every_subscription_and_all_their_networks() -> None:
    scenario = tenant(resources=100, subscriptions=3)
    boundary = yaml.safe_load(scenario.config)["boundary"]

    assert len(boundary["subscriptions"]) == 3
    assert boundary["virtualNetworks"] == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"resources": "many"}, "resources is 'many'"),
        ({"resources": "-1"}, "resources is '-1'"),
        ({"subscriptions": "0"}, "subscriptions is '0'"),
        ({"faults": "101"}, "from 0 to 100"),
        ({"faults": "nan"}, "from 0 to 100"),
        ({"faults": "few"}, "from 0 to 100"),
        ({"faults": "no-such-fault=1"}, "no fault 'no-such-fault'"),
        ({"faults": "kv-pe-vault=-1"}, "asked '-1' times"),
        ({"resources": "100", "faults": "kv-pe-vault=99"}, "can carry it 0 to 2 times"),
        ({"resources": "100", "faults": "kv-pe-vault="}, "asked '' times"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        build("tenant", tenant=TENANT, options=options)

"""An endpoint, its interface, its records and the service agree with each other, on both sides."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from lockdown.sandbox.scenarios import Document, build

TENANT = "7a1f2c52-43a6-4f0e-9c53-9d6f0b0a7d41"


@pytest.fixture
def private() -> dict[str, Document]:
    """``coa-private`` by lower-case id."""
    return by_id("coa-private")


def by_id(name: str) -> dict[str, Document]:
    return {document["id"].lower(): document for document in build(name, tenant=TENANT, options={}).documents}


def of_type(documents: Mapping[str, Document], resource_type: str) -> Iterator[Document]:
    return (found for found in documents.values() if found["type"].lower() == resource_type.lower())


def connections(endpoint: Document) -> list[dict[str, Any]]:
    properties = endpoint["properties"]
    return [*properties["privateLinkServiceConnections"], *properties["manualPrivateLinkServiceConnections"]]


def addresses(interface: Document) -> dict[str, str]:
    """Return address by the name that it stands in for."""
    return {
        item["properties"]["privateLinkConnectionProperties"]["fqdns"][0]: item["properties"]["privateIPAddress"]
        for item in interface["properties"]["ipConfigurations"]
    }


def test_each_service_has_the_endpoints_it_needs(private: dict[str, Document]) -> None:
    groups = {
        (item["properties"]["privateLinkServiceId"].lower().split("/")[-2], *item["properties"]["groupIds"])
        for endpoint in of_type(private, "Microsoft.Network/privateEndpoints")
        for item in connections(endpoint)
    }

    assert groups == {
        ("storageaccounts", "blob"),
        ("batchaccounts", "batchAccount"),
        ("batchaccounts", "nodeManagement"),
        ("registries", "registry"),
        ("vaults", "vault"),
        ("privatelinkscopes", "azuremonitor"),
        ("managedclusters", "management"),
    }


def test_the_service_points_back_at_the_endpoint(private: dict[str, Document]) -> None:
    answered = set()
    for service in private.values():
        for connection in service["properties"].get("privateEndpointConnections", []):
            pointed = connection["properties"]["privateEndpoint"]["id"]
            endpoint = private[pointed.lower()]
            target = connections(endpoint)[0]["properties"]["privateLinkServiceId"]
            assert target.lower() == service["id"].lower()
            assert pointed != endpoint["id"], "Azure spells the two sides differently"
            answered.add(endpoint["name"])

    made = {endpoint["name"] for endpoint in of_type(private, "Microsoft.Network/privateEndpoints")}
    assert answered == made - {"kube-apiserver"}, "AKS lists no connections"


def test_both_sides_say_approved(private: dict[str, Document]) -> None:
    for document in private.values():
        own = document["properties"].get("privateEndpointConnections", [])
        made = connections(document) if document["type"] == "Microsoft.Network/privateEndpoints" else []
        for connection in [*own, *made]:
            assert connection["properties"]["privateLinkServiceConnectionState"]["status"] == "Approved"


@pytest.mark.parametrize("name", ["coa-private", "coa-stock"])
def test_endpoint_and_interface_name_each_other(name: str) -> None:
    documents = by_id(name)
    for endpoint in of_type(documents, "Microsoft.Network/privateEndpoints"):
        interface = documents[endpoint["properties"]["networkInterfaces"][0]["id"].lower()]
        assert interface["properties"]["privateEndpoint"]["id"].lower() == endpoint["id"].lower()
        subnets = {item["properties"]["subnet"]["id"] for item in interface["properties"]["ipConfigurations"]}
        assert subnets == {endpoint["properties"]["subnet"]["id"]}


def test_the_zone_group_writes_the_records(private: dict[str, Document]) -> None:
    for endpoint in of_type(private, "Microsoft.Network/privateEndpoints"):
        group = private.get(f"{endpoint['id']}/privateDnsZoneGroups/default".lower())
        if group is None:
            assert endpoint["name"] == "kube-apiserver", "AKS writes its record itself"
            continue
        interface = private[endpoint["properties"]["networkInterfaces"][0]["id"].lower()]
        written = [
            (entry["properties"]["privateDnsZoneId"], record)
            for entry in group["properties"]["privateDnsZoneConfigs"]
            for record in entry["properties"]["recordSets"]
        ]
        for zone_id, record in written:
            stored = private[f"{zone_id}/A/{record['recordSetName']}".lower()]
            assert [item["ipv4Address"] for item in stored["properties"]["aRecords"]] == record["ipAddresses"]
        assert sorted(record["ipAddresses"][0] for _, record in written) == sorted(addresses(interface).values())
        assert endpoint["properties"]["customDnsConfigs"] == []


@pytest.mark.parametrize("name", ["coa-private", "coa-stock"])
def test_each_zone_is_linked_to_the_network(name: str) -> None:
    documents = by_id(name)
    (network,) = of_type(documents, "Microsoft.Network/virtualNetworks")
    for zone in of_type(documents, "Microsoft.Network/privateDnsZones"):
        links = [
            link
            for link in of_type(documents, "Microsoft.Network/privateDnsZones/virtualNetworkLinks")
            if link["id"].startswith(f"{zone['id']}/")
        ]
        assert [link["properties"]["virtualNetwork"]["id"] for link in links] == [network["id"]]
        kept = [
            item
            for item in of_type(documents, "Microsoft.Network/privateDnsZones/A")
            if item["id"].startswith(zone["id"])
        ]
        assert zone["properties"]["numberOfRecordSets"] == len(kept) + 1, "the SOA record counts"


def test_no_two_interfaces_share_an_address(private: dict[str, Document]) -> None:
    used = [
        item["properties"]["privateIPAddress"]
        for interface in of_type(private, "Microsoft.Network/networkInterfaces")
        for item in interface["properties"]["ipConfigurations"]
    ]

    assert len(used) == len(set(used))

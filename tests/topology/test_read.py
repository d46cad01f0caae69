"""The topology: what stands where, read off rows as Resource Graph gives them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lockdown import topology
from lockdown.snapshot.engine import Engine
from lockdown.topology import Topology, read

NOW = datetime(2026, 1, 1, tzinfo=UTC)
HOME = "/subscriptions/11111111-1111-4111-8111-111111111111/resourceGroups/rg/providers"
NETWORK = f"{HOME}/Microsoft.Network/virtualNetworks/vnet"
ACCOUNT = f"{HOME}/Microsoft.Storage/storageAccounts/data"
INTERFACE = f"{HOME}/Microsoft.Network/networkInterfaces/vm-nic"
MACHINE = f"{HOME}/Microsoft.Compute/virtualMachines/vm"


def row(resource_id: str, **properties: Any) -> dict[str, Any]:
    namespace, *pairs = resource_id.rpartition("/providers/")[2].split("/")
    kind = "/".join([namespace, *pairs[::2]]).lower()
    return {"id": resource_id, "name": pairs[-1], "type": kind, "location": "eastus", "properties": properties}


def subnet(name: str, **properties: Any) -> dict[str, Any]:
    return {"name": name, "properties": properties}


def seen(rows: Iterable[Mapping[str, Any]]) -> Topology:
    with Engine() as engine:
        engine.load_rows("resources", rows)
        return read(engine, NOW)


def test_a_network_shows_its_subnets_and_who_guards_and_routes_them() -> None:
    found = seen(
        [
            row(
                NETWORK,
                addressSpace={"addressPrefixes": ["10.0.0.0/16"]},
                subnets=[
                    subnet(
                        "a",
                        addressPrefix="10.0.0.0/24",
                        networkSecurityGroup={"id": f"{HOME}/Microsoft.Network/networkSecurityGroups/n"},
                        routeTable={"id": f"{HOME}/Microsoft.Network/routeTables/out"},
                        delegations=[{"properties": {"serviceName": "Microsoft.DBforPostgreSQL/flexibleServers"}}],
                    ),
                    subnet("b", addressPrefixes=["10.0.1.0/24"]),
                ],
                virtualNetworkPeerings=[{"properties": {"remoteVirtualNetwork": {"id": f"{NETWORK}-Hub"}}}],
            ),
            row(
                f"{HOME}/Microsoft.Network/privateDnsZones/privatelink.azurecr.io/virtualNetworkLinks/l",
                virtualNetwork={"id": NETWORK.upper()},
            ),
        ]
    )
    (network,) = found.networks
    assert network.prefixes == ("10.0.0.0/16",)
    assert network.peers == (f"{NETWORK}-hub".lower(),)
    assert network.zones == ("privatelink.azurecr.io",)
    guarded, bare = network.subnets
    assert (guarded.guarded, guarded.routes) == (True, "out")
    assert guarded.delegation == "Microsoft.DBforPostgreSQL/flexibleServers"
    assert (bare.prefix, bare.guarded, bare.routes, bare.items) == ("10.0.1.0/24", False, "", ())


def test_a_machine_stands_where_its_interfaces_do_and_holds_their_addresses() -> None:
    placed = {"ipConfigurations": [{"properties": {"subnet": {"id": f"{NETWORK.upper()}/SUBNETS/A"}}}]}
    found = seen(
        [
            row(NETWORK, subnets=[subnet("a", addressPrefix="10.0.0.0/24")]),
            row(INTERFACE, virtualMachine={"id": MACHINE}, **placed),
            row(f"{INTERFACE}2", virtualMachine={"id": MACHINE}, **placed),
            row(
                f"{HOME}/Microsoft.Network/publicIPAddresses/ip",
                ipAddress="203.0.113.9",
                ipConfiguration={"id": f"{INTERFACE}/ipConfigurations/one"},
            ),
        ]
    )
    (item,) = found.networks[0].subnets[0].items
    assert (item.id, item.type) == (MACHINE, "microsoft.compute/virtualmachines")
    assert item.interfaces == (INTERFACE.lower(), f"{INTERFACE}2".lower())
    assert [(address.address, address.holder) for address in found.addresses] == [("203.0.113.9", INTERFACE.lower())]


def test_an_endpoint_stands_in_its_subnet_and_leads_to_its_service() -> None:
    connection = {
        "properties": {
            "privateLinkServiceId": ACCOUNT.upper(),
            "groupIds": ["blob"],
            "privateLinkServiceConnectionState": {"status": "Pending"},
        }
    }
    endpoint = f"{HOME}/Microsoft.Network/privateEndpoints/pe"
    found = seen(
        [
            row(NETWORK, subnets=[subnet("pe", addressPrefix="10.0.0.0/24")]),
            row(ACCOUNT),
            row(endpoint, subnet={"id": f"{NETWORK}/subnets/pe"}, manualPrivateLinkServiceConnections=[connection]),
            row(
                f"{HOME}/Microsoft.Network/networkInterfaces/pe.nic",
                privateEndpoint={"id": endpoint},
                ipConfigurations=[{"properties": {"subnet": {"id": f"{NETWORK}/subnets/pe"}}}],
            ),
        ]
    )
    (service,) = found.services
    assert [(e.name, e.group_ids, e.status) for e in service.endpoints] == [("pe", ("blob",), "Pending")]
    assert [item.name for item in found.networks[0].subnets[0].items] == ["pe"]


def test_an_endpoint_has_the_names_of_its_interface_with_what_private_dns_says_of_them() -> None:
    endpoint, interface = (
        f"{HOME}/Microsoft.Network/privateEndpoints/pe",
        f"{HOME}/Microsoft.Network/networkInterfaces/n",
    )
    zone = f"{HOME}/Microsoft.Network/privateDnsZones/privatelink.vaultcore.azure.net"
    vault = f"{HOME}/Microsoft.KeyVault/vaults/kv"

    def configuration(name: str, address: str) -> dict[str, Any]:
        link = {"fqdns": [name], "groupId": "vault"}
        told = {"privateIPAddress": address, "subnet": {"id": f"{NETWORK}/subnets/a"}}
        return {"properties": {**told, "privateLinkConnectionProperties": link}}

    configurations = [
        configuration("KV.vault.azure.net", "10.0.0.4"),
        configuration("lost.vault.azure.net", "10.0.0.5"),
    ]
    connection = {"properties": {"privateLinkServiceId": vault.upper(), "groupIds": ["vault"]}}

    def shown(state: str, *, records: bool = True) -> Topology:
        link = f"{zone}/virtualNetworkLinks/to-vnet"
        rows = [
            row(vault),
            row(endpoint, subnet={"id": f"{NETWORK}/subnets/a"}, privateLinkServiceConnections=[connection]),
            row(interface, privateEndpoint={"id": endpoint.upper()}, ipConfigurations=configurations),
            row(link, virtualNetwork={"id": NETWORK.upper()}, virtualNetworkLinkState=state),
        ]
        record = {
            **row(f"{zone}/A/kv", aRecords=[{"ipv4Address": "10.0.0.4"}]),
            "type": "microsoft.network/privatednszones/a",
        }
        with Engine() as engine:
            engine.load_rows("resources", rows)
            if records:
                engine.load_rows("dnsresources", [record])
            return read(engine, NOW)

    lost = topology.Name("lost.vault.azure.net", "vault", "10.0.0.5", "", (), False)
    known = topology.Name(
        "KV.vault.azure.net", "vault", "10.0.0.4", "privatelink.vaultcore.azure.net", ("10.0.0.4",), True
    )
    assert shown("Completed").services[0].endpoints[0].names == (known, lost)
    assert shown("Completed").names_read
    assert shown("InProgress").services[0].endpoints[0].names == (replace(known, linked=False), lost)
    assert not shown("Completed", records=False).names_read


def test_what_is_monitored_through_a_link_scope_says_which() -> None:
    scope, logs = f"{HOME}/microsoft.insights/privateLinkScopes/s", f"{HOME}/Microsoft.OperationalInsights/workspaces/w"
    with Engine() as engine:
        engine.load_rows("resources", [row(logs)])
        engine.load_rows("armresources", [row(f"{scope}/scopedResources/w", linkedResourceId=logs.upper())])
        found = read(engine, NOW)
    assert found.services[0].through == scope.lower()


def test_what_is_too_much_for_a_map_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(topology.read.__globals__["MOST"], "services", 2)
    found = seen([row(f"{ACCOUNT}{number}") for number in range(5)])
    assert (len(found.services), found.omitted["services"]) == (2, 3)


def test_a_snapshot_without_resources_has_an_empty_map() -> None:
    with Engine() as engine:
        found = read(engine, NOW)
    assert (found.networks, found.services, found.addresses) == ((), (), ())


WILD = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=4,
)


@settings(deadline=None)  # each example starts an engine
@given(value=WILD, name=st.sampled_from(["subnets", "addressSpace", "virtualNetworkPeerings", "ipConfiguration"]))
def test_whatever_stands_in_a_property_there_is_a_map_and_its_json_reads_back(value: Any, name: str) -> None:
    address = f"{HOME}/Microsoft.Network/publicIPAddresses/ip"
    found = seen([row(NETWORK, **{name: value}), row(address, **{name: value}), row(INTERFACE, **{name: value})])
    assert [network.id for network in found.networks] == [NETWORK]
    assert topology.from_json(json.loads(json.dumps(topology.to_json(found)))) == found


@pytest.mark.parametrize("broken", [{}, {"schema": "urn:other"}, {"schema": topology.SCHEMA, "networks": 1}])
def test_what_is_no_topology_is_refused(broken: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"schema|validation"):
        topology.from_json(broken)

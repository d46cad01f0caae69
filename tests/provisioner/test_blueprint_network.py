"""The network side of the blueprint: closed in every shape that it can have."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from lockdown.errors import UsageError
from lockdown.provisioner.blueprint import build
from lockdown.provisioner.blueprint.jumpbox import machine_id
from lockdown.provisioner.blueprint.regions import service_tag
from lockdown.provisioner.differ import differences
from lockdown.provisioner.environment import Environment
from lockdown.provisioner.graph import OWNER_TAG, Action, Blueprint, Body, Resource, resolve
from lockdown.provisioner.site import Site

TENANT = "5a1d0c62-8f5e-4b7a-9a55-0c7f1f3c2b10"
SUBSCRIPTION = "0d9c2a6e-51d4-4c7e-8d0c-6b1f0f6f2a11"
GROUP = "3f8f6c1d-6a0e-4b0f-9f5d-2b7f0f3b9c22"
SHARED = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/shared/providers/Microsoft.Network"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
NOW = datetime(2026, 3, 1, 22, 30, tzinfo=UTC)
SOURCE = "8.8.8.8/32"
THEMES = frozenset(
    {"groups", "guards", "routes", "network", "edge", "zones", "endpoints", "bastion", "jumpbox", "providers"}
)
APPLIANCE = {"egress": "appliance", "appliance": "10.9.0.4", "egressAddresses": ["198.51.100.1/32"]}
SHAPES: Mapping[str, Mapping[str, Any]] = {
    "plain": {},
    "gateway": {"network": {"egress": "nat"}},
    "appliance": {"network": APPLIANCE},
    "hub": {"network": {"hub": {}, "subnets": {"firewall": "10.0.0.0/26"}}},
    "hub with Bastion": {
        "network": {"hub": {}, "subnets": {"firewall": "10.0.0.0/26", "bastion": "10.0.1.0/26"}},
        "access": "bastion",
    },
    "hub with jumpbox": {
        "network": {"hub": {}, "subnets": {"firewall": "10.0.0.0/26", "jumpbox": "10.0.1.0/28"}},
        "access": "jumpbox",
        "jumpbox": {"source": SOURCE},
    },
    "hub of others": {"network": {**APPLIANCE, "hub": {"existing": f"{SHARED}/virtualNetworks/hub"}}},
    "hub of others with jumpbox": {
        "network": {
            **APPLIANCE,
            "hub": {"existing": f"{SHARED}/virtualNetworks/hub"},
            "subnets": {"jumpbox": "10.0.1.0/28"},
        },
        "access": "jumpbox",
        "jumpbox": {"source": SOURCE},
    },
    "network of others": {"network": {"existing": f"{SHARED}/virtualNetworks/study"}},
    "network of others behind a gateway": {
        "network": {"existing": f"{SHARED}/virtualNetworks/study", "egress": "nat"},
        "access": "jumpbox",
        "jumpbox": {"source": SOURCE},
    },
    "one group": {"resourceGroup": "genomics", "networkResourceGroup": "genomics"},
    "private endpoint": {"database": {"mode": "private-endpoint", "administratorGroup": GROUP}},
    "bastion": {"access": "bastion"},
    "jumpbox": {"access": "jumpbox", "jumpbox": {"source": SOURCE}, "cluster": {"administrators": [GROUP]}},
    "jumpbox with own keys": {
        "access": "jumpbox",
        "jumpbox": {"source": SOURCE, "hours": 2},
        "keys": {"customerManaged": True},
        "database": {"mode": "private-endpoint", "administratorGroup": GROUP},
    },
    "jumpbox behind a gateway": {
        "network": {"egress": "nat"},
        "access": "jumpbox",
        "jumpbox": {"source": SOURCE},
    },
    "government": {"cloud": "AzureUSGovernment", "location": "usgovvirginia"},
    "zone of others": {
        "bring": {"zones": {"privatelink.azurecr.io": f"{SHARED}/privateDnsZones/privatelink.azurecr.io"}}
    },
    "zone and network of others": {
        "network": {"existing": f"{SHARED}/virtualNetworks/study"},
        "bring": {"zones": {"privatelink.azurecr.io": f"{SHARED}/privateDnsZones/privatelink.azurecr.io"}},
    },
}


def site_of(shape: str = "", subscription: str = SUBSCRIPTION, **wanted: Any) -> Site:
    given = {
        "environment": "coa-private",
        "location": "eastus",
        "owner": "platform-team@genomics.example",
        "database": {"administratorGroup": GROUP},
        "monitoring": {"contact": "security@genomics.example"},
        **(SHAPES[shape] if shape else {}),
        **wanted,
    }
    return Site(Environment.model_validate(given), subscription, TENANT)


def built(shape: str = "", **wanted: Any) -> tuple[Site, Blueprint]:
    site = site_of(shape, **wanted)
    return site, build(site, KEY, NOW)


def mine(steps: Blueprint) -> Iterator[Resource]:
    return (step for step in steps if isinstance(step, Resource) and step.theme in THEMES)


def step(steps: Blueprint, key: str) -> Resource:
    found = steps.steps[key]
    assert isinstance(found, Resource)
    return found


def body(steps: Blueprint, key: str) -> Body:
    """The body of a step, with every reference to an id in the place of which the id would stand."""
    known = {found.key: {"id": found.id} for found in steps if isinstance(found, Resource)}
    resolved = resolve(step(steps, key).body, known)
    assert isinstance(resolved, dict)
    return resolved


def rules(steps: Blueprint, key: str) -> dict[str, dict[str, Any]]:
    return {rule["name"]: rule["properties"] for rule in body(steps, key)["properties"]["securityRules"]}


def subnets(steps: Blueprint, key: str) -> dict[str, dict[str, Any]]:
    return {subnet["name"]: subnet.get("properties", {}) for subnet in body(steps, key)["properties"]["subnets"]}


def routes(steps: Blueprint, key: str) -> list[tuple[str, str, str]]:
    return [
        (route["properties"]["addressPrefix"], route["properties"]["nextHopType"], route["properties"].get(_HOP, ""))
        for route in body(steps, key)["properties"]["routes"]
    ]


_HOP = "nextHopIpAddress"


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_is_closed_and_in_order(shape: str) -> None:
    site, steps = built(shape)
    namespaces = {key.lower() for key in steps.steps if key.startswith("providers/")}
    places = {found.id.lower(): found.key for found in steps if isinstance(found, Resource)}
    for found in mine(steps):
        assert found.seconds > 0
        if "tags" in found.body:
            assert found.body["tags"][OWNER_TAG] == "coa-private"
        if found.brought:
            assert "tags" not in found.body
            assert not found.remove
            continue
        if "/providers/" in found.id:
            namespace = found.id.lower().rpartition("/providers/")[2].partition("/")[0]
            assert namespace == "microsoft.authorization" or f"providers/{namespace}" in namespaces
        assert all(key in before(steps, found.key) for key in literal(found, places)), found.key
    for key in {"network", "hub"} & steps.steps.keys():
        for name, subnet in subnets(steps, key).items():
            if step(steps, key).brought and name in {"AzureFirewallSubnet", "AzureBastionSubnet"}:
                continue
            assert subnet["defaultOutboundAccess"] is False
            assert subnet["privateEndpointNetworkPolicies"] == "Enabled"
            if not step(steps, key).brought:
                assert ("networkSecurityGroup" in subnet) == (name != "AzureFirewallSubnet")
    assert site.environment.used_subnets.keys() - {"jumpboxsubnet"} <= subnets(steps, "network").keys()


def before(steps: Blueprint, key: str) -> frozenset[str]:
    """The keys of all that comes before a step."""
    found: set[str] = set()
    left = [key]
    while left:
        for need in steps.needs[left.pop()] - found:
            found.add(need)
            left.append(need)
    return frozenset(found)


def literal(found: Resource, places: Mapping[str, str]) -> Iterator[str]:
    """The keys of steps whose ids stand in a body as they are, not by reference."""

    def texts(value: Any) -> Iterator[str]:
        if isinstance(value, str):
            yield value.lower()
        elif isinstance(value, Mapping):
            for item in value.values():
                yield from texts(item)
        elif isinstance(value, list):
            for item in value:
                yield from texts(item)

    for text in texts(found.body):
        parts = text.split("/")
        for end in range(5, len(parts) + 1):
            if (above := "/".join(parts[:end])) in places and places[above] != found.key:
                yield places[above]


@pytest.mark.parametrize("shape", SHAPES)
def test_each_security_group_ends_with_nothing_in_from_the_internet_and_nothing_out(shape: str) -> None:
    _, steps = built(shape)
    for found in mine(steps):
        if not found.id.rpartition("/")[0].endswith("networkSecurityGroups"):
            continue
        held = rules(steps, found.key)
        ways = [(rule["direction"], rule["priority"]) for rule in held.values()]
        assert len(ways) == len(set(ways))
        for direction, far in (("Inbound", "sourceAddressPrefix"), ("Outbound", "destinationAddressPrefix")):
            last = max((rule for rule in held.values() if rule["direction"] == direction), key=by_priority)
            assert (last["access"], last[far], last["destinationPortRange"]) == ("Deny", "Internet", "*")
        let_in = {rule["sourceAddressPrefix"] for rule in held.values() if way(rule) == ("Inbound", "Allow")}
        private = re.compile(r"10\..*|VirtualNetwork|GatewayManager|AzureLoadBalancer")
        assert [source for source in let_in if not private.fullmatch(source)] == (
            [SOURCE] if found.key == "jumpbox/guard" else []
        )
        out = {rule["destinationAddressPrefix"]: rule for rule in held.values() if way(rule) == ("Outbound", "Allow")}
        if "Internet" in out:
            bastion = found.key == "nsg/AzureBastionSubnet"
            assert out["Internet"]["destinationPortRange"] == ("80" if bastion else "443")


def by_priority(rule: Mapping[str, Any]) -> int:
    return int(rule["priority"])


def way(rule: Mapping[str, Any]) -> tuple[str, str]:
    return rule["direction"], rule["access"]


def test_nothing_comes_into_a_subnet_of_nodes_and_databases_take_nodes_and_replicas_alone() -> None:
    _, steps = built()
    for name in ("vmsubnet", "batchsubnet"):
        assert not [rule for rule in rules(steps, f"nsg/{name}").values() if way(rule) == ("Inbound", "Allow")]
    held = {
        (rule["sourceAddressPrefix"], rule["destinationPortRange"])
        for rule in rules(steps, "nsg/sqlsubnet").values()
        if way(rule) == ("Inbound", "Allow")
    }
    assert held == {("10.1.0.0/24", "5432"), ("10.1.1.0/24", "5432")}
    assert subnets(steps, "network")["sqlsubnet"]["delegations"][0]["properties"] == {
        "serviceName": "Microsoft.DBforPostgreSQL/flexibleServers"
    }
    assert [item["service"] for item in subnets(steps, "network")["sqlsubnet"]["serviceEndpoints"]] == [
        "Microsoft.Storage"
    ]


def test_a_database_behind_an_endpoint_has_no_subnet_and_is_reached_through_that_of_the_endpoints() -> None:
    _, steps = built("private endpoint")
    assert "sqlsubnet" not in subnets(steps, "network")
    assert "routes/databases" not in steps.steps
    ports = {
        (rule["sourceAddressPrefix"], rule["destinationPortRange"])
        for rule in rules(steps, "nsg/pesubnet").values()
        if way(rule) == ("Inbound", "Allow")
    }
    assert ("10.1.0.0/24", "5432") in ports
    connection = body(steps, "endpoint/database")["properties"]["privateLinkServiceConnections"][0]
    assert connection["name"] == "pe-postgresqlserver"
    assert connection["properties"]["groupIds"] == ["postgresqlServer"]
    assert "database" in steps.needs["endpoint/database"]


def test_everything_leaves_through_the_firewall_whose_address_is_known_before_it_is_built() -> None:
    _, steps = built(network={"subnets": {"firewall": "10.1.9.64/26"}})
    assert routes(steps, "routes") == [("0.0.0.0/0", "VirtualAppliance", "10.1.9.68")]
    assert routes(steps, "routes/databases") == [
        ("0.0.0.0/0", "VirtualAppliance", "10.1.9.68"),
        ("AzureActiveDirectory", "Internet", ""),
        ("10.1.1.0/24", "VnetLocal", ""),
    ]
    assert "firewall" not in before(steps, "network")
    assert {"firewall-policy/rules", "egress-address", "network"} <= before(steps, "firewall")


def test_the_firewall_lets_through_the_hosts_of_the_cloud_and_those_that_are_added() -> None:
    _, steps = built(network={"allowedHosts": ["*.example.org", "mcr.microsoft.com"]})
    (collection,) = body(steps, "firewall-policy/rules")["properties"]["ruleCollections"]
    (rule,) = collection["rules"]
    assert collection["action"] == {"type": "Allow"}
    assert rule["targetFqdns"].count("mcr.microsoft.com") == 1
    assert rule["targetFqdns"][-1] == "*.example.org"
    assert rule["protocols"] == [{"protocolType": "Https", "port": 443}]
    assert rule["sourceAddresses"] == ["10.1.0.0/24", "10.1.128.0/17"]
    assert body(steps, "firewall-policy")["properties"]["threatIntelMode"] == "Deny"


def test_a_gateway_serves_nodes_and_everything_else_leads_nowhere() -> None:
    _, steps = built("gateway")
    held = subnets(steps, "network")
    for name in ("vmsubnet", "batchsubnet"):
        assert held[name]["natGateway"]["id"].endswith("/natGateways/egress")
        assert "routeTable" not in held[name]
        assert "https-to-what-filters-by-name" not in rules(steps, f"nsg/{name}")
    assert routes(steps, "routes") == [("0.0.0.0/0", "None", "")]
    assert routes(steps, "routes/databases")[0] == ("0.0.0.0/0", "None", "")
    assert "natGateway" not in held["pesubnet"]
    assert "firewall" not in steps.steps
    assert "AzureFirewallSubnet" not in held


def test_with_an_appliance_nothing_is_built_at_the_edge() -> None:
    _, steps = built("appliance")
    assert not {"firewall", "firewall-policy", "egress-address", "nat"} & steps.steps.keys()
    assert routes(steps, "routes") == [("0.0.0.0/0", "VirtualAppliance", "10.9.0.4")]
    assert step(steps, "routes").id.endswith("/to-the-appliance")


def test_a_hub_holds_the_edge_and_both_halves_of_the_peering_are_made() -> None:
    site, steps = built("hub with Bastion")
    assert subnets(steps, "hub").keys() == {"AzureFirewallSubnet", "AzureBastionSubnet"}
    assert not subnets(steps, "network").keys() & {"AzureFirewallSubnet", "AzureBastionSubnet"}
    to, back = (body(steps, f"peering/{half}-hub")["properties"] for half in ("to", "from"))
    assert (to["remoteVirtualNetwork"]["id"], back["remoteVirtualNetwork"]["id"]) == (site.hub_id, site.network_id)
    assert (to["allowForwardedTraffic"], back["allowForwardedTraffic"]) == (True, False)
    assert "peering/to-hub" in steps.needs["peering/from-hub"]
    zones = [key.removeprefix("zone/") for key in steps.steps if key.startswith("zone/")]
    for zone in zones:
        assert f"zone-link/{zone}/vnet-hub" in steps.steps
        assert f"zone-link/{zone}/vnet-genomics" in steps.steps


def test_a_hub_of_others_is_peered_with_and_nothing_else_of_it_is_written() -> None:
    _, steps = built("hub of others")
    assert step(steps, "hub").brought
    below = [found.key for found in mine(steps) if found.id.startswith(f"{SHARED}/virtualNetworks/hub/")]
    assert below == ["peering/from-hub"]


def test_a_network_of_others_must_have_closed_subnets_and_is_not_written() -> None:
    _, steps = built("network of others")
    wanted = step(steps, "network")
    assert wanted.brought
    document = {
        "location": "eastus",
        "properties": {"subnets": [{"name": name, "properties": dict(_CLOSED)} for name in subnets(steps, "network")]},
    }
    held = {subnet["name"]: subnet["properties"] for subnet in document["properties"]["subnets"]}  # type: ignore[index]
    held["sqlsubnet"] |= {
        "delegations": [{"name": "0", "properties": {"serviceName": "microsoft.dbforpostgresql/flexibleservers"}}],
        "serviceEndpoints": [{"service": "Microsoft.Storage"}, {"service": "Microsoft.KeyVault"}],
    }
    document["properties"]["subnets"].append({"name": "of-others", "properties": {}})  # type: ignore[index]
    assert not differences(body(steps, "network"), document, wanted.kept)
    held["batchsubnet"]["defaultOutboundAccess"] = True
    held["sqlsubnet"]["delegations"] = []
    found = {difference.path.rpartition("].")[0] for difference in differences(wanted.body, document, wanted.kept)}
    assert found == {"properties.subnets[batchsubnet", "properties.subnets[sqlsubnet"}
    assert not [key for key in steps.steps if key.startswith(("nsg/", "routes"))]


_CLOSED = {
    "addressPrefixes": ["10.4.0.0/24"],
    "defaultOutboundAccess": False,
    "privateEndpointNetworkPolicies": "Enabled",
    "delegations": [],
    "serviceEndpoints": [],
}


def test_a_zone_of_others_gets_a_link_of_ours_to_our_network_alone() -> None:
    _, steps = built("zone of others")
    zone = step(steps, "zone/privatelink.azurecr.io")
    assert zone.brought
    assert zone.id.startswith(SHARED)
    link = step(steps, "zone-link/privatelink.azurecr.io/vnet-genomics")
    assert link.id == f"{zone.id}/virtualNetworkLinks/to-vnet-genomics"
    _, steps = built("zone and network of others")
    assert "zone-link/privatelink.azurecr.io/study" not in steps.steps
    assert "zone-link/privatelink.vaultcore.azure.net/study" in steps.steps


def test_a_zone_that_nothing_needs_is_refused() -> None:
    stray = {"zones": {"privatelink.azurecr.us": f"{SHARED}/privateDnsZones/privatelink.azurecr.us"}}
    with pytest.raises(UsageError, match=r"privatelink\.azurecr\.us"):
        build(site_of(bring=stray))


@pytest.mark.parametrize("shape", SHAPES)
def test_every_endpoint_has_its_names_in_a_zone_that_its_networks_ask(shape: str) -> None:
    _, steps = built(shape)
    endpoints = [key.removeprefix("endpoint/") for key in steps.steps if key.startswith("endpoint/")]
    assert {"blob", "logs", "batch-account", "node-management", "registry", "vault", "monitor"} <= set(endpoints)
    zones = {found.id: found.key for found in mine(steps) if found.key.startswith("zone/")}
    for key in endpoints:
        (subnet,) = {body(steps, f"endpoint/{key}")["properties"]["subnet"]["id"]}
        assert subnet.endswith("/subnets/pesubnet")
        held = body(steps, f"zone-group/{key}")["properties"]["privateDnsZoneConfigs"]
        assert [item["properties"]["privateDnsZoneId"] in zones for item in held]
        assert all(
            item["name"] == item["properties"]["privateDnsZoneId"].rpartition("/")[2].replace(".", "-") for item in held
        )
        assert f"endpoint/{key}" in steps.needs[f"zone-group/{key}"]
    assert {"monitor-scope/workspace", "monitor-scope/insights"} <= steps.needs["endpoint/monitor"]


def test_in_us_government_names_and_tags_are_those_of_that_cloud() -> None:
    _, steps = built("government")
    zones = {key.removeprefix("zone/") for key in steps.steps if key.startswith("zone/")}
    assert zones == {
        "privatelink.blob.core.usgovcloudapi.net",
        "privatelink.batch.usgovcloudapi.net",
        "privatelink.azurecr.us",
        "privatelink.vaultcore.usgovcloudapi.net",
        "privatelink.monitor.azure.us",
        "privatelink.adx.monitor.azure.us",
        "privatelink.oms.opinsights.azure.us",
        "privatelink.ods.opinsights.azure.us",
        "privatelink.agentsvc.azure-automation.us",
        "privatelink.usgovvirginia.cx.aks.containerservice.azure.us",
        "privatelink.postgres.database.usgovcloudapi.net",
    }
    assert len(body(steps, "zone-group/monitor")["properties"]["privateDnsZoneConfigs"]) == 6
    storage = rules(steps, "nsg/sqlsubnet")["to-storage.usgovvirginia"]
    assert storage["destinationAddressPrefix"] == "Storage.USGovVirginia"
    (collection,) = body(steps, "firewall-policy/rules")["properties"]["ruleCollections"]
    assert "login.microsoftonline.us" in collection["rules"][0]["targetFqdns"]
    assert "login.microsoftonline.com" not in collection["rules"][0]["targetFqdns"]


@pytest.mark.parametrize(
    ("location", "tag"),
    [
        ("eastus", "Storage.EastUS"),
        ("westus3", "Storage.WestUS3"),
        ("southcentralus", "Storage.SouthCentralUS"),
        ("uksouth", "Storage.UKSouth"),
        ("germanywestcentral", "Storage.GermanyWC"),
        ("francecentral", "Storage.CentralFrance"),
        ("southeastasia", "Storage.SoutheastAsia"),
        ("southafricanorth", "Storage.SouthAfricaNorth"),
        ("jioindiawest", "Storage.JioIndiaWest"),
        ("usdodcentral", "Storage.USDoDCentral"),
        ("centraluseuap", "Storage"),
        ("atlantis", "Storage"),
    ],
)
def test_a_region_that_is_not_known_gets_the_tag_of_all_regions(location: str, tag: str) -> None:
    assert service_tag("Storage", location) == tag


def test_a_bastion_has_no_public_address_and_gives_out_no_links() -> None:
    _, steps = built("bastion")
    host = body(steps, "bastion")
    assert host["sku"] == {"name": "Premium"}
    assert host["properties"]["enablePrivateOnlyBastion"] is True
    assert "publicIPAddress" not in host["properties"]["ipConfigurations"][0]["properties"]
    assert (host["properties"]["enableIpConnect"], host["properties"]["enableShareableLink"]) == (False, False)
    held = rules(steps, "nsg/AzureBastionSubnet")
    assert held["gateway-manager-in"]["sourceAddressPrefix"] == "GatewayManager"
    assert held["azure-out"]["destinationAddressPrefix"] == "AzureCloud"
    assert "routeTable" not in subnets(steps, "network")["AzureBastionSubnet"]


@pytest.mark.parametrize("shape", [shape for shape in SHAPES if "jumpbox" in SHAPES[shape]])
def test_all_of_a_jumpbox_is_temporary_and_says_until_when(shape: str) -> None:
    site, steps = built(shape)
    parts = [found for found in mine(steps) if found.theme == "jumpbox"]
    assert {"jumpbox/machine", "jumpbox/shutdown", "jumpbox/login", "jumpbox/guard"} <= {part.key for part in parts}
    hours = site.environment.jumpbox.hours if site.environment.jumpbox else 0
    expires = {2: "2026-03-02T00:30:00Z", 4: "2026-03-02T02:30:00Z"}[hours]
    for part in parts:
        assert part.temporary
        assert part.remove
        assert not part.fixed
        if "location" in part.body:
            assert part.body["tags"]["expires"] == expires
    assert not [found.key for found in steps if getattr(found, "temporary", False) and found.theme != "jumpbox"]
    shutdown = body(steps, "jumpbox/shutdown")["properties"]
    assert shutdown["dailyRecurrence"]["time"] == expires[11:16].replace(":", "")
    assert shutdown["targetResourceId"] == machine_id(site)
    assert "jumpboxsubnet" not in subnets(steps, "network") or step(steps, "network").brought


@pytest.mark.parametrize("shape", [shape for shape in SHAPES if "jumpbox" in SHAPES[shape]])
def test_a_jumpbox_lets_in_one_address_by_key_and_holds_no_role(shape: str) -> None:
    site, steps = built(shape)
    machine = body(steps, "jumpbox/machine")
    linux = machine["properties"]["osProfile"]["linuxConfiguration"]
    assert linux["disablePasswordAuthentication"] is True
    assert [key["keyData"] for key in linux["ssh"]["publicKeys"]] == [KEY]
    assert "adminPassword" not in machine["properties"]["osProfile"]
    assert machine["properties"]["securityProfile"] == {
        "encryptionAtHost": True,
        "securityType": "TrustedLaunch",
        "uefiSettings": {"secureBootEnabled": True, "vTpmEnabled": True},
    }
    assert machine["properties"]["storageProfile"]["osDisk"]["deleteOption"] == "Delete"
    encrypted = "diskEncryptionSet" in machine["properties"]["storageProfile"]["osDisk"]["managedDisk"]
    assert encrypted == site.environment.keys.customer_managed
    assert machine["properties"]["networkProfile"]["networkInterfaces"][0]["properties"]["deleteOption"] == "Delete"
    assert machine["identity"] == {"type": "SystemAssigned"}
    assert not [key for key, needs in steps.needs.items() if "jumpbox/machine" in needs and key.startswith("role/")]
    assert rules(steps, "jumpbox/guard")["ssh-in"]["sourceAddressPrefix"] == SOURCE
    guarded = body(steps, "jumpbox/subnet" if "jumpbox/subnet" in steps.steps else "jumpbox/interface")["properties"]
    assert guarded["networkSecurityGroup"]["id"].endswith("/nsg-jumpboxsubnet")
    assert "jumpbox/guard" in before(steps, "jumpbox/interface")
    assert "feature/encryption-at-host" in before(steps, "jumpbox/machine")


def test_answers_to_people_leave_a_jumpbox_as_they_came() -> None:
    _, steps = built("jumpbox")
    assert routes(steps, "jumpbox/routes") == [("0.0.0.0/0", "VirtualAppliance", "10.1.8.4"), (SOURCE, "Internet", "")]
    (collection,) = body(steps, "firewall-policy/rules")["properties"]["ruleCollections"]
    assert collection["rules"][1]["sourceAddresses"] == ["10.1.8.128/28"]
    assert "pas.windows.net" in collection["rules"][1]["targetFqdns"]


def test_administrators_log_in_to_a_jumpbox_with_a_role_on_it_alone() -> None:
    site, steps = built("jumpbox")
    role = step(steps, f"jumpbox/role/{GROUP}")
    assert role.id.startswith(f"{machine_id(site)}/providers/Microsoft.Authorization/roleAssignments/")
    assert role.body["properties"]["principalId"] == GROUP
    assert role.body["properties"]["roleDefinitionId"].endswith("1c0163c0-47e6-4577-8991-ea5c82e286e4")


def test_without_a_key_a_jumpbox_is_only_looked_for() -> None:
    steps = build(site_of("jumpbox"))
    assert "ssh" not in step(steps, "jumpbox/machine").body["properties"]["osProfile"]["linuxConfiguration"]


def test_registrations_are_actions_that_a_read_shows_to_be_done() -> None:
    _, steps = built()
    feature = steps.steps["feature/encryption-at-host"]
    again = steps.steps["feature/encryption-at-host/propagated"]
    assert isinstance(feature, Action)
    assert isinstance(again, Action)
    assert feature.path == f"{feature.done.id}/register"
    assert (feature.done.path, feature.done.value) == ("properties.state", "Registered")
    # The registration that makes the feature hold leaves no trace but this one.
    assert again.mark is not None
    assert again.done.path == f"tags.{again.mark[0]}"
    assert again.done.value == again.mark[1]
    assert again.done.id == steps.steps["group"].id  # type: ignore[union-attr]
    for found in steps:
        if isinstance(found, Action) and found.key.startswith("providers/"):
            assert found.path == f"{found.done.id}/register"
            assert (found.done.path, found.done.value) == ("registrationState", "Registered")
    assert "providers/Microsoft.DevTestLab" not in steps.steps


def test_services_and_network_may_share_a_group() -> None:
    _, steps = built("one group")
    assert "network-group" not in steps.steps
    assert "group" in steps.needs["network"]


def test_hosts_are_not_taken_where_nothing_would_know_them() -> None:
    with pytest.raises(ValueError, match="allowedHosts"):
        site_of(network={"egress": "nat", "allowedHosts": ["example.org"]})

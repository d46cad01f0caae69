"""The network of an environment made and unmade with Microsoft's own SDK, in Azure's own times on a faster clock."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError
from azure.identity import ClientSecretCredential
from azure.mgmt.network import NetworkManagementClient
from azure.mgmt.network import models as net
from azure.mgmt.privatedns import PrivateDnsManagementClient
from azure.mgmt.privatedns import models as dns

from lockdown.sandbox.server import Sandbox
from tests.sandbox.arm_client import ArmClient

GROUP, PLACE = "study", "westeurope"


@pytest.fixture(scope="module")
def clients() -> Iterator[tuple[ArmClient, Any, Any]]:
    with Sandbox("empty", time_scale=3000) as sandbox:
        environment = sandbox.environment("owner")
        ca = {"connection_verify": str(sandbox.ca_file)}
        credential = ClientSecretCredential(
            environment["AZURE_TENANT_ID"],
            environment["AZURE_CLIENT_ID"],
            environment["AZURE_CLIENT_SECRET"],
            authority=sandbox.url,
            disable_instance_discovery=True,
            **ca,
        )
        arguments: dict[str, Any] = {
            "base_url": sandbox.url,
            "credential_scopes": [f"{sandbox.url}//.default"],
            "polling_interval": 0.01,
            **ca,
        }
        arm = ArmClient(sandbox)
        arm.group(GROUP, PLACE)
        network = NetworkManagementClient(credential, sandbox.subscription, **arguments)
        zones = PrivateDnsManagementClient(credential, sandbox.subscription, **arguments)
        yield arm, network, zones
        for client in (arm, network, zones):
            client.close()


def subnet(name: str, prefix: str, **more: Any) -> net.Subnet:
    return net.Subnet(
        name=name, properties=net.SubnetPropertiesFormat(address_prefix=prefix, default_outbound_access=False, **more)
    )


def space(*prefixes: str) -> net.AddressSpace:
    return net.AddressSpace(address_prefixes=list(prefixes))


def test_a_hub_with_a_firewall_and_a_spoke_with_an_endpoint(
    clients: tuple[ArmClient, Any, Any],
) -> None:
    arm, network, zones = clients
    hub = network.virtual_networks.begin_create_or_update(
        GROUP,
        "hub",
        net.VirtualNetwork(
            location=PLACE,
            properties=net.VirtualNetworkPropertiesFormat(
                address_space=space("10.0.0.0/16"), subnets=[subnet("AzureFirewallSubnet", "10.0.0.0/26")]
            ),
        ),
    ).result()
    assert hub.properties.provisioning_state == "Succeeded"
    public = network.public_ip_addresses.begin_create_or_update(
        GROUP,
        "egress",
        net.PublicIPAddress(
            location=PLACE,
            sku=net.PublicIPAddressSku(name="Standard"),
            properties=net.PublicIPAddressPropertiesFormat(public_ip_allocation_method="Static"),
        ),
    ).result()
    policy = network.firewall_policies.begin_create_or_update(
        GROUP,
        "egress",
        net.FirewallPolicy(
            location=PLACE,
            properties=net.FirewallPolicyPropertiesFormat(
                sku=net.FirewallPolicySku(tier="Standard"), threat_intel_mode="Deny"
            ),
        ),
    ).result()
    configuration = net.AzureFirewallIPConfigurationPropertiesFormat(
        subnet=net.SubResource(id=hub.properties.subnets[0].id), public_ip_address=net.SubResource(id=public.id)
    )
    firewall = network.azure_firewalls.begin_create_or_update(
        GROUP,
        "egress",
        net.AzureFirewall(
            location=PLACE,
            properties=net.AzureFirewallPropertiesFormat(
                sku=net.AzureFirewallSku(name="AZFW_VNet", tier="Standard"),
                firewall_policy=net.SubResource(id=policy.id),
                ip_configurations=[net.AzureFirewallIPConfiguration(name="egress", properties=configuration)],
            ),
        ),
    ).result()
    address = firewall.properties.ip_configurations[0].properties.private_ip_address
    assert address == "10.0.0.4"
    route = net.RoutePropertiesFormat(
        address_prefix="0.0.0.0/0", next_hop_type="VirtualAppliance", next_hop_ip_address=address
    )
    table = network.route_tables.begin_create_or_update(
        GROUP,
        "routes",
        net.RouteTable(
            location=PLACE,
            properties=net.RouteTablePropertiesFormat(routes=[net.Route(name="everything", properties=route)]),
        ),
    ).result()
    spoke = network.virtual_networks.begin_create_or_update(
        GROUP,
        "spoke",
        net.VirtualNetwork(
            location=PLACE,
            properties=net.VirtualNetworkPropertiesFormat(
                address_space=space("10.1.0.0/16"),
                subnets=[subnet("endpoints", "10.1.0.0/24", route_table=net.RouteTable(id=table.id))],
            ),
        ),
    ).result()
    states = [
        network.virtual_network_peerings.begin_create_or_update(
            GROUP,
            here.name,
            "peering",
            net.VirtualNetworkPeering(
                properties=net.VirtualNetworkPeeringPropertiesFormat(
                    remote_virtual_network=net.SubResource(id=there.id), allow_virtual_network_access=True
                )
            ),
        )
        .result()
        .properties.peering_state
        for here, there in ((hub, spoke), (spoke, hub))
    ]
    assert states == ["Initiated", "Connected"]
    zone = zones.private_zones.begin_create_or_update(
        GROUP, "privatelink.blob.core.windows.net", dns.PrivateZone(location="global")
    ).result()
    for linked in (hub, spoke):
        zones.virtual_network_links.begin_create_or_update(
            GROUP,
            zone.name,
            f"to-{linked.name}",
            dns.VirtualNetworkLink(
                location="global",
                properties=dns.VirtualNetworkLinkProperties(
                    virtual_network=dns.SubResource(id=linked.id), registration_enabled=False
                ),
            ),
        ).result()
    path = f"{arm.base}/resourceGroups/{GROUP}/providers/Microsoft.Storage/storageAccounts/study1"
    arm.sandbox.state.seed(
        [
            {
                "id": path,
                "name": "study1",
                "type": "Microsoft.Storage/storageAccounts",
                "location": PLACE,
                "properties": {"provisioningState": "Succeeded"},
            }
        ]
    )
    connection = net.PrivateLinkServiceConnectionProperties(private_link_service_id=path, group_ids=["blob"])
    endpoint = network.private_endpoints.begin_create_or_update(
        GROUP,
        "pe-blob",
        net.PrivateEndpoint(
            location=PLACE,
            properties=net.PrivateEndpointProperties(
                subnet=net.Subnet(id=spoke.properties.subnets[0].id),
                private_link_service_connections=[
                    net.PrivateLinkServiceConnection(name="pe-blob", properties=connection)
                ],
            ),
        ),
    ).result()
    state = endpoint.properties.private_link_service_connections[0].properties.private_link_service_connection_state
    assert state.status == "Approved"
    group = network.private_dns_zone_groups.begin_create_or_update(
        GROUP,
        "pe-blob",
        "default",
        net.PrivateDnsZoneGroup(
            properties=net.PrivateDnsZoneGroupPropertiesFormat(
                private_dns_zone_configs=[
                    net.PrivateDnsZoneConfig(
                        name="blob", properties=net.PrivateDnsZonePropertiesFormat(private_dns_zone_id=zone.id)
                    )
                ]
            )
        ),
    ).result()
    assert group.properties.private_dns_zone_configs[0].properties.record_sets[0].record_set_name == "study1"
    held = {found.name: found for found in zones.record_sets.list(GROUP, zone.name)}
    assert held["study1"].properties.a_records[0].ipv4_address == "10.1.0.4"
    assert zones.private_zones.get(GROUP, zone.name).properties.number_of_virtual_network_links == 2
    with pytest.raises(HttpResponseError) as used:
        network.virtual_networks.begin_delete(GROUP, "spoke").result()
    assert "InUseSubnetCannotBeDeleted" in str(used.value)
    network.private_endpoints.begin_delete(GROUP, "pe-blob").result()
    assert {found.name for found in zones.record_sets.list(GROUP, zone.name)} == {"@"}
    network.virtual_networks.begin_delete(GROUP, "spoke").result()
    assert network.virtual_network_peerings.get(GROUP, "hub", "peering").properties.peering_state == "Disconnected"
    assert zones.private_zones.get(GROUP, zone.name).properties.number_of_virtual_network_links == 1
    network.azure_firewalls.begin_delete(GROUP, "egress").result()
    network.public_ip_addresses.begin_delete(GROUP, "egress").result()
    network.firewall_policies.begin_delete(GROUP, "egress").result()

"""A Bastion without a public address, that people reach from within the network."""

from __future__ import annotations

from collections.abc import Iterator

from azure.mgmt.network.models import (
    BastionHost,
    BastionHostIPConfiguration,
    BastionHostIPConfigurationPropertiesFormat,
    BastionHostPropertiesFormat,
    Sku,
    SubResource,
)

from lockdown.provisioner.blueprint.network import API_VERSION
from lockdown.provisioner.environment import Access
from lockdown.provisioner.graph import Resource, Step, reference
from lockdown.provisioner.site import Site
from lockdown.provisioner.wire import wire


def steps(site: Site) -> Iterator[Step]:
    """Yield the Bastion, where people get in by one."""
    if site.environment.access is not Access.BASTION:
        return
    network = "hub" if site.environment.network.hub else "network"
    stands = BastionHostIPConfigurationPropertiesFormat(
        subnet=SubResource(id=f"{reference(network)}/subnets/AzureBastionSubnet"),
        private_ip_allocation_method="Dynamic",
    )
    host = BastionHost(
        location=site.location,
        tags=site.tags,
        sku=Sku(name="Premium"),
        properties=BastionHostPropertiesFormat(
            ip_configurations=[BastionHostIPConfiguration(name="private", properties=stands)],
            enable_private_only_bastion=True,
            enable_tunneling=True,
            enable_ip_connect=False,
            enable_shareable_link=False,
            enable_file_copy=False,
            disable_copy_paste=True,
        ),
    )
    yield Resource(
        "bastion",
        "bastion",
        site.in_network("Microsoft.Network/bastionHosts", "bastion"),
        API_VERSION,
        wire(host),
        seconds=480,
        cost="Bastion Premium, by the hour",
        fixed=frozenset({"location", "properties.enablePrivateOnlyBastion", "properties.ipConfigurations"}),
    )

"""The private endpoints that services are reached through, and the names that Azure keeps for them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from azure.mgmt.network.models import (
    PrivateDnsZoneConfig,
    PrivateDnsZoneGroup,
    PrivateDnsZoneGroupPropertiesFormat,
    PrivateDnsZonePropertiesFormat,
    PrivateEndpoint,
    PrivateEndpointProperties,
    PrivateLinkServiceConnection,
    PrivateLinkServiceConnectionProperties,
    Subnet,
)

from lockdown.provisioner.blueprint import zones
from lockdown.provisioner.blueprint.network import API_VERSION
from lockdown.provisioner.environment import DatabaseMode
from lockdown.provisioner.graph import Resource, Step, reference
from lockdown.provisioner.site import Site
from lockdown.provisioner.wire import wire


@dataclass(frozen=True)
class Endpoint:
    """One private endpoint.

    Attributes:
        key: what its steps are called by: ``endpoint/<key>`` and ``zone-group/<key>``.
        target: the key of the service.
        group_id: the part of the service that it leads to.
        zones: where its names are kept.
        name: what differs from ``pe-<group id>``.
        needs: what the service must hold first, so that the endpoint knows all names from the start.
    """

    key: str
    target: str
    group_id: str
    zones: tuple[str, ...]
    name: str = ""
    needs: tuple[str, ...] = ()


def steps(site: Site) -> Iterator[Step]:
    """Yield each endpoint and its group of zones."""
    for endpoint in endpoints(site):
        yield _endpoint(site, endpoint)
        yield _zone_group(site, endpoint)


def endpoints(site: Site) -> tuple[Endpoint, ...]:
    """Return the endpoints of the environment. The cluster's own is AKS's, and a server in the network has none."""
    blob, batch = (zones.blob(site),), (zones.batch(site),)
    within = ("monitor-scope/workspace", "monitor-scope/insights")
    found = [
        Endpoint("blob", "storage", "blob", blob),
        Endpoint("logs", "logs", "blob", blob, name="pe-blob-logs"),
        Endpoint("batch-account", "batch", "batchAccount", batch),
        Endpoint("node-management", "batch", "nodeManagement", batch),
        Endpoint("registry", "registry", "registry", (zones.registry(site),)),
        Endpoint("vault", "vault", "vault", (zones.vault(site),)),
        Endpoint("monitor", "monitor-scope", "azuremonitor", (*site.suffixes.monitor_zones, *blob), needs=within),
    ]
    if site.environment.database.mode is DatabaseMode.PRIVATE_ENDPOINT:
        found.append(Endpoint("database", "database", "postgresqlServer", (zones.database(site),)))
    return tuple(found)


def _name(endpoint: Endpoint) -> str:
    return endpoint.name or f"pe-{endpoint.group_id.lower()}"


def _endpoint(site: Site, endpoint: Endpoint) -> Resource:
    connection = PrivateLinkServiceConnectionProperties(
        private_link_service_id=reference(endpoint.target), group_ids=[endpoint.group_id]
    )
    body = PrivateEndpoint(
        location=site.location,
        tags=site.tags,
        properties=PrivateEndpointProperties(
            subnet=Subnet(id=f"{reference('network')}/subnets/pesubnet"),
            private_link_service_connections=[
                PrivateLinkServiceConnection(name=_name(endpoint), properties=connection)
            ],
        ),
    )
    return Resource(
        f"endpoint/{endpoint.key}",
        "endpoints",
        site.in_network("Microsoft.Network/privateEndpoints", _name(endpoint)),
        API_VERSION,
        wire(body),
        needs=endpoint.needs,
        seconds=90,
        cost="private endpoint, by the hour and the GB",
        fixed=frozenset({"location", "properties.subnet", "properties.privateLinkServiceConnections"}),
    )


def _zone_group(site: Site, endpoint: Endpoint) -> Resource:
    """Return what writes the endpoint's records and takes them away with it."""
    configurations = [
        PrivateDnsZoneConfig(
            name=zone.replace(".", "-"),
            properties=PrivateDnsZonePropertiesFormat(private_dns_zone_id=reference(f"zone/{zone}")),
        )
        for zone in endpoint.zones
    ]
    body = PrivateDnsZoneGroup(properties=PrivateDnsZoneGroupPropertiesFormat(private_dns_zone_configs=configurations))
    return Resource(
        f"zone-group/{endpoint.key}",
        "endpoints",
        site.in_network("Microsoft.Network/privateEndpoints/privateDnsZoneGroups", _name(endpoint), "default"),
        API_VERSION,
        wire(body),
        needs=(f"endpoint/{endpoint.key}",),
        seconds=30,
    )

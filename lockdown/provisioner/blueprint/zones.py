"""The private DNS zones that services are found by, and the networks that ask them."""

from __future__ import annotations

from collections.abc import Iterator

from azure.mgmt.privatedns.models import PrivateZone, SubResource, VirtualNetworkLink, VirtualNetworkLinkProperties

from lockdown.errors import UsageError
from lockdown.provisioner.blueprint.network import network_name
from lockdown.provisioner.graph import Resource, Step, reference
from lockdown.provisioner.site import Site
from lockdown.provisioner.wire import wire

API_VERSION = "2024-06-01"
"""Of private DNS: azure-mgmt-privatedns's."""


def steps(site: Site) -> Iterator[Step]:
    """Yield each zone and its links.

    Every zone is linked to every network: what asks a name in the hub must get the same answer. Only where zone and
    network are both somebody else's is the link theirs as well.

    Raises:
        UsageError: a zone was brought along that the environment has no use for.
    """
    wanted = names(site)
    brought = site.environment.bring.zones
    unused = sorted(set(brought) - set(wanted))
    if unused:
        raise UsageError(
            f"bring.zones names {unused[0]}, which this environment has no use for.", f"It uses {', '.join(wanted)}."
        )
    for name in wanted:
        yield _zone(site, name)
        for key, network_id, is_ours in _networks(site):
            if is_ours or name not in brought:
                yield _link(site, name, key, network_id)


def names(site: Site) -> tuple[str, ...]:
    """Return the names of the zones that the environment needs."""
    suffixes = site.suffixes
    return tuple(
        dict.fromkeys(
            (
                *(blob(site), batch(site), registry(site), vault(site), *suffixes.monitor_zones),
                *(cluster(site), database(site)),
            )
        )
    )


def blob(site: Site) -> str:
    """Return the zone of Blob Storage; Azure Monitor has a name in it too."""
    return f"privatelink.{site.suffixes.blob}"


def batch(site: Site) -> str:
    """Return the zone of Batch, both of accounts and of node management."""
    return f"privatelink.{site.suffixes.batch}"


def registry(site: Site) -> str:
    """Return the zone of container registries."""
    return f"privatelink.{site.suffixes.registry}"


def vault(site: Site) -> str:
    """Return the zone of key vaults."""
    return f"privatelink.{site.suffixes.vault}"


def database(site: Site) -> str:
    """Return the zone of PostgreSQL servers, in either mode."""
    return f"privatelink.{site.suffixes.postgres}"


def cluster(site: Site) -> str:
    """Return the zone of the cluster's API, which AKS writes to."""
    return site.suffixes.cluster_zone.format(location=site.location)


def _networks(site: Site) -> Iterator[tuple[str, str, bool]]:
    """Yield the networks that ask: the step's key, the id, and whether the network is the environment's own."""
    wanted = site.environment.network
    yield "network", site.network_id, wanted.existing is None
    if wanted.hub:
        yield "hub", site.hub_id, wanted.hub.existing is None


def _zone(site: Site, name: str) -> Resource:
    is_brought = name in site.environment.bring.zones
    body = wire(PrivateZone(location="global", tags=None if is_brought else site.tags))
    return Resource(
        f"zone/{name}",
        "zones",
        site.zone_id(name),
        API_VERSION,
        body,
        seconds=30,
        cost="" if is_brought else "private DNS zone, by the month",
        brought=is_brought,
        remove=not is_brought,
    )


def _link(site: Site, zone: str, network: str, network_id: str) -> Resource:
    name = network_name(network_id)
    link = VirtualNetworkLink(
        location="global",
        tags=site.tags,
        properties=VirtualNetworkLinkProperties(
            virtual_network=SubResource(id=reference(network)),
            registration_enabled=False,
            resolution_policy="Default",
        ),
    )
    return Resource(
        f"zone-link/{zone}/{name}",
        "zones",
        f"{site.zone_id(zone)}/virtualNetworkLinks/to-{name}",
        API_VERSION,
        wire(link),
        needs=(f"zone/{zone}",),
        seconds=30,
        fixed=frozenset({"properties.virtualNetwork"}),
    )

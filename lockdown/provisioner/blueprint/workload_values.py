"""What the templates of provision/workload/ are filled in with. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lockdown.provisioner.blueprint import ids
from lockdown.provisioner.blueprint.registry import image_of
from lockdown.provisioner.environment import CloudName, DatabaseMode, Workload
from lockdown.provisioner.graph import reference
from lockdown.provisioner.site import Site

_DATABASE_SCOPES = {
    CloudName.PUBLIC: "https://ossrdbms-aad.database.windows.net/.default",
    CloudName.US_GOVERNMENT: "https://ossrdbms-aad.database.usgovcloudapi.net/.default",
}
_STORAGE_SCOPE = "https://storage.azure.com/.default"
_PREFIX = re.compile(r"[^a-z0-9]")


def account(identity: str) -> str:
    """Return the service account of an identity (its id): what its credential names, and an audit asks for."""
    return f"{identity.rpartition('/')[2]}-sa"


def values(site: Site) -> dict[str, str]:
    """Return the value of each placeholder; what shows only once it is built is a reference."""
    environment, subnets = site.environment, site.environment.used_subnets
    server = ids.database(site).rpartition("/")[2]
    storage = ids.storage(site).rpartition("/")[2]
    in_network = environment.database.mode is DatabaseMode.VNET
    found = {
        "workloadAccount": account(ids.workload_identity(site)),
        "workloadClientId": reference("identity/workload", "properties.clientId"),
        "setupAccount": account(ids.setup_identity(site)),
        "setupClientId": reference("identity/setup", "properties.clientId"),
        "setupName": ids.setup_identity(site).rpartition("/")[2],
        "clusterClientId": reference("identity", "properties.clientId"),
        "cloud": str(environment.cloud),
        "resourceGroup": environment.resource_group,
        "storageAccount": storage,
        "storageSuffix": site.suffixes.blob.removeprefix("blob."),
        "blobHost": f"{storage}.{site.suffixes.blob}",
        "storageScope": _STORAGE_SCOPE,
        "databaseServer": server,
        "databaseSuffix": f".{site.suffixes.postgres}",
        "databaseHost": f"{server}.{site.suffixes.postgres}",
        "databaseScope": _DATABASE_SCOPES[environment.cloud],
        "batchAccount": ids.batch(site).rpartition("/")[2],
        "batchSubnetId": site.subnet_id("batchsubnet"),
        "batchPrefix": _PREFIX.sub("", site.base),
        "nodesIdentityId": ids.nodes_identity(site),
        "nodesRange": str(subnets["vmsubnet"]),
        "endpointsRange": str(subnets["pesubnet"]),
        "databaseRange": str(subnets["sqlsubnet" if in_network else "pesubnet"]),
        "serviceRange": str(environment.network.service_range),
        "vmSizes": "\n".join(environment.tasks.vm_sizes),
        "spot": str(environment.tasks.spot_only).lower(),
    }
    return found | dict(_images(site))


def _images(site: Site) -> Iterator[tuple[str, str]]:
    """Yield where each image is pulled from: the environment's registry, by digest."""
    if site.environment.workload is Workload.NONE:
        return
    host = f"{ids.registry(site).rpartition('/')[2].lower()}.{site.suffixes.registry}"
    for key, source in site.environment.workload_images.given.items():
        image = image_of(source)
        yield f"image:{key}", f"{host}/{image.repository}@sha256:{image.digest}"

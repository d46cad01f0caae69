"""Microsoft.ContainerService/managedClusters/agentPools: the node pools of a cluster, one by one.

A pool is a part of its cluster, which shows it as one object: its name beside its properties. What is written of a pool
is looked at as AKS looks at the cluster that it makes.
Source: azure-rest-api-specs, Microsoft.ContainerService 2025-05-01; Microsoft Learn, "Manage system node pools in AKS".
"""

import re
from typing import Any

from lockdown.sandbox import shapes
from lockdown.sandbox.arm_error import ArmError
from lockdown.sandbox.kind import Context, Kind
from lockdown.sandbox.providers import cluster_nodes
from lockdown.sandbox.providers.names import refuse_if_busy
from lockdown.sandbox.state import Document

_MODEL = "ManagedClusterAgentPoolProfileProperties"
_SLOT = "agentPoolProfiles"


def _removable(context: Context, document: Document) -> None:
    """Refuse to remove a pool of a cluster that is busy, and the last one that system pods can run in."""
    cluster = _cluster(context, document)
    others = [pool for pool in _pools(cluster) if not _is(pool, document)]
    refuse_if_busy(context, (str(cluster["id"]), *(f"{cluster['id']}/agentPools/{pool['name']}" for pool in others)))
    if not any(str(pool.get("mode", "")).lower() == "system" for pool in others):
        raise ArmError(
            400,
            "InvalidParameter",
            f"There has to be at least one system agent pool: {document['name']} is the last one.",
            "agentPoolProfile.mode",
        )


def _removed(context: Context, document: Document) -> None:
    cluster = _cluster(context, document)
    before = {**cluster, "properties": dict(cluster["properties"])}
    cluster["properties"][_SLOT] = [pool for pool in _pools(cluster) if not _is(pool, document)]
    context.put(cluster)
    cluster_nodes.applied(context, cluster, before)


def _failed(context: Context, document: Document) -> None:
    cluster = _cluster(context, document)
    for pool in _pools(cluster):
        if _is(pool, document):
            pool["provisioningState"] = "Failed"
    context.put(cluster)


def _cluster(context: Context, document: Document) -> Document:
    cluster_id = str(document["id"]).rpartition("/")[0].rpartition("/")[0]
    return context.state.get(cluster_id) or {"id": cluster_id, "properties": {}}


def _pools(cluster: Document) -> list[dict[str, Any]]:
    return list(cluster["properties"].get(_SLOT) or ())


def _is(pool: Document, document: Document) -> bool:
    return str(pool.get("name", "")).lower() == str(document["name"]).lower()


KINDS = (
    Kind(
        "Microsoft.ContainerService/managedClusters/agentPools", shapes.shape("containerservice", _MODEL),
        computed=shapes.computed("containerservice", _MODEL), name=re.compile("[a-z][a-z0-9]{0,11}"),
        inline=_SLOT, flat=True, tracked=False, patch="tags", create="async", update="async", delete="async",
        seconds=180, update_seconds=120, delete_seconds=120,
        removable=_removable, removed=_removed, failed=_failed,
    ),
)  # fmt: skip

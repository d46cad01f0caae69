"""What ``coa-private`` cannot hold: each an accepted failure, with who answers for it and until when."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from lockdown.sandbox.scenarios.site import Site

_PLATFORM = "platform-team@genomics.example"
_SECURITY = "security@genomics.example"
_HOLDS = timedelta(days=90)


def waivers(site: Site) -> Iterator[dict[str, object]]:
    """Yield each waiver as lockdown.yaml writes it.

    They hold for 90 days from now. Nothing else of a scenario has a clock; but lockdown takes no waiver that holds for
    long, so that no fixed day would do.
    """
    expires = (datetime.now(UTC) + _HOLDS).date().isoformat()
    for policy, resource, reason, owner in _accepted(site):
        yield {"policy": policy, "resources": [resource], "reason": reason, "owner": owner, "expires": expires}


def _accepted(site: Site) -> Iterator[tuple[str, str, str, str]]:
    account = site.group.resource("Microsoft.Storage/storageAccounts", site.base)
    batch = site.group.resource("Microsoft.Batch/batchAccounts", site.base)
    server = site.group.resource("Microsoft.DBforPostgreSQL/flexibleServers", f"{site.base}-pg")
    workspace = site.group.resource("Microsoft.OperationalInsights/workspaces", site.base)
    yield (
        "storage-shared-key-disabled",
        account,
        "Cromwell's blob file system and the blob volumes of the cluster work with the account key alone.",
        _PLATFORM,
    )
    yield (
        "storage-sas-policy",
        account,
        "The account key is exchanged together with the cluster's volumes, which needs a day without workflows.",
        _PLATFORM,
    )
    yield (
        "pg-entra-only",
        server,
        "Cromwell and TES log in to their databases with a password.",
        _PLATFORM,
    )
    yield (
        "batch-aad-only",
        batch,
        "Tasks report to TES with the token that Batch gives to each of them.",
        _PLATFORM,
    )
    yield (
        "batch-allocation-mode",
        batch,
        "TES makes its pools in the subscription of Batch; what each pool says of its network is judged instead.",
        _PLATFORM,
    )
    yield (
        "pg-cmk",
        server,
        "Geo-redundant backups would need a second key in the paired region; they weigh more than a key of our own.",
        _SECURITY,
    )
    yield (
        "law-cmk-cluster",
        workspace,
        "A dedicated cluster is sold from 100 GB a day on; this workspace takes in a fraction of that.",
        _SECURITY,
    )
    yield (
        "aks-etcd-kms",
        site.cluster_id,
        "The vault is closed, and AKS reaches a closed vault only from an API server that stands in our network.",
        _SECURITY,
    )
    yield (
        "vnet-ddos",
        site.network_id,
        "The one public address is what the firewall leaves through: nothing listens there for a flood to take away.",
        _SECURITY,
    )

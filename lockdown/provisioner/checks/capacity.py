"""Whether there is room: sizes that the region offers to the subscription, and quotas."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lockdown.provisioner.checks import Case, Finding, number
from lockdown.provisioner.graph import Resource

_SKUS, _USAGES = "2021-07-01", "2024-07-01"
_SURGE = 1
"""Nodes that AKS adds while it upgrades the others."""

_MORE = "Ask for more in the portal (Quotas), or choose another size or location."


@dataclass(frozen=True)
class _Wanted:
    """Machines of one size that will be made."""

    key: str
    size: str
    count: int


def machines(case: Case) -> Iterator[Finding]:
    """Yield a finding for each size that the region does not have, and each quota of cores that is too small."""
    wanted = tuple(_machines(case))
    if not wanted:
        return
    where = case.site.location
    found = case.reads.items(
        f"{case.subscription}/providers/Microsoft.Compute/skus", _SKUS, **{"$filter": f"location eq '{where}'"}
    )
    sizes = {str(item.get("name", "")).lower(): item for item in found if _is_machine(item)}
    if not sizes:
        yield Finding("sizes", f"sizes of machines: not checked: Azure lists none for {where}", stops=False)
        return
    needed: dict[str, int] = {}
    for machine in wanted:
        size = sizes.get(machine.size.lower())
        if size is None:
            yield Finding("sizes", f"{machine.key}: {where} has no size {machine.size}.", "az vm list-skus shows them.")
            continue
        yield from _usable(machine, size, where)
        cores = number(_capability(size, "vCPUs"))
        if cores is None:
            yield Finding(
                "quotas", f"{machine.key}: not checked: Azure does not say how many cores it has.", stops=False
            )
            continue
        family = str(size.get("family", "")).lower()
        for counter in ("cores", family):
            needed[counter] = needed.get(counter, 0) + cores * machine.count
    usages = case.reads.items(f"{case.subscription}/providers/Microsoft.Compute/locations/{where}/usages", _USAGES)
    yield from quotas(needed, usages, where)


def quotas(needed: Mapping[str, int], usages: Iterable[Mapping[str, Any]], where: str) -> Iterator[Finding]:
    """Yield a finding for each counter whose limit is passed by what is needed beyond what is in use."""
    known = {str((item.get("name") or {}).get("value", "")).lower(): item for item in usages}
    for counter, count in needed.items():
        item = known.get(counter, {})
        limit, used = number(item.get("limit")), number(item.get("currentValue"))
        title = str((item.get("name") or {}).get("localizedValue") or counter)
        if limit is None or used is None:
            yield Finding("quotas", f"{title}: not checked: Azure does not say what the limit is.", stops=False)
        elif limit - used < count:
            yield Finding(
                "quotas",
                f"{title} in {where}: {count} are needed, and {max(limit - used, 0)} of {limit} are free.",
                _MORE,
            )


def batch(case: Case) -> Iterator[Finding]:
    """Yield a finding if the region gives no further Batch account."""
    for step in case.new("Microsoft.Batch/batchAccounts"):
        path = f"{case.subscription}/providers/Microsoft.Batch/locations/{case.site.location}/quotas"
        limit = number((case.read(path, step.api_version) or {}).get("accountQuota"))
        accounts = case.reads.items(f"{case.subscription}/providers/Microsoft.Batch/batchAccounts", step.api_version)
        used = sum(str(item.get("location", "")).lower() == case.site.location for item in accounts)
        if limit is None:
            yield Finding("quotas", "Batch accounts: not checked: Azure does not say what the limit is.", stops=False)
        elif limit <= used:
            yield Finding(
                "quotas",
                f"Batch accounts in {case.site.location}: {used} of {limit} are in use, one more is needed.",
                _MORE,
            )


def cores(case: Case) -> Iterator[Finding]:
    """Yield a warning if a Batch account that is there has no pools or cores to give."""
    for step in case.all("Microsoft.Batch/batchAccounts"):
        if step.key not in case.created:
            yield from _cores(case, step)


def database(case: Case) -> Iterator[Finding]:
    """Yield a finding if the region does not offer the database server that is wanted."""
    for step in case.new("Microsoft.DBforPostgreSQL/flexibleServers"):
        where, wanted = case.site.location, case.site.environment.database
        path = f"{case.subscription}/providers/Microsoft.DBforPostgreSQL/locations/{where}/capabilities"
        offers = list(case.reads.items(path, step.api_version))
        if not offers or any(item.get("restricted") == "Enabled" for item in offers):
            said = next((str(item["reason"]) for item in offers if item.get("reason")), "it offers none")
            yield Finding("sizes", f"{step.key}: {where} gives this subscription no PostgreSQL server: {said}.", _MORE)
            continue
        editions = [edition for item in offers for edition in item.get("supportedServerEditions") or ()]
        sizes = {str(size.get("name", "")).lower() for one in editions for size in one.get("supportedServerSkus") or ()}
        versions = {str(one.get("name")) for item in offers for one in item.get("supportedServerVersions") or ()}
        if sizes and wanted.sku.lower() not in sizes:
            yield Finding(
                "sizes", f"{step.key}: {where} has no size {wanted.sku} for PostgreSQL.", "Choose another sku."
            )
        if versions and wanted.version not in versions:
            yield Finding(
                "sizes", f"{step.key}: {where} has no PostgreSQL {wanted.version}.", "Choose another version."
            )
        backed = {item.get("geoBackupSupported") for item in offers}
        if wanted.geo_redundant_backup and "Enabled" not in backed and backed != {None}:
            yield Finding(
                "sizes",
                f"{step.key}: {where} has no geo-redundant backups.",
                "Set database.geoRedundantBackup to false.",
            )


def cluster(case: Case) -> Iterator[Finding]:
    """Yield a finding if AKS does not offer the version of Kubernetes that is wanted."""
    wanted = case.site.environment.cluster.version
    for step in case.new("Microsoft.ContainerService/managedClusters") if wanted else ():
        service = f"{case.subscription}/providers/Microsoft.ContainerService/locations/{case.site.location}"
        answer = case.read(f"{service}/kubernetesVersions", step.api_version) or {}
        offered = {
            version
            for item in answer.get("values") or ()
            for version in (str(item.get("version")), *(item.get("patchVersions") or ()))
        }
        if wanted not in offered:
            shown = ", ".join(sorted(offered)) or "none"
            yield Finding("versions", f"{step.key}: AKS does not offer Kubernetes {wanted}.", f"It offers {shown}.")


def _machines(case: Case) -> Iterator[_Wanted]:
    environment = case.site.environment
    for step in case.new("Microsoft.ContainerService/managedClusters"):
        yield _Wanted(step.key, environment.cluster.node_size, environment.cluster.node_count + _SURGE)
    for step in case.new("Microsoft.Compute/virtualMachines"):
        if environment.jumpbox:
            yield _Wanted(step.key, environment.jumpbox.size, 1)


def _usable(machine: _Wanted, size: Mapping[str, Any], where: str) -> Iterator[Finding]:
    for restriction in size.get("restrictions") or ():
        if restriction.get("type") == "Location":
            why = restriction.get("reasonCode") or "it does not say why"
            yield Finding(
                "sizes", f"{machine.key}: {where} does not give {machine.size} to this subscription ({why}).", _MORE
            )
    if _capability(size, "EncryptionAtHostSupported") == "False":
        yield Finding("sizes", f"{machine.key}: {machine.size} has no encryption at host.", "Choose another size.")


def _cores(case: Case, step: Resource) -> Iterator[Finding]:
    properties = (case.read(step.id, step.api_version) or {}).get("properties") or {}
    limits = {
        name: number(properties.get(name)) for name in ("poolQuota", "dedicatedCoreQuota", "lowPriorityCoreQuota")
    }
    if limits["poolQuota"] == 0 or limits["dedicatedCoreQuota"] == limits["lowPriorityCoreQuota"] == 0:
        yield Finding(
            "quotas",
            f"{step.key}: the Batch account has no quota of pools or of cores: no workflow can run.",
            "Ask for more in the portal (the account, Quotas): a new account often begins with none.",
            stops=False,
        )


def _is_machine(item: Mapping[str, Any]) -> bool:
    return str(item.get("resourceType", "")).lower() == "virtualmachines"


def _capability(size: Mapping[str, Any], name: str) -> str | None:
    for item in size.get("capabilities") or ():
        if item.get("name") == name:
            return str(item.get("value"))
    return None

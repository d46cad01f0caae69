"""What Microsoft Defender for Cloud says of a subscription: its plans, whom it tells, and its findings."""

from collections.abc import Collection, Iterator, Mapping

from lockdown.sandbox.scenarios.arm.envelope import CREATED, resource
from lockdown.sandbox.scenarios.scenario import Document

_SECURITY = "/providers/Microsoft.Security/"

PLANS = (
    "VirtualMachines",
    "SqlServers",
    "AppServices",
    "StorageAccounts",
    "SqlServerVirtualMachines",
    "KubernetesService",
    "ContainerRegistry",
    "KeyVaults",
    "Dns",
    "Arm",
    "OpenSourceRelationalDatabases",
    "CosmosDbs",
    "Containers",
    "CloudPosture",
    "Api",
    "AI",
)
SUB_PLANS = {
    "VirtualMachines": "P2",
    "StorageAccounts": "DefenderForStorageV2",
    "KeyVaults": "PerKeyVault",
    "Arm": "PerSubscription",
}
EXTENSIONS = {
    "VirtualMachines": ("MdeDesignatedSubscription", "AgentlessVmScanning", "FileIntegrityMonitoring"),
    "StorageAccounts": ("OnUploadMalwareScanning", "SensitiveDataDiscovery"),
    "Containers": ("ContainerRegistriesVulnerabilityAssessments", "ContainerSensor", "AgentlessDiscoveryForKubernetes"),
}


def plans(subscription: str) -> Iterator[Document]:
    """Yield one document for each plan: all are free, as Azure leaves them."""
    for plan in PLANS:
        properties = {"pricingTier": "Free", "freeTrialRemainingTime": "P30D"}
        yield resource(f"/subscriptions/{subscription}{_SECURITY}pricings/{plan}", properties, location=None)


IMAGES = "c0b7cfc6-3172-465a-b378-53c7ff2cc0d5"
"""The assessment of the images in a registry; there is none without the plan for containers."""

MORE_THAN_ONE_OWNER = "2c79b4af-f830-b61e-92b9-63dfa30f16e4"

_SHOULD_BE_REMOVED = "on Azure resources should be removed"
_ACCOUNTS: Mapping[str, str] = {
    MORE_THAN_ONE_OWNER: "There should be more than one owner assigned to subscriptions",
    "6f90a6d6-d4d6-0794-0ec1-98fa77878c2e": "A maximum of 3 owners should be designated for subscriptions",
    "20606e75-05c4-48c0-9d97-add6daa2109a": f"Guest accounts with owner permissions {_SHOULD_BE_REMOVED}",
    "0354476c-a12a-4fcc-a79d-f0ab7ffffdbb": f"Guest accounts with write permissions {_SHOULD_BE_REMOVED}",
    "050ac097-3dda-4d24-ab6d-82568e7a50cf": f"Blocked accounts with owner permissions {_SHOULD_BE_REMOVED}",
    "1ff0b4c9-ed56-4de6-be9c-d7ab39645926": f"Blocked accounts with read and write permissions {_SHOULD_BE_REMOVED}",
}
"""What Defender says of the accounts of every subscription, free of charge."""


def accounts(subscription: str, unhealthy: Collection[str] = ()) -> Iterator[Document]:
    """Yield the assessments of a subscription's accounts: those of ``unhealthy`` found something."""
    for key, name in _ACCOUNTS.items():
        code = "Unhealthy" if key in unhealthy else "Healthy"
        yield _assessment(f"/subscriptions/{subscription}", key, name, code)


def images(registry_id: str) -> Document:
    """Return the assessment of the images in a registry, with nothing found."""
    name = "Azure registry container images should have vulnerabilities resolved"
    return _assessment(registry_id, IMAGES, name, "Healthy")


def _assessment(resource_id: str, key: str, name: str, code: str) -> Document:
    properties = {
        "resourceDetails": {"Source": "Azure", "Id": resource_id},
        "displayName": name,
        "status": {"code": code, "firstEvaluationDate": CREATED, "statusChangeDate": CREATED},
        "additionalData": {},
    }
    return resource(f"{resource_id}{_SECURITY}assessments/{key}", properties, location=None)

"""What a subscription must be registered for before anything can be made in it."""

from __future__ import annotations

from collections.abc import Iterator

from lockdown.provisioner.environment import Access
from lockdown.provisioner.graph import Action, Expected, Step
from lockdown.provisioner.site import Site

API_VERSION = "2025-04-01"
"""Of Microsoft.Resources: azure-mgmt-resource's."""

_FEATURES_VERSION = "2021-07-01"
_THEME = "providers"
_NAMESPACES = (
    "Microsoft.Batch",
    "Microsoft.Compute",
    "Microsoft.ContainerRegistry",
    "Microsoft.ContainerService",
    "Microsoft.DBforPostgreSQL",
    "Microsoft.Insights",
    "Microsoft.KeyVault",
    "Microsoft.ManagedIdentity",
    "Microsoft.Network",
    "Microsoft.OperationalInsights",
    "Microsoft.OperationsManagement",
    "Microsoft.PolicyInsights",
    "Microsoft.Security",
    "Microsoft.Storage",
)
"""Microsoft.Authorization, Features and Resources are registered in every subscription. OperationsManagement is what
Container Insights stands on, PolicyInsights what the policy add-on of the cluster reports to."""

_MARK = ("lockdown-encryption-at-host", "registered")


def steps(site: Site) -> Iterator[Step]:
    """Yield the registrations, and the feature by which disks are encrypted on the host that they are attached to."""
    for namespace in namespaces(site):
        yield _registration(site, f"providers/{namespace}", namespace)
    feature = f"{_provider(site, 'Microsoft.Features')}/providers/Microsoft.Compute/features/EncryptionAtHost"
    yield Action(
        "feature/encryption-at-host",
        _THEME,
        f"{feature}/register",
        _FEATURES_VERSION,
        {},
        Expected(feature, _FEATURES_VERSION, "properties.state", "Registered"),
        needs=("providers/Microsoft.Compute",),
        seconds=600,
        title="encryption at host, a feature of Microsoft.Compute",
    )
    yield _propagation(site)


def namespaces(site: Site) -> tuple[str, ...]:
    """Return the namespaces of all that the environment is made of."""
    return (*_NAMESPACES, *(["Microsoft.DevTestLab"] if site.environment.access is Access.JUMPBOX else ()))


def _registration(site: Site, key: str, namespace: str) -> Action:
    provider = _provider(site, namespace)
    return Action(
        key,
        _THEME,
        f"{provider}/register",
        API_VERSION,
        {},
        Expected(provider, API_VERSION, "registrationState", "Registered"),
        seconds=60,
        title=namespace,
    )


def _propagation(site: Site) -> Action:
    """Return what makes a feature hold that was registered after its namespace: registering the namespace again.

    Azure shows no trace of it, so that a tag of the group does.
    """
    name, value = _MARK
    return Action(
        "feature/encryption-at-host/propagated",
        _THEME,
        f"{_provider(site, 'Microsoft.Compute')}/register",
        API_VERSION,
        {},
        Expected(site.group_id, API_VERSION, f"tags.{name}", value),
        needs=("feature/encryption-at-host", "group"),
        seconds=60,
        mark=_MARK,
        title="Microsoft.Compute once more, so that the feature holds",
    )


def _provider(site: Site, namespace: str) -> str:
    return f"/subscriptions/{site.subscription}/providers/{namespace}"

"""What Azure itself puts into a subscription that a Cromwell on Azure environment stands in."""

from collections.abc import Collection, Iterator

from lockdown.sandbox.scenarios.arm.cluster import kubernetes_versions
from lockdown.sandbox.scenarios.arm.defender import accounts, plans
from lockdown.sandbox.scenarios.arm.envelope import LOCATION, Group
from lockdown.sandbox.scenarios.arm.watch import network_watcher
from lockdown.sandbox.scenarios.scenario import Document
from lockdown.sandbox.scenarios.site import Site


def watcher_of(site: Site) -> Document:
    """Return the Network Watcher that came with the virtual network."""
    return network_watcher(Group(site.subscription, "NetworkWatcherRG"))


def given(site: Site, bought: Collection[str] = (), unhealthy: Collection[str] = ()) -> Iterator[Document]:
    """Yield it: a Network Watcher, the versions of Kubernetes, and what Defender has of every subscription.

    Args:
        site: the environment.
        bought: the plans of Defender that are not free.
        unhealthy: the assessments of accounts that found something.
    """
    yield Group(site.subscription, "NetworkWatcherRG").document()
    yield watcher_of(site)
    yield kubernetes_versions(site.subscription, LOCATION)
    yield from plans(site.subscription, bought)
    yield from accounts(site.subscription, unhealthy)

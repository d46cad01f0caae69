"""What Azure itself puts into a subscription that a Cromwell on Azure environment stands in."""

from collections.abc import Collection, Iterator

from lockdown.sandbox.scenarios.arm.cluster import kubernetes_versions
from lockdown.sandbox.scenarios.arm.defender import accounts, plans
from lockdown.sandbox.scenarios.arm.envelope import LOCATION, Group
from lockdown.sandbox.scenarios.arm.watch import network_watcher
from lockdown.sandbox.scenarios.scenario import Document
from lockdown.sandbox.scenarios.site import Site


def given(site: Site, unhealthy: Collection[str]) -> Iterator[Document]:
    """Yield it: a Network Watcher, the versions of Kubernetes, and what Defender has of every subscription.

    Args:
        site: the environment.
        unhealthy: the assessments of accounts that found something.
    """
    watched = Group(site.subscription, "NetworkWatcherRG")
    yield watched.document()
    yield network_watcher(watched)
    yield kubernetes_versions(site.subscription, LOCATION)
    yield from plans(site.subscription)
    yield from accounts(site.subscription, unhealthy)

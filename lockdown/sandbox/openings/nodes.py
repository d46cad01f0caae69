"""Clusters and Batch pools: the API of a cluster, its run-command, and machines that get public addresses.

Sources: Microsoft Learn, "Create a private AKS cluster", "Create a Batch pool without public IP addresses".
"""

from collections.abc import Iterator, Mapping

from lockdown.sandbox.openings.rule import Documents, Opening, Rule, at, listed, word
from lockdown.sandbox.state import Document

API = "the API of the cluster is public"
NODES = "nodes have public addresses"
COMMAND = "commands can be run in the cluster through Resource Manager"

_CLUSTER = "microsoft.containerservice/managedclusters"


def _cluster(document: Document, documents: Documents) -> Iterator[Opening]:
    where = str(document["id"])
    profile = at(document, "properties.apiServerAccessProfile")
    if at(profile, "enablePrivateCluster") is not True:
        yield Opening(where, API)
    if any(at(pool, "enableNodePublicIP") for pool in listed(at(document, "properties.agentPoolProfiles"))):
        yield Opening(where, NODES)
    if at(profile, "disableRunCommand") is not True:
        yield Opening(where, COMMAND, bypass=True)
    del documents


def _batch_pool(document: Document, documents: Documents) -> Iterator[Opening]:
    del documents
    provision = "properties.networkConfiguration.publicIPAddressConfiguration.provision"
    if word(document, provision, "batchmanaged") != "nopublicipaddresses":
        yield Opening(str(document["id"]), NODES)


RULES: Mapping[str, Rule] = {
    _CLUSTER: Rule(_cluster),
    "microsoft.batch/batchaccounts/pools": Rule(_batch_pool),
}
"""Lower-case type to what is looked for in it."""

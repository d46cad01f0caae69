"""Services that are reached at a public name: what their documents say of who may come.

What is absent counts as Azure counts it: public network access that nobody mentioned is on, and the default action of a
firewall that nobody wrote is Allow. Public network access that is Disabled supersedes every firewall.
Source: Microsoft Learn, the network security pages of each service.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from lockdown.sandbox.openings.rule import Documents, Opening, Rule, at, listed, properties, word
from lockdown.sandbox.state import Document

OPEN = "public network access is on and nothing denies by default"
SELECTED = "its firewall lets addresses of the Internet in"
PERIMETER = "public access is left to a network security perimeter that does not enforce anything"
ANONYMOUS = "anybody may read blobs without signing in"
SERVER = "public network access is on"
FIREWALL_RULE = "a firewall rule lets addresses in"
INGESTION = "telemetry is accepted from public networks"
QUERY = "queries are accepted from public networks"
EXPORT = "a disk can be exported by a link that is in force"
TRUSTED = "trusted services of Azure pass its firewall"

_ASSOCIATION = "microsoft.network/networksecurityperimeters/resourceassociations"
_ACCOUNT = "microsoft.storage/storageaccounts"
_CONTAINER = f"{_ACCOUNT}/blobservices/containers"
_SERVERS = ("microsoft.dbforpostgresql/flexibleservers", "microsoft.dbformysql/flexibleservers")


def _access(document: Document, documents: Documents, value: str) -> str:
    """Return ``enabled``, ``disabled`` or ``perimeter``: one that enforces is as good as disabled."""
    if value != "securedbyperimeter":
        return value
    key = str(document["id"]).lower()
    for found in documents.of_type(_ASSOCIATION):
        if word(found, "properties.privateLinkResource.id", "") == key and (
            word(found, "properties.accessMode", "learning") == "enforced"
        ):
            return "disabled"
    return "perimeter"


def _doors(document: Document, documents: Documents, rules: str) -> Iterator[str]:
    """Yield why a service with a firewall at ``rules`` takes traffic of the Internet."""
    said = properties(document)
    access = _access(document, documents, word(said, "publicNetworkAccess", "enabled"))
    if access == "perimeter":
        yield PERIMETER
    elif access != "disabled":
        yield from _firewall(at(said, rules))


def _firewall(rules: Any) -> Iterator[str]:  # noqa: ANN401  # a JSON value
    if word(rules, "defaultAction", "allow") != "deny":
        yield OPEN
    elif listed(at(rules, "ipRules")):
        yield SELECTED


def _account(document: Document, documents: Documents) -> Iterator[Opening]:
    where, said = str(document["id"]), properties(document)
    doors = list(_doors(document, documents, "networkAcls"))
    yield from (Opening(where, why) for why in doors)
    if doors and at(said, "allowBlobPublicAccess") is True:
        yield Opening(where, ANONYMOUS)
    if "azureservices" in word(said, "networkAcls.bypass", "azureservices"):
        yield Opening(where, TRUSTED, bypass=True)


def _container(document: Document, documents: Documents) -> Iterator[Opening]:
    account = documents.get(str(document["id"]).lower().partition("/blobservices/")[0])
    shared = word(document, "properties.publicAccess", "none") != "none"
    if account is not None and shared and any(found.why == ANONYMOUS for found in _account(account, documents)):
        yield Opening(str(document["id"]), ANONYMOUS)


def _vault(document: Document, documents: Documents) -> Iterator[Opening]:
    where = str(document["id"])
    yield from (Opening(where, why) for why in _doors(document, documents, "networkAcls"))
    if word(document, "properties.networkAcls.bypass", "azureservices") == "azureservices":
        yield Opening(where, TRUSTED, bypass=True)


def _registry(document: Document, documents: Documents) -> Iterator[Opening]:
    where = str(document["id"])
    yield from (Opening(where, why) for why in _doors(document, documents, "networkRuleSet"))
    if word(document, "properties.networkRuleBypassOptions", "azureservices") == "azureservices":
        yield Opening(where, TRUSTED, bypass=True)


def _cosmos(document: Document, documents: Documents) -> Iterator[Opening]:
    where, said = str(document["id"]), properties(document)
    access = _access(document, documents, word(said, "publicNetworkAccess", "enabled"))
    addresses = listed(at(said, "ipRules")) or at(said, "ipRangeFilter")
    if access == "perimeter":
        yield Opening(where, PERIMETER)
    elif access != "disabled" and addresses:
        yield Opening(where, SELECTED)
    elif access != "disabled" and not at(said, "isVirtualNetworkFilterEnabled"):
        yield Opening(where, OPEN)
    if word(said, "networkAclBypass", "none") == "azureservices":
        yield Opening(where, TRUSTED, bypass=True)


def _batch(document: Document, documents: Documents) -> Iterator[Opening]:
    where, said = str(document["id"]), properties(document)
    access = _access(document, documents, word(said, "publicNetworkAccess", "enabled"))
    if access == "perimeter":
        yield Opening(where, PERIMETER)
    elif access != "disabled":
        for endpoint in ("accountAccess", "nodeManagementAccess"):
            yield from (Opening(where, why) for why in _firewall(at(said, f"networkProfile.{endpoint}")))


def _is_public(server: Document) -> bool:
    """Tell whether a database server stands outside of any network and takes what its firewall lets in."""
    network = at(properties(server), "network")
    return not at(network, "delegatedSubnetResourceId") and word(network, "publicNetworkAccess", "enabled") != (
        "disabled"
    )


def _server(document: Document, documents: Documents) -> Iterator[Opening]:
    del documents
    if _is_public(document):
        yield Opening(str(document["id"]), SERVER)


def _server_rule(document: Document, documents: Documents) -> Iterator[Opening]:
    server = documents.get(str(document["id"]).lower().partition("/firewallrules/")[0])
    if server is not None and _is_public(server):
        yield Opening(str(document["id"]), FIREWALL_RULE)


def _telemetry(document: Document, documents: Documents) -> Iterator[Opening]:
    for use, why in (("Ingestion", INGESTION), ("Query", QUERY)):
        said = word(document, f"properties.publicNetworkAccessFor{use}", "enabled")
        access = _access(document, documents, said)
        if access != "disabled":
            yield Opening(str(document["id"]), PERIMETER if access == "perimeter" else why)


def _collection(document: Document, documents: Documents) -> Iterator[Opening]:
    said = word(document, "properties.networkAcls.publicNetworkAccess", "enabled")
    access = _access(document, documents, said)
    if access != "disabled":
        yield Opening(str(document["id"]), PERIMETER if access == "perimeter" else INGESTION)


def _disk(document: Document, documents: Documents) -> Iterator[Opening]:
    """Yield what a link to a disk's content opens. Without one there is nothing to connect to, whatever is allowed."""
    del documents
    said = properties(document)
    linked = word(said, "diskState", "") in ("activesas", "activesasfrozen")
    anywhere = word(said, "networkAccessPolicy", "allowall") == "allowall"
    if linked and anywhere and word(said, "publicNetworkAccess", "enabled") != "disabled":
        yield Opening(str(document["id"]), EXPORT)


def _recovery(document: Document, documents: Documents) -> Iterator[Opening]:
    access = _access(document, documents, word(document, "properties.publicNetworkAccess", "enabled"))
    if access != "disabled":
        yield Opening(str(document["id"]), PERIMETER if access == "perimeter" else SERVER)


def other(document: Document, documents: Documents) -> Iterator[Opening]:
    """Yield what a document of any other type says in so many words."""
    if word(document, "properties.publicNetworkAccess", "") == "enabled":
        yield from (Opening(str(document["id"]), why) for why in _doors(document, documents, "networkAcls"))
    del documents


_PERIMETERS = frozenset({_ASSOCIATION})
RULES: Mapping[str, Rule] = {
    _ACCOUNT: Rule(_account, _PERIMETERS),
    _CONTAINER: Rule(_container, frozenset({_ACCOUNT, _ASSOCIATION})),
    "microsoft.keyvault/vaults": Rule(_vault),
    "microsoft.containerregistry/registries": Rule(_registry),
    "microsoft.documentdb/databaseaccounts": Rule(_cosmos, _PERIMETERS),
    "microsoft.batch/batchaccounts": Rule(_batch, _PERIMETERS),
    **dict.fromkeys(_SERVERS, Rule(_server)),
    **{f"{server}/firewallrules": Rule(_server_rule, frozenset({server})) for server in _SERVERS},
    "microsoft.operationalinsights/workspaces": Rule(_telemetry, _PERIMETERS),
    "microsoft.insights/components": Rule(_telemetry, _PERIMETERS),
    "microsoft.insights/datacollectionendpoints": Rule(_collection, _PERIMETERS),
    **dict.fromkeys(("microsoft.compute/disks", "microsoft.compute/snapshots"), Rule(_disk)),
    "microsoft.recoveryservices/vaults": Rule(_recovery, _PERIMETERS),
}
"""Lower-case type to what is looked for in it."""

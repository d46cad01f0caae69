"""What is made by PUT looks, to a reader, as the documents of a scenario say that Azure shows it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from lockdown.sandbox.back_references import complete
from lockdown.sandbox.providers import kind_of
from lockdown.sandbox.scenarios import build
from lockdown.sandbox.server import Sandbox
from tests.sandbox.arm_client import ArmClient

_NETWORK = "Microsoft.Network/"
_ORDER = (
    "networkSecurityGroups",
    "routeTables",
    "publicIPAddresses",
    "natGateways",
    "firewallPolicies",
    "firewallPolicies/ruleCollectionGroups",
    "virtualNetworks",
    "azureFirewalls",
    "privateDnsZones",
    "privateDnsZones/virtualNetworkLinks",
    "networkWatchers/flowLogs",
    "privateEndpoints",
    "privateEndpoints/privateDnsZoneGroups",
    "privateDnsZones/A",
)
_BY_ITSELF = ("networkWatchers", "networkInterfaces")
_WRITTEN_ELSEWHERE = ("ipConfiguration", "flowLogs", "firewalls", "ruleCollectionGroups", "networkInterfaces")
_MORE = {
    "privateEndpointVNetPolicies": "shown by newer API versions",
    "ipVersionType": "shown by newer API versions",
    "actions": "what a service may do in a subnet that is delegated to it",
    "resourceNavigationLinks": "shown once a service uses the subnet",
    "serviceAssociationLinks": "shown once a service uses the subnet",
}
"""What a reader of the sandbox is shown beyond the documents, and why."""

_PUBLIC = re.compile(r"203\.0\.113\.\d+")
_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@pytest.fixture(scope="module")
def documents() -> Iterator[tuple[ArmClient, dict[str, dict[str, Any]]]]:
    """Make the network of coa-private in an empty sandbox; give a client, and what the scenario says of it."""
    with Sandbox("empty", operation_seconds=0) as sandbox:
        arm = ArmClient(sandbox)
        scenario = build("coa-private", tenant=sandbox.tenant, options={})
        (theirs,) = {found["id"].split("/")[2] for found in scenario.documents if found["id"].startswith("/sub")}
        text = json.dumps(scenario.documents).replace(theirs, sandbox.subscription)
        everything: list[dict[str, Any]] = json.loads(text)
        ours = [found for found in everything if _is_ours(found)]
        sandbox.state.seed(found for found in everything if _is_service(found))
        for kind in _ORDER:
            made = [found for found in ours if found["type"].lower() == f"{_NETWORK}{kind}".lower()]
            for found in sorted(made, key=lambda found: _first_address(found, everything)):
                if _creator(found).startswith("created by private endpoint"):
                    continue
                response = arm.call("PUT", found["id"], _request(found))
                assert response.status_code in (200, 201), (found["id"], response.text)
        yield arm, {found["id"]: found for found in complete(everything) if _is_ours(found)}
        arm.close()


def _creator(document: Mapping[str, Any]) -> str:
    return str((document["properties"].get("metadata") or {}).get("creator", ""))


def _is_ours(document: Mapping[str, Any]) -> bool:
    known = {f"{_NETWORK}{kind}".lower() for kind in (*_ORDER, *_BY_ITSELF)}
    return document["type"].lower() in known and "/MC_" not in document["id"]


def _is_service(document: Mapping[str, Any]) -> bool:
    kind = document["type"].lower()
    groups = "microsoft.resources/resourcegroups"
    return not kind.startswith(("microsoft.network/", "microsoft.authorization/", "microsoft.resources/sub")) and (
        kind != groups or "networkwatcher" not in document["id"].lower()
    )


def _first_address(document: Mapping[str, Any], everything: list[dict[str, Any]]) -> tuple[int, str]:
    """Endpoints were made in the order of their addresses."""
    interfaces = [item["id"] for item in document["properties"].get("networkInterfaces") or []]
    for found in everything:
        if found["id"] in interfaces and document["type"].endswith("/privateEndpoints"):
            address = found["properties"]["ipConfigurations"][0]["properties"]["privateIPAddress"]
            return int(address.rpartition(".")[2]), ""
    return 0, document["id"]


def _request(document: dict[str, Any]) -> dict[str, Any]:
    """Return what a client would send for a document: without what only the service writes."""
    kind = kind_of(document["type"])
    assert kind is not None
    body = json.loads(json.dumps(document))
    members = {name: body[name] for name in ("location", "tags", "sku", "zones") if name in body}
    properties = {
        name: _sent(value)
        for name, value in body["properties"].items()
        if name not in kind.computed and name not in _WRITTEN_ELSEWHERE
    }
    return members | {"properties": properties}


def _sent(value: Any) -> Any:
    if isinstance(value, list):
        return [_sent(item) for item in value]
    if isinstance(value, dict):
        hidden = {"etag", "provisioningState", "privateIPAddress", "recordSets", *_WRITTEN_ELSEWHERE}
        hidden |= {"type"} if "id" in value else set()
        return {name: _sent(inner) for name, inner in value.items() if name not in hidden}
    return value


def _shown(value: Any) -> Any:
    """Return what is compared: no etags, no GUIDs, no public addresses, ids without regard to case, no empty tags."""
    if isinstance(value, list):
        items = [_shown(item) for item in value]
        return (
            sorted(items, key=lambda item: json.dumps(item, sort_keys=True))
            if all(isinstance(item, dict) and "id" in item for item in items)
            else items
        )
    if isinstance(value, dict):
        kept = {name: _without_nodes(inner) for name, inner in value.items()}
        return {
            name: _shown(inner)
            for name, inner in kept.items()
            if name[:1] != "_"
            and name not in ("etag", *_MORE)
            and not (name == "tags" and not inner)
            and not (inner == [] and value[name])
        }
    return _PUBLIC.sub("public", _GUID.sub("guid", value.lower())) if isinstance(value, str) else value


def _without_nodes(value: Any) -> Any:
    """Leave out what refers to a cluster's nodes, which no client makes."""
    if not isinstance(value, list):
        return value
    return [item for item in value if not (isinstance(item, dict) and "/MC_" in str(item.get("id", "")))]


@pytest.mark.parametrize("kind", [*_ORDER, *_BY_ITSELF])
def test_what_is_made_looks_as_it_is_written(kind: str, documents: tuple[ArmClient, dict[str, dict[str, Any]]]) -> None:
    arm, written = documents
    expected = [found for found in written.values() if found["type"].lower() == f"{_NETWORK}{kind}".lower()]
    compared = 0
    for found in expected:
        read = _find(arm, found)
        compared += 1
        assert _shown(read) == _shown(found), found["id"]
    assert compared or kind == "natGateways"


def _find(arm: ArmClient, document: Mapping[str, Any]) -> dict[str, Any]:
    """Read the resource; an endpoint's interface by all but the GUID in its name."""
    if document["type"] != f"{_NETWORK}networkInterfaces":
        response = arm.call("GET", document["id"])
        assert response.status_code == 200, response.text
        read: dict[str, Any] = response.json()
        return read
    group = document["id"].rpartition("/")[0]
    listed = arm.call("GET", group).json()["value"]
    prefix = document["name"].partition(".nic.")[0] + ".nic."
    (found,) = (item for item in listed if item["name"].startswith(prefix))
    return dict(found)

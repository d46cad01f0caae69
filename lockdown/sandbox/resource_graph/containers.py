"""Rows of ``resourcecontainers``: subscriptions, resource groups and management groups.

Source: published sample queries, which take a subscription's name from ``name`` and its management groups from
``properties.managementGroupAncestorsChain``.
"""

from collections.abc import Mapping
from typing import Any

from lockdown.sandbox.resource_graph.hierarchy import GROUP, Hierarchy
from lockdown.sandbox.resource_graph.normal import Row, row
from lockdown.sandbox.resource_id import SUBSCRIPTION_TYPE


def container_row(document: Mapping[str, Any], tenant: str, tree: Hierarchy) -> Row:
    """Return the row of a container."""
    found = row(document, tenant)
    scope = str(document["id"]).lower()
    properties = found["properties"] or {}
    if found["type"] == SUBSCRIPTION_TYPE.lower():
        name = document.get("displayName") or properties.get("displayName") or found["name"]
        policies = document.get("subscriptionPolicies") or properties.get("subscriptionPolicies")
        state = document.get("state") or properties.get("state") or "Enabled"
        shown = {"managementGroupAncestorsChain": tree.chain(scope), "state": state, "subscriptionPolicies": policies}
        return found | {"name": name, "properties": shown, "resourceGroup": "", "location": ""}
    if found["type"] == GROUP:
        details = {**(properties.get("details") or {}), "managementGroupAncestorsChain": tree.chain(scope)}
        return found | {"properties": {**properties, "details": details}}
    return found

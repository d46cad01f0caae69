"""Microsoft.OperationalInsights/workspaces and their tables.

Source: azure-rest-api-specs, Microsoft.OperationalInsights 2025-07-01; Microsoft Learn, "Manage data retention in a Log
Analytics workspace".
"""

import re
from typing import Any
from uuid import uuid4

from lockdown.sandbox import defaults, workspace_tables
from lockdown.sandbox.arm_error import ArmError, bad_request, unsupported
from lockdown.sandbox.kind import Context, Kind
from lockdown.sandbox.providers.bodies import at, choose, described, fill, keep, stamp
from lockdown.sandbox.state import Document

TYPE = "Microsoft.OperationalInsights/workspaces"
_SHAPE, _COMPUTED = described("log_analytics", "WorkspaceProperties", features=dict)
_TABLE, _TABLE_COMPUTED = described("log_analytics", "TableProperties")
_SKUS = ("PerGB2018", "CapacityReservation", "LACluster", "Free", "Standalone", "PerNode", "Standard", "Premium")
_ACCESS = ("Enabled", "Disabled", "SecuredByPerimeter")
_SHORTEST, _LONGEST, _LONGEST_TOTAL = 30, 730, 4383
_SHORTEST_OF_A_TABLE = 4
_OPEN = {"publicNetworkAccessForIngestion": "Enabled", "publicNetworkAccessForQuery": "Enabled"}


def _prepare(context: Context, document: Document, previous: Document | None) -> None:
    properties = document["properties"]
    choose(document, "sku.name", *_SKUS)
    choose(document, "publicNetworkAccessForIngestion", *_ACCESS)
    choose(document, "publicNetworkAccessForQuery", *_ACCESS)
    keep(document, previous, "sku.lastSkuUpdate", "workspaceCapping.quotaNextResetTime")
    fill(properties, {**defaults.WORKSPACE, **_OPEN})
    properties.setdefault("features", dict(defaults.FEATURES))
    fill(properties["features"], {"enableLogAccessUsingOnlyResourcePermissions": True})
    if not _SHORTEST <= int(properties["retentionInDays"]) <= _LONGEST:
        raise ArmError(
            400,
            "InvalidParameter",
            f"'RetentionInDays' property is out of range. Values are from {_SHORTEST} to {_LONGEST}.",
            "properties.retentionInDays",
        )
    now = stamp(context)
    properties["sku"].setdefault("lastSkuUpdate", now)
    if previous is None:
        properties |= {"customerId": str(uuid4()), "createdDate": now}
    properties["provisioningState"] = "Succeeded"


def _prepare_table(context: Context, document: Document, previous: Document | None) -> None:
    """Complete a table: one that every workspace has, or one of somebody's own."""
    name, properties = str(document["name"]), document["properties"]
    if previous is None and not name.endswith("_CL"):
        raise unsupported(f"The table '{name}' is not known here; a table of one's own has a name that ends with _CL.")
    if previous is None and not at(properties, "schema.columns"):
        raise bad_request(f"The table '{name}' needs a schema with columns.", target="properties.schema")
    choose(document, "plan", "Analytics", "Basic", "Auxiliary")
    known = (previous or {}).get("properties") or {}
    workspace = context.state.get(str(document["id"]).rpartition("/tables/")[0]) or {}
    default = int(at(workspace, "properties.retentionInDays") or _SHORTEST)
    searched = _days(properties.get("retentionInDays"), known.get("retentionInDays"), default)
    total = _days(properties.get("totalRetentionInDays"), known.get("totalRetentionInDays"), searched)
    if not _SHORTEST_OF_A_TABLE <= searched <= _LONGEST or not searched <= total <= _LONGEST_TOTAL:
        raise ArmError(
            400,
            "InvalidParameter",
            f"A table is searched for {_SHORTEST_OF_A_TABLE} to {_LONGEST} days and kept for as many or more, up to "
            f"{_LONGEST_TOTAL}; {searched} and {total} are asked for.",
        )
    made = workspace_tables.table(name, default, searched, total)
    kept = {key: known[key] for key in ("plan", "schema") if key in known}
    given = {key: properties[key] for key in ("plan", "searchResults", "restoredLogs") if key in properties}
    if previous is None:
        kept = {"schema": {**properties["schema"], "tableType": "CustomLog", "tableSubType": "DataCollectionRuleBased"}}
    document["properties"] = {**made, **kept, **given}


def _days(asked: Any, known: Any, default: int) -> int:  # noqa: ANN401  # JSON values
    """Return the days that are asked for: -1 is the default, silence is what was."""
    if asked is None:
        return default if known is None else int(known)
    return default if asked == -1 else int(asked)


def _table_removable(context: Context, document: Document) -> None:
    del context
    if not str(document["name"]).endswith("_CL"):
        raise ArmError(400, "InvalidOperation", f"The table '{document['name']}' is Azure's and cannot be deleted.")


KINDS = (
    Kind(
        TYPE, _SHAPE, computed=_COMPUTED, name=re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{2,61}[A-Za-z0-9]"),
        create="async", update="async", delete="async", seconds=60, update_seconds=10, delete_seconds=15,
        prepare=_prepare,
    ),
    Kind(
        f"{TYPE}/tables", _TABLE, computed=_TABLE_COMPUTED, name=re.compile(r"[A-Za-z][A-Za-z0-9_]{2,62}"),
        tracked=False, create="async", update="async", delete="async", seconds=10, update_seconds=10,
        prepare=_prepare_table, removable=_table_removable,
    ),
)  # fmt: skip

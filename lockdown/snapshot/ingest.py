"""Snapshots that people already have: ``az graph query`` output, an ARM list, a JSON array, or JSON lines.

Rows go to the table that Resource Graph keeps their type in. Columns that only Resource Graph adds (subscriptionId,
resourceGroup, name) are derived from the id where they are missing.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lockdown.errors import UsageError
from lockdown.model import Unread
from lockdown.snapshot.store import SUBSCRIPTION, Writer
from lockdown.snapshot.tables import ARM_TABLE, READS, TABLES

_INSTANCE_ADDRESSES = (
    "microsoft.compute/virtualmachinescalesets/virtualmachines/networkinterfaces/ipconfigurations/publicipaddresses"
)
_HOME = {
    SUBSCRIPTION: "resourcecontainers",
    "microsoft.resources/subscriptions/resourcegroups": "resourcecontainers",
    "microsoft.management/managementgroups": "resourcecontainers",
    "microsoft.resources/changes": "resourcechanges",
    "microsoft.batch/batchaccounts/pools": "batchresources",
    "microsoft.network/firewallpolicies/rulecollectiongroups": "networkresources",
    "microsoft.network/networksecurityperimeters/resourceassociations": "networkresources",
    "microsoft.compute/virtualmachinescalesets/virtualmachines": "computeresources",
    "microsoft.compute/virtualmachinescalesets/virtualmachines/networkinterfaces": "computeresources",
    _INSTANCE_ADDRESSES: "computeresources",
    "microsoft.network/privateendpoints/privatednszonegroups": ARM_TABLE,
    READS: ARM_TABLE,
    "microsoft.authorization/roleassignments": "authorizationresources",
    "microsoft.authorization/roledefinitions": "authorizationresources",
    "microsoft.authorization/policyexemptions": "policyresources",
    "microsoft.recoveryservices/vaults/backupfabrics/protectioncontainers/protecteditems": "recoveryservicesresources",
    "microsoft.security/assessments": "securityresources",
    "microsoft.security/assessments/subassessments": "securityresources",
    "microsoft.security/pricings": "securityresources",
}
_TOLD_BY_NAME = TABLES - {"resources"}
"""Files of these names hold rows of that table alone; one called resources may hold containers too."""

_RECORD_SETS = ("microsoft.network/privatednszones/", "microsoft.network/dnszones/")
_BARE = "No resource carries properties, as in the output of az resource list: there is nothing to judge it by."
_NEXT = "Give the output of az graph query, a list of resources from Azure Resource Manager, or JSON lines."


@dataclass(frozen=True)
class Ingested:
    """What files held beyond their rows.

    Attributes:
        subscriptions: id to name; the name is empty where only ids told of a subscription.
        types: resources by lower-case type.
        unread: parts that a file says it lacks.
        derived: no file listed its subscriptions, so they were taken from ids.
    """

    subscriptions: dict[str, str]
    types: dict[str, int]
    unread: tuple[Unread, ...]
    derived: bool


def ingest(path: Path, writer: Writer) -> Ingested:
    """Read a file, or every ``.json`` and ``.jsonl`` file of a folder, into ``writer``.

    A file named after a table (``networkresources.json``) says that the table was read, even if it holds no row.

    Raises:
        UsageError: nothing to read, not JSON, cut off, or a resource without an id or type.
    """
    named: dict[str, str] = {}
    seen: set[str] = set()
    unread: list[Unread] = []
    types: Counter[str] = Counter()
    judged = bare = 0
    for file in _files(path):
        if file.stem in TABLES:
            writer.begin(file.stem)
        for number, row in enumerate(_documents(file, unread), start=1):
            home = _normal(row, file, number)
            table = file.stem if file.stem in _TOLD_BY_NAME else home
            judged += table == "resources"
            bare += table == "resources" and not row.get("properties")
            subscription = str(row["subscriptionId"])
            if subscription:
                seen.add(subscription)
            if row["type"] == SUBSCRIPTION:
                named[subscription] = str(row.get("name") or "")
            added = writer.add(table, (row,))
            if table == "resources":
                types[row["type"].lower()] += added
    if judged and bare == judged:
        writer.mark_incomplete("resources")
        unread.append(Unread("table", "resources", _BARE))
    if not any(table.rows for table in writer.tables.values()):
        raise UsageError(f"{path} holds no resources.", _NEXT)
    derived = sorted(seen - named.keys())
    writer.begin("resources")
    writer.add("resourcecontainers", (_subscription_row(s) for s in derived))
    return Ingested({**dict.fromkeys(derived, ""), **named}, dict(types), tuple(unread), derived=bool(derived))


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        found = sorted(p for p in path.iterdir() if p.suffix in {".json", ".jsonl"} and p.is_file())
        if not found:
            raise UsageError(f"{path} holds no .json or .jsonl files.", _NEXT)
        return found
    if not path.is_file():
        raise UsageError(f"{path} does not exist.", _NEXT)
    return [path]


def _documents(path: Path, unread: list[Unread]) -> Iterator[dict[str, Any]]:
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read as text: {error}.", _NEXT) from error
    if not text.strip() and path.stem in TABLES:
        return
    if not text.strip():
        raise UsageError(f"{path} is empty.", _NEXT)
    try:
        whole = json.loads(text)
    except json.JSONDecodeError:
        yield from _lines(path, text)
        return
    for row in _rows(path, whole, unread):
        if not isinstance(row, dict):
            raise UsageError(f"{path} holds something that is not a resource: {str(row)[:60]!r}.", _NEXT)
        yield row


def _lines(path: Path, text: str) -> Iterator[dict[str, Any]]:
    lines = text.rstrip().split("\n")
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            ends_early = error.pos >= len(line) or error.msg.startswith("Unterminated")
            problem = "is cut off" if ends_early and number == len(lines) else "is not JSON"
            raise UsageError(f"{path} {problem}, at line {number}: {error.msg}.", _NEXT) from error
        if not isinstance(row, dict):
            raise UsageError(f"{path}, line {number}: not a resource.", _NEXT)
        yield row


def _rows(path: Path, whole: Any, unread: list[Unread]) -> list[Any]:  # noqa: ANN401 - any JSON value
    if isinstance(whole, list):
        return whole
    if isinstance(whole, dict) and "id" in whole and "type" in whole:
        return [whole]
    if isinstance(whole, dict):
        for key in ("data", "value"):
            if isinstance(whole.get(key), list):
                _note_missing(path, whole, len(whole[key]), unread)
                return list(whole[key])
        if isinstance(data := whole.get("data"), dict) and {"columns", "rows"} <= data.keys():
            names = [column["name"] for column in data["columns"]]
            _note_missing(path, whole, len(data["rows"]), unread)
            return [dict(zip(names, row, strict=True)) for row in data["rows"]]
    raise UsageError(f"{path} holds JSON, but no list of resources.", _NEXT)


def _note_missing(path: Path, whole: dict[str, Any], rows: int, unread: list[Unread]) -> None:
    total = whole.get("total_records") or whole.get("totalRecords") or rows
    more = whole.get("skip_token") or whole.get("$skipToken") or whole.get("nextLink")
    if more or (isinstance(total, int) and total > rows):
        unread.append(
            Unread("table", "resources", f"{path.name} holds only one page of the answer: {rows} of {total} rows.")
        )


def _normal(row: dict[str, Any], path: Path, number: int) -> str:
    where = f"{path}, resource {number}"
    if not isinstance(row.get("id"), str) or not row["id"].startswith("/"):
        raise UsageError(f"{where}: it has no id.", "Keep the column id in the query.")
    if not isinstance(row.get("type"), str) or not row["type"]:
        raise UsageError(f"{where}: {row['id'][:200]!r} has no type.", "Keep the column type in the query.")
    row["type"] = row["type"].lower()
    parts = row["id"].strip("/").split("/")
    lowered = [part.lower() for part in parts]
    if not row.get("subscriptionId"):
        row["subscriptionId"] = lowered[1] if len(parts) > 1 and lowered[0] == "subscriptions" else ""
    row["subscriptionId"] = str(row["subscriptionId"]).lower()
    if not row.get("resourceGroup"):
        row["resourceGroup"] = lowered[3] if len(parts) > 3 and lowered[2] == "resourcegroups" else ""  # noqa: PLR2004
    row.setdefault("name", row.get("displayName") or parts[-1])
    if row["type"].startswith(_RECORD_SETS) and not row["type"].endswith("/virtualnetworklinks"):
        return "dnsresources"
    return _HOME.get(row["type"], "resources")


def _subscription_row(subscription: str) -> dict[str, Any]:
    return {
        "id": f"/subscriptions/{subscription}",
        "name": subscription,
        "type": SUBSCRIPTION,
        "subscriptionId": subscription,
        "properties": {},
    }

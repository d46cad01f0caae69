"""Snapshots that people already have are taken as they are, or refused with the reason."""

import json
from pathlib import Path
from typing import Any

import pytest

from lockdown.errors import UsageError
from lockdown.snapshot.ingest import Ingested, ingest
from lockdown.snapshot.redact import Redactor
from lockdown.snapshot.store import Table, Writer

SUB = "11111111-1111-1111-1111-111111111111"
STORAGE = {
    "id": f"/subscriptions/{SUB.upper()}/resourceGroups/Rg/providers/Microsoft.Storage/storageAccounts/one",
    "type": "Microsoft.Storage/storageAccounts",
    "location": "westus",
    "properties": {"publicNetworkAccess": "Disabled"},
}
NAMED = {
    "id": f"/subscriptions/{SUB}",
    "type": "microsoft.resources/subscriptions",
    "subscriptionId": SUB,
    "name": "Lab",
}


def take(path: Path, out: Path) -> tuple[Ingested, dict[str, Table]]:
    with Writer(out, Redactor([], [])) as writer:
        found = ingest(path, writer)
    return found, writer.tables


def rows(out: Path, table: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / f"{table}.jsonl").read_text("utf-8").splitlines()]


@pytest.mark.parametrize(
    "text",
    [
        json.dumps({"count": 1, "data": [STORAGE], "skip_token": None, "total_records": 1}),
        json.dumps({"data": {"columns": [{"name": k} for k in STORAGE], "rows": [list(STORAGE.values())]}}),
        json.dumps({"value": [STORAGE]}),
        json.dumps([STORAGE]),
        json.dumps(STORAGE),
        json.dumps(STORAGE) + "\n\n",
        "\ufeff" + json.dumps([STORAGE]),
        json.dumps(STORAGE) + "\n" + json.dumps(NAMED) + "\n",
    ],
    ids=["graph query", "table format", "arm list", "array", "one", "lines", "byte order mark", "two lines"],
)
def test_forms_that_people_have(tmp_path: Path, text: str) -> None:
    path = tmp_path / "snapshot.json"
    path.write_text(text, "utf-8")
    found, tables = take(path, tmp_path / "out")
    assert list(found.subscriptions) == [SUB]
    assert not found.unread
    assert tables["resources"].rows == tables["resourcecontainers"].rows == 1
    (row,) = rows(tmp_path / "out", "resources")
    assert (row["subscriptionId"], row["resourceGroup"], row["name"], row["type"]) == (
        SUB,
        "rg",
        "one",
        "microsoft.storage/storageaccounts",
    )


def test_subscriptions_are_derived_from_ids_only_where_none_is_listed(tmp_path: Path) -> None:
    path = tmp_path / "snapshot.json"
    path.write_text(json.dumps([STORAGE]), "utf-8")
    assert take(path, tmp_path / "one")[0] == Ingested(
        {SUB: ""}, {"microsoft.storage/storageaccounts": 1}, (), derived=True
    )
    path.write_text(json.dumps([STORAGE, NAMED]), "utf-8")
    assert take(path, tmp_path / "two")[0] == Ingested(
        {SUB: "Lab"}, {"microsoft.storage/storageaccounts": 1}, (), derived=False
    )


@pytest.mark.parametrize(
    "envelope",
    [
        {"data": [STORAGE], "skip_token": "abc"},
        {"data": [STORAGE], "totalRecords": 5},
        {"value": [STORAGE], "nextLink": "x"},
    ],
)
def test_one_page_of_many_is_not_taken_for_the_whole(tmp_path: Path, envelope: dict[str, Any]) -> None:
    path = tmp_path / "page.json"
    path.write_text(json.dumps(envelope), "utf-8")
    (unread,) = take(path, tmp_path / "out")[0].unread
    assert "page.json holds only one page" in unread.reason


def test_rows_go_to_the_table_that_holds_their_type(tmp_path: Path) -> None:
    base = f"/subscriptions/{SUB}/resourceGroups/rg/providers"
    kinds = {
        "microsoft.network/privatednszones/a": "dnsresources",
        "microsoft.network/privatednszones/virtualnetworklinks": "resources",
        "microsoft.batch/batchaccounts/pools": "batchresources",
        "microsoft.network/firewallpolicies/rulecollectiongroups": "networkresources",
        "microsoft.resources/subscriptions/resourcegroups": "resourcecontainers",
    }
    path = tmp_path / "all.jsonl"
    path.write_text("".join(json.dumps({"id": f"{base}/{k}/x", "type": k}) + "\n" for k in kinds), "utf-8")
    take(path, tmp_path / "out")
    for kind, table in kinds.items():
        assert kind in {row["type"] for row in rows(tmp_path / "out", table)}


@pytest.mark.parametrize("properties", [{}, {"properties": None}, {"properties": {}}])
def test_resources_without_any_properties_cannot_be_judged(tmp_path: Path, properties: dict[str, Any]) -> None:
    path = tmp_path / "list.json"
    bare = {key: value for key, value in STORAGE.items() if key != "properties"} | properties
    path.write_text(json.dumps([bare, NAMED]), "utf-8")
    found, tables = take(path, tmp_path / "out")
    assert "az resource list" in found.unread[0].reason
    assert not tables["resources"].complete


@pytest.mark.parametrize("text", ["", json.dumps({"count": 0, "data": []})])
def test_a_file_named_after_a_table_says_that_it_was_read(tmp_path: Path, text: str) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "resources.json").write_text(json.dumps([STORAGE]), "utf-8")
    (folder / "networkresources.json").write_text(text, "utf-8")
    tables = take(folder, tmp_path / "out")[1]
    assert {name: table.rows for name, table in tables.items()} == {
        "networkresources": 0,
        "resourcecontainers": 1,
        "resources": 1,
    }


def test_a_row_that_comes_twice_counts_once(tmp_path: Path) -> None:
    path = tmp_path / "twice.json"
    path.write_text(json.dumps([STORAGE, {**STORAGE, "id": str(STORAGE["id"]).lower()}]), "utf-8")
    assert take(path, tmp_path / "out")[1]["resources"].rows == 1


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "is empty"),
        ("  \n", "is empty"),
        ("hello", "is not JSON"),
        (json.dumps([STORAGE])[:-20], "is cut off"),
        (json.dumps(STORAGE) + "\n" + json.dumps(STORAGE)[:30], "is cut off, at line 2"),
        (json.dumps([{"type": "a/b"}]), "resource 1: it has no id"),
        (json.dumps([STORAGE, {"id": "/subscriptions/x"}]), "resource 2: '/subscriptions/x' has no type"),
        (json.dumps({"hello": 1}), "no list of resources"),
        ("[1]", "not a resource"),
        ("[]", "holds no resources"),
    ],
)
def test_bad_input_is_refused_with_its_reason(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "snapshot.json"
    path.write_text(text, "utf-8")
    with pytest.raises(UsageError, match=told):
        take(path, tmp_path / "out")


def test_a_missing_path_and_an_empty_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not exist"):
        take(tmp_path / "none.json", tmp_path / "out")
    (tmp_path / "folder").mkdir()
    with pytest.raises(UsageError, match=r"holds no .json"):
        take(tmp_path / "folder", tmp_path / "out")

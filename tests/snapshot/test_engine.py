"""The embedded engine answers as Resource Graph does, and reaches nothing but the loaded tables."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockdown.snapshot.engine import Engine, QueryError

PAIRS = "resources | extend k=1 | join kind=inner (resources | extend k=1) on k"
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
ROWS: list[dict[str, Any]] = [
    {
        "id": "/subscriptions/S/resourceGroups/Rg/providers/Microsoft.Storage/storageAccounts/One",
        "name": "One",
        "type": "Microsoft.Storage/storageAccounts",
        "kind": "StorageV2",
        "location": "West US",
        "resourceGroup": "Rg",
        "properties": {
            "word": "yes",
            "null": None,
            "list": [{"a": None, "b": 1}],
            "flag": True,
            "empty": [],
            "holes": [None, {"c": "x, y"}, None],
        },
        "tags": {'a"b': None, ":null": "1", "text": 'x":null,"y'},
    },
    {"id": "/subscriptions/s/two", "type": "microsoft.x/y", "properties": {"word": 5}},
]


@pytest.fixture
def engine() -> Iterator[Engine]:
    with Engine() as found:
        found.load_rows("resources", ROWS)
        found.load_rows("resourcecontainers", [])
        yield found


def column(engine: Engine, expression: str, where: str = "name == 'One'") -> Any:
    rows = engine.run(f"resources | where {where} | project x = {expression}", NOW).rows
    assert len(rows) == 1
    return rows[0][0]


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("type", "microsoft.storage/storageaccounts"),
        ("location", "westus"),
        ("resourceGroup", "rg"),
        ("kind", "StorageV2"),
        ("managedBy", ""),
        ("isnull(properties['null'])", True),
        ("isnull(properties.missing)", True),
        ("isnull(properties.empty)", False),
        ("isnull(properties.list[0].a)", True),
        ("tostring(properties.missing)", ""),
        ("properties.flag == true", True),
        ("properties.word", "yes"),
        ("properties.list", [{"b": 1}]),
        ("array_concat(properties.holes, properties.list)", [None, {"c": "x, y"}, None, {"b": 1}]),
        ("array_length(array_concat(properties.holes, properties.list))", 4),
        ("array_length(array_concat(array_slice(properties.holes, 0, 0), pack_array(1)))", 2),
        ("tags", {":null": "1", "text": 'x":null,"y'}),
        ("now()", datetime(2026, 1, 2, 3, 4, 5)),  # noqa: DTZ001 - Kusto datetimes are UTC without saying so
        ("ago(1d)", datetime(2026, 1, 1, 3, 4, 5)),  # noqa: DTZ001
        ("'a' in (dynamic([]))", False),
    ],
)
def test_values_are_in_resource_graphs_normal_form(engine: Engine, expression: str, value: object) -> None:
    assert column(engine, expression) == value


def test_table_names_match_in_any_case_and_columns_have_types(engine: Engine) -> None:
    answer = engine.run(
        "Resources | join kind=leftouter (ResourceContainers) on id | project id, n = 1, properties", NOW
    )
    assert [(c.name, c.type) for c in answer.columns] == [("id", "string"), ("n", "integer"), ("properties", "object")]
    assert len(answer.rows) == 2


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("resourcechanges | take 1", "resourcechanges was not collected"),
        ("sqlite_master | take 1", "sqlite_master was not collected"),
        ("duckdb_settings | take 1", "was not collected"),
        (".show tables", "management commands are refused"),
        (".set-or-replace resources <| resources", "management commands are refused"),
        ("", "management commands are refused"),
        ("externaldata(x:string)['/etc/passwd']", "cannot be translated"),
        ("resources | where where", "cannot be translated"),
        ("resources | where properties.word > 1", "failed on the data"),
        ("resources | project nothing", "failed on the data"),
    ],
)
def test_what_cannot_be_answered_is_an_error_with_a_reason(engine: Engine, query: str, told: str) -> None:
    with pytest.raises(QueryError, match=told):
        engine.run(query, NOW)


def test_an_endless_query_is_stopped() -> None:
    with Engine(deadline=0.2) as engine:
        engine.load_rows("resources", ({"id": f"/{n}", "type": "t"} for n in range(20_000)))
        with pytest.raises(QueryError, match=r"stopped after|failed on the data"):
            engine.run(
                f"{PAIRS} | summarize dcount(strcat(id, id1))",
                NOW,
            )


def test_memory_is_limited() -> None:
    with Engine(memory_limit="30MB") as engine:
        engine.load_rows("resources", ({"id": f"/{n}", "type": "t"} for n in range(20_000)))
        with pytest.raises(QueryError, match=r"more memory than it may have|stopped"):
            engine.run(
                f"{PAIRS} | summarize make_list(strcat(id, id1))",
                NOW,
            )


def test_files_and_rows_load_alike(tmp_path: Path) -> None:
    path = tmp_path / "resources.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS), "utf-8")
    query = "resources | order by id asc"
    with Engine() as one, Engine() as two:
        assert one.load_file("resources", path) == two.load_rows("resources", ROWS) == 2
        assert one.run(query, NOW) == two.run(query, NOW)


def test_files_are_out_of_reach_after_the_first_query(tmp_path: Path) -> None:
    path = tmp_path / "resources.jsonl"
    path.write_text(json.dumps(ROWS[1]), "utf-8")
    with Engine() as engine:
        engine.load_file("resources", path)
        engine.run("resources | count", NOW)
        with pytest.raises(QueryError, match="could not be loaded"):
            engine.load_file("resources", path)


def test_a_file_that_is_not_json_is_told(tmp_path: Path) -> None:
    path = tmp_path / "resources.jsonl"
    path.write_text('{"id": "/a"}\n{"id": \n', "utf-8")
    with Engine() as engine, pytest.raises(QueryError, match="resources could not be loaded"):
        engine.load_file("resources", path)


def without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: without_nulls(v) for k, v in value.items() if v is not None}
    return [without_nulls(v) for v in value] if isinstance(value, list) else value


HOSTILE = st.text(st.sampled_from(list('":,null\\{}[]a\n')), max_size=12)
PROPERTIES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | HOSTILE,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(HOSTILE, inner, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(HOSTILE, PROPERTIES, min_size=1, max_size=4))
def test_nulls_are_dropped_and_nothing_else_whatever_keys_and_values_say(properties: dict[str, Any]) -> None:
    with Engine() as engine:
        engine.load_rows("resources", [{"id": "/a", "type": "t", "properties": properties}])
        [(found,)] = engine.run("resources | project properties", NOW).rows
    assert found == without_nulls(properties)


def test_what_is_spilt_is_answered_alike_and_gone_afterwards(tmp_path: Path) -> None:
    rows = [{**ROWS[n % 2], "id": f"/subscriptions/s/{n}"} for n in range(5_000)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    spill = tmp_path / "spill"
    spill.mkdir()
    answers = []
    for engine in (Engine(), Engine(spill=spill)):
        with engine:
            assert engine.load_file("resources", tmp_path / "rows.jsonl") == len(rows)
            answers.append(engine.run("resources | project id, type, tostring(properties.word), tags", NOW).rows)

    assert sorted(map(str, answers[0])) == sorted(map(str, answers[1]))
    assert not spill.exists()

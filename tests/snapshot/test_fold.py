"""Folding changes what is planned, never what is answered."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lockdown.model import Boundary
from lockdown.policy import cases
from lockdown.policy.boundary import bind
from lockdown.policy.load import load
from lockdown.snapshot import engine as engine_module
from lockdown.snapshot.engine import Answer, Engine, QueryError

NOW = datetime(2026, 1, 1, tzinfo=UTC)
HOME = (
    "/subscriptions/11111111-1111-4111-8111-111111111111/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts"
)
WRITTEN = """
resources | where type =~ 'Microsoft.Storage/storageAccounts' | project id, a = tostring(properties.a)
---
resources | project id, key = tolower(id), kind = tolower(tostring(kind)), region = tolower(location)
---
resources | extend a = tostring(properties.a) | project id, x = case(a =~ 'On', 'on', a == '', 'none', a)
---
resources | project id, x = strcat('a', name, ', ', tostring(properties.b), 1, true, tobool(properties.a))
---
resources | project id, x = iff(properties.a =~ 'on', toint(properties.b), 0), y = isnull(properties.a)
---
resources | where properties.a in~ ('on', 'OFF') or not(tags.x contains 'y') | project id
---
resources | where tostring(properties.a) has 'on' and name !contains 'b' | project id, n = strlen(name)
---
resources
| mv-expand item = properties.list limit 400
| project id, i = tostring(item.a), j = tolower(tostring(item))
---
resources
| summarize n = count(), m = countif(name == 'a'), s = make_set(tostring(properties.a)) by type, location
---
resources
| project id, d = todatetime(properties.a), t = todatetime(properties.a) < ago(1d), s = tostring(now() - 1h)
---
resources | project id, s = strcat(todatetime(properties.a), ''), l = array_length(properties.list)
---
resources | extend x = coalesce(tostring(properties.a), name) | summarize top = max(x), low = min(x) by x
---
resources
| project id, k = tolower(id)
| join kind=leftouter (
    resources | where name == 'a' | project k = tolower(id), seen = 1, w = tostring(properties.a)
) on k
| project id, x = iff(isnull(seen), 'unseen', w)
---
resources
| project id, a = name
| union (resources | project a = tostring(properties.a), id)
| project id, b = tolower(a)
---
resources
| project id, a = split(id, '/')[2], b = trim('a', name), c = substring(name, 1), d = replace_string(name, 'a', 'b')
"""
QUERIES = tuple(text.strip() for text in WRITTEN.split("---"))


@contextmanager
def unfolded() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine_module, "fold", lambda *_: None)
        yield


def answer(query: str, tables: Mapping[str, list[dict[str, Any]]]) -> Answer | str:
    with Engine() as engine:
        for table, rows in tables.items():
            engine.load_rows(table, rows)
        try:
            found = engine.run(query, NOW)
        except QueryError as error:
            return str(error)
        return Answer(found.columns, sorted(found.rows, key=repr))


VALUE = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**40), 2**40)
    | st.sampled_from(["on", "On", "OFF", "", "2025-12-31", "1"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abx"), inner, max_size=2),
    max_leaves=5,
)
ROW = st.fixed_dictionaries(
    {
        "name": st.sampled_from(["a", "B", "ab"]),
        "type": st.sampled_from(["Microsoft.Storage/storageAccounts", "microsoft.batch/batchaccounts", ""]),
        "location": st.sampled_from(["eastus", "East US", ""]),
        "kind": st.sampled_from(["StorageV2", ""]),
        "properties": st.fixed_dictionaries(
            {}, optional={"a": VALUE, "b": VALUE, "list": st.lists(VALUE, max_size=3) | VALUE}
        ),
        "tags": st.none() | st.dictionaries(st.just("x"), VALUE, max_size=1),
    }
)


@pytest.mark.parametrize("query", QUERIES)
@settings(max_examples=15, deadline=None)
@given(rows=st.lists(ROW, max_size=4))
def test_a_folded_query_answers_as_the_translators_own(query: str, rows: list[dict[str, Any]]) -> None:
    named = [{"id": f"{HOME}/{number}", **row} for number, row in enumerate(rows)]
    with unfolded():
        wanted = answer(query, {"resources": named})
    found = answer(query, {"resources": named})
    if not isinstance(wanted, str):
        assert found == wanted


@pytest.mark.parametrize("query", QUERIES)
def test_each_of_these_queries_runs(query: str) -> None:
    assert isinstance(answer(query, {"resources": []}), Answer)


def test_every_policy_answers_alike_over_all_of_its_cases() -> None:
    for policy in load(translate=False).policies:
        tables: dict[str, list[dict[str, Any]]] = {table: [] for table in policy.reads}
        for _, case in cases.load(policy):
            for table, rows in case.tables.items():
                tables.setdefault(table, []).extend(dict(row) for row in rows)
        query = bind(policy.query, Boundary(("11111111-1111-4111-8111-111111111111",), (), ()))
        with unfolded():
            wanted = answer(query, tables)
        assert answer(query, tables) == wanted, policy.id


def test_what_is_known_is_not_asked_again_and_a_filter_can_skip_rows() -> None:
    with Engine() as engine:
        engine.load_rows("resources", ())
        sql = engine.translate(QUERIES[0]).sql
        plain = engine.translate(
            "resources | where tostring(properties.a) =~ 'On' | project id, x = strcat(name, '!')"
        ).sql
    assert "typeof" not in sql + plain
    assert "(\"type\" = 'microsoft.storage/storageaccounts')" in sql

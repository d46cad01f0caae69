"""A pass must rest on something: take away any property that a policy is about, and the pass is gone.

The properties that a policy is about are read off its query. Those whose absence passes are listed, with the
documented default, under absent_passes in policy.yaml. All mutations of a case run in one query, each in a
subscription of its own.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lockdown.model import Boundary, Policy, Verdict
from lockdown.policy import boundary, cases, shape
from lockdown.policy.load import load
from lockdown.policy.schema import Case
from lockdown.snapshot.engine import Engine
from lockdown.snapshot.kql import Token

HOME = "11111111-1111-4111-8111-111111111111"
"""The subscription that the environment of every case is in."""

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ROOTS = ("properties", "sku", "kind")
Step = str | int
Tables = dict[str, list[dict[str, Any]]]
Change = Callable[[dict[str, Any] | list[Any], Step], None]


@dataclass(frozen=True)
class Place:
    """A property of one row of a case."""

    table: str
    row: int
    steps: tuple[Step, ...]

    @property
    def path(self) -> str:
        return "".join("[*]" if isinstance(step, int) else f".{step}" for step in self.steps).lstrip(".")


def remove(holder: dict[str, Any] | list[Any], step: Step) -> None:
    del holder[step]  # type: ignore[arg-type]  # places lead to properties of objects


def nullify(holder: dict[str, Any] | list[Any], step: Step) -> None:
    holder[step] = None  # type: ignore[index]


@cache
def policies() -> dict[str, Policy]:
    return {policy.id: policy for policy in load(translate=False).policies}


def judges(policy: Policy) -> bool:
    """Tell whether a policy ever passes anything; one that leaves all to a person has no pass to lose."""
    return any(item.verdict is Verdict.PASS for _, case in cases.load(policy) for item in case.expect)


each_policy = pytest.mark.parametrize("policy_id", [name for name, policy in policies().items() if judges(policy)])


@cache
def engine() -> Engine:
    shared = Engine()
    for table in sorted({table for policy in policies().values() for table in policy.reads}):
        shared.load_rows(table, ())
    return shared


@cache
def passing(policy_id: str) -> tuple[Case, ...]:
    found = tuple(case for _, case in cases.load(policies()[policy_id]) if case.name.startswith("passes"))
    assert found
    assert all(item.verdict in {Verdict.PASS, Verdict.NOT_APPLICABLE} for case in found for item in case.expect)
    return found


def read_paths(query: str) -> frozenset[str]:
    """Return the property paths that ``query`` reads, and every path above them."""
    aliases: dict[str, set[str]] = {root: {root} for root in ROOTS}
    found: set[str] = set()
    for pipeline in reversed(list(shape.parse(query).every())):
        for operator in pipeline.operators:
            expands = operator.name.text == "mv-expand"
            parts = shape.expansion(operator.body).items if expands else shape.items(operator.body)
            for item in parts:
                target, expression = shape.named(item)
                paths = set(_chains(expression, aliases))
                found |= paths
                if target is not None and target.text not in ROOTS:
                    known = aliases.setdefault(target.text, set())
                    known |= {f"{path}[*]" for path in paths} if expands else paths
    return frozenset(_with_ancestors(found))


def _chains(expression: Sequence[Token], aliases: Mapping[str, set[str]]) -> Iterator[str]:
    for index, token in enumerate(expression):
        if token.kind != "word" or token.text not in aliases or (index and expression[index - 1].text == "."):
            continue
        rest = ""
        position = index + 1
        while position + 1 < len(expression) and expression[position].text == ".":
            rest += f".{expression[position + 1].text}"
            position += 2
        yield from (path + rest for path in aliases[token.text])


def _with_ancestors(paths: set[str]) -> Iterator[str]:
    for path in paths:
        steps = path.replace("[*]", ".[*]").split(".")
        for length in range(1, len(steps) + 1):
            yield ".".join(steps[:length]).replace(".[*]", "[*]")


def places(case: Case) -> Iterator[Place]:
    """Yield every property below ``properties`` and ``sku`` of every row, and ``kind``, that says something.

    To lose an empty list or a null is to lose nothing.
    """
    for table, rows in case.tables.items():
        for number, row in enumerate(rows):
            for root in ROOTS:
                if root in row:
                    yield from (Place(table, number, steps) for steps in _steps(row[root], (root,)))


def _steps(node: Any, at: tuple[Step, ...]) -> Iterator[tuple[Step, ...]]:
    if isinstance(at[-1], str) and at != ("properties",) and node not in ([], None):
        yield at
    if isinstance(node, dict):
        for key, value in node.items():
            yield from _steps(value, (*at, key))
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from _steps(value, (*at, index))


def mutated(case: Case, place: Place, change: Change) -> Tables:
    tables = {table: [copy.deepcopy(dict(row)) for row in rows] for table, rows in case.tables.items()}
    holder: Any = tables[place.table][place.row]
    for step in place.steps[:-1]:
        holder = holder[step]
    change(holder, place.steps[-1])
    return tables


def verdicts(policy: Policy, case: Case, variants: Sequence[Tables]) -> list[dict[tuple[str, str], str]]:
    """Run ``policy`` over all variants of ``case`` at once; return (resource, part) to verdict for each of them."""
    homes = [str(UUID(int=number + 1)) for number in range(len(variants))]
    loaded: Tables = {table: [] for table in policy.reads}
    for home, variant in zip(homes, variants, strict=True):
        for table, rows in json.loads(json.dumps(variant).replace(HOME, home)).items():
            loaded[table] += [cases.complete(row) for row in rows]
    networks = [text.replace(HOME, home) for text in case.boundary.virtualNetworks for home in homes]
    found: list[dict[tuple[str, str], str]] = [{} for _ in variants]
    for table, rows in loaded.items():
        engine().connection.execute(f'DELETE FROM "{table}"')  # noqa: S608 - the table is one that a policy reads
        engine().load_rows(table, rows)
    answer = engine().run(boundary.bind(policy.query, Boundary(tuple(homes), tuple(networks))), NOW)
    names = [column.name for column in answer.columns]
    for values in answer.rows:
        row = dict(zip(names, values, strict=True))
        home = row["id"].split("/")[2]
        key = (row["id"].replace(home, HOME).lower(), row["part"].replace(home, HOME))
        assert key not in found[homes.index(home)], f"{key} is judged twice"
        found[homes.index(home)][key] = row["verdict"]
    return found


def expected_passes(case: Case) -> set[tuple[str, str]]:
    return {(item.resource.lower(), item.part) for item in case.expect if item.verdict is Verdict.PASS}


def test_the_paths_of_a_query_are_read_off_it() -> None:
    query = """resources
        | extend links = array_concat(properties.a, properties.b.c)
        | mv-expand link = links limit 400
        | project id, state = tostring(link.state.status)"""
    assert read_paths(query) >= {
        *("properties.a", "properties.a[*]", "properties.b", "properties.b.c", "properties.b.c[*].state"),
        *("properties.a[*].state", "properties.a[*].state.status"),
    }
    assert "properties.d" not in read_paths(query)


@each_policy
def test_no_pass_survives_the_loss_of_a_property_that_the_policy_is_about(policy_id: str) -> None:
    policy = policies()[policy_id]
    about = read_paths(policy.query) - set(policy.absent_passes)
    survived = []
    for case in passing(policy_id):
        chosen = [(place, change) for place in places(case) if place.path in about for change in (remove, nullify)]
        found = verdicts(policy, case, [mutated(case, place, change) for place, change in chosen])
        for (place, change), results in zip(chosen, found, strict=True):
            if all(results.get(key) == Verdict.PASS for key in expected_passes(case)):
                survived.append(f"{case.name}: {change.__name__} {place.table}[{place.row}] {place.path}")
    assert not survived, "\n".join(survived)


@each_policy
def test_every_path_under_absent_passes_is_one_that_the_policy_is_about(policy_id: str) -> None:
    policy = policies()[policy_id]
    assert set(policy.absent_passes) <= read_paths(policy.query)


WILD = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=4,
)


@each_policy
@settings(max_examples=3, deadline=None)
@given(value=WILD)
def test_whatever_stands_in_place_of_a_property_every_resource_is_still_judged(policy_id: str, value: Any) -> None:
    policy = policies()[policy_id]
    case = passing(policy_id)[0]

    def put(holder: dict[str, Any] | list[Any], step: Step) -> None:
        holder[step] = value  # type: ignore[index]

    chosen = [place for place in places(case) if place.steps != ("kind",)]
    judged = {item.resource.lower() for item in case.expect}
    for place, found in zip(chosen, verdicts(policy, case, [mutated(case, p, put) for p in chosen]), strict=True):
        assert {resource for resource, _ in found} == judged, place.path
        assert set(found.values()) <= set(Verdict)

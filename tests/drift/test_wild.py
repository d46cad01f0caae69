"""Whatever two environments hold: what came, went and changed is found, and nothing else."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st

from lockdown.drift import Drift, compare
from tests.drift.handmade import GROUP, NIGHT_TWO, Json, result, row, side

if TYPE_CHECKING:
    from collections.abc import Mapping

_names = st.text("abcAB\u00e9\u202e'\"<", min_size=1, max_size=4)
_values = st.sampled_from(["Disabled", "Enabled", None])
_environments = st.dictionaries(_names.map(str.lower), _values, max_size=6)
_quick = settings(max_examples=40, deadline=None)


def rows(environment: Mapping[str, Any], *, etag: str = "", loud: bool = False) -> list[Json]:
    ids = {name: f"{GROUP}/providers/Microsoft.Storage/storageAccounts/{name}" for name in environment}
    return [
        row(ids[name].upper() if loud else ids[name], properties={"access": value, "etag": etag})
        for name, value in environment.items()
    ]


def results(environment: Mapping[str, Any]) -> list[Json]:
    verdicts = {"Disabled": "pass", "Enabled": "fail", None: "unknown"}
    return [
        result(verdicts[r["properties"]["access"]], r["id"]) for r in rows(environment) if r["properties"]["access"]
    ]


def compared(one: list[Json], two: list[Json], ours: list[Json], theirs: list[Json]) -> Drift:
    with TemporaryDirectory() as place:
        baseline = side(Path(place) / "one", one, ours)
        current = side(Path(place) / "two", two, theirs, at=NIGHT_TWO)
        return compare(baseline, current, [])


@_quick
@given(_environments)
def test_casing_of_ids_and_etags_are_no_drift(environment: dict[str, Any]) -> None:
    found = results(environment)
    assert compared(rows(environment, etag="1"), rows(environment, etag="2", loud=True), found, found).is_empty


@_quick
@given(_environments, _environments)
def test_everything_that_differs_is_found_and_nothing_else(one: dict[str, Any], two: dict[str, Any]) -> None:
    drift = compared(rows(one), rows(two), results(one), results(two))
    name = {r["id"]: r["name"] for r in (*rows(one), *rows(two))}
    assert {(item.kind, name[item.resource]) for item in drift.resources} == {
        *(("removed", gone) for gone in one.keys() - two.keys()),
        *(("added", new) for new in two.keys() - one.keys()),
    }
    assert {(name[item.resource], item.before, item.after) for item in drift.properties} == {
        (both, one[both], two[both]) for both in one.keys() & two.keys() if one[both] != two[both]
    }
    judged = {n: (one.get(n), two.get(n)) for n in one.keys() | two.keys()}
    assert {name[item.resource] for item in drift.verdicts} == {n for n, (was, now) in judged.items() if was != now}


@_quick
@given(_environments, _environments)
def test_the_other_way_round_is_the_mirror_image(one: dict[str, Any], two: dict[str, Any]) -> None:
    there = compared(rows(one), rows(two), results(one), results(two))
    back = compared(rows(two), rows(one), results(two), results(one))
    assert [(i.resource, i.path, i.before, i.after) for i in there.properties] == [
        (i.resource, i.path, i.after, i.before) for i in back.properties
    ]
    assert [(i.resource, i.before, i.after) for i in there.verdicts] == [
        (i.resource, i.after, i.before) for i in back.verdicts
    ]
    mirror = {"added": "removed", "removed": "added"}
    assert [(i.resource, i.kind) for i in there.resources] == [(i.resource, mirror[i.kind]) for i in back.resources]

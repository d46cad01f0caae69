"""Run the cases of a policy: small sets of rows, and exactly the results that they must give.

A case runs as a real audit would: over rows of the types that the policy reads, and once more with every row that the
case lists, because other policies may have had those collected too. Both must give the same.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

from lockdown import yamlfile
from lockdown.errors import LockdownError, UsageError
from lockdown.model import Boundary, Policy, Severity, Verdict
from lockdown.policy import boundary, queries
from lockdown.policy.schema import Case, CasesFile, Expectation
from lockdown.snapshot.engine import Answer, Engine

REQUIRED = ("id", "verdict", "reason", "expected", "observed")
OPTIONAL = ("part", "severity")

Row = Mapping[str, Any]
_VERDICTS = frozenset(verdict.value for verdict in Verdict if verdict is not Verdict.NOT_OBSERVED)
_SEVERITIES = frozenset(severity.value for severity in Severity)


@dataclass(frozen=True)
class CaseResult:
    """How one case went.

    Attributes:
        policy: the policy's id.
        name: the case's name.
        line: where it begins in cases.yaml.
        differences: what came out otherwise than expected, a line each; empty if it passed.
    """

    policy: str
    name: str
    line: int
    differences: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """True if exactly the expected results came out."""
        return not self.differences


def load(policy: Policy, *, root: str = "policies") -> tuple[tuple[int, Case], ...]:
    """Return the cases of ``policy``, each after the line it begins on; ``root`` is what errors call the policy set.

    Raises:
        UsageError: cases.yaml is wrong or holds no case; the message names file, line and key of every problem.
    """
    name, content = f"{root}/{policy.theme}/{policy.id}/cases.yaml", policy.files["cases.yaml"]
    found = yamlfile.load(name, content, CasesFile).root
    _, lines = yamlfile.parse(name, content)
    seen: set[str] = set()
    for index, case in enumerate(found):
        if case.name in seen:
            raise UsageError(f"{name}, line {lines[index, 'name']}: name: {case.name!r} is given to two cases.")
        seen.add(case.name)
        for table in case.tables:
            for number, row in enumerate(case.tables[table]):
                lacking = [key for key in ("id", "type") if not isinstance(row.get(key), str)]
                if lacking:
                    at = lines[index, "tables", table, number]
                    raise UsageError(f"{name}, line {at}: a row of {table} lacks {' and '.join(lacking)}.")
    return tuple((lines[index,], case) for index, case in enumerate(found))


def run(policy: Policy, *, root: str = "policies") -> tuple[CaseResult, ...]:
    """Run every case of ``policy`` on the embedded engine.

    Raises:
        UsageError: as ``load``.
    """
    listed = load(policy, root=root)
    with Engine() as engine:
        for table in policy.reads:
            engine.load_rows(table, ())
        return tuple(
            CaseResult(policy.id, case.name, line, tuple(_differences(policy, case, engine))) for line, case in listed
        )


def run_all(policies: Sequence[Policy], *, root: str = "policies") -> Iterator[tuple[Policy, tuple[CaseResult, ...]]]:
    """Run the cases of many policies on all processors, and yield what each came to, in order.

    Raises:
        UsageError: as ``load``.
    """
    with ThreadPoolExecutor(os.cpu_count()) as workers:
        yield from zip(policies, workers.map(partial(run, root=root), policies), strict=True)


def complete(row: Row) -> dict[str, Any]:
    """Return ``row`` with the columns that follow from its id, where it does not give them itself."""
    steps = str(row["id"]).strip("/").split("/")
    named = {steps[index].lower(): steps[index + 1] for index in range(0, len(steps) - 1, 2)}
    derived = {
        "name": steps[-1],
        "subscriptionId": named.get("subscriptions", "").lower(),
        "resourceGroup": named.get("resourcegroups", "").lower(),
    }
    return {**derived, **row}


def _differences(policy: Policy, case: Case, engine: Engine) -> list[str]:
    everything = {table: [complete(row) for row in case.tables.get(table, ())] for table in policy.reads}
    collected = {table: [row for row in rows if _is_read(policy, table, row)] for table, rows in everything.items()}
    bound = _boundary(case)
    differences = _compared(policy, case, bound, engine, collected)
    if differences or collected == everything:
        return differences
    return [f"with rows of other types: {line}" for line in _compared(policy, case, bound, engine, everything)]


def _is_read(policy: Policy, table: str, row: Row) -> bool:
    types = policy.reads[table]
    return not types or str(row["type"]).lower() in types


def _boundary(case: Case) -> Boundary:
    rows = (complete(row) for rows in case.tables.values() for row in rows)
    own = sorted({row["subscriptionId"].lower() for row in rows if row["subscriptionId"]})
    given = case.boundary
    return Boundary(given.subscriptions or tuple(own), given.virtualNetworks, given.egressAddresses)


def _compared(
    policy: Policy, case: Case, bound: Boundary, engine: Engine, tables: Mapping[str, Sequence[Row]]
) -> list[str]:
    for table, rows in tables.items():
        engine.connection.execute(f'DELETE FROM "{table}"')  # noqa: S608 - the table is one of TABLES
        engine.load_rows(table, rows)
    try:
        query = boundary.bind(policy.query, bound)
        queries.translate(engine, query)
        answer = engine.run(query, case.now)
    except LockdownError as error:
        return [f"the query did not run: {error.message}"]
    lacking = [name for name in REQUIRED if name not in {column.name for column in answer.columns}]
    if lacking:
        return [f"the query gives no column {name}" for name in lacking]
    return _diff(case.expect, _rows(answer))


def _rows(answer: Answer) -> list[dict[str, Any]]:
    names = [column.name for column in answer.columns]
    return [dict(zip(names, row, strict=True)) for row in answer.rows]


def _diff(expected: Iterable[Expectation], rows: Iterable[Row]) -> list[str]:
    lines: list[str] = []
    got: dict[tuple[str, str], Row] = {}
    for row in rows:
        key = (str(row["id"]).lower(), str(row.get("part") or ""))
        if key in got:
            lines.append(f"+ {_shown(key)}: judged twice ({got[key]['verdict']}, {row['verdict']})")
        got[key] = row
        lines += [f"! {_shown(key)}: {problem}" for problem in _malformed(row)]
    wanted: dict[tuple[str, str], Expectation] = {}
    for item in expected:
        key = (item.resource.lower(), item.part)
        if key in wanted:
            lines.append(f"! {_shown(key)}: expected twice in the case")
        wanted[key] = item
    for key, item in wanted.items():
        lines += _one(key, item, got.get(key))
    for key in got.keys() - wanted.keys():
        lines.append(f"+ {_shown(key)}: not expected, got {got[key]['verdict']} ({got[key]['reason']})")
    return sorted(lines)


def _one(key: tuple[str, str], item: Expectation, row: Row | None) -> list[str]:
    if row is None:
        return [f"- {_shown(key)}: expected {item.verdict}, got no result"]
    lines = []
    if row["verdict"] != item.verdict.value:
        lines.append(f"~ {_shown(key)}: expected {item.verdict}, got {row['verdict']} ({row['reason']})")
    if item.reason.lower() not in str(row["reason"]).lower():
        lines.append(f"~ {_shown(key)}: expected a reason with {item.reason!r}, got {row['reason']!r}")
    if item.severity and (row.get("severity") or "") != item.severity.value:
        lines.append(f"~ {_shown(key)}: expected severity {item.severity}, got {row.get('severity') or 'none'}")
    return lines


def _malformed(row: Row) -> list[str]:
    problems = [
        f"{name} is {row[name]!r}, not a text"
        for name in (*REQUIRED, *OPTIONAL)
        if name in row and not isinstance(row[name], str) and (name in REQUIRED or row[name] is not None)
    ]
    if isinstance(row["verdict"], str) and row["verdict"] not in _VERDICTS:
        problems.append(f"{row['verdict']!r} is not a verdict")
    if row.get("severity") and row["severity"] not in _SEVERITIES:
        problems.append(f"{row['severity']!r} is not a severity")
    if isinstance(row["reason"], str) and not row["reason"].strip():
        problems.append("the reason is empty")
    return problems


def _shown(key: tuple[str, str]) -> str:
    resource, part = key
    return f"{resource} [{part}]" if part else resource

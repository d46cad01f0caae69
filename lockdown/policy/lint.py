"""Check policies beyond what loading refuses: can a reviewer trust the query, in the portal and on the engine?"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import MappingProxyType

from lockdown.errors import UsageError
from lockdown.model import Policy, Verdict
from lockdown.policy import allowance, boundary, cases, lint_query, queries, shape
from lockdown.snapshot.engine import Engine, QueryError
from lockdown.snapshot.kql import Token, line_of, significant
from lockdown.snapshot.tables import ARM_TABLE, TABLES

SNAPSHOT, RESOURCE_GRAPH = "snapshot", "resource-graph"

RULES: Mapping[str, str] = MappingProxyType(
    {
        **lint_query.RULES,
        "translates": "the query translates on the embedded engine over exactly the tables in reads",
        "columns": f"it gives {', '.join(cases.REQUIRED)}, maybe {', '.join(cases.OPTIONAL)}, and nothing else",
        "reads": "every table and type in the query is in reads, every one in reads is in the query",
        "applies-to": "every type in applies_to is in reads",
        "boundary": "a boundary name of the fixed list",
        "cases": "every case is well written and gives exactly what it expects",
        "coverage": "the cases expect a pass and a fail, unless the policy is manual",
        "kusto": "Microsoft's own parser and binder accept the query with Resource Graph's tables",
    }
)


@dataclass(frozen=True)
class Finding:
    """Something wrong with a policy.

    Attributes:
        file: path inside the policy set.
        line: 1-based.
        rule: a key of RULES.
        message: what is wrong and what to write instead.
    """

    file: str
    line: int
    rule: str
    message: str


def lint(policy: Policy) -> tuple[Finding, ...]:
    """Return everything that is wrong with ``policy``, in the order of its files and lines."""
    folder = f"{policy.theme}/{policy.id}"
    found = {
        Finding(f"{folder}/query.kql", line_of(policy.query, token.start), rule, message)
        for token, rule, message in (*lint_query.check(policy.query), *_types(policy), *_tables(policy))
    }
    with Engine() as engine:
        found.update(_run(policy, folder, engine))
    found.update(_applies_to(policy, folder))
    return tuple(sorted(found, key=lambda finding: (finding.file, finding.line, finding.rule, finding.message)))


def misread(policy: Policy) -> tuple[Finding, ...]:
    """Return the types that the query of ``policy`` asks about and ``reads`` does not list, without running anything.

    Such rows are never collected, so the query would take them for absent.
    """
    return tuple(
        Finding(f"{policy.theme}/{policy.id}/query.kql", line_of(policy.query, token.start), rule, message)
        for token, rule, message in _types(policy)
        if rule == "reads"
    )


def lint_all(policies: Sequence[Policy]) -> list[Finding]:
    """Return everything that is wrong with many policies, working on all processors."""
    with ThreadPoolExecutor(os.cpu_count()) as workers:
        return [finding for found in workers.map(lint, policies) for finding in found]


def runs_in(policy: Policy) -> frozenset[str]:
    """Return the engines that can run ``policy``: the snapshot always, Resource Graph if it holds and allows all of it.

    Resource Graph lacks ``armresources``; for what it allows see :mod:`lockdown.policy.allowance`.
    """
    asked = allowance.use(policy.query)
    if ARM_TABLE in asked.tables | policy.reads.keys() or not asked.allowed:
        return frozenset({SNAPSHOT})
    return frozenset({SNAPSHOT, RESOURCE_GRAPH})


def _types(policy: Policy) -> Iterator[tuple[Token, str, str]]:
    for pipeline in shape.parse(policy.query).every():
        table = pipeline.source.text.lower() if pipeline.source else ""
        listed = [policy.reads[table]] if table in policy.reads else list(policy.reads.values())
        for token, exact in lint_query.types_named(pipeline):
            literal = token.text.strip("\"'")
            if all(types and literal.lower() not in types for types in listed):
                yield token, "reads", f"{literal} is not among the types that reads lists for {table or 'any table'}"
            if exact and literal != literal.lower():
                yield token, "type-casing", f"Resource Graph stores types in lower case: write {literal.lower()!r}"


def _tables(policy: Policy) -> Iterator[tuple[Token, str, str]]:
    words = significant(policy.query)
    pipelines = tuple(shape.parse(policy.query).every())
    used = {pipeline.source.text.lower(): pipeline.source for pipeline in pipelines if pipeline.source}
    for table, token in used.items():
        if table in TABLES and table not in policy.reads:
            yield token, "reads", f"{table} is not in reads"
    texts = {token.text.strip("\"'").lower() for token in words if token.kind == "string"}
    for table, types in policy.reads.items():
        if table not in used:
            yield words[0], "reads", f"{table} is in reads and not in the query"
        for missing in sorted(set(types) - texts) if table in used else ():
            yield used[table], "reads", f"{missing} is in reads and not in the query: it would be collected for nothing"


def _run(policy: Policy, folder: str, engine: Engine) -> Iterator[Finding]:
    query = f"{folder}/query.kql"
    problem = queries.problem(policy, engine)
    if problem:
        unknown_name = boundary.names(policy.query) - boundary.NAMES
        yield Finding(query, problem.line or 1, "boundary" if unknown_name else "translates", problem.message)
        return
    try:
        columns = queries.output(policy, engine)
    except QueryError as error:
        yield Finding(query, 1, "translates", error.message)
        return
    last = line_of(policy.query, len(policy.query.rstrip()))
    for name in cases.REQUIRED:
        if name not in columns:
            yield Finding(query, last, "columns", f"the query gives no column {name}")
    for name in columns:
        if name not in (*cases.REQUIRED, *cases.OPTIONAL):
            yield Finding(query, last, "columns", f"the query gives a column {name} that no result has")
    yield from _cases(policy, f"{folder}/cases.yaml")


def _cases(policy: Policy, file: str) -> Iterator[Finding]:
    try:
        listed = cases.load(policy, root="")
        results = cases.run(policy, root="")
    except UsageError as error:
        for problem in error.message.splitlines():
            told = re.fullmatch(r"\S+?(?:, line (\d+))?:? (.*)", problem)
            line, message = (int(told[1] or 1), told[2]) if told else (1, problem)
            yield Finding(file, line, "cases", message)
        return
    for result in results:
        for difference in result.differences:
            yield Finding(file, result.line, "cases", f"{result.name}: {difference}")
    verdicts = {item.verdict for _, case in listed for item in case.expect}
    for needed in () if verdicts == {Verdict.MANUAL} else (Verdict.PASS, Verdict.FAIL):
        if needed not in verdicts:
            yield Finding(file, 1, "coverage", f"no case expects {needed}")


def _applies_to(policy: Policy, folder: str) -> Iterator[Finding]:
    read = {name for types in policy.reads.values() for name in types}
    lines = policy.files["policy.yaml"].decode().splitlines()
    line = next((number for number, text in enumerate(lines, 1) if text.startswith("applies_to")), 1)
    if all(policy.reads.values()):
        for name in policy.applies_to:
            if name not in read:
                yield Finding(f"{folder}/policy.yaml", line, "applies-to", f"{name} is in no table of reads")

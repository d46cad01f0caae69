"""The core: evaluate(policies, snapshot, boundary, waivers, evaluatedAt) -> results. No network, no other clock.

Verdicts stay in the engine's database and are streamed out; Python holds counts, not results. A verdict is never
guessed: a policy that fails to run, reads a table that was not read to its end, or answers out of order (a row out of
scope, a key given twice, a word that is no verdict) is ``unknown`` for every subscription in scope; the others go on.
A policy that Azure Resource Graph judged is held to the same: its answer takes the place of the query.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from itertools import islice
from pathlib import Path
from typing import Any

from duckdb import DuckDBPyConnection

from lockdown.model import Boundary, Outcome, Policy, Severity, Unread, Verdict, Waiver
from lockdown.policy.boundary import bind
from lockdown.policy.lint import RESOURCE_GRAPH, SNAPSHOT
from lockdown.policy.questions import question
from lockdown.snapshot import answers as answer_files
from lockdown.snapshot.answers import NOT_ASKED, Answered, Answers
from lockdown.snapshot.engine import CrowdedError, Engine, QueryError
from lockdown.snapshot.store import Snapshot
from lockdown.snapshot.translations import Translations

WAIVED = "waived"
COUNTED = ("pass", "fail", WAIVED, "notApplicable", "unknown", "manual")
_WORST = (Verdict.FAIL, Verdict.UNKNOWN, Verdict.MANUAL, Verdict.PASS, Verdict.NOT_APPLICABLE)
_COLUMNS = ("policy", "resource", "part", "verdict", "severity", "reason", "expected", "observed")
_REQUIRED = ("id", "verdict", "reason", "expected", "observed")
_DISORDER = f"""
SELECT resource, problem FROM (
    SELECT resource, CASE
        WHEN coalesce(verdict, '') NOT IN ({", ".join(f"'{v}'" for v in _WORST)}) THEN 'has no verdict'
        WHEN severity NOT IN ({", ".join(f"'{s}'" for s in Severity)}) THEN 'has a severity that does not exist'
        WHEN NOT starts_with(lower(resource), '/subscriptions/')
            OR lower(split_part(resource, '/', 3)) NOT IN (SELECT subscription FROM visible) THEN 'is out of scope'
        END AS problem
    FROM staged
    UNION ALL
    SELECT min(resource), 'is given twice' FROM staged GROUP BY lower(resource), part HAVING count(*) > 1
) WHERE problem IS NOT NULL ORDER BY resource LIMIT 1"""
_CHUNK = 1_000
_IN_MEMORY = 150 * 2**20
_PATIENCE = 300.0


@dataclass(frozen=True)
class Judged:
    """What one policy came to.

    Attributes:
        counts: results by verdict; ``waived`` apart from ``fail``.
        engine: who judged: ``snapshot`` or ``resource-graph``.
        error: why it could not judge; empty if it could.
    """

    policy: Policy
    counts: Mapping[str, int]
    engine: str
    error: str = ""

    @property
    def verdict(self) -> Verdict:
        """The worst of its results; ``notObserved`` if there are none."""
        if self.counts[WAIVED]:
            return Verdict.FAIL
        return next((v for v in _WORST if self.counts[v]), Verdict.NOT_OBSERVED)


@dataclass(frozen=True)
class Evaluation:
    """The results of a run, while its engine is open.

    Attributes:
        judged: every policy, in the order of their ids.
        counts: over all policies, with ``notObserved`` = policies that saw no row.
        warnings: waivers that hold no more or match nothing.
        failures: counted failures by severity.
    """

    engine: Engine
    judged: tuple[Judged, ...]
    counts: Mapping[str, int]
    failures: Mapping[Severity, int]
    warnings: tuple[str, ...]
    waivers: tuple[Waiver, ...]
    unread: tuple[Unread, ...]

    @property
    def outcome(self) -> Outcome:
        """``compliant`` only if everything was read, something was judged, and nothing failed or is in doubt."""
        if self.unread or self.counts[Verdict.UNKNOWN] or not any(self.counts[name] for name in COUNTED):
            return Outcome.INDETERMINATE
        return Outcome.NON_COMPLIANT if self.counts[Verdict.FAIL] else Outcome.COMPLIANT

    def policies(self) -> Iterator[dict[str, Any]]:
        """Yield the policy objects of the record."""
        return (_policy_object(judged) for judged in self.judged)

    def results(self) -> Iterator[dict[str, Any]]:
        """Yield the result objects of the record, ordered by policy, resource and part."""
        return (result for judged in self.judged for result in self._of(judged.policy))

    def _of(self, policy: Policy) -> Iterator[dict[str, Any]]:
        names = ", ".join(f'"{name}"' for name in _COLUMNS)
        with self.engine.cursor() as cursor:
            cursor.execute(
                f"SELECT {names}, waiver FROM verdicts WHERE policy = ? ORDER BY lower(resource), resource, part",
                [policy.id],
            )
            for row in _fetched(cursor):
                found: dict[str, Any] = dict(zip(_COLUMNS, row, strict=False))
                if row[-1] is not None:
                    waiver = self.waivers[row[-1]]
                    found["waiver"] = {
                        "reason": waiver.reason,
                        "owner": waiver.owner,
                        "expires": waiver.expires.isoformat(),
                    }
                yield found


def _fetched(cursor: DuckDBPyConnection) -> Iterator[tuple[Any, ...]]:
    while rows := cursor.fetchmany(_CHUNK):
        yield from rows


@contextmanager
def engine_for(
    snapshot: Snapshot, folder: Path, translations: Translations | None = None, answers: Answers = NOT_ASKED
) -> Iterator[Engine]:
    """Yield an engine with room for ``snapshot`` and ``answers``.

    What is large is held in ``folder``/engine, which is gone afterwards, so that memory does not grow with it.
    """
    size = sum(path.stat().st_size for name in snapshot.tables if (path := snapshot.path(name)).is_file())
    size += answers.size
    if size <= _IN_MEMORY:
        with Engine(translations=translations, memory_limit="1GB", deadline=_PATIENCE) as engine:
            yield engine
        return
    spill = folder / "engine"
    spill.mkdir(mode=0o700)
    with Engine(translations=translations, spill=spill, memory_limit="1500MB", deadline=_PATIENCE) as engine:
        yield engine


def evaluate(
    policies: Iterable[Policy],
    snapshot: Snapshot,
    boundary: Boundary,
    waivers: tuple[Waiver, ...],
    evaluated_at: datetime,
    engine: Engine,
    answers: Answers = NOT_ASKED,
) -> Evaluation:
    """Judge every resource of ``snapshot`` against ``policies``, or take Azure's answers where it judged itself.

    An answer is taken only for the very query that the policy asks in this boundary, at this time.

    Args:
        policies: what must hold, in the order of the record.
        snapshot: what was seen.
        boundary: what belongs to the environment; without subscriptions, those of the snapshot.
        waivers: accepted failures; one that has expired on the day of ``evaluated_at`` counts for nothing.
        evaluated_at: the only clock: ``now()`` in queries, and the day for waivers.
        engine: an empty engine; it stays open for the streams of the evaluation.
        answers: what Resource Graph answered, if it was asked.
    """
    for name in snapshot.tables:
        engine.load_file(name, snapshot.path(name))
    _prepare(engine, snapshot, answers)
    bounded = within(boundary, snapshot.subscriptions)
    ordered = tuple(policies)
    answered = {
        policy.id: told
        for policy in ordered
        if (told := answers.answered.get(policy.id)) and told.query == question(policy, bounded, evaluated_at).query
    }

    crowded: list[Policy] = []

    def judged_or_not(policy: Policy) -> str:
        try:
            if policy.id in answered:
                _take(engine, policy, answered[policy.id])
            else:
                _judge(engine, policy, snapshot, bounded, evaluated_at)
        except CrowdedError as error:
            crowded.append(policy)
            return error.message
        except QueryError as error:
            other = policy.id in answers.answered and policy.id not in answered
            return f"Azure answered another query, place or time, and {error.message}" if other else error.message
        return ""

    errors = dict(zip((policy.id for policy in ordered), _at_once(engine, judged_or_not, ordered), strict=True))
    for policy in tuple(crowded):
        errors[policy.id] = judged_or_not(policy)
    for policy in ordered:
        if errors[policy.id]:
            _unknown(engine, policy, snapshot, errors[policy.id])
    warnings = _waive(engine, waivers, evaluated_at.astimezone(UTC).date())
    counts = _counts(engine)
    judged = tuple(
        Judged(p, counts.get(p.id, _zero()), RESOURCE_GRAPH if p.id in answered else SNAPSHOT, errors[p.id])
        for p in ordered
    )
    total = Counter({name: sum(j.counts[name] for j in judged) for name in COUNTED})
    total[Verdict.NOT_OBSERVED] = sum(j.verdict is Verdict.NOT_OBSERVED for j in judged)
    return Evaluation(engine, judged, total, _failures(engine), warnings, waivers, snapshot.unread)


def within(boundary: Boundary, subscriptions: Iterable[str]) -> Boundary:
    """Return ``boundary``; where it names no subscriptions, with those that were seen."""
    return boundary if boundary.subscriptions else replace(boundary, subscriptions=tuple(sorted(subscriptions)))


def _prepare(engine: Engine, snapshot: Snapshot, answers: Answers) -> None:
    columns = ", ".join(f'"{name}" VARCHAR' for name in _COLUMNS)
    engine.connection.execute(f"CREATE TABLE verdicts ({columns}, waiver INTEGER)")
    engine.connection.execute("CREATE TABLE visible (subscription VARCHAR)")
    rows = [(subscription,) for subscription in snapshot.subscriptions]
    if rows:
        engine.connection.executemany("INSERT INTO visible VALUES (?)", rows)
    columns = ", ".join(f'"{name}" VARCHAR' for name in answer_files.COLUMNS)
    engine.connection.execute(f"CREATE TABLE answers ({columns})")
    spec = json.dumps(dict.fromkeys(answer_files.COLUMNS, "VARCHAR"))
    lines = answers.rows()
    while batch := b",".join(islice(lines, _CHUNK)):
        engine.connection.execute(
            f"INSERT INTO answers SELECT row.* FROM (SELECT unnest(from_json(?, '[{spec}]')) AS row)",
            [f"[{batch.decode()}]"],
        )


def _at_once(engine: Engine, work: Callable[[Policy], str], policies: tuple[Policy, ...]) -> list[str]:
    """Do the work for each policy, on as many threads as there are processors; an interruption stops all of it."""
    with ThreadPoolExecutor(os.cpu_count(), "judge") as workers:
        try:
            return list(workers.map(work, policies))
        except BaseException:
            workers.shutdown(wait=False, cancel_futures=True)
            engine.interrupt()
            raise


def _judge(engine: Engine, policy: Policy, snapshot: Snapshot, boundary: Boundary, at: datetime) -> None:
    _refuse_unread(policy, snapshot)
    translated = engine.translate(bind(policy.query, boundary))
    with engine.cursor() as cursor, engine.limits(cursor):
        cursor.execute(f"CREATE TEMP TABLE answer AS {translated.sql}", translated.bind(at) or None)
        _accept(cursor, policy)


def _take(engine: Engine, policy: Policy, answered: Answered) -> None:
    if answered.error:
        raise QueryError(answered.error)
    with engine.cursor() as cursor, engine.limits(cursor):
        cursor.execute("CREATE TEMP TABLE answer AS SELECT * FROM answers WHERE policy = ?", [policy.id])
        row = cursor.execute("SELECT count(*) FROM answer").fetchone()
        if row != (answered.rows,):
            raise QueryError(f"{answered.rows} rows of its answer came, and not all of them are at hand")
        _accept(cursor, policy)


def _accept(cursor: DuckDBPyConnection, policy: Policy) -> None:
    """Make the rows of the table ``answer`` results of ``policy``, if they are in order."""
    names = {str(column[0]) for column in cursor.execute("SELECT * FROM answer LIMIT 0").description or ()}
    if missing := [name for name in _REQUIRED if name not in names]:
        raise QueryError(f"its rows have no column {missing[0]}")
    part = "coalesce(part, '')" if "part" in names else "''"
    own = f"'{policy.severity}'"
    severity = f"coalesce(nullif(severity, ''), {own})" if "severity" in names else own
    cursor.execute(
        "CREATE TEMP TABLE staged AS SELECT ?::VARCHAR AS policy, coalesce(id, '') AS resource, "
        f"{part}::VARCHAR AS part, verdict::VARCHAR AS verdict, {severity}::VARCHAR AS severity, "
        "coalesce(reason::VARCHAR, '') AS reason, coalesce(expected::VARCHAR, '') AS expected, "
        "coalesce(observed::VARCHAR, '') AS observed FROM answer",
        [policy.id],
    )
    row = cursor.execute(_DISORDER).fetchone()
    if row:
        raise QueryError(f"the row of {row[0] or 'a resource without id'} {row[1]}")
    cursor.execute("INSERT INTO verdicts SELECT *, NULL FROM staged")


def _refuse_unread(policy: Policy, snapshot: Snapshot) -> None:
    for name, types in policy.reads.items():
        table = snapshot.tables.get(name)
        if table is None:
            continue
        if not table.complete:
            raise QueryError(next((u.reason for u in snapshot.unread if u.name == name), f"{name} was not read whole."))
        if table.types and (missing := sorted(set(types) - set(table.types)) if types else ["other types"]):
            raise QueryError(f"the snapshot was made without {missing[0]} in the table {name}")


def _unknown(engine: Engine, policy: Policy, snapshot: Snapshot, reason: str) -> None:
    ids = [f"/subscriptions/{s}" for s in sorted(snapshot.subscriptions)] or ["/subscriptions/none"]
    engine.connection.executemany(
        "INSERT INTO verdicts VALUES (?, ?, '', 'unknown', ?, ?, '', '', NULL)",
        [(policy.id, resource, policy.severity.value, f"Not judged: {reason}") for resource in ids],
    )


def _waive(engine: Engine, waivers: tuple[Waiver, ...], today: date) -> tuple[str, ...]:
    warnings: list[str] = []
    for index, waiver in enumerate(waivers):
        for pattern in waiver.resources:
            matches = "starts_with(lower(resource), ?)" if pattern.endswith("*") else "lower(resource) = ?"
            values = [waiver.policy, pattern.removesuffix("*")]
            where = f"policy = ? AND verdict = 'fail' AND {matches}"
            row = engine.connection.execute(f"SELECT count(*) FROM verdicts WHERE {where}", values).fetchone()
            found = int(row[0]) if row else 0
            if waiver.expires < today:
                warnings.append(
                    f"The waiver of {waiver.policy} for {pattern} expired on {waiver.expires}; "
                    f"{found} failure{'s count' if found != 1 else ' counts'} again."
                )
            elif not found:
                warnings.append(f"The waiver of {waiver.policy} for {pattern} matches no failure.")
            else:
                engine.connection.execute(
                    f"UPDATE verdicts SET waiver = ? WHERE {where} AND waiver IS NULL",
                    [index, *values],
                )
    return tuple(warnings)


def _counts(engine: Engine) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for policy, verdict, waived, count in engine.connection.execute(
        "SELECT policy, verdict, waiver IS NOT NULL, count(*) FROM verdicts GROUP BY ALL"
    ).fetchall():
        found.setdefault(policy, _zero())[WAIVED if waived else verdict] += count
    return found


def _failures(engine: Engine) -> dict[Severity, int]:
    rows = engine.connection.execute(
        "SELECT severity, count(*) FROM verdicts WHERE verdict = 'fail' AND waiver IS NULL GROUP BY severity"
    ).fetchall()
    return {Severity(severity): count for severity, count in rows}


def _zero() -> dict[str, int]:
    return dict.fromkeys(COUNTED, 0)


def _policy_object(judged: Judged) -> dict[str, Any]:
    policy = judged.policy
    found: dict[str, Any] = {
        "id": policy.id,
        "theme": policy.theme,
        "title": policy.title,
        "severity": policy.severity.value,
        "verdict": judged.verdict.value,
        "appliesTo": list(policy.applies_to),
        "controls": [{"framework": c.framework, "id": c.id, "basis": c.basis} for c in policy.controls],
        "rationale": policy.rationale,
        "remediation": policy.remediation,
        "command": policy.command,
        "builtIns": [{"guid": b.guid, "name": b.name, "differs": b.differs} for b in policy.built_ins],
        "counts": dict(judged.counts),
        "engine": judged.engine,
    }
    if policy.reachability:
        found["reachability"] = True
    if judged.error:
        found["error"] = judged.error
    return found

"""What a report shows of a record: one pass over its results, memory bounded however many there are.

Kinds of results are the keys of the record's ``counts``: a failure with a waiver is of the kind ``waived``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lockdown.errors import TamperedError
from lockdown.model import Severity
from lockdown.record import Record

Row = Mapping[str, Any]
NEEDS_A_PERSON = ("fail", "unknown", "manual", "waived")
SETTLED = ("notApplicable", "pass")
KINDS = (*NEEDS_A_PERSON, *SETTLED)
STANDINGS = ("fail", "unknown", "waived", "manual", "pass", "notApplicable", "notObserved")
_AT_LEAST = 500


@dataclass(frozen=True)
class Survey:
    """The rows of a record that are shown, and how many there are of every kind.

    Attributes:
        tally: (policy id, kind, severity) to the number of results.
        rows: kind to the rows held, worst severity first.
    """

    tally: Mapping[tuple[str, str, str], int]
    rows: Mapping[str, tuple[Row, ...]]

    def count(self, kind: str, *, severity: str | None = None) -> int:
        """Return how many results are of ``kind``, of one severity or of all."""
        return sum(n for (_, k, s), n in self.tally.items() if k == kind and severity in (None, s))

    def left_out(self, kind: str) -> int:
        """Return how many results of ``kind`` are not among the rows held."""
        return self.count(kind) - len(self.rows[kind])


@dataclass(frozen=True)
class Group:
    """The results of one kind and one policy.

    Attributes:
        total: how many there are; ``rows`` may hold fewer.
        severity: the worst among them.
    """

    policy: Mapping[str, Any]
    severity: Severity
    total: int
    rows: tuple[Row, ...]


def kind(result: Row) -> str:
    """Return the key of ``counts`` under which ``result`` is counted."""
    return "waived" if result["verdict"] == "fail" and result.get("waiver") else str(result["verdict"])


def standing(policy: Mapping[str, Any]) -> str:
    """Return what a policy comes to, one of ``STANDINGS`` (the worst first): the worst kind of its results.

    A policy that could not be run is ``unknown`` at best; one without results is ``notObserved``.
    """
    kinds = {k for k in KINDS if policy["counts"][k]} | ({"unknown"} if "error" in policy else set())
    return next((name for name in STANDINGS if name in kinds), "notObserved")


def survey(record: Record, *, limit: int, everything_up_to: int = 0) -> Survey:
    """Count every result and hold the worst ``limit`` of those that need a person.

    A record of at most ``everything_up_to`` results is held whole, its passes too.

    Raises:
        TamperedError: the counts that the record states are not those of its results.
    """
    counts = record.run["counts"]
    whole = sum(counts[k] for k in KINDS) <= everything_up_to
    room = {k: counts[k] for k in KINDS} if whole else _room(counts, limit)
    position = {policy["id"]: number for number, policy in enumerate(record.policies)}
    worst = {k: _Worst(room.get(k, 0)) for k in KINDS}
    tally: Counter[tuple[str, str, str]] = Counter()
    for result in record.results():
        of = kind(result)
        tally[result["policy"], of, result["severity"]] += 1
        if room.get(of):
            worst[of].add(result)
    _agree(record, tally)
    return Survey(tally, {k: held.rows(position) for k, held in worst.items()})


def groups(record: Record, found: Survey, kind: str) -> list[Group]:
    """Return the results of ``kind`` by policy: worst severity first, then the most results first."""
    rows: dict[str, list[Row]] = {}
    for row in found.rows[kind]:
        rows.setdefault(row["policy"], []).append(row)
    made = []
    for policy in record.policies:
        if total := policy["counts"][kind]:
            worst = next(severity for severity in Severity if found.tally.get((policy["id"], kind, severity)))
            made.append(Group(policy, worst, total, tuple(rows.get(policy["id"], ()))))
    return sorted(made, key=lambda group: (group.severity.rank, -group.total))


@dataclass(frozen=True)
class Holder:
    """A resource with what of it needs a person: its results, the worst first."""

    resource: str
    severity: Severity
    rows: tuple[Row, ...]


def by_resource(found: Survey) -> list[Holder]:
    """Return the resources that fail or are unknown, by the rows held: the worst first, then the most results."""
    held: dict[str, list[Row]] = {}
    for row in (*found.rows["fail"], *found.rows["unknown"]):
        held.setdefault(str(row["resource"]).lower(), []).append(row)
    made = [
        Holder(rows[0]["resource"], min((Severity(r["severity"]) for r in rows), key=lambda s: s.rank), tuple(rows))
        for rows in held.values()
    ]
    return sorted(made, key=lambda each: (each.severity.rank, -len(each.rows), each.resource.lower()))


def subscription_names(record: Record) -> dict[str, str]:
    """Return lower-case subscription id to the name that people know."""
    return {item["id"].lower(): item["name"] for item in record.run["scope"]["subscriptions"]}


def severities(found: Survey, kind: str) -> list[tuple[str, int]]:
    """Return (severity, number) of the results of ``kind``, worst first, zeros left out."""
    numbers = [(severity.value, found.count(kind, severity=severity)) for severity in Severity]
    return [(severity, number) for severity, number in numbers if number]


class _Worst:
    """The worst rows of those added: of each severity the first of every policy, then the second of every policy.

    So a policy with a thousand failures does not hide the one failure of another. Never holds more than twice its
    room.
    """

    def __init__(self, room: int) -> None:
        self._room = room
        self._turns: Counter[tuple[str, str]] = Counter()
        self._rows: list[tuple[int, int, Row]] = []

    def add(self, row: Row) -> None:
        if self._room:
            turn = row["policy"], row["severity"]
            self._turns[turn] += 1
            self._rows.append((Severity(row["severity"]).rank, self._turns[turn], row))
            if len(self._rows) > 2 * self._room:
                self._cut()

    def rows(self, position: Mapping[str, int]) -> tuple[Row, ...]:
        """Return them by severity, then in the order of the policies, then by resource."""
        self._cut()
        by_policy = sorted(self._rows, key=lambda held: (held[0], position[held[2]["policy"]], held[2]["resource"]))
        return tuple(row for *_, row in by_policy)

    def _cut(self) -> None:
        self._rows.sort(key=lambda held: held[:2])
        del self._rows[self._room :]


def _room(counts: Mapping[str, int], limit: int) -> dict[str, int]:
    """Share ``limit`` rows out: a little to every kind that needs a person, what is left in their order."""
    room = {k: min(counts[k], _AT_LEAST, limit // len(NEEDS_A_PERSON)) for k in NEEDS_A_PERSON}
    left = limit - sum(room.values())
    for k in NEEDS_A_PERSON:
        more = min(counts[k] - room[k], left)
        room[k] += more
        left -= more
    return room


def _agree(record: Record, tally: Mapping[tuple[str, str, str], int]) -> None:
    by_policy: Counter[tuple[str, str]] = Counter()
    for (policy, k, _), number in tally.items():
        by_policy[policy, k] += number
    stated = {
        (policy["id"], k): policy["counts"][k] for policy in record.policies for k in KINDS if policy["counts"][k]
    }
    totals = {k: sum(number for (_, kind_), number in by_policy.items() if kind_ == k) for k in KINDS}
    failures: Counter[str] = Counter()
    for (_, k, severity), number in tally.items():
        failures[severity] += number if k == "fail" else 0
    if (
        dict(by_policy) != stated
        or totals != {k: record.run["counts"][k] for k in KINDS}
        or failures != Counter(record.run.get("failures", failures))
    ):
        raise TamperedError(
            f"{record.path} contradicts itself: the counts it states are not those of its results.",
            "Do not use this run; audit again.",
        )

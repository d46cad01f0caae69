"""Whether a run would have seen a resource, had it existed. If not, its absence means nothing."""

from __future__ import annotations

import re
import sqlite3
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from lockdown.drift import rows
from lockdown.drift.items import NotCompared
from lockdown.drift.side import Side
from lockdown.snapshot.tables import ARM_TABLE

_SUBSCRIPTION = re.compile(r"/subscriptions/([^/]+)", re.IGNORECASE)
_NAMES = ("baseline", "current")


@dataclass(frozen=True)
class Gap:
    """Why a run says nothing of a resource. Fields as in ``NotCompared``."""

    kind: str
    name: str
    reason: str


@dataclass(frozen=True)
class Coverage:
    """What one run looked at.

    Attributes:
        asked_alike: both runs were asked for the same scope.
        seen: each (table, lower-case type) that it holds.
    """

    side: Side
    asked_alike: bool
    seen: frozenset[tuple[str, str]]

    def gap(self, resource: str, table: str = "", kind: str = "") -> Gap | None:
        """Return why the run may lack this resource although it exists, or None if it would have seen it.

        ``table`` and ``kind`` (the ARM type) may be empty for a result, which is in no table.
        """
        return self._stopped() or self._subscription(resource) or (self._table(table, kind) if table else None)

    def _stopped(self) -> Gap | None:
        if self.side.record.run.get("partial"):
            return Gap("unreadable", "run", "The run was stopped before it had read everything.")
        for what in self.side.unreadable.keys() - {"subscription", "managementGroup", "table", "armReads"}:
            name, reason = next(iter(sorted(self.side.unreadable[what].items())))
            return Gap("unreadable", name, reason)
        return None

    def _subscription(self, resource: str) -> Gap | None:
        unread = self.side.unreadable.get("subscription", {})
        groups = self.side.unreadable.get("managementGroup", {})
        match = _SUBSCRIPTION.match(resource)
        subscription = match[1].lower() if match else ""
        if subscription in unread:
            return Gap("unreadable", subscription, unread[subscription])
        if subscription in self.side.subscriptions or (not groups and not subscription):
            return None
        if groups:
            name, reason = next(iter(sorted(groups.items())))
            return Gap("unreadable", name, reason)
        if self.asked_alike:
            return Gap(
                "unreadable",
                subscription,
                "Both runs were asked for the same scope, but this one did not see the subscription: "
                "it was moved or deleted, or can no longer be read.",
            )
        return Gap("scope", subscription, "The subscription is not in the scope of this run.")

    def _table(self, table: str, kind: str) -> Gap | None:
        unread = dict(self.side.unreadable.get("table", {}))
        if table == ARM_TABLE:
            unread |= self.side.unreadable.get("armReads", {})
        for name in (table, kind):
            if name in unread:
                return Gap("unreadable", name, unread[name])
        if (table, kind) in self.seen:
            return None
        if self.side.record.run["source"] == "file":
            if any(name == table for name, _ in self.seen) and table != "resourcecontainers":
                return None
            return Gap("notCollected", kind, f"The snapshot file of this run holds nothing of this type in {table}.")
        reads = self.side.reads.get(table)
        if not self.side.policies or (reads is not None and (not reads or kind in reads)):
            return None
        whose = "This run judged no policy itself that" if self.side.by_azure else "No policy of this run"
        return Gap("notCollected", kind, f"{whose} reads this type in {table}.")


@dataclass
class Gaps:
    """Counts, by reason, of what could not be compared."""

    resources: Counter[tuple[int, Gap]] = field(default_factory=Counter)
    results: Counter[tuple[int, Gap]] = field(default_factory=Counter)

    def items(self) -> tuple[NotCompared, ...]:
        """Return one item for each reason, in a stable order."""
        found = [
            NotCompared(
                gap.kind, _NAMES[side], gap.name, gap.reason, self.resources[side, gap], self.results[side, gap]
            )
            for side, gap in self.resources.keys() | self.results.keys()
        ]
        return tuple(sorted(found, key=lambda item: (item.kind, item.side, item.name, item.reason)))


def coverages(database: sqlite3.Connection, baseline: Side, current: Side) -> tuple[Coverage, Coverage]:
    """Return what the baseline and the current run looked at. The snapshots are indexed already."""
    alike = _requested(baseline) == _requested(current)
    return (
        Coverage(baseline, alike, rows.types(database, rows.BASELINE)),
        Coverage(current, alike, rows.types(database, rows.CURRENT)),
    )


def _requested(side: Side) -> Mapping[str, object]:
    found: Mapping[str, object] = side.record.run["scope"].get("requested", {})
    return found

"""What a chain of records says: whether it is whole, which runs there were, and which nights have none. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from lockdown.errors import IncompleteError, TamperedError
from lockdown.history.records import Accepted, Covered, Ended, Link, Started
from lockdown.model import Outcome


@dataclass(frozen=True)
class Run:
    """One run as the history tells it."""

    started: Started
    ended: Ended | None

    @property
    def outcome(self) -> Outcome:
        """What it came to; indeterminate for a run that never ended."""
        return self.ended.outcome if self.ended else Outcome.INDETERMINATE

    @property
    def proven(self) -> bool:
        """Whether it left evidence."""
        return self.ended is not None and self.ended.run_payload is not None


@dataclass(frozen=True)
class Gap:
    """A time in which runs of one scope should have begun and none did.

    Attributes:
        missed: how many.
    """

    scope: Covered
    after: str
    before: str
    missed: int


def check_numbers(links: Sequence[Link]) -> None:
    """Raise IncompleteError unless the records are numbered from 1 without a gap."""
    numbers = [link.record.sequence for link in links]
    missing = sorted(set(range(1, max(numbers, default=0) + 1)) - set(numbers))
    if missing:
        shown = ", ".join(str(number) for number in missing[:5])
        more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""  # noqa: PLR2004 - as many as are shown
        raise IncompleteError(f"Records are missing from the history: {shown}{more}.")


def check_links(links: Sequence[Link], origin_digest: str) -> None:
    """Raise TamperedError unless each record names the one before it. A missing one is not told here."""
    by_number = {link.record.sequence: link for link in links}
    if len(by_number) != len(links):
        raise TamperedError("Two records have one sequence number.")
    for link in links:
        record = link.record
        before = by_number.get(record.sequence - 1)
        expected = origin_digest if record.sequence == 1 else before.digest if before else None
        if expected is not None and record.previous != expected:
            what = "store.json" if record.sequence == 1 else f"record {record.sequence - 1}"
            raise TamperedError(
                f"Record {record.sequence} was not made after this {what}: one of the two was replaced."
            )


def check_pairs(links: Sequence[Link]) -> None:
    """Raise TamperedError unless each end closes one start of the same run, and no run has two."""
    by_number = {link.record.sequence: link.record for link in links}
    closed: dict[int, int] = {}
    runs: set[str] = set()
    for record in by_number.values():
        if isinstance(record, Started):
            if record.run_id in runs:
                raise TamperedError(f"The run {record.run_id!a} started twice.")
            runs.add(record.run_id)
            continue
        if isinstance(record, Accepted):
            continue
        start = by_number.get(record.started)
        if start is None:
            continue  # a missing record, which is told by its number
        if not isinstance(start, Started) or (start.run_id, start.scope) != (record.run_id, record.scope):
            raise TamperedError(f"Record {record.sequence} ends another run than record {record.started} started.")
        if record.started in closed:
            raise TamperedError(f"The run of record {record.started} ended twice.")
        closed[record.started] = record.sequence


def forks(links: Iterable[Link], others: Iterable[Link]) -> list[int]:
    """Return the sequence numbers at which two histories hold different records."""
    digests = {link.record.sequence: link.digest for link in links}
    return sorted(
        link.record.sequence for link in others if digests.get(link.record.sequence, link.digest) != link.digest
    )


def runs(links: Sequence[Link]) -> list[Run]:
    """Return the runs in the order in which they started."""
    ends = {link.record.started: link.record for link in links if isinstance(link.record, Ended)}
    starts = (link.record for link in links if isinstance(link.record, Started))
    return [Run(start, ends.get(start.sequence)) for start in sorted(starts, key=lambda start: start.sequence)]


def gaps(found: Iterable[Run], cadence: timedelta, now: datetime) -> list[Gap]:
    """Return where the time between two runs of a scope that left evidence, or since the last, is too long.

    A run may be up to half the cadence late before one counts as missed.
    """
    by_scope: dict[str, list[Run]] = {}
    for run in found:
        by_scope.setdefault(run.started.scope.id, []).append(run)
    missed = []
    for group in by_scope.values():
        moments = sorted(run.started.at for run in group if run.proven) or [group[0].started.at]
        for after, before in zip(moments, [*moments[1:], f"{now.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"], strict=True):
            ratio = (_moment(before) - _moment(after)) / cadence
            count = int(ratio + 0.5) - 1
            if count > 0:
                missed.append(Gap(group[0].started.scope, after, before, count))
    return missed


def rates(found: Iterable[Run]) -> Mapping[tuple[str, str], list[tuple[int, tuple[int, int, int, int]]]]:
    """Return, by framework and control, each run's number with results that pass, fail, are waived, are unknown."""
    series: dict[tuple[str, str], list[tuple[int, tuple[int, int, int, int]]]] = {}
    for run in found:
        for framework, controls in (run.ended.controls if run.ended else {}).items():
            for control, tally in controls.items():
                series.setdefault((framework, control), []).append((run.started.sequence, tally))
    return dict(sorted(series.items()))


def rate(tally: tuple[int, int, int, int]) -> float | None:
    """Return the share of results that pass. Waived, unknown and manual ones do not; None if there are none at all."""
    return tally[0] / sum(tally) if sum(tally) else None


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)

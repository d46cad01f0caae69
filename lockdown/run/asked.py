"""What a run is asked to do, who hears how far it is, and what comes of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from lockdown import drift, record
from lockdown.history import records as history
from lockdown.model import Boundary, Scope, TemporaryAccess, Waiver
from lockdown.policy.lint import SNAPSHOT

if TYPE_CHECKING:
    from lockdown.drift.blueprint import Departure

SCOPE = "inputs/scope.json"


class Watch(Protocol):
    """Hears how far a run is."""

    def stage(self, text: str) -> None:
        """A new stage begins."""

    def rows(self, table: str, arrived: int, total: int) -> None:
        """``arrived`` of ``total`` rows of a table were read."""


@dataclass(frozen=True)
class Wanted:
    """What a run is asked to do.

    Attributes:
        cloud: a built-in cloud's name or an ARM URL; None is AzureCloud. Not used with ``snapshot``.
        snapshot: a run directory, bundle, file or folder to audit instead of Azure.
        policies: a policy tree of the user's own.
        shipped_too: whether those that ship are judged by as well.
        out: the run directory; None makes one under lockdown-runs/.
        key: URI of the signing key; None leaves the run unsigned.
        tsa: URL of the time-stamping authority that dates the signatures; None leaves them undated.
        baseline: an approved run to compare with, a directory or a bundle.
        trust: the file of a trust root that must vouch for ``baseline`` and ``snapshot``; without one it is told that
            none does.
        trust_fingerprint: what that trust root must have.
        trust_state: where the newest trust root that was seen is remembered.
        temporary: what is announced to be open for a time; it is told apart from other drift.
        departures: reads what of the environment is not as its environment file says; None does not look.
        store: URL of the evidence store, whose history records the run; None records it nowhere.
        retention_days: how long a store that the run is the first in says that its evidence is to be kept.
        engine: ``snapshot``, or ``resource-graph``: Azure judges by those policies that it can run. Not with
            ``snapshot``.
        formats: the formats of :data:`lockdown.report.formats.FORMATS` to write results in, beside their record.
    """

    scope: Scope = field(default_factory=Scope)
    boundary: Boundary = field(default_factory=Boundary)
    waivers: tuple[Waiver, ...] = ()
    cloud: str | None = None
    authority: str | None = None
    snapshot: Path | None = None
    policies: Path | None = None
    shipped_too: bool = False
    out: Path | None = None
    key: str | None = None
    tsa: str | None = None
    baseline: Path | None = None
    trust: Path | None = None
    trust_fingerprint: str | None = None
    trust_state: Path | None = None
    temporary: tuple[TemporaryAccess, ...] = ()
    departures: Callable[[], tuple[Departure, ...]] | None = None
    store: str | None = None
    retention_days: int = history.RETENTION_DAYS
    engine: str = SNAPSHOT
    formats: tuple[str, ...] = ()


@dataclass(frozen=True)
class Finished:
    """A finished run on disk, and its drift where a baseline was given.

    Attributes:
        drift: everything that differs from the baseline.
        document: results/drift.json, in which what was accepted and what is temporary stand apart.
    """

    directory: Path
    record: record.Record
    drift: drift.Drift | None = None
    document: Mapping[str, Any] | None = None


def now() -> datetime:
    """Return this moment."""
    return datetime.now(UTC)


def text(moment: datetime) -> str:
    """Return a moment as records have it."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"

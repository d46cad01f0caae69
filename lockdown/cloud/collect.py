"""From Azure to a snapshot: the pages of exactly what the policies read.

Requests are the pages of one query for each table (and each 300 subscriptions), plus those of the subscriptions that
are visible and one for each management group. What Resource Graph lacks takes one request for each resource that it is
read of, however many policies ask.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from lockdown.cloud import arm, arm_plan, arm_rows, credentials
from lockdown.cloud.client import Client
from lockdown.cloud.request_log import Request
from lockdown.cloud.resource_graph import Graph, RefusedError
from lockdown.errors import ToolError
from lockdown.model import ArmRead, Cloud, Scope, Source, Unread
from lockdown.snapshot.redact import Redactor
from lockdown.snapshot.store import SUBSCRIPTION, Snapshot, Writer
from lockdown.snapshot.tables import ARM_TABLE, COLUMNS

SUBSCRIPTIONS_A_QUERY = 300
FORBIDDEN = 403
_UNSEEN = "No row of it was visible: it does not exist in this tenant, or this identity lacks Reader on it."
CHANGES = "resourcechanges"
EVENTS_KEPT = timedelta(days=14)
_PARENTS = ("resourcecontainers", "resources")


class Progress(Protocol):
    """Hears how far the reading is."""

    def __call__(self, table: str, arrived: int, total: int, /) -> None:
        """``arrived`` of ``total`` of ``table`` have arrived."""


class Ask(Protocol):
    """Asks Resource Graph for more than the rows of tables."""

    def __call__(self, graph: Graph, visible: Mapping[str, str], /) -> None:
        """``visible`` has the names of the subscriptions that were seen, by id."""


def collect(
    cloud: Cloud,
    scope: Scope,
    reads: Mapping[str, tuple[str, ...]],
    directory: Path,
    redactor: Redactor,
    progress: Progress,
    *,
    arm_reads: Sequence[ArmRead] = (),
    changes_since: datetime | None = None,
    ask: Ask | None = None,
) -> tuple[Snapshot, list[Request]]:
    """Read what ``reads`` names into ``directory``, and return the snapshot with the log of its requests.

    What cannot be read becomes ``unread`` with its reason; the rest is still collected. ``arm_reads`` is read from
    Azure Resource Manager of the resources that were collected; their table is whole also where reads failed, because
    it says so for each resource. With ``changes_since``, the records of who changed what since then are read too,
    unless ``reads`` asks for all of them; without them nothing is judged differently, so that table is only marked
    incomplete where it cannot be read. ``ask`` is called while the connection is open, to ask what else there is.

    Raises:
        ToolError: no credential was accepted, or Azure cannot be reached.
    """
    log: list[Request] = []
    credential = credentials.credential(cloud)
    identity = credentials.identify(credential, cloud)
    with Writer(directory, redactor) as writer, Client(cloud, credential, log.append) as client:
        graph = Graph(client)
        reading = _Reading(graph, writer, scope, progress)
        containers = ("resourcecontainers", tuple(sorted({SUBSCRIPTION, *reads.get("resourcecontainers", ())})))
        reading.table(*containers)
        visible = _subscriptions(directory / "resourcecontainers.jsonl", writer)
        reading.note_unseen(visible)
        reading.note_unseen_groups()
        reading.count_types()
        for table, types in sorted(reads.items()):
            if table not in {"resourcecontainers", ARM_TABLE}:
                reading.table(table, types)
        if ARM_TABLE in reads:
            writer.begin(ARM_TABLE, reads[ARM_TABLE])
            writer.flush()
            reading.arm(client, _plan(directory, arm_reads))
        if changes_since is not None and CHANGES not in reads:
            reading.changes(changes_since)
        if ask is not None:
            ask(graph, visible)
    return (
        Snapshot(
            directory=directory,
            source=source(cloud),
            cloud=cloud,
            tenant=identity.tenant,
            identity=identity.object_id,
            requested=scope,
            subscriptions=visible,
            tables=writer.tables,
            types=dict(reading.types),
            unread=tuple(reading.unread),
            redactions=writer.redactions,
        ),
        log,
    )


def source(cloud: Cloud) -> Source:
    """Return ``sandbox`` for a cloud on this machine, ``live`` for any other."""
    host = urlsplit(cloud.resource_manager).hostname or ""
    try:
        local = ip_address(host).is_loopback
    except ValueError:
        local = host == "localhost"
    return Source.SANDBOX if local else Source.LIVE


def query(table: str, types: tuple[str, ...]) -> str:
    """Return the query that reads the rows of ``types`` (all, if empty) of a table in a stable order."""
    named = ", ".join(f"'{kind}'" for kind in types)
    only = f"\n| where type in~ ({named})" if types else ""
    return f"{table}{only}\n| project {', '.join(COLUMNS)}\n| order by id asc"


TYPES_QUERY = "resources\n| summarize resources = count() by type\n| order by type asc"
"""Counts the resources of every type, so that a type that nothing judges is not passed over in silence."""


def changes_query(since: datetime) -> str:
    """Return the query that reads the change records of resources since a moment."""
    return (
        f"{CHANGES}\n| where todatetime(properties.changeAttributes.timestamp) >= datetime({since:%Y-%m-%dT%H:%M:%SZ})"
        "\n| project id, name, type, tenantId, resourceGroup, subscriptionId, properties\n| order by id asc"
    )


class _Reading:
    """The state of one collection: where rows go, and what could not be had."""

    def __init__(self, graph: Graph, writer: Writer, scope: Scope, progress: Progress) -> None:
        self._graph = graph
        self._writer = writer
        self._scope = scope
        self._progress = progress
        self._visible: frozenset[str] = frozenset()
        self.unread: list[Unread] = []
        self.types: Counter[str] = Counter()

    def count_types(self) -> None:
        """Count what is in scope by type, or note why that cannot be told."""
        for part in parts(self._scope):
            try:
                for page in self._graph.pages(TYPES_QUERY, part):
                    self.types.update({str(row["type"]).lower(): int(row["resources"]) for row in page.rows})
            except RefusedError as error:
                if error.status != FORBIDDEN or self._readable(part):
                    reason = f"Which types of resources are in scope is not known. Azure refused: {error.message}"
                    self.unread.append(Unread("table", "resources", reason))

    def table(self, name: str, types: tuple[str, ...]) -> None:
        """Read one table whole, or note why not."""
        self._writer.begin(name, types)
        self._read(name, query(name, types))

    def changes(self, since: datetime) -> None:
        """Read the change records, or mark their table incomplete."""
        self._writer.begin(CHANGES)
        self._read(CHANGES, changes_query(since))

    def arm(self, client: Client, reads: Sequence[arm_plan.Read]) -> None:
        """Read from Azure Resource Manager, and note what could not be read."""
        failures = arm.Failures()
        for number, (asked, outcome) in enumerate(arm.read(client, reads), start=1):
            for parent in asked.parents:
                failures.note(asked.spec, parent.id, self._add_items(asked, parent, outcome))
            self._progress(ARM_TABLE, number, len(reads))
        self._writer.sort(ARM_TABLE)
        self.unread.extend(failures.unread())

    def _add_items(self, asked: arm_plan.Read, parent: arm_plan.Parent, outcome: arm_rows.Outcome) -> arm_rows.Outcome:
        rows = arm_rows.rows(asked.spec, parent, outcome)
        if self._writer.add(ARM_TABLE, rows, outcome.body) < len(rows):
            outcome = replace(outcome, status=0, code="IdTwice", message="An item has the id of another resource's.")
        self._writer.add(ARM_TABLE, (arm_rows.read_row(asked.spec, parent, asked.target, outcome),))
        return outcome

    def _read(self, name: str, text: str) -> None:
        for part in parts(self._scope):
            try:
                self._pages(name, text, part)
            except RefusedError as error:
                if error.status == FORBIDDEN and not self._readable(part):
                    continue
                self._incomplete(name, f"Azure refused the query: {error.message}")
            except ToolError as error:
                if not self._writer.tables[name].rows:
                    raise
                self._incomplete(name, f"{error.message} Reading stopped after {self._writer.tables[name].rows} rows.")

    def _pages(self, name: str, text: str, scope: Scope) -> None:
        arrived = total = 0
        for page in self._graph.pages(text, scope):
            arrived += self._writer.add(name, page.rows, page.body)
            total = page.total
            self._progress(name, arrived, total)
            if page.truncated:
                self._incomplete(name, "Azure cut the answer and gave no way to continue it.")
                return
        if arrived < total:
            self._incomplete(name, f"{arrived} of {total} rows arrived; the rest vanished between two pages.")

    def _incomplete(self, name: str, reason: str) -> None:
        self._writer.mark_incomplete(name)
        if name != CHANGES:
            self.unread.append(Unread("table", name, reason))

    def _readable(self, part: Scope) -> bool:
        """Tell whether something of ``part`` was seen: a refusal is then no proof that there is nothing to read."""
        return bool(self._visible.intersection(part.subscriptions) if part.subscriptions else self._visible)

    def note_unseen(self, visible: Mapping[str, str]) -> None:
        """Compare what was asked for with what was visible: partial access is silent in Resource Graph."""
        self._visible = frozenset(visible)
        self.unread.extend(Unread("subscription", s, _UNSEEN) for s in self._scope.subscriptions if s not in visible)
        if not visible and not self._scope.subscriptions and not self._scope.management_groups:
            self.unread.append(Unread("subscription", "*", "This identity can read no subscription at all."))

    def note_unseen_groups(self) -> None:
        """Ask for each management group alone: one that is unseen does not show beside one that is seen."""
        for group in self._scope.management_groups:
            try:
                page = next(self._graph.pages(query("resourcecontainers", (SUBSCRIPTION,)), Scope((), (group,))))
                if not page.rows:
                    self.unread.append(Unread("managementGroup", group, _UNSEEN))
            except RefusedError as error:
                self.unread.append(Unread("managementGroup", group, f"{_UNSEEN} Azure said {error.message}"))


def parts(scope: Scope) -> Iterator[Scope]:
    """Yield the scopes that are asked one after the other: a query takes so many subscriptions."""
    if not scope.subscriptions:
        yield scope
    for start in range(0, len(scope.subscriptions), SUBSCRIPTIONS_A_QUERY):
        yield Scope(subscriptions=scope.subscriptions[start : start + SUBSCRIPTIONS_A_QUERY])


def _subscriptions(path: Path, writer: Writer) -> dict[str, str]:
    writer.flush()
    found: dict[str, str] = {}
    with path.open("rb") as file:
        for line in file:
            row = json.loads(line)
            if str(row.get("type", "")).lower() == SUBSCRIPTION:
                found[str(row.get("subscriptionId") or row["id"].rsplit("/", 1)[-1]).lower()] = str(row.get("name", ""))
    return found


def _plan(directory: Path, arm_reads: Sequence[ArmRead]) -> list[arm_plan.Read]:
    until = datetime.now(UTC)
    return arm_plan.plan(arm_reads, _rows(directory), until - EVENTS_KEPT, until)


def _rows(directory: Path) -> Iterator[dict[str, Any]]:
    for table in _PARENTS:
        path = directory / f"{table}.jsonl"
        if path.is_file():
            with path.open("rb") as file:
                for line in file:
                    yield json.loads(line)

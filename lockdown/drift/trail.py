"""Azure's change records (the table resourcechanges, 14 days) of the time between two runs, and whom they name.

A record has ``properties.targetResourceId``, ``changeType``, ``changeAttributes`` (timestamp, changedBy, changedByType,
clientType, operation, correlationId) and ``changes`` (path to previousValue and newValue). Source: Microsoft Learn,
"Get resource configuration changes". The values are kept as digests only: they may be secrets.
"""

from __future__ import annotations

import re
import sqlite3
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any

import orjson

from lockdown.drift.items import Attribution
from lockdown.drift.properties import Steps

ANY = ""
_SECONDS = len("2026-01-02T03:04:05")
_SCHEMA = """
CREATE TABLE changes (id TEXT, time TEXT, number INTEGER, resource TEXT, type TEXT, kind TEXT, who BLOB, paths BLOB,
  PRIMARY KEY (id, time, number)) WITHOUT ROWID
"""
_STEP = re.compile(r"\[[^\]]*\]|[^.\[]+")
_PLAIN_VALUE = re.compile(r"[Tt]rue|[Ff]alse|([A-Z][a-z]+){1,4}")
_PLAIN_LENGTH = 32
_NOBODY = frozenset({"", "unspecified", "unknown"})
_ATTRIBUTES = ("changedBy", "changedByType", "clientType", "operation", "correlationId")


@dataclass(frozen=True)
class PathChange:
    """One path of a change record; values as digests of their text without case.

    Attributes:
        plain: the new value, if it is a truth value or reads like the word of an enumeration; else empty.
    """

    path: str
    previous: str
    new: str
    plain: str


@dataclass(frozen=True)
class Change:
    """One change record. ``kind`` is ``Create``, ``Update`` or ``Delete``; ``time`` as ``utc`` writes it."""

    time: str
    resource: str
    type: str
    kind: str
    who: tuple[str, ...]
    paths: tuple[PathChange, ...]

    def attribution(self, match: str) -> Attribution:
        """Return whom the record names."""
        name, kind, client, operation, correlation = self.who
        when = f"{self.time[:_SECONDS]}Z"
        if name.lower() in _NOBODY:
            unknown = "Azure's change record does not name who."
            return Attribution("", "", when, client, operation, correlation, match, unknown)
        return Attribution(name, kind, when, client, operation, correlation, match)


@dataclass(frozen=True)
class Trail:
    """The change records of the time between the two runs, by lower-case resource id.

    Attributes:
        silence: what to say where there is no record.
    """

    database: sqlite3.Connection
    silence: str

    def of(self, resource: str) -> tuple[Change, ...]:
        """Return the records of a resource, oldest first."""
        found = self.database.execute(
            "SELECT time, resource, type, kind, who, paths FROM changes WHERE id = ? ORDER BY time, number",
            (resource.lower(),),
        )
        return tuple(
            Change(
                time,
                target,
                kind,
                change,
                tuple(map(sys.intern, orjson.loads(who))),
                tuple(PathChange(*p) for p in orjson.loads(paths)),
            )
            for time, target, kind, change, who, paths in found
        )

    def resources(self) -> Iterator[str]:
        """Yield the lower-case id of every resource that has a record, in order."""
        for (resource,) in self.database.execute("SELECT DISTINCT id FROM changes ORDER BY id"):
            yield resource

    def who_made(self, resource: str, kind: str) -> Attribution:
        """Return who created (``Create``) or deleted (``Delete``) a resource."""
        found = [change for change in self.of(resource) if change.kind == kind]
        return found[-1].attribution("resource") if found else Attribution(unknown=self.silence)

    def who_touched(self, resource: str) -> Attribution:
        """Return who changed a resource last, whatever it was that changed."""
        found = self.of(resource)
        return found[-1].attribution("resource") if found else Attribution(unknown=self.silence)

    def who_changed(self, resource: str, steps: Steps) -> Attribution:
        """Return who changed a property: by the record with the longest path in common, of those the latest."""
        best, length = None, 0
        for change in self.of(resource):
            common = max((overlap(steps, parsed(path.path)) for path in change.paths), default=0)
            if common and common >= length:
                best, length = change, common
        return best.attribution("property") if best else self.who_touched(resource)


def load(database: sqlite3.Connection, records: Iterable[Mapping[str, object]], since: str, until: str) -> int:
    """Keep the records of the time from ``since`` to ``until``; return how many records could not be read.

    Runs give their times in whole seconds, records in fractions: both seconds count whole.
    """
    database.execute(_SCHEMA)
    unread = 0
    for number, row in enumerate(records):
        try:
            entry = _entry(row, number)
            if since[:_SECONDS] <= str(entry[1])[:_SECONDS] <= until[:_SECONDS]:
                database.execute("INSERT INTO changes VALUES (?, ?, ?, ?, ?, ?, ?, ?)", entry)
        except (KeyError, TypeError, ValueError, AttributeError):
            unread += 1
    return unread


def utc(text: str) -> str:
    """Return an ISO 8601 time as ``2026-01-02T03:04:05.000000Z``, so that times sort as texts.

    Raises:
        ValueError: it is none.
    """
    time = datetime.fromisoformat(text)
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def parsed(path: str) -> tuple[str, ...]:
    """Return the steps of a record's path, lower-case; a step into an array or in brackets is ``ANY``."""
    return tuple(ANY if step.startswith("[") or step.isdecimal() else step.lower() for step in _STEP.findall(path))


def overlap(steps: Steps, recorded: tuple[str, ...]) -> int:
    """Return how many steps two paths share if one contains the other, else 0."""
    ours = tuple(step.lower() if isinstance(step, str) else ANY for step in steps)
    shared = min(len(ours), len(recorded))
    alike = all(ANY in (a, b) or a == b for a, b in zip(ours, recorded, strict=False))
    return shared if alike else 0


def fingerprint(value: object) -> str:
    """Return a digest of a value's text, without case. Records write values as text, such as ``null`` and ``True``."""
    text = value if isinstance(value, str) else orjson.dumps(value, default=str).decode()
    return blake2b(text.lower().encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def _entry(row: Mapping[str, Any], number: int) -> tuple[object, ...]:
    properties = row["properties"]
    attributes = properties["changeAttributes"]
    kind = properties["changeType"]
    if kind not in {"Create", "Update", "Delete"}:
        raise ValueError(kind)
    resource = properties["targetResourceId"]
    paths = [
        (
            path,
            fingerprint(values.get("previousValue")),
            fingerprint(values.get("newValue")),
            _plain(values.get("newValue")),
        )
        for path, values in (properties.get("changes") or {}).items()
    ]
    return (
        resource.lower(),
        utc(attributes["timestamp"]),
        number,
        resource,
        str(properties.get("targetResourceType") or "").lower(),
        kind,
        orjson.dumps([str(attributes.get(name) or "") for name in _ATTRIBUTES]),
        orjson.dumps(paths),
    )


def _plain(value: object) -> str:
    text = str(value) if isinstance(value, bool) else value
    return text if isinstance(text, str) and len(text) <= _PLAIN_LENGTH and _PLAIN_VALUE.fullmatch(text) else ""

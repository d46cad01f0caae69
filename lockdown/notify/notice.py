"""What there is to tell of a run, before anybody decides how: counts, and what drifted, by resource, worst first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson

from lockdown import record
from lockdown.errors import UsageError
from lockdown.model import Severity
from lockdown.record import Record
from lockdown.report import drift_view, words
from lockdown.report.drift_view import Turn

DRIFT = "results/drift.json"
_RANKS = {severity.value: severity.rank for severity in Severity}
_STATES = {"late", "tooSoon"}
Item = Mapping[str, Any]


@dataclass(frozen=True)
class Finding:
    """One resource and all that drifted of it.

    Attributes:
        fingerprint: the same every night, whatever the baseline: by it an issue is found again.
        resource: its id; of what belongs to no resource, a word such as ``policies``.
        severity: the worst of its turns.
        fails: policies that it fails since the baseline, worst first.
    """

    fingerprint: str
    resource: str
    severity: str
    turns: tuple[Turn, ...]
    fails: tuple[str, ...] = ()


@dataclass(frozen=True)
class Compared:
    """The drift of a run.

    Attributes:
        complete: False if something could not be read, so that nobody knows whether more drifted.
    """

    baseline: str
    baseline_at: str
    complete: bool
    counts: Mapping[str, int]
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class Notice:
    """A run, as far as somebody must hear of it.

    Attributes:
        drift: None if the run was not compared with a baseline.
    """

    record: Record
    drift: Compared | None

    @property
    def run(self) -> Mapping[str, Any]:
        """The run object of the record."""
        return self.record.run

    @property
    def complete(self) -> bool:
        """Whether everything was read, judged and compared."""
        return words.complete(self.run) and (self.drift is None or self.drift.complete)

    @property
    def headline(self) -> str:
        """One sentence or more, of counts alone."""
        told = [f"{words.OUTCOME[self.run['outcome']]}."]
        if self.drift is not None:
            number = len(self.drift.findings)
            severities = Counter(found.severity for found in self.drift.findings)
            by = ", ".join(f"{severities[name]:,} {name}" for name in (*_RANKS, "informational") if severities[name])
            told.append(f"Drift of {words.number(number, 'resource')}: {by}." if number else "No drift.")
        failures = {name: count for name, count in self.run["failures"].items() if count}
        if failures:
            told.append(f"Failures: {', '.join(f'{count:,} {name}' for name, count in _worst_first(failures))}.")
        if not self.complete:
            told.append("Not everything could be read, judged or compared.")
        if self.run["source"] != "live":
            told.append(f"Made from {words.SOURCE[self.run['source']]}.")
        return " ".join(told)


def read(run: Path) -> Notice:
    """Return what there is to tell of the run in a directory.

    Raises:
        UsageError: it is no run, or its drift is not as lockdown writes it.
    """
    found = record.read(run / "results/results.json")
    path = run / DRIFT
    if not path.is_file():
        return Notice(found, None)
    try:
        document = orjson.loads(path.read_bytes())
        return Notice(found, _compared(document))
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise UsageError(f"{path} is not the drift of a run.", "Name a directory that lockdown drift wrote.") from error


def rank(severity: str) -> int:
    """Return how bad a severity is: 0 is the worst, whatever is not known comes last."""
    return _RANKS.get(severity, len(_RANKS))


def fingerprint(*parts: str) -> str:
    """Return what stands for something every night: sixteen hexadecimal digits."""
    return sha256("\0".join(("drift", *(part.lower() for part in parts))).encode()).hexdigest()[:16]


def _compared(document: Item) -> Compared:
    baseline = document["baseline"]
    findings = () if document["empty"] else tuple(_findings(document))
    return Compared(
        baseline["runId"], baseline["evaluatedAt"], bool(document["complete"]), dict(document["counts"]), findings
    )


def _findings(document: Item) -> list[Finding]:
    turns: dict[str, tuple[str, list[Turn]]] = {}
    for one in drift_view.drifted(document):
        turns[one.resource.lower()] = (one.resource, list(one.turns))
    for resource, turn in _others(document):
        turns.setdefault(resource.lower(), (resource, []))[1].append(turn)
    fails = _fails(document)
    found = [
        Finding(
            fingerprint(resource),
            resource,
            min((turn.severity for turn in told), key=rank),
            tuple(sorted(told, key=lambda turn: rank(turn.severity))),
            tuple(fails.get(resource.lower(), ())),
        )
        for resource, told in turns.values()
    ]
    return sorted(found, key=lambda one: (rank(one.severity), one.resource.lower()))


def _others(document: Item) -> Iterator[tuple[str, Turn]]:
    """Yield what counts as drift and is not about what a snapshot shows of a resource."""
    for item in document["policies"]:
        what = f"policy {item['policy']}"
        yield "policies", Turn(item["id"], "informational", what, "", item["kind"], "", "", None)
    for item in document.get("lapsed", ()):
        yield (
            "acceptances",
            Turn(item["id"], item["severity"], item["what"], "accepted", "no longer there", "", "", None),
        )
    for item in document.get("temporary", ()):
        if item["state"] in _STATES:
            what = f"temporary access{' to ' + item['policy'] if item['policy'] else ''}"
            known = fingerprint("temporary", item["resource"], item["policy"] or "", item["from"], item["until"])
            note = f"{item['reason']} ({item['owner']})"
            state = words.temporary(item["state"])
            yield item["resource"], Turn(known, item["severity"], what, f"until {item['until']}", state, "", note, None)
    for item in document.get("blueprint", ()):
        known = fingerprint("blueprint", item["key"])
        yield (
            item["resource"] or item["key"],
            Turn(
                known,
                item["severity"],
                f"{item['key']}, by the environment file",
                "",
                item["kind"],
                "",
                item["why"],
                None,
            ),
        )


def _fails(document: Item) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for item in sorted(document["verdicts"], key=lambda item: rank(item["severity"])):
        if item["after"] == "fail" and not item["waiver"]:
            policies = found.setdefault(item["resource"].lower(), [])
            if item["policy"] not in policies:
                policies.append(item["policy"])
    return found


def _worst_first(failures: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(failures.items(), key=lambda pair: rank(pair[0]))

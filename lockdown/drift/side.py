"""One of the two runs that are compared: its record, its snapshot, and what its policies asked for."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from pathlib import Path

from lockdown import record, yamlfile
from lockdown.drift import rows
from lockdown.drift.items import RunReference
from lockdown.drift.noise import FILE
from lockdown.errors import UsageError
from lockdown.record import Record
from lockdown.strict import canonical

_GENERIC = frozenset({"id", "name", "properties", "type", "value"})
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NEXT_STEP = "Name a directory that lockdown audit wrote, of this or an earlier version."


@dataclass(frozen=True)
class PolicyText:
    """A policy as a run carries it.

    Attributes:
        digest: SHA-256 over the digests of its files.
        rule: SHA-256 over those that decide verdicts, policy.yaml and query.kql.
        query: the KQL.
        reads: table to lower-case ARM types; an empty tuple means every row of that table.
    """

    digest: str
    rule: str
    query: str
    reads: Mapping[str, tuple[str, ...]]

    @cached_property
    def words(self) -> frozenset[str]:
        """Every name in the query, lower-case."""
        return frozenset(word.lower() for word in _WORD.findall(self.query))

    def asks_about(self, names: Sequence[str]) -> bool:
        """Tell whether the query names a property: the last name of its path that says something by itself."""
        telling = [name.lower() for name in names if name.lower() not in _GENERIC]
        return bool(telling) and telling[-1] in self.words


@dataclass(frozen=True)
class Side:
    """A run.

    Attributes:
        record: its results.json.
        snapshot: the directory that holds ``<table>.jsonl``, one canonical row a line.
        policies: its policies by id; empty if they are not at hand, and then nothing is said of them.
        boundary: the bytes of its boundary.json; empty if not at hand.
        noise: the bytes of its drift-noise.yaml; empty if not at hand.
    """

    record: Record
    snapshot: Path
    policies: Mapping[str, PolicyText] = field(default_factory=dict)
    boundary: bytes = b""
    noise: bytes = b""

    @property
    def reference(self) -> RunReference:
        """What identifies the run."""
        run = self.record.run
        return RunReference(run["runId"], run["evaluatedAt"], run["outcome"], run["policySet"]["digest"])

    @cached_property
    def subscriptions(self) -> frozenset[str]:
        """The subscriptions that the run covers, lower-case."""
        return frozenset(str(item["id"]).lower() for item in self.record.run["scope"]["subscriptions"])

    @cached_property
    def unreadable(self) -> Mapping[str, Mapping[str, str]]:
        """What the run could not read: kind, then lower-case name, then the reason."""
        found: dict[str, dict[str, str]] = {}
        for item in self.record.run["unreadable"]:
            found.setdefault(str(item["what"]), {})[str(item["name"]).lower()] = str(item["reason"])
        return found

    @cached_property
    def engines(self) -> Mapping[str, str]:
        """Who judged by each policy."""
        return {str(policy["id"]): str(policy.get("engine", "")) for policy in self.record.policies}

    @property
    def by_azure(self) -> frozenset[str]:
        """The policies that Azure judged by: what they alone read was not copied."""
        return frozenset(policy for policy, engine in self.engines.items() if engine == "resource-graph")

    @cached_property
    def reads(self) -> Mapping[str, frozenset[str]]:
        """The ARM types that were copied for the policies, by table; an empty set means all of them."""
        found: dict[str, frozenset[str]] = {}
        for policy in (text for name, text in self.policies.items() if name not in self.by_azure):
            for table, types in policy.reads.items():
                known = found.get(table)
                whole = not types or known == frozenset()
                found[table] = frozenset() if whole else frozenset(types) | (known or frozenset())
        return found

    def holds(self, ids: frozenset[str] | set[str]) -> frozenset[str]:
        """Return which of some lower-case resource ids are in the snapshot."""
        return rows.present(self.snapshot, frozenset(ids)) if ids else frozenset()


def read_side(directory: Path) -> Side:
    """Open a run directory. The caller has verified it.

    Raises:
        UsageError: it is not the directory of a run, or not one that this version understands.
    """
    opened = record.read(directory / "results" / "results.json")
    snapshot = directory / "inputs" / "snapshot"
    if not snapshot.is_dir():
        raise UsageError(f"{directory} holds no inputs/snapshot, so its resources cannot be compared.", _NEXT_STEP)
    policies = {
        folder.name: _policy(folder) for folder in sorted((directory / "policies").glob("*/*")) if folder.is_dir()
    }
    boundary, noise = (
        path.read_bytes() if path.is_file() else b""
        for path in (directory / "inputs" / "boundary.json", directory / "policies" / FILE)
    )
    return Side(opened, snapshot, policies, boundary, noise)


def check_comparable(baseline: Side, current: Side) -> None:
    """Make sure that the two runs are about the same environment.

    Raises:
        UsageError: a record lacks what every record has, or the scopes do not overlap.
    """
    for name, side in (("baseline", baseline), ("current run", current)):
        try:
            _ = side.reference, side.subscriptions, side.unreadable, side.record.run["source"]
        except (KeyError, TypeError) as error:
            raise UsageError(f"The {name} {side.record.path} lacks {error} in its run object.", _NEXT_STEP) from error
    ours, theirs = (str(side.record.run.get("tenant", "")).lower() for side in (baseline, current))
    if ours and theirs and ours != theirs:
        raise UsageError(
            f"The baseline is of tenant {ours}, the current run of tenant {theirs}.",
            "Compare with a baseline of the same tenant.",
        )
    asked = tuple(side.subscriptions | side.unreadable.get("subscription", {}).keys() for side in (baseline, current))
    if all(asked) and not asked[0] & asked[1]:
        raise UsageError(
            "The baseline and the current run have no subscription in common. "
            f"Baseline: {_listed(asked[0])}. Current run: {_listed(asked[1])}.",
            "Compare with a baseline of the same scope, or audit the scope of the baseline.",
        )


def _policy(folder: Path) -> PolicyText:
    try:
        digests = {file.name: sha256(file.read_bytes()).hexdigest() for file in folder.iterdir()}
        query = (folder / "query.kql").read_text(encoding="utf-8")
        written, _ = yamlfile.parse(f"{folder.name}/policy.yaml", (folder / "policy.yaml").read_bytes())
        reads = {str(table): tuple(str(t).lower() for t in types) for table, types in written["reads"].items()}
    except (OSError, UnicodeDecodeError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{folder} is not the folder of a policy: {error}.", _NEXT_STEP) from error
    rule = {name: digest for name, digest in digests.items() if name in {"policy.yaml", "query.kql"}}
    return PolicyText(sha256(canonical(digests)).hexdigest(), sha256(canonical(rule)).hexdigest(), query, reads)


def _listed(subscriptions: frozenset[str]) -> str:
    shown = sorted(subscriptions)[:5]
    rest = len(subscriptions) - len(shown)
    return ", ".join(shown) + (f" and {rest} more" if rest else "")

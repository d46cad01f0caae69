"""Accepting drift: how a new baseline is made.

If everything that a run found was accepted, the new baseline is that run; else it remains the run that it was, and what
was accepted stands apart from then on.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from shutil import copyfileobj
from typing import TYPE_CHECKING, Any

from lockdown import __version__, record, strict
from lockdown.drift import accepted as drift
from lockdown.drift.accepted import Acceptances
from lockdown.drift.encode import item_id
from lockdown.errors import TamperedError, UntrustedError, UsageError
from lockdown.evidence import dsse, earlier, keys, seal, timestamp
from lockdown.evidence.earlier import Earlier
from lockdown.evidence.files import BY_HAND, DRIFT, SEAL_FOLDER, SUMS, Files, write_whole
from lockdown.evidence.predicate import Tool
from lockdown.evidence.times import stamp
from lockdown.history import log, records
from lockdown.history.acceptance import FILE, KIND, Acceptance, Item, read_lines
from lockdown.history.baseline import acceptances
from lockdown.history.store import open_store

if TYPE_CHECKING:
    from lockdown.evidence.keys import Signer
    from lockdown.evidence.timestamp import Stamper

ALL = "all"
_REMADE = frozenset({SUMS, BY_HAND, FILE})
_MAX_DRIFT = 512 * 1024 * 1024


@dataclass(frozen=True)
class Made:
    """A new baseline.

    Attributes:
        digest: SHA-256 of the payload of the acceptance, which identifies it.
        replaced: whether the run itself is the baseline now.
        doubts: what was not proven of the two runs.
    """

    acceptance: Acceptance
    digest: str
    replaced: bool
    doubts: tuple[str, ...] = ()

    def plain(self) -> dict[str, Any]:
        """Return the acceptance as JSON values."""
        return self.acceptance.model_dump(mode="json", by_alias=True)


@dataclass(frozen=True)
class Asked:
    """What is to be accepted.

    Attributes:
        baseline: what the run was compared with, a directory or a bundle.
        run: a run of ``lockdown drift``, likewise.
        ids: of items of its drift, or ``all``.
        reason: why, for whoever reads the acceptance.
        trust: the file of the trust root that must vouch for both, and let the key accept.
        fingerprint: what that must have.
        state: where the newest trust root that was seen is remembered.
    """

    baseline: Path
    run: Path
    ids: tuple[str, ...]
    reason: str
    trust: Path | None = None
    fingerprint: str | None = None
    state: Path | None = None


@dataclass(frozen=True)
class Where:
    """Where acceptances are recorded.

    Attributes:
        store: URL of the evidence store; None records them in the baseline alone.
    """

    store: str | None = None
    retention_days: int | None = None
    cloud: str | None = None
    authority: str | None = None


def make(asked: Asked, work: Path, key: str, tsa: str | None, where: Where) -> Made:
    """Verify a baseline and a run, and write the baseline in which drift is accepted into the empty folder ``work``.

    Raises:
        UsageError: an id is not one of this drift, or the run was compared with another baseline.
        TamperedError: one of the two is not what was sealed.
        UntrustedError: nobody who is trusted signed one of them, or the key may not accept drift.
        ToolError: the key, the time-stamping authority or the store does not answer.
    """
    signer = keys.load_signer(key, cloud=where.cloud, authority=where.authority)
    stamper = timestamp.authority(tsa) if tsa else None
    with (
        earlier.earlier(asked.baseline, "baseline", asked.trust, asked.fingerprint, asked.state) as baseline,
        earlier.earlier(asked.run, "run", asked.trust, asked.fingerprint, asked.state) as run,
    ):
        made = accept(baseline, run, asked.ids, asked.reason, work, signer, stamper)
        if where.store is not None:
            _enter(made, (run if made.replaced else baseline).directory, where, signer)
        return replace(made, doubts=tuple(filter(None, (baseline.doubts, run.doubts))))


def _enter(made: Made, directory: Path, where: Where, signer: Signer) -> None:
    """Put an acceptance at the end of the history."""
    about = record.read(directory / "results/results.json").run
    requested = about["scope"]["requested"]
    scope = records.covered(
        str(about["cloud"]["name"]), tuple(requested["subscriptions"]), tuple(requested["managementGroups"])
    )
    store = open_store(str(where.store), cloud=where.cloud, authority=where.authority)
    log.begin(store, where.retention_days or records.RETENTION_DAYS)

    def entry(head: log.Head) -> records.Accepted:
        return records.Accepted(
            record="accepted",
            sequence=head.sequence + 1,
            previous=head.digest,
            run_id=str(about["runId"]),
            scope=scope,
            at=made.acceptance.at,
            tool=made.acceptance.tool,
            acceptance=made.digest,
            run_payload=made.acceptance.becomes,
            reason=made.acceptance.reason,
        )

    log.append(store, entry, signer)


def accept(
    baseline: Earlier,
    run: Earlier,
    ids: Collection[str],
    reason: str,
    work: Path,
    signer: Signer,
    stamper: Stamper | None = None,
) -> Made:
    """Write the baseline in which drift of ``run`` from ``baseline`` is accepted into the empty folder ``work``.

    Args:
        baseline: what the run was compared with.
        run: a run of ``lockdown drift``.
        ids: of the items of its drift, or ``all``.
        reason: why, for whoever reads the acceptance.
        work: where to.
        signer: who accepts.
        stamper: dates the seal, if the run that becomes the baseline is dated.

    Raises:
        UsageError: an id is not one of this drift, or the run was compared with another baseline.
        UntrustedError: one of the two is not signed, or with a trust root, the signer may not accept drift.
        TamperedError: the drift says something else than its ids.
    """
    if baseline.payload is None or run.payload is None:
        raise UntrustedError("Only a signed run can be a baseline or have its drift accepted.", "Sign both (--key).")
    before = read_lines(baseline.files)
    document = _drift(run, baseline, acceptances(baseline))
    there = {_checked_id(section, item): (section, item) for section, item in drift.items(document)}
    chosen = list(there) if ALL in ids else list(dict.fromkeys(ids))
    if unknown := [item_id for item_id in chosen if item_id not in there]:
        raise UsageError(
            f"The drift of this run has no item {unknown[0]!a}.", "results/drift.json has the id of each; or give all."
        )
    if not chosen:
        raise UsageError("This run found no drift, so there is nothing to accept.")
    # What is open for a time is not to be approved for good, only because all else was.
    passing = any(entry["items"] for entry in document.get("temporary", ()))
    replaced = len(chosen) == len(there) and bool(document["complete"]) and not passing
    made = Acceptance(
        sequence=len(before) + 1,
        previous=before[-1].digest if before else baseline.payload,
        baseline=baseline.payload,
        run=run.payload,
        becomes=run.payload if replaced else baseline.payload,
        accepted=tuple(_item(*there[item_id]) for item_id in chosen if there[item_id][0] != "lapsed"),
        withdrawn=tuple(item_id for item_id in chosen if there[item_id][0] == "lapsed"),
        reason=reason.strip(),
        at=stamp(datetime.now(UTC)),
        tool=Tool(name="lockdown", version=__version__),
    )
    line = KIND.read(dsse.wrap(KIND.payload(made), signer), name=FILE)
    if baseline.root is not None:
        baseline.root.check_acceptance(line.envelope, name="the acceptance", now=datetime.now(UTC))
    _copied((run if replaced else baseline).files, work)
    write_whole(work / FILE, b"".join(each.data for each in (*before, line)))
    seal.seal(work, signer, stamper)
    return Made(made, line.digest, replaced)


def _drift(run: Earlier, baseline: Earlier, held: Acceptances) -> Mapping[str, Any]:
    if DRIFT not in frozenset(run.files.names()):
        raise UsageError("The run was not compared with a baseline.", "Name a run that lockdown drift made.")
    with run.files.open(DRIFT) as file:
        document = strict.loads(file.read(_MAX_DRIFT + 1), name=DRIFT, max_bytes=_MAX_DRIFT)
    compared = (document.get("baselineSha256"), document.get("acceptances"))
    if compared != (baseline.payload, held.head):
        raise UsageError(
            "The run was compared with another baseline, or before something else was accepted.",
            "Run lockdown drift with this baseline, and accept what it finds.",
        )
    return dict(document)


def _checked_id(section: str, item: Mapping[str, Any]) -> str:
    # Whoever accepts reads what an item says and names its id: the one must be the other's.
    found = str(item["id"])
    if section != "lapsed" and item_id(section, item) != found:
        raise TamperedError(f"{DRIFT} has an item whose id {found!a} is not that of what it says.")
    return found


def _item(section: str, item: Mapping[str, Any]) -> Item:
    return Item.model_validate(
        {
            "id": item["id"],
            "section": section,
            "severity": drift.severity_of(item),
            "state": item.get("state", ""),
            "what": drift.in_words(section, item),
        }
    )


def _copied(files: Files, work: Path) -> None:
    for name in sorted(name for name in set(files.names()) - _REMADE if not name.startswith(SEAL_FOLDER)):
        path = work / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with files.open(name) as source, path.open("xb") as target:
            copyfileobj(source, target)

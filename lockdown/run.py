"""One audit, from scope to a finished run directory: what the commands, the provisioner and the demo call."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, nullcontext
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_bytes
from typing import TYPE_CHECKING, Any, Protocol
from uuid import uuid4

from lockdown import __version__, drift, record, topology
from lockdown.ahead import Ahead
from lockdown.audit import Evaluation, engine_for, evaluate, within
from lockdown.drift import blueprint, temporary
from lockdown.drift.accepted import NOTHING, Acceptances, apply
from lockdown.errors import UsageError
from lockdown.evidence import earlier, keys, opening, seal, timestamp
from lockdown.evidence.files import ACCEPTED, BUNDLE, RESULTS, RUN, SIGNED_FOLDERS
from lockdown.history import records as history
from lockdown.history import session
from lockdown.history.baseline import acceptances
from lockdown.history.store import open_store
from lockdown.model import Boundary, Cloud, Policy, Scope, Source, TemporaryAccess, Unread, Waiver
from lockdown.policy import frameworks, questions
from lockdown.policy import load as policy_load
from lockdown.policy.lint import RESOURCE_GRAPH, SNAPSHOT, misread
from lockdown.policy.load import PolicySet
from lockdown.report import formats, html, packed
from lockdown.snapshot import answers as answer_files
from lockdown.snapshot import engine as kql_engine
from lockdown.snapshot.answers import NOT_ASKED, Answers
from lockdown.snapshot.ingest import ingest
from lockdown.snapshot.redact import Redactor
from lockdown.snapshot.store import Snapshot, Writer, read_scope, write_scope
from lockdown.snapshot.translations import Translations, user_folder
from lockdown.strict import canonical
from lockdown.workplace import workplace

if TYPE_CHECKING:
    from lockdown.cloud.resource_graph import Graph
    from lockdown.drift.blueprint import Departure

RUNS = Path("lockdown-runs")
_SCOPE = "inputs/scope.json"


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
class _Seen:
    """What a run judges.

    Attributes:
        at: when Azure was asked to judge; None if it was not.
    """

    snapshot: Snapshot
    answers: Answers = NOT_ASKED
    at: datetime | None = None


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


def audit(wanted: Wanted, watch: Watch) -> Finished:
    """Make a run.

    Raises:
        UsageError: configuration or input is wrong; nothing was started.
        ToolError: no credential, unreachable cloud, disk full; nothing is left behind.
    """
    policies = policy_load.load(wanted.policies, alone=not wanted.shipped_too)
    if wanted.policies:
        _refuse_misread(policies)
    _refuse_unknown(wanted.temporary, policies)
    signer = keys.load_signer(wanted.key, cloud=wanted.cloud, authority=wanted.authority) if wanted.key else None
    stamper = _stamper(wanted)
    with ExitStack() as stack:
        stands_on = _earlier(wanted, stack, watch)
        return _made(wanted, watch, policies, signer, stamper, stands_on)


@dataclass(frozen=True)
class _StandsOn:
    """What a run stands on, verified.

    Attributes:
        snapshot: what to audit instead of Azure: a run directory, a file or a folder; None is Azure.
        baseline: what to compare with.
        payload: SHA-256 of the run statement of the baseline, if it is signed.
        accepted: what is accepted of the drift from it.
        doubts: what was not proven of them, in sentences for a person.
    """

    snapshot: Path | None
    baseline: drift.Side | None
    payload: str | None
    accepted: Acceptances
    doubts: tuple[str, ...]


def _earlier(wanted: Wanted, stack: ExitStack, watch: Watch) -> _StandsOn:
    doubts: list[str] = []
    trusting = wanted.trust, wanted.trust_fingerprint, wanted.trust_state

    def verified(path: Path, what: str, *below: str) -> earlier.Earlier:
        watch.stage(f"Verifying the {what}")
        found = stack.enter_context(earlier.earlier(path, what, *trusting, below=below))
        watch.stage(found.doubts or found.told)
        if found.doubts:
            doubts.append(found.doubts)
        return found

    snapshot, baseline, payload, accepted = wanted.snapshot, None, None, NOTHING
    if snapshot is not None and wanted.trust is None and _never_sealed(snapshot):
        doubts.append("The snapshot was never sealed: anybody can have made it.")
        watch.stage(doubts[-1])
    elif snapshot is not None and ((snapshot / _SCOPE).is_file() or opening.is_bundle(snapshot)):
        snapshot = verified(snapshot, "snapshot", "inputs/").directory
    elif wanted.trust is not None and wanted.baseline is None:
        raise UsageError(
            "Nothing here can be verified: --trust is about a run that is a baseline or a snapshot.",
            "Leave it out, or name a run or a bundle.",
        )
    if wanted.baseline is not None:
        approved = verified(wanted.baseline, "baseline", *SIGNED_FOLDERS, ACCEPTED)
        baseline, payload, accepted = drift.read_side(approved.directory), approved.payload, acceptances(approved)
    return _StandsOn(snapshot, baseline, payload, accepted, tuple(doubts))


def _never_sealed(snapshot: Path) -> bool:
    """Tell whether these are the inputs of a run alone: nothing was judged, nothing vouches for them."""
    return (snapshot / _SCOPE).is_file() and not any((snapshot / name).exists() for name in (RESULTS, BUNDLE, RUN))


def _made(
    wanted: Wanted,
    watch: Watch,
    policies: PolicySet,
    signer: keys.Signer | None,
    stamper: timestamp.Stamper | None,
    stands_on: _StandsOn,
) -> Finished:
    started, run_id = _now(), str(uuid4())
    entry = _entry(wanted, signer, run_id)
    out = wanted.out or RUNS / f"{started:%Y%m%dT%H%M%SZ}-{_label(wanted)}"
    with workplace(out) as work, session.entered(entry, wanted.retention_days):
        translations = Translations(user_folder())
        there = _judged_there(wanted, policies)
        here = replace(policies, policies=tuple(policy for policy in policies.policies if policy not in there))
        with Ahead(here.policies, here.reads(), within(wanted.boundary, wanted.scope.subscriptions), translations):
            seen = _see(wanted, here, there, work, watch, stands_on)
        snapshot, answers = seen.snapshot, seen.answers
        _write_inputs(work, wanted, snapshot, policies)
        watch.stage(f"Judging {len(policies.policies)} policies")
        evaluated = seen.at or _now()
        changed, document = None, None
        (work / "results").mkdir()
        with engine_for(snapshot, work, translations, answers) as engine:
            found = evaluate(policies.policies, snapshot, wanted.boundary, wanted.waivers, evaluated, engine, answers)
            run = _run_object(snapshot, policies, found, run_id, started, evaluated, stands_on.doubts)
            record.write(work / "results/results.json", run, found.policies(), found.results())
            (work / "results/topology.json").write_bytes(
                canonical(topology.to_json(topology.read(engine, evaluated))) + b"\n"
            )
        made = record.read(work / "results/results.json")
        if stands_on.baseline is not None:
            watch.stage("Comparing with the baseline")
            current = drift.read_side(work)
            changed = drift.compare(
                stands_on.baseline,
                current,
                _changes(snapshot),
                changes_unreadable=_unreadable(snapshot),
                warnings=stands_on.doubts,
            )
            document = apply(drift.to_json(changed), stands_on.accepted, stands_on.payload)
            document = temporary.apply(document, wanted.temporary, stands_on.baseline, current, evaluated)
            if wanted.departures is not None:
                watch.stage("Comparing with the environment file")
                document = blueprint.apply(document, wanted.departures(), current)
            (work / "results/drift.json").write_bytes(canonical(document) + b"\n")
        watch.stage("Writing the report")
        for name, why in formats.write(made, work / "results", wanted.formats).items():
            watch.stage(f"No {name} was written: {why}")
        if entry is not None:
            entry.write_chain(work)  # the report tells the last nights by it
        envelope = seal.sign_run(work, signer, stamper) if signer else None
        (work / "report").mkdir()
        page = html.render(
            made,
            envelope=envelope,
            key_id=signer.key_id if signer else None,
            public_key=packed.PublicKey(signer.public_pem, signer.algorithm) if signer else None,
        )
        (work / "report/report.html").write_bytes(page)
        drawn = html.environment_map(made, alone=True)
        if drawn:
            (work / "report/map.svg").write_text(f"{drawn}\n", encoding="utf-8")
        seal.seal(work, signer, stamper)
        if entry is not None:
            watch.stage("Storing the evidence")
            entry.finish(work, made)
    return Finished(out, record.read(out / "results/results.json"), changed, document)


def _stamper(wanted: Wanted) -> timestamp.Stamper | None:
    if wanted.tsa is None:
        return None
    if wanted.key is None:
        raise UsageError("A timestamp is of a signature, and nothing is to be signed.", "Give --key too, or no --tsa.")
    stamper = timestamp.authority(wanted.tsa)
    stamper(token_bytes(32))  # a wrong address is to be found before an hour of reading, not after
    return stamper


def _entry(wanted: Wanted, signer: keys.Signer | None, run_id: str) -> session.Entry | None:
    """Return the run's entry in the history, not yet made, where a store is configured."""
    if wanted.store is None:
        return None
    if signer is None:
        raise UsageError(
            "An evidence store takes signed runs only, and no key is given.", "Give --key, or signing.key."
        )
    store = open_store(wanted.store, cloud=wanted.cloud, authority=wanted.authority)
    cloud = "file" if wanted.snapshot is not None else wanted.cloud or "AzureCloud"
    covered = history.covered(cloud, wanted.scope.subscriptions, wanted.scope.management_groups)
    return session.Entry(store, signer, run_id, covered)


def _refuse_misread(policies: PolicySet) -> None:
    found = [finding for policy in policies.policies for finding in misread(policy)]
    if found:
        raise UsageError(
            "\n".join(f"{policies.shown(f.file)}, line {f.line}: {f.message}." for f in found),
            "List the types under reads in policy.yaml: what is not collected would be taken for absent.",
        )


def _refuse_unknown(announced: tuple[TemporaryAccess, ...], policies: PolicySet) -> None:
    known = {policy.id for policy in policies.policies}
    for entry in announced:
        if entry.policy is not None and entry.policy not in known:
            raise UsageError(
                f"temporaryAccess names the policy {entry.policy!a}, and there is none of this name.",
                "lockdown policies list has them.",
            )


def _judged_there(wanted: Wanted, policies: PolicySet) -> tuple[Policy, ...]:
    """Return the policies that Azure judges itself."""
    if wanted.snapshot is not None or wanted.engine != RESOURCE_GRAPH:
        return ()
    from lockdown.cloud import collect  # noqa: PLC0415 - an offline run imports nothing of Azure

    return questions.judged_there(policies, whole=len(list(collect.parts(wanted.scope))) == 1)


def _see(
    wanted: Wanted,
    policies: PolicySet,
    there: tuple[Policy, ...],
    work: Path,
    watch: Watch,
    stands_on: _StandsOn,
) -> _Seen:
    """Read what ``policies`` need, and let Azure judge by those that are ``there``."""
    redactor = Redactor(policies.redaction.paths, policies.redaction.marks)
    if stands_on.snapshot is not None:
        return _see_file(wanted, stands_on.snapshot, work, watch, redactor)
    # An offline run imports nothing of Azure.
    from lockdown.cloud import collect, endpoints, request_log  # noqa: PLC0415
    from lockdown.cloud.judge import Judge  # noqa: PLC0415

    cloud = endpoints.resolve(wanted.cloud, wanted.authority)
    watch.stage(f"Reading {cloud.resource_manager}")
    since = datetime.fromisoformat(stands_on.baseline.record.run["startedAt"]) if stands_on.baseline else None
    at = _now()
    with answer_files.Writer(work / "inputs/answers", redactor) if there else nullcontext() as writer:

        def ask(graph: Graph, visible: Mapping[str, str]) -> None:
            if writer is not None:
                bounded = within(wanted.boundary, visible)
                batches = questions.batches(questions.question(policy, bounded, at) for policy in there)
                Judge(graph, wanted.scope, frozenset(visible), questions.text, writer, watch.rows).ask(batches)

        snapshot, log = collect.collect(
            cloud,
            wanted.scope,
            policies.reads(),
            work / "inputs/snapshot",
            redactor,
            watch.rows,
            arm_reads=policies.arm_reads(),
            changes_since=since,
            ask=ask,
        )
    request_log.write(work / "inputs/requests.jsonl", log)
    if writer is None:
        return _Seen(snapshot)
    return _Seen(replace(snapshot, redactions=snapshot.redactions + writer.redactions), writer.answers, at)


def _see_file(wanted: Wanted, file: Path, work: Path, watch: Watch, redactor: Redactor) -> _Seen:
    directory = work / "inputs/snapshot"
    watch.stage(f"Reading {file}")
    (work / "inputs/requests.jsonl").parent.mkdir(parents=True, exist_ok=True)
    (work / "inputs/requests.jsonl").write_bytes(b"")
    earlier = file / _SCOPE
    if earlier.is_file():
        seen = read_scope(earlier, file / "inputs/snapshot")
        shutil.copytree(seen.directory, directory)
        unread = _with_absent(wanted, seen.subscriptions, seen.unread)
        answers = answer_files.read(file / "inputs/answers")
        return _Seen(
            replace(seen, directory=directory, source=Source.FILE, unread=unread),
            answers.copied(work / "inputs/answers"),
        )
    with Writer(directory, redactor) as writer:
        known = ingest(file, writer)
    snapshot = Snapshot(
        directory=directory,
        source=Source.FILE,
        cloud=Cloud("file", "", "", ""),
        tenant="",
        identity="",
        requested=wanted.scope,
        subscriptions=known.subscriptions,
        tables=writer.tables,
        types=known.types,
        unread=_with_absent(wanted, known.subscriptions, known.unread),
        derived=known.derived,
        redactions=writer.redactions,
    )
    return _Seen(snapshot)


def _with_absent(wanted: Wanted, held: Mapping[str, str], unread: tuple[Unread, ...]) -> tuple[Unread, ...]:
    """Add to ``unread`` what was asked for and a snapshot does not hold."""
    told = {(item.what, item.name) for item in unread}
    absent = [("subscription", name) for name in wanted.scope.subscriptions if name not in held]
    return *unread, *(
        Unread(what, name, "The snapshot does not hold it.") for what, name in absent if (what, name) not in told
    )


def _write_inputs(work: Path, wanted: Wanted, snapshot: Snapshot, policies: PolicySet) -> None:
    write_scope(work / _SCOPE, snapshot)
    (work / "inputs/boundary.json").write_bytes(canonical(asdict(wanted.boundary)) + b"\n")
    waivers = [{**asdict(w), "expires": w.expires.isoformat()} for w in wanted.waivers]
    (work / "inputs/waivers.json").write_bytes(canonical(waivers) + b"\n")
    if wanted.temporary:
        announced = [{**asdict(t), "begins": _text(t.begins), "ends": _text(t.ends)} for t in wanted.temporary]
        (work / "inputs/temporary.json").write_bytes(canonical(announced) + b"\n")
    for name, data in policies.files.items():
        path = work / "policies" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def _run_object(
    snapshot: Snapshot,
    policies: PolicySet,
    found: Evaluation,
    run_id: str,
    started: datetime,
    evaluated: datetime,
    doubts: tuple[str, ...],
) -> dict[str, Any]:
    judged = {kind for policy in policies.policies for kind in policy.applies_to}
    warnings = [*found.warnings, *doubts]
    if snapshot.derived:
        warnings.append("The snapshot listed no subscriptions: they were taken from the ids of its resources.")
    return {
        "runId": run_id,
        "tool": {"name": "lockdown", "version": __version__},
        "startedAt": _text(started),
        "finishedAt": _text(_now()),
        "evaluatedAt": _text(evaluated),
        "source": snapshot.source.value,
        "cloud": {
            "name": snapshot.cloud.name,
            "resourceManager": snapshot.cloud.resource_manager,
            "authority": snapshot.cloud.authority,
        },
        "tenant": snapshot.tenant,
        "identity": snapshot.identity,
        "scope": {
            "subscriptions": [{"id": i, "name": n} for i, n in sorted(snapshot.subscriptions.items())],
            "requested": {
                "subscriptions": list(snapshot.requested.subscriptions),
                "managementGroups": list(snapshot.requested.management_groups),
            },
        },
        "complete": not snapshot.unread,
        "unreadable": [asdict(unread) for unread in snapshot.unread],
        "outcome": found.outcome.value,
        "counts": {str(name): count for name, count in found.counts.items()},
        "failures": {severity.value: count for severity, count in sorted(found.failures.items())},
        "policySet": {"digest": policies.digest, "count": len(policies.policies)},
        "frameworks": frameworks.as_recorded(policies.frameworks),
        "resources": {
            "total": sum(snapshot.types.values()),
            "byType": dict(sorted(snapshot.types.items())),
            "unjudged": sorted(set(snapshot.types) - judged),
        },
        "engine": {"name": kql_engine.NAME, "version": kql_engine.VERSION},
        "redactions": snapshot.redactions,
        "warnings": warnings,
    }


def _unreadable(snapshot: Snapshot) -> str:
    table = snapshot.tables.get("resourcechanges")
    if table is None:
        return "The snapshot holds no change records."
    return "" if table.complete else "Azure did not give all change records."


def _changes(snapshot: Snapshot) -> Iterator[Mapping[str, Any]]:
    if "resourcechanges" in snapshot.tables:
        with snapshot.path("resourcechanges").open("rb") as file:
            for line in file:
                yield json.loads(line)


def _label(wanted: Wanted) -> str:
    if wanted.snapshot is not None:
        return "snapshot"
    if len(wanted.scope.subscriptions) == 1:
        return wanted.scope.subscriptions[0][:8]
    return f"{len(wanted.scope.subscriptions)}-subscriptions" if wanted.scope.subscriptions else "all"


def _now() -> datetime:
    return datetime.now(UTC)


def _text(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"

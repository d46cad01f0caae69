"""Making a run: verify what it stands on, see, judge, compare, report, seal."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from secrets import token_bytes
from uuid import uuid4

from lockdown import drift, record, topology
from lockdown.ahead import Ahead
from lockdown.audit import engine_for, evaluate, within
from lockdown.drift import blueprint, temporary
from lockdown.drift.accepted import apply
from lockdown.errors import UsageError
from lockdown.evidence import keys, seal, timestamp
from lockdown.history import records as history
from lockdown.history import session
from lockdown.history.store import open_store
from lockdown.model import TemporaryAccess
from lockdown.policy import load as policy_load
from lockdown.policy.lint import misread
from lockdown.policy.load import PolicySet
from lockdown.report import formats, html, packed
from lockdown.run import standing
from lockdown.run.asked import Finished, Wanted, Watch, now
from lockdown.run.seeing import changes, judged_there, see, unreadable
from lockdown.run.standing import StandsOn
from lockdown.run.writing import run_object, write_inputs
from lockdown.snapshot.translations import Translations, user_folder
from lockdown.strict import canonical
from lockdown.workplace import workplace

RUNS = Path("lockdown-runs")


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
        stands_on = standing.stands_on(wanted, stack, watch)
        return _made(wanted, watch, policies, signer, stamper, stands_on)


def _made(
    wanted: Wanted,
    watch: Watch,
    policies: PolicySet,
    signer: keys.Signer | None,
    stamper: timestamp.Stamper | None,
    stands_on: StandsOn,
) -> Finished:
    started, run_id = now(), str(uuid4())
    entry = _entry(wanted, signer, run_id)
    out = wanted.out or RUNS / f"{started:%Y%m%dT%H%M%SZ}-{_label(wanted)}"
    with workplace(out) as work, session.entered(entry, wanted.retention_days):
        translations = Translations(user_folder())
        there = judged_there(wanted, policies)
        here = replace(policies, policies=tuple(policy for policy in policies.policies if policy not in there))
        with Ahead(here.policies, here.reads(), within(wanted.boundary, wanted.scope.subscriptions), translations):
            seen = see(wanted, here, there, work, watch, stands_on)
        snapshot, answers = seen.snapshot, seen.answers
        write_inputs(work, wanted, snapshot, policies)
        watch.stage(f"Judging {len(policies.policies)} policies")
        evaluated = seen.at or now()
        changed, document = None, None
        (work / "results").mkdir()
        with engine_for(snapshot, work, translations, answers) as engine:
            found = evaluate(policies.policies, snapshot, wanted.boundary, wanted.waivers, evaluated, engine, answers)
            run = run_object(snapshot, policies, found, run_id, started, evaluated, stands_on.doubts)
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
                changes(snapshot),
                changes_unreadable=unreadable(snapshot),
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


def _label(wanted: Wanted) -> str:
    if wanted.snapshot is not None:
        return "snapshot"
    if len(wanted.scope.subscriptions) == 1:
        return wanted.scope.subscriptions[0][:8]
    return f"{len(wanted.scope.subscriptions)}-subscriptions" if wanted.scope.subscriptions else "all"

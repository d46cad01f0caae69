"""What a run judges: read from Azure, or taken from a file."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lockdown.audit import within
from lockdown.model import Cloud, Policy, Source, Unread
from lockdown.policy import questions
from lockdown.policy.lint import RESOURCE_GRAPH
from lockdown.policy.load import PolicySet
from lockdown.run.asked import SCOPE, Wanted, Watch, now
from lockdown.run.standing import StandsOn
from lockdown.snapshot import answers as answer_files
from lockdown.snapshot.answers import NOT_ASKED, Answers
from lockdown.snapshot.ingest import ingest
from lockdown.snapshot.redact import Redactor
from lockdown.snapshot.store import Snapshot, Writer, read_scope

if TYPE_CHECKING:
    from lockdown.cloud.resource_graph import Graph


@dataclass(frozen=True)
class Seen:
    """What a run judges.

    Attributes:
        at: when Azure was asked to judge; None if it was not.
    """

    snapshot: Snapshot
    answers: Answers = NOT_ASKED
    at: datetime | None = None


def judged_there(wanted: Wanted, policies: PolicySet) -> tuple[Policy, ...]:
    """Return the policies that Azure judges itself."""
    if wanted.snapshot is not None or wanted.engine != RESOURCE_GRAPH:
        return ()
    from lockdown.cloud import collect  # noqa: PLC0415 - an offline run imports nothing of Azure

    return questions.judged_there(policies, whole=len(list(collect.parts(wanted.scope))) == 1)


def see(
    wanted: Wanted,
    policies: PolicySet,
    there: tuple[Policy, ...],
    work: Path,
    watch: Watch,
    stands_on: StandsOn,
) -> Seen:
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
    at = now()
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
        return Seen(snapshot)
    return Seen(replace(snapshot, redactions=snapshot.redactions + writer.redactions), writer.answers, at)


def _see_file(wanted: Wanted, file: Path, work: Path, watch: Watch, redactor: Redactor) -> Seen:
    directory = work / "inputs/snapshot"
    watch.stage(f"Reading {file}")
    (work / "inputs/requests.jsonl").parent.mkdir(parents=True, exist_ok=True)
    (work / "inputs/requests.jsonl").write_bytes(b"")
    earlier = file / SCOPE
    if earlier.is_file():
        seen = read_scope(earlier, file / "inputs/snapshot")
        shutil.copytree(seen.directory, directory)
        unread = _with_absent(wanted, seen.subscriptions, seen.unread)
        answers = answer_files.read(file / "inputs/answers")
        return Seen(
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
    return Seen(snapshot)


def _with_absent(wanted: Wanted, held: Mapping[str, str], unread: tuple[Unread, ...]) -> tuple[Unread, ...]:
    """Add to ``unread`` what was asked for and a snapshot does not hold."""
    told = {(item.what, item.name) for item in unread}
    absent = [("subscription", name) for name in wanted.scope.subscriptions if name not in held]
    return *unread, *(
        Unread(what, name, "The snapshot does not hold it.") for what, name in absent if (what, name) not in told
    )


def unreadable(snapshot: Snapshot) -> str:
    """Return why the change records of a snapshot are not all there; empty if they are."""
    table = snapshot.tables.get("resourcechanges")
    if table is None:
        return "The snapshot holds no change records."
    return "" if table.complete else "Azure did not give all change records."


def changes(snapshot: Snapshot) -> Iterator[Mapping[str, Any]]:
    """Yield the change records of a snapshot."""
    if "resourcechanges" in snapshot.tables:
        with snapshot.path("resourcechanges").open("rb") as file:
            for line in file:
                yield json.loads(line)

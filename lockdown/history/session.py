"""One run's part in the history: started before anything is read, ended after everything is sealed.

Whatever ends the run in between, short of a kill, is recorded as a failure. A kill leaves a start without an end, which
is how every later reader knows of it.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from lockdown import __version__
from lockdown.errors import LockdownError, ToolError
from lockdown.evidence import archive, dsse
from lockdown.evidence.files import RUN, DirectoryFiles, write_whole
from lockdown.evidence.keys import Signer
from lockdown.evidence.predicate import Tool
from lockdown.evidence.times import stamp
from lockdown.history import log
from lockdown.history.log import Head
from lockdown.history.records import Archive, Covered, Ended, Started
from lockdown.history.store import RUNS, Store
from lockdown.model import Outcome
from lockdown.record import Record

CHAIN = "history/chain.jsonl"
_OTHERS = ("unknown", "manual")


@dataclass
class Entry:
    """A run that has started.

    Attributes:
        sequence: the number of its first record, which names it in the store.
    """

    store: Store
    signer: Signer
    run_id: str
    scope: Covered
    sequence: int = 0
    _ended: bool = field(default=False, repr=False)

    def start(self, retention_days: int) -> None:
        """Take the next place in the history."""

        def started(head: Head) -> Started:
            return Started(
                record="started",
                sequence=head.sequence + 1,
                previous=head.digest,
                run_id=self.run_id,
                scope=self.scope,
                at=_now(),
                tool=_tool(),
            )

        log.begin(self.store, retention_days)
        self.sequence = log.append(self.store, started, self.signer).record.sequence

    def write_chain(self, work: Path) -> None:
        """Put the history up to this run into the run, before it is sealed."""
        found = log.links(self.store, self.sequence)
        write_whole(work / CHAIN, b"".join(link.data for link in found))

    def finish(self, work: Path, record: Record) -> None:
        """Put the sealed run into the store, then say in the history what it came to.

        Raises:
            ToolError: the store cannot be written.
            UsageError: the run is larger than an archive may be.
        """
        payload = dsse.parse((work / RUN).read_bytes(), name=RUN).payload
        stored = self._stored(work)
        self._end(
            outcome=Outcome(record.run["outcome"]),
            run_payload=sha256(payload).hexdigest(),
            archived=stored,
            record=record,
        )

    def fail(self, error: BaseException) -> None:
        """Say in the history that the run failed. Where even that fails, its start stays without an end."""
        if self.sequence and not self._ended:
            with suppress(LockdownError):
                self._end(outcome=Outcome.INDETERMINATE, failure=type(error).__name__)

    def _stored(self, work: Path) -> Archive:
        name = f"{RUNS}{self.sequence:08d}.zip"
        with tempfile.NamedTemporaryFile(prefix="lockdown-") as file:
            archive.write(DirectoryFiles(work), file)
            file.flush()
            file.seek(0)
            digest = sha256()
            while block := file.read(1024 * 1024):
                digest.update(block)
            if not self.store.create(name, Path(file.name)):
                raise ToolError(
                    f"{name} is in {self.store.url} already; what is there is never written over.",
                    "Look at who else may write there.",
                )
        return Archive(name=name, sha256=digest.hexdigest())

    def _end(
        self,
        *,
        outcome: Outcome,
        run_payload: str | None = None,
        archived: Archive | None = None,
        failure: str | None = None,
        record: Record | None = None,
    ) -> None:
        counts = dict(record.run["counts"]) if record else {}
        controls = tallies(record) if record else {}

        def ended(head: Head) -> Ended:
            return Ended(
                record="ended",
                sequence=head.sequence + 1,
                previous=head.digest,
                run_id=self.run_id,
                scope=self.scope,
                at=_now(),
                tool=_tool(),
                started=self.sequence,
                outcome=outcome,
                run_payload=run_payload,
                archive=archived,
                failure=failure,
                counts=counts,
                controls=controls,
            )

        log.append(self.store, ended, self.signer)
        self._ended = True


@contextmanager
def entered(entry: Entry | None, retention_days: int) -> Iterator[Entry | None]:
    """Start a run's entry, if the run has one, and record the failure of a run that does not finish."""
    if entry is None:
        yield None
        return
    entry.start(retention_days)
    try:
        yield entry
    except BaseException as error:
        entry.fail(error)
        raise


def tallies(record: Record) -> dict[str, dict[str, tuple[int, int, int, int]]]:
    """Return, by framework and control, the results of its policies that pass, fail, are waived, are unknown."""
    found: dict[tuple[str, str], Counter[str]] = {}
    for policy in record.policies:
        for framework, control in {(claim["framework"], claim["id"]) for claim in policy.get("controls", ())}:
            found.setdefault((framework, control), Counter()).update(policy["counts"])
    nested: dict[str, dict[str, tuple[int, int, int, int]]] = {}
    for (framework, control), counts in sorted(found.items()):
        others = sum(counts[verdict] for verdict in _OTHERS)
        nested.setdefault(framework, {})[control] = (counts["pass"], counts["fail"], counts["waived"], others)
    return nested


def _tool() -> Tool:
    return Tool(name="lockdown", version=__version__)


def _now() -> str:
    return stamp(datetime.now(UTC))

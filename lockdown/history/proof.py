"""Proving a history: every record signed by a trusted key, none missing, none replaced, and a run's own place in it.

Nobody knows without a timestamp when a signature was made. But each record names the one before it, so a record that
is signed by a key good today vouches for the moment of everything before it: those keys only have to have been good at
the time that their records state, and an old key that was stolen since cannot add to what stands.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING

from lockdown.errors import IncompleteError, TamperedError, UntrustedError
from lockdown.evidence import dsse
from lockdown.evidence.entry import MAX_BYTES
from lockdown.evidence.files import RUN, Files, read
from lockdown.evidence.ledger import Ledger
from lockdown.evidence.predicate import HISTORY_RECORD
from lockdown.history import chain, log, records
from lockdown.history.chain import Run
from lockdown.history.records import Accepted, Ended, Link, Origin
from lockdown.history.session import CHAIN
from lockdown.history.store import Store

if TYPE_CHECKING:
    from lockdown.evidence.trust import TrustRoot


def prove(
    ledger: Ledger,
    store: Store,
    root: TrustRoot | None,
    *,
    now: datetime,
    run: Files | None = None,
    cadence: timedelta | None = None,
    trusted: bool = True,
) -> list[Link]:
    """Add the checks of a history to ``ledger``, and return its records, as far as they could be read.

    Args:
        ledger: what is added to.
        store: the history.
        root: whom to believe; without it the chain can be found whole and no more.
        now: the verifier's clock.
        run: a sealed run that must stand in the history, as its own copy of it must.
        cadence: how often a run is due.
        trusted: whether signatures are to be trusted at all; without, that they were not checked is said and no more.

    Raises:
        UsageError: there is no history.
        ToolError: the store cannot be read.
    """
    began = ledger.attempt("history store", _origin, store)
    links = ledger.attempt("history records", _links, store)
    if not trusted:
        ledger.skip("history keys", "not asked for (--trust)")
    elif root is None:
        ledger.fail("history keys", UntrustedError("no trust root says whose signatures on the history count"))
    else:
        ledger.attempt("history keys", _signatures, links, root, now)
    ledger.attempt("history numbers", _numbers, links)
    ledger.attempt("history chain", _chain, links, began)
    ledger.attempt("history runs", _runs, links)
    if run is not None:
        ledger.attempt("history run", _own, links, run, store)
        ledger.attempt("history copy", compare, links, run)
    if cadence is not None:
        ledger.attempt("history cadence", _cadence, links, cadence, now)
    return links or []


def signatures(links: Sequence[Link], root: TrustRoot, now: datetime) -> None:
    """Check who signed each record, from the last to the first.

    Raises:
        TamperedError: a trusted key is named and did not sign.
        UntrustedError: a record is by no trusted key, or by one that was not good then.
    """
    root.check_predicate(HISTORY_RECORD)
    vouched = False
    for link in sorted(links, key=lambda link: link.record.sequence, reverse=True):
        name = f"record {link.record.sequence}"
        try:
            key = root.check_signature(link.envelope, name=name, now=now)
            vouched = True
        except UntrustedError:
            if not vouched:
                raise
            stated = datetime.fromisoformat(link.record.at)
            key = root.check_signature(link.envelope, name=name, now=now, proven=stated)
        if isinstance(link.record, Accepted) and not key.accepts:
            raise UntrustedError(f"{name} accepts drift, and its key {key.keyid} may not.")


def copy(files: Files) -> list[Link]:
    """Return the history that a run carries.

    Raises:
        IncompleteError: it carries none.
        TamperedError: it is not in the form that lockdown writes.
    """
    if CHAIN not in frozenset(files.names()):
        raise IncompleteError(f"The run carries no history ({CHAIN}): it was made without an evidence store.")
    found = []
    with files.open(CHAIN) as file:
        number = 0
        while line := file.readline(MAX_BYTES + 1):
            number += 1
            found.append(records.read(line, name=f"{CHAIN}, line {number}"))
    return found


def _origin(store: Store) -> tuple[tuple[Origin, str], str]:
    found = log.origin(store)
    if found is None:
        raise IncompleteError(f"{store.url} holds no history.")
    kept = f"to be kept {found[0].retention_days} days"
    return found, f"made at {found[0].created_at}, {kept}; {store.protection()}"


def _links(store: Store) -> tuple[list[Link], str]:
    found = log.links(store)
    return found, f"{len(found)} records, each in its one serialisation"


def _signatures(links: list[Link], root: TrustRoot, now: datetime) -> tuple[bool, str]:
    signatures(links, root, now)
    keys = len({link.envelope.key_id for link in links})
    return True, f"{len(links)} signatures by {keys} trusted {'key' if keys == 1 else 'keys'}"


def _numbers(links: list[Link]) -> tuple[bool, str]:
    chain.check_numbers(links)
    return True, f"numbered 1 to {len(links)}, none missing" if links else "no run has started"


def _chain(links: list[Link], began: tuple[Origin, str]) -> tuple[bool, str]:
    chain.check_links(links, began[1])
    chain.check_pairs(links)
    head = f"; the head is {links[-1].digest}" if links else ""
    return True, f"each record names the one before it, each end its start{head}"


def _runs(links: list[Link]) -> tuple[list[Run], str]:
    found = chain.runs(links)
    unfinished = [str(run.started.sequence) for run in found if run.ended is None]
    failed = sum(run.ended is not None and not run.proven for run in found)
    told = f"{len(found)} runs, {failed} failed"
    if unfinished:
        told += f"; {len(unfinished)} never ended and are indeterminate: {', '.join(unfinished)}"
    return found, told


def _own(links: list[Link], files: Files, store: Store) -> tuple[Ended, str]:
    payload = sha256(dsse.parse(read(files, RUN), name=RUN).payload).hexdigest()
    ended = next(
        (link.record for link in links if isinstance(link.record, Ended) and link.record.run_payload == payload), None
    )
    if ended is None or ended.archive is None:
        raise IncompleteError("The history does not hold the end of this run.")
    held = store.digest(ended.archive.name)
    if held is None:
        raise IncompleteError(f"The history names {ended.archive.name}, which is not in the store.")
    if held != ended.archive.sha256:
        raise TamperedError(f"{ended.archive.name} in the store is not what the history says.")
    return (
        ended,
        f"records {ended.started} and {ended.sequence} are of this run; its archive is in the store, unchanged",
    )


def compare(links: list[Link], files: Files) -> tuple[int, str]:
    """Check that the history which a run carries is the beginning of ``links``."""
    own = copy(files)
    forked = chain.forks(links, own)
    if forked:
        raise IncompleteError(f"The history forks: record {forked[0]} of the store is another than the run carries.")
    missing = {link.record.sequence for link in own} - {link.record.sequence for link in links}
    if missing:
        raise IncompleteError(f"The store has lost record {min(missing)}, which the run carries.")
    return len(own), f"what the run carries, up to record {len(own)}, is the store's"


def _cadence(links: list[Link], cadence: timedelta, now: datetime) -> tuple[bool, str]:
    found = chain.gaps(chain.runs(links), cadence, now)
    if found:
        first = found[0]
        more = f" (and {len(found) - 1} more gaps)" if len(found) > 1 else ""
        raise IncompleteError(f"{first.missed} due runs are missing between {first.after} and {first.before}{more}.")
    return True, "no run is missing at this cadence"

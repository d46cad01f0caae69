"""What stands beside a run and is verified with it: the drift that was accepted, and its place in the history."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from lockdown.errors import TamperedError, UntrustedError
from lockdown.evidence import opening
from lockdown.evidence import state as states
from lockdown.evidence.files import ACCEPTED, RUN, DirectoryFiles, Files
from lockdown.evidence.ledger import Ledger
from lockdown.evidence.state import State
from lockdown.evidence.verify import Verification
from lockdown.history import baseline, proof
from lockdown.history.acceptance import read_lines
from lockdown.history.session import CHAIN
from lockdown.history.store import open_store

if TYPE_CHECKING:
    from lockdown.evidence.verify import Trusted


def with_acceptances(found: Verification, files: Files, root: Trusted) -> Verification:
    """Return ``found`` with what was accepted of drift, if the run is a baseline in which something was."""
    payload, sealed = found.payload, found.sealed
    if found.run is None or payload is None or sealed is None or not found.accepted:
        return found
    ledger = Ledger(list(found.checks))
    judge = None if root is None or isinstance(root, UntrustedError) else root

    def accepted(files: Files) -> tuple[int, str]:
        with opening.copied(files, found.digests, (ACCEPTED,)) as folder:
            lines = read_lines(DirectoryFiles(folder))
        if not lines:
            raise TamperedError(f"{ACCEPTED} is empty.")
        baseline.check(lines, payload, sealed.key_id, judge, datetime.now(UTC), found.sealed_at)
        last, number = lines[-1].claim, f"{len(lines)} acceptance{'' if len(lines) == 1 else 's'}"
        return len(lines), f"{number} of drift; the last, of {last.at}: {last.reason}"

    ledger.attempt("acceptances", accepted, files)
    return replace(found, checks=tuple(ledger.checks), exit_code=ledger.exit_code)


def with_history(found: Verification, url: str, files: Files, root: Trusted, state_file: Path | None) -> Verification:
    """Return ``found`` with what the history in a store says of the run."""
    ledger = Ledger(list(found.checks))
    judge = None if root is None or isinstance(root, UntrustedError) else root
    store, now = open_store(url), datetime.now(UTC)
    if found.run is not None:
        with opening.copied(files, found.digests, (RUN, CHAIN)) as folder:
            links = proof.prove(ledger, store, judge, now=now, run=DirectoryFiles(folder))
    else:
        links = proof.prove(ledger, store, judge, now=now)
        ledger.skip("history run", "not looked for, because the run is not intact")
    whole = all(check.mark == "ok" for check in ledger.checks[len(found.checks) :])
    digests = {link.record.sequence: link.digest for link in links}
    _compare_head(ledger, url, digests, state_file if judge is not None else None, remember=whole)
    return replace(found, checks=tuple(ledger.checks), exit_code=ledger.exit_code)


def _compare_head(
    ledger: Ledger, url: str, digests: Mapping[int, str], state_file: Path | None, *, remember: bool
) -> None:
    """Compare the end of a history with the one seen before; remember the new one if everything else is well."""
    before = states.load(state_file) if state_file else None
    if state_file is None or before is None:
        ledger.skip("history head", "not compared with one seen before (--trust-state)")
        return

    def compared(state: State) -> tuple[State, str]:
        return states.advance_head(state, url, digests), "nothing that was seen before is missing"

    after = ledger.attempt("history head", compared, before)
    if remember and after is not None and after != before:
        states.save(state_file, after)

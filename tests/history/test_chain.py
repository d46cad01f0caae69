"""What a chain proves: everything that is done to it is told, with the right exit code."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from lockdown import record
from lockdown.errors import Exit, TamperedError, ToolError, UsageError
from lockdown.evidence import dsse
from lockdown.evidence.files import DirectoryFiles
from lockdown.evidence.keys import FileSigner
from lockdown.evidence.ledger import Ledger
from lockdown.evidence.predicate import Tool
from lockdown.evidence.seal import seal, sign_run
from lockdown.evidence.trust import TrustRoot
from lockdown.evidence.verify import verify
from lockdown.history import chain, log, proof, records
from lockdown.history.records import RETENTION_DAYS, Ended, Link, Started
from lockdown.history.session import Entry, entered
from lockdown.history.store import Folder, Store
from lockdown.model import Outcome
from tests.evidence.handmade import changed_root, signer, write_run

SCOPE = records.covered("AzureCloud", ("6c0d2a2e-3c1f-4a55-9a31-5f4a9d1f2b10",), ())
OTHER = records.covered("AzureCloud", (), ("corp",))


def made(store: Store, key: FileSigner, directory: Path, scope: records.Covered = SCOPE) -> Path:
    """Make a run as an audit does."""
    with entered(Entry(store, key, f"run-{directory.name}", scope), RETENTION_DAYS) as entry:
        assert entry is not None
        write_run(directory, runId=f"run-{directory.name}")
        sign_run(directory, key)
        entry.write_chain(directory)
        seal(directory, key)
        entry.finish(directory, record.read(directory / "results/results.json"))
    return directory


def proven(
    store: Store, root: TrustRoot | None, run: Path | None = None, now: datetime | None = None, **more: Any
) -> tuple[Exit, str]:
    ledger = Ledger()
    files = DirectoryFiles(run) if run else None
    proof.prove(ledger, store, root, now=now or datetime.now(UTC), run=files, **more)
    return ledger.exit_code, "\n".join(f"{check.mark} {check.name}: {check.detail}" for check in ledger.checks)


def test_runs_are_chained_stored_and_prove_each_other(
    store: Store, key: FileSigner, root: TrustRoot, tmp_path: Path
) -> None:
    first, second = (made(store, key, tmp_path / name) for name in ("a", "b"))
    for run in (first, second):
        assert verify(DirectoryFiles(run), root, now=datetime.now(UTC)).exit_code == Exit.OK
        assert proven(store, root, run) == (Exit.OK, proven(store, root, run)[1])
    assert len((second / "history/chain.jsonl").read_bytes().splitlines()) == 3
    assert store.names("runs/") == ["runs/00000001.zip", "runs/00000003.zip"]
    found = chain.runs(log.links(store))
    assert [(run.started.sequence, run.outcome, run.proven) for run in found] == [
        (1, Outcome.NON_COMPLIANT, True),
        (3, Outcome.NON_COMPLIANT, True),
    ]
    assert found[0].ended is not None
    assert found[0].ended.counts["waived"] == 1
    origin = log.origin(store)
    assert origin is not None
    assert origin[0].retention_days == 2557
    assert "164.316(b)(2)(i)" in origin[0].retention_basis


def test_of_two_who_race_one_takes_the_next_place(store: Store, key: FileSigner, root: TrustRoot) -> None:
    one, two = (Entry(store, key, name, SCOPE) for name in ("one", "two"))
    taken: list[log.Head] = []

    def make(head: log.Head) -> Started:
        if not taken:
            taken.append(head)
            one.start(RETENTION_DAYS)  # between looking for the head and taking the place after it
        return Started(
            record="started",
            sequence=head.sequence + 1,
            previous=head.digest,
            run_id="two",
            scope=SCOPE,
            at=NOW,
            tool=TOOL,
        )

    log.begin(store, RETENTION_DAYS)
    link = log.append(store, make, key)
    assert (one.sequence, link.record.sequence, link.record.run_id) == (1, 2, "two")
    assert two.sequence == 0
    code, told = proven(store, root)
    assert code == Exit.OK
    assert "2 never ended and are indeterminate: 1, 2" in told


NOW = "2026-01-02T03:04:05Z"
TOOL = Tool(name="lockdown", version="0")


class Forgetful(Folder):
    """A store whose first answer to a write is lost after it was written."""

    def create(self, name: str, content: bytes | Path) -> bool:
        super().create(name, content)
        return False


def test_a_write_whose_answer_was_lost_is_not_made_twice(tmp_path: Path, key: FileSigner) -> None:
    Folder(tmp_path).create("store.json", records.written(ORIGIN))
    entry = Entry(Forgetful(tmp_path), key, "one", SCOPE)
    entry.start(RETENTION_DAYS)
    assert (entry.sequence, len(log.links(Folder(tmp_path)))) == (1, 1)


ORIGIN = records.Origin(format=records.STORE, id="x", created_at=NOW, retention_days=1, retention_basis="test")


def test_a_run_that_fails_ends_as_such(store: Store, key: FileSigner, root: TrustRoot) -> None:
    entry = Entry(store, key, "bad", SCOPE)
    with pytest.raises(ToolError), entered(entry, RETENTION_DAYS):
        raise ToolError("The cloud is gone: secret-token")
    with pytest.raises(KeyboardInterrupt), entered(Entry(store, key, "stopped", SCOPE), RETENTION_DAYS):
        raise KeyboardInterrupt
    failed = [run.ended.failure for run in chain.runs(log.links(store)) if run.ended]
    assert failed == ["ToolError", "KeyboardInterrupt"]
    assert b"secret" not in (store.read("records/00000002.dsse.json", 10_000) or b"")
    code, told = proven(store, root)
    assert (code, "2 runs, 2 failed" in told) == (Exit.OK, True)


def test_an_archive_that_is_there_already_is_left(store: Store, key: FileSigner, tmp_path: Path) -> None:
    store.create("runs/00000001.zip", b"mine")
    with pytest.raises(ToolError, match="never written over"):
        made(store, key, tmp_path / "a")
    assert store.read("runs/00000001.zip", 100) == b"mine"


@pytest.fixture
def folder(tmp_path: Path, key: FileSigner) -> Folder:
    """A history of three runs."""
    store = Folder(tmp_path / "store")
    for name in ("a", "b", "c"):
        made(store, key, tmp_path / name)
    return store


def forged(store: Folder, number: int, key: FileSigner, **changes: Any) -> None:
    """Put another validly signed record in the place of one."""
    path = store.path / log.name_of(number)
    link = records.read(path.read_bytes(), name="x")
    path.unlink()
    path.write_bytes(dsse.wrap(records.payload(link.record.model_copy(update=changes)), key))


def remove(store: Folder, *names: str) -> None:
    for name in names:
        (store.path / name).unlink()


ATTACKS: dict[str, tuple[Callable[[Folder, FileSigner], object], Exit, str]] = {
    "a night is left out": (lambda s, _: remove(s, log.name_of(3)), Exit.INCOMPLETE, "missing from the history: 3"),
    "a record is replaced by one that is signed": (
        lambda s, k: forged(s, 4, k, at="2026-01-01T00:00:00Z"),
        Exit.TAMPERED,
        "Record 5 was not made after this record 4",
    ),
    "by a key that nobody trusts": (
        lambda s, _: forged(s, 6, signer()),
        Exit.UNTRUSTED,
        "which the trust root does not hold",
    ),
    "the store is another": (
        lambda s, _: written_over(s, "store.json", records.written(ORIGIN)),
        Exit.TAMPERED,
        "Record 1 was not made after this store.json",
    ),
    "a byte is changed": (lambda s, _: flip(s, log.name_of(2)), Exit.TAMPERED, "records/00000002"),
    "a record has another's place": (
        lambda s, _: (s.path / log.name_of(9)).write_bytes((s.path / log.name_of(2)).read_bytes()),
        Exit.TAMPERED,
        "holds record 2",
    ),
    "something else lies there": (
        lambda s, _: (s.path / "records/x").write_bytes(b""),
        Exit.TAMPERED,
        "does not belong in a history",
    ),
    "the end is cut off": (
        lambda s, _: remove(s, log.name_of(5), log.name_of(6)),
        Exit.INCOMPLETE,
        "does not hold the end of this run",
    ),
    "the archive is another": (
        lambda s, _: flip(s, "runs/00000005.zip"),
        Exit.TAMPERED,
        "runs/00000005.zip in the store is not what the history says",
    ),
    "the archive is gone": (lambda s, _: remove(s, "runs/00000005.zip"), Exit.INCOMPLETE, "which is not in the store"),
}


def written_over(store: Folder, name: str, data: bytes) -> None:
    (store.path / name).chmod(0o600)
    (store.path / name).write_bytes(data)


def flip(store: Folder, name: str) -> None:
    path = store.path / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.chmod(0o600)
    path.write_bytes(data)


@pytest.mark.parametrize("attack", ATTACKS)
def test_what_is_done_to_a_history_shows(
    folder: Folder, key: FileSigner, root: TrustRoot, tmp_path: Path, attack: str
) -> None:
    act, code, told = ATTACKS[attack]
    assert proven(folder, root, tmp_path / "c")[0] == Exit.OK
    act(folder, key)
    found = proven(folder, root, tmp_path / "c")
    assert (found[0], told in found[1]) == (code, True), found[1]


def test_a_history_that_was_written_again_forks_from_what_runs_carry(
    folder: Folder, key: FileSigner, root: TrustRoot, tmp_path: Path
) -> None:
    again = Folder(tmp_path / "again")
    again.create("store.json", (folder.path / "store.json").read_bytes())
    for name in ("x", "y"):
        made(again, key, tmp_path / name)
    assert proven(again, root)[0] == Exit.OK
    ledger = Ledger()
    ledger.attempt("copy", proof.compare, log.links(again), DirectoryFiles(tmp_path / "c"))
    assert (ledger.exit_code, "forks: record 1" in ledger.checks[0].detail) == (Exit.INCOMPLETE, True)


def test_a_run_made_without_a_store_says_so(folder: Folder, key: FileSigner, root: TrustRoot, tmp_path: Path) -> None:
    run = write_run(tmp_path / "lone")
    sign_run(run, key)
    seal(run, key)
    code, told = proven(folder, root, run)
    assert (code, "carries no history" in told) == (Exit.INCOMPLETE, True)


def test_without_a_trust_root_nothing_is_trusted(folder: Folder) -> None:
    assert proven(folder, None)[0] == Exit.UNTRUSTED
    assert proven(folder, None, trusted=False)[0] == Exit.OK


def test_a_trust_root_that_does_not_allow_histories(folder: Folder, root: TrustRoot) -> None:
    narrow = root.model_copy(update={"predicate_types": root.predicate_types[:2]})
    assert proven(folder, narrow)[0] == Exit.UNTRUSTED


def test_a_later_key_vouches_for_what_an_earlier_one_signed(folder: Folder, root: TrustRoot, tmp_path: Path) -> None:
    """After a rotation the old key is past its time; it was good when its records say that they were made."""
    new, later = signer(), datetime.now(UTC) + timedelta(days=400)
    after = changed_root(root, expires="2036-01-01T00:00:00Z")
    added = after.keys[0].model_copy(
        update={"keyid": new.key_id, "pem": new.public_pem, "not_after": "2036-01-01T00:00:00Z"}
    )
    both = after.model_copy(update={"keys": (*after.keys, added)})
    assert proven(folder, both, now=later)[0] == Exit.UNTRUSTED, "nobody who is good now vouches for it"
    made(folder, new, tmp_path / "d")
    assert proven(folder, both, now=later)[0] == Exit.OK


def test_an_end_closes_its_own_start_only(folder: Folder) -> None:
    links = log.links(folder)
    end, start = links[3], links[4]
    assert isinstance(end.record, Ended)
    assert isinstance(start.record, Started)

    def with_(link: Link, **changes: Any) -> list[Link]:
        other = replace(link, record=link.record.model_copy(update=changes))
        return [other if found is link else found for found in links]

    chain.check_pairs(links)
    for wrong in (
        with_(end, started=1),
        with_(end, run_id="other"),
        with_(end, started=2),
        with_(start, run_id="run-a"),
        with_(end, scope=OTHER),
    ):
        with pytest.raises(TamperedError):
            chain.check_pairs(wrong)


def test_nights_without_evidence_are_counted(folder: Folder) -> None:
    begin = datetime(2026, 1, 1, 2, tzinfo=UTC)
    template = chain.runs(log.links(folder))[0]
    assert template.ended is not None

    def run(day: float, *, proven: bool = True, scope: records.Covered = SCOPE) -> chain.Run:
        at = f"{begin + timedelta(days=day):%Y-%m-%dT%H:%M:%SZ}"
        started = template.started.model_copy(update={"at": at, "scope": scope})
        return chain.Run(started, template.ended if proven else None)

    now = begin + timedelta(days=5, hours=6)
    whole = [run(day) for day in (0, 1, 2.3, 3, 4, 5)]
    assert chain.gaps(whole, timedelta(days=1), now) == []
    found = chain.gaps(
        [run(0), run(1), run(2, proven=False), run(3, proven=False), run(4), run(5)], timedelta(days=1), now
    )
    assert [(gap.after, gap.before, gap.missed) for gap in found] == [
        ("2026-01-02T02:00:00Z", "2026-01-05T02:00:00Z", 2)
    ]
    assert [gap.missed for gap in chain.gaps(whole[:4], timedelta(days=1), now)] == [1], "since the last one"
    two = [*whole, run(0, scope=OTHER), run(5, scope=OTHER)]
    assert [(gap.scope, gap.missed) for gap in chain.gaps(two, timedelta(days=1), now)] == [(OTHER, 4)]
    assert [gap.missed for gap in chain.gaps([run(0, proven=False)], timedelta(days=1), now)] == [4], "never any"


def test_rates_never_flatter() -> None:
    assert chain.rate((1, 0, 0, 0)) == 1.0
    assert chain.rate((1, 1, 1, 1)) == 0.25
    assert chain.rate((0, 0, 0, 0)) is None


@pytest.mark.parametrize(
    "change",
    [
        {"outcome": Outcome.COMPLIANT, "run_payload": None, "archive": None, "failure": "ToolError"},
        {"run_payload": None},
        {"archive": None},
        {"failure": "ToolError"},
        {"started": 9},
        {"scope": SCOPE.model_copy(update={"cloud": "Elsewhere"})},
    ],
)
def test_a_record_that_contradicts_itself_is_none(folder: Folder, key: FileSigner, change: dict[str, Any]) -> None:
    found = log.links(folder)[1].record.model_copy(update=change)
    with pytest.raises(TamperedError):
        records.read(dsse.wrap(records.payload(found), key), name="x")


def test_no_history_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no history"):
        log.links(Folder(tmp_path))

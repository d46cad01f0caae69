"""Signing a run that another machine made, so that who reads an environment holds no key.

Whoever signs stands behind what was found, so nothing is taken from the other machine that can be known here: the run
must be whole and recent, its verdicts must follow from its snapshot when they are judged again, and policies, boundary,
waivers and temporary access must be the signer's own. That the snapshot is what Azure answered is the other machine's
word, as it is where both are one.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from secrets import token_bytes
from typing import Any

from lockdown import record
from lockdown.errors import StaleError, TamperedError, UntrustedError, UsageError
from lockdown.evidence import earlier, keys, seal, timestamp
from lockdown.evidence.files import SIGNED_FOLDERS
from lockdown.history import records as history
from lockdown.history import session
from lockdown.history.store import open_store
from lockdown.model import Boundary, TemporaryAccess, Waiver
from lockdown.replay import replay
from lockdown.report import html, packed
from lockdown.strict import canonical
from lockdown.workplace import workplace

MOST = timedelta(hours=24)
"""How old a run may be: an older one may be a good night that is handed in for a bad one."""
_AHEAD = timedelta(minutes=5)
_RAW = {"SHA256SUMS", "VERIFY.txt", "report"}
_EMPTY = b"[]\n"
_CLOUDS = {"AzureCloud", "AzureUSGovernment", "AzureChinaCloud"}
"""Any other is known to the history by its URL, as audit was given it."""


@dataclass(frozen=True)
class Wanted:
    """What is to be signed, and what it must be.

    Attributes:
        run: a run that is not signed.
        out: the signed run to make.
        policies_digest: the digest of the policy set that must have judged.
        boundary: what must have been inside; ``waivers`` and ``temporary`` likewise.
        store: URL of the evidence store whose history records the run; None records it nowhere.
        cloud: of the key and the store, where it is none of Microsoft's; ``authority`` likewise.
    """

    run: Path
    out: Path
    key: str
    policies_digest: str
    boundary: Boundary
    waivers: tuple[Waiver, ...] = ()
    temporary: tuple[TemporaryAccess, ...] = ()
    tsa: str | None = None
    store: str | None = None
    retention_days: int = history.RETENTION_DAYS
    cloud: str | None = None
    authority: str | None = None
    watch: Callable[[str], None] = field(default=lambda _: None)


def sign(wanted: Wanted) -> record.Record:
    """Check a run that is not signed, sign and seal it, and put it into the evidence store if there is one.

    Raises:
        UsageError: it is no run, or signed already.
        TamperedError: it is not whole, or its results do not follow from what it holds.
        UntrustedError: it was judged by other policies, or in another boundary, or with other waivers.
        StaleError: it is older than a day, or from the future.
        ToolError: the key, the store or the time-stamping authority does not do its part.
    """
    signer = keys.load_signer(wanted.key, cloud=wanted.cloud, authority=wanted.authority)
    stamper = timestamp.authority(wanted.tsa) if wanted.tsa else None
    if stamper is not None:
        stamper(token_bytes(32))  # a wrong address is to be found before anything is recorded
    with earlier.earlier(wanted.run, "run") as found:
        if found.payload is not None:
            raise UsageError(f"{wanted.run} is signed already.", "lockdown countersign adds another signature.")
        made = record.read(found.directory / "results/results.json")
        wanted.watch("Judging again what was collected")
        _checked(found.directory, made.run, wanted)
        entry = _entry(wanted, signer, made.run)
        with workplace(wanted.out) as work, session.entered(entry, wanted.retention_days):
            for part in sorted(found.directory.iterdir()):
                if part.name in _RAW:
                    continue
                if f"{part.name}/" not in SIGNED_FOLDERS:
                    raise UsageError(f"{part.name} does not belong in a run that is not signed.", "Collect it again.")
                shutil.copytree(part, work / part.name)
            _sealed(work, signer, stamper, entry)
    return record.read(wanted.out / "results/results.json")


def _sealed(work: Path, signer: keys.Signer, stamper: timestamp.Stamper | None, entry: session.Entry | None) -> None:
    made = record.read(work / "results/results.json")
    if entry is not None:
        entry.write_chain(work)
    envelope = seal.sign_run(work, signer, stamper)
    (work / "report").mkdir()
    page = html.render(
        made,
        envelope=envelope,
        key_id=signer.key_id,
        public_key=packed.PublicKey(signer.public_pem, signer.algorithm),
    )
    (work / "report/report.html").write_bytes(page)
    drawn = html.environment_map(made, alone=True)
    if drawn:
        (work / "report/map.svg").write_text(f"{drawn}\n", encoding="utf-8")
    seal.seal(work, signer, stamper)
    if entry is not None:
        entry.finish(work, made)


def _checked(directory: Path, run: Any, wanted: Wanted) -> None:  # noqa: ANN401 - the run object
    finished, now = datetime.fromisoformat(run["finishedAt"]), datetime.now(UTC)
    if finished > now + _AHEAD:
        raise StaleError(f"The run ends at {run['finishedAt']}, which is in the future.", "Set the clocks right.")
    if finished < now - MOST:
        raise StaleError(f"The run ended at {run['finishedAt']}, more than a day ago.", "Collect again.")
    if run.get("partial"):
        raise UntrustedError("The run was interrupted before its end.", "Collect again.")
    if run["policySet"]["digest"] != wanted.policies_digest:
        raise UntrustedError(
            f"The run was judged by the policy set {run['policySet']['digest']}, and not by {wanted.policies_digest}.",
            "Install the same version on both machines, or name a set of your own with --policies-digest.",
        )
    waivers = [{**asdict(waiver), "expires": waiver.expires.isoformat()} for waiver in wanted.waivers]
    for name, mine, what in (
        ("boundary.json", canonical(asdict(wanted.boundary)) + b"\n", "boundary"),
        ("waivers.json", canonical(waivers) + b"\n", "list of waivers"),
    ):
        if (directory / "inputs" / name).read_bytes() != mine:
            raise _other(what)
    announced = directory / "inputs/temporary.json"
    compared = (directory / "results/drift.json").is_file()
    mine = _announced(wanted.temporary) if compared else _EMPTY
    if (announced.read_bytes() if announced.is_file() else _EMPTY) != mine:
        raise _other("list of temporary access")
    try:
        differences = replay(directory).differences
    except UsageError as error:
        raise TamperedError(error.message, "Collect again.") from error
    if differences:
        raise TamperedError(f"What was found does not follow from what was seen: {differences[0]}", "Collect again.")


def _other(what: str) -> UntrustedError:
    return UntrustedError(
        f"The run was judged with another {what} than this machine's configuration has.",
        "Use the same lockdown.yaml on both machines.",
    )


def _announced(temporary: tuple[TemporaryAccess, ...]) -> bytes:
    told = [{**asdict(one), "begins": _text(one.begins), "ends": _text(one.ends)} for one in temporary]
    return canonical(told) + b"\n" if told else _EMPTY


def _text(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _entry(wanted: Wanted, signer: keys.Signer, run: Any) -> session.Entry | None:  # noqa: ANN401 - the run object
    if wanted.store is None:
        return None
    requested = run["scope"]["requested"]
    there = run["cloud"]
    cloud = (
        "file" if run["source"] == "file" else there["name"] if there["name"] in _CLOUDS else there["resourceManager"]
    )
    covered = history.covered(cloud, tuple(requested["subscriptions"]), tuple(requested["managementGroups"]))
    store = open_store(wanted.store, cloud=wanted.cloud, authority=wanted.authority)
    return session.Entry(store, signer, run["runId"], covered)

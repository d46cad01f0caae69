"""Made the evidence beside it, once: ``python -m tests.evidence.golden.accepted.make FOLDER``.

A baseline in which drift was accepted by a person and which a reviewer countersigned, everything dated, with the
history that it stands in. What is in the folder is never made again, as that of ``tests/evidence/golden``.
"""

from __future__ import annotations

import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from shutil import copytree
from tempfile import TemporaryDirectory

from lockdown.cli import run as lockdown
from lockdown.errors import Exit
from lockdown.evidence import keys, root_edit, root_file
from lockdown.evidence.predicate import ACCEPTANCE
from lockdown.evidence.trust import TrustRoot, Tsa
from tests.evidence.tsa import Authority, serving
from tests.hostile.test_small_run import small_run, vault

PEOPLE = ("person", "reviewer")


def make(out: Path) -> None:
    with TemporaryDirectory() as folder, serving(Path(folder) / "tsa") as tsa:
        os.chdir(folder)
        _, laboratory = small_run(Path(folder))
        for name in (*PEOPLE, "root"):
            keys.generate(Path(name))
        Path("lockdown.yaml").write_text(
            f"signing: {{key: 'file:keys/private.pem', tsa: '{tsa.url}'}}\nevidence: {{store: 'file:store'}}\n", "utf-8"
        )
        given = ["--snapshot", "snapshot.json", "--only-policies", "policies", "--quiet"]
        did(Exit.NOT_COMPLIANT, "audit", *given, "--out", "first")
        rows = json.loads(Path("snapshot.json").read_bytes())
        rows.append({**rows[1], "id": vault("new")})
        rows[1]["properties"]["publicNetworkAccess"] = "Enabled"
        Path("snapshot.json").write_text(json.dumps(rows), "utf-8")
        did(Exit.DRIFT, "drift", "--baseline", "first", *given, "--out", "second")
        (added,) = json.loads(Path("second/results/drift.json").read_bytes())["resources"]
        accept = ["--accept", added["id"], "--reason", "Agreed in change 17.", "--key", "file:person/private.pem"]
        did(Exit.OK, "drift", "--baseline", "first", "--run", "second", *accept, "--out", "approved")
        did(Exit.OK, "countersign", "approved", "--key", "file:reviewer/private.pem", "--tsa", tsa.url)
        did(Exit.OK, "bundle", "approved", "--out", str(out / "bundle.zip"))
        copytree("store", out / "store")
        signers = (keys.load_signer("file:root/private.pem"),)
        accepted = root_edit.checked(
            trusted(laboratory, tsa).model_copy(update={"root": root_edit.root_keys(signers, 1)})
        )
        (out / "trust-root.json").write_bytes(root_file.signed(accepted, signers))


def trusted(laboratory: TrustRoot, tsa: Authority) -> TrustRoot:
    now = datetime.now(UTC)
    job = laboratory.keys[0].model_copy(update={"accepts": None})
    people = (
        root_edit.trusted_key(Path(name, "public.pem").read_text("ascii"), not_before=now, accepts=name == "person")
        for name in PEOPLE
    )
    changes = {
        "lab": False,
        "hosts": ("management.azure.com",),
        "tsa": (Tsa(roots=(tsa.root_pem,), subject=tsa.subject),),
        "expires": "2099-01-01T00:00:00Z",
        "threshold": 2,
        "keys": (job, *(key.model_copy(update={"not_before": job.not_before}) for key in people)),
        "predicate_types": tuple(sorted({*laboratory.predicate_types, ACCEPTANCE})),
    }
    return laboratory.model_copy(update=changes)


def did(code: Exit, *arguments: str) -> None:
    found = lockdown(list(arguments))
    if found != code:
        sys.exit(f"{arguments[0]} gave {found}")


if __name__ == "__main__":
    make(Path(sys.argv[1]).resolve())

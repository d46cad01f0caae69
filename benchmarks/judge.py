"""Load the snapshot of a run and judge it: an audit without collecting, and without record and report.

    python -m benchmarks.judge RUN [--load]

Prints a JSON object: seconds and CPU seconds from the snapshot on disk (its digests are checked) to the counts of its
verdicts, and how many results there are. ``--load`` judges by no policy. Translations are made before, if they are
not in the cache.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lockdown.ahead import Ahead
from lockdown.audit import COUNTED, engine_for, evaluate, within
from lockdown.model import Boundary
from lockdown.policy import load
from lockdown.snapshot.store import read_scope
from lockdown.snapshot.translations import Translations, user_folder


def judge(run: Path, *, load_only: bool) -> dict[str, Any]:
    """Load the snapshot of ``run`` and judge it by every policy, or by none; return what that took."""
    found = load.load()
    policies = () if load_only else found.policies
    scope, directory = run / "inputs/scope.json", run / "inputs/snapshot"
    translations = Translations(user_folder())
    boundary = within(Boundary(), json.loads(scope.read_bytes())["requested"]["subscriptions"])
    Ahead(policies, found.reads(), boundary, translations).run()
    started, processor = time.perf_counter(), time.process_time()
    snapshot = read_scope(scope, directory)
    with tempfile.TemporaryDirectory() as folder, engine_for(snapshot, Path(folder), translations) as engine:
        evaluation = evaluate(policies, snapshot, boundary, (), datetime.now(UTC), engine)
        seconds, used = time.perf_counter() - started, time.process_time() - processor
    results = sum(evaluation.counts[name] for name in COUNTED)
    return {"seconds": seconds, "cpuSeconds": used, "results": results}


def main() -> None:
    """Print what judging takes."""
    parser = argparse.ArgumentParser(description="Load the snapshot of a run and judge it.")
    parser.add_argument("run", type=Path)
    parser.add_argument("--load", action="store_true", help="judge by no policy")
    asked = parser.parse_args()
    print(json.dumps(judge(asked.run, load_only=asked.load)))


if __name__ == "__main__":
    main()

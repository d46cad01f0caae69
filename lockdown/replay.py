"""The verdicts of a run, judged again from what it ships, without network.

What Azure Resource Graph judged cannot be judged again here: its answers are taken as they were kept, if they are for
what the policy asks, held to the same rules, and counted again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, datetime
from itertools import islice, zip_longest
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from lockdown import record, strict
from lockdown.audit import engine_for, evaluate
from lockdown.errors import TamperedError, UsageError
from lockdown.evidence.checks import Replayed
from lockdown.model import Boundary, Waiver
from lockdown.policy import load as policy_load
from lockdown.policy.lint import RESOURCE_GRAPH
from lockdown.snapshot import answers as answer_files
from lockdown.snapshot.store import read_scope

_DIFFERENCES_SHOWN = 20


def replay(directory: Path) -> Replayed:
    """Run the policies of a run again over its own snapshot, without network.

    Raises:
        UsageError: the directory is not a whole run.
    """
    snapshot = read_scope(directory / "inputs/scope.json", directory / "inputs/snapshot")
    answers = answer_files.read(directory / "inputs/answers")
    policies = policy_load.load(directory / "policies", translate=False)
    recorded = record.read(directory / "results/results.json")
    try:
        boundary = Boundary(**{key: tuple(value) for key, value in _json(directory, "inputs/boundary.json").items()})
        waivers = tuple(
            Waiver(w["policy"], tuple(w["resources"]), w["reason"], w["owner"], date.fromisoformat(w["expires"]))
            for w in _json(directory, "inputs/waivers.json")
        )
        at = datetime.fromisoformat(recorded.run["evaluatedAt"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError, TamperedError) as error:
        raise UsageError(
            f"{directory} is not a whole run: {error}.", "Name a directory that lockdown audit wrote."
        ) from error
    with TemporaryDirectory() as folder, engine_for(snapshot, Path(folder), answers=answers) as engine:
        found = evaluate(policies.policies, snapshot, boundary, waivers, at, engine, answers)
        path = Path(folder) / "results.json"
        record.write(path, recorded.run, found.policies(), found.results())
        again = record.read(path)
        by_azure = tuple(judged.policy.id for judged in found.judged if judged.engine == RESOURCE_GRAPH)
        if record.digest(again) == record.digest(recorded):
            return Replayed((), by_azure)
        differences = tuple(islice(_differences(recorded, again), _DIFFERENCES_SHOWN))
        return Replayed(differences or ("the results differ",), by_azure)


def _json(directory: Path, name: str) -> Any:  # noqa: ANN401
    return strict.loads((directory / name).read_bytes(), name=name)


def _differences(recorded: record.Record, again: record.Record) -> Iterator[str]:
    for was, now in zip_longest(recorded.results(), again.results()):
        if was != now:
            yield f"recorded {_brief(was)}; replayed {_brief(now)}"
    for was, now in zip_longest(recorded.policies, again.policies):
        if was != now:
            yield f"policy {(was or now or {}).get('id')} differs"


def _brief(result: Mapping[str, Any] | None) -> str:
    return f"{result['policy']} {result['resource']} {result['part']} {result['verdict']}" if result else "nothing"

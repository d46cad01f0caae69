"""The words of a report, the same in every format."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from lockdown.record import Record
from lockdown.report import view
from lockdown.report.controls import Control, Framework
from lockdown.report.view import Survey
from lockdown.report.visible import visible

OUTCOME = {"compliant": "Compliant", "nonCompliant": "Not compliant", "indeterminate": "Indeterminate"}
KIND = {
    "fail": "Fail",
    "unknown": "Unknown",
    "manual": "Manual",
    "waived": "Waived",
    "notApplicable": "Not applicable",
    "pass": "Pass",
    "notObserved": "Not observed",
}
SOURCE = {
    "live": "Azure, read live",
    "file": "a file, not Azure itself",
    "sandbox": "a sandbox, not Azure",
}
BASIS = {
    "microsoft": "mapped by Microsoft",
    "microsoft_r5_1_1": "mapped by Microsoft in Rev. 5.1.1",
    "project": "claimed by this project",
}


def number(count: int, singular: str, plural: str = "") -> str:
    """Return ``1 result``, ``2 results`` or ``1,000 policies``."""
    return f"{count:,} {singular if count == 1 else plural or singular + 's'}"


def listing(items: Sequence[str]) -> str:
    """Return ``a, b and c``."""
    return " and ".join([", ".join(items[:-1]), items[-1]]) if len(items) > 1 else "".join(items)


def begun(text: str) -> str:
    """Return ``text`` as the beginning of a sentence."""
    return text[:1].upper() + text[1:]


def when(time: str) -> str:
    """Return ``2026-01-02T03:04:05Z`` as ``2026-01-02 03:04:05 UTC``."""
    return time.replace("T", " ").removesuffix("Z") + " UTC" if time.endswith("Z") else time


def findings(record: Record, found: Survey) -> str:
    """Return what the run found, in sentences."""
    return " ".join(filter(None, (_failing(record, found), _undecided(record), _set_apart(found))))


def doubts(record: Record) -> list[str]:
    """Return what keeps this run from speaking of everything in its scope, one phrase each."""
    phrases = []
    errors = [policy for policy in record.policies if "error" in policy]
    if unknown := record.run["counts"]["unknown"] - sum(policy["counts"]["unknown"] for policy in errors):
        phrases.append(number(unknown, "result") + " could not be judged")
    if errors:
        phrases.append(number(len(errors), "policy", "policies") + " could not be run")
    unreadable = Counter(thing(item["what"]) for item in record.run["unreadable"])
    phrases.extend(number(count, visible(what)) + " could not be read" for what, count in unreadable.items())
    return phrases


def cautions(run: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return what a reader must know before believing anything else in this report, as (word, sentence)."""
    told = []
    if run["source"] == "sandbox":
        told.append(("Sandbox", "made against a simulated Azure. It says nothing about a real environment."))
    if run["source"] == "file":
        told.append(("From a file", "the resources were read from a file that somebody supplied, not from Azure."))
    if run.get("partial"):
        told.append(("Partial", "the run was interrupted before it had judged everything."))
    if unjudged := run["resources"]["unjudged"]:
        total = sum(run["resources"]["byType"][kind] for kind in unjudged)
        told.append(
            ("Not judged", f"{number(total, 'resource')} of {number(len(unjudged), 'type')}: no policy is about them.")
        )
    if not complete(run):
        told.append(("Incomplete", "not everything in scope could be read or judged."))
    return told


def complete(run: Mapping[str, object]) -> bool:
    """Say whether everything in scope was read and judged."""
    return bool(run["complete"]) and run["outcome"] != "indeterminate" and not run.get("partial")


def severities(found: Survey) -> str:
    """Return the failures by severity: ``3 critical, 2 high``."""
    return ", ".join(f"{count:,} {severity}" for severity, count in view.severities(found, "fail"))


def counts(numbers: Mapping[str, int]) -> str:
    """Return what is not zero: ``2 fail, 1 pass``."""
    return ", ".join(f"{numbers[kind]:,} {KIND[kind].lower()}" for kind in view.KINDS if numbers[kind]) or "none"


def kinds(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return what rows come to: ``2 fail, 1 unknown``."""
    numbers = Counter(view.kind(row) for row in rows)
    return standings({kind: numbers[kind] for kind in view.KINDS if numbers[kind]})


def settled(numbers: Mapping[str, int]) -> str:
    """Return ``3 pass, 1 not applicable``."""
    return standings({kind: numbers[kind] for kind in ("pass", "notApplicable") if numbers[kind]})


def assessed(framework: Framework) -> str:
    """Return how the controls of a framework stand: ``2 of 63 controls assessed: 1 fail, 1 pass; 61 not assessed``."""
    listed = number(framework.total, "control" if framework.whole else "listed control")
    told = [f"{len(framework.assessed):,} of {listed} assessed: {standings(framework.numbers()) or 'none'}"]
    if framework.silent:
        told.append(f"{len(framework.silent):,} not assessed by lockdown")
    if not framework.whole:
        told.append("others are not listed")
    return "; ".join(told)


def standings(numbers: Mapping[str, int]) -> str:
    """Return ``2 fail, 1 not observed``."""
    return ", ".join(f"{count:,} {KIND[name].lower()}" for name, count in numbers.items())


def bases(control: Control) -> str:
    """Return who says that policies speak to a control: ``3 mapped by Microsoft, 1 claimed by this project``."""
    numbers = Counter(claim.basis for claim in control.claims)
    return ", ".join(f"{numbers[basis]:,} {text}" for basis, text in BASIS.items() if numbers[basis])


def thing(what: str) -> str:
    """Return the kind of something unreadable as people write it."""
    return {"managementGroup": "management group", "armReads": "ARM item type"}.get(what, what)


def _failing(record: Record, found: Survey) -> str:
    failing = found.count("fail")
    if not failing:
        return "No result fails." if found.tally else "No result was recorded."
    policies = sum(policy["counts"]["fail"] > 0 for policy in record.policies)
    verb = "fails" if failing == 1 else "fail"
    return f"{number(failing, 'result')} {verb} in {number(policies, 'policy', 'policies')}: {severities(found)}."


def _undecided(record: Record) -> str:
    phrases = listing(doubts(record))
    return phrases and begun(phrases) + "."


def _set_apart(found: Survey) -> str:
    waived, manual = found.count("waived"), found.count("manual")
    told = []
    if waived:
        told.append(number(waived, "failure") + (" is" if waived == 1 else " are") + " waived")
    if manual:
        told.append(number(manual, "result") + (" needs" if manual == 1 else " need") + " a person to check")
    return listing(told) and listing(told) + "."


_TEMPORARY = {
    "open": "open, as announced",
    "late": "LATE: it should be closed",
    "tooSoon": "OPEN TOO SOON",
    "closedEarly": "closed early",
    "closed": "closed, as announced",
    "notOpen": "not open yet",
    "unknown": "unknown whether it is open",
}


def temporary(state: str) -> str:
    """Return the words for the state of temporary access."""
    return _TEMPORARY.get(state, state)

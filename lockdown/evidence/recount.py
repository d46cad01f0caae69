"""Reading results.json as a verifier must: one line at a time, in its one form, counting everything again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from io import BufferedIOBase
from typing import Any

from lockdown import strict
from lockdown.errors import TamperedError
from lockdown.evidence.files import RESULTS
from lockdown.model import Verdict
from lockdown.record import SCHEMA, refuse_later

MAX_LINE = 16 * 1024 * 1024
"""Bytes of one policy or result; the largest record is still read in flat memory."""

_OPEN, _MIDDLE, _END = b'{"policies":[', b'],"results":[', b'],"run":'
_TAIL = b',"schema":' + strict.canonical(SCHEMA) + b"}\n"
_RESULT_VERDICTS = {verdict.value for verdict in Verdict} - {Verdict.NOT_OBSERVED.value}


@dataclass(frozen=True)
class Recounted:
    """What a record holds once everything in it was counted.

    Attributes:
        run: the run object.
        digest: SHA-256 of the bytes that were read, in hex.
        policies: number of policies.
        results: number of results.
    """

    run: Mapping[str, Any]
    digest: str
    policies: int
    results: int


@dataclass
class _Tally:
    policies: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    results: Counter[tuple[str, str, str]] = field(default_factory=Counter)

    def policy(self, item: Mapping[str, Any]) -> None:
        name = _text(item, "id")
        if name in self.policies:
            raise TamperedError(f"{RESULTS} has the policy {name!a} twice.")
        self.policies[name] = item

    def result(self, item: Mapping[str, Any]) -> None:
        name, verdict = _text(item, "policy"), _text(item, "verdict")
        if name not in self.policies or verdict not in _RESULT_VERDICTS:
            raise TamperedError(f"{RESULTS} has a result of an unknown policy or verdict: {name!a}, {verdict!a}.")
        waiver = item.get("waiver")
        expires = _text(waiver, "expires") if isinstance(waiver, Mapping) and verdict == Verdict.FAIL else ""
        self.results[name, verdict, expires] += 1

    def counts(self, today: str) -> dict[str, Counter[str]]:
        """Results by policy and verdict; a failure under a waiver that still holds ``today`` counts as waived."""
        found: dict[str, Counter[str]] = {name: Counter() for name in self.policies}
        for (name, verdict, expires), number in self.results.items():
            found[name]["waived" if expires >= today and expires else verdict] += number
        return found


def recount(file: BufferedIOBase) -> Recounted:
    """Read a record to its end.

    Raises:
        TamperedError: it is not in the form that lockdown.record writes, or a count or the outcome that it states is
            not what its results give.
        UsageError: a later version of lockdown wrote it.
    """
    hashed = sha256()
    lines, tally = _lines(file, hashed.update), _Tally()
    if next(lines, b"") != _OPEN + b"\n":
        raise _malformed("its first line is not that of a record")
    if _section(lines, tally.policy) != _MIDDLE + b"\n":
        raise _malformed("its results do not follow its policies")
    last = _section(lines, tally.result)
    refuse_later(last, RESULTS)
    if not last.startswith(_END) or not last.endswith(_TAIL) or next(lines, None) is not None:
        raise _malformed("its run object is not its last line")
    run = _item(last[len(_END) : -len(_TAIL)])
    _compare(run, tally)
    return Recounted(run, hashed.hexdigest(), len(tally.policies), tally.results.total())


def _lines(file: BufferedIOBase, seen: Callable[[bytes], None]) -> Iterator[bytes]:
    while line := file.readline(MAX_LINE):
        seen(line)
        if not line.endswith(b"\n"):
            raise _malformed(f"a line is cut, or longer than {MAX_LINE} bytes")
        yield line


def _section(lines: Iterator[bytes], take: Callable[[Mapping[str, Any]], None]) -> bytes:
    """Give each item to ``take`` and return the line that closes the section."""
    more: bool | None = None
    for line in lines:
        if line.startswith(b"]"):
            if more:
                raise _malformed("an item is missing after a comma")
            return line
        if more is False:
            raise _malformed("a comma is missing between two items")
        more = line.endswith(b",\n")
        take(_item(line[: -2 if more else -1]))
    raise _malformed("it is cut")


def _item(data: bytes) -> Mapping[str, Any]:
    found = strict.certain(data)
    if isinstance(found, dict):
        return found
    value = strict.loads(data, name=RESULTS)
    if not isinstance(value, dict) or strict.canonical(value) != data:
        raise _malformed("an item is not an object in canonical form")
    return value


def _compare(run: Mapping[str, Any], tally: _Tally) -> None:
    counts = tally.counts(_text(run, "evaluatedAt")[:10])
    total: Counter[str] = Counter()
    for name, found in counts.items():
        _equal(tally.policies[name].get("counts"), found, f"the policy {name}")
        total.update(found)
    verdicts = Counter(_text(policy, "verdict") for policy in tally.policies.values())
    total[Verdict.NOT_OBSERVED] = verdicts[Verdict.NOT_OBSERVED]
    _equal(run.get("counts"), total, "the run")
    policy_set = run.get("policySet")
    if not isinstance(policy_set, Mapping) or policy_set.get("count") != len(tally.policies):
        raise TamperedError(f"{RESULTS} states another number of policies than it holds, {len(tally.policies)}.")
    _check_outcome(run, total, verdicts)


def _equal(stated: object, found: Counter[str], whose: str) -> None:
    if not isinstance(stated, Mapping) or any(type(number) is not int for number in stated.values()):
        raise TamperedError(f"{RESULTS} does not state the counts of {whose}.")
    for key in sorted({*stated, *found}):
        if stated.get(key, 0) != found[key]:
            raise TamperedError(
                f"{RESULTS} states {stated.get(key, 0)} as {key} for {whose}; its results give {found[key]}."
            )


def _check_outcome(run: Mapping[str, Any], total: Counter[str], verdicts: Counter[str]) -> None:
    outcome = _text(run, "outcome")
    doubts = total[Verdict.UNKNOWN] + verdicts[Verdict.UNKNOWN]
    whole = run.get("complete") is True and not run.get("partial", False) and not run.get("unreadable")
    nothing = not any(count for verdict, count in total.items() if verdict != Verdict.NOT_OBSERVED)
    if outcome == "compliant" and (total[Verdict.FAIL] or doubts or nothing or not whole):
        raise TamperedError(f"{RESULTS} states that the run is compliant; its results do not allow that.")
    if outcome == "nonCompliant" and not total[Verdict.FAIL]:
        raise TamperedError(f"{RESULTS} states that the run is not compliant; it holds no failure.")


def _text(item: Mapping[str, Any], key: str) -> str:
    value = item.get(key)
    if not isinstance(value, str):
        raise _malformed(f"{key} is missing or not a text")
    return value


def _malformed(how: str) -> TamperedError:
    return TamperedError(f"{RESULTS} is not a record that lockdown wrote: {how}.")

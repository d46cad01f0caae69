"""What policies ask of Azure Resource Graph, where it judges itself: which of them can, and the text that is sent."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import pairwise

from lockdown.model import Boundary, Policy
from lockdown.policy import allowance, shape
from lockdown.policy.allowance import Use
from lockdown.policy.boundary import bind
from lockdown.policy.lint import RESOURCE_GRAPH, runs_in
from lockdown.policy.load import PolicySet
from lockdown.policy.redaction import Redaction
from lockdown.snapshot.answers import COLUMNS, Question
from lockdown.snapshot.kql import Token, significant, tokens

_ORDER = "\n| order by policy asc, id asc, part asc"


def judged_there(policies: PolicySet, *, whole: bool) -> tuple[Policy, ...]:
    """Return the policies that Resource Graph judges; the others are judged over a snapshot.

    A policy whose query names a secret stays: its answer could show what a snapshot has removed.

    Args:
        policies: all of them.
        whole: the scope goes into one query; otherwise a policy that compares resources with each other would miss
            those in another part of the scope.
    """
    return tuple(
        policy
        for policy in policies.policies
        if RESOURCE_GRAPH in runs_in(policy)
        and (whole or allowance.divisible(policy.query))
        and not names_secret(policy, policies.redaction)
    )


def names_secret(policy: Policy, redaction: Redaction) -> bool:
    """Tell whether the query of ``policy`` names a property whose value is removed from snapshots."""
    kinds = {*policy.applies_to, *(kind for types in policy.reads.values() for kind in types)}
    named = set(_properties(significant(policy.query)))
    paths = (path for path in redaction.paths if not path.types or path.types & kinds)
    return any(next(step for step in reversed(path.steps) if step != "*") in named for path in paths)


def question(policy: Policy, boundary: Boundary, at: datetime) -> Question:
    """Return what ``policy`` asks as of ``at``: its query in the boundary, with exactly the columns of a result."""
    bound = as_of(bind(policy.query, boundary), at)
    gives = shape.before_each(shape.parse(bound))[-1]
    values = {name: f"tostring({name})" for name in COLUMNS}
    values |= {name: "''" for name in ("part", "severity") if name not in gives}
    values["policy"] = f"'{policy.id}'"
    columns = ",\n    ".join(f"{name} = {value}" for name, value in values.items())
    return Question(policy.id, f"{bound.rstrip()}\n| project\n    {columns}")


def as_of(query: str, at: datetime) -> str:
    """Return ``query`` with ``now()`` and ``ago()`` told the time: a run has one clock, and it is not Azure's."""
    moment = f"datetime({at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ})"
    return "".join(_told(tokens(query), moment))


def batches(questions: Iterable[Question]) -> tuple[tuple[Question, ...], ...]:
    """Return the questions in as few queries as Resource Graph's limits allow, in a stable order."""
    open_: list[tuple[list[Question], list[Use]]] = []
    weighed = [(asked, allowance.use(asked.query)) for asked in questions]
    for asked, use in sorted(weighed, key=lambda each: (-each[1].joins - each[1].expansions, each[0].policy)):
        place = next((each for each in open_ if allowance.fit([*each[1], use])), None)
        if place is None:
            place = ([], [])
            open_.append(place)
        place[0].append(asked)
        place[1].append(use)
    return tuple(tuple(asked) for asked, _ in open_)


def text(questions: Sequence[Question]) -> str:
    """Return the one query that asks all of ``questions``, its rows in an order that pages can follow."""
    first, *others = (asked.query for asked in questions)
    legs = ", ".join(f"(\n{query}\n)" for query in others)
    return first + (f"\n| union {legs}" if legs else "") + _ORDER


def _properties(words: Sequence[Token]) -> Iterator[str]:
    """Yield the names that stand after a dot or in square brackets, lower-case."""
    for before, word in pairwise(words):
        if before.text in {".", "["} and word.kind in {"word", "string"}:
            yield word.text.strip("\"'").lower()


def _told(found: Sequence[Token], moment: str) -> Iterator[str]:
    closings: dict[int, str] = {}
    position = 0
    while position < len(found):
        token = found[position]
        opening = _call(found, position)
        if opening is None:
            yield token.text + closings.get(position, "")
            position += 1
            continue
        closing = _closing(found, opening)
        if all(word.kind in {"space", "comment"} for word in found[opening + 1 : closing]):
            yield moment
            position = closing + 1
            continue
        yield f"({moment} {'-' if token.text == 'ago' else '+'} ("
        closings[closing] = ")"
        position = opening + 1


def _call(found: Sequence[Token], position: int) -> int | None:
    """Return where the bracket of a call of now() or ago() opens, if one begins at ``position``."""
    if found[position].kind != "word" or found[position].text not in {"now", "ago"}:
        return None
    before = next((t for t in reversed(found[:position]) if t.kind not in {"space", "comment"}), None)
    after = next((i for i in range(position + 1, len(found)) if found[i].kind not in {"space", "comment"}), None)
    if after is None or found[after].text != "(" or (before is not None and before.text == "."):
        return None
    return after


def _closing(found: Sequence[Token], opening: int) -> int:
    depth = 0
    for index in range(opening, len(found)):
        depth += (found[index].text == "(") - (found[index].text == ")")
        if depth == 0:
            return index
    return len(found) - 1

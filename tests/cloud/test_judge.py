"""Answers of Resource Graph as a judge: they count whole, or not at all."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from lockdown.cloud import collect
from lockdown.cloud.judge import Judge
from lockdown.cloud.resource_graph import Graph, Page, RefusedError
from lockdown.errors import ToolError
from lockdown.model import Scope
from lockdown.snapshot import answers
from lockdown.snapshot.answers import Answered, Question, Writer
from lockdown.snapshot.redact import REMOVED, Redactor

SUB = "00000000-0000-0000-0000-000000000001"
ONE, TWO, THREE = (Question(name, f"resources | project policy = '{name}'") for name in ("one", "two", "three"))
REFUSED = RefusedError(400, ("BadRequest",), "BadRequest: too much")

Step = Page | Exception


def row(policy: str, name: str = "a", **changes: str) -> dict[str, Any]:
    resource = f"/subscriptions/{SUB}/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/{name}"
    found = {"policy": policy, "id": resource, "part": "", "verdict": "pass", "severity": ""}
    return {**found, "reason": "It holds.", "expected": "", "observed": "", **changes}


def page(*rows: dict[str, Any], total: int | None = None, token: str = "", truncated: bool = False) -> Page:
    body = json.dumps(list(rows)).encode()
    return Page(list(rows), body, len(rows) if total is None else total, token, truncated)


class Scripted(Graph):
    """A Resource Graph that answers by the book, and remembers what it was asked."""

    def __init__(self, script: Callable[[str, Scope, int], Sequence[Step]]) -> None:
        self._script = script
        self.asked: list[tuple[str, Scope]] = []

    def pages(self, query: str, scope: Scope) -> Iterator[Page]:
        self.asked.append((query, scope))
        for step in self._script(query, scope, len(self.asked)):
            if isinstance(step, Exception):
                raise step
            yield step


def text(questions: Sequence[Question]) -> str:
    return " + ".join(question.policy for question in questions)


def told(
    folder: Path,
    script: Callable[[str, Scope, int], Sequence[Step]],
    *batches: tuple[Question, ...],
    scope: Scope = Scope(),  # noqa: B008 - frozen
    visible: tuple[str, ...] = (SUB,),
    marks: tuple[str, ...] = (),
) -> tuple[dict[str, Answered], list[dict[str, Any]], Scripted]:
    graph = Scripted(script)
    with Writer(folder / "answers", Redactor((), marks)) as writer:
        Judge(graph, scope, frozenset(visible), text, writer, lambda *_: None).ask(batches)
    kept = answers.read(folder / "answers")
    assert kept.answered == writer.answers.answered
    return dict(kept.answered), [json.loads(line) for line in kept.rows()], graph


def errors(found: dict[str, Answered]) -> dict[str, str]:
    return {policy: answered.error for policy, answered in found.items()}


def test_one_query_answers_several_policies(tmp_path: Path) -> None:
    found, rows, graph = told(
        tmp_path,
        lambda *_: [page(row("one"), row("one", "b"), total=3, token="t"), page(row("two"), total=3)],
        (ONE, TWO),
    )
    assert errors(found) == {"one": "", "two": ""}
    assert (found["one"].rows, found["two"].rows, len(rows), len(graph.asked)) == (2, 1, 3, 1)
    assert found["one"].query == ONE.query


def test_a_policy_without_rows_is_answered_too(tmp_path: Path) -> None:
    found, rows, _ = told(tmp_path, lambda *_: [page()], (ONE,))
    assert (errors(found), found["one"].rows, rows) == ({"one": ""}, 0, [])


def test_a_refusal_of_several_is_asked_again_for_each_alone(tmp_path: Path) -> None:
    def script(query: str, _scope: Scope, _number: int) -> list[Step]:
        return [REFUSED] if "two" in query else [page(row(query))]

    found, rows, graph = told(tmp_path, script, (ONE, TWO, THREE))
    assert errors(found) == {"one": "", "two": "Azure refused the query: BadRequest: too much", "three": ""}
    assert [query for query, _ in graph.asked] == ["one + two + three", "one", "two", "three"]
    assert [kept["policy"] for kept in rows] == ["one", "three"]


@pytest.mark.parametrize("status", [403, 429])
def test_a_refusal_that_is_not_about_the_query_is_not_repeated(tmp_path: Path, status: int) -> None:
    found, _, graph = told(tmp_path, lambda *_: [RefusedError(status, (), "no")], (ONE, TWO))
    assert errors(found) == dict.fromkeys(("one", "two"), "Azure refused the query: no")
    assert len(graph.asked) == 1


@pytest.mark.parametrize(
    ("pages", "reason"),
    [
        ([page(row("one"), total=1_500, truncated=True)], "cut the answer"),
        ([page(row("one"), total=2)], "did not add up"),
        ([page(row("one"), total=2, token="t"), page(row("one", "b"), total=3)], "did not add up"),
        ([page(row("other"))], "a policy that was not asked for"),
        ([page({"id": "a"})], "other columns"),
        ([page({**row("one"), "extra": ""})], "other columns"),
        ([page({**row("one"), "observed": None})], "other columns"),
        ([page({**row("one"), "verdict": True})], "other columns"),
        ([page(row("one", observed="\ud800"))], "cannot be kept"),
        ([page(row("one"), total=2, token="t"), ToolError("The line is dead.", "")], "Reading stopped after 1 rows"),
        ([page(row("one"), total=2, token="t"), REFUSED], "refused"),
    ],
)
def test_what_did_not_come_whole_is_no_answer(tmp_path: Path, pages: list[Step], reason: str) -> None:
    found, rows, _ = told(tmp_path, lambda *_: pages, (ONE,))
    assert reason in found["one"].error
    assert (found["one"].rows, rows) == (0, [])


def test_an_answer_that_changed_between_two_pages_is_asked_for_again(tmp_path: Path) -> None:
    def script(_query: str, _scope: Scope, number: int) -> list[Step]:
        if number == 1:
            return [page(row("one"), total=2, token="t"), page(row("one", "c"), total=3)]
        return [page(row("one"), row("one", "b"))]

    found, rows, _ = told(tmp_path, script, (ONE,))
    assert (errors(found), found["one"].rows, len(rows)) == ({"one": ""}, 2, 2)


def test_an_azure_that_never_answers_ends_the_run(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="cannot be reached"):
        told(tmp_path, lambda *_: [ToolError("It cannot be reached.", "")], (ONE,))


def test_a_large_scope_is_asked_in_parts_and_a_part_that_nobody_sees_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collect, "SUBSCRIPTIONS_A_QUERY", 1)

    def script(_query: str, scope: Scope, number: int) -> list[Step]:
        return [RefusedError(403, (), "no")] if scope.subscriptions == ("b",) else [page(row("one", str(number)))]

    scope = Scope(subscriptions=("a", "b", "c"))
    found, rows, graph = told(tmp_path / "1", script, (ONE,), scope=scope, visible=("a", "c"))
    assert (errors(found), len(rows), len(graph.asked)) == ({"one": ""}, 2, 3)
    found, rows, _ = told(tmp_path / "2", script, (ONE,), scope=scope, visible=("a", "b", "c"))
    assert (errors(found), rows) == ({"one": "Azure refused the query: no"}, [])


def test_secrets_do_not_reach_the_disk(tmp_path: Path) -> None:
    shown = page(row("one", observed="AccountKey=c2VjcmV0"))
    _, rows, _ = told(tmp_path, lambda *_: [shown], (ONE,), marks=("AccountKey=[A-Za-z0-9]",))
    assert rows[0]["observed"] == REMOVED
    assert not any(b"c2VjcmV0" in path.read_bytes() for path in (tmp_path / "answers").iterdir())

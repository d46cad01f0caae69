"""Verdicts from Azure: the queries of policies run in Resource Graph, and only their rows come here.

An answer counts only whole: refused, cut, or changed while it was read, it is none, and its policies are unknown. A
query that asks for several policies and fails is asked again for each alone, so that one does not spoil the others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from lockdown.cloud.collect import FORBIDDEN, Progress, parts
from lockdown.cloud.resource_graph import Graph, Page, RefusedError
from lockdown.errors import ToolError
from lockdown.model import Scope
from lockdown.snapshot.answers import COLUMNS, Answered, Question, Writer

VERDICTS = "verdicts"
"""What progress calls the rows that arrive."""

_TOO_MANY = 429
_TRIES = 2


class NotWholeError(Exception):
    """There is no answer that counts; the message says why in a sentence.

    Attributes:
        alone: asking for each policy alone may help.
    """

    def __init__(self, message: str, *, alone: bool = True) -> None:
        super().__init__(message)
        self.alone = alone


@dataclass(frozen=True)
class Judge:
    """Resource Graph as a judge over one scope.

    Attributes:
        visible: the ids of the subscriptions that were seen.
        text: writes one query for several questions.
        writer: where the answers go.
    """

    graph: Graph
    scope: Scope
    visible: frozenset[str]
    text: Callable[[Sequence[Question]], str]
    writer: Writer
    progress: Progress

    def ask(self, batches: Iterable[Sequence[Question]]) -> None:
        """Ask all of ``batches``, one query each, and write what comes.

        Raises:
            ToolError: no credential was accepted, or Azure cannot be reached.
        """
        pending = [tuple(batch) for batch in batches][::-1]
        arrived = 0
        while pending:
            batch = pending.pop()
            before = self.writer.mark()
            try:
                counts = self._whole(batch)
            except NotWholeError as error:
                self.writer.back(before)
                if len(batch) > 1 and error.alone:
                    pending.extend((asked,) for asked in batch[::-1])
                    continue
                for asked in batch:
                    self.writer.note(Answered(asked.policy, asked.query, error=str(error)))
            else:
                for asked in batch:
                    self.writer.note(Answered(asked.policy, asked.query, counts[asked.policy]))
                arrived += counts.total()
            self.progress(VERDICTS, arrived, arrived + sum(len(left) for left in pending))

    def _whole(self, batch: Sequence[Question]) -> Counter[str]:
        """Write the rows that answer ``batch``, and return how many each policy has."""
        counts: Counter[str] = Counter()
        for part in parts(self.scope):
            before = self.writer.mark()
            for tries_left in reversed(range(_TRIES)):
                found = self._part(batch, part)
                if found is not None:
                    counts.update(found)
                    break
                self.writer.back(before)
                if not tries_left:
                    raise NotWholeError(
                        "Azure's answer did not come whole: its pages did not add up, or changed while they were read"
                    )
        return counts

    def _part(self, batch: Sequence[Question], part: Scope) -> Counter[str] | None:
        """Write the rows for one part of the scope; None if they changed between two pages."""
        counts: Counter[str] = Counter()
        total: int | None = None
        try:
            for page in self.graph.pages(self.text(batch), part):
                if total not in {None, page.total}:
                    return None
                total = page.total
                _check(page, batch)
                counts.update(row["policy"] for row in page.rows)
                self.writer.add(page.rows, page.body)
        except RefusedError as error:
            readable = self.visible.intersection(part.subscriptions) if part.subscriptions else self.visible
            if error.status == FORBIDDEN and not readable:
                return Counter()
            alone = error.status not in {FORBIDDEN, _TOO_MANY}
            raise NotWholeError(f"Azure refused the query: {error.message}", alone=alone) from error
        except ToolError as error:
            if not counts:
                raise
            reason = f"{error.message} Reading stopped after {counts.total()} rows"
            raise NotWholeError(reason, alone=False) from error
        except ValueError as error:
            raise NotWholeError(f"Azure's answer cannot be kept: {error}") from error
        return counts if counts.total() == (total or 0) else None


def _check(page: Page, batch: Sequence[Question]) -> None:
    if page.truncated:
        raise NotWholeError("Azure cut the answer and gave no way to continue it")
    asked = {question.policy for question in batch}
    for row in page.rows:
        if row.keys() != set(COLUMNS) or not all(isinstance(value, str) for value in row.values()):
            raise NotWholeError("Azure's answer has other columns than were asked for")
        if row["policy"] not in asked:
            raise NotWholeError("Azure's answer has rows of a policy that was not asked for")

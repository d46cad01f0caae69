"""What Resource Graph answered where it judged itself: kept in a run as its other inputs are.

``queries.json`` says for each policy what was asked, and why there is no answer if there is none; ``rows.jsonl`` holds
the rows of the answers, without their secrets. Rows of an answer that did not come whole are never kept.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from hashlib import file_digest
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Self

from lockdown import strict
from lockdown.errors import TamperedError, UsageError
from lockdown.snapshot.redact import Redactor
from lockdown.strict import canonical

COLUMNS = ("policy", "id", "part", "verdict", "severity", "reason", "expected", "observed")
_QUERIES, _ROWS = "queries.json", "rows.jsonl"


@dataclass(frozen=True)
class Question:
    """What a policy asks of Resource Graph.

    Attributes:
        policy: its id.
        query: KQL that gives ``COLUMNS``.
    """

    policy: str
    query: str


@dataclass(frozen=True)
class Answered:
    """What came of a question.

    Attributes:
        rows: how many rows came.
        error: why there is no whole answer; empty if there is one.
    """

    policy: str
    query: str
    rows: int = 0
    error: str = ""


@dataclass(frozen=True)
class Answers:
    """The answers on disk, by the id of their policy."""

    directory: Path | None = None
    answered: Mapping[str, Answered] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def size(self) -> int:
        """Bytes of the rows."""
        return (self.directory / _ROWS).stat().st_size if self.directory else 0

    def copied(self, directory: Path) -> Answers:
        """Return the same answers in another place, where they are copied to; nothing where there are none."""
        if self.directory is None:
            return self
        shutil.copytree(self.directory, directory)
        return replace(self, directory=directory)

    def rows(self) -> Iterator[bytes]:
        """Yield each row as JSON."""
        if self.directory:
            with (self.directory / _ROWS).open("rb") as file:
                yield from file


NOT_ASKED = Answers()
"""The answers of a run in which every policy was judged over the snapshot."""


class Writer:
    """Writes answers into a new directory. Use as a context manager; ``answers`` is complete afterwards."""

    def __init__(self, directory: Path, redactor: Redactor) -> None:
        directory.mkdir(parents=True)
        self._directory = directory
        self._redactor = redactor
        self._file = (directory / _ROWS).open("wb")
        self._answered: dict[str, Answered] = {}
        self.redactions = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        answered = [asdict(told) for _, told in sorted(self._answered.items())]
        written = canonical({"answered": answered, "rowsSha256": _digest(self._directory / _ROWS)})
        (self._directory / _QUERIES).write_bytes(written + b"\n")

    @property
    def answers(self) -> Answers:
        """What was written."""
        return Answers(self._directory, MappingProxyType(dict(sorted(self._answered.items()))))

    def mark(self) -> tuple[int, int]:
        """Return where the next row goes, for ``back``."""
        return self._file.tell(), self.redactions

    def back(self, mark: tuple[int, int]) -> None:
        """Forget the rows that were added after ``mark``."""
        self._file.seek(mark[0])
        self._file.truncate()
        self.redactions = mark[1]

    def add(self, rows: Iterable[dict[str, Any]], body: bytes) -> None:
        """Append rows without their secrets; ``body`` is the bytes that they came in. The rows may be changed."""
        redactor = self._redactor.narrowed(body.decode("utf-8", "replace"))
        for row in rows:
            if redactor is not None:
                self.redactions += redactor.redact(row)
            self._file.write(canonical(row) + b"\n")

    def note(self, answered: Answered) -> None:
        """Keep what came of a question."""
        self._answered[answered.policy] = answered


def read(directory: Path) -> Answers:
    """Return the answers in ``directory``; none if it does not exist.

    Raises:
        UsageError: it holds something else than a Writer wrote.
    """
    if not directory.is_dir():
        return NOT_ASKED
    try:
        told = strict.loads((directory / _QUERIES).read_bytes(), name=_QUERIES)
        answered = [Answered(**item) for item in told["answered"]]
        whole = _digest(directory / _ROWS) == told["rowsSha256"]
    except (OSError, ValueError, KeyError, TypeError, TamperedError) as error:
        raise UsageError(
            f"{directory} does not hold the answers of a run: {error}.", "Name a directory that lockdown audit wrote."
        ) from error
    if not whole:
        raise UsageError(f"{directory / _ROWS} is not what Azure answered: its digest differs.", "Run the audit again.")
    return Answers(directory, MappingProxyType({each.policy: each for each in answered}))


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()

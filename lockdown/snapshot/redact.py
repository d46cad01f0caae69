"""Secrets leave a snapshot before it touches the disk.

What to remove is content (policies/redaction.yaml): property paths, and marks of values that look like secrets.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

REMOVED = "removed by lockdown"
_NAME = re.compile(r'"([a-z0-9_]+)"')


@dataclass(frozen=True)
class Path:
    """A property path whose value is removed.

    Attributes:
        steps: lower-case property names; ``*`` stands for every item of an array, or every property.
        types: lower-case ARM types that it is for; empty means all.
    """

    steps: tuple[str, ...]
    types: frozenset[str] = frozenset()


class Redactor:
    """Removes secrets from rows.

    Args:
        paths: what is removed by place, whatever the value.
        marks: regular expressions of values that look like secrets, wherever they stand.
    """

    def __init__(self, paths: Iterable[Path], marks: Iterable[str | re.Pattern[str]]) -> None:
        self._paths = tuple(paths)
        self._marks = tuple(re.compile(mark) for mark in marks)

    def narrowed(self, text: str) -> Redactor | None:
        """Return what of this redactor can find anything in rows whose JSON is ``text``; None for nothing.

        A whole page is searched once, so that its rows are walked only where they may hold a secret. Text with escapes
        may spell a name or a mark otherwise, so it is not narrowed.
        """
        if "\\u" in text or "\\/" in text:
            return self
        names = set(_NAME.findall(text.lower()))
        paths = [path for path in self._paths if (last := _last(path)) in names or not _NAME.fullmatch(f'"{last}"')]
        marks = [mark for mark in self._marks if mark.search(text)]
        return Redactor(paths, marks) if paths or marks else None

    def redact(self, row: dict[str, Any]) -> int:
        """Remove secrets from ``row`` in place and return how many values were removed."""
        kind = str(row.get("type", "")).lower()
        removed = sum(_remove(row, path.steps) for path in self._paths if not path.types or kind in path.types)
        return removed + self._sweep(row)

    def _sweep(self, node: Any) -> int:  # noqa: ANN401 - any JSON value
        if not self._marks:
            return 0
        removed = 0
        items: Iterable[tuple[Any, Any]] = node.items() if isinstance(node, dict) else enumerate(node)
        for key, value in list(items):
            if isinstance(value, (dict, list)):
                removed += self._sweep(value)
            elif isinstance(value, str) and value != REMOVED and any(m.search(value) for m in self._marks):
                node[key] = REMOVED
                removed += 1
        return removed


def _last(path: Path) -> str:
    return next(step for step in reversed(path.steps) if step != "*")


def _remove(node: Any, steps: tuple[str, ...]) -> int:  # noqa: ANN401 - any JSON value
    step, rest = steps[0], steps[1:]
    removed = 0
    if isinstance(node, list):
        if step != "*":
            return 0
        pairs: list[tuple[Any, Any]] = list(enumerate(node))
    elif isinstance(node, dict):
        pairs = [(key, value) for key, value in node.items() if step == "*" or str(key).lower() == step]
    else:
        return 0
    for key, value in pairs:
        if rest:
            removed += _remove(value, rest)
        elif value is not None and value != REMOVED:
            node[key] = REMOVED
            removed += 1
    return removed

"""kubectl's output ``custom-columns``: a table of what JSONPath finds, as far as it is of names and ``[*]``."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from lockdown.sandbox.kubernetes_error import KubernetesError, Object

_STEP = re.compile(r"\.((?:\\.|[^.\[\\])+)|\[\*\]|\[\?\(@\.([A-Za-z]+)\)\]")
_NONE = "<none>"


def table(text: str, found: Iterable[Object]) -> str:
    """Return the rows of objects under the headings of ``NAME:.path,NAME:.path``.

    Raises:
        KubernetesError: a column is of no form that is known here.
    """
    columns = [column.partition(":")[::2] for column in text.split(",") if column]
    if not columns or not all(name and path for name, path in columns):
        raise KubernetesError("error: expected <header>:<json-path-expr>")
    rows = [[name for name, _ in columns]]
    rows += [[_shown(list(_values(each, list(_steps(path))))) for _, path in columns] for each in found]
    widths = [max(len(row[number]) for row in rows) for number in range(len(columns))]
    lines = ("   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)
    return "".join(f"{line}\n" for line in lines)


def _steps(path: str) -> Iterator[tuple[str, str]]:
    at = 0
    while at < len(path):
        step = _STEP.match(path, at)
        if step is None:
            raise KubernetesError(f"error: unrecognized character in action: {path[at:]}")
        at = step.end()
        if step[1]:
            yield "name", re.sub(r"\\(.)", r"\1", step[1])
        else:
            yield ("having", step[2]) if step[2] else ("all", "")


def _values(value: Any, steps: list[tuple[str, str]]) -> Iterator[Any]:  # noqa: ANN401  # a JSON value
    if not steps:
        yield value
        return
    (kind, word), rest = steps[0], steps[1:]
    if kind == "name":
        if isinstance(value, Mapping) and word in value:
            yield from _values(value[word], rest)
    elif isinstance(value, list):
        for item in value:
            if kind == "all" or (isinstance(item, Mapping) and word in item):
                yield from _values(item, rest)


def _shown(values: list[Any]) -> str:
    return ",".join(map(_text, values)) or _NONE


def _text(value: Any) -> str:  # noqa: ANN401  # a JSON value
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return f"map[{' '.join(f'{key}:{_text(item)}' for key, item in sorted(value.items()))}]"
    return f"[{' '.join(map(_text, value))}]" if isinstance(value, list) else str(value)

"""Which properties of one resource differ, without the differences that mean nothing."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from hashlib import sha256

from lockdown.drift.noise import Names, Treat, Treatment

_PLAIN = re.compile(r"[A-Za-z_$][A-Za-z0-9_$-]*")


@dataclass(frozen=True)
class Element:
    """A step into an array whose elements a key tells apart, such as ``[name="ssh"]``."""

    key: str
    value: str


Step = str | int | Element
Steps = tuple[Step, ...]


@dataclass(frozen=True)
class Difference:
    """A value that differs; None stands for null and for absent."""

    steps: Steps
    before: object
    after: object


def differences(before: Mapping[str, object], after: Mapping[str, object], treat: Treat) -> Iterator[Difference]:
    """Yield what differs between two JSON objects, each at the deepest path that tells it, ordered by name.

    An absent property equals null. An array whose order counts is compared element by element if both have the same
    length, else as a whole. ``treat`` comes from ``Noise.treatment``.
    """
    return _values(before, after, (), treat)


def path_text(steps: Steps) -> str:
    """Return the path as people and change records write it."""
    text = ""
    for step in steps:
        if isinstance(step, Element):
            text += f"[{step.key}={json.dumps(step.value, ensure_ascii=False)}]"
        elif isinstance(step, int):
            text += f"[{step}]"
        elif _PLAIN.fullmatch(step):
            text += f".{step}" if text else step
        else:
            text += f"[{json.dumps(step, ensure_ascii=False)}]"
    return text


def names_of(steps: Steps) -> Names:
    """Return the property names of a path, without its steps into arrays."""
    return tuple(step for step in steps if isinstance(step, str))


def _values(before: object, after: object, steps: Steps, treat: Treat) -> Iterator[Difference]:
    if _identical(before, after):
        return
    here = treat(names_of(steps))
    if here.ignored:
        return
    if here.empty_is_absent:
        before, after = _presence(before), _presence(after)
    if _both(before, after, dict):
        yield from _objects(before or {}, after or {}, steps, treat, here)  # type: ignore[arg-type]
    elif _both(before, after, list) and here.keys:
        yield from _sets(before, after, steps, treat, here)
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for index, pair in enumerate(zip(before, after, strict=True)):
            yield from _values(*pair, (*steps, index), treat)
    elif not _same(before, after, here):
        yield Difference(steps, before, after)


def _both(before: object, after: object, kind: type) -> bool:
    """Tell whether both are of ``kind``, or one is and holds something, and the other is absent."""
    if before is None or after is None:
        present = after if before is None else before
        return isinstance(present, kind) and bool(present)
    return isinstance(before, kind) and isinstance(after, kind)


def _objects(
    before: Mapping[str, object], after: Mapping[str, object], steps: Steps, treat: Treat, here: Treatment
) -> Iterator[Difference]:
    left, right = _by_name(before, here), _by_name(after, here)
    for key in sorted(left.keys() | right.keys()):
        name = (right.get(key) or left[key])[0]
        yield from _values(left.get(key, ("", None))[1], right.get(key, ("", None))[1], (*steps, name), treat)


def _by_name(value: Mapping[str, object], here: Treatment) -> dict[str, tuple[str, object]]:
    if not here.folds:
        return {name: (name, content) for name, content in value.items()}
    folded = {name.lower() if here.folds_name(name) else name: (name, content) for name, content in value.items()}
    if len(folded) == len(value):
        return folded
    return {name: (name, content) for name, content in value.items()}


def _sets(before: object, after: object, steps: Steps, treat: Treat, here: Treatment) -> Iterator[Difference]:
    left = before if isinstance(before, list) else []
    right = after if isinstance(after, list) else []
    for key in here.keys:
        if key is None:
            names = names_of(steps)
            if Counter(_text(e, names, treat) for e in left) != Counter(_text(e, names, treat) for e in right):
                yield Difference(steps, before, after)
            return
        ours, theirs = _by_key(left, key), _by_key(right, key)
        if ours is not None and theirs is not None:
            for value in sorted(ours.keys() | theirs.keys()):
                element = theirs.get(value) or ours[value]
                yield from _element(
                    ours.get(value), theirs.get(value), (*steps, Element(key, str(element[key]))), treat
                )
            return
    if len(left) == len(right):
        for index, pair in enumerate(zip(left, right, strict=True)):
            yield from _values(*pair, (*steps, index), treat)
    else:
        yield Difference(steps, before, after)


def _element(
    before: Mapping[str, object] | None, after: Mapping[str, object] | None, steps: Steps, treat: Treat
) -> Iterator[Difference]:
    if before is not None and after is not None:
        yield from _values(before, after, steps, treat)
    else:
        yield Difference(steps, before, after)


def _by_key(elements: list[object], key: str) -> dict[str, Mapping[str, object]] | None:
    found: dict[str, Mapping[str, object]] = {}
    for element in elements:
        value = element.get(key) if isinstance(element, dict) else None
        if not isinstance(element, dict) or not isinstance(value, str) or value.lower() in found:
            return None
        found[value.lower()] = element
    return found


def _same(before: object, after: object, here: Treatment) -> bool:
    if isinstance(before, str) and isinstance(after, str):
        if before == after:
            return True
        return before.lower() == after.lower() and here.folds_text(before) and here.folds_text(after)
    if _is_number(before) and _is_number(after):
        return before == after
    return type(before) is type(after) and before == after


def _identical(before: object, after: object) -> bool:
    # Most of two rows is the same: told here at the speed of C. ``==`` alone would take 1 for true.
    return before == after and repr(before) == repr(after)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)


def _presence(value: object) -> object:
    return None if value in ({}, [], "") else value


def _text(value: object, names: Names, treat: Treat) -> str:
    """Return a text that is equal for two values exactly if no difference between them means anything."""
    return _canonical(_normal(value, names, treat))


def _canonical(value: object) -> str:
    return json.dumps(value, sort_keys=True, default=str)


def _unordered(value: list[object], here: Treatment) -> bool:
    return any(key is None or _by_key(value, key) is not None for key in here.keys)


def _normal(value: object, names: Names, treat: Treat) -> object:
    here = treat(names)
    if here.ignored or (here.empty_is_absent and _presence(value) is None):
        return None
    if isinstance(value, dict):
        inside = {
            name.lower() if here.folds_name(name) else name: _normal(content, (*names, name), treat)
            for name, content in value.items()
        }
        return {name: content for name, content in inside.items() if content is not None}
    if isinstance(value, list):
        elements = [_normal(element, names, treat) for element in value]
        return sorted(elements, key=_canonical) if _unordered(value, here) else elements
    return value.lower() if isinstance(value, str) and here.folds_text(value) else value


def state_of(row: Mapping[str, object], treat: Treat) -> str:
    """Return a digest that two rows share exactly if no difference between them means anything."""
    return sha256(_text(row, (), treat).encode("utf-8", "surrogatepass")).hexdigest()


def ignored(treat: Treat, names: Names) -> bool:
    """Tell whether the rules leave out the value at a path, or a value that it lies in."""
    return any(treat(names[:depth]).ignored for depth in range(1, len(names) + 1))

"""What differs between a wanted body and what Azure shows. Pure; wanted is a part of found, or it differs.

Azure adds properties, writes ids and enumerations in casings of its own, and returns sets in an order of its own.
None of that is a difference. A property that is wanted and not shown is one, unless what is wanted is empty.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lockdown.provisioner.values import identity_of, is_empty, paired, same_scalar


@dataclass(frozen=True)
class Difference:
    """``before`` is what Azure shows (None: nothing), ``after`` what is wanted (None: that it goes).

    Attributes:
        place: ``path`` without the items of arrays.
    """

    path: str
    before: Any
    after: Any
    place: str = ""


def differences(
    wanted: Mapping[str, Any],
    found: Mapping[str, Any],
    kept: frozenset[str] = frozenset(),
    secret: frozenset[str] = frozenset(),
) -> tuple[Difference, ...]:
    """Return what a PUT of ``wanted`` would change.

    In the arrays at ``kept`` further items may stand; what is at ``secret`` is not compared. These paths are names with
    dots, without the items of arrays: ``properties.subnets.properties.addressPrefix``. Those of differences name the
    item too: ``properties.subnets[vmsubnet].properties.addressPrefix``.
    """
    return tuple(_Comparison(kept, secret).objects(wanted, found, "", ""))


@dataclass(frozen=True)
class _Comparison:
    kept: frozenset[str]
    secret: frozenset[str]

    def objects(self, wanted: Mapping[str, Any], found: Mapping[str, Any], path: str, shown: str) -> list[Difference]:
        names = {name.lower(): name for name in found}
        differing: list[Difference] = []
        for name, value in wanted.items():
            inner = f"{path}.{name}" if path else name
            if inner in self.secret:
                continue
            there = found.get(name, found.get(names.get(name.lower(), name)))
            differing += self.values(value, there, inner, f"{shown}.{name}" if shown else name)
        return differing

    def values(self, wanted: Any, found: Any, path: str, shown: str) -> list[Difference]:  # noqa: ANN401 - JSON
        if is_empty(wanted):
            return [] if is_empty(found) or path in self.kept else self._only_if_strict(wanted, found, path, shown)
        if isinstance(wanted, Mapping):
            if isinstance(found, Mapping):
                return self.objects(wanted, found, path, shown)
        elif isinstance(wanted, Sequence) and not isinstance(wanted, str):
            if isinstance(found, Sequence) and not isinstance(found, str):
                return self.arrays(wanted, found, path, shown)
        elif same_scalar(wanted, found, exact=path.startswith("tags.")) or _same_region(wanted, found, path):
            return []
        return [Difference(shown, found, wanted, path)]

    def arrays(self, wanted: Sequence[Any], found: Sequence[Any], path: str, shown: str) -> list[Difference]:
        key = identity_of(wanted, found)
        if key:
            return self._named(wanted, found, path, shown, key)
        pairs = paired(wanted, found, lambda one, other: not self.values(one, other, path, shown))
        missing = [item for index, item in enumerate(wanted) if index not in pairs]
        further = [item for index, item in enumerate(found) if index not in pairs.values()]
        if path in self.kept or all(not isinstance(item, Mapping) for item in wanted):
            further = [] if path in self.kept else [item for item in further if not _within(item, wanted)]
            missing = [item for item in missing if not _within(item, found)]
        if len(missing) == len(further) == 1 and isinstance(missing[0], Mapping) and isinstance(further[0], Mapping):
            return self.objects(missing[0], further[0], path, f"{shown}[]")
        gone = [Difference(f"{shown}[]", item, None, path) for item in further]
        return [*gone, *(Difference(f"{shown}[]", None, item, path) for item in missing)]

    def _named(self, wanted: Sequence[Any], found: Sequence[Any], path: str, shown: str, key: str) -> list[Difference]:
        there = {str(item[key]).lower(): item for item in found}
        differing: list[Difference] = []
        for item in wanted:
            name = str(item[key])
            other = there.pop(name.lower(), None)
            if other is None:
                differing.append(Difference(f"{shown}[{name}]", None, item, path))
            else:
                differing += self.objects(item, other, path, f"{shown}[{name}]")
        if path not in self.kept:
            differing += [Difference(f"{shown}[{item[key]}]", item, None, path) for item in there.values()]
        return differing

    @staticmethod
    def _only_if_strict(wanted: Any, found: Any, path: str, shown: str) -> list[Difference]:  # noqa: ANN401 - JSON
        # {} asks for nothing; [] and null ask that nothing is there.
        return [] if isinstance(wanted, Mapping) else [Difference(shown, found, wanted, path)]


def _same_region(wanted: Any, found: Any, path: str) -> bool:  # noqa: ANN401 - JSON
    if path.rpartition(".")[2].lower() not in ("location", "region"):
        return False
    return same_scalar(str(wanted).replace(" ", ""), str(found).replace(" ", ""))


def _within(item: Any, items: Sequence[Any]) -> bool:  # noqa: ANN401 - JSON
    return any(same_scalar(item, other) for other in items)

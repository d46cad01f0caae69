"""Policy assignments of Azure Policy that will refuse a write.

An assignment names a definition or a set of them; one whose effect is ``deny`` refuses what its rule describes. Rules
are evaluated as far as they speak of type, location, name and tags of a resource and of parameters; whatever else a
rule asks is neither true nor false here, and the assignment is then told as one that may refuse.

Source: "Azure Policy definition structure" on Microsoft Learn.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from lockdown.provisioner.checks import Case, Finding, name_of, resource_type
from lockdown.provisioner.graph import Resource

_ASSIGNMENTS, _DEFINITIONS = "2023-04-01", "2023-04-01"
_PARAMETER = re.compile(r"^\[parameters\('([^']+)'\)\]$")
_TAG = re.compile(r"^tags(?:\.|\[['\"]?)(.+?)(?:['\"]?\])?$")

Values = Mapping[str, Any]


@dataclass(frozen=True)
class Rule:
    """A rule that refuses what it describes, with the values of its parameters."""

    assignment: str
    condition: Mapping[str, Any]
    values: Values


def denials(case: Case) -> Iterator[Finding]:
    """Yield a finding for each write that an assignment will refuse, and a warning for each that one may."""
    writes = [step for step in case.writes if isinstance(step, Resource)]
    for assignment in case.reads.items(
        f"{case.subscription}/providers/Microsoft.Authorization/policyAssignments", _ASSIGNMENTS
    ):
        properties = assignment.get("properties") or {}
        if properties.get("enforcementMode") == "DoNotEnforce":
            continue
        scope = str(properties.get("scope") or "").lower()
        excluded = tuple(str(one).lower() for one in properties.get("notScopes") or ())
        under = [step for step in writes if _covers(scope, step.id) and not any(_covers(e, step.id) for e in excluded)]
        if not under:
            continue
        shown = str(properties.get("displayName") or assignment.get("name"))
        refused: dict[bool, list[str]] = {}
        for rule in _rules(case, shown, properties):
            for step in under:
                held = holds(rule.condition, step, rule.values)
                if held is not False:
                    refused.setdefault(held is True, []).append(step.key)
        yield from _told(shown, str(assignment.get("id")), refused)


def holds(condition: Mapping[str, Any], step: Resource, values: Values) -> bool | None:
    """Say whether a rule describes a resource that will be written; None: it asks what is not known here."""
    if "allOf" in condition:
        return _all(holds(one, step, values) for one in condition["allOf"])
    if "anyOf" in condition:
        return _not(_all(_not(holds(one, step, values)) for one in condition["anyOf"]))
    if "not" in condition:
        return _not(holds(condition["not"], step, values))
    known, value = _field(str(condition.get("field", "")), step) if "field" in condition else (False, None)
    if not known:
        return None
    for operator, test in _OPERATORS.items():
        if operator in condition:
            wanted = _value(condition[operator], values)
            return None if wanted is _UNKNOWN else test(value, wanted)
    return None


def _rules(case: Case, shown: str, properties: Mapping[str, Any]) -> Iterator[Rule]:
    definition = str(properties.get("policyDefinitionId") or "")
    given = {name: item.get("value") for name, item in (properties.get("parameters") or {}).items()}
    found = case.read(definition, _DEFINITIONS)
    if found is None:
        return
    inside = found.get("properties") or {}
    values = _defaults(inside) | given
    if resource_type(definition) != "microsoft.authorization/policysetdefinitions":
        yield from _rule(shown, inside, values)
        return
    for member in inside.get("policyDefinitions") or ():
        passed = {name: _value(item.get("value"), values) for name, item in (member.get("parameters") or {}).items()}
        if _is_other_effect(passed.get("effect", _UNKNOWN)):
            continue
        one = case.read(str(member.get("policyDefinitionId") or ""), _DEFINITIONS)
        if one is not None:
            body = one.get("properties") or {}
            yield from _rule(shown, body, _defaults(body) | passed)


def _rule(shown: str, definition: Mapping[str, Any], values: Values) -> Iterator[Rule]:
    rule = definition.get("policyRule") or {}
    effect = _value((rule.get("then") or {}).get("effect"), values)
    if not _is_other_effect(effect) and isinstance(rule.get("if"), Mapping):
        yield Rule(shown, rule["if"], values)


def _is_other_effect(effect: object) -> bool:
    return isinstance(effect, str) and effect.lower() != "deny"


def _told(shown: str, assignment: str, refused: Mapping[bool, list[str]]) -> Iterator[Finding]:
    surely = list(dict.fromkeys(refused.get(True, ())))
    perhaps = [key for key in dict.fromkeys(refused.get(False, ())) if key not in surely]
    if surely:
        yield Finding(
            "policies",
            f"The policy assignment {shown!r} will refuse {_some(surely)}.",
            f"Have whoever owns it exempt this environment: {assignment}",
        )
    if perhaps:
        yield Finding(
            "policies",
            f"not checked: the policy assignment {shown!r} may refuse {_some(perhaps)}; only Azure evaluates its rule.",
            f"Read its rule: {assignment}",
            stops=False,
        )


def _some(keys: list[str]) -> str:
    return ", ".join(keys[:5]) + (f" and {len(keys) - 5} more" if len(keys) > 5 else "")  # noqa: PLR2004


def _covers(scope: str, resource_id: str) -> bool:
    """Say whether a scope holds a resource; management groups hold the whole subscription."""
    return "/managementgroups/" in scope or f"{resource_id.lower()}/".startswith(f"{scope.rstrip('/')}/")


_UNKNOWN = object()


def _value(written: Any, values: Values) -> Any:  # noqa: ANN401 - JSON
    """Return what stands in a rule, with parameters filled in; _UNKNOWN for any other expression."""
    if not isinstance(written, str) or not written.startswith("["):
        return written
    named = _PARAMETER.match(written)
    return values.get(named[1], _UNKNOWN) if named else _UNKNOWN


def _defaults(definition: Mapping[str, Any]) -> dict[str, Any]:
    parameters = definition.get("parameters") or {}
    return {name: item["defaultValue"] for name, item in parameters.items() if "defaultValue" in item}


def _field(name: str, step: Resource) -> tuple[bool, Any]:
    lowered = name.lower()
    if lowered == "type":
        return True, resource_type(step.id)
    if lowered == "name":
        return True, name_of(step.id)
    if lowered in ("location", "kind"):
        return True, step.body.get(lowered)
    tag = _TAG.match(name)
    if tag and "[" not in tag[1] and "(" not in tag[1]:
        tags = {key.lower(): value for key, value in (step.body.get("tags") or {}).items()}
        return True, tags.get(tag[1].lower())
    return False, None


def _all(parts: Iterator[bool | None]) -> bool | None:
    found = list(parts)
    return False if False in found else None if None in found else True


def _not(value: bool | None) -> bool | None:
    return None if value is None else not value


def _text(value: object) -> str:
    text = "" if value is None else str(value)
    return text.lower()


def _in(value: object, wanted: object) -> bool:
    return isinstance(wanted, list) and _text(value) in {_text(one) for one in wanted}


def _like(value: object, wanted: object) -> bool:
    return fnmatchcase(_text(value), re.sub(r"[?\[\]]", lambda found: f"[{found[0]}]", _text(wanted)))


_OPERATORS: Mapping[str, Callable[[object, object], bool]] = {
    "equals": lambda value, wanted: _text(value) == _text(wanted),
    "notEquals": lambda value, wanted: _text(value) != _text(wanted),
    "in": _in,
    "notIn": lambda value, wanted: not _in(value, wanted),
    "like": _like,
    "notLike": lambda value, wanted: not _like(value, wanted),
    "contains": lambda value, wanted: _text(wanted) in _text(value),
    "notContains": lambda value, wanted: _text(wanted) not in _text(value),
    "exists": lambda value, wanted: (value is not None) == (_text(wanted) == "true"),
}
"""Each says whether it holds of a value; texts are compared without case, as Azure Policy does."""

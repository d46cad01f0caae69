"""Azure Policy as far as it refuses writes: assignments whose definition has the effect ``deny``.

Source: Microsoft Learn, "Azure Policy definition structure" and "Understand Azure Policy effects". A rule may ask for
type, name, location, kind, tags and properties of a resource (aliases), and for parameters. What else it asks is not
known here, so that such a definition cannot be stored.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

from lockdown.sandbox.arm_error import ArmError, unsupported

ASSIGNMENT = "Microsoft.Authorization/policyAssignments"
DEFINITION = "Microsoft.Authorization/policyDefinitions"
SET = "Microsoft.Authorization/policySetDefinitions"
NOT_ALLOWED_TYPES = "6c112d4e-5bc7-47ae-a041-ea2d9dccd749"
ALLOWED_LOCATIONS = "e56962a6-4747-49cd-b67b-bf8b01975c4c"

Document = dict[str, Any]
Find = Callable[[str], Document | None]
"""Returns the document with an id."""

_PARAMETER = re.compile(r"\[\s*parameters\('([^']+)'\)\s*\]")
_TAG = re.compile(r"tags(?:\.(?P<dotted>[^\[\]]+)|\['(?P<quoted>[^']+)'\])", re.IGNORECASE)
_PLAIN = frozenset({"type", "name", "location", "kind"})


def built_in() -> Iterator[Document]:
    """Yield the definitions that every tenant has, as far as they are known here."""
    types = {"type": "Array", "metadata": {"strongType": "resourceTypes"}}
    yield _definition(
        NOT_ALLOWED_TYPES,
        "Not allowed resource types",
        {"field": "type", "in": "[parameters('listOfResourceTypesNotAllowed')]"},
        {"listOfResourceTypesNotAllowed": types},
    )
    places = {"type": "Array", "metadata": {"strongType": "location"}}
    yield _definition(
        ALLOWED_LOCATIONS,
        "Allowed locations",
        {
            "allOf": [
                {"field": "location", "notIn": "[parameters('listOfAllowedLocations')]"},
                {"field": "location", "notEquals": "global"},
                {"field": "location", "exists": "true"},
            ]
        },
        {"listOfAllowedLocations": places},
    )


def denying(subscription: str, types: list[str]) -> Document:
    """Return the assignment by which a subscription refuses resources of these types."""
    scope = f"/subscriptions/{subscription}"
    return {
        "id": f"{scope}/providers/{ASSIGNMENT}/not-allowed",
        "name": "not-allowed",
        "type": ASSIGNMENT,
        "properties": {
            "displayName": "Not allowed resource types",
            "policyDefinitionId": f"/providers/{DEFINITION}/{NOT_ALLOWED_TYPES}",
            "scope": scope,
            "notScopes": [],
            "parameters": {"listOfResourceTypesNotAllowed": {"value": types}},
            "enforcementMode": "Default",
        },
        "_apiVersion": "2023-04-01",
    }


def check(documents: Iterable[Document], find: Find, document: Document) -> None:
    """Refuse a document that an assignment at or above it denies; ``documents`` has every assignment.

    Raises:
        ArmError: RequestDisallowedByPolicy, naming the assignment.
    """
    for assignment in documents:
        if str(assignment.get("type", "")).lower() != ASSIGNMENT.lower():
            continue
        properties = assignment["properties"]
        if properties.get("enforcementMode") == "DoNotEnforce" or not _covers(properties, str(document["id"])):
            continue
        given = {name: item.get("value") for name, item in (properties.get("parameters") or {}).items()}
        for rule, values in _rules(find, str(properties["policyDefinitionId"]), given):
            if _holds(rule, document, values):
                raise ArmError(
                    403,
                    "RequestDisallowedByPolicy",
                    f"Resource '{document['name']}' was disallowed by policy. Policy identifiers: "
                    f'\'[{{"policyAssignment":{{"name":"{properties.get("displayName") or assignment["name"]}",'
                    f'"id":"{assignment["id"]}"}}}}]\'.',
                    str(document["name"]),
                )


def check_rule(rule: Any) -> None:  # noqa: ANN401  # a JSON value
    """Refuse a rule that asks what is not known here.

    Raises:
        ArmError: it does.
    """
    if not isinstance(rule, dict) or not isinstance(rule.get("if"), dict) or not isinstance(rule.get("then"), dict):
        raise ArmError(400, "InvalidPolicyRule", "A policy rule has the members 'if' and 'then'.", "policyRule")
    _check_condition(rule["if"])


def _check_condition(condition: Any) -> None:  # noqa: ANN401  # a JSON value
    if not isinstance(condition, dict):
        raise ArmError(400, "InvalidPolicyRule", "A condition is an object.", "policyRule.if")
    inner = condition.get("allOf", condition.get("anyOf", [condition["not"]] if "not" in condition else None))
    if inner is not None:
        if not isinstance(inner, list):
            raise ArmError(400, "InvalidPolicyRule", "allOf and anyOf are arrays of conditions.", "policyRule.if")
        for one in inner:
            _check_condition(one)
        return
    field = condition.get("field")
    operators = set(condition) - {"field"}
    if not isinstance(field, str) or "[*]" in field or len(operators) != 1 or not operators <= set(_OPERATORS):
        raise unsupported(f"The condition {condition} of a policy rule is not known here.")


def _covers(properties: Mapping[str, Any], resource_id: str) -> bool:
    scopes = [str(properties.get("scope") or "")]
    excluded = [str(scope) for scope in properties.get("notScopes") or ()]
    return any(_below(scope, resource_id) for scope in scopes) and not any(
        _below(scope, resource_id) for scope in excluded
    )


def _below(scope: str, resource_id: str) -> bool:
    managed = "/managementgroups/" in scope.lower()
    return managed or f"{resource_id.lower()}/".startswith(f"{scope.lower().rstrip('/')}/")


def _rules(
    find: Find, definition_id: str, given: Mapping[str, Any]
) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """Yield the condition of every rule of a definition, or of a set of them, that denies, with its parameters."""
    found = find(definition_id)
    if found is None:
        return
    properties = found["properties"]
    defaults = {
        name: item["defaultValue"]
        for name, item in (properties.get("parameters") or {}).items()
        if "defaultValue" in item
    }
    values = {**defaults, **given}
    if str(found["type"]).lower() == SET.lower():
        for member in properties.get("policyDefinitions") or ():
            passed = {
                name: _value(item.get("value"), values) for name, item in (member.get("parameters") or {}).items()
            }
            yield from _rules(find, str(member.get("policyDefinitionId")), passed)
        return
    rule = properties.get("policyRule") or {}
    if str(_value((rule.get("then") or {}).get("effect"), values)).lower() == "deny":
        yield rule["if"], values


def _holds(condition: Mapping[str, Any], document: Document, values: Mapping[str, Any]) -> bool:
    if "allOf" in condition:
        return all(_holds(one, document, values) for one in condition["allOf"])
    if "anyOf" in condition:
        return any(_holds(one, document, values) for one in condition["anyOf"])
    if "not" in condition:
        return not _holds(condition["not"], document, values)
    found = _field(str(condition["field"]), document)
    operator = next(name for name in condition if name != "field")
    return _OPERATORS[operator](found, _value(condition[operator], values))


def _field(name: str, document: Document) -> Any:  # noqa: ANN401  # a JSON value
    if name.lower() in _PLAIN:
        return document.get(name.lower())
    tag = _TAG.fullmatch(name)
    if tag is not None:
        tags = {key.lower(): value for key, value in (document.get("tags") or {}).items()}
        return tags.get(str(tag["dotted"] or tag["quoted"]).lower())
    prefix = f"{document['type']}/".lower()
    if not name.lower().startswith(prefix):
        return None
    value: Any = document.get("properties")
    for part in name[len(prefix) :].split("."):
        members = {key.lower(): inner for key, inner in value.items()} if isinstance(value, dict) else {}
        value = members.get(part.lower())
    return value


def _value(written: Any, values: Mapping[str, Any]) -> Any:  # noqa: ANN401  # a JSON value
    named = _PARAMETER.fullmatch(written) if isinstance(written, str) else None
    return values.get(named[1]) if named else written


def _text(value: object) -> str:
    return "" if value is None else str(value).lower()


def _in(value: object, wanted: object) -> bool:
    return isinstance(wanted, list) and _text(value) in {_text(one) for one in wanted}


_OPERATORS: Mapping[str, Callable[[Any, Any], bool]] = {
    "equals": lambda value, wanted: _text(value) == _text(wanted),
    "notEquals": lambda value, wanted: _text(value) != _text(wanted),
    "in": _in,
    "notIn": lambda value, wanted: not _in(value, wanted),
    "like": lambda value, wanted: fnmatchcase(_text(value), re.sub(r"[?\[\]]", lambda at: f"[{at[0]}]", _text(wanted))),
    "contains": lambda value, wanted: _text(wanted) in _text(value),
    "exists": lambda value, wanted: (value is not None) == (_text(wanted) == "true"),
}
"""Each says whether it holds of a value; texts are compared without regard to case."""


def _definition(guid: str, shown: str, condition: Mapping[str, Any], parameters: Mapping[str, Any]) -> Document:
    return {
        "id": f"/providers/{DEFINITION}/{guid}",
        "name": guid,
        "type": DEFINITION,
        "properties": {
            "displayName": shown,
            "policyType": "BuiltIn",
            "mode": "Indexed",
            "parameters": dict(parameters),
            "policyRule": {"if": dict(condition), "then": {"effect": "deny"}},
        },
        "_apiVersion": "2023-04-01",
    }

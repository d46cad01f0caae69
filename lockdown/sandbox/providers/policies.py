"""Microsoft.Authorization: policy definitions, sets of them, and their assignments."""

from typing import Any

from lockdown.sandbox.arm_error import ArmError, bad_request
from lockdown.sandbox.kind import Context, Kind, one_of, require
from lockdown.sandbox.policies import ASSIGNMENT, DEFINITION, SET, check_rule
from lockdown.sandbox.rbac import assignment_scope
from lockdown.sandbox.state import Document

_SHARED = {"displayName": str, "description": str, "metadata": dict, "parameters": dict}
_EFFECTS = ("Default", "DoNotEnforce")


def _check_parameters(parameters: Any, target: str) -> None:  # noqa: ANN401  # a JSON value
    if not isinstance(parameters, dict) or not all(isinstance(item, dict) for item in parameters.values()):
        raise bad_request("Parameters are an object of objects.", target=target)


def _prepare_definition(context: Context, document: Document, previous: Document | None) -> None:
    del context, previous
    check_rule(require(document, "policyRule"))
    _check_parameters(document["properties"].get("parameters", {}), "parameters")
    document["properties"] |= {"policyType": "Custom"}
    document["properties"].setdefault("mode", "All")


def _prepare_set(context: Context, document: Document, previous: Document | None) -> None:
    del previous
    for member in require(document, "policyDefinitions"):
        _must_exist(context, str(member.get("policyDefinitionId") or ""))
        _check_parameters(member.get("parameters") or {}, "policyDefinitions.parameters")
    _check_parameters(document["properties"].get("parameters", {}), "parameters")
    document["properties"] |= {"policyType": "Custom"}


def _prepare_assignment(context: Context, document: Document, previous: Document | None) -> None:
    del previous
    _must_exist(context, str(require(document, "policyDefinitionId")))
    properties = document["properties"]
    _check_parameters(properties.get("parameters", {}), "parameters")
    properties["scope"] = assignment_scope(str(document["id"]))
    properties.setdefault("notScopes", [])
    properties.setdefault("enforcementMode", "Default")
    one_of(document, "enforcementMode", _EFFECTS)


def _must_exist(context: Context, definition: str) -> None:
    if context.state.get(definition) is None:
        raise ArmError(404, "PolicyDefinitionNotFound", f"The policy definition '{definition}' could not be found.")


KINDS = (
    Kind(
        DEFINITION, {**_SHARED, "policyType": None, "mode": str, "policyRule": dict, "version": None},
        computed=frozenset({"policyType"}), tracked=False, prepare=_prepare_definition,
    ),
    Kind(
        SET, {**_SHARED, "policyType": None, "policyDefinitions": [dict], "policyDefinitionGroups": None},
        computed=frozenset({"policyType"}), tracked=False, prepare=_prepare_set,
    ),
    Kind(
        ASSIGNMENT,
        {
            **_SHARED, "policyDefinitionId": str, "scope": None, "notScopes": [str], "enforcementMode": str,
            "nonComplianceMessages": None, "definitionVersion": None,
        },
        computed=frozenset({"scope"}), tracked=False, prepare=_prepare_assignment,
    ),
)  # fmt: skip

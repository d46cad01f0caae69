"""policies/redaction.yaml: secrets go, and nothing that a verdict rests on goes with them."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from functools import cache
from typing import Any

import pytest

from lockdown.model import Policy
from lockdown.policy import cases
from lockdown.policy.load import PolicySet, load
from lockdown.policy.redaction import Redaction
from lockdown.snapshot.redact import REMOVED, Redactor

HIDDEN = "c2VjcmV0"


@cache
def catalogue() -> PolicySet:
    return load(translate=False)


def rules() -> Redaction:
    return catalogue().redaction


def redacted(row: dict[str, Any]) -> tuple[dict[str, Any], int]:
    redactor = Redactor(rules().paths, rules().marks)
    assert redactor.narrowed(json.dumps(row)) or not redactor.redact(copy.deepcopy(row))
    found = copy.deepcopy(row)
    return found, redactor.redact(found)


def test_every_path_removes_what_stands_there() -> None:
    for path in rules().paths:
        value: Any = HIDDEN
        for step in reversed(path.steps):
            value = [value] if step == "*" else {step: value}
        row = {"id": "/subscriptions/s", "type": min(path.types, default="contoso.any/thing"), **value}
        found, count = redacted(row)
        assert count == 1, path
        assert HIDDEN not in json.dumps(found), path


@pytest.mark.parametrize("name", ["InstrumentationKey", "instrumentationKey", "ConnectionString", "connectionString"])
def test_application_insights_is_redacted_in_every_spelling(name: str) -> None:
    found, count = redacted(
        {"id": "x", "type": "microsoft.insights/components", "properties": {name: "0f1e", "AppId": "a"}}
    )
    assert (found["properties"], count) == ({name: REMOVED, "AppId": "a"}, 1)


@pytest.mark.parametrize(
    "value",
    [
        "DefaultEndpointsProtocol=https;AccountName=coa;AccountKey=c2VjcmV0;EndpointSuffix=core.windows.net",
        "Endpoint=sb://coa.servicebus.windows.net/;SharedAccessKeyName=all;SharedAccessKey=c2VjcmV0",
        "BlobEndpoint=https://coa.blob.core.windows.net/;SharedAccessSignature=sv=2024-11-04",
        "https://coa.blob.core.windows.net/inputs?sv=2024-11-04&sr=c&sig=c2VjcmV0%3D",
        "sv=2024-11-04&ss=b&srt=sco&sig=c2VjcmV0",
        "InstrumentationKey=00000000-0000-0000-0000-000000000000;IngestionEndpoint=https://eastus.in.example/",
        "-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----",
        "-----BEGIN RSA PRIVATE KEY-----",
        "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJjb2EifQ.c2lnbmF0dXJl",
        "Bearer eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJjb2EifQ.c2lnbmF0dXJl",
        "jdbc:postgresql://coa.example/cromwell_db?user=cromwell&password=hunter2",
        "Server=coa;User Id=tes;Password = hunter2;Ssl Mode=Require",
        "postgres://cromwell:hunter2@coa.example/cromwell_db",
        "client_secret=hunter2",
        "abc8Q~abcdefghijklmnopqrstuvwxyz0123456",
        "ghp_0123456789abcdefghijklmnopqrstuvwxyz",
        "A" * 86 + "==",
    ],
)
def test_what_looks_like_a_secret_is_removed_wherever_it_stands(value: str) -> None:
    found, count = redacted(
        {"id": "x", "type": "t", "tags": {"note": value}, "properties": {"list": [{"deep": value}]}}
    )
    assert count == 2
    assert found["tags"]["note"] == found["properties"]["list"][0]["deep"] == REMOVED


@pytest.mark.parametrize(
    "name",
    [
        "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJjb2EifQ.c2lnbmF0dXJl",
        "a-eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJjb2EifQ.c2lnbmF0dXJl",
        "ghp_0123456789abcdefghijklmnopqrstuvwxyz",
        "AccountKey",
        "password",
        "sig",
        "pwd-rotation",
    ],
)
def test_no_resource_escapes_judgement_by_its_name(name: str) -> None:
    row = {"id": f"/subscriptions/s/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/{name}", "type": "t"}
    assert redacted(row) == (row, 0)


def test_what_is_removed_changes_no_verdict() -> None:
    """A case that holds a secret gives the same results without it; few do, because Azure returns few."""
    held = [policy for policy in catalogue().policies if without_secrets(policy) != policy]
    assert {policy.id for policy in held} == {"batch-pool-managed-identity", "vm-no-run-commands"}
    for policy in held:
        assert [case.differences for case in cases.run(without_secrets(policy)) if not case.passed] == []


def without_secrets(policy: Policy) -> Policy:
    """Return ``policy`` with the rows of its cases as they would reach the disk."""
    listed = [case.model_dump(mode="json") for _, case in cases.load(policy)]
    found = sum(redacted(row)[1] for case in listed for rows in case["tables"].values() for row in rows)
    if not found:
        return policy
    for case in listed:
        case["tables"] = {name: [redacted(row)[0] for row in rows] for name, rows in case["tables"].items()}
    return replace(policy, files={**policy.files, "cases.yaml": json.dumps(listed).encode()})

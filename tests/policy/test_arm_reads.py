"""arm-reads.yaml says what is read from Azure Resource Manager, and a policy cannot ask for anything else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import cast

import pytest

from lockdown.data import tree as shipped
from lockdown.errors import UsageError
from lockdown.model import Policy
from lockdown.policy import arm_reads
from lockdown.policy.load import load
from tests.policy.sample import ARM_READS, FOLDER, POLICY

READS = "reads:\n  resources: [Microsoft.Storage/storageAccounts]\n"
DIAGNOSTICS = "microsoft.insights/diagnosticsettings"


def parsed(text: str) -> object:
    return arm_reads.parse("set/arm-reads.yaml", text.encode())


def asking(root: Path, armresources: str, resources: str = READS) -> Path:
    assert READS in POLICY
    written = POLICY.replace(READS, f"{resources}  armresources: {armresources}\n")
    (root / FOLDER / "policy.yaml").write_text(written)
    return root


def refusal(root: Path) -> str:
    with pytest.raises(UsageError) as caught:
        load(root, translate=False)
    return caught.value.message


def test_every_type_that_ships_has_its_path_and_version() -> None:
    found = arm_reads.parse("arm-reads.yaml", (shipped("policies") / "arm-reads.yaml").read_bytes())
    assert len(found) == 18
    assert found[DIAGNOSTICS].parents == ()
    assert [c.path for c in found[DIAGNOSTICS].children["microsoft.storage/storageaccounts"]] == [
        f"{service}Services/default" for service in ("blob", "file", "queue", "table")
    ]
    events = found["microsoft.insights/eventtypes/values"]
    assert "claims" not in events.query["$select"]
    assert "resourceProvider eq 'Microsoft.Authorization'" in events.query["$filter"]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("form: list", "form: lists", "line 5: reads.0.form: "),
        ('"2020-05-01"', "2020-05-01", "line 14: reads.1.api_version: "),
        ('"2020-05-01"', "'2020'", "line 14: reads.1.api_version: "),
        ("/providers/Microsoft.Authorization/locks", "/../locks", "line 12: reads.1.path: "),
        ("/providers/Microsoft.Authorization/locks", "/locks?x=1", "line 12: reads.1.path: "),
        ("{parent}/providers/Microsoft.Authorization", "{tenant}", "line 12: reads.1.path: "),
        ("{parent}/providers/Microsoft.Authorization", "https://elsewhere.example", "line 12: reads.1.path: "),
        ("{parent}/providers/Microsoft.Authorization", "/subscriptions/{subscription}", "must be whole"),
        ("of: subscription", "of: everything", "line 11: reads.1.of: "),
        ("Microsoft.Authorization/locks\n    of", "lockdown/reads\n    of", "line 10: reads.1.type: "),
        ("Microsoft.Authorization/locks\n    of", DIAGNOSTICS + "\n    of", "line 10: reads.1.type: "),
        ("blobServices/default", "../default", "line 8: reads.0.children."),
        ("properties.primaryEndpoints.blob", "primaryEndpoints", "line 8: reads.0.children."),
        ("form: list", "form: list\n    key: id", "key belongs to a list of whole answers"),
        ("form: list", 'form: list\n    query: {$filter: "{now}"}', "unknown placeholder {now}"),
        ("form: list", 'form: list\n    query: {api-version: "1"}', "line 6: reads.0.query."),
        ("form: list", "form: list\n    method: POST", "line 6: reads.0.method: "),
    ],
)
def test_what_is_wrong_is_named_with_its_line(old: str, new: str, told: str) -> None:
    assert old in ARM_READS
    with pytest.raises(UsageError) as caught:
        parsed(ARM_READS.replace(old, new, 1))
    assert "set/arm-reads.yaml" in caught.value.message
    assert told in caught.value.message


def test_a_set_of_ones_own_gets_the_shipped_reads(tree: Path) -> None:
    (tree / "arm-reads.yaml").unlink()
    assert "microsoft.security/securitycontacts" in load(tree, translate=False).arm


def test_a_policy_may_ask_for_what_is_read_of_its_own_types(tree: Path) -> None:
    found = load(asking(tree, "[Microsoft.Insights/diagnosticSettings, lockdown/reads]"), translate=False)
    assert found.policies[0].reads["armresources"] == (DIAGNOSTICS, "lockdown/reads")
    (read,) = found.arm_reads()
    assert (read.type, read.parents) == (DIAGNOSTICS, ("microsoft.storage/storageaccounts",))


@pytest.mark.parametrize(
    ("armresources", "resources", "told"),
    [
        ("[Microsoft.Web/sites/config, lockdown/reads]", READS, "does not say how to read microsoft.web/sites/config"),
        ("[Microsoft.Authorization/locks, lockdown/reads]", READS, "does not list for resourcecontainers"),
        ("[Microsoft.Insights/diagnosticSettings]", READS, "list lockdown/reads too"),
        ("[]", READS, "name the types"),
        (
            "[Microsoft.Insights/diagnosticSettings, lockdown/reads]",
            "reads:\n  resources: [Microsoft.KeyVault/vaults]\n",
            "is read of microsoft.storage/storageaccounts, which reads does not list for resources",
        ),
    ],
)
def test_a_policy_that_asks_in_vain_is_refused(tree: Path, armresources: str, resources: str, told: str) -> None:
    message = refusal(asking(tree, armresources, resources))
    assert f"{FOLDER}/policy.yaml, line " in message
    assert "reads.armresources: " in message
    assert told in message


def test_the_rows_of_reads_belong_to_one_table(tree: Path) -> None:
    mixed = READS.replace("]", ", lockdown/reads]")
    assert "lockdown/reads are rows of armresources" in refusal(asking(tree, "[]", mixed))


def test_parents_are_those_of_every_policy_that_asks(policy_with: Callable[..., Policy]) -> None:
    known = cast("dict[str, object]", parsed(ARM_READS))
    one = replace(policy_with(), reads=MappingProxyType({"armresources": (DIAGNOSTICS,)}))
    other = replace(one, applies_to=("microsoft.keyvault/vaults",))
    (read,) = arm_reads.wanted(known, [one, other])  # type: ignore[arg-type]
    assert read.parents == ("microsoft.keyvault/vaults", "microsoft.storage/storageaccounts")

"""What a scenario starts with is what Resource Manager itself would hold: read and written back, nothing changes."""

from __future__ import annotations

import pytest

from lockdown.sandbox.scenarios import build
from lockdown.sandbox.server import Sandbox
from tests.sandbox.arm_client import ArmClient

_NOT_WRITTEN = {
    "Microsoft.Resources/resourceGroups",
    "Microsoft.ContainerService/locations/kubernetesVersions",
    "Microsoft.Features/providers/features",
    "Microsoft.Authorization/roleAssignments",
    "Microsoft.Authorization/roleDefinitions",
}
"""What has a path of its own, what nobody writes, and what shows when it was last written."""


@pytest.mark.parametrize("scenario", ["coa-stock", "coa-private"])
def test_every_document_can_be_written_back_as_it_was_read(scenario: str) -> None:
    with Sandbox(scenario, operation_seconds=0) as sandbox:
        arm = ArmClient(sandbox)
        written = 0
        for document in build(scenario, tenant=sandbox.tenant, options={}).documents:
            if document["type"] in _NOT_WRITTEN:
                continue
            read = arm.call("GET", document["id"])
            assert read.status_code == 200, document["id"]
            assert arm.call("PUT", document["id"], read.json()).status_code == 200, document["id"]
            written += 1
        assert written > 40
        assert [(change.resource_id, change.after) for change in sandbox.state.changes()] == []
        arm.close()

"""Operations that last as long as in Azure, on a clock that is scaled or simulated, and operations that fail."""

from __future__ import annotations

from collections.abc import Iterator
from time import monotonic

import pytest
from azure.core.credentials import TokenCredential
from azure.identity import ClientSecretCredential
from azure.mgmt.storage import StorageManagementClient
from azure.mgmt.storage.models import Sku, StorageAccountCreateParameters

from lockdown.errors import UsageError
from lockdown.sandbox import faults
from lockdown.sandbox.server import Sandbox
from tests.sandbox.arm_client import ArmClient, error

NSG = "providers/Microsoft.Network/networkSecurityGroups"


@pytest.fixture(scope="module")
def simulated() -> Iterator[ArmClient]:
    with Sandbox("empty", time_scale=1) as sandbox:
        client = ArmClient(sandbox)
        yield client
        client.close()


def credential(sandbox: Sandbox) -> TokenCredential:
    held = sandbox.environment()
    return ClientSecretCredential(
        sandbox.tenant,
        held["AZURE_CLIENT_ID"],
        held["AZURE_CLIENT_SECRET"],
        authority=sandbox.url,
        disable_instance_discovery=True,
        connection_verify=str(sandbox.ca_file),
    )


def test_a_simulated_clock_lasts_as_long_as_azure_and_spares_tokens(simulated: ArmClient) -> None:
    path = f"{simulated.group('simulated')}/{NSG}/nsg"
    created = simulated.call("PUT", path, {"location": "westeurope"})
    monitor = created.headers["Azure-AsyncOperation"]
    assert int(created.headers["Retry-After"]) > 1
    simulated.sandbox.clock.skip(int(created.headers["Retry-After"]))
    assert simulated.call("GET", monitor, version=None).json()["status"] == "Succeeded"
    simulated.sandbox.clock.skip(24 * 3600)
    assert simulated.call("GET", path).status_code == 200


def test_waits_of_a_scaled_clock_are_milliseconds_that_the_sdk_follows() -> None:
    with Sandbox("empty", time_scale=600) as sandbox:
        arm = ArmClient(sandbox)
        group = arm.group("scaled")
        created = arm.call("PUT", f"{group}/{NSG}/nsg", {"location": "westeurope"})
        assert "Retry-After" not in created.headers
        assert 0 < int(created.headers["retry-after-ms"]) < 100
        client = StorageManagementClient(
            credential(sandbox),
            sandbox.subscription,
            base_url=sandbox.url,
            credential_scopes=[f"{sandbox.url}//.default"],
            connection_verify=str(sandbox.ca_file),
        )
        body = StorageAccountCreateParameters(sku=Sku(name="Standard_LRS"), kind="StorageV2", location="westeurope")
        before = monotonic()
        made = client.storage_accounts.begin_create("scaled", "scaled0001", body).result()
        assert monotonic() - before < 5
        assert made.name == "scaled0001"
        arm.close()


def test_an_operation_fails_at_its_end_and_a_second_put_mends_it() -> None:
    with Sandbox("empty", operation_seconds=30) as sandbox:
        arm = ArmClient(sandbox)
        path = f"{arm.group('failing')}/{NSG}/nsg"
        sandbox.fault(f"PUT *{NSG}/nsg* fail-operation:InternalServerError 1")
        created = arm.call("PUT", path, {"location": "westeurope"})
        assert (created.status_code, created.json()["properties"]["provisioningState"]) == (201, "Creating")
        sandbox.clock.advance(31)
        ended = arm.call("GET", created.headers["Azure-AsyncOperation"], version=None).json()
        assert (ended["status"], ended["error"]["code"]) == ("Failed", "InternalServerError")
        assert arm.call("GET", path).json()["properties"]["provisioningState"] == "Failed"
        assert arm.call("PUT", path, {"location": "westeurope"}).status_code == 200
        sandbox.clock.advance(31)
        assert arm.call("GET", path).json()["properties"]["provisioningState"] == "Succeeded"
        sandbox.fault(f"DELETE *{NSG}/nsg* fail-operation:InUse 1")
        refused = arm.call("DELETE", path)
        sandbox.clock.advance(31)
        assert error(arm.call("GET", refused.headers["Location"], version=None)) == (409, "InUse")
        assert arm.call("GET", path).json()["properties"]["provisioningState"] == "Failed"
        arm.close()


def test_a_request_that_starts_no_operation_is_refused_by_such_a_fault(arm: ArmClient, group: str) -> None:
    arm.sandbox.fault(f"PUT *{group}/{NSG}/never* fail-operation:Conflict 1")
    path = f"{group}/{NSG}/never"
    assert error(arm.call("PUT", path, {"location": "westeurope"})) == (409, "Conflict")
    assert arm.call("GET", path).status_code == 404


def test_what_is_not_ready_cannot_be_referred_to(simulated: ArmClient) -> None:
    group = simulated.group("referring")
    simulated.call("PUT", f"{group}/{NSG}/nsg", {"location": "westeurope"})
    subnet = {"name": "a", "properties": {"addressPrefix": "10.0.0.0/24"}}
    subnet["properties"]["networkSecurityGroup"] = {"id": f"{group}/{NSG}/nsg"}  # type: ignore[index]
    body = {
        "location": "westeurope",
        "properties": {"addressSpace": {"addressPrefixes": ["10.0.0.0/16"]}, "subnets": [subnet]},
    }
    path = f"{group}/providers/Microsoft.Network/virtualNetworks/net"
    assert error(simulated.call("PUT", path, body)) == (409, "ReferencedResourceNotProvisioned")
    simulated.sandbox.clock.skip(600)
    assert simulated.call("PUT", path, body).status_code == 201


@pytest.mark.parametrize("text", ["PUT * fail-operation", "PUT * fail-operation:a:b", "PUT * fail-operation:/"])
def test_a_failing_operation_needs_one_code(text: str) -> None:
    with pytest.raises(UsageError):
        faults.parse(text)

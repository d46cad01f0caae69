"""What a subscription has to register first: resource providers and features."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lockdown.sandbox.server import Sandbox
from tests.sandbox.arm_client import ArmClient, error

FEATURE = "providers/Microsoft.Features/providers/Microsoft.Compute/features/EncryptionAtHost"


@pytest.fixture
def bare() -> Iterator[ArmClient]:
    with Sandbox("empty", time_scale=1, unregistered=["microsoft.keyvault"]) as sandbox:
        client = ArmClient(sandbox)
        yield client
        client.close()


def test_a_provider_is_registered_before_its_types_are_written(bare: ArmClient) -> None:
    provider = f"{bare.base}/providers/Microsoft.KeyVault"
    vault = f"{bare.group('g')}/providers/Microsoft.KeyVault/vaults/kv-1"
    assert bare.call("GET", provider).json()["registrationState"] == "NotRegistered"
    assert error(bare.call("PUT", vault, {"location": "westeurope"})) == (409, "MissingSubscriptionRegistration")
    assert bare.call("POST", f"{provider}/register").json()["registrationState"] == "Registering"
    assert error(bare.call("PUT", vault, {"location": "westeurope"})) == (409, "MissingSubscriptionRegistration")
    bare.sandbox.clock.skip(61)
    assert bare.call("GET", provider).json()["registrationState"] == "Registered"
    assert bare.call("GET", f"{bare.base}/providers/Microsoft.Batch").json()["registrationState"] == "Registered"


def test_every_provider_can_be_unregistered_but_those_that_never_are() -> None:
    with Sandbox("empty", operation_seconds=0, unregistered=["*"]) as sandbox:
        arm = ArmClient(sandbox)
        group = arm.group("g")
        path = f"{group}/providers/Microsoft.Network/networkSecurityGroups/nsg"
        assert error(arm.call("PUT", path, {"location": "westeurope"})) == (409, "MissingSubscriptionRegistration")
        arm.call("POST", f"{arm.base}/providers/microsoft.network/register").raise_for_status()
        assert arm.call("PUT", path, {"location": "westeurope"}).status_code == 201
        arm.close()


def test_a_feature_is_registered_in_its_own_time(bare: ArmClient) -> None:
    path = f"{bare.base}/{FEATURE}"
    assert bare.call("GET", path).json()["properties"] == {"state": "NotRegistered"}
    assert bare.call("POST", f"{path}/register").json()["properties"] == {"state": "Registering"}
    bare.sandbox.clock.skip(601)
    found = bare.call("GET", path).json()
    assert (found["properties"], found["name"]) == ({"state": "Registered"}, "Microsoft.Compute/EncryptionAtHost")
    listed = bare.call("GET", f"{bare.base}/providers/Microsoft.Features/features").json()["value"]
    assert [item["properties"]["state"] for item in listed] == ["Registered"]
    assert bare.call("POST", f"{path}/unregister").json()["properties"] == {"state": "NotRegistered"}
    assert error(bare.call("GET", path.replace("EncryptionAtHost", "Other"))) == (404, "FeatureNotFound")

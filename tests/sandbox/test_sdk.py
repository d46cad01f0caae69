"""Microsoft's own Python SDK against the sandbox: it must not know the difference."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.identity import ClientAssertionCredential, ClientSecretCredential
from azure.mgmt.network import NetworkManagementClient
from azure.mgmt.network.models import (
    AddressSpace,
    NetworkSecurityGroup,
    Subnet,
    SubnetPropertiesFormat,
    TagsObject,
    VirtualNetwork,
    VirtualNetworkPropertiesFormat,
)
from azure.mgmt.resource.resources import ResourceManagementClient
from azure.mgmt.resource.resources.models import ResourceGroup
from azure.mgmt.storage import StorageManagementClient
from azure.mgmt.storage.models import (
    Sku,
    StorageAccountCheckNameAvailabilityParameters,
    StorageAccountCreateParameters,
    StorageAccountPropertiesUpdateParameters,
    StorageAccountUpdateParameters,
)

from lockdown.sandbox.server import Sandbox


@dataclass
class Clients:
    sandbox: Sandbox
    resources: ResourceManagementClient
    network: NetworkManagementClient
    storage: StorageManagementClient

    def close(self) -> None:
        for client in (self.resources, self.network, self.storage):
            client.close()


def connect(sandbox: Sandbox, principal: str = "owner") -> Clients:
    environment = sandbox.environment(principal)
    ca = {"connection_verify": str(sandbox.ca_file)}
    credential = ClientSecretCredential(
        environment["AZURE_TENANT_ID"],
        environment["AZURE_CLIENT_ID"],
        environment["AZURE_CLIENT_SECRET"],
        authority=sandbox.url,
        disable_instance_discovery=True,
        **ca,
    )
    arguments: dict[str, Any] = {
        "base_url": sandbox.url,
        "credential_scopes": [f"{sandbox.url}//.default"],
        **ca,
    }
    return Clients(
        sandbox,
        ResourceManagementClient(credential, sandbox.subscription, **arguments),
        NetworkManagementClient(credential, sandbox.subscription, **arguments),
        StorageManagementClient(credential, sandbox.subscription, **arguments),
    )


@pytest.fixture(scope="module")
def sdk() -> Iterator[Clients]:
    with Sandbox("empty", operation_seconds=0.2) as sandbox:
        clients = connect(sandbox)
        clients.resources.resource_groups.create_or_update("sdk", ResourceGroup(location="westeurope"))
        yield clients
        clients.close()


def test_a_network_is_created_patched_read_and_deleted(sdk: Clients) -> None:
    body = VirtualNetwork(
        location="westeurope",
        properties=VirtualNetworkPropertiesFormat(
            address_space=AddressSpace(address_prefixes=["10.0.0.0/16"]),
            subnets=[Subnet(name="one", properties=SubnetPropertiesFormat(address_prefix="10.0.0.0/24"))],
        ),
    )
    networks = sdk.network.virtual_networks
    made = networks.begin_create_or_update("sdk", "net", body).result()
    assert made.properties is not None
    assert made.properties.provisioning_state == "Succeeded"
    assert networks.update_tags("sdk", "net", TagsObject(tags={"a": "b"})).tags == {"a": "b"}
    read = networks.get("sdk", "net").properties
    assert read is not None
    assert [subnet.name for subnet in read.subnets or []] == ["one"]
    assert [found.name for found in networks.list_all()] == ["net"]
    networks.begin_delete("sdk", "net").result()
    with pytest.raises(ResourceNotFoundError) as caught:
        networks.get("sdk", "net")
    assert caught.value.error is not None
    assert caught.value.error.code == "ResourceNotFound"


def test_a_storage_account_is_followed_to_its_end(sdk: Clients) -> None:
    accounts = sdk.storage.storage_accounts
    name = StorageAccountCheckNameAvailabilityParameters(name="sdkaccount1")
    assert accounts.check_name_availability(name).name_available
    body = StorageAccountCreateParameters(location="westeurope", sku=Sku(name="Standard_LRS"), kind="StorageV2")
    made = accounts.begin_create("sdk", "sdkaccount1", body).result()
    assert made.properties is not None
    assert made.properties.primary_endpoints is not None
    assert made.properties.primary_endpoints.blob == "https://sdkaccount1.blob.core.windows.net/"
    change = StorageAccountPropertiesUpdateParameters(public_network_access="Disabled")
    closed = accounts.update("sdk", "sdkaccount1", StorageAccountUpdateParameters(properties=change))
    assert closed.properties is not None
    assert closed.properties.public_network_access == "Disabled"
    assert not accounts.check_name_availability(name).name_available


def test_lists_follow_their_pages(sdk: Clients) -> None:
    groups = sdk.resources.resource_groups
    for number in range(5):
        groups.create_or_update(f"page{number}", ResourceGroup(location="westeurope"))
    before = sdk.sandbox.requests
    names = [group.name for group in groups.list(top=2)]
    assert {f"page{number}" for number in range(5)} < set(names)
    assert sdk.sandbox.requests - before == -(-len(names) // 2)


def test_a_second_operation_is_a_conflict() -> None:
    with Sandbox("empty", operation_seconds=60) as sandbox:
        slow = connect(sandbox)
        slow.resources.resource_groups.create_or_update("g", ResourceGroup(location="westeurope"))
        groups = slow.network.network_security_groups
        groups.begin_create_or_update("g", "nsg", NetworkSecurityGroup(location="westeurope"), polling=False)
        with pytest.raises(ResourceExistsError) as caught:
            groups.begin_delete("g", "nsg", polling=False)
        assert caught.value.error is not None
        assert caught.value.error.code == "AnotherOperationInProgress"
        slow.close()


def test_without_the_right_it_is_forbidden(sdk: Clients) -> None:
    reader = connect(sdk.sandbox, "auditor")
    with pytest.raises(HttpResponseError) as caught:
        reader.resources.resource_groups.create_or_update("mine", ResourceGroup(location="westeurope"))
    assert caught.value.status_code == 403
    assert caught.value.error is not None
    assert caught.value.error.code == "AuthorizationFailed"
    reader.close()


def test_a_throttled_request_is_sent_again(sdk: Clients) -> None:
    sdk.sandbox.fault("GET */resourcegroups/sdk* throttle:1 1")
    before = sdk.sandbox.requests
    assert sdk.resources.resource_groups.get("sdk").name == "sdk"
    assert sdk.sandbox.requests - before == 2


def test_a_dropped_answer_is_asked_for_again(sdk: Clients) -> None:
    sdk.sandbox.fault("GET */resourcegroups/sdk* drop-after 1")
    assert sdk.resources.resource_groups.get("sdk").name == "sdk"


def test_a_workload_identity_works_without_a_secret(sdk: Clients) -> None:
    sandbox = sdk.sandbox
    environment = sandbox.environment("auditor")
    credential = ClientAssertionCredential(
        environment["AZURE_TENANT_ID"],
        environment["AZURE_CLIENT_ID"],
        lambda: sandbox.federated_token("auditor"),
        authority=sandbox.url,
        disable_instance_discovery=True,
        connection_verify=str(sandbox.ca_file),
    )
    assert credential.get_token(f"{sandbox.url}//.default").token
    credential.close()

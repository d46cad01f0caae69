"""What the cloud says of itself, without a token."""

from __future__ import annotations

import pytest

from lockdown.sandbox.server import Sandbox
from tests.sandbox.arm_client import ArmClient, error


def endpoints(arm: ArmClient, version: str) -> object:
    return arm.session.get(f"{arm.sandbox.url}/metadata/endpoints", params={"api-version": version}).json()


def test_the_newer_form_is_one_cloud_and_2019_a_list_of_it(local_azure: Sandbox, arm: ArmClient) -> None:
    one, many = endpoints(arm, "2022-09-01"), endpoints(arm, "2019-05-01")
    assert many == [one]
    assert isinstance(one, dict)
    assert one["resourceManager"] == one["authentication"]["loginEndpoint"] == local_azure.url
    assert one["authentication"]["audiences"] == [f"{local_azure.url}/", local_azure.url]
    assert one["authentication"]["tenant"] == local_azure.tenant


def test_the_first_form_is_short(local_azure: Sandbox, arm: ArmClient) -> None:
    found = endpoints(arm, "2015-01-01")
    assert isinstance(found, dict)
    assert set(found) == {"galleryEndpoint", "graphEndpoint", "portalEndpoint", "authentication"}
    assert found["authentication"]["loginEndpoint"] == local_azure.url


def test_every_url_in_it_is_this_host(local_azure: Sandbox, arm: ArmClient) -> None:
    one = endpoints(arm, "2022-09-01")
    assert isinstance(one, dict)
    urls = [value for value in one.values() if isinstance(value, str) and "//" in value]
    assert urls
    assert all(url.startswith(local_azure.url) for url in urls)


@pytest.mark.parametrize(
    ("cloud", "storage", "vault"),
    [
        ("AzureCloud", "core.windows.net", "vault.azure.net"),
        ("AzureUSGovernment", "core.usgovcloudapi.net", "vault.usgovcloudapi.net"),
    ],
)
def test_its_suffixes_are_those_of_the_names_that_services_get(cloud: str, storage: str, vault: str) -> None:
    with Sandbox("empty", operation_seconds=0, cloud=cloud) as sandbox:
        arm = ArmClient(sandbox)
        one = endpoints(arm, "2022-09-01")
        assert isinstance(one, dict)
        suffixes = one["suffixes"]
        assert (suffixes["storage"], suffixes["keyVaultDns"]) == (storage, vault)
        place = arm.call("GET", f"{arm.base}/locations").json()["value"][0]["name"]
        path = f"{arm.group('g', place)}/providers/Microsoft.Storage/storageAccounts/suffixed"
        body = {"location": place, "sku": {"name": "Standard_LRS"}, "kind": "StorageV2", "properties": {}}
        made = arm.call("PUT", path, body).json()["properties"]
        assert made["primaryEndpoints"]["blob"] == f"https://suffixed.blob.{suffixes['storage']}/"
        arm.close()


@pytest.mark.parametrize(
    ("cloud", "own", "others"),
    [("AzureCloud", "eastus", "usgovvirginia"), ("AzureUSGovernment", "usgovvirginia", "eastus")],
)
def test_a_cloud_has_its_own_regions_alone(cloud: str, own: str, others: str) -> None:
    with Sandbox("empty", operation_seconds=0, cloud=cloud) as sandbox:
        arm = ArmClient(sandbox)
        listed = {found["name"] for found in arm.call("GET", f"{arm.base}/locations").json()["value"]}
        assert own in listed
        assert others not in listed
        refused = arm.call("PUT", f"{arm.base}/resourceGroups/g", {"location": others})
        assert error(refused) == (400, "LocationNotAvailableForResourceGroup")
        path = f"{arm.group('g', own)}/providers/Microsoft.Network/networkSecurityGroups/n"
        assert error(arm.call("PUT", path, {"location": others})) == (400, "LocationNotAvailableForResourceType")
        assert arm.call("PUT", path, {"location": own}).status_code == 201
        arm.close()


def test_a_version_is_needed(arm: ArmClient) -> None:
    assert endpoints(arm, "") == {
        "error": {
            "code": "MissingApiVersionParameter",
            "message": "The api-version query parameter (?api-version=) is required for all requests.",
        }
    }


@pytest.mark.parametrize("tenant", ["TENANT", "common", "organizations"])
def test_openid_configuration(local_azure: Sandbox, arm: ArmClient, tenant: str) -> None:
    tenant = tenant.replace("TENANT", local_azure.tenant)
    found = arm.session.get(f"{local_azure.url}/{tenant}/v2.0/.well-known/openid-configuration").json()
    assert found["token_endpoint"] == f"{local_azure.url}/{local_azure.tenant}/oauth2/v2.0/token"


def test_instance_discovery_knows_this_host_alone(local_azure: Sandbox, arm: ArmClient) -> None:
    found = arm.session.get(f"{local_azure.url}/common/discovery/instance?api-version=1.1").json()
    assert found["metadata"][0]["aliases"] == [local_azure.url.removeprefix("https://")]

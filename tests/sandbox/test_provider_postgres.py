"""PostgreSQL flexible servers: their network, logins, parameters, administrators."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from lockdown.sandbox.server import Sandbox
from tests.sandbox.arm_client import ArmClient, error
from tests.sandbox.services import named

SERVERS = "providers/Microsoft.DBforPostgreSQL/flexibleServers"
DELEGATION = "Microsoft.DBforPostgreSQL/flexibleServers"
LOGIN = {"administratorLogin": "coa_admin", "administratorLoginPassword": "Only-For-1-Test"}
SKU = {"name": "Standard_B2s", "tier": "Burstable"}
GROUP = "3f8f6c1d-6a0e-4b0f-9f5d-2b7f0f3b9c22"
ENTRA = {"principalType": "Group", "principalName": "administrators"}


def put(arm: ArmClient, path: str, **properties: Any) -> Any:
    given = {"version": "16", **LOGIN, **properties}
    return arm.call("PUT", path, {"location": "westeurope", "sku": SKU, "properties": given})


@pytest.fixture
def path(group: str) -> str:
    return f"{group}/{SERVERS}/{named('pg-')}"


@pytest.fixture
def place(arm: ArmClient, group: str) -> dict[str, str]:
    """A delegated subnet, and a zone that its servers can be named in."""
    subnet = {
        "name": "sql",
        "properties": {
            "addressPrefix": "10.0.1.0/24",
            "delegations": [{"name": "pg", "properties": {"serviceName": DELEGATION}}],
        },
    }
    network = f"{group}/providers/Microsoft.Network/virtualNetworks/net"
    arm.made(network, {"addressSpace": {"addressPrefixes": ["10.0.0.0/16"]}, "subnets": [subnet]})
    zone = f"{group}/providers/Microsoft.Network/privateDnsZones/privatelink.postgres.database.azure.com"
    arm.call("PUT", zone, {"location": "global"}).raise_for_status()
    return {"delegatedSubnetResourceId": f"{network}/subnets/sql", "privateDnsZoneArmResourceId": zone}


def test_azure_fills_in_what_nobody_asked_for_and_shows_no_password(arm: ArmClient, path: str) -> None:
    made = put(arm, path)
    assert made.status_code == 201, made.text
    assert "Only-For-1-Test" not in made.text
    properties = made.json()["properties"]
    assert properties["network"] == {"publicNetworkAccess": "Enabled"}
    assert properties["storage"]["tier"] == "P10"
    assert properties["authConfig"] == {"activeDirectoryAuth": "Disabled", "passwordAuth": "Enabled"}
    assert put(arm, path).json()["properties"] == properties


@pytest.mark.parametrize(
    ("properties", "code"),
    [
        ({"administratorLoginPassword": None}, "MissingRequiredParameter"),
        ({"administratorLogin": None}, "MissingRequiredParameter"),
        ({"administratorLoginPassword": "short"}, "PasswordNotComplex"),
        ({"administratorLoginPassword": "coa_admin-Is-1"}, "PasswordNotComplex"),
        ({"administratorLogin": "pg_me"}, "InvalidParameterValue"),
        ({"authConfig": {"passwordAuth": "Disabled"}}, "InvalidParameterValue"),
        ({"version": None}, "InvalidRequestContent"),
        ({"version": "9"}, "InvalidRequestContent"),
        ({"storage": {"storageSizeGB": 100}}, "InvalidParameterValue"),
        ({"backup": {"backupRetentionDays": 3}}, "InvalidParameterValue"),
        ({"publicNetworkAccess": "Disabled"}, "InvalidRequestContent"),
    ],
)
def test_a_server_that_cannot_be(arm: ArmClient, path: str, properties: dict[str, Any], code: str) -> None:
    assert error(put(arm, path, **properties)) == (400, code)


def test_no_password_where_only_entra_lets_in(arm: ArmClient, path: str) -> None:
    only = {"activeDirectoryAuth": "Enabled", "passwordAuth": "Disabled"}
    nobody = dict.fromkeys(LOGIN)
    made = put(arm, path, authConfig=only, **nobody)
    assert made.status_code == 201, made.text
    assert made.json()["properties"]["authConfig"]["tenantId"] == arm.sandbox.tenant


def test_a_server_in_a_subnet_stays_there(arm: ArmClient, path: str, place: dict[str, str]) -> None:
    made = put(arm, path, network=place)
    assert made.status_code == 201, made.text
    assert made.json()["properties"]["network"]["publicNetworkAccess"] == "Disabled"
    moved = place | {"delegatedSubnetResourceId": place["delegatedSubnetResourceId"] + "2"}
    assert error(put(arm, path, network=moved)) == (409, "ServerPropertyCannotBeChanged")
    assert put(arm, path, network=place).status_code == 200
    record = f"{place['privateDnsZoneArmResourceId']}/A/{path.rpartition('/')[2]}"
    assert arm.call("GET", record).json()["properties"]["aRecords"] == [{"ipv4Address": "10.0.1.4"}]
    assert error(arm.call("DELETE", place["delegatedSubnetResourceId"]))[1] == "InUseSubnetCannotBeDeleted"
    rule = {"properties": {"startIpAddress": "198.51.100.1", "endIpAddress": "198.51.100.9"}}
    assert error(arm.call("PUT", f"{path}/firewallRules/all", rule)) == (400, "FirewallRuleNotSupported")
    arm.call("DELETE", path).raise_for_status()
    assert arm.call("GET", record).status_code == 404
    assert arm.call("DELETE", place["delegatedSubnetResourceId"]).status_code == 200


def test_a_public_server_never_gets_into_a_subnet(arm: ArmClient, path: str, place: dict[str, str]) -> None:
    put(arm, path).raise_for_status()
    assert error(put(arm, path, network=place)) == (409, "ServerPropertyCannotBeChanged")


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"delegatedSubnetResourceId": "{group}/providers/Microsoft.Network/virtualNetworks/net/subnets/none"},
         "InvalidDelegatedSubnet"),
        ({"delegatedSubnetResourceId": "{plain}"}, "SubnetMissingRequiredDelegation"),
        ({"delegatedSubnetResourceId": None}, "InvalidParameterValue"),
        ({"privateDnsZoneArmResourceId": None}, "EmptyPrivateDnsZoneArmResourceId"),
        ({"privateDnsZoneArmResourceId": "{group}/providers/Microsoft.Network/privateDnsZones/none"},
         "PrivateDnsZoneNotFound"),
        ({"privateDnsZoneArmResourceId": "{other}"}, "PrivateDnsZoneNameNotValid"),
        ({"publicNetworkAccess": "Enabled"}, "InvalidParameterValue"),
    ],
)  # fmt: skip
def test_a_place_that_no_server_can_have(
    arm: ArmClient, group: str, path: str, place: dict[str, str], changed: dict[str, Any], code: str
) -> None:
    other = f"{group}/providers/Microsoft.Network/privateDnsZones/privatelink.blob.core.windows.net"
    arm.call("PUT", other, {"location": "global"}).raise_for_status()
    plain = f"{arm.network(group, 'plain', '10.7.0.0/16', one='10.7.0.0/24')['id']}/subnets/one"
    known = {"group": group, "other": other, "plain": plain}
    given = {name: value and value.format(**known) for name, value in changed.items()}
    assert error(put(arm, path, network={**place, **given})) == (400, code)


def test_what_is_chosen_once(arm: ArmClient, path: str) -> None:
    put(arm, path, storage={"storageSizeGB": 256}).raise_for_status()
    assert error(put(arm, path, administratorLogin="other")) == (409, "ServerPropertyCannotBeChanged")
    geo = {"geoRedundantBackup": "Enabled"}
    assert error(put(arm, path, backup=geo)) == (409, "ServerPropertyCannotBeChanged")
    assert error(put(arm, path, storage={"storageSizeGB": 128})) == (400, "InvalidParameterValue")
    assert error(put(arm, path, version="15")) == (400, "InvalidParameterValue")
    assert put(arm, path, version="17").json()["properties"]["version"] == "17"


def test_parameters_are_there_from_the_start_and_some_wait_for_a_restart(arm: ArmClient, path: str) -> None:
    put(arm, path).raise_for_status()
    libraries = f"{path}/configurations/shared_preload_libraries"
    wanted = {"properties": {"value": "pg_cron,pg_stat_statements,pgaudit", "source": "user-override"}}
    changed = arm.call("PUT", libraries, wanted).json()["properties"]
    assert (changed["source"], changed["isConfigPendingRestart"]) == ("user-override", True)
    assert arm.call("POST", f"{path}/restart").status_code == 200
    assert arm.call("GET", libraries).json()["properties"]["isConfigPendingRestart"] is False
    back = {"properties": {"value": changed["defaultValue"], "source": "system-default"}}
    assert arm.call("PUT", libraries, back).json()["properties"]["source"] == "system-default"
    tls = f"{path}/configurations/ssl_min_protocol_version"
    assert error(arm.call("PUT", tls, {"properties": {"value": "TLSv1"}})) == (400, "InvalidParameterValue")
    assert arm.call("PATCH", tls, {"properties": {"value": "TLSv1.3"}}).json()["properties"]["value"] == "TLSv1.3"
    unknown = arm.call("PUT", f"{path}/configurations/work_mem", {"properties": {"value": "1"}})
    assert error(unknown) == (501, "NotSupportedBySandbox")
    assert error(arm.call("DELETE", tls)) == (405, "MethodNotAllowed")


def test_entra_administrators_need_entra(arm: ArmClient, path: str) -> None:
    put(arm, path).raise_for_status()
    administrator = f"{path}/administrators/{GROUP}"
    refused = arm.call("PUT", administrator, {"properties": ENTRA})
    assert error(refused) == (400, "AadAuthenticationNotEnabled")
    put(arm, path, authConfig={"activeDirectoryAuth": "Enabled", "passwordAuth": "Enabled"}).raise_for_status()
    made = arm.call("PUT", administrator, {"properties": ENTRA})
    assert made.json()["properties"] == ENTRA | {"objectId": GROUP, "tenantId": arm.sandbox.tenant}
    assert error(arm.call("PUT", f"{path}/administrators/me", {"properties": ENTRA})) == (400, "InvalidParameterValue")


def test_databases_keep_their_encoding(arm: ArmClient, path: str) -> None:
    put(arm, path).raise_for_status()
    made = arm.call("PUT", f"{path}/databases/tes_db", {"properties": {}})
    assert made.json()["properties"] == {"charset": "UTF8", "collation": "en_US.utf8"}
    other = {"properties": {"charset": "LATIN1"}}
    assert error(arm.call("PUT", f"{path}/databases/tes_db", other)) == (409, "DatabasePropertyCannotBeChanged")
    assert error(arm.call("PUT", f"{path}/databases/postgres", {})) == (400, "InvalidDatabaseName")


def test_names_are_global_and_firewall_rules_make_sense(arm: ArmClient, path: str) -> None:
    put(arm, path).raise_for_status()
    other = f"{arm.group(named('rg-'))}/{SERVERS}/{path.rpartition('/')[2]}"
    assert error(put(arm, other)) == (409, "ServerNameAlreadyExists")
    rule = {"properties": {"startIpAddress": "10.0.0.9", "endIpAddress": "10.0.0.1"}}
    assert error(arm.call("PUT", f"{path}/firewallRules/r", rule)) == (400, "InvalidParameterValue")


@pytest.fixture
def slow() -> Iterator[ArmClient]:
    with Sandbox("empty", time_scale=1) as sandbox:
        client = ArmClient(sandbox)
        yield client
        client.close()


def test_a_server_takes_its_time_and_one_change_after_the_other(slow: ArmClient) -> None:
    path = f"{slow.group('g')}/{SERVERS}/{named('pg-')}"
    assert put(slow, path).status_code == 201
    assert slow.call("GET", path).json()["properties"]["provisioningState"] == "Creating"
    assert error(slow.call("PUT", f"{path}/databases/one", {"properties": {}})) == (409, "ServerIsBusy")
    slow.sandbox.clock.skip(601)
    assert slow.call("PUT", f"{path}/databases/one", {"properties": {}}).status_code == 201
    assert error(slow.call("PUT", f"{path}/databases/two", {"properties": {}})) == (409, "ServerIsBusy")
    slow.sandbox.clock.skip(30)
    assert slow.call("PUT", f"{path}/databases/two", {"properties": {}}).status_code == 201

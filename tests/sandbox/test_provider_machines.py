"""A machine as a jumpbox is one: what it needs, what goes with it, and how its host key is read."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.arm_client import ArmClient, error

FEATURE = "providers/Microsoft.Features/providers/Microsoft.Compute/features/EncryptionAtHost"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJustAnExampleOfAPublicKeyForTestsOnly00 test"


class Box:
    """A group with a network, a public address and an interface."""

    def __init__(self, arm: ArmClient, group: str) -> None:
        self.arm, self.group = arm, group
        network = arm.network(group, jumps="10.0.0.0/28")
        at = f"{group}/providers/Microsoft.Network"
        self.address = arm.made(f"{at}/publicIPAddresses/ip", {}, sku={"name": "Standard"})["id"]
        configuration = {
            "subnet": {"id": network["properties"]["subnets"][0]["id"]},
            "publicIPAddress": {"id": self.address, "properties": {"deleteOption": "Delete"}},
        }
        body = {"ipConfigurations": [{"name": "one", "properties": configuration}]}
        self.card = arm.made(f"{at}/networkInterfaces/card", body)["id"]
        self.path = f"{group}/providers/Microsoft.Compute/virtualMachines/jump"

    def body(self, **changed: Any) -> dict[str, Any]:
        login = {"computerName": "jump", "adminUsername": "azureuser"}
        linux = {"disablePasswordAuthentication": True, "ssh": {"publicKeys": [{"keyData": KEY}]}}
        image = {"publisher": "Canonical", "offer": "ubuntu-24_04-lts", "sku": "server", "version": "latest"}
        properties: dict[str, Any] = {
            "hardwareProfile": {"vmSize": "Standard_D2s_v5"},
            "storageProfile": {
                "imageReference": image,
                "osDisk": {"createOption": "FromImage", "deleteOption": "Delete"},
            },
            "osProfile": {**login, "linuxConfiguration": linux, "customData": "c2VjcmV0"},
            "networkProfile": {"networkInterfaces": [{"id": self.card, "properties": {"deleteOption": "Delete"}}]},
        }
        return {"location": "westeurope", "properties": properties | changed}


@pytest.fixture
def box(arm: ArmClient, group: str) -> Box:
    return Box(arm, group)


def test_what_is_to_go_with_a_machine_goes(arm: ArmClient, box: Box) -> None:
    made = arm.call("PUT", box.path, box.body())
    assert made.status_code == 201, made.text
    assert "customData" not in made.json()["properties"]["osProfile"]
    assert not [key for key in made.json() if key.startswith("_")]
    assert arm.call("GET", box.card).json()["properties"]["virtualMachine"]["id"] == box.path
    disk = made.json()["properties"]["storageProfile"]["osDisk"]["managedDisk"]["id"]
    found = arm.call("GET", disk).json()
    assert (found["managedBy"], found["properties"]["diskState"]) == (box.path, "Attached")
    assert found["properties"]["publicNetworkAccess"] == "Enabled"
    assert error(arm.call("DELETE", disk)) == (409, "OperationNotAllowed")
    assert error(arm.call("DELETE", box.card)) == (400, "NicInUse")
    assert error(arm.call("PUT", box.path + "2", box.body())) == (400, "NicInUse")
    assert arm.call("DELETE", box.path).status_code == 200
    for gone in (disk, box.card, box.address):
        assert arm.call("GET", gone).status_code == 404


def test_what_is_to_stay_stays(arm: ArmClient, box: Box) -> None:
    body = box.body()
    body["properties"]["storageProfile"]["osDisk"]["deleteOption"] = "Detach"
    body["properties"]["networkProfile"]["networkInterfaces"][0]["properties"]["deleteOption"] = "Detach"
    disk = arm.call("PUT", box.path, body).json()["properties"]["storageProfile"]["osDisk"]["managedDisk"]["id"]
    arm.call("DELETE", box.path).raise_for_status()
    assert arm.call("GET", disk).json()["properties"]["diskState"] == "Unattached"
    assert "virtualMachine" not in arm.call("GET", box.card).json()["properties"]
    assert arm.call("DELETE", disk).status_code == 200


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"hardwareProfile": {"vmSize": "Enormous"}}, "InvalidParameter"),
        ({"hardwareProfile": {}}, "InvalidRequestContent"),
        ({"networkProfile": {"networkInterfaces": [{"id": "/x"}]}}, "InvalidResourceReference"),
        ({"osProfile": {"computerName": "a", "adminUsername": "b"}}, "InvalidParameter"),
        ({"securityProfile": {"encryptionAtHost": True}}, "InvalidParameter"),
        ({"unheardOf": 1}, "InvalidRequestContent"),
    ],
)
def test_what_compute_refuses(arm: ArmClient, box: Box, changed: dict[str, Any], code: str) -> None:
    arm.call("POST", f"{arm.base}/{FEATURE}/unregister").raise_for_status()
    assert error(arm.call("PUT", box.path, box.body(**changed))) == (400, code)


def test_the_host_key_is_read_by_run_command(arm: ArmClient, box: Box) -> None:
    arm.call("PUT", box.path, box.body()).raise_for_status()
    script = {"commandId": "RunShellScript", "script": ["cat /etc/ssh/ssh_host_ed25519_key.pub"]}
    (told,) = arm.call("POST", f"{box.path}/runCommand", script).json()["value"]
    again = arm.call("POST", f"{box.path}/runCommand", script).json()["value"]
    assert "[stdout]\nssh-ed25519 " in told["message"]
    assert again == [told]
    assert arm.call("POST", f"{box.path}/deallocate").status_code == 200


def test_extensions_and_schedules(arm: ArmClient, box: Box) -> None:
    arm.call("PUT", box.path, box.body()).raise_for_status()
    login = {"publisher": "Microsoft.Azure.ActiveDirectory", "type": "AADSSHLoginForLinux", "typeHandlerVersion": "1.0"}
    made = arm.made(f"{box.path}/extensions/AADSSHLogin", {**login, "protectedSettings": {"secret": "x"}})
    assert "protectedSettings" not in made["properties"]
    path = f"{box.group}/providers/Microsoft.DevTestLab/schedules"
    schedule = {
        "taskType": "ComputeVmShutdownTask",
        "dailyRecurrence": {"time": "1900"},
        "targetResourceId": box.path,
    }
    body = {"location": "westeurope", "properties": schedule}
    assert error(arm.call("PUT", f"{path}/other", body)) == (400, "InvalidScheduleId")
    assert arm.made(f"{path}/shutdown-computevm-jump", schedule)["properties"]["status"] == "Enabled"
    arm.call("DELETE", box.path).raise_for_status()
    assert arm.call("GET", made["id"]).status_code == 404

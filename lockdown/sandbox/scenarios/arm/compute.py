"""Virtual machines, their disks, and scale sets."""

from collections.abc import Iterator
from typing import Any

from lockdown.sandbox.scenarios.arm.envelope import CREATED, Group, reference, resource
from lockdown.sandbox.scenarios.identifiers import guid
from lockdown.sandbox.scenarios.scenario import Document

_COMPUTE = "Microsoft.Compute/"


def disk(
    group: Group, name: str, size: int, *, attached_to: str = "", os_type: str = "", **properties: object
) -> Document:
    """Return a managed disk that nobody exports; ``properties`` change it.

    Args:
        group: where it goes.
        name: its name.
        size: in GiB.
        attached_to: the id of the machine that uses it.
        os_type: the system that is on it, for the disk that a machine starts from.
        properties: what differs, such as ``networkAccessPolicy``.
    """
    resource_id = group.resource(_COMPUTE + "disks", name)
    body: dict[str, Any] = {
        "provisioningState": "Succeeded",
        "uniqueId": guid(resource_id),
        "timeCreated": CREATED,
        "creationData": {"createOption": "FromImage" if os_type else "Empty"},
        "diskSizeGB": size,
        "diskSizeBytes": size * 1024**3,
        "diskIOPSReadWrite": 500,
        "diskMBpsReadWrite": 60,
        "encryption": {"type": "EncryptionAtRestWithPlatformKey"},
        "diskState": "Attached" if attached_to else "Unattached",
        "networkAccessPolicy": "DenyAll",
        "publicNetworkAccess": "Disabled",
        **properties,
    }
    if os_type:
        body |= {"osType": os_type, "hyperVGeneration": "V2"}
    owner = {"managedBy": attached_to} if attached_to else {}
    sku = {"name": "Premium_LRS", "tier": "Premium"}
    return resource(resource_id, body, location=group.location, sku=sku) | owner


def virtual_machine(
    group: Group, name: str, interface_id: str, disk_id: str, *, size: str = "Standard_D2s_v5"
) -> Document:
    """Return a running Linux machine (Ubuntu 22.04, key login only).

    ``extended`` is what Resource Graph adds to a machine's properties: nothing else tells whether it runs.
    """
    resource_id = group.resource(_COMPUTE + "virtualMachines", name)
    properties = {
        "provisioningState": "Succeeded",
        "vmId": guid(resource_id),
        "timeCreated": CREATED,
        "hardwareProfile": {"vmSize": size},
        "storageProfile": {
            "imageReference": {
                "publisher": "Canonical",
                "offer": "0001-com-ubuntu-server-jammy",
                "sku": "22_04-lts-gen2",
                "version": "latest",
            },
            "osDisk": {
                "osType": "Linux",
                "name": disk_id.rpartition("/")[2],
                "createOption": "FromImage",
                "caching": "ReadWrite",
                "managedDisk": {"storageAccountType": "Premium_LRS", "id": disk_id},
                "deleteOption": "Detach",
                "diskSizeGB": 30,
            },
            "dataDisks": [],
        },
        "osProfile": {
            "computerName": name,
            "adminUsername": "azureuser",
            "linuxConfiguration": {"disablePasswordAuthentication": True, "provisionVMAgent": True},
            "allowExtensionOperations": True,
        },
        "networkProfile": {
            "networkInterfaces": [reference(interface_id) | {"properties": {"deleteOption": "Detach", "primary": True}}]
        },
        "extended": {
            "instanceView": {
                "powerState": {"code": "PowerState/running", "displayStatus": "VM running", "level": "Info"}
            }
        },
    }
    return resource(resource_id, properties, location=group.location)


def scale_set(
    group: Group,
    name: str,
    subnet_id: str,
    *,
    capacity: int = 2,
    pools: tuple[str, ...] = (),
    guard: str = "",
    **address: object,
) -> Document:
    """Return a uniform scale set.

    Args:
        group: where it goes.
        name: its name.
        subnet_id: where its instances stand.
        capacity: how many instances.
        pools: ids of load balancer pools that the instances are in.
        guard: the id of the network security group of the instances' interfaces.
        address: ``publicIPAddressConfiguration``, which gives each instance a public address.
    """
    resource_id = group.resource(_COMPUTE + "virtualMachineScaleSets", name)
    configuration = {
        "name": "ipconfig1",
        "properties": {
            "primary": True,
            "subnet": reference(subnet_id),
            "privateIPAddressVersion": "IPv4",
            "loadBalancerBackendAddressPools": [reference(pool) for pool in pools],
            **address,
        },
    }
    profile = {
        "osProfile": {"computerNamePrefix": name[:9], "adminUsername": "azureuser"},
        "storageProfile": {
            "osDisk": {
                "osType": "Linux",
                "createOption": "FromImage",
                "caching": "ReadOnly",
                "managedDisk": {"storageAccountType": "Premium_LRS"},
                "diskSizeGB": 128,
            }
        },
        "networkProfile": {
            "networkInterfaceConfigurations": [
                {
                    "name": name,
                    "properties": {
                        "primary": True,
                        "enableAcceleratedNetworking": True,
                        "enableIPForwarding": True,
                        **({"networkSecurityGroup": reference(guard)} if guard else {}),
                        "ipConfigurations": [configuration],
                    },
                }
            ]
        },
        "securityProfile": {"encryptionAtHost": True},
    }
    properties = {
        "provisioningState": "Succeeded",
        "uniqueId": guid(resource_id),
        "timeCreated": CREATED,
        "orchestrationMode": "Uniform",
        "overprovision": False,
        "singlePlacementGroup": False,
        "upgradePolicy": {"mode": "Manual"},
        "virtualMachineProfile": profile,
    }
    sku = {"name": "Standard_D3_v2", "tier": "Standard", "capacity": capacity}
    return resource(resource_id, properties, location=group.location, sku=sku)


def instance(scale_set_document: Document, number: int, disk_id: str = "") -> Iterator[Document]:
    """Yield an instance of a scale set and its interface; ``disk_id`` is the data disk that Kubernetes attached."""
    disks = [{"lun": 0, "createOption": "Attach", "managedDisk": reference(disk_id)}] if disk_id else []
    properties = {
        "provisioningState": "Succeeded",
        "latestModelApplied": True,
        "vmId": guid(scale_set_document["id"], str(number)),
        "timeCreated": CREATED,
        "storageProfile": {"dataDisks": disks},
    }
    resource_id = f"{scale_set_document['id']}/virtualMachines/{number}"
    yield resource(resource_id, properties, location=scale_set_document["location"])
    profile = scale_set_document["properties"]["virtualMachineProfile"]["networkProfile"]
    card = profile["networkInterfaceConfigurations"][0]
    interface = interface_of(scale_set_document["id"], number)
    yield resource(interface, {"virtualMachine": reference(resource_id), **card["properties"]}, location=None)


def interface_of(scale_set_id: str, number: int) -> str:
    """Return the id of the interface of an instance."""
    return f"{scale_set_id}/virtualMachines/{number}/networkInterfaces/{scale_set_id.rpartition('/')[2]}"

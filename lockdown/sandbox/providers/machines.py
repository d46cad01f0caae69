"""Microsoft.Compute: virtual machines with their disks and extensions, and the schedules that switch them off.

Sources: Microsoft Learn, "Delete a VM and attached resources", "Run scripts in your Linux VM by using action Run
Commands", "Auto-shutdown a VM", and the codes that Azure answers.
"""

import re
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from lockdown.sandbox import capacity, shapes
from lockdown.sandbox.arm_error import ArmError
from lockdown.sandbox.kind import Context, Kind, Link, one_of, require
from lockdown.sandbox.links import relink
from lockdown.sandbox.providers import network_interfaces
from lockdown.sandbox.providers.names import link, reference
from lockdown.sandbox.registrations import encrypts_at_host
from lockdown.sandbox.resource_id import group_id
from lockdown.sandbox.scenarios.arm.compute import disk
from lockdown.sandbox.scenarios.arm.envelope import Group
from lockdown.sandbox.state import Document, subscription_of

TYPE = "Microsoft.Compute/virtualMachines"
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,62}[A-Za-z0-9_])?")
_SECRETS = ("adminPassword", "customData")
_HOST_KEY = "_hostKey"
_SHUTDOWN = "shutdown-computevm-"
_DISK_GIB = 30


def _prepare(context: Context, document: Document, previous: Document | None) -> None:
    properties = document["properties"]
    size = str(require(document, "hardwareProfile", "vmSize"))
    _check_size(context, document, previous, size)
    known = ((previous or {}).get("properties") or {}).get("securityProfile") or {}
    at_host = bool((properties.get("securityProfile") or {}).get("encryptionAtHost"))
    if at_host and not known.get("encryptionAtHost") and not encrypts_at_host(context, str(document["id"])):
        raise ArmError(
            400,
            "InvalidParameter",
            "The property 'securityProfile.encryptionAtHost' is not valid because the "
            "'Microsoft.Compute/EncryptionAtHost' feature is not enabled for this subscription.",
            "securityProfile.encryptionAtHost",
        )
    for card in require(document, "networkProfile", "networkInterfaces"):
        _check_card(context, document, reference(card))
        card.setdefault("properties", {}).setdefault("deleteOption", "Detach")
    if previous is None:
        _check_login(document)
        properties |= {"vmId": str(uuid4()), "timeCreated": _now(context)}
        public = Ed25519PrivateKey.generate().public_key()
        document[_HOST_KEY] = public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
        _power(properties, "running")
    else:
        document[_HOST_KEY] = previous.get(_HOST_KEY, "")
        properties["osProfile"] = previous["properties"].get("osProfile") or {}
    for secret in _SECRETS:
        (properties.get("osProfile") or {}).pop(secret, None)
    properties.pop("userData", None)
    _fill_disk(document, previous)
    properties["provisioningState"] = "Succeeded"


def _check_size(context: Context, document: Document, previous: Document | None, size: str) -> None:
    before = str((((previous or {}).get("properties") or {}).get("hardwareProfile") or {}).get("vmSize") or "")
    if size != before:
        wanted = capacity.cores(size) - (capacity.cores(before) if before else 0)
        subscription = subscription_of(str(document["id"]))
        capacity.check(context, subscription, str(document["location"]), wanted, "OperationNotAllowed", 409)


def _check_card(context: Context, document: Document, card: str) -> None:
    found = context.state.get(card)
    if found is None:
        raise ArmError(400, "InvalidResourceReference", f"The network interface {card} of the machine was not found.")
    holder = reference((found.get("properties") or {}).get("virtualMachine"))
    if holder and holder.lower() != str(document["id"]).lower():
        raise ArmError(400, "NicInUse", f"Network Interface {card} is used by existing resource {holder}.")


def _check_login(document: Document) -> None:
    require(document, "osProfile", "computerName")
    require(document, "osProfile", "adminUsername")
    require(document, "storageProfile", "imageReference")
    profile = document["properties"]["osProfile"]
    linux = profile.get("linuxConfiguration") or {}
    keys = (linux.get("ssh") or {}).get("publicKeys") or []
    if linux.get("disablePasswordAuthentication") and not keys:
        raise ArmError(
            400, "InvalidParameter", "Authentication using SSH keys needs linuxConfiguration.ssh.publicKeys.", "ssh"
        )
    if not linux.get("disablePasswordAuthentication") and not profile.get("adminPassword"):
        raise ArmError(
            400, "InvalidParameter", "Required parameter 'adminPassword' is missing (null).", "adminPassword"
        )
    for key in keys:
        key.setdefault("path", f"/home/{profile['adminUsername']}/.ssh/authorized_keys")
    profile.setdefault("allowExtensionOperations", True)
    linux.setdefault("provisionVMAgent", True)


def _fill_disk(document: Document, previous: Document | None) -> None:
    storage = document["properties"].setdefault("storageProfile", {})
    known = (((previous or {}).get("properties") or {}).get("storageProfile") or {}).get("osDisk") or {}
    made = storage["osDisk"] = {**known, **(storage.get("osDisk") or {"createOption": "FromImage"})}
    made.setdefault("name", f"{document['name']}_OsDisk_1_{uuid4().hex}")
    made.setdefault("osType", "Linux")
    made.setdefault("caching", "ReadWrite")
    made.setdefault("deleteOption", "Detach")
    made.setdefault("diskSizeGB", _DISK_GIB)
    managed = made.setdefault("managedDisk", {})
    managed.setdefault("storageAccountType", "Premium_LRS")
    managed["id"] = f"{group_id(str(document['id']))}/providers/Microsoft.Compute/disks/{made['name']}"
    storage.setdefault("dataDisks", [])


def _applied(context: Context, document: Document, previous: Document | None) -> None:
    if previous is not None:
        return
    subscription, group = str(document["id"]).split("/")[2], str(document["id"]).split("/")[4]
    system = document["properties"]["storageProfile"]["osDisk"]
    where = Group(subscription, group, str(document["location"]))
    # A disk that comes with a machine is open for export unless somebody closes it.
    made = disk(
        where,
        str(system["name"]),
        int(system["diskSizeGB"]),
        attached_to=str(document["id"]),
        os_type="Linux",
        networkAccessPolicy="AllowAll",
        publicNetworkAccess="Enabled",
        timeCreated=_now(context),
    )
    made["sku"]["name"] = system["managedDisk"]["storageAccountType"]
    encryption = (system["managedDisk"].get("diskEncryptionSet") or {}).get("id")
    if encryption:
        made["properties"]["encryption"] = {
            "type": "EncryptionAtRestWithCustomerKey",
            "diskEncryptionSetId": encryption,
        }
    if document.get("tags"):
        made["tags"] = dict(document["tags"])
    context.put({**made, "_etag": str(uuid4())})


def _removed(context: Context, document: Document) -> None:
    """Take along what the machine was told to take along, and let go of the rest."""
    profile = document["properties"].get("storageProfile") or {}
    for held in (profile.get("osDisk") or {}, *(profile.get("dataDisks") or ())):
        found = context.state.get(str((held.get("managedDisk") or {}).get("id")))
        if found is None:
            continue
        if str(held.get("deleteOption")).lower() == "delete":
            context.delete(found)
        else:
            found.pop("managedBy", None)
            found["properties"]["diskState"] = "Unattached"
            context.put(found)
    for card in (document["properties"].get("networkProfile") or {}).get("networkInterfaces") or []:
        if str((card.get("properties") or {}).get("deleteOption")).lower() == "delete":
            _remove_card(context, reference(card))


def _remove_card(context: Context, card: str) -> None:
    found = context.state.get(card)
    if found is None:
        return
    context.delete(found)
    relink(context, network_interfaces.KIND, None, found)
    for address in _addresses(found):
        public = context.state.get(reference(address))
        asked = (address.get("properties") or {}).get("deleteOption")
        if public is not None and "delete" in {
            str(asked).lower(),
            str((public.get("properties") or {}).get("deleteOption")).lower(),
        }:
            context.delete(public)


def _addresses(card: Document) -> Iterator[Document]:
    for configuration in card["properties"].get("ipConfigurations") or []:
        address = (configuration.get("properties") or {}).get("publicIPAddress")
        if isinstance(address, dict):
            yield address


def _links(document: Document) -> frozenset[Link]:
    found: set[Link] = set()
    for card in ((document.get("properties") or {}).get("networkProfile") or {}).get("networkInterfaces") or []:
        found |= link(card, "virtualMachine", str(document["id"]), many=False)
    return frozenset(found)


def _run_command(context: Context, document: Document, body: Document) -> tuple[int, Any]:
    """Answer a script: one that asks for the host's key gets it, any other succeeds and says nothing."""
    del context
    if str(body.get("commandId")) != "RunShellScript":
        raise ArmError(400, "InvalidParameter", f"The command {body.get('commandId')} is not known.", "commandId")
    script = "\n".join(str(line) for line in body.get("script") or ())
    told = f"{document.get(_HOST_KEY, '')} root@{document['name']}\n" if "ssh_host_" in script else ""
    message = f"Enable succeeded: \n[stdout]\n{told}\n[stderr]\n"
    status = {"code": "ProvisioningState/succeeded", "level": "Info", "displayStatus": "Provisioning succeeded"}
    return 200, {"value": [{**status, "message": message}]}


def _switch(state: str) -> Any:  # noqa: ANN401  # an Action
    def act(context: Context, document: Document, body: Document) -> tuple[int, Any]:
        del body
        _power(document["properties"], state)
        context.put(document)
        return 200, None

    return act


def _power(properties: Document, state: str) -> None:
    """Write what Resource Graph tells of a machine's state."""
    shown = {"code": f"PowerState/{state}", "displayStatus": f"VM {state}", "level": "Info"}
    properties["extended"] = {"instanceView": {"powerState": shown}}


def _prepare_extension(context: Context, document: Document, previous: Document | None) -> None:
    del context, previous
    for name in ("publisher", "type", "typeHandlerVersion"):
        require(document, name)
    document["properties"].pop("protectedSettings", None)
    document["properties"].setdefault("autoUpgradeMinorVersion", False)
    document["properties"]["provisioningState"] = "Succeeded"


def _prepare_disk(context: Context, document: Document, previous: Document | None) -> None:
    option = str(require(document, "creationData", "createOption"))
    properties = document["properties"]
    if option == "Empty":
        require(document, "diskSizeGB")
    if previous is not None and properties.get("diskSizeGB", 0) < previous["properties"].get("diskSizeGB", 0):
        raise ArmError(400, "OperationNotAllowed", "A disk cannot be made smaller.", "diskSizeGB")
    document.setdefault("sku", {"name": "Premium_LRS"})["tier"] = str(
        (document.get("sku") or {}).get("name", "Premium_LRS")
    ).partition("_")[0]
    properties.setdefault("encryption", {"type": "EncryptionAtRestWithPlatformKey"})
    properties.setdefault("networkAccessPolicy", "AllowAll")
    properties.setdefault("publicNetworkAccess", "Enabled")
    one_of(document, "networkAccessPolicy", ("AllowAll", "AllowPrivate", "DenyAll"))
    one_of(document, "publicNetworkAccess", ("Enabled", "Disabled"))
    if previous is None:
        properties |= {"uniqueId": str(uuid4()), "timeCreated": _now(context), "diskState": "Unattached"}
    else:
        document |= {"managedBy": previous["managedBy"]} if previous.get("managedBy") else {}
    properties["diskSizeBytes"] = int(properties.get("diskSizeGB", 0)) * 1024**3
    properties["provisioningState"] = "Succeeded"


def _disk_removable(context: Context, document: Document) -> None:
    holder = str(document.get("managedBy") or "")
    if holder and context.state.exists(holder):
        raise ArmError(409, "OperationNotAllowed", f"Disk {document['name']} is attached to VM {holder}.")


def _prepare_schedule(context: Context, document: Document, previous: Document | None) -> None:
    del previous
    require(document, "taskType")
    target = str(require(document, "targetResourceId"))
    properties = document["properties"]
    machine = context.state.get(target)
    if machine is None:
        raise ArmError(404, "TargetResourceNotFound", f"The target {target} of the schedule was not found.")
    if properties["taskType"] == "ComputeVmShutdownTask":
        require(document, "dailyRecurrence", "time")
        if str(document["name"]).lower() != f"{_SHUTDOWN}{machine['name']}".lower():
            raise ArmError(
                400, "InvalidScheduleId", f"A schedule of this kind must be named '{_SHUTDOWN}{machine['name']}'."
            )
    properties.setdefault("status", "Enabled")
    one_of(document, "status", ("Enabled", "Disabled"))
    properties.setdefault("timeZoneId", "UTC")
    properties.setdefault("createdDate", _now(context))
    properties.setdefault("uniqueIdentifier", str(uuid4()))
    properties["provisioningState"] = "Succeeded"


def _now(context: Context) -> str:
    return context.state.clock.now().strftime("%Y-%m-%dT%H:%M:%S.%f0Z")


_SCHEDULE_COMPUTED = frozenset({"createdDate", "provisioningState", "uniqueIdentifier"})
_SCHEDULE = {
    "status": str, "taskType": str, "weeklyRecurrence": {"weekdays": [str], "time": str},
    "dailyRecurrence": {"time": str}, "hourlyRecurrence": {"minute": int}, "timeZoneId": str,
    "notificationSettings": dict.fromkeys(
        ("status", "timeInMinutes", "webhookUrl", "emailRecipient", "notificationLocale")
    ),
    "targetResourceId": str, **dict.fromkeys(_SCHEDULE_COMPUTED),
}  # fmt: skip
KINDS = (
    Kind(
        TYPE, {**shapes.shape("machines", "VirtualMachineProperties"), "extended": None},
        computed=shapes.computed("machines", "VirtualMachineProperties") | {"extended"}, name=_NAME,
        create="async", update="async", delete="async", seconds=90, delete_seconds=60,
        prepare=_prepare, applied=_applied, removed=_removed, links=_links,
        actions={
            "runcommand": _run_command, "start": _switch("running"), "deallocate": _switch("deallocated"),
            "poweroff": _switch("stopped"), "restart": _switch("running"),
        },
        long_actions={"runcommand": 30, "start": 30, "deallocate": 60, "poweroff": 30, "restart": 60},
    ),
    Kind(
        f"{TYPE}/extensions", shapes.shape("machines", "VirtualMachineExtensionProperties"),
        computed=shapes.computed("machines", "VirtualMachineExtensionProperties"),
        create="async", update="async", delete="async", seconds=60, prepare=_prepare_extension,
    ),
    Kind(
        "Microsoft.Compute/disks", shapes.shape("machines", "DiskProperties"),
        computed=shapes.computed("machines", "DiskProperties"), name=re.compile(r"[A-Za-z0-9_.-]{1,80}"),
        create="location", update="location", delete="location", seconds=15,
        prepare=_prepare_disk, removable=_disk_removable,
    ),
    Kind(
        "Microsoft.DevTestLab/schedules", _SCHEDULE, computed=_SCHEDULE_COMPUTED, prepare=_prepare_schedule,
    ),
)  # fmt: skip

"""The jumpbox: everything of it is temporary, and says until when, to people, to Azure and to the audit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from azure.mgmt.authorization.v2022_04_01.models import RoleAssignmentCreateParameters
from azure.mgmt.compute.models import (
    DiskEncryptionSetParameters,
    HardwareProfile,
    ImageReference,
    LinuxConfiguration,
    ManagedDiskParameters,
    NetworkInterfaceReference,
    NetworkInterfaceReferenceProperties,
    NetworkProfile,
    OSDisk,
    OSProfile,
    SecurityProfile,
    SshConfiguration,
    SshPublicKey,
    StorageProfile,
    UefiSettings,
    VirtualMachine,
    VirtualMachineExtension,
    VirtualMachineExtensionProperties,
    VirtualMachineIdentity,
    VirtualMachineProperties,
)
from azure.mgmt.network.models import (
    NetworkInterface,
    NetworkInterfaceIPConfiguration,
    NetworkInterfaceIPConfigurationPropertiesFormat,
    NetworkInterfacePropertiesFormat,
    NetworkSecurityGroup,
    PublicIPAddress,
    Subnet,
)

from lockdown.provisioner.blueprint.edge import public_address
from lockdown.provisioner.blueprint.guards import closed, guard, inbound, others_in, outbound
from lockdown.provisioner.blueprint.network import API_VERSION, JUMPBOX, subnet
from lockdown.provisioner.blueprint.routes import everything, next_hop, route_table, to_internet
from lockdown.provisioner.environment import Jumpbox
from lockdown.provisioner.graph import Body, Resource, Step, reference
from lockdown.provisioner.site import Site, assignment_name
from lockdown.provisioner.wire import wire

COMPUTE_VERSION = "2026-04-01"
"""Of virtual machines: azure-mgmt-compute's."""

USER = "azureuser"
"""Whom the key of the run lets in."""

NAME = "jumpbox"
_THEME = "jumpbox"
_ROLES_VERSION = "2022-04-01"
_SCHEDULES_VERSION = "2018-09-15"
_ADMINISTRATOR_LOGIN = "1c0163c0-47e6-4577-8991-ea5c82e286e4"
"""The role Virtual Machine Administrator Login."""


def steps(site: Site, public_key: str | None = None, now: datetime | None = None) -> Iterator[Step]:
    """Yield the jumpbox and everything that it needs, where people get in by one.

    Args:
        site: the environment.
        public_key: of this run, in OpenSSH's form. None where no jumpbox is made: what is left of one is found all the
            same, and removed.
        now: when its hours begin.
    """
    wanted = site.environment.jumpbox
    if wanted is None:
        return
    until = (now or datetime.now(UTC)).astimezone(UTC) + timedelta(hours=wanted.hours)
    tags = {**site.tags, "purpose": NAME, "expires": until.strftime("%Y-%m-%dT%H:%M:%SZ")}
    for step in (*_network(site, wanted), *_machine(site, wanted, public_key, until), *_logins(site)):
        yield _temporary(step, tags)


def machine_id(site: Site) -> str:
    """Return the id of the machine."""
    return site.in_network("Microsoft.Compute/virtualMachines", NAME)


def address_id(site: Site) -> str:
    """Return the id of the machine's public address."""
    return site.in_network("Microsoft.Network/publicIPAddresses", NAME)


def interface_id(site: Site) -> str:
    """Return the id of the machine's network interface."""
    return site.in_network("Microsoft.Network/networkInterfaces", NAME)


def guard_id(site: Site) -> str:
    """Return the id of the network security group that lets SSH in."""
    return site.in_network("Microsoft.Network/networkSecurityGroups", f"nsg-{JUMPBOX}")


def disk_id(site: Site) -> str:
    """Return the id of the machine's disk."""
    return site.in_network("Microsoft.Compute/disks", NAME)


def stands_alone(site: Site) -> bool:
    """Tell whether the jumpbox has a subnet of its own making, that goes with it."""
    network = site.environment.network
    return network.existing is None and (network.hub is None or network.hub.existing is None)


def _temporary(step: Resource, tags: dict[str, str]) -> Resource:
    """Return the step as part of the jumpbox; what carries tags says until when it may stay.

    Nothing of it is fixed: what an earlier run left is removed, whatever it looks like.
    """
    body: Body = {**step.body, "tags": tags} if "location" in step.body else step.body
    return replace(step, theme=_THEME, body=body, fixed=frozenset(), temporary=True)


def _network(site: Site, wanted: Jumpbox) -> Iterator[Resource]:
    yield guard(
        site,
        "jumpbox/guard",
        f"nsg-{JUMPBOX}",
        (
            inbound("ssh-in", 200, "22", str(wanted.source)),
            others_in(),
            outbound("https-out", 300, "443", "Internet"),
            *closed(),
        ),
    )
    if stands_alone(site):
        routed = next_hop(site) is not None
        if routed:
            # Answers to SSH must leave as they came: a firewall that did not see a connection begin drops it.
            routes = [everything(site), to_internet("answers-to-people", str(wanted.source))]
            yield route_table(site, "jumpbox/routes", "jumpbox", routes)
        yield _subnet(site, routed=routed)
    yield public_address(site, "jumpbox/address", NAME)
    yield _interface(site)


def _subnet(site: Site, *, routed: bool) -> Resource:
    body = wire(
        subnet(
            JUMPBOX,
            site.environment.network.subnets.jumpbox,
            guard=reference("jumpbox/guard"),
            routes=reference("jumpbox/routes") if routed else "",
        )
    )
    del body["name"]
    network = ("hub", "peering/from-hub") if site.environment.network.hub else ("network",)
    return Resource("jumpbox/subnet", _THEME, site.subnet_id(JUMPBOX), API_VERSION, body, needs=network, seconds=5)


def _interface(site: Site) -> Resource:
    """Return the interface; in a subnet of others the security group is the interface's own."""
    alone = stands_alone(site)
    network = "hub" if site.environment.network.hub else "network"
    stands = reference("jumpbox/subnet") if alone else f"{reference(network)}/subnets/{JUMPBOX}"
    configuration = NetworkInterfaceIPConfigurationPropertiesFormat(
        subnet=Subnet(id=stands),
        public_ip_address=PublicIPAddress(id=reference("jumpbox/address")),
        private_ip_allocation_method="Dynamic",
        primary=True,
    )
    interface = NetworkInterface(
        location=site.location,
        properties=NetworkInterfacePropertiesFormat(
            ip_configurations=[NetworkInterfaceIPConfiguration(name="ipconfig1", properties=configuration)],
            network_security_group=None if alone else NetworkSecurityGroup(id=reference("jumpbox/guard")),
            enable_ip_forwarding=False,
        ),
    )
    # The address goes live with the interface: the security group must be there before.
    return Resource(
        "jumpbox/interface",
        _THEME,
        interface_id(site),
        API_VERSION,
        wire(interface),
        needs=("jumpbox/guard",),
        seconds=5,
    )


def _machine(site: Site, wanted: Jumpbox, public_key: str | None, until: datetime) -> Iterator[Resource]:
    machine = VirtualMachine(
        location=site.location,
        # Entra login asks for an identity of the machine's own. It holds no role (docs/adr/0011).
        identity=VirtualMachineIdentity(type="SystemAssigned"),
        properties=VirtualMachineProperties(
            hardware_profile=HardwareProfile(vm_size=wanted.size),
            storage_profile=_storage(site),
            os_profile=_system(public_key),
            network_profile=NetworkProfile(
                network_interfaces=[
                    NetworkInterfaceReference(
                        id=reference("jumpbox/interface"),
                        properties=NetworkInterfaceReferenceProperties(primary=True, delete_option="Delete"),
                    )
                ]
            ),
            security_profile=SecurityProfile(
                encryption_at_host=True,
                security_type="TrustedLaunch",
                uefi_settings=UefiSettings(secure_boot_enabled=True, v_tpm_enabled=True),
            ),
        ),
    )
    yield Resource(
        "jumpbox/machine",
        _THEME,
        machine_id(site),
        COMPUTE_VERSION,
        wire(machine),
        needs=("feature/encryption-at-host/propagated",),
        seconds=90,
        cost=f"{wanted.size} for {wanted.hours} hours at most",
    )
    yield _shutdown(site, until)
    yield _login(site)


def _storage(site: Site) -> StorageProfile:
    encrypted = site.environment.keys.customer_managed
    return StorageProfile(
        image_reference=ImageReference(publisher="Canonical", offer="ubuntu-24_04-lts", sku="server", version="latest"),
        os_disk=OSDisk(
            name=NAME,
            create_option="FromImage",
            caching="ReadWrite",
            delete_option="Delete",
            managed_disk=ManagedDiskParameters(
                storage_account_type="Premium_LRS",
                disk_encryption_set=DiskEncryptionSetParameters(id=reference("disks")) if encrypted else None,
            ),
        ),
    )


def _system(public_key: str | None) -> OSProfile:
    keys = [SshPublicKey(path=f"/home/{USER}/.ssh/authorized_keys", key_data=public_key)] if public_key else []
    return OSProfile(
        computer_name=NAME,
        admin_username=USER,
        linux_configuration=LinuxConfiguration(
            disable_password_authentication=True,
            provision_vm_agent=True,
            ssh=SshConfiguration(public_keys=keys) if keys else None,
        ),
    )


def _shutdown(site: Site, until: datetime) -> Resource:
    """Return the schedule by which Azure itself turns the machine off, if nobody is left to remove it."""
    body: Body = {
        "location": site.location,
        "properties": {
            "status": "Enabled",
            "taskType": "ComputeVmShutdownTask",
            "dailyRecurrence": {"time": until.strftime("%H%M")},
            "timeZoneId": "UTC",
            "targetResourceId": reference("jumpbox/machine"),
            "notificationSettings": {"status": "Disabled"},
        },
    }
    # Azure knows a machine's schedule by this name alone.
    resource_id = site.in_network("Microsoft.DevTestLab/schedules", f"shutdown-computevm-{NAME}")
    return Resource("jumpbox/shutdown", _THEME, resource_id, _SCHEDULES_VERSION, body, seconds=5)


def _login(site: Site) -> Resource:
    extension = VirtualMachineExtension(
        location=site.location,
        properties=VirtualMachineExtensionProperties(
            publisher="Microsoft.Azure.ActiveDirectory",
            type="AADSSHLoginForLinux",
            type_handler_version="1.0",
            auto_upgrade_minor_version=True,
        ),
    )
    # What the extension fetches passes the firewall.
    firewall = ("firewall",) if "AzureFirewallSubnet" in site.environment.edge_subnets else ()
    return Resource(
        "jumpbox/login",
        _THEME,
        f"{machine_id(site)}/extensions/AADSSHLoginForLinux",
        COMPUTE_VERSION,
        wire(extension),
        needs=("jumpbox/machine", *firewall),
        seconds=60,
    )


def _logins(site: Site) -> Iterator[Resource]:
    """Yield who may log in with Entra ID: the administrators of the cluster."""
    scope = machine_id(site)
    for group in site.environment.cluster.administrators:
        parameters = RoleAssignmentCreateParameters(
            role_definition_id=site.role_id(_ADMINISTRATOR_LOGIN), principal_id=group, principal_type="Group"
        )
        name = assignment_name(scope, group, _ADMINISTRATOR_LOGIN)
        yield Resource(
            f"jumpbox/role/{group}",
            _THEME,
            f"{scope}/providers/Microsoft.Authorization/roleAssignments/{name}",
            _ROLES_VERSION,
            wire(parameters),
            needs=("jumpbox/machine",),
        )

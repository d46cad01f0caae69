"""Subnets that Azure keeps for one service, known by their names."""

from lockdown.sandbox.arm_error import ArmError
from lockdown.sandbox.kind import Context
from lockdown.sandbox.providers.addresses import prefixes
from lockdown.sandbox.providers.names import member
from lockdown.sandbox.state import Document

_LONGEST = 26
_NAMES = frozenset(
    {
        "azurefirewallsubnet", "azurefirewallmanagementsubnet", "azurebastionsubnet", "gatewaysubnet",
        "routeserversubnet",
    }
)  # fmt: skip


def check_reserved(context: Context, document: Document, subnet_id: str, name: str, service: str) -> Document:
    """Return the subnet of a service that must stand in one of a given name, of /26 or more, that is its alone.

    Raises:
        ArmError: the subnet is not there, has another name, or is too small; or another has it.
    """
    subnet = member(context, document, subnet_id)
    if str(subnet["name"]).lower() != name.lower():
        raise ArmError(
            400,
            f"SubnetNameMustBe{name}",
            f"Subnet name {subnet_id} is invalid for {service}. {service} can only be created in subnet with name "
            f"'{name}'.",
        )
    if all(prefix.prefixlen > _LONGEST for prefix in prefixes(subnet)):
        raise ArmError(
            400,
            f"{name}TooSmall",
            f"Subnet {subnet_id} is too small for {service}: it needs a prefix of /{_LONGEST} or shorter.",
        )
    ours = f"{str(document['id']).lower()}/"
    for item in (subnet.get("properties") or {}).get("ipConfigurations") or []:
        if not str(item.get("id", "")).lower().startswith(ours):
            raise ArmError(
                400, f"{name}InUse", f"Subnet {subnet_id} already has {item.get('id', '')}; {service} needs its own."
            )
    return subnet


def refuse_reserved(document: Document, subnet_id: str) -> None:
    """Refuse to place anything else in a subnet that Azure keeps for one service.

    Raises:
        ArmError: its name is such a one.
    """
    name = subnet_id.rpartition("/")[2]
    if name.lower() in _NAMES:
        raise ArmError(
            400, "ReservedSubnetName", f"Resource {document['id']} cannot be placed in {name}, which is reserved."
        )

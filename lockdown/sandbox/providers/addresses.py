"""The addresses of subnets: which a subnet has, which are given out, and which is next."""

import ipaddress
from collections.abc import Iterator, Mapping, Sequence

from lockdown.sandbox.arm_error import ArmError
from lockdown.sandbox.links import find
from lockdown.sandbox.providers.names import Network, network, reference
from lockdown.sandbox.state import Document, State

RESERVED = 4
"""Azure keeps the first four addresses of a subnet, and the last."""

_MOST = 65536
_HOLDERS: Mapping[str, Sequence[str]] = {
    "microsoft.network/networkinterfaces": ("ipConfigurations",),
    "microsoft.network/azurefirewalls": ("ipConfigurations", "managementIpConfiguration"),
    "microsoft.network/loadbalancers": ("frontendIPConfigurations",),
}
"""Types that hold addresses of subnets, and where they show them."""


def prefixes(subnet: Document) -> list[Network]:
    """Return the address ranges of a subnet.

    Raises:
        ArmError: it has none, or one that is no CIDR.
    """
    properties: Document = subnet.get("properties") or {}
    texts = properties.get("addressPrefixes") or [properties.get("addressPrefix")]
    if texts == [None]:
        raise ArmError(400, "InvalidRequestFormat", f"Subnet {subnet.get('name')} has no address prefix.")
    return [network(text, "InvalidAddressPrefixFormat") for text in texts]


def taken(state: State, subnet_id: str) -> dict[str, str]:
    """Return the addresses of a subnet that are given out: each to the id of the configuration that has it."""
    return {
        str(values["privateIPAddress"]): str(configuration.get("id", ""))
        for configuration in _configurations(state)
        if (values := configuration.get("properties") or {}).get("privateIPAddress")
        and reference(values.get("subnet")).lower() == subnet_id.lower()
    }


def free_address(state: State, subnet_id: str, reserved: frozenset[str] = frozenset()) -> str:
    """Return the first free address of a subnet that is not ``reserved`` either.

    Raises:
        ArmError: the subnet does not exist, or is full.
    """
    found = find(state, subnet_id)
    if found is None:
        raise ArmError(400, "InvalidResourceReference", f"Resource {subnet_id} was not found.")
    gone = taken(state, subnet_id).keys() | reserved
    for prefix in prefixes(found[1]):
        for number in range(RESERVED, min(prefix.num_addresses - 1, _MOST)):
            if str(prefix[number]) not in gone:
                return str(prefix[number])
    raise ArmError(400, "SubnetIsFull", f"Subnet {subnet_id} does not have enough capacity for 1 IP address.")


def claim(state: State, subnet_id: str, address: str, holder: str) -> str:
    """Return an address that a request asks for by itself.

    Args:
        state: everything that exists.
        subnet_id: the subnet that it must be of.
        address: what is asked for.
        holder: the id of the configuration that is to have it.

    Raises:
        ArmError: it is not one of the subnet's, Azure keeps it, or somebody has it.
    """
    found = find(state, subnet_id)
    wanted = _parsed(address)
    inside = [prefix for prefix in (prefixes(found[1]) if found else []) if wanted is not None and wanted in prefix]
    if wanted is None or not inside:
        raise ArmError(
            400,
            "PrivateIPAddressNotInSubnet",
            f"Private static IP address {address} does not belong to the range of subnet {subnet_id}.",
        )
    if int(wanted) - int(inside[0][0]) < RESERVED or wanted == inside[0][-1]:
        raise ArmError(
            400,
            "PrivateIPAddressInReservedRange",
            f"Private static IP address {address} falls within the reserved range of subnet {subnet_id}.",
        )
    by = taken(state, subnet_id).get(address, holder)
    if by.lower() != holder.lower():
        raise ArmError(
            400, "PrivateIPAddressIsAllocated", f"IP configuration {by} is using the private IP address {address}."
        )
    return address


def _parsed(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(address)
    except ValueError:
        return None


def _configurations(state: State) -> Iterator[Document]:
    for document in state.documents():
        for slot in _HOLDERS.get(str(document.get("type", "")).lower(), ()):
            value = (document.get("properties") or {}).get(slot) or []
            yield from value if isinstance(value, list) else [value]

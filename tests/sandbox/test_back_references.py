"""The documents of a scenario show both sides of every reference."""

from __future__ import annotations

from typing import Any

from lockdown.sandbox.back_references import complete

NETWORK = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network"
SUBNET = f"{NETWORK}/virtualNetworks/n/subnets/one"


def document(kind: str, name: str, **properties: Any) -> dict[str, Any]:
    return {
        "id": f"{NETWORK}/{kind}/{name}",
        "name": name,
        "type": f"Microsoft.Network/{kind}",
        "properties": properties,
    }


def test_a_subnet_and_an_address_show_the_interface_in_whatever_casing_it_names_them() -> None:
    inline = {"id": SUBNET, "name": "one", "properties": {"addressPrefix": "10.0.0.0/24"}}
    configuration = {
        "id": f"{NETWORK}/networkInterfaces/nic/ipConfigurations/c",
        "properties": {"subnet": {"id": SUBNET.upper()}, "publicIPAddress": {"id": f"{NETWORK}/PublicIPAddresses/IP"}},
    }
    given = [
        document("virtualNetworks", "n", subnets=[inline]),
        {"id": SUBNET, "type": "Microsoft.Network/virtualNetworks/subnets", "name": "one", "properties": {}},
        document("publicIPAddresses", "ip"),
        document("networkInterfaces", "nic", ipConfigurations=[configuration]),
    ]
    network, address, _nic = complete(given)
    holder = {"id": configuration["id"]}
    assert network["properties"]["subnets"][0]["properties"] == {
        "addressPrefix": "10.0.0.0/24",
        "ipConfigurations": [holder],
    }
    assert address["properties"] == {"ipConfiguration": holder}
    assert given[0] == document("virtualNetworks", "n", subnets=[inline])
    assert complete([network, address, _nic]) == [network, address, _nic]


def test_a_reference_to_what_is_elsewhere_is_left_alone() -> None:
    endpoint = document("privateEndpoints", "pe", subnet={"id": SUBNET})
    assert complete([endpoint]) == [endpoint]

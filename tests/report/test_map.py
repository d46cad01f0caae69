"""The map: what is open stands out, every node leads to its results, and names stay names."""

from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest

from lockdown.report.chart import fitting
from lockdown.report.map import draw, ids
from lockdown.report.standing import Standing
from lockdown.topology import Address, Endpoint, Item, Network, Service, Subnet, Topology

HOME = "/subscriptions/s/resourceGroups/rg/providers"
NETWORK = f"{HOME}/Microsoft.Network/virtualNetworks/vnet"
ACCOUNT = f"{HOME}/Microsoft.Storage/storageAccounts/data"
SVG = "{http://www.w3.org/2000/svg}"
ENDPOINT = Item(f"{HOME}/Microsoft.Network/privateEndpoints/pe", "microsoft.network/privateendpoints", "pe")
MACHINE = Item(f"{HOME}/Microsoft.Compute/virtualMachines/vm", "microsoft.compute/virtualmachines", "vm", ("/nic",))
CLOSED = Topology(
    (
        Network(
            NETWORK,
            "vnet",
            "eastus",
            ("10.0.0.0/16",),
            (Subnet("pesubnet", "10.0.0.0/24", True, "out", "", (ENDPOINT, MACHINE)),),
            (),
            (),
        ),
    ),
    (
        Service(
            ACCOUNT,
            "microsoft.storage/storageaccounts",
            "data",
            (Endpoint(ENDPOINT.id, "pe", ("blob",), "Approved", f"{NETWORK}/subnets/pesubnet"),),
        ),
    ),
    (),
    {},
)


def parsed(topology: Topology, **standings: Standing) -> ET.Element:
    named = {"account": ACCOUNT.lower(), "address": "/ip", "machine": MACHINE.id.lower()}
    return ET.fromstring(draw(topology, {named[key]: value for key, value in standings.items()}))  # noqa: S314 - our own


def texts(root: ET.Element) -> str:
    return " | ".join(element.text or "" for element in root.iter(f"{SVG}text"))


def classes(root: ET.Element) -> set[str]:
    return {name for element in root.iter() for name in element.get("class", "").split()}


def test_a_closed_service_is_drawn_with_the_line_of_its_endpoint_and_nothing_stands_out() -> None:
    root = parsed(CLOSED, account=Standing("pass", policy="storage-pna-disabled"))
    assert "Storage account data" in texts(root)
    assert "1 private endpoint" in texts(root)
    assert "private" in classes(root)
    assert not classes(root) & {"open", "outside", "broken"}


def test_a_service_without_an_endpoint_says_so_or_that_it_is_in_a_link_scope() -> None:
    bare = replace(CLOSED.services[0], endpoints=())
    assert "no private endpoint" in texts(parsed(replace(CLOSED, services=(bare,))))
    assert "in a monitor private link scope" in texts(parsed(replace(CLOSED, services=(replace(bare, through="/s"),))))


def test_a_service_that_outside_can_reach_is_thick_red_and_says_so() -> None:
    root = parsed(CLOSED, account=Standing("fail", outside=True, failures=1, policy="storage-pna-disabled"))
    assert "OPEN to the outside" in texts(root)
    assert {"open", "outside"} <= classes(root)
    links = {element.get("href"): element.get("data-find") for element in root.iter(f"{SVG}a")}
    assert links == {"#fail-storage-pna-disabled": f"resource={ACCOUNT.lower()}"}


def test_a_machine_with_a_public_address_that_fails_stands_out() -> None:
    shown = replace(CLOSED, addresses=(Address("/ip", "ip", "203.0.113.9", "/nic"),))
    root = parsed(shown, address=Standing("fail", failures=1, policy="pip-none"))
    assert "203.0.113.9 ip" in texts(root)
    assert "Virtual machine vm" in texts(root)
    assert "outside" in classes(root)
    assert "outside" not in classes(parsed(shown, address=Standing("pass", policy="pip-none")))


def test_an_endpoint_that_is_not_approved_is_a_broken_line() -> None:
    service = CLOSED.services[0]
    pending = replace(service, endpoints=(replace(service.endpoints[0], status="Pending"),))
    assert "broken" in classes(parsed(replace(CLOSED, services=(pending,))))


def test_of_many_resources_each_type_is_one_node_with_its_number_and_failures() -> None:
    items = tuple(replace(MACHINE, id=f"{MACHINE.id}{n}", name=f"vm{n}", interfaces=()) for n in range(60))
    network = CLOSED.networks[0]
    crowd = replace(network, subnets=(replace(network.subnets[0], items=items),))
    services = tuple(replace(CLOSED.services[0], id=f"{ACCOUNT}{n}", endpoints=()) for n in range(240))
    many = replace(CLOSED, networks=(crowd,), services=services, omitted={"networks": 3})
    root = ET.fromstring(draw(many, {items[7].id.lower(): Standing("fail", failures=1, policy="p")}))  # noqa: S314
    assert "60 Virtual machine, 1 failing" in texts(root)
    assert "Storage account 240 of them" in texts(root)
    assert "3 more networks" in texts(root)
    assert len(list(root.iter(f"{SVG}rect"))) < 10


def test_in_a_crowd_a_subnet_lists_types_and_an_empty_one_is_only_named() -> None:
    def shown(machines: int) -> str:
        items = tuple(replace(MACHINE, id=f"{MACHINE.id}{n}", name=f"vm{n}", interfaces=()) for n in range(machines))
        spread = [items[n : n + 5] for n in range(0, machines, 5)]
        subnets = [replace(CLOSED.networks[0].subnets[0], name=f"s{n}", items=held) for n, held in enumerate(spread)]
        bare = replace(subnets[0], name="bare", items=())
        return texts(parsed(replace(CLOSED, networks=(replace(CLOSED.networks[0], subnets=(*subnets, bare)),))))

    assert "Virtual machine vm7" in shown(60)
    assert "nothing stands here" in shown(60)
    assert "Virtual machine vm7" not in shown(65)
    assert "5 Virtual machine" in shown(65)
    assert "nothing stands in bare" in shown(65)


def test_of_many_public_addresses_those_that_fail_are_drawn_first_and_the_rest_counted() -> None:
    def shown(number: int) -> ET.Element:
        addresses = tuple(Address(f"/ip{n}", f"ip{n}", f"203.0.113.{n}", "") for n in range(number))
        failing = {"/ip19": Standing("fail", failures=1, policy="p"), "/ip18": Standing("fail", failures=1, policy="p")}
        return ET.fromstring(draw(replace(CLOSED, addresses=addresses), failing))  # noqa: S314 - our own

    assert "203.0.113.8 ip8" in texts(shown(9))
    assert "more public addresses" not in texts(shown(9))
    drawn = texts(shown(20))
    assert {"203.0.113.18 ip18", "203.0.113.19 ip19"} <= set(drawn.replace("\u00d7 ", "").split(" | "))
    assert "and 12 more public addresses, 0 of them failing" in drawn
    boxes = [rect for rect in shown(20).iter(f"{SVG}rect") if rect.get("height") == "46"]
    assert all(float(rect.get("x", "0")) + float(rect.get("width", "0")) <= 1200 for rect in boxes)


def test_names_are_text_whatever_they_hold() -> None:
    name = "</title><script>alert(1)</script>\u202egnp\x1b[31m"
    network = replace(CLOSED.networks[0], name=name)
    root = parsed(replace(CLOSED, networks=(network,), services=(replace(CLOSED.services[0], name=name),)))
    assert not list(root.iter(f"{SVG}script"))
    assert "\u202e" not in ET.tostring(root, encoding="unicode")
    assert r"\u202egnp\x1b" in ET.tostring(root, encoding="unicode")


def test_the_ids_are_those_of_everything_drawn() -> None:
    assert set(ids(CLOSED)) == {
        NETWORK.lower(),
        f"{NETWORK}/subnets/pesubnet".lower(),
        ENDPOINT.id.lower(),
        MACHINE.id.lower(),
        ACCOUNT.lower(),
    }


@pytest.mark.parametrize(("room", "shown"), [(1000, "abcdefghij"), (40, "ab\u2026ij"), (1, "a\u2026j")])
def test_a_long_name_loses_its_middle(room: float, shown: str) -> None:
    assert fitting("abcdefghij", room) == shown

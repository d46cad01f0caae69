"""Private paths: each hop as it was read, the first that does not hold marked, and unknown where nothing was read."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

from lockdown import topology
from lockdown.record import Record
from lockdown.report import html
from lockdown.report.paths import LIMIT, Path, paths
from lockdown.topology import Endpoint, Item, Name, Network, Service, Subnet, Topology
from tests.report.handmade import HOSTILE

HOME = "/subscriptions/s/resourceGroups/rg/providers"
SUBNET = f"{HOME}/Microsoft.Network/virtualNetworks/vnet/subnets/pe"
NAME = Name("data.blob.core.windows.net", "blob", "10.0.0.4", "privatelink.blob.core.windows.net", ("10.0.0.4",), True)
ENDPOINT = Endpoint(f"{HOME}/Microsoft.Network/privateEndpoints/pe", "pe", ("blob",), "Approved", SUBNET, (NAME,))
SERVICE = Service(
    f"{HOME}/Microsoft.Storage/storageAccounts/data", "microsoft.storage/storageaccounts", "data", (ENDPOINT,)
)
WHOLE = Topology((), (SERVICE,), (), {}, names_read=True)


def only(where: Topology) -> Path:
    (path,) = paths(where)
    return path


def with_endpoint(**changes: object) -> Topology:
    return replace(WHOLE, services=(replace(SERVICE, endpoints=(replace(ENDPOINT, **changes),)),))  # type: ignore[arg-type]


def with_name(**changes: object) -> Topology:
    return with_endpoint(names=(replace(NAME, **changes),))  # type: ignore[arg-type]


def test_a_whole_path_goes_from_the_service_to_the_address_that_its_name_has() -> None:
    path = only(WHOLE)
    assert (path.state, path.broken, path.title) == ("pass", -1, "Storage account data")
    assert [(hop.what, hop.told) for hop in path.hops] == [
        ("Connection", "pe: Approved"),
        ("Group", "blob"),
        ("Zone", "privatelink.blob.core.windows.net"),
        ("Record", "data.blob.core.windows.net"),
        ("Interface", "10.0.0.4"),
        ("Zone link", "vnet asks it"),
    ]


@pytest.mark.parametrize(
    ("where", "hop", "told"),
    [
        (replace(WHOLE, services=(replace(SERVICE, endpoints=()),)), "Connection", "no private endpoint was seen"),
        (with_endpoint(status="Pending"), "Connection", "pe: Pending"),
        (with_endpoint(group_ids=()), "Group", "none"),
        (with_name(zone="", recorded=(), linked=False), "Zone", "none has data.blob.core.windows.net"),
        (with_name(recorded=("10.0.0.9",)), "Record", "data.blob.core.windows.net: 10.0.0.9, not 10.0.0.4"),
        (with_name(recorded=("10.0.0.4", "10.0.0.9")), "Record", "data.blob.core.windows.net: 10.0.0.4, 10.0.0.9, not"),
        (with_name(linked=False), "Zone link", "vnet does not ask privatelink.blob.core.windows.net"),
    ],
)
def test_a_path_is_broken_at_the_first_hop_that_does_not_hold(where: Topology, hop: str, told: str) -> None:
    path = only(where)
    assert path.state == "fail"
    broken = path.hops[path.broken]
    assert (broken.what, broken.state) == (hop, "fail")
    assert broken.told.startswith(told)
    assert all(before.state == "pass" for before in path.hops[: path.broken])


@pytest.mark.parametrize(
    ("where", "hop"),
    [
        (replace(WHOLE, names_read=False), "Zone and record"),
        (with_endpoint(names=()), "Names"),
        (with_endpoint(status=""), "Connection"),
    ],
)
def test_what_was_not_read_is_unknown_and_neither_whole_nor_broken(where: Topology, hop: str) -> None:
    path = only(where)
    assert path.state == "unknown"
    assert path.hops[path.broken].what == hop


def test_a_service_in_a_subnet_or_in_a_link_scope_needs_no_endpoint_of_its_own() -> None:
    item = Item(SERVICE.id, SERVICE.type, SERVICE.name)
    network = Network("/vnet", "vnet", "eastus", (), (Subnet("sql", "10.0.1.0/24", True, "", "", (item,)),), (), ())
    bare = replace(SERVICE, endpoints=())
    assert only(replace(WHOLE, networks=(network,), services=(bare,))).hops[0].told == "sql of vnet"
    scope = Service(f"{HOME}/microsoft.insights/privateLinkScopes/s", "microsoft.insights/privatelinkscopes", "s", ())
    logs = Service("/logs", "microsoft.operationalinsights/workspaces", "logs", (), through=scope.id.lower())
    found = {path.id: path for path in paths(replace(WHOLE, services=(scope, logs)))}
    assert found["/logs"].state == "pass"
    assert found["/logs"].hops[0].told.startswith("Monitor link scope s")


def test_the_page_marks_the_broken_hop_by_word_counts_and_keeps_hostile_names_text(stock: Record) -> None:
    texts = "".join(HOSTILE.values())
    hostile = replace(SERVICE, name=texts, endpoints=(replace(ENDPOINT, name=texts, status=texts),))
    many = tuple(replace(SERVICE, id=f"{SERVICE.id}{n}", name=f"data{n}") for n in range(LIMIT))
    where = replace(WHOLE, services=(hostile, *many))
    stock.path.with_name("topology.json").write_text(json.dumps(topology.to_json(where)))
    section = html.render(stock, envelope=None, key_id=None).decode()
    section = section.partition('<section id="paths">')[2].partition("</section>")[0]
    text = re.sub(r"<[^>]*>", " ", section)
    assert f"1 of {LIMIT + 1} not whole" in text
    assert "Connection: broken here" in text
    assert "1 more path;" in text
    assert section.count('class="chain"') == LIMIT
    assert "<script" not in section
    assert "\u202e" not in section

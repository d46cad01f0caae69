"""The record of what accepted public traffic: what a request opened, until the request that closed it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from lockdown.sandbox.exposure import Exposure
from lockdown.sandbox.openings import network, nodes, services
from lockdown.sandbox.server import Sandbox
from tests.sandbox.arm_client import ArmClient
from tests.sandbox.services import named
from tests.sandbox.services import workspace as made_workspace
from tests.sandbox.test_provider_clusters import FEATURE, Place

Document = dict[str, Any]
DENY = {"defaultAction": "Deny", "bypass": "None"}
SKU = {"sku": {"name": "Standard_LRS"}, "kind": "StorageV2"}
SQL = {"sku": {"name": "Standard_B2s", "tier": "Burstable"}}
LOGIN = {"version": "16", "administratorLogin": "coa_admin", "administratorLoginPassword": "Only-For-1-Test"}
CLOSED_TELEMETRY = {"publicNetworkAccessForIngestion": "Disabled", "publicNetworkAccessForQuery": "Disabled"}


@pytest.fixture(scope="module")
def local_azure() -> Iterator[Sandbox]:
    with Sandbox("empty", operation_seconds=0, limits={"batch-accounts": 9}) as sandbox:
        yield sandbox


def send(arm: ArmClient, method: str, path: str, properties: Document | None = None, **members: Any) -> int:
    """Send a write that must be accepted; return the number of the request."""
    body = None if properties is None else {"location": "westeurope", "properties": properties, **members}
    answer = arm.call(method, path, body)
    assert answer.status_code in (200, 201, 202, 204), answer.text
    return arm.sandbox.requests


def of(arm: ArmClient, resource_id: str) -> list[Exposure]:
    return [found for found in arm.sandbox.exposures if found.resource_id.lower() == resource_id.lower()]


def interval(found: Exposure) -> tuple[int, int]:
    assert found.opened is not None
    return found.opened.number, found.closed.number if found.closed else 0


def vault(arm: ArmClient, **properties: Any) -> Document:
    return {"tenantId": arm.sandbox.tenant, "sku": {"name": "standard", "family": "A"}, **properties}


CASES: dict[str, tuple[str, Callable[[ArmClient], tuple[Document, Document]], Document, set[str]]] = {
    "storage, without a word": (
        "Microsoft.Storage/storageAccounts",
        lambda _: ({}, {"publicNetworkAccess": "Disabled"}),
        SKU,
        {services.OPEN},
    ),
    "storage, with default Allow": (
        "Microsoft.Storage/storageAccounts",
        lambda _: ({"publicNetworkAccess": "Enabled", "networkAcls": {}}, {"networkAcls": DENY}),
        SKU,
        {services.OPEN},
    ),
    "storage, anonymous": (
        "Microsoft.Storage/storageAccounts",
        lambda _: ({"allowBlobPublicAccess": True}, {"publicNetworkAccess": "Disabled"}),
        SKU,
        {services.OPEN, services.ANONYMOUS},
    ),
    "vault": (
        "Microsoft.KeyVault/vaults",
        lambda arm: (vault(arm), vault(arm, publicNetworkAccess="Disabled")),
        {},
        {services.OPEN},
    ),
    "registry": (
        "Microsoft.ContainerRegistry/registries",
        lambda _: ({}, {"publicNetworkAccess": "Disabled"}),
        {"sku": {"name": "Premium"}},
        {services.OPEN},
    ),
    "Batch account": (
        "Microsoft.Batch/batchAccounts",
        lambda _: ({}, {"publicNetworkAccess": "Disabled"}),
        {},
        {services.OPEN},
    ),
    "database server": (
        "Microsoft.DBforPostgreSQL/flexibleServers",
        lambda _: (LOGIN, {**LOGIN, "network": {"publicNetworkAccess": "Disabled"}}),
        SQL,
        {services.SERVER},
    ),
    "workspace": (
        "Microsoft.OperationalInsights/workspaces",
        lambda _: ({}, CLOSED_TELEMETRY),
        {},
        {services.INGESTION, services.QUERY},
    ),
    "component": (
        "microsoft.insights/components",
        lambda arm: (component(arm), component(arm, **CLOSED_TELEMETRY)),
        {"kind": "web"},
        {services.INGESTION, services.QUERY},
    ),
}


def component(arm: ArmClient, **properties: Any) -> Document:
    workspace = made_workspace(arm, arm.group("logs"), "logs", **CLOSED_TELEMETRY)
    return {"Application_Type": "web", "WorkspaceResourceId": workspace["id"], **properties}


@pytest.mark.parametrize("case", CASES)
def test_what_was_open_until_a_later_write_is_on_record(arm: ArmClient, group: str, case: str) -> None:
    type_, bodies, members, why = CASES[case]
    before, after = bodies(arm)
    path = f"{group}/providers/{type_}/{named('open')}"
    opened = send(arm, "PUT", path, before, **members)
    assert {found.closed for found in of(arm, path)} == {None}
    closed = send(arm, "PUT", path, after, **members)
    found = of(arm, path)
    assert {one.why for one in found} == why
    assert {interval(one) for one in found} == {(opened, closed)}
    one = found[0]
    assert one.opened is not None
    assert one.opened.request == f"PUT {path}"
    assert one.opened.operation.lower() == f"{type_}/write".lower()
    assert one.opened.correlation_id
    assert arm.call("DELETE", path).status_code in (200, 204)
    assert of(arm, path) == found


@pytest.mark.parametrize("case", CASES)
def test_what_was_closed_from_birth_is_not(arm: ArmClient, group: str, case: str) -> None:
    type_, bodies, members, _ = CASES[case]
    path = f"{group}/providers/{type_}/{named('shut')}"
    send(arm, "PUT", path, bodies(arm)[1], **members)
    assert of(arm, path) == []


def test_what_is_still_open_when_it_goes_ends_with_it(arm: ArmClient, group: str) -> None:
    account = arm.account(group, named("gone"))
    opened = arm.sandbox.requests
    (found,) = of(arm, account["id"])
    gone = send(arm, "DELETE", account["id"])
    (found,) = of(arm, account["id"])
    assert interval(found) == (opened, gone)


def test_a_rule_of_a_database_server_and_a_public_container(arm: ArmClient, group: str) -> None:
    server = f"{group}/providers/Microsoft.DBforPostgreSQL/flexibleServers/{named('pg-')}"
    send(arm, "PUT", server, LOGIN, **SQL)
    rule = f"{server}/firewallRules/all"
    opened = send(arm, "PUT", rule, {"startIpAddress": "198.51.100.0", "endIpAddress": "198.51.100.255"})
    closed = send(arm, "DELETE", rule)
    assert [(interval(one), one.why) for one in of(arm, rule)] == [((opened, closed), services.FIREWALL_RULE)]
    account = arm.account(group, named("anon"), allowBlobPublicAccess=True)
    container = f"{account['id']}/blobServices/default/containers/inputs"
    opened = send(arm, "PUT", container, {"publicAccess": "Container"})
    closed = send(arm, "PUT", account["id"], {"allowBlobPublicAccess": False}, **SKU)
    assert [(interval(one), one.why) for one in of(arm, container)] == [((opened, closed), services.ANONYMOUS)]


def subnet(way_out: bool | None, **properties: Any) -> Document:
    given = {} if way_out is None else {"defaultOutboundAccess": way_out}
    return {"name": "one", "properties": {"addressPrefix": "10.0.0.0/24", **given, **properties}}


def around(*subnets: Document) -> Document:
    return {"addressSpace": {"addressPrefixes": ["10.0.0.0/16"]}, "subnets": list(subnets)}


def test_the_default_way_out_of_a_subnet(arm: ArmClient, group: str) -> None:
    path = f"{group}/providers/Microsoft.Network/virtualNetworks/net"
    opened = send(arm, "PUT", path, around(subnet(None)))
    closed = send(arm, "PUT", path, around(subnet(False)))
    again = send(arm, "PUT", f"{path}/subnets/one", subnet(True)["properties"])
    found = of(arm, f"{path}/subnets/one")
    assert [(interval(one), one.why) for one in found] == [
        ((opened, closed), network.OUTBOUND),
        ((again, 0), network.OUTBOUND),
    ]


class Reached:
    """A network interface with a public address, and what is between them."""

    def __init__(self, arm: ArmClient, group: str) -> None:
        self.arm, at = arm, f"{group}/providers/Microsoft.Network"
        self.guard = f"{at}/networkSecurityGroups/guard"
        self.card = f"{at}/networkInterfaces/card"
        self.address = f"{at}/publicIPAddresses/ip"
        send(arm, "PUT", self.guard, {})
        net = f"{at}/virtualNetworks/net"
        send(arm, "PUT", net, around(subnet(False, networkSecurityGroup={"id": self.guard})))
        self.subnet = f"{net}/subnets/one"
        send(arm, "PUT", self.address, {"publicIPAllocationMethod": "Static"}, sku={"name": "Standard"})

    def attach(self, address: str | None) -> int:
        configuration: Document = {"subnet": {"id": self.subnet}}
        if address:
            configuration["publicIPAddress"] = {"id": address}
        card = {"ipConfigurations": [{"name": "one", "properties": configuration}]}
        return send(self.arm, "PUT", self.card, card)

    def admit(self, source: str) -> int:
        rule = {"priority": 200, "direction": "Inbound", "access": "Allow", "protocol": "Tcp"}
        rule |= {"sourceAddressPrefix": source, "sourcePortRange": "*"}
        rule |= {"destinationAddressPrefix": "*", "destinationPortRange": "22"}
        return send(self.arm, "PUT", self.guard, {"securityRules": [{"name": "ssh", "properties": rule}]})


def test_an_address_on_an_interface_and_the_group_that_lets_the_internet_in(arm: ArmClient, group: str) -> None:
    reached = Reached(arm, group)
    assert of(arm, reached.address) == []
    attached = reached.attach(reached.address)
    admitted = reached.admit("198.51.100.7/32")
    shut = reached.admit("10.0.0.0/8")
    let_go = reached.attach(None)
    assert [(interval(one), one.why) for one in of(arm, reached.address)] == [
        ((attached, let_go), network.INTERFACE),
        ((admitted, shut), network.ADMITTED),
    ]


def test_a_group_that_lets_the_internet_in_where_nothing_leads_to_opens_nothing(arm: ArmClient, group: str) -> None:
    reached = Reached(arm, group)
    reached.attach(None)
    reached.admit("*")
    assert [one for one in arm.sandbox.exposures if one.resource_id.lower().startswith(f"{group.lower()}/")] == []


def test_a_load_balancer_of_which_nothing_is_known(arm: ArmClient, group: str) -> None:
    reached = Reached(arm, group)
    path = f"{group}/providers/Microsoft.Network/loadBalancers/lb"
    front = {"name": "one", "properties": {"publicIPAddress": {"id": reached.address}}}
    body = {"frontendIPConfigurations": [front]}
    send(arm, "PUT", path, body)
    assert of(arm, reached.address) == []
    place = {"frontendIPConfiguration": {"id": f"{path}/frontendIPConfigurations/one"}}
    opened = send(arm, "PUT", path, {**body, "inboundNatRules": [{"name": "ssh", "properties": place}]})
    closed = send(arm, "PUT", path, body)
    assert [(interval(one), one.why) for one in of(arm, reached.address)] == [((opened, closed), network.BALANCED)]


def test_a_cluster_and_commands_in_it(arm: ArmClient) -> None:
    arm.call("POST", f"{arm.base}/{FEATURE}/register").raise_for_status()
    place = Place(arm)
    place.grant()
    body = place.body()
    made = send(arm, "PUT", place.path, body["properties"], identity=body["identity"])
    assert of(arm, place.path) == []
    body["properties"]["apiServerAccessProfile"]["disableRunCommand"] = True
    closed = send(arm, "PUT", place.path, body["properties"], identity=body["identity"])
    (found,) = [one for one in arm.sandbox.bypasses if one.resource_id.lower() == place.path.lower()]
    assert (found.why, interval(found)) == (nodes.COMMAND, (made, closed))
    gone = send(arm, "DELETE", place.path)
    del body["properties"]["apiServerAccessProfile"]
    body["properties"] |= {"networkProfile": {"outboundType": "loadBalancer", "serviceCidr": "10.2.0.0/22"}}
    body["properties"]["networkProfile"]["dnsServiceIP"] = "10.2.0.10"
    opened = send(arm, "PUT", place.path, body["properties"], identity=body["identity"])
    assert opened > gone
    assert [(interval(one), one.why) for one in of(arm, place.path)] == [((opened, 0), nodes.API)]
    send(arm, "DELETE", place.path)
    made_for_it = [one for one in arm.sandbox.exposures if "/mc_" in one.resource_id.lower()]
    assert made_for_it == [], "what a cluster leaves through leads nowhere in"


def test_services_of_azure_that_pass_a_registry(arm: ArmClient, group: str) -> None:
    path = f"{group}/providers/Microsoft.ContainerRegistry/registries/{named('r')}"
    closed = {"publicNetworkAccess": "Disabled", "networkRuleSet": {"defaultAction": "Deny"}}
    premium = {"sku": {"name": "Premium"}}
    send(arm, "PUT", path, {**closed, "networkRuleBypassOptions": "None"}, **premium)
    opened = send(arm, "PATCH", path, {"networkRuleBypassOptions": "AzureServices"})
    shut = send(arm, "PATCH", path, {"networkRuleBypassOptions": "None"})
    assert of(arm, path) == []
    (found,) = [one for one in arm.sandbox.bypasses if one.resource_id == path]
    assert (found.why, interval(found)) == (services.TRUSTED, (opened, shut))


def test_what_goes_slowly_is_open_until_it_is_gone() -> None:
    with Sandbox("empty", operation_seconds=60) as sandbox:
        arm = ArmClient(sandbox)
        group = arm.group("g")
        path = f"{group}/providers/Microsoft.KeyVault/vaults/{named('kv-')}"
        opened = send(arm, "PUT", path, vault(arm))
        (found,) = of(arm, path)
        assert found.opened is not None, "open as soon as it is asked for"
        sandbox.clock.skip(61)
        asked = send(arm, "DELETE", group)
        assert of(arm, path)[0].closed is None
        sandbox.clock.skip(61)
        arm.call("GET", group)
        (found,) = of(arm, path)
        assert interval(found) == (opened, asked)
        assert found.opened is not None
        assert found.closed is not None
        assert found.closed.time - found.opened.time > timedelta(seconds=120)
        arm.close()


def test_what_was_there_at_the_start_was_opened_by_nobody() -> None:
    stock = Sandbox("coa-stock").exposures
    assert stock
    assert {(found.opened, found.closed) for found in stock} == {(None, None)}
    assert Sandbox("coa-private").exposures == ()


def test_the_record_and_its_numbers_go_on_after_a_restart(tmp_path: Path) -> None:
    file = tmp_path / "state.json"
    with Sandbox("empty", operation_seconds=0, state_file=file) as sandbox:
        arm = ArmClient(sandbox)
        path = arm.account(arm.group("g"), "openedbefore")["id"]
        opened = sandbox.requests
        before = sandbox.exposures
        arm.close()
    with Sandbox("empty", operation_seconds=0, state_file=file) as sandbox:
        assert sandbox.exposures == before
        arm = ArmClient(sandbox)
        arm.base = path.partition("/resourceGroups/")[0]
        send(arm, "PUT", path, {"publicNetworkAccess": "Disabled"}, **SKU)
        (found,) = sandbox.exposures
        assert interval(found) == (opened, opened + sandbox.requests)
        arm.close()

"""Where traffic enters and leaves a virtual network: load balancers, application gateways, firewalls."""

from collections.abc import Sequence
from typing import Any

from lockdown.sandbox.scenarios.arm.envelope import Group, part, reference, resource
from lockdown.sandbox.scenarios.identifiers import guid
from lockdown.sandbox.scenarios.scenario import Document

_NETWORK = "Microsoft.Network/"


def private_frontend(subnet_id: str, address: str) -> dict[str, Any]:
    """Return the properties of a frontend that only the virtual network reaches."""
    return {
        "privateIPAddress": address,
        "privateIPAllocationMethod": "Dynamic",
        "privateIPAddressVersion": "IPv4",
        "subnet": reference(subnet_id),
    }


def public_frontend(address_id: str) -> dict[str, Any]:
    """Return the properties of a frontend on the Internet."""
    return {"privateIPAllocationMethod": "Dynamic", "publicIPAddress": reference(address_id)}


def load_balancer(
    group: Group, name: str, frontend: dict[str, Any], *, frontend_name: str, pool: str, ports: Sequence[int] = ()
) -> Document:
    """Return a Standard load balancer with one frontend and one pool.

    Args:
        group: where it goes.
        name: its name.
        frontend: from ``private_frontend`` or ``public_frontend``.
        frontend_name: the frontend's name.
        pool: the backend pool's name.
        ports: TCP ports that come in; with none, there is only an outbound rule.
    """
    resource_id = group.resource(_NETWORK + "loadBalancers", name)
    ends = {
        "frontendIPConfiguration": reference(f"{resource_id}/frontendIPConfigurations/{frontend_name}"),
        "backendAddressPool": reference(f"{resource_id}/backendAddressPools/{pool}"),
    }
    inbound = [part(resource_id, "loadBalancingRules", f"tcp-{port}", ends | _rule(port)) for port in ports]
    outbound = [] if ports else [part(resource_id, "outboundRules", "outbound", _outbound(ends))]
    used = {"loadBalancingRules": inbound, "outboundRules": outbound}
    uses = {kind: [reference(rule["id"]) for rule in rules] for kind, rules in used.items() if rules}
    properties = {
        "provisioningState": "Succeeded",
        "resourceGuid": guid(resource_id),
        "frontendIPConfigurations": [part(resource_id, "frontendIPConfigurations", frontend_name, frontend | uses)],
        "backendAddressPools": [part(resource_id, "backendAddressPools", pool, uses)],
        **used,
        "probes": [],
        "inboundNatRules": [],
        "inboundNatPools": [],
    }
    return resource(resource_id, properties, location=group.location, sku={"name": "Standard", "tier": "Regional"})


def _rule(port: int) -> dict[str, Any]:
    return {
        "protocol": "Tcp",
        "frontendPort": port,
        "backendPort": port,
        "enableFloatingIP": True,
        "enableTcpReset": True,
        "idleTimeoutInMinutes": 4,
        "disableOutboundSnat": True,
    }


def _outbound(ends: dict[str, Any]) -> dict[str, Any]:
    return {
        "frontendIPConfigurations": [ends["frontendIPConfiguration"]],
        "backendAddressPool": ends["backendAddressPool"],
        "allocatedOutboundPorts": 0,
        "protocol": "All",
        "enableTcpReset": True,
        "idleTimeoutInMinutes": 30,
    }


def application_gateway(group: Group, name: str, subnet_id: str, frontend: dict[str, Any]) -> Document:
    """Return an application gateway (WAF_v2 with its firewall on) with one frontend."""
    resource_id = group.resource(_NETWORK + "applicationGateways", name)
    gateway = {"subnet": reference(subnet_id)}
    properties = {
        "provisioningState": "Succeeded",
        "resourceGuid": guid(resource_id),
        "sku": {"name": "WAF_v2", "tier": "WAF_v2", "capacity": 2},
        "operationalState": "Running",
        "gatewayIPConfigurations": [part(resource_id, "gatewayIPConfigurations", "gateway", gateway)],
        "frontendIPConfigurations": [part(resource_id, "frontendIPConfigurations", "frontend", frontend)],
        "frontendPorts": [part(resource_id, "frontendPorts", "https", {"port": 443})],
        "httpListeners": [],
        "webApplicationFirewallConfiguration": {
            "enabled": True,
            "firewallMode": "Prevention",
            "ruleSetType": "OWASP",
            "ruleSetVersion": "3.2",
        },
    }
    return resource(resource_id, properties, location=group.location)


def firewall(
    group: Group, name: str, subnet_id: str, private_address: str, address_id: str, **rules: object
) -> Document:
    """Return an Azure Firewall (Standard, in a virtual network).

    Args:
        group: where it goes.
        name: its name.
        subnet_id: the AzureFirewallSubnet.
        private_address: the address that routes point at.
        address_id: the public address that it leaves through.
        rules: ``firewallPolicy``, or ``natRuleCollections`` and ``applicationRuleCollections`` of a classic firewall.
    """
    resource_id = group.resource(_NETWORK + "azureFirewalls", name)
    configuration = {
        "privateIPAddress": private_address,
        "privateIPAllocationMethod": "Dynamic",
        "publicIPAddress": reference(address_id),
        "subnet": reference(subnet_id),
    }
    properties = {
        "provisioningState": "Succeeded",
        "sku": {"name": "AZFW_VNet", "tier": "Standard"},
        "threatIntelMode": "Deny",
        "additionalProperties": {},
        "ipConfigurations": [part(resource_id, "azureFirewallIpConfigurations", "egress", configuration)],
        "networkRuleCollections": [],
        "applicationRuleCollections": [],
        "natRuleCollections": [],
        **rules,
    }
    return resource(resource_id, properties, location=group.location)


def nat_rule_collection(firewall_id: str, name: str, address: str, port: int, target: str) -> dict[str, Any]:
    """Return a rule collection that lets the Internet in: ``address:port`` goes to ``target:port``."""
    rule = {
        "name": f"tcp-{port}",
        "protocols": ["TCP"],
        "sourceAddresses": ["*"],
        "destinationAddresses": [address],
        "destinationPorts": [str(port)],
        "translatedAddress": target,
        "translatedPort": str(port),
    }
    return part(firewall_id, "natRuleCollections", name, {"priority": 100, "action": {"type": "Dnat"}, "rules": [rule]})

"""The property names of Azure's types, read from the models of its own libraries.

``python -m tests.sandbox.sdk_shapes`` writes them to ``lockdown/sandbox/shapes``; the sandbox never imports
them.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from types import ModuleType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from azure.mgmt.batch import models as batch
from azure.mgmt.compute import models as compute
from azure.mgmt.containerregistry import models as registry
from azure.mgmt.containerservice import models as containerservice
from azure.mgmt.keyvault import models as key_vault
from azure.mgmt.loganalytics import models as log_analytics
from azure.mgmt.network import models as network
from azure.mgmt.postgresqlflexibleservers import models as postgres
from azure.mgmt.privatedns import models as private_dns
from azure.mgmt.storage import models as storage

from lockdown.sandbox.shapes import FOLDER

_SCALARS = {str: "string", bool: "boolean", int: "integer"}
_ENVELOPE = frozenset({"location", "tags"})

ROOTS: Mapping[str, tuple[ModuleType, Sequence[str]]] = {
    "batch": (batch, ("BatchAccountProperties", "BatchAccountCreateProperties")),
    "compute": (compute, ("EncryptionSetProperties",)),
    "containerservice": (
        containerservice,
        ("ManagedClusterProperties", "ManagedClusterAgentPoolProfileProperties"),
    ),
    "key_vault": (key_vault, ("VaultProperties", "KeyProperties")),
    "log_analytics": (log_analytics, ("WorkspaceProperties", "TableProperties")),
    "machines": (
        compute,
        ("VirtualMachineProperties", "VirtualMachineExtensionProperties", "DiskProperties"),
    ),
    "network": (
        network,
        (
            "AzureFirewallPropertiesFormat",
            "BastionHostPropertiesFormat",
            "FirewallPolicyPropertiesFormat",
            "FirewallPolicyRuleCollectionGroupProperties",
            "FlowLogPropertiesFormat",
            "NatGatewayPropertiesFormat",
            "NetworkInterfacePropertiesFormat",
            "NetworkSecurityGroupPropertiesFormat",
            "NetworkWatcherPropertiesFormat",
            "PrivateDnsZoneGroupPropertiesFormat",
            "PrivateEndpointProperties",
            "PublicIPAddressPropertiesFormat",
            "PublicIPPrefixPropertiesFormat",
            "RoutePropertiesFormat",
            "RouteTablePropertiesFormat",
            "SecurityRulePropertiesFormat",
            "SubnetPropertiesFormat",
            "VirtualNetworkPeeringPropertiesFormat",
            "VirtualNetworkPropertiesFormat",
        ),
    ),
    "postgres": (
        postgres,
        (
            "ServerProperties",
            "DatabaseProperties",
            "ConfigurationProperties",
            "AdministratorMicrosoftEntraProperties",
            "FirewallRuleProperties",
        ),
    ),
    "private_dns": (private_dns, ("PrivateZoneProperties", "RecordSetProperties", "VirtualNetworkLinkProperties")),
    "registry": (registry, ("RegistryProperties", "ImportImageParameters")),
    "storage": (
        storage,
        (
            "StorageAccountProperties",
            "StorageAccountPropertiesCreateParameters",
            "BlobServicePropertiesProperties",
            "FileServicePropertiesProperties",
            "ContainerProperties",
            "ManagementPolicyProperties",
        ),
    ),
}
"""File name to the library and the models that describe the ``properties`` of the types that the sandbox knows."""


def shapes(module: ModuleType, roots: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return every model that can be reached from the roots: wire name to what stands there, and ``$computed``.

    Where a whole resource of its own stands for a reference to it, anything may be in it. Of what only the service
    writes, nothing more is said.
    """
    found: dict[str, dict[str, Any]] = {}
    waiting = list(roots)
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found[name] = _members(getattr(module, name), waiting, module)
    return dict(sorted(found.items()))


def _members(model: Any, waiting: list[str], module: ModuleType) -> dict[str, Any]:
    described: dict[str, Any] = {}
    computed = []
    for one in (model, *_heirs(model)):
        hints = get_type_hints(one, {**vars(module), "_models": module})
        for attribute, field in _fields(one):
            if field._visibility == ["read"]:
                computed.append(field._rest_name)
                described.setdefault(field._rest_name, "any")
            else:
                described.setdefault(field._rest_name, _word(hints[attribute], waiting))
    described = dict(sorted(described.items()))
    return described | ({"$computed": sorted(set(computed))} if computed else {})


def _fields(model: Any) -> Iterator[tuple[str, Any]]:
    model()
    yield from model._attr_to_rest_field.items()


def _heirs(model: Any) -> list[Any]:
    return list(dict.fromkeys(getattr(model, "__mapping__", {}).values()))


def _word(hint: Any, waiting: list[str]) -> Any:
    options = [part for part in _options(hint) if part is not type(None)]
    scalar = {_SCALARS[part] for part in options if part in _SCALARS}
    if scalar or all(inspect.isclass(part) and issubclass(part, Enum) for part in options):
        return scalar.pop() if len(scalar) == 1 else "string"
    (whole,) = options
    if get_origin(whole) is list:
        return [_word(get_args(whole)[0], waiting)]
    if get_origin(whole) is not None:
        return {Literal: "string", dict: "object"}[get_origin(whole)]
    return _model(whole, waiting) if hasattr(whole, "as_dict") else "any"


def _model(whole: Any, waiting: list[str]) -> str:
    if {field._rest_name for _, field in _fields(whole)} >= _ENVELOPE:
        return "object"
    waiting.append(str(whole.__name__))
    return str(whole.__name__)


def _options(hint: Any) -> tuple[Any, ...]:
    return get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)


def text(described: Mapping[str, Any]) -> str:
    """Return shapes as a file has them: one model after the other, one property a line."""
    return json.dumps(described, indent=1) + "\n"


def main() -> None:
    for name, (module, roots) in ROOTS.items():
        (FOLDER / f"{name}.json").write_text(text(shapes(module, roots)), "utf-8")


if __name__ == "__main__":
    main()

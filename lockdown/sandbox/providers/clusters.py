"""Microsoft.ContainerService/managedClusters: what AKS asks for before it makes a cluster, and what it fills in.

Sources: Microsoft Learn, "Create a private AKS cluster", "Customize cluster egress with outbound types", "Use a managed
identity in AKS", and the codes that AKS answers.
"""

import ipaddress
import re
from collections.abc import Mapping
from typing import Any

import jwt

from lockdown.sandbox import capacity, cluster_api, kubectl, kubernetes, shapes
from lockdown.sandbox.arm_error import ArmError
from lockdown.sandbox.entra import AKS_SERVER
from lockdown.sandbox.kind import Context, Kind, one_of, require
from lockdown.sandbox.links import find
from lockdown.sandbox.providers import cluster_nodes
from lockdown.sandbox.providers.names import reference, refuse_if_busy
from lockdown.sandbox.registrations import encrypts_at_host
from lockdown.sandbox.resource_id import group_of
from lockdown.sandbox.scenarios.identifiers import digits, guid
from lockdown.sandbox.state import Document, subscription_of

TYPE = "Microsoft.ContainerService/managedClusters"
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?")
_POOL = re.compile(r"[a-z][a-z0-9]{0,11}")
_FIXED = ("dnsPrefix", "fqdnSubdomain", "nodeResourceGroup", "enableRBAC", "diskEncryptionSetID")
_FIXED_NETWORK = ("networkPlugin", "serviceCidr", "dnsServiceIP", "loadBalancerSku")
_JOIN = "Microsoft.Network/virtualNetworks/subnets/join/action"
_RESERVED = 5
_DOMAINS = {"public": "{}.azmk8s.io", "us-government": "{}.cx.aks.containerservice.azure.us"}
_ISSUERS = {"public": "oic.prod-aks.azure.com", "us-government": "oic.prod-aks.azure.us"}


def _prepare(context: Context, document: Document, previous: Document | None) -> None:
    properties = document["properties"]
    known = ((previous or {}).get("properties") or {}).get("agentPoolProfiles") or []
    refuse_if_busy(context, (f"{document['id']}/agentPools/{pool['name']}" for pool in known))
    document["id"] = str(document["id"]).replace("/resourceGroups/", "/resourcegroups/")  # as AKS itself writes it
    if not (properties.get("dnsPrefix") or properties.get("fqdnSubdomain") or previous):
        raise _invalid("dnsPrefix", "Required parameter dnsPrefix is missing (null).")
    identity = _identity(document)
    _fill(context, document, previous)
    _refuse_changes(properties, (previous or {}).get("properties") or {})
    _check_kubelet(context, document, identity)
    subnets = _pools(context, document, identity, previous)
    _check_outbound(context, document, subnets)
    _check_api(context, document, identity)
    _finish(context, document, (previous or {}).get("properties") or {})
    if previous is None:
        cluster_nodes.foresee(context, document)
    for held in ("_objects", "_commands"):  # What is in the cluster outlives a write of it.
        if held in (previous or {}):
            document[held] = (previous or {})[held]


def _identity(document: Document) -> str:
    """Return the object id of the identity that the cluster runs as; '' for its own, which can hold no role before."""
    identity = document.get("identity") or {}
    for assigned in (identity.get("userAssignedIdentities") or {}).values():
        return str(assigned.get("principalId") or "")
    if str(identity.get("type", "None")).lower() == "none" and not document["properties"].get(
        "servicePrincipalProfile"
    ):
        raise _invalid("identity", "Provisioning of a cluster needs a managed identity or a service principal.")
    return ""


def _fill(context: Context, document: Document, previous: Document | None) -> None:
    properties, name = document["properties"], str(document["name"])
    known = (previous or {}).get("properties") or {}
    for key in ("dnsPrefix", "nodeResourceGroup", "identityProfile", "servicePrincipalProfile"):
        if key in known:
            properties.setdefault(key, known[key])
    subscription, location = subscription_of(str(document["id"])), str(document["location"])
    plan = str(properties.get("supportPlan") or "KubernetesOfficial")
    wanted = str(properties.get("kubernetesVersion") or known.get("kubernetesVersion") or "")
    found = kubernetes.resolve(context.state, subscription, location, wanted, plan)
    if found is None:
        raise ArmError(
            400,
            "K8sVersionNotSupported",
            f"Managed cluster {name} is on version {wanted}, which is not available in this region with {plan}.",
        )
    properties["kubernetesVersion"], properties["currentKubernetesVersion"] = found
    group = group_of(str(document["id"]))
    properties.setdefault("nodeResourceGroup", f"MC_{group}_{name}_{location}"[:80])
    properties.setdefault("servicePrincipalProfile", {"clientId": "msi"})
    properties.setdefault("enableRBAC", True)
    properties.setdefault("publicNetworkAccess", "Enabled")
    one_of(document, "publicNetworkAccess", ("Enabled", "Disabled", "SecuredByPerimeter"))
    network = properties.setdefault("networkProfile", {})
    for key, value in {
        "networkPlugin": "azure",
        "networkDataplane": "azure",
        "serviceCidr": "10.0.0.0/16",
        "dnsServiceIP": "10.0.0.10",
        "outboundType": "loadBalancer",
        "loadBalancerSku": "standard",
    }.items():
        network.setdefault(key, (known.get("networkProfile") or {}).get(key, value))
    for addon in (properties.get("addonProfiles") or {}).values():
        if not isinstance(addon, dict):
            raise _invalid("addonProfiles", "An add-on profile is an object.")
        addon.setdefault("config", None)
    document.setdefault("sku", {"name": "Base", "tier": "Free"})
    document.setdefault("kind", "Base")


def _refuse_changes(properties: Document, known: Document) -> None:
    api, before = properties.get("apiServerAccessProfile") or {}, known.get("apiServerAccessProfile") or {}
    network, networked = properties["networkProfile"], known.get("networkProfile") or {}
    compared = [
        *((key, properties.get(key), known.get(key)) for key in _FIXED if key in properties and key in known),
        *((f"networkProfile.{key}", network[key], networked[key]) for key in _FIXED_NETWORK if key in networked),
    ]
    if known:
        private = (bool(api.get("enablePrivateCluster")), bool(before.get("enablePrivateCluster")))
        compared.append(("apiServerAccessProfile.enablePrivateCluster", *private))
    for path, wanted, there in compared:
        if str(wanted).lower() != str(there).lower():
            raise ArmError(
                400, "PropertyChangeNotAllowed", f"Changing property 'properties.{path}' is not allowed.", path
            )


def _check_kubelet(context: Context, document: Document, identity: str) -> None:
    kubelet = (document["properties"].get("identityProfile") or {}).get("kubeletidentity") or {}
    if not isinstance(kubelet, dict):
        raise _invalid("identityProfile", "The kubelet identity of a cluster is an object.")
    resource_id = str(kubelet.get("resourceId") or "")
    if not resource_id or resource_id.lower().startswith(_node_group(document).lower()):
        return
    found = context.state.get(resource_id)
    if found is None:
        raise ArmError(400, "InvalidResourceReference", f"The kubelet identity {resource_id} was not found.")
    if "userAssignedIdentities" not in (document.get("identity") or {}):
        raise ArmError(
            400,
            "CustomKubeletIdentityOnlySupportedOnUserAssignedMSICluster",
            "Custom kubelet identity is only supported on a cluster with a user-assigned identity.",
        )
    assign = "Microsoft.ManagedIdentity/userAssignedIdentities/assign/action"
    if not context.granted(identity, assign, resource_id):
        raise ArmError(
            400,
            "CustomKubeletIdentityMissingPermissionError",
            f"The cluster identity must be given permission to assign kubelet identity {resource_id}. Check access "
            f"result not allowed for action {assign}.",
        )
    known = found.get("properties") or {}
    kubelet |= {"clientId": known.get("clientId"), "objectId": known.get("principalId")}


def _pools(
    context: Context, document: Document, identity: str, previous: Document | None
) -> dict[str, tuple[Document, Document]]:
    """Complete the node pools; return each subnet's id with the network and the subnet."""
    properties = document["properties"]
    subnets: dict[str, tuple[Document, Document]] = {}
    known = ((previous or {}).get("properties") or {}).get("agentPoolProfiles") or []
    encrypted = {str(pool.get("name")) for pool in known if pool.get("enableEncryptionAtHost")}
    joined = {str(pool.get("vnetSubnetID", "")).lower() for pool in known}
    names: set[str] = set()
    cores = 0
    for pool in require(document, "agentPoolProfiles"):
        name = str(pool.get("name") or "")
        if not _POOL.fullmatch(name) or name in names:
            raise _invalid("agentPoolProfile.name", f"The node pool name '{name}' is not valid, or is given twice.")
        names.add(name)
        _fill_pool(properties, pool)
        cores += capacity.cores(pool["vmSize"]) * pool["count"]
        wanted = bool(pool.get("enableEncryptionAtHost")) and name not in encrypted
        if wanted and not encrypts_at_host(context, str(document["id"])):
            raise ArmError(
                400, "SubscriptionNotEnabledEncryptionAtHost", "Subscription does not enable EncryptionAtHost."
            )
        subnet = str(pool.get("vnetSubnetID") or "")
        if not subnet:
            raise _invalid("agentPoolProfile.vnetSubnetID", "A cluster without a subnet of its own is not known here.")
        if subnet not in subnets:
            subnets[subnet] = _subnet(context, subnet)
            if subnet.lower() not in joined:
                _check_join(context, document, subnet, identity)
    if not any(str(pool["mode"]).lower() == "system" for pool in properties["agentPoolProfiles"]):
        raise _invalid("agentPoolProfile", "There has to be at least one system node pool.")
    held = sum(capacity.cores(pool["vmSize"]) * pool["count"] for pool in known)
    if cores > held:
        subscription, location = subscription_of(str(document["id"])), str(document["location"])
        capacity.check(context, subscription, location, cores - held, "ErrCode_InsufficientVCPUQuota")
    for subnet, (network, part) in subnets.items():
        _check_addresses(document, subnet, network, part)
    return subnets


def _fill_pool(properties: Document, pool: Document) -> None:
    defaults: Mapping[str, Any] = {
        "count": 1,
        "vmSize": "Standard_D4s_v5",
        "osDiskSizeGB": 128,
        "osType": "Linux",
        "osSKU": "Ubuntu",
        "mode": "User",
        "type": "VirtualMachineScaleSets",
        "maxPods": 30,
        "enableNodePublicIP": False,
    }
    for key, value in defaults.items():
        pool.setdefault(key, value)
    pool.setdefault("orchestratorVersion", properties["kubernetesVersion"])
    pool["currentOrchestratorVersion"] = properties["currentKubernetesVersion"]
    pool |= {"provisioningState": "Succeeded", "powerState": {"code": "Running"}}


def _subnet(context: Context, subnet: str) -> tuple[Document, Document]:
    found = find(context.state, subnet)
    if found is None:
        raise ArmError(400, "InvalidResourceReference", f"The subnet {subnet} of a node pool was not found.")
    pending = context.operations.pending(str(found[0]["id"]))
    if pending is not None:
        raise ArmError(
            409,
            "ReferencedResourceNotProvisioned",
            f"Cannot proceed with operation because resource {subnet} is not in Succeeded state: {pending.verb}.",
        )
    return found


def _check_join(context: Context, document: Document, subnet: str, identity: str) -> None:
    """Refuse a subnet that the caller or the cluster's identity may not join."""
    if not context.allows(_JOIN, subnet):
        raise ArmError(
            403, "LinkedAuthorizationFailed", f"The client has no permission to perform '{_JOIN}' on '{subnet}'."
        )
    if identity and not context.granted(identity, _JOIN, subnet):
        raise ArmError(
            403,
            "LinkedAuthorizationFailed",
            f"The identity of cluster '{document['name']}' (object id '{identity}') has no permission to perform "
            f"'{_JOIN}' on the linked scope '{subnet}'.",
        )


def _check_addresses(document: Document, subnet: str, network: Document, part: Document) -> None:
    profile = document["properties"]["networkProfile"]
    ranges = [ipaddress.ip_network(text) for text in _prefixes(part)]
    services = _service_range(str(profile["serviceCidr"]))
    for other in network["properties"].get("subnets") or []:
        if any(services.overlaps(ipaddress.ip_network(text)) for text in _prefixes(other)):
            raise ArmError(
                400,
                "ServiceCidrOverlapExistingSubnetsCidr",
                f"The specified service CIDR {services} is conflicted with an existing subnet {other['name']}.",
            )
    if str(profile.get("networkPluginMode", "")).lower() == "overlay" or profile["networkPlugin"] != "azure":
        return
    wanted = sum(
        (pool["count"] + 1) * (1 + pool["maxPods"])
        for pool in document["properties"]["agentPoolProfiles"]
        if str(pool["vnetSubnetID"]).lower() == subnet.lower()
    )
    available = sum(found.num_addresses - _RESERVED for found in ranges)
    if wanted > available:
        raise ArmError(
            400,
            "InsufficientSubnetSize",
            f"Pre-allocated IPs {wanted} exceeds IPs available {available} in Subnet {subnet}.",
        )


def _service_range(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    try:
        return ipaddress.ip_network(text)
    except ValueError as error:
        raise _invalid("networkProfile.serviceCidr", f"The service CIDR {text} is not a CIDR: {error}.") from error


def _prefixes(subnet: Document) -> list[str]:
    properties = subnet.get("properties") or {}
    return list(properties.get("addressPrefixes") or [properties["addressPrefix"]])


def _check_outbound(context: Context, document: Document, subnets: dict[str, tuple[Document, Document]]) -> None:
    kind = str(document["properties"]["networkProfile"]["outboundType"]).lower()
    for subnet, (_, part) in subnets.items():
        if kind == "userassignednatgateway" and not reference((part.get("properties") or {}).get("natGateway")):
            raise ArmError(
                400, "InvalidUserAssignedNATGateway", f"There is no NAT gateway at subnet {subnet} of the cluster."
            )
        if kind == "userdefinedrouting":
            _check_route(context, subnet, reference((part.get("properties") or {}).get("routeTable")))


def _check_route(context: Context, subnet: str, table_id: str) -> None:
    table = context.state.get(table_id) if table_id else None
    if table is None:
        raise ArmError(
            400,
            "ExistingRouteTableNotAssociatedWithSubnet",
            f"An existing route table has not been associated with subnet {subnet}. Please update the route table "
            "association.",
        )
    routes = [route.get("properties") or {} for route in table["properties"].get("routes") or []]
    hops = [str(route.get("nextHopType")) for route in routes if route.get("addressPrefix") == "0.0.0.0/0"]
    if not hops:
        raise ArmError(
            400, "RouteTableMissingDefaultRoute", f"Route table {table_id} has no route for 0.0.0.0/0, as UDR needs."
        )
    if hops[0] not in ("VirtualAppliance", "VirtualNetworkGateway"):
        raise ArmError(
            400,
            "RouteTableInvalidNextHop",
            f"Default route 0.0.0.0/0 has a next hop of {hops[0]} but only next hops of VirtualAppliance or "
            "VirtualNetworkGateway are allowed.",
        )


def _check_api(context: Context, document: Document, identity: str) -> None:
    properties = document["properties"]
    profile = properties.get("apiServerAccessProfile") or {}
    if not profile.get("enablePrivateCluster"):
        return
    zone = str(profile.setdefault("privateDNSZone", "system"))
    if profile.get("authorizedIPRanges"):
        raise _invalid("authorizedIPRanges", "A private cluster has no authorized IP ranges.")
    if zone.lower() == "none" and not profile.setdefault("enablePrivateClusterPublicFQDN", True):
        raise _invalid("privateDNSZone", "Without a private DNS zone a private cluster needs a public FQDN.")
    if zone.lower() in ("system", "none"):
        return
    suffix = re.escape("privatelink." + _domain(context, document))
    name = zone.rpartition("/")[2].lower()
    if not re.fullmatch(rf"([a-z0-9]([a-z0-9-]{{0,30}}[a-z0-9])?\.)?{suffix}", name):
        raise _invalid(
            "privateDNSZone",
            f"The private DNS zone {name} must be privatelink.{_domain(context, document)}, or below it by a name of "
            "at most 32 characters.",
        )
    if context.state.get(zone) is None:
        raise ArmError(400, "InvalidResourceReference", f"The private DNS zone {zone} was not found.")
    if "userAssignedIdentities" not in (document.get("identity") or {}):
        raise _invalid("privateDNSZone", "A custom private DNS zone needs a user-assigned identity.")
    for action in ("Microsoft.Network/privateDnsZones/read", "Microsoft.Network/privateDnsZones/A/write"):
        if not context.granted(identity, action, zone):
            raise ArmError(
                400,
                "CustomPrivateDNSZoneMissingPermissionError",
                f"The cluster's identity must be given permission to read and write to custom private dns zone {zone}. "
                f"Check access result not allowed for action {action}.",
            )


def _domain(context: Context, document: Document) -> str:
    return _DOMAINS[context.settings.cloud].format(document["location"])


def _finish(context: Context, document: Document, known: Document) -> None:
    """Write the names that the service gives; a cluster keeps those that it has."""
    properties, key = document["properties"], str(document["id"]).lower()
    profile = properties.get("apiServerAccessProfile") or {}
    domain = _domain(context, document)
    host = properties.get("fqdnSubdomain") or f"{properties.get('dnsPrefix')}-{digits('api', key)}"
    if profile.get("enablePrivateCluster"):
        zone = str(profile["privateDNSZone"]).lower()
        name = zone.rpartition("/")[2] if "/" in zone else f"{guid('zone', key)}.privatelink.{domain}"
        properties["privateFQDN"] = known.get("privateFQDN") or f"{host}.{name}"
    if not profile.get("enablePrivateCluster") or profile.get("enablePrivateClusterPublicFQDN", True):
        properties["fqdn"] = known.get("fqdn") or f"{host}.hcp.{domain}"
    else:
        properties.pop("fqdn", None)
    if (properties.get("oidcIssuerProfile") or {}).get("enabled"):
        location, tenant = document["location"], context.state.tenant
        issuer = f"https://{location}.{_ISSUERS[context.settings.cloud]}/{tenant}/{guid('issuer', key)}/"
        given = (known.get("oidcIssuerProfile") or {}).get("issuerURL")
        properties["oidcIssuerProfile"]["issuerURL"] = given or issuer
    if (properties.get("aadProfile") or {}).get("managed"):
        properties["aadProfile"].setdefault("tenantID", context.state.tenant)
    properties |= {"provisioningState": "Succeeded", "powerState": {"code": "Running"}, "maxAgentPools": 100}


def _node_group(document: Document) -> str:
    return f"/subscriptions/{subscription_of(str(document['id']))}/resourceGroups/" + str(
        document["properties"].get("nodeResourceGroup", "")
    )


def _run_command(context: Context, document: Document, body: Document) -> tuple[int, Any]:
    if not str(body.get("command") or ""):
        raise _invalid("command", "Required parameter command is missing (null).")
    if (document["properties"].get("apiServerAccessProfile") or {}).get("disableRunCommand"):
        raise ArmError(400, "RunCommandDisabled", f"Run command is disabled on managed cluster {document['name']}.")
    began = _stamp(context)
    cluster = cluster_api.Cluster(context, document)
    command, files = str(body["command"]), str(body.get("context") or "")
    refused = _unauthorized(context, document, str(body.get("clusterToken") or ""))
    code, logs = (1, refused) if refused else kubectl.run(cluster, command, files)
    cluster.document["_commands"] = [*document.get("_commands", ()), {"command": command, "context": files}]
    cluster.save()
    result = {
        "provisioningState": "Succeeded", "exitCode": code, "startedAt": began, "finishedAt": _stamp(context),
        "logs": logs,
    }  # fmt: skip
    number = str(len(cluster.document["_commands"]))
    return 200, {"id": guid("command", str(document["id"]), number), "properties": result}


def _unauthorized(context: Context, document: Document, token: str) -> str:
    """Return what kubectl says to a caller that the cluster does not know, or knows and forbids; '' to others.

    The caller is known by the token of Resource Manager; the one for the cluster must be theirs, and for AKS.
    """
    profile = document["properties"].get("aadProfile") or {}
    if not profile.get("managed"):
        return ""
    caller = context.who["by"]
    try:
        claims = jwt.decode(token, options={"verify_signature": False})
    except jwt.InvalidTokenError:
        claims = {}
    if claims.get("aud") != AKS_SERVER or claims.get("oid") != caller.object_id:
        return "error: You must be logged in to the server (Unauthorized)\n"
    right = "Microsoft.ContainerService/managedClusters/namespaces/write"
    if profile.get("enableAzureRBAC") and not context.granted(caller.object_id, right, str(document["id"]), data=True):
        return (
            f'Error from server (Forbidden): User "{caller.object_id}" cannot do this at the cluster scope: User does '
            "not have access to the resource in Azure. Update role assignment to allow access.\n"
        )
    return ""


def _stamp(context: Context) -> str:
    return context.state.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")


def _invalid(target: str, message: str) -> ArmError:
    return ArmError(400, "InvalidParameter", message, target)


KINDS = (
    Kind(
        TYPE, shapes.shape("containerservice", "ManagedClusterProperties"),
        computed=shapes.computed("containerservice", "ManagedClusterProperties"), name=_NAME, patch="tags",
        create="async", update="async", delete="async", seconds=480, update_seconds=180, delete_seconds=300,
        prepare=_prepare, applied=cluster_nodes.applied, removed=cluster_nodes.removed,
        actions={"runcommand": _run_command}, long_actions={"runcommand": 30},
    ),
)  # fmt: skip

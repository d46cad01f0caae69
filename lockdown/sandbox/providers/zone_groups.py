"""Microsoft.Network/privateEndpoints/privateDnsZoneGroups: the records of an endpoint, kept in private DNS zones.

Source: Microsoft Learn, "Azure Private Endpoint DNS integration scenarios" ("Private DNS zone group").
"""

from collections.abc import Iterator
from typing import Any

from lockdown.sandbox.arm_error import ArmError
from lockdown.sandbox.kind import Context, Kind
from lockdown.sandbox.providers import private_dns
from lockdown.sandbox.providers.names import described, reference, refuse_if_busy
from lockdown.sandbox.providers.private_link import record_name
from lockdown.sandbox.state import Document

_TYPE = "Microsoft.Network/privateEndpoints/privateDnsZoneGroups"
_SHAPE, _WRITTEN = described("PrivateDnsZoneGroupPropertiesFormat")
_JOIN = "Microsoft.Network/privateDnsZones/join/action"


def _prepare(context: Context, document: Document, previous: Document | None) -> None:
    del previous
    endpoint = _endpoint(context, document)
    refuse_if_busy(context, [str(endpoint["id"])])
    _refuse_second(context, document, endpoint)
    names = list(names_of(context, endpoint))
    seen: set[str] = set()
    for configuration in document["properties"].setdefault("privateDnsZoneConfigs", []):
        name = str(configuration.get("name") or "")
        if not name or name.lower() in seen:
            raise ArmError(
                400,
                "InvalidRequestFormat",
                f"A zone configuration of {document['id']} has no name, or its name '{name}' is given twice.",
            )
        seen.add(name.lower())
        zone = _zone(context, document, configuration)
        configuration["properties"] = {
            "privateDnsZoneId": str(zone["id"]),
            "recordSets": [
                _record_set(record, str(zone["name"]), address)
                for fqdn, address in names
                if (record := record_name(fqdn, str(zone["name"])))
            ],
        }
    document["properties"]["provisioningState"] = "Succeeded"


def _zone(context: Context, document: Document, configuration: Document) -> Document:
    zone_id = str((configuration.get("properties") or {}).get("privateDnsZoneId") or "")
    zone = context.state.get(zone_id)
    if zone is None or str(zone["type"]).lower() != private_dns.ZONE.lower():
        raise ArmError(
            400,
            "InvalidResourceReference",
            f"Resource {zone_id} referenced by resource {document['id']} was not found, or is no private DNS zone.",
        )
    if not context.allows(_JOIN, zone_id):
        raise ArmError(
            403,
            "LinkedAuthorizationFailed",
            f"The client has permission to perform the write on the zone group, but not '{_JOIN}' on the linked scope "
            f"'{zone_id}'.",
        )
    return zone


def _refuse_second(context: Context, document: Document, endpoint: Document) -> None:
    for other in _groups(context, endpoint):
        if str(other["id"]).lower() != str(document["id"]).lower():
            raise ArmError(
                400,
                "PrivateDnsZoneGroupCountLimitReached",
                f"Private endpoint {endpoint['id']} already has the zone group {other['name']}; it can have only one.",
            )


def _groups(context: Context, endpoint: Document) -> Iterator[Document]:
    for found in context.state.below(str(endpoint["id"])):
        if str(found.get("type", "")).lower() == _TYPE.lower():
            yield found


def names_of(context: Context, endpoint: Document) -> Iterator[tuple[str, str]]:
    """Yield each public name that an endpoint stands in for, with its address, from the endpoint's interfaces."""
    for item in endpoint["properties"].get("networkInterfaces") or []:
        interface = context.state.get(reference(item)) or {}
        for configuration in (interface.get("properties") or {}).get("ipConfigurations") or []:
            values: dict[str, Any] = configuration.get("properties") or {}
            for fqdn in (values.get("privateLinkConnectionProperties") or {}).get("fqdns") or []:
                yield str(fqdn), str(values.get("privateIPAddress", ""))


def own_names(context: Context, endpoint: Document) -> list[Document]:
    """Return what an endpoint shows of its names while no zone group keeps them."""
    return [{"fqdn": fqdn, "ipAddresses": [address]} for fqdn, address in names_of(context, endpoint)]


def _record_set(record: str, zone: str, address: str) -> Document:
    return {
        "recordType": "A",
        "recordSetName": record,
        "fqdn": f"{record}.{zone}",
        "ttl": private_dns.ENDPOINT_TTL,
        "ipAddresses": [address],
        "provisioningState": "Succeeded",
    }


def _applied(context: Context, document: Document, previous: Document | None) -> None:
    del previous
    endpoint = _endpoint(context, document)
    kept: set[str] = set()
    for configuration in document["properties"]["privateDnsZoneConfigs"]:
        zone = context.state.get(str(configuration["properties"]["privateDnsZoneId"]))
        for record in configuration["properties"]["recordSets"] if zone else ():
            kept.add(private_dns.record_id(zone or {}, record["recordSetName"]).lower())
            private_dns.keep_record(context, zone or {}, record["recordSetName"], record["ipAddresses"], endpoint)
    private_dns.drop_records(context, endpoint, frozenset(kept))
    _show(context, endpoint, [])


def _removed(context: Context, document: Document) -> None:
    endpoint = context.state.get(str(document["id"]).rsplit("/", 2)[0])
    if endpoint is not None:
        private_dns.drop_records(context, endpoint)
        _show(context, endpoint, own_names(context, endpoint))


def _show(context: Context, endpoint: Document, names: list[Document]) -> None:
    if endpoint["properties"].get("customDnsConfigs") != names:
        endpoint["properties"]["customDnsConfigs"] = names
        context.put(endpoint)


def _endpoint(context: Context, document: Document) -> Document:
    endpoint_id = str(document["id"]).rsplit("/", 2)[0]
    endpoint = context.state.get(endpoint_id)
    if endpoint is None:
        raise ArmError(404, "ParentResourceNotFound", f"The private endpoint {endpoint_id} could not be found.")
    return endpoint


KINDS = (
    Kind(
        _TYPE, _SHAPE, computed=_WRITTEN, tracked=False, create="async", update="async", delete="async", seconds=30,
        etag=True, prepare=_prepare, applied=_applied, removed=_removed,
    ),
)  # fmt: skip

"""Microsoft.Network/routeTables and the routes in them."""

from lockdown.sandbox.arm_error import ArmError
from lockdown.sandbox.kind import Context, Kind, one_of
from lockdown.sandbox.providers.names import children_by_name, complete_children, described, finish, network
from lockdown.sandbox.state import Document

_TYPE = "Microsoft.Network/routeTables"
_ROUTE_TYPE = f"{_TYPE}/routes"
_APPLIANCE = "VirtualAppliance"
_HOPS = ("VirtualNetworkGateway", "VnetLocal", "Internet", _APPLIANCE, "None")
TABLE, _COMPUTED = described("RouteTablePropertiesFormat")
ROUTE, _ROUTE_COMPUTED = described("RoutePropertiesFormat")


def _prepare(context: Context, document: Document, previous: Document | None) -> None:
    del context
    properties = document["properties"]
    properties.setdefault("routes", list(children_by_name(previous, "routes").values()))
    properties.setdefault("disableBgpRoutePropagation", False)
    taken: dict[str, str] = {}
    for route in complete_children(document, "routes", _ROUTE_TYPE):
        _check_route(route, taken)
    finish(document, previous)


def _check_route(route: Document, taken: dict[str, str]) -> None:
    properties = route["properties"]
    for name in ("addressPrefix", "nextHopType"):
        if not properties.get(name):
            raise ArmError(400, "InvalidRequestFormat", f"Route {route['id']} has no value for '{name}'.", name)
    one_of(route, "nextHopType", _HOPS)
    prefix, address = str(properties["addressPrefix"]), properties.get("nextHopIpAddress")
    if "/" in prefix:
        network(prefix, "InvalidAddressPrefixFormat")
    if properties["nextHopType"] == _APPLIANCE and not address:
        raise ArmError(
            400,
            "NextHopIpAddressCannotBeNullOrEmptyInRoute",
            f"NextHopIpAddress cannot be Null or Empty in route {route['id']} when NextHopType is {_APPLIANCE}.",
        )
    if address and properties["nextHopType"] != _APPLIANCE:
        raise ArmError(
            400,
            "NextHopIpAddressNotAllowedInRoute",
            f"NextHopIpAddress is given in route {route['id']}, but only {_APPLIANCE} has one.",
        )
    if address:
        network(address, "InvalidNextHopIpAddress")
    if prefix.lower() in taken:
        raise ArmError(
            400,
            "RouteConflict",
            f"Route {route['name']} conflicts with route {taken[prefix.lower()]}. Routes cannot have the same "
            "AddressPrefix.",
        )
    taken[prefix.lower()] = str(route["name"])


KINDS = (
    Kind(
        _TYPE, TABLE, computed=_COMPUTED, patch="tags", create="async", update="async", delete="async", seconds=10,
        etag=True, prepare=_prepare,
        in_use={
            "subnets": (
                "InUseRouteTableCannotBeDeleted",
                "Route table {id} is in use and cannot be deleted: {by}.",
            )
        },
    ),
    Kind(
        _ROUTE_TYPE, ROUTE, computed=_ROUTE_COMPUTED, inline="routes", tracked=False,
        create="async", update="async", delete="async", seconds=10, etag=True,
    ),
)  # fmt: skip

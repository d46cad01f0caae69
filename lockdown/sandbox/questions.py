"""What a careful client asks before it writes: names, sizes, quotas, and what it may do."""

from collections.abc import Callable, Mapping
from typing import Any

from lockdown.sandbox import capacity
from lockdown.sandbox.arm_error import ArmError, bad_request
from lockdown.sandbox.call import Answer, Call
from lockdown.sandbox.listing import page
from lockdown.sandbox.locations import regions
from lockdown.sandbox.providers import batch, key_vaults, postgres, registry, storage
from lockdown.sandbox.resource_id import normal_location
from lockdown.sandbox.state import Document, State, subscription_of

_Asked = Callable[[State, str, str], dict[str, Any]]

_NAMES: Mapping[str, tuple[str, _Asked]] = {
    "microsoft.storage": (storage.TYPE, lambda state, _, name: storage.check_name(state, name)),
    "microsoft.containerregistry": (registry.TYPE, lambda state, _, name: registry.check_name(state, name)),
    "microsoft.keyvault": (key_vaults.TYPE, lambda state, _, name: key_vaults.check_name(state, name)),
    "microsoft.dbforpostgresql": (postgres.TYPE, lambda state, _, name: postgres.check_name(state, name)),
    "microsoft.batch": (batch.TYPE, batch.check_name),
}
"""Namespace to the type whose names can be asked about, and what answers: its provider, given the state, the location
that was asked about ('' for all) and the name."""

_VERSIONS = ("14", "15", "16", "17")
_SERVERS = {
    "Burstable": ("Standard_B1ms", "Standard_B2s", "Standard_B2ms"),
    "GeneralPurpose": ("Standard_D2s_v3", *(f"Standard_D{size}ds_v5" for size in (2, 4, 8, 16))),
    "MemoryOptimized": tuple(f"Standard_E{size}ds_v5" for size in (2, 4, 8)),
}


def answer(call: Call, segments: list[str], lower: list[str]) -> Answer | None:
    """Answer such a question; None if the request is none."""
    if call.method == "GET" and lower[-2:] == ["microsoft.authorization", "permissions"]:
        return _permissions(call, "/" + "/".join(segments[:-3]))
    if lower[:1] != ["subscriptions"] or lower[2:3] != ["providers"]:
        return None
    scope = "/" + "/".join(segments[:2])
    match call.method, lower[3:]:
        case "POST", [namespace, *place, "checknameavailability"] if namespace in _NAMES and place[:1] in (
            [],
            ["locations"],
        ):
            return _name(call, scope, *_NAMES[namespace], "".join(place[1:]))
        case "GET", ["microsoft.compute", "skus"]:
            return _skus(call, scope)
        case "GET", [namespace, "locations", place, question] if (namespace, question) in _IN_A_REGION:
            if normal_location(place) not in regions(call.settings.cloud):
                raise ArmError(400, "LocationNotAvailable", f"The location '{place}' is not available.")
            call.demand(f"{segments[3]}/locations/{segments[6]}/read", scope)
            return Answer(200, _IN_A_REGION[namespace, question](call, normal_location(place)))
    return None


def _permissions(call: Call, scope: str) -> Answer:
    """Tell what the caller's roles allow at a scope: one entry for each block of each role."""
    call.demand("Microsoft.Authorization/permissions/read", scope)
    found = [
        {
            "actions": list(held.actions),
            "notActions": list(held.not_actions),
            "dataActions": list(held.data_actions),
            "notDataActions": list(held.not_data_actions),
            "condition": None,
            "conditionVersion": None,
        }
        for held in call.state.permissions(call.principal, scope)
    ]
    return Answer(200, {"value": found})


def _name(call: Call, scope: str, type_: str, asked_of: _Asked, place: str) -> Answer:
    namespace = type_.partition("/")[0]
    operation = f"{namespace}/{'locations/' if place else ''}checkNameAvailability/read"
    call.demand(operation, scope)
    body = call.document()
    name = body.get("name")
    if not isinstance(name, str) or not name:
        raise bad_request("The property 'name' is required.", target="name")
    asked = str(body.get("type") or type_)
    if asked.lower() != type_.lower():
        raise bad_request(f"The type '{asked}' has no names that can be checked here.", target="type")
    return Answer(200, asked_of(call.state, place, name))


def _skus(call: Call, scope: str) -> Answer:
    call.demand("Microsoft.Compute/skus/read", scope)
    wanted = call.query.get("$filter", "").replace(" ", "").lower()
    places = [place for place in regions(call.settings.cloud) if not wanted or wanted == f"locationeq'{place}'"]
    if not places:
        raise ArmError(400, "InvalidFilterInQueryString", f"Invalid $filter '{call.query['$filter']}' of skus.")
    missing = call.settings.limits
    found = [sku for place in places for sku in capacity.skus(place) if missing.get(str(sku["name"]), 1)]
    named = [{**sku, "id": f"{sku['locations'][0]}/{sku['name']}"} for sku in found]
    return Answer(200, page(call, named, lambda sku: {key: value for key, value in sku.items() if key != "id"}))


def _usages(call: Call, place: str) -> Document:
    context = call.context("Microsoft.Compute/locations/usages/read")
    return {"value": capacity.usages(context, subscription_of(call.path), place)}


def _batch(call: Call, place: str) -> Document:
    del place
    return {"accountQuota": call.settings.limits.get("batch-accounts", batch.ACCOUNTS)}


def _databases(call: Call, place: str) -> Document:
    del place
    editions = [
        {"name": edition, "supportedServerSkus": [{"name": name, "vCores": capacity.cores(name)} for name in names]}
        for edition, names in _SERVERS.items()
    ]
    restricted = call.settings.limits.get("postgres-servers", 1) == 0
    offer = {
        "name": "FlexibleServerCapabilities",
        "supportedServerEditions": editions,
        "supportedServerVersions": [{"name": version} for version in _VERSIONS],
        "geoBackupSupported": "Enabled",
        "zoneRedundantHaSupported": "Enabled",
        "restricted": "Enabled" if restricted else "Disabled",
        **({"reason": "Provisioning is restricted in this region."} if restricted else {}),
    }
    return {"value": [offer]}


_IN_A_REGION: Mapping[tuple[str, str], Callable[[Call, str], Document]] = {
    ("microsoft.compute", "usages"): _usages,
    ("microsoft.batch", "quotas"): _batch,
    ("microsoft.dbforpostgresql", "capabilities"): _databases,
}
"""What is asked of a region, by namespace and by what stands last in the path."""

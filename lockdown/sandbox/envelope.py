"""What is common to every resource: the envelope of its body, conditions on its ETag, and its view."""

import copy
import re
from collections.abc import Mapping
from typing import Any
from uuid import NAMESPACE_URL, uuid4, uuid5

from lockdown.sandbox.arm_error import ArmError, bad_request
from lockdown.sandbox.call import Call
from lockdown.sandbox.kind import Kind
from lockdown.sandbox.locations import regions
from lockdown.sandbox.resource_id import ResourceId, normal_location
from lockdown.sandbox.state import Document, visible

MEMBERS = frozenset(
    {
        "id", "name", "type", "location", "tags", "kind", "sku", "plan", "identity", "managedBy", "zones",
        "extendedLocation", "properties", "etag", "systemData", "scale", "apiVersion",
    }
)  # fmt: skip
_WRITTEN = ("location", "tags", "kind", "sku", "plan", "identity", "managedBy", "zones", "extendedLocation", "scale")
_FORBIDDEN = re.compile(r"[<>%&\\?/\x00-\x1f\x7f]")
_MAX_TAGS = 50


def from_request(call: Call, target: ResourceId, body: Document, previous: Document | None) -> Document:
    """Return the document that a PUT asks for: the request's members under the resource's own identity.

    Raises:
        ArmError: a member that no resource has, a member of the wrong kind, or a name that no resource can have.
    """
    check_members(body, MEMBERS, "ResourceDefinition")
    _check_name(target)
    known = previous or {}
    document: Document = {"id": known.get("id", target.id), "name": known.get("name", target.name)}
    document["type"] = known.get("type", target.type)
    document |= {name: body[name] for name in _WRITTEN if body.get(name) is not None}
    document["properties"] = copy.deepcopy(body.get("properties") or {})
    if "location" in document:
        document["location"] = normal_location(document["location"])
    if "identity" in document:
        document["identity"] = _identity(call, target, document["identity"], known.get("identity") or {})
    document["_apiVersion"] = call.version
    document["_etag"] = str(uuid4())
    return document


def merged(call: Call, previous: Document, body: Document) -> Document:
    """Return the document that a PATCH asks for: objects are merged, null removes, everything else replaces.

    Tags are replaced as a whole, as ARM does.

    Raises:
        ArmError: a member that no resource has, or a change of what cannot be changed.
    """
    check_members(body, MEMBERS, "ResourceDefinition")
    document = copy.deepcopy(previous)
    for name in _WRITTEN:
        if name in body and body[name] is not None:
            document[name] = body[name]
    if "location" in body and normal_location(str(body["location"])) != previous.get("location"):
        raise bad_request("The property 'location' cannot be changed.", target="location")
    if "identity" in body and body["identity"] is not None:
        target = ResourceId("", "", ("",), (str(previous["name"]),))
        document["identity"] = _identity(call, target, body["identity"], previous.get("identity") or {})
    document["properties"] = _merge(document.get("properties") or {}, body.get("properties") or {})
    document["_etag"] = str(uuid4())
    return document


def check_members(body: Document, members: frozenset[str], type_: str) -> None:
    """Refuse a member that the definition does not have, or that is of the wrong kind.

    Raises:
        ArmError: InvalidRequestContent, InvalidTags, InvalidTagNameCharacters.
    """
    for name, value in body.items():
        if name not in members:
            raise bad_request(
                "The request content was invalid and could not be deserialized: 'Could not find member "
                f"'{name}' on object of type '{type_}'. Path '{name}'.'"
            )
        if value is None:
            continue
        if name in ("properties", "sku", "plan", "identity", "extendedLocation") and not isinstance(value, dict):
            raise bad_request(f"The member '{name}' must be an object.", target=name)
        if name in ("location", "kind", "managedBy") and not isinstance(value, str):
            raise bad_request(f"The member '{name}' must be a string.", target=name)
        if name == "tags":
            _check_tags(value)


def check_location(document: Document, previous: Document | None, group: str, *, required: bool) -> None:
    """Refuse a missing location, or one that differs from the resource's.

    Raises:
        ArmError: LocationRequired, InvalidResourceLocation.
    """
    location = document.get("location")
    if required and not location:
        raise ArmError(400, "LocationRequired", "The location property is required for this definition.")
    if previous and location and previous.get("location") and normal_location(previous["location"]) != location:
        raise ArmError(
            409,
            "InvalidResourceLocation",
            f"The resource '{document['name']}' already exists in location '{previous['location']}' in resource group "
            f"'{group}'. A resource with the same name cannot be created in location '{location}'. Please select a new "
            "resource name.",
        )


def check_region(call: Call, document: Document, *, worldwide: bool = False) -> None:
    """Refuse a location that is no region, or one that is not ``global`` where the type stands in no region.

    Raises:
        ArmError: LocationNotAvailableForResourceType.
    """
    location = document.get("location")
    known = ("global",) if worldwide else tuple(regions(call.settings.cloud))
    if location and location not in known:
        raise ArmError(
            400,
            "LocationNotAvailableForResourceType",
            f"The provided location '{location}' is not available for resource type '{document['type']}'. List of "
            f"available regions for the resource type is '{','.join(known)}'.",
        )


def check_conditions(call: Call, previous: Document | None) -> None:
    """Judge If-Match and If-None-Match.

    Raises:
        ArmError: 412 PreconditionFailed.
    """
    etag = (previous or {}).get("_etag", "")
    wanted, unwanted = call.headers.get("if-match"), call.headers.get("if-none-match")
    missed = wanted is not None and (previous is None or (wanted != "*" and etag not in _etags(wanted)))
    present = unwanted is not None and previous is not None and (unwanted == "*" or etag in _etags(unwanted))
    if missed or present:
        raise ArmError(
            412,
            "PreconditionFailed",
            "The condition of the request (If-Match or If-None-Match) is not met: the resource has changed or exists.",
        )


def view(call: Call, kind: Kind | None, document: Document) -> Document:
    """Return the body that a reader of this document gets."""
    shown = visible(copy.deepcopy(document)) or {}
    pending = call.operations.pending(str(document["id"]))
    if pending is not None:
        shown["properties"] = {**(shown.get("properties") or {}), "provisioningState": pending.verb}
    if kind is not None and kind.etag and document.get("_etag"):
        etag = f'W/"{document["_etag"]}"'
        shown["etag"] = etag
        for value in shown["properties"].values():
            for child in value if isinstance(value, list) else ():
                if isinstance(child, dict) and str(child.get("type", "")).startswith(f"{shown['type']}/"):
                    child["etag"] = etag
    return shown


def headers(kind: Kind | None, document: Mapping[str, Any]) -> dict[str, str]:
    """Return the headers that come with a document: its ETag, and how far to trust a type that is not known."""
    found = {} if kind is not None else {"x-sandbox-fidelity": "generic"}
    if document.get("_etag") and (kind is None or kind.etag):
        found["ETag"] = f'W/"{document["_etag"]}"'
    return found


def _check_tags(tags: Any) -> None:  # noqa: ANN401  # a JSON value
    if not isinstance(tags, dict) or not all(isinstance(value, str) for value in tags.values()):
        raise bad_request("The member 'tags' must be an object of strings.", target="tags")
    if len(tags) > _MAX_TAGS:
        raise ArmError(400, "InvalidTags", f"{len(tags)} tags are given; a resource has at most {_MAX_TAGS}.")
    for name in tags:
        if not name or _FORBIDDEN.search(name):
            raise ArmError(
                400,
                "InvalidTagNameCharacters",
                f"The tag name '{name}' has reserved characters '<,>,%,&,\\,?,/' or control characters.",
            )


def _check_name(target: ResourceId) -> None:
    if _FORBIDDEN.search(target.name) or target.name.endswith((".", " ")) or len(target.name) > 260:  # noqa: PLR2004
        raise ArmError(
            400,
            "InvalidResourceName",
            f"Resource name '{target.name}' is invalid. It must not hold the characters '<>%&\\?/' or control "
            "characters, end with a period or a space, or be longer than 260 characters.",
        )


def _identity(call: Call, target: ResourceId, wanted: Document, previous: Document) -> Document:
    kinds = {word.strip().lower() for word in str(wanted.get("type", "None")).split(",")}
    if not kinds <= {"none", "systemassigned", "userassigned"}:
        raise bad_request(f"The identity type '{wanted.get('type')}' is not known.", target="identity.type")
    assigned = wanted.get("userAssignedIdentities") or {}
    if not isinstance(assigned, dict):
        raise bad_request("The member 'identity.userAssignedIdentities' must be an object.", target="identity")
    identity: Document = {"type": wanted.get("type", "None")}
    if "systemassigned" in kinds:
        seed = f"urn:coa-lockdown:sandbox:{call.state.tenant}:{call.path.lower()}:{target.name}"
        identity["principalId"] = previous.get("principalId") or str(uuid5(NAMESPACE_URL, seed))
        identity["tenantId"] = call.state.tenant
    if "userassigned" in kinds:
        identity["userAssignedIdentities"] = {
            resource_id: _user_assigned(call, resource_id) for resource_id in assigned
        }
    return identity


def _user_assigned(call: Call, resource_id: str) -> Document:
    document = call.state.get(resource_id)
    if document is None:
        raise ArmError(
            400, "FailedIdentityOperation", f"The user assigned identity '{resource_id}' could not be found."
        )
    properties = document.get("properties") or {}
    return {name: properties[name] for name in ("principalId", "clientId") if name in properties}


def _merge(old: Document, new: Document) -> Document:
    result = dict(old)
    for name, value in new.items():
        if value is None:
            result.pop(name, None)
        elif isinstance(value, dict) and isinstance(result.get(name), dict):
            result[name] = _merge(result[name], value)
        else:
            result[name] = copy.deepcopy(value)
    return result


def _etags(header: str) -> set[str]:
    return {part.strip().removeprefix("W/").strip('"') for part in header.split(",")}

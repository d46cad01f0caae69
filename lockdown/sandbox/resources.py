"""Generic ARM: PUT, PATCH, GET, HEAD, DELETE and POST on one resource of any type."""

import copy
from collections.abc import Callable
from typing import Any

from lockdown.sandbox import envelope, implied, links, policies, registrations
from lockdown.sandbox.arm_error import ArmError, bad_request, group_not_found, not_found, unsupported
from lockdown.sandbox.call import Answer, Call
from lockdown.sandbox.kind import Context, Kind, check_shape, without_nulls
from lockdown.sandbox.operations import Operation
from lockdown.sandbox.providers import kind_of, private_endpoints
from lockdown.sandbox.resource_id import ResourceId, group_id, group_of
from lockdown.sandbox.state import Document

_LOCK = "microsoft.authorization/locks"


def get(call: Call, target: ResourceId) -> Answer:
    """Answer GET on a resource."""
    kind = kind_of(target.type)
    call.demand(f"{target.type}/read", target.id)
    document = _existing(call, target, kind)
    return Answer(200, envelope.view(call, kind, document), envelope.headers(kind, document))


def head(call: Call, target: ResourceId) -> Answer:
    """Answer HEAD on a resource: 204 if it exists, 404 if not."""
    call.demand(f"{target.type}/read", target.id)
    return Answer(404 if _find(call, target, kind_of(target.type)) is None else 204)


def put(call: Call, target: ResourceId) -> Answer:
    """Answer PUT on a resource: create it, or replace it."""
    kind = kind_of(target.type)
    operation = f"{target.type}/write"
    call.demand(operation, target.id)
    body = call.document()
    _check_container(call, target)
    registrations.check_provider(call, target.namespace, target.scope)
    _check_idle(call, target.id)
    previous = _find(call, target, kind)
    envelope.check_conditions(call, previous)
    check_locks(call, target.id, "write")
    if kind is None or call.settings.instant or (kind.update if previous else kind.create) == "sync":
        _refuse_failing(call)
    document = envelope.from_request(call, target, body, previous)
    policies.check(call.state.documents(), call.state.get, document)
    if kind is None:
        envelope.check_location(document, previous, group_of(target.id), required=False)
        _keep_connections(document, previous)
        call.state.put(document, **call.who(operation))
        return Answer(200 if previous else 201, envelope.view(call, None, document), envelope.headers(None, document))
    _check_kind(kind, target, document)
    tracked = kind.tracked and not kind.inline
    envelope.check_location(document, previous, group_of(target.id), required=tracked)
    envelope.check_region(call, document, worldwide=kind.worldwide)
    document["properties"] = _keep_computed(kind, document["properties"], (previous or {}).get("properties") or {})
    _store(call, kind, target, document, previous, operation)
    return _written(call, kind, target, created=previous is None)


def patch(call: Call, target: ResourceId) -> Answer:
    """Answer PATCH on a resource: merge into it."""
    kind = kind_of(target.type)
    operation = f"{target.type}/write"
    call.demand(operation, target.id)
    body = call.document()
    previous = _existing(call, target, kind)
    _check_idle(call, target.id)
    envelope.check_conditions(call, previous)
    check_locks(call, target.id, "write")
    _refuse_failing(call)
    if kind is not None:
        if kind.patch == "tags" and set(body) - {"tags"}:
            raise bad_request(f"Only tags of '{kind.type}' can be updated with PATCH.")
        check_shape(body.get("properties") or {}, kind.shape, "properties", kind.type)
        body = {**body, "properties": _without(body.get("properties") or {}, kind.computed)}
    document = envelope.merged(call, previous, body)
    policies.check(call.state.documents(), call.state.get, document)
    if kind is None:
        call.state.put(document, **call.who(operation))
    else:
        _store(call, kind, target, document, previous, operation)
    return Answer(200, envelope.view(call, kind, _existing(call, target, kind)), envelope.headers(kind, document))


def delete(call: Call, target: ResourceId) -> Answer:
    """Answer DELETE on a resource: 204 if there is none."""
    kind = kind_of(target.type)
    operation = f"{target.type}/delete"
    call.demand(operation, target.id)
    document = _find(call, target, kind)
    if document is None:
        _check_container(call, target)
        return Answer(204)
    _check_idle(call, target.id)
    envelope.check_conditions(call, document)
    check_locks(call, target.id, "delete")
    context = call.context(operation)
    if kind is not None:
        links.refuse_if_used(kind, document)
        kind.removable(context, document)

    def remove() -> None:
        remove_document(context, kind, document)

    if kind is None or kind.delete == "sync" or call.settings.instant:
        _refuse_failing(call)
        remove()
        return Answer(200, headers=envelope.headers(kind, {}))
    started = _start(call, kind, document, "Deleting", remove)
    return Answer(202, headers=polling_headers(call, target, started, both=True))


def remove_document(context: Context, kind: Kind | None, document: Document) -> None:
    """Remove a document, or the part of its parent that it is, with its side effects."""
    found = links.find(context.state, str(document["id"]))
    if found is None:
        return
    holder, part = found
    if holder is part:
        context.state.delete(str(document["id"]), **context.who)
    else:
        _remove_part(context, holder, part)
    private_endpoints.reflect(context, None, document)
    if kind is not None:
        links.relink(context, kind, None, document)
        kind.removed(context, document)


def _remove_part(context: Context, holder: Document, part: Document) -> None:
    previous = copy.deepcopy(holder)
    for name, value in holder["properties"].items():
        if isinstance(value, list):
            holder["properties"][name] = [item for item in value if item is not part]
    context.state.put(holder, **context.who)
    kind = kind_of(str(holder["type"]))
    if kind is not None:
        links.relink(context, kind, holder, previous)
        kind.applied(context, holder, previous)


def act(call: Call, target: ResourceId) -> Answer:
    """Answer POST: an action on a resource. ``target`` is the path with the action as its last type."""
    action = target.types[-1]
    resource = target.parent
    if resource is None:
        raise unsupported(f"The action '{action}' of '{target.namespace}' is not known here.")
    kind = kind_of(resource.type)
    call.demand(f"{resource.type}/{action}/action", resource.id)
    document = _existing(call, resource, kind)
    known = kind.actions.get(action.lower()) if kind is not None else None
    if known is None:
        raise unsupported(f"The action '{action}' on '{resource.type}' is not known here.")
    body = call.document() if call.body else {}
    seconds = kind.long_actions.get(action.lower()) if kind is not None else None
    if seconds is None or call.settings.instant:
        _refuse_failing(call)
    status, answer = known(call.context(f"{resource.type}/{action}/action"), document, body)
    if seconds is None or call.settings.instant:
        return Answer(status, answer)
    typical = seconds if call.settings.typical else None
    started = call.operations.start(resource.id, "", seconds=typical, error=call.failing, result=answer)
    return Answer(202, headers=polling_headers(call, resource, started, both=True))


def polling_headers(call: Call, target: ResourceId, operation: Operation, *, both: bool) -> dict[str, str]:
    """Return the headers by which a client follows an operation."""
    subscription = target.scope.split("/")[2] if target.scope.lower().startswith("/subscriptions/") else ""
    base = f"/subscriptions/{subscription}" if subscription else ""
    base = f"{call.settings.url}{base}/providers/{target.namespace}/locations/global"
    version = f"?api-version={call.version}"
    found = call.operations.waiting(operation)
    found["Location"] = f"{base}/operationResults/{operation.id}{version}"
    if both:
        found["Azure-AsyncOperation"] = f"{base}/operations/{operation.id}{version}"
    return found


def _start(
    call: Call, kind: Kind, document: Document, verb: str, effect: Callable[[], None] | None = None
) -> Operation:
    """Start the operation that a request asks for; one that is to fail leaves the resource as it then is, Failed."""
    resource_id = str(document["id"])
    context = call.context(f"{kind.type}/{'delete' if verb == 'Deleting' else 'write'}")

    def fail() -> None:
        found = links.find(context.state, resource_id)
        if found is not None and kind.failed is not None:
            kind.failed(context, found[1])
        elif found is not None:
            found[1].setdefault("properties", {})["provisioningState"] = "Failed"
            context.put(found[0])

    seconds = kind.duration(verb) if call.settings.typical else None
    return call.operations.start(
        resource_id, verb, fail if call.failing else effect, seconds=seconds, error=call.failing
    )


def _refuse_failing(call: Call) -> None:
    """Refuse a request whose operation is to fail but which starts none."""
    if call.failing:
        raise ArmError(409, call.failing, "This failure was asked for; the request would have started no operation.")


def _written(call: Call, kind: Kind, target: ResourceId, *, created: bool) -> Answer:
    style = kind.create if created else kind.update
    document = _existing(call, target, kind)
    status = 201 if created else 200
    if style == "sync" or call.settings.instant:
        status = 200 if style == "location" else status
        return Answer(status, envelope.view(call, kind, document), envelope.headers(kind, document))
    verb = "Creating" if created else "Updating"
    started = _start(call, kind, document, verb)
    if style == "location":
        return Answer(202, headers=polling_headers(call, target, started, both=False))
    found = polling_headers(call, target, started, both=True)
    del found["Location"]
    return Answer(status, envelope.view(call, kind, document), found | envelope.headers(kind, document))


def _store(
    call: Call, kind: Kind, target: ResourceId, document: Document, previous: Document | None, operation: str
) -> None:
    context = call.context(operation)
    document["properties"] = without_nulls(document["properties"])
    if document["properties"].get("provisioningState") == "Failed":
        document["properties"]["provisioningState"] = "Succeeded"
    parent = target.parent
    if kind.inline and parent is not None:
        _store_inline(call, kind, parent, document, operation)
        return
    kind.prepare(context, document, previous)
    links.check(context, kind, document)
    call.state.put(document, **context.who)
    links.relink(context, kind, document, previous)
    kind.applied(context, document, previous)


def _store_inline(call: Call, kind: Kind, parent: ResourceId, part: Document, operation: str) -> None:
    holder_kind = kind_of(parent.type)
    holder = _existing(call, parent, holder_kind)
    if holder_kind is None:
        raise unsupported(f"'{kind.type}' lives in a parent of a type that is not known here.")
    changed = copy.deepcopy(holder)
    listed = changed["properties"].setdefault(kind.inline, [])
    plain = {name: value for name, value in part.items() if not name.startswith("_")}
    if kind.flat:
        _check_idle(call, parent.id)
        plain = {"name": part["name"], **part["properties"]}
    for index, item in enumerate(listed):
        if str(item.get("name", "")).lower() == str(part["name"]).lower():
            listed[index] = plain
            break
    else:
        listed.append(plain)
    changed["_etag"] = part["_etag"]
    _store(call, holder_kind, parent, changed, holder, operation)


def _find(call: Call, target: ResourceId, kind: Kind | None) -> Document | None:
    if kind is not None and kind.inline:
        found = links.find(call.state, target.id)
        if found is None:
            return None
        holder, part = found
        return {**part, "_etag": holder.get("_etag", "")}
    return call.state.get(target.id) or implied.document(call.state, target.id)


def _existing(call: Call, target: ResourceId, kind: Kind | None) -> Document:
    document = _find(call, target, kind)
    if document is None:
        _check_container(call, target)
        raise not_found(target.type, "/".join(target.names), group_of(target.id))
    return document


def _check_container(call: Call, target: ResourceId) -> None:
    group = group_id(target.id)
    if group and not call.state.exists(group):
        raise group_not_found(group_of(target.id))
    if group and call.operations.pending(group) is not None:
        raise ArmError(
            409,
            "ResourceGroupBeingDeleted",
            f"The resource group '{group_of(target.id)}' is in deprovisioning state and cannot perform this operation.",
        )
    parent = target.parent
    if parent is not None and links.find(call.state, parent.id) is None and call.method == "PUT":
        raise ArmError(
            404,
            "ParentResourceNotFound",
            f"Failed to perform 'write' on resource(s) of type '{'/'.join(target.types)}', because the parent resource "
            f"'{parent.id}' could not be found.",
        )


def _check_idle(call: Call, resource_id: str) -> None:
    pending = call.operations.pending(resource_id)
    if pending is not None:
        raise ArmError(
            409,
            "AnotherOperationInProgress",
            f"Another operation on this or dependent resource is in progress: '{pending.verb}' of '{resource_id}', "
            f"operation {pending.id}.",
        )


def check_locks(call: Call, resource_id: str, verb: str) -> None:
    """Refuse what a lock forbids: one at or above the resource, and for a delete also one below it.

    Raises:
        ArmError: ScopeLocked.
    """
    key = resource_id.lower()
    for lock in call.state.documents():
        if str(lock.get("type", "")).lower() != _LOCK or str(lock["id"]).lower() == key:
            continue
        scope = str(lock["id"]).lower().partition("/providers/microsoft.authorization/locks/")[0]
        level = str((lock.get("properties") or {}).get("level", "")).lower()
        covered = key == scope or key.startswith(f"{scope}/") or (verb == "delete" and scope.startswith(f"{key}/"))
        if covered and (level == "readonly" or (verb == "delete" and level == "cannotdelete")):
            raise ArmError(
                409,
                "ScopeLocked",
                f"The scope '{resource_id}' cannot perform {verb} operation because following scope(s) are locked: "
                f"'{scope}'. Please remove the lock and try again.",
            )


def _check_kind(kind: Kind, target: ResourceId, document: Document) -> None:
    if not kind.name.fullmatch(target.name):
        raise ArmError(
            400,
            "InvalidResourceName",
            f"Resource name {target.name} is invalid for the type '{kind.type}'. It must match {kind.name.pattern}",
        )
    check_shape(document["properties"], kind.shape, "properties", kind.type)


def _keep_computed(kind: Kind, wanted: Document, known: Document) -> Document:
    kept = {name: value for name, value in known.items() if name in kind.computed}
    return {**_without(wanted, kind.computed), **kept}


def _keep_connections(document: Document, previous: Document | None) -> None:
    known = ((previous or {}).get("properties") or {}).get("privateEndpointConnections")
    if known is not None:
        document["properties"]["privateEndpointConnections"] = known


def _without(properties: Any, names: frozenset[str]) -> Document:  # noqa: ANN401  # a JSON value
    return {name: value for name, value in properties.items() if name not in names}

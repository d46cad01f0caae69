"""Azure Resource Manager: from one request to the handler that answers it."""

import re
from collections.abc import Callable

from lockdown.sandbox import catalogue, elsewhere, features, listing, questions, resources, tenancy
from lockdown.sandbox.arm_error import ArmError, unsupported
from lockdown.sandbox.call import Answer, Call
from lockdown.sandbox.envelope import view
from lockdown.sandbox.operations import Operation
from lockdown.sandbox.providers import kind_of
from lockdown.sandbox.resource_id import ResourceId, parse

_VERSION = re.compile(r"\d{4}-\d{2}-\d{2}(-(preview|alpha|beta|rc|privatepreview))?", re.IGNORECASE)
_METHODS = ("GET", "HEAD", "PUT", "PATCH", "DELETE", "POST")


def answer(call: Call) -> Answer:
    """Answer one request.

    Raises:
        ArmError: it is refused.
    """
    _check_version(call)
    if call.method not in _METHODS:
        raise ArmError(405, "MethodNotAllowed", f"The HTTP method '{call.method}' is not supported.")
    segments = call.path.strip("/").split("/")
    lower = [segment.lower() for segment in segments]
    if not all(lower):
        raise _no_route(call)
    found = (
        _operation(call, lower)
        or _tenancy(call, segments, lower)
        or _provider(call, segments, lower)
        or questions.answer(call, segments, lower)
        or elsewhere.answer(call, segments, lower)
    )
    if found is not None:
        return found
    target = parse(call.path)
    if target is None or not target.types:
        raise _no_route(call)
    catalogue.check_namespace(target.namespace)
    return _resource(call, target)


def _check_version(call: Call) -> None:
    if not call.version:
        raise ArmError(
            400,
            "MissingApiVersionParameter",
            "The api-version query parameter (?api-version=) is required for all requests.",
        )
    if not _VERSION.fullmatch(call.version):
        raise ArmError(
            400,
            "InvalidApiVersionParameter",
            f"The api-version '{call.version}' is invalid. A version has the form YYYY-MM-DD or YYYY-MM-DD-preview.",
        )


def _tenancy(call: Call, segments: list[str], lower: list[str]) -> Answer | None:
    scope = "/" + "/".join(segments[:2])
    group = f"{scope}/resourceGroups/{segments[3]}" if lower[2:3] == ["resourcegroups"] and len(lower) > 3 else ""  # noqa: PLR2004
    if group and len(lower) == 4 and call.method != "POST":  # noqa: PLR2004
        return tenancy.group(call, group, segments[3])
    reads: dict[str, Callable[[], Answer]] = {
        "tenants": lambda: tenancy.tenants(call),
        "subscriptions": lambda: tenancy.subscriptions(call),
        "subscriptions/*": lambda: tenancy.subscription(call, scope),
        "subscriptions/*/locations": lambda: tenancy.locations(call, scope),
        "subscriptions/*/resources": lambda: _listed(call, scope),
        "subscriptions/*/resourcegroups": lambda: tenancy.groups(call, scope),
        "subscriptions/*/resourcegroups/*/resources": lambda: _listed(call, group),
    }
    route = "/".join("*" if index % 2 else segment for index, segment in enumerate(lower))
    found = reads.get(route) if call.method == "GET" else None
    return found() if found is not None else None


def _listed(call: Call, scope: str) -> Answer:
    call.demand("Microsoft.Resources/subscriptions/resources/read", scope)
    return listing.resources(call, scope)


def _provider(call: Call, segments: list[str], lower: list[str]) -> Answer | None:
    scope = "/" + "/".join(segments[:2]) if lower[0] == "subscriptions" else ""
    match lower[2:] if scope else lower:
        case ["providers"] if call.method == "GET":
            return catalogue.providers(call, scope)
        case ["providers", "microsoft.features", *rest] if scope and rest:
            return features.answer(call, scope, segments[4:])
        case ["providers", _] if call.method == "GET":
            return catalogue.provider(call, scope, segments[-1])
        case ["providers", _, "register" | "unregister"] if call.method == "POST":
            return catalogue.provider(call, scope, segments[-2])
    return None


def _resource(call: Call, target: ResourceId) -> Answer:
    if call.method == "POST":
        if not target.is_collection:
            raise _no_route(call)
        return resources.act(call, target)
    if target.is_collection:
        if call.method != "GET":
            raise ArmError(405, "MethodNotAllowed", f"'{call.method}' is not supported on a collection.")
        return listing.collection(call, target)
    handlers: dict[str, Callable[[Call, ResourceId], Answer]] = {
        "GET": resources.get,
        "HEAD": resources.head,
        "PUT": resources.put,
        "PATCH": resources.patch,
        "DELETE": resources.delete,
    }
    return handlers[call.method](call, target)


def _operation(call: Call, lower: list[str]) -> Answer | None:
    if call.method != "GET" or len(lower) < 2:  # noqa: PLR2004
        return None
    what, operation_id = lower[-2:]
    located = "locations" in lower
    if what != "operationresults" and not (located and what == "operations"):
        return None
    operation = call.operations.get(operation_id)
    if operation is None:
        raise ArmError(404, "NotFound", f"The operation '{operation_id}' could not be found.")
    running = call.operations.is_running(operation)
    waiting = call.operations.waiting(operation) if running else {}
    if what == "operations":
        return Answer(200, call.operations.status(operation, call.path), waiting)
    if running:
        location = f"{call.settings.url}{call.path}?api-version={call.version}"
        return Answer(202, headers={"Location": location, **waiting})
    return _result(call, operation, located=located)


def _result(call: Call, operation: Operation, *, located: bool) -> Answer:
    if operation.error:
        return Answer(409, {"error": operation.failure()})
    if not operation.verb:
        return Answer(204 if operation.result is None else 200, operation.result)
    document = call.state.get(operation.resource_id)
    if operation.verb == "Deleting" or document is None:
        return Answer(204 if located else 200)
    call.demand(f"{document['type']}/read", operation.resource_id)
    return Answer(200, view(call, kind_of(str(document["type"])), document))


def _no_route(call: Call) -> ArmError:
    if call.method == "POST":
        return unsupported(f"There is no action at '{call.path}' that is known here.")
    return ArmError(404, "InvalidResourceType", f"No resource type is known for the path '{call.path}'.")

"""Collections: resources of one type, or of any, page by page with nextLink."""

import base64
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import quote, urlencode

from lockdown.sandbox import envelope, implied, links
from lockdown.sandbox.arm_error import ArmError, group_not_found, not_found
from lockdown.sandbox.call import Answer, Call
from lockdown.sandbox.providers import kind_of, private_dns
from lockdown.sandbox.resource_id import GROUP_TYPE, ResourceId, group_of, parse
from lockdown.sandbox.state import Document

PAGE = 1000
_SHORT = ("id", "name", "type", "location", "tags", "kind", "sku", "plan", "identity", "managedBy", "zones")
_CLAUSE = re.compile(r"\s*(\w+(?:/\w+)?)\s+(eq|ne)\s+'((?:[^']|'')*)'\s*", re.IGNORECASE)
_SUBSTRING = re.compile(r"\s*substringof\('((?:[^']|'')*)',\s*name\)\s*", re.IGNORECASE)
_OF_ONE_SCOPE = frozenset({"microsoft.insights/diagnosticsettings"})
"""Types that a subscription or group lists only where they are its own, not those of what is in it."""
_ALL_RECORDS = "microsoft.network/privatednszones/all"
"""What stands for the record sets of every type."""

Test = Callable[[Document], bool]


def collection(call: Call, target: ResourceId) -> Answer:
    """Answer GET on a collection of one type."""
    call.demand(f"{target.type}/read", target.scope if target.parent is None else target.parent.id)
    _check_scope(call, target)
    kind = kind_of(target.type)
    if kind is not None and kind.inline and not kind.flat and target.parent is not None:
        found = links.find(call.state, target.parent.id)
        holder = found[0] if found else {}
        listed = (holder.get("properties") or {}).get(kind.inline) or []
        members = [{**item, "_etag": holder.get("_etag", "")} for item in listed]
    else:
        members = [document for document in call.state.below(target.scope) if _is_member(document, target)]
        members += _implied(call, target, members)
    answer = page(call, members, lambda document: envelope.view(call, kind, document))
    return Answer(200, answer, {} if kind is not None else {"x-sandbox-fidelity": "generic"})


def resources(call: Call, scope: str) -> Answer:
    """Answer GET on ``{subscription or group}/resources``: what the caller can read there."""
    if group_of(scope) and not call.state.exists(scope):
        raise group_not_found(group_of(scope))
    test = parse_filter(call.query.get("$filter", ""))
    found = [
        document
        for document in call.state.below(scope)
        if _is_listed(document) and test(document) and call.state.can_read(call.principal, str(document["id"]))
    ]
    expand = {word.strip().lower() for word in call.query.get("$expand", "").split(",")}
    return Answer(200, page(call, found, lambda document: _short(document, expand)))


def page(call: Call, members: Iterable[Document], show: Callable[[Document], Document]) -> dict[str, Any]:
    """Return one page in the order of ids, with ``nextLink`` if more follow.

    Raises:
        ArmError: ``$top`` or ``$skiptoken`` is not what this server gave.
    """
    top = _top(call)
    after = _decode(call.query.get("$skiptoken", ""))
    rest = sorted(((str(document["id"]).lower(), document) for document in members), key=lambda pair: pair[0])
    rest = [pair for pair in rest if pair[0] > after]
    answer: dict[str, Any] = {"value": [show(document) for _, document in rest[:top]]}
    if len(rest) > top:
        query = {**call.query, "$skiptoken": _encode(rest[top - 1][0])}
        answer["nextLink"] = f"{call.settings.url}{quote(call.path)}?{urlencode(query)}"
    return answer


def parse_filter(text: str) -> Test:
    """Return the test that a ``$filter`` of the resources list asks for.

    Raises:
        ArmError: it is not one that is known.
    """
    if not text.strip():
        return lambda document: True  # noqa: ARG005
    tests = [
        _clause(part, text) for part in re.split(r"\s+and\s+(?=(?:[^']*'[^']*')*[^']*$)", text, flags=re.IGNORECASE)
    ]
    return lambda document: all(test(document) for test in tests)


def _clause(part: str, text: str) -> Test:
    substring = _SUBSTRING.fullmatch(part)
    if substring:
        wanted = substring[1].replace("''", "'").lower()
        return lambda document: wanted in str(document["name"]).lower()
    match = _CLAUSE.fullmatch(part)
    reader = _FIELDS.get(match[1].lower()) if match else None
    if match is None or reader is None:
        raise ArmError(400, "InvalidFilterInQueryString", f"Invalid $filter '{text}' specified in the query string.")
    value, equal = match[3].replace("''", "'").lower(), match[2].lower() == "eq"
    return lambda document: (value in reader(document)) is equal


_FIELDS: Mapping[str, Callable[[Document], tuple[str, ...]]] = {
    "resourcetype": lambda document: (str(document["type"]).lower(),),
    "resourcegroup": lambda document: (group_of(str(document["id"])).lower(),),
    "name": lambda document: (str(document["name"]).lower(),),
    "location": lambda document: (str(document.get("location", "")).lower(),),
    "tagname": lambda document: tuple(name.lower() for name in document.get("tags") or {}),
    "tagvalue": lambda document: tuple(str(value).lower() for value in (document.get("tags") or {}).values()),
    "plan/publisher": lambda document: (str((document.get("plan") or {}).get("publisher", "")).lower(),),
}


def _check_scope(call: Call, target: ResourceId) -> None:
    group = group_of(target.scope)
    if group and not call.state.exists("/".join(target.scope.split("/")[:5])):
        raise group_not_found(group)
    parent = target.parent or (parse(target.scope) if _is_extension(target) else None)
    if parent is not None and links.find(call.state, parent.id) is None:
        raise not_found(parent.type, "/".join(parent.names), group)


def _implied(call: Call, target: ResourceId, members: Iterable[Document]) -> list[Document]:
    written = {str(member["name"]).lower() for member in members}
    return [child for child in implied.children(call.state, target) if child["name"].lower() not in written]


def _is_member(document: Document, target: ResourceId) -> bool:
    type_ = str(document.get("type", "")).lower()
    records = target.type.lower() == _ALL_RECORDS and private_dns.is_record(type_)
    if type_ != target.type.lower() and not records:
        return False
    parent = target.parent
    at = parse(str(document["id"]))
    if at is None:
        return False
    if parent is not None:
        return at.parent is not None and at.parent.id.lower() == parent.id.lower()
    own = _is_extension(target) or target.type.lower() in _OF_ONE_SCOPE
    return not own or at.scope.lower() == target.scope.lower()


def _is_extension(target: ResourceId) -> bool:
    return "/providers/" in target.scope.lower()


def _is_listed(document: Document) -> bool:
    return bool(document.get("location")) and str(document["type"]).lower() != GROUP_TYPE.lower()


def _short(document: Document, expand: set[str]) -> Document:
    shown = {name: document[name] for name in _SHORT if document.get(name) is not None}
    if "provisioningstate" in expand:
        shown["provisioningState"] = (document.get("properties") or {}).get("provisioningState", "Succeeded")
    return shown


def _top(call: Call) -> int:
    text = call.query.get("$top", "")
    if not text:
        return PAGE
    if not text.isdecimal() or int(text) < 1:
        raise ArmError(400, "InvalidTopInQueryString", f"Invalid $top '{text}' specified in the query string.")
    return min(int(text), PAGE)


def _encode(last: str) -> str:
    return base64.urlsafe_b64encode(last.encode()).decode()


def _decode(token: str) -> str:
    try:
        last = base64.b64decode(token.encode(), altchars=b"-_", validate=True).decode()
    except ValueError as error:
        raise _wrong_token(token) from error
    if last and not last.startswith("/"):
        raise _wrong_token(token)
    return last


def _wrong_token(token: str) -> ArmError:
    return ArmError(400, "InvalidSkipTokenInQueryString", f"Invalid $skiptoken '{token}'.")

"""What a query may see: the scope that was asked for, cut down to what the caller can read.

Source: Microsoft Learn, "Understanding the Azure Resource Graph query language" (query scope): rows of what cannot be
read are left out silently; 403 only when nothing that was asked for can be read; 10,000 subscriptions at most.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from lockdown.sandbox.resource_graph.body import Body
from lockdown.sandbox.resource_graph.errors import access_denied, bad_request
from lockdown.sandbox.resource_graph.hierarchy import GROUP, GROUPS, TENANT, Hierarchy
from lockdown.sandbox.resource_graph.tables import table_of
from lockdown.sandbox.state import Document, subscription_of

MOST_SUBSCRIPTIONS = 10_000

_SUBSCRIPTION = "microsoft.resources/subscriptions"
_BUILT_IN_ROLE = "/providers/microsoft.authorization/roledefinitions/"
_AUTHORIZATION = "/providers/microsoft.authorization/"


@dataclass(frozen=True)
class Scope:
    """Where a query looks.

    Attributes:
        roots: the scopes asked for, lower-case; ``/`` is the tenant.
        subscriptions: the subscriptions in it, lower-case.
        filter: the authorizationScopeFilter.
        truncated: there were more subscriptions than a query may have.
    """

    roots: frozenset[str]
    subscriptions: frozenset[str]
    filter: str
    truncated: bool = False


def scope_of(body: Body, documents: Iterable[Document], tree: Hierarchy, *, most: int = MOST_SUBSCRIPTIONS) -> Scope:
    """Return the scope that a request asks for.

    Raises:
        GraphError: it has more subscriptions than allowed, and does not say that a part of them will do.
    """
    every = sorted(
        subscription_of(str(document["id"])).lower()
        for document in documents
        if str(document.get("type", "")).lower() == _SUBSCRIPTION
    )
    if body.subscriptions is not None:
        wanted = frozenset(body.subscriptions)
        return Scope(frozenset(f"/subscriptions/{name}" for name in wanted), wanted, body.scope_filter)
    roots = frozenset({TENANT})
    if body.management_groups is not None:
        roots = frozenset(GROUPS + name for name in body.management_groups)
        every = [name for name in every if roots & set(tree.above(f"/subscriptions/{name}"))]
    if len(every) > most and not body.allow_partial_scopes:
        raise bad_request(
            "TooManySubscriptions",
            f"The scope has {len(every)} subscriptions; at most {most} are allowed unless allowPartialScopes is true.",
        )
    return Scope(roots, frozenset(every[:most]), body.scope_filter, len(every) > most)


def visible(
    documents: Iterable[Document], scope: Scope, tree: Hierarchy, can_read: Callable[[str], bool]
) -> list[Document]:
    """Return the documents of the scope that the caller can read.

    Raises:
        GraphError: subscriptions or management groups were named, and nothing of them can be read.
    """
    found = [
        document
        for document in documents
        if _inside(document, scope, tree) and (_is_built_in(document) or can_read(str(document["id"])))
    ]
    if TENANT not in scope.roots and all(_is_built_in(document) for document in found):
        raise access_denied()
    return found


def inside(resource_id: str, scope: Scope) -> bool:
    """Tell whether a resource, perhaps deleted, is in one of the scope's subscriptions."""
    return subscription_of(resource_id).lower() in scope.subscriptions


def _is_built_in(document: Document) -> bool:
    return str(document["id"]).lower().startswith(_BUILT_IN_ROLE)


def _inside(document: Document, scope: Scope, tree: Hierarchy) -> bool:
    resource_id = str(document["id"])
    table = table_of(document)
    if table in {"authorizationresources", "policyresources"}:
        return _is_built_in(document) or _matches(resource_id, scope, tree)
    if str(document.get("type", "")).lower() == GROUP:
        own = resource_id.lower()
        return TENANT in scope.roots or bool(scope.roots & {own, *tree.above(own)})
    return inside(resource_id, scope)


def _matches(resource_id: str, scope: Scope, tree: Hierarchy) -> bool:
    lowered = resource_id.lower()
    assigned = lowered[: lowered.rfind(_AUTHORIZATION)] or TENANT
    subscription = subscription_of(assigned)
    if subscription and subscription in scope.subscriptions:
        exact = f"/subscriptions/{subscription}" == assigned and assigned in scope.roots
        return exact if scope.filter in {"AtScopeExact", "AtScopeAndAbove"} else True
    above = {group for root in scope.roots for group in (*tree.above(root), TENANT)}
    below = TENANT in scope.roots or bool(scope.roots & set(tree.above(assigned)))
    return {
        "AtScopeExact": assigned in scope.roots,
        "AtScopeAndAbove": assigned in scope.roots or assigned in above,
        "AtScopeAndBelow": assigned in scope.roots or below,
        "AtScopeAboveAndBelow": assigned in scope.roots or below or assigned in above,
    }[scope.filter]

"""The route of Resource Graph: POST /providers/Microsoft.ResourceGraph/resources."""

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import orjson
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from lockdown.sandbox.resource_graph import errors
from lockdown.sandbox.resource_graph.answers import Answers
from lockdown.sandbox.resource_graph.body import VERSIONS, Body, read
from lockdown.sandbox.resource_graph.errors import GraphError
from lockdown.sandbox.resource_graph.facets import facet
from lockdown.sandbox.resource_graph.limits import prepare
from lockdown.sandbox.resource_graph.paging import page, position
from lockdown.sandbox.resource_graph.quota import Quota, headers
from lockdown.sandbox.resource_graph.render import data
from lockdown.sandbox.settings import Settings
from lockdown.sandbox.state import Principal, State

PATH = "/providers/Microsoft.ResourceGraph/resources"
LARGEST = 16_777_216


@dataclass(frozen=True)
class _Asked:
    version: str
    content: bytes
    content_type: str
    principal: Principal
    correlation_id: str


def routes(state: State, settings: Settings) -> list[Route]:
    """Return the routes of Resource Graph over ``state``. The caller is in ``request.state.principal``."""
    answers = Answers(state, settings.lag)
    quota = Quota(state.clock.now, enforced=settings.quota)

    def respond(asked: _Asked) -> Response:
        started = time.perf_counter()
        told: Mapping[str, str] = {}
        try:
            _check_version(asked.version)
            allowance = quota.take(asked.principal.object_id)
            told = headers(allowance)
            if not allowance.allowed:
                raise errors.throttled(allowance.resets_after)
            content, more = _query(asked, answers, state)
            response = Response(content, media_type="application/json", headers={**told, **more})
        except GraphError as refusal:
            body = refusal.body(state.clock.now(), asked.correlation_id)
            own = {**told, **refusal.headers}
            response = Response(orjson.dumps(body), refusal.status, media_type="application/json", headers=own)
        response.headers["x-ms-resource-graph-request-duration"] = _duration(time.perf_counter() - started)
        return response

    async def endpoint(request: Request) -> Response:
        asked = _Asked(
            version=request.query_params.get("api-version", ""),
            content=await request.body(),
            content_type=request.headers.get("content-type", ""),
            principal=request.state.principal,
            correlation_id=getattr(request.state, "correlation_id", ""),
        )
        return await run_in_threadpool(respond, asked)

    route = Route(PATH, endpoint, methods=["POST"])
    route.path_regex = re.compile(route.path_regex.pattern, re.IGNORECASE)
    return [route]


def _query(asked: _Asked, answers: Answers, state: State) -> tuple[bytes, dict[str, str]]:
    body = read(asked.content, asked.content_type, asked.version)
    query = prepare(body.query)
    digest = _digest(body, asked.principal)
    at = position(body, digest, bounded=query.bounded)
    kept = answers.answer(body, query, asked.principal, digest)
    columns, rows, index = kept.answer.columns, kept.answer.rows, kept.view.index
    continues = not query.bounded and any(column.type != "object" for column in columns)
    found = page(at, len(rows), digest, continues=continues)
    now = state.clock.now()
    content: dict[str, Any] = {
        "totalRecords": len(rows),
        "count": found.stop - found.start,
        "data": data(columns, rows[found.start : found.stop], index, table=body.table),
        "facets": [facet(wanted, query, columns, index, now, table=body.table) for wanted in body.facets],
        "resultTruncated": "true" if found.truncated else "false",
    }
    if found.token:
        content["$skipToken"] = found.token
    rendered = orjson.dumps(content)
    if len(rendered) > LARGEST:
        raise errors.payload_too_large(len(rendered), LARGEST)
    return rendered, {"x-ms-tenant-subscription-limit-hit": "true"} if kept.view.scope.truncated else {}


def _digest(body: Body, principal: Principal) -> str:
    """Return what a token is good for: this query in this scope by this caller."""
    meant = (
        body.query,
        body.subscriptions,
        body.management_groups,
        body.scope_filter,
        body.allow_partial_scopes,
        principal.object_id,
    )
    return blake2b(orjson.dumps(meant), digest_size=16).hexdigest()


def _check_version(version: str) -> None:
    if not version:
        raise GraphError(
            errors.BAD_REQUEST,
            "MissingApiVersionParameter",
            "The api-version query parameter (?api-version=) is required for all requests.",
        )
    if version not in VERSIONS:
        raise GraphError(
            errors.NOT_FOUND,
            "InvalidResourceType",
            "The resource type 'resources' could not be found in the namespace 'Microsoft.ResourceGraph' "
            f"for api version '{version}'. The supported api-versions are '{','.join(VERSIONS)}'.",
        )


def _duration(seconds: float) -> str:
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"0:{hours:02}:{minutes:02}:{rest:010.7f}"

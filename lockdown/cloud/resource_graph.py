"""Azure Resource Graph: a query, its pages, and the quota that the pages are paced by.

Source: Resource Graph REST API 2022-10-01 and "Guidance for throttled requests" on Microsoft Learn: at most 1,000 rows
a page, 15 queries in a window of 5 seconds for each caller, the rest of it in two response headers.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import orjson
from azure.core.rest import HttpRequest, HttpResponse
from azure.mgmt.resourcegraph.models import QueryRequest, QueryRequestOptions

from lockdown.cloud.client import Client, NoAnswerError
from lockdown.errors import LockdownError, ToolError
from lockdown.model import Scope

API_VERSION = "2022-10-01"
PAGE_ROWS = 1_000
PATH = "/providers/Microsoft.ResourceGraph/resources"
_POST_IS_A_READ = frozenset({"GET", "POST"})


class RefusedError(LockdownError):
    """Azure understood the request and said no.

    Attributes:
        status: HTTP status.
        codes: ``error.code`` and the codes of its details.
    """

    def __init__(self, status: int, codes: tuple[str, ...], message: str) -> None:
        super().__init__(message)
        self.status = status
        self.codes = codes


@dataclass(frozen=True)
class Page:
    """One page of an answer.

    Attributes:
        rows: the rows, as dicts.
        body: the exact bytes that the rows came in.
        total: rows of the whole answer.
        token: continues the answer; empty on the last page.
        truncated: Azure cut the answer and gave no way to continue.
    """

    rows: list[dict[str, Any]]
    body: bytes
    total: int
    token: str
    truncated: bool


class Graph:
    """Resource Graph in one cloud."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._pace = Pace()

    def pages(self, query: str, scope: Scope) -> Iterator[Page]:
        """Yield the pages of ``query``.

        Raises:
            RefusedError: Azure said no to the query or to the scope.
            ToolError: Azure cannot be reached, or does not answer as Resource Graph does.
        """
        token = ""
        while True:
            page = self._page(query, scope, token)
            yield page
            token = page.token
            if not token:
                return

    def _page(self, query: str, scope: Scope, token: str) -> Page:
        body = QueryRequest(
            query=query,
            subscriptions=list(scope.subscriptions) or None,
            management_groups=list(scope.management_groups) or None,
            options=QueryRequestOptions(top=PAGE_ROWS, skip_token=token or None, result_format="objectArray"),
        ).serialize()
        request = HttpRequest("POST", f"{self._client.base}{PATH}?api-version={API_VERSION}", json=body)
        self._pace.wait()
        try:
            response, content = self._client.send(request, retry_on_methods=_POST_IS_A_READ)
        except NoAnswerError as error:
            raise ToolError(
                f"Azure Resource Graph cannot be reached: {error}", "Check the network, then run again."
            ) from error
        self._pace.learn(response)
        page = _answer(content) if response.status_code == 200 else None  # noqa: PLR2004 - HTTP OK
        self._client.log(response, content, API_VERSION, len(page.rows) if page else 0)
        if page is None:
            raise _refusal(response.status_code, content)
        return page


class Pace:
    """Waits so that the next query stays inside the quota, as the last answer told it."""

    def __init__(self, sleep: Callable[[float], None] = time.sleep) -> None:
        self._sleep = sleep
        self._due = 0.0

    def wait(self) -> None:
        """Sleep until a query may be sent."""
        ahead = self._due - time.monotonic()
        if ahead > 0:
            self._sleep(ahead)

    def learn(self, response: HttpResponse) -> None:
        """Take the quota from the headers of an answer."""
        remaining = response.headers.get("x-ms-user-quota-remaining", "")
        resets = response.headers.get("x-ms-user-quota-resets-after", "")
        if remaining.strip() == "0":
            self._due = time.monotonic() + _seconds(resets)


def _seconds(clock: str) -> float:
    """Return the seconds of ``hh:mm:ss``; a window of 5 seconds if the header is not of that form."""
    try:
        hours, minutes, seconds = (float(part) for part in clock.split(":"))
    except ValueError:
        return 5.0
    return hours * 3600 + minutes * 60 + seconds


def _answer(content: bytes) -> Page:
    try:
        try:
            found = orjson.loads(content)
        except orjson.JSONDecodeError:
            found = json.loads(content)
        rows, token = _rows(found["data"]), found.get("$skipToken") or ""
        truncated = str(found.get("resultTruncated", "false")).lower() == "true" and not token
        return Page(rows, content, int(found["totalRecords"]), str(token), truncated)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ToolError(
            f"The answer is not one of Resource Graph's: {error}.", "Check the URL of the cloud."
        ) from error


def _rows(data: object) -> list[dict[str, Any]]:
    if not isinstance(data, list) or not all(isinstance(row, dict) for row in data):
        raise TypeError("its data is not a list of rows")
    return data


def _refusal(status: int, content: bytes) -> LockdownError:
    try:
        error = json.loads(content)["error"]
        details = error.get("details") or []
        codes = (str(error["code"]), *(str(d.get("code")) for d in details))
        texts = [str(d.get("message") or d.get("code")) for d in details] or [str(error.get("message"))]
    except (ValueError, KeyError, TypeError, AttributeError):
        codes, texts = (), [f"HTTP status {status}"]
    text = f"{' / '.join(codes) or 'error'}: {texts[-1]}"
    if status == 401:  # noqa: PLR2004 - HTTP Unauthorized
        return ToolError(f"Azure refused the credential: {text}", "Run az login again.")
    return RefusedError(status, codes, text)

"""Tickets as work items of an Azure DevOps project, by its REST API."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from lockdown import __version__
from lockdown.errors import ToolError, UsageError
from lockdown.notify import https
from lockdown.notify.notice import Finding, Notice
from lockdown.notify.told import by, shown, went
from lockdown.report import words
from lockdown.report.visible import visible

TAG = "lockdown-drift"
_MARK = re.compile(r"lockdown-([0-9a-f]{16})")
_BATCH = 200
_VERSION = "api-version=7.1"


class AzureBoards:
    """The work items of one project that carry our tag."""

    def __init__(self, environment: Mapping[str, str], kind: str, closed: str, link: str = "") -> None:
        """Find out where and as whom from the environment of a job.

        Args:
            environment: of the job.
            kind: the type of the work items, such as ``Issue``: what there is depends on the process.
            closed: the state of one that is done, likewise.
            link: to the job.

        Raises:
            UsageError: something is missing there.
        """
        names = ("SYSTEM_COLLECTIONURI", "SYSTEM_TEAMPROJECT", "SYSTEM_ACCESSTOKEN")
        collection, project, token = (environment.get(name, "") for name in names)
        if not (collection and project and token):
            raise UsageError(
                f"{', '.join(names)} must say which project, and who asks.",
                "In a pipeline: env SYSTEM_ACCESSTOKEN: $(System.AccessToken); the others are there.",
            )
        base = f"{collection.rstrip('/')}/{quote(project, safe='')}/_apis/wit"
        self._base = https.checked(base, "What SYSTEM_COLLECTIONURI holds")
        self._token, self._kind, self._closed, self._link = token, kind, closed, link

    def there(self) -> dict[str, list[str]]:
        """Return the numbers of our open work items, by fingerprint."""
        kind, closed = (text.replace("'", "''") for text in (self._kind, self._closed))
        query = (
            "SELECT [System.Id] FROM WorkItems WHERE [System.TeamProject] = @project "  # noqa: S608 - not SQL: quoted
            f"AND [System.WorkItemType] = '{kind}' AND [System.State] <> '{closed}' "
            f"AND [System.Tags] CONTAINS '{TAG}'"
        )
        answer = self._ask("POST", f"wiql?{_VERSION}", {"query": query})
        numbers = [str(int(item["id"])) for item in answer["workItems"]]
        found: dict[str, list[str]] = {}
        for start in range(0, len(numbers), _BATCH):
            ids = ",".join(numbers[start : start + _BATCH])
            items = self._ask("GET", f"workitems?ids={ids}&fields=System.Tags&{_VERSION}")["value"]
            for item in items:
                mark = _MARK.search(str(item["fields"].get("System.Tags", "")))
                if mark:
                    found.setdefault(mark[1], []).append(str(int(item["id"])))
        return found

    def open(self, notice: Notice, found: Finding, *, details: bool) -> str:
        """Open a work item and return its number."""
        fields = {
            "System.Title": f"lockdown: drift {found.fingerprint}, {found.severity}",
            "System.Description": self._description(notice, found, details=details),
            "System.Tags": f"{TAG}; lockdown-{found.fingerprint}",
        }
        made = self._patch("POST", f"workitems/${quote(self._kind, safe='')}?{_VERSION}", fields)
        return str(int(made["id"]))

    def close(self, number: str, why: str) -> None:
        """Comment on a work item and close it."""
        self._patch("PATCH", f"workitems/{number}?{_VERSION}", {"System.State": self._closed, "System.History": why})

    def _description(self, notice: Notice, found: Finding, *, details: bool) -> str:
        since = words.when(notice.drift.baseline_at) if notice.drift is not None else ""
        told = [f"A resource is not as in the baseline of {since}. Worst severity: {found.severity}."]
        if details:
            told.append(f"Resource: {visible(found.resource)}")
            for turn in found.turns:
                parts = (f"{turn.id}  {shown(turn.what)}: {shown(went(turn))}", shown(by(turn)))
                told.append("; ".join(filter(None, parts)))
        else:
            told.append("Changes: " + ", ".join(turn.id for turn in found.turns) + ".")
            told.append("The summary of the run and its report say what and who.")
        lines = [encode(line) for line in told]
        if self._link:
            lines.append(f'<a href="{encode(self._link)}">The job that found it</a>')
        return "".join(f"<div>{line}</div>" for line in lines)

    def _patch(self, method: str, path: str, fields: Mapping[str, str]) -> Any:  # noqa: ANN401 - any JSON
        body = [{"op": "add", "path": f"/fields/{name}", "value": value} for name, value in fields.items()]
        return self._ask(method, path, body, "application/json-patch+json")

    def _ask(self, method: str, path: str, body: object = None, kind: str = "application/json") -> Any:  # noqa: ANN401
        headers = {
            "Authorization": f"Bearer {self._token}",
            "Accept": "application/json",
            "Content-Type": kind,
            "User-Agent": f"lockdown/{__version__}",
        }
        data = None if body is None else json.dumps(body).encode()
        answer = https.ask("Azure DevOps", method, f"{self._base}/{path}", headers, data)
        try:
            return json.loads(answer)
        except ValueError as error:
            # A sign-in page has status 203 and is HTML: the token is no good.
            raise ToolError("Azure DevOps answered something else than JSON.", "Check the job's token.") from error


def encode(text: str) -> str:
    """Return text as HTML, in which nobody is mentioned: that needs an element with an id of a person."""
    return html.escape(visible(text))

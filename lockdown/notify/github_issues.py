"""Tickets as issues of a GitHub repository, by its REST API."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from lockdown import __version__
from lockdown.errors import ToolError, UsageError
from lockdown.notify import https, markdown
from lockdown.notify.notice import Finding, Notice
from lockdown.report import words

LABEL = "lockdown-drift"
_MARK = re.compile(r"<!-- lockdown-drift: ([0-9a-f]{16}) -->\s*\Z")
"""At the end alone: a command in the body can hold a name that looks like it."""
_REPOSITORY = re.compile(r"[A-Za-z0-9._-]+/[A-Za-z0-9._-]+")
_PAGE = 100


class GitHubIssues:
    """The issues of one repository that carry our label."""

    def __init__(self, environment: Mapping[str, str], link: str = "") -> None:
        """Find out where and as whom from the environment of a job.

        Raises:
            UsageError: something is missing there.
        """
        repository, token = environment.get("GITHUB_REPOSITORY", ""), environment.get("GITHUB_TOKEN", "")
        if not _REPOSITORY.fullmatch(repository) or not token:
            raise UsageError(
                "GITHUB_REPOSITORY and GITHUB_TOKEN must say which repository, and who asks.",
                "In a workflow: env GITHUB_TOKEN: ${{ github.token }}, with the permission issues: write.",
            )
        base = environment.get("GITHUB_API_URL", "") or "https://api.github.com"
        self._base = https.checked(f"{base.rstrip('/')}/repos/{repository}/issues", "What GITHUB_API_URL holds")
        self._headers = {
            "Authorization": f"Bearer {token}",
            "Accept": "application/vnd.github+json",
            "X-GitHub-Api-Version": "2022-11-28",
            "Content-Type": "application/json",
            "User-Agent": f"lockdown/{__version__}",
        }
        self._link = link

    def there(self) -> dict[str, list[str]]:
        """Return the numbers of our open issues, by fingerprint."""
        found: dict[str, list[str]] = {}
        page = 1
        while True:
            issues = self._ask("GET", f"?state=open&labels={LABEL}&per_page={_PAGE}&page={page}")
            for issue in issues:
                mark = _MARK.search(str(issue.get("body") or ""))
                if mark and "pull_request" not in issue:
                    found.setdefault(mark[1], []).append(str(int(issue["number"])))
            if len(issues) < _PAGE:
                return found
            page += 1

    def open(self, notice: Notice, found: Finding, *, details: bool) -> str:
        """Open an issue and return its number."""
        made = self._ask(
            "POST",
            "",
            {
                "title": f"lockdown: drift {found.fingerprint}, {found.severity}",
                "body": self._body(notice, found, details=details),
                "labels": [LABEL],
            },
        )
        if not any(label.get("name") == LABEL for label in made.get("labels", ())):
            raise ToolError(
                f"GitHub opened an issue without the label {LABEL}, by which it would be found again.",
                "Make the label once, and let the token write issues.",
            )
        return str(int(made["number"]))

    def close(self, number: str, why: str) -> None:
        """Comment on an issue and close it."""
        self._ask("POST", f"/{number}/comments", {"body": why})
        self._ask("PATCH", f"/{number}", {"state": "closed", "state_reason": "completed"})

    def _body(self, notice: Notice, found: Finding, *, details: bool) -> str:
        drift = notice.drift
        since = words.when(drift.baseline_at) if drift is not None else ""
        told = [f"A resource is not as in the baseline of {since}. Worst severity: **{found.severity}**.", ""]
        if details:
            told.append(markdown.finding(notice, found))
        else:
            told.append("Changes: " + ", ".join(f"`{turn.id}`" for turn in found.turns) + ".")
            told.append("The job summary and the report of the run say what and who.")
        if self._link:
            told += ["", f"[The job that found it]({self._link})"]
        told += ["", f"<!-- lockdown-drift: {found.fingerprint} -->"]
        return "\n".join(told)

    def _ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:  # noqa: ANN401 - any JSON
        data = None if body is None else json.dumps(body).encode()
        answer = https.ask("GitHub", method, self._base + quote(path, safe="/?&=+"), dict(self._headers), data)
        try:
            return json.loads(answer)
        except ValueError as error:
            raise ToolError("GitHub answered something else than JSON.", "Check GITHUB_API_URL.") from error

"""Reads from Azure Resource Manager what Resource Graph lacks. Only GET, one for each parent and further page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from threading import Lock
from urllib.parse import urlsplit

from azure.core.rest import HttpRequest

from lockdown.cloud import arm_rows
from lockdown.cloud.arm_plan import Read
from lockdown.cloud.arm_rows import OK, OddAnswerError, Outcome, Row
from lockdown.cloud.client import Client, NoAnswerError
from lockdown.cloud.workers import in_order
from lockdown.errors import ToolError
from lockdown.model import ArmRead, Unread

THREADS = 8
AHEAD = 32
_UNAUTHORIZED = 401
_HTTPS = 443


def read(client: Client, reads: Sequence[Read]) -> Iterator[tuple[Read, Outcome]]:
    """Yield each read with what came of it, in the order of ``reads``.

    What is refused, not understood or not answered is an outcome. When requests keep getting no answer, the remaining
    reads are not asked any more.

    Raises:
        ToolError: the credential is refused.
    """
    return in_order(reads, _Reader(client).outcome, threads=THREADS, ahead=AHEAD)


class Failures:
    """Counts what could not be read, for the report: one entry for each type of items and what was said."""

    def __init__(self) -> None:
        self._asked: Counter[str] = Counter()
        self._failed: Counter[tuple[str, int, str]] = Counter()
        self._first: dict[tuple[str, int, str], str] = {}

    def note(self, spec: ArmRead, parent: str, outcome: Outcome) -> None:
        """Count one parent."""
        self._asked[spec.type] += 1
        if outcome.status != OK:
            key = (spec.type, outcome.status, outcome.code)
            self._failed[key] += 1
            self._first.setdefault(key, parent)

    def unread(self) -> list[Unread]:
        """Return the entries, in a stable order."""
        return [
            Unread("armReads", key[0], f"{count} of {self._asked[key[0]]}: {_said(key)}, such as {self._first[key]}.")
            for key, count in sorted(self._failed.items())
        ]


class _Reader:
    """Reads on many threads at once."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._lock = Lock()
        self._silent = 0

    def outcome(self, asked: Read) -> Outcome:
        if not asked.target:
            return Outcome(0, "NotAsked", "The id of the resource is not one that can be asked about safely.")
        if self._silent >= THREADS:
            return Outcome(0, "NoAnswer", "Not asked: Azure Resource Manager did not answer the requests before.")
        try:
            return self._all(asked)
        except OddAnswerError as error:
            return Outcome(0, "OddAnswer", str(error))
        except NoAnswerError as error:
            return Outcome(0, "NoAnswer", f"Azure Resource Manager did not answer: {error}")

    def _all(self, asked: Read) -> Outcome:
        target = asked.target
        items: dict[str, Row] = {}
        bodies: list[bytes] = []
        seen: set[str] = set()
        while target not in seen:
            seen.add(target)
            status, content, found, link = self._page(asked.spec, target)
            if status != OK:
                return arm_rows.refusal(status, content)
            items.update(found)
            bodies.append(content)
            if not link:
                return Outcome(OK, items=items, body=b"".join(bodies))
            target = here(self._client.base, link)
            if not target:
                return Outcome(0, "LinkElsewhere", "The link to the next page leads to another host: not followed.")
        return Outcome(0, "LinkElsewhere", "The link to the next page leads to one that was read: not followed.")

    def _page(self, spec: ArmRead, target: str) -> tuple[int, bytes, dict[str, Row], str]:
        request = HttpRequest("GET", f"{self._client.base}{target}")
        try:
            response, content = self._client.send(request)
        except NoAnswerError:
            with self._lock:
                self._silent += 1
            self._client.log_silence(request, spec.api_version)
            raise
        with self._lock:
            self._silent = 0
        found: dict[str, Row] = {}
        link = ""
        try:
            if response.status_code == OK:
                items, link = arm_rows.page(spec, content)
                found = dict(arm_rows.item(spec, item) for item in items)
        finally:
            self._client.log(response, content, spec.api_version, len(found))
        if response.status_code == _UNAUTHORIZED:
            said = arm_rows.refusal(_UNAUTHORIZED, content)
            raise ToolError(f"Azure refused the credential: {said.code}: {said.message}", "Run az login again.")
        return response.status_code, content, found, link


def here(base: str, link: str) -> str:
    """Return path and query of a link to the host of ``base``; '' for one to anywhere else.

    Only that much of a link is used, so that no other reading of it can lead elsewhere.
    """
    try:
        ours, theirs = urlsplit(base), urlsplit(link)
        same = (ours.hostname, ours.port or _HTTPS) == (theirs.hostname, theirs.port or _HTTPS)
    except ValueError:
        return ""
    plain = theirs.scheme == ours.scheme and "@" not in theirs.netloc and theirs.path.startswith("/")
    return f"{theirs.path}?{theirs.query}" if same and plain else ""


def _said(key: tuple[str, int, str]) -> str:
    _, status, code = key
    return f"{status} {code}".strip() if status else code

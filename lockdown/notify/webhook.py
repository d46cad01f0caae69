"""Posting a notice to a webhook."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from lockdown import __version__
from lockdown.errors import UsageError
from lockdown.notify import body, https, slack, teams, told
from lockdown.notify.notice import Notice

VARIABLE = "LOCKDOWN_WEBHOOK"
WHAT = "The webhook"
_LONGEST = 4096
_MOST = 24 * 1024
"""Bytes of a message to people; Teams refuses one that is longer than 28 KiB."""

Shape = Literal["json", "teams", "slack"]


def url(file: Path | None, environment: Mapping[str, str]) -> str | None:
    """Return where to post; None if nobody named a webhook. The file is taken before the environment.

    Raises:
        UsageError: the file cannot be read, or it names no https URL; the message does not show it.
    """
    if file is None:
        found = environment.get(VARIABLE, "").strip()
        return https.checked(found, f"What {VARIABLE} holds") if found else None
    try:
        with file.open("rb") as opened:
            found = opened.read(_LONGEST).decode("utf-8").strip()
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}.", "Name the file with --webhook-file.") from error
    except UnicodeDecodeError:
        raise UsageError(f"{file} does not hold a URL.", "It is to hold the URL and nothing else.") from None
    return https.checked(found, f"What {file} holds")


def message(notice: Notice, shape: Shape, *, details: bool, link: str = "") -> bytes:
    """Return the body of a notice in one shape. A message to people that grows too long tells its beginning."""
    if shape == "json":
        return _encoded(body.message(notice, details=details, link=link))
    paragraphs = list(told.paragraphs(notice, details=details))
    more: list[told.Paragraph] = []
    while True:
        said = [*paragraphs, *more]
        made = teams.message(said, link) if shape == "teams" else slack.message(said, notice.headline, link)
        encoded = _encoded(made)
        if len(encoded) <= _MOST:
            return encoded
        paragraphs = paragraphs[: len(paragraphs) * 3 // 4]
        more = [(told.Stretch("There is more: results/drift.json of the run has everything."),)]


def post(where: str, message_: bytes) -> None:
    """Post a message.

    Raises:
        ToolError: it was not taken.
    """
    headers = {"Content-Type": "application/json", "User-Agent": f"lockdown/{__version__}"}
    https.ask(WHAT, "POST", where, headers, message_)


def _encoded(made: Mapping[str, Any]) -> bytes:
    return json.dumps(made, ensure_ascii=True, sort_keys=True, separators=(",", ":")).encode()

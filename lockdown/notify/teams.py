"""A message for a Workflows webhook of Microsoft Teams: an Adaptive Card.

Untrusted text stands only in the runs of rich text blocks, where Adaptive Cards read no Markdown. A mention needs an
entity of its own in the card, and there is none.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from lockdown.notify.told import Paragraph

Json = dict[str, Any]


def encode(text: str) -> str:
    """Return the text of a run: two braces would begin a formatting function."""
    return re.sub(r"\{(?=\{)", "{ ", text)


def message(paragraphs: Iterable[Paragraph], link: str = "") -> Json:
    """Return the body to post."""
    body = [
        {
            "type": "RichTextBlock",
            "inlines": [
                {
                    "type": "TextRun",
                    "text": encode(run.text),
                    **({"weight": "Bolder"} if run.strong else {}),
                }
                for run in paragraph
            ],
        }
        for paragraph in paragraphs
    ]
    card: Json = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": body,
    }
    if link:
        card["actions"] = [{"type": "Action.OpenUrl", "title": "Open the job", "url": link}]
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": card}
    return {"type": "message", "attachments": [attachment]}

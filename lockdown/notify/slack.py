"""A message for an incoming webhook of Slack, in blocks.

Untrusted text stands only in text elements of rich text, which Slack shows as they are: a mention of a channel or a
person, a link and an emoji are elements of other types, and none of those is ever made from text.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from lockdown.notify.told import Paragraph, Stretch

Json = dict[str, Any]
_END = Stretch("\n")
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


def encode(text: str) -> str:
    """Return text for where Slack does read markup: its three control characters as entities."""
    return "".join(_ENTITIES.get(character, character) for character in text)


def message(paragraphs: Iterable[Paragraph], headline: str, link: str = "") -> Json:
    """Return the body to post; ``headline`` is of our own words and stands in notifications."""
    sections = [
        {
            "type": "rich_text_section",
            "elements": [
                {"type": "text", "text": run.text, **({"style": {"bold": True}} if run.strong else {})}
                for run in (*paragraph, _END)
            ],
        }
        for paragraph in paragraphs
    ]
    blocks: list[Json] = [{"type": "rich_text", "elements": sections}]
    if link:
        to = [{"type": "link", "url": link, "text": "Open the job"}]
        blocks.append({"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": to}]})
    return {"text": encode(headline), "blocks": blocks, "unfurl_links": False, "unfurl_media": False}

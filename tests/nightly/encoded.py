"""What a reader of Markdown and HTML sees: rendered, and parsed again."""

from __future__ import annotations

from html.parser import HTMLParser

from markdown_it import MarkdownIt

CommonMark = MarkdownIt("commonmark", {"html": True}).enable("table")


class Seen(HTMLParser):
    """The tags and texts of a page."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.comments: list[str] = []
        self.code: list[str] = []
        self.links: list[str] = []
        self._inside = False
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in {"href", "src"}]
        if tag == "code":
            self._inside = True
            self.code.append("")

    def handle_endtag(self, tag: str) -> None:
        self._inside = self._inside and tag != "code"

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.code[-1] += data

    def handle_comment(self, data: str) -> None:
        self.comments.append(data)

"""SVG, safely: every text and attribute is escaped, and what cannot be seen in a name is shown as an escape."""

from __future__ import annotations

from collections.abc import Iterable

from markupsafe import Markup, escape

from lockdown.report.visible import visible

_WIDTH = 0.6
"""Of a character, in units of the font's size; what bold text takes at most, in the usual fonts."""


def element(name: str, *inside: object, **attributes: object) -> Markup:
    """Return an element. ``class_`` is ``class``, ``stroke_width`` is ``stroke-width``; None leaves one out."""
    written = Markup("").join(
        Markup(' %s="%s"') % (key.rstrip("_").replace("_", "-"), _short(value))
        for key, value in attributes.items()
        if value is not None
    )
    content = Markup("").join(item if isinstance(item, Markup) else escape(item) for item in inside)
    return Markup("<%s%s>%s</%s>") % (Markup(name), written, content, Markup(name))  # noqa: S704 - our own names


def text(x: float, y: float, content: str, class_: str | None = None, room: float = 0, size: float = 13) -> Markup:
    """Return a line of text, shortened in its middle to ``room`` units if that is given."""
    shown = visible(content)
    return element("text", fitting(shown, room, size) if room else shown, x=x, y=y, class_=class_)


def fitting(content: str, room: float, size: float = 13) -> str:
    """Return ``content``, or its beginning and end with an ellipsis between, to fit into ``room`` units."""
    most = max(3, int(room / (size * _WIDTH)))
    if len(content) <= most:
        return content
    head = (most - 1 + 1) // 2
    return f"{content[:head]}…{content[len(content) - (most - 1 - head) :]}"


def path(points: Iterable[tuple[float, float]], class_: str) -> Markup:
    """Return a smooth line from the first point to the last, leaving and arriving level."""
    (x1, y1), (x2, y2) = points
    middle = (x1 + x2) / 2
    line = f"M{x1:g} {y1:g}C{middle:g} {y1:g} {middle:g} {y2:g} {x2:g} {y2:g}"
    return element("path", d=line, class_=class_)


def _short(value: object) -> object:
    return f"{value:g}" if isinstance(value, float) else value

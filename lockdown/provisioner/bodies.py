"""The bodies that are sent, from what is wanted and what is there. Pure."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import Any

from lockdown.provisioner.graph import Body, Resource, Window, at


def first(step: Resource, body: Body, opened: Iterable[Window]) -> Body:
    """Return the body that creates a resource: closed from the start, but for what Azure would never open again."""
    made = copy.deepcopy(body)
    for window in step.windows:
        put_at(made, window.path, window.opened if window in opened else window.closed)
    return made


def next_(step: Resource, body: Body, found: Body, opened: Iterable[Window] = ()) -> Body:
    """Return the body that changes a resource into what is wanted.

    Tags of others stay, and so do the items of others where they may stand. What is only written at creation is left
    out: the resource has it.
    """
    made = first(step, body, opened)
    for path in step.secret:
        drop_at(made, path)
    if isinstance(found.get("tags"), Mapping) and "tags" in made:
        made["tags"] = {**found["tags"], **made["tags"]}
    for path in step.kept:
        put_at(made, path, _together(at(made, path), at(found, path)))
    return made


def put_at(body: Body, path: str, value: Any) -> None:  # noqa: ANN401 - JSON
    """Write a value at a dotted path."""
    *steps, last = path.split(".")
    for step in steps:
        body = body.setdefault(step, {})
    body[last] = value


def drop_at(body: Body, path: str) -> None:
    """Remove what is at a dotted path."""
    *steps, last = path.split(".")
    holder = at(body, ".".join(steps))
    if isinstance(holder, dict):
        holder.pop(last, None)


def _together(wanted: Any, found: Any) -> Any:  # noqa: ANN401 - JSON
    """Return the wanted items, and behind them the found ones that are not among them by name (or value)."""
    ours = wanted if isinstance(wanted, list) else []
    names = {_name(item) for item in ours}
    return [*ours, *(item for item in (found if isinstance(found, list) else ()) if _name(item) not in names)]


def _name(item: Any) -> str:  # noqa: ANN401 - JSON
    named = (item.get("name") or item.get("category") or item.get("id") or item) if isinstance(item, Mapping) else item
    return str(named).lower()

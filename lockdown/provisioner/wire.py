"""From a typed model of one of Azure's packages to the JSON that goes over the wire."""

from __future__ import annotations

from typing import Any, cast

from lockdown.provisioner.graph import Body


def wire(model: Any) -> Body:  # noqa: ANN401 - models of several generations share no type
    """Return the body that a model stands for, without what is not given.

    Old models (authorization, applicationinsights, monitor) write the wire's names with ``serialize``; their
    ``as_dict`` would write Python's. New ones have ``as_dict`` alone.
    """
    body = model.serialize() if hasattr(model, "serialize") else model.as_dict()
    return cast("Body", _given(body))


def _given(value: Any) -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, dict):
        return {name: _given(item) for name, item in value.items() if item is not None}
    return [_given(item) for item in value] if isinstance(value, list) else value

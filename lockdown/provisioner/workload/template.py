"""Fills the templates of provision/workload/ in. Pure.

A template is read as YAML first and filled in after, leaf by leaf: a value can never become a key, a line or another
object. ``%{name}`` stands for a value, ``%{file:path}`` for the text of a file of that folder, filled in likewise.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import Any

import yaml

from lockdown.data import tree

_PLACE = re.compile(r"%\{(file:)?([A-Za-z0-9:_./-]+)\}")
_DIGITS = 12
_ROOT = "workload"

Manifest = dict[str, Any]
"""An object of Kubernetes."""


class TemplateError(Exception):
    """A template asks for what there is not: a mistake in lockdown, not of its user."""


def text(path: str, values: Mapping[str, str]) -> str:
    """Return a file of provision/workload/, filled in.

    Raises:
        TemplateError: it asks for a value that there is not.
    """
    return _filled((tree("provision") / _ROOT / path).read_text(encoding="utf-8"), values)


def manifests(path: str, values: Mapping[str, str]) -> Iterator[Manifest]:
    """Yield the objects of a file of manifests, filled in.

    Raises:
        TemplateError: it asks for a value that there is not.
    """
    for document in yaml.safe_load_all((tree("provision") / _ROOT / path).read_text(encoding="utf-8")):
        if document is not None:
            yield _leaves(document, values)


def digest(*texts: str) -> str:
    """Return the digits by which a configuration is named."""
    return sha256("\0".join(texts).encode()).hexdigest()[:_DIGITS]


def _leaves(value: Any, values: Mapping[str, str]) -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, dict):
        return {key: _leaves(item, values) for key, item in value.items()}
    if isinstance(value, list):
        return [_leaves(item, values) for item in value]
    return _filled(value, values) if isinstance(value, str) else value


def _filled(template: str, values: Mapping[str, str]) -> str:
    def found(place: re.Match[str]) -> str:
        if place[1]:
            return text(place[2], values)
        if place[2] not in values:
            raise TemplateError(f"there is no value {place[2]}")
        return values[place[2]]

    return _PLACE.sub(found, template)

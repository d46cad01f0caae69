"""The property names of resource types, as the models of Azure's own libraries have them, kept as data.

Each file describes models: a property is ``string``, ``boolean``, ``integer``, ``object`` (an object of any members),
``any``, the name of another model, or a list of one of these. ``$computed`` names what only the service writes.
"""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from lockdown.sandbox.kind import Shape

FOLDER = Path(__file__).parent
_WORDS: Mapping[str, Any] = {"string": str, "boolean": bool, "integer": int, "object": dict, "any": None}
_CHILD = frozenset({"id", "name", "properties"})
_ENVELOPE = ("etag", "type", "location", "tags", "zones")


def shape(file: str, model: str) -> Shape:
    """Return the shape of a model. Models that contain each other are as deep as what is looked at."""
    return _models(file)[model]


def computed(file: str, model: str) -> frozenset[str]:
    """Return the properties of a model that only the service writes."""
    return frozenset(_described(file)[model].get("$computed", ()))


@cache
def _described(file: str) -> Mapping[str, Mapping[str, Any]]:
    found: Mapping[str, Mapping[str, Any]] = json.loads((FOLDER / f"{file}.json").read_text("utf-8"))
    return found


@cache
def _models(file: str) -> Mapping[str, Shape]:
    described = _described(file)
    models: dict[str, dict[str, Any]] = {name: {} for name in described}
    for name, members in described.items():
        models[name].update({key: _one(word, models) for key, word in members.items() if key != "$computed"})
        if models[name].keys() >= _CHILD:
            # A client writes back what it read, and a reader is shown more than a model says.
            models[name] |= {key: None for key in _ENVELOPE if key not in models[name]}
    return models


def _one(word: Any, models: Mapping[str, Shape]) -> Any:  # noqa: ANN401  # a word of the file, or a list of one
    if isinstance(word, list):
        return [_one(word[0], models)]
    return _WORDS[word] if word in _WORDS else models[word]

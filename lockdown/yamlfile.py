"""Strict YAML into a pydantic model, with errors that name file, line and key."""

from __future__ import annotations

from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from lockdown.errors import UsageError

MAX_BYTES = 1024 * 1024
_LOADER: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml's where PyYAML was built with it: ten times as fast, and a run reads two hundred files."""

Model = TypeVar("Model", bound=BaseModel)
Path = tuple[str | int, ...]


def load(name: str, data: bytes, model: type[Model]) -> Model:
    """Return the YAML document ``data`` as ``model``; ``name`` is what errors call the file.

    Raises:
        UsageError: not YAML, a key given twice, an anchor or alias, or not what ``model`` accepts; every error of the
            file stands in the message, each as ``name, line N: key: what is wrong``.
    """
    value, lines = parse(name, data)
    try:
        return model.model_validate(value)
    except ValidationError as error:
        problems = [_problem(name, lines, tuple(e["loc"]), e["msg"]) for e in error.errors(include_url=False)]
        raise UsageError("\n".join(problems)) from error


def parse(name: str, data: bytes) -> tuple[Any, dict[Path, int]]:
    """Return the value of a YAML document and the 1-based line of each path in it.

    Raises:
        UsageError: as ``load``.
    """
    if len(data) > MAX_BYTES:
        raise UsageError(f"{name} is {len(data)} bytes long; at most {MAX_BYTES} are accepted.")
    lines: dict[Path, int] = {(): 1}
    try:
        loader = _LOADER(data)
        try:
            for event in yaml.parse(data, Loader=_LOADER):
                if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
                    raise UsageError(f"{name}, line {_line(event.start_mark)}: anchors and aliases are not accepted.")
            node = loader.get_single_node()
            return (None if node is None else _value(name, loader, node, (), lines)), lines
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        raise UsageError(f"{name}, line {_line(error.problem_mark)}: not YAML: {error.problem}.") from error
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise UsageError(f"{name} is not YAML: {error}.") from error


def _value(name: str, loader: yaml.SafeLoader, node: yaml.Node, at: Path, lines: dict[Path, int]) -> Any:  # noqa: ANN401
    lines[at] = _line(node.start_mark)
    if isinstance(node, yaml.MappingNode):
        found: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            key = loader.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                raise UsageError(f"{name}, line {_line(key_node.start_mark)}: the key {key!r} is not a text.")
            if key in found:
                raise UsageError(f"{name}, line {_line(key_node.start_mark)}: {key}: given twice.")
            found[key] = _value(name, loader, value_node, (*at, key), lines)
            lines[*at, key] = _line(key_node.start_mark)
        return found
    if isinstance(node, yaml.SequenceNode):
        return [_value(name, loader, item, (*at, index), lines) for index, item in enumerate(node.value)]
    try:
        return loader.construct_object(node, deep=True)
    except ValueError as error:
        raise UsageError(f"{name}, line {_line(node.start_mark)}: {node.value}: {error}.") from error


def _problem(name: str, lines: dict[Path, int], where: Path, message: str) -> str:
    at = where
    while at and at not in lines:
        at = at[:-1]
    key = ".".join(str(step) for step in where) or "the file"
    return f"{name}, line {lines.get(at, 1)}: {key}: {message[0].lower()}{message[1:]}."


def _line(mark: Any) -> int:  # noqa: ANN401 - the parser has two mark types
    return int(mark.line) + 1 if mark else 1

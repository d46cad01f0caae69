"""Strict YAML into a pydantic model, with errors that name file, line and key."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError

from lockdown.errors import UsageError

MAX_BYTES = 1024 * 1024
_LOADER: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml's where PyYAML was built with it: ten times as fast, and a run reads two hundred files."""

Model = TypeVar("Model", bound=BaseModel)
Path = tuple[str | int, ...]


def load(name: str, data: bytes, model: type[Model], patterns: Mapping[str, str] = MappingProxyType({})) -> Model:
    """Return the YAML document ``data`` as ``model``.

    Args:
        name: what errors call the file.
        data: its content.
        model: what it must be.
        patterns: what a person is told instead of a regular expression that a text does not match.

    Raises:
        UsageError: not YAML, a key given twice, an anchor or alias, or not what ``model`` accepts; every error of the
            file stands in the message, each as ``name, line N: key: what is wrong``.
    """
    value, lines = parse(name, data)
    try:
        return model.model_validate(value)
    except ValidationError as error:
        found = [dict(one) for one in error.errors(include_url=False)]
        problems = [line for one in found for line in _problems(name, lines, one, model, patterns)]
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


def _problems(
    name: str, lines: dict[Path, int], error: Mapping[str, Any], model: type[BaseModel], patterns: Mapping[str, str]
) -> Iterator[str]:
    """Yield a line for each thing that is wrong; what is wrong with the file as a whole may be many."""
    where, message = tuple(error["loc"]), str(error["msg"])
    if error["type"] == "model_type":
        message = "keys with values are wanted here"
    elif error["type"] == "extra_forbidden":
        message += _meant(where, model)
    elif error["type"] == "string_pattern_mismatch":
        message = patterns.get(str(error["ctx"]["pattern"]), message)
    elif error["type"] == "value_error" and not where:
        for each in message.removeprefix("Value error, ").splitlines():
            yield f"{name}: {each}."
        return
    at = where
    while at and at not in lines:
        at = at[:-1]
    key = ".".join(str(step) for step in where) or "the file"
    yield f"{name}, line {lines.get(at, 1)}: {key}: {message[0].lower()}{message[1:]}."


def _meant(where: Path, model: type[BaseModel]) -> str:
    """Return the key that somebody may have meant, as the end of a sentence."""
    found: type[BaseModel] | None = model
    for step in where[:-1]:
        if found is not None and not isinstance(step, int):
            found = _model_of(found, step)
    names = [field.alias or name for name, field in found.model_fields.items()] if found else []
    close = get_close_matches(str(where[-1]), names, n=1)
    return f"; did you mean {close[0]}" if close else ""


def _model_of(model: type[BaseModel], key: str) -> type[BaseModel] | None:
    """Return the model of what stands under a key, if it is one, or a list of one."""
    field = next((field for name, field in model.model_fields.items() if key in (name, field.alias)), None)
    kinds: list[Any] = [field.annotation] if field else []
    while kinds:
        kind = kinds.pop()
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            return kind
        kinds += get_args(kind)
    return None


def _line(mark: Any) -> int:  # noqa: ANN401 - the parser has two mark types
    return int(mark.line) + 1 if mark else 1

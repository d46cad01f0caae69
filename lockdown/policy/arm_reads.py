"""arm-reads.yaml: what is read from Azure Resource Manager because Resource Graph lacks it, and which policies ask."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from lockdown import yamlfile
from lockdown.errors import UsageError
from lockdown.model import ArmRead, Child, Policy
from lockdown.policy.schema import ArmType, Strict
from lockdown.snapshot.store import SUBSCRIPTION
from lockdown.snapshot.tables import ARM_TABLE, READS

FILE = "arm-reads.yaml"
APPLIES_TO = "applies_to"

_STEP = r"[A-Za-z0-9.]*[A-Za-z0-9]"
_PATH = re.compile(rf"(\{{parent\}}|/subscriptions/\{{subscription\}})(/({_STEP}|\{{location\}}))+")
_CHILD = re.compile(rf"{_STEP}(/{_STEP})*")
_VERSION = re.compile(r"\d{4}-\d{2}-\d{2}(-preview)?")
_PROPERTY = re.compile(r"properties(\.[A-Za-z0-9_]+)+")
_MEMBER = re.compile(r"[A-Za-z0-9_]+")
_PARAMETER = re.compile(r"\$[a-z]+")
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_MOMENTS = frozenset({"since", "until"})
_CONTAINERS = frozenset({SUBSCRIPTION, "microsoft.resources/subscriptions/resourcegroups"})


def parse(name: str, content: bytes | None) -> Mapping[str, ArmRead]:
    """Return what arm-reads.yaml says can be read, by lower-case type; ``name`` is what errors call the file.

    Raises:
        UsageError: it is missing or wrong; the message names file, line and key of every problem.
    """
    if content is None:
        raise UsageError(f"{name} is missing: nothing would say what is read from Azure Resource Manager.")
    listed = yamlfile.load(name, content, _File).reads
    _, lines = yamlfile.parse(name, content)
    found: dict[str, ArmRead] = {}
    problems = []
    for index, item in enumerate(listed):
        if item.type in found:
            problems.append(f"{name}, line {lines['reads', index, 'type']}: reads.{index}.type: {item.type} twice.")
        found[item.type] = _as_read(item)
    if problems:
        raise UsageError("\n".join(problems))
    return MappingProxyType(found)


def wanted(known: Mapping[str, ArmRead], policies: Iterable[Policy]) -> tuple[ArmRead, ...]:
    """Return what ``policies`` ask for, each with the types of its parents."""
    parents: dict[str, set[str]] = {}
    for policy in policies:
        for kind in policy.reads.get(ARM_TABLE, ()):
            if kind in known:
                parents.setdefault(kind, set()).update(known[kind].parents or policy.applies_to)
    return tuple(replace(known[kind], parents=tuple(sorted(types))) for kind, types in sorted(parents.items()))


def problems(shown: Callable[[str], str], policies: Iterable[Policy], known: Mapping[str, ArmRead]) -> list[str]:
    """Return what policies ask for in vain, with file and line; ``shown`` gives what messages call a file."""
    found = []
    for policy in policies:
        file = shown(f"{policy.theme}/{policy.id}/policy.yaml")
        told = tuple(_in_vain(policy, known))
        lines = yamlfile.parse(file, policy.files["policy.yaml"])[1] if told else {}
        line = lines.get(("reads", ARM_TABLE), 1)
        found += [f"{file}, line {line}: reads.{ARM_TABLE}: {message}." for message in told]
    return found


def _in_vain(policy: Policy, known: Mapping[str, ArmRead]) -> Iterator[str]:
    if ARM_TABLE not in policy.reads:
        return
    types = policy.reads[ARM_TABLE]
    if not types:
        yield f"name the types: [] reads nothing of {ARM_TABLE}"
        return
    if READS not in types:
        yield f"list {READS} too: without it, what could not be read cannot be told from what is not there"
    for kind in types:
        if kind == READS:
            continue
        if kind not in known:
            yield f"{FILE} does not say how to read {kind}"
            continue
        for parent in known[kind].parents or policy.applies_to:
            table = "resourcecontainers" if parent in _CONTAINERS else "resources"
            collected = policy.reads.get(table)
            if collected is None or (collected and parent not in collected):
                yield f"{kind} is read of {parent}, which reads does not list for {table}"


def _as_read(item: _Read) -> ArmRead:
    parents = {APPLIES_TO: (), "subscription": (SUBSCRIPTION,)}.get(item.of, (item.of,))
    return ArmRead(
        type=item.type,
        parents=parents,
        path=item.path,
        api_version=item.api_version,
        listed=item.form == "list",
        whole=item.whole,
        key=item.key,
        query=MappingProxyType(dict(item.query)),
        needs=_steps(item.needs),
        children=MappingProxyType(
            {
                parent: tuple(Child(child.path, _steps(child.needs)) for child in children)
                for parent, children in item.children.items()
            }
        ),
    )


def _steps(path: str) -> tuple[str, ...]:
    return tuple(path.split(".")) if path else ()


def _own(text: str) -> str:
    if text == READS:
        raise ValueError(f"{READS} are lockdown's own rows")
    return text


def _of(text: str) -> str:
    if text in {APPLIES_TO, "subscription"}:
        return text
    if "/" not in text or "." not in text:
        raise ValueError(
            f"{text!r} is none of {APPLIES_TO}, subscription, or a type such as Microsoft.Batch/batchAccounts"
        )
    return text.lower()


def _path(text: str) -> str:
    if not _PATH.fullmatch(text):
        raise ValueError(
            f"{text!r} is not a path that begins with {{parent}} or /subscriptions/{{subscription}}; of other "
            "placeholders it may have {location}"
        )
    return text


def _child(text: str) -> str:
    if not _CHILD.fullmatch(text):
        raise ValueError(f"{text!r} is not the path of a child such as blobServices/default")
    return text


def _version(text: str) -> str:
    if not _VERSION.fullmatch(text):
        raise ValueError(f"{text!r} is not an api-version such as 2024-01-01 or 2024-01-01-preview")
    return text


def _property(text: str) -> str:
    if not _PROPERTY.fullmatch(text):
        raise ValueError(f"{text!r} is not a property path such as properties.primaryEndpoints.blob")
    return text


def _member(text: str) -> str:
    if not _MEMBER.fullmatch(text):
        raise ValueError(f"{text!r} is not the name of a member")
    return text


def _parameter(text: str) -> str:
    if not _PARAMETER.fullmatch(text):
        raise ValueError(f"{text!r} is not a parameter such as $filter")
    return text


def _value(text: str) -> str:
    unknown = sorted(set(_PLACEHOLDER.findall(text)) - _MOMENTS)
    if unknown:
        raise ValueError(f"unknown placeholder {{{unknown[0]}}}; known: {{since}} {{until}}")
    return text


_Query = dict[Annotated[str, AfterValidator(_parameter)], Annotated[str, AfterValidator(_value)]]


class _Child(Strict):
    path: Annotated[str, AfterValidator(_child)]
    needs: Annotated[str, AfterValidator(_property)] | Literal[""] = ""


class _Read(Strict):
    type: Annotated[ArmType, AfterValidator(_own)]
    of: Annotated[str, AfterValidator(_of)]
    path: Annotated[str, AfterValidator(_path)]
    form: Literal["list", "one"]
    api_version: Annotated[str, AfterValidator(_version)]
    whole: bool = False
    key: Annotated[str, AfterValidator(_member)] | Literal[""] = ""
    query: _Query = Field(default_factory=dict)
    needs: Annotated[str, AfterValidator(_property)] | Literal[""] = ""
    children: dict[ArmType, Annotated[tuple[_Child, ...], Field(min_length=1)]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _fits(self) -> _Read:
        if bool(self.key) != (self.whole and self.form == "list"):
            raise ValueError("key belongs to a list of whole answers, and only to it")
        if "{parent}" not in self.path and not self.whole:
            raise ValueError("items of a path without {parent} would stand for several parents: they must be whole")
        return self


class _File(Strict):
    reads: tuple[_Read, ...]

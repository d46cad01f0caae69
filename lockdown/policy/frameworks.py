"""Frameworks: which requirements exist, and which of them a policy speaks to.

Policies claim ids of a framework that lists its controls itself (NIST SP 800-53 Rev. 5, HIPAA, HITRUST). A baseline
(FedRAMP Moderate, Rev. 5) derives from one: a claim counts for it if the baseline keeps that control.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from lockdown import yamlfile
from lockdown.errors import UsageError
from lockdown.model import Control, Policy
from lockdown.policy.schema import BaselineFile, FrameworkFile, Requirement


@dataclass(frozen=True)
class Framework:
    """A set of requirements.

    Attributes:
        source: the document and revision that the ids come from.
        whole: whether every control of it is listed, so that what nothing assesses can be told.
        derives_from: the framework whose controls a baseline selects; None for one that stands alone.
        controls: control id to its requirement, in the order of the file.
    """

    id: str
    title: str
    source: str
    whole: bool
    derives_from: str | None
    controls: Mapping[str, Requirement]


def parse(files: Mapping[str, bytes]) -> dict[str, Framework]:
    """Return the frameworks in ``files`` (a name that errors show, and the bytes) by id.

    Raises:
        UsageError: a file is wrong, an id differs from its file's name, or a baseline lists a control that the
            framework it derives from lacks; every problem stands in the message.
    """
    problems: list[str] = []
    frameworks: dict[str, Framework] = {}
    baselines: dict[str, BaselineFile] = {}
    for name, content in sorted(files.items()):
        try:
            found = _file(name, content)
        except UsageError as error:
            problems.append(error.message)
            continue
        if isinstance(found, BaselineFile):
            baselines[name] = found
        else:
            controls = MappingProxyType(dict(found.controls))
            frameworks[found.id] = Framework(found.id, found.title, found.source, found.whole, None, controls)
    standing = dict(frameworks)
    for name, baseline in baselines.items():
        parent = standing.get(baseline.derives_from)
        if parent is None:
            problems.append(f"{name}: derives_from: no framework {baseline.derives_from!r} lists its own controls.")
            continue
        missing = [control for control in baseline.controls if control not in parent.controls]
        problems += [f"{name}: controls: {parent.id} has no control {control!r}." for control in missing]
        kept = {control: parent.controls[control] for control in baseline.controls if control in parent.controls}
        frameworks[baseline.id] = Framework(
            baseline.id, baseline.title, baseline.source, baseline.whole, parent.id, MappingProxyType(kept)
        )
    if problems:
        raise UsageError("\n".join(problems))
    return dict(sorted(frameworks.items()))


def controls_of(policy: Policy, framework_id: str, frameworks: Mapping[str, Framework]) -> tuple[Control, ...]:
    """Return the controls of one framework that ``policy`` speaks to, derived ones included.

    Raises:
        UsageError: there is no such framework.
    """
    framework = frameworks.get(framework_id)
    if framework is None:
        raise UsageError(f"There is no framework {framework_id!r}.", f"Known: {', '.join(frameworks)}.")
    origin = framework.derives_from or framework.id
    return tuple(
        Control(framework.id, control.id, control.basis)
        for control in policy.controls
        if control.framework == origin and control.id in framework.controls
    )


def as_recorded(frameworks: Mapping[str, Framework]) -> list[dict[str, Any]]:
    """Return the frameworks as a run records them: a baseline by ids alone, what is empty left out."""
    return [
        {
            "id": framework.id,
            "title": framework.title,
            "source": framework.source,
            "whole": framework.whole,
            **({"derivesFrom": framework.derives_from} if framework.derives_from else {}),
            "controls": [
                {"id": control, **({} if framework.derives_from else _stated(requirement))}
                for control, requirement in framework.controls.items()
            ],
        }
        for framework in frameworks.values()
    ]


def _stated(requirement: Requirement) -> dict[str, str]:
    return {name: text for name, text in requirement.model_dump().items() if text}


def _file(name: str, content: bytes) -> FrameworkFile | BaselineFile:
    value, lines = yamlfile.parse(name, content)
    derived = isinstance(value, dict) and "derives_from" in value
    found = yamlfile.load(name, content, BaselineFile) if derived else yamlfile.load(name, content, FrameworkFile)
    stem = name.rsplit("/", 1)[-1].removesuffix(".yaml")
    if found.id != stem:
        raise UsageError(f"{name}, line {lines['id',]}: id: {found.id!r} must be {stem!r}, the name of the file.")
    return found

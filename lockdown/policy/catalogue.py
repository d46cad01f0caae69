"""The catalogue page: every policy of a set on one page of Markdown, one anchor each."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby

from lockdown.model import Policy
from lockdown.policy.assessed import by_control
from lockdown.policy.frameworks import Framework, controls_of
from lockdown.policy.lint import runs_in
from lockdown.policy.load import PolicySet

BASIS = {
    "microsoft": "mapped by Microsoft",
    "microsoft_r5_1_1": "mapped by Microsoft in its initiative for Rev. 5.1.1",
    "project": "claimed by this project",
}
_SPECIAL = re.compile(r"([\\`*_\[\]|<>&#])")
_RUNS = {
    frozenset({"snapshot"}): "the snapshot engine only",
    frozenset({"snapshot", "resource-graph"}): "the snapshot engine and Resource Graph",
}


def render(found: PolicySet) -> str:
    """Return the page for a policy set."""
    return "\n".join((*_opening(found), *_frameworks(found), *_themes(found)))


def _opening(found: PolicySet) -> Iterator[str]:
    yield "# Policy catalogue"
    yield ""
    yield "Written by `lockdown policies catalogue` from the policies themselves; a check fails when it is stale."
    yield ""
    yield f"{len(found.policies)} policies. Each heading is an anchor: `#` and the id."
    yield ""
    yield "| theme | policies |"
    yield "|---|---|"
    for theme, policies in _by_theme(found):
        yield f"| {_text(theme)} | {', '.join(f'[{_text(p.id)}](#{p.id})' for p in policies)} |"
    yield ""


def _frameworks(found: PolicySet) -> Iterator[str]:
    yield "## Frameworks"
    yield ""
    yield "A control that no policy speaks to is not assessed by lockdown, and never green."
    yield ""
    yield "| framework | controls | assessed | not assessed |"
    yield "|---|---|---|---|"
    for framework in found.frameworks.values():
        controls = by_control(found.policies, framework.id, found.frameworks)
        assessed = sum(1 for control in controls if control.policies)
        yield f"| {_text(framework.title)} | {len(controls)} | {assessed} | {len(controls) - assessed} |"
    yield ""
    for framework in found.frameworks.values():
        yield from _framework(found, framework)


def _framework(found: PolicySet, framework: Framework) -> Iterator[str]:
    yield f"### {_text(framework.title)}"
    yield ""
    yield f"Source: {_text(framework.source)}"
    yield ""
    if framework.derives_from:
        origin = found.frameworks[framework.derives_from]
        yield f"Claims of {_text(origin.title)} count here where this baseline keeps the control."
        yield ""
        return
    claimed = [
        (control, policies)
        for control in by_control(found.policies, framework.id, found.frameworks)
        if (policies := [policy for policy, basis in control.policies if basis == "project"])
    ]
    if claimed:
        yield "What this project claims itself, and how far each claim goes:"
        yield ""
    for control, policies in claimed:
        links = ", ".join(f"[{_text(policy.id)}](#{policy.id})" for policy in policies)
        reasoning = _text(control.requirement.claimed)
        yield f"- **{_text(control.id)}** {_text(control.requirement.title)}. {reasoning} {links}"
    if claimed:
        yield ""


def _themes(found: PolicySet) -> Iterator[str]:
    for theme, policies in _by_theme(found):
        yield f"## {_text(theme)}"
        yield ""
        for policy in policies:
            yield from _policy(found, policy)


def _policy(found: PolicySet, policy: Policy) -> Iterator[str]:
    yield f"### {policy.id}"
    yield ""
    yield f"**{_text(policy.title)}.** {policy.severity.value.capitalize()}."
    yield ""
    yield f"Why: {_text(policy.rationale)}"
    yield ""
    yield f"Fix: {_text(policy.remediation)}"
    yield ""
    if policy.command:
        yield f"    {policy.command}"
        yield ""
    yield f"- Judges {_types(policy.applies_to)}; runs in {_RUNS[runs_in(policy)]}."
    for table, types in policy.reads.items():
        yield f"- Reads `{table}`: {_types(types) or 'all rows'}."
    for framework in found.frameworks.values():
        claims: dict[str, list[str]] = {}
        for claim in controls_of(policy, framework.id, found.frameworks):
            claims.setdefault(claim.basis, []).append(claim.id)
        if claims:
            told = "; ".join(f"{_text(', '.join(ids))} ({BASIS[basis]})" for basis, ids in claims.items())
            yield f"- {_text(framework.title)}: {told}."
    for built_in in policy.built_ins:
        differs = f" Differs: {_text(built_in.differs)}" if built_in.differs else ""
        yield f"- Azure Policy: {_text(built_in.name)} (`{built_in.guid}`).{differs}"
    for path, reason in policy.absent_passes.items():
        yield f"- Passes where `{path}` is absent: {_text(reason)}"
    yield ""


def _by_theme(found: PolicySet) -> Iterator[tuple[str, list[Policy]]]:
    ordered = sorted(found.policies, key=lambda policy: (policy.theme, policy.id))
    return ((theme, list(policies)) for theme, policies in groupby(ordered, key=lambda policy: policy.theme))


def _types(types: tuple[str, ...]) -> str:
    return ", ".join(f"`{kind}`" for kind in types)


def _text(text: str) -> str:
    """Return text of a policy set, which may be hostile, as Markdown that says no more than the text."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))

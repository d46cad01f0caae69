"""A new policy to start from: three files that load, lint clean and pass, about a property that its author replaces."""

from __future__ import annotations

from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from lockdown.errors import UsageError
from lockdown.policy.schema import ArmType, PolicyId

_SUBSCRIPTION = "00000000-0000-4000-8000-000000000001"

_POLICY = """\
id: {id}
title: Say in one sentence what must hold
severity: medium            # critical, high, medium or low
applies_to:
  - {type}
reads:                      # table -> types; nothing else is there when the query runs
  resources:
    - {type}
controls:                   # framework -> who says so -> ids; policies/frameworks/ lists what exists
  nist-800-53-r5:
    project: [CM-6]
rationale: >-
  Say in a few plain sentences why it matters, and what somebody could do if it did not hold.
remediation:
  text: >-
    Say what to do, and what to make sure of before.
  command: az resource show --ids {{resource}}
azure_policy: []            # the built-in that checks the same: guid, name, and where and why the verdict differs
absent_passes: {{}}           # property path: the documented default, where an absent property passes
"""

_QUERY = """\
resources
| where type =~ '{lower}'
| extend access = tostring(properties.publicNetworkAccess)
| project
    id,
    part = '',
    verdict = iff(access =~ 'Disabled', 'pass', 'fail'),
    reason = case(
        access =~ 'Disabled', 'Public network access is disabled.',
        access == '', 'Public network access is not set, which means enabled.',
        strcat('Public network access is ', access, ', not Disabled.')),
    expected = 'publicNetworkAccess: Disabled',
    observed = strcat('publicNetworkAccess: ', iff(access == '', 'absent', access))
"""

_CASE = """\
- name: {name}
  tables:
    resources:
      - id: {resource}
        type: {lower}
        properties: {properties}
  expect:
    - resource: {resource}
      verdict: {verdict}
      reason: {reason}
"""

_CASES = (
    ("'passes: disabled'", "{publicNetworkAccess: Disabled}", "pass", "is disabled"),
    ("'fails: enabled'", "{publicNetworkAccess: Enabled}", "fail", "not Disabled"),
    ("absent means enabled", "{}", "fail", "not set"),
    ("null means enabled", "{publicNetworkAccess: null}", "fail", "not set"),
    ("another casing of the value passes", "{publicNetworkAccess: disabled}", "pass", "is disabled"),
)


def write(root: Path, theme: str, policy: str, kind: str) -> Path:
    """Write a new policy into ``root`` and return its folder.

    Args:
        root: the folder of a policy set; it is made if it is not there.
        theme: the folder of the policy below it.
        policy: the id.
        kind: the resource type that it judges.

    Raises:
        UsageError: a name is none, or the policy is there already; nothing was written.
    """
    try:
        for name in (theme, policy):
            TypeAdapter(PolicyId).validate_python(name)
        TypeAdapter(ArmType).validate_python(kind)
    except ValidationError as error:
        raise UsageError(f"{error.errors()[0]['msg'].removeprefix('Value error, ')}.") from error
    folder = root / theme / policy
    provider, *steps = kind.split("/")
    resource = f"/subscriptions/{_SUBSCRIPTION}/resourceGroups/rg/providers/{provider}" + "".join(
        f"/{step}/name{number}" for number, step in enumerate(steps)
    )
    cases = "\n".join(
        _CASE.format(
            name=name, resource=resource, lower=kind.lower(), properties=properties, verdict=verdict, reason=reason
        )
        for name, properties, verdict, reason in _CASES
    )
    try:
        folder.mkdir(parents=True)
        (folder / "policy.yaml").write_text(_POLICY.format(id=policy, type=kind), "utf-8")
        (folder / "query.kql").write_text(_QUERY.format(lower=kind.lower()), "utf-8")
        (folder / "cases.yaml").write_text(cases, "utf-8")
    except FileExistsError:
        raise UsageError(f"{folder} is there already.", "Choose another id, or change that policy.") from None
    except OSError as error:
        raise UsageError(f"{folder} cannot be written: {error.strerror}.", "Name another folder with --dir.") from error
    return folder

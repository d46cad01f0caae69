"""Waiver entries for the failures of a run, ready for lockdown.yaml but for what a person must add: an owner."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, timedelta

import yaml

from lockdown.config import LONGEST_WAIVER
from lockdown.errors import UsageError
from lockdown.record import Record
from lockdown.report.visible import visible

_HEAD = """\
# Waivers accept a failure until a day; they never make a pass. Each needs an owner, one who answers for it, and is
# refused while the owner is empty, or when it would hold for more than {longest} days. Check each reason: it is yours.
"""


def render(record: Record, policies: Collection[str], today: date, days: int) -> str:
    """Return YAML for ``waivers:`` of lockdown.yaml: one entry for each policy and reason that fails without a waiver.

    Args:
        record: the run.
        policies: only these policies; empty means every policy that fails.
        today: the day from which ``days`` count.
        days: how long the waivers shall hold.

    Raises:
        UsageError: ``days`` is out of range, or a named policy is none of the run's.
    """
    if not 1 <= days <= LONGEST_WAIVER.days:
        raise UsageError(f"A waiver holds for 1 to {LONGEST_WAIVER.days} days, not {days}.", "Choose --days.")
    unknown = sorted(set(policies) - {policy["id"] for policy in record.policies})
    if unknown:
        raise UsageError(f"The run has no policy {unknown[0]!r}.", "`lockdown policies list` shows all.")
    failing: dict[tuple[str, str], list[str]] = {}
    for result in record.results():
        wanted = not policies or result["policy"] in policies
        if wanted and result["verdict"] == "fail" and not result.get("waiver"):
            resources = failing.setdefault((result["policy"], result["reason"]), [])
            if result["resource"] not in resources:
                resources.append(result["resource"])
    entries = [
        {
            "policy": policy,
            "resources": resources,
            "reason": visible(reason),
            "owner": "",
            "expires": today + timedelta(days=days),
        }
        for (policy, reason), resources in failing.items()
    ]
    written = yaml.safe_dump({"waivers": entries}, sort_keys=False, width=116)
    return _HEAD.format(longest=LONGEST_WAIVER.days) + written

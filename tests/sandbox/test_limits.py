"""What is said of a subscription when a sandbox starts is something that it knows."""

from __future__ import annotations

from typing import Any

import pytest

from lockdown.errors import UsageError
from lockdown.sandbox.server import Sandbox


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"limits": {"coers": 4}}, "no limit 'coers'"),
        ({"limits": {"cores": -1}}, "is -1"),
        ({"unregistered": ["Microsoft.Nope"]}, "no resource provider 'microsoft.nope'"),
        ({"denied_types": ["Microsoft.Storage"]}, "no resource type"),
        ({"denied_types": ["Microsoft.Nope/things"]}, "no resource type"),
        ({"cloud": "AzureChinaCloud"}, "cannot be like 'AzureChinaCloud'"),
    ],
)
def test_a_name_that_nothing_goes_by_is_refused(given: dict[str, Any], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        Sandbox("empty", **given)


def test_names_that_something_goes_by() -> None:
    limits = {"cores": 0, "batch-jobs": 1, "Standard_D4s_v5": 0, "standardDSv5Family": 8}
    Sandbox(
        "empty", limits=limits, unregistered=["*", "Microsoft.Batch"], denied_types=["microsoft.batch/batchAccounts"]
    )

"""``empty``: one subscription, with what Azure itself says of each and nothing else."""

import re
from collections.abc import Mapping

from lockdown.errors import UsageError
from lockdown.sandbox.scenarios.arm.defender import accounts, plans
from lockdown.sandbox.scenarios.config import lockdown_yaml
from lockdown.sandbox.scenarios.identifiers import guid
from lockdown.sandbox.scenarios.scenario import Scenario

OPTIONS: Mapping[str, str] = {"subscription": "the id of the subscription"}
_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def build(tenant: str, options: Mapping[str, str]) -> Scenario:
    """Return the scenario.

    Raises:
        UsageError: the subscription's id is no GUID.
    """
    subscription = _guid(options["subscription"]) if "subscription" in options else guid("empty", tenant)
    documents = (*plans(subscription), *accounts(subscription))
    return Scenario(((subscription, "Empty"),), documents, lockdown_yaml([subscription]))


def _guid(text: str) -> str:
    found = text.lower()
    if not _GUID.fullmatch(found):
        raise UsageError(f"A subscription's id is a GUID, not {text!r}.", "Leave the option out to get one.")
    return found

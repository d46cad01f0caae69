"""``empty``: one subscription, with what Azure itself says of each and nothing else."""

from collections.abc import Mapping

from lockdown.sandbox.scenarios.arm.defender import accounts, plans
from lockdown.sandbox.scenarios.config import lockdown_yaml
from lockdown.sandbox.scenarios.identifiers import guid
from lockdown.sandbox.scenarios.scenario import Scenario

OPTIONS: Mapping[str, str] = {}


def build(tenant: str, options: Mapping[str, str]) -> Scenario:  # noqa: ARG001  # every scenario is built alike
    """Return the scenario."""
    subscription = guid("empty", tenant)
    documents = (*plans(subscription), *accounts(subscription))
    return Scenario(((subscription, "Empty"),), documents, lockdown_yaml([subscription]))

"""``empty``: one subscription, nothing in it."""

from collections.abc import Mapping

from lockdown.sandbox.scenarios.config import lockdown_yaml
from lockdown.sandbox.scenarios.identifiers import guid
from lockdown.sandbox.scenarios.scenario import Scenario

OPTIONS: Mapping[str, str] = {}


def build(tenant: str, options: Mapping[str, str]) -> Scenario:  # noqa: ARG001  # every scenario is built alike
    """Return the scenario."""
    subscription = guid("empty", tenant)
    return Scenario(((subscription, "Empty"),), (), lockdown_yaml([subscription]))

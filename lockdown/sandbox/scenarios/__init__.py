"""The environments that a sandbox can start with.

``build`` makes one by name. Every scenario is a function of its name, tenant and options alone: no clock, no
randomness but a seeded one, so that two sandboxes agree on every id.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from lockdown.errors import UsageError
from lockdown.sandbox.scenarios import coa_private, coa_stock, empty, hostile
from lockdown.sandbox.scenarios import tenant as synthetic
from lockdown.sandbox.scenarios.scenario import Document, Scenario

__all__ = ["NAMES", "Document", "Scenario", "build"]


@dataclass(frozen=True)
class _Entry:
    options: Mapping[str, str]
    build: Callable[[str, Mapping[str, str]], Scenario]


_SCENARIOS: Mapping[str, _Entry] = {
    "empty": _Entry(empty.OPTIONS, empty.build),
    "coa-stock": _Entry(coa_stock.OPTIONS, coa_stock.build),
    "coa-private": _Entry(coa_private.OPTIONS, coa_private.build),
    "tenant": _Entry(synthetic.OPTIONS, synthetic.build),
    "hostile": _Entry(hostile.OPTIONS, hostile.build),
}

NAMES = tuple(_SCENARIOS)
"""The names that ``build`` accepts."""


def build(name: str, *, tenant: str, options: Mapping[str, str]) -> Scenario:
    """Return the scenario ``name`` for the Entra tenant ``tenant``.

    Args:
        name: one of ``NAMES``.
        tenant: a GUID; subscriptions and identities belong to it.
        options: texts by option name, as given on a command line; docs/scenarios.md lists them.

    Raises:
        UsageError: no such scenario or option, or an option's value makes no sense.
    """
    entry = _SCENARIOS.get(name)
    if entry is None:
        raise UsageError(f"There is no scenario {name!r}.", f"Choose one of: {', '.join(NAMES)}.")
    for option in options:
        if option not in entry.options:
            known = ", ".join(f"{key} ({text})" for key, text in entry.options.items()) or "none"
            raise UsageError(f"The scenario {name!r} has no option {option!r}.", f"Its options: {known}.")
    return entry.build(tenant, options)

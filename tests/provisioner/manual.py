"""The table of docs/provision.md: each type of resource of coa-private, its steps, and what it is held to.

``python -m tests.provisioner.manual`` writes it anew.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lockdown.data import tree
from lockdown.provisioner.blueprint import build
from lockdown.provisioner.checks import resource_type
from lockdown.provisioner.environment import load
from lockdown.provisioner.graph import Blueprint, Resource
from lockdown.provisioner.site import Site

PAGE = Path(__file__).parents[2] / "docs/provision.md"
BEGIN, END = "<!-- table: python -m tests.provisioner.manual -->", "<!-- end of the table -->"
SUBSCRIPTION, TENANT = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"

# What names, places or sizes a thing, or is text for people: not what it is held to.
_OTHER = re.compile(
    r"(^|\.)(name|location|tags|tenantI[dD]|description|notes|dnsPrefix|count|vmSize|osDiskSizeGB|maxPods|serviceCidr|dnsServiceIP|"
    r"groupShortName|emailAddress|emails|charset|collation|priority|protocol|version|field|equals|principalName|"
    r"administratorLogin|administratorLoginPassword|storageSizeGB|keyname|Application_Type|Flow_Type|Request_Source|"
    r"addressPrefix|addressPrefixes|sourcePortRange|destinationPortRange|destinationAddressPrefix|sourceAddressPrefix|"
    r"subject|family|adminGroupObjectIDs|tenantID|sourceAddresses|targetFqdns|nextHopIpAddress|ruleType|category)(\.|\[|$)"
)


def blueprint() -> Blueprint:
    """Return the blueprint of coa-private."""
    file = Path(str(tree("provision"))) / "environments/coa-private.yaml"
    return build(Site(load(file), SUBSCRIPTION, TENANT))


def table() -> str:
    """Return the table."""
    steps: dict[str, list[Resource]] = {}
    for step in blueprint():
        if isinstance(step, Resource):
            steps.setdefault(resource_type(step.id), []).append(step)
    lines = ["| resource | steps | what it is held to |", "|---|---|---|"]
    for kind, made in sorted(steps.items()):
        lines.append(f"| {kind} | {_keys([step.key for step in made])} | {_held(made)} |")
    return "\n".join(lines)


def written(page: str) -> str:
    """Return the page with the table that the blueprint makes."""
    before, _, rest = page.partition(BEGIN)
    return f"{before}{BEGIN}\n\n{table()}\n\n{END}{rest.partition(END)[2]}"


def _keys(keys: list[str]) -> str:
    """Return the keys; many of a kind as their first part."""
    shown: dict[str, int] = {}
    for key in keys:
        first = key.partition("/")[0]
        many = sum(other.startswith(f"{first}/") for other in keys) > 4
        name = f"{first}/…" if many and "/" in key else key
        shown[name] = shown.get(name, 0) + 1
    return ", ".join(f"`{name}`{f' ({count})' if count > 1 else ''}" for name, count in shown.items())


def _held(steps: list[Resource]) -> str:
    values: dict[str, dict[str, list[str]]] = {}
    for step in steps:
        for path, value in _flat(step.body, ""):
            keys = values.setdefault(path, {}).setdefault(value, [])
            if step.key not in keys:
                keys.append(step.key)
    return "<br>".join(f"`{path.removeprefix('properties.')}` {_alternatives(found)}" for path, found in values.items())


def _alternatives(found: dict[str, list[str]]) -> str:
    if len(found) == 1:
        return next(iter(found))
    return "; ".join(f"{value} (`{'`, `'.join(keys)}`)" for value, keys in found.items())


def _flat(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if path and _OTHER.search(path):
        return
    if isinstance(value, dict):
        for name, item in value.items():
            if name == "securityRules":
                yield f"{path}.{name}", ", ".join(_rule(rule) for rule in item)
            elif not str(name).startswith(("/", "\x02")):
                yield from _flat(item, f"{path}.{name}" if path else str(name))
    elif isinstance(value, list) and any(isinstance(item, dict) for item in value):
        for item in value:
            yield from _flat(item, f"{path}[]")
    elif not _is_reference(value):
        yield path, _shown(value)


def _rule(rule: dict[str, Any]) -> str:
    return f"{rule['properties']['access'].lower()} {rule['name']}"


def _is_reference(value: Any) -> bool:
    if isinstance(value, list):
        return bool(value) and all(map(_is_reference, value))
    return isinstance(value, str) and ("\x02" in value or value.startswith("/"))


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return str(value)


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text("utf-8")), "utf-8")

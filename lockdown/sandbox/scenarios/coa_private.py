"""``coa-private``: the environment of ``coa-stock``, built as an infosec reviewer wants it.

It is what ``lockdown provision`` leaves of ``provision/environments/coa-private.yaml``, with what people and workflows
add to it, saved by ``python -m tests.sandbox.saved``. What Cromwell, TES or Azure do not let us hold is waived in the
scenario's lockdown.yaml.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson

from lockdown.sandbox.scenarios.arm.network import subnets_of
from lockdown.sandbox.scenarios.config import lockdown_yaml
from lockdown.sandbox.scenarios.identifiers import guid
from lockdown.sandbox.scenarios.scenario import Document, Scenario

OPTIONS: Mapping[str, str] = {}

SUBSCRIPTION = guid("coa-private")
"""Its subscription, whatever the tenant: names that are unique in all of Azure follow from it."""

FILE = Path(__file__).with_name("coa_private.json")
TENANT = "{tenant}"
"""What stands in the file for the tenant, which is new at every start of a sandbox."""


def build(tenant: str, options: Mapping[str, str]) -> Scenario:  # noqa: ARG001  # every scenario is built alike
    """Return the scenario."""
    saved = orjson.loads(FILE.read_bytes().replace(TENANT.encode(), tenant.encode()))
    config = lockdown_yaml(
        [SUBSCRIPTION],
        virtual_networks=saved["config"]["virtualNetworks"],
        egress_addresses=saved["config"]["egressAddresses"],
        waivers=tuple(_waivers(saved["config"]["waivers"])),
    )
    documents = tuple(_with_subnets(saved["documents"]))
    return Scenario(((SUBSCRIPTION, "Genomics, locked down"),), documents, config)


def _with_subnets(documents: list[Document]) -> Iterator[Document]:
    """Yield the documents, and each subnet after its network: the file has it in there alone."""
    for document in documents:
        yield document
        if document["type"] == "Microsoft.Network/virtualNetworks":
            yield from subnets_of(document)


def _waivers(saved: list[dict[str, Any]]) -> Iterator[dict[str, object]]:
    """Yield each waiver as lockdown.yaml writes it.

    They hold from now. Nothing else of a scenario has a clock; but lockdown takes no waiver that holds for long, so
    that no fixed day would do.
    """
    today = datetime.now(UTC).date()
    for waiver in saved:
        kept = {name: value for name, value in waiver.items() if name != "days"}
        yield {**kept, "expires": (today + timedelta(days=waiver["days"])).isoformat()}

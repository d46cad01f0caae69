"""What a resource of the map is judged to be; a policy itself says whether its failure is a way in from outside."""

from __future__ import annotations

import json
from pathlib import Path

from lockdown import record, run
from lockdown.policy.load import load
from lockdown.report.standing import standings
from tests.report.conftest import MakeRecord
from tests.report.handmade import GROUP, Json, policy, result

STORE = f"{GROUP}/providers/Microsoft.Storage/storageAccounts/data"


class Quiet:
    def stage(self, text: str) -> None: ...

    def rows(self, table: str, arrived: int, total: int) -> None: ...


def test_only_policies_that_say_so_are_ways_in(make_record: MakeRecord) -> None:
    def outside(*policies: Json) -> bool:
        made = make_record(list(policies), [result("one", STORE, "fail")])
        return standings(made, [STORE])[STORE.lower()].outside

    ours = policy("one", "One", theme="ours", reachability=True)
    assert outside(ours)
    assert not outside(policy("one", "One"), policy("two", "Two", reachability=True))
    assert outside(policy("one", "One")), "a record made before policies said so goes by their themes"
    assert not outside(policy("one", "One", theme="private-endpoint"))


def test_results_of_a_child_count_for_the_nearest_above_it_and_a_waived_one_is_no_way_in(
    make_record: MakeRecord,
) -> None:
    waiver = {"reason": "Because.", "owner": "me", "expires": "2026-01-31"}
    policies = [policy("one", "One", reachability=True), policy("two", "Two", theme="logging")]
    results = [
        result("one", f"{STORE}/blobServices/default", "fail", waiver=waiver),
        result("two", f"{STORE}/blobServices/default", "fail"),
    ]
    found = standings(make_record(policies, results), [STORE])[STORE.lower()]
    assert (found.kind, found.failures, found.outside, found.policy) == ("fail", 1, False, "two")


def test_a_run_carries_it_from_policy_yaml_to_the_map(tmp_path: Path) -> None:
    row = {
        "id": STORE,
        "name": "data",
        "type": "microsoft.storage/storageaccounts",
        "location": "eastus",
        "properties": {"publicNetworkAccess": "Enabled"},
    }
    network = {
        "id": f"{GROUP}/providers/Microsoft.Network/virtualNetworks/vnet",
        "name": "vnet",
        "type": "microsoft.network/virtualnetworks",
        "location": "eastus",
        "properties": {},
    }
    (tmp_path / "rows.json").write_text(json.dumps([row, network]))
    made = run.audit(run.Wanted(snapshot=tmp_path / "rows.json", out=tmp_path / "run"), Quiet())
    listed = {p["id"] for p in record.read(tmp_path / "run/results/results.json").policies if p.get("reachability")}
    assert listed == {p.id for p in load(None).policies if p.reachability}
    assert {"storage-pna-disabled", "vm-no-public-ip", "nsg-no-inbound-internet", "aks-private-cluster"} <= listed
    assert "natgw-egress-documented" not in listed
    assert "OPEN to the outside" in (made.directory / "report/map.svg").read_text()

"""Nights in a row: a clean one, one after two people changed things, and one after somebody accepted what was meant."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lockdown import record
from lockdown.evidence import keys
from lockdown.notify import notice
from lockdown.sandbox.server import Sandbox
from tests.nightly.arm import Person
from tests.nightly.encoded import CommonMark, Seen

if TYPE_CHECKING:
    from tests.conftest import Lockdown

STORAGE, REGISTRY = "2024-01-01", "2023-07-01"


def drift(run: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run / "results/drift.json").read_bytes())
    return found


def test_two_nights_and_the_one_after(lockdown: Lockdown, tmp_path: Path) -> None:  # noqa: PLR0915 - one story
    keys.generate(tmp_path / "keys")
    signed = ("--key", f"file:{tmp_path}/keys/private.pem")
    trust = ("--trust", tmp_path / "keys/trust-root.json")
    with Sandbox("coa-private") as sandbox:
        config = tmp_path / "lockdown.yaml"
        store = f"evidence:\n  store: file:{tmp_path}/store\n"
        config.write_text(sandbox.config_file.read_text("utf-8") + store, "utf-8")
        env = {**sandbox.environment("auditor"), "LOCKDOWN_CONFIG": str(config)}
        night = tmp_path / "one"

        first = lockdown("audit", *signed, "--out", night, env=env)
        assert first.code == 0, first.err
        found = record.read(night / "results/results.json")
        assert found.run["outcome"] == "compliant"
        assert found.run["counts"]["waived"] > 0
        assert found.run["counts"]["unknown"] == 0
        assert lockdown("verify", night, *trust, "--require-compliant").code == 0

        operator = Person(sandbox, "operator", "operator-script")
        owner = Person(sandbox, "owner", "AZURECLI/2.80.0")
        opened, reverted = operator.all("Microsoft.Storage/storageAccounts")
        (registry,) = owner.all("Microsoft.ContainerRegistry/registries")
        address = f"{registry['id'].split('/providers/')[0]}/providers/Microsoft.Network/publicIPAddresses/debug-ip"
        sku = {"name": "Standard"}
        operator.call("PATCH", opened["id"], STORAGE, {"properties": {"publicNetworkAccess": "Enabled"}})
        owner.call("PATCH", registry["id"], REGISTRY, {"properties": {"adminUserEnabled": True}})
        body = {"location": registry["location"], "sku": sku, "properties": {"publicIPAllocationMethod": "Static"}}
        owner.make(address, "2024-05-01", body)
        operator.call("PATCH", reverted["id"], STORAGE, {"properties": {"minimumTlsVersion": "TLS1_0"}})
        owner.call("PATCH", reverted["id"], STORAGE, {"properties": {"minimumTlsVersion": "TLS1_2"}})

        two = tmp_path / "two"
        second = lockdown("drift", "--baseline", night, *trust, *signed, "--out", two, env=env)
        assert second.code == 8, second.err
        made = drift(two)
        assert made["complete"]
        assert made["warnings"] == []

        def by(item: dict[str, Any], key: str = "attribution") -> tuple[str, str]:
            told = item[key]
            assert found.run["startedAt"] <= told["when"] <= made["current"]["evaluatedAt"]
            return told["who"], told["client"]

        by_operator, by_owner = (operator.who, "operator-script"), (owner.who, "Azure CLI")
        assert {(i["resource"].lower(), i["path"], i["before"], i["after"], *by(i)) for i in made["properties"]} == {
            (opened["id"].lower(), "properties.publicNetworkAccess", "Disabled", "Enabled", *by_operator),
            (registry["id"].lower(), "properties.adminUserEnabled", False, True, *by_owner),
        }
        assert [(i["resource"].lower(), i["kind"], *by(i)) for i in made["resources"]] == [
            (address.lower(), "added", *by_owner)
        ]
        assert {(i["policy"], i["before"], i["after"], *by(i)) for i in made["verdicts"] if i["after"] == "fail"} == {
            ("storage-pna-disabled", "pass", "fail", *by_operator),
            ("acr-admin-disabled", "pass", "fail", *by_owner),
            ("pip-none-in-scope", "pass", "fail", *by_owner),
            ("pip-none-in-scope", None, "fail", *by_owner),
        }
        assert {i["direction"] for i in made["verdicts"]} <= {"worse", "appeared"}
        (back,) = made["reverted"]
        assert (back["resource"].lower(), back["path"]) == (reverted["id"].lower(), "properties.minimumTlsVersion")
        assert (by(back, "changed"), by(back, "restored")) == (by_operator, by_owner)
        assert (made["waivers"], made["policies"], made["lapsed"]) == ([], [], [])
        assert lockdown("verify", two, *trust).code == 0

        told = Seen(CommonMark.render(_summary(lockdown, two, tmp_path)))
        for one in (operator.who, owner.who):
            assert any(text.startswith(one) for text in told.code)
        assert any(text.startswith("az storage account update --ids") for text in told.code)
        compared = notice.read(two).drift
        assert compared is not None
        touched = {opened["id"].lower(), reverted["id"].lower(), registry["id"].lower(), address.lower()}
        assert touched <= {finding.resource.lower() for finding in compared.findings}
        assert {finding.resource.lower() for finding in compared.findings} - touched <= {
            item["resource"].lower() for item in made["verdicts"] if item["policy"] == "pip-none-in-scope"
        }

        accepted = lockdown(
            "drift", "--baseline", night, "--run", two, "--accept", "all", "--reason", "Change 17.",
            *signed, *trust, "--out", tmp_path / "approved", env=env,
        )  # fmt: skip
        assert accepted.code == 0, accepted.err
        third = lockdown(
            "drift", "--baseline", tmp_path / "approved", *trust, *signed, "--out", tmp_path / "three", env=env
        )
        assert third.code == 0, third.err
        assert drift(tmp_path / "three")["empty"]
        assert record.read(tmp_path / "three/results/results.json").run["outcome"] == "nonCompliant"

    history = lockdown("history", "--store", f"file:{tmp_path}/store", *trust, "--json")
    assert history.code == 0, history.err
    assert "Change 17." in history.out
    assert [run["outcome"] for run in json.loads(history.out)["runs"]] == ["compliant", "nonCompliant", "nonCompliant"]


def _summary(lockdown: Lockdown, run: Path, folder: Path) -> str:
    assert lockdown("notify", run, "--summary", folder / "summary.md").code == 0
    return (folder / "summary.md").read_text("utf-8")
